"""Retention: what has expired is gone for everybody at once, and what has not is as it was, to the last digit."""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.house import House, StillClock, build_house
from tests.store.test_rollup import Crash, during, request

from usagedeck import admin, listing, report
from usagedeck.catalog.dimensions import dimension
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.catalog.rollups import ROLLUPS
from usagedeck.deck import Deck, open_deck
from usagedeck.events import Rejection
from usagedeck.floors import Floor
from usagedeck.query import LogQuery, Query, Selection
from usagedeck.seals import Cut, Ledger
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.store import definitions, expiry
from usagedeck.store.clickhouse import Store
from usagedeck.store.expiry import floor_at
from usagedeck.store.inspection import partitions
from usagedeck.store.rollup import Seals
from usagedeck.store.writer import Writer
from usagedeck.table import csv_lines
from usagedeck.times import DAY, HOUR, WEEK, zone
from usagedeck.windows import Interval, Window

NEW_YORK = "America/New_York"
DAYS = 20
ALL = ("requests", "credits", "success_rate", "latency_p95", "latency_avg")
ACTIVE = ("concurrency", "concurrency_average")


def events(now: int, *, days: int = 60, seed: int = 1) -> list[dict[str, Any]]:
    """Requests and deliveries of so many days; some last for hours and one over the floor."""
    dice, found = random.Random(seed), []
    for n in range(400):
        time = now - dice.randrange(days * DAY)
        lasts = dice.choice((0, 40, 700, 5 * HOUR))
        found.append(request(time, f"r{n}", voice_id=dice.choice("abc"), user_id=dice.choice(("ana", "ben")), duration_ms=lasts))
    edge = floor_at(now, DAYS)
    found.append(request(edge - 20 * HOUR, "over the edge", voice_id="edge", duration_ms=23 * HOUR))
    found += [request(edge, "first", voice_id="first"), request(edge - 1, "last", voice_id="last")]
    found += [
        {"kind": "delivery", "id": f"d{n}", "time": now - dice.randrange(days * DAY), "status": 200, "webhook_id": f"w{n % 3}"}
        for n in range(60)
    ]
    return found


def furnish(deck: Deck) -> tuple[House, House]:
    """Two workspaces with the same weeks; one will keep twenty days."""
    acme = build_house(deck, "acme", id="ws_acme", time_zone=NEW_YORK)
    berlin = build_house(deck, "berlin", id="ws_berlin", time_zone="Europe/Berlin")
    for house, seed in ((acme, 1), (berlin, 2)):
        assert not house.send(events(deck.clock(), seed=seed)).rejected
    return acme, berlin


@pytest.fixture
def houses(deck: Deck) -> tuple[House, House]:
    return furnish(deck)


def keep(house: House, days: int | None) -> dict[str, Any]:
    return house.do(admin.SetRetention(workspace=house.workspace_id, days=days))


def expire(deck: Deck, clock: StillClock) -> int:
    """Raise the floors, let the longest question end, delete."""
    deck.expirer.look()
    clock.now += deck.settings.export_seconds * 1000
    return deck.expirer.look()


PLACES = (("UTC", "day"), (NEW_YORK, "day"), ("Asia/Kathmandu", "week"), ("UTC", "7200s"))


def everything(
    house: House, start: int, end: int, *, sealed: bool = True, places: Sequence[tuple[str, str]] = PLACES
) -> dict[str, Any]:
    """The answers to all kinds of questions about a window."""
    deck = house.deck if sealed else unsealed(house)
    found: dict[str, Any] = {}
    for where, size in places:
        window = Window(start, end, zone(where))
        for metrics, subject in ((ALL, Subject.REQUESTS), (ACTIVE, Subject.REQUESTS), (("attempts",), Subject.DELIVERIES)):
            by = ("webhook_id",) if subject is Subject.DELIVERIES else ("voice_id",)
            if size != "7200s" or metrics != ("attempts",):
                for split in ((),) if size == "7200s" else ((), by):
                    query = Query(
                        Selection(subject, window),
                        tuple(METRICS[name] for name in metrics),
                        Interval.parse(size),
                        tuple(dimension(name) for name in split),
                        top=2 if split and size == "day" else None,
                        cumulative=metrics == ("attempts",),
                    )
                    answer = report.usage(deck, house.who, None, query, now=end)
                    found[f"{where} {size} {metrics} {split}"] = [list(row) for row in answer.table.rows]
    whole = Window(start, end, zone("UTC"))
    for subject in Subject:
        page = listing.log(deck, house.who, None, LogQuery(Selection(subject, whole), fields(subject), limit=1000))
        found[f"log {subject}"] = [list(row) for row in page.table.rows]
        every = LogQuery(Selection(subject, whole), fields(subject), limit=None)
        streamed = listing.log(deck, house.who, None, every, stream=True)
        found[f"csv {subject}"] = b"".join(csv_lines(streamed.table, zone("UTC")))
    values = report.values(deck, house.who, None, dimension("voice_id"), Selection(Subject.REQUESTS, whole))
    found["values"] = [list(row) for row in values.table.rows]
    return found


def unsealed(house: House) -> Deck:
    """The same deck with nothing sealed: all is read from the events."""
    seals = object.__new__(Seals)
    seals.ledger = Ledger(floors=house.deck.seals.ledger.floors)
    return replace(house.deck, seals=seals)


def rows(deck: Deck, table: str, which: str) -> int:
    return int(deck.store.run(Statement(f"SELECT count() FROM {table} WHERE {which}", {}, ("n",)))[0][0])


# --- the same above, nothing below ---------------------------------------------------------------------------------


def test_every_answer_above_the_floor_stays_as_it_was(houses: tuple[House, House], clock: StillClock) -> None:
    acme, berlin = houses
    deck, end = acme.deck, clock.now
    deck.sealer.look()
    floor = floor_at(clock.now, DAYS)
    before = everything(acme, floor, end)
    assert before == everything(acme, floor, end, sealed=False)
    others = everything(berlin, end - 60 * DAY, end)
    keep(acme, DAYS)
    deck.expirer.look()
    assert deck.seals.ledger.floor_of(acme.workspace_id) == floor
    steps: tuple[Callable[[], Any], ...] = (
        lambda: None,
        lambda: setattr(clock, "now", clock.now + deck.settings.export_seconds * 1000),
        deck.expirer.look,
        deck.sealer.look,
        lambda: acme.send([request(floor + 2 * DAY, "r1 again"), request(floor + HOUR, "late")]),
        deck.sealer.look,
        deck.expirer.look,
    )
    for step in steps:
        step()
        if step is steps[4]:
            before = everything(acme, floor, end, sealed=False)
        assert everything(acme, end - 60 * DAY, end) == before
    assert everything(acme, floor - 1, end, sealed=False) == before
    assert everything(berlin, end - 60 * DAY, end) == others


def test_a_window_below_the_floor_has_no_answer(houses: tuple[House, House], clock: StillClock) -> None:
    """No buckets, not empty ones: what happened there is unknown, not zero."""
    acme, _ = houses
    floor = floor_at(clock.now, DAYS)
    keep(acme, DAYS)
    acme.deck.expirer.look()
    for end in (floor, floor - 5 * DAY):
        answers = everything(acme, floor - 30 * DAY, end)
        assert not any(found for name, found in answers.items() if not name.startswith("csv"))
        assert all(len(answers[f"csv {subject}"].splitlines()) == 1 for subject in Subject)
    query = Query(
        Selection(Subject.REQUESTS, Window(floor - 30 * DAY, floor, zone("UTC"))), (METRICS["requests"],), Interval.parse("day")
    )
    answer = report.usage(acme.deck, acme.who, None, query)
    assert (list(answer.buckets), answer.about.available_from) == ([], floor)


@pytest.mark.parametrize("where", ["UTC", NEW_YORK, "Asia/Kathmandu", "Pacific/Kiritimati"])
def test_buckets_begin_with_the_one_that_holds_the_floor(houses: tuple[House, House], clock: StillClock, where: str) -> None:
    """The floor is a midnight of UTC; on other clocks it lies inside a day, which then counts from the floor on."""
    acme, _ = houses
    floor = floor_at(clock.now, DAYS)
    keep(acme, DAYS)
    acme.deck.expirer.look()
    window = Window(floor - 30 * DAY, clock.now, zone(where))
    query = Query(Selection(Subject.REQUESTS, window), (METRICS["requests"],), Interval.parse("day"))
    answer = report.usage(acme.deck, acme.who, None, query)
    found = [list(row) for row in answer.table.rows]
    assert found[0][0] <= floor < found[0][1]
    assert answer.about.window.start == floor
    assert [row[0] for row in found] == list(answer.buckets.starts)
    assert sum(row[2] for row in found) == rows(acme.deck, "requests", f"workspace_id = 'ws_acme' AND time >= {floor}")


def test_a_request_begun_below_the_floor_is_active_above_it(houses: tuple[House, House], clock: StillClock) -> None:
    """It counts as active and as nothing else, before its week is deleted and after."""
    acme, _ = houses
    floor = floor_at(clock.now, DAYS)
    keep(acme, DAYS)
    window = Window(floor - DAY, floor + 3 * HOUR, zone("UTC"))
    metrics = (METRICS["concurrency"], METRICS["requests"])
    edge = Query(Selection(Subject.REQUESTS, window), metrics, Interval.parse("total"), (dimension("voice_id"),))
    acme.deck.expirer.look()
    for _ in range(2):
        found = {row[2]: (row[4], row[5]) for row in report.usage(acme.deck, acme.who, None, edge).table.rows}
        assert found["edge"] == (1, 0)
        assert found["first"] == (0, 1)
        assert "last" not in found
        expire(acme.deck, clock)


def test_kept_answers_are_not_given_once_the_floor_is_above_them(houses: tuple[House, House], clock: StillClock) -> None:
    acme, _ = houses
    window = Window(clock.now - 50 * DAY, clock.now, zone("UTC"))
    query = Query(Selection(Subject.REQUESTS, window), (METRICS["requests"],), Interval.parse("total"))

    def count() -> Any:
        return next(iter(report.usage(acme.deck, acme.who, None, query).table.rows))[2]

    whole = count()
    assert count() == whole
    keep(acme, DAYS)
    assert count() == whole, "the floor has not been raised yet"
    acme.deck.expirer.look()
    assert 0 < count() < whole


# --- what comes too late -------------------------------------------------------------------------------------------


def test_events_below_the_floor_are_refused_one_by_one(houses: tuple[House, House], clock: StillClock) -> None:
    acme, berlin = houses
    floor = floor_at(clock.now, DAYS)
    keep(acme, DAYS)
    acme.deck.expirer.look()
    who = replace(
        acme, who=replace(acme.who, workspace=acme.deck.directory.workspaces.get(acme.workspace_id) or acme.who.workspace)
    )
    late = [
        request(floor - 1, "below"),
        request(floor, "at"),
        {"kind": "delivery", "id": "d", "time": floor - DAY},
        request(clock.now, "now"),
    ]
    receipt = who.send(late)
    assert receipt.accepted == 2
    assert [(one.index, one.id, one.code, one.field) for one in receipt.rejected] == [
        (0, "below", "too_old", "time"),
        (2, "d", "too_old", "time"),
    ]
    said: Rejection = receipt.rejected[0]
    assert said.message == (
        "time is 2026-11-02T23:59:59.999Z; the workspace keeps its events for 20 days, so the earliest accepted is "
        "2026-11-03T00:00:00.000Z."
    )
    assert berlin.send(late).accepted == 4


def test_what_expires_while_it_waits_for_the_writer_is_not_written(
    houses: tuple[House, House], clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme, _ = houses
    floor = floor_at(clock.now, DAYS)
    submit = Writer.submit

    def overtaken(writer: Writer, *job: Any, **more: Any) -> Any:
        writer.between(lambda: acme.deck.seals.raise_floor(acme.workspace_id, Floor(floor, floor))).result(30)
        return submit(writer, *job, **more)

    monkeypatch.setattr(Writer, "submit", overtaken)
    assert acme.send([request(floor - 1, "overtaken"), request(floor, "in time")]).accepted == 2
    assert rows(acme.deck, "requests", "id = 'overtaken'") == 0
    assert rows(acme.deck, "requests", "id = 'in time'") == 1


# --- the disk ------------------------------------------------------------------------------------------------------


def size(deck: Deck, *, below: int) -> int:
    """Bytes of weeks that end before."""
    tables = [subject.value for subject in Subject]
    found = [p for p in partitions(deck.store) if p.table in tables and expiry._instant(p.partition) + WEEK <= below]
    return sum(part.bytes for part in found)


def test_the_disk_follows(houses: tuple[House, House], clock: StillClock) -> None:
    acme, berlin = houses
    deck = acme.deck
    deck.sealer.look()
    floor = floor_at(clock.now, DAYS)
    old, gone = size(deck, below=floor - DAY), f"time < {floor - DAY - WEEK}"
    keep(acme, DAYS)
    deck.expirer.look()
    assert size(deck, below=floor - DAY) == old, "somebody may be reading it still"
    clock.now += deck.settings.export_seconds * 1000
    assert deck.expirer.look() > 0
    half = size(deck, below=floor - DAY)
    assert half < old, "acme's rows are cut out of weeks that berlin needs"
    assert rows(deck, "requests", f"workspace_id = 'ws_acme' AND {gone}") == 0
    assert rows(deck, "requests", f"workspace_id = 'ws_berlin' AND {gone}") > 0
    assert rows(deck, "requests", f"workspace_id = 'ws_acme' AND time >= {floor - DAY} AND time < {floor}") > 0
    assert deck.expirer.look() == 0, "everything is done"
    keep(berlin, DAYS)
    expire(deck, clock)
    assert size(deck, below=floor - DAY) == 0, "nobody needs them"
    deck.sealer.look()
    clock.now += deck.settings.export_seconds * 1000
    deck.sealer.look()
    first = min(expiry._instant(p.partition) for p in partitions(deck.store) if p.table.startswith("rollup"))
    assert first >= floor - 31 * DAY
    assert rows(deck, "seals", f"end <= {floor}") == 0
    assert deck.sealer.look() == 0, "nothing is sealed anew"


def test_two_ages_in_one_week(houses: tuple[House, House], clock: StillClock) -> None:
    acme, berlin = houses
    keep(acme, 10)
    keep(berlin, 30)
    ends = {house.workspace_id: (house, floor_at(clock.now, days)) for house, days in ((acme, 10), (berlin, 30))}
    before = {name: everything(house, floor, clock.now) for name, (house, floor) in ends.items()}
    end = clock.now
    expire(acme.deck, clock)
    acme.deck.sealer.look()
    for name, (house, floor) in ends.items():
        assert everything(house, end - 60 * DAY, end) == before[name]
        assert rows(house.deck, "requests", f"workspace_id = '{name}' AND time < {floor - DAY - WEEK}") == 0


def test_an_event_for_somebody_else_that_comes_just_before_its_week_is_dropped(
    deck: Deck, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether anybody needs a week is asked again between two commits."""
    acme, _ = build_house(deck, "acme", id="ws_acme"), build_house(deck, "berlin", id="ws_berlin")
    old = clock.now - 40 * DAY
    acme.send([request(old, "old")])
    keep(acme, DAYS)
    finds = Store.finds

    def overtaken(store: Store, statement: Statement) -> bool:
        line = f'{{"version":1,"workspace_id":"ws_berlin","time":{old},"id":"late","credits":"1"}}'
        store.insert(Subject.REQUESTS, line.encode())
        return finds(store, statement)

    monkeypatch.setattr(Store, "finds", overtaken)
    expire(deck, clock)
    assert rows(deck, "requests", "workspace_id = 'ws_berlin'") == 1
    assert rows(deck, "requests", "workspace_id = 'ws_acme'") == 0


# --- order, crashes, restarts --------------------------------------------------------------------------------------


def test_a_floor_never_falls(houses: tuple[House, House], clock: StillClock) -> None:
    acme, berlin = houses
    keep(acme, DAYS)
    acme.deck.expirer.look()
    floor = acme.deck.seals.ledger.floor_of(acme.workspace_id)
    for days in (50, None, 21):
        keep(acme, days)
        acme.deck.expirer.look()
        assert acme.deck.seals.ledger.floor_of(acme.workspace_id) == floor
    clock.now -= 5 * DAY
    keep(acme, DAYS)
    acme.deck.expirer.look()
    assert acme.deck.seals.ledger.floor_of(acme.workspace_id) == floor
    clock.now += 6 * DAY
    acme.deck.expirer.look()
    assert acme.deck.seals.ledger.floor_of(acme.workspace_id) == floor + DAY
    assert berlin.deck.seals.ledger.floor_of(berlin.workspace_id) == 0, "nothing expires by default"


def test_without_an_age_nothing_is_touched(houses: tuple[House, House], clock: StillClock) -> None:
    acme, _ = houses
    before = everything(acme, clock.now - 60 * DAY, clock.now)
    end = clock.now
    clock.now += 1000 * DAY
    assert expire(acme.deck, clock) == 0
    assert everything(acme, end - 60 * DAY, end) == before


@pytest.mark.parametrize(
    ("what", "before"),
    [
        pytest.param("INSERT INTO floors", True, marks=pytest.mark.torture),
        pytest.param("INSERT INTO floors", False, marks=pytest.mark.torture),
        pytest.param("DELETE FROM touches", True, marks=pytest.mark.torture),
        pytest.param("DELETE FROM touches", False, marks=pytest.mark.torture),
        pytest.param("DELETE IN PARTITION", True, marks=pytest.mark.torture),
        ("DELETE IN PARTITION", False),
        pytest.param("DROP PARTITION", True, marks=pytest.mark.torture),
        pytest.param("DROP PARTITION", False, marks=pytest.mark.torture),
    ],
)
def test_a_crash_between_any_two_steps(
    settings: Settings, clock: StillClock, monkeypatch: pytest.MonkeyPatch, what: str, before: bool
) -> None:
    end = clock.now
    with open_deck(settings, clock) as deck:
        acme, berlin = furnish(deck)
        acme.send([request(clock.now - 55 * DAY - n * DAY, f"alone {n}") for n in range(10, 20)])
        deck.sealer.look()
        floor = floor_at(clock.now, DAYS)
        expected = everything(acme, floor, end, places=PLACES[:1])
        others = everything(berlin, end - 60 * DAY, end, places=PLACES[:1])
        keep(acme, DAYS)

        def crash() -> None:
            raise Crash

        with monkeypatch.context() as patched:
            during(patched, what, crash, before=before)
            patched.setattr(Store, "record", _crashing(Store.record, what, before=before))
            with pytest.raises(Crash):
                expire(deck, clock)
    with open_deck(settings, clock) as deck:
        acme, berlin = (House(deck, old.workspace_id, old.api_key, old.who) for old in (acme, berlin))
        for _ in range(2):
            start = deck.seals.ledger.floor_of(acme.workspace_id) or floor
            assert everything(acme, start, end, places=PLACES[:1]) == expected
            expire(deck, clock)
            deck.sealer.look()
        assert everything(berlin, end - 60 * DAY, end, places=PLACES[:1]) == others
        assert deck.seals.ledger.floor_of(acme.workspace_id) == floor
        assert everything(acme, end - 60 * DAY, end, places=PLACES[:1]) == expected
        assert rows(deck, "requests", f"workspace_id = 'ws_acme' AND time < {floor - DAY - WEEK}") == 0


def _crashing(record: Callable[[Store, Statement], None], what: str, *, before: bool) -> Callable[[Store, Statement], None]:
    def crashing(store: Store, statement: Statement) -> None:
        if what not in statement.text:
            record(store, statement)
            return
        if not before:
            record(store, statement)
        raise Crash

    return crashing


@pytest.mark.torture  # `test_floors` changes a definition every time
def test_a_changed_definition_brings_nothing_back_and_takes_nothing(
    settings: Settings, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    end, floor = clock.now, floor_at(clock.now, DAYS)
    with open_deck(settings, clock) as deck:
        acme, berlin = furnish(deck)
        deck.sealer.look()
        expected, others = everything(acme, floor, end), everything(berlin, end - 60 * DAY, end)
        keep(acme, DAYS)
        expire(deck, clock)
    usual = definitions.definition
    monkeypatch.setattr(definitions, "definition", lambda rollup: usual(rollup)[::-1])
    with open_deck(settings, clock) as deck:
        acme, berlin = (House(deck, old.workspace_id, old.api_key, old.who) for old in (acme, berlin))
        assert deck.sealer.look() > 0
        assert everything(acme, end - 60 * DAY, end) == expected
        assert everything(berlin, end - 60 * DAY, end) == others


def test_another_zone_brings_nothing_back_and_takes_nothing(
    houses: tuple[House, House], clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme, _ = houses
    end, floor, deck = clock.now, floor_at(clock.now, DAYS), acme.deck
    deck.sealer.look()
    expected = everything(acme, floor, end)
    keep(acme, DAYS)
    expire(deck, clock)
    zones = {"ws_acme": "Europe/Berlin", "ws_berlin": "Europe/Berlin"}
    monkeypatch.setattr(deck.sealer, "_zones", lambda: zones)
    assert deck.sealer.look() > 0
    ledger, cut = deck.seals.ledger, Cut("calls", "Europe/Berlin")
    assert ledger.live(cut, "ws_acme", 0, end) != []
    assert all(piece.start >= floor for piece in ledger.live(cut, "ws_acme", 0, end))
    assert everything(acme, end - 60 * DAY, end) == expected


def test_nothing_below_a_floor_counts_as_sealed_or_missing(houses: tuple[House, House], clock: StillClock) -> None:
    acme, _ = houses
    deck, end, floor = acme.deck, clock.now, floor_at(clock.now, DAYS)
    deck.sealer.look()
    acme.send([request(floor - 3 * DAY, "touch")])
    keep(acme, DAYS)
    deck.expirer.look()
    for rollup in ROLLUPS.values():
        for where in ("", "UTC", NEW_YORK):
            cut = Cut(rollup.name, where)
            assert all(piece.start >= floor for piece in deck.seals.ledger.live(cut, "ws_acme", 0, end))
            holes = deck.seals.ledger.missing(cut, 0, end - DAY).get("ws_acme", [])
            assert all(start >= floor for start, _ in holes)
    assert deck.seals.ledger.live(Cut("calls"), "ws_berlin", 0, end)[0].start < floor


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "FIRST_LOOK", 10)
    monkeypatch.setattr(expiry, "LOOK_EVERY", 10)


@pytest.mark.usefixtures("impatient")
def test_it_looks_by_itself(settings: Settings, clock: StillClock) -> None:
    with open_deck(settings, clock) as deck:
        acme = build_house(deck, "acme", id="ws_acme")
        acme.send([request(clock.now - 40 * DAY, "old")])
        keep(acme, DAYS)
        while not deck.seals.ledger.floor_of("ws_acme"):
            deck.writer.between(lambda: None).result()
        while rows(deck, "requests", "1"):
            clock.now += deck.settings.export_seconds * 1000


def test_only_access_makes_scopes() -> None:
    """So that no question is asked without the floor."""
    sources = Path(expiry.__file__).parent.parent
    makers = [path.name for path in sources.rglob("*.py") if re.search(r"(?<!class )\bScope\(", path.read_text())]
    assert makers == ["access.py"]

"""Two ages: where events have expired and rollups have not, what rollups can tell is told to the last digit, and nothing else."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from tests.house import House, StillClock, build_house
from tests.store.test_expiry import NEW_YORK, expire, rows
from tests.store.test_rollup import Crash, request

from usagedeck import admin, changing, doctor, listing, report, verify
from usagedeck.catalog.dimensions import Label, dimension
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.catalog.rollups import ROLLUPS
from usagedeck.deck import Deck, open_deck
from usagedeck.errors import StoreFailed
from usagedeck.filters import parse_filter, parse_search
from usagedeck.floors import Floor, Floors
from usagedeck.query import ChangeQuery, LogQuery, Query, Selection
from usagedeck.seals import QUARTER, Cut, Ledger
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.store.clickhouse import Store
from usagedeck.store.expiry import floor_at
from usagedeck.store.rollup import Sealer, Seals
from usagedeck.times import DAY, HOUR, MINUTE, zone
from usagedeck.windows import Interval, Window

EVENTS, ROLLED = 20, 50
LONG = 70


def events(now: int, seed: int) -> list[dict[str, Any]]:
    dice, found = random.Random(seed), []
    for n in range(250):
        lasts = dice.choice((0, 40, 700, 5 * HOUR, 23 * HOUR))
        ends = {"duration_ms": lasts, "region": dice.choice(("eu", "us")), "attributes": {"team": dice.choice("xy")}}
        users = {"voice_id": dice.choice("abc"), "user_id": dice.choice(("ana", "ben")), "model": dice.choice("mn")}
        found.append(request(now - dice.randrange(LONG * DAY), f"r{n}", **ends, **users))
    edge = floor_at(now, EVENTS)
    found += [
        request(edge - 20 * HOUR, "over the edge", duration_ms=23 * HOUR),
        request(edge, "first"),
        request(edge - 1, "last"),
    ]
    for n in range(40):
        sent = {"status": 200, "webhook_id": f"w{n % 3}"}
        found.append({"kind": "delivery", "id": f"d{n}", "time": now - dice.randrange(LONG * DAY), **sent})
    return found


def furnish(deck: Deck) -> tuple[House, House]:
    """Two workspaces with the same weeks; berlin keeps everything."""
    acme = build_house(deck, "acme", id="ws_acme", time_zone=NEW_YORK, concurrency_limit=1)
    berlin = build_house(deck, "berlin", id="ws_berlin", time_zone="Europe/Berlin")
    for house, seed in ((acme, 1), (berlin, 2)):
        assert not house.send(events(deck.clock(), seed)).rejected
    deck.sealer.look()
    return acme, berlin


@pytest.fixture
def houses(deck: Deck) -> tuple[House, House]:
    return furnish(deck)


def keep(house: House, days: int | None = EVENTS, rollup_days: int | None = ROLLED) -> None:
    house.do(admin.SetRetention(workspace=house.workspace_id, days=days, rollup_days=rollup_days))


def floors(now: int) -> Floor:
    return Floor(floor_at(now, EVENTS), floor_at(now, ROLLED))


def unsealed(house: House) -> House:
    """The same with nothing sealed and nothing expired: all is read from the events that are on the disk."""
    seals = object.__new__(Seals)
    seals.ledger = Ledger()
    return replace(house, deck=replace(house.deck, seals=seals))


def ask(house: House, query: Query, now: int) -> report.Answer:
    answer = report.usage(house.deck, house.who, None, query, now=now)
    return replace(answer, table=replace(answer.table, rows=[list(row) for row in answer.table.rows]))


def question(metrics: str, by: str, interval: str, window: Window, *filters: str, top: int | None = None) -> Query:
    named = tuple(METRICS[name] for name in metrics.split())
    selection = Selection(named[0].of, window, tuple(map(parse_filter, filters)))
    return Query(selection, named, Interval.parse(interval), tuple(dimension(name) for name in by.split()), top=top)


KINDS = (
    ("requests credits", "", ()),
    ("requests credits", "voice_id", ()),
    ("credits latency_avg", "user_id", ("model:in:m",)),
    ("success_rate", "path", ()),
    ("requests", "region", ("voice_id:in:a",)),
    ("latency_p95 requests", "", ()),
    ("concurrency concurrency_average", "", ()),
    ("concurrency", "voice_id", ()),
    ("concurrency_over_limit", "", ()),
    ("requests", "attributes.team", ()),
    ("attempts", "webhook_id", ()),
)


def questions(dice: random.Random, floor: Floor, now: int, count: int) -> Iterator[Query]:
    for n in range(count):
        metrics, by, filters = KINDS[n % len(KINDS)]
        start = floor.rollups + dice.choice((-5 * DAY, 0, 3 * DAY, 9 * DAY + 7 * MINUTE, 30 * DAY + 4 * HOUR, 36 * DAY))
        end = dice.choice((now, floor.events, floor.events + 5 * HOUR, floor.events - 2 * DAY))
        where = zone(dice.choice((NEW_YORK, "UTC", "Asia/Kathmandu")))
        if start < end:
            interval = dice.choice(("day", "week", "total", "7200s"))
            yield question(
                metrics, by, interval, Window(start, end, where), *filters, top=dice.choice((None, 1, 2)) if by else None
            )


# --- what rollups can tell -----------------------------------------------------------------------------------------


def test_a_change_is_told_as_long_as_both_periods_can_be(houses: tuple[House, House], clock: StillClock) -> None:
    acme, _ = houses
    floor = floors(clock.now)
    edges = [floor.events + days * DAY for days in (-15, -5, 5)]
    before, after = (Window(start, end, zone("UTC")) for start, end in pairwise(edges))
    selection = Selection(Subject.REQUESTS, after)

    def told(by: str, earlier: Window = before) -> tuple[Any, ...]:
        query = ChangeQuery(selection, earlier, METRICS["credits"], dimension(by))
        answer = changing.change(acme.deck, acme.who, None, query)
        return [list(row) for row in answer.table.rows], answer.whole, answer.about.available_from

    known = told("voice_id")
    assert len(known[0]) == 4
    keep(acme)
    acme.deck.expirer.look()
    assert told("voice_id") == known
    assert told("attributes.team") == ([], changing.NOTHING, floor.events)
    assert told("voice_id", Window(floor.rollups - 1, edges[1], zone("UTC"))) == ([], changing.NOTHING, floor.rollups)
    offered = changing.dimensions(acme.deck, acme.who, None, METRICS["credits"], selection, before)
    names = {row[0] for row in offered.table.rows}
    assert "voice_id" in names
    assert "user_agent" not in names
    assert offered.about.available_from is None


def test_answers_are_those_of_the_events_that_are_gone(houses: tuple[House, House], clock: StillClock) -> None:
    """Asked of the rollups while the events are still on the disk, and again when they are gone."""
    acme, berlin = houses
    now, floor = clock.now, floors(clock.now)
    whole = question("requests credits", "voice_id", "day", Window(now - LONG * DAY, now, zone("UTC")))
    others = ask(berlin, whole, now).table
    keep(acme)
    acme.deck.expirer.look()
    assert acme.deck.seals.ledger.floors["ws_acme"] == floor
    asked, below = [], 0
    for query in questions(random.Random(7), floor, now, 50):
        answer = ask(acme, query, now)
        window = answer.about.window
        known = query.selection.window.start if answer.about.available_from is None else answer.about.available_from
        assert window.start == min(known, window.end)
        assert known in (query.selection.window.start, floor.events, floor.rollups) or known % QUARTER == 0
        if window.start < window.end:
            events = ask(unsealed(acme), replace(query, selection=replace(query.selection, window=window)), now)
            assert answer.table == events.table, (query, answer.route)
        asked.append((query, answer))
        below += window.start < floor.events
    assert below > len(asked) // 3
    clock.now += acme.deck.settings.export_seconds * 1000
    assert acme.deck.expirer.look() > 0
    assert rows(acme.deck, "requests", f"workspace_id = 'ws_acme' AND time < {floor.events - 8 * DAY}") == 0
    acme.deck.sealer.look()
    for query, answer in asked:
        again = ask(acme, query, now)
        assert (again.table, again.about.available_from) == (answer.table, answer.about.available_from), (query, again.route)
    assert ask(berlin, whole, now).table == others


NEEDS_EVENTS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("latency_p95", "voice_id", "day", ()),
    ("concurrency", "voice_id", "day", ()),
    ("concurrency_over_limit", "", "day", ()),
    ("requests", "attributes.team", "day", ()),
    ("requests", "voice_id", "day", ("attributes.team:in:x",)),
    ("requests", "voice_id region", "day", ()),
    ("requests", "", "60s", ()),
)


def test_what_cannot_be_told_is_left_out(houses: tuple[House, House], clock: StillClock) -> None:
    acme, _ = houses
    start = floors(clock.now).events
    window = Window(start, start + DAY, zone("UTC"))
    before = [(one, ask(acme, question(*one[:3], window, *one[3]), clock.now).table) for one in NEEDS_EVENTS]
    planned = verify.plan(acme.deck, [acme.who.workspace], everything=True)
    keep(acme)
    expire(acme.deck, clock)
    what_needs_the_events_begins_where_they_begin(acme, before)
    log_and_search_begin_where_the_events_begin_and_menus_do_not(acme)
    where_an_edge_cuts_a_quarter_hour_the_answer_begins_behind_it(acme)
    verify_compares_what_there_is_to_compare_with(acme)
    verify_leaves_out_what_has_expired_since_it_was_planned(acme, planned)


def what_needs_the_events_begins_where_they_begin(acme: House, before: Any) -> None:
    now = acme.deck.clock()
    start = floors(now).events
    for (metrics, by, interval, filters), table in before:
        for since, until in ((start - 2 * DAY, start + DAY), (start - 2 * DAY, start), (start - 90 * DAY, start - DAY)):
            answer = ask(acme, question(metrics, by, interval, Window(since, until, zone("UTC")), *filters), now)
            assert answer.about.available_from == start, metrics
            assert answer.table.rows == (table.rows if until > start else [])


def log_and_search_begin_where_the_events_begin_and_menus_do_not(acme: House) -> None:
    deck = acme.deck
    floor = floors(deck.clock())
    window = Window(floor.rollups - DAY, deck.clock(), zone("UTC"))
    page = listing.log(deck, acme.who, None, LogQuery(Selection(Subject.REQUESTS, window), fields(Subject.REQUESTS), limit=1000))
    assert page.about.available_from == floor.events
    kept = rows(deck, "requests FINAL", f"workspace_id = 'ws_acme' AND time >= {floor.events}")
    assert len(list(page.table.rows)) == kept
    menu = report.values(deck, acme.who, None, dimension("voice_id"), Selection(Subject.REQUESTS, window))
    assert menu.about.available_from == floor.rollups
    assert sum(int(str(row[2])) for row in menu.table.rows) > kept
    found = Selection(Subject.REQUESTS, window, search=parse_search("over"))
    menu = report.values(deck, acme.who, None, dimension("voice_id"), found)
    assert menu.about.available_from == floor.events
    everything_gone = Selection(Subject.REQUESTS, replace(window, end=floor.rollups))
    assert list(report.values(deck, acme.who, None, dimension("voice_id"), everything_gone).table.rows) == []


def where_an_edge_cuts_a_quarter_hour_the_answer_begins_behind_it(acme: House) -> None:
    now = acme.deck.clock()
    floor = floors(now)
    start = floor.events - 5 * DAY
    for cut, begins in ((0, start), (1, start + QUARTER), (QUARTER - 1, start + QUARTER)):
        answer = ask(acme, question("requests", "", "day", Window(start + cut, now, zone("UTC"))), now)
        assert answer.about.window.start == begins
    end = ask(acme, question("requests", "", "day", Window(start, start + DAY + 1, zone("UTC"))), now)
    assert (list(end.table.rows), end.about.available_from) == ([], floor.events)


def verify_compares_what_there_is_to_compare_with(acme: House) -> None:
    tasks = verify.plan(acme.deck, [acme.who.workspace], everything=True)
    assert {task.start >= floors(acme.deck.clock()).events for task in tasks} == {True}
    assert {type(task) for task in tasks} == {verify.Sealed, verify.Views}
    for task in tasks[::4]:
        assert not verify.perform(acme.deck, task).differences


def verify_leaves_out_what_has_expired_since_it_was_planned(acme: House, planned: list[verify.Task]) -> None:
    start = floors(acme.deck.clock()).events
    (one,) = (t for t in planned if isinstance(t, verify.Views) and t.start < start < t.end and t.subject is Subject.REQUESTS)
    outcome = verify.perform(acme.deck, one)
    assert (outcome.differences, outcome.moved) == ([], 0)
    assert outcome.compared["requests log"]
    assert verify.perform(acme.deck, msgspec.structs.replace(one, end=start)).differences == []


def test_a_time_without_events_is_known_to_be_empty(deck: Deck, clock: StillClock) -> None:
    """Before the first event, and in weeks in which nobody sent any: zeros, not absent."""
    acme = build_house(deck, "acme", id="ws_acme")
    acme.send([request(clock.now - days * DAY, f"r{days}") for days in (1, 40, 41)])
    deck.sealer.look()
    keep(acme, EVENTS, 300)
    expire(deck, clock)
    floor = floor_at(clock.now, EVENTS)
    assert deck.seals.ledger.floor_of("ws_acme") == floor
    for metrics in ("requests", "attempts", "concurrency"):
        answer = ask(acme, question(metrics, "", "day", Window(floor_at(clock.now, 200), clock.now, zone("UTC"))), clock.now)
        assert answer.about.available_from is None, metrics
        assert len(list(answer.table.rows)) == 201
    answer = ask(acme, question("requests", "", "total", Window(floor_at(clock.now, 200), clock.now, zone("UTC"))), clock.now)
    assert next(iter(answer.table.rows))[2] == 3


# --- nothing below is made anew ------------------------------------------------------------------------------------


@pytest.fixture
def expired(houses: tuple[House, House], clock: StillClock) -> Callable[[], None]:
    """Acme's events are gone; gives a check that what rollups tell is as it was."""
    acme, _ = houses
    now, floor = clock.now, floors(clock.now)
    window = Window(floor.rollups, floor.events + DAY, zone(NEW_YORK))
    asked = [question("requests credits", "voice_id", "day", window), question("concurrency", "", "day", window)]
    before = [ask(unsealed(acme), query, now).table for query in asked]
    keep(acme)
    expire(acme.deck, clock)

    def check() -> None:
        for query, table in zip(asked, before, strict=True):
            answer = ask(acme, query, now)
            assert (answer.table, answer.about.available_from) == (table, None), answer.route

    check()
    return check


def test_no_seal_is_made_where_events_are_gone(
    houses: tuple[House, House], clock: StillClock, expired: Callable[[], None]
) -> None:
    """It would be empty, and the younger seal counts."""
    acme, _ = houses
    sealer, day = acme.deck.sealer, floors(clock.now).events - 12 * DAY
    zones = {"ws_acme": NEW_YORK, "ws_berlin": "Europe/Berlin"}
    local = Cut("voices", NEW_YORK).cell(floors(clock.now).events)
    tries = [*((Cut(name), (day, day + DAY)) for name in ROLLUPS), (Cut("voices", NEW_YORK), local)]
    for whose in (None, ["ws_acme"]):
        for cut, stretch in tries:
            with pytest.raises(StoreFailed, match="its events have expired"):
                sealer._seal(cut, [stretch], whose, zones)
    expired()
    sealer._seal(Cut("calls"), [(day, day + DAY)], ["ws_berlin"], zones)
    expired()


def test_no_touch_takes_a_seal_away_where_events_are_gone(
    houses: tuple[House, House], clock: StillClock, expired: Callable[[], None]
) -> None:
    acme, _ = houses
    quarters = range(floors(clock.now).rollups, floors(clock.now).events, QUARTER)
    acme.deck.writer.between(lambda: acme.deck.seals.unseal({"ws_acme": quarters})).result()
    expired()
    acme.send([request(floors(clock.now).events - HOUR, "late")])
    expired()


def test_the_local_day_that_the_floor_cuts_is_read_from_quarter_hours(houses: tuple[House, House], clock: StillClock) -> None:
    """Its upper part is written to: the day can never be sealed as one again, but nothing of it is lost."""
    acme, _ = houses
    now, floor, deck = clock.now, floors(clock.now), acme.deck
    day = Cut("voices", NEW_YORK).cell(floor.events)
    assert day[0] < floor.events < day[1]
    query = question("requests credits", "voice_id", "day", Window(*day, zone(NEW_YORK)))
    keep(acme)
    expire(deck, clock)
    acme.send([request(floor.events + HOUR, "late", voice_id="late")])
    expected = ask(unsealed(acme), query, now).table
    for _ in range(2):
        answer = ask(acme, query, now)
        assert (answer.table, answer.about.available_from) == (expected, None), answer.route
        deck.sealer.look()
        assert deck.seals.ledger.live(Cut("voices", NEW_YORK), "ws_acme", *day) == []
        assert deck.sealer.look() == 0


def test_another_zone_reads_quarter_hours(
    houses: tuple[House, House], clock: StillClock, expired: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    acme, _ = houses
    zones = {"ws_acme": "Europe/Berlin", "ws_berlin": "Europe/Berlin"}
    monkeypatch.setattr(acme.deck.sealer, "_zones", lambda: zones)
    acme.deck.sealer.look()
    days = acme.deck.seals.ledger.live(Cut("voices", "Europe/Berlin"), "ws_acme", 0, clock.now)
    assert days
    assert all(piece.start >= floors(clock.now).events for piece in days)
    assert acme.deck.sealer.look() == 0
    expired()


# --- when the floor of the events may rise -------------------------------------------------------------------------


def test_events_wait_until_all_is_sealed(houses: tuple[House, House], clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for what comes at the last moment."""
    acme, _ = houses
    deck, floor = acme.deck, floors(clock.now)
    late = floor.events - 3 * DAY
    gaps = Sealer.seal_gaps

    def overtaken(sealer: Sealer, *where: Any) -> None:
        gaps(sealer, *where)
        acme.send([request(late, "late", credits="1000")])

    keep(acme)
    with monkeypatch.context() as patched:
        patched.setattr(Sealer, "seal_gaps", overtaken)
        deck.expirer.look()
    assert deck.seals.ledger.floors["ws_acme"] == Floor(late // DAY * DAY, floor.rollups)
    assert [w["code"] for w in doctor.examine(deck)["warnings"] if w["code"].startswith("expiry")] == ["expiry_waits"]
    deck.sealer.look()
    expire(deck, clock)
    assert deck.seals.ledger.floors["ws_acme"] == floor
    assert not [w for w in doctor.examine(deck)["warnings"] if w["code"].startswith("expiry")]
    answer = ask(acme, question("credits", "", "total", Window(late, late + QUARTER, zone("UTC"))), clock.now)
    assert next(iter(answer.table.rows))[2] >= 1000


def test_rollups_expire_in_their_turn(houses: tuple[House, House], clock: StillClock) -> None:
    acme, _ = houses
    keep(acme)
    expire(acme.deck, clock)
    start = clock.now
    for _ in range(8):  # a week at a time: no clock jumps further unnoticed
        clock.now += 6 * DAY
        acme.deck.sealer.look()
        acme.deck.expirer.look()
    floor = acme.deck.seals.ledger.floors["ws_acme"]
    assert floor == floors(clock.now)
    assert floor.events > start > floor.rollups
    clock.now += acme.deck.settings.export_seconds * 1000
    acme.deck.expirer.look()
    assert rows(acme.deck, "rollup_calls", f"workspace_id = 'ws_acme' AND time < {floor.rollups - 31 * DAY}") == 0
    assert rows(acme.deck, "rollup_calls", f"workspace_id = 'ws_acme' AND time >= {floor.rollups}") > 0
    assert rows(acme.deck, "requests", "workspace_id = 'ws_acme'") == 0
    whole = ask(acme, question("requests", "", "total", Window(start - LONG * DAY, clock.now, zone("UTC"))), clock.now)
    assert whole.about.available_from == floor.rollups
    assert next(iter(whole.table.rows))[2] > 0


def test_a_floor_never_falls() -> None:
    floor = Floors([("a", Floor(5, 3))])
    for lower in (Floor(4, 2), Floor(0, 3), Floor(5, 0)):
        floor.lift("a", lower)
        assert floor["a"] == Floor(5, 3)
    floor.lift("a", Floor(0, 9))
    assert floor["a"] == Floor(9, 9), "without rollups there is nothing to say of events"
    assert floor["b"] == Floor()


# --- other definitions ---------------------------------------------------------------------------------------------


@contextmanager
def defined(monkeypatch: pytest.MonkeyPatch, name: str, **changes: Any) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setitem(ROLLUPS, name, replace(ROLLUPS[name], **changes))
        yield


def voices(house: House, now: int, *filters: str, by: str = "voice_id") -> report.Answer:
    floor = floors(now)
    window = Window(floor.rollups, floor.events, zone(NEW_YORK))
    return ask(house, question("requests credits", by, "day", window, *filters), now)


STEPS = (
    pytest.param("", marks=pytest.mark.torture),
    "RENAME TABLE",
    pytest.param("INSERT INTO about", marks=pytest.mark.torture),
    pytest.param("INSERT INTO seals", marks=pytest.mark.torture),
    pytest.param("DELETE FROM seals", marks=pytest.mark.torture),
    pytest.param("CREATE TABLE IF NOT EXISTS rollup", marks=pytest.mark.torture),
)


@pytest.mark.parametrize("what", STEPS)
def test_a_changed_definition_keeps_what_cannot_be_made_anew(
    settings: Settings, clock: StillClock, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Through a crash behind any step of the change."""
    with open_deck(settings, clock) as deck:
        acme, berlin = furnish(deck)
        expected, others = voices(acme, clock.now).table, voices(berlin, clock.now).table
        now = clock.now
        keep(acme)
        expire(deck, clock)
    execute = Store.execute

    def crashing(store: Store, statement: Statement) -> None:
        execute(store, statement)
        if what in statement.text:
            raise Crash

    with defined(monkeypatch, "voices", columns=(*ROLLUPS["voices"].columns, "surface")):
        if what:
            with monkeypatch.context() as patched:
                patched.setattr(Store, "execute", crashing)
                with pytest.raises(Crash), open_deck(settings, clock):
                    pass
        for _ in range(2):
            with open_deck(settings, clock) as deck:
                acme, berlin = (House(deck, old.workspace_id, old.api_key, old.who) for old in (acme, berlin))
                (former,) = deck.seals.ledger.formers
                assert rows(deck, f"rollup_{former}", "workspace_id = 'ws_berlin'") == 0, "it is made anew"
                for _ in range(2):
                    answer = voices(acme, now)
                    assert (answer.table, answer.about.available_from) == (expected, None), answer.route
                    assert voices(berlin, now).table == others
                    deck.sealer.look()
                assert former in voices(acme, now).route
                assert "rollup voices by" in voices(berlin, now).route
                unknown = voices(acme, now, by="voice_id surface")
                assert unknown.about.available_from == floors(now).events
    with open_deck(settings, clock) as deck:  # the old release again
        acme = House(deck, acme.workspace_id, acme.api_key, acme.who)
        answer = voices(acme, now)
        assert (answer.table, answer.about.available_from) == (expected, None), answer.route


def test_a_column_that_is_no_more_and_a_measure_that_means_something_else(
    settings: Settings, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_deck(settings, clock) as deck:
        acme, _ = furnish(deck)
        now = clock.now
        expected = voices(acme, now).table
        keep(acme)
        expire(deck, clock)
    with defined(monkeypatch, "voices", columns=("voice_id",)), open_deck(settings, clock) as deck:
        acme = House(deck, acme.workspace_id, acme.api_key, acme.who)
        answer = voices(acme, now)
        assert (answer.table, answer.about.available_from) == (expected, None), answer.route
        both = voices(acme, now, by="voice_id model")
        assert both.about.available_from is None, "the former one has it"
        (former,) = deck.seals.ledger.formers.values()
        less = replace(former, only=tuple(m.name for m in former.measures if m.name != "credits"))
        deck.seals.ledger.formers = {former.name: less}
        assert voices(acme, now).about.available_from == floors(now).events
    with defined(monkeypatch, "voices", columns=("voice_id",)), open_deck(settings, clock) as deck:
        deck.writer.between(lambda: deck.seals.raise_floor("ws_acme", Floor(0, floors(now).events))).result()
    with defined(monkeypatch, "voices", columns=("voice_id",)), open_deck(settings, clock) as deck:
        assert not deck.seals.ledger.formers, "there is nothing left that it could tell"
        assert rows(deck, "system.tables", f"name = '{former.table}'") == 0


@pytest.mark.parametrize(
    ("what", "before"),
    [
        pytest.param("INSERT INTO floors", True, marks=pytest.mark.torture),
        ("INSERT INTO floors", False),
        pytest.param("INSERT INTO seals", True, marks=pytest.mark.torture),
        pytest.param("INSERT INTO seals", False, marks=pytest.mark.torture),
        pytest.param("DELETE IN PARTITION", True, marks=pytest.mark.torture),
        pytest.param("DELETE IN PARTITION", False, marks=pytest.mark.torture),
    ],
)
def test_a_crash_between_any_two_steps_of_expiring(
    settings: Settings, clock: StillClock, monkeypatch: pytest.MonkeyPatch, what: str, before: bool
) -> None:
    with open_deck(settings, clock) as deck:
        acme, _ = furnish(deck)
        now = clock.now
        expected = voices(acme, now).table
        keep(acme, EVENTS, 300)

        def crashing(usual: Callable[[Store, Statement], None], store: Store, statement: Statement) -> None:
            if what in statement.text and before:
                raise Crash
            usual(store, statement)
            if what in statement.text:
                raise Crash

        with monkeypatch.context() as patched:
            for name in ("execute", "record"):
                usual = getattr(Store, name)
                patched.setattr(Store, name, lambda store, statement, usual=usual: crashing(usual, store, statement))
            with pytest.raises(Crash):
                expire(deck, clock)
    with open_deck(settings, clock) as deck:
        acme = House(deck, acme.workspace_id, acme.api_key, acme.who)
        for _ in range(2):
            assert voices(acme, now).table == expected
            expire(deck, clock)
            deck.sealer.look()
        assert deck.seals.ledger.floors["ws_acme"] == Floor(floor_at(now, EVENTS), floor_at(now, 300))
        assert rows(deck, "requests", f"workspace_id = 'ws_acme' AND time < {floor_at(now, EVENTS) - 8 * DAY}") == 0


def test_an_erasure_reaches_rollups_of_which_the_events_are_gone(
    settings: Settings, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a former definition, too. No sum changes, and nothing is unsealed that cannot be made anew."""
    now = clock.now
    window = Window(floors(now).rollups, now, zone(NEW_YORK))
    by_user = question("requests credits latency_avg", "user_id", "total", window)
    with open_deck(settings, clock) as deck:
        acme, _ = furnish(deck)
        before = {row[2]: row[4:] for row in ask(acme, by_user, now).table.rows}
        keep(acme)
        expire(deck, clock)
    with defined(monkeypatch, "keys", columns=("method", "product_type", "user_id")), open_deck(settings, clock) as deck:
        acme = House(deck, acme.workspace_id, acme.api_key, acme.who)
        deck.sealer.look()
        (former,) = deck.seals.ledger.formers.values()
        assert rows(deck, former.table, "user_id = 'ana'") > 0
        admin.perform(deck, admin.Erase(workspace="ws_acme", kind=Label.USER, id="ana"))
        clock.now += 2 * HOUR
        deck.eraser.look()
        deck.sealer.look()
        answer = ask(acme, by_user, now)
        assert answer.about.available_from is None, answer.route
        assert former.name in answer.route
        assert {row[2]: row[4:] for row in answer.table.rows} == {"erased" if u == "ana" else u: n for u, n in before.items()}
        for table in ("requests", "rollup_keys", former.table):
            assert rows(deck, table, "user_id = 'ana' AND workspace_id = 'ws_acme'") == 0, table
            assert rows(deck, table, "user_id = 'ana' AND workspace_id = 'ws_berlin'") > 0 or table == former.table

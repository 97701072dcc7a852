"""Sealing beside writing: whatever comes between whatever, a rollup and the events it was made of say the same.

Each test takes one rule of `store.rollup` at its word and fails without it.
"""

import random
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from tests.house import House, StillClock, build_house

from usagedeck import sql
from usagedeck.catalog.dimensions import dimension
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.catalog.rollups import ROLLUPS
from usagedeck.deck import Deck, open_deck
from usagedeck.errors import StoreFailed
from usagedeck.events import version
from usagedeck.query import Query, Selection
from usagedeck.seals import QUARTER, Cut
from usagedeck.settings import Settings
from usagedeck.sql import Scope, Statement
from usagedeck.store import definitions
from usagedeck.store import rollup as module
from usagedeck.store.clickhouse import Store
from usagedeck.times import DAY, HOUR, zone
from usagedeck.windows import Interval, Window

NEW_YORK = "America/New_York"


@pytest.fixture
def house(deck: Deck) -> House:
    return build_house(deck, "acme", id="ws_acme", time_zone=NEW_YORK)


def request(time: int, id_: str, **fields: Any) -> dict[str, Any]:
    return {
        "time": time,
        "id": id_,
        "credits": "2.5",
        "status": 200,
        "voice_id": "v1",
        "product_type": "tts",
        "api_key_id": "k",
        **fields,
    }


def query(house: House, metrics: tuple[str, ...], *by: str, days: int = 4, interval: str = "day") -> Query:
    now = house.deck.clock()
    window = Window(now - days * DAY, now, zone(NEW_YORK))
    dimensions = tuple(dimension(name) for name in by)
    return Query(Selection(Subject.REQUESTS, window), tuple(METRICS[m] for m in metrics), Interval.parse(interval), dimensions)


USUAL = (
    ("credits", "requests", "success_rate"),
    ("concurrency", "concurrency_average"),
    ("latency_p50", "latency_avg", "latency_p99"),
)


def some(rows: list[Any]) -> list[Any]:
    """Without buckets in which nothing was active: the page shows zero there, whether the store has a row or not. The percentile
    of nothing is NaN, which is not even equal to itself."""
    told = (tuple("nothing" if cell != cell else cell for cell in row) for row in rows)
    return [row for row in told if any(row[1:])]


def settle(house: House, *, routed: bool = True) -> list[list[Any]]:
    """The answers to some questions, asked of the events and along their routes: they are the same."""
    found = []
    for metrics, by in (
        (USUAL[0], ("voice_id",)),
        (USUAL[0], ("api_key_id",)),
        (USUAL[1], ()),
        (USUAL[2], ("status",)),
    ):
        asked = query(house, metrics, *by)
        scope = Scope(house.workspace_id)
        plan = sql.plan(asked, scope, house.deck.seals.ledger)
        assert bool(plan.slices) is routed, plan.reason
        along = some(house.deck.store.run(sql.compile(asked, scope, route=plan)))
        assert along == some(house.deck.store.run(sql.compile(asked, scope))), plan.reason
        found.append(along)
    return found


def credits_of(house: House) -> Any:
    asked = query(house, ("credits",), interval="total")
    scope = Scope(house.workspace_id)
    plan = sql.plan(asked, scope, house.deck.seals.ledger)
    rows = house.deck.store.run(sql.compile(asked, scope, route=plan))
    return float(rows[0][1]) if rows else 0.0


@pytest.fixture
def sealed(house: House) -> House:
    """Three days of requests, all sealed that can be."""
    now, dice = house.deck.clock(), random.Random(3)
    events = [
        request(now - dice.randrange(3 * DAY), f"r{n}", voice_id=dice.choice("ab"), duration_ms=dice.choice((0, 40, HOUR)))
        for n in range(300)
    ]
    house.send(events)
    assert house.deck.sealer.look() > 0
    assert house.deck.sealer.look() == 0, "all is sealed"
    settle(house)
    return house


def during(monkeypatch: pytest.MonkeyPatch, what: str, work: Callable[[], Any], *, before: bool) -> None:
    """Do something once, before or after the next background statement that holds these words."""
    execute = Store.execute
    done: list[bool] = []

    def with_work(store: Store, statement: Statement) -> None:
        now = what in statement.text and not done
        if now and before:
            done.append(True)
            work()
        execute(store, statement)
        if now and not before:
            done.append(True)
            work()

    monkeypatch.setattr(Store, "execute", with_work)


# --- late events ---------------------------------------------------------------------------------------------------


def test_late_events_count_at_once_and_after_sealing_anew(sealed: House) -> None:
    before = credits_of(sealed)
    sealed.send([request(sealed.deck.clock() - 2 * DAY, "late", credits="1000")])
    assert credits_of(sealed) == before + 1000
    settle(sealed)
    assert sealed.deck.sealer.look() > 0
    assert credits_of(sealed) == before + 1000
    settle(sealed)
    assert sealed.deck.sealer.look() == 0


def test_a_repeat_changes_nothing(sealed: House) -> None:
    time = sealed.deck.clock() - DAY
    sealed.send([request(time, "once", credits="7")])
    before = credits_of(sealed)
    sealed.deck.sealer.look()
    for _ in range(3):
        sealed.send([request(time, "once", credits="9")])
        assert credits_of(sealed) == before
        sealed.deck.sealer.look()
        assert credits_of(sealed) == before


def test_a_day_without_events_is_sealed_too_and_opens_for_the_first_one(house: House) -> None:
    now = house.deck.clock()
    house.send([request(now - 3 * DAY, "old"), request(now - HOUR, "new")])
    house.deck.sealer.look()
    empty = (now - 2 * DAY) // DAY * DAY
    cut = Cut("calls")
    assert [(p.start, p.end) for p in house.deck.seals.ledger.live(cut, house.workspace_id, empty, empty + DAY)] == [
        (empty, empty + DAY)
    ]
    house.send([request(empty + HOUR, "first", credits="5")])
    assert credits_of(house) == 10.0
    settle(house)


def test_a_request_opens_every_quarter_hour_it_was_active_in(sealed: House) -> None:
    begin = (sealed.deck.clock() - 2 * DAY) // QUARTER * QUARTER + 1000
    sealed.send([request(begin, "long", duration_ms=3 * HOUR)])
    cut, workspace = Cut("activity"), sealed.workspace_id
    live = sealed.deck.seals.ledger.live(cut, workspace, begin - HOUR, begin + 5 * HOUR)
    open_ = begin // QUARTER * QUARTER
    assert [(p.start, p.end) for p in live] == [
        (-(-(begin - HOUR) // QUARTER) * QUARTER, open_),
        (open_ + 3 * HOUR + QUARTER, (begin + 5 * HOUR) // QUARTER * QUARTER),
    ]
    settle(sealed)
    sealed.deck.sealer.look()
    settle(sealed)


def test_sealing_anew_may_leave_fewer_rows(sealed: House) -> None:
    """A later revision of an event may take the only event of a voice away; its old row must not be read."""
    time = sealed.deck.clock() - DAY
    sealed.send([request(time, "moved", voice_id="lonely", credits="3")])
    sealed.deck.sealer.look()
    asked = query(sealed, ("credits",), "voice_id", interval="total")
    scope = Scope(sealed.workspace_id)

    def voices() -> set[Any]:
        plan = sql.plan(asked, scope, sealed.deck.seals.ledger)
        assert plan.slices
        return {row[1] for row in sealed.deck.store.run(sql.compile(asked, scope, route=plan))}

    assert "lonely" in voices()
    sealed.deck.seals.unseal({sealed.workspace_id: [time // QUARTER * QUARTER]})
    again = f'{{"version":{version(0) + 2**52},"workspace_id":"ws_acme","time":{time},"id":"moved","voice_id":"a","credits":"3"}}'
    sealed.deck.store.insert(Subject.REQUESTS, again.encode())
    assert "lonely" not in voices()
    sealed.deck.sealer.look()
    assert "lonely" not in voices()
    settle(sealed)


def test_what_is_still_coming_in_is_not_sealed(house: House) -> None:
    now = house.deck.clock()
    house.send([request(now - 20 * 60_000, "fresh")])
    house.deck.sealer.look()
    assert house.deck.seals.ledger.live(Cut("calls"), house.workspace_id, now - QUARTER * 2, now) == []


# --- the order of things -------------------------------------------------------------------------------------------


def test_an_event_that_comes_while_its_day_is_sealed(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The seal has begun, its rows are not computed yet: the event may be in them or not, so the seal must not count there."""
    now = house.deck.clock()
    house.send([request(now - DAY, "first")])
    for number, (what, before) in enumerate((("rollup_calls", True), ("rollup_calls", False), ("seals", True))):
        with monkeypatch.context() as patched:
            late = request(now - DAY + number, f"late {number}")
            during(patched, f"INSERT INTO {what}", partial(house.send, [late]), before=before)
            house.send([request(now - DAY, "nudge")])
            house.deck.sealer.look()
        settle(house)
    house.deck.sealer.look()
    settle(house)
    assert credits_of(house) == 12.5


def test_rows_that_wait_for_their_seal_are_not_taken_for_left_over(sealed: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows of a seal are there before it: whoever tidies up just then must not take them away."""
    tidying: list[threading.Thread] = []
    publish = sealed.deck.seals.publish

    def tidied(*parts: Any) -> None:
        tidying.append(threading.Thread(target=sealed.deck.sealer._orphans))
        tidying[-1].start()
        tidying[-1].join(0.2)
        publish(*parts)

    sealed.send([request(sealed.deck.clock() - DAY, "late", credits="50")])
    monkeypatch.setattr(sealed.deck.seals, "publish", tidied)
    assert sealed.deck.sealer.look() > 0
    for thread in tidying:
        thread.join(30)
        assert not thread.is_alive()
    settle(sealed)


def test_a_seal_begins_between_two_commits(sealed: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun while the writer has touched a quarter-hour and not yet written to it, a seal would miss the event for ever."""
    touched, go_on = threading.Event(), threading.Event()
    insert = Store.insert

    def slow(store: Store, subject: Subject, lines: bytes) -> None:
        touched.set()
        assert go_on.wait(30)
        insert(store, subject, lines)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "insert", slow)
        sending = threading.Thread(target=lambda: sealed.send([request(sealed.deck.clock() - DAY, "slow", credits="50")]))
        sending.start()
        assert touched.wait(30)
        begun = sealed.deck.writer.between(lambda: sealed.deck.seals.begin(sealed.deck.clock(), {}))
        looking = threading.Thread(target=sealed.deck.sealer.look)
        looking.start()
        assert not begun.done()
        go_on.set()
        sending.join(30)
        looking.join(30)
    assert begun.result(30) > 0
    settle(sealed)
    sealed.deck.sealer.look()
    settle(sealed)


def test_nothing_is_written_before_its_seal_is_gone(sealed: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the touch cannot be stored, the event is not, either: the sender hears of it and nothing is wrong."""

    def fails(store: Store, statement: Statement) -> None:
        raise StoreFailed("no")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "record", fails)
        with pytest.raises(StoreFailed):
            sealed.send([request(sealed.deck.clock() - DAY, "unlucky")])
        sealed.send([request(sealed.deck.clock() - 1000, "present needs no touch")])
    settle(sealed)
    assert credits_of(sealed) == 301 * 2.5


# --- crashes -------------------------------------------------------------------------------------------------------


class Crash(Exception):
    pass


@pytest.mark.parametrize(
    ("what", "before"),
    [
        ("INSERT INTO rollup_voices", True),
        ("INSERT INTO rollup_voices", False),
        ("INSERT INTO seals", True),
        ("INSERT INTO seals", False),
        ("DELETE FROM seals", True),
        ("DELETE FROM seals", False),
        ("DELETE FROM rollup", True),
        ("DELETE FROM rollup", False),
    ],
)
def test_a_crash_between_any_two_steps(
    settings: Settings, clock: StillClock, monkeypatch: pytest.MonkeyPatch, what: str, before: bool
) -> None:
    """Everything that was in memory is gone, everything that was on the disk is there."""
    with open_deck(settings, clock) as deck:
        house = build_house(deck, "acme", id="ws_acme", time_zone=NEW_YORK)
        house.send([request(clock.now - hours * HOUR, f"r{hours}", voice_id=f"v{hours % 3}") for hours in range(1, 60)])
        deck.sealer.look()
        house.send([request(clock.now - hours * HOUR, f"late{hours}") for hours in (3, 30)])

        def crash() -> None:
            raise Crash

        def live_on() -> None:
            deck.sealer.look()
            clock.now += 2 * HOUR  # the longest question is over
            house.send([request(clock.now - 31 * HOUR, "later")])
            deck.sealer.look()
            clock.now += 2 * HOUR
            deck.sealer.look()

        with monkeypatch.context() as patched:
            during(patched, what, crash, before=before)
            with pytest.raises(Crash):
                live_on()
        expected = credits_of(house)
    with open_deck(settings, clock) as deck:
        again = House(deck, house.workspace_id, house.api_key, house.who)
        settle(again)
        assert credits_of(again) == expected
        again.send([request(clock.now - 40 * HOUR, "after", credits="100")])
        settle(again)
        deck.sealer._orphans()
        deck.sealer.look()
        settle(again)
        assert credits_of(again) == expected + 100
        for rollup in ROLLUPS.values():
            known = "SELECT number FROM seals"
            orphans = deck.store.run(Statement(f"SELECT count() FROM {rollup.table} WHERE seal NOT IN ({known})", {}, ("n",)))
            assert orphans == [(0,)] or what != "INSERT INTO seals", "rows that nobody will ever read"


def test_a_touch_without_its_event_costs_a_seal_and_nothing_else(
    settings: Settings, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_deck(settings, clock) as deck:
        house = build_house(deck, "acme", id="ws_acme", time_zone=NEW_YORK)
        house.send([request(clock.now - hours * HOUR, f"r{hours}") for hours in range(1, 60)])
        deck.sealer.look()

        def crash(store: Store, subject: Subject, lines: bytes) -> None:
            raise Crash

        with monkeypatch.context() as patched:
            patched.setattr(Store, "insert", crash)
            with pytest.raises(Crash):
                house.send([request(clock.now - 30 * HOUR, "lost")])
    with open_deck(settings, clock) as deck:
        again = House(deck, house.workspace_id, house.api_key, house.who)
        lost = (clock.now - 30 * HOUR) // QUARTER * QUARTER
        assert deck.seals.ledger.live(Cut("calls"), "ws_acme", lost, lost + QUARTER) == []
        settle(again)
        again.send([request(clock.now - 30 * HOUR, "lost")])
        assert credits_of(again) == 60 * 2.5
        deck.sealer.look()
        assert credits_of(again) == 60 * 2.5
        settle(again)


# --- shape ---------------------------------------------------------------------------------------------------------


def test_a_changed_definition_starts_unsealed(settings: Settings, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_deck(settings, clock) as deck:
        house = build_house(deck, "acme", id="ws_acme", time_zone=NEW_YORK)
        house.send([request(clock.now - hours * HOUR, f"r{hours}") for hours in range(1, 60)])
        deck.sealer.look()
        settle(house)
    usual = definitions.definition
    monkeypatch.setattr(
        definitions, "definition", lambda rollup: usual(rollup)[::-1] if rollup.name == "voices" else usual(rollup)
    )
    with open_deck(settings, clock) as deck:
        again = House(deck, house.workspace_id, house.api_key, house.who)
        assert deck.seals.ledger.live(Cut("voices"), "ws_acme", 0, clock.now) == []
        assert deck.seals.ledger.live(Cut("calls"), "ws_acme", 0, clock.now) != []
        assert deck.store.run(Statement("SELECT count() FROM rollup_voices", {}, ("n",))) == [(0,)]
        assert credits_of(again) == 59 * 2.5
        deck.sealer.look()
        settle(again)
    with open_deck(settings, clock) as deck:
        assert deck.seals.ledger.live(Cut("voices"), "ws_acme", 0, clock.now) != [], "it is the same definition now"


def test_another_definition_has_another_name() -> None:
    names = [definitions.definition(rollup) for rollup in ROLLUPS.values()]
    assert len(set(names)) == len(names)


def test_rows_that_nobody_reads_are_deleted_when_the_longest_question_is_over(sealed: House, clock: StillClock) -> None:
    def rows() -> int:
        return int(sealed.deck.store.run(Statement("SELECT count() FROM rollup_keys", {}, ("n",)))[0][0])

    sealed.send([request(clock.now - DAY, "late")])
    sealed.deck.sealer.look()
    before = rows()
    sealed.send([request(clock.now - DAY, "later")])
    sealed.deck.sealer.look()
    after = rows()
    assert after > before, "the old rows are still there for whoever reads them"
    clock.now += sealed.deck.settings.export_seconds * 1000 - 1
    sealed.deck.sealer._sweep()
    assert rows() == after
    clock.now += 1
    sealed.deck.sealer._sweep()
    assert rows() < after
    settle(sealed)


def test_a_day_that_is_over_becomes_one_seal(house: House, clock: StillClock) -> None:
    clock.now = clock.now // DAY * DAY + 6 * HOUR
    house.send([request(clock.now - DAY, "old")])
    for _ in range(20):
        house.send([request(clock.now - HOUR, f"at {clock.now}")])
        house.deck.sealer.look()
        clock.now += HOUR
    ledger, day = house.deck.seals.ledger, clock.now // DAY * DAY - DAY
    assert len(ledger.sealed(Cut("calls"), day, day + DAY)) == 1
    settle(house)


def test_a_workspace_that_changes_its_zone_reads_none_of_the_old_days(sealed: House, monkeypatch: pytest.MonkeyPatch) -> None:
    other = build_house(sealed.deck, "berlin", id="ws_berlin", time_zone="Europe/Berlin")
    other.send([request(sealed.deck.clock() - hours * HOUR, f"b{hours}") for hours in range(1, 60)])
    sealed.deck.sealer.look()
    settle(other)
    zones = {"ws_acme": "Europe/Berlin", "ws_berlin": "Europe/Berlin"}
    monkeypatch.setattr(sealed.deck.sealer, "_zones", lambda: zones)
    now = sealed.deck.clock()
    sealed.deck.writer.between(lambda: sealed.deck.seals.begin(0, zones)).result()
    cut = Cut("calls", "Europe/Berlin")
    assert sealed.deck.seals.ledger.live(cut, "ws_acme", now - 3 * DAY, now) == []
    settle(sealed)
    sealed.deck.sealer.look()
    assert sealed.deck.seals.ledger.live(cut, "ws_acme", now - 3 * DAY, now) != []
    asked = Query(
        Selection(Subject.REQUESTS, Window(now - 3 * DAY, now, zone("Europe/Berlin"))),
        (METRICS["credits"],),
        Interval.parse("day"),
        (dimension("voice_id"),),
    )
    plan = sql.plan(asked, Scope("ws_acme"), sealed.deck.seals.ledger)
    assert "days of Europe/Berlin" in plan.reason
    assert sealed.deck.store.run(sql.compile(asked, Scope("ws_acme"), route=plan)) == sealed.deck.store.run(
        sql.compile(asked, Scope("ws_acme"))
    )


def test_days_are_those_of_the_question(house: House) -> None:
    """Weeks of a zone are whole days of that zone; each of their edges cuts a day of every other one."""
    now, scope, ledger = house.deck.clock(), Scope(house.workspace_id), house.deck.seals.ledger
    assert not house.send([request(now - n * HOUR, f"r{n}", voice_id="abc"[n % 3]) for n in range(1, 24 * 24, 5)]).rejected
    house.deck.sealer.look()
    asked = query(house, ("credits",), "voice_id", days=22, interval="week")
    for where, other in ((NEW_YORK, "UTC"), ("UTC", NEW_YORK)):
        window = replace(asked.selection.window, zone=zone(where))
        weeks = replace(asked, selection=replace(asked.selection, window=window))
        plan = sql.plan(weeks, scope, ledger)
        assert f"days of {where}" in plan.reason
        assert other not in plan.reason
        assert house.deck.store.run(sql.compile(weeks, scope, route=plan)) == house.deck.store.run(sql.compile(weeks, scope))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY", 10)


@pytest.mark.usefixtures("impatient")
def test_it_looks_by_itself(settings: Settings, clock: StillClock) -> None:
    with open_deck(settings, clock) as deck:
        house = build_house(deck, "acme", id="ws_acme", time_zone=NEW_YORK)
        house.send([request(clock.now - hours * HOUR, f"r{hours}") for hours in range(1, 60)])
        waiting = threading.Event()
        while not deck.seals.ledger.live(Cut("activity"), "ws_acme", 0, clock.now):
            waiting.wait(0.02)
        assert credits_of(house) == 59 * 2.5


def test_sealing_waits_for_the_end_of_an_import(sealed: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BULK", 3)
    seals, now = sealed.deck.seals, sealed.deck.clock()
    assert seals.quiet()
    sealed.send([request(now - hours * HOUR, f"i{hours}") for hours in range(1, 40)])
    assert not seals.quiet()
    assert seals.quiet(), "nothing came since"
    monkeypatch.setattr(module, "LONGEST_WAIT", 2)
    waits = []
    for round_ in range(4):
        sealed.deck.writer.between(lambda: seals.begin(now, {})).result()
        sealed.send([request(now - hours * HOUR, f"i{hours} {round_}") for hours in range(1, 40)])
        waits.append(not seals.quiet())
    assert waits == [True, True, False, True]


def test_a_long_catch_up_says_how_far_it_has_come(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr(module, "SAY_EVERY", 0)
    house.send([request(house.deck.clock() - days * DAY, f"{days}") for days in range(1, 4)])
    total = sum(lag.waiting for lag in house.deck.sealer.lag())
    caplog.set_level("INFO", logger=module.__name__)
    made = house.deck.sealer.look()
    said = [record.getMessage() for record in caplog.records if "sealed" in record.getMessage()]
    assert len(said) > 5
    assert all(f" of {total} days" in line for line in said)
    assert made == total
    assert said[-1] == f"sealed {made} of {made} days, counting each rollup and zone"


def test_it_remembers_why_it_failed(sealed: House, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    sealer, failed = sealed.deck.sealer, threading.Event()
    caught_up = sealer.caught_up
    clock.now += HOUR

    def broken(*_: object) -> None:
        failed.set()
        raise StoreFailed("The store failed.")

    monkeypatch.setattr(module, "LOOK_EVERY", 1)
    with monkeypatch.context() as patched:
        patched.setattr(Store, "execute", broken)
        again = module.Sealer(
            sealed.deck.store, sealed.deck.seals, sealed.deck.writer.between, lambda: {"ws_acme": NEW_YORK}, clock, HOUR
        )
        patched.setattr(again, "_orphans", lambda: None)
        again.start()
        assert failed.wait(30)
        again.close()
    assert again.failed == "The store failed."
    assert sealer.caught_up == caught_up
    sealer.failed = again.failed
    assert sealer.look() > 0
    assert (sealer.failed, sealer.caught_up) == ("", clock.now)

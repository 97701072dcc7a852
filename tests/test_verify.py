"""`verify`: nothing differs in a world with late and repeated events, and every planted difference is found."""

import csv
import io
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from tests.exchanging import collecting
from tests.house import House, StillClock, build_house, served
from usagedeck import admin, listing, report, verify
from usagedeck.catalog.dimensions import DIMENSIONS, Label
from usagedeck.catalog.formulas import Ratio, Sum
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.catalog.rollups import ROLLUPS
from usagedeck.cli import app
from usagedeck.cli import verify as command
from usagedeck.deck import SERVER_FILE, Deck, open_deck
from usagedeck.errors import InvalidInput, StoreFailed
from usagedeck.events import version
from usagedeck.ingest import Receipt
from usagedeck.seals import QUARTER, Ledger
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.times import DAY, HOUR, iso
from usagedeck.verify import rows, views
from usagedeck.web.server import Running

ZONES = {"ws_nepal": "Asia/Kathmandu", "ws_utc": "UTC"}


def events_of(now: int, dice: random.Random, count: int) -> Iterator[dict[str, Any]]:
    for n in range(count):
        time = now - dice.randrange(3 * DAY)
        if n % 5 == 0:
            yield from attempts_of(f"d{n}", time, now, dice)
            continue
        yield {
            "id": f"r{n}",
            "time": time,
            "credits": f"{dice.randrange(900)}.{dice.randrange(10**6):06d}",
            "characters": dice.randrange(5000),
            "audio_seconds": dice.choice(("0.1", "7", "33.333333")),
            "input_tokens": dice.randrange(900),
            "output_tokens": dice.randrange(900),
            "charge_count": dice.choice(("1", "0.5")),
            "status": dice.choice((101, 200, 404, 0)),
            "voice_id": dice.choice(("", "v1", "v2")),
            "product_type": dice.choice(("tts", "stt")),
            "user_id": dice.choice("xyz"),
            "group_ids": dice.choice(([], ["g"], ["g", "h"])),
            "duration_ms": dice.choice((0, 40, 3 * HOUR)),
            "ttfb_ms": dice.choice((7, 30)),
            "error": {"code": "e", "message": 'two\nlines, and a "quote"'},
            **dice.choice(({}, {"cost": "0.000001"}, {"request": {"body": "hello"}})),
        }
    yield {"id": "says nothing", "time": now - 2 * DAY}


def attempts_of(id_: str, time: int, now: int, dice: random.Random) -> Iterator[dict[str, Any]]:
    """A delivery that is tried up to three times, over midnight perhaps, and perhaps in vain."""
    tries = dice.randrange(1, 4)
    for number in range(1, tries + 1):
        yield {
            "kind": "delivery",
            "id": f"{id_} {number}",
            "message_id": id_,
            "webhook_id": id_[-1],
            "time": time,
            "status": 500 if number < tries else dice.choice((200, 204, 500, 0)),
            "attempt": number,
            "duration_ms": dice.choice((3, 900)),
            **dice.choice(({}, {"response": {"body": "thanks"}})),
        }
        time = min(now, time + dice.choice((1, 5 * HOUR, 20 * HOUR)))


def furnish(deck: Deck, *names: str) -> dict[str, House]:
    """Workspaces in different zones; a third of all events late, behind a seal, and many of them sent again; some with bodies."""
    dice = random.Random(7)
    houses = {id_: collecting(build_house(deck, id_, id=id_, time_zone=ZONES[id_])) for id_ in names}
    late = {}
    for id_, house in houses.items():
        events = list(events_of(deck.clock(), dice, 150))
        house.send(events[:100])
        late[id_] = events[60:]
    assert deck.sealer.look() > 0
    for id_, house in houses.items():
        house.send(late[id_])
        assert not house.send(late[id_][:20]).rejected
    deck.sealer.look()
    assert deck.sweeper.look() == 0, "every body has its event"
    return houses


@pytest.fixture
def house(deck: Deck) -> House:
    return furnish(deck, "ws_utc")["ws_utc"]


Chosen = Callable[[verify.Task], bool]


def sealed(*rollups: str) -> Chosen:
    return lambda task: isinstance(task, verify.Sealed) and (not rollups or task.rollup in rollups)


def tasks_of(deck: Deck, chosen: Chosen) -> list[verify.Task]:
    return [task for task in verify.plan(deck, deck.directory.workspaces.all(), everything=True) if chosen(task)]


def run(deck: Deck, chosen: Chosen = lambda _: True, *, unseal: bool = False) -> verify.Outcome:
    whole = verify.Outcome()
    for task in tasks_of(deck, chosen):
        command._add(whole, verify.perform(deck, task, unseal=unseal))
    return whole


def different(outcome: verify.Outcome) -> set[str]:
    return {check for check, count in outcome.different.items() if count}


def test_nothing_differs(deck: Deck) -> None:
    houses = furnish(deck, *ZONES)
    houses["ws_nepal"].send([{"id": "very late", "time": deck.clock() - 2 * DAY, "credits": "5"}])
    outcome = run(deck)
    assert (different(outcome), outcome.differences, outcome.moved, outcome.unsealed) == (set(), [], 0, 0)
    sizes = ["quarter-hours", *(f"days of {name}" for name in ZONES.values())]
    rollups = {f"rollup {r.name} by {size}" for r in ROLLUPS.values() if not r.activity for size in sizes}
    split = {s: [d for d in DIMENSIONS.values() if s in d.of and d.split and not d.overlapping] for s in Subject}
    views = {f"{s} by {d.name}" for s in Subject for d in split[s]}
    logs = ("requests log", "deliveries log", "deliveries log per delivery")
    views |= {f"{log}{how}" for log in logs for how in ("", " as CSV")}
    bodies = {f"bodies of {s}" for s in Subject}
    assert set(outcome.compared) == rollups | views | bodies | {"rollup activity by minutes"}
    assert all(outcome.compared.values())


def test_a_sample_is_made_of_days_of_everything(house: House) -> None:
    workspaces = house.deck.directory.workspaces.all()
    tasks = verify.plan(house.deck, workspaces, everything=False, dice=random.Random(1))
    assert all(task.end - task.start == DAY for task in tasks)
    assert len(set(tasks)) == len(tasks)
    kinds = {(task.rollup, task.zone) for task in tasks if isinstance(task, verify.Sealed)}
    assert kinds == {(r.name, z) for r in ROLLUPS.values() for z in (("",) if r.activity else ("", "UTC"))}
    assert {task.subject for task in tasks if isinstance(task, verify.Views)} == set(Subject)
    assert any(isinstance(task, verify.Bodies) for task in tasks)
    outcomes = [verify.perform(house.deck, task) for task in tasks[:6]]
    assert sum(sum(o.compared.values()) for o in outcomes) > 0
    assert not any(different(o) for o in outcomes)


def a_row(deck: Deck) -> tuple[int, int]:
    """Seal and time of a row of a rollup that is read: one of the latest seal."""
    text = "SELECT seal, time FROM rollup_calls WHERE zone = '' ORDER BY seal DESC, time LIMIT 1"
    seal, time = deck.store.run(Statement(text, {}, ("seal", "time")))[0]
    return int(seal), int(time)


def tamper(deck: Deck, text: str, **values: Any) -> None:
    """What the engine does when it is told behind everybody's back."""
    wait = " SETTINGS mutations_sync = 2" if text.startswith(("ALTER", "DELETE")) else ""
    deck.store.record(Statement(text + wait, values, ()))


ONE = "seal = {seal:UInt64} AND zone = '' AND time = {time:Int64}"
PLANTED = {
    "changed": "ALTER TABLE rollup_calls UPDATE requests = requests + 1 WHERE " + ONE,
    "missing": "DELETE FROM rollup_calls WHERE " + ONE,
    "doubled": "INSERT INTO rollup_calls SELECT * FROM rollup_calls WHERE " + ONE,
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_row_of_a_rollup(house: House, kind: str) -> None:
    seal, time = a_row(house.deck)
    tamper(house.deck, PLANTED[kind], seal=seal, time=time)
    outcome = run(house.deck, sealed())
    assert different(outcome) == {"rollup calls by quarter-hours"}
    assert {d.workspace for d in outcome.differences} == {"ws_utc"}
    assert all(d.held != d.counted and d.where.startswith(iso(time)) for d in outcome.differences)
    for found in [d for d in outcome.differences if d.number == "requests"]:
        counted = int(found.counted)
        assert int(found.held) == {"changed": counted + 1, "missing": 0, "doubled": 2 * counted}[kind]
    numbers = {d.number for d in outcome.differences}
    assert "requests" in numbers
    assert ("rows" in numbers) is (kind != "changed")


def test_a_value_that_a_rollup_keeps(house: House) -> None:
    """No sum tells it; percentiles do."""
    text = (
        "ALTER TABLE rollup_calls UPDATE latencies = arrayMap(v -> v + 1, latencies) WHERE zone = '' "
        "AND time = (SELECT max(time) FROM rollup_calls WHERE zone = '' AND notEmpty(latencies))"
    )
    tamper(house.deck, text)
    outcome = run(house.deck, sealed("calls"))
    assert {d.number for d in outcome.differences} == {"latencies"}
    assert all(d.held != d.counted and " values, " in d.held for d in outcome.differences)
    assert not different(run(house.deck, of_requests)), "it shows nowhere else"


def test_the_total_of_a_view_shows_it_too(house: House) -> None:
    """Rollups that contradict each other, and the log; whatever was answered before."""
    assert not different(run(house.deck, of_requests))
    tamper(house.deck, "ALTER TABLE rollup_calls UPDATE requests = requests + 1 WHERE 1")
    assert {"requests log", "requests log as CSV", "requests by voice_id"} <= different(run(house.deck, of_requests))


def numbers_of(outcome: verify.Outcome, check: str) -> set[str]:
    """The names of the numbers that differ."""
    return {d.number for d in outcome.differences if d.check == check}


REQUEST_METRICS = {
    *("credits", "requests", "characters", "minutes", "input_tokens", "output_tokens", "cost", "charge_count"),
    *("billable_requests", "errors", "success_rate", "latency_avg", "ttfb_avg"),
}


def test_every_sum_is_told_from_rows_of_the_log() -> None:
    """A measure that rows cannot be added up to is one of deliveries that no column of theirs shows."""
    assert {m.name for m in rows.metrics_of(Subject.REQUESTS, joined=False)} == REQUEST_METRICS
    told = {name for s, j in LOGS for m in rows.metrics_of(s, joined=j) for name in m.formula.measures}
    sums = {name for m in METRICS.values() if isinstance(m.formula, Sum | Ratio) for name in m.formula.measures}
    assert sums - told == {"deliveries_retried", "tries", "delivery_time_total", "delivery_time_count"}


LOGS = [(Subject.REQUESTS, False), (Subject.DELIVERIES, False), (Subject.DELIVERIES, True)]


def test_a_millionth_of_a_credit(house: House) -> None:
    """As many rows as there should be, and one group of them costs a little more."""
    most = "credits = (SELECT max(credits) FROM rollup_calls WHERE zone = 'UTC')"
    tamper(house.deck, f"ALTER TABLE rollup_calls UPDATE credits = credits + 0.000001 WHERE zone = 'UTC' AND {most}")
    outcome = run(house.deck, of_requests)
    for check in ("requests log", "requests log as CSV"):
        (one,) = (d for d in outcome.differences if d.check == check)
        assert (one.number, Decimal(one.counted) - Decimal(one.held)) == ("credits", Decimal("0.000001"))


def test_sums_of_every_kind(house: House) -> None:
    names = [m.name for m in ROLLUPS["calls"].measures if m.additive]
    changed = ", ".join(f"{name} = {name} + {n}" for n, name in enumerate(names, 1))
    tamper(house.deck, f"ALTER TABLE rollup_calls UPDATE {changed} WHERE 1")
    outcome = run(house.deck, of_requests)
    assert numbers_of(outcome, "requests log") == numbers_of(outcome, "requests log as CSV") == REQUEST_METRICS


Lines = list[list[str]]


def lose_a_digit(lines: Lines) -> None:
    at = lines[0].index("credits")
    line = next(line for line in lines[1:] if "." in line[at])
    line[at] = line[at][:-1]


SPOILT: dict[str, tuple[Callable[[Lines], object], set[str]]] = {
    "a digit": (lose_a_digit, {"credits"}),
    "a line": (lambda lines: lines.pop(), {"requests", "errors"}),
    "a cell": (lambda lines: lines[-1].pop(), {"requests", "errors"}),
    "words": (lambda lines: lines[-1].__setitem__(lines[0].index("status"), "fine"), {"requests", "errors"}),
}


@pytest.mark.parametrize("what", SPOILT)
def test_what_is_wrong_in_the_text_of_a_csv(house: House, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    usual, (spoil, numbers) = listing.log_lines, SPOILT[what]

    def spoilt(*words: Any, **more: Any) -> Any:
        pieces, about = usual(*words, **more)
        lines = list(csv.reader(io.StringIO(b"".join(pieces).decode(), newline="")))
        lines.sort(key=lambda line: ("404" in line) - 2 * ("time" in line))  # the header, and at the end what counts as an error
        spoil(lines)
        text = io.StringIO(newline="")
        csv.writer(text).writerows(lines)
        return iter([text.getvalue().encode()]), about

    monkeypatch.setattr(listing, "log_lines", spoilt)
    outcome = run(house.deck, of_requests)
    assert different(outcome) == {"requests log as CSV"}
    assert numbers <= numbers_of(outcome, "requests log as CSV")


def spoil_log(monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Lines], object], *, joined: bool) -> None:
    usual = listing.log

    def spoilt(*words: Any, **more: Any) -> Any:
        page = usual(*words, **more)
        if words[-1].joined is not joined:
            return page
        names = [column.name for column in page.table.columns]
        found = [list(row) for row in page.table.rows]
        spoil([names, *found])
        return replace(page, table=replace(page.table, rows=[row for row in found if row]))

    monkeypatch.setattr(listing, "log", spoilt)


def answer_another(lines: Lines, now: Any = 500, before: Callable[[Any], bool] = lambda status: status == 200) -> None:
    at = lines[0].index("status")
    next(line for line in lines[1:] if before(line[at]))[at] = now


def test_a_row_of_the_log_that_says_another_status(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil_log(monkeypatch, answer_another, joined=False)
    outcome = run(house.deck, lambda task: isinstance(task, verify.Views))
    assert different(outcome) == {"requests log", "deliveries log"}
    assert numbers_of(outcome, "requests log") == {"errors", "success_rate"}
    assert numbers_of(outcome, "deliveries log") == {"attempt_errors", "attempt_success_rate"}


@pytest.mark.parametrize(
    ("spoil", "numbers"),
    [
        (answer_another, {"deliveries_succeeded", "delivery_errors", "delivery_success_rate"}),
        (lambda lines: answer_another(lines, 299, lambda status: status == 500), {"deliveries_succeeded", "delivery_errors"}),
        (lambda lines: lines[-1].clear(), {"deliveries"}),
    ],
)
def test_a_row_of_the_log_per_delivery(
    house: House, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Lines], object], numbers: set[str]
) -> None:
    spoil_log(monkeypatch, spoil, joined=True)
    outcome = run(house.deck, of_deliveries)
    assert different(outcome) == {"deliveries log per delivery"}
    assert numbers <= numbers_of(outcome, "deliveries log per delivery")


def test_a_log_that_puts_attempts_together_otherwise(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """After hours they are deliveries of their own there."""
    usual = report.reach_of
    monkeypatch.setattr(listing, "reach_of", lambda deck, joined: usual(deck, joined) and HOUR)
    outcome = run(house.deck, of_deliveries)
    assert different(outcome) == {"deliveries log per delivery", "deliveries log per delivery as CSV"}
    assert "deliveries" in numbers_of(outcome, "deliveries log per delivery")


def test_breakdowns_too_long_for_an_answer_are_downloaded(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = run(house.deck, of_requests)
    monkeypatch.setattr(views, "MOST_ROWS", 1)
    asked: list[bool] = []
    answer = report.usage

    def watched(*words: Any, **more: Any) -> Any:
        asked.append(more.get("stream", False))
        return answer(*words, **more)

    monkeypatch.setattr(report, "usage", watched)
    assert run(house.deck, of_requests) == usual
    assert any(asked)
    assert different(usual) == set()


def of_requests(task: verify.Task) -> bool:
    return isinstance(task, verify.Views) and task.subject is Subject.REQUESTS


def of_deliveries(task: verify.Task) -> bool:
    return isinstance(task, verify.Views) and task.subject is Subject.DELIVERIES


@pytest.mark.parametrize(("table", "zone"), [("activity", ""), ("keys", "UTC")])
def test_rows_of_minutes_and_of_days(house: House, table: str, zone: str) -> None:
    column = ROLLUPS[table].measures[0].name
    tamper(house.deck, f"ALTER TABLE rollup_{table} UPDATE {column} = {column} + 1 WHERE zone = '{zone}'")
    assert different(run(house.deck, sealed())) == {f"rollup {table} by {'days of UTC' if zone else 'minutes'}"}


def written_behind(deck: Deck) -> None:
    """An event that the writer knows nothing of."""
    row = {"version": version(0), "workspace_id": "ws_utc", "time": deck.clock() - 2 * DAY, "id": "unseen", "credits": "1"}
    deck.store.insert(Subject.REQUESTS, json.dumps(row | {"duration_ms": 5}).encode())


def test_an_event_behind_the_writers_back(house: House) -> None:
    deck = house.deck
    run(deck, of_requests)  # what was answered is kept, and is not true any more
    written_behind(deck)
    every = {f"rollup {r} by {size}" for r in ("calls", "voices", "keys") for size in ("quarter-hours", "days of UTC")}
    assert different(run(deck, sealed())) == every | {"rollup activity by minutes"}
    assert different(run(deck, sealed())) == every | {"rollup activity by minutes"}, "it repairs nothing by itself"
    assert {"requests log", "requests log as CSV"} <= different(run(deck, of_requests))
    assert run(deck, sealed("calls", "activity"), unseal=True).unsealed > 0
    again = run(deck)
    assert (different(again), again.moved) == (set(), 0)
    assert deck.sealer.look() > 0
    assert different(run(deck, sealed())) == set()


def test_an_event_that_comes_while_a_stretch_is_compared(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read after the seals were, it is in the events and not in the rollup; that is no difference."""
    usual = Ledger.slice
    sent: list[Receipt] = []

    def with_an_event(*words: Any) -> Any:
        held = usual(*words)
        sent.append(house.send([{"id": f"now {len(sent)}", "time": held.stretches[0][0], "credits": "1", "duration_ms": 5}]))
        return held

    monkeypatch.setattr(Ledger, "slice", with_an_event)
    outcomes = [verify.perform(house.deck, task) for task in tasks_of(house.deck, sealed("calls", "voices", "activity"))]
    assert len(sent) >= len(outcomes) >= 5
    assert sum(sum(o.compared.values()) for o in outcomes) > 100
    assert not any(different(o) or o.differences for o in outcomes)


def test_a_window_that_is_written_to_while_it_is_compared(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = listing.log
    sent: list[Receipt] = []
    (task,) = tasks_of(house.deck, of_requests)

    def with_an_event(*words: Any, **more: Any) -> Any:
        if len(sent) < most:
            sent.append(house.send([{"id": f"now {len(sent)}", "time": task.start, "credits": "1"}]))
        return usual(*words, **more)

    monkeypatch.setattr(listing, "log", with_an_event)
    most = 1
    outcome = verify.perform(house.deck, task)
    assert (different(outcome), outcome.moved) == (set(), 0)
    assert outcome.compared["requests log"] == len(REQUEST_METRICS)
    most = 100
    assert verify.perform(house.deck, task) == verify.Outcome(moved=1)


def test_a_retry_that_comes_behind_the_window_while_it_is_compared(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what became of a delivery that began inside."""
    usual = listing.log
    sent: list[Receipt] = []
    (task,) = tasks_of(house.deck, of_deliveries)
    attempt = {"kind": "delivery", "message_id": "m", "webhook_id": "a"}
    house.send([attempt | {"id": "first", "time": task.end - 1, "status": 500}])

    def with_a_retry(*words: Any, **more: Any) -> Any:
        if words[-1].joined and not sent:
            sent.append(house.send([attempt | {"id": "second", "time": task.end, "status": 200}]))
        return usual(*words, **more)

    monkeypatch.setattr(listing, "log", with_a_retry)
    outcome = verify.perform(house.deck, task)
    assert (different(outcome), outcome.moved, len(sent)) == (set(), 0, 1)


# --- headers and bodies -------------------------------------------------------------------------------------------


def of_bodies(task: verify.Task) -> bool:
    return isinstance(task, verify.Bodies)


def wrong_bodies(deck: Deck) -> list[tuple[str, str, int]]:
    """Check, number, how many."""
    outcome = run(deck, of_bodies)
    found = [(d.check, d.number, int(d.held)) for d in outcome.differences]
    assert sum(outcome.different.values()) == sum(count for _, _, count in found)
    assert all(d.counted == "0" and d.workspace == "ws_utc" for d in outcome.differences)
    return found


def test_a_body_whose_event_is_gone(deck: Deck) -> None:
    furnish(deck, *ZONES)
    found = "SELECT time, id FROM exchanges WHERE workspace_id = 'ws_utc' AND subject = 'requests' ORDER BY time LIMIT 1"
    ((time, id_),) = deck.store.run(Statement(found, {}, ("time", "id")))
    tamper(deck, "ALTER TABLE requests DELETE WHERE workspace_id = 'ws_utc' AND id = {id:String}", id=id_)
    outcome = run(deck, of_bodies)
    (one,) = outcome.differences
    assert (one.check, one.number, one.workspace, one.counted) == ("bodies of requests", "orphans", "ws_utc", "0")
    assert int(one.held) == outcome.different["bodies of requests"] >= 1
    start, end = one.where.split(" to ")
    assert start <= iso(int(time)) < end
    assert deck.sweeper.look() == 0, "it had its event, so nobody sweeps it away"
    assert run(deck, of_bodies) == outcome


@pytest.mark.parametrize("column", ["id", "time", "subject", "workspace_id"])
def test_a_body_that_belongs_to_something_else(house: House, column: str) -> None:
    build_house(house.deck, "other", id="other")
    instead = {"id": "'nobody'", "time": "time - 1", "subject": "'deliveries'", "workspace_id": "'other'"}[column]
    one = "SELECT * FROM exchanges WHERE subject = 'requests' ORDER BY time DESC LIMIT 1"
    tamper(house.deck, f"INSERT INTO exchanges SELECT * REPLACE ({instead} AS {column}) FROM ({one})")
    outcome = run(house.deck, of_bodies)
    check = f"bodies of {'deliveries' if column == 'subject' else 'requests'}"
    workspace = "other" if column == "workspace_id" else "ws_utc"
    assert [(d.check, d.number, d.workspace, d.held) for d in outcome.differences] == [(check, "orphans", workspace, "1")]
    assert different(outcome) == {check}


def test_what_a_commit_that_failed_left_is_no_orphan(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sees it, and it will be swept away."""
    event = {"id": "half", "time": house.deck.clock(), "request": {"body": "b"}}

    def fail(*_: object) -> None:
        raise StoreFailed("no")

    with monkeypatch.context() as failing:
        failing.setattr(house.deck.store, "insert", fail)
        with pytest.raises(StoreFailed):
            house.send([event])
    before = run(house.deck, of_bodies)
    assert not different(before)
    assert house.deck.sweeper.look() == 1
    after = run(house.deck, of_bodies)
    assert after.compared["bodies of requests"] == before.compared["bodies of requests"] - 1


def kept_aside(deck: Deck, what: str) -> Callable[[], None]:
    """What there is of bodies now; gives a way to have it back."""
    tamper(deck, f"CREATE TABLE aside ENGINE = Memory AS SELECT * FROM exchanges WHERE {what}")
    return lambda: tamper(deck, "INSERT INTO exchanges SELECT * FROM aside")


def test_a_body_that_an_erasure_left(house: House) -> None:
    deck = house.deck
    ((mine,),) = deck.store.run(Statement("SELECT count() FROM exchanges WHERE user_id = 'x'", {}, ("n",)))
    back = kept_aside(deck, "user_id = 'x'")
    house.do(admin.Erase(workspace="ws_utc", kind=Label.USER, id="x"))
    assert wrong_bodies(deck) == []
    back()
    ((check, number, count),) = wrong_bodies(deck)
    assert (check, number) == ("bodies of requests", "of erased events")
    assert 0 < count <= mine, "what repeats brought was nobody's before"


def test_a_body_that_has_expired(house: House, clock: StillClock) -> None:
    deck = house.deck
    house.do(admin.PutWorkspace(workspace="ws_utc", exchange_days=1))
    floor = clock.now // DAY * DAY - DAY
    back = kept_aside(deck, f"time < {floor}")
    ((old, rest),) = deck.store.run(Statement(f"SELECT countIf(time < {floor}), count() FROM exchanges", {}, ("old", "all")))
    deck.expirer.look()
    assert wrong_bodies(deck) == [], "they are shown no more, and lie there until the longest download is over"
    clock.now += deck.settings.export_seconds * 1000
    deck.expirer.look()
    assert wrong_bodies(deck) == []
    assert sum(run(deck, of_bodies).compared.values()) == rest - old > 0
    back()
    found = wrong_bodies(deck)
    assert {number for _, number, _ in found} == {"expired"}
    assert sum(count for _, _, count in found) == old > 0


# --- the command --------------------------------------------------------------------------------------------------


@pytest.fixture(params=["stopped", "running"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, clock: StillClock) -> Iterator[Path]:
    """A furnished data folder that nobody has open or that a server has."""
    folder = tmp_path / "data"
    with open_deck(Settings(data_dir=folder, min_free_bytes=0), clock) as deck:
        furnish(deck, "ws_nepal")
        if request.param == "running":
            with served(deck) as url:
                (folder / SERVER_FILE).write_bytes(msgspec.json.encode(Running(url, "operator")))
                yield folder
            return
    yield folder


def ask(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["verify", "--data-dir", str(folder), *options])


def test_the_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = ask(folder, "--all", "-w", "ws_nepal")
    assert (done.exit_code, ", 0 different." in done.stderr) == (0, True), done.output
    assert "rollup keys by days of Asia/Kathmandu" in done.stdout
    monkeypatch.setattr(command, "SAMPLE_SECONDS", 0)
    sample = ask(folder, "--json")
    found = json.loads(sample.stdout)
    assert (sample.exit_code, found["tasks"], found["everything"]) == (0, 1, False)
    assert set(found["different"].values()) == {0}
    assert "There is no workspace" in str(ask(folder, "-w", "nobody").exception)
    tells_what_differs(folder, monkeypatch)


def tells_what_differs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = verify.Difference("rollup calls by quarter-hours", "ws_nepal", "somewhere", "credits", "1", "2")
    asked = []

    def wrong(_: Deck, task: verify.Task, *, unseal: bool) -> verify.Outcome:
        asked.append(unseal)
        return verify.Outcome({one.check: 9}, {one.check: 1}, [one], unsealed=int(unseal))

    monkeypatch.setattr(verify, "perform", wrong)
    done, mended = ask(folder), ask(folder, "--unseal", "--json")
    assert (done.exit_code, mended.exit_code, asked) == (1, 1, [False, True])
    assert "credits of ws_nepal at somewhere is 1, and 2 was counted" in done.stdout
    assert "9 numbers compared, 1 different." in done.stderr
    assert (found := json.loads(mended.stdout))["unsealed"] == 1
    assert found["differences"] == [msgspec.to_builtins(one)]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert "There is no data folder" in str(ask(tmp_path / "nothing").exception)
    assert not (tmp_path / "nothing").exists()


def test_tasks_of_nothing_that_is_there(deck: Deck) -> None:
    with pytest.raises(InvalidInput, match="rollup"):
        verify.perform(deck, verify.Sealed("nothing", "", "ws", 0, QUARTER))
    with pytest.raises(InvalidInput, match="workspace"):
        verify.perform(deck, verify.Views(Subject.REQUESTS, "ws", 0, DAY))
    assert verify.plan(deck, deck.directory.workspaces.all(), everything=False) == []
    assert run(deck) == verify.Outcome()

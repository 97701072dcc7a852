"""`verify`: nothing differs in a world with late and repeated events, and every planted difference is found."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from tests.house import House, StillClock, build_house, served
from usagedeck import listing, report, verify
from usagedeck.catalog.dimensions import DIMENSIONS
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.rollups import ROLLUPS
from usagedeck.cli import app
from usagedeck.cli import verify as command
from usagedeck.deck import SERVER_FILE, Deck, open_deck
from usagedeck.errors import InvalidInput
from usagedeck.events import version
from usagedeck.ingest import Receipt
from usagedeck.seals import QUARTER, Ledger
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.times import DAY, HOUR, iso
from usagedeck.verify import views
from usagedeck.web.server import Running

ZONES = {"ws_nepal": "Asia/Kathmandu", "ws_utc": "UTC"}


def events_of(now: int, dice: random.Random, count: int) -> Iterator[dict[str, Any]]:
    for n in range(count):
        time = now - dice.randrange(3 * DAY)
        if n % 5 == 0:
            yield {"kind": "delivery", "id": f"d{n}", "time": time, "webhook_id": dice.choice("ab"), "status": 200, "attempt": 1}
            continue
        yield {
            "id": f"r{n}",
            "time": time,
            "credits": f"{dice.randrange(900)}.{dice.randrange(10**6):06d}",
            "status": dice.choice((200, 404, 0)),
            "voice_id": dice.choice(("", "v1", "v2")),
            "product_type": dice.choice(("tts", "stt")),
            "user_id": dice.choice("xyz"),
            "group_ids": dice.choice(([], ["g"], ["g", "h"])),
            "duration_ms": dice.choice((0, 40, 3 * HOUR)),
            "error": {"code": "e", "message": 'two\nlines, and a "quote"'},
        }


def furnish(deck: Deck, *names: str) -> dict[str, House]:
    """Workspaces in different zones; a third of all events late, behind a seal, and many of them sent again."""
    dice = random.Random(7)
    houses = {id_: build_house(deck, id_, id=id_, time_zone=ZONES[id_]) for id_ in names}
    late = {}
    for id_, house in houses.items():
        events = list(events_of(deck.clock(), dice, 150))
        house.send(events[:100])
        late[id_] = events[60:]
    assert deck.sealer.look() > 0
    for id_, house in houses.items():
        house.send(late[id_])
        house.send(late[id_][:20])
    deck.sealer.look()
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
    views |= {f"{s} log{how}" for s in Subject for how in ("", " as CSV")}
    assert set(outcome.compared) == rollups | views | {"rollup activity by minutes"}
    assert all(outcome.compared.values())


def test_a_sample_is_made_of_days_of_everything(house: House) -> None:
    workspaces = house.deck.directory.workspaces.all()
    tasks = verify.plan(house.deck, workspaces, everything=False, dice=random.Random(1))
    assert all(task.end - task.start == DAY for task in tasks)
    assert len(set(tasks)) == len(tasks)
    kinds = {(task.rollup, task.zone) for task in tasks if isinstance(task, verify.Sealed)}
    assert kinds == {(r.name, z) for r in ROLLUPS.values() for z in (("",) if r.activity else ("", "UTC"))}
    assert {task.subject for task in tasks if isinstance(task, verify.Views)} == set(Subject)
    outcomes = [verify.perform(house.deck, task) for task in tasks[:6]]
    assert sum(sum(o.compared.values()) for o in outcomes) > 0
    assert not any(different(o) for o in outcomes)


def a_row(deck: Deck) -> tuple[int, int]:
    """Seal and time of a row of a rollup that is read: one of the latest seal."""
    text = "SELECT seal, time FROM rollup_calls WHERE zone = '' ORDER BY seal DESC, time LIMIT 1"
    seal, time = deck.store.run(Statement(text, {}, ("seal", "time")))[0]
    return int(seal), int(time)


ONE = "seal = {seal:UInt64} AND zone = '' AND time = {time:Int64}"
PLANTED = {
    "changed": "ALTER TABLE rollup_calls UPDATE requests = requests + 1 WHERE " + ONE + " SETTINGS mutations_sync = 2",
    "missing": "DELETE FROM rollup_calls WHERE " + ONE,
    "doubled": "INSERT INTO rollup_calls SELECT * FROM rollup_calls WHERE " + ONE,
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_row_of_a_rollup(house: House, kind: str) -> None:
    seal, time = a_row(house.deck)
    house.deck.store.record(Statement(PLANTED[kind], {"seal": seal, "time": time}, ()))
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
        "AND time = (SELECT max(time) FROM rollup_calls WHERE zone = '' AND notEmpty(latencies)) SETTINGS mutations_sync = 2"
    )
    house.deck.store.record(Statement(text, {}, ()))
    outcome = run(house.deck, sealed("calls"))
    assert {d.number for d in outcome.differences} == {"latencies"}
    assert all(d.held != d.counted and " values, " in d.held for d in outcome.differences)
    assert not different(run(house.deck, of_requests)), "it shows nowhere else"


def test_the_total_of_a_view_shows_it_too(house: House) -> None:
    """Rollups that contradict each other, and the log; whatever was answered before."""
    assert not different(run(house.deck, of_requests))
    text = "ALTER TABLE rollup_calls UPDATE requests = requests + 1 WHERE 1 SETTINGS mutations_sync = 2"
    house.deck.store.record(Statement(text, {}, ()))
    assert {"requests log", "requests log as CSV", "requests by voice_id"} <= different(run(house.deck, of_requests))


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


@pytest.mark.parametrize(("table", "zone"), [("activity", ""), ("keys", "UTC")])
def test_rows_of_minutes_and_of_days(house: House, table: str, zone: str) -> None:
    column = ROLLUPS[table].measures[0].name
    text = f"ALTER TABLE rollup_{table} UPDATE {column} = {column} + 1 WHERE zone = '{zone}' SETTINGS mutations_sync = 2"
    house.deck.store.record(Statement(text, {}, ()))
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
    assert (different(outcome), outcome.moved, outcome.compared["requests log"]) == (set(), 0, 1)
    most = 100
    assert verify.perform(house.deck, task) == verify.Outcome(moved=1)


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

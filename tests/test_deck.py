"""Opening and closing: one process, private files, arrivals that never run backwards, and nothing acknowledged is ever lost."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.house import NOON, House, StillClock, build_house
from usagedeck import access, ingest, listing, report
from usagedeck.access import Permission, Who
from usagedeck.catalog.dimensions import log_field
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.deck import Arrivals, Deck, Throttle, open_deck
from usagedeck.errors import Conflict, TooBusy
from usagedeck.query import LogQuery, Query, Selection
from usagedeck.settings import Settings
from usagedeck.times import DAY, zone
from usagedeck.windows import LATEST_WINDOW, Interval, Window

OLD = NOON - 100 * DAY


def payloads(deck: Deck, who: Who) -> list[tuple[str, str | None]]:
    """(id, model) of every request."""
    query = LogQuery(
        Selection(Subject.REQUESTS, Window(0, LATEST_WINDOW, zone("UTC"))),
        (log_field("id", Subject.REQUESTS), log_field("model", Subject.REQUESTS)),
        ascending=True,
        limit=None,
    )
    return [(row[0], row[1]) for row in listing.log(deck, who, None, query).table.rows]


# --- arrivals -----------------------------------------------------------------------------------------------------


def test_stamps_only_rise_whatever_the_clock_does(clock: StillClock) -> None:
    arrivals = Arrivals(clock, latest=0)
    given: list[int] = []
    for step in (0, 5, -1000, 0, 0, -DAY, 2 * DAY, 1):
        clock.now += step
        for count in (1, 3, 2500, 0):
            first = arrivals.take(count)
            given += range(first, first + count)
    assert given == sorted(set(given))
    assert given[0] == NOON * 1000


def test_stamps_continue_after_the_latest_on_disk(clock: StillClock) -> None:
    assert Arrivals(clock, latest=NOON * 1000 + 7).take(1) == NOON * 1000 + 8
    assert Arrivals(clock, latest=NOON * 1000 - 7).take(1) == NOON * 1000


def test_threads_never_share_a_stamp(clock: StillClock) -> None:
    arrivals = Arrivals(clock, latest=0)
    given: list[int] = []
    threads = [threading.Thread(target=lambda: given.extend(arrivals.take(1) for _ in range(500))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(given)) == 4000


@pytest.mark.parametrize("kind", ["request", "delivery"])
def test_the_first_arrival_wins_over_a_restart_with_the_clock_put_back(settings: Settings, clock: StillClock, kind: str) -> None:
    def send(deck: Deck, attempt: int) -> int:
        who = access.who_by_key(deck, secret)
        event = {"kind": kind, "id": "a", "time": OLD, "error": {"code": f"sent {attempt}"}}
        assert ingest.take(deck, who, [json.dumps(event).encode()]).result(60).accepted == 1
        assert ingest.take(deck, who, [json.dumps({"kind": kind}).encode()]).result(60).accepted == 1
        return deck.store.latest_arrival()

    with open_deck(settings, clock) as deck:
        secret = build_house(deck).api_key
        latest = send(deck, 1)
    for attempt, jump in enumerate((-DAY, -30 * DAY, DAY), 2):
        clock.now += jump
        with open_deck(settings, clock) as deck:
            latest, before = send(deck, attempt), latest
            assert latest > before
    subject = Subject.REQUESTS if kind == "request" else Subject.DELIVERIES
    with open_deck(settings, clock) as deck:
        query = LogQuery(Selection(subject, Window(OLD, OLD + 1, zone("UTC"))), (log_field("error_code", subject),))
        rows = list(listing.log(deck, access.who_by_key(deck, secret), None, query).table.rows)
    assert rows == [["sent 1"]]


# --- files --------------------------------------------------------------------------------------------------------


def test_the_folder_is_private_even_when_it_was_not(settings: Settings) -> None:
    settings.data_dir.mkdir(mode=0o755)
    with open_deck(settings):
        assert settings.data_dir.stat().st_mode & 0o777 == 0o700
        assert (settings.data_dir / "store").stat().st_mode & 0o777 == 0o700


def test_a_folder_is_opened_once(settings: Settings, deck: Deck) -> None:
    says = "in use by another usagedeck process; stop it, or name another folder"
    with pytest.raises(Conflict, match=says) as caught, open_deck(settings):
        pytest.fail("two decks on one folder")
    assert (caught.value.code, caught.value.field) == ("in_use", "data_dir")


SECOND = """
import sys
from pathlib import Path
from usagedeck.deck import open_deck
from usagedeck.errors import Conflict
from usagedeck.settings import Settings
try:
    with open_deck(Settings(data_dir=Path(sys.argv[1]))):
        print("opened")
except Conflict as conflict:
    print(conflict.code)
"""


def _second_process(folder: Path) -> str:
    command = [sys.executable, "-c", SECOND, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout.strip()


def test_a_second_process_is_told_and_the_first_goes_on(settings: Settings, deck: Deck, house: House) -> None:
    assert _second_process(settings.data_dir) == "in_use"
    assert house.send([{"id": "a", "time": OLD}]).accepted == 1
    assert payloads(deck, house.who) == [("a", None)]


def test_a_closed_folder_is_free(settings: Settings) -> None:
    with open_deck(settings):
        pass
    assert _second_process(settings.data_dir) == "opened"


def test_closing_writes_what_waits(settings: Settings, clock: StillClock) -> None:
    with open_deck(settings, clock) as deck:
        house = build_house(deck)
        waiting = [ingest.take(deck, house.who, [json.dumps({"id": f"{n}", "time": OLD}).encode()]) for n in range(50)]
    assert all(future.result(0).accepted == 1 for future in waiting)
    with open_deck(settings, clock) as deck:
        assert len(payloads(deck, house.who)) == 50


def test_a_failure_while_opening_leaves_the_folder_free(settings: Settings) -> None:
    with pytest.raises(Conflict, match="redis"), open_deck(settings.model_copy(update={"store": "redis://x"})):
        pytest.fail("there is no such store")
    with open_deck(settings) as deck:
        assert deck.store.rows(Subject.REQUESTS) == 0


# --- kill -9 ------------------------------------------------------------------------------------------------------

SENDERS, BATCH = 4, 20
WEEK = 7 * DAY

CHILD = """
import json, sys, threading
from pathlib import Path
from usagedeck import access, ingest
from usagedeck.access import Permission, Who
from usagedeck.deck import open_deck
from usagedeck.settings import Settings

folder, begin, senders, size, old = Path(sys.argv[1]), *map(int, sys.argv[2:])
told = threading.Lock()

def events(sender, number):
    return [
        json.dumps({"id": f"{sender}-{number}-{i}", "time": old + i % 3 * 604800000, "model": "first", "credits": "0.1"}).encode()
        for i in range(size)
    ]

def send(deck, who, sender):
    number = begin
    while True:
        ingest.take(deck, who, events(sender, number)).result()
        with told:
            print(sender, number, flush=True)
        number += 1

with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
    if deck.directory.workspaces.get("ws") is None:
        deck.directory.workspaces.add("ws", "Acme", currency="usd", time_zone="UTC")
    who = Who(deck.directory.workspaces.get("ws"), None, frozenset(Permission))
    threads = [threading.Thread(target=send, args=(deck, who, sender)) for sender in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def _send_and_be_killed(folder: Path, begin: int, after: int) -> list[tuple[int, int]]:
    """Let a process send until it has acknowledged that many batches, then kill it at once; gives what it acknowledged."""
    command = [sys.executable, "-c", CHILD, str(folder), *map(str, (begin, SENDERS, BATCH, OLD))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(after)]
        os.kill(child.pid, signal.SIGKILL)
        lines += child.stdout.readlines()
    assert child.returncode == -signal.SIGKILL
    whole = [line.split() for line in lines if line.endswith("\n")]
    return [(int(sender), int(number)) for sender, number in whole]


def test_kill_9_loses_nothing_acknowledged_and_doubles_nothing(settings: Settings) -> None:
    dice = random.Random(9)
    acknowledged: set[tuple[int, int]] = set()
    seen: set[str] = set()
    begin = 0
    for _ in range(3):
        acknowledged |= set(_send_and_be_killed(settings.data_dir, begin, dice.randrange(5, 25)))
        with open_deck(settings) as deck:
            workspace = deck.directory.workspaces.get("ws")
            assert workspace is not None
            who = Who(workspace, None, frozenset(Permission))
            found = Counter(id_ for id_, _ in payloads(deck, who))
            assert set(found.values()) == {1}
            expected = {f"{sender}-{number}-{i}" for sender, number in acknowledged for i in range(BATCH)}
            assert expected <= set(found), "acknowledged and lost"
            assert seen <= set(found), "read before and lost"
            seen = set(found)
            unacknowledged = len(seen) - len(expected)
            assert unacknowledged <= SENDERS * BATCH * 5, "made up"
            begin = max(number for _, number in acknowledged) - 2  # the next one repeats what the last one was at
    with open_deck(settings) as deck:
        batches = [(sender, number) for sender in range(SENDERS) for number in range(begin + 3)]
        repeats = [
            {"id": f"{sender}-{number}-{i}", "time": OLD + i % 3 * WEEK, "model": "repeated", "credits": "7"}
            for sender, number in batches
            for i in range(BATCH)
        ]
        assert ingest.take(deck, who, [json.dumps(event).encode() for event in repeats]).result(60).accepted == len(repeats)
        models = Counter(model for id_, model in payloads(deck, who) if id_ in seen)
        assert "repeated" not in models, "what had arrived stays as it came"
        query = Query(
            Selection(Subject.REQUESTS, Window(0, LATEST_WINDOW, zone("UTC"))),
            (METRICS["requests"], METRICS["credits"]),
            Interval.parse("total"),
        )
        requests, total = next(iter(report.usage(deck, who, None, query).table.rows))[2:]
        everything = seen | {event["id"] for event in repeats}
        assert requests == len(everything)
        assert total * 10 == len(seen) + 70 * (len(everything) - len(seen))


# --- throttle -----------------------------------------------------------------------------------------------------


def test_a_name_that_is_tried_too_often_waits_and_others_do_not(clock: StillClock) -> None:
    throttle = Throttle(clock)
    throttle.enter({"ana": 3, "address": 10})
    clock.now += 60_000
    throttle.enter({"ana": 3, "address": 10})
    throttle.enter({"ana": 3})
    with pytest.raises(TooBusy, match="Too many failed sign-ins") as caught:
        throttle.enter({"ben": 3, "ana": 3})
    assert caught.value.retry_after == 240
    for _ in range(3):
        throttle.enter({"ben": 3})  # the refusal did not count against ben
    clock.now += 240_000 - 1
    with pytest.raises(TooBusy):
        throttle.enter({"ana": 3})
    clock.now += 1
    throttle.enter({"ana": 3})


def test_success_forgives_one_name_wholly_and_the_others_one_try(clock: StillClock) -> None:
    throttle = Throttle(clock)
    limits = {"pair": 3, "address": 3}
    throttle.enter(limits)
    throttle.enter(limits)
    throttle.forgive(limits, wholly="pair")
    for _ in range(2):
        throttle.enter(limits)
    with pytest.raises(TooBusy):
        throttle.enter({"address": 3})
    throttle.enter({"pair": 3})


def test_tries_side_by_side_all_count(clock: StillClock) -> None:
    throttle = Throttle(clock)

    def enter(_: int) -> bool:
        try:
            throttle.enter({"ana": 5})
        except TooBusy:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(enter, range(200))) == 5


def test_a_flood_of_names_is_forgotten_from_its_oldest(clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Throttle, "MAX_NAMES", 10)
    throttle = Throttle(clock)
    for number in range(50):
        throttle.enter({f"{number}": 1})
    with pytest.raises(TooBusy):
        throttle.enter({"49": 1})
    throttle.enter({"0": 1})

"""Every event one to five times, shuffled over batches and connections, some hours or weeks late: every total is exact
at once."""

import random
import threading
import time
from pathlib import Path

import pytest

from tests.house import build_house, keyed, served
from tests.promises.ledger import DAYS, START, Batch, Event, Ledger, make_event, pages, reconcile
from usagedeck.deck import open_deck
from usagedeck.settings import Settings
from usagedeck.times import DAY, HOUR

CONNECTIONS = 4

pytestmark = pytest.mark.promise


def copies(event: Event, count: int) -> list[Event]:
    """The event as its sender repeats it. A copy can be told from another by a field that is not part of its identity."""
    return [event | {"trace_id": f"copy {n}"} if "kind" not in event else event for n in range(count)]


def test_every_event_one_to_five_times_at_any_time(tmp_path: Path, torture: bool) -> None:
    dice = random.Random(4)
    clock_at = [START + DAYS * DAY]
    ledger = Ledger(dice)
    events = [make_event(dice, f"e{n}") for n in range(100_000 if torture else 3_000)]
    ledger.sent |= {event["id"]: event for event in events}
    waves: tuple[list[Event], list[Event], list[Event]] = ([], [], [])
    prompt, hours, weeks = waves
    for event in events:
        for copy in copies(event, dice.randrange(1, 6)):
            dice.choice((prompt, prompt, hours, weeks)).append(copy)
    with open_deck(Settings(data_dir=tmp_path / "data", min_free_bytes=0), lambda: clock_at[0]) as deck:
        house = build_house(deck)
        with served(deck) as url, keyed(url, house.api_key) as client:
            winners: dict[str, str] = {}
            for late, wave in ((0, prompt), (5 * HOUR, hours), (40 * DAY, weeks)):
                clock_at[0] = START + DAYS * DAY + late
                began, ended = send_shuffled(url, house.api_key, wave, dice, torture)
                ledger.acknowledged |= {id_ for id_, _ in ended}
                there = reconcile(client, ledger)
                assert set(there) == ledger.acknowledged, "all that was acknowledged and nothing else, at once"
                kept = dict(pages(client, "requests", "id,trace_id"))
                assert winners.items() <= kept.items(), "the first arrival stays"
                answered: dict[str, float] = {}
                for (id_, _), at in ended.items():
                    answered[id_] = min(at, answered.get(id_, at))
                late_winners = [id_ for id_ in kept.keys() - winners.keys() if began[id_, kept[id_]] > answered[id_]]
                assert not late_winners, "a copy that was sent after another was acknowledged won"
                winners = kept
            assert len(winners) + sum("kind" in event for event in events) == len(events)


Times = dict[tuple[str, str], float]


def send_shuffled(url: str, key: str, wave: list[Event], dice: random.Random, torture: bool) -> tuple[Times, Times]:
    """Send in random order in batches of random sizes over several connections at once. Gives of every (id, copy) when the
    sending of its batch began and when it was acknowledged."""
    dice.shuffle(wave)
    batches: list[Batch] = []
    while wave:
        size = dice.randrange(1, 2000 if torture else 400)
        batches.append(Batch(tuple(wave[:size])))
        del wave[:size]
    began: Times = {}
    ended: Times = {}
    lock = threading.Lock()
    failures: list[str] = []

    def send() -> None:
        with keyed(url, key) as client:
            while True:
                with lock:
                    if not batches:
                        return
                    batch = batches.pop()
                    names = [(event["id"], event.get("trace_id", "")) for event in batch.events]
                    began.update(dict.fromkeys(names, time.monotonic()))
                answer = client.post("/v1/events", content=batch.body)
                with lock:
                    ended.update(dict.fromkeys(names, time.monotonic()))
                if answer.json() != {"accepted": len(batch.events), "rejected": []}:
                    failures.append(answer.text)

    senders = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert not failures
    return began, ended

"""A backup that is taken while events arrive: its copy answers with all that was acknowledged before, and no
batch by half."""

import random
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.exchanging import bodies_of
from tests.house import build_house, keyed
from tests.processes import process, server
from tests.promises.ledger import Ledger, reconcile
from usagedeck import admin
from usagedeck.deck import open_deck
from usagedeck.settings import Settings

CONNECTIONS = 4

pytestmark = pytest.mark.promise


def test_while_events_arrive(tmp_path: Path, torture: bool) -> None:
    folder = tmp_path / "data"
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
        house = build_house(deck)
        house.do(admin.PutWorkspace(workspace=house.workspace_id, exchanges=True))
        key = house.api_key
    ledger = Ledger(random.Random(11), bodies=True)
    targets = [tmp_path / f"backup{n}{'.tar' if n % 2 else ''}" for n in range(20 if torture else 2)]
    before: list[set[str]] = []
    stop = threading.Event()
    with server(folder) as (found, url):

        def send() -> None:
            with keyed(url, key) as client:
                while not stop.is_set():
                    answer = ledger.deliver(client, ledger.next())
                    assert answer is not None
                    assert answer.status_code == 200, answer.text

        senders = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
        for sender in senders:
            sender.start()
        for target in targets:
            for _ in range(ledger.dice.randrange(5, 30)):
                assert ledger.told.acquire(timeout=60)
            before.append(set(ledger.acknowledged))
            command("backup", str(target), "--data-dir", str(folder), errors=tmp_path / "errors")
        stop.set()
        for sender in senders:
            sender.join(60)
        with keyed(url, key) as client:
            assert set(reconcile(client, ledger)) == set(ledger.sent), "it went on as if nothing were"
        assert not (folder / "store" / "shadow" / "backup").exists()
        assert (found.stop(), found.said()) == (0, "")
    for number, (target, acknowledged) in enumerate(zip(targets, before, strict=True)):
        copy = tmp_path / f"copy{number}"
        command("restore", str(target), "--data-dir", str(copy), errors=tmp_path / "errors")
        with server(copy) as (found, url), keyed(url, key) as client:
            there = set(reconcile(client, Ledger(ledger.dice, sent=ledger.sent, acknowledged=acknowledged)))
            batches = Counter(int(id_[1:]) // ledger.size for id_ in there)
            assert set(batches.values()) == {ledger.size}, "a batch is there by half"
            assert ledger.deliver(client, ledger.next()) is not None, "it takes events again"
            assert (found.stop(), found.said()) == (0, "")
        bodies = bodies_of(copy)
        assert there <= set(bodies), "an event came without its body"
        assert all(body == f"body of {id_}" for id_, body in bodies.items())


def command(*words: str, errors: Path) -> None:
    with process(*words, "--json", errors=errors, settings={}) as done:
        assert (done.end(), done.said()) == (0, "")

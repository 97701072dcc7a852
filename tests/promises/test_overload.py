"""Far more than can be written: senders are told to wait, memory keeps its bounds, nothing acknowledged is lost, and soon after
everything is as usual."""

import random
import threading
import time
from pathlib import Path

import pytest

from tests.house import build_house, keyed
from tests.processes import Process, server
from tests.promises.ledger import Ledger, reconcile
from usagedeck.deck import open_deck
from usagedeck.settings import Settings

MB = 2**20
CONNECTIONS = 16
MORE_MEMORY = 384 * MB
"""What the writer's queue, the bodies of all connections and the engine's blocks may take together, generously."""

pytestmark = pytest.mark.promise


def memory(found: Process, name: str) -> int:
    """`VmRSS` or `VmHWM` (the most it ever was), in bytes."""
    lines = Path(f"/proc/{found.pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name))) * 1024


def test_more_than_can_be_written(tmp_path: Path, torture: bool) -> None:
    folder = tmp_path / "data"
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
        key = build_house(deck).api_key
    ledger = Ledger(random.Random(8), size=100, padding="x" * 1500)
    made = [ledger.next() for _ in range(CONNECTIONS * 2)]
    ledger.waiting.extend(made)
    told_to_wait = [0]
    with server(folder, queue_bytes=MB) as (found, url):
        with keyed(url, key) as client:
            reconcile(client, Ledger(ledger.dice))
        before = memory(found, "VmRSS")
        end = time.monotonic() + (60 if torture else 3)

        def send() -> None:
            """The same batches over and over, without ever waiting as long as one is told to."""
            with keyed(url, key) as client:
                while time.monotonic() < end:
                    batch = ledger.next()
                    answer = ledger.deliver(client, batch)
                    assert answer is not None
                    if answer.status_code == 200:
                        ledger.give_back(batch)
                        continue
                    assert (answer.status_code, answer.json()["code"]) == (429, "too_busy"), answer.text
                    assert int(answer.headers["retry-after"]) >= 1
                    told_to_wait[0] += 1

        senders = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(120)
            assert not sender.is_alive()
        assert told_to_wait[0] > 0, "it was no overload"
        assert memory(found, "VmHWM") - before < MORE_MEMORY
        with keyed(url, key) as client:
            assert ledger.acknowledged
            reconcile(client, ledger)
            ledger.complete(client)
            assert set(reconcile(client, ledger)) == set(ledger.sent)
        assert (found.stop(), found.said()) == (0, "")

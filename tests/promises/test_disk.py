"""A full disk: events are refused in a sentence before the floor is reached, reading goes on, and space that is freed is used
without a restart. At length it is tried on a real small disk (a tmpfs, which takes root), and there also until
nothing fits at all."""

import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import httpx2
import pytest

from tests.house import build_house, keyed, served
from tests.processes import server
from tests.promises.ledger import Ledger, reconcile
from usagedeck.deck import open_deck
from usagedeck.settings import Settings

MB = 2**20

pytestmark = pytest.mark.promise


class Disk(Protocol):
    """What the store lies on."""

    def fill(self, leave: int) -> None:
        """Let that many bytes be free."""

    def empty(self) -> None:
        """Let much be free."""


class ToldDisk:
    """A disk of which the product is told how much is free."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._free = 2**40
        patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=self._free))

    def fill(self, leave: int) -> None:
        self._free = leave

    def empty(self) -> None:
        self._free = 2**40


class SmallDisk:
    """A tmpfs that a file of ours fills."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    @property
    def free(self) -> int:
        return shutil.disk_usage(self.folder).free

    def fill(self, leave: int) -> None:
        with self._ballast.open("wb") as file:
            while self.free > leave:
                file.write(bytes(min(MB, self.free - leave)))
                file.flush()

    def empty(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """256 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=256m,mode=0700"]
    mounted = subprocess.run(["mount", *options, "tmpfs", folder], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here, which takes root: {mounted.stderr.strip()}")
    yield SmallDisk(folder)
    subprocess.run(["umount", "--lazy", folder], check=True)


def refused(answer: httpx2.Response | None) -> bool:
    assert answer is not None
    if answer.status_code == 200:
        return False
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (507, "storage_full"), problem
    assert "free some space and send the events again. Reading goes on." in problem["detail"]
    return True


def floor_is_kept(folder: Path, disk: Disk) -> None:
    ledger, floor = Ledger(random.Random(5), size=200), 64 * MB
    with open_deck(Settings(data_dir=folder, min_free_bytes=floor)) as deck:
        key = build_house(deck).api_key
        with served(deck) as url, keyed(url, key) as client:
            for _ in range(2):
                ledger.deliver(client, ledger.next())
                batch = ledger.next()
                disk.fill(leave=floor + len(batch.body) // 2)
                assert refused(ledger.deliver(client, batch)), "with this batch the floor would have been broken"
                disk.fill(leave=floor - 1)
                assert refused(ledger.deliver(client, ledger.next()))
                reconcile(client, ledger)
                disk.empty()
                ledger.complete(client)
                assert set(reconcile(client, ledger)) == set(ledger.sent)


def test_the_floor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    floor_is_kept(tmp_path / "data", ToldDisk(monkeypatch))


@pytest.mark.torture
def test_the_floor_of_a_real_disk(small_disk: SmallDisk) -> None:
    floor_is_kept(small_disk.folder / "data", small_disk)


@pytest.mark.torture
def test_until_nothing_fits(small_disk: SmallDisk) -> None:
    """Without a floor, down to the last byte, and killed there every other time."""
    ledger = Ledger(random.Random(6), size=200)
    folder = small_disk.folder / "data"
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
        key = build_house(deck).api_key
    for number in range(6):
        with server(folder) as (found, url), keyed(url, key) as client:
            ledger.complete(client)
            assert set(reconcile(client, ledger)) == set(ledger.sent)
            for leave in (300_000, 30_000, 0):
                small_disk.fill(leave)
                while not refused(ledger.deliver(client, ledger.next())):
                    pass
                reconcile(client, ledger)
            if number % 2 == 0:
                small_disk.empty()
                ledger.complete(client)
                assert set(reconcile(client, ledger)) == set(ledger.sent)
                assert found.stop() == 0
                continue
            found.kill()
        with server(folder) as (found, url), keyed(url, key) as client:
            reconcile(client, ledger)
            assert refused(ledger.deliver(client, ledger.next()))
            small_disk.empty()
            assert not refused(ledger.deliver(client, ledger.next()))

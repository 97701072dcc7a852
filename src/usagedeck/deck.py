"""Settings, store, directory, writer and clock, opened once and handed to every rule. It holds; it does nothing."""

import fcntl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from usagedeck.batches import BatchReader
from usagedeck.directory import keys
from usagedeck.directory.repo import Directory
from usagedeck.errors import Conflict, TooBusy
from usagedeck.events import with_version
from usagedeck.oidc import Provider
from usagedeck.settings import Settings
from usagedeck.sql import Sizes
from usagedeck.store import freezing
from usagedeck.store.answers import Answers, Shelf
from usagedeck.store.blanking import Blanker
from usagedeck.store.clickhouse import Store
from usagedeck.store.commits import Commits
from usagedeck.store.erased import Erased
from usagedeck.store.eraser import Eraser
from usagedeck.store.expiry import Ages, Expirer
from usagedeck.store.merging import Merger
from usagedeck.store.metering import Metering
from usagedeck.store.reservations import Journal
from usagedeck.store.rollup import Sealer, Seals
from usagedeck.store.sizes import SizeIndex
from usagedeck.store.sweeping import Sweeper
from usagedeck.store.used import Used
from usagedeck.store.writer import Quarters, Rows, Writer

T = TypeVar("T")

Clock = Callable[[], int]

LOCK = "lock"
SERVER_FILE = "server.json"
"""In the data folder while a server runs: where it listens, and the token of the command line."""
RESTORING = "restoring"
"""In the data folder until a restore into it is complete."""
ARRIVALS_BYTES = 16 * 2**20
"""Of what arrived last, for those who follow it together."""


def system_clock() -> int:
    """Epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Arrivals:
    """Stamps events with the order in which they are written: microseconds that only ever rise, whatever the clock does.

    The writer stamps what it is about to write, so of two copies of an event the one that is stored first is also the one
    that counts, and an answer never changes behind an acknowledgement.
    """

    def __init__(self, clock: Clock, latest: int) -> None:
        self._clock = clock
        self._latest = latest
        self._lock = threading.Lock()

    @property
    def latest(self) -> int:
        """The last stamp that was given."""
        return self._latest

    def take(self, count: int) -> int:
        """The first of `count` stamps that nobody else gets."""
        with self._lock:
            first = max(self._clock() * 1000, self._latest + 1)
            self._latest = first + count - 1
            return first

    def stamp(self, lines: Sequence[bytes]) -> list[bytes]:
        """Rows (JSON objects) with their versions, in order."""
        first = self.take(len(lines))
        return [with_version(line, first + i) for i, line in enumerate(lines)]


class Throttle:
    """Lets a name be tried a number of times within five minutes, then asks it to wait."""

    WINDOW_MS = 300_000
    MAX_NAMES = 100_000

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tries: dict[str, deque[int]] = {}
        self._lock = threading.Lock()

    def enter(self, limits: Mapping[str, int]) -> None:
        """Count a try against every name before it is made, so that tries side by side count too.

        Raises `TooBusy`, and counts nothing, when a name has had as many as its limit.
        """
        now = self._clock()
        with self._lock:
            for name, limit in limits.items():
                tries = self._tries.get(name, deque())
                for _ in range(len(tries)):
                    if now - self.WINDOW_MS < (tried := tries.popleft()) <= now:  # later than now: the clock was put back since
                        tries.append(tried)
                if len(tries) >= limit:
                    wait = max(1, (tries[len(tries) - limit] + self.WINDOW_MS - now) // 1000)
                    raise TooBusy(f"Too many failed sign-ins; try again in {wait} seconds.", retry_after=wait)
            for name in limits:
                self._tries.setdefault(name, deque()).append(now)
            while len(self._tries) > self.MAX_NAMES:
                self._tries.pop(next(iter(self._tries)))

    def forgive(self, names: Iterable[str], *, wholly: str) -> None:
        """A try went well: it is not counted, and of the name `wholly` no earlier one is either."""
        with self._lock:
            for name in names:
                if self._tries.get(name):
                    self._tries[name].pop()
            self._tries.pop(wholly, None)


@dataclass(frozen=True, slots=True)
class Deck:
    settings: Settings
    store: Store
    answers: Answers
    commits: Commits
    arrivals: Answers
    """What arrived between two places never changes, so these answers are kept apart and a write does not outdate them."""
    directory: Directory
    writer: Writer
    seals: Seals
    sealer: Sealer
    expirer: Expirer
    sweeper: Sweeper
    erased: Erased
    eraser: Eraser
    sizes: Sizes
    metering: Metering
    reader: BatchReader
    throttle: Throttle
    provider: Provider | None = None
    """Who vouches for people who sign in, if anybody does."""
    clock: Clock = field(default=system_clock)


@contextmanager
def open_deck(settings: Settings, clock: Clock = system_clock, ticks: Callable[[], float] = time.monotonic) -> Iterator[Deck]:
    """Open everything; close it in the reverse order, after writing what is waiting. `ticks` counts seconds, whatever is done to
    the clock.

    Raises `Conflict` when another process has the data folder open.
    """
    with ExitStack() as stack:
        stack.enter_context(owned(settings.data_dir))
        if (settings.data_dir / RESTORING).exists():
            raise Conflict(
                f"A restore into {settings.data_dir} was not finished; empty the folder and restore the backup again.",
                field="data_dir",
                code="half_restored",
            )
        directory = Directory(settings.directory_url, clock)
        stack.callback(directory.close)
        provider = Provider(settings, clock) if settings.oidc_issuer else None
        if provider is not None:
            stack.callback(provider.close)
        store = Store(settings)
        stack.callback(store.close)
        freezing.thaw(settings.store_folder)  # of a backup that was cut short
        shelf = Shelf(settings.answer_bytes)
        seals = Seals(store)
        erased = Erased(store, partial(keys.fingerprint, directory.secret))
        arrivals = Arrivals(clock, store.latest_arrival())
        commits = Commits(arrivals.latest)

        sizes = SizeIndex(store)
        journal = Journal(settings.data_dir, settings.reservation_seconds)
        used = Used(store, seals.ledger, sizes)
        keep = settings.reservation_seconds
        metering = Metering(used, commits, journal, keep=keep, clock=clock, ticks=ticks)
        stack.callback(metering.close)

        def unseal(quarters: Quarters) -> None:
            metering.coming(quarters)
            seals.unseal(quarters)

        def written(quarters: Quarters, rows: Sequence[Rows] | None) -> None:
            shelf.changes.note(quarters)
            metering.written(arrivals.latest, quarters, rows)

        def erase(quarters: Quarters, work: Callable[[], T]) -> Future[T]:
            def revised() -> T:
                try:
                    return work()
                finally:
                    metering.revised(quarters)

            return writer.change(quarters, revised)

        writer = Writer(
            store,
            arrivals.stamp,
            unseal,
            written,
            places=arrivals.take,
            queue_bytes=settings.queue_bytes,
            min_free_bytes=settings.min_free_bytes,
            folder=settings.store_folder,
            floor=seals.ledger.floor_of,
            blank=Blanker(erased),
        )
        stack.callback(writer.close)
        stack.callback(Merger(store, clock).close)
        sealer = Sealer(
            store,
            seals,
            writer.between,
            lambda: {w.id: w.time_zone for w in directory.workspaces.all()},
            clock,
            longest_question=settings.export_seconds * 1000,
        )
        expirer = Expirer(
            store,
            seals,
            sealer,
            writer.between,
            lambda: {w.id: Ages(w.retention_days, w.rollup_days, w.exchange_days) for w in directory.workspaces.all()},
            clock,
            longest_question=settings.export_seconds * 1000,
        )
        stack.callback(expirer.close)
        stack.callback(sealer.close)  # first, since the expirer waits for it
        sealer.start()
        expirer.start()
        eraser = Eraser(
            store,
            seals,
            erased,
            writer.between,
            erase,
            sealer.standing_still,
            lambda workspace: directory.erase(workspace, partial(erased.covers, workspace)),
            clock,
            longest_question=settings.export_seconds * 1000,
        )
        eraser.start()
        stack.callback(eraser.close)
        sweeper = Sweeper(store, writer.between, partial(arrivals.take, 1))
        sweeper.start()
        stack.callback(sweeper.close)
        sizes.start()
        stack.callback(sizes.close)
        metering.start()
        yield Deck(
            settings=settings,
            store=store,
            answers=Answers(store, shelf),
            commits=commits,
            arrivals=Answers(store, Shelf(ARRIVALS_BYTES)),
            directory=directory,
            writer=writer,
            seals=seals,
            sealer=sealer,
            expirer=expirer,
            sweeper=sweeper,
            erased=erased,
            eraser=eraser,
            sizes=sizes,
            metering=metering,
            reader=BatchReader(settings),
            throttle=Throttle(clock),
            provider=provider,
            clock=clock,
        )


def is_open(folder: Path) -> bool:
    """Whether a process has the data folder open."""
    try:
        with (folder / LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Make the folder private and hold its lock for as long as the deck is open."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        (folder / "store").mkdir(exist_ok=True, mode=0o700)
        lock = (folder / LOCK).open("w")
    except OSError as error:
        raise Conflict(f"{folder} cannot be the data folder: {error.strerror}.", field="data_dir") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"{folder} is in use by another usagedeck process; stop it, or name another folder with --data-dir.",
                field="data_dir",
                code="in_use",
            ) from None
        (folder / SERVER_FILE).unlink(missing_ok=True)  # what a killed server left would send commands to an address long gone
        yield

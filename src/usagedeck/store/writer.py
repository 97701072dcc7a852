"""One thread writes. Whatever waits while it commits goes into its next commit together.

A batch is acknowledged (its future resolves) when its rows are on disk, never before. A commit takes tens of
milliseconds, so batches that arrive meanwhile group themselves; there is no timer. What may be in memory at one time, from the
first byte of a body to the commit, has a limit; beyond it senders are told to wait. When a joint insert fails, its batches
are tried one by one, so that one batch cannot sink its neighbours; trying again is harmless because a repeated row is the
same event.
"""

import queue
import shutil
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

import msgspec
import numpy as np
import pyarrow as pa

from usagedeck.catalog.kinds import Subject
from usagedeck.errors import StorageFull, TooBusy
from usagedeck.events import version, with_version, with_version_of
from usagedeck.exchanges import Carrying
from usagedeck.store.room import Hold, Room

T = TypeVar("T")

MAX_COMMIT_BYTES = 16 * 2**20


class Inserts(Protocol):
    """The part of the store that the writer needs."""

    def insert(self, subject: Subject, lines: bytes) -> None: ...

    def insert_columns(self, subject: Subject, table: Any) -> None: ...

    def insert_exchanges(self, lines: bytes) -> None: ...


Stamp: TypeAlias = Callable[[Sequence[bytes]], Sequence[bytes]]
"""Gives rows their place in the order of arrival, just before they are written."""

Places: TypeAlias = Callable[[int], int]
"""The first of that many places in the order of arrival."""

Quarters: TypeAlias = Mapping[str, Collection[int]]
"""Per workspace the quarter-hours (their first instants) in which its rows begin or are active."""

Unseal: TypeAlias = Callable[[Quarters], None]
"""Told of quarter-hours before rows are written into them."""


Floor: TypeAlias = Callable[[str], int]
"""The instant below which nothing of a workspace is written any more."""


Lines: TypeAlias = Mapping[Subject, Sequence[bytes]]
"""Rows as JSON but for their versions."""


Blank: TypeAlias = Callable[["Lines | Block", Collection[str]], "Lines | Block"]
"""The same rows, of these workspaces, without what says who the erased ones were (see `store.blanking`)."""


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of one kind, most of them as columns and some as lines, in the order that their places say."""

    subject: Subject
    table: Any
    """Columns of the store but for the version, as an Arrow table; not looked at without places."""
    places: Sequence[int]
    """Of the table's rows, rising; places may be left out."""
    lines: Sequence[bytes] = ()
    line_places: Sequence[int] = ()

    @property
    def size(self) -> int:
        return int(self.table.nbytes if self.places else 0) + sum(map(len, self.lines))


Rows: TypeAlias = "Lines | Block"

Written: TypeAlias = Callable[[Quarters, Sequence[Rows] | None], None]
"""Told of quarter-hours, and of the rows, when these have been written into them, and before anybody gets an answer. Without
rows something else was changed there, or may have been."""


@dataclass(slots=True)
class _Job:
    rows: Rows
    quarters: Quarters
    size: int
    hold: Hold
    carrying: bool = False
    """Some of its lines take an exchange along."""
    done: Future[None] = field(default_factory=Future)


class _Errand(Generic[T]):
    """Something to be done between two commits."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.done: Future[T] = Future()
        self._work = work

    def run(self) -> None:
        try:
            self.done.set_result(self._work())
        except Exception as error:  # noqa: BLE001 - the rim of this thread: whoever waits gets the error
            self.done.set_exception(error)


class _Place(msgspec.Struct):
    """The part of a row that says whether it has expired."""

    workspace_id: str
    time: int


_place = msgspec.json.Decoder(_Place).decode

_NOTHING: _Errand[None] = _Errand(lambda: None)


class Writer:
    """Takes rows from any thread and makes them durable in order of arrival."""

    def __init__(
        self,
        store: Inserts,
        stamp: Stamp,
        unseal: Unseal,
        written: Written,
        *,
        places: Places,
        queue_bytes: int,
        min_free_bytes: int,
        folder: Path | None,
        floor: Floor = lambda _: 0,
        blank: Blank = lambda rows, _: rows,
    ) -> None:
        self._store = store
        self._stamp = stamp
        self._places = places
        self._unseal = unseal
        self._written = written
        self._floor_of = floor
        self._blank = blank
        self._room = Room(queue_bytes)
        self._floor = min_free_bytes
        self._folder = folder
        self._jobs: queue.SimpleQueue[_Job | _Errand[Any] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="usagedeck-writer", daemon=True)
        self._thread.start()

    @property
    def held(self) -> int:
        """Bytes of events that are in memory."""
        return self._room.held

    def hold(self) -> Hold:
        """Room for a batch from its first byte on; `submit` takes it over."""
        return Hold(self._room)

    def submit(
        self, rows: Lines | Block, quarters: Quarters, hold: Hold | None = None, *, carrying: bool = False
    ) -> Future[None]:
        """Queue rows; the future resolves once they are durable, and the exchanges that they take along when they are `carrying`.

        Raises `TooBusy` when too many bytes are in memory, and `StorageFull` when they would break the floor of free disk space.
        """
        hold = hold or self.hold()
        job = _Job(rows, quarters, _size(rows, carrying=carrying), hold, carrying)
        job.done.set_running_or_notify_cancel()  # a caller who goes away must not take the writer's answer with it
        with self._lock:
            if self._closed:
                raise TooBusy("The server is stopping; send the events again in a moment.", retry_after=2)
            hold.become(job.size)
            try:
                self._refuse_when_full(self.held)
            except StorageFull:
                hold.release()
                raise
            hold.pass_on()
            self._jobs.put(job)
        return job.done

    def between(self, work: Callable[[], T]) -> Future[T]:
        """Run something on the writer's thread between two commits. Raises `TooBusy` when the writer has been closed."""
        errand = _Errand(work)
        with self._lock:
            if self._closed:
                raise TooBusy("The server is stopping.", retry_after=2)
            self._jobs.put(errand)
        return errand.done

    def change(self, quarters: Quarters, work: Callable[[], T]) -> Future[T]:
        """Change rows that begin or are active in these quarter-hours, between two commits and by the same rules as a commit."""

        def changed() -> T:
            self._unseal(quarters)
            try:
                return work()
            finally:
                self._written(quarters, None)

        return self.between(changed)

    def close(self) -> None:
        """Write what is waiting, then stop. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()

    def _refuse_when_full(self, coming: int) -> None:
        """What waits is counted as if it were written, so that the floor is not passed by what was let in above it."""
        if self._folder is not None and (free := shutil.disk_usage(self._folder).free) - coming < self._floor:
            raise StorageFull(
                f"{free:,} bytes are free on the disk of the store, {coming:,} are waiting to be written, and the floor is "
                f"{self._floor:,} (min_free_bytes); free some space and send the events again. Reading goes on."
            )

    def _work(self) -> None:
        after: _Job | _Errand[Any] | None = self._jobs.get()
        while after is not None:
            if isinstance(after, _Errand):
                after.run()
                after = self._jobs.get()
                continue
            jobs, after = self._take(after)
            self._commit(jobs)
            for job in jobs:
                job.hold.release()
            del jobs, job  # the rows are gone before the next ones are waited for
            after = self._jobs.get() if after is _NOTHING else after

    def _take(self, first: _Job) -> tuple[list[_Job], "_Job | _Errand[Any] | None"]:
        """What is there besides a first job, up to the size of a commit; and what came behind that is no job."""
        jobs, size = [first], first.size
        while size < MAX_COMMIT_BYTES:
            try:
                after = self._jobs.get_nowait()
            except queue.Empty:
                break
            if not isinstance(after, _Job):
                return jobs, after
            jobs.append(after)
            size += after.size
        return jobs, _NOTHING

    def _commit(self, jobs: list[_Job]) -> None:
        try:
            self._insert(jobs)
        except Exception as error:  # noqa: BLE001 - the rim of this thread: every sender gets an answer, and the writer goes on
            if len(jobs) == 1:
                jobs[0].done.set_exception(error)
                return
            for job in jobs:
                self._commit([job])
            return
        for job in jobs:
            job.done.set_result(None)

    def _insert(self, jobs: list[_Job]) -> None:
        quarters: dict[str, set[int]] = {}
        for job in jobs:
            self._let_expire(job)
            job.rows = self._blank(job.rows, job.quarters)
            for workspace, met in job.quarters.items():
                quarters.setdefault(workspace, set()).update(met)
        self._unseal(quarters)
        written: list[Rows] | None = None
        try:
            for kind, together in groupby((job.rows for job in jobs), type):
                if kind is Block:
                    for block in together:
                        self._insert_block(cast(Block, block))
                else:
                    self._insert_lines([cast(Lines, lines) for lines in together], carrying=any(job.carrying for job in jobs))
            written = [job.rows for job in jobs]
        finally:
            self._written(quarters, written)

    def _let_expire(self, job: _Job) -> None:
        """Leave out what expired while the job was waiting: below a floor nothing is written once it has been raised."""
        floors = {w: floor for w, met in job.quarters.items() if met and min(met) < (floor := self._floor_of(w))}
        if not floors:
            return
        job.quarters = {w: {q for q in met if q >= floors.get(w, 0)} for w, met in job.quarters.items()}
        if isinstance(job.rows, Block):
            job.rows = _block_above(job.rows, floors)
        else:
            job.rows = {subject: _lines_above(lines, floors)[0] for subject, lines in job.rows.items()}

    def _insert_lines(self, jobs: Sequence[Lines], *, carrying: bool) -> None:
        for subject in Subject:
            lines = [line for rows in jobs for line in rows.get(subject, ())]
            if lines:
                stamped = self._stamp(lines)
                if carrying:
                    self._insert_exchanges(lines, stamped)
                self._store.insert(subject, b"\n".join(stamped))

    def _insert_exchanges(self, lines: Sequence[bytes], stamped: Sequence[bytes]) -> None:
        """Before the events: one that is there has its exchange. Each has the version of its own event, by which it is found, so
        one whose event was never written is nobody's."""
        found = [(line, row) for line, row in zip(lines, stamped, strict=True) if isinstance(line, Carrying)]
        if found:
            self._store.insert_exchanges(b"\n".join(with_version_of(row, line.exchange) for line, row in found))

    def _insert_block(self, block: Block) -> None:
        if not (block.places or block.line_places):
            return  # all of it has expired
        first = self._places(1 + max((*block.places[-1:], *block.line_places[-1:])))
        if block.places:
            versions = pa.array(np.uint64(version(first)) - np.asarray(block.places, np.uint64))
            self._store.insert_columns(block.subject, block.table.append_column("version", versions))
        if block.lines:
            stamped = [with_version(line, first + place) for line, place in zip(block.lines, block.line_places, strict=True)]
            self._store.insert(block.subject, b"\n".join(stamped))


def _lines_above(lines: Sequence[bytes], floors: Mapping[str, int]) -> tuple[list[bytes], list[bool]]:
    """The lines at or above the floors, and of each line whether it is."""
    places = map(_place, lines)
    above = [place.time >= floors.get(place.workspace_id, 0) for place in places]
    return [line for line, stays in zip(lines, above, strict=True) if stays], above


def _block_above(block: Block, floors: Mapping[str, int]) -> Block:
    lines, line_stays = _lines_above(block.lines, floors)
    table, places = block.table, list(block.places)
    if places:
        rows = zip(table["workspace_id"].to_pylist(), table["time"].to_pylist(), strict=True)
        stays = [time >= floors.get(workspace, 0) for workspace, time in rows]
        table = table.filter(pa.array(stays, pa.bool_()))
        places = [place for place, stay in zip(places, stays, strict=True) if stay]
    return Block(block.subject, table, places, lines, [p for p, stay in zip(block.line_places, line_stays, strict=True) if stay])


def _size(rows: Lines | Block, *, carrying: bool) -> int:
    if isinstance(rows, Block):
        return rows.size
    size = sum(len(line) + 1 for lines in rows.values() for line in lines)
    if carrying:
        size += sum(len(line.exchange) + 1 for lines in rows.values() for line in lines if isinstance(line, Carrying))
    return size

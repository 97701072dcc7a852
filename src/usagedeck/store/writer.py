"""One thread writes. Whatever waits while it commits goes into its next commit together.

A batch is acknowledged (its future resolves) when its rows are on disk, never before. A commit takes tens of
milliseconds, so batches that arrive meanwhile group themselves; there is no timer. When a joint insert fails, its batches
are tried one by one, so that one batch cannot sink its neighbours; trying again is harmless because a repeated row is the
same event.
"""

import queue
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from usagedeck.catalog import Subject
from usagedeck.errors import StorageFull, TooBusy

MAX_COMMIT_BYTES = 16 * 2**20


class Inserts(Protocol):
    """The part of the store that the writer needs."""

    def insert(self, subject: Subject, lines: bytes) -> None: ...


Stamp: TypeAlias = Callable[[Sequence[bytes]], Sequence[bytes]]
"""Gives rows their place in the order of arrival, just before they are written."""


@dataclass(slots=True)
class _Job:
    rows: Mapping[Subject, Sequence[bytes]]
    size: int
    done: Future[None] = field(default_factory=Future)


class Writer:
    """Takes rows from any thread and makes them durable in order of arrival."""

    def __init__(self, store: Inserts, stamp: Stamp, *, queue_bytes: int, min_free_bytes: int, folder: Path | None) -> None:
        self._store = store
        self._stamp = stamp
        self._limit = queue_bytes
        self._floor = min_free_bytes
        self._folder = folder
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._waiting = 0
        self._lock = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="usagedeck-writer", daemon=True)
        self._thread.start()

    def submit(self, rows: Mapping[Subject, Sequence[bytes]]) -> Future[None]:
        """Queue rows; the future resolves once they are durable.

        Raises `TooBusy` when too many bytes are waiting, and `StorageFull` below the floor of free disk space.
        """
        job = _Job(rows, sum(len(line) + 1 for lines in rows.values() for line in lines))
        job.done.set_running_or_notify_cancel()  # a caller who goes away must not take the writer's answer with it
        self._refuse_when_full()
        with self._lock:
            if self._closed:
                raise TooBusy("The server is stopping; send the events again in a moment.", retry_after=2)
            if self._waiting and self._waiting + job.size > self._limit:
                raise TooBusy("Too many events are waiting to be written; send them again in a moment.", retry_after=1)
            self._waiting += job.size
            self._jobs.put(job)
        return job.done

    def close(self) -> None:
        """Write what is waiting, then stop. Idempotent."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()

    def _refuse_when_full(self) -> None:
        if self._folder is not None and (free := shutil.disk_usage(self._folder).free) < self._floor:
            raise StorageFull(
                f"{free:,} bytes are free on the disk of the store and the floor is {self._floor:,} (min_free_bytes); "
                "free some space and send the events again. Reading goes on."
            )

    def _work(self) -> None:
        while True:
            jobs, last = self._take()
            if jobs:
                self._commit(jobs)
            with self._lock:
                self._waiting -= sum(job.size for job in jobs)
            if last:
                return

    def _take(self) -> tuple[list[_Job], bool]:
        """Wait for a job, then add what else is there, up to the size of a commit."""
        jobs: list[_Job] = []
        size = 0
        job = self._jobs.get()
        while job is not None:
            jobs.append(job)
            size += job.size
            if size >= MAX_COMMIT_BYTES:
                return jobs, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

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
        for subject in Subject:
            lines = [line for job in jobs for line in job.rows.get(subject, ())]
            if lines:
                self._store.insert(subject, b"\n".join(self._stamp(lines)))

"""What was written in which order: what follows the events as they arrive is told when there is something, and where to look.

The last commits are remembered with the quarter-hours they went into, so that nobody reads through everything for the
few rows that came. Telling is all this module does: the writer is never kept waiting by whoever listens.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from usagedeck.errors import TooBusy

MOST = 200_000
"""Quarter-hours that are remembered, over all commits."""

STEADY = 0.2
"""Seconds for which whoever looks sees the same, so that those who ask the same ask it together."""


@dataclass(frozen=True, slots=True)
class _Commit:
    place: int
    quarters: Mapping[str, Collection[int]]
    size: int


class Commits:
    """The order of arrival. A place in it is the stamp of a row: microseconds that only rise, over restarts too."""

    def __init__(self, latest: int) -> None:
        self._lock = threading.Lock()
        self._known: deque[_Commit] = deque()
        self._size = 0
        self._since = latest
        self._latest = latest
        self._shown, self._shown_at = latest, float("-inf")
        self._listeners: dict[str, list[Callable[[], None]]] = {}
        self._closed = False

    @property
    def latest(self) -> int:
        """The place of the last row that can be read."""
        return self._latest

    @property
    def closed(self) -> bool:
        """Nothing is told any more."""
        return self._closed

    def shown(self) -> int:
        """The place of the last row, as it was a moment ago: everybody who looks within the moment sees the same."""
        now = time.monotonic()
        with self._lock:
            if now - self._shown_at >= STEADY:
                self._shown, self._shown_at = self._latest, now
            return self._shown

    def note(self, place: int, quarters: Mapping[str, Collection[int]]) -> None:
        """All rows up to a place can be read now. The last ones went into these quarter-hours of these workspaces."""
        size = 1 + sum(map(len, quarters.values()))
        with self._lock:
            self._known.append(_Commit(place, quarters, size))
            self._size += size
            while self._size > MOST:
                forgotten = self._known.popleft()
                self._size -= forgotten.size
                self._since = forgotten.place
            self._latest = place
            told = [tell for workspace in quarters for tell in self._listeners.get(workspace, ())]
        for tell in told:
            tell()

    def knows(self, place: int) -> bool:
        """Whether it is known where everything behind a place went."""
        return place >= self._since

    def since(self, workspace_id: str, place: int) -> set[int] | None:
        """The quarter-hours of a workspace that were written to behind a place; None when that is too long ago to be known."""
        found: set[int] = set()
        with self._lock:
            if place < self._since:
                return None
            for commit in reversed(self._known):
                if commit.place <= place:
                    break
                found.update(commit.quarters.get(workspace_id, ()))
        return found

    @contextmanager
    def told(self, workspace_id: str, tell: Callable[[], None], most: int) -> Iterator[None]:
        """Have `tell` called after every commit into a workspace, and at the end. It is called on the writer's thread, so it
        must not take any time, and may be called once more just after it is over.

        Raises `TooBusy` when as many as `most` listen to that workspace.
        """
        with self._lock:
            if len(self._listeners.get(workspace_id, ())) >= most:
                raise TooBusy(
                    f"{most} live tails of this workspace are open, the most there may be (live_tails); close one.",
                    retry_after=10,
                    code="too_many_tails",
                )
            self._listeners.setdefault(workspace_id, []).append(tell)
        try:
            yield
        finally:
            with self._lock:
                left = self._listeners[workspace_id]
                left.remove(tell)
                if not left:
                    del self._listeners[workspace_id]

    def close(self) -> None:
        """Whoever listens is told for the last time. Idempotent."""
        with self._lock:
            self._closed = True
            told = [tell for tells in self._listeners.values() for tell in tells]
        for tell in told:
            tell()

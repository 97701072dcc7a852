"""Weeks that are over are merged to one part each, in the background: there, `FINAL` costs nothing.

It changes no answer; a merge that is interrupted is done again. Late events make new parts, so a week may come up again, but
no more than once an hour.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

from usagedeck.store.rounds import Rounds
from usagedeck.times import DAY, HOUR, MINUTE, WEEK

LOOK_EVERY = 10 * MINUTE
_FIRST_MONDAY = 4 * DAY  # 1970-01-05


def monday(instant: int) -> int:
    """The first instant of the UTC week that holds it: the name of its partition."""
    return (instant - _FIRST_MONDAY) // WEEK * WEEK + _FIRST_MONDAY


class Merges(Protocol):
    """The part of the store that merging needs."""

    def unmerged(self, before: int) -> Iterable[tuple[str, str]]:
        """(table, partition) of weeks begun before that instant that have several parts, or one that was never merged."""

    def merge(self, table: str, partition: str) -> None: ...


class Merger:
    """Looks every ten minutes for weeks to merge."""

    def __init__(self, store: Merges, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._done: dict[tuple[str, str], int] = {}
        self._rounds = Rounds("merger", self.look, every=LOOK_EVERY)
        self._rounds.start()

    def close(self) -> None:
        """Stop after the merge that is under way. Idempotent."""
        self._rounds.stop()

    def look(self) -> int:
        """Merge what is due; returns how many weeks were merged."""
        now, merged = self._clock(), 0
        for week in list(self._store.unmerged(monday(now))):
            if self._rounds.stopping:
                break
            if not 0 <= now - self._done.get(week, -HOUR) < HOUR:  # less than 0: the clock was put back since
                self._store.merge(*week)
                self._done[week] = now
                merged += 1
        return merged

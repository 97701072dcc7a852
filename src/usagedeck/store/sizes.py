"""About how much is stored of every workspace, and when: read from the engine's index, which has an entry for every few thousand
rows. It is looked at soon after a start and then once a minute, and reads no events.
"""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Protocol

from usagedeck.catalog.kinds import Subject
from usagedeck.sql import Statement
from usagedeck.store.rounds import Rounds
from usagedeck.stretches import Stretch
from usagedeck.table import Row
from usagedeck.times import MINUTE, SECOND, WEEK

LOOK_EVERY = MINUTE
FIRST_LOOK = SECOND
GRANULE = 8192
"""Rows that the engine reads at once, at least."""


class Reads(Protocol):
    """The part of the store that is needed here."""

    def run(self, statement: Statement) -> list[Row]: ...


class SizeIndex:
    """Safe to use from many threads: what was found is replaced as a whole."""

    def __init__(self, store: Reads) -> None:
        self._store = store
        self._found: Mapping[tuple[Subject, str], tuple[Sequence[int], Sequence[int]]] | None = None
        self._rounds = Rounds("sizes", self.look, every=LOOK_EVERY, first=FIRST_LOOK)

    def start(self) -> None:
        self._rounds.start()

    def close(self) -> None:
        """Stop after the look that is under way. Idempotent."""
        self._rounds.stop()

    def look(self) -> None:
        """Read the index anew."""
        found = {}
        for subject in Subject:
            text = (
                "SELECT workspace_id, arraySort(groupArray((time, rows_in_granule))) FROM "
                f"mergeTreeIndex(currentDatabase(), '{subject}') WHERE rows_in_granule > 0 GROUP BY workspace_id"
            )
            for workspace, entries in self._store.run(Statement(text, {}, ("workspace_id", "entries"))):
                times = [time for time, _ in entries]
                found[subject, str(workspace)] = (times, [0, *accumulate(rows for _, rows in entries)])
        self._found = found

    def rows(self, subject: Subject, workspace_id: str, stretch: Stretch) -> int | None:
        """About how many events of a workspace the engine reads for a stretch of time; None before the first look.

        Entries name the first row of a piece of the table. So what lies in front of the first entry of a week, in a piece that
        begins with somebody else, is guessed as half a piece.
        """
        if self._found is None:
            return None
        times, sums = self._found.get((subject, workspace_id), ((), (0,)))
        low, high = bisect_left(times, stretch[0]), bisect_left(times, stretch[1])
        return sums[high] - sums[low] + GRANULE // 2 * (1 + (stretch[1] - stretch[0]) // WEEK)

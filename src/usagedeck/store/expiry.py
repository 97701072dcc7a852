"""Retention: what is older than its workspace keeps it expires, at once for everybody who asks, and then on the disk.

A workspace's *floor* is a midnight of UTC. It is raised on the writer's thread between two commits, durably, before anything is
deleted; after that no question reads below it and nothing is written there. It never falls: a longer age later brings
nothing back.

The disk follows by whole weeks, and by whole months of the rollups, each once it lies a day below the floor (a request lasts a
day at most, and was active above the floor perhaps) and the longest question that may still read it is over. Where nobody has
anything left in it, it is dropped as it is; else the expired rows are cut out of it. Both may be done again at any
time, so a crash costs nothing. Whether somebody has something there is asked of the rows themselves, while nobody can write any.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import date, timedelta
from typing import Any, Protocol, TypeVar

from usagedeck.catalog import ROLLUPS, Subject
from usagedeck.sql import Bound, Statement
from usagedeck.sql.conditions import MAX_DURATION
from usagedeck.store.inspection import partitions
from usagedeck.store.rollup import Seals
from usagedeck.store.rounds import Rounds
from usagedeck.table import Row
from usagedeck.times import DAY, HOUR, MINUTE, WEEK, to_datetime

T = TypeVar("T")

LOOK_EVERY = HOUR
FIRST_LOOK = MINUTE

_EPOCH = date(1970, 1, 1).toordinal()


def floor_at(now: int, days: int) -> int:
    """The floor of a workspace that keeps its events for so many days: the midnight before, UTC."""
    return max(0, (now - days * DAY) // DAY * DAY)


class Executes(Protocol):
    """The part of the store that retention needs."""

    def run(self, statement: Statement) -> list[Row]: ...

    def execute(self, statement: Statement) -> None:
        """A statement without an answer, on a handle of its own, on one core."""

    def record(self, statement: Statement) -> None:
        """A small durable write on the writer's handle."""

    def finds(self, statement: Statement) -> bool:
        """Whether there is any row, asked on the writer's handle."""


class Expirer:
    """Looks every hour for what has expired."""

    def __init__(
        self,
        store: Executes,
        seals: Seals,
        between: Callable[[Callable[[], Any]], Future[Any]],
        standing_still: Callable[[Callable[[], None]], None],
        ages: Callable[[], Mapping[str, int]],
        clock: Callable[[], int],
        longest_question: int,
    ) -> None:
        """`between` runs something on the writer's thread between two commits, `standing_still` while nothing is sealed; `ages`
        tells how many days the workspaces keep their events, of those that do not keep them for ever; `longest_question` is
        in milliseconds."""
        self._store = store
        self._seals = seals
        self._between = between
        self._standing_still = standing_still
        self._ages = ages
        self._clock = clock
        self._patience = longest_question
        self._lock = threading.Lock()
        self._settled = dict(seals.ledger.floors)
        self._raised: list[tuple[int, str, int]] = []
        self._rounds = Rounds("expirer", self.look, every=LOOK_EVERY, first=FIRST_LOOK)

    def start(self) -> None:
        self._rounds.start()

    def close(self) -> None:
        """Stop after the statement that is under way. Idempotent."""
        self._rounds.stop()

    def look(self) -> int:
        """Raise the floors that are due, then delete what nobody can be reading any more; returns how many partitions were
        dropped or cut."""
        with self._lock:
            self._raise()
            now = self._clock()
            settled = [r for r in self._raised if r[0] <= now]
            for due, workspace, floor in settled:
                self._raised.remove((due, workspace, floor))
                self._settled[workspace] = max(self._settled.get(workspace, 0), floor)
            if settled:
                self._seals.forget_touches()
            return self._delete()

    def _raise(self) -> None:
        now = self._clock()
        for workspace, days in self._ages().items():
            floor = floor_at(now, days)
            if floor > self._seals.ledger.floor_of(workspace):
                self._between(_bound(self._seals.raise_floor, workspace, floor)).result()
                self._raised.append((self._clock() + self._patience, workspace, floor))

    def _delete(self) -> int:
        """Partitions, the oldest first, until it is to stop."""
        done = 0
        if not self._settled:
            return done
        for part in sorted(partitions(self._store), key=lambda part: part.partition):
            if self._rounds.stopping:
                break
            if part.table in list(Subject):
                end = _instant(part.partition) + WEEK + MAX_DURATION
                done += self._clear(part.table, part.partition, end, lambda work: self._between(work).result())
            elif part.table in {rollup.table for rollup in ROLLUPS.values()}:
                end = _month_after(_instant(part.partition))
                done += self._clear(part.table, part.partition, end, self._standing_still)
        return done

    def _clear(self, table: str, partition: str, end: int, alone: Callable[[Callable[[], None]], None]) -> bool:
        """Take out of a partition what belongs to the workspaces whose floors have reached that instant. `alone` runs something
        while nobody writes into the table."""
        names: list[str] = [workspace for workspace, floor in self._settled.items() if floor >= end]
        if not names or not self._any(table, partition, names, theirs=True):
            return False
        which = partition.replace("-", "")

        def drop() -> None:
            if not self._store.finds(_rows_of(table, partition, names, theirs=False)):
                self._store.record(Statement(f"ALTER TABLE {table} DROP PARTITION ID '{int(which)}'", {}, ()))

        if not self._any(table, partition, names, theirs=False):
            alone(drop)
        if self._any(table, partition, names, theirs=True):
            text = (
                f"ALTER TABLE {table} DELETE IN PARTITION ID '{int(which)}' WHERE workspace_id IN {{names:Array(String)}} "
                "SETTINGS mutations_sync = 1"
            )
            self._store.execute(Statement(text, {"names": names}, ()))
        return True

    def _any(self, table: str, partition: str, names: list[str], *, theirs: bool) -> bool:
        return bool(self._store.run(_rows_of(table, partition, names, theirs=theirs)))


def _rows_of(table: str, partition: str, names: list[str], *, theirs: bool) -> Statement:
    """Whether the partition holds rows of these workspaces, or of any other."""
    values: dict[str, Bound] = {"names": names, "which": partition.replace("-", "")}
    text = (
        f"SELECT 1 FROM {table} WHERE _partition_id = {{which:String}} "
        f"AND workspace_id {'IN' if theirs else 'NOT IN'} {{names:Array(String)}} LIMIT 1"
    )
    return Statement(text, values, ("one",))


def _bound(work: Callable[[str, int], T], workspace: str, floor: int) -> Callable[[], T]:
    return lambda: work(workspace, floor)


def _month_after(instant: int) -> int:
    day = (to_datetime(instant) + timedelta(days=31)).replace(day=1)
    return _instant(day.date().isoformat())


def _instant(partition: str) -> int:
    """The first instant of a partition, which is named by its first day."""
    return (date.fromisoformat(partition).toordinal() - _EPOCH) * DAY

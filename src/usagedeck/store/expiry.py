"""Retention: what is older than its workspace keeps it expires, at once for everybody who asks, and then on the disk.

Events have an age and rollups may have a longer one, so a workspace has two floors (see `floors`), both midnights of UTC. They
are raised on the writer's thread between two commits, durably, before anything is deleted; after that no question reads below
them and nothing is written there. They never fall: a longer age later brings nothing back.

The floor of the events rises above that of the rollups no further than everything is sealed, in all rollups; that is looked at
while nobody can write. No seal that was begun before counts below it unless it was complete by then (`Seals.publish`), and
events are deleted while nothing is being sealed.

Headers and bodies of events (`exchanges`) have a third age, never longer than that of the events. Nothing is made of them, so
their floor rises at once.

The disk follows by whole days of them, by whole weeks of events, each once it lies a day below the floor (a request lasts a day
at most, and was active above the floor perhaps), by whole months of the rollups, and once the longest question that may still
read it is over. Where nobody has anything left in it, it is dropped as it is; else the expired rows are cut out of it. Both may
be done again at any time, so a crash costs nothing. Whether somebody has something there is asked of the rows themselves, while
nobody can write any.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Protocol

from usagedeck.catalog.fields import MAX_DURATION
from usagedeck.catalog.kinds import Beside, Subject
from usagedeck.catalog.rollups import ROLLUPS, rollup_table
from usagedeck.floors import NO_FLOOR, Floor, Floors
from usagedeck.seals import Cut
from usagedeck.sql import Bound, Statement
from usagedeck.store.believed import Believed
from usagedeck.store.inspection import partitions
from usagedeck.store.rollup import Sealer, Seals
from usagedeck.store.rounds import Rounds
from usagedeck.table import Row
from usagedeck.times import DAY, HOUR, MINUTE, WEEK, to_datetime

LOOK_EVERY = HOUR
FIRST_LOOK = MINUTE

_EPOCH = date(1970, 1, 1).toordinal()


def floor_at(now: int, days: int) -> int:
    """The floor of a workspace that keeps its events for so many days: the midnight before, UTC."""
    return max(0, (now - days * DAY) // DAY * DAY)


@dataclass(frozen=True, slots=True)
class Ages:
    """How many days something of a workspace is kept; None: for ever. Rollups are kept at least as long as events, and exchanges
    never longer."""

    events: int | None
    rollups: int | None
    exchanges: int | None = None

    def floor(self, now: int) -> Floor:
        """What has expired by now."""
        kept = [0 if days is None else floor_at(now, days) for days in (self.events, self.rollups, self.exchanges)]
        return NO_FLOOR.raised(Floor(*kept))


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
        sealer: Sealer,
        between: Callable[[Callable[[], Any]], Future[Any]],
        ages: Callable[[], Mapping[str, Ages]],
        clock: Callable[[], int],
        longest_question: int,
    ) -> None:
        """`between` runs something on the writer's thread between two commits; `ages` tells those of all workspaces;
        `longest_question` is in milliseconds."""
        self._store = store
        self._seals = seals
        self._between = between
        self._sealer = sealer
        self._ages = ages
        self._clock = clock
        self._patience = longest_question
        self._lock = threading.Lock()
        self._believed = Believed(store, clock)
        self._settled = Floors(seals.ledger.floors)
        self._raised: list[tuple[int, str, Floor]] = []
        self.waiting: dict[str, int] = {}
        """Workspace → up to where its events should have expired; what is missing is a seal."""
        self.cleared = Floors()
        """Below these nothing is left on the disk of what goes by whole days: all of it was deleted since the start."""
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
                self._settled.lift(workspace, floor)
            if settled:
                self._seals.forget_touches()
            done = self._delete()
            if not self._rounds.stopping:
                self.cleared = Floors(self._settled)
            return done

    def trust_clock(self) -> int:
        """Go by this machine's clock again, however far it has jumped; returns by how much that was, in milliseconds."""
        return self._believed.trust()

    @property
    def ahead(self) -> int:
        """By how many milliseconds this machine's clock is further than can be believed; 0 while all is well."""
        return self._believed.ahead

    def due(self, ages: Ages) -> Floor:
        """The floors that these ages stand for, as of the last look."""
        return ages.floor(self._believed.now)

    def _raise(self) -> None:
        """First what can be raised at once, then what has to be sealed before."""
        now, floors = self._believed.look(), self._seals.ledger.floors
        ages = self._ages()
        for workspace, age in ages.items():
            due = age.floor(now)
            self._lift(workspace, Floor(0, due.rollups, due.shorter))
        for workspace, age in ages.items():
            due = age.floor(now)
            if due.events > floors[workspace].events and not self._rounds.stopping:
                self._sealer.seal_gaps(workspace, floors[workspace].events, due.events)
                self._lift(workspace, due)
            if due.events > floors[workspace].events:
                self.waiting[workspace] = due.events
            else:
                self.waiting.pop(workspace, None)

    def _lift(self, workspace: str, due: Floor) -> None:
        """Raise the floors of a workspace as far as they may be."""
        ledger = self._seals.ledger

        def lift() -> None:
            start = max(ledger.floor_of(workspace), due.rollups)
            sealed = [ledger.until(Cut(name), workspace, start, due.events) for name in ROLLUPS if start < due.events]
            self._seals.raise_floor(workspace, Floor(min(sealed, default=0) // DAY * DAY, due.rollups, due.shorter))

        before = ledger.floors[workspace]
        if before.raised(due) != before:
            self._between(lift).result()
        if (raised := ledger.floors[workspace]) != before:
            self._raised.append((self._clock() + self._patience, workspace, raised))

    def _delete(self) -> int:
        """Partitions, the oldest first, until it is to stop."""
        done = 0
        floors = dict(self._settled)
        if not floors:
            return done
        for part in sorted(partitions(self._store), key=lambda part: part.partition):
            if self._rounds.stopping:
                break
            if part.table in list(Subject):
                end = _instant(part.partition) + WEEK + MAX_DURATION
                names = [workspace for workspace, floor in floors.items() if floor.events >= end]
                done += self._clear(part.table, part.partition, names, lambda work: self._between(work).result())
            elif part.table.startswith(rollup_table("")):
                end = _month_after(_instant(part.partition))
                names = [workspace for workspace, floor in floors.items() if floor.rollups >= end]
                done += self._clear(part.table, part.partition, names, lambda work: work())
            elif part.table == Beside.EXCHANGES:
                end = _instant(part.partition) + DAY
                names = [workspace for workspace, floor in floors.items() if floor.exchanges >= end]
                done += self._clear(part.table, part.partition, names, lambda work: self._between(work).result())
        return done

    def _clear(self, table: str, partition: str, names: list[str], alone: Callable[[Callable[[], None]], None]) -> bool:
        """Take out of a partition what belongs to these workspaces, while nothing is sealed. `alone` runs something while nobody
        writes into the table."""
        if not names or not self._any(table, partition, names, theirs=True):
            return False
        which = partition.replace("-", "")

        def drop() -> None:
            if not self._store.finds(_rows_of(table, partition, names, theirs=False)):
                self._store.record(Statement(f"ALTER TABLE {table} DROP PARTITION ID '{int(which)}'", {}, ()))

        def clear() -> None:
            if not self._any(table, partition, names, theirs=False):
                alone(drop)
            if self._any(table, partition, names, theirs=True):
                text = (
                    f"ALTER TABLE {table} DELETE IN PARTITION ID '{int(which)}' WHERE workspace_id IN {{names:Array(String)}} "
                    "SETTINGS mutations_sync = 1"
                )
                self._store.execute(Statement(text, {"names": names}, ()))

        self._sealer.standing_still(clear)
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


def _month_after(instant: int) -> int:
    day = (to_datetime(instant) + timedelta(days=31)).replace(day=1)
    return _instant(day.date().isoformat())


def _instant(partition: str) -> int:
    """The first instant of a partition, which is named by its first day."""
    return (date.fromisoformat(partition).toordinal() - _EPOCH) * DAY

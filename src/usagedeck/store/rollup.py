"""Keeps the rollups sealed: fills what is missing, a day at a time, beside everything else that goes on.

What may be read from a rollup is decided by the ledger (see `seals`); here it is made durable, and the sealing is done:

* Before the writer puts events into a quarter-hour that a seal may have looked at, `unseal` records the touch on the disk.
  Then the events follow. A crash in between costs a seal and nothing else.
* A seal begins with a moment drawn on the writer's thread, between two commits. Its rows are computed from the events,
  stored under a number of its own, and count from the instant in which the seal itself is on the disk. A crash before
  that leaves rows that nobody reads; they are removed at the next start.
* Rows that no seal points to any more are deleted when the longest question that may still read them is over.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol, TypeVar

from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.rollups import ROLLUPS, rollup_table
from usagedeck.errors import StoreFailed
from usagedeck.floors import Floor, Floors
from usagedeck.seals import EVERYBODY, UTC, Cut, Ledger, Seal
from usagedeck.sql import Bound, Statement, fill
from usagedeck.store.days import cuts, days, of, whole_days
from usagedeck.store.definitions import Definitions
from usagedeck.store.merging import monday
from usagedeck.store.rounds import Rounds
from usagedeck.stretches import Stretch, joined, without
from usagedeck.table import Row
from usagedeck.times import MINUTE, WEEK

T = TypeVar("T")

log = logging.getLogger(__name__)

LOOK_EVERY = MINUTE
SETTLED_AFTER = 30 * MINUTE
"""A quarter-hour is sealed when it ended this long ago: until then its events are still coming."""


ROWS_AT_ONCE = 2_000_000
"""About as many events are read by one statement; it bounds its memory and how long a stop has to wait."""

DAYS_AT_ONCE = 62

BULK = 2000
"""When so many sealed quarter-hours were written to since the last look, an import is under way, and sealing waits."""

LONGEST_WAIT = 30
"""Looks after which sealing no longer waits for the end of an import."""


SAY_EVERY = 60
"""Seconds between two lines about how far a long catch-up has come."""


@dataclass(frozen=True, slots=True)
class Lag:
    """How far a rollup is sealed. Days are counted once for each of its sizes (quarter-hours, days of each zone)."""

    rollup: str
    sealed_until: int | None
    """Where its newest sealed quarter-hour ends."""
    waiting: int
    """Days of which something was never sealed and could be."""
    taken_away: int
    """Days of workspaces that were written to after they were sealed, and are to be sealed anew."""


class Executes(Protocol):
    """The part of the store that rollups need."""

    def run(self, statement: Statement) -> list[Row]: ...

    def execute(self, statement: Statement) -> None:
        """A statement without an answer, on a handle of its own, on one core."""

    def record(self, statement: Statement) -> None:
        """A small durable write on the writer's handle."""

    def weeks(self, subject: Subject) -> dict[int, int]:
        """The UTC weeks that hold events: first instant → rows."""


class Seals:
    """The ledger and its copy on the disk."""

    def __init__(self, store: Executes) -> None:
        """Read what is sealed, and bring the rollups to today's definitions."""
        self._store = store
        self._touched = 0
        self._waited = 0
        floors = [
            (w, Floor(e, r, x))
            for w, e, r, x in self._read("SELECT workspace_id, max(floor), max(rollups), max(exchanges) FROM floors GROUP BY 1")
        ]
        definitions = Definitions(store, Floors(floors))
        self.ledger = self._stored(floors)
        if definitions.renew(self.ledger):
            self.ledger = self._stored(floors)
        self.ledger.formers = definitions.formers()

    def _stored(self, floors: Sequence[tuple[str, Floor]]) -> Ledger:
        read = self._read
        tables = [r.table for r in ROLLUPS.values()]
        there = {name for (name,) in read("SELECT name FROM system.tables WHERE database = currentDatabase()")}
        return Ledger(
            [
                Seal(number, Cut(rollup, zone), workspace, start, end, as_of)
                for number, rollup, zone, workspace, start, end, as_of in read("SELECT * FROM seals ORDER BY as_of")
            ],
            [(w, q, m) for w, q, m in read("SELECT workspace_id, quarter, moment FROM touches FINAL")],
            [(w, z, m) for w, z, m in read("SELECT workspace_id, zone, moment FROM placed FINAL")],
            max((read(f"SELECT max(seal) FROM {table}")[0][0] for table in tables if table in there), default=0),
            floors,
        )

    def _read(self, text: str) -> list[Row]:
        return self._store.run(Statement(text, {}, ()))

    # --- on the writer's thread

    def unseal(self, quarters: Mapping[str, Collection[int]]) -> None:
        """To be called before events are written into these quarter-hours of these workspaces."""
        due = self.ledger.due(quarters)
        self._touched += len(due)
        if not due:
            return
        moment = self.ledger.draw()
        text = (
            "INSERT INTO touches SELECT at.1, at.2, {m:UInt64} FROM (SELECT arrayJoin({due:Array(Tuple(String, Int64))}) AS at)"
        )
        self._store.record(Statement(text, {"due": due, "m": moment}, ()))
        self.ledger.touch(due, moment)

    def begin(self, end: int, zones: Mapping[str, str]) -> int:
        """The moment of a seal that reaches to `end`, after all workspaces have the zones that they have now."""
        for workspace, zone in zones.items():
            if zone != UTC and self.ledger.zone_of(workspace) != zone:
                moment = self.ledger.draw()
                values: dict[str, Bound] = {"w": workspace, "z": zone, "m": moment}
                self._store.record(Statement("INSERT INTO placed VALUES ({w:String}, {z:String}, {m:UInt64})", values, ()))
                self.ledger.place(workspace, zone, moment)
        return self.ledger.begin(end)

    def raise_floor(self, workspace: str, floor: Floor) -> None:
        """From here on what lies below has expired, durably."""
        floor = self.ledger.floors[workspace].raised(floor)
        values: dict[str, Bound] = {"w": workspace, "e": floor.events, "r": floor.rollups, "x": floor.shorter}
        text = "INSERT INTO floors (workspace_id, floor, rollups, exchanges) VALUES ({w:String}, {e:Int64}, {r:Int64}, {x:Int64})"
        self._store.record(Statement(text, values, ()))
        self.ledger.floors.lift(workspace, floor)

    # --- on the sealer's thread

    def quiet(self) -> bool:
        """Whether nobody seems to be importing: sealing what is still coming in would only have to be done again."""
        busy, self._touched = self._touched > BULK, 0
        self._waited = self._waited + 1 if busy and self._waited < LONGEST_WAIT else 0
        return self._waited == 0

    def publish(self, cut: Cut, numbers: Mapping[Stretch, int], workspaces: Sequence[str], moment: int) -> None:
        """The rows under these numbers are complete: from here on they count.

        Nothing is sealed where events are gone, or went meanwhile: it would hide what was sealed while they were there.
        """
        seals = [
            Seal(number, cut, workspace, *stretch, moment) for stretch, number in numbers.items() for workspace in workspaces
        ]
        for seal in seals:
            frozen = self.ledger.frozen(cut, seal.start)
            if seal.workspace_id in frozen or (frozen and seal.workspace_id == EVERYBODY):
                raise StoreFailed(f"A seal of {cut.rollup} was not made: some of its events have expired.")
        self._publish(cut, seals, moment)

    def replace(self, cut: Cut, stretches: Sequence[Stretch], workspace: str, number: int, moment: int) -> None:
        """The rows under this number say what a workspace's rows said until now: from here on they count instead, also where
        events are gone."""
        self._publish(cut, [Seal(number, cut, workspace, *stretch, moment) for stretch in stretches], moment)

    def _publish(self, cut: Cut, seals: Sequence[Seal], moment: int) -> None:
        text = (
            "INSERT INTO seals SELECT at.1, {rollup:String}, {zone:String}, at.2, at.3, at.4, {moment:UInt64} "
            "FROM (SELECT arrayJoin({seals:Array(Tuple(UInt64, String, Int64, Int64))}) AS at)"
        )
        rows = [(s.number, s.workspace_id, s.start, s.end) for s in seals]
        self._store.execute(Statement(text, {"rollup": cut.rollup, "zone": cut.zone, "moment": moment, "seals": rows}, ()))
        self.ledger.publish(seals)

    def forget_touches(self) -> None:
        """Nobody asks any more what was written below the floors of the rollups."""
        floors = {workspace: floor.rollups for workspace, floor in self.ledger.floors}
        text = (
            "DELETE FROM touches WHERE quarter < "
            "transform(workspace_id, {names:Array(String)}, {floors:Array(Int64)}, toInt64(0))"
        )
        self._store.execute(Statement(text, {"names": list(floors), "floors": list(floors.values())}, ()))

    def forget(self, numbers: Collection[int]) -> None:
        self._store.execute(Statement("DELETE FROM seals WHERE number IN {n:Array(UInt64)}", {"n": sorted(numbers)}, ()))


class Sealer:
    """Looks every few minutes for what can be sealed."""

    def __init__(
        self,
        store: Executes,
        seals: Seals,
        between: Callable[[Callable[[], int]], Future[int]],
        zones: Callable[[], Mapping[str, str]],
        clock: Callable[[], int],
        longest_question: int,
    ) -> None:
        """`between` runs something on the writer's thread between two commits; `zones` tells each workspace's zone;
        `longest_question` is in milliseconds."""
        self._store = store
        self._seals = seals
        self._between = between
        self._zones = zones
        self._clock = clock
        self._patience = longest_question
        self._lock = threading.Lock()
        self._condemned: list[tuple[int, str, set[int]]] = []
        self.caught_up = clock()
        """When all was sealed that could be, or else when sealing began."""
        self.failed = ""
        """What came in between at the last attempt."""
        self._tidy = False
        self._rounds = Rounds("sealer", self._round, every=LOOK_EVERY, failed=self._fail)

    def start(self) -> None:
        self._rounds.start()

    def close(self) -> None:
        """Stop after the statement that is under way. Idempotent."""
        self._rounds.stop()

    def standing_still(self, work: Callable[[], T]) -> T:
        """Run something while nothing is sealed or swept."""
        with self._lock:
            return work()

    def look(self) -> int:
        """Seal what is due; returns how many seals were made."""
        made = 0
        zones = dict(self._zones())
        said = time.monotonic()
        with self._lock:
            for rollup in ROLLUPS.values():
                weeks = self._store.weeks(rollup.of)
                for cut in cuts(rollup, zones.values()):
                    for due in (self._never_sealed(cut, weeks, zones), self._not_any_more(cut, weeks)):
                        for stretches, workspaces in due:
                            if self._rounds.stopping:
                                return made
                            self._seal(cut, stretches, workspaces, zones)
                            made += len(stretches)
                            if time.monotonic() - said >= SAY_EVERY:
                                said = time.monotonic()
                                left = sum(lag.waiting + lag.taken_away for lag in self.lag())
                                log.info("sealed %d of %d days, counting each rollup and zone", made, made + left)
            self._seals.ledger.forget_below(min((self._seals.ledger.floors[w].rollups for w in zones), default=0))
            self._sweep()
            self.caught_up, self.failed = self._clock(), ""
        return made

    def seal_gaps(self, workspace: str, start: int, end: int) -> None:
        """Seal the weeks in which nobody has events: later nobody could tell any more that there were none. All others are sealed
        by `look`."""
        with self._lock:
            zones = self._zones()
            for rollup in ROLLUPS.values():
                cut, weeks = Cut(rollup.name), [(week, week + WEEK) for week in self._store.weeks(rollup.of)]
                there = [(p.start, p.end) for p in self._seals.ledger.live(cut, workspace, start, end)]
                for gap in without((start, end), joined([*weeks, *there])):
                    self._seal(cut, [gap], [workspace], zones)

    def lag(self) -> list[Lag]:
        """What is left to be sealed, per rollup. It reads the ledger and no events."""
        zones = dict(self._zones())
        found = []
        for rollup in ROLLUPS.values():
            weeks = self._store.weeks(rollup.of)
            waiting = taken_away = 0
            for cut in cuts(rollup, zones.values()):
                waiting += sum(len(due) for due, _ in self._never_sealed(cut, weeks, zones))
                taken_away += sum(len(due) * len(whose) for due, whose in self._not_any_more(cut, weeks))
            pieces = self._seals.ledger.sealed(Cut(rollup.name), 0, self._clock())
            found.append(Lag(rollup.name, pieces[-1].end if pieces else None, waiting, taken_away))
        return found

    def _never_sealed(
        self, cut: Cut, weeks: Mapping[int, int], zones: Mapping[str, str]
    ) -> Iterator[tuple[list[Stretch], list[str] | None]]:
        """What to seal for everybody, the newest first: days (of UTC, or of the cut's zone), several at once when they are small.

        A day that is not over is sealed bit by bit, and once more as a whole in the end. Weeks without events are left alone:
        reading them costs nothing. Days of which somebody's events are gone are sealed for the others, each by name.
        """
        ledger, end = self._seals.ledger, cut.cell(self._clock() - SETTLED_AFTER)[0]
        highest = max((floor.events for _, floor in ledger.floors), default=0)
        due: list[Stretch] = []
        alone: dict[tuple[str, ...], list[Stretch]] = {}
        for week in weeks:
            for day in days(cut, cut.cell(week)[0], min(cut.cell(week + WEEK)[0], end)):
                pieces = ledger.sealed(cut, *day)
                missing = sum(p.end - p.start for p in pieces) < day[1] - day[0]
                if day[0] < highest and (frozen := ledger.frozen(cut, day[0])):
                    if missing and (
                        names := [w for w in of(cut, zones) if w not in frozen and ledger.until(cut, w, *day) < day[1]]
                    ):
                        alone.setdefault(tuple(names), []).append(day)
                elif not cut.zone and pieces and pieces[0].start == day[0] and day[1] == end and pieces[-1].end < end:
                    due.append((pieces[-1].end, end))
                elif missing or (len(pieces) > 1 and day[1] < end):
                    due.append(day)
        yield from ((part, None) for part in _portions(due, weeks))
        yield from ((part, list(names)) for names, theirs in alone.items() for part in _portions(theirs, weeks))

    def _not_any_more(self, cut: Cut, weeks: Mapping[int, int]) -> Iterator[tuple[list[Stretch], list[str]]]:
        """What to seal anew for some: days in which something of theirs was touched since."""
        end = cut.cell(self._clock() - SETTLED_AFTER)[0]
        missing: dict[Stretch, list[str]] = {}
        for piece in joined((p.start, p.end) for p in self._seals.ledger.sealed(cut, 0, end)):
            for workspace, stretches in self._seals.ledger.missing(cut, *piece).items():
                for day in dict.fromkeys(day for stretch in stretches for day in days(cut, *whole_days(cut, stretch, end))):
                    missing.setdefault(day, []).append(workspace)
        alike: dict[tuple[str, ...], list[Stretch]] = {}
        for day, workspaces in sorted(missing.items(), reverse=True):
            alike.setdefault(tuple(workspaces), []).append(day)
        for whose, touched in alike.items():
            yield from ((part, list(whose)) for part in _portions(touched, weeks))

    def _seal(self, cut: Cut, stretches: list[Stretch], workspaces: list[str] | None, zones: Mapping[str, str]) -> None:
        end = max(high for _, high in stretches)
        moment = self._between(lambda: self._seals.begin(end, zones)).result()
        numbers = {stretch: self._seals.ledger.draw() for stretch in stretches}
        whose = workspaces
        if cut.zone not in ("", UTC) and workspaces is None:
            whose = of(cut, zones)
        self._store.execute(fill(cut, numbers, whose))
        self._seals.publish(cut, numbers, workspaces or [EVERYBODY], moment)

    def _sweep(self) -> None:
        """Delete what nobody can be reading any more."""
        now = self._clock()
        for rollup, numbers in self._seals.ledger.superseded().items():
            self._seals.forget(numbers)
            self._condemned.append((now + self._patience, rollup, numbers))
        for due, rollup, numbers in [c for c in self._condemned if c[0] <= now]:
            self._condemned.remove((due, rollup, numbers))
            self._delete(rollup_table(rollup), numbers)
            self._seals.ledger.forget(numbers)

    def _delete(self, table: str, numbers: Collection[int]) -> None:
        text = f"DELETE FROM {table} WHERE seal IN {{n:Array(UInt64)}}"
        self._store.execute(Statement(text, {"n": sorted(numbers)}, ()))

    def _orphans(self) -> None:
        """Rows of seals that were never published, and of those forgotten before the last stop. While nothing is sealed: rows
        that are about to get their seal look just the same."""
        with self._lock:
            for rollup in ROLLUPS.values():
                known = "SELECT number FROM seals WHERE rollup = {r:String}"
                text = f"SELECT DISTINCT seal FROM {rollup.table} WHERE seal NOT IN ({known})"
                found = {int(number) for (number,) in self._store.run(Statement(text, {"r": rollup.name}, ("seal",)))}
                if found:
                    self._delete(rollup.table, found)

    def _round(self) -> None:
        if not self._tidy:
            self._orphans()
            self._tidy = True
        if self._seals.quiet():
            self.look()

    def _fail(self, message: str) -> None:
        self.failed = message


def _portions(found: Iterable[Stretch], weeks: Mapping[int, int]) -> Iterator[list[Stretch]]:
    """Days in groups that hold about `ROWS_AT_ONCE` events, the newest first."""
    portion: list[Stretch] = []
    rows = 0
    for day in sorted(set(found), reverse=True):
        more = weeks.get(monday(day[0]), 0) // 7
        if portion and (rows + more > ROWS_AT_ONCE or len(portion) == DAYS_AT_ONCE):
            yield portion
            portion, rows = [], 0
        portion.append(day)
        rows += more
    if portion:
        yield portion

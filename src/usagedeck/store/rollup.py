"""Keeps the rollups sealed: fills what is missing, a day at a time, beside everything else that goes on.

What may be read from a rollup is decided by the ledger (see `seals`); here it is made durable, and the sealing is done:

* Before the writer puts events into a quarter-hour that a seal may have looked at, `unseal` records the touch on the disk.
  Then the events follow. A crash in between costs a seal and nothing else.
* A seal begins with a moment drawn on the writer's thread, between two commits. Its rows are computed from the events,
  stored under a number of its own, and count from the instant in which the seal itself is on the disk. A crash before
  that leaves rows that nobody reads; they are removed at the next start.
* Rows that no seal points to any more are deleted when the longest question that may still read them is over.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Protocol

from usagedeck.catalog import ROLLUPS, Rollup, Subject
from usagedeck.errors import UsagedeckError
from usagedeck.seals import EVERYBODY, QUARTER, UTC, Cut, Ledger, Seal, Stretch, joined
from usagedeck.sql import Bound, Statement, fill
from usagedeck.store import schema
from usagedeck.table import Row
from usagedeck.times import DAY, MINUTE, WEEK

log = logging.getLogger(__name__)

LOOK_EVERY = 5 * MINUTE
SETTLED_AFTER = 30 * MINUTE
"""A quarter-hour is sealed when it ended this long ago: until then its events are still coming."""


class Executes(Protocol):
    """The part of the store that rollups need."""

    def run(self, statement: Statement) -> list[Row]: ...

    def execute(self, statement: Statement) -> None:
        """A statement without an answer, on a handle of its own, on one core."""

    def record(self, statement: Statement) -> None:
        """A small durable write on the writer's handle."""

    def weeks(self, subject: Subject) -> list[int]:
        """The first instants of the UTC weeks that hold events."""


def definition(rollup: Rollup) -> str:
    """What a rollup holds and how that is computed, as a short name: another definition is another rollup."""
    text = schema.create_rollup(rollup) + fill(Cut(rollup.name), 0, [(0, QUARTER)]).text
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Seals:
    """The ledger and its copy on the disk."""

    def __init__(self, store: Executes) -> None:
        """Read what is sealed. What a rollup held under another definition is dropped."""
        self._store = store
        for rollup in ROLLUPS.values():
            self._renew(rollup)
        read = self._read
        numbers = [read(f"SELECT max(seal) FROM {r.table}")[0][0] for r in ROLLUPS.values()]
        self.ledger = Ledger(
            [
                Seal(number, Cut(rollup, zone), workspace, start, end, as_of)
                for number, rollup, zone, workspace, start, end, as_of in read("SELECT * FROM seals ORDER BY as_of")
            ],
            [(w, q, m) for w, q, m in read("SELECT workspace_id, quarter, moment FROM touches FINAL")],
            [(w, z, m) for w, z, m in read("SELECT workspace_id, zone, moment FROM placed FINAL")],
            max(numbers),
        )

    def _read(self, text: str) -> list[Row]:
        return self._store.run(Statement(text, {}, ()))

    def _renew(self, rollup: Rollup) -> None:
        known = self._read(f"SELECT value FROM about FINAL WHERE key = 'rollup {rollup.name}'")
        now = definition(rollup)
        if known and known[0][0] == now:
            return
        log.info("rollup %s is new or has changed; it will be filled from the events", rollup.name)
        for text in (
            f"DROP TABLE IF EXISTS {rollup.table}",
            f"DELETE FROM seals WHERE rollup = '{rollup.name}'",
            schema.create_rollup(rollup),
        ):
            self._store.execute(Statement(text, {}, ()))
        at = int(self._read("SELECT max(at) FROM about")[0][0]) + 1
        self._store.execute(Statement(f"INSERT INTO about VALUES ('rollup {rollup.name}', '{now}', {at})", {}, ()))

    # --- on the writer's thread

    def unseal(self, quarters: Mapping[str, Collection[int]]) -> None:
        """To be called before events are written into these quarter-hours of these workspaces."""
        due = self.ledger.due(quarters)
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

    # --- on the sealer's thread

    def publish(self, number: int, cut: Cut, workspaces: Sequence[str], stretch: Stretch, moment: int) -> None:
        """The rows of that number are complete: from here on they count."""
        values: dict[str, Bound] = {
            "number": number,
            "rollup": cut.rollup,
            "zone": cut.zone,
            "workspaces": workspaces,
            "start": stretch[0],
            "end": stretch[1],
            "moment": moment,
        }
        text = (
            "INSERT INTO seals SELECT {number:UInt64}, {rollup:String}, {zone:String}, arrayJoin({workspaces:Array(String)}), "
            "{start:Int64}, {end:Int64}, {moment:UInt64}"
        )
        self._store.execute(Statement(text, values, ()))
        self.ledger.publish([Seal(number, cut, workspace, *stretch, moment) for workspace in workspaces])

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
        self._condemned: list[tuple[int, str, set[int]]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="usagedeck-sealer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Stop after the statement that is under way. Idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def look(self) -> int:
        """Seal what is due; returns how many seals were made."""
        made = 0
        zones = dict(self._zones())
        for rollup in ROLLUPS.values():
            weeks = self._store.weeks(rollup.of)
            for cut in _cuts(rollup, zones.values()):
                for stretch, workspaces in self._due(cut, weeks):
                    if self._stop.is_set():
                        return made
                    self._seal(cut, stretch, workspaces, zones)
                    made += 1
        self._sweep()
        return made

    def _due(self, cut: Cut, weeks: Collection[int]) -> Iterator[tuple[Stretch, list[str] | None]]:
        """What to seal, the newest first: days (of UTC, or of the cut's zone), and for whom (None: for everybody).

        Weeks without events are left alone: reading them costs nothing.
        """
        end = cut.cell(self._clock() - SETTLED_AFTER)[0]
        ledger = self._seals.ledger
        for week in sorted(weeks, reverse=True):
            for day in reversed(list(_days(cut, cut.cell(week)[0], min(cut.cell(week + WEEK)[0], end)))):
                pieces = ledger.sealed(cut, *day)
                if not cut.zone and pieces and pieces[0].start == day[0] and day[1] == end and pieces[-1].end < end:
                    yield (pieces[-1].end, end), None  # the day goes on
                elif sum(p.end - p.start for p in pieces) < day[1] - day[0] or (len(pieces) > 1 and day[1] < end):
                    yield day, None
        missing: dict[Stretch, list[str]] = {}
        for piece in joined((p.start, p.end) for p in ledger.sealed(cut, 0, end)):
            for workspace, stretches in ledger.missing(cut, *piece).items():
                for day in dict.fromkeys(day for stretch in stretches for day in _days(cut, *_whole_days(cut, stretch, end))):
                    missing.setdefault(day, []).append(workspace)
        yield from sorted(missing.items(), reverse=True)

    def _seal(self, cut: Cut, stretch: Stretch, workspaces: list[str] | None, zones: Mapping[str, str]) -> None:
        moment = self._between(lambda: self._seals.begin(stretch[1], zones)).result()
        number = self._seals.ledger.draw()
        whose = workspaces
        if cut.zone not in ("", UTC) and workspaces is None:
            whose = [workspace for workspace, zone in zones.items() if zone == cut.zone]
        self._store.execute(fill(cut, number, [stretch], whose))
        self._seals.publish(number, cut, workspaces or [EVERYBODY], stretch, moment)

    def _sweep(self) -> None:
        """Delete what nobody can be reading any more."""
        now = self._clock()
        for rollup, numbers in self._seals.ledger.superseded().items():
            self._seals.forget(numbers)
            self._condemned.append((now + self._patience, rollup, numbers))
        for due, rollup, numbers in [c for c in self._condemned if c[0] <= now]:
            self._condemned.remove((due, rollup, numbers))
            self._delete(ROLLUPS[rollup], numbers)

    def _delete(self, rollup: Rollup, numbers: Collection[int]) -> None:
        text = f"DELETE FROM {rollup.table} WHERE seal IN {{n:Array(UInt64)}}"
        self._store.execute(Statement(text, {"n": sorted(numbers)}, ()))

    def _orphans(self) -> None:
        """Rows of seals that were never published, and of those forgotten before the last stop."""
        for rollup in ROLLUPS.values():
            known = "SELECT number FROM seals WHERE rollup = {r:String}"
            text = f"SELECT DISTINCT seal FROM {rollup.table} WHERE seal NOT IN ({known})"
            found = {int(number) for (number,) in self._store.run(Statement(text, {"r": rollup.name}, ("seal",)))}
            if found:
                self._delete(rollup, found)

    def _work(self) -> None:
        first = True
        while True:
            try:
                if first:
                    self._orphans()
                first = False
                self.look()
            except UsagedeckError as error:
                log.warning("sealing failed and will be tried again: %s", error.message)
            if self._stop.wait(LOOK_EVERY / 1000):
                return


def _cuts(rollup: Rollup, zones: Iterable[str]) -> list[Cut]:
    """By quarter-hours, and by the days of UTC and of every zone that a workspace has."""
    names = [] if rollup.activity else sorted({UTC, *zones})
    return [Cut(rollup.name), *(Cut(rollup.name, name) for name in names)]


def _days(cut: Cut, start: int, end: int) -> Iterator[Stretch]:
    """A stretch of whole cells, cut into days: those of the cut's zone, else of UTC."""
    while start < end:
        after = cut.cell(start)[1] if cut.zone else (start // DAY + 1) * DAY
        yield start, min(after, end)
        start = after


def _whole_days(cut: Cut, stretch: Stretch, end: int) -> Stretch:
    """A day in which something is missing is sealed anew as a whole, which keeps the number of pieces small."""
    if cut.zone:
        return stretch
    return stretch[0] // DAY * DAY, min(-(-stretch[1] // DAY) * DAY, end)

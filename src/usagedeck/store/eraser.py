"""Erasure: what a user or a key left behind is blanked where it counts and taken off the disk, and all sums stay the same.

First the mark, durably, on the writer's thread between two commits: whatever comes later is blanked on its way in (see
`store.blanking`). Then, in steps that may each be done again at any time:

1. Names in the directory go.
2. Headers and bodies of the events are deleted; a mutation names them by their places in the order of arrival.
3. Deliveries, then requests: a blank copy of the next revision is written for each, by the rules of any commit, and the weeks are
   merged until no older copy is left in them. Deliveries go first, since the requests that caused them tell which they are.
4. Rows of rollups that still count, where there are no events any more, are copied without the ids under a younger seal.
5. All other rows of rollups that hold the ids count nowhere, since their cells were touched in step 3. They are deleted when the
   longest question that may still read them is over.

Which ids are erased ones is found by looking at the ids that are stored, so whoever takes it up again after a crash need not
be told. An erasure is finished when a search finds none.
"""

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from itertools import groupby
from typing import Any, Protocol

from usagedeck.catalog.dimensions import NAMES
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import Beside, Subject
from usagedeck.catalog.rollups import Rollup
from usagedeck.errors import StoreFailed
from usagedeck.events import REVISION_STEP
from usagedeck.seals import QUARTER, Cut
from usagedeck.sql import Statement, erasing
from usagedeck.sql.erasing import Gone, holding
from usagedeck.store.erased import Counts, Erased
from usagedeck.store.rollup import Seals
from usagedeck.store.rounds import Rounds
from usagedeck.stretches import Stretch, joined
from usagedeck.table import Row
from usagedeck.times import MINUTE

LOOK_EVERY = MINUTE
AT_ONCE = 10_000
"""Events that are blanked between two commits: senders wait about as long as for a commit of so many."""

CELLS_AT_ONCE = 10_000
"""Cells of a rollup that one statement names."""

MERGES = 60
"""Attempts to merge a week, which the engine puts off while it merges it by itself."""

MERGE_AGAIN = 0.5
"""Seconds between two of them."""

_ORDER = (Subject.DELIVERIES, Subject.REQUESTS)


class Executes(Protocol):
    """The part of the store that an erasure needs."""

    def examine(self, statement: Statement) -> list[Row]:
        """A question that may take its time."""

    def execute(self, statement: Statement) -> None:
        """A statement without an answer, on a handle of its own, on one core."""

    def record(self, statement: Statement) -> None:
        """A write on the writer's handle."""

    def merge(self, table: str, partition: str) -> None: ...


class Eraser:
    """Erases when it is told to, and completes what was begun. Safe to use from many threads."""

    def __init__(
        self,
        store: Executes,
        seals: Seals,
        erased: Erased,
        between: Callable[[Callable[[], Any]], Future[Any]],
        change: Callable[[Mapping[str, set[int]], Callable[[], None]], Future[None]],
        standing_still: Callable[[Callable[[], int]], int],
        forget: Callable[[str], int],
        clock: Callable[[], int],
        longest_question: int,
    ) -> None:
        """`between` runs something on the writer's thread between two commits, `change` too, and what was sealed of these
        quarter-hours counts no more; `standing_still` runs something while nothing is sealed; `forget` takes a workspace's erased
        names out of the directory and says how many there were; `longest_question` is in milliseconds."""
        self._store = store
        self._seals = seals
        self._erased = erased
        self._between = between
        self._change = change
        self._standing_still = standing_still
        self._forget = forget
        self._clock = clock
        self._patience = longest_question
        self._lock = threading.Lock()
        self._due: dict[str, int] = {}
        self._waiting: dict[str, int] = {}
        self._again = threading.Event()
        self.failed = ""
        """What came in between at the last attempt."""
        self._rounds = Rounds("eraser", self.look, every=LOOK_EVERY, failed=self._fail)

    def start(self) -> None:
        self._rounds.start()

    def close(self) -> None:
        """Stop after the step that is under way. Idempotent."""
        self._rounds.stop()

    def begin(self, workspace: str, names: Sequence[tuple[Any, str]]) -> None:
        """From here on these users and keys are erased: what comes of them is blanked."""
        self._between(lambda: self._erased.begin(workspace, names, self._clock())).result()

    def look(self) -> None:
        """Complete what was begun and can be completed now."""
        for workspace in self._erased.unfinished():
            if not self._rounds.stopping and self._clock() >= self._waiting.get(workspace, 0):
                self.complete(workspace)
        self.failed = ""

    def complete(self, workspace: str) -> int:
        """Erase what is there of a workspace's erased users and keys; 0 when nothing is left, else the instant from which on the
        last rows of rollups, which nobody who asks now reads, may be deleted."""
        with self._lock:
            taken: list[Counts] = []
            finished = 0
            self._waiting.pop(workspace, None)
            try:
                taken.append(Counts(names=self._forget(workspace)))
                gone = self._gone(workspace)
                if gone.ids:
                    self._remove_exchanges(gone, taken.append)
                for subject in _ORDER if gone.ids else ():
                    self._blank(subject, gone, taken.append)
                self._standing_still(lambda: self._rename(gone))
                if self._clock() >= self._due.get(workspace, 0):
                    removed = self._standing_still(lambda: self._remove(gone))
                    taken.append(Counts(rollup_rows=removed))
                    if not self._gone(workspace).ids:
                        finished = self._clock()
                        self._due.pop(workspace, None)
            finally:
                self._erased.add(workspace, sum(taken, Counts()), finished)
            if finished:
                return 0
            self._waiting[workspace] = self._due.get(workspace, self._clock())
            return self._waiting[workspace]

    # --- who

    def _gone(self, workspace: str) -> Gone:
        """The erased ids that are stored anywhere."""
        found: dict[str, set[str]] = {}
        for kind, column in NAMES.items():
            for table in self._tables(column):
                for (id_,) in self._store.examine(erasing.ids_in(table, workspace, column)):
                    if self._erased.covers(workspace, kind, str(id_)):
                        found.setdefault(column, set()).add(str(id_))
        return Gone(workspace, {column: sorted(ids) for column, ids in found.items()})

    def _tables(self, column: str) -> Iterator[Subject | Rollup | Beside]:
        yield Beside.EXCHANGES
        yield from (subject for subject in Subject if column in {f.name for f in fields(subject)})
        yield from (rollup for rollup in self._holding() if column in rollup.columns)

    # --- headers and bodies

    def _remove_exchanges(self, gone: Gone, took: Callable[[Counts], None]) -> None:
        """Before their events, which tell which they are. What comes from now on comes without. Of all days together: the engine
        looks at every part of the table for each mutation, and a day has one at least."""
        versions = [int(version) for (version,) in self._store.examine(erasing.exchanges_of(gone))]
        for at in range(0, len(versions), AT_ONCE):
            self._stop()
            some = versions[at : at + AT_ONCE]
            self._store.execute(erasing.remove_exchanges(gone.workspace_id, some))
            took(Counts(exchanges=len(some)))

    # --- events

    def _blank(self, subject: Subject, gone: Gone, took: Callable[[Counts], None]) -> None:
        """Blank copies of a kind of event, and no others left on the disk."""
        for partition, there in self._store.examine(erasing.copies(subject, gone)):
            rows = self._store.examine(erasing.to_blank(subject, gone, str(partition)))
            for at in range(0, len(rows), AT_ONCE):
                self._stop()
                some = [(int(time), str(id_), int(lasts)) for time, id_, lasts in rows[at : at + AT_ONCE]]
                self._blank_some(subject, gone, some)
                took(Counts(**{subject.value: len(some)}))
            self._merge(subject, gone, str(partition))
            took(Counts(copies=int(there)))

    def _blank_some(self, subject: Subject, gone: Gone, some: Sequence[tuple[int, str, int]]) -> None:
        floor = self._seals.ledger.floor_of(gone.workspace_id)
        met = {q for time, _, lasts in some for q in range(time - time % QUARTER, time + max(lasts, 1), QUARTER)}
        statement = erasing.blank(subject, gone, [(time, id_) for time, id_, _ in some], REVISION_STEP)
        kept = {gone.workspace_id: {quarter for quarter in met if quarter >= floor}}
        self._change(kept, partial(self._store.record, statement)).result()
        self._wait_for_questions(gone)

    def _wait_for_questions(self, gone: Gone) -> None:
        """Those that began before now may still read what counted until now."""
        self._due[gone.workspace_id] = self._clock() + self._patience

    def _merge(self, subject: Subject, gone: Gone, partition: str) -> None:
        for _ in range(MERGES):
            self._stop()
            self._store.merge(subject, partition)
            if partition not in {str(which) for which, _ in self._store.examine(erasing.copies(subject, gone))}:
                return
            self._again.wait(MERGE_AGAIN)
        raise StoreFailed(f"The week {partition} of {subject} could not be merged yet; the erasure goes on by itself.")

    # --- rollups

    def _holding(self) -> tuple[Rollup, ...]:
        return holding(self._seals.ledger.formers.values())

    def _held(self, rollup: Rollup, gone: Gone) -> list[tuple[Cut, list[tuple[int, int, int]]]]:
        """The cells that hold erased ids, for each cut: (seal, first instant, rows), in order of time."""
        rows = self._store.examine(erasing.held(rollup, gone)) if gone.ids else []
        cells = [(str(name), (int(seal), int(cell), int(count))) for name, seal, cell, count in rows]
        return [(Cut(rollup.name, name), [cell for _, cell in group]) for name, group in groupby(cells, lambda one: one[0])]

    def _counting(self, cut: Cut, workspace: str, cells: Sequence[tuple[int, int, int]]) -> set[tuple[int, int]]:
        """Those of the cells (seal, first instant) that questions read."""
        pieces = self._seals.ledger.live(cut, workspace, 0, cut.cell(max(cell for _, cell, _ in cells))[1])
        starts = [piece.start for piece in pieces]
        found = set()
        for seal, cell, _ in cells:
            at = bisect_right(starts, cell) - 1
            if at >= 0 and cell < pieces[at].end and pieces[at].number == seal:
                found.add((seal, cell))
        return found

    def _rename(self, gone: Gone) -> int:
        """Copy what counts. Events of those cells are gone, or they would have been touched."""
        made = 0
        for rollup in self._holding():
            for cut, cells in self._held(rollup, gone):
                counting = self._counting(cut, gone.workspace_id, cells)
                if counting:
                    made += self.rename(cut, gone, joined(cut.cell(cell) for _, cell in counting))
                    self._wait_for_questions(gone)
        return made

    def rename(self, cut: Cut, gone: Gone, stretches: Sequence[Stretch]) -> int:
        """What a workspace reads of a rollup in these stretches of whole cells, stored once more without the ids, under a younger
        seal; for stretches without events, and while nothing is sealed. Returns the number of its rows' seal, 0 for none.

        The rows are complete before their seal is made, and nothing is deleted: a crash leaves things as they were.
        """
        ledger, workspace = self._seals.ledger, gone.workspace_id
        pieces = [piece for stretch in stretches for piece in ledger.live(cut, workspace, *stretch)]
        if not pieces:
            return 0
        moment = self._between(lambda: self._seals.begin(pieces[-1].end, {})).result()
        number = ledger.draw()
        read = ledger.slice(cut, workspace, pieces)
        (rollup,) = (one for one in self._holding() if one.name == cut.rollup)
        self._store.execute(erasing.rename(rollup, read, gone, number))
        self._seals.replace(cut, read.stretches, workspace, number, moment)
        return number

    def _remove(self, gone: Gone) -> int:
        """Delete what holds the ids and counts nowhere."""
        removed = 0
        for rollup in self._holding():
            for cut, cells in self._held(rollup, gone):
                counting = self._counting(cut, gone.workspace_id, cells)
                dead = [(seal, cell, rows) for seal, cell, rows in cells if (seal, cell) not in counting]
                for at in range(0, len(dead), CELLS_AT_ONCE):
                    some = dead[at : at + CELLS_AT_ONCE]
                    places = [(seal, cell) for seal, cell, _ in some]
                    self._store.execute(erasing.remove(rollup, cut, gone.workspace_id, places))
                    removed += sum(rows for _, _, rows in some)
            self._unmask(rollup)
        return removed

    def _unmask(self, rollup: Rollup) -> None:
        """What the sealer deletes is only hidden until the engine merges it; here it goes at once."""
        hidden = (
            "SELECT 1 FROM system.parts WHERE active AND has_lightweight_delete AND database = currentDatabase() "
            "AND table = {t:String} LIMIT 1"
        )
        if self._store.examine(Statement(hidden, {"t": rollup.table}, ("one",))):
            text = f"ALTER TABLE {rollup.table} APPLY DELETED MASK SETTINGS mutations_sync = 1"
            self._store.execute(Statement(text, {}, ()))

    # --- plumbing

    def _stop(self) -> None:
        if self._rounds.stopping:
            raise StoreFailed("The server is stopping; the erasure goes on when it starts again.")

    def _fail(self, message: str) -> None:
        self.failed = message

"""The ledger of the rollups: which stretches of time are sealed, for whom, and under which number.

A *seal* says: the rows of a rollup that carry this number hold all that was stored of these stretches at that moment of
the writer's sequence. A *touch* says: at a later moment something was written into this quarter-hour of that workspace.
What a seal says about a quarter-hour counts while no touch of it is younger than the seal. So late data is never added to
a rollup: it takes the seal away, questions read the events themselves again, and after a while a younger seal follows.

Moments are numbers of one sequence that only rises, drawn on the thread that writes, between two commits: what was
committed before a moment is visible to everything that is read after it. That is all the order there is to get right.

Below the floor of its rollups (see `floors`) nothing counts as sealed for a workspace. Below that of its events nothing can be
made anew: what is sealed there is all there is, so no touch takes it away and no seal covers it again.

Pure bookkeeping in memory; it neither reads nor writes anything. Making touches and seals durable is the work of whoever
asks it (see `store.sealing`).
"""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from usagedeck.catalog.rollups import Rollup
from usagedeck.floors import Floor, Floors
from usagedeck.stretches import Stretch, both, joined, without
from usagedeck.times import MINUTE, first_instant, local_date, zone

QUARTER = 15 * MINUTE
"""All offsets of all zones since 1980 are multiples of it, so every calendar can be put together from quarter-hours."""

UTC = "UTC"

EVERYBODY = ""
"""Stands for all workspaces where one is named."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A rollup in one size: by quarter-hours, or by the days of a zone. Each is sealed on its own."""

    rollup: str
    zone: str = ""

    def cell(self, instant: int) -> Stretch:
        """The quarter-hour or the day that holds it."""
        if not self.zone:
            start = instant - instant % QUARTER
            return start, start + QUARTER
        where = zone(self.zone)
        day = local_date(instant, where)
        return first_instant(day, 0, where), first_instant(day + timedelta(days=1), 0, where)

    def inner(self, start: int, end: int) -> Stretch:
        """The part of a stretch that consists of whole cells; empty when it ends where it starts."""
        first = self.cell(start)
        low = start if first[0] == start else first[1]
        high = self.cell(end)[0]
        return (low, high) if low < high else (low, low)


@dataclass(frozen=True, slots=True)
class Seal:
    """See above. `as_of` is the moment that nothing of it is younger than; `number` marks its rows."""

    number: int
    cut: Cut
    workspace_id: str
    start: int
    end: int
    as_of: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch in which one seal counts."""

    start: int
    end: int
    number: int
    as_of: int

    def within(self, start: int, end: int) -> "Piece":
        """The part of it that lies in a stretch."""
        if self.start >= start and self.end <= end:
            return self
        return replace(self, start=max(self.start, start), end=min(self.end, end))

    def without(self, holes: Iterable[Stretch]) -> "list[Piece]":
        """The parts of it that lie in none of the holes, which are in order."""
        return [self.within(*left) for left in without((self.start, self.end), holes)]


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows of one cut: those of these stretches that carry these numbers apart from the cells that another seal counts for."""

    cut: Cut
    stretches: tuple[Stretch, ...]
    numbers: tuple[int, ...]
    shadowed: tuple[tuple[int, int], ...] = ()
    """(number, first instant of a cell)"""


class Cover:
    """Pieces that do not overlap, in order of time: of two seals the younger one counts."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self._starts: list[int] = []

    def lay(self, new: Piece) -> None:
        """Put a piece over the older ones, and under the younger ones."""
        self.bury(new)
        low, high = self._place(new.start, new.end)
        younger = self.pieces[low:high]
        self._put(low, high, [*younger, *new.without((p.start, p.end) for p in younger)])

    def bury(self, new: Piece) -> None:
        """Take away what is older than a piece where that lies."""
        low, high = self._place(new.start, new.end)
        place = (new.start, new.end)
        kept = [p.without([place]) if p.as_of <= new.as_of else [p] for p in self.pieces[low:high]]
        self._put(low, high, [part for parts in kept for part in parts])

    def between(self, start: int, end: int) -> list[Piece]:
        """The pieces of a stretch, cut at its ends."""
        low, high = self._place(start, end)
        return [p.within(start, end) for p in self.pieces[low:high]]

    def forget_below(self, floor: int) -> None:
        """Drop the pieces that end at or before it."""
        low, _ = self._place(floor, floor)
        del self.pieces[:low], self._starts[:low]

    def _put(self, low: int, high: int, pieces: list[Piece]) -> None:
        self.pieces[low:high] = sorted(pieces, key=lambda p: p.start)
        self._starts[low:high] = [p.start for p in self.pieces[low : low + len(pieces)]]

    def _place(self, start: int, end: int) -> tuple[int, int]:
        low = bisect_right(self._starts, start)
        if low and self.pieces[low - 1].end > start:
            low -= 1
        return low, max(low, bisect_left(self._starts, end))


def _cells(cut: Cut, stretch: Stretch) -> Iterator[int]:
    """The first instants of the cells in a stretch of whole ones."""
    at, end = stretch
    while at < end:
        yield at
        at = cut.cell(at)[1]


def _above(cut: Cut, floor: int, start: int, end: int) -> Stretch:
    """The cells of a stretch of whole ones that lie wholly at or above a floor."""
    return (start, end) if start >= floor else cut.inner(min(max(start, floor), end), end)


class _Touches:
    """When each quarter-hour of a workspace was last written to, as far as a seal cares."""

    def __init__(self) -> None:
        self.moments: dict[int, int] = {}
        self._order: list[int] | None = None

    def put(self, quarter: int, moment: int) -> None:
        if quarter not in self.moments:
            self._order = None
        self.moments[quarter] = moment

    def forget_below(self, floor: int) -> None:
        if any(quarter < floor for quarter in self.moments):
            self.moments, self._order = {q: m for q, m in self.moments.items() if q >= floor}, None

    def after(self, piece: Piece) -> list[int]:
        """The quarter-hours inside a piece that were touched after it, in order."""
        if self._order is None:
            self._order = sorted(self.moments)
        low, high = bisect_left(self._order, piece.start), bisect_left(self._order, piece.end)
        return [q for q in self._order[low:high] if self.moments[q] > piece.as_of]


class Ledger:
    """All seals and touches. Safe to use from many threads."""

    def __init__(
        self,
        seals: Iterable[Seal] = (),
        touches: Iterable[tuple[str, int, int]] = (),
        zones: Iterable[tuple[str, str, int]] = (),
        latest: int = 0,
        floors: Iterable[tuple[str, Floor]] = (),
    ) -> None:
        """`touches` are (workspace, quarter-hour, moment), `zones` are (workspace, zone, since which moment), `floors` are
        (workspace, its floors); `latest` is the highest number that was ever drawn."""
        self._lock = threading.RLock()
        self._covers: dict[tuple[Cut, str], Cover] = {}
        self._extents: dict[tuple[int, str], list[Stretch]] = {}
        self._numbers: dict[str, set[int]] = {}
        self._touches: dict[str, _Touches] = {}
        self._zones: dict[str, tuple[str, int]] = {}
        self.floors = Floors(floors)
        self.formers: Mapping[str, Rollup] = {}
        """Rollups of former definitions, for the time whose events are gone."""
        self._drawn = latest
        self._offered = 0  # up to here something was sealed, or is being sealed
        self._begun = 0  # the moment of the latest seal that was begun
        for seal in seals:
            self._offered, self._begun = max(self._offered, seal.end), max(self._begun, seal.as_of)
            self._drawn = max(self._drawn, seal.number, seal.as_of)
            self.publish([seal])
        for workspace, quarter, moment in touches:
            self.touch([(workspace, quarter)], moment)
        for workspace, name, moment in zones:
            self.place(workspace, name, moment)

    def floor_of(self, workspace: str) -> int:
        """From when on the workspace's events are kept; 0 while nothing has expired."""
        return self.floors[workspace].events

    def forget_below(self, lowest: int) -> None:
        """Drop what was sealed for everybody below the lowest floor of rollups, and what is a workspace's own below its own."""
        with self._lock:
            for (_, workspace), cover in self._covers.items():
                cover.forget_below(lowest if workspace == EVERYBODY else self.floors[workspace].rollups)
            for workspace, touches in self._touches.items():
                touches.forget_below(self.floors[workspace].rollups)

    # --- drawn on the writer's thread, between two commits

    def draw(self) -> int:
        """The next number: a moment of the sequence, or the name of a seal."""
        with self._lock:
            self._drawn += 1
            return self._drawn

    def begin(self, end: int) -> int:
        """The moment of a seal that reaches to `end`: all that was committed before is visible after."""
        with self._lock:
            self._offered = max(self._offered, end)
            self._begun = self.draw()
            return self._begun

    def due(self, quarters: Mapping[str, Collection[int]]) -> list[tuple[str, int]]:
        """Which of the quarter-hours that are about to be written to must be touched first.

        Those that a seal may have looked at since their last touch. For events that come as they happen there are none.
        """
        with self._lock:
            return [
                (workspace, quarter)
                for workspace, met in quarters.items()
                for quarter in met
                if self.floor_of(workspace) <= quarter < self._offered and self._moment(workspace, quarter) <= self._begun
            ]

    def touch(self, quarters: Iterable[tuple[str, int]], moment: int) -> None:
        """At that moment something is about to be written there."""
        with self._lock:
            self._drawn = max(self._drawn, moment)
            for workspace, quarter in quarters:
                self._touches.setdefault(workspace, _Touches()).put(quarter, moment)

    # --- sealing

    def place(self, workspace: str, name: str, moment: int) -> None:
        """Since that moment this is the workspace's zone: what was sealed by days of a zone before does not count for it."""
        with self._lock:
            self._drawn = max(self._drawn, moment)
            self._zones[workspace] = (name, moment)

    def frozen(self, cut: Cut, start: int) -> set[str]:
        """The workspaces of which a seal that starts there would hold nothing, or too little: some of their events are gone."""
        with self._lock:
            return {w for w, floor in self.floors if floor.events > start and self._concerns(cut, w)}

    def publish(self, seals: Iterable[Seal]) -> None:
        with self._lock:
            for seal in seals:
                piece = Piece(seal.start, seal.end, seal.number, seal.as_of)
                if seal.workspace_id == EVERYBODY:
                    for (cut, _), cover in self._covers.items():
                        if cut == seal.cut:
                            cover.bury(piece)
                self._covers.setdefault((seal.cut, seal.workspace_id), Cover()).lay(piece)
                self._extents.setdefault((seal.number, seal.workspace_id), []).append((seal.start, seal.end))
                self._numbers.setdefault(seal.cut.rollup, set()).add(seal.number)

    def sealed(self, cut: Cut, start: int, end: int) -> list[Piece]:
        """What was sealed for everybody at once."""
        with self._lock:
            cover = self._covers.get((cut, EVERYBODY))
            return cover.between(start, end) if cover else []

    def missing(self, cut: Cut, start: int, end: int) -> dict[str, list[Stretch]]:
        """Per workspace the whole cells that it cannot read although they were sealed for everybody: touched since, or sealed
        before it had its zone."""
        start, end = cut.inner(start, end)
        with self._lock:
            concerned = self._touches if cut.zone in ("", UTC) else self._zones
            found = {
                workspace: without(stretch, [(p.start, p.end) for p in self._live(cut, workspace, *stretch)])
                for workspace in concerned
                if self._concerns(cut, workspace) and (stretch := _above(cut, self.floor_of(workspace), start, end))
            }
        return {workspace: holes for workspace, holes in found.items() if holes}

    def superseded(self) -> dict[str, set[int]]:
        """Per rollup the numbers that count nowhere any more; they are told once. A question that began before still reads
        them, so what they covered is remembered until `forget`."""
        with self._lock:
            alive: dict[str, set[int]] = {}
            for (cut, _), cover in self._covers.items():
                alive.setdefault(cut.rollup, set()).update(p.number for p in cover.pieces)
            dead = {rollup: numbers - alive.get(rollup, set()) for rollup, numbers in self._numbers.items()}
            self._numbers = {rollup: numbers - dead[rollup] for rollup, numbers in self._numbers.items()}
            return {rollup: numbers for rollup, numbers in dead.items() if numbers}

    def forget(self, gone: Collection[int]) -> None:
        """The rows of these numbers are deleted."""
        with self._lock:
            self._extents = {key: extent for key, extent in self._extents.items() if key[0] not in gone}

    # --- questions

    def live(self, cut: Cut, workspace: str, start: int, end: int) -> list[Piece]:
        """Where a workspace may read the cut's rows and under which number: whole cells, in order of time."""
        with self._lock:
            return self._live(cut, workspace, *cut.inner(start, end)) if self._concerns(cut, workspace) else []

    def until(self, cut: Cut, workspace: str, start: int, end: int) -> int:
        """Up to where a workspace may read a stretch of whole cells without a gap."""
        return next(
            (low for low, _ in without((start, end), [(p.start, p.end) for p in self.live(cut, workspace, start, end)])), end
        )

    def zone_of(self, workspace: str) -> str:
        """The zone whose days are sealed for a workspace, UTC's apart; empty when none are."""
        with self._lock:
            return self._zones.get(workspace, ("", 0))[0]

    def slice(self, cut: Cut, workspace: str, pieces: Sequence[Piece]) -> Slice:
        """The rows that a workspace reads in these pieces."""
        taken = tuple(joined((p.start, p.end) for p in pieces))
        numbers = tuple(sorted({p.number for p in pieces}))
        return Slice(cut, taken, numbers, tuple(self.shadowed(cut, workspace, pieces)))

    def shadowed(self, cut: Cut, workspace: str, pieces: Iterable[Piece]) -> list[tuple[int, int]]:
        """The rows of these pieces' seals that stand in the way: (number, first instant of the cell), where inside the pieces
        another seal counts."""
        places = sorted(pieces, key=lambda p: p.start)
        together = joined((p.start, p.end) for p in places)
        own: dict[int, list[Stretch]] = {}
        for piece in places:
            own.setdefault(piece.number, []).append((piece.start, piece.end))
        found = []
        with self._lock:
            for number, stretches in own.items():
                extents = [e for name in (EVERYBODY, workspace) for e in self._extents.get((number, name), ())]
                others = [hole for extent in extents for hole in without(extent, stretches)]
                found += [(number, at) for hole in others for part in both(hole, together) for at in _cells(cut, part)]
        return found

    # --- inside, under the lock

    def _moment(self, workspace: str, quarter: int) -> int:
        touches = self._touches.get(workspace)
        return touches.moments.get(quarter, -1) if touches else -1

    def _touched(self, workspace: str, piece: Piece) -> list[int]:
        touches = self._touches.get(workspace)
        return touches.after(piece) if touches else []

    def _concerns(self, cut: Cut, workspace: str) -> bool:
        return cut.zone in ("", UTC) or self._zones.get(workspace, ("", 0))[0] == cut.zone

    def _live(self, cut: Cut, workspace: str, start: int, end: int) -> list[Piece]:
        return [
            part
            for piece in self._pieces(cut, workspace, *_above(cut, self.floors[workspace].rollups, start, end))
            for part in piece.without(joined(cut.cell(q) for q in self._touched(workspace, piece)))
        ]

    def _pieces(self, cut: Cut, workspace: str, start: int, end: int) -> list[Piece]:
        """What was sealed for a workspace, alone or with everybody, touches apart."""
        since = self._zones[workspace][1] if cut.zone not in ("", UTC) else 0
        common, own = (self._covers.get((cut, name)) for name in (EVERYBODY, workspace))
        if common is None or own is None:  # nearly always, and for a year of days it is most of the work
            only = common or own
            return [piece for piece in only.between(start, end) if piece.as_of >= since] if only else []
        both = Cover()
        for cover in (common, own):
            for piece in cover.between(start, end):
                if piece.as_of >= since:
                    both.lay(piece)
        return both.pieces

"""The live tail of the log: the rows of a selection as they arrive, in the order of their arrival.

A `Tail` remembers a place in that order and nothing else. Each step asks the store for what arrived behind the place, with the
same conditions and the same scope as the log, and moves the place on; so nothing is missed or seen twice, however slow the
reader is and over restarts, and nothing is in memory for a reader who does not take it. What arrives faster than a reader
wants is thinned out, and how many rows were left out is part of the answer. It starts no threads and knows no connections.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from usagedeck import access, listing, report, sql
from usagedeck.access import View, Who
from usagedeck.deck import Deck
from usagedeck.errors import InvalidInput
from usagedeck.events import version
from usagedeck.query import LogQuery, Selection
from usagedeck.seals import QUARTER
from usagedeck.sql import Scope
from usagedeck.store.changes import Span
from usagedeck.stretches import Stretch, both, joined
from usagedeck.table import Column, Row, Table
from usagedeck.times import DAY

MAX_RATE = 200
"""Most rows in a second."""

PAGE = 500
"""Most rows of one step."""

REACH_MS = DAY
"""How far back a place may lie: what is older is read from the log."""

_MAX_STRETCHES = 50
_SECOND = 1_000_000
_BURST = 5
"""Seconds whose rows may come at once: whoever sends in batches is not thinned out for that."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """What one step brought: rows in the order of their arrival, and where the next step goes on."""

    table: Table
    left_out: int
    """Rows that arrived too, and are not among these since there were too many."""
    place: int
    more: bool
    """The step was cut short: the next one brings more at once."""


@dataclass(frozen=True, slots=True)
class _Found:
    """The quarter-hours of what arrived up to a place, found by looking."""

    upto: int
    quarters: frozenset[int]


@dataclass(slots=True)
class _Pace:
    """How many rows may be seen: so many in a second of arrival, and some at once after a while with fewer."""

    rate: int
    spare: float
    at: int

    def allowed(self, begin: int, end: int) -> int:
        """How many between two places, when none comes before the first."""
        self._wait(begin)
        return min(PAGE, int(self.spare + (end - begin) / _SECOND * self.rate))

    def passed(self, count: int, place: int) -> None:
        """So many came up to a place."""
        self.spare -= count
        self._wait(place)

    def passing(self, rows: Sequence[Row]) -> list[Row]:
        """Those of rows in order of arrival that may be seen."""
        shown = []
        for row in rows:
            self._wait(_place_of(row))
            if self.spare >= 1:
                self.spare -= 1
                shown.append(row)
        return shown

    def _wait(self, place: int) -> None:
        self.spare = min(self.rate * _BURST, self.spare + (place - self.at) / _SECOND * self.rate)
        self.at = place


class Tail:
    """Follows a selection. Used by one thread at a time.

    `rate` is the most rows in a second of arrival; after a quiet while, those of five seconds may come at once. Without a place
    it begins now. Raises `InvalidInput` for a place that is too old, or ahead of everything that arrived.
    """

    def __init__(self, deck: Deck, query: LogQuery, *, place: int | None, rate: int) -> None:
        if not 1 <= rate <= MAX_RATE:
            raise InvalidInput(f"rate is {rate}; it lies between 1 and {MAX_RATE}.", field="rate")
        latest = deck.commits.latest
        if place is not None and place > latest:
            raise InvalidInput(
                "after is ahead of everything that has arrived here; leave it out.", field="after", code="place_unknown"
            )
        old = place is not None and place < (deck.clock() - REACH_MS) * 1000
        if old and not deck.commits.knows(place or 0):
            raise InvalidInput(
                "after lies more than a day back; read the log up to now, and follow it without after.",
                field="after",
                code="place_expired",
            )
        self.place = latest if place is None else place
        self._deck = deck
        self._query = replace(query, limit=PAGE + 1)
        self._pace = _Pace(rate, rate * _BURST, self.place)
        self._found: _Found | None = None

    def columns(self, who: Who, view: View | None) -> tuple[Column, ...]:
        """Those of the rows."""
        scope = access.scope(self._deck, who, view)
        return listing.log_shape(self._deck, self._query, scope, who.workspace.currency)[0]

    def step(self, who: Who, view: View | None) -> Arrived:
        """What arrived since the last step, at most `PAGE` rows of it. Raises what questions raise."""
        scope = access.scope(self._deck, who, view)
        upto = self._deck.commits.shown()
        query = replace(self._query, selection=report.named(self._deck, self._query.selection, scope))
        rows: Sequence[Row] = ()
        left_out = 0
        if upto > self.place:
            rows, left_out = self._take(query, scope, upto)
        columns, write, _ = listing.log_shape(self._deck, query, scope, who.workspace.currency)
        table = Table(columns, [write(row[1:]) for row in rows])
        return Arrived(table, left_out, self.place, self.place < upto)

    def _take(self, query: LogQuery, scope: Scope, upto: int) -> tuple[Sequence[Row], int]:
        """Rows up to a place at most, and how many are left out."""
        stretches = self._stretches(query.selection, scope, upto)
        if not stretches:
            self.place = upto
            return (), 0
        arrived = sql.Arrivals(version(upto), version(self.place), stretches)
        rows = self._ask(sql.compile_arrivals(query, scope, arrived), scope)
        pace = replace(self._pace)
        shown = pace.passing(rows[:PAGE])
        if len(rows) <= PAGE:
            self._pace, self.place = pace, upto
            return shown, len(rows) - len(shown)
        if len(shown) == PAGE:
            self._pace, self.place = pace, _place_of(shown[-1])
            return shown, 0
        return self._sample(query, scope, arrived, begin=_place_of(rows[0]), upto=upto)

    def _sample(
        self, query: LogQuery, scope: Scope, arrived: sql.Arrivals, *, begin: int, upto: int
    ) -> tuple[Sequence[Row], int]:
        """Too many for a page arrived too fast: of a second of them, as many as may be seen, from anywhere among them."""
        end = min(upto, begin + _SECOND)
        arrived = replace(arrived, low=version(end))
        allowed = self._pace.allowed(begin, end)
        count = self._ask(sql.compile_arrival_count(query.selection, scope, arrived), scope)[0][0]
        rows: Sequence[Row] = ()
        if allowed:
            rows = self._ask(sql.compile_arrivals(replace(query, limit=allowed), scope, arrived, spread=True), scope)
        self._pace.passed(len(rows), end)
        self.place = end
        return sorted(rows, key=_place_of), count - len(rows)

    def _ask(self, statement: sql.Statement, scope: Scope) -> Sequence[Row]:
        return self._deck.arrivals.run(statement, Span(scope.workspace_id, 0, 0))

    def _stretches(self, selection: Selection, scope: Scope, upto: int) -> Sequence[Stretch]:
        """The times in which rows may have come between the place and another one."""
        window = (selection.window.start, selection.window.end)
        return both(window, _coarse(self._quarters(selection, scope, upto)))

    def _quarters(self, selection: Selection, scope: Scope, upto: int) -> Collection[int]:
        known = self._deck.commits.since(scope.workspace_id, self.place)
        if known is not None:
            return known
        found, later = self._found, None
        if found is not None and found.upto > self.place:
            later = self._deck.commits.since(scope.workspace_id, found.upto)
        if found is None or later is None:
            arrived = sql.Arrivals(version(upto), version(self.place), None)
            rows = self._ask(sql.compile_arrival_times(selection, scope, arrived), scope)
            found = self._found = _Found(upto, frozenset(row[0] for row in rows))
        return found.quarters | (later or set())


def _place_of(row: Row) -> int:
    return version(0) - int(row[0])


def _coarse(quarters: Collection[int]) -> list[Stretch]:
    """Stretches that hold the quarter-hours, and more when there would be too many."""
    for width in (QUARTER, DAY):
        stretches = joined((quarter - quarter % width, quarter - quarter % width + width) for quarter in quarters)
        if len(stretches) <= _MAX_STRETCHES:
            return stretches
    return [(stretches[0][0], stretches[-1][1])]

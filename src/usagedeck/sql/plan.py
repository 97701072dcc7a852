"""The planner: from where a question is answered, decided per question and with the reason.

The events themselves can answer everything. A rollup answers what names no column that it lacks, where its seals count and
no edge of a bucket cuts through its cells; what it leaves open is read from the events, in the same statement. So every
route gives the same answer, and only the time it takes differs.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from usagedeck.catalog import MEASURES, ROLLUPS, ROWS, Measure, Rollup, Sum
from usagedeck.query import Query, Selection
from usagedeck.seals import QUARTER, UTC, Cut, Ledger, Piece, Slice
from usagedeck.sql.statement import Scope
from usagedeck.stretches import Stretch, without

MOST_STRETCHES = 200
"""A statement that names more stretches of time than this is slower than one that reads the events."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is read: slices of a rollup, and the events of the stretches that they leave open."""

    reason: str
    events: tuple[Stretch, ...]
    rollup: Rollup | None = None
    slices: tuple[Slice, ...] = ()


def measures_of(query: Query) -> tuple[Measure, ...]:
    """The measures a query needs, each once."""
    names = dict.fromkeys(name for metric in query.metrics for name in metric.formula.measures)
    return tuple(MEASURES[name] for name in names)


def ranked_by(query: Query) -> tuple[Measure, ...]:
    """The measures by which the series of a query are ranked: those of its first metric when it adds up, else the rows."""
    formula = query.metrics[0].formula
    if isinstance(formula, Sum):
        return tuple(MEASURES[name] for name in formula.measures)
    return (ROWS[query.selection.subject],)


def only_events(query: Query) -> Plan:
    """The route that answers everything."""
    window = query.selection.window
    return Plan("asked for", ((window.start, window.end),))


def plan(query: Query, scope: Scope, ledger: Ledger, *, now: int | None = None) -> Plan:
    """The route of `compile`. What is active is cut at `now`, so nothing sealed is read behind it."""
    return _plan(query, measures_of(query), scope, ledger, query.buckets.starts, now)


def plan_rank(query: Query, scope: Scope, ledger: Ledger) -> Plan:
    """The route of `rank`, which knows no buckets."""
    return _plan(query, ranked_by(query), scope, ledger, (query.selection.window.start,), None)


def _plan(query: Query, measures: Sequence[Measure], scope: Scope, ledger: Ledger, edges: Sequence[int], now: int | None) -> Plan:
    window = query.selection.window
    whole = (min(max(window.start, scope.floor), window.end), window.end)
    rollup, reason = _choose(query, measures, scope)
    if rollup is None:
        return Plan(reason, (whole,))
    slices: list[Slice] = []
    open_: list[Stretch] = [whole]
    behind = window.end if now is None or not rollup.activity else max(window.start, min(window.end, now))
    for cut in _cuts(rollup, scope, ledger):
        pieces = [
            piece
            for stretch in open_
            for found in ledger.live(cut, scope.workspace_id, stretch[0], min(stretch[1], behind))
            for piece in _uncut(found, cut, edges)
        ]
        if pieces:
            slices.append(ledger.slice(cut, scope.workspace_id, pieces))
            open_ = [left for stretch in open_ for left in without(stretch, slices[-1].stretches)]
    if not slices:
        return Plan(f"rollup {rollup.name} has nothing sealed there, or buckets cut through its quarter-hours", (whole,))
    if sum(len(s.stretches) for s in slices) + len(open_) > MOST_STRETCHES:
        return Plan(f"rollup {rollup.name} is sealed in too many pieces there", (whole,))
    sizes = " and ".join(f"days of {s.cut.zone}" if s.cut.zone else "quarter-hours" for s in slices)
    events = f", {len(open_)} stretches from events" if open_ else ""
    return Plan(f"rollup {rollup.name} by {sizes}{events}", tuple(open_), rollup, tuple(slices))


def _choose(query: Query, measures: Sequence[Measure], scope: Scope) -> tuple[Rollup | None, str]:
    """The first rollup that holds everything; without one, what stands in the way."""
    selection = query.selection
    if lonely := [m.name for m in measures if not m.merge and not m.values]:
        return None, f"{', '.join(lonely)} cannot be joined from parts"
    if selection.search:
        return None, "a search looks at every event"
    needed = needs(query, selection, scope)
    for rollup in ROLLUPS.values():
        holds = rollup.of is selection.subject and needed.issubset({"workspace_id", *rollup.columns})
        if rollup.activity and query.dimensions:
            continue  # it knows only that nobody was active, not who was there
        if holds and all(rollup.tells(m) for m in measures):
            return rollup, ""
    return None, f"no rollup holds {', '.join(sorted(needed - {'workspace_id'})) or 'these measures together'}"


def needs(query: Query, selection: Selection, scope: Scope) -> frozenset[str]:
    """The stored columns that a question names, beside those of its measures."""
    named = [by.columns for by in query.dimensions] + [one.dimension.columns for one in selection.filters]
    own = {"user_id"} if scope.user_id is not None else set()
    return frozenset().union(own, *named)


def _cuts(rollup: Rollup, scope: Scope, ledger: Ledger) -> Iterable[Cut]:
    """Coarse ones first."""
    if not rollup.activity:
        zones = dict.fromkeys((ledger.zone_of(scope.workspace_id) or UTC, UTC))
        yield from (Cut(rollup.name, zone) for zone in zones)
    yield Cut(rollup.name)


def _uncut(piece: Piece, cut: Cut, edges: Sequence[int]) -> list[Piece]:
    """The parts of a piece whose cells lie in one bucket each."""
    if isinstance(edges, range) and not cut.zone and edges.start % QUARTER == 0 and edges.step % QUARTER == 0:
        return [piece]
    return piece.without(_cut_cells(cut, edges, bisect_right(edges, piece.start), bisect_right(edges, piece.end - 1)))


def _cut_cells(cut: Cut, edges: Sequence[int], first: int, last: int) -> Iterator[Stretch]:
    """The cells that some of the edges cut. Each is looked at once, since finding the day of an edge takes a while."""
    while first < last:
        cell = cut.cell(edges[first])
        after = bisect_left(edges, cell[1], first, last)
        if cell[0] != edges[first] or after - first > 1:
            yield cell
        first = after

"""The planner: from where a question is answered, decided per question and with the reason.

The events themselves can answer everything. A rollup answers what names no column that it lacks, where its seals count and
no edge of a bucket cuts through its cells; what it leaves open is read from the events, in the same statement. So every
route gives the same answer, and only the time it takes differs.

Where the events have expired (see `floors`), rollups are all there is: any that hold what is needed are read there, those of
former definitions too. What none of them can tell is left out from its end back, and the answer says so (`settle`).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from usagedeck.catalog.formulas import Sum
from usagedeck.catalog.measures import DELIVERED, MEASURES, ROWS, Measure
from usagedeck.catalog.rollups import ROLLUPS, Rollup
from usagedeck.query import Query, Selection
from usagedeck.seals import QUARTER, UTC, Cut, Ledger, Piece, Slice
from usagedeck.sql.costs import FEW, UNKNOWN, Sizes, events_are_cheaper
from usagedeck.sql.statement import Scope
from usagedeck.stretches import Stretch, joined, without

MOST_STRETCHES = 200
"""A statement that names more stretches of time than this is slower than one that reads the events."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is read: slices of rollups, and the events of the stretches that they leave open."""

    reason: str
    events: tuple[Stretch, ...]
    slices: tuple[Slice, ...] = ()
    start: int = 0
    """The first instant from which on it tells everything."""
    few: bool = False
    """All that is read are a few events."""


def measures_of(query: Query) -> tuple[Measure, ...]:
    """The measures a query needs, each once; none of a limit that is not set."""
    names = dict.fromkeys(name for metric in query.metrics for name in metric.formula.measures)
    return tuple(m for m in map(MEASURES.__getitem__, names) if query.limit is not None or not m.limited)


def ranked_by(query: Query) -> tuple[Measure, ...]:
    """The measures by which the series of a query are ranked: those of its first metric when it adds up, else the rows."""
    formula = query.metrics[0].formula
    if isinstance(formula, Sum):
        return tuple(MEASURES[name] for name in formula.measures)
    return (DELIVERED if query.joined else ROWS[query.selection.subject],)


def only_events(query: Query) -> Plan:
    """The route that answers everything."""
    window = query.selection.window
    return Plan("asked for", ((window.start, window.end),))


def plan(query: Query, scope: Scope, ledger: Ledger, sizes: Sizes = UNKNOWN, *, now: int | None = None) -> Plan:
    """The route of `compile`. What is active is cut at `now`, so nothing sealed is read behind it."""
    return _plan(query, measures_of(query), scope, ledger, sizes, query.buckets.starts, now)


def plan_rank(query: Query, scope: Scope, ledger: Ledger, sizes: Sizes = UNKNOWN) -> Plan:
    """The route of `rank`, which knows no buckets."""
    return _plan(query, ranked_by(query), scope, ledger, sizes, (query.selection.window.start,), None)


@dataclass(frozen=True, slots=True)
class Settled:
    """The part of a question that can be answered exactly, and how."""

    query: Query
    """Its window begins where all that was asked for is known from there on; it is empty when that is nowhere in it."""
    route: Plan
    """Of its numbers."""
    ranking: Plan
    """Of its ranks."""
    start: int
    """From when on all of it is known."""


def settle(
    query: Query, scope: Scope, ledger: Ledger, sizes: Sizes = UNKNOWN, *, now: int | None = None, only_ranked: bool = False
) -> Settled:
    """What can be told of a question, from events or, where these have expired, from rollups."""
    start = query.selection.window.start
    while True:
        routes = [] if only_ranked else [plan(query, scope, ledger, sizes, now=now)]
        if only_ranked or query.top is not None:
            routes.append(plan_rank(query, scope, ledger, sizes))
        route, ranking, window = routes[0], routes[-1], query.selection.window
        known = max(route.start, ranking.start)
        if known <= window.start:
            return Settled(query, route, ranking, start)
        start, window = known, replace(window, start=min(known, window.end))
        query = replace(query, selection=replace(query.selection, window=window))
        if window.start == window.end:
            return Settled(query, Plan("all of it has expired", ()), Plan("all of it has expired", ()), start)


def without_quiet(route: Plan, peaks: Plan, loud: Sequence[Stretch]) -> Plan:
    """A route along which nothing is read where peaks are sealed, but in the loud stretches: those whose peaks matter."""
    sealed = joined(stretch for one in peaks.slices for stretch in one.stretches)
    quiet = [left for stretch in sealed for left in without(stretch, joined(loud))]
    events = tuple(left for stretch in route.events for left in without(stretch, quiet))
    if events == route.events or len(events) > MOST_STRETCHES:
        return route
    return replace(route, reason=f"{route.reason}; peaks are sealed, {len(events)} stretches from events", events=events)


def _plan(
    query: Query,
    measures: Sequence[Measure],
    scope: Scope,
    ledger: Ledger,
    sizes: Sizes,
    edges: Sequence[int],
    now: int | None,
) -> Plan:
    window, floor = query.selection.window, scope.floor
    if query.reach and floor.events:  # what began less than that above the floor may have begun below it
        floor = replace(floor, events=floor.events + query.reach)
    rollups, reason = _choose(query, measures, scope, ledger)
    low = max(window.start, floor.rollups if rollups else floor.events)
    if low >= window.end:
        return Plan(reason, ((low, window.end),), start=low)
    events_from = min(max(low, floor.events), window.end)
    only = Plan(reason, ((events_from, window.end),), start=max(low, floor.events))
    if low == events_from:
        rows = sizes.rows(query.selection.subject, scope.workspace_id, (low, window.end))
        only = replace(only, few=rows is not None and rows <= FEW)
        if rollups and rows is not None and events_are_cheaper(query, measures, (low, window.end), rows):
            return replace(only, reason=f"some {rows:,} events are read faster than rollup {rollups[0].name}")
    if not rollups:
        return only
    slices: list[Slice] = []
    open_: list[Stretch] = [(low, window.end)]
    behind = window.end if now is None or not rollups[0].activity else max(window.start, min(window.end, now))
    for cut in (cut for rollup in rollups for cut in _cuts(rollup, scope, ledger, edges)):
        until = behind if cut.rollup == rollups[0].name else min(behind, events_from)
        pieces = [
            piece
            for stretch in open_
            if stretch[0] < until
            for found in ledger.live(cut, scope.workspace_id, stretch[0], min(stretch[1], until))
            for piece in _uncut(found, cut, edges)
        ]
        if pieces:
            slices.append(ledger.slice(cut, scope.workspace_id, pieces))
            open_ = [left for stretch in open_ for left in without(stretch, slices[-1].stretches)]
    if not slices:
        return replace(
            only, reason=f"rollup {rollups[0].name} has nothing sealed there, or buckets cut through its quarter-hours"
        )
    if low == events_from and sum(len(s.stretches) for s in slices) + len(open_) > MOST_STRETCHES:
        return replace(only, reason=f"rollup {rollups[0].name} is sealed in too many pieces there")
    unknown = [end if end < events_from else floor.events for start, end in open_ if start < events_from]
    events = tuple((max(start, events_from), end) for start, end in open_ if end > events_from)
    return Plan(_told(slices, events), events, tuple(slices), max([low, *unknown]))


def _told(slices: Sequence[Slice], events: Sequence[Stretch]) -> str:
    parts = []
    for name in dict.fromkeys(s.cut.rollup for s in slices):
        sizes = (f"days of {s.cut.zone}" if s.cut.zone else "quarter-hours" for s in slices if s.cut.rollup == name)
        parts.append(f"rollup {name} by {' and '.join(sizes)}")
    return ", ".join(parts) + (f", {len(events)} stretches from events" if events else "")


def _choose(query: Query, measures: Sequence[Measure], scope: Scope, ledger: Ledger) -> tuple[list[Rollup], str]:
    """The rollups that hold everything, the one to read first; without any, what stands in the way."""
    selection = query.selection
    if lonely := [m.name for m in measures if not m.merge and not m.values]:
        return [], f"{', '.join(lonely)} cannot be joined from parts"
    if selection.search:
        return [], "a search looks at every event"
    if selection.active_in is not None:
        return [], "no rollup knows which requests were active"
    needed = needs(query, selection, scope)
    wanted = (*measures, *(ranked_by(query) if query.top is not None else ()))
    found = []
    for rollup in (*ROLLUPS.values(), *ledger.formers.values()):
        holds = rollup.of is selection.subject and needed.issubset({"workspace_id", *rollup.columns})
        if rollup.activity and query.dimensions:
            continue  # it knows only that nobody was active, not who was there
        if holds and all(rollup.tells(m) for m in wanted):
            found.append(rollup)
    return found, f"no rollup holds {', '.join(sorted(needed - {'workspace_id'})) or 'these measures together'}"


def needs(query: Query, selection: Selection, scope: Scope) -> frozenset[str]:
    """The stored columns that a question names, beside those of its measures."""
    named = [by.columns for by in query.dimensions] + [one.dimension.columns for one in selection.filters]
    own = {"user_id"} if scope.user_id is not None else set()
    return frozenset().union(own, *named)


def _cuts(rollup: Rollup, scope: Scope, ledger: Ledger, edges: Sequence[int]) -> Iterable[Cut]:
    """Coarse ones first, and of days those whose midnights are the question's: an edge in the middle tells."""
    if not rollup.activity:
        days = [Cut(rollup.name, zone) for zone in dict.fromkeys((ledger.zone_of(scope.workspace_id) or UTC, UTC))]
        edge = edges[len(edges) // 2]
        yield from sorted(days, key=lambda cut: cut.cell(edge)[0] != edge)
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

"""Requests as they were active: each is cut at the edges of the buckets that it was active in."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from math import ceil

from usagedeck.catalog.measures import Measure
from usagedeck.query import Query
from usagedeck.sql.conditions import where
from usagedeck.sql.split import Series, grouped, split_by
from usagedeck.sql.statement import Binder, Scope
from usagedeck.stretches import Stretch
from usagedeck.times import HOUR
from usagedeck.windows import Window

MOST_CUTS = 2000
"""Into about so many parts a window is cut at the most to see when a limit was exceeded: of the longest window there is, each is
shorter than the 49 days whose milliseconds fit into 32 bits."""


def active(
    query: Query,
    scope: Scope,
    stretches: Sequence[Stretch],
    measures: Sequence[Measure],
    top: Sequence[Series] | None,
    now: int | None,
    bind: Binder,
) -> str:
    """What pieces of requests inside the stretches say, as a part of an answer: `bucket`, the series, then `m_` and the measures.

    A request's own measures go with the piece it began in.
    """
    limited = any(m.limited for m in measures)
    split = split_by(query.dimensions, top, bind)
    window = query.selection.window
    chosen = where(query.selection, scope, bind, stretches=stretches, active=True)
    starts = list(query.buckets.starts)
    ends = {end for stretch in stretches for end in stretch if starts[0] < end < query.buckets.end}
    edges = sorted({*starts, *ends, *(_cuts(window) if limited else ())})
    low, high = min(low for low, _ in stretches), max(high for _, high in stretches)
    first = bisect_right(edges, low) - 1  # only the edges that matter: hundreds of them take the engine milliseconds to read
    last = max(first + 1, bisect_left(edges, high))
    after = edges[last] if last < len(edges) else query.buckets.end
    edges = edges[first:last]
    owners = [starts[bisect_right(starts, edge) - 1] for edge in edges]
    read = [int(any(low <= max(edge, window.start) < high for low, high in stretches)) for edge in edges]
    firsts, indexes = bind(edges, "Array(Int64)"), bind(list(range(1, len(edges) + 1)), "Array(Int64)")
    begin, end = bind(max(window.start, edges[0], scope.floor.events), "Int64"), bind(window.end, "Int64")
    stop = bind(min(window.end, now or window.end), "Int64")
    rows = (
        f"SELECT *, time + ifNull(duration_ms, 0) AS ends, "
        f"transform(roundDown(greatest(time, {begin}), {firsts}), {firsts}, {indexes}, toInt64(1)) AS first_piece, "
        f"least(greatest(ends - 1, time), {end} - 1) AS last_moment, "
        f"transform(roundDown(last_moment, {firsts}), {firsts}, {indexes}, toInt64(1)) AS last_piece "
        f"FROM {query.selection.subject} FINAL WHERE {chosen}"
    )
    pieces = (
        f"SELECT *, arrayJoin(range(toUInt64(first_piece), toUInt64(last_piece) + 1)) AS piece, "
        f"{bind([*edges, after], 'Array(Int64)')} AS edges, {bind(owners, 'Array(Int64)')}[piece] AS bucket, "
        f"piece = first_piece AND time >= {begin} AS began, "
        f"greatest(time, edges[piece], {begin}) AS active_from, least(ends, edges[piece + 1], {stop}) AS active_to, "
        f"active_to > active_from AS active FROM ({rows})"
    )
    if not all(read):
        pieces += f" WHERE {bind(read, 'Array(Int64)')}[piece] = 1"
    counted = {m: "active" if m.activity else "began" for m in measures}
    keys = ["bucket", *split.keys]
    if not limited:
        return grouped(f"({pieces})", split.inner, keys, [f"{m.sql(when)} AS m_{m.name}" for m, when in counted.items()])
    sums = [f"{m.of_rows(when)} AS p_{m.name}" for m, when in counted.items() if not m.limited]
    points = [
        f"arraySort(groupArrayIf(toUInt32({at} - edges[piece]), active)) AS {at}_all" for at in ("active_from", "active_to")
    ]
    rows = f"({grouped(f'({pieces})', split.inner, ['piece', *keys], [*sums, *points])})"
    joined = [f"{m.sql() if m.limited else m.of_pieces(f'p_{m.name}')} AS m_{m.name}" for m in measures]
    return grouped(rows, [f"{_above(query.limit or 0, bind)} AS above_ms"], keys, joined)


def _cuts(window: Window) -> Iterable[int]:
    """Where pieces end besides at the edges of buckets. All requests of a piece are put in order at once, in memory, so those of
    a month at once would be too many."""
    step = HOUR * ceil((window.end - window.start) / (HOUR * MOST_CUTS))
    return range(window.start - window.start % HOUR + HOUR, window.end, step)


def _above(limit: int, bind: Binder) -> str:
    """The time in which more than so many requests of a piece were active, as SQL over all their beginnings and ends in order.

    More than n are active from the moment when so many more have begun than ended: from beginning k + n until end k. Both of
    these grow with k, so what the stretch before has covered is all until end k - 1.
    """
    over = bind(limit, "Int64")
    stretches = f"greatest(toInt64(length(active_to_all)) - {over}, 0)"
    return (
        "arraySum((since, until, covered) -> greatest(until - greatest(since, covered), 0), "
        f"arraySlice(active_from_all, {over} + 1, {stretches}), arraySlice(active_to_all, 1, {stretches}), "
        f"arraySlice(arrayPushFront(active_to_all, 0), 1, {stretches}))"
    )

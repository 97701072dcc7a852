"""Requests as they were active: each is cut at the edges of the buckets that it was active in."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from usagedeck.catalog import Measure
from usagedeck.query import Query
from usagedeck.sql.conditions import where
from usagedeck.sql.split import Series, split_by
from usagedeck.sql.statement import Binder, Scope
from usagedeck.stretches import Stretch


def active(
    query: Query,
    scope: Scope,
    stretches: Sequence[Stretch],
    measures: Sequence[Measure],
    top: Sequence[Series] | None,
    now: int | None,
    bind: Binder,
) -> tuple[str, list[str], list[str], list[str]]:
    """Pieces of requests inside the stretches: the rows, further columns, the names of the series, the aggregates.

    A request's own measures go with the piece it began in.
    """
    split = split_by(query.dimensions, top, bind)
    window = query.selection.window
    chosen = where(query.selection, scope, bind, stretches=stretches, active=True)
    starts = list(query.buckets.starts)
    ends = {end for stretch in stretches for end in stretch if starts[0] < end < query.buckets.end}
    edges = sorted({*starts, *ends})
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
    sums = [f"{m.sql('active' if m.activity else 'began')} AS m_{m.name}" for m in measures]
    return f"({pieces})", split.inner, split.keys, sums

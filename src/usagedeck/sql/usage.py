"""Questions over time: the measures of every bucket and series.

An answer is put together from parts with the same columns: what the rollup of its route says, and what the events say.
"""

from collections.abc import Sequence

from usagedeck.catalog import Measure, Metric, Sum
from usagedeck.query import Query, Word
from usagedeck.sql.activity import active
from usagedeck.sql.conditions import sealed, where
from usagedeck.sql.plan import Plan, measures_of, only_events, ranked_by
from usagedeck.sql.split import Series, as_text, keys_of, order_of, split_by
from usagedeck.sql.statement import Binder, Scope, Statement


def _bucket(query: Query, bind: Binder) -> list[str]:
    """The inner columns that place a row in its bucket."""
    if len(query.buckets) == 1:
        return [f"{bind(query.buckets.starts[0], 'Int64')} AS bucket"]
    firsts, lengths = query.buckets.runs()
    if len(firsts) == 1:
        first, step = bind(firsts[0], "Int64"), bind(lengths[0], "Int64")
        return [f"{first} + intDiv(time - {first}, {step}) * {step} AS bucket"]
    starts, steps = bind(firsts, "Array(Int64)"), bind(lengths, "Array(Int64)")
    return [
        f"roundDown(time, {starts}) AS run",
        f"transform(run, {starts}, {steps}, toInt64(1)) AS step",
        "run + intDiv(time - run, step) * step AS bucket",
    ]


def compile(  # noqa: A001 - the word of the field
    query: Query,
    scope: Scope,
    *,
    route: Plan | None = None,
    top: Sequence[Series] | None = None,
    now: int | None = None,
) -> Statement:
    """The measures of every bucket and series that has rows, by bucket, then by series.

    Columns: `bucket`, `d0` … per dimension, `other` when `top` is given, then the measures by name. `route` says what is read,
    the events when absent; `top` lists the series to keep. `now` ends the time in which a request can have been active (the
    window's end when absent).
    """
    bind = Binder()
    measures = measures_of(query)
    route = route or only_events(query)
    parts = _sealed_parts(query, scope, route, measures, ["bucket"], top, bind)
    if route.events and any(m.activity for m in measures):
        parts.append(_part(*active(query, scope, route.events, measures, top, now, bind), ["bucket"]))
    elif route.events:
        parts.append(_events_part(query, scope, route, measures, ["bucket"], top, bind))
    keys = ["bucket", *keys_of(query.dimensions, top)]
    order = ["bucket", *order_of(query.dimensions, top)]
    text = f"{_together(parts, keys, measures)} ORDER BY {', '.join(order)}"
    if query.row_cap is not None:  # one more than the cap allows, so that the reader knows when there are more
        text += f" LIMIT {bind(query.row_cap + 1, 'UInt32')}"
    return Statement(text, bind.values, (*keys, *(m.name for m in measures)))


def rank(query: Query, scope: Scope, limit: int, *, route: Plan | None = None, like: Word | None = None) -> Statement:
    """The series of a query by total, largest first, ties by value, with the number of all of them.

    Ranked by the first metric when it adds up, else by the number of rows. `like` keeps the values of the first dimension
    that hold its text or are among its ids. Columns: `k0` …, `amount`, `series`.
    """
    bind = Binder()
    measures = ranked_by(query)
    keys = keys_of(query.dimensions, None)
    route = route or only_events(query)
    parts = _sealed_parts(query, scope, route, measures, [], None, bind)
    if route.events:
        parts.append(_events_part(query, scope, route, measures, [], None, bind))
    texts = [f"{as_text(by, key)} AS k{i}" for i, (by, key) in enumerate(zip(query.dimensions, keys, strict=True))]
    chosen = ""
    if like is not None:
        ids = [i for _, named in like.named for i in named]
        chosen = f"WHERE positionCaseInsensitiveUTF8(k0, {bind(like.text, 'String')}) > 0 OR k0 IN {bind(ids, 'Array(String)')} "
    order = ", ".join(f"k{i}" for i in range(len(texts)))
    text = (
        f"SELECT {', '.join(texts)}, {_amount(query.metrics[0], measures)} AS amount, count() OVER () AS series "
        f"FROM ({_together(parts, keys, measures)}) {chosen}ORDER BY amount DESC, {order} LIMIT {bind(limit, 'UInt32')}"
    )
    return Statement(text, bind.values, (*(f"k{i}" for i in range(len(texts))), "amount", "series"))


def _amount(metric: Metric, measures: Sequence[Measure]) -> str:
    formula = metric.formula
    if not isinstance(formula, Sum):
        return f"m_{measures[0].name}"
    return " + ".join(f"m_{name}" for name in formula.plus) + "".join(f" - m_{name}" for name in formula.minus)


# --- the parts of an answer ----------------------------------------------------------------------------------------


def _sealed_parts(
    query: Query,
    scope: Scope,
    route: Plan,
    measures: Sequence[Measure],
    keys: list[str],
    top: Sequence[Series] | None,
    bind: Binder,
) -> list[str]:
    """What the rollup says."""
    if route.rollup is None:
        return []
    sums = [f"{m.merge}({m.name}) AS m_{m.name}" for m in measures]
    return [
        _part(
            f"{route.rollup.table} WHERE {sealed(query.selection, scope, one, bind)}",
            [*(_bucket(query, bind) if keys else []), *(split := split_by(query.dimensions, top, bind)).inner],
            split.keys,
            sums,
            keys,
        )
        for one in route.slices
    ]


def _events_part(
    query: Query,
    scope: Scope,
    route: Plan,
    measures: Sequence[Measure],
    keys: list[str],
    top: Sequence[Series] | None,
    bind: Binder,
) -> str:
    """What the events say of the stretches that are left."""
    split = split_by(query.dimensions, top, bind)
    chosen = where(query.selection, scope, bind, stretches=route.events)
    columns = [*(_bucket(query, bind) if keys else []), *split.inner]
    sums = [f"{m.sql()} AS m_{m.name}" for m in measures]
    return _part(f"{query.selection.subject} FINAL WHERE {chosen}", columns, split.keys, sums, keys)


def _part(rows: str, columns: list[str], series: list[str], sums: list[str], keys: list[str]) -> str:
    grouped = [*keys, *series]
    inner = f"SELECT {', '.join(['*', *columns])} FROM {rows}"
    return f"SELECT {', '.join([*grouped, *sums])} FROM ({inner}) GROUP BY {', '.join(grouped)}"


def _together(parts: Sequence[str], keys: Sequence[str], measures: Sequence[Measure]) -> str:
    """The parts of an answer as one: the same keys, the measures joined."""
    if len(parts) == 1:
        return parts[0]
    sums = [f"{m.merge}(m_{m.name}) AS n_{m.name}" for m in measures]
    inside = f"SELECT {', '.join([*keys, *sums])} FROM ({' UNION ALL '.join(parts)}) GROUP BY {', '.join(keys)}"
    names = [f"n_{m.name} AS m_{m.name}" for m in measures]
    return f"SELECT {', '.join([*keys, *names])} FROM ({inside})"

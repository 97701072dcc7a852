"""Questions over time: the measures of every bucket and series."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from usagedeck.catalog import MEASURES, Dimension, Measure, Metric, Sum, Type
from usagedeck.query import Query, Word
from usagedeck.sql.conditions import expression, where
from usagedeck.sql.statement import Binder, Scope, Statement

Series: TypeAlias = tuple[str, ...]
"""The values of a series, one per dimension, as text; '' where absent."""


def measures_of(query: Query) -> tuple[Measure, ...]:
    """The measures a query needs, each once."""
    names = dict.fromkeys(name for metric in query.metrics for name in metric.formula.measures)
    return tuple(MEASURES[name] for name in names)


@dataclass(frozen=True, slots=True)
class _Split:
    """The breakdown as SQL: the columns of the inner select and the names that the outer select groups by."""

    inner: list[str]
    keys: list[str]
    order: list[str]
    """Absent values last."""


def _split(dimensions: Sequence[Dimension], top: Sequence[Series] | None, bind: Binder) -> _Split:
    columns = {i: expression(by, bind) for i, by in enumerate(dimensions)}
    texts = {i: _as_text(by, columns[i]) for i, by in enumerate(dimensions)}
    many = next((i for i, by in enumerate(dimensions) if by.overlapping), None)
    inner: list[str] = []
    if many is not None:
        inner.append(f"if(empty({columns[many]}), [''], arrayMap(x -> toString(x), {columns[many]})) AS parts")
        texts[many] = "x"
    keys = [f"d{i}" for i in columns]
    order = [f"{_is_absent(by, key)}, {key}" for by, key in zip(dimensions, keys, strict=True)]
    if top is None:
        inner += [f"{'arrayJoin(parts)' if i == many else sql} AS d{i}" for i, sql in columns.items()]
        return _Split(inner, keys, order)
    listed = _listed([texts[i] for i in columns], top, bind)
    if many is None:
        inner.append(f"{listed} AS listed")
    else:
        inner.append(f"arrayFilter(x -> {listed}, parts) AS kept")
        inner.append("notEmpty(kept) AS listed")
    for i, sql in columns.items():
        value = "arrayJoin(if(listed, kept, ['']))" if i == many else f"if(listed, {sql}, {_nothing(dimensions[i])})"
        inner.append(f"{value} AS d{i}")
    inner.append("NOT listed AS other")
    return _Split(inner, [*keys, "other"], order)


def _is_absent(by: Dimension, key: str) -> str:
    return f"{key} = ''" if by.type in (Type.STRING, Type.LIST) else f"isNull({key})"


def _nothing(by: Dimension) -> str:
    return "''" if by.type in (Type.STRING, Type.LIST) else "NULL"


def _as_text(by: Dimension, sql: str) -> str:
    """A value as menus show it and series are listed by it; '' where absent."""
    if by.type is Type.BOOL:
        return f"multiIf(isNull({sql}), '', {sql}, 'true', 'false')"
    return f"toString({sql})" if by.type in (Type.STRING, Type.LIST) else f"ifNull(toString({sql}), '')"


def _listed(texts: list[str], top: Sequence[Series], bind: Binder) -> str:
    if len(texts) == 1:
        return f"has({bind([s[0] for s in top], 'Array(String)')}, {texts[0]})"
    kind = ", ".join("String" for _ in texts)
    return f"has({bind(list(top), f'Array(Tuple({kind}))')}, tuple({', '.join(texts)}))"


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
    query: Query, scope: Scope, *, top: Sequence[Series] | None = None, now: int | None = None
) -> Statement:
    """The measures of every bucket and series that has rows, by bucket, then by series.

    Columns: `bucket`, `d0` … per dimension, `other` when `top` is given, then the measures by name. `top` lists the series
    to keep. `now` ends the time in which a request can have been active (the window's end when absent).
    """
    bind = Binder()
    measures = measures_of(query)
    if any(m.activity for m in measures):
        return _compile_activity(query, scope, top, min(query.selection.window.end, now or query.selection.window.end))
    split = _split(query.dimensions, top, bind)
    inner = ", ".join(["*", *_bucket(query, bind), *split.inner])
    chosen = where(query.selection, scope, bind)
    source = f"SELECT {inner} FROM {query.selection.subject} FINAL WHERE {chosen}"
    return _grouped(query, source, split, [m.sql() for m in measures], bind)


def _grouped(query: Query, source: str, split: _Split, aggregates: list[str], bind: Binder) -> Statement:
    """One row per bucket and series; one more than the cap allows, so that the reader knows when there are more."""
    measures = measures_of(query)
    keys = ["bucket", *split.keys]
    outer = [*keys, *(f"{sql} AS m_{m.name}" for m, sql in zip(measures, aggregates, strict=True))]
    order = ["bucket", *(["other"] if "other" in split.keys else []), *split.order]
    text = f"SELECT {', '.join(outer)} FROM ({source}) GROUP BY {', '.join(keys)} ORDER BY {', '.join(order)}"
    if query.row_cap is not None:
        text += f" LIMIT {bind(query.row_cap + 1, 'UInt32')}"
    return Statement(text, bind.values, (*keys, *(m.name for m in measures)))


def _compile_activity(query: Query, scope: Scope, top: Sequence[Series] | None, until: int) -> Statement:
    """Each request is cut at the edges of the buckets it was active in; its own measures go with the piece it began in."""
    bind = Binder()
    split = _split(query.dimensions, top, bind)
    chosen = where(query.selection, scope, bind, active=True)
    starts = list(query.buckets.starts)
    edges = bind([*starts, query.buckets.end], "Array(Int64)")
    firsts, indexes = bind(starts, "Array(Int64)"), bind(list(range(1, len(starts) + 1)), "Array(Int64)")
    begin, end, stop = (bind(i, "Int64") for i in (query.selection.window.start, query.selection.window.end, until))
    rows = (
        f"SELECT *, time + ifNull(duration_ms, 0) AS ends, "
        f"transform(roundDown(greatest(time, {begin}), {firsts}), {firsts}, {indexes}, toInt64(1)) AS first_piece, "
        f"least(greatest(ends - 1, time), {end} - 1) AS last_moment, "
        f"transform(roundDown(last_moment, {firsts}), {firsts}, {indexes}, toInt64(1)) AS last_piece "
        f"FROM {query.selection.subject} FINAL WHERE {chosen}"
    )
    pieces = (
        f"SELECT *, arrayJoin(range(toUInt64(first_piece), toUInt64(last_piece) + 1)) AS piece, "
        f"{edges} AS edges, edges[piece] AS bucket, "
        f"piece = first_piece AND time >= {begin} AS began, "
        f"greatest(time, bucket, {begin}) AS active_from, least(ends, edges[piece + 1], {stop}) AS active_to, "
        f"active_to > active_from AS active FROM ({rows})"
    )
    source = f"SELECT {', '.join(['*', *split.inner])} FROM ({pieces})"
    return _grouped(query, source, split, [m.sql("active" if m.activity else "began") for m in measures_of(query)], bind)


def rank(query: Query, scope: Scope, limit: int, *, like: Word | None = None) -> Statement:
    """The series of a query by total, largest first, ties by value, with the number of all of them.

    Ranked by the first metric when it adds up, else by the number of rows. `like` keeps the values of the first dimension
    that hold its text or are among its ids. Columns: `k0` …, `amount`, `series`.
    """
    bind = Binder()
    split = _split(query.dimensions, None, bind)
    texts = [f"{_as_text(by, key)} AS k{i}" for i, (by, key) in enumerate(zip(query.dimensions, split.keys, strict=True))]
    chosen = where(query.selection, scope, bind)
    keys, order = ", ".join(split.keys), ", ".join(f"k{i}" for i in range(len(texts)))
    having = ""
    if like is not None:
        ids = [i for _, named in like.named for i in named]
        having = f"HAVING positionCaseInsensitiveUTF8(k0, {bind(like.text, 'String')}) > 0 OR k0 IN {bind(ids, 'Array(String)')} "
    text = (
        f"SELECT {', '.join(texts)}, {_amount(query.metrics[0])} AS amount, count() OVER () AS series "
        f"FROM (SELECT {', '.join(['*', *split.inner])} FROM {query.selection.subject} FINAL WHERE {chosen}) "
        f"GROUP BY {keys} {having}ORDER BY amount DESC, {order} LIMIT {bind(limit, 'UInt32')}"
    )
    return Statement(text, bind.values, (*(f"k{i}" for i in range(len(texts))), "amount", "series"))


def _amount(metric: Metric) -> str:
    formula = metric.formula
    if not isinstance(formula, Sum):
        return "count()"
    plus = " + ".join(MEASURES[name].sql() for name in formula.plus)
    return plus + "".join(f" - {MEASURES[name].sql()}" for name in formula.minus)

"""Questions become SQL here, and only here. Nothing runs: the result is a `Statement`.

No SQL can be compiled without a `Scope`, and no value ever stands in the text: values are bound, names come from the
catalogue. Calendars do not exist here either: buckets arrive as integers (see `times`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from typing import TypeAlias

from usagedeck.catalog import (
    ATTRIBUTE,
    DECIMALS,
    MEASURES,
    Dimension,
    Field,
    Measure,
    Metric,
    Subject,
    Sum,
    Type,
    fields,
)
from usagedeck.query import COMPARISONS, TEXTUAL, Direction, Filter, FilterValue, LogQuery, Op, Query, Selection, Word
from usagedeck.times import DAY

Bound: TypeAlias = str | int | float | Decimal | Sequence[str] | Sequence[int] | Sequence[Decimal] | Sequence[tuple[str, ...]]

MAX_DURATION = DAY
"""A request that was active inside a window began at most this long before it (the limit of `duration_ms`)."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows may be read: a workspace's, or those of one of its users."""

    workspace_id: str
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text, the values bound to it, and the names of the columns it returns.

    Two equal statements have the same answer at the same moment: scope and values are inside.
    """

    text: str
    values: Mapping[str, Bound]
    columns: tuple[str, ...]


@dataclass(slots=True)
class _Binder:
    """Hands out places for values."""

    values: dict[str, Bound] = field(default_factory=dict)

    def __call__(self, value: Bound, type_: str) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"{{{name}:{type_}}}"


# --- conditions ---------------------------------------------------------------------------------------------------


def _expression(of: Dimension | Field, bind: _Binder) -> str:
    """SQL of a dimension or log column; the key of an attribute is a value, so it is bound."""
    key = of.name.removeprefix(ATTRIBUTE)
    return of.sql.replace("{key}", bind(key, "String")) if key != of.name else of.sql


def _condition(one: Filter, bind: _Binder) -> str:
    sql = _expression(one.dimension, bind)
    if one.op in COMPARISONS:
        return f"ifNull({sql} {_bound(one.op, one.values[0], bind)}, 0)"
    if one.op in TEXTUAL:
        places = [bind(v, "String") for v in one.values if isinstance(v, str)]
        if one.dimension.overlapping:
            return f"arrayExists(x -> {_holds('x', one.op, places)}, {sql})"
        return _holds(sql, one.op, places)
    match = _equals(one, sql, bind)
    return f"NOT ({match})" if one.op in (Op.NEQ, Op.NOT_IN) else match


def _holds(sql: str, op: Op, places: list[str]) -> str:
    if op is Op.CONTAINS:
        return " OR ".join(f"positionCaseInsensitiveUTF8({sql}, {place}) > 0" for place in places)
    return " OR ".join(f"startsWith({sql}, {place})" for place in places)


_SIGNS = {Op.LT: "<", Op.LE: "<=", Op.GT: ">", Op.GE: ">="}


def _bound(op: Op, value: FilterValue, bind: _Binder) -> str:
    """Sign and bound of a comparison.

    A bound with more decimals than a column can hold is cut down to the last one below it: of tenths, `< 0.15` is `<= 0.1`
    and `>= 0.15` is `> 0.1`. So all of it is exact, and nothing is ever compared as a float.
    """
    if isinstance(value, Decimal):
        cut = value.quantize(Decimal(1).scaleb(-DECIMALS), ROUND_FLOOR)
        if cut != value:
            op = Op.LE if op in (Op.LT, Op.LE) else Op.GT
        return f"{_SIGNS[op]} {bind(cut, 'Decimal(38, 6)')}"
    assert isinstance(value, int), value  # noqa: S101 - Filter.build lets nothing else through
    return f"{_SIGNS[op]} {bind(value, 'Int64')}"


def _fits(value: Decimal) -> bool:
    return value == round(value, DECIMALS)


def _equals(one: Filter, sql: str, bind: _Binder) -> str:
    """`cell is one of the values`, never NULL, so that its negation is exactly the rest."""
    absent = None in one.values
    kind = one.dimension.type
    if kind is Type.LIST:
        texts = [v for v in one.values if isinstance(v, str)]
        found = [f"hasAny({sql}, {bind(texts, 'Array(String)')})"] if texts else []
        return " OR ".join(found + ([f"empty({sql})"] if absent else [])) or "0"
    if kind is Type.STRING:
        texts = [v or "" for v in one.values if v is None or isinstance(v, str)]
        return f"{sql} IN {bind(texts, 'Array(String)')}" if texts else "0"
    numbers = [v for v in one.values if isinstance(v, Decimal) and _fits(v)]
    whole = [int(v) for v in one.values if v is not None and not isinstance(v, str) and v == int(v)]
    if kind is Type.DECIMAL:
        found = [f"ifNull({sql} IN {bind(numbers, 'Array(Decimal(38, 6))')}, 0)"] if numbers else []
    else:
        found = [f"ifNull({sql} IN {bind(whole, 'Array(Int64)')}, 0)"] if whole else []
    return " OR ".join(found + ([f"isNull({sql})"] if absent else [])) or "0"


def _word(word: Word, subject: Subject, bind: _Binder) -> str:
    place = bind(word.text, "String")
    tests = [f"positionCaseInsensitiveUTF8({f.sql}, {place}) > 0" for f in fields(subject) if f.searchable]
    tests += [f"{name} IN {bind(list(ids), 'Array(String)')}" for name, ids in word.named if ids]
    return " OR ".join(tests)


def _where(selection: Selection, scope: Scope, bind: _Binder, *, active: bool = False) -> str:
    """The rows of a selection that the scope may see: every question's WHERE is made here."""
    window = selection.window
    start, end = bind(window.start, "Int64"), bind(window.end, "Int64")
    parts = [f"workspace_id = {bind(scope.workspace_id, 'String')}"]
    if scope.user_id is not None:
        parts.append(f"user_id = {bind(scope.user_id, 'String')}")
    if active:
        parts.append(f"time >= {start} - {MAX_DURATION} AND time < {end}")
        parts.append(f"(time >= {start} OR time + ifNull(duration_ms, 0) > {start})")
    else:
        parts.append(f"time >= {start} AND time < {end}")
    parts += [f"({_condition(one, bind)})" for one in selection.filters]
    parts += [f"({_word(word, selection.subject, bind)})" for word in selection.search]
    return " AND ".join(parts)


# --- questions over time ------------------------------------------------------------------------------------------

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


def _split(dimensions: Sequence[Dimension], top: Sequence[Series] | None, bind: _Binder) -> _Split:
    columns = {i: _expression(by, bind) for i, by in enumerate(dimensions)}
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


def _listed(texts: list[str], top: Sequence[Series], bind: _Binder) -> str:
    if len(texts) == 1:
        return f"has({bind([s[0] for s in top], 'Array(String)')}, {texts[0]})"
    kind = ", ".join("String" for _ in texts)
    return f"has({bind(list(top), f'Array(Tuple({kind}))')}, tuple({', '.join(texts)}))"


def _bucket(query: Query, bind: _Binder) -> list[str]:
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
    bind = _Binder()
    measures = measures_of(query)
    if any(m.activity for m in measures):
        return _compile_activity(query, scope, top, min(query.selection.window.end, now or query.selection.window.end))
    split = _split(query.dimensions, top, bind)
    inner = ", ".join(["*", *_bucket(query, bind), *split.inner])
    where = _where(query.selection, scope, bind)
    source = f"SELECT {inner} FROM {query.selection.subject} FINAL WHERE {where}"
    return _grouped(query, source, split, [m.sql() for m in measures], bind)


def _grouped(query: Query, source: str, split: _Split, aggregates: list[str], bind: _Binder) -> Statement:
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
    bind = _Binder()
    split = _split(query.dimensions, top, bind)
    where = _where(query.selection, scope, bind, active=True)
    starts = list(query.buckets.starts)
    edges = bind([*starts, query.buckets.end], "Array(Int64)")
    firsts, indexes = bind(starts, "Array(Int64)"), bind(list(range(1, len(starts) + 1)), "Array(Int64)")
    begin, end, stop = (bind(i, "Int64") for i in (query.selection.window.start, query.selection.window.end, until))
    rows = (
        f"SELECT *, time + ifNull(duration_ms, 0) AS ends, "
        f"transform(roundDown(greatest(time, {begin}), {firsts}), {firsts}, {indexes}, toInt64(1)) AS first_piece, "
        f"least(greatest(ends - 1, time), {end} - 1) AS last_moment, "
        f"transform(roundDown(last_moment, {firsts}), {firsts}, {indexes}, toInt64(1)) AS last_piece "
        f"FROM {query.selection.subject} FINAL WHERE {where}"
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
    bind = _Binder()
    split = _split(query.dimensions, None, bind)
    texts = [f"{_as_text(by, key)} AS k{i}" for i, (by, key) in enumerate(zip(query.dimensions, split.keys, strict=True))]
    where = _where(query.selection, scope, bind)
    keys, order = ", ".join(split.keys), ", ".join(f"k{i}" for i in range(len(texts)))
    having = ""
    if like is not None:
        ids = [i for _, named in like.named for i in named]
        having = f"HAVING positionCaseInsensitiveUTF8(k0, {bind(like.text, 'String')}) > 0 OR k0 IN {bind(ids, 'Array(String)')} "
    text = (
        f"SELECT {', '.join(texts)}, {_amount(query.metrics[0])} AS amount, count() OVER () AS series "
        f"FROM (SELECT {', '.join(['*', *split.inner])} FROM {query.selection.subject} FINAL WHERE {where}) "
        f"GROUP BY {keys} {having}ORDER BY amount DESC, {order} LIMIT {bind(limit, 'UInt32')}"
    )
    return Statement(text, bind.values, (*(f"k{i}" for i in range(len(texts))), "amount", "series"))


def _amount(metric: Metric) -> str:
    formula = metric.formula
    if not isinstance(formula, Sum):
        return "count()"
    plus = " + ".join(MEASURES[name].sql() for name in formula.plus)
    return plus + "".join(f" - {MEASURES[name].sql()}" for name in formula.minus)


# --- single rows --------------------------------------------------------------------------------------------------


def compile_log(query: LogQuery, scope: Scope) -> Statement:
    """A page of rows in time order, one more than asked for so that the reader knows whether there are others.

    Columns: `time` and `id` (for the cursor), then those asked for, in order.
    """
    bind = _Binder()
    names = [f"c{i}" for i in range(len(query.columns))]
    columns = [f"{_expression(column, bind)} AS {name}" for column, name in zip(query.columns, names, strict=True)]
    where = _where(query.selection, scope, bind)
    upwards = query.ascending
    if query.cursor is not None:
        upwards = query.cursor.direction is Direction.NEWER
        at, id_ = bind(query.cursor.time, "Int64"), bind(query.cursor.id, "String")
        sign = ">" if upwards else "<"
        where += f" AND time {sign}= {at} AND (time {sign} {at} OR id {sign} {id_})"
    order = "ASC" if upwards else "DESC"
    limit = f" LIMIT {bind(query.limit + 1, 'UInt32')}" if query.limit is not None else ""
    text = (
        f"SELECT {', '.join(['time AS row_time', 'id AS row_id', *columns])} FROM {query.selection.subject} FINAL "
        f"WHERE {where} ORDER BY time {order}, id {order}{limit}"
    )
    return Statement(text, bind.values, ("row_time", "row_id", *(c.name for c in query.columns)))

"""Questions over time: the measures of every bucket and series.

An answer is put together from parts with the same columns: what the rollup of its route says, and what the events say.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from usagedeck.catalog.formulas import Sum
from usagedeck.catalog.measures import Measure
from usagedeck.catalog.metrics import Metric
from usagedeck.catalog.rollups import rollup_table
from usagedeck.filters import Word
from usagedeck.query import Query
from usagedeck.sql.activity import active
from usagedeck.sql.conditions import sealed, where
from usagedeck.sql.deliveries import delivered
from usagedeck.sql.plan import Plan, measures_of, only_events, ranked_by
from usagedeck.sql.split import Series, as_text, grouped, keys_of, nothing, order_of, split_by
from usagedeck.sql.statement import Binder, Scope, Statement

FEW_BUCKETS = 100
"""A quarter of days."""


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
    if route.events and any(m.activity for m in measures):
        parts = _Parts(query, scope, route, measures, ["bucket"], top, bind).sealed()
        parts.append(active(query, scope, route.events, measures, top, now, bind))
    else:
        parts = _Parts(query, scope, route, measures, ["bucket"], top, bind).all()
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
    parts = _Parts(query, scope, route, measures, [], None, bind).all()
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


def totals(query: Query, scope: Scope, route: Plan, bind: Binder) -> str:
    """The measures of every series over the whole window, as a part of a larger statement: `d0` …, then `m_` and their names."""
    measures = measures_of(query)
    parts = _Parts(query, scope, route, measures, [], None, bind).all()
    return _together(parts, keys_of(query.dimensions, None), measures)


def folds(query: Query, route: Plan) -> bool:
    """Whether the series beyond the first ones can be told and added up in one statement, by `compile_top`.

    Their measures have to be sums: the percentile of many series is not made of theirs, and an event that has several
    values would count several times. In memory are then all buckets of all series: few, where a rollup or little is read and
    the buckets are few.
    """
    return (
        (bool(route.slices) or route.few)
        and len(query.buckets) <= FEW_BUCKETS
        and not any(by.overlapping for by in query.dimensions)
        and all(m.additive and m.merge for m in measures_of(query))
    )


def compile_top(query: Query, scope: Scope, limit: int, *, route: Plan) -> Statement:
    """What `rank` and `compile` say together, in one statement; for questions that `folds` agrees to.

    The series are told apart first, ranked, and those beyond the limit added up as one. Columns as `compile` has them with
    `top`, then `series`, the number of all series.
    """
    bind = Binder()
    measures, ranked = measures_of(query), ranked_by(query)
    all_ = tuple(dict.fromkeys((*measures, *ranked)))
    told = _Parts(query, scope, route, all_, ["bucket"], None, bind).all()
    names = [f"d{i}" for i, _ in enumerate(query.dimensions)]
    point = ", ".join(["bucket", *(f"m_{m.name}" for m in measures)])
    series = (
        f"SELECT {', '.join(f'{name} AS k{name[1:]}' for name in names)}, groupArray(tuple({point})) AS points, "
        f"sum({_amount(query.metrics[0], ranked)}) AS total FROM ({' UNION ALL '.join(told)}) GROUP BY {', '.join(names)}"
    )
    ties = ", ".join(as_text(by, f"k{i}") for i, by in enumerate(query.dimensions))
    places = f"SELECT *, row_number() OVER (ORDER BY total DESC, {ties}) AS place, count() OVER () AS series FROM ({series})"
    kept = [f"if(other, {nothing(by)}, k{i}) AS d{i}" for i, by in enumerate(query.dimensions)]
    points = (
        f"SELECT place > {bind(limit, 'UInt32')} AS other, {', '.join(kept)}, series, arrayJoin(points) AS point, "
        f"point.1 AS bucket FROM ({places})"
    )
    keys = ["bucket", *names, "other"]
    sums = [f"{m.merge}(point.{i}) AS m_{m.name}" for i, m in enumerate(measures, 2)]
    order = ", ".join(["bucket", *order_of(query.dimensions, ())])
    text = (
        f"SELECT {', '.join([*keys, *sums])}, any(series) AS series FROM ({points}) GROUP BY {', '.join(keys)} ORDER BY {order}"
    )
    if query.row_cap is not None:
        text += f" LIMIT {bind(query.row_cap + 1, 'UInt32')}"
    return Statement(text, bind.values, (*keys, *(m.name for m in measures), "series"))


def _amount(metric: Metric, measures: Sequence[Measure]) -> str:
    formula = metric.formula
    if not isinstance(formula, Sum):
        return f"m_{measures[0].name}"
    return " + ".join(f"m_{name}" for name in formula.plus) + "".join(f" - m_{name}" for name in formula.minus)


# --- the parts of an answer ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Parts:
    """What is asked of every part of an answer. Without `keys` there are no buckets."""

    query: Query
    scope: Scope
    route: Plan
    measures: Sequence[Measure]
    keys: Sequence[str]
    top: Sequence[Series] | None
    bind: Binder

    def all(self) -> list[str]:
        """What rollups say, and what the events say."""
        return [*self.sealed(), *([self.events()] if self.route.events else [])]

    def sealed(self) -> list[str]:
        """What each rollup says: all its slices at once, since a part costs the engine milliseconds before it reads a row."""
        parts = []
        for name in dict.fromkeys(one.cut.rollup for one in self.route.slices):
            slices = [one for one in self.route.slices if one.cut.rollup == name]
            rows = f"{rollup_table(name)} WHERE {sealed(self.query.selection, self.scope, slices, self.bind)}"
            parts.append(self._part(rows, [m.of_rollup(one_of_several=self._several) for m in self.measures]))
        return parts

    def events(self) -> str:
        """What the events say of the stretches that are left."""
        query, stretches = self.query, self.route.events
        if query.joined:
            asked = [f"{m.argument} {m.when}" for m in self.measures] + [by.sql for by in query.dimensions]
            rows = delivered(query.selection, self.scope, stretches, query.reach, asked, self.bind)
        else:
            chosen = where(query.selection, self.scope, self.bind, stretches=stretches)
            rows = f"{query.selection.subject} FINAL WHERE {chosen}"
        return self._part(rows, [m.of_events(one_of_several=self._several) for m in self.measures])

    @property
    def _several(self) -> bool:
        return len({one.cut.rollup for one in self.route.slices}) + bool(self.route.events) > 1

    def _part(self, rows: str, sums: Sequence[str]) -> str:
        split = split_by(self.query.dimensions, self.top, self.bind)
        columns = [*(_bucket(self.query, self.bind) if self.keys else []), *split.inner]
        named = [f"{text} AS m_{m.name}" for text, m in zip(sums, self.measures, strict=True)]
        return grouped(rows, columns, [*self.keys, *split.keys], named)


def _together(parts: Sequence[str], keys: Sequence[str], measures: Sequence[Measure]) -> str:
    """The parts of an answer as one: the same keys, the measures joined."""
    if len(parts) == 1:
        return parts[0]
    sums = [f"{m.of_parts(f'm_{m.name}')} AS n_{m.name}" for m in measures]
    inside = f"SELECT {', '.join([*keys, *sums])} FROM ({' UNION ALL '.join(parts)}) GROUP BY {', '.join(keys)}"
    names = [f"n_{m.name} AS m_{m.name}" for m in measures]
    return f"SELECT {', '.join([*keys, *names])} FROM ({inside})"

"""Why did it change? Two periods, one metric, and the parts that the values of a dimension have in the change.

The parts add up to the whole change, exactly. A sum is told by what each value adds to it. A rate or an average is told by what
each value puts above the line, over the one denominator of all rows: so the parts add up to the rate in either period. What
cannot be written down in full is rounded so that the columns still add up to the last digit that is shown.

Nothing here estimates: where one of the periods cannot wholly be told any more there is no number at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from usagedeck import access, report, sql
from usagedeck.access import View, Who
from usagedeck.catalog.dimensions import DIMENSIONS, Dimension, Label
from usagedeck.catalog.fields import columns_in
from usagedeck.catalog.formulas import Ratio, Sum
from usagedeck.catalog.kinds import CURRENCY, DECIMALS, Type
from usagedeck.catalog.measures import MEASURES
from usagedeck.catalog.metrics import Metric
from usagedeck.deck import Deck
from usagedeck.query import ChangeQuery, Selection, refuse_unattributable
from usagedeck.report import About
from usagedeck.sql import Scope
from usagedeck.sql.changing import SIDES
from usagedeck.store.changes import Span
from usagedeck.table import Cell, Column, Row, Table
from usagedeck.windows import Window

PLACES: Mapping[Type, int] = {Type.INT: 0, Type.DECIMAL: DECIMALS, Type.FLOAT: 12}
"""Decimals of an amount. Sums are whole in them; rates, averages and converted sums are rounded to them."""

LOUDEST = 3
"""How many values of a dimension say how much it explains."""

Measures = Mapping[str, Any]
Amount = int | Decimal | None
Routes = tuple[sql.Plan, sql.Plan]


@dataclass(frozen=True, slots=True)
class Whole:
    """The metric over all rows. None in a period without anything to divide by."""

    before: Amount
    after: Amount
    change: Amount


@dataclass(frozen=True, slots=True)
class Answer:
    """The parts of a change. Without rows and with `available_from` when a part of a period has expired."""

    table: Table
    about: About
    whole: Whole
    values: int
    """How many values the dimension has in the two periods, those that were nothing in both apart."""


NOTHING = Whole(None, None, None)


@dataclass(frozen=True, slots=True)
class _Part:
    """What a value did, or several of them together."""

    before: Measures
    after: Measures

    def without(self, others: Iterable["_Part"]) -> "_Part":
        listed = list(others)
        before, after = (
            {name: amount - sum(getattr(one, side)[name] for one in listed) for name, amount in getattr(self, side).items()}
            for side in ("before", "after")
        )
        return _Part(before, after)


def change(deck: Deck, who: Who, view: View | None, query: ChangeQuery) -> Answer:
    """The values of a dimension that did most, and Other.

    Columns: the value and its label, `is_other`, `before`, `after` and `change`, each of which adds up to the metric's own;
    `share`, the part of the whole change. Of a ratio also `value_before` and `value_after`, what it is for this value alone, and
    `effect`: what the value moved the whole by being unlike the period before. The change of a ratio's part is its effect and
    what its share of the rows took or gave; effects add up to the whole change, too, and it is by them that values are ranked.
    """
    scope = access.scope(deck, who, view)
    query = _named(deck, query, scope)
    about = About(query.selection.window, deck.clock(), _known_from(query, _routes(deck, query, scope)))
    columns = _columns(query, who.workspace.currency)
    if about.available_from is not None:
        return Answer(Table(columns, ()), about, NOTHING, 0)
    rows = _ranked(deck, query, scope, query.top)
    parts = [_part(query, row) for row in rows]
    whole = _whole(query, rows)
    values = rows[0][-1] if rows else 0
    names = report.names_of(deck, query.by, scope)
    cells = [report.cell_of(query.by, row[0]) for row in rows]
    heads: list[list[Cell]] = [[cell, report.label(query.by, cell, names), False] for cell in cells]
    if values > len(rows):
        parts.append(whole.without(parts))
        heads.append([None, f"Other ({values - len(rows)})", True])
    written, all_ = _written(query.metric, parts, whole)
    return Answer(Table(columns, [[*head, *figures] for head, figures in zip(heads, written, strict=True)]), about, all_, values)


def dimensions(deck: Deck, who: Who, view: View | None, metric: Metric, selection: Selection, before: Window) -> Answer:
    """By which dimension the change is told best: in which one a few values did what the others did not.

    Columns: `dimension`, `title`, the `value` that stands out most with its `label`, its `change` (of a ratio its effect), and
    `weight`: how far the three most unlike values are from what they would be if all had changed alike, in the metric's unit.
    Left out are dimensions that overlap, that have a single value in both periods, whose values are mostly different ones, and
    of a ratio those that it is made of.
    """
    refuse_unattributable(metric)
    scope = access.scope(deck, who, view)
    fresh = deck.clock()
    unit = who.workspace.currency if metric.unit == CURRENCY else metric.unit
    columns = (
        Column("dimension", Type.STRING, "Dimension"),
        Column("title", Type.STRING, "Title"),
        Column("value", Type.STRING, "Value"),
        Column("label", Type.STRING, "Value (name)"),
        Column("change", _amounts(metric), "Change", unit),
        Column("weight", Type.FLOAT, "Weight", unit),
    )
    named = [_named(deck, ChangeQuery(selection, before, metric, by), scope) for by in _offered(metric, selection, scope)]
    routes = {query.by.name: _routes(deck, query, scope) for query in named}
    missing = {query.by.name: _known_from(query, routes[query.by.name]) for query in named}
    asked = [query for query in named if missing[query.by.name] is None]
    late = None if asked else min((start for start in missing.values() if start is not None), default=None)
    about = About(selection.window, fresh, late)
    found: list[list[Any]] = []
    for query in _worth_asking(deck, scope, asked, routes):
        rows = _ranked(deck, query, scope, LOUDEST, against_the_trend=True)
        if rows and rows[0][-1] > 1:
            found.append([query.by.name, query.by.title, *_loudest(deck, query, scope, rows)])
    found.sort(key=lambda row: -row[-1])
    return Answer(Table(columns, found), about, NOTHING, len(found))


def _offered(metric: Metric, selection: Selection, scope: Scope) -> list[Dimension]:
    """Those that may tell something. That a rate of successes fell because of what did not succeed tells nothing: a ratio is not
    told by what it is made of."""
    measures = [MEASURES[name] for name in metric.formula.measures]
    made_of = frozenset().union(*(columns_in(f"{m.when} {m.argument}") for m in measures))
    own = made_of if isinstance(metric.formula, Ratio) else frozenset()
    return [
        d
        for d in DIMENSIONS.values()
        if d.split
        and selection.subject in d.of
        and not d.overlapping
        and not d.mostly_distinct
        and not d.columns & own
        and not (d.workspace_only and (scope.user_id is not None or d.label is Label.WORKSPACE))
    ]


def _known_from(query: ChangeQuery, routes: Routes) -> int | None:
    """From when on both periods can be told, when a part of one has expired."""
    late = [r.start for r, period in zip(routes, query.periods, strict=True) if r.start > period.selection.window.start]
    return max(late, default=None)


def _worth_asking(deck: Deck, scope: Scope, queries: Sequence[ChangeQuery], routes: Mapping[str, Routes]) -> list[ChangeQuery]:
    """Without those that would read all events to find a single value: one look at the events tells all of them."""
    dear = [query for query in queries if not all(route.slices for route in routes[query.by.name])]
    if not dear:
        return list(queries)
    statement = sql.compile_several(dear[0], scope, [query.by for query in dear])
    (counts,) = deck.answers.run(statement, _span(dear[0], scope))
    idle = {query.by.name for query, count in zip(dear, counts, strict=True) if count < 2}
    return [query for query in queries if query.by.name not in idle]


def _ranked(deck: Deck, query: ChangeQuery, scope: Scope, limit: int, *, against_the_trend: bool = False) -> Sequence[Row]:
    routes = _routes(deck, query, scope)
    statement = sql.compile_change(query, scope, routes, limit, against_the_trend=against_the_trend)
    return deck.answers.run(statement, _span(query, scope))


def _routes(deck: Deck, query: ChangeQuery, scope: Scope) -> Routes:
    before, after = (sql.plan(period, scope, deck.seals.ledger, deck.sizes) for period in query.periods)
    return before, after


def _named(deck: Deck, query: ChangeQuery, scope: Scope) -> ChangeQuery:
    return replace(query, selection=report.named(deck, query.selection, scope))


def _span(query: ChangeQuery, scope: Scope) -> Span:
    windows = (query.before, query.selection.window)
    return Span(scope.workspace_id, min(w.start for w in windows), max(w.end for w in windows))


# --- rows of the store ---------------------------------------------------------------------------------------------


def _measures(query: ChangeQuery) -> list[str]:
    return [m.name for m in sql.measures_of(query.periods[0])]


def _cut(query: ChangeQuery, cells: Row) -> _Part:
    """The measures before and after, out of cells that have one behind the other."""
    names = _measures(query)
    pair = [dict(zip(names, cells[i * len(names) :], strict=False)) for i, _ in enumerate(SIDES)]
    return _Part(*pair)


def _part(query: ChangeQuery, row: Row) -> _Part:
    return _cut(query, row[1:])


def _whole(query: ChangeQuery, rows: Sequence[Row]) -> _Part:
    """The measures over all values: every row has them. Without rows there was nothing."""
    names = _measures(query)
    if not rows:
        nothing = {name: MEASURES[name].nothing for name in names}
        return _Part(nothing, nothing)
    return _cut(query, rows[0][1 + len(SIDES) * len(names) :])


# --- amounts -------------------------------------------------------------------------------------------------------


def _fraction(metric: Metric, part: Measures, whole: Measures) -> Fraction | None:
    """What a part contributes to the metric. None when there is nothing to divide by."""
    formula = metric.formula
    if isinstance(formula, Sum):
        amount = sum(Fraction(part[n]) for n in formula.plus) - sum(Fraction(part[n]) for n in formula.minus)
        return Fraction(amount) / formula.divide_by
    assert isinstance(formula, Ratio), formula  # noqa: S101 - ChangeQuery lets nothing else through
    under = Fraction(whole[formula.under])
    return Fraction(part[formula.over]) / under if under else None


def _effect(formula: Ratio, part: _Part, whole: _Part) -> Fraction | None:
    """What a part of a ratio moved the whole by being unlike the whole of the period before."""
    over, under = formula.over, formula.under
    if not whole.before[under] or not whole.after[under]:
        return None
    usual = Fraction(whole.before[over]) / Fraction(whole.before[under])

    def pull(part: Measures, whole: Measures) -> Fraction:
        return (Fraction(part[over]) - usual * Fraction(part[under])) / Fraction(whole[under])

    return pull(part.after, whole.after) - pull(part.before, whole.before)


def rounded(parts: Sequence[Fraction], total: int) -> list[int]:
    """Whole numbers next to the parts that add up to the total, which is a rounded sum of theirs: those with the largest rest
    are rounded up."""
    found = [part.numerator // part.denominator for part in parts]
    if not found:
        return []
    each, more = divmod(total - sum(found), len(found))
    order = sorted(range(len(parts)), key=lambda i: found[i] - parts[i])
    for place, i in enumerate(order):
        found[i] += each + (place < more)
    return found


def _amounts(metric: Metric) -> Type:
    """The type of amounts that add up: floats do not."""
    return Type.INT if metric.type is Type.INT else Type.DECIMAL


def _amount(metric: Metric, units: int | None) -> Amount:
    """That many units of the last place."""
    places = PLACES[metric.type]
    return units if units is None or not places else Decimal(f"{units}e-{places}")


def _written(metric: Metric, parts: Sequence[_Part], whole: _Part) -> tuple[list[list[Cell]], Whole]:
    """The cells of every part, and those of the whole."""
    scale = 10 ** PLACES[metric.type]
    sides: list[tuple[int | None, list[int | None]]] = []
    for side in ("before", "after"):
        all_ = getattr(whole, side)
        total = _fraction(metric, all_, all_)
        if total is None:
            sides.append((None, [None for _ in parts]))
            continue
        units = round(total * scale)
        found = [_fraction(metric, getattr(part, side), all_) or Fraction(0) for part in parts]
        sides.append((units, [*rounded([part * scale for part in found], units)]))
    (before, befores), (after, afters) = sides
    change_ = None if before is None or after is None else after - before
    changes = [None if b is None or a is None else a - b for b, a in zip(befores, afters, strict=True)]
    rows: list[list[Cell]] = [
        [_amount(metric, b), _amount(metric, a), _amount(metric, c)] for b, a, c in zip(befores, afters, changes, strict=True)
    ]
    weighed: Sequence[int | None] = changes
    if isinstance(metric.formula, Ratio):
        effects = [_effect(metric.formula, part, whole) for part in parts]
        known = [effect * scale for effect in effects if effect is not None]
        weighed = rounded(known, change_) if change_ is not None else [None for _ in parts]
    for row, part, weight in zip(rows, parts, weighed, strict=True):
        row.append(weight / change_ + 0.0 if change_ and weight is not None else None)  # no -0.0
        if isinstance(metric.formula, Ratio):
            row += [metric.formula.of(part.before, 0), metric.formula.of(part.after, 0), _amount(metric, weight)]
    return rows, Whole(_amount(metric, before), _amount(metric, after), _amount(metric, change_))


def _columns(query: ChangeQuery, currency: str) -> tuple[Column, ...]:
    by, metric = query.by, query.metric
    kind, unit = _amounts(metric), currency if metric.unit == CURRENCY else metric.unit
    columns = [
        Column(by.name, by.type, by.title),
        Column(f"{by.name}_label", Type.STRING, f"{by.title} (name)"),
        Column("is_other", Type.BOOL, "Is Other"),
        Column("before", kind, "Before", unit),
        Column("after", kind, "After", unit),
        Column("change", kind, "Change", unit),
        Column("share", Type.FLOAT, "Share of the change", "ratio"),
    ]
    if isinstance(metric.formula, Ratio):
        columns += [
            Column("value_before", Type.FLOAT, f"{metric.title} before", unit),
            Column("value_after", Type.FLOAT, f"{metric.title} after", unit),
            Column("effect", kind, "Effect", unit),
        ]
    return tuple(columns)


def _loudest(deck: Deck, query: ChangeQuery, scope: Scope, rows: Sequence[Row]) -> list[Cell]:
    """Of the values that differ most from what all others did the one that did most, what it did, and how far they are from it
    together."""
    metric, whole = query.metric, _whole(query, rows)
    parts = [_part(query, row) for row in rows]
    weight = sum(abs(_unlike(metric, part, whole)) for part in parts)
    done = [_did(metric, part, whole) for part in parts]
    first = max(range(len(parts)), key=lambda i: (abs(done[i] or 0), -i))
    did = done[first]
    units = None if did is None else round(did * 10 ** PLACES[metric.type])
    cell = report.cell_of(query.by, rows[first][0])
    names = report.names_of(deck, query.by, scope)
    return [None if cell is None else str(cell), report.label(query.by, cell, names), _amount(metric, units), float(weight)]


def _did(metric: Metric, part: _Part, whole: _Part) -> Fraction | None:
    """The change of a part of a sum, the effect of a part of a ratio."""
    if isinstance(metric.formula, Ratio):
        return _effect(metric.formula, part, whole)
    before, after = (_fraction(metric, getattr(part, side), getattr(whole, side)) for side in ("before", "after"))
    return None if before is None or after is None else after - before


def _unlike(metric: Metric, part: _Part, whole: _Part) -> Fraction:
    """What a part did beyond what it would have done if all parts had changed alike."""
    formula = metric.formula
    before, after = (_fraction(metric, getattr(part, s), getattr(whole, s)) or Fraction(0) for s in ("before", "after"))
    all_before, all_after = (_fraction(metric, m, m) or Fraction(0) for m in (whole.before, whole.after))
    if isinstance(formula, Sum):
        return after - (before * all_after / all_before if all_before else 0)
    assert isinstance(formula, Ratio), formula  # noqa: S101 - ChangeQuery lets nothing else through
    shares = (
        Fraction(p[formula.under]) / Fraction(w[formula.under] or 1)
        for p, w in ((part.before, whole.before), (part.after, whole.after))
    )
    was, is_ = shares
    return (after - all_after * is_) - (before - all_before * was)

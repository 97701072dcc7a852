"""What the values of a dimension did between two periods: their measures in each, those that did most first.

Values are told apart, added up and ranked in the store, so that any number of them costs the reader a few rows. The order is
exact: it is found by comparing products of sums, and nothing is divided.
"""

from collections.abc import Sequence

from usagedeck.catalog.dimensions import Dimension
from usagedeck.catalog.formulas import Ratio, Sum
from usagedeck.catalog.kinds import DECIMALS
from usagedeck.query import ChangeQuery
from usagedeck.sql.conditions import expression, where
from usagedeck.sql.plan import Plan, measures_of
from usagedeck.sql.split import as_text
from usagedeck.sql.statement import Binder, Scope, Statement
from usagedeck.sql.usage import totals

SIDES = ("b", "a")
"""Before and after."""


def compile_change(
    query: ChangeQuery, scope: Scope, routes: tuple[Plan, Plan], limit: int, *, against_the_trend: bool = False
) -> Statement:
    """The values that did most, ties by value. Values that were nothing in both periods are left out.

    Of a sum the ones whose change is the largest are first; of a ratio those that moved it most by being unlike the period
    before as a whole (where one period has nothing to divide by: those that put the most into the other). With
    `against_the_trend` those are first that differ most from what they were if all had changed alike.
    Columns: `d0`, the measures as `b_…` and `a_…`, the same over all values as `all_b_…` and `all_a_…`, then `series`, the
    number of values.
    """
    bind = Binder()
    names = [m.name for m in measures_of(query.periods[0])]
    parts = [
        f"SELECT *, {late} AS late FROM ({totals(period, scope, route, bind)})"
        for late, (period, route) in enumerate(zip(query.periods, routes, strict=True))
    ]
    cells = [f"{side}_{name}" for side in SIDES for name in names]
    sums = [f"sumIf(m_{name}, late = {late}) AS {side}_{name}" for late, side in enumerate(SIDES) for name in names]
    told = f"SELECT d0, {', '.join(sums)} FROM ({' UNION ALL '.join(parts)}) GROUP BY d0"
    whole = [f"sum({cell}) OVER () AS all_{cell}" for cell in cells]
    something = " OR ".join(f"{cell} != 0" for cell in cells)
    seen = f"SELECT *, {', '.join(whole)}, count() OVER () AS series FROM ({told}) WHERE {something}"
    size = _against_the_trend(query) if against_the_trend else _size(query)
    columns = ("d0", *cells, *(f"all_{cell}" for cell in cells), "series")
    text = (
        f"SELECT {', '.join(columns)} FROM ({seen}) "
        f"ORDER BY abs({size}) DESC, {as_text(query.by, 'd0')} LIMIT {bind(limit, 'UInt32')}"
    )
    return Statement(text, bind.values, columns)


def compile_several(query: ChangeQuery, scope: Scope, dimensions: Sequence[Dimension]) -> Statement:
    """Whether there may be more than one value of each dimension in the two periods: a row with a column per dimension, 1 or 2.

    Repeats are looked at as well, which may say something else than the event that counts: so 2 is a guess, and 1 is not.
    """
    bind = Binder()
    stretches = [(period.selection.window.start, period.selection.window.end) for period in query.periods]
    chosen = where(query.selection, scope, bind, stretches=stretches)
    texts = [as_text(by, expression(by, bind)) for by in dimensions]
    names = [f"n{i}" for i, _ in enumerate(dimensions)]
    listed = ", ".join(f"uniqUpTo(1)({text}) AS {name}" for text, name in zip(texts, names, strict=True))
    return Statement(f"SELECT {listed} FROM {query.selection.subject} WHERE {chosen}", bind.values, tuple(names))


def _amount(formula: Sum, prefix: str) -> str:
    return " + ".join(f"{prefix}_{name}" for name in formula.plus) + "".join(f" - {prefix}_{name}" for name in formula.minus)


def _wide(sql: str, places: int = DECIMALS) -> str:
    """A sum in a type that holds products of three."""
    return f"toDecimal256({sql}, {places})"


def _size(query: ChangeQuery) -> str:
    """What a value did, times a positive number that is the same for all of them."""
    formula = query.metric.formula
    if isinstance(formula, Sum):
        before, after = (" + ".join(_wide(f"{side}_{n}") for n in formula.plus) for side in SIDES)
        less, more = ("".join(f" - {_wide(f'{side}_{n}')}" for n in formula.minus) for side in SIDES)
        return f"({after}{more}) - ({before}{less})"
    over, under = _ratio(query)
    n_b, n_a, whole_n_b = (_wide(f"{place}_{over}") for place in ("b", "a", "all_b"))
    d_b, d_a = (_wide(f"{side}_{under}", 0) for side in SIDES)
    all_b, all_a = (_wide(f"greatest(all_{side}_{under}, 1)", 0) for side in SIDES)
    one_sided = f"all_b_{under} = 0 OR all_a_{under} = 0"
    effect = f"{all_b} * ({n_a} * {all_b} - {whole_n_b} * {d_a}) - {all_a} * ({n_b} * {all_b} - {whole_n_b} * {d_b})"
    return f"if({one_sided}, {n_b} + {n_a}, {effect})"


def _against_the_trend(query: ChangeQuery) -> str:
    """The same against what it would have been if all values had changed alike. Good for an order, not for a number."""
    formula = query.metric.formula
    if isinstance(formula, Sum):
        before, after, all_before, all_after = (f"toFloat64({_amount(formula, p)})" for p in ("b", "a", "all_b", "all_a"))
        return f"{after} - if({all_before} = 0, 0, {before} * {all_after} / {all_before})"
    over, under = _ratio(query)
    pulls = []
    for side in SIDES:
        n, d, all_n = (f"toFloat64({place})" for place in (f"{side}_{over}", f"{side}_{under}", f"all_{side}_{over}"))
        all_d = f"toFloat64(greatest(all_{side}_{under}, 1))"
        pulls.append(f"({n} - {all_n} / {all_d} * {d}) / {all_d}")
    return f"{pulls[1]} - {pulls[0]}"


def _ratio(query: ChangeQuery) -> tuple[str, str]:
    formula = query.metric.formula
    assert isinstance(formula, Ratio), formula  # noqa: S101 - ChangeQuery lets nothing else through
    return formula.over, formula.under

"""WHERE: which rows a selection is about, and of those the ones that the scope may see."""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal

from usagedeck.catalog.dimensions import ATTRIBUTE, Dimension
from usagedeck.catalog.fields import JOINING, MAX_DURATION, Field, fields
from usagedeck.catalog.kinds import DECIMALS, Subject, Type
from usagedeck.filters import COMPARISONS, TEXTUAL, Filter, FilterValue, Op, Word
from usagedeck.query import Selection
from usagedeck.seals import QUARTER, Slice
from usagedeck.sql.statement import Binder, Scope
from usagedeck.stretches import Stretch


def expression(of: Dimension | Field, bind: Binder) -> str:
    """SQL of a dimension or log column; the key of an attribute is a value, so it is bound."""
    key = of.name.removeprefix(ATTRIBUTE)
    return of.sql.replace("{key}", bind(key, "String")) if key != of.name else of.sql


def condition(one: Filter, bind: Binder) -> str:
    sql = expression(one.dimension, bind)
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


def _bound(op: Op, value: FilterValue, bind: Binder) -> str:
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


def _equals(one: Filter, sql: str, bind: Binder) -> str:
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


def _word(word: Word, subject: Subject, bind: Binder) -> str:
    place = bind(word.text, "String")
    tests = [f"positionCaseInsensitiveUTF8({f.sql}, {place}) > 0" for f in fields(subject) if f.searchable]
    tests += [f"{name} IN {bind(list(ids), 'Array(String)')}" for name, ids in word.named if ids]
    return " OR ".join(tests)


def where(
    selection: Selection, scope: Scope, bind: Binder, *, stretches: Sequence[Stretch] | None = None, active: bool = False
) -> str:
    """The events of a selection that the scope may see: every question's WHERE is made here, or in `sealed`.

    Those that began in one of the stretches (the window, when absent), or that were `active` in one.
    """
    window = selection.window
    parts = whose(scope, scope.floor.events - (MAX_DURATION if active else 0), bind)
    parts.append(_within(((window.start, window.end),) if stretches is None else stretches, bind, active=active))
    return " AND ".join([*parts, *matching(selection, bind)])


def matching(selection: Selection, bind: Binder) -> list[str]:
    """What the selection asks of a row, wherever and whenever it is."""
    parts = [f"({condition(one, bind)})" for one in selection.filters]
    if selection.active_in is not None:
        low, high = (bind(edge, "Int64") for edge in selection.active_in)
        parts.append(f"(time < {high} AND ifNull(duration_ms, 0) > 0 AND time + assumeNotNull(duration_ms) > {low})")
    return parts + [f"({_word(word, selection.subject, bind)})" for word in selection.search]


def around(selection: Selection, scope: Scope, stretches: Sequence[Stretch], reach: int, bind: Binder) -> str:
    """The attempts that say what the deliveries are that began in one of the stretches: those within the reach of it, of
    deliveries that can match. What all attempts of a delivery agree in is asked of them; the rest is for `matching`."""
    low, high = min(low for low, _ in stretches), max(high for _, high in stretches)
    parts = [*whose(scope, scope.floor.events, bind), _within(((low - reach, high + reach),), bind)]
    agreed = [one for one in selection.filters if not one.dimension.joined and one.dimension.columns <= {*JOINING}]
    parts += [f"({condition(one, bind)})" for one in agreed]
    return " AND ".join(parts)


def sealed(selection: Selection, scope: Scope, slices: Sequence[Slice], bind: Binder) -> str:
    """The rows of a rollup that answer for a selection in the stretches of its slices."""
    parts = whose(scope, scope.floor.rollups, bind)
    parts.append(" OR ".join(f"({counting(one, bind)})" for one in slices))
    if len(slices) > 1:
        parts[-1] = f"({parts[-1]})"
    parts += [f"({condition(filtered, bind)})" for filtered in selection.filters]
    return " AND ".join(parts)


def counting(one: Slice, bind: Binder) -> str:
    """The rows that count in a slice; whose, is for the caller to say."""
    parts = [f"zone = {bind(one.cut.zone, 'String')}", _within(one.stretches, bind)]
    parts.append(f"seal IN {bind(one.numbers, 'Array(UInt64)')}")
    if one.shadowed:
        cell = "time" if one.cut.zone else f"time - time % {QUARTER}"
        parts.append(f"(seal, {cell}) NOT IN (SELECT arrayJoin({bind(one.shadowed, 'Array(Tuple(UInt64, Int64))')}))")
    return " AND ".join(parts)


def whose(scope: Scope, floor: int, bind: Binder) -> list[str]:
    """Rows of the scope at or above a floor."""
    own = [f"user_id = {bind(scope.user_id, 'String')}"] if scope.user_id is not None else []
    kept = [f"time >= {bind(floor, 'Int64')}"] if floor > 0 else []
    return [f"workspace_id = {bind(scope.workspace_id, 'String')}", *own, *kept]


def _within(stretches: Sequence[Stretch], bind: Binder, *, active: bool = False) -> str:
    """A test of time. The hull goes first, since it alone decides which parts of the table are read."""
    tests = []
    for low, high in stretches:
        start, end = bind(low, "Int64"), bind(high, "Int64")
        if active:
            begun = f"time >= {start} - {MAX_DURATION} AND time < {end}"
            tests.append(f"{begun} AND (time >= {start} OR time + ifNull(duration_ms, 0) > {start})")
        else:
            tests.append(f"time >= {start} AND time < {end}")
    if len(tests) == 1:
        return tests[0]
    low, high = min(low for low, _ in stretches), max(high for _, high in stretches)
    start, end = bind(low - MAX_DURATION if active else low, "Int64"), bind(high, "Int64")
    return f"time >= {start} AND time < {end} AND ({' OR '.join(f'({test})' for test in tests)})"

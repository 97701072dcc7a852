"""What rows of the log come to when they are added up one by one, by the words of the catalogue and without the store.

A measure can be told from rows when it counts them or adds up a field that they show. Conditions are said once more here, in
Python: a proof that asks the engine twice would believe its mistakes.
"""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

from usagedeck.catalog.fields import COLUMNS, Field
from usagedeck.catalog.formulas import Ratio, Sum
from usagedeck.catalog.kinds import Subject, Type, Value
from usagedeck.catalog.measures import MEASURES, OK_DELIVERY, OK_REQUEST, Measure
from usagedeck.catalog.metrics import METRICS, Metric
from usagedeck.table import Row

AT_ONCE = 2000
"""Rows that are in memory at one time."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What a row adds to a measure, by some of its columns."""

    columns: tuple[str, ...]
    of: Callable[..., int | Decimal]


_CONDITIONS: Mapping[str, _Told] = {
    "": _Told(("id",), lambda _: 1),
    OK_REQUEST: _Told(("status",), lambda status: status is not None and (status == 101 or 200 <= status <= 399)),
    OK_DELIVERY: _Told(("status",), lambda status: status is not None and 200 <= status <= 299),
    "credits > 0 OR cost > 0": _Told(("credits", "cost"), lambda credits, cost: (credits or 0) > 0 or (cost or 0) > 0),  # noqa: A006 - their names
    "attempt > 1": _Told(("attempt",), lambda attempt: attempt is not None and attempt > 1),
}
"""Which rows are counted, by what the catalogue says in SQL."""

_PRESENT = re.compile(r"isNotNull\(([a-z_]+)\)")
_FIELD = re.compile(r"ifNull\(([a-z_]+), 0\)")


def _told(measure: Measure) -> _Told | None:
    """None for a measure that no row tells."""
    found = None
    if measure.function == "count":
        present = _PRESENT.fullmatch(measure.when)
        found = _Told((present[1],), lambda cell: cell is not None) if present else _CONDITIONS.get(measure.when)
    elif measure.function == "sum" and not measure.when and (field := _FIELD.fullmatch(measure.argument)):
        found = _Told((field[1],), lambda cell: cell or 0)
    return found if found and all(COLUMNS.get(name) for name in found.columns) else None


_TOLD: Mapping[str, _Told] = {name: found for name, one in MEASURES.items() if (found := _told(one))}


def metrics_of(subject: Subject, *, joined: bool) -> tuple[Metric, ...]:
    """The metrics that rows of a log tell: of single events, or of deliveries."""
    return tuple(
        m
        for m in METRICS.values()
        if m.of is subject and m.joined is joined and isinstance(m.formula, Sum | Ratio) and _TOLD.keys() >= {*m.formula.measures}
    )


def columns_of(metrics: Iterable[Metric]) -> tuple[Field, ...]:
    """The columns that the metrics are told from."""
    names = {name for m in metrics for measure in m.formula.measures for name in _TOLD[measure].columns}
    return tuple(field for name, field in COLUMNS.items() if field and name in names)


def added_up(rows: Iterable[Row], names: Sequence[str], metrics: Sequence[Metric]) -> list[Value]:
    """The metrics over rows with columns of these names."""
    sums: dict[str, int | Decimal] = {measure: 0 for m in metrics for measure in m.formula.measures}
    left = iter(rows)
    while some := list(islice(left, AT_ONCE)):
        cells = dict(zip(names, zip(*some, strict=True), strict=True))
        for name in sums:
            one = _TOLD[name]
            sums[name] += sum(map(one.of, *(cells[column] for column in one.columns)))
    return [m.formula.of(sums, 0) for m in metrics]


def read(lines: Iterable[str]) -> tuple[list[str], Iterator[Row]]:
    """The names and the rows of a CSV. A line that cannot be read is no row, so it is missed wherever rows are counted."""
    found = csv.reader(lines)
    names = next(found)
    kinds = [_CELLS.get(field.type, str) if (field := COLUMNS.get(name)) else str for name in names]

    def rows() -> Iterator[Row]:
        for line in found:
            try:
                yield [read_(text) if text else None for read_, text in zip(kinds, line, strict=True)]
            except (ValueError, InvalidOperation):
                continue

    return names, rows()


_CELLS: Mapping[Type, Callable[[str], Any]] = {Type.INT: int, Type.DECIMAL: Decimal}

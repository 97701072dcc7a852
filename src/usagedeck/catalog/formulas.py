"""Formulas: how a metric is made of measures."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

from usagedeck.catalog.kinds import Value


@dataclass(frozen=True, slots=True)
class Sum:
    """Measures added and subtracted, divided by a constant to change the unit. Adds up wherever its measures do."""

    plus: tuple[str, ...]
    minus: tuple[str, ...] = ()
    divide_by: int = 1

    @property
    def measures(self) -> tuple[str, ...]:
        return self.plus + self.minus

    def of(self, values: Mapping[str, Value], span: int) -> Value:
        total: int | Decimal = 0
        for name in self.plus:
            total += _exact(values[name])
        for name in self.minus:
            total -= _exact(values[name])
        return total if self.divide_by == 1 else float(total / self.divide_by)


@dataclass(frozen=True, slots=True)
class Ratio:
    """One division of an exact sum by an exact count; absent when the count is zero."""

    over: str
    under: str

    @property
    def measures(self) -> tuple[str, ...]:
        return (self.over, self.under)

    def of(self, values: Mapping[str, Value], span: int) -> Value:
        under = _exact(values[self.under])
        return float(_exact(values[self.over]) / under) if under else None


@dataclass(frozen=True, slots=True)
class Single:
    """A measure as it is: a percentile, a peak."""

    measure: str

    @property
    def measures(self) -> tuple[str, ...]:
        return (self.measure,)

    def of(self, values: Mapping[str, Value], span: int) -> Value:
        value = values[self.measure]
        if value is None or value != value:  # the store says NaN for the percentile of nothing
            return None
        return round(value, 2) if isinstance(value, float) else value


@dataclass(frozen=True, slots=True)
class PerTime:
    """A measure of milliseconds per millisecond of the bucket that lies inside the window and has passed; absent where the
    measure is."""

    measure: str

    @property
    def measures(self) -> tuple[str, ...]:
        return (self.measure,)

    def of(self, values: Mapping[str, Value], span: int) -> Value:
        return float(_exact(values[self.measure]) / span) if span > 0 and self.measure in values else None


def _exact(value: Value) -> int | Decimal:
    assert isinstance(value, int | Decimal), value  # noqa: S101 - sums and counts are never absent, never floats
    return value


Formula: TypeAlias = Sum | Ratio | Single | PerTime

"""A breakdown as SQL: by which values rows are told apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from usagedeck.catalog.dimensions import Dimension
from usagedeck.catalog.kinds import Type
from usagedeck.sql.conditions import expression
from usagedeck.sql.statement import Binder

Series: TypeAlias = tuple[str, ...]
"""The values of a series, one per dimension, as text; '' where absent."""


@dataclass(frozen=True, slots=True)
class Split:
    """The breakdown as SQL: the columns of the inner select and the names that the outer select groups by."""

    inner: list[str]
    keys: list[str]


def split_by(dimensions: Sequence[Dimension], top: Sequence[Series] | None, bind: Binder) -> Split:
    """The breakdown of rows that have all columns; with `top`, series that are not listed become one."""
    columns = {i: expression(by, bind) for i, by in enumerate(dimensions)}
    texts = {i: as_text(by, columns[i]) for i, by in enumerate(dimensions)}
    many = next((i for i, by in enumerate(dimensions) if by.overlapping), None)
    inner: list[str] = []
    if many is not None:
        inner.append(f"if(empty({columns[many]}), [''], arrayMap(x -> toString(x), {columns[many]})) AS parts")
        texts[many] = "x"
    keys = [f"d{i}" for i in columns]
    if top is None:
        inner += [f"{'arrayJoin(parts)' if i == many else sql} AS d{i}" for i, sql in columns.items()]
        return Split(inner, keys)
    listed = _listed([texts[i] for i in columns], top, bind)
    if many is None:
        inner.append(f"{listed} AS listed")
    else:
        inner.append(f"arrayFilter(x -> {listed}, parts) AS kept")
        inner.append("notEmpty(kept) AS listed")
    for i, sql in columns.items():
        value = "arrayJoin(if(listed, kept, ['']))" if i == many else f"if(listed, {sql}, {nothing(dimensions[i])})"
        inner.append(f"{value} AS d{i}")
    inner.append("NOT listed AS other")
    return Split(inner, [*keys, "other"])


def grouped(rows: str, columns: Sequence[str], keys: Sequence[str], sums: Sequence[str]) -> str:
    """Aggregates of rows, which are given further columns to be grouped by."""
    inner = f"SELECT {', '.join(['*', *columns])} FROM {rows}"
    return f"SELECT {', '.join([*keys, *sums])} FROM ({inner}) GROUP BY {', '.join(keys)}"


def _is_absent(by: Dimension, key: str) -> str:
    return f"{key} = ''" if by.type in (Type.STRING, Type.LIST) else f"isNull({key})"


def nothing(by: Dimension) -> str:
    return "''" if by.type in (Type.STRING, Type.LIST) else "NULL"


def as_text(by: Dimension, sql: str) -> str:
    """A value as menus show it and series are listed by it; '' where absent."""
    if by.type is Type.BOOL:
        return f"multiIf(isNull({sql}), '', {sql}, 'true', 'false')"
    return f"toString({sql})" if by.type in (Type.STRING, Type.LIST) else f"ifNull(toString({sql}), '')"


def _listed(texts: list[str], top: Sequence[Series], bind: Binder) -> str:
    """`IN` looks a row up in a set; `has` would compare it with one series after the other."""
    if len(texts) == 1:
        return f"{texts[0]} IN {bind([s[0] for s in top], 'Array(String)')}"
    kind = ", ".join("String" for _ in texts)
    return f"tuple({', '.join(texts)}) IN {bind(list(top), f'Array(Tuple({kind}))')}"


def keys_of(dimensions: Sequence[Dimension], top: Sequence[Series] | None) -> list[str]:
    """The names that a breakdown groups by."""
    return [*(f"d{i}" for i, _ in enumerate(dimensions)), *(["other"] if top is not None else [])]


def order_of(dimensions: Sequence[Dimension], top: Sequence[Series] | None) -> list[str]:
    """How series are put in order: the listed ones first, absent values last."""
    return [
        *(["other"] if top is not None else []),
        *(f"{_is_absent(by, f'd{i}')}, d{i}" for i, by in enumerate(dimensions)),
    ]

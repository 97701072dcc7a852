"""Answers of the API as text for a terminal: aligned columns, or the cells of a table read back from JSON."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from usagedeck.catalog.kinds import Type
from usagedeck.table import Cell, Column
from usagedeck.times import iso_local, parse_instant

_GAP = "  "
_RIGHT = (Type.INT, Type.DECIMAL, Type.FLOAT)
_LABEL = "_label"
_WIDEST = 60


def columns_of(answer: Mapping[str, Any]) -> tuple[Column, ...]:
    """The columns of an answer."""
    return tuple(Column(c["name"], Type(c["type"]), c["title"], c["unit"]) for c in answer["columns"])


def cells_of(columns: Sequence[Column], row: Sequence[Any]) -> list[Cell]:
    """A row of an answer as cells of a table."""
    return [_cell(column, cell) for column, cell in zip(columns, row, strict=True)]


def _cell(column: Column, cell: Any) -> Cell:
    if cell is None:
        return None
    if column.type is Type.INSTANT:
        return parse_instant(cell, field=column.name)
    found: Cell = Decimal(cell) if column.type is Type.DECIMAL else cell
    return found


class Aligned:
    """Rows under each other. Display names stand for the ids they belong to; a column grows with what comes."""

    def __init__(self, columns: Sequence[Column], zone: ZoneInfo) -> None:
        names = {column.name: i for i, column in enumerate(columns)}
        self._columns = [(i, names.get(c.name + _LABEL), c) for i, c in enumerate(columns) if c.name[: -len(_LABEL)] not in names]
        self._zone = zone
        self._heads = [_head(column) for _, _, column in self._columns]
        self._widths = [_width(head) for head in self._heads]

    def lines(self, rows: Iterable[Sequence[Any]]) -> Iterator[str]:
        """Lines of rows of an answer."""
        texts = [[self._text(row, *where) for where in self._columns] for row in rows]
        for line in texts:
            self._widths = [max(width, min(_width(text), _WIDEST)) for width, text in zip(self._widths, line, strict=True)]
        return (self._line(line) for line in texts)

    def head(self) -> str:
        """The line above them, as wide as what has come so far."""
        return self._line(self._heads)

    def _text(self, row: Sequence[Any], at: int, label: int | None, column: Column) -> str:
        cell = row[at] if label is None or row[label] is None else row[label]
        if cell is None:
            return "-"
        if column.type is Type.INSTANT:
            return iso_local(parse_instant(cell, field=column.name), self._zone)
        if isinstance(cell, bool):
            return "true" if cell else "false"
        if isinstance(cell, list):
            cell = ", ".join(cell)
        if isinstance(cell, dict):
            cell = ", ".join(f"{key}={value}" for key, value in sorted(cell.items()))
        return "".join(ch if ch.isprintable() else "\N{REPLACEMENT CHARACTER}" for ch in str(cell))

    def _line(self, texts: Sequence[str]) -> str:
        cells = (
            " " * (width - _width(text)) + text if column.type in _RIGHT else text + " " * (width - _width(text))
            for text, width, (_, _, column) in zip(texts, self._widths, self._columns, strict=True)
        )
        return _GAP.join(cells).rstrip()


def _head(column: Column) -> str:
    return f"{column.title} ({column.unit})" if column.unit and column.unit.lower() != column.title.lower() else column.title


def _width(text: str) -> int:
    """Places in a terminal."""
    return sum(0 if unicodedata.combining(ch) else 2 if unicodedata.east_asian_width(ch) in "WF" else 1 for ch in text)

"""The one type of answer, and how it becomes JSON cells or CSV.

A `Table` is columns and rows; rows may be a list or a stream that is read once. Inside, an instant is epoch milliseconds,
an amount a `Decimal`, an absent cell `None`. Nothing here knows where the rows came from or who will read them.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

from usagedeck.catalog.kinds import Type
from usagedeck.times import iso, iso_local

Cell: TypeAlias = str | int | float | Decimal | bool | list[str] | Mapping[str, str] | None
Row: TypeAlias = Sequence[Any]

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A text cell that begins so is run as a formula by spreadsheets; it is written with an apostrophe in front."""

_CSV_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: Type
    title: str
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    columns: tuple[Column, ...]
    rows: Iterable[Row]

    def read(self) -> "Table":
        """The same with its rows in memory, so that they can be read again."""
        return replace(self, rows=list(self.rows))

    def with_constant(self, column: Column, value: Cell, *, at: int) -> "Table":
        """The same with one more column that is equal in every row."""
        return Table(
            (*self.columns[:at], column, *self.columns[at:]),
            ([*row[:at], value, *row[at:]] for row in self.rows),
        )


def plain(amount: Decimal) -> str:
    """A decimal in full, without exponent or trailing zeros: `1200`, `0.1`."""
    text = f"{amount:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) if amount else "0"


def json_cell(type_: Type) -> Callable[[Any], Any]:
    """How a cell of that type is written in our JSON: instants as ISO 8601 in UTC, decimals as strings."""
    if type_ is Type.INSTANT:
        return lambda cell: None if cell is None else iso(cell)
    if type_ is Type.DECIMAL:
        return lambda cell: None if cell is None else plain(cell)
    if type_ is Type.BOOL:
        return lambda cell: None if cell is None else bool(cell)
    return lambda cell: cell


def json_rows(table: Table) -> list[list[Any]]:
    """The rows with every cell ready for JSON."""
    cells = [json_cell(column.type) for column in table.columns]
    return [[write(cell) for write, cell in zip(cells, row, strict=True)] for row in table.rows]


def csv_text(text: str) -> str:
    """A text as a cell of CSV among others: disarmed, and quoted where it must be."""
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\r\n").writerow((_text(text), ""))
    return line.getvalue()[: -len(",\r\n")]


def _text(cell: str | None) -> str:
    if not cell:
        return ""
    return "'" + cell if cell.startswith(FORMULA_STARTS) else cell


def _csv_cell(column: Column, zone: ZoneInfo) -> Callable[[Any], str]:
    kind = column.type
    if kind is Type.STRING:
        return _text
    if kind is Type.INSTANT:
        return lambda cell: "" if cell is None else iso_local(cell, zone)
    if kind is Type.DECIMAL:
        return lambda cell: "" if cell is None else plain(cell)
    if kind is Type.BOOL:
        return lambda cell: "" if cell is None else "true" if cell else "false"
    if kind is Type.LIST:
        return lambda cell: _text("|".join(cell or ()))
    if kind is Type.MAP:
        return lambda cell: _text("|".join(f"{k}={v}" for k, v in sorted((cell or {}).items())))
    return lambda cell: "" if cell is None else repr(cell) if isinstance(cell, float) else str(cell)


def csv_lines(table: Table, zone: ZoneInfo) -> Iterator[bytes]:
    """RFC 4180 in UTF-8, header first, instants on the zone's clock with their offset; a chunk at a time."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    cells = [_csv_cell(column, zone) for column in table.columns]
    writer.writerow([column.name for column in table.columns])
    rows = iter(table.rows)
    while True:
        writer.writerows([write(cell) for write, cell in zip(cells, row, strict=True)] for row in islice(rows, _CSV_ROWS))
        chunk = buffer.getvalue()
        if not chunk:
            return
        yield chunk.encode()
        buffer.seek(0)
        buffer.truncate()


def joined(lines: Iterable[str]) -> Iterator[bytes]:
    """Written lines in UTF-8, a chunk at a time."""
    found = iter(lines)
    while chunk := "".join(islice(found, _CSV_ROWS)):
        yield chunk.encode()

"""Parquet: typed columns, by the same plan as CSV. Nulls are absent, NaN too; a timestamp without a zone is read like any
time without an offset."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from usagedeck.catalog.fields import Field
from usagedeck.catalog.kinds import Type
from usagedeck.errors import InvalidInput
from usagedeck.readers import columns
from usagedeck.readers.cells import Convert, from_text
from usagedeck.readers.columns import Columns, Conversion
from usagedeck.readers.mapping import Plan
from usagedeck.readers.rows import Refusal, Row, RowIds
from usagedeck.times import from_clock, iso, parse_instant

MAGIC = b"PAR1"

_ROWS = 8192
_MANY_ROWS = 131_072
_PER_MILLI = {"s": (1000, 1), "ms": (1, 1), "us": (1, 1000), "ns": (1, 1_000_000)}
"""Unit of a timestamp → (factor, divisor) to milliseconds."""
_EXACT = 2**53
_ZERO = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)


def read(stream: BinaryIO, plan: Plan, ids: RowIds) -> Iterator[Row | Refusal]:
    """The events of a file that can be sought in, numbered by position.

    Raises `InvalidInput` for a file that is broken or of another format, and when its columns and the plan do not fit.
    """
    file = _File(stream, plan, ids)
    for first, batch in file.batches(_ROWS):
        yield from file.rows(batch, range(first, first + batch.num_rows))


def read_columns(stream: BinaryIO, plan: Plan, ids: RowIds) -> Iterator[Columns | Row | Refusal]:
    """The same events many at a time, for whoever takes columns. A file that has no ids comes row by row.

    Raises the same.
    """
    file = _File(stream, plan, ids)
    conversion = file.conversion()
    if conversion is None:
        for first, batch in file.batches(_ROWS):
            yield from file.rows(batch, range(first, first + batch.num_rows))
        return
    for first, batch in file.batches(_MANY_ROWS):
        yield conversion.columns(first, file.by_index(batch), batch.num_rows, partial(file.singly, batch, first, {}))


class _File:
    """An opened file and what its columns are."""

    def __init__(self, stream: BinaryIO, plan: Plan, ids: RowIds) -> None:
        try:
            self._file = pq.ParquetFile(stream)
        except (pa.ArrowException, OSError) as error:
            raise _broken(error) from None
        self._schema = self._file.schema_arrow
        self._names = list(self._schema.names)
        if twice := sorted({name for name in self._names if self._names.count(name) > 1}):
            raise InvalidInput(f"The file names {', '.join(twice)[:200]} twice; rename one of them.", code="malformed")
        self._plan = plan
        self._ids = ids
        self._layout = plan.layout(self._names, lambda field, index: _converter(field, self._schema.field(index), plan.zone))

    def conversion(self) -> Conversion | None:
        """How its columns become columns of events, if that is possible for all of them."""
        return columns.conversion(self._layout, lambda index: self._schema.field(index).type, self._plan.zone)

    def batches(self, size: int) -> Iterator[tuple[int, Any]]:
        """Rows and the position of their first, one row group after the other, so that a broken one costs no row of those
        before."""
        used = [self._names[index] for index in self._layout.used]
        number = 1
        try:
            for group in range(self._file.num_row_groups):
                for batch in self._file.iter_batches(batch_size=size, row_groups=[group], columns=used):
                    yield number, batch
                    number += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise _broken(error) from None

    def by_index(self, batch: Any) -> dict[int, Any]:
        """The columns of a batch by their place in the file."""
        return {index: batch.column(self._names[index]) for index in self._layout.used}

    def singly(self, batch: Any, first: int, made: dict[int, Row | Refusal], places: Sequence[int]) -> list[Row | Refusal]:
        """Some rows of a batch that begins at that position. Those in `made` are not made again: that would change their ids."""
        if missing := [place for place in places if place not in made]:
            found = self.rows(batch.take(pa.array(missing, pa.int64())), [first + place for place in missing])
            made.update(zip(missing, found, strict=True))
        return [made[place] for place in places]

    def rows(self, batch: Any, numbers: Sequence[int]) -> Iterator[Row | Refusal]:
        """The rows of a batch one by one."""
        nothing = [None] * len(self._names)
        cells_of = [(index, _cells(column)) for index, column in self.by_index(batch).items()]
        for place, number in enumerate(numbers):
            cells: list[Any] = nothing.copy()
            for index, column in cells_of:
                cells[index] = column[place]
            yield self._layout.row(number, cells, self._ids)


def _broken(error: Exception) -> InvalidInput:
    return InvalidInput(f"This is no readable Parquet file: {str(error).splitlines()[0][:200].rstrip('.')}.", code="malformed")


def _cells(column: Any) -> list[Any]:
    """A column's cells as the converters of its type take them."""
    kind = column.type
    if types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if types.is_timestamp(kind):
        column = column.cast(pa.int64())
    elif types.is_date(kind):
        column = column.cast(pa.date32()).cast(pa.int32())
    elif types.is_floating(kind):
        return _floats(column)
    elif types.is_decimal(kind):
        column = column.cast(pa.string())
    return list(column.to_pylist())


def _floats(column: Any) -> list[float | None]:
    """Short floats become the long ones of the same spelling: 0.1 stays 0.1."""
    kind = column.type
    if not types.is_float64(kind):
        texts = (column.cast(pa.float32()) if types.is_float16(kind) else column).cast(pa.string()).to_pylist()
        found = [None if text is None else float(text) for text in texts]
    else:
        found = column.to_pylist()
    return [None if number is None or math.isnan(number) else number for number in found]


def _converter(field: Field, column: Any, zone: ZoneInfo) -> Convert | None:
    """How the cells of a column become values of a field."""
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    text = from_text(field, zone)
    found = _typed(field, kind, zone, text)
    if found is None:
        raise InvalidInput(
            f"The column {column.name} holds {kind}, which does not fit {field.name}. Map another one, or leave it out with "
            f"--ignore {column.name}.",
            field="--map",
            code="wrong_type",
        )
    return found


def _typed(field: Field, kind: Any, zone: ZoneInfo, text: Convert | None) -> Convert | None:
    as_text = text or _same
    if types.is_timestamp(kind) or types.is_date(kind):
        return _timestamp(field, kind, zone)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_decimal(kind):
        return as_text  # decimals come as text too, so that not a digit is lost
    if types.is_floating(kind):
        return _floating(field, as_text)
    if types.is_integer(kind):
        return _same if field.type in (Type.INT, Type.DECIMAL, Type.INSTANT) else lambda cell: as_text(str(cell))
    if types.is_boolean(kind):
        return (lambda cell: "true" if cell else "false") if field.type is Type.STRING else None
    if types.is_list(kind) or types.is_large_list(kind):
        return (lambda cell: [str(part) for part in cell if part is not None] or None) if field.type is Type.LIST else None
    if types.is_map(kind) or types.is_struct(kind):
        return _pairs if field.type is Type.MAP else None
    return None


def _floating(field: Field, as_text: Convert) -> Convert:
    """Floats often are whole numbers of a column that has gaps."""
    if field.type is Type.INSTANT:
        return lambda cell: parse_instant(cell, field=field.name)
    return lambda cell: as_text(str(int(cell)) if cell.is_integer() and abs(cell) < _EXACT else repr(cell))


def _same(cell: Any) -> Any:
    return cell


def _pairs(cell: Any) -> dict[str, str] | None:
    items = cell.items() if isinstance(cell, dict) else cell
    return {str(key): str(value) for key, value in items if value is not None} or None


def _timestamp(field: Field, kind: Any, zone: ZoneInfo) -> Convert | None:
    """Timestamps arrive as numbers of their unit, dates as days."""
    times, over = _PER_MILLI[kind.unit] if types.is_timestamp(kind) else (86_400_000, 1)
    on_clock = types.is_date(kind) or kind.tz is None

    def instant(cell: int) -> int:
        millis = cell * times // over
        if not on_clock:
            return millis
        try:
            return from_clock(_ZERO + timedelta(milliseconds=millis), zone, field=field.name)
        except OverflowError:
            return millis  # outside the calendar; refused as such

    def text(cell: int) -> str:
        try:
            return iso(instant(cell))
        except OverflowError:
            raise InvalidInput(f"{field.name} is outside the calendar.", field=field.name) from None

    if field.type is Type.INSTANT:
        return instant
    return text if field.type is Type.STRING else None

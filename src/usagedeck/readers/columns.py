"""Columns of a file become columns of events, many rows at a time, without a Python object per cell.

Only cells whose meaning is beyond doubt are converted here. A row with any other cell is marked, and its event is made row by row
(`mapping.Layout`), where all the rules and words are. So a converted cell has the value its row would have been given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from usagedeck.catalog.dimensions import ATTRIBUTE, log_field
from usagedeck.catalog.fields import Field
from usagedeck.catalog.kinds import DECIMALS, KINDS, MAX_AMOUNT, Subject, Type
from usagedeck.readers.mapping import Layout
from usagedeck.readers.rows import Refusal, Row

Mask: TypeAlias = npt.NDArray[np.bool_]
Converted: TypeAlias = tuple[Any, Mask | None]
"""An array, and which of its cells are converted; None when all are. Absent is null."""

Convert: TypeAlias = Callable[[Any], Converted]

AMOUNT = pa.decimal128(len(str(MAX_AMOUNT - 1)) + DECIMALS, DECIMALS)
TEXT, INT = pa.string(), pa.int64()
LIST, MAP = pa.list_(TEXT), pa.map_(TEXT, TEXT)

_SCALE = 10**DECIMALS
_EXACT_FLOAT = 10.0**9
"""Below this a float that is a number of six decimals is that number and no other."""
_EXACT_WHOLE = 2.0**53
_SECONDS = 10**12
_PER_MILLI = {"s": (1000, 1), "ms": (1, 1), "us": (1, 1000), "ns": (1, 1_000_000)}
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
_NUMBER = r"^[0-9]{1,12}(\.[0-9]{1,6})?$"


@dataclass(frozen=True, slots=True)
class Columns:
    """Rows of a file that follow each other, as columns of events."""

    subject: Subject
    first: int
    """Position of the first row in the file."""
    size: int
    fields: Mapping[str, Any]
    """Columns by field name, absent cells null; `attributes` as a map."""
    plain: Mask
    """Which rows are converted."""
    singly: Callable[[Sequence[int]], Sequence[Row | Refusal]]
    """Makes the rows at these places one by one; asked in order, and asked again it gives the same."""


def converter(field: Field, kind: Any, zone: ZoneInfo) -> Convert | None:
    """How a column of that type becomes one of the field; None when that is done row by row."""
    if types.is_dictionary(kind):
        inner = converter(field, kind.value_type, zone)
        return None if inner is None else lambda column: inner(column.dictionary_decode())
    if field.type is Type.INSTANT:
        return _instant(kind, utc=zone.key == "UTC")
    if field.type is Type.INT:
        return _integer if types.is_integer(kind) else _whole_float if types.is_floating(kind) else None
    if field.type is Type.DECIMAL:
        return _amount(kind)
    if field.type is Type.LIST:
        return _groups if kind in (LIST, pa.large_list(TEXT), pa.list_(pa.large_string())) else None
    if field.type is Type.MAP:
        return _pairs if kind == MAP else None
    return _text if types.is_string(kind) or types.is_large_string(kind) or types.is_integer(kind) else None


def _numbers(column: Any) -> Any:
    """The cells as numpy has them; absent ones are 0."""
    return column.fill_null(0).to_numpy(zero_copy_only=False)


def _nullable(values: Any, column: Any, kind: Any = INT) -> Any:
    """An array of these values that is null where the column is."""
    absent = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    return pa.array(values, kind, mask=absent)


# --- texts --------------------------------------------------------------------------------------------------------


def _text(column: Any) -> Converted:
    if types.is_integer(column.type):
        return column.cast(TEXT), None
    return column.cast(pa.binary()).cast(TEXT), None  # which refuses what is not UTF-8


# --- instants -----------------------------------------------------------------------------------------------------


def _instant(kind: Any, *, utc: bool) -> Convert | None:
    if types.is_timestamp(kind):
        return _timestamp(*_PER_MILLI[kind.unit]) if kind.tz is not None or utc else None
    if types.is_date(kind):
        return (lambda column: _timestamp(86_400_000, 1)(column.cast(pa.date32()).cast(pa.int32()))) if utc else None
    if types.is_integer(kind):
        return _integer
    if types.is_string(kind) or types.is_large_string(kind):
        return lambda column: _spelt(column, utc=utc)
    return None


def _timestamp(times: int, over: int) -> Convert:
    def convert(column: Any) -> Converted:
        values = _numbers(column.cast(INT))
        sane = np.abs(values) <= _SECONDS if times > 1 else None
        kept = values if sane is None else np.where(sane, values, 0)
        return _nullable(kept * times // over, column), sane

    return convert


def _spelt(column: Any, *, utc: bool) -> Converted:
    known = pc.match_substring_regex(column, f"{_TIME}Z?$" if utc else f"{_TIME}Z$").fill_null(True)  # noqa: FBT003
    plain = known.to_numpy(zero_copy_only=False)
    bare = pc.utf8_rtrim(pc.if_else(known, column.cast(TEXT), None), "Z")
    micros = bare.cast(pa.timestamp("us")).cast(INT)
    return _nullable(_numbers(micros) // 1000, micros), plain


# --- numbers ------------------------------------------------------------------------------------------------------


def _integer(column: Any) -> Converted:
    return column.cast(INT), None


def _long_floats(column: Any) -> Any:
    """Floats of 64 bits; short ones become the long ones of the same spelling. What is no number is absent."""
    if not types.is_float64(column.type):
        column = (column.cast(pa.float32()) if types.is_float16(column.type) else column).cast(TEXT).cast(pa.float64())
    return pc.if_else(pc.is_nan(column), None, column)


def _whole_float(column: Any) -> Converted:
    column = _long_floats(column)
    values = _numbers(column)
    plain = (np.abs(values) < _EXACT_WHOLE) & (np.trunc(values) == values)
    return _nullable(np.where(plain, values, 0).astype(np.int64), column), plain


def _amount(kind: Any) -> Convert | None:
    if types.is_decimal(kind):
        return lambda column: (column.cast(AMOUNT), None)
    if types.is_integer(kind):
        return _whole_amount
    if types.is_floating(kind):
        return _float_amount
    if types.is_string(kind) or types.is_large_string(kind):
        return _spelt_amount
    return None


def _whole_amount(column: Any) -> Converted:
    values = _numbers(column.cast(INT))
    plain = (values >= 0) & (values < int(MAX_AMOUNT))
    return _scaled(np.where(plain, values, 0) * _SCALE, column), plain


def _float_amount(column: Any) -> Converted:
    column = _long_floats(column)
    values = _numbers(column)
    near = np.where((values >= 0) & (values < _EXACT_FLOAT), values, 0.0)
    whole = np.rint(near * _SCALE)
    return _scaled(whole.astype(np.int64), column), (whole / _SCALE == values)


def _spelt_amount(column: Any) -> Converted:
    text = pc.if_else(pc.equal(column, ""), None, column)
    known = pc.match_substring_regex(text, _NUMBER).fill_null(True)  # noqa: FBT003
    return pc.if_else(known, text, None).cast(TEXT).cast(AMOUNT), known.to_numpy(zero_copy_only=False)


def _scaled(millionths: Any, column: Any) -> Any:
    """Amounts from whole millionths: a decimal of 128 bits is such a number, low half first."""
    halves = np.zeros((len(millionths), 2), np.int64)
    halves[:, 0] = millionths
    made = pa.Array.from_buffers(AMOUNT, len(millionths), [None, pa.py_buffer(halves.tobytes())])
    return pc.if_else(column.is_valid(), made, None) if column.null_count else made


# --- several in one cell ------------------------------------------------------------------------------------------


def _groups(column: Any) -> Converted:
    """Lists that are sorted and say nothing twice, and so stay as they are."""
    column = column.cast(LIST)
    parts, owners = column.flatten(), _numbers(pc.list_parent_indices(column))
    text = _text(parts)[0]
    plain = np.ones(len(column), np.bool_)
    odd = pc.equal(pc.fill_null(text, ""), "").to_numpy(zero_copy_only=False)
    if len(text) > 1:
        rising = pc.less(text.slice(0, len(text) - 1), text.slice(1)).fill_null(False)  # noqa: FBT003
        odd[1:] |= (owners[1:] == owners[:-1]) & ~rising.to_numpy(zero_copy_only=False)
    plain[owners[odd]] = False
    return column, plain


def _pairs(column: Any) -> Converted:
    """Maps without absent values, in which no key stands twice."""
    begins = column.offsets.to_numpy()
    sizes = np.diff(begins)
    plain = np.ones(len(column), np.bool_)
    plain[column.is_null().to_numpy(zero_copy_only=False) & (sizes > 0)] = False
    keys, values = (_text(part.slice(begins[0], begins[-1] - begins[0]))[0] for part in (column.keys, column.items))
    owners = np.repeat(np.arange(len(column)), sizes)
    plain[owners[values.is_null().to_numpy(zero_copy_only=False)]] = False
    codes = owners * (len(keys) + 1) + _numbers(keys.dictionary_encode().indices)
    again = np.ones(len(keys), np.bool_)
    again[np.unique(codes, return_index=True)[1]] = False
    plain[owners[again]] = False
    return pa.MapArray.from_arrays(pa.array(begins - begins[0], pa.int32()), keys, values), plain


def together(parts: Mapping[str, Any], size: int) -> Any:
    """One map a row from columns of text, each under its key; absent and empty cells are left out."""
    keys, columns = list(parts), list(parts.values())
    there = np.array([pc.not_equal(column, "").fill_null(False).to_numpy(zero_copy_only=False) for column in columns])  # noqa: FBT003
    rows, which = np.nonzero(there.T)
    values = pa.concat_arrays(columns).take(pa.array(which * size + rows))
    names = pa.array(keys, TEXT).take(pa.array(which))
    offsets = np.concatenate(([0], np.cumsum(there.sum(axis=0)))).astype(np.int32)
    return pa.MapArray.from_arrays(pa.array(offsets), names, values)


# --- a whole file -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Conversion:
    """How the columns of one file become columns of events."""

    subject: Subject
    converts: Sequence[tuple[int, str, Convert]]
    """Place in the file, name of the field, and how."""

    def columns(
        self, first: int, batch: Mapping[int, Any], size: int, singly: Callable[[Sequence[int]], Sequence[Row | Refusal]]
    ) -> Columns:
        """`batch` has the file's columns. When any cannot be converted at all, no row is."""
        plain = np.ones(size, np.bool_)
        made: dict[str, Any] = {}
        try:
            for index, name, convert in self.converts:
                made[name], known = convert(batch[index])
                if known is not None:
                    plain &= known
        except pa.ArrowInvalid:
            return Columns(self.subject, first, size, {}, np.zeros(size, np.bool_), singly)
        own = {name.removeprefix(ATTRIBUTE): made.pop(name) for name in list(made) if name.startswith(ATTRIBUTE)}
        if own:
            made[ATTRIBUTE[:-1]] = together(own, size)
        return Columns(self.subject, first, size, made, plain, singly)


def conversion(layout: Layout, kind_of: Callable[[int], Any], zone: ZoneInfo) -> Conversion | None:
    """How a file's columns become columns of events; None when that is done row by row: without ids, when rows say themselves
    what they are, when every row is given a value, and when a column is of an unusual type."""
    names = [put.name for put in layout.puts]
    attributes = ATTRIBUTE[:-1] in names and any(name.startswith(ATTRIBUTE) for name in names)
    if "id" not in names or "kind" in names or attributes or not layout.given.keys() <= {"kind"}:
        return None
    subject = KINDS[layout.given.get("kind", "request")]
    converts = []
    for put in layout.puts:
        convert = converter(log_field(put.name, subject), kind_of(put.index), zone)
        if convert is None:
            return None
        converts.append((put.index, put.name, convert))
    return Conversion(subject, converts)

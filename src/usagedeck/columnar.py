"""Columns of events become columns of the store: the rules of `events.EventReader`, many rows at a time.

Like `batches`, this takes what needs no word and leaves the rest: it says which rows it took, and the others are made one by one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from usagedeck.addresses import kept_ip
from usagedeck.catalog.dimensions import MAX_ATTRIBUTE_KEY
from usagedeck.catalog.fields import Field, fields
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.errors import InvalidInput
from usagedeck.events import Stamp, route_of
from usagedeck.readers.columns import LIST, TEXT, Columns, Mask
from usagedeck.seals import QUARTER
from usagedeck.settings import Settings
from usagedeck.times import SECOND

_LONGEST_ESCAPE = 6
"""Bytes that a byte of text may become in JSON."""
_REST_OF_AN_EVENT = 4096
"""Bytes of JSON that an event has at most besides its texts."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken of some columns."""

    table: Any
    """Columns of the store but for the version."""
    plain: Mask
    """Which rows are in the table."""
    quarters: set[int]
    """The quarter-hours (their first instants) in which the table's rows begin or are active."""


class ColumnReader:
    """Checks columns against the catalogue and the limits of the settings. Safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def read(self, columns: Columns, stamp: Stamp) -> Taken:
        """The rows that are beyond doubt."""
        made = dict(columns.fields)
        plain = columns.plain.copy()
        if stamp.redactions or "id" not in made or "time" not in made or not self._small(made):
            plain[:] = False
            return Taken(None, plain, set())
        for field in fields(columns.subject):
            if field.name in made:
                plain &= self._within(field, made[field.name])
        times = made["time"].fill_null(0).to_numpy(zero_copy_only=False)
        plain &= (times >= stamp.earliest) & (times <= stamp.now + self._settings.max_future_seconds * SECOND)
        plain &= _filled(made["id"])
        if columns.subject is Subject.REQUESTS:
            _complete(made, plain, stamp, columns.size)
        else:
            made["message_id"] = _or(made.get("message_id", pa.nulls(columns.size, TEXT)), made["id"])
        few = {field.name for field in fields(columns.subject) if not field.many}
        stored = {name: _stored(column, few=name in few) for name, column in made.items()}
        table = pa.table({"workspace_id": _same(stamp.workspace_id, columns.size), **stored})
        table = table if plain.all() else table.filter(pa.array(plain))
        return Taken(table, plain, _quarters(table))

    def _small(self, made: Mapping[str, Any]) -> bool:
        """No row can be larger than an event may be; else each is looked at."""
        longest = 0
        for column in made.values():
            kind = column.type
            if pa.types.is_string(kind):
                longest += _longest(column)
            elif pa.types.is_list(kind):
                longest += self._settings.max_groups * _longest(column.values)
            elif pa.types.is_map(kind):
                sizes = np.diff(column.offsets.to_numpy())
                longest += int(sizes.max(initial=0)) * (_longest(column.keys) + _longest(column.items))
        return longest * _LONGEST_ESCAPE + _REST_OF_AN_EVENT < self._settings.max_event_bytes

    def _within(self, field: Field, column: Any) -> Mask:
        """Which cells are inside the limits."""
        settings = self._settings
        if field.type is Type.INT:
            return _all(pc.and_(pc.greater_equal(column, field.low), pc.less_equal(column, field.high)))
        if field.type is Type.DECIMAL:
            return _all(pc.greater_equal(column, pa.scalar(Decimal(0), column.type)))
        if field.type is Type.LIST:
            begins = column.offsets.to_numpy()
            few: Mask = np.diff(begins) <= settings.max_groups
            return few & _owned(begins, _texts(column.values, settings.max_text))
        if field.type is Type.MAP:
            begins = column.offsets.to_numpy()
            good = _texts(column.keys, MAX_ATTRIBUTE_KEY) & _filled(column.keys) & _texts(column.items, settings.max_long_text)
            few = np.diff(begins) <= settings.max_attributes
            return few & _owned(begins, good)
        if field.type is Type.STRING:
            return _texts(column, settings.max_long_text if field.long else settings.max_text)
        return np.ones(len(column), np.bool_)


def _quarters(table: Any) -> set[int]:
    first = table["time"].to_numpy() // QUARTER
    if "duration_ms" not in table.column_names:
        return set((np.unique(first) * QUARTER).tolist())
    lasting = np.maximum(table["duration_ms"].fill_null(0).to_numpy(), 1)
    last = (table["time"].to_numpy() + lasting - 1) // QUARTER
    met, longer = set(np.unique(first).tolist()), last > first
    for begin, more in set(zip(first[longer].tolist(), last[longer].tolist(), strict=True)):
        met.update(range(begin, more + 1))
    return {quarter * QUARTER for quarter in met}


def _all(good: Any) -> Mask:
    """As numpy has it; absent cells are good."""
    found: Mask = good.fill_null(True).to_numpy(zero_copy_only=False)  # noqa: FBT003
    return found


def _longest(column: Any) -> int:
    return pc.max(pc.binary_length(column)).as_py() or 0


def _texts(column: Any, most: int) -> Mask:
    """Which texts are short enough and without NUL."""
    good = _all(pc.invert(pc.match_substring(column, "\0")))
    return good if _longest(column) <= most else good & _all(pc.less_equal(pc.utf8_length(column), most))


def _filled(column: Any) -> Mask:
    found: Mask = pc.not_equal(column, "").fill_null(False).to_numpy(zero_copy_only=False)  # noqa: FBT003
    return found


def _owned(begins: Any, good: Mask) -> Mask:
    """Which rows have good parts only. `begins` are places in all parts."""
    bad = np.concatenate(([0], np.cumsum(~good)))
    found: Mask = bad[begins[1:]] == bad[begins[:-1]]
    return found


def _complete(made: dict[str, Any], plain: Mask, stamp: Stamp, size: int) -> None:
    """What follows from the rest of a request."""
    nothing = pa.nulls(size, TEXT)
    if "currency" in made or "cost" in made:
        said = made.get("currency", nothing)
        named = _filled(said)
        plain &= ~named | pc.equal(pc.utf8_lower(said), stamp.currency).fill_null(False).to_numpy(zero_copy_only=False)  # noqa: FBT003
        priced = made["cost"].is_valid().to_numpy(zero_copy_only=False) if "cost" in made else np.zeros(size, np.bool_)
        made["currency"] = pc.if_else(pa.array(named | priced), stamp.currency, None)
    if "api_key_id" in made and stamp.owners:
        owners = _mapped(made["api_key_id"], stamp.owners.get)
        made["user_id"] = _or(made.get("user_id", nothing), owners)
    if "user_id" in made and stamp.groups:
        users = made["user_id"].dictionary_encode()
        theirs = pa.array([stamp.groups.get(user) for user in users.dictionary.to_pylist()], LIST).take(users.indices)
        made["group_ids"] = pc.coalesce(made["group_ids"], theirs) if "group_ids" in made else theirs
    if "path" in made:
        path = made["path"] = pc.replace_substring_regex(made["path"], r"(?s)\?.*", "")
        given = made.get("route", nothing)
        made["route"] = given if _filled(given).all() else _or(given, _mapped(path, route_of))
    if "ip" in made:
        kept = made["ip"] = _mapped(_or(made["ip"], nothing), lambda text: _address(text, full=stamp.full_ip))
        plain &= ~_filled(kept) | pc.not_equal(kept, _NO_ADDRESS).fill_null(True).to_numpy(zero_copy_only=False)  # noqa: FBT003


_NO_ADDRESS = "no address"


def _address(text: str, *, full: bool) -> str:
    try:
        return kept_ip(text, full)
    except InvalidInput:
        return _NO_ADDRESS


def _mapped(column: Any, work: Callable[[str], str | None]) -> Any:
    """Each different text once."""
    different = column.dictionary_encode()
    results = pa.array([work(text) for text in different.dictionary.to_pylist()], TEXT)
    return results.take(different.indices)


def _or(column: Any, other: Any) -> Any:
    """The other's cell where one is absent or empty."""
    return pc.if_else(pa.array(_filled(column)), column, other)


def _same(text: str, size: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(size, np.int8)), pa.array([text]))


def _stored(column: Any, *, few: bool) -> Any:
    """Absent texts are empty in the store. Where different ones are few it keeps them apart from the rows, and so do we: that is
    done faster here."""
    if not pa.types.is_string(column.type):
        return column
    column = column.fill_null("")
    return column.dictionary_encode() if few else column

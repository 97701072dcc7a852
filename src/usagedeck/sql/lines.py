"""The log as lines of CSV, written by the engine: many times faster than rows that pass through Python.

They are the same lines, byte for byte, that `table.csv_lines` writes of the same rows; a test holds the two together. What
this module cannot write it refuses, and the caller writes it the other way. It knows no names and no calendar: display names
and the offsets of a zone come as values.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from usagedeck.catalog.fields import Field
from usagedeck.catalog.kinds import Type
from usagedeck.query import LogQuery
from usagedeck.sql.conditions import expression
from usagedeck.sql.log import compile_rows
from usagedeck.sql.statement import Binder, Scope, Statement
from usagedeck.table import FORMULA_STARTS, csv_text

MAX_NAMES = 20_000
"""Most display names of a column that are bound to a statement."""

_PLAIN = (Type.INT, Type.DECIMAL)
_WRITTEN = (Type.STRING, Type.INSTANT, Type.LIST, Type.MAP, *_PLAIN)
_STARTS = "".join({"\t": "\\t", "\r": "\\r"}.get(start, start) for start in sorted(FORMULA_STARTS, key="-".__eq__))
_FORMULA = f"'^[{_STARTS}]'"
_SPECIAL = f"'^[{_STARTS}]|[\",\\r\\n]'"


@dataclass(frozen=True, slots=True)
class Name:
    """A column of display names of the field before it."""

    names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Constant:
    """A column that is equal in every line."""

    text: str


Part = Field | Name | Constant


@dataclass(frozen=True, slots=True)
class Offsets:
    """How far a zone's clock is from UTC: from each instant on so many milliseconds, spelt like this."""

    starts: Sequence[int]
    millis: Sequence[int]
    texts: Sequence[str]


def compile_lines(query: LogQuery, scope: Scope, parts: Sequence[Part], offsets: Offsets) -> Statement | None:
    """One column, `line`: the parts of each row with their separators and the line's end. None when it cannot be said."""
    if len(parts) < 2:  # an empty line has a spelling of its own
        return None
    bind = Binder()
    cells: list[str] = []
    column = ""
    for part in parts:
        if isinstance(part, Constant):
            cells.append(bind(csv_text(part.text), "String"))
        elif isinstance(part, Name):
            if len(part.names) > MAX_NAMES:
                return None
            cells.append(_named(column, part.names, bind))
        elif part.type in _WRITTEN:
            column = expression(part, bind)
            cells.append(_cell(part.type, column, offsets, bind))
        else:
            return None
    line = ", ',', ".join(cells)
    return compile_rows(query, scope, {"line": f"concat({line}, '\\r\\n')"}, bind)


def _cell(kind: Type, sql: str, offsets: Offsets, bind: Binder) -> str:
    if kind in _PLAIN:
        return f"ifNull(toString({sql}), '')"
    if kind is Type.INSTANT:
        return _instant(sql, offsets, bind)
    if kind is Type.LIST:
        return _text(f"arrayStringConcat({sql}, '|')")
    if kind is Type.MAP:
        pairs = f"arrayMap(k -> concat(k, '=', {sql}[k]), arraySort(mapKeys({sql})))"
        return _text(f"arrayStringConcat({pairs}, '|')")
    return _text(sql)


def _text(sql: str) -> str:
    """Nearly every text is written as it is, so there is one look at it before anything else."""
    guarded = f"if(match({sql}, {_FORMULA}), concat('\\'', {sql}), {sql})"
    doubled = f"replaceAll({guarded}, '\"', '\"\"')"
    quoted = f"if(match({guarded}, '[\",\\r\\n]'), concat('\"', {doubled}, '\"'), {guarded})"
    return f"if(match({sql}, {_SPECIAL}), {quoted}, {sql})"


def _named(sql: str, names: Mapping[str, str], bind: Binder) -> str:
    known = {id_: csv_text(name) for id_, name in names.items() if id_}
    if not known:
        return "''"
    ids, texts = bind(list(known), "Array(String)"), bind(list(known.values()), "Array(String)")
    return f"transform(toString({sql}), {ids}, {texts}, '')"


def _instant(sql: str, offsets: Offsets, bind: Binder) -> str:
    if len(offsets.starts) == 1:
        shift, spelt = bind(offsets.millis[0], "Int64"), bind(offsets.texts[0], "String")
    else:
        starts = bind(list(offsets.starts), "Array(Int64)")
        since = f"roundDown({sql}, {starts})"
        shift = f"transform({since}, {starts}, {bind(list(offsets.millis), 'Array(Int64)')}, toInt64(0))"
        spelt = f"transform({since}, {starts}, {bind(list(offsets.texts), 'Array(String)')}, '')"
    seconds = f"toDateTime(intDiv({sql} + {shift}, 1000), 'UTC')"
    millis = f"if({sql} % 1000 = 0, '', concat('.', substring(toString(1000 + {sql} % 1000), 2)))"
    return f"formatDateTime({seconds}, '%Y-%m-%dT%H:%i:%S'), {millis}, {spelt}"

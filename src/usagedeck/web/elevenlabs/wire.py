"""What the calls share besides errors: the table, columns and filters under their names on the wire."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

from pydantic import BaseModel, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from usagedeck import report
from usagedeck.access import View, Who
from usagedeck.catalog.dimensions import DIMENSIONS, Dimension, Label
from usagedeck.catalog.fields import FIELDS
from usagedeck.catalog.kinds import Type
from usagedeck.catalog.metrics import METRICS
from usagedeck.deck import Deck
from usagedeck.directory import keys
from usagedeck.errors import InvalidInput, did_you_mean
from usagedeck.filters import Filter, Op, RawValue
from usagedeck.query import Query, Selection
from usagedeck.web.elevenlabs.errors import MAX_ROWS
from usagedeck.windows import Interval

EARLIEST = 1_577_836_800_000
"""2020-01-01, the earliest instant these calls take."""

WIRE_OPS = tuple(op for op in Op if op not in (Op.CONTAINS, Op.STARTS_WITH))


# --- bodies -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OneOf:
    """A string out of a list made from the catalogue; shown as an enum in OpenAPI, refused as one in errors."""

    name: str
    values: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        members = Enum(self.name, {value: value for value in self.values})  # type: ignore[misc]
        choice = core_schema.enum_schema(members, list(members), sub_type="str")
        return core_schema.no_info_after_validator_function(lambda member: member.value, choice)


def _known(cost: bool = False) -> tuple[str, ...]:
    return tuple(d.group_by for d in DIMENSIONS.values() if d.group_by and (d.cost or not cost))


Millis = Annotated[int, Field(strict=True, ge=EARLIEST, description="Unix time in milliseconds.")]
GroupBy = Annotated[str, OneOf("GroupBy", _known())]
CostColumn = Annotated[str, OneOf("CostColumn", _known(cost=True))]
FilterOp = Annotated[str, OneOf("Operation", tuple(op.value for op in WIRE_OPS))]
CostOp = Annotated[str, OneOf("CostOperation", ("eq", "in", "neq", "not_in"))]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Limit = Annotated[int, Field(strict=True, ge=0, le=10**15, description="Credits a billing period.")]
FilterValue = str | int | float | bool | None


class ColumnFilter(BaseModel):
    """A condition on a column."""

    column: str
    operation: FilterOp
    values: list[FilterValue]


class CostFilter(BaseModel):
    """A condition on a column of the cost call."""

    column: CostColumn
    operation: CostOp
    values: list[FilterValue]


class Done(BaseModel):
    """It was done."""

    status: str


class WireTable(BaseModel):
    """Columns and rows: the SDKs' `WorkspaceAnalyticsQueryResponseModel`."""

    columns: list[str]
    column_types: list[str]
    column_units: list[str | None]
    rows: list[list[str | int | float | bool | None]]


# --- tables -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WireColumn:
    name: str
    type: Type
    unit: str | None = None


def wire_table(columns: Sequence[WireColumn], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """The table as it travels: numbers as numbers; a decimal column is Int when every cell is whole, else Float."""
    writers, types = [], []
    for index, column in enumerate(columns):
        kind, write = _written(column.type, [row[index] for row in rows] if column.type is Type.DECIMAL else [])
        types.append(kind)
        writers.append(write)
    return {
        "columns": [c.name for c in columns],
        "column_types": types,
        "column_units": [c.unit for c in columns],
        "rows": [[write(cell) for write, cell in zip(writers, row, strict=True)] for row in rows],
    }


def _written(kind: Type, cells: Iterable[Any]) -> tuple[Type, Callable[[Any], Any]]:
    if kind is Type.DECIMAL:
        whole = all(cell is None or cell == int(cell) for cell in cells)
        return (Type.INT, lambda c: None if c is None else int(c)) if whole else (Type.FLOAT, number)
    if kind is Type.FLOAT:
        return kind, number
    return kind, lambda cell: cell


def number(cell: Any) -> float | None:
    return None if cell is None else float(cell)


def exact_number(cell: Any) -> int | float:
    """A number for a series: never null, whole when it is whole."""
    if cell is None:
        return 0
    return int(cell) if isinstance(cell, Decimal) and cell == int(cell) else float(cell) if isinstance(cell, Decimal) else cell


# --- keys by their public hash --------------------------------------------------------------------------------------


class KeyHashes:
    """`hashed_xi_api_key` of the keys of a workspace, both ways."""

    def __init__(self, deck: Deck, who: Who) -> None:
        self._secret = deck.directory.secret
        self._verifiers = {key.id: key.verifier for key in deck.directory.api_keys.all(who.workspace.id)}
        self._made: dict[str, str] = {}

    def of(self, key_id: str | None) -> str | None:
        if not key_id:
            return None
        if key_id not in self._made:
            self._made[key_id] = keys.fingerprint(self._secret, self._verifiers.get(key_id) or f"id:{key_id}")
        return self._made[key_id]

    def ids(self, hashes: Iterable[str], seen: Callable[[], Iterable[str]]) -> list[str]:
        """The ids behind hashes; `seen` gives ids that occur in events, for keys that the directory does not know."""
        wanted = set(hashes)
        found = [id_ for id_ in self._verifiers if self.of(id_) in wanted]
        if len(found) < len(wanted):
            found += [id_ for id_ in seen() if id_ not in self._verifiers and self.of(id_) in wanted]
        return found


# --- filters --------------------------------------------------------------------------------------------------------


def usage_columns() -> Mapping[str, Dimension]:
    """What usage may be filtered by: every `group_by` name, and the trace id of a single request."""
    named = {d.group_by: d for d in DIMENSIONS.values() if d.group_by}
    return {**named, "trace_id": DIMENSIONS["trace_id"]}


def log_columns() -> Mapping[str, Dimension]:
    """What the log may be filtered by: every column it returns, and the spellings of its documentation."""
    named = {f.wire: DIMENSIONS[f.name] for f in FIELDS if f.wire and f.name in DIMENSIONS}
    return {**{alias: d for d in DIMENSIONS.values() for alias in d.aliases}, **named}


class Filters:
    """Turns filters on the wire into ours: hashes and names become ids, seconds milliseconds."""

    def __init__(self, deck: Deck, who: Who, view: View | None, selection: Selection) -> None:
        self._deck = deck
        self._who = who
        self._view = view
        self._selection = selection

    def build(self, wanted: Iterable[ColumnFilter | CostFilter], columns: Mapping[str, Dimension]) -> tuple[Filter, ...]:
        labels = {d.label_column: d for d in columns.values() if d.label_column}
        return tuple(self._one(one.column, one.operation, list(one.values), columns, labels) for one in wanted)

    def _one(
        self,
        column: str,
        op: str,
        values: list[RawValue],
        columns: Mapping[str, Dimension],
        labels: Mapping[str, Dimension],
    ) -> Filter:
        if column in columns:
            by = columns[column]
            if column == "hashed_xi_api_key":
                values = self._key_ids(values)
            elif column == "latency_seconds":
                values = [self._millis(value) for value in values]
            return Filter.build(by, op, values, param="filters")
        if column in labels:
            return self._named(labels[column], op, values)
        known = did_you_mean(column, [*columns, *labels])
        raise InvalidInput(f'filters: column "{column[:60]}" is unknown; {known}', field="filters")

    def _key_ids(self, values: list[RawValue]) -> list[RawValue]:
        hashes = [value for value in values if isinstance(value, str) and value]
        ids: list[RawValue] = list(KeyHashes(self._deck, self._who).ids(hashes, self._seen_keys))
        return [*ids, *(None for value in values if value in (None, ""))]

    def _seen_keys(self) -> list[str]:
        """All of them, never the first thousand: a hash that is not found would filter to nothing."""
        by = DIMENSIONS["api_key_id"]
        counted = METRICS["requests"]
        query = Query(self._selection, (counted,), Interval(unit="total"), (by,), row_cap=MAX_ROWS)
        return [str(row[2]) for row in report.usage(self._deck, self._who, self._view, query).table.rows if row[2]]

    def _named(self, by: Dimension, op: str, values: list[RawValue]) -> Filter:
        """A filter on display names as one on ids; null finds what has none."""
        if op not in (Op.EQ, Op.IN, Op.NEQ, Op.NOT_IN) or not all(isinstance(value, str | None) for value in values):
            raise InvalidInput(f"filters: {by.label_column} takes names with eq, in, neq or not_in.", field="filters")
        names = self._deck.directory.labels.names(self._who.workspace.id, by.label or Label.USER)
        values = [value or None for value in values]
        keep = op in (Op.EQ, Op.IN)
        if None not in values:
            return Filter(by, Op.IN if keep else Op.NOT_IN, tuple(id_ for id_, name in names.items() if name in values))
        others = tuple(id_ for id_, name in names.items() if name not in values)
        return Filter(by, Op.NOT_IN if keep else Op.IN, others)

    def _millis(self, value: RawValue) -> RawValue:
        if value in (None, "") or isinstance(value, bool):
            return value
        try:
            return Decimal(str(value)) * 1000
        except ArithmeticError:
            raise InvalidInput(f"filters: {str(value)[:40]!r} is no number of seconds.", field="filters") from None

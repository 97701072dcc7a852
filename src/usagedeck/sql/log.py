"""Single rows, in time order or as they arrived."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from usagedeck.query import LogQuery, Selection
from usagedeck.seals import QUARTER
from usagedeck.sql.conditions import expression, where
from usagedeck.sql.deliveries import delivered
from usagedeck.sql.statement import Binder, Scope, Statement
from usagedeck.stretches import Stretch


def compile_log(query: LogQuery, scope: Scope) -> Statement:
    """A page of rows in time order, one more than asked for so that the reader knows whether there are others.

    Columns: `time` and `id` (for the cursor), then those asked for, in order.
    """
    bind = Binder()
    columns = {f"c{i}": expression(column, bind) for i, column in enumerate(query.columns)}
    made = compile_rows(query, scope, {"row_time": "time", "row_id": "id", **columns}, bind)
    return replace(made, columns=("row_time", "row_id", *(c.name for c in query.columns)))


def compile_rows(query: LogQuery, scope: Scope, columns: Mapping[str, str], bind: Binder) -> Statement:
    """The rows of a page, with columns by name and SQL."""
    selection, upwards = query.selection, query.upwards
    if query.joined:
        within = ((selection.window.start, selection.window.end),)
        rows = delivered(selection, scope, within, query.reach, [column.sql for column in query.columns], bind)
    else:
        rows = f"{selection.subject} FINAL WHERE {where(selection, scope, bind)}"
    if query.cursor is not None:
        at, id_ = bind(query.cursor.time, "Int64"), bind(query.cursor.id, "String")
        sign = ">" if upwards else "<"
        rows += f" AND time {sign}= {at} AND (time {sign} {at} OR id {sign} {id_})"
    order = "ASC" if upwards else "DESC"
    limit = f" LIMIT {bind(query.limit + 1, 'UInt32')}" if query.limit is not None else ""
    listed = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    text = f"SELECT {listed} FROM {rows} ORDER BY time {order}, id {order}{limit}"
    return Statement(text, bind.values, tuple(columns))


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What arrived after one place in the order of arrival and not after another, in the words of the store: a version from
    `low` to below `high`."""

    low: int
    high: int
    stretches: Sequence[Stretch] | None
    """The times of everything that arrived between: what else there is need not be looked at. None: nobody knows."""


def compile_arrivals(query: LogQuery, scope: Scope, arrived: Arrivals, *, spread: bool = False) -> Statement:
    """The rows of a selection that arrived, first ones first, as many as the query's limit; with `spread` as many from anywhere
    among them. An event that was there before arrives no second time, and nor does one that was re-rated.

    Columns: `row_version`, then those asked for, in order.
    """
    bind = Binder()
    columns = {f"c{i}": expression(column, bind) for i, column in enumerate(query.columns)}
    order = "sipHash64(time, id)" if spread else "row_version DESC"
    text = f"{select_arrivals(query.selection, scope, arrived, {'row_version': 'version', **columns}, bind)} ORDER BY {order}"
    if query.limit is not None:
        text += f" LIMIT {bind(query.limit, 'UInt32')}"
    return Statement(text, bind.values, ("row_version", *(c.name for c in query.columns)))


def compile_arrival_count(selection: Selection, scope: Scope, arrived: Arrivals) -> Statement:
    """How many they are. Column: `arrived`."""
    bind = Binder()
    return Statement(select_arrivals(selection, scope, arrived, {"arrived": "count()"}, bind), bind.values, ("arrived",))


def compile_arrival_times(selection: Selection, scope: Scope, arrived: Arrivals) -> Statement:
    """The quarter-hours that hold what arrived, repeats included. Column: `quarter`."""
    bind = Binder()
    found = _arrived(selection, scope, arrived, bind)
    text = f"SELECT DISTINCT time - time % {QUARTER} AS quarter FROM {selection.subject} WHERE {found}"
    return Statement(text, bind.values, ("quarter",))


def select_arrivals(selection: Selection, scope: Scope, arrived: Arrivals, columns: Mapping[str, str], bind: Binder) -> str:
    """Only the rows' own instants are read with `FINAL`: which ones they are is found by their versions alone, without it."""
    listed = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    chosen = where(selection, scope, bind, stretches=arrived.stretches)
    low, high = bind(arrived.low, "UInt64"), bind(arrived.high, "UInt64")
    instants = f"SELECT time FROM {selection.subject} WHERE {_arrived(selection, scope, arrived, bind)}"
    return (
        f"SELECT {listed} FROM {selection.subject} FINAL WHERE {chosen} AND version >= {low} AND version < {high} "
        f"AND time IN ({instants})"
    )


def _arrived(selection: Selection, scope: Scope, arrived: Arrivals, bind: Binder) -> str:
    low, high = bind(arrived.low, "UInt64"), bind(arrived.high, "UInt64")
    anything = Selection(selection.subject, selection.window)
    return f"{where(anything, scope, bind, stretches=arrived.stretches)} AND version >= {low} AND version < {high}"

"""Single rows, in time order."""

from collections.abc import Mapping
from dataclasses import replace

from usagedeck.query import Direction, LogQuery
from usagedeck.sql.conditions import expression, where
from usagedeck.sql.statement import Binder, Scope, Statement


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
    chosen = where(query.selection, scope, bind)
    upwards = query.ascending
    if query.cursor is not None:
        upwards = query.cursor.direction is Direction.NEWER
        at, id_ = bind(query.cursor.time, "Int64"), bind(query.cursor.id, "String")
        sign = ">" if upwards else "<"
        chosen += f" AND time {sign}= {at} AND (time {sign} {at} OR id {sign} {id_})"
    order = "ASC" if upwards else "DESC"
    limit = f" LIMIT {bind(query.limit + 1, 'UInt32')}" if query.limit is not None else ""
    listed = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
    text = f"SELECT {listed} FROM {query.selection.subject} FINAL WHERE {chosen} ORDER BY time {order}, id {order}{limit}"
    return Statement(text, bind.values, tuple(columns))

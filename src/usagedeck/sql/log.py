"""Single rows, in time order."""

from usagedeck.query import Direction, LogQuery
from usagedeck.sql.conditions import expression, where
from usagedeck.sql.statement import Binder, Scope, Statement


def compile_log(query: LogQuery, scope: Scope) -> Statement:
    """A page of rows in time order, one more than asked for so that the reader knows whether there are others.

    Columns: `time` and `id` (for the cursor), then those asked for, in order.
    """
    bind = Binder()
    names = [f"c{i}" for i in range(len(query.columns))]
    columns = [f"{expression(column, bind)} AS {name}" for column, name in zip(query.columns, names, strict=True)]
    chosen = where(query.selection, scope, bind)
    upwards = query.ascending
    if query.cursor is not None:
        upwards = query.cursor.direction is Direction.NEWER
        at, id_ = bind(query.cursor.time, "Int64"), bind(query.cursor.id, "String")
        sign = ">" if upwards else "<"
        chosen += f" AND time {sign}= {at} AND (time {sign} {at} OR id {sign} {id_})"
    order = "ASC" if upwards else "DESC"
    limit = f" LIMIT {bind(query.limit + 1, 'UInt32')}" if query.limit is not None else ""
    text = (
        f"SELECT {', '.join(['time AS row_time', 'id AS row_id', *columns])} FROM {query.selection.subject} FINAL "
        f"WHERE {chosen} ORDER BY time {order}, id {order}{limit}"
    )
    return Statement(text, bind.values, ("row_time", "row_id", *(c.name for c in query.columns)))

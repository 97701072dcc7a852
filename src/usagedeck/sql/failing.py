"""What failed: errors in groups, with how many, since when, and how many are affected."""

from usagedeck.catalog.dimensions import DIMENSIONS
from usagedeck.catalog.failures import FAILURES
from usagedeck.query import FailureQuery
from usagedeck.sql.conditions import expression, where
from usagedeck.sql.split import as_text
from usagedeck.sql.statement import Binder, Scope, Statement

FIXED = ("count", "traffic", "first_seen", "last_seen", "newest_id", "message")
"""Columns of every group of errors."""


def compile_failures(query: FailureQuery, scope: Scope) -> Statement:
    """The groups of errors in a selection, the most frequent ones first, ties by value.

    `traffic` is how many rows there are where the errors are, errors or not; `message` is the newest one that says something.
    Columns: `d0` … per dimension of the groups, those of `FIXED`, then how many different values there are of what is affected,
    and at last `groups` and `errors`: how many there are of both.
    """
    bind = Binder()
    failure = FAILURES[query.selection.subject]
    by = [DIMENSIONS[name] for name in failure.by]
    keys = [f"d{i}" for i, _ in enumerate(by)]
    inner = [f"{expression(one, bind)} AS {key}" for one, key in zip(by, keys, strict=True)]
    chosen = where(query.selection, scope, bind)
    rows = f"SELECT *, {', '.join(inner)}, {failure.when} AS failed FROM {query.selection.subject} FINAL WHERE {chosen}"
    newest = "(time, id)"
    figures = {
        "first_seen": "min(time)",
        "last_seen": "max(time)",
        "newest_id": f"argMax(id, {newest})",
        "message": f"argMaxIf(error_message, {newest}, failed AND error_message != '')",
    }
    for name, _, dimension in failure.affected:
        column = expression(DIMENSIONS[dimension], bind)
        figures[name] = f"uniqExactIf({column}, failed AND {column} != '')"
    # aliases that are no columns of the table, so that no aggregate is taken of another
    listed = ", ".join(f"{sql} AS f_{name}" for name, sql in figures.items())
    groups = f"SELECT {', '.join(keys)}, failed, count() AS c, {listed} FROM ({rows}) GROUP BY {', '.join(keys)}, failed"
    place = ", ".join(keys[failure.by.index(name)] for name in failure.traffic)
    all_ = f"SELECT *, sum(c) OVER (PARTITION BY {place}) AS f_traffic FROM ({groups})"
    errors = f"SELECT *, count() OVER () AS groups, sum(c) OVER () AS errors FROM ({all_}) WHERE failed"
    columns = (*keys, *FIXED, *(name for name, _, _ in failure.affected), "groups", "errors")
    order = ", ".join(as_text(one, key) for one, key in zip(by, keys, strict=True))
    cells = [*keys, "c", *(f"f_{name}" for name in columns[len(keys) + 1 : -2]), "groups", "errors"]
    text = f"SELECT {', '.join(cells)} FROM ({errors}) ORDER BY c DESC, {order}"
    if query.limit is not None:
        text += f" LIMIT {bind(query.limit, 'UInt32')}"
    return Statement(text, bind.values, columns)

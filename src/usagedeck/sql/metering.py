"""What was used of limits: credits by whom they were used, up to a place in the order of arrival or between two of them."""

from collections.abc import Sequence

from usagedeck.catalog.kinds import Subject
from usagedeck.query import Selection
from usagedeck.sql.conditions import where
from usagedeck.sql.log import Arrivals, select_arrivals
from usagedeck.sql.statement import Binder, Scope, Statement
from usagedeck.windows import Window

_BY = ("api_key_id", "user_id", "group_ids")
_COLUMNS = (*_BY, "used")
_SUM = "ifNull(sum(credits), 0) AS used"


def compile_used(window: Window, scope: Scope, through: int) -> Statement:
    """What arrived until a place, whose version that is: an event counts where it came first, wherever it came again.

    Columns: `api_key_id`, `user_id`, `group_ids`, `used`.
    """
    bind = Binder()
    chosen = where(Selection(Subject.REQUESTS, window), scope, bind)
    rows = f"{Subject.REQUESTS} FINAL WHERE {chosen} AND version >= {bind(through, 'UInt64')}"
    return Statement(f"SELECT {', '.join(_BY)}, {_SUM} FROM {rows} GROUP BY {', '.join(_BY)}", bind.values, _COLUMNS)


def compile_arrived_credits(window: Window, scope: Scope, arrived: Arrivals) -> Statement:
    """The same of what arrived between two places. An event that was there before arrives no second time."""
    bind = Binder()
    columns = {**{name: name for name in _BY}, "credits": "credits"}
    rows = select_arrivals(Selection(Subject.REQUESTS, window), scope, arrived, columns, bind)
    return Statement(f"SELECT {', '.join(_BY)}, {_SUM} FROM ({rows}) GROUP BY {', '.join(_BY)}", bind.values, _COLUMNS)


def compile_present(window: Window, scope: Scope, ids: Sequence[str]) -> Statement:
    """Those of some ids whose requests are there. Column: `id`."""
    bind = Binder()
    chosen = where(Selection(Subject.REQUESTS, window), scope, bind)
    text = f"SELECT DISTINCT id FROM {Subject.REQUESTS} WHERE {chosen} AND id IN {bind(list(ids), 'Array(String)')}"
    return Statement(text, bind.values, ("id",))

"""Questions become SQL here, and only here. Nothing runs: the result is a `Statement`.

No SQL can be compiled without a `Scope`, and no value ever stands in the text: values are bound, names come from the
catalogue. Calendars do not exist here either: buckets arrive as integers (see `windows`).
"""

from usagedeck.sql.changing import compile_change, compile_several
from usagedeck.sql.comparing import compare, per_day
from usagedeck.sql.costs import UNKNOWN, Sizes, costly
from usagedeck.sql.exchanges import compile_event, compile_exchange, count_exchanges
from usagedeck.sql.failing import compile_failures
from usagedeck.sql.lines import Constant, Name, Offsets, Part, compile_lines
from usagedeck.sql.log import Arrivals, compile_arrival_count, compile_arrival_times, compile_arrivals, compile_log
from usagedeck.sql.metering import compile_arrived_credits, compile_present, compile_used
from usagedeck.sql.plan import Plan, Settled, measures_of, plan, plan_rank, settle, without_quiet
from usagedeck.sql.sealing import fill, source
from usagedeck.sql.split import Series
from usagedeck.sql.statement import Bound, Scope, Statement
from usagedeck.sql.stepping import steps
from usagedeck.sql.usage import compile, compile_top, folds, rank  # noqa: A004 - the word of the field

__all__ = [
    "UNKNOWN",
    "Arrivals",
    "Bound",
    "Constant",
    "Name",
    "Offsets",
    "Part",
    "Plan",
    "Scope",
    "Series",
    "Settled",
    "Sizes",
    "Statement",
    "compare",
    "compile",
    "compile_arrival_count",
    "compile_arrival_times",
    "compile_arrivals",
    "compile_arrived_credits",
    "compile_change",
    "compile_event",
    "compile_exchange",
    "compile_failures",
    "compile_lines",
    "compile_log",
    "compile_present",
    "compile_several",
    "compile_top",
    "compile_used",
    "costly",
    "count_exchanges",
    "fill",
    "folds",
    "measures_of",
    "per_day",
    "plan",
    "plan_rank",
    "rank",
    "settle",
    "source",
    "steps",
    "without_quiet",
]

"""Measures: aggregates over the rows of a bucket, and the SQL they are."""

from collections.abc import Mapping
from dataclasses import dataclass

from usagedeck.catalog.fields import COLUMNS, TOOK, TRIES, columns_in
from usagedeck.catalog.kinds import DECIMALS, Subject, Type, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """An aggregate over the rows of a bucket."""

    name: str
    help: str
    function: str
    """Aggregate function of the store, without arguments; it is given the -If suffix when a condition applies."""
    argument: str = ""
    when: str = ""
    """Which rows take part, as SQL over columns; all when empty."""
    of: Subject = Subject.REQUESTS
    activity: bool = False
    """Looks at every bucket a request was active in, instead of the one it began in."""
    limited: bool = False
    """Is measured against the workspace's limit of concurrent requests; where none is set, there is no such number."""
    values: str = ""
    """Which of `VALUES` it can be told from, whole or in parts."""
    joined: bool = False
    """Looks at deliveries, whose rows are joined attempts, instead of at attempts."""

    @property
    def additive(self) -> bool:
        """May be added up over buckets and series."""
        return self.function in ("sum", "count") and not self.activity

    @property
    def merge(self) -> str:
        """The aggregate function that joins its values over parts of a bucket; empty when they cannot be joined."""
        if self.joined:  # the attempts of a delivery may lie in different parts
            return ""
        if self.limited:  # a rollup is older than the limit
            return ""
        if self.function in ("sum", "count"):
            return "sum"
        return "max" if self.function == "maxIntersections" else ""

    @property
    def stored(self) -> str:
        """The type of its value in the store: what the aggregate function makes of the columns it takes."""
        if self.function == "groupArray":
            return "Array(UInt32)"
        if self.activity and self.function == "sum":
            return "Int64"
        taken = [found for name in columns_in(self.argument) if (found := COLUMNS[name])]
        return f"Decimal(38, {DECIMALS})" if any(f.type is Type.DECIMAL for f in taken) else "UInt64"

    @property
    def nothing(self) -> Value:
        """What it is over no rows at all."""
        return None if self.function.startswith("quantile") else 0

    def sql(self, *conditions: str, end: str = "") -> str:
        """The aggregate's SQL under further conditions; `end` is a suffix of its function, such as `State`."""
        if self.function == "groupArray":  # in order they are packed best, and two that are equal look equal
            return f"arraySort(groupArrayIf({self.argument}, {self.when}))"
        wheres = [c for c in (self.when, *conditions) if c]
        name, bracket, parameters = self.function.partition("(")
        if not wheres:
            return f"{name}{end}{bracket}{parameters}({self.argument})"
        arguments = ", ".join(a for a in (self.argument, " AND ".join(f"({w})" for w in wheres)) if a)
        return f"{name}{end}If{bracket}{parameters}({arguments})"

    # An answer that is put together from parts is made of sums of sums, of maxima of maxima, or of states that hold the values.

    def of_events(self, *, one_of_several: bool) -> str:
        """Its SQL over events: the measure itself, or what `of_parts` makes it of when this is one part of several."""
        if not (one_of_several and self.values):
            return self.sql()
        return f"{self._over_arrays('State')}(if({self.when}, [{self.argument}], []))"

    def of_rollup(self, *, one_of_several: bool) -> str:
        """The same over the rows of a rollup."""
        if not self.values:
            return f"{self.merge}({self.name})"
        return f"{self._over_arrays('State' if one_of_several else '')}({self.values})"

    def of_parts(self, column: str) -> str:
        """What parts say in a column, as one."""
        return f"{self._over_arrays('Merge')}({column})" if self.values else f"{self.merge}({column})"

    # One that is put together from pieces of the same rows needs no values: what cannot be merged is a state.

    def of_rows(self, *conditions: str) -> str:
        """Its SQL over the rows of one piece of several, under further conditions."""
        return self.sql(*conditions, end="" if self.merge else "State")

    def of_pieces(self, column: str) -> str:
        """What pieces say in a column, as one."""
        name, bracket, parameters = self.function.partition("(")
        return f"{self.merge}({column})" if self.merge else f"{name}Merge{bracket}{parameters}({column})"

    def _over_arrays(self, end: str) -> str:
        name, bracket, parameters = self.function.partition("(")
        return f"{name}Array{end}{bracket}{parameters}"


OK_REQUEST = "status = 101 OR (status >= 200 AND status < 400)"
OK_DELIVERY = "status >= 200 AND status < 300"
"""An attempt succeeded, or the last attempt of a delivery, and so the delivery."""
_SEND = Subject.DELIVERIES


def _total(name: str, help: str, column: str | None = None) -> Measure:  # noqa: A002 - the catalogue's own word
    return Measure(name=name, help=help, function="sum", argument=f"ifNull({column or name}, 0)")


def _quantile(
    name: str, level: str, column: str, of: Subject = Subject.REQUESTS, values: str = "", *, joined: bool = False
) -> Measure:
    return Measure(
        name=name,
        help=f"The {level} quantile of {column}, linear between order statistics, over rows that have it.",
        function=f"quantileExactInclusive({level})",
        argument=f"assumeNotNull({column})",
        when=f"isNotNull({column})",
        of=of,
        values=values,
        joined=joined,
    )


def _joined(name: str, help: str, when: str = "", *, total: str = "") -> Measure:  # noqa: A002 - the catalogue's own word
    """Counts deliveries, or adds up a column of theirs."""
    function, argument = ("sum", f"ifNull({total}, 0)") if total else ("count", "")
    return Measure(name=name, help=help, function=function, argument=argument, when=when, of=_SEND, joined=True)


VALUES: Mapping[str, Measure] = {
    m.name: m
    for m in (
        Measure(
            name="latencies",
            help="Every duration.",
            function="groupArray",
            argument="assumeNotNull(duration_ms)",
            when="isNotNull(duration_ms)",
        ),
    )
}
"""What rollups may keep beside measures: single values, in order, from which percentiles are told exactly."""


MEASURES: Mapping[str, Measure] = {
    m.name: m
    for m in (
        Measure(name="requests", help="Requests.", function="count"),
        _total("credits", "Sum of credits."),
        _total("characters", "Sum of characters."),
        _total("audio_seconds", "Sum of seconds of audio."),
        _total("input_tokens", "Sum of input tokens."),
        _total("output_tokens", "Sum of output tokens."),
        _total("cost", "Sum of costs."),
        _total("charge_count", "Sum of billed quantities."),
        Measure(name="billable", help="Requests with credits or cost.", function="count", when="credits > 0 OR cost > 0"),
        Measure(name="answered", help="Requests with a status.", function="count", when="isNotNull(status)"),
        Measure(name="succeeded", help="Requests with status 101 or 200-399.", function="count", when=OK_REQUEST),
        _total("latency_total", "Sum of durations.", "duration_ms"),
        Measure(name="latency_count", help="Requests with a duration.", function="count", when="isNotNull(duration_ms)"),
        _total("ttfb_total", "Sum of times to first byte.", "ttfb_ms"),
        Measure(name="ttfb_count", help="Requests with a time to first byte.", function="count", when="isNotNull(ttfb_ms)"),
        _quantile("latency_p50", "0.5", "duration_ms", values="latencies"),
        _quantile("latency_p95", "0.95", "duration_ms", values="latencies"),
        _quantile("latency_p99", "0.99", "duration_ms", values="latencies"),
        _quantile("ttfb_p95", "0.95", "ttfb_ms"),
        Measure(
            name="peak",
            help="Most requests active at one instant.",
            function="maxIntersections",
            argument="active_from, active_to",
            activity=True,
        ),
        Measure(
            name="busy_ms", help="Time requests were active.", function="sum", argument="active_to - active_from", activity=True
        ),
        Measure(
            name="over_ms",
            help="Time more requests were active than the workspace's limit allows.",
            function="sum",
            argument="above_ms",
            activity=True,
            limited=True,
        ),
        Measure(name="attempts", help="Attempts.", function="count", of=_SEND),
        Measure(name="attempts_answered", help="Attempts with a status.", function="count", when="isNotNull(status)", of=_SEND),
        Measure(name="attempts_succeeded", help="Attempts with status 2xx.", function="count", when=OK_DELIVERY, of=_SEND),
        Measure(name="retries", help="Attempts after the first.", function="count", when="attempt > 1", of=_SEND),
        Measure(
            name="attempt_latency_total",
            help="Sum of durations.",
            function="sum",
            argument="ifNull(duration_ms, 0)",
            of=_SEND,
        ),
        Measure(
            name="attempt_latency_count",
            help="Attempts with a duration.",
            function="count",
            when="isNotNull(duration_ms)",
            of=_SEND,
        ),
        _quantile("attempt_latency_p50", "0.5", "duration_ms", _SEND),
        _quantile("attempt_latency_p95", "0.95", "duration_ms", _SEND),
        _quantile("attempt_latency_p99", "0.99", "duration_ms", _SEND),
        _joined("deliveries", "Deliveries."),
        _joined("deliveries_answered", "Deliveries whose last attempt has a status.", "isNotNull(status)"),
        _joined("deliveries_succeeded", "Deliveries whose last attempt got a 2xx.", OK_DELIVERY),
        _joined("deliveries_retried", "Deliveries of more than one attempt.", f"{TRIES} > 1"),
        _joined("tries", "Attempts of the deliveries.", total=TRIES),
        _joined("delivery_time_total", "Sum of times until delivered.", total=TOOK),
        _joined("delivery_time_count", "Deliveries with a time until delivered.", f"isNotNull({TOOK})"),
        _quantile("delivery_time_p50", "0.5", TOOK, _SEND, joined=True),
        _quantile("delivery_time_p95", "0.95", TOOK, _SEND, joined=True),
        _quantile("delivery_time_p99", "0.99", TOOK, _SEND, joined=True),
    )
}


ROWS: Mapping[Subject, Measure] = {
    s: next(m for m in MEASURES.values() if m.of is s and m.function == "count" and not m.when and not m.joined) for s in Subject
}
"""The measure that counts every row of a subject."""

DELIVERED = MEASURES["deliveries"]
"""The measure that counts every delivery."""

"""The catalogue: every field, measure, metric and dimension, each declared once.

It alone drives the tables in the store, the shape of events, SQL, validation, API enums and OpenAPI, the page's menus and
number formats, CSV headers, CLI choices, the reference pages and the spellings of the ElevenLabs door. Adding a metric or
a breakdown is one entry here, and one line in the tests' oracle, which states the meaning again in slow, obvious Python.

* A **Field** is a column of the request log: what a sender may send, or what we stamp.
* A **Measure** is an aggregate over rows. Additive ones may be summed over buckets and series.
* A **Metric** is what a person picks: a formula over measures.
* A **Dimension** is what a metric can be split or filtered by. `attributes.<key>` needs no entry.
* A **Failure** says how errors are told apart.
* A **Rollup** is a cache of additive measures by some columns, which answers questions that name no others.

SQL fragments below name columns and nothing else: no value ever stands in them. Nothing here knows the store's driver,
HTTP or the page.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any, TypeAlias

from usagedeck.errors import InvalidInput, did_you_mean
from usagedeck.times import DAY


class Type(StrEnum):
    """What a cell holds. The values are the type names of the ElevenLabs door."""

    STRING = "String"
    INT = "Int"
    FLOAT = "Float"
    DECIMAL = "Decimal"
    BOOL = "Bool"
    INSTANT = "DateTime"
    LIST = "Array"
    MAP = "Map"


class Subject(StrEnum):
    """The two kinds of event, each with its own table."""

    REQUESTS = "requests"
    DELIVERIES = "deliveries"


class Beside(StrEnum):
    """A table beside those of events."""

    EXCHANGES = "exchanges"
    """The headers and bodies that events brought."""


class Personal(StrEnum):
    """What becomes of a field of an event when the user or the key of the event is erased."""

    NAME = "name"
    """It is the id that may be erased: `ERASED` takes its place."""
    TRACE = "trace"
    """It may say who it was, in one way or another: it is cleared."""


ERASED = "erased"
"""Stands in events and rollups where the id of an erased user or key stood."""
ERASED_LABEL = "Erased"


REQUESTS = frozenset({Subject.REQUESTS})
DELIVERIES = frozenset({Subject.DELIVERIES})
BOTH = REQUESTS | DELIVERIES

KINDS: Mapping[str, Subject] = {"request": Subject.REQUESTS, "delivery": Subject.DELIVERIES}
"""What an event calls itself in its `kind`."""

Value: TypeAlias = int | float | Decimal | None

CURRENCY = "currency"
"""The unit that is replaced by the workspace's own currency when a question is answered."""

MAX_AMOUNT = Decimal(10) ** 12
DECIMALS = 6
MAX_COUNT = 10**12


# --- fields -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A column of an event: in JSON at the collecting door, in the store, in the log and its CSV."""

    name: str
    title: str
    help: str
    type: Type = Type.STRING
    of: frozenset[Subject] = REQUESTS
    unit: str | None = None
    low: int = 0
    """Smallest whole number accepted (INT)."""
    high: int = MAX_COUNT
    """Largest whole number accepted (INT)."""
    long: bool = False
    """Free text, bounded by the larger of the two length limits."""
    many: bool = False
    """Mostly distinct values: stored plainly instead of by dictionary."""
    inside: tuple[str, str] | None = None
    """Where it stands in the JSON of an event when it is nested: ("error", "code")."""
    stamped: bool = False
    """Set by us at arrival; refused from senders."""
    searchable: bool = False
    """Looked through by the log's free-text search."""
    shown: bool = False
    """A column of the log unless the reader picks others."""
    wire: str | None = None
    """Its column in the ElevenLabs request log; the order of entries is the order of columns."""
    expr: str = ""
    """SQL over the table's columns; the column itself unless said otherwise."""
    personal: Personal | None = None
    """What an erasure does with it; it leaves all other fields as they are, so that sums stay the same."""
    instead: str = ""
    """The field whose value takes its place when it is cleared."""
    indexed: bool = False
    """Single rows are looked for by it over all of time, so it has an index. The id has one anyway."""
    outcome: bool = False
    """Of a delivery it is what the last attempt says; everything else is what the first one says."""

    @property
    def sql(self) -> str:
        return self.expr or self.name


FIELDS: tuple[Field, ...] = (
    Field(
        name="time",
        title="Time",
        help="When it began.",
        type=Type.INSTANT,
        of=BOTH,
        shown=True,
        wire="timestamp",
    ),
    Field(
        name="id",
        title="ID",
        help="The sender's name for it. Together with workspace and time it is its identity: sent again, it counts once.",
        of=BOTH,
        many=True,
        searchable=True,
        wire="event_id",
    ),
    Field(
        name="trace_id",
        title="Trace ID",
        help="Joins it with traces and with the answer its caller saw.",
        many=True,
        searchable=True,
        wire="trace_id",
        personal=Personal.TRACE,
    ),
    Field(
        name="status",
        title="Status",
        help="HTTP status of the answer; 0 when there was no answer.",
        type=Type.INT,
        of=BOTH,
        high=999,
        shown=True,
        wire="response_code",
        outcome=True,
    ),
    Field(name="method", title="Method", help="HTTP method, or WS.", searchable=True, shown=True, wire="method"),
    Field(
        name="path",
        title="Path",
        help="Path that was called, without its query string.",
        long=True,
        many=True,
        searchable=True,
        shown=True,
        wire="path",
        personal=Personal.TRACE,
        instead="route",
    ),
    Field(
        name="route",
        title="Route",
        help="Template of the path, such as /v1/voices/{id}. When absent it is the path with its id-like parts replaced.",
        long=True,
        searchable=True,
        wire="route",
    ),
    Field(
        name="webhook_id",
        title="Webhook",
        help="The webhook the delivery belongs to.",
        of=DELIVERIES,
        searchable=True,
        shown=True,
    ),
    Field(
        name="event_type",
        title="Event type",
        help="What the delivery tells about.",
        of=DELIVERIES,
        searchable=True,
        shown=True,
    ),
    Field(
        name="url",
        title="Endpoint",
        help="Address the delivery was sent to.",
        of=DELIVERIES,
        long=True,
        searchable=True,
        shown=True,
    ),
    Field(
        name="attempt",
        title="Attempt",
        help="1 for the first attempt of a delivery, then counting up.",
        type=Type.INT,
        of=DELIVERIES,
        low=1,
        high=10_000,
        shown=True,
        outcome=True,
    ),
    Field(
        name="message_id",
        title="Message ID",
        help="Joins the attempts of one delivery, within a webhook and a user; the id when absent.",
        of=DELIVERIES,
        many=True,
        searchable=True,
        indexed=True,
    ),
    Field(
        name="request_id",
        title="Request ID",
        help="The API request that caused the delivery.",
        of=DELIVERIES,
        many=True,
        searchable=True,
        indexed=True,
    ),
    Field(
        name="duration_ms",
        title="Latency",
        help="From start to the end of the answer.",
        type=Type.INT,
        of=BOTH,
        unit="ms",
        high=DAY,
        shown=True,
        wire="latency_seconds",
        outcome=True,
    ),
    Field(
        name="ttfb_ms",
        title="Time to first byte",
        help="From start to the first byte of the answer.",
        type=Type.INT,
        unit="ms",
        high=DAY,
    ),
    Field(
        name="user_id",
        title="User",
        help="Who called; the owner of the API key when absent.",
        of=BOTH,
        wire="user_id",
        personal=Personal.NAME,
    ),
    Field(
        name="api_key_id",
        title="API key",
        help="The key that signed the call.",
        shown=True,
        wire="hashed_xi_api_key",
        personal=Personal.NAME,
    ),
    Field(name="group_ids", title="Groups", help="Groups of the caller at that time.", type=Type.LIST),
    Field(name="product_type", title="Product", help="The product that was used.", wire="product_type"),
    Field(name="model", title="Model", help="The model that answered.", wire="model"),
    Field(name="voice_id", title="Voice", help="The voice that was used.", wire="voice_id"),
    Field(
        name="request_source",
        title="Source",
        help="Where the call came from: api, web, mobile, agents, sdk.",
        wire="request_source",
    ),
    Field(name="region", title="Region", help="Where it was served.", wire="region"),
    Field(
        name="user_agent",
        title="User agent",
        help="The calling software.",
        long=True,
        searchable=True,
        wire="user_agent",
        personal=Personal.TRACE,
    ),
    Field(
        name="ip",
        title="IP",
        help="Address of the caller; kept as /24 (IPv4) or /48 (IPv6) unless the workspace keeps full addresses.",
        searchable=True,
        wire="ip",
        personal=Personal.TRACE,
    ),
    Field(
        name="credits",
        title="Credits",
        help="Credits charged.",
        type=Type.DECIMAL,
        unit="credits",
        shown=True,
        wire="credits",
    ),
    Field(
        name="error_code",
        title="Error",
        help="Machine-readable error code.",
        of=BOTH,
        inside=("error", "code"),
        searchable=True,
        wire="error_status",
        outcome=True,
    ),
    Field(
        name="error_message",
        title="Error message",
        help="What the error said.",
        of=BOTH,
        inside=("error", "message"),
        long=True,
        many=True,
        searchable=True,
        personal=Personal.TRACE,
        outcome=True,
    ),
    Field(name="characters", title="Characters", help="Characters read or written.", type=Type.INT, unit="characters"),
    Field(name="audio_seconds", title="Audio", help="Seconds of audio produced or read.", type=Type.DECIMAL, unit="s"),
    Field(name="input_tokens", title="Input tokens", help="Tokens read.", type=Type.INT, unit="tokens"),
    Field(name="output_tokens", title="Output tokens", help="Tokens written.", type=Type.INT, unit="tokens"),
    Field(name="cost", title="Cost", help="Money charged, in the workspace's currency.", type=Type.DECIMAL, unit=CURRENCY),
    Field(name="currency", title="Currency", help="Currency of the cost; must be the workspace's."),
    Field(name="charge_type", title="Charge type", help="usage, overage, grant or your own."),
    Field(name="charge_count", title="Charged quantity", help="Billed quantity, in the product's own unit.", type=Type.DECIMAL),
    Field(name="billing_group_id", title="Billing group", help="Who is billed."),
    Field(name="surface", title="Surface", help="The surface it came through: api, web, mobile."),
    Field(name="actor", title="Actor", help="What acted: user, service_account, agent."),
    Field(name="resource_id", title="Resource", help="The resource it was about, such as an agent.", many=True, searchable=True),
    Field(name="subresource_id", title="Subresource", help="A part of the resource.", many=True),
    Field(name="request_queue_type", title="Queue", help="Priority it was served with: high or low."),
    Field(name="voice_multiplier", title="Voice multiplier", help="Price factor of the voice.", type=Type.DECIMAL),
    Field(
        name="attributes",
        title="Attributes",
        help="Your own keys and values; each key can be filtered and split by.",
        type=Type.MAP,
        of=BOTH,
        personal=Personal.TRACE,
    ),
    Field(
        name="arrived",
        title="Received",
        help="When we first received it.",
        type=Type.INSTANT,
        of=BOTH,
        stamped=True,
        expr="intDiv(4503599627370495 - version % 4503599627370496, 1000)",
    ),
)


_COLUMN = re.compile(r"[a-z_]+")
_COLUMNS: Mapping[str, Field | None] = {
    **{f.name: f for f in FIELDS if not f.stamped},
    "workspace_id": None,
    "version": None,
}


OUTCOMES = frozenset(f.name for f in FIELDS if f.outcome)
"""Columns that say of a delivery what became of it: the last attempt has them."""

JOINING = ("user_id", "webhook_id", "message_id")
"""Attempts that agree in these belong to one delivery, when they are near enough in time. The user is one of them, so that
one's own rows make up one's own deliveries."""


def columns_in(fragment: str) -> frozenset[str]:
    """The stored columns that a SQL fragment of this file names."""
    return frozenset(_COLUMN.findall(fragment)) & _COLUMNS.keys()


# --- measures -----------------------------------------------------------------------------------------------------


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
        taken = [found for name in columns_in(self.argument) if (found := _COLUMNS[name])]
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


TRIES = "tries"
"""Of a delivery: how many attempts it took so far."""
TOOK = "took_ms"
"""Of a delivery that succeeded: from the start of its first attempt to the end of the first one that got a 2xx."""

_OK_REQUEST = "status = 101 OR (status >= 200 AND status < 400)"
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
        Measure(name="succeeded", help="Requests with status 101 or 200-399.", function="count", when=_OK_REQUEST),
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


# --- formulas and metrics -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sum:
    """Measures added and subtracted, divided by a constant to change the unit. Adds up wherever its measures do."""

    plus: tuple[str, ...]
    minus: tuple[str, ...] = ()
    divide_by: int = 1

    @property
    def measures(self) -> tuple[str, ...]:
        return self.plus + self.minus

    def of(self, values: Mapping[str, Value], span: int) -> Value:
        total: int | Decimal = 0
        for name in self.plus:
            total += _exact(values[name])
        for name in self.minus:
            total -= _exact(values[name])
        return total if self.divide_by == 1 else float(total / self.divide_by)


@dataclass(frozen=True, slots=True)
class Ratio:
    """One division of an exact sum by an exact count; absent when the count is zero."""

    over: str
    under: str

    @property
    def measures(self) -> tuple[str, ...]:
        return (self.over, self.under)

    def of(self, values: Mapping[str, Value], span: int) -> Value:
        under = _exact(values[self.under])
        return float(_exact(values[self.over]) / under) if under else None


@dataclass(frozen=True, slots=True)
class Single:
    """A measure as it is: a percentile, a peak."""

    measure: str

    @property
    def measures(self) -> tuple[str, ...]:
        return (self.measure,)

    def of(self, values: Mapping[str, Value], span: int) -> Value:
        value = values[self.measure]
        if value is None or value != value:  # the store says NaN for the percentile of nothing
            return None
        return round(value, 2) if isinstance(value, float) else value


@dataclass(frozen=True, slots=True)
class PerTime:
    """A measure of milliseconds per millisecond of the bucket that lies inside the window and has passed; absent where the
    measure is."""

    measure: str

    @property
    def measures(self) -> tuple[str, ...]:
        return (self.measure,)

    def of(self, values: Mapping[str, Value], span: int) -> Value:
        return float(_exact(values[self.measure]) / span) if span > 0 and self.measure in values else None


def _exact(value: Value) -> int | Decimal:
    assert isinstance(value, int | Decimal), value  # noqa: S101 - sums and counts are never absent, never floats
    return value


Formula: TypeAlias = Sum | Ratio | Single | PerTime


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a person picks."""

    name: str
    title: str
    help: str
    formula: Formula
    type: Type
    unit: str | None = None
    wire: str | None = None
    """Its name in the ElevenLabs `metric` parameter."""
    good: str = ""
    """`up` or `down` when a change in that direction is good news; empty when it is just news."""

    @property
    def additive(self) -> bool:
        """Its buckets and its parts add up to its total."""
        return isinstance(self.formula, Sum)

    @property
    def attributable(self) -> bool:
        """Its change can be put down to the values of a dimension: it is a sum over rows, or one such sum
        divided by another. Deliveries are no rows: their attempts have values of their own."""
        return isinstance(self.formula, Sum | Ratio) and not self.joined

    @property
    def of(self) -> Subject:
        return MEASURES[self.formula.measures[0]].of

    @property
    def joined(self) -> bool:
        """It is about deliveries, not about their attempts."""
        return MEASURES[self.formula.measures[0]].joined

    @property
    def limited(self) -> bool:
        """It is absent where the workspace has no limit of concurrent requests."""
        return any(MEASURES[name].limited for name in self.formula.measures)


METRICS: Mapping[str, Metric] = {
    m.name: m
    for m in (
        Metric(
            name="credits",
            title="Credits",
            help="Credits charged.",
            formula=Sum(("credits",)),
            type=Type.DECIMAL,
            unit="credits",
            wire="credits",
        ),
        Metric(
            name="requests",
            title="Requests",
            help="API requests, whatever became of them.",
            formula=Sum(("requests",)),
            type=Type.INT,
            unit="requests",
            wire="request_count",
        ),
        Metric(
            name="characters",
            title="Characters",
            help="Characters read or written.",
            formula=Sum(("characters",)),
            type=Type.INT,
            unit="characters",
            wire="tts_characters",
        ),
        Metric(
            name="minutes",
            title="Minutes",
            help="Minutes of audio.",
            formula=Sum(("audio_seconds",), divide_by=60),
            type=Type.FLOAT,
            unit="min",
            wire="minutes_used",
        ),
        Metric(
            name="input_tokens",
            title="Input tokens",
            help="Tokens read.",
            formula=Sum(("input_tokens",)),
            type=Type.INT,
            unit="tokens",
        ),
        Metric(
            name="output_tokens",
            title="Output tokens",
            help="Tokens written.",
            formula=Sum(("output_tokens",)),
            type=Type.INT,
            unit="tokens",
        ),
        Metric(
            name="cost",
            title="Cost",
            help="Money charged, in the workspace's currency.",
            formula=Sum(("cost",)),
            type=Type.DECIMAL,
            unit=CURRENCY,
            wire="fiat_units_spent",
        ),
        Metric(
            name="charge_count",
            title="Charged quantity",
            help="Billed quantity, in the products' own units.",
            formula=Sum(("charge_count",)),
            type=Type.DECIMAL,
        ),
        Metric(
            name="billable_requests",
            title="Billable requests",
            help="Requests that were charged credits or money.",
            formula=Sum(("billable",)),
            type=Type.INT,
            unit="requests",
        ),
        Metric(
            name="errors",
            title="Errors",
            help="Requests with a status that is not a success. A success is status 101 or 200-399; 0 (no answer) is an error.",
            formula=Sum(("answered",), ("succeeded",)),
            type=Type.INT,
            unit="requests",
            good="down",
        ),
        Metric(
            name="success_rate",
            title="Success rate",
            help="Share of successes among requests with a status.",
            formula=Ratio("succeeded", "answered"),
            type=Type.FLOAT,
            unit="ratio",
            good="up",
        ),
        Metric(
            name="latency_avg",
            title="Average latency",
            help="Mean duration of requests that report one.",
            formula=Ratio("latency_total", "latency_count"),
            type=Type.FLOAT,
            unit="ms",
            good="down",
        ),
        *(
            Metric(
                name=f"latency_p{level}",
                title=f"p{level} latency",
                help=f"{level} % of the requests that report a duration took at most this long (linear between neighbours).",
                formula=Single(f"latency_p{level}"),
                type=Type.FLOAT,
                unit="ms",
                good="down",
            )
            for level in (50, 95, 99)
        ),
        Metric(
            name="ttfb_avg",
            title="Average time to first byte",
            help="Mean time to first byte of requests that report one.",
            formula=Ratio("ttfb_total", "ttfb_count"),
            type=Type.FLOAT,
            unit="ms",
            wire="ttfb_avg",
            good="down",
        ),
        Metric(
            name="ttfb_p95",
            title="p95 time to first byte",
            help="95 % of the requests that report a time to first byte took at most this long.",
            formula=Single("ttfb_p95"),
            type=Type.FLOAT,
            unit="ms",
            wire="ttfb_p95",
            good="down",
        ),
        Metric(
            name="concurrency",
            title="Peak concurrency",
            help="Most requests active at one instant, those begun in earlier buckets included.",
            formula=Single("peak"),
            type=Type.INT,
            unit="requests",
            wire="concurrency",
        ),
        Metric(
            name="concurrency_average",
            title="Average concurrency",
            help="Time requests were active, divided by the length of the bucket.",
            formula=PerTime("busy_ms"),
            type=Type.FLOAT,
            unit="requests",
            wire="concurrency_average",
        ),
        Metric(
            name="concurrency_over_limit",
            title="Time above the limit",
            help="Share of time in which more requests were active than the workspace's present limit; absent without one.",
            formula=PerTime("over_ms"),
            type=Type.FLOAT,
            unit="ratio",
            good="down",
        ),
        Metric(
            name="attempts",
            title="Delivery attempts",
            help="Attempts to deliver a webhook.",
            formula=Sum(("attempts",)),
            type=Type.INT,
            unit="attempts",
        ),
        Metric(
            name="attempt_errors",
            title="Failed attempts",
            help="Attempts with a status that is not 2xx; 0 (no answer) included.",
            formula=Sum(("attempts_answered",), ("attempts_succeeded",)),
            type=Type.INT,
            unit="attempts",
            good="down",
        ),
        Metric(
            name="attempt_success_rate",
            title="Attempt success rate",
            help="Share of 2xx among attempts with a status.",
            formula=Ratio("attempts_succeeded", "attempts_answered"),
            type=Type.FLOAT,
            unit="ratio",
            good="up",
        ),
        Metric(
            name="retries",
            title="Retries",
            help="Attempts after the first one of their delivery.",
            formula=Sum(("retries",)),
            type=Type.INT,
            unit="attempts",
            good="down",
        ),
        Metric(
            name="attempt_latency_avg",
            title="Average attempt latency",
            help="Mean duration of attempts that report one.",
            formula=Ratio("attempt_latency_total", "attempt_latency_count"),
            type=Type.FLOAT,
            unit="ms",
            good="down",
        ),
        *(
            Metric(
                name=f"attempt_latency_p{level}",
                title=f"p{level} attempt latency",
                help=f"{level} % of the attempts that report a duration took at most this long.",
                formula=Single(f"attempt_latency_p{level}"),
                type=Type.FLOAT,
                unit="ms",
                good="down",
            )
            for level in (50, 95, 99)
        ),
        Metric(
            name="deliveries",
            title="Deliveries",
            help="Webhook deliveries, at the time of their first attempt, however often they were tried.",
            formula=Sum(("deliveries",)),
            type=Type.INT,
            unit="deliveries",
        ),
        Metric(
            name="deliveries_succeeded",
            title="Successful deliveries",
            help="Deliveries whose last attempt got a 2xx.",
            formula=Sum(("deliveries_succeeded",)),
            type=Type.INT,
            unit="deliveries",
            good="up",
        ),
        Metric(
            name="delivery_errors",
            title="Failed deliveries",
            help="Deliveries whose last attempt has a status that is not 2xx; one that will be tried again counts until then.",
            formula=Sum(("deliveries_answered",), ("deliveries_succeeded",)),
            type=Type.INT,
            unit="deliveries",
            good="down",
        ),
        Metric(
            name="delivery_success_rate",
            title="Delivery success rate",
            help="Share of deliveries whose last attempt got a 2xx among those whose last attempt has a status.",
            formula=Ratio("deliveries_succeeded", "deliveries_answered"),
            type=Type.FLOAT,
            unit="ratio",
            good="up",
        ),
        Metric(
            name="deliveries_retried",
            title="Retried deliveries",
            help="Deliveries that took more than one attempt.",
            formula=Sum(("deliveries_retried",)),
            type=Type.INT,
            unit="deliveries",
            good="down",
        ),
        Metric(
            name="attempts_per_delivery",
            title="Attempts per delivery",
            help="Mean number of attempts of a delivery, those after the window included.",
            formula=Ratio("tries", "deliveries"),
            type=Type.FLOAT,
            unit="attempts",
            good="down",
        ),
        Metric(
            name="delivery_time_avg",
            title="Average time to deliver",
            help="Mean time of successful deliveries from the start of the first attempt to the end of the first with a 2xx.",
            formula=Ratio("delivery_time_total", "delivery_time_count"),
            type=Type.FLOAT,
            unit="ms",
            good="down",
        ),
        *(
            Metric(
                name=f"delivery_time_p{level}",
                title=f"p{level} time to deliver",
                help=f"{level} % of the successful deliveries took at most this long, from the start of their first attempt.",
                formula=Single(f"delivery_time_p{level}"),
                type=Type.FLOAT,
                unit="ms",
                good="down",
            )
            for level in (50, 95, 99)
        ),
    )
}


# --- dimensions ---------------------------------------------------------------------------------------------------


class Label(StrEnum):
    """What the directory keeps display names for."""

    USER = "user"
    API_KEY = "api_key"
    VOICE = "voice"
    GROUP = "group"
    WEBHOOK = "webhook"
    RESOURCE = "resource"
    BILLING_GROUP = "billing_group"
    WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """What a metric can be split or filtered by."""

    name: str
    title: str
    help: str
    type: Type = Type.STRING
    of: frozenset[Subject] = REQUESTS
    expr: str = ""
    """SQL over columns; the column of the same name unless said otherwise."""
    label: Label | None = None
    """Whose display names belong to its values."""
    label_column: str = ""
    """Name of the column of display names in the ElevenLabs door."""
    overlapping: bool = False
    """One event may have several values: parts do not add up to the total."""
    workspace_only: bool = False
    """Offered in the workspace view only."""
    split: bool = True
    """Offered as a breakdown; ids of single events can be filtered by, but not split by."""
    absent: str = "None"
    """What stands for a missing value in a legend."""
    breakdown: tuple[str, ...] = ()
    """Its spellings in the ElevenLabs `breakdown_type`."""
    group_by: str | None = None
    """Its spelling in the ElevenLabs `group_by` and filter columns."""
    cost: bool = False
    """Offered by the ElevenLabs cost call, too."""
    restricted: bool = False
    """Counts towards that call's limit of two."""
    aliases: tuple[str, ...] = ()
    """Further spellings the ElevenLabs log filter takes."""
    attribute: str | None = None
    """The key, when it is one of the sender's attributes."""

    @property
    def sql(self) -> str:
        return self.expr or self.name

    @property
    def columns(self) -> frozenset[str]:
        """The stored columns it is made of."""
        return columns_in(self.sql)

    @property
    def indexed(self) -> bool:
        """Single rows are found by it without reading the others."""
        found = _COLUMNS.get(self.sql)
        return found is not None and (found.indexed or found.name == "id")

    @property
    def mostly_distinct(self) -> bool:
        """So many values that a list of them tells little."""
        return any(f.many for name in self.columns if (f := _COLUMNS[name]))

    @property
    def outcome(self) -> bool:
        """Of a delivery it is what the last attempt says, not the first one."""
        return bool(self.columns & OUTCOMES)


def _field(name: str, **more: Any) -> Dimension:
    """The dimension that is a field: title, help, type and subject are the field's."""
    found = next(f for f in FIELDS if f.name == name)
    return Dimension(name=name, title=found.title, help=found.help, type=found.type, of=found.of, expr=found.expr, **more)


_SPLITS = (
    _field(
        "product_type",
        absent="No product",
        breakdown=("product_type",),
        group_by="product_type",
        cost=True,
        restricted=True,
    ),
    _field(
        "voice_id",
        label=Label.VOICE,
        label_column="voice_name",
        absent="No voice",
        breakdown=("voice",),
        group_by="voice_id",
    ),
    _field(
        "api_key_id",
        label=Label.API_KEY,
        label_column="api_key_name",
        absent="No API key",
        breakdown=("api_keys", "all_api_keys"),
        group_by="hashed_xi_api_key",
        cost=True,
        restricted=True,
    ),
    _field("model", absent="No model", breakdown=("model",), group_by="model", cost=True),
    _field(
        "user_id",
        label=Label.USER,
        label_column="user_label",
        workspace_only=True,
        absent="No user",
        breakdown=("user",),
        group_by="user_id",
        cost=True,
        restricted=True,
    ),
    Dimension(
        name="group_id",
        title="Group",
        help="Groups of the caller at the time of the call. A caller in several groups counts in each.",
        type=Type.LIST,
        expr="group_ids",
        label=Label.GROUP,
        overlapping=True,
        workspace_only=True,
        absent="No group",
        breakdown=("groups",),
    ),
    Dimension(
        name="has_api_key",
        title="Has API key",
        help="Whether the call was signed by a key.",
        type=Type.BOOL,
        expr="api_key_id != ''",
        breakdown=("has_api_key",),
    ),
    _field("route", absent="No route"),
    _field("path", absent="No path", aliases=("endpoint",)),
    _field("method", absent="No method"),
    _field("status", absent="No status", aliases=("status_code",)),
    Dimension(
        name="status_class",
        title="Status class",
        help="1xx to 5xx, or `no answer` for status 0.",
        of=BOTH,
        expr="multiIf(isNull(status), '', assumeNotNull(status) = 0, 'no answer', "
        "concat(toString(intDiv(assumeNotNull(status), 100)), 'xx'))",
        absent="No status",
    ),
    Dimension(
        name="success",
        title="Success",
        help="Whether a request with a status succeeded.",
        type=Type.BOOL,
        expr=f"({_OK_REQUEST})",
        absent="No status",
        aliases=("success",),
    ),
    _field("error_code", absent="No error"),
    _field("region", absent="No region", breakdown=("region",), group_by="region", cost=True, restricted=True),
    _field("request_source", absent="No source", breakdown=("request_source",), group_by="request_source", cost=True),
    _field("request_queue_type", absent="No queue", breakdown=("request_queue",), group_by="request_queue_type"),
    _field("voice_multiplier", absent="No multiplier", breakdown=("voice_multiplier",), group_by="voice_multiplier"),
    _field(
        "resource_id",
        label=Label.RESOURCE,
        label_column="resource_name",
        absent="No resource",
        breakdown=("resource",),
        group_by="resource_id",
    ),
    _field("subresource_id", absent="No subresource", breakdown=("subresource_id",), group_by="subresource_id"),
    _field("currency", absent="No currency", group_by="fiat_currency", cost=True),
    _field("charge_type", absent="No charge type", group_by="fiat_charge_type", cost=True),
    _field(
        "billing_group_id",
        label=Label.BILLING_GROUP,
        label_column="billing_group_name",
        absent="No billing group",
        group_by="billing_group_id",
        cost=True,
        restricted=True,
    ),
    _field("surface", absent="No surface", group_by="surface", cost=True, restricted=True),
    _field("actor", absent="No actor", group_by="actor", cost=True, restricted=True),
    Dimension(
        name="workspace_id",
        title="Workspace",
        help="The workspace itself; one value.",
        of=BOTH,
        label=Label.WORKSPACE,
        label_column="reporting_workspace_name",
        workspace_only=True,
        breakdown=("reporting_workspace_id",),
        group_by="reporting_workspace_id",
        cost=True,
        restricted=True,
    ),
    _field("webhook_id", label=Label.WEBHOOK, absent="No webhook"),
    _field("url", absent="No endpoint"),
    _field("event_type", absent="No event type"),
    _field("attempt", absent="Not numbered"),
    _field("user_agent", absent="No user agent"),
    _field("ip", absent="No IP"),
)

_FILTER_ALIASES = {"id": ("event_id",), "trace_id": ("request_id",)}

_FILTERS = tuple(
    _field(f.name, split=False, aliases=_FILTER_ALIASES.get(f.name, ()))
    for f in FIELDS
    if f.name not in {d.name for d in _SPLITS} and f.type not in (Type.LIST, Type.MAP)
)
"""Every other column can be filtered by, though not split by."""

DIMENSIONS: Mapping[str, Dimension] = {d.name: d for d in (*_SPLITS, *_FILTERS)}

ATTRIBUTE = "attributes."
"""Prefix of dimensions and log columns that are the sender's own."""

MAX_ATTRIBUTE_KEY = 100


@lru_cache(maxsize=1000)
def attribute(key: str) -> Dimension:
    """The dimension of one attribute key. Its SQL takes the key as the bound value `{key}` of its place."""
    return Dimension(
        name=ATTRIBUTE + key,
        title=key,
        help="One of the sender's own attributes.",
        of=BOTH,
        expr="attributes[{key}]",
        absent=f"No {key}",
        attribute=key,
    )


# --- errors -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What the errors of a subject have in common, and whom they concern."""

    answered: str
    """Measures: rows that say what became of them …"""
    succeeded: str
    """… and those of them that are no errors."""
    by: tuple[str, ...]
    """Dimensions by which errors are told apart."""
    traffic: tuple[str, ...]
    """Those of them that name the traffic an error is a part of."""
    affected: tuple[tuple[str, str, str], ...]
    """Whose different values are counted: column, title, dimension."""

    @property
    def when(self) -> str:
        """SQL of what an error is: the one that the metrics of errors and of success rates count."""
        return f"({MEASURES[self.answered].when}) AND NOT ({MEASURES[self.succeeded].when})"


FAILURES: Mapping[Subject, Failure] = {
    Subject.REQUESTS: Failure(
        answered="answered",
        succeeded="succeeded",
        by=("status", "error_code", "route"),
        traffic=("route",),
        affected=(("users", "Users", "user_id"), ("keys", "API keys", "api_key_id")),
    ),
    Subject.DELIVERIES: Failure(
        answered="attempts_answered",
        succeeded="attempts_succeeded",
        by=("status", "error_code", "webhook_id", "event_type"),
        traffic=("webhook_id", "event_type"),
        affected=(("users", "Users", "user_id"), ("messages", "Deliveries", "message_id")),
    ),
}
"""How the errors of each subject are grouped."""


# --- rollups ------------------------------------------------------------------------------------------------------


def rollup_table(name: str) -> str:
    """Where the store keeps the rollup of that name."""
    return f"rollup_{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollup:
    """A cache of measures by some columns: what it holds is recomputed from the events, never counted up.

    It answers a question that names no other column. Which ones exist was decided by measurement, see
    `docs/decisions/0008-rollups.md`.
    """

    name: str
    help: str
    columns: tuple[str, ...]
    """Stored columns besides the workspace, those with the fewest values first."""
    of: Subject = Subject.REQUESTS
    activity: bool = False
    """Holds what was active in every minute, instead of sums by the time of the beginning."""
    values: tuple[str, ...] = ()
    """Names of the `VALUES` that it keeps."""
    only: tuple[str, ...] | None = None
    """Names of the measures it has, when these are not all that fit."""

    @property
    def table(self) -> str:
        return rollup_table(self.name)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """All measures of its subject that can be joined over parts of a bucket, and the values it keeps."""
        joined = (m for m in MEASURES.values() if m.of is self.of and m.merge and m.activity == self.activity)
        fitting = (*joined, *(VALUES[name] for name in self.values))
        return fitting if self.only is None else tuple(m for m in fitting if m.name in self.only)

    def tells(self, measure: Measure) -> bool:
        """Whether its rows are enough for the measure."""
        return (measure.values or measure.name) in (m.name for m in self.measures)


ROLLUPS: Mapping[str, Rollup] = {
    r.name: r
    for r in (
        Rollup(
            name="calls",
            help="What was called and what became of it.",
            columns=("method", "product_type", "model", "status", "request_source", "region", "route"),
            values=("latencies",),
        ),
        Rollup(name="voices", help="Voices in use.", columns=("product_type", "model", "voice_id")),
        Rollup(
            name="keys",
            help="Who called what.",
            columns=("method", "product_type", "model", "status", "route", "user_id", "api_key_id"),
        ),
        Rollup(
            name="sendings",
            help="Webhook deliveries by endpoint.",
            columns=("webhook_id", "event_type", "status", "attempt", "url"),
            of=Subject.DELIVERIES,
        ),
        Rollup(name="activity", help="Requests active at once, by the minute.", columns=(), activity=True),
    )
}
"""In the order in which they are tried: the first that holds all that a question needs answers it."""


# --- erasure ------------------------------------------------------------------------------------------------------

NAMES: Mapping[Label, str] = {
    d.label: d.name
    for d in DIMENSIONS.values()
    if d.label and any(f.name == d.name and f.personal is Personal.NAME for f in FIELDS)
}
"""What may be erased, and the field that holds its ids."""


CAUSE = "request_id"
"""The field of a delivery that holds the id of the request that caused it."""

SIDES = ("request", "response")
"""What an exchange consists of: the fields of an event that bring it, and columns of the table that keeps it."""

WHOSE = (*NAMES.values(), CAUSE)
"""The fields of an event that its exchange has too, so that it can be told whose it is."""


def personal(subject: Subject, what: Personal) -> tuple[Field, ...]:
    """The fields of that kind of event that an erasure treats so."""
    return tuple(f for f in fields(subject) if f.personal is what)


# --- look-ups -----------------------------------------------------------------------------------------------------


def metric(name: str, *, param: str = "metric") -> Metric:
    """The metric of that name, or `InvalidInput` with the nearest one."""
    if name not in METRICS:
        raise InvalidInput(f'{param} "{name[:60]}" is unknown; {did_you_mean(name, METRICS)}', field=param, code="unknown_metric")
    return METRICS[name]


def dimension(name: str, *, param: str = "by") -> Dimension:
    """The dimension of that name or of that attribute, or `InvalidInput` with the nearest one."""
    if name.startswith(ATTRIBUTE):
        key = name.removeprefix(ATTRIBUTE)
        if not 0 < len(key) <= MAX_ATTRIBUTE_KEY:
            raise InvalidInput(f"{param}: an attribute key has 1 to {MAX_ATTRIBUTE_KEY} characters.", field=param)
        return attribute(key)
    if name not in DIMENSIONS:
        raise InvalidInput(
            f'{param} "{name[:60]}" is unknown; {did_you_mean(name, DIMENSIONS)} Your own: attributes.<key>.',
            field=param,
            code="unknown_dimension",
        )
    return DIMENSIONS[name]


def fields(subject: Subject) -> tuple[Field, ...]:
    """The columns of that kind of event, in the order they are shown."""
    return tuple(f for f in FIELDS if subject in f.of)


def log_field(name: str, subject: Subject, *, param: str = "columns") -> Field:
    """The log column of that name or of that attribute, or `InvalidInput` with the nearest one."""
    if name.startswith(ATTRIBUTE):
        found = dimension(name, param=param)
        return Field(name=name, title=found.title, help=found.help, expr=found.expr, of=BOTH)
    by_name = {f.name: f for f in fields(subject)}
    if name not in by_name:
        raise InvalidInput(
            f'{param} "{name[:60]}" is no column of {subject}; {did_you_mean(name, by_name)}',
            field=param,
            code="unknown_column",
        )
    return by_name[name]


def _twice(what: str, names: Iterable[str | None]) -> list[str]:
    seen = [n for n in names if n is not None]
    return [f"{what} {n} is declared twice" for n in sorted({n for n in seen if seen.count(n) > 1})]


def _metric_problems(m: Metric) -> list[str]:
    unknown = [n for n in m.formula.measures if n not in MEASURES]
    if unknown:
        return [f"metric {m.name} uses unknown measures {unknown}"]
    used = [MEASURES[n] for n in m.formula.measures]
    problems = []
    if len({u.of for u in used}) != 1:
        problems.append(f"metric {m.name} mixes requests and deliveries")
    if len({u.joined for u in used}) != 1:
        problems.append(f"metric {m.name} mixes deliveries and attempts")
    if isinstance(m.formula, Sum | Ratio) and not all(u.additive for u in used):
        problems.append(f"metric {m.name} adds up what does not add up")
    if m.unit == "ratio" and m.type is not Type.FLOAT:
        problems.append(f"metric {m.name} is a ratio and no Float")
    return problems


def _nameless(field: Field) -> bool:
    return field.personal is Personal.NAME and field.name not in NAMES.values()


def _check() -> None:
    """Refuse to start with a catalogue that contradicts itself."""
    problems = [
        *_twice("field", (f.name for f in FIELDS)),
        *_twice("log column", (f.wire for f in FIELDS)),
        *_twice("metric spelling", (m.wire for m in METRICS.values())),
        *_twice("group_by spelling", (d.group_by for d in DIMENSIONS.values())),
        *_twice("rollup", (r.name for r in ROLLUPS.values())),
        *_twice("breakdown spelling", (b for d in DIMENSIONS.values() for b in d.breakdown)),
        *(problem for m in METRICS.values() for problem in _metric_problems(m)),
    ]
    entries: tuple[Field | Metric | Dimension, ...] = (*FIELDS, *METRICS.values(), *DIMENSIONS.values())
    problems += [f"{e.name} is no name" for e in entries if not re.fullmatch(r"[a-z][a-z0-9_]*", e.name)]
    problems += [f"{e.name} has no help, or it is no sentence" for e in entries if not e.help.endswith(".")]
    columns = {s: {f.name for f in fields(s)} | {"workspace_id"} for s in Subject}
    problems += [
        f"rollup {r.name} has columns that {r.of} have not" for r in ROLLUPS.values() if not columns[r.of].issuperset(r.columns)
    ]
    kept = [(m, VALUES[m.values]) for m in MEASURES.values() if m.values]
    problems += [
        f"{m.name} is not told from {v.name}" for m, v in kept if (m.of, m.argument, m.when) != (v.of, v.argument, v.when)
    ]
    problems += [
        f"rollup {r.name} keeps values of others" for r in ROLLUPS.values() if any(VALUES[v].of is not r.of for v in r.values)
    ]
    traces = {f.name for f in FIELDS if f.personal is Personal.TRACE}
    problems += [f"rollup {r.name} holds what an erasure clears" for r in ROLLUPS.values() if traces.intersection(r.columns)]
    names = {f.name for f in FIELDS if f.personal is Personal.NAME}
    problems += [
        f"rollup {r.name} holds ids and values, which no erasure can tell apart"
        for r in ROLLUPS.values()
        if r.values and names.intersection(r.columns)
    ]
    problems += [f"field {f.name} stands in for nothing" for f in FIELDS if f.instead and f.personal is not Personal.TRACE]
    problems += [f"{f.name} cannot be cleared" for f in FIELDS if f.personal and f.type not in (Type.STRING, Type.MAP)]
    problems += [f"{f.name} is erased, and nobody can name it" for f in FIELDS if _nameless(f)]
    problems += [
        f"dimension {d.name} has neither a column nor an expression"
        for d in DIMENSIONS.values()
        if not d.expr and not all(d.name in columns[s] for s in d.of)
    ]
    named = {s: {d.name for d in DIMENSIONS.values() if s in d.of} for s in Subject}
    problems += [
        f"the errors of {subject} name dimensions that there are not"
        for subject, f in FAILURES.items()
        if not named[subject].issuperset((*f.by, *f.traffic, *(d for _, _, d in f.affected))) or not set(f.traffic) <= set(f.by)
    ]
    if problems:
        raise RuntimeError("The catalogue contradicts itself: " + "; ".join(problems))


_check()

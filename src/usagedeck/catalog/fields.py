"""Fields: the columns of an event, in JSON at the collecting door, in the store, in the log and its CSV."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from usagedeck.catalog.kinds import BOTH, CURRENCY, DELIVERIES, MAX_COUNT, REQUESTS, Personal, Subject, Type
from usagedeck.times import DAY

MAX_DURATION = DAY
"""A request that was active inside a window began at most this long before it. So events are kept on the disk for this long
below the floor: what was active above it is answered as it always was."""


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
    joined: bool = False
    """Only deliveries have it, whose rows are joined attempts: no attempt does, so nobody sends it and the store does not keep
    it."""

    @property
    def sql(self) -> str:
        return self.expr or self.name


TRIES = "tries"
"""Of a delivery: how many attempts it took so far."""
TOOK = "took_ms"
"""Of a delivery that succeeded: from the start of its first attempt to the end of the first one that got a 2xx."""

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
        indexed=True,
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
        name=TRIES,
        title="Attempts",
        help="How many attempts the delivery took so far, those behind the window included.",
        type=Type.INT,
        of=DELIVERIES,
        unit="attempts",
        shown=True,
        joined=True,
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
        high=MAX_DURATION,
        shown=True,
        wire="latency_seconds",
        outcome=True,
    ),
    Field(
        name=TOOK,
        title="Time to deliver",
        help="From the start of the first attempt to the end of the first one with a 2xx. Absent when the last one has none.",
        type=Type.INT,
        of=DELIVERIES,
        unit="ms",
        shown=True,
        joined=True,
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
COLUMNS: Mapping[str, Field | None] = {
    **{f.name: f for f in FIELDS if not (f.stamped or f.joined)},
    "workspace_id": None,
    "version": None,
}
"""What the store keeps of an event; None for what is no field."""


OUTCOMES = frozenset(f.name for f in FIELDS if f.outcome)
"""Columns that say of a delivery what became of it: the last attempt has them."""

JOINING = ("user_id", "webhook_id", "message_id")
"""Attempts that agree in these belong to one delivery, when they are near enough in time. The user is one of them, so that
one's own rows make up one's own deliveries."""


def columns_in(fragment: str) -> frozenset[str]:
    """The stored columns that a SQL fragment of the catalogue names."""
    return frozenset(_COLUMN.findall(fragment)) & COLUMNS.keys()


CAUSE = "request_id"
"""The field of a delivery that holds the id of the request that caused it."""

SIDES = ("request", "response")
"""What an exchange consists of: the fields of an event that bring it, and columns of the table that keeps it."""


def personal(subject: Subject, what: Personal) -> tuple[Field, ...]:
    """The fields of that kind of event that an erasure treats so."""
    return tuple(f for f in fields(subject) if f.personal is what)


def fields(subject: Subject, *, joined: bool = False) -> tuple[Field, ...]:
    """The columns of that kind of event, in the order they are shown; with `joined` those of what attempts are joined into."""
    return tuple(f for f in FIELDS if subject in f.of and (joined or not f.joined))

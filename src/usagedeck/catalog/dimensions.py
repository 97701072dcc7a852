"""Dimensions: what a metric can be split or filtered by, and whose display names belong to their values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

from usagedeck.catalog.fields import CAUSE, COLUMNS, FIELDS, OUTCOMES, Field, columns_in, fields
from usagedeck.catalog.kinds import BOTH, REQUESTS, Personal, Subject, Type
from usagedeck.catalog.measures import OK_REQUEST
from usagedeck.errors import InvalidInput, did_you_mean


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
    joined: bool = False
    """Only deliveries have it, whose rows are joined attempts."""

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
        found = COLUMNS.get(self.sql)
        return found is not None and (found.indexed or found.name == "id")

    @property
    def mostly_distinct(self) -> bool:
        """So many values that a list of them tells little."""
        return any(f.many for name in self.columns if (f := COLUMNS[name]))

    @property
    def outcome(self) -> bool:
        """Of a delivery it is what the last attempt says, not the first one."""
        return bool(self.columns & OUTCOMES)


def _field(name: str, **more: Any) -> Dimension:
    """The dimension that is a field: title, help, type, subject and what has it are the field's."""
    found = next(f for f in FIELDS if f.name == name)
    return Dimension(
        name=name,
        title=found.title,
        help=found.help,
        type=found.type,
        of=found.of,
        expr=found.expr,
        joined=found.joined,
        **more,
    )


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
        expr=f"({OK_REQUEST})",
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


NAMES: Mapping[Label, str] = {
    d.label: d.name
    for d in DIMENSIONS.values()
    if d.label and any(f.name == d.name and f.personal is Personal.NAME for f in FIELDS)
}
"""What may be erased, and the field that holds its ids."""


WHOSE = (*NAMES.values(), CAUSE)
"""The fields of an event that its exchange has too, so that it can be told whose it is."""


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


def log_field(name: str, subject: Subject, *, param: str = "columns") -> Field:
    """The log column of that name or of that attribute, or `InvalidInput` with the nearest one."""
    if name.startswith(ATTRIBUTE):
        found = dimension(name, param=param)
        return Field(name=name, title=found.title, help=found.help, expr=found.expr, of=BOTH)
    by_name = {f.name: f for f in fields(subject, joined=True)}
    if name not in by_name:
        raise InvalidInput(
            f'{param} "{name[:60]}" is no column of {subject}; {did_you_mean(name, by_name)}',
            field=param,
            code="unknown_column",
        )
    return by_name[name]

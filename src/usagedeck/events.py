"""What an event is at the collecting door, made from the catalogue: its shape, its checks, and the row it becomes.

An `EventReader` turns the JSON of one event into a row for the store or into a `Rejection` that names the field and the
mend; it never raises for bad input and knows nothing of neighbours, workspaces' data or the store.
"""

import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal, Optional, Protocol

import msgspec
from msgspec import Meta

from usagedeck.addresses import kept_ip
from usagedeck.catalog.dimensions import MAX_ATTRIBUTE_KEY
from usagedeck.catalog.fields import Field, fields
from usagedeck.catalog.kinds import DECIMALS, KINDS, MAX_AMOUNT, Subject, Type
from usagedeck.errors import InvalidInput, did_you_mean
from usagedeck.redacting import Redactor
from usagedeck.seals import QUARTER
from usagedeck.settings import Settings
from usagedeck.times import EARLIEST, SECOND, iso, parse_instant

REVISION_STEP = 2**52
"""Versions of one revision lie below this; a higher revision of an event beats every arrival of a lower one."""


def version(arrived_us: int, revision: int = 0) -> int:
    """The store keeps the highest version of an identity: the first arrival of the highest revision."""
    return revision * REVISION_STEP + (REVISION_STEP - 1 - arrived_us)


def with_version(row: bytes, arrived_us: int) -> bytes:
    """A row (a JSON object) that knows when it arrived."""
    return b'{"version":%d,%b' % (version(arrived_us), row[1:])


def with_version_of(stamped: bytes, row: bytes) -> bytes:
    """A row that has the version of another one."""
    return b"%b,%b" % (stamped[: stamped.index(b",")], row[1:])


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why one event of a batch was not taken, and how to mend it."""

    index: int
    id: str | None
    code: str
    field: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """What we add to the events of a batch."""

    workspace_id: str
    currency: str
    owners: Mapping[str, str]
    """Owner of each API key of the workspace, for events that name a key and no user."""
    now: int
    full_ip: bool = False
    """The workspace keeps whole client addresses."""
    earliest: int = EARLIEST
    """The first instant at which an event is taken; above the usual one where older ones have expired."""
    retention: str = ""
    """Why that is so, as the beginning of a sentence."""
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Groups of each user who is in any, for events that name none."""
    redactions: frozenset[str] = frozenset()
    """Fields that the workspace does not keep, by their names in the catalogue, and attributes as `attributes.<key>`."""
    redactor: Redactor | None = None
    """What takes out of headers and bodies what must not be kept; None where the workspace collects none."""
    exchanges_from: int = 0
    """Headers and bodies of events before have expired."""


class Event(Protocol):
    """The fields that rules look at; the rest pass through unread. Declared in the catalogue."""

    id: str | None
    time: Any
    duration_ms: int | None
    user_id: str | None
    api_key_id: str | None
    group_ids: Sequence[str] | None
    path: str | None
    route: str | None
    ip: str | None
    cost: Decimal | None
    currency: str | None
    attributes: dict[str, str] | None
    error: Any
    message_id: str | None


class _Kind(msgspec.Struct):
    kind: str = "request"


class _Identity(msgspec.Struct):
    id: str | None = None


class EventReader:
    """Checks events against the catalogue and the limits of the settings."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._decoders = {kind: msgspec.json.Decoder(shape(kind, settings)) for kind in KINDS}
        self._names = {
            kind: [*(f.name for f in fields(s) if not (f.stamped or f.inside)), "request", "response"]
            for kind, s in KINDS.items()
        }
        self._amounts = {
            kind: [f.name for f in fields(s) if f.type is Type.DECIMAL and not f.stamped] for kind, s in KINDS.items()
        }
        self._kind = msgspec.json.Decoder(_Kind)
        self._identity = msgspec.json.Decoder(_Identity)
        self._encode = msgspec.json.Encoder(decimal_format="string").encode

    def read(self, index: int, raw: bytes, stamp: Stamp) -> tuple[Subject, bytes] | Rejection:
        """The row of one event as a line of JSON with the store's column names but for its version, or why it is refused."""
        try:
            kind = self.kind_of(raw)
            event: Event = self._decode(kind, raw)
            extra = self._check(kind, event, raw, stamp)
            _redact(event, extra, stamp.redactions)
        except InvalidInput as error:
            return self.refused(index, raw, error)
        head = self._encode({"workspace_id": stamp.workspace_id, **extra})
        return KINDS[kind], head[:-1] + b"," + self._encode(event)[1:]

    def refused(self, index: int, raw: bytes, why: InvalidInput) -> Rejection:
        """An event that is not taken."""
        return Rejection(index, self._id_of(raw), why.code, why.field, why.message)

    def kind_of(self, raw: bytes) -> str:
        """What an event says it is. Raises `InvalidInput` for a kind nobody knows and for an event that is too large."""
        if len(raw) > self._settings.max_event_bytes:
            raise InvalidInput(
                f"The event has {len(raw):,} bytes; at most {self._settings.max_event_bytes:,} are taken (max_event_bytes).",
                code="too_large",
            )
        if b'"kind"' not in raw:
            return "request"
        try:
            kind = self._kind.decode(raw).kind
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return "request"  # the full decoder says what is wrong
        if kind not in KINDS:
            raise InvalidInput(f'kind "{kind[:40]}" is unknown; send "request" or "delivery".', field="kind", code="unknown_kind")
        return kind

    def _decode(self, kind: str, raw: bytes) -> Any:
        try:
            return self._decoders[kind].decode(raw)
        except msgspec.ValidationError as error:
            raise self._explain(kind, str(error)) from None
        except RecursionError:
            raise InvalidInput("The event is nested too deeply; events are flat.", code="malformed") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidInput(
                f"The event is no valid JSON: {error}. Send one JSON object per event.", code="malformed"
            ) from None

    def _explain(self, kind: str, said: str) -> InvalidInput:
        """A decoder's complaint in the sender's words."""
        what, _, where = said.partition(" - at `$")
        name = where.rstrip("`").lstrip(".") or None
        if match := re.search(r"unknown field `(.*)`", what):
            unknown = match[1]
            near = did_you_mean(unknown, self._names[kind]).split("Known:")[0].strip()
            hint = f"{near[0].upper()}{near[1:]} " if near else ""
            path = f"{name}.{unknown}" if name else unknown
            return InvalidInput(
                f'"{path}" is no field of a {kind}. {hint}Your own data belongs under "attributes".',
                field=path,
                code="unknown_field",
            )
        if name is None:
            return InvalidInput(f"{what.replace('`', '')}; send one JSON object per event.", code="malformed")
        top = re.split(r"[.\[]", name)[0]
        if match := re.search(r"length <= (\d+)", what):
            if "array" in what or "object" in what:
                return InvalidInput(f"{top} has too many entries; at most {match[1]} are taken.", field=top, code="too_many")
            return InvalidInput(f"{name} is too long; at most {match[1]} characters are taken.", field=top, code="too_long")
        if match := re.search(r"Expected `int` (>=|<=) (-?\d+)", what):
            side = "least" if match[1] == ">=" else "most"
            return InvalidInput(f"{name} is out of range; it is at {side} {match[2]}.", field=top, code="out_of_range")
        plain = what.replace("`", "").replace(" | null", "")
        quoted = "; send a number without quotes" if re.search(r"(int|float|decimal), got str", plain) else ""
        return InvalidInput(f"{name}: {plain[0].lower()}{plain[1:]}{quoted}.", field=top, code="wrong_type")

    def _check(self, kind: str, event: Event, raw: bytes, stamp: Stamp) -> dict[str, str]:
        """Fill what follows from the rest, refuse what cannot be; returns columns that are nested in the JSON."""
        settings = self._settings
        event.time = self._time(event, stamp)
        event.id = event.id or new_id(stamp.now)
        if b"\\u0000" in raw:
            _no_nul(event)
        for name in self._amounts[kind]:
            if (amount := getattr(event, name)) is not None:
                setattr(event, name, exact_amount(name, amount))
        if event.attributes:
            _check_attributes(event.attributes, settings)
        if kind == "request":
            _fill_request(event, stamp)
            if event.ip:
                event.ip = kept_ip(event.ip, stamp.full_ip)
        elif not event.message_id:
            event.message_id = event.id
        extra: dict[str, str] = {}
        if event.error is not None:
            extra = {"error_code": event.error.code or "", "error_message": event.error.message or ""}
            event.error = None
        return extra

    def _time(self, event: Event, stamp: Stamp) -> int:
        if event.time is None:
            if event.id:
                raise InvalidInput(
                    "time is missing. An event with an id needs its time too: together they are its identity, "
                    "and without it a repeat would count again.",
                    field="time",
                    code="missing_time",
                )
            return stamp.now
        time = parse_instant(event.time, field="time")
        if time < (earliest := stamp.earliest):
            said = f"time is {iso(time)}; {stamp.retention}the earliest accepted is {iso(earliest)}."
            raise InvalidInput(said, field="time", code="too_old")
        latest = stamp.now + self._settings.max_future_seconds * SECOND
        if time > latest:
            raise InvalidInput(
                f"time is {iso(time)}, in the future; the latest accepted now is {iso(latest)}. Check the sender's clock.",
                field="time",
                code="in_future",
            )
        return time

    def _id_of(self, raw: bytes) -> str | None:
        try:
            found = self._identity.decode(raw[:1_000_000]).id
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        return found[:256] if found else None


def shape(kind: str, settings: Settings, *, strict: bool = False) -> type[msgspec.Struct]:
    """The shape of an event, from the catalogue. A strict one has the limits of attributes too, which no decoder explains."""
    nested: dict[str, list[Any]] = {}
    flat: list[Any] = [("kind", Literal[kind], kind)]
    for found in fields(KINDS[kind]):
        if found.inside:
            outer, inner = found.inside
            nested.setdefault(outer, []).append((inner, _type(found, settings, strict=strict), None))
        elif not found.stamped:
            flat.append((found.name, _type(found, settings, strict=strict), None))
    for outer, inside in nested.items():
        holder: Any = msgspec.defstruct(outer, inside, forbid_unknown_fields=True, kw_only=True, gc=False)
        flat.append((outer, Optional[holder], None))  # noqa: UP045 - `holder` is a value here, not a name
    return msgspec.defstruct(kind, flat, forbid_unknown_fields=True, omit_defaults=True, kw_only=True, gc=False)


def _type(found: Field, settings: Settings, *, strict: bool) -> Any:
    short = Annotated[str, Meta(max_length=settings.max_text)]
    if found.type is Type.INT:
        return Annotated[int, Meta(ge=found.low, le=found.high)] | None
    if found.type is Type.DECIMAL:
        return Decimal | None
    if found.type is Type.INSTANT:
        return int | float | str | None
    if found.type is Type.LIST:
        return Annotated[list[short], Meta(max_length=settings.max_groups)] | None
    if found.type is Type.MAP:
        return _attributes(settings) | None if strict else dict[str, str] | None
    return Annotated[str, Meta(max_length=settings.max_long_text)] | None if found.long else short | None


def _attributes(settings: Settings) -> Any:
    key = Annotated[str, Meta(min_length=1, max_length=MAX_ATTRIBUTE_KEY)]
    return Annotated[dict[key, Annotated[str, Meta(max_length=settings.max_long_text)]], Meta(max_length=settings.max_attributes)]


def exact_amount(name: str, amount: Decimal) -> Decimal:
    """An amount as the store holds it. Raises `InvalidInput` for one that it cannot hold exactly."""
    if not amount.is_finite() or amount < 0:
        raise InvalidInput(f"{name} is {str(amount)[:40]}; amounts are zero or more.", field=name, code="out_of_range")
    if amount >= MAX_AMOUNT:
        raise InvalidInput(f"{name} is {str(amount)[:40]}; amounts are below {MAX_AMOUNT:,f}.", field=name, code="out_of_range")
    kept = round(amount, DECIMALS)
    if kept != amount:
        raise InvalidInput(
            f"{name} is {str(amount)[:40]}; at most {DECIMALS} decimals are kept, so round it before sending.",
            field=name,
            code="too_precise",
        )
    return kept


def _no_nul(event: Any, inside: str = "") -> None:
    for name in event.__struct_fields__:
        value, field = getattr(event, name), f"{inside}{name}"
        if isinstance(value, msgspec.Struct):
            _no_nul(value, f"{field}.")
        elif value and isinstance(value, str | list | dict):
            texts = (value,) if isinstance(value, str) else [*value, *value.values()] if isinstance(value, dict) else value
            if any("\0" in text for text in texts):
                raise InvalidInput(f"{field} contains a NUL character; remove it.", field=field, code="bad_character")


def _check_attributes(attributes: Mapping[str, str], settings: Settings) -> None:
    if len(attributes) > settings.max_attributes:
        raise InvalidInput(
            f"attributes has {len(attributes)} keys; at most {settings.max_attributes} are taken (max_attributes).",
            field="attributes",
            code="too_many",
        )
    for key, value in attributes.items():
        if not 0 < len(key) <= MAX_ATTRIBUTE_KEY:
            raise InvalidInput(f"An attribute key has 1 to {MAX_ATTRIBUTE_KEY} characters.", field="attributes", code="too_long")
        if len(value) > settings.max_long_text:
            raise InvalidInput(
                f"attributes.{key} is too long; at most {settings.max_long_text} characters are taken.",
                field="attributes",
                code="too_long",
            )


def _fill_request(event: Event, stamp: Stamp) -> None:
    if event.currency or event.cost is not None:
        event.currency = (event.currency or stamp.currency).lower()
        if event.currency != stamp.currency:
            raise InvalidInput(
                f'currency is "{event.currency}"; this workspace counts in {stamp.currency}. Convert the cost before sending.',
                field="currency",
                code="currency_mismatch",
            )
    if event.api_key_id and not event.user_id:
        event.user_id = stamp.owners.get(event.api_key_id)
    if event.group_ids:
        event.group_ids = sorted({g for g in event.group_ids if g})
    elif event.group_ids is None and event.user_id:
        event.group_ids = stamp.groups.get(event.user_id)
    if event.path:
        event.path = event.path.partition("?")[0]
        event.route = event.route or route_of(event.path)


def _redact(event: Any, extra: dict[str, str], redactions: frozenset[str]) -> None:
    """Forget what is not to be kept, once everything that follows from it is known."""
    for name in redactions:
        inside, _, key = name.partition(".")
        if key:
            (event.attributes or {}).pop(key, None)
        elif extra.pop(name, None) is None and name in event.__struct_fields__:
            setattr(event, inside, None)


class _Extent(msgspec.Struct):
    time: int
    duration_ms: int | None = None


_extent = msgspec.json.Decoder(_Extent)


def quarters_of(lines: Iterable[bytes]) -> set[int]:
    """The quarter-hours (their first instants) in which rows begin or are active."""
    met: set[int] = set()
    for line in lines:
        at = _extent.decode(line)
        met.update(range(at.time - at.time % QUARTER, at.time + max(at.duration_ms or 0, 1), QUARTER))
    return met


def new_id(now: int) -> str:
    """An id for an event that came without one; sorts by time."""
    return f"evt_{now:012x}{secrets.token_hex(8)}"


_ID_LIKE = re.compile(
    r"\d+"
    r"|[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
    r"|(?=[^/]*\d)[0-9a-fA-F]{8,}"
    r"|(?=[^/]*\d)[A-Za-z0-9]{16,}"
    r"|[A-Za-z]{1,12}_(?=[^/]*\d)[A-Za-z0-9]{6,}"
)


@lru_cache(maxsize=50_000)
def route_of(path: str) -> str:
    """The path with its id-like parts replaced by `{id}`: numbers, UUIDs, hexadecimal, long mixed tokens, `req_01K43…`."""
    return "/".join("{id}" if _ID_LIKE.fullmatch(part) else part for part in path.split("/"))

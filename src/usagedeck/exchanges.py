"""Exchanges: the headers and bodies of what was sent and what came back, as an event may bring them.

They come inside of the event, as `request` and `response`, and leave it here: the event goes on without them, and they are
redacted, cut and kept beside its row, which takes them along wherever it goes and loses them where it is made anew. An event
that has none is not touched.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from usagedeck.catalog.dimensions import WHOSE
from usagedeck.catalog.fields import SIDES
from usagedeck.catalog.kinds import MAX_COUNT, Subject
from usagedeck.errors import InvalidInput, TooLarge
from usagedeck.readers.compressed import Decompressor
from usagedeck.redacting import MARK, Redactor, Unsure
from usagedeck.settings import Settings

MOST_HEADERS = 128
MAX_PACKED = 4
"""Packings within packings."""

_MARKS = tuple(b'"%b"' % side.encode() for side in SIDES)

Headers: TypeAlias = dict[str, str | list[str]] | list[tuple[str, str]]


class Fate(StrEnum):
    """What became of an exchange, or of a body of one that was kept."""

    KEPT = "kept"
    SWITCHED_OFF = "switched_off"
    """The workspace collects none."""
    EXPIRED = "expired"
    """It is older than the workspace keeps them."""
    TOO_LARGE = "too_large"
    """A body that is larger than what is looked through."""
    UNSURE = "unsure"
    """A body of which nobody can be sure that nothing is left in it."""


class Carrying(bytes):
    """A row that takes an exchange along. Whoever makes another row of it leaves the exchange behind."""

    exchange: bytes
    """A row of the exchanges as JSON, but for its version."""


@dataclass(frozen=True, slots=True)
class Parted:
    """An event and what it brought."""

    event: bytes
    sides: Mapping[str, bytes]
    """JSON by side; absent ones are left out."""


class _Side(msgspec.Struct, forbid_unknown_fields=True):
    headers: Headers | None = None
    body: msgspec.Raw = msgspec.Raw(b"null")
    encoding: str | None = None
    size: Annotated[int, Meta(ge=0, le=MAX_COUNT)] | None = None


class Kept(msgspec.Struct, omit_defaults=True):
    """A side as it is stored and shown."""

    headers: list[tuple[str, str]] = []
    body: str | None = None
    base64: bool = False
    """The body is binary, and in base64 here."""
    size: int | None = None
    """Bytes of the body, as the sender says or as they came; absent without a body."""
    cut_at: int | None = None
    """Only so many of its bytes are here."""
    redacted: int = 0
    """Places at which something was taken out."""
    left_out: str = ""
    """Why there is no body although there was one."""
    more_headers: int = 0
    """Headers that were too many."""


_whose_fields: list[tuple[str, type, str]] = [(name, str, "") for name in WHOSE]
_Whose = msgspec.defstruct("_Whose", [("workspace_id", str), ("time", int), ("id", str), *_whose_fields])
"""The part of an event's row that its exchange needs too."""

_event = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_side = msgspec.json.Decoder(_Side).decode
_whose: Callable[[bytes], Any] = msgspec.json.Decoder(_Whose).decode
_json = msgspec.json.Encoder().encode
_stored = msgspec.json.Decoder(Kept).decode


def may_carry(event: bytes) -> bool:
    """A quick look: false when there is no exchange in it."""
    return _MARKS[0] in event or _MARKS[1] in event


def part(event: bytes) -> Parted | None:
    """An event and its exchange, each by itself; None when there is none, or when the event cannot be read."""
    try:
        members = _event(event)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    found = {side: bytes(members.pop(side)) for side in SIDES if side in members}
    if not found:
        return None
    return Parted(_json(members), {side: raw for side, raw in found.items() if raw != b"null"})


def time_of(row: bytes) -> int:
    """When the event of a row began."""
    return int(_whose(row).time)


def beside(row: bytes, subject: Subject, sides: Mapping[str, Kept]) -> Carrying:
    """The row of an event with its exchange."""
    stored = {side: _json(sides[side]).decode() if side in sides else "" for side in SIDES}
    carrying = Carrying(row)
    carrying.exchange = _json({**msgspec.to_builtins(_whose(row)), "subject": subject, **stored})
    return carrying


def shown(stored: str) -> Kept | None:
    """A side as it was stored; None where there was none."""
    return _stored(stored) if stored else None


class ExchangeReader:
    """Makes of what came what may be kept. Safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self._largest = settings.max_exchange_bytes
        self._kept = settings.kept_body_bytes
        self._long = settings.max_long_text

    def read(self, sides: Mapping[str, bytes], redactor: Redactor) -> tuple[dict[str, Kept], list[Fate]]:
        """The sides without what must not be kept, cut to size; and why bodies were left out, if any was.

        Raises `InvalidInput` for what is no exchange.
        """
        made: dict[str, Kept] = {}
        fates: list[Fate] = []
        for name, raw in sides.items():
            kept, fate = self._side(name, raw, redactor)
            made[name] = kept
            if fate is not Fate.KEPT:
                fates.append(fate)
        return made, fates

    def _side(self, name: str, raw: bytes, redactor: Redactor) -> tuple[Kept, Fate]:
        try:
            side = _side(raw)
            data = _data(name, side)
        except msgspec.ValidationError as error:
            raise _wrong(name, str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise InvalidInput(f"{name} is nested too deeply, or no valid JSON.", field=name, code="malformed") from None
        pairs = _pairs(side.headers)
        kept = Kept(size=None if data is None else max(len(data), side.size or 0), more_headers=max(0, len(pairs) - MOST_HEADERS))
        fate = Fate.KEPT
        try:
            kept.headers = [(n, self._cut(v)) for n, v in redactor.headers(pairs[:MOST_HEADERS])]
            if data is not None:
                self._body(kept, data, {n.lower(): v for n, v in pairs}, redactor)
        except TooLarge:
            kept.left_out, fate = f"larger than {self._largest:,} bytes", Fate.TOO_LARGE
        except Unsure as unsure:
            kept.left_out, fate = str(unsure), Fate.UNSURE
        kept.redacted = sum(value.count(MARK) for _, value in kept.headers) + (kept.body or "").count(MARK)
        return kept, fate

    def _cut(self, value: str) -> str:
        return value if len(value) <= self._long else f"{value[: self._long]}…"

    def _body(self, kept: Kept, data: bytes, headers: Mapping[str, str], redactor: Redactor) -> None:
        kind = headers.get("content-type", "")
        data = self._unpacked(data, headers.get("content-encoding", ""))
        came = len(data)
        kept.size = size = max(came, kept.size or 0)
        text = _text(data, kind)
        if text is None:
            data = redactor.binary(data, kind)
            kept.body, kept.base64 = base64.b64encode(data[: self._kept]).decode(), True
        else:
            data = redactor.text(text, kind).encode()
            kept.body = data[: self._kept].decode("utf-8", "ignore")
        if len(data) > self._kept or size > came:
            kept.cut_at = min(self._kept, len(data))

    def _unpacked(self, data: bytes, said: str) -> bytes:
        """Packed bodies hide what is in them, so they are unpacked. Raises `TooLarge`; `Unsure` where that cannot be done."""
        codings = [one for one in (part.strip().lower() for part in said.split(",")) if one not in ("", "identity")]
        for _ in range(MAX_PACKED + 1):
            if len(data) > self._largest:
                raise TooLarge("")
            how = codings.pop() if codings else ""
            how = "gzip" if data[:2] == b"\x1f\x8b" else "zstd" if data[:4] == b"\x28\xb5\x2f\xfd" else how
            if not how or _text(data, "") is not None:
                return data
            data = self._unpacked_once(data, how)
        raise Unsure("packed too often")

    def _unpacked_once(self, data: bytes, how: str) -> bytes:
        try:
            if how == "deflate":
                return self._inflated(data)
            plain = Decompressor(how, self._largest)
            plain.feed(data)
            return plain.finish()
        except TooLarge:
            raise
        except (InvalidInput, zlib.error):
            raise Unsure("packed in a way that cannot be unpacked here") from None

    def _inflated(self, data: bytes) -> bytes:
        packed = zlib.decompressobj(15 if data[:1] == b"\x78" else -15)
        plain = packed.decompress(data, self._largest + 1)
        if len(plain) > self._largest:
            raise TooLarge("")
        return plain


def _wrong(name: str, said: str) -> InvalidInput:
    """A decoder's complaint, which names types and members and never values."""
    what, _, where = said.partition(" - at `$")
    place = f"{name}{where.rstrip('`')}"
    return InvalidInput(
        f'{place}: {what[:1].lower()}{what[1:]}. It has "headers" (an object of texts), "body" (text or JSON) and, for bytes, '
        '"encoding": "base64".'.replace("`", ""),
        field=name,
        code="unknown_field" if "unknown field" in what else "wrong_type",
    )


def _data(name: str, side: _Side) -> bytes | None:
    """The bytes of a body: those of a text, those that base64 stands for, or JSON as it stands in the event."""
    raw = bytes(side.body)
    if raw == b"null":
        return None
    if side.encoding not in (None, "text", "base64"):
        raise InvalidInput(f'{name}.encoding is "text" or "base64".', field=name, code="wrong_type")
    if not raw.startswith(b'"'):
        return raw
    text = msgspec.json.decode(raw, type=str)
    if side.encoding != "base64":
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"{name}.body is no valid base64.", field=name, code="malformed") from None


def _pairs(headers: Headers | None) -> list[tuple[str, str]]:
    if not isinstance(headers, dict):
        return list(headers or ())
    return [(name, one) for name, value in headers.items() for one in (value if isinstance(value, list) else [value])]


_CHARSET = re.compile(
    r"charset=\"?(iso-8859-[0-9]{1,2}|latin-?1|windows-125[0-8]|utf-?(?:16|32)(?:le|be)?|shift_jis|euc-(?:jp|kr)|big5|gbk?|gb2312|gb18030"
    r"|koi8-[ru])(?![A-Za-z0-9_-])",
    re.IGNORECASE,
)
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def _text(data: bytes, content_type: str) -> str | None:
    """The text that bytes stand for; None when they stand for none."""
    said = _CHARSET.search(content_type)
    charsets = ["utf-8", "utf-16" if data.startswith(_UTF_16) else "", said[1] if said else ""]
    if b"\0" in data:  # letters of two or four bytes may look like such of one
        charsets.reverse()
    for charset in charsets:
        try:
            if charset:
                return data.decode(charset)
        except (UnicodeDecodeError, LookupError):
            pass
    return None

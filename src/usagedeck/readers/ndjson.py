"""Events as JSON: NDJSON (one event a line) or a JSON array, told apart by the first character."""

import codecs
import io
import itertools
import json
import re
from collections.abc import Iterator

import msgspec

from usagedeck.errors import InvalidInput, TooLarge
from usagedeck.readers.mapping import MISSING_TIME, Plan
from usagedeck.readers.rows import BLOCK, BOM, LONGEST_LINE, Refusal, Row, RowIds, lines
from usagedeck.times import parse_instant

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


# --- a batch ------------------------------------------------------------------------------------------------------


def split(body: bytes, most: int) -> list[bytes]:
    """The single events of a body, each still JSON; blank lines do not count.

    Raises `TooLarge` for more than `most` events, `InvalidInput` for an array that is broken as a whole.
    """
    start = body[:64].lstrip()[:1]
    if start == b"[":
        try:
            events = [bytes(raw) for raw in _ARRAY.decode(body)]
        except _NOT_JSON as error:
            raise InvalidInput(
                f"The body is no valid JSON array: {error}. Send an array of events, or NDJSON with one event a line.",
                code="malformed",
            ) from None
    else:
        events = [line for line in body.splitlines() if line and not line.isspace()]
    if len(events) > most:
        raise TooLarge(
            f"The batch has {len(events):,} events; at most {most:,} are taken at once (max_batch_events). Send it in parts.",
            code="too_many_events",
        )
    return events


# --- a file -------------------------------------------------------------------------------------------------------


class _Identity(msgspec.Struct):
    """The two fields by which an event is known."""

    id: object = None
    time: object = None


_identity = msgspec.json.Decoder(_Identity).decode


def read(stream: io.BufferedReader, plan: Plan, ids: RowIds) -> Iterator[Row | Refusal]:
    """The events of a file, as they stand in it unless the plan says otherwise.

    Raises `InvalidInput` where an array breaks: what comes behind cannot be told apart any more.
    """
    for record in _elements(_Text(stream)) if _is_array(stream) else lines(stream):
        if isinstance(record, Refusal):
            yield record
        elif not record[1].isspace():
            yield _row(*record, plan, ids)


def _is_array(stream: io.BufferedReader) -> bool:
    return stream.peek(64).removeprefix(BOM).lstrip().startswith(b"[")


def _row(number: int, line: bytes, plan: Plan, ids: RowIds) -> Row | Refusal:
    line = line.strip()
    if not line.startswith(b"{"):
        return Refusal(number, "malformed", "This is no JSON object; send one object per event.")
    id_: str | None = None
    try:
        if plan.changes_json:
            line = plan.changed(_OBJECT.decode(line))
        known = _identity(line)
        id_ = known.id if isinstance(known.id, str) else None
        if isinstance(known.time, str) and _without_offset(known.time):
            line = _with(line, "time", parse_instant(known.time, field="time", local=plan.zone))
        if not known.id:
            if known.time is None:
                return Refusal(number, "missing_time", MISSING_TIME, "time")
            line = _with(line, "id", ids.name(msgspec.json.encode(msgspec.json.decode(line), order="sorted")))
    except InvalidInput as error:
        return Refusal(number, error.code, error.message, error.field, id_)
    except _NOT_JSON:
        pass  # whoever takes the event says what is wrong with it
    return Row(number, line)


def _without_offset(time: str) -> bool:
    return not time.endswith(("Z", "z")) and not any(sign in time[10:] for sign in "+-") and not time.isdigit()


def _with(line: bytes, key: str, value: int | str) -> bytes:
    """The object with one more key; of equal keys the last one counts."""
    return b"%b,%b:%b}" % (line[:-1], msgspec.json.encode(key), msgspec.json.encode(value))


# --- an array that may be larger than memory ----------------------------------------------------------------------

_scan = json.JSONDecoder().raw_decode
_spaces = re.compile(r"[ \t\r\n]*")


class _Text:
    """A stream of JSON of which a little is held at a time."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape").decode
        self._held = ""
        self._at = 0

    def mark(self) -> str:
        """Go to the next character that is no space, and show it; empty at the end."""
        while True:
            found = _spaces.match(self._held, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more():
                return ""

    def skip(self) -> None:
        """Pass the character that was shown."""
        self._at += 1

    def value(self) -> str:
        """Pass the value that begins here; empty when there is no valid one."""
        while True:
            try:
                end = _scan(self._held, self._at)[1]
            except (ValueError, RecursionError):
                end = len(self._held)
            if end < len(self._held):  # at the very end it might go on
                found, self._at = self._held[self._at : end], end
                return found
            if end - self._at > LONGEST_LINE or not self._more():
                return ""

    def _more(self) -> bool:
        block = self._stream.read1(BLOCK)
        self._held = self._held[self._at :] + self._decode(block, not block)
        self._at = 0
        return bool(block)


def _elements(text: _Text) -> Iterator[tuple[int, bytes]]:
    """The elements of an array, each on one line, numbered by position."""
    text.mark()
    text.skip()
    if text.mark() == "]":
        return
    for number in itertools.count(1):
        text.mark()
        value = text.value().replace("\n", " ").replace("\r", " ")
        after = text.mark()
        if not value or after not in (",", "]"):
            raise InvalidInput(
                f"Element {number:,} of the array is broken, so nothing behind it can be read. As NDJSON, one event a line, "
                "only that event would be refused.",
                code="malformed",
            )
        yield number, value.encode("utf-8", "surrogateescape")
        if after == "]":
            return
        text.skip()

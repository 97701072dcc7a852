"""Which column of a file goes into which field of an event.

A `Plan` is what the caller said, checked against the catalogue; a `Layout` is the plan applied to the columns of one file.
A column that goes nowhere is an error, since data dropped in silence is the worst kind.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from usagedeck.catalog.dimensions import ATTRIBUTE, log_field
from usagedeck.catalog.fields import Field, fields
from usagedeck.catalog.kinds import BOTH, KINDS, Subject
from usagedeck.errors import InvalidInput, did_you_mean
from usagedeck.readers.cells import Convert, from_text
from usagedeck.readers.rows import Refusal, Row, RowIds
from usagedeck.times import zone

ALIASES: Mapping[str, str] = {
    "timestamp": "time",
    "@timestamp": "time",
    "ts": "time",
    "datetime": "time",
    "start_time": "time",
    "event_id": "id",
    "request_id": "id",
    "status_code": "status",
    "response_code": "status",
    "latency_ms": "duration_ms",
    "response_time_ms": "duration_ms",
    "product": "product_type",
    "user": "user_id",
    "key_id": "api_key_id",
    "group": "group_ids",
    "group_id": "group_ids",
    "groups": "group_ids",
    "voice": "voice_id",
    "prompt_tokens": "input_tokens",
    "context_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "generated_tokens": "output_tokens",
    "client_ip": "ip",
    "remote_addr": "ip",
    "http_user_agent": "user_agent",
}
"""Names of columns that say without doubt which field they are; used when no column has the field's own name."""

MISSING_TIME = (
    "time is missing. A row needs it: without one it would be filed under the moment of the import, "
    "and importing again would count it again."
)

_KIND = Field(name="kind", title="Kind", help="request or delivery.", of=BOTH)
_MOST_NAMED = 10


# --- what the caller said -----------------------------------------------------------------------------------------


def _field(name: str, subject: Subject | None, option: str) -> Field:
    """The field a sender may fill, of that subject or, without one, of any."""
    if name == _KIND.name:
        return _KIND
    subjects = [subject] if subject else list(Subject)
    for one in subjects:
        names = [f.name for f in fields(one) if not f.stamped]
        if name.startswith(ATTRIBUTE) or name in names:
            return log_field(name, one, param=option)
    known = {f.name for one in subjects for f in fields(one) if not f.stamped}
    elsewhere = "" if subject is None else _elsewhere(name, subject)
    raise InvalidInput(
        f'{option}: "{name[:60]}" is no field of {subject or "events"}; {elsewhere}{did_you_mean(name, known)} '
        "Your own: attributes.<key>.",
        field=option,
        code="unknown_field",
    )


def _elsewhere(name: str, subject: Subject) -> str:
    for kind, other in KINDS.items():
        if other is not subject and any(f.name == name for f in fields(other)):
            return f'"{name}" is a field of {other}: add --set kind={kind} if that is what these are. '
    return ""


def _place(field: Field) -> tuple[str, str | None]:
    """Where the value stands in the JSON of an event: (key, key inside)."""
    if field.inside:
        return field.inside
    if field.name.startswith(ATTRIBUTE):
        return ATTRIBUTE[:-1], field.name.removeprefix(ATTRIBUTE)
    return field.name, None


def _halves(text: str, option: str, form: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise InvalidInput(f'{option} "{text[:60]}" is not of the form {form}.', field=option)
    return name, value


@dataclass(frozen=True, slots=True)
class Plan:
    """What the caller said about the columns; holds for every file of a command."""

    columns: Mapping[str, str]
    """Field name → column name."""
    constants: Mapping[str, str]
    """Field name → text of the value every row gets."""
    ignored: frozenset[str]
    zone: ZoneInfo
    """Where times without an offset are read."""

    @classmethod
    def parse(
        cls,
        maps: Iterable[str] = (),
        constants: Iterable[str] = (),
        ignored: Iterable[str] = (),
        time_zone: str = "UTC",
    ) -> "Plan":
        """From the spellings FIELD=COLUMN and FIELD=VALUE. Raises `InvalidInput` for fields nobody knows."""
        chosen: dict[str, dict[str, str]] = {"--map": {}, "--set": {}}
        for option, texts, form in (("--map", maps, "FIELD=COLUMN"), ("--set", constants, "FIELD=VALUE")):
            for text in texts:
                name, value = _halves(text, option, form)
                _field(name, None, option)
                if any(name in names for names in chosen.values()):
                    raise InvalidInput(f"{option}: {name} is given twice.", field=option)
                chosen[option][name] = value
        if "id" in chosen["--set"]:
            raise InvalidInput("--set: an id belongs to one row only; leave it out and every row gets its own.", field="--set")
        plan = cls(chosen["--map"], chosen["--set"], frozenset(ignored), zone(time_zone, "--time-zone"))
        plan._given()
        return plan

    @property
    def changes_json(self) -> bool:
        """Events that come as JSON are not taken as they stand."""
        return bool(self.columns or self.constants or self.ignored)

    @property
    def _kind(self) -> str:
        return self.constants.get(_KIND.name, "request")

    def _require(self, columns: Sequence[str]) -> None:
        for name, column in self.columns.items():
            if column not in columns:
                raise InvalidInput(
                    f'--map {name}={column}: there is no column "{column[:60]}"; {did_you_mean(column, columns)}', field="--map"
                )

    def _subject(self, columns: Iterable[str]) -> Subject | None:
        """What the rows are; None when a column says it, row by row."""
        named = _KIND.name in self.columns or (_KIND.name in columns and _KIND.name not in self.constants)
        return None if named else KINDS[self._kind]

    def _given(self) -> dict[str, Any]:
        """The part of an event that every row has."""
        if self._kind not in KINDS:
            raise InvalidInput(f'--set: kind "{self._kind[:40]}" is unknown; {did_you_mean(self._kind, KINDS)}', field="--set")
        event: dict[str, Any] = {}
        for name, text in self.constants.items():
            field = _field(name, None, "--set")
            convert = from_text(field, self.zone)
            _put(event, _place(field), convert(text) if convert else text)
        return event

    def changed(self, event: dict[str, msgspec.Raw]) -> bytes:
        """An event that came as JSON, with its keys renamed, left out and added as the plan says."""
        made: dict[str, Any] = {k: v for k, v in event.items() if k not in self.ignored and k not in self.columns.values()}
        for name, column in self.columns.items():
            if (value := event.get(column)) is not None:
                place = _place(_field(name, None, "--map"))
                _put(made, place, _text(value) if place[0] == ATTRIBUTE[:-1] and place[1] else value)
        for key, value in self._given().items():
            made[key] = _merged(made.get(key), value) if isinstance(value, dict) else value
        return msgspec.json.encode(made)

    def layout(self, columns: Sequence[str], reading: Callable[[Field, int], Convert | None] | None = None) -> "Layout":
        """For a file whose columns have names.

        Raises `InvalidInput` for a column that goes nowhere, for one that is named and not there, and when none is the time.
        """
        self._require(columns)
        taken = {*self.columns, *self.constants}
        free = [c for c in columns if c not in self.columns.values() and c not in self.ignored]
        subject = self._subject(free)
        automatic = {c: c for c in free if c not in taken and _known(c, subject)}
        for column in free:
            field = ALIASES.get(column.lower(), "")
            if column not in automatic and field not in {*taken, *automatic} and _known(field, subject):
                automatic[field] = column
        if nowhere := [c for c in free if c not in automatic.values()]:
            raise _goes_nowhere(nowhere, subject)
        return self.layout_of(columns, automatic, reading)

    def layout_of(
        self, columns: Sequence[str], automatic: Mapping[str, str], reading: Callable[[Field, int], Convert | None] | None = None
    ) -> "Layout":
        """For a file whose columns are known beforehand: `automatic` says where they go unless the caller said otherwise."""
        self._require(columns)
        given = self._given()
        subject = self._subject(automatic)
        for name in self.constants:
            _field(name, subject, "--set")
        chosen = {f: c for f, c in automatic.items() if c not in self.ignored and c not in self.columns.values()}
        chosen = {f: c for f, c in chosen.items() if f not in self.constants and _known(f, subject)}
        chosen |= self.columns
        if "time" not in (*chosen, *given):
            raise InvalidInput(
                f"No column is the time; name it with --map time=COLUMN. There are: {', '.join(columns)[:500]}.", field="--map"
            )
        puts = []
        for name, column in chosen.items():
            field = _field(name, subject, "--map")
            index = columns.index(column)
            puts.append(Put(index, name, *_place(field), reading(field, index) if reading else from_text(field, self.zone)))
        return Layout(puts, given)


def _known(name: str, subject: Subject | None) -> bool:
    if name.startswith(ATTRIBUTE) or name == _KIND.name:
        return len(name) > len(ATTRIBUTE) or name == _KIND.name
    return any(f.name == name and not f.stamped for one in ([subject] if subject else Subject) for f in fields(one))


def _goes_nowhere(columns: Sequence[str], subject: Subject | None) -> InvalidInput:
    """Names the columns and what can be said about each."""
    names = [f.name for one in ([subject] if subject else Subject) for f in fields(one) if not f.stamped]
    ways = []
    for column in columns[:_MOST_NAMED]:
        near = get_close_matches(column.lower(), names, n=1, cutoff=0.75)
        key = re.sub(r"[^A-Za-z0-9_.-]+", "_", column).strip("_") or "key"
        choices = (f"{near[0] if near else 'FIELD'}={column}", f"{ATTRIBUTE}{key}={column}")
        ways.append(f"  {shlex.quote(column)}:  " + "  or  ".join(f"--map {shlex.quote(choice)}" for choice in choices))
    if len(columns) > _MOST_NAMED:
        ways.append(f"  … and {len(columns) - _MOST_NAMED} more")
    elsewhere = subject and next((hint for c in columns if not _known(c, subject) and (hint := _elsewhere(c, subject))), "")
    if elsewhere:
        ways.append(f"  {elsewhere.strip()}")
    what = "A column goes nowhere" if len(columns) == 1 else f"{len(columns)} columns go nowhere"
    return InvalidInput(
        f"{what}. Map it to a field, keep it as an attribute of your own, or leave it out with --ignore COLUMN:\n"
        + "\n".join(ways),
        field="--map",
        code="unknown_column",
    )


def _text(value: msgspec.Raw) -> Any:
    """A value of JSON as the text an attribute holds."""
    raw = bytes(value)
    return value if raw.startswith((b'"', b"null")) else raw.decode("utf-8", "replace")


def _put(event: dict[str, Any], place: tuple[str, str | None], value: Any) -> None:
    key, inside = place
    if inside is None:
        event[key] = value
    else:
        event[key] = _merged(event.get(key), {inside: value})


def _merged(before: Any, added: Mapping[str, Any]) -> dict[str, Any]:
    known = msgspec.json.decode(before, type=dict[str, msgspec.Raw]) if isinstance(before, msgspec.Raw) else before
    return {**(known or {}), **added}


# --- a file -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Put:
    """Where a column goes."""

    index: int
    name: str
    """Of the field."""
    key: str
    inside: str | None
    convert: Convert | None


class Layout:
    """A plan on the columns of one file."""

    def __init__(self, puts: Sequence[Put], given: Mapping[str, Any]) -> None:
        self.used = sorted({put.index for put in puts})
        """Places of the columns that are read."""
        self.puts = tuple(puts)
        self.given = dict(given)
        """The part of an event that every row has."""
        self._plain = [(p.index, p.key, p.convert) for p in puts if p.inside is None]
        self._nested = [(p.index, p.key, p.inside, p.convert) for p in puts if p.inside is not None]
        self._encode = msgspec.json.Encoder(decimal_format="string").encode
        self._canonical = msgspec.json.Encoder(decimal_format="string", order="sorted").encode

    def row(self, number: int, cells: Sequence[Any], ids: RowIds) -> Row | Refusal:
        """The event of a row. Empty cells are absent."""
        event: dict[str, Any] = {}
        try:
            self._fill(event, cells)
            if event.get("time") is None:
                return Refusal(number, "missing_time", MISSING_TIME, "time", event.get("id"))
            if not event.get("id"):
                event["id"] = ids.name(self._canonical(event))
            return Row(number, self._encode(event))
        except InvalidInput as error:
            return Refusal(number, error.code, error.message, error.field, event.get("id"))
        except UnicodeEncodeError:
            return Refusal(number, "bad_character", "The row is not UTF-8; convert the file, for example with iconv.")

    def _fill(self, event: dict[str, Any], cells: Sequence[Any]) -> None:
        event.update(self.given)
        for index, key, convert in self._plain:
            cell = cells[index]
            if cell is None or cell == "":
                continue
            value = convert(cell) if convert else cell
            if value is not None:
                event[key] = value
        for index, key, inside, convert in self._nested:
            cell = cells[index]
            if cell is None or cell == "":
                continue
            value = convert(cell) if convert else cell
            if value is not None:
                event[key] = {**event.get(key, {}), inside: value}

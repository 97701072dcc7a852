"""Commands of `usagedeck.admin` as HTTP calls: which method and path, what comes in the body, how that is described. They are
checked by their own shape, with the field in the refusal.

Who may call them, and for whom, is for the doors to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from usagedeck import admin
from usagedeck.errors import InvalidInput

C = TypeVar("C", bound=admin.Command)

WRITES = ("PUT", "POST", "PATCH")
"""Methods that bring a body."""


@dataclass(frozen=True, slots=True)
class Call:
    """A command behind a method and a path; fields of the command that stand in the path stand nowhere else."""

    method: str
    path: str
    command: type[admin.AnyCommand]
    summary: str
    whole: str = ""
    """The field that the whole body is, where it is no object of fields."""
    untaken: Sequence[str] = ()
    """Further fields that the body may not bring: the door settles them itself, or they are not for its callers."""

    @property
    def in_path(self) -> Sequence[str]:
        return [part.strip("{}") for part in self.path.split("/") if part.startswith("{")]


def command_of(kind: type[C], said: Mapping[str, Any]) -> C:
    """Raises `InvalidInput`."""
    try:
        return msgspec.convert(said, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        place = where.rstrip("`").lstrip(".").removesuffix("[...]")
        shown = f"{place or 'The body'}: {what[:1].lower()}{what[1:]}.".replace("`", '"')
        raise InvalidInput(shown, field=place.partition("[")[0] or None) from None


def read(call: Call, settled: Mapping[str, str], body: bytes) -> admin.AnyCommand:
    """The command of a body. `settled`: fields that do not come from there. Raises `InvalidInput`."""
    said: Any = {}
    if body and call.method in WRITES:
        try:
            said = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput(f"The body is no valid JSON: {error}.", code="malformed") from None
    if not isinstance(said, dict):
        raise InvalidInput("The body is a JSON object.", code="malformed")
    said = {call.whole: said} if call.whole else said
    if twice := sorted(said.keys() & {"command", *call.in_path}):
        raise InvalidInput(f'"{twice[0]}" stands in the path; leave it out of the body.', field=twice[0])
    if foreign := sorted(said.keys() & {*settled, *call.untaken}):
        raise InvalidInput(f'"{foreign[0]}" is not taken here; leave it out of the body.', field=foreign[0])
    return command_of(call.command, {**said, **settled})


def described(call: Call, parameters: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """What OpenAPI says of it beyond its summary; `parameters` besides those in the path."""
    in_path = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in call.in_path]
    found: dict[str, Any] = {"parameters": [*in_path, *parameters]}
    if call.method not in WRITES:
        return found
    whole = msgspec.json.schema(call.command)
    inlined = _inlined(whole, whole["$defs"])
    schema = inlined["properties"][call.whole] if call.whole else inlined
    schema.pop("title", None)
    if not call.whole:
        for name in ("command", *call.in_path, *call.untaken):
            schema["properties"].pop(name, None)
        needed = [name for name in schema.pop("required", ()) if name in schema["properties"]]
        schema.update({"required": needed} if needed else {})
        schema.pop("$defs", None)
    return {**found, "requestBody": {"content": {"application/json": {"schema": schema}}}}


def _inlined(schema: Any, defs: Mapping[str, Any]) -> Any:
    """The same without references: each is used once."""
    if isinstance(schema, list):
        return [_inlined(one, defs) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(defs[schema["$ref"].rpartition("/")[2]], defs)
    return {name: _inlined(one, defs) for name, one in schema.items() if name != "$defs"}

"""Commands of `usagedeck.admin` from what a request says: checked by the command's own shape, with the field in the refusal."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from usagedeck.admin import Command
from usagedeck.errors import InvalidInput

C = TypeVar("C", bound=Command)


def command_of(kind: type[C], said: Mapping[str, Any]) -> C:
    """Raises `InvalidInput`."""
    try:
        return msgspec.convert(said, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        field = where.rstrip("`").lstrip(".").removesuffix("[...]") or None
        raise InvalidInput(f"{field or 'The body'}: {what[:1].lower()}{what[1:]}.".replace("`", '"'), field=field) from None

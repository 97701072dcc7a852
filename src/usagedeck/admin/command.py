"""What commands have in common: their shape, the names in them, and the workspace they are about."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from usagedeck.deck import Deck
from usagedeck.directory.workspaces import Workspace
from usagedeck.errors import InvalidInput, NotFound
from usagedeck.times import parse_instant

T = TypeVar("T")

Id: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:@-]{1,128}$")]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
Email: TypeAlias = Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$", max_length=200)]
Credits: TypeAlias = Annotated[int, Meta(ge=0, le=10**15)]
"""Credits that may be used in a billing period."""

MAX_MEMBERS = 100_000

Answer: TypeAlias = dict[str, Any]
Doing: TypeAlias = Mapping[type, Callable[[Deck, Any], Answer]]


class Command(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="command"):
    """Something an operator wants done. What is left out of a `put` stays as it is."""

    untold: ClassVar[tuple[str, ...]] = ()
    """Fields that the audit log does not have: secrets, and what would fill it."""
    changes: ClassVar[bool] = True
    """Doing it changes something, so the audit log has it."""


def workspace_of(deck: Deck, id_: str) -> Workspace:
    """Raises `NotFound`."""
    found = deck.directory.workspaces.get(id_)
    if found is None:
        known = ", ".join(w.id for w in deck.directory.workspaces.all()[:20]) or "none yet"
        raise NotFound(f'There is no workspace "{id_}". There are: {known}.', field="workspace", code="workspace_not_found")
    return found


def told(value: T | UnsetType, otherwise: T) -> T:
    """What was said, or what holds when nothing was."""
    return otherwise if isinstance(value, UnsetType) else value


def given(**values: Any) -> dict[str, Any]:
    """Those that were said."""
    return {name: value for name, value in values.items() if value is not UNSET}


def since(wanted: bool | UnsetType, now: int, before: int | None) -> int | None:
    """The instant of something that may be undone: it keeps the one it has."""
    if isinstance(wanted, UnsetType):
        return before
    return (before or now) if wanted else None


def instant(value: str | int | UnsetType | None, before: int | None, field: str) -> int | None:
    """An instant that may be said, taken back, or left alone."""
    if isinstance(value, UnsetType):
        return before
    return None if value is None else parse_instant(value, field=field)


def not_found(kind: str, id_: str) -> NotFound:
    return NotFound(f'There is no {kind} "{id_}" in this workspace.', field="id", code=f"{kind.replace(' ', '_')}_not_found")


def names_needed(name: str) -> InvalidInput:
    return InvalidInput(f"{name} is missing; what is new needs one.", field=name, code="missing_required_field")

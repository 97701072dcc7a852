"""What SQL is made of: a text, the values bound to it, and the scope without which none is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias

from usagedeck.floors import NO_FLOOR, Floor

Bound: TypeAlias = (
    str
    | int
    | float
    | Decimal
    | Sequence[str]
    | Sequence[int]
    | Sequence[Decimal]
    | Sequence[tuple[str, ...]]
    | Sequence[tuple[int, int]]
    | Sequence[tuple[str, int]]
    | Sequence[tuple[int, str]]
    | Sequence[tuple[int, str, int, int]]
    | Sequence[tuple[int, str, str, int, int, int]]
)


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rows may be read, and from when on: a workspace's, or those of one of its users. Every WHERE has its floor, so nobody
    can ask past it (see `floors`)."""

    workspace_id: str
    user_id: str | None = None
    floor: Floor = NO_FLOOR


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text, the values bound to it, and the names of the columns it returns.

    Two equal statements have the same answer at the same moment: scope and values are inside.
    """

    text: str
    values: Mapping[str, Bound]
    columns: tuple[str, ...]


@dataclass(slots=True)
class Binder:
    """Hands out places for values."""

    values: dict[str, Bound] = field(default_factory=dict)

    def __call__(self, value: Bound, type_: str) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = list(value) if isinstance(value, tuple) else value  # the driver spells a tuple as one
        return f"{{{name}:{type_}}}"

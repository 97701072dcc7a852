"""What the words of the catalogue are made of: types, the two kinds of event, units, limits."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias


class Type(StrEnum):
    """What a cell holds. The values are the type names of the ElevenLabs door."""

    STRING = "String"
    INT = "Int"
    FLOAT = "Float"
    DECIMAL = "Decimal"
    BOOL = "Bool"
    INSTANT = "DateTime"
    LIST = "Array"
    MAP = "Map"


class Subject(StrEnum):
    """The two kinds of event, each with its own table."""

    REQUESTS = "requests"
    DELIVERIES = "deliveries"


class Beside(StrEnum):
    """A table beside those of events."""

    EXCHANGES = "exchanges"
    """The headers and bodies that events brought."""


class Personal(StrEnum):
    """What becomes of a field of an event when the user or the key of the event is erased."""

    NAME = "name"
    """It is the id that may be erased: `ERASED` takes its place."""
    TRACE = "trace"
    """It may say who it was, in one way or another: it is cleared."""


ERASED = "erased"
"""Stands in events and rollups where the id of an erased user or key stood."""
ERASED_LABEL = "Erased"


REQUESTS = frozenset({Subject.REQUESTS})
DELIVERIES = frozenset({Subject.DELIVERIES})
BOTH = REQUESTS | DELIVERIES

KINDS: Mapping[str, Subject] = {"request": Subject.REQUESTS, "delivery": Subject.DELIVERIES}
"""What an event calls itself in its `kind`."""

Value: TypeAlias = int | float | Decimal | None

CURRENCY = "currency"
"""The unit that is replaced by the workspace's own currency when a question is answered."""

MAX_AMOUNT = Decimal(10) ** 12
DECIMALS = 6
MAX_COUNT = 10**12

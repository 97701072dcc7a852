"""Filters and searches: conditions on single rows, as they are spelled in URLs, checked against the catalogue.

What they mean in SQL is for `sql.conditions` to say.
"""

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeAlias

from usagedeck.catalog.dimensions import Dimension, dimension
from usagedeck.catalog.kinds import Type
from usagedeck.errors import InvalidInput, did_you_mean
from usagedeck.times import parse_instant

MAX_SEARCH = 500
MAX_WORDS = 10
MAX_FILTER_VALUES = 1000

FilterValue: TypeAlias = str | int | Decimal | bool | None
RawValue: TypeAlias = str | int | float | Decimal | bool | None


class Op(StrEnum):
    """What a filter does with its values. The ElevenLabs door knows the first eight."""

    EQ = "eq"
    NEQ = "neq"
    IN = "in"
    NOT_IN = "not_in"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"


SETS = (Op.EQ, Op.IN, Op.NEQ, Op.NOT_IN)
COMPARISONS = (Op.LT, Op.LE, Op.GT, Op.GE)
TEXTUAL = (Op.CONTAINS, Op.STARTS_WITH)
ORDERED = (Type.INT, Type.DECIMAL, Type.INSTANT)


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on one dimension. `None` among the values means "absent".

    `eq`/`in`: the cell equals any of the values; `neq`/`not_in`: none of them. An empty set matches nothing, and everything.
    Comparisons take exactly one value and never match an absent cell.
    """

    dimension: Dimension
    op: Op
    values: tuple[FilterValue, ...]

    @classmethod
    def build(cls, by: Dimension, op: str, values: list[RawValue], *, param: str = "filter") -> "Filter":
        """Check and convert raw values to the dimension's type."""
        if op not in list(Op):
            raise InvalidInput(f'{param}: operator "{op[:40]}" is unknown; {did_you_mean(op, list(Op))}', field=param)
        known = Op(op)
        if known in COMPARISONS and by.type not in ORDERED:
            raise InvalidInput(f"{param}: {by.name} has no order, so {op} cannot be applied to it; use in.", field=param)
        if known in TEXTUAL and by.type not in (Type.STRING, Type.LIST):
            raise InvalidInput(f"{param}: {by.name} is no text, so {op} cannot be applied to it; use in, lt or gt.", field=param)
        if known in COMPARISONS and (len(values) != 1 or values[0] is None):
            raise InvalidInput(f"{param}: {op} on {by.name} takes exactly one value, {len(values)} came.", field=param)
        if known in TEXTUAL and (not values or None in values):
            raise InvalidInput(
                f"{param}: {op} on {by.name} takes at least one value, each a text; use eq for absent.", field=param
            )
        if len(values) > MAX_FILTER_VALUES:
            raise InvalidInput(f"{param}: at most {MAX_FILTER_VALUES} values, {len(values)} came.", field=param)
        converted = [_convert(value, by, known, param) for value in values]
        return cls(by, known, tuple(dict.fromkeys(converted)))


def _convert(value: RawValue, by: Dimension, op: Op, param: str) -> FilterValue:
    if value is None or (value == "" and op in SETS):
        return None
    if by.type in (Type.INT, Type.DECIMAL):
        return _number(value, by, param)
    if by.type is Type.INSTANT:
        if isinstance(value, bool | Decimal):
            raise InvalidInput(f"{param}: {value} is no time for {by.name}.", field=param)
        return parse_instant(value, field=param)
    if by.type is Type.BOOL:
        if str(value).lower() in ("true", "1"):
            return True
        if str(value).lower() in ("false", "0"):
            return False
        raise InvalidInput(f"{param}: {by.name} is true or false, not {str(value)[:40]!r}.", field=param)
    if isinstance(value, bool):
        return str(value).lower()
    return _unicode(str(value), param)


def _unicode(text: str, param: str) -> str:
    """JSON can spell halves of characters, which are no text and cannot be looked for."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"{param} contains half a character (a lone surrogate); remove it.", field=param) from None
    return text


def _number(value: RawValue, by: Dimension, param: str) -> Decimal:
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or abs(number) >= Decimal(10) ** 18:
        raise InvalidInput(f"{param}: {str(value)[:40]!r} is no number for {by.name}.", field=param)
    return number


def parse_filter(text: str, *, param: str = "filter") -> Filter:
    """From the URL spelling `dimension:operator:value,value`; `\\` takes the meaning from a colon, a comma or itself.

    An empty value means "absent": `voice_id:eq:` finds what has no voice.
    """
    parts = _split_unescaped(text, ":", 2)
    if len(parts) != 3:
        raise InvalidInput(f'{param} "{text[:80]}" is not of the form dimension:operator:value,value.', field=param)
    name, op, listed = parts
    values: list[RawValue] = [_unescape(value) for value in _split_unescaped(listed, ",")]
    return Filter.build(dimension(_unescape(name), param=param), op, values, param=param)


def _split_unescaped(text: str, mark: str, most: int = 0) -> list[str]:
    places = [m.start() for m in re.finditer(rf"\\.|({mark})", text, re.DOTALL) if m[1]]
    places = places[:most] if most else places
    edges = zip([0, *(p + 1 for p in places)], [*places, len(text)], strict=True)
    return [text[a:b] for a, b in edges]


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a search, and the ids whose display names hold it."""

    text: str
    named: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(dimension name, ids)"""


_WORD = re.compile(r'"([^"]*[^"\s][^"]*)"|(\S+)')


def parse_search(text: str | None) -> tuple[Word, ...]:
    """Words are ANDed; what stands in double quotes is one word. Every other character is taken literally, case does not
    matter."""
    if text is None or not text.strip():
        return ()
    if len(text) > MAX_SEARCH:
        raise InvalidInput(f"search has {len(text)} characters; at most {MAX_SEARCH}.", field="search")
    words = [quoted or word for quoted, word in _WORD.findall(text)]
    if len(words) > MAX_WORDS:
        raise InvalidInput(f"search has {len(words)} words; at most {MAX_WORDS}.", field="search")
    return tuple(Word(_unicode(w, "search")) for w in words)

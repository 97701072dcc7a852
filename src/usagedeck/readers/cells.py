"""How a cell of text becomes the value of a field. An empty cell is absent; one that does not fit is refused, never guessed."""

import re
from collections.abc import Callable
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import msgspec

from usagedeck.catalog.fields import Field
from usagedeck.catalog.kinds import Type
from usagedeck.errors import InvalidInput
from usagedeck.times import parse_instant

Convert: TypeAlias = Callable[[Any], Any]
"""From a cell to a JSON value; None for absent. Raises `InvalidInput` for a cell that does not fit."""

_WHOLE = re.compile(r"(-?[0-9]{1,18})(?:\.0*)?")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def _unfit(name: str, cell: object, needed: str) -> InvalidInput:
    return InvalidInput(f'{name} is "{str(cell)[:60]}"; {needed}.', field=name, code="wrong_type")


def _whole(name: str) -> Convert:
    def convert(cell: str) -> int | None:
        if cell.isascii() and cell.isdigit() and len(cell) < 19:
            return int(cell)
        match = _WHOLE.fullmatch(cell) or _WHOLE.fullmatch(cell.strip())
        if match is None and cell.strip():
            raise _unfit(name, cell, "a whole number is needed")
        return int(match[1]) if match else None

    return convert


def _number(name: str) -> Convert:
    def convert(cell: str) -> str | None:
        text = cell.strip()
        if text and not _NUMBER.fullmatch(text):
            raise _unfit(name, cell, "a number is needed, with a point before decimals and nothing between thousands")
        return text or None

    return convert


def _instant(name: str, local: ZoneInfo) -> Convert:
    def convert(cell: str) -> int | None:
        text = cell.strip()
        return parse_instant(text, field=name, local=local) if text else None

    return convert


def _several(cell: str) -> list[str] | None:
    return [part for part in cell.split("|") if part] or None


def _pairs(cell: str) -> dict[str, str] | None:
    """Attributes in one cell: a JSON object of texts, or `key=value|key=value` as our own CSV has it."""
    if cell.lstrip().startswith("{"):
        try:
            return msgspec.json.decode(cell, type=dict[str, str]) or None
        except (msgspec.MsgspecError, RecursionError):
            raise _unfit("attributes", cell, "a JSON object of texts is needed") from None
    parts = [part.partition("=") for part in cell.split("|") if part]
    if not all(key and sign for key, sign, _ in parts):
        raise _unfit("attributes", cell, "key=value|key=value or a JSON object is needed")
    return {key: value for key, _, value in parts} or None


def from_text(field: Field, local: ZoneInfo) -> Convert | None:
    """How a cell of text becomes a value of the field; None when it is one already."""
    if field.type is Type.INT:
        return _whole(field.name)
    if field.type is Type.DECIMAL:
        return _number(field.name)
    if field.type is Type.INSTANT:
        return _instant(field.name, local)
    if field.type is Type.LIST:
        return _several
    if field.type is Type.MAP:
        return _pairs
    return None

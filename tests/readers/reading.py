"""What the tests of readers share: bytes in, rows out."""

import io
from typing import Any

import msgspec

from usagedeck.errors import InvalidInput
from usagedeck.readers.formats import READERS, Format
from usagedeck.readers.mapping import Plan
from usagedeck.readers.rows import Refusal, Row, RowIds


def stream(content: bytes) -> io.BufferedReader:
    """The content as an opened file."""
    return io.BufferedReader(io.BytesIO(content))


class _Pieces(io.RawIOBase):
    def __init__(self, content: bytes, size: int) -> None:
        self._content, self._size = io.BytesIO(content), size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._content.readinto(buffer[: self._size])


def pieces(content: bytes, size: int) -> io.BufferedReader:
    """The content as it may come through a slow pipe: a few bytes at a time."""
    slow: io.BufferedReader = io.BufferedReader(_Pieces(content, size), 16)
    return slow


def until_broken(form: Format, content: bytes) -> tuple[list[Row | Refusal], str]:
    """What a reader gives before it finds the file broken, and what it says then."""
    found: list[Row | Refusal] = []
    try:
        for row in READERS[form](stream(content), Plan.parse(), RowIds("file")):
            found.append(row)  # noqa: PERF402 - what came before the error counts
    except InvalidInput as error:
        return found, error.message
    raise AssertionError("the file was read to its end")


def rows(form: Format, content: bytes, plan: Plan | None = None, source: str = "file") -> list[Row | Refusal]:
    """Everything a reader gives."""
    return list(READERS[form](stream(content), plan or Plan.parse(), RowIds(source)))


def events(form: Format, content: bytes, plan: Plan | None = None, source: str = "file") -> list[dict[str, Any]]:
    """The events of a file in which every row is good."""
    found = rows(form, content, plan, source)
    refused = [row for row in found if isinstance(row, Refusal)]
    assert not refused, refused
    return [msgspec.json.decode(row.event) for row in found if isinstance(row, Row)]


def refusals(form: Format, content: bytes, plan: Plan | None = None) -> list[Refusal]:
    """The rows that became no events."""
    return [row for row in rows(form, content, plan) if isinstance(row, Refusal)]

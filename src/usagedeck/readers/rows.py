"""What every reader of files gives: rows with the number they have in their file. And what readers of text share: lines.

A reader is handed an opened stream and yields, for each row, its event as JSON or the reason why there is none. It raises
only when the file as a whole cannot be read. Nothing here opens a file.
"""

import hashlib
import io
from collections.abc import Iterator
from typing import NamedTuple

LONGEST_LINE = 2**20
"""Bytes of the longest line that is looked at. A longer one is refused without being held in memory."""

BLOCK = 2**20
"""Bytes that are asked for at a time."""

BOM = b"\xef\xbb\xbf"


class Row(NamedTuple):
    """A row that became an event."""

    number: int
    """Its line in the file, from 1; in formats without lines, its position."""
    event: bytes


class Refusal(NamedTuple):
    """A row that became none, and why."""

    number: int
    code: str
    message: str
    field: str | None = None
    id: str | None = None


class RowIds:
    """Names rows that have no id, so that the same file read again gives the same names.

    A name is a hash of the source and the row, and how many equal rows came before it in this file: two equal lines stay two
    events. Remembers every row it named, in some hundred bytes each.
    """

    def __init__(self, source: str) -> None:
        self._source = hashlib.blake2b(source.encode("utf-8", "surrogateescape") + b"\0", digest_size=16)
        self._seen: dict[int, int] = {}

    def name(self, canonical: bytes) -> str:
        """The id of a row, given as JSON with sorted keys."""
        found = self._source.copy()
        found.update(canonical)
        digest = found.digest()
        short = int.from_bytes(digest[:8], "big")
        before = self._seen.get(short, 0)
        self._seen[short] = before + 1
        return f"imp_{digest.hex()}_{before}"


def lines(stream: io.BufferedIOBase) -> Iterator[tuple[int, bytes] | Refusal]:
    """Numbered lines with their endings (LF, CRLF or CR), in flat memory; a byte order mark is taken off."""
    number = lost = 0
    rest = _start(stream)
    while block := stream.read1(BLOCK):
        parts = (rest + block).splitlines(keepends=True)
        rest = b"" if parts[-1].endswith(b"\n") else parts.pop()  # a CR at the end may be half of a CRLF
        if lost and parts:
            number += 1
            yield _too_long(number, lost + len(parts.pop(0)))
            lost = 0
        for line in parts:
            number += 1
            yield (number, line) if len(line) <= LONGEST_LINE else _too_long(number, len(line))
        if lost or (len(rest) > LONGEST_LINE and not rest.endswith(b"\r")):
            lost += len(rest)
            rest = b""
    for line in rest.splitlines(keepends=True):
        number += 1
        yield (number, line) if len(line) <= LONGEST_LINE else _too_long(number, len(line))
    if lost:
        yield _too_long(number + 1, lost)


def _start(stream: io.BufferedIOBase) -> bytes:
    start = stream.read(len(BOM))
    return b"" if start == BOM else start


def _too_long(number: int, size: int) -> Refusal:
    return Refusal(number, "too_large", f"The line has {size:,} bytes; at most {LONGEST_LINE:,} are read.")

"""Opens the files of an import: finds out how they are compressed and what they are, and knows how far reading has come."""

import gzip
import io
import os
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from usagedeck.errors import InvalidInput
from usagedeck.readers.formats import HEAD, Format, plain_name, recognise
from usagedeck.readers.zstd import ZstdError, ZstdFile

STDIN = "-"
_BUFFER = 2**20
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True)
class Source:
    """An opened file; `stream` gives its plain content, whatever it was compressed with."""

    stream: io.BufferedReader
    format: Format
    size: int | None
    """Bytes as they lie on the disk; None when nobody knows."""
    position: Callable[[], int]
    """How many of those were read."""


class _Begun(io.RawIOBase):
    """A stream whose beginning was looked at. When it breaks off, it does so with our own error,
    and behind what could be read."""

    def __init__(self, rest: BinaryIO | gzip.GzipFile | ZstdFile) -> None:
        self._rest = rest
        self._broken: InvalidInput | None = None
        self.head = b""
        while len(self.head) < HEAD and (piece := self._read()):
            self.head += piece
        self._left = self.head

    @property
    def empty(self) -> bool:
        """Nothing is in it. Raises `InvalidInput` when it is broken from the start."""
        if self._broken and not self.head:
            raise self._broken
        return not self.head

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._left:
            self._left = self._read(len(buffer))
            if self._broken:
                raise self._broken
        piece, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)

    def _read(self, most: int = HEAD) -> bytes:
        try:
            return self._rest.read1(most)  # type: ignore[union-attr]
        except (OSError, EOFError, zlib.error, ZstdError) as error:
            self._broken = InvalidInput(f"The file breaks off: {error}", code="broken_file")
            return b""


def check(path: str) -> None:
    """Raises `InvalidInput` for what is no readable file."""
    if path == STDIN:
        return
    try:
        if Path(path).is_dir():
            raise InvalidInput(f"{path} is a folder; name the files in it.", field="FILE")
        Path(path).open("rb").close()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", field="FILE") from None


def source_name(path: str) -> str:
    """What rows without an id are named after: the file's name without folder and compression."""
    return "stdin" if path == STDIN else plain_name(path)


@contextmanager
def opened(path: str, told: Format | None) -> Iterator[Source | None]:
    """The file, ready to be read; None when it is empty. Raises `InvalidInput` when nothing can be made of it."""
    with nullcontext(sys.stdin.buffer) if path == STDIN else Path(path).open("rb") as raw, ExitStack() as stack:
        size = _size(raw)
        plain = _Begun(raw)
        packed = plain.head.startswith((_GZIP, _ZSTD))
        if packed:
            inside = io.BufferedReader(plain)
            plain = _Begun(gzip.GzipFile(fileobj=inside) if plain.head.startswith(_GZIP) else ZstdFile(inside))
        if plain.empty:
            yield None
            return
        found = recognise(path, plain.head, told)
        stream: io.BufferedReader = io.BufferedReader(plain, _BUFFER)
        if found is Format.PARQUET:
            stream = stack.enter_context(_seekable(stream, None if packed else raw))
        yield Source(stream, found, size, (lambda: 0) if size is None else raw.tell)


def _size(raw: BinaryIO) -> int | None:
    try:
        found = os.fstat(raw.fileno())
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


@contextmanager
def _seekable(stream: io.BufferedReader, raw: BinaryIO | None) -> Iterator[io.BufferedReader]:
    """The same content where one can jump about in: the file itself, or a copy beside it that goes when we are done."""
    if raw is not None and raw.seekable():
        raw.seek(0)
        yield cast(io.BufferedReader, raw)
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield cast(io.BufferedReader, copy)

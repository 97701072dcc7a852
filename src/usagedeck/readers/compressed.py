"""Decompression a piece at a time, with a limit on what comes out: a small body must not become a large one."""

import zlib
from collections.abc import Callable

from usagedeck.errors import InvalidInput, TooLarge
from usagedeck.readers.zstd import ZstdDecompressor, ZstdError

ENCODINGS = ("identity", "gzip", "zstd")
_STEP = 256 * 1024


class Decompressor:
    """Feed pieces, take the plain bytes at the end."""

    def __init__(
        self, encoding: str, limit: int, setting: str = "max_body_bytes", grown: Callable[[int], None] = lambda _: None
    ) -> None:
        """`grown` is told how many bytes came out, before they are kept, and may raise.

        Raises `InvalidInput` for an encoding that is not among `ENCODINGS`.
        """
        if encoding not in ENCODINGS:
            raise InvalidInput(
                f'Content-Encoding "{encoding[:40]}" is unknown; send {", ".join(ENCODINGS)}.', code="unknown_encoding"
            )
        self._limit = limit
        self._setting = setting
        self._grown = grown
        self._encoding = encoding
        self._parts: list[bytes] = []
        self._fed = False
        self._size = 0
        self._gzip = zlib.decompressobj(wbits=31)
        self._zstd = ZstdDecompressor()

    def feed(self, piece: bytes) -> None:
        """Raises `TooLarge` as soon as the limit is passed, `InvalidInput` for broken data."""
        if not piece:
            return
        self._fed = True
        step: Callable[[bytes], None] = {"identity": self._add, "gzip": self._feed_gzip, "zstd": self._feed_zstd}[self._encoding]
        try:
            step(piece)
        except (zlib.error, ZstdError, EOFError) as error:
            raise InvalidInput(f"The body is no valid {self._encoding}: {error}.", code="malformed") from None

    def finish(self) -> bytes:
        """All plain bytes, once. Raises `InvalidInput` when the compressed data stops short."""
        if self._encoding == "gzip":
            self._add(self._gzip.flush())
        whole = {"identity": True, "gzip": self._gzip.eof, "zstd": self._zstd.eof}[self._encoding]
        if self._fed and not whole:
            raise InvalidInput(f"The {self._encoding} body is cut short; send it again.", code="malformed")
        parts, self._parts = self._parts, []  # a large body is not kept twice
        return b"".join(parts)

    def _add(self, plain: bytes) -> None:
        self._size += len(plain)
        if self._size > self._limit:
            raise TooLarge(
                f"The body has more than {self._limit:,} bytes after decompression ({self._setting}). Send it in parts.",
                code="too_large",
            )
        self._grown(len(plain))
        self._parts.append(plain)

    def _feed_gzip(self, piece: bytes) -> None:
        while piece:
            if self._gzip.eof:  # a body may be several compressed pieces in a row
                self._gzip = zlib.decompressobj(wbits=31)
            self._add(self._gzip.decompress(piece, _STEP))
            piece = self._gzip.unconsumed_tail or self._gzip.unused_data

    def _feed_zstd(self, piece: bytes) -> None:
        while piece:
            if self._zstd.eof:
                self._zstd = ZstdDecompressor()
            self._add(self._zstd.decompress(piece, _STEP))
            while not self._zstd.eof and not self._zstd.needs_input:
                self._add(self._zstd.decompress(b"", _STEP))
            piece = self._zstd.unused_data if self._zstd.eof else b""

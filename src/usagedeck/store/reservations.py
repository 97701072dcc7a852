"""Reservations as they are made and end, in a file: a server that is killed and started again holds what was held.

One line for each of both, written before anybody gets an answer and without waiting for the disk: it outlives the process, and
after a power cut the last ones may be missing. A line that cannot be read or written is left out, since no check fails for it.
"""

import os
import threading
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path

import msgspec
import structlog

from usagedeck.meters import Kind, Reservation

log = structlog.get_logger(__name__)

FILE = "reservations.log"
"""In the data folder."""

TIDY_AFTER = 20_000
"""Lines after which the file is written anew, with what is still held."""


class _Line(msgspec.Struct, omit_defaults=True):
    """A reservation that was made, or with `ended` one that is no more."""

    workspace: str
    id: str
    by: str = ""
    parties: tuple[tuple[Kind, str], ...] = ()
    credits: Decimal = Decimal(0)
    made: int = 0
    ended: bool = False


_decode = msgspec.json.Decoder(_Line).decode
_encode = msgspec.json.Encoder(decimal_format="string").encode


class Journal:
    """Safe to use from many threads."""

    def __init__(self, folder: Path, keep: float) -> None:
        """`keep` is how many seconds a reservation lasts."""
        self._path = folder / FILE
        self._keep = keep
        self._lock = threading.Lock()
        self._held: dict[tuple[str, str, str], _Line] = {}
        self._file: int | None = None
        self._lines = 0

    def open(self, now: int, ticks: float) -> Mapping[str, list[Reservation]]:
        """What is still held, by workspace. `now` is the time in epoch milliseconds, `ticks` on the clock of the meters."""
        lines = self._path.read_bytes().splitlines() if self._path.exists() else []
        for raw in lines:
            try:
                line = _decode(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                continue  # cut short by the end of the process
            self._note(line)
        found: dict[str, list[Reservation]] = {}
        for line in list(self._held.values()):
            left = self._keep - max(0, now - line.made) / 1000  # a clock that was put back makes none last longer
            if left <= 0:
                del self._held[line.workspace, line.id, line.by]
                continue
            kept = Reservation(line.id, line.by, line.parties, line.credits, line.made, ticks + left)
            found.setdefault(line.workspace, []).append(kept)
        try:
            self._tidy()
        except OSError as error:
            log.warning("reservations cannot be written down", reason=error.strerror)
        return {workspace: sorted(held, key=lambda one: one.ends) for workspace, held in found.items()}

    def made(self, workspace: str, one: Reservation) -> None:
        self._write([_Line(workspace, one.id, one.by, one.parties, one.credits, one.made)])

    def ended(self, workspace: str, ones: Iterable[Reservation]) -> None:
        self._write([_Line(workspace, one.id, one.by, ended=True) for one in ones])

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _write(self, lines: list[_Line]) -> None:
        with self._lock:
            for line in lines:
                self._note(line)
            if self._file is None or not lines:
                return
            self._lines += len(lines)
            try:
                os.write(self._file, b"".join(_encode(line) + b"\n" for line in lines))
                if self._lines > TIDY_AFTER + 2 * len(self._held):
                    self._tidy()
            except OSError as error:  # a full disk, for one
                log.warning("a reservation could not be written down", reason=error.strerror)

    def _note(self, line: _Line) -> None:
        self._held.pop((line.workspace, line.id, line.by), None)
        if not line.ended:
            self._held[line.workspace, line.id, line.by] = line

    def _tidy(self) -> None:
        """Write the file anew and go on at its end; when that cannot be, go on with the one there is."""
        self._lines = len(self._held)  # also then: what cannot be written is not tried again with every line
        new = self._path.with_suffix(".new")
        new.write_bytes(b"".join(_encode(line) + b"\n" for line in self._held.values()))
        new.chmod(0o600)
        new.replace(self._path)
        former, self._file = self._file, os.open(self._path, os.O_WRONLY | os.O_APPEND)
        if former is not None:
            os.close(former)

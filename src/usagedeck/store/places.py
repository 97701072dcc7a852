"""How questions share the engine: some are answered side by side, the others wait for their turn; one that is given up leaves
the queue, or takes its handle with it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from usagedeck.errors import TooBusy
from usagedeck.store.ticket import Ticket, gone


@dataclass(slots=True)
class Work:
    """One question on one handle: either it ends, or it is condemned and its handle with it."""

    over: threading.Event = field(default_factory=threading.Event)
    _condemned: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def end(self) -> bool:
        """The work is over; whether its handle may be used again."""
        with self._lock:
            self.over.set()
            return not self._condemned

    def condemn(self) -> bool:
        """Whether there is something left to stop. From then on the handle belongs to nobody else."""
        with self._lock:
            self._condemned = not self.over.is_set()
            return self._condemned


class Places:
    """As many questions are answered side by side; the others wait for their turn."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, ticket: Ticket, seconds: float) -> Iterator[None]:
        """A place. Raises `TooBusy` when none becomes free in time, `Cancelled` when the ticket is given up meanwhile."""
        with ticket.working(self._wake), self._changed:
            if not self._changed.wait_for(lambda: self._free or ticket.given_up, seconds):
                raise TooBusy("Too many questions are being answered; try again in a moment.", retry_after=1)
            if ticket.given_up:
                raise gone()
            self._free -= 1
        try:
            yield
        finally:
            with self._changed:
                self._free += 1
                self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

"""A question may be given up while it is asked: nobody works on for somebody who has gone.

A `Ticket` travels with a question. Whoever holds it may give it up, from any thread; whoever works on the question says, for
as long as the work lasts, how it is stopped. A ticket does not know what it stops, and it is never taken back.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from usagedeck.errors import Cancelled


class Ticket:
    """Of one asker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given_up = False
        self._stops: list[Callable[[], None]] = []

    @property
    def given_up(self) -> bool:
        return self._given_up

    def give_up(self) -> None:
        """Stop what is being done, and let nothing begin any more. Returns when everything has been told. Idempotent."""
        with self._lock:
            self._given_up = True
            stops, self._stops = self._stops, []
        for stop in stops:
            stop()

    @contextmanager
    def working(self, stop: Callable[[], None]) -> Iterator[None]:
        """Around work that `stop` ends. `stop` is called at most once, perhaps just after the work is over.

        Raises `Cancelled` instead of beginning when the ticket is given up.
        """
        with self._lock:
            if self._given_up:
                raise gone()
            self._stops.append(stop)
        try:
            yield
        finally:
            with self._lock:
                if stop in self._stops:
                    self._stops.remove(stop)


def gone() -> Cancelled:
    """What a given-up question ends in."""
    return Cancelled("The question was given up, since whoever asked it has gone.")

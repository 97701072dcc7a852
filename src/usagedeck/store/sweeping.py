"""Headers and bodies without an event are swept away.

They are written before the events of their commit, so that an event that is there has its own. Where the events did not follow,
since the disk was full or the process ended in between, nobody ever sees what lies there; here it is deleted. What arrived since
the last look is looked at, up to a moment between two commits, and that moment is remembered. So none is looked at twice, and of
what arrived before each had its event then: one that has none now is a mistake (see `verify`).
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from itertools import groupby
from typing import Any, Protocol

from usagedeck.catalog.kinds import Subject
from usagedeck.events import version
from usagedeck.sql import Arrivals, Statement
from usagedeck.sql.erasing import remove_exchanges
from usagedeck.sql.exchanges import exchange_days, orphans
from usagedeck.store.rounds import Rounds
from usagedeck.table import Row
from usagedeck.times import HOUR, MINUTE

LOOK_EVERY = HOUR
FIRST_LOOK = MINUTE

AT_ONCE = 10_000
"""Places that one statement names."""


class Executes(Protocol):
    """The part of the store that sweeping needs."""

    def run(self, statement: Statement) -> list[Row]: ...

    def examine(self, statement: Statement) -> list[Row]:
        """A question that may take its time."""

    def execute(self, statement: Statement) -> None:
        """A statement without an answer, on a handle of its own, on one core."""

    def record(self, statement: Statement) -> None:
        """A small durable write on the writer's handle."""


class Sweeper:
    """Looks every hour. Safe to use from many threads."""

    def __init__(self, store: Executes, between: Callable[[Callable[[], Any]], Future[Any]], place: Callable[[], int]) -> None:
        """`between` runs something on the writer's thread between two commits; `place` gives one in the order of arrival that is
        behind all others, also those of an earlier process, and nobody else's."""
        self._store = store
        self._between = between
        self._place = place
        self._lock = threading.Lock()
        found = store.run(Statement("SELECT value FROM about FINAL WHERE key = 'swept'", {}, ("value",)))
        self._until = int(found[0][0]) if found else 0
        self._rounds = Rounds("sweeper", self.look, every=LOOK_EVERY, first=FIRST_LOOK)

    def start(self) -> None:
        self._rounds.start()

    def close(self) -> None:
        """Stop after the statement that is under way. Idempotent."""
        self._rounds.stop()

    @property
    def swept(self) -> Arrivals:
        """The arrivals of which none is without its event any more."""
        return self._arrived(0, self._until)

    def look(self) -> int:
        """Sweep what arrived since the last look; returns how many there were."""
        with self._lock:
            return self._sweep(self._between(self._place).result())

    def _sweep(self, until: int) -> int:
        arrived, removed = self._arrived(self._until, until), 0
        days = self._store.examine(exchange_days(arrived))
        for subject, day in days:
            rows = self._store.examine(orphans(Subject(subject), int(day), arrived))
            for workspace, group in groupby(rows, lambda row: str(row[0])):
                versions = [int(row[1]) for row in group]
                for at in range(0, len(versions), AT_ONCE):
                    if self._rounds.stopping:
                        return removed
                    self._store.execute(remove_exchanges(workspace, versions[at : at + AT_ONCE]))
                removed += len(versions)
        if days:
            self._between(lambda: self._remember(until)).result()
        self._until = until
        return removed

    def _remember(self, until: int) -> None:
        """Between two commits, as a backup is begun: so it is in none that has not lost what was swept."""
        text = "INSERT INTO about SELECT 'swept', {until:String}, max(at) + 1 FROM about"
        self._store.record(Statement(text, {"until": str(until)}, ()))

    def _arrived(self, after: int, until: int) -> Arrivals:
        return Arrivals(version(until), version(after), None)

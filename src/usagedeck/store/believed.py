"""The time that retention goes by: this machine's clock, as long as it can be believed.

What has expired is gone for good, so a clock that ran ahead must not decide what expires. Time that passes is counted by a second
clock of the machine, which nobody sets. While the first one says no more than that, and a week for a server that was off or a
clock that was wrong by a little, it is believed. Else time goes on from what was believed last, at its real pace, until the
clock is right again or an operator says that it is right now.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from usagedeck.sql import Statement
from usagedeck.table import Row
from usagedeck.times import DAY, WEEK, iso

log = logging.getLogger(__name__)

MOST_AHEAD = WEEK
"""A step forward of so much is believed."""


class Executes(Protocol):
    """The part of the store that is needed to remember."""

    def run(self, statement: Statement) -> list[Row]: ...

    def record(self, statement: Statement) -> None:
        """A small durable write on the writer's handle."""


def uptime() -> int:
    """Milliseconds that have passed since some instant, sleep of the machine included where the system counts it."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)) // 1_000_000


class Believed:
    """What was believed last outlives the process. Safe to use from many threads."""

    def __init__(self, store: Executes, clock: Callable[[], int], passed: Callable[[], int] = uptime) -> None:
        self._store = store
        self._clock = clock
        self._passed = passed
        self._then = passed()
        self._lock = threading.RLock()
        found = store.run(Statement("SELECT value FROM about FINAL WHERE key = 'believed'", {}, ("value",)))
        self.now = int(found[0][0]) if found else clock()
        """Epoch milliseconds, as of the last look."""

    @property
    def ahead(self) -> int:
        """By how many milliseconds the clock is further than can be believed; 0 while it is believed."""
        with self._lock:
            ahead = self._clock() - (self.now + self._passed() - self._then)
        return ahead if ahead > MOST_AHEAD else 0

    def look(self) -> int:
        """What time it is."""
        with self._lock:
            ahead = self.ahead
            self._keep(self.now + self._passed() - self._then if ahead else self._clock())
        if ahead:
            log.warning(
                "this machine's clock is %d days ahead of the time that has passed; what expires goes by %s until the clock is "
                "put back, or `usagedeck workspace trust-clock` says that it is right",
                ahead // DAY,
                iso(self.now),
            )
        return self.now

    def trust(self) -> int:
        """The clock is right as it is now; returns by how much it had been ahead."""
        with self._lock:
            ahead = self.ahead
            self._keep(self._clock())
        return ahead

    def _keep(self, now: int) -> None:
        text = "INSERT INTO about SELECT 'believed', {now:String}, max(at) + 1 FROM about"
        self._store.record(Statement(text, {"now": str(now)}, ()))
        self.now, self._then = now, self._passed()

"""What was written when: so much of it is remembered that an answer is known to be as good as a new one.

Days of workspaces are counted, not rows: whoever asks about a day that was written to asks the store again.
"""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from usagedeck.times import DAY

_MAX_DAYS = 100_000
"""Days of workspaces that changes are remembered by; when there are more, everything counts as changed once."""


@dataclass(frozen=True, slots=True)
class Span:
    """The events an answer is made of: a workspace's, from the first instant to the one after the last."""

    workspace_id: str
    start: int
    end: int


class Changes:
    """When which days of which workspaces were last written to, counted in writes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self._days: dict[str, dict[int, int]] = {}
        self._size = 0
        self._all = 0

    def now(self) -> int:
        """Writes so far."""
        return self._count

    def note(self, quarters: Mapping[str, Collection[int]]) -> None:
        """Something was written, perhaps: called when it can be read, and before anybody is told that it can."""
        with self._lock:
            self._count += 1
            for workspace, instants in quarters.items():
                days = self._days.setdefault(workspace, {})
                before = len(days)
                days.update(dict.fromkeys((instant // DAY for instant in instants), self._count))
                self._size += len(days) - before
            if self._size > _MAX_DAYS:
                self._days, self._size, self._all = {}, 0, self._count

    def since(self, moment: int, span: Span) -> bool:
        """Whether the span may have changed after that many writes."""
        with self._lock:
            if self._all > moment:
                return True
            days = self._days.get(span.workspace_id, {})
            wanted = range(span.start // DAY, (span.end - 1) // DAY + 1)
            if len(wanted) < len(days):
                return any(days.get(day, 0) > moment for day in wanted)
            return any(count > moment and day in wanted for day, count in days.items())

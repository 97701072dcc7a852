"""From when on there is something of a workspace: its events, what rollups say of the time before them, and the headers and
bodies of its events, which are kept for a shorter time.

A *floor* is an instant below which something has expired; it only rises. The floor of the events is never below that of the
rollups: between the two lies the time of which sums are kept and events are not; that of headers and bodies is never below that
of the events. Pure bookkeeping in memory.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Floor:
    """Of one workspace; 0 while nothing has expired."""

    events: int = 0
    """No event that began before is answered, taken or stored for long. What is sealed below it stays as it is."""
    rollups: int = 0
    """Nothing at all is known of the time before."""
    shorter: int = 0
    """The floor that headers and bodies of events have besides; `exchanges` is what counts."""

    @property
    def exchanges(self) -> int:
        """No headers and bodies of an event that began before are shown, taken or stored for long; they go with their event."""
        return max(self.shorter, self.events)

    def raised(self, other: "Floor") -> "Floor":
        """The higher of the two, each for itself."""
        rollups = max(self.rollups, other.rollups)
        return Floor(max(self.events, other.events, rollups), rollups, max(self.shorter, other.shorter))


NO_FLOOR = Floor()


class Floors:
    """Of all workspaces. Safe to use from many threads."""

    def __init__(self, known: Iterable[tuple[str, Floor]] = ()) -> None:
        self._known: dict[str, Floor] = {}
        for workspace, floor in known:
            self.lift(workspace, floor)

    def __getitem__(self, workspace: str) -> Floor:
        return self._known.get(workspace, NO_FLOOR)

    def __iter__(self) -> Iterator[tuple[str, Floor]]:
        """Those that have one."""
        return iter(list(self._known.items()))

    def lift(self, workspace: str, floor: Floor) -> None:
        """A lower one than the workspace has changes nothing."""
        self._known[workspace] = self[workspace].raised(floor)

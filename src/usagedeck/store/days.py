"""In which pieces rollups are sealed: whose they are, and the days that a stretch is cut into."""

from collections.abc import Iterable, Iterator, Mapping

from usagedeck.catalog.rollups import Rollup
from usagedeck.seals import UTC, Cut
from usagedeck.stretches import Stretch
from usagedeck.times import DAY


def of(cut: Cut, zones: Mapping[str, str]) -> list[str]:
    """The workspaces that read a cut."""
    return [workspace for workspace, zone in zones.items() if cut.zone in ("", UTC, zone)]


def cuts(rollup: Rollup, zones: Iterable[str]) -> list[Cut]:
    """By quarter-hours, and by the days of UTC and of every zone that a workspace has."""
    names = [] if rollup.activity else sorted({UTC, *zones})
    return [Cut(rollup.name), *(Cut(rollup.name, name) for name in names)]


def days(cut: Cut, start: int, end: int) -> Iterator[Stretch]:
    """A stretch of whole cells, cut into days: those of the cut's zone, else of UTC."""
    while start < end:
        after = cut.cell(start)[1] if cut.zone else (start // DAY + 1) * DAY
        yield start, min(after, end)
        start = after


def whole_days(cut: Cut, stretch: Stretch, end: int) -> Stretch:
    """A day in which something is missing is sealed anew as a whole, which keeps the number of pieces small."""
    if cut.zone:
        return stretch
    return stretch[0] // DAY * DAY, min(-(-stretch[1] // DAY) * DAY, end)

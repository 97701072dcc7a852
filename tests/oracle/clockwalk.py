"""Which bucket an instant belongs to, found by walking along the clock on the wall a quarter of an hour at a time.

Nothing is shared with the product but the zone data of the `tzdata` package. A bucket begins at the first quarter at which
the wall shows a name (a date, a part of a date, a month …) that it has not shown before. Only single hours are different:
they begin with their date and whenever the wall shows :00, so an hour that is shown twice is two buckets, and an hour of
which only the second half is shown belongs to the one before.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

QUARTER = 15 * 60 * 1000
HOUR = 3600
DAY = 86_400
WEEK = 604_800

Size = int | str
"""Seconds, or "month", "year", "total"."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=700)
def wall_clock(zone: str) -> ZoneInfo:
    """The zone's rules from the package's data file, whatever the machine has."""
    with resources.files("tzdata").joinpath("zoneinfo", zone).open("rb") as file:
        return ZoneInfo.from_file(file, key=zone)


def shown(instant: int, zone: str) -> datetime:
    """What the clock on the wall shows at that instant, to the second."""
    return (_EPOCH + timedelta(seconds=instant // 1000)).astimezone(wall_clock(zone)).replace(tzinfo=None)


@lru_cache(maxsize=100_000)
def _quarters(zone: str, day: int) -> tuple[tuple[int, datetime], ...]:
    return tuple((at, shown(at, zone)) for at in range(day, day + DAY * 1000, QUARTER))


def walk(zone: str, begin: int, end: int) -> Iterator[tuple[int, datetime]]:
    """(instant, wall clock) of every quarter of an hour, by whole days of UTC."""
    for day in range(begin // (DAY * 1000) * DAY * 1000, end, DAY * 1000):
        yield from _quarters(zone, day)


def _name(size: Size) -> Callable[[datetime], Any]:
    """What the bucket of a moment on the wall is called; names ascend."""
    if size == "year":
        return lambda wall: wall.year
    if size == "month":
        return lambda wall: (wall.year, wall.month)
    assert isinstance(size, int)
    if size % WEEK == 0:
        weeks = size // WEEK
        return lambda wall: (wall.date() - date(1970, 1, 5)).days // 7 // weeks
    if size % DAY == 0:
        days = size // DAY
        return lambda wall: (wall.date() - date(1970, 1, 1)).days // days
    hours = 24 if size == HOUR else size // HOUR  # single hours: the date, and see `starts`
    return lambda wall: (wall.date(), wall.hour // hours)


def anchored(size: Size) -> bool:
    """Counted from the epoch, whatever the zone?"""
    return isinstance(size, int) and size % DAY != 0 and not (size % HOUR == 0 and size <= DAY)


_LOOK_BACK = {"month": 32 * DAY, "year": 367 * DAY}


@lru_cache(maxsize=4000)
def starts(zone: str, size: Size, begin: int, end: int) -> tuple[int, ...]:
    """The first instants of all buckets that meet [begin, end), and of the one after them."""
    if size == "total":
        return (begin, end)
    if anchored(size):
        step = int(size) * 1000
        return tuple(range(begin // step * step, (max(begin, end - 1) // step + 2) * step, step))
    span = (_LOOK_BACK[size] if isinstance(size, str) else size) * 1000 + 2 * DAY * 1000
    name = _name(size)
    found: list[int] = []
    reached: Any = None
    for at, wall in walk(zone, begin - span, end + span):
        fresh = reached is None or name(wall) > reached
        if (fresh and reached is not None) or (size == HOUR and wall.minute == 0):
            found.append(at)
        if fresh:
            reached = name(wall)
    first = bisect_right(found, begin) - 1
    last = next(i for i, at in enumerate(found) if at >= max(end, begin + 1))
    return tuple(found[first : last + 1])

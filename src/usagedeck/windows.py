"""Windows, intervals and buckets: the only place that cuts time.

A question names a window, an interval and a zone; `buckets()` turns them into the first instants of the buckets, and from
there on nothing but integers travels: neither SQL nor the page is ever asked which bucket something belongs to.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from usagedeck.errors import InvalidInput, TooLarge, did_you_mean
from usagedeck.times import DAY, HOUR, MINUTE, SECOND, first_instant, iso, local_date, to_datetime

LATEST_WINDOW = 7_258_118_400_000
"""2200-01-01T00:00:00Z, the latest end of a window; far enough for "everything", near enough for every calendar."""

_MONDAY = date(1970, 1, 5)
_EPOCH_DAY = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open stretch of time, `start` included, `end` not, seen in a zone."""

    start: int
    end: int
    zone: ZoneInfo

    def __post_init__(self) -> None:
        if self.end < self.start:
            raise InvalidInput(
                f"end ({iso(self.end)}) is before start ({iso(self.start)}); swap them.", field="end", code="end_before_start"
            )
        if self.start < 0 or self.end > LATEST_WINDOW:
            raise InvalidInput("A window lies between the years 1970 and 2200.", field="start" if self.start < 0 else "end")


def period_before(window: Window, now: int) -> Window:
    """The period that ends where a window starts and is as long. Of a window that has not ended at `now`, as much of it as has
    passed is compared with as much of the period before."""
    length = window.end - window.start
    passed = min(window.end, now) - window.start
    start = max(0, window.start - length)
    return Window(start, max(start, min(window.start, window.start - length + (passed if passed > 0 else length))), window.zone)


UNITS = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
CALENDAR = ("month", "year")
TOTAL = "total"
MAX_CALENDAR_BUCKETS = 300_000
"""34 years of hours: calendar buckets are found one by one, so even a download has this limit."""

_CHEAP = 20_000

MAX_SECONDS = 999_999_999
"""Some 31 years: the longest interval, near enough for every calendar."""


@dataclass(frozen=True, slots=True)
class Interval:
    """How a window is cut: every `seconds`, or by a calendar `unit` (month, year), or not at all (total).

    Seconds follow the clock of the zone when they are whole weeks (from Monday), whole days, or whole hours up to a day
    (from local midnight); anything else is counted from the epoch and ignores the zone.
    """

    seconds: int = 0
    unit: str = ""

    def __post_init__(self) -> None:
        if (self.unit not in (*CALENDAR, TOTAL)) if self.unit else not 1 <= self.seconds <= MAX_SECONDS:
            raise InvalidInput(f"An interval is 1 to {MAX_SECONDS:,} seconds, month, year or total.", field="interval")

    @classmethod
    def parse(cls, text: str, *, field: str = "interval") -> "Interval":
        """From `minute`, `hour`, `day`, `week`, `month`, `year`, `total` or a number of seconds such as `900s`."""
        if text in UNITS:
            return cls(seconds=UNITS[text])
        if text in (*CALENDAR, TOTAL):
            return cls(unit=text)
        if match := re.fullmatch(r"(\d{1,9})s", text):
            return cls.every(int(match[1]), field=field)
        known = [*UNITS, *CALENDAR, TOTAL]
        raise InvalidInput(
            f'{field} "{text[:40]}" is unknown; {did_you_mean(text, known)[:-1]}, or seconds such as 900s.', field=field
        )

    @classmethod
    def every(cls, seconds: int, *, field: str = "interval") -> "Interval":
        if not 1 <= seconds <= MAX_SECONDS:
            raise InvalidInput(f"{field} is {seconds}; send 1 to {MAX_SECONDS:,} seconds.", field=field)
        return cls(seconds=seconds)

    @property
    def name(self) -> str:
        for name, seconds in UNITS.items():
            if self.seconds == seconds:
                return name
        return self.unit or f"{self.seconds}s"


@dataclass(frozen=True, slots=True)
class Buckets:
    """The pieces of a cut window, each named by its first instant.

    `starts` ascends; the first may lie before the window. `end` is where the last one ends. Evenly spaced buckets are a
    `range`, so that a year of seconds costs no memory.
    """

    starts: Sequence[int]
    end: int

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """(first instant, first instant of the next one) of each."""
        after = iter(self.starts)
        next(after, None)
        for start in self.starts:
            yield start, next(after, self.end)

    def end_of(self, start: int) -> int:
        """Where the bucket that starts there ends."""
        index = bisect_right(self.starts, start)
        return self.starts[index] if index < len(self.starts) else self.end

    def runs(self) -> tuple[list[int], list[int]]:
        """The same as stretches of equally long buckets: where each stretch starts, and how long its buckets are."""
        if isinstance(self.starts, range):
            return [self.starts.start], [self.starts.step]
        firsts: list[int] = []
        lengths: list[int] = []
        for start, end in self:
            if not lengths or end - start != lengths[-1]:
                firsts.append(start)
                lengths.append(end - start)
        return firsts, lengths


def buckets(window: Window, interval: Interval, cap: int | None = None) -> Buckets:
    """Cut a window. Raises `TooLarge` when more than `cap` buckets would come out, naming the smallest that fits.

    Buckets that follow the clock are found one by one, so even without a cap there are at most `MAX_CALENDAR_BUCKETS`.
    """
    if interval.unit == TOTAL:
        return Buckets((window.start,), max(window.end, window.start + 1))
    if not _follows_the_clock(interval):
        found = _even(window, interval.seconds * SECOND)
    else:
        cap = MAX_CALENDAR_BUCKETS if cap is None else min(cap, MAX_CALENDAR_BUCKETS)
        least = (window.end - window.start) // _shortest(interval) - 1
        if least > max(cap, _CHEAP):  # nobody has to build a million to learn that it is too many
            raise _too_many(window, f"more than {least:,}", cap)
        starts = _local_starts(window, interval)
        found = Buckets(tuple(starts[:-1]), starts[-1])
    if cap is not None and len(found) > cap:
        raise _too_many(window, f"{len(found):,}", cap)
    return found


def _shortest(interval: Interval) -> int:
    """About the length of its buckets, and rather too long."""
    return interval.seconds * SECOND or {"month": 31 * DAY, "year": 366 * DAY}[interval.unit]


def _even(window: Window, step: int) -> Buckets:
    first = window.start // step * step
    last = max(window.start, window.end - 1) // step * step
    return Buckets(range(first, last + step, step), last + step)


def _too_many(window: Window, count: str, cap: int) -> TooLarge:
    need = -(-(window.end - window.start) // (SECOND * cap))
    nice = [60, 300, 900, 3600, 7200, 14_400, 21_600, 43_200, 86_400, 604_800]
    fits = next((n for n in nice if n >= need and (window.end - window.start) // (n * SECOND) + 2 <= cap), None)
    say = f"{fits} seconds" if fits else "a month"
    return TooLarge(
        f"The window holds {count} buckets of this interval and at most {cap:,} are answered; "
        f"use an interval of at least {say}, or a shorter window.",
        field="interval",
        code="too_many_buckets",
    )


def _follows_the_clock(interval: Interval) -> bool:
    step = interval.seconds
    return bool(interval.unit) or step % UNITS["day"] == 0 or (step % UNITS["hour"] == 0 and step <= UNITS["day"])


def _local_starts(window: Window, interval: Interval) -> list[int]:
    """First instants from the bucket that holds the window's start up to the first one at or after its end."""
    starts: list[int] = []
    for start in _calendar(local_date(window.start, window.zone), window.zone, interval):
        if starts and start <= starts[-1]:
            continue  # a skipped day or hour: two names for one instant
        if start <= window.start:
            starts = [start]
        else:
            starts.append(start)
            if start >= window.end:
                break
    return starts


def _calendar(day: date, where: ZoneInfo, interval: Interval) -> Iterator[int]:
    """All first instants, ascending, from safely before `day` onwards."""
    if interval.unit == "year":
        yield from (first_instant(date(year, 1, 1), 0, where) for year in range(day.year - 1, 9999))
    elif interval.unit == "month":
        month = day.year * 12 + day.month - 2
        while True:
            yield first_instant(date(month // 12, month % 12 + 1, 1), 0, where)
            month += 1
    elif interval.seconds % UNITS["day"] == 0:
        days = interval.seconds // UNITS["day"]
        anchor = _MONDAY if days % 7 == 0 else _EPOCH_DAY
        at = anchor + timedelta(days=((day - anchor).days // days - 1) * days)
        while True:
            yield first_instant(at, 0, where)
            at += timedelta(days=days)
    else:
        hours = interval.seconds // UNITS["hour"]
        at = day - timedelta(days=1)
        while True:
            yield from _hours_of(at, hours, where)
            at += timedelta(days=1)


def _hours_of(day: date, hours: int, where: ZoneInfo) -> Iterator[int]:
    """One day's hour buckets. Single hours start whenever the clock shows :00, so a repeated hour is two buckets."""
    if hours > 1:
        yield from (first_instant(day, hour, where) for hour in range(0, 24, hours))
        return
    begin, end = first_instant(day, 0, where), first_instant(day + timedelta(days=1), 0, where)
    if end - begin == DAY:  # the clock was left alone; no zone has changed it forth and back on one day
        yield from range(begin, end, HOUR)
        return
    yield begin
    quarter = begin - begin % (15 * MINUTE) + 15 * MINUTE  # every offset since 1980 is a multiple of 15 minutes
    for instant in range(quarter, end, 15 * MINUTE):
        if to_datetime(instant).astimezone(where).minute == 0:
            yield instant

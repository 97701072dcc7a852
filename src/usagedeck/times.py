"""Instants, windows, intervals and calendar buckets: the only place that knows about calendars.

Inside the product an instant is an `int`, epoch milliseconds UTC. Zones appear at the rim only: a question names one,
`buckets()` turns window, interval and zone into the first instants of its buckets, and from there on nothing but
integers travels. Zone rules come from the locked `tzdata` package and never from the operating system, so that two
machines with the same release give the same answer.

This module refuses to format for people (the page does that) and to read the clock (the deck does that).
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from functools import lru_cache
from importlib import resources
from zoneinfo import ZoneInfo

from usagedeck.errors import InvalidInput, TooLarge, did_you_mean

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

EARLIEST = 946_684_800_000
"""2000-01-01T00:00:00Z, the first instant an event may carry."""

LOOKS_LIKE_SECONDS = 100_000_000_000
"""A number below this (1973 in milliseconds) is taken for the common mistake of sending seconds."""

LATEST_WINDOW = 7_258_118_400_000
"""2200-01-01T00:00:00Z, the latest end of a window; far enough for "everything", near enough for every calendar."""

_FIRST = -62_135_596_800_000  # 0001-01-01T00:00:00Z, the first instant Python's calendar knows
_LATEST = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z, the last instant Python's calendar knows
_MONDAY = date(1970, 1, 5)
_EPOCH_DAY = date(1970, 1, 1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_WHOLE = re.compile(r"-?\d{1,16}")


# --- instants -----------------------------------------------------------------------------------------------------


def to_millis(moment: datetime) -> int:
    """An aware datetime as epoch milliseconds; anything finer is cut off, never rounded up."""
    return (moment - _EPOCH) // _MILLISECOND


def to_datetime(instant: int) -> datetime:
    """Epoch milliseconds as an aware UTC datetime."""
    return _EPOCH + timedelta(milliseconds=instant)


def iso(instant: int, *, millis: bool = True) -> str:
    """`2026-11-23T10:00:00.000Z`; without `millis` the fraction is left out when it is zero."""
    moment = to_datetime(instant)
    if not millis and instant % SECOND == 0:
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant % SECOND:03d}Z"


def iso_local(instant: int, zone: ZoneInfo) -> str:
    """The instant on the zone's clock, with its offset: `2026-11-23T11:00:00+01:00`."""
    spec = "seconds" if instant % SECOND == 0 else "milliseconds"
    return to_datetime(instant).astimezone(zone).isoformat(timespec=spec)


def parse_instant(value: str | int | float, *, field: str, local: ZoneInfo | None = None) -> int:
    """Epoch milliseconds from RFC 3339 with an offset, or from a number of milliseconds. With `local`, a time without an
    offset is read on that zone's clock.

    Raises `InvalidInput` naming `field`: for text that is no time, for a time without an offset (which moment would it
    be?), for fractions of a millisecond in a number, and for numbers that look like seconds.
    """
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = int(value)
    if isinstance(value, float):
        if not value.is_integer():
            raise InvalidInput(f"{field} is {value!r}; send epoch milliseconds as a whole number, or RFC 3339 text.", field=field)
        value = int(value)
    if isinstance(value, int):
        if 0 <= value < LOOKS_LIKE_SECONDS:
            raise InvalidInput(
                f"{field} is {value}, which looks like seconds; send milliseconds (seconds × 1000).",
                field=field,
                code="looks_like_seconds",
            )
        return _inside_calendar(value, value, field)
    try:
        moment = datetime.fromisoformat(value.strip())  # takes any number of fractional digits and cuts after six
    except ValueError:
        raise InvalidInput(
            f'{field} is "{value[:60]}", which is no time; send RFC 3339 such as "2026-11-23T10:00:00Z", or epoch milliseconds.',
            field=field,
        ) from None
    if moment.tzinfo is None and local is not None:
        return from_clock(moment, local, field=field)
    if moment.tzinfo is None:
        raise InvalidInput(
            f'{field} is "{value[:60]}", which has no offset; add "Z" for UTC or one such as "+01:00".', field=field
        )
    return _inside_calendar(to_millis(moment), value, field)


def from_clock(shown: datetime, where: ZoneInfo, *, field: str) -> int:
    """The first instant at which the zone's clock shows this. Raises `InvalidInput` when it never does."""
    instant = _inside_calendar(to_millis(shown.replace(tzinfo=where, fold=0)), shown, field)
    if to_datetime(instant).astimezone(where).replace(tzinfo=None, fold=0) != shown.replace(microsecond=instant % SECOND * 1000):
        raise InvalidInput(f"{field} is {shown}, which a clock change skips in {where.key}.", field=field, code="no_such_time")
    return instant


def _inside_calendar(instant: int, said: object, field: str) -> int:
    if not _FIRST <= instant <= _LATEST:
        raise InvalidInput(
            f"{field} is {str(said)[:60]}, outside the calendar; send RFC 3339 or epoch milliseconds.", field=field
        )
    return instant


# --- zones --------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every IANA name that may be used."""
    text = resources.files("tzdata").joinpath("zones").read_text()
    return frozenset(text.split())


@lru_cache(maxsize=700)
def zone(name: str, field: str = "time_zone") -> ZoneInfo:
    """The zone's rules from the `tzdata` package. Raises `InvalidInput` with a suggestion for an unknown name."""
    if name not in zone_names():
        if re.match(r"^(UTC|GMT)?[+-]\d", name):
            raise InvalidInput(
                f'{field} is "{name[:60]}"; send an IANA name such as "Europe/Berlin", since an offset has no clock changes.',
                field=field,
                code="unknown_time_zone",
            )
        near = did_you_mean(name, zone_names()).split("Known:")[0]
        raise InvalidInput(
            f'{field} "{name[:60]}" is not an IANA time zone; {near}Examples: UTC, Europe/Berlin, America/New_York.',
            field=field,
            code="unknown_time_zone",
        )
    folder, _, leaf = name.rpartition("/")
    package = ".".join(["tzdata", "zoneinfo", *folder.split("/")]) if folder else "tzdata.zoneinfo"
    with resources.files(package).joinpath(leaf).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def zone_name(where: ZoneInfo) -> str:
    """The IANA name of a zone made by `zone()`."""
    return where.key or "UTC"


def _offset(instant: int, where: ZoneInfo) -> timedelta:
    offset = to_datetime(instant).astimezone(where).utcoffset()
    assert offset is not None  # noqa: S101 - a ZoneInfo always has one
    return offset


def first_instant(day: date, hour: int, where: ZoneInfo) -> int:
    """The first instant at which the zone's clock shows `hour`:00 or later on `day`.

    Where a clock change skips that time, it is the instant of the change; where the time happens twice, the first.
    """
    naive = datetime.combine(day, clock_time(hour))
    early, late = (to_millis(naive.replace(tzinfo=where, fold=fold)) for fold in (1, 0))
    if early >= late:  # exists once (equal), or twice (fold 0 is the earlier one)
        return late
    before = _offset(early, where)  # skipped: the change lies in (early, late]
    while early + 1 < late:
        middle = (early + late) // 2
        early, late = (middle, late) if _offset(middle, where) == before else (early, middle)
    return late


def local_date(instant: int, where: ZoneInfo) -> date:
    """The calendar day the zone shows at that instant."""
    return to_datetime(instant).astimezone(where).date()


# --- windows and intervals ----------------------------------------------------------------------------------------


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


UNITS = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
CALENDAR = ("month", "year")
TOTAL = "total"
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
    """Cut a window. Raises `TooLarge` when more than `cap` buckets would come out, naming the smallest that fits."""
    if interval.unit == TOTAL:
        return Buckets((window.start,), max(window.end, window.start + 1))
    if cap is not None and (count := _at_least(window, interval)) > cap:
        raise _too_many(window, f"more than {count:,}", cap)
    found = _cut(window, interval)
    if cap is not None and len(found) > cap:
        raise _too_many(window, f"{len(found):,}", cap)
    return found


def _at_least(window: Window, interval: Interval) -> int:
    """A lower bound of the number of calendar buckets, so that nobody builds a million to learn it is too many."""
    if not _follows_the_clock(interval):
        return 0  # counted exactly, at no cost
    step = interval.seconds * SECOND or {"month": 31 * DAY, "year": 366 * DAY}[interval.unit]
    count = (window.end - window.start) // step - 1
    return count if count > 20_000 else 0


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


def _cut(window: Window, interval: Interval) -> Buckets:
    if _follows_the_clock(interval):
        starts = _local_starts(window, interval)
        return Buckets(tuple(starts[:-1]), starts[-1])
    step = interval.seconds * SECOND
    first = window.start // step * step
    last = max(window.start, window.end - 1) // step * step
    return Buckets(range(first, last + step, step), last + step)


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
    yield begin
    quarter = begin - begin % (15 * MINUTE) + 15 * MINUTE  # every offset since 1980 is a multiple of 15 minutes
    for instant in range(quarter, end, 15 * MINUTE):
        if to_datetime(instant).astimezone(where).minute == 0:
            yield instant

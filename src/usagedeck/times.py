"""Instants and zones: how they are read, written and related.

Inside the product an instant is an `int`, epoch milliseconds UTC; zones appear at the rim only. Zone rules come from the
locked `tzdata` package and never from the operating system, so that two machines with the same release give the same
answer.

This module refuses to format for people (the page does that) and to read the clock (the deck does that).
"""

import re
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from functools import lru_cache
from importlib import resources
from itertools import pairwise
from zoneinfo import ZoneInfo

from usagedeck.errors import InvalidInput, did_you_mean

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

EARLIEST = 946_684_800_000
"""2000-01-01T00:00:00Z, the first instant an event may carry."""

LOOKS_LIKE_SECONDS = 100_000_000_000
"""A number below this (1973 in milliseconds) is taken for the common mistake of sending seconds."""

_FIRST = -62_135_596_800_000  # 0001-01-01T00:00:00Z, the first instant Python's calendar knows
_LATEST = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z, the last instant Python's calendar knows
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


@lru_cache(maxsize=20_000)  # the edges of the buckets of an answer stand in it again and again
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


@lru_cache(maxsize=100)
def offsets(where: ZoneInfo, start: int, end: int) -> tuple[tuple[int, int, str], ...]:
    """The zone's offsets from UTC between two instants: from when on, how many milliseconds, and how it is spelt (`+01:00`).

    A clock that changes and changes back within a day is looked at too coarsely; no zone has done so since 2000.
    """

    def change(early: int, late: int) -> int:
        before = _offset(early, where)
        while early + 1 < late:
            middle = (early + late) // 2
            early, late = (middle, late) if _offset(middle, where) == before else (early, middle)
        return late

    days = [*range(start, end, DAY), end]
    firsts = [start]
    firsts += [change(a, b) for a, b in pairwise(days) if _offset(a, where) != _offset(b, where)]
    spelt = [iso_local(first - first % SECOND, where)[len("2026-11-23T00:00:00") :] for first in firsts]
    lengths = [_offset(first, where) // _MILLISECOND for first in firsts]
    return tuple(zip(firsts, lengths, spelt, strict=True))


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

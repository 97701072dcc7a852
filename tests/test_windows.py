"""Calendar buckets: worked values, clock changes, every zone there is, and too many of them."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import clockwalk
from usagedeck.errors import InvalidInput, TooLarge
from usagedeck.times import (
    DAY,
    EARLIEST,
    HOUR,
    MINUTE,
    SECOND,
    WEEK,
    first_instant,
    iso,
    local_date,
    to_datetime,
    to_millis,
    zone,
    zone_names,
)
from usagedeck.windows import LATEST_WINDOW, MAX_CALENDAR_BUCKETS, MAX_SECONDS, Buckets, Interval, Window, buckets

NY = "America/New_York"


def at(text: str) -> int:
    """`2026-11-19T17:37:11Z`, or without the year's beginning: `11-19T17:37:11Z`."""
    return to_millis(datetime.fromisoformat(text if text.startswith("20") else f"2026-{text}"))


def label(instant: int, seconds: int, where: str) -> str:
    """The bucket that an instant falls into, as it is written."""
    found = buckets(Window(instant, instant + 1, zone(where)), Interval.every(seconds))
    assert len(found) == 1
    assert found.starts[0] <= instant < found.end
    return iso(found.starts[0], millis=False)


THURSDAY = "2026-11-19T17:37:11Z"


@pytest.mark.parametrize(
    ("seconds", "where", "expected"),
    [
        (60, "UTC", "2026-11-19T17:37:00Z"),
        (60, "Asia/Kathmandu", "2026-11-19T17:37:00Z"),
        (900, "Asia/Kolkata", "2026-11-19T17:30:00Z"),
        (3600, "UTC", "2026-11-19T17:00:00Z"),
        (3600, "Asia/Kolkata", "2026-11-19T17:30:00Z"),
        (3600, "Asia/Kathmandu", "2026-11-19T17:15:00Z"),
        (14_400, NY, "2026-11-19T17:00:00Z"),
        (14_400, "Europe/London", "2026-11-19T16:00:00Z"),
        (18_000, "UTC", "2026-11-19T15:00:00Z"),
        (5400, NY, "2026-11-19T16:30:00Z"),
        (43_200, NY, "2026-11-19T17:00:00Z"),
        (86_400, NY, "2026-11-19T05:00:00Z"),
        (86_400, "Asia/Kolkata", "2026-11-18T18:30:00Z"),
        (90_000, NY, "2026-11-19T01:00:00Z"),
        (172_800, "UTC", "2026-11-19T00:00:00Z"),
        (259_200, "UTC", "2026-11-18T00:00:00Z"),
        (604_800, "UTC", "2026-11-16T00:00:00Z"),
        (604_800, NY, "2026-11-16T05:00:00Z"),
        (604_800, "Asia/Kolkata", "2026-11-15T18:30:00Z"),
        (1_209_600, "UTC", "2026-11-09T00:00:00Z"),
        (2_592_000, "UTC", "2026-11-03T00:00:00Z"),
    ],
)
def test_worked_values(seconds: int, where: str, expected: str) -> None:
    assert label(at(THURSDAY), seconds, where) == expected


@pytest.mark.parametrize(
    ("instant", "seconds", "where", "expected"),
    [
        ("11-01T03:59:59Z", 86_400, NY, "2026-10-31T04:00:00Z"),
        ("11-01T04:00:00Z", 86_400, NY, "2026-11-01T04:00:00Z"),
        ("11-02T04:59:59Z", 86_400, NY, "2026-11-01T04:00:00Z"),  # the day has 25 hours
        ("11-02T05:00:00Z", 86_400, NY, "2026-11-02T05:00:00Z"),
        ("11-01T05:30:00Z", 3600, NY, "2026-11-01T05:00:00Z"),  # 01:30, the first time
        ("11-01T06:30:00Z", 3600, NY, "2026-11-01T06:00:00Z"),  # 01:30, the second time
        ("11-01T05:30:00Z", 14_400, NY, "2026-11-01T04:00:00Z"),
        ("11-01T06:30:00Z", 14_400, NY, "2026-11-01T04:00:00Z"),
        ("11-01T08:30:00Z", 14_400, NY, "2026-11-01T04:00:00Z"),
        ("11-01T09:30:00Z", 14_400, NY, "2026-11-01T09:00:00Z"),
        ("04-23T21:59:59Z", 86_400, "Africa/Cairo", "2026-04-22T22:00:00Z"),
        ("04-23T22:00:00Z", 86_400, "Africa/Cairo", "2026-04-23T22:00:00Z"),  # 00:00 does not exist: the day begins at 01:00
        ("03-08T06:59:59Z", 3600, NY, "2026-03-08T06:00:00Z"),
        ("03-08T07:00:00Z", 3600, NY, "2026-03-08T07:00:00Z"),  # 03:00, an hour after 01:00
        ("03-08T07:00:00Z", 7200, NY, "2026-03-08T07:00:00Z"),
        ("04-04T15:10:00Z", 3600, "Australia/Lord_Howe", "2026-04-04T14:00:00Z"),  # 01:40, the second time: one long hour
        ("04-04T15:30:00Z", 3600, "Australia/Lord_Howe", "2026-04-04T15:30:00Z"),
        ("10-03T15:30:00Z", 3600, "Australia/Lord_Howe", "2026-10-03T14:30:00Z"),  # 02:30; no clock showed 02:00
        ("10-03T16:00:00Z", 3600, "Australia/Lord_Howe", "2026-10-03T16:00:00Z"),
        ("10-03T15:30:00Z", 7200, "Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
        ("2024-11-03T04:30:00Z", 3600, "America/Havana", "2024-11-03T04:00:00Z"),  # 00:30, the first time
        ("2024-11-03T05:30:00Z", 3600, "America/Havana", "2024-11-03T05:00:00Z"),  # 00:30, the second time
        ("2024-11-03T05:30:00Z", 86_400, "America/Havana", "2024-11-03T04:00:00Z"),  # a day begins with its first midnight
        ("2024-11-03T05:30:00Z", 7200, "America/Havana", "2024-11-03T04:00:00Z"),
        ("10-25T00:59:59Z", 86_400, "Atlantic/Azores", "2026-10-25T00:00:00Z"),
        ("10-25T01:30:00Z", 86_400, "Atlantic/Azores", "2026-10-25T00:00:00Z"),
        ("10-25T02:30:00Z", 86_400, "America/Santiago", "2026-10-24T03:00:00Z"),
        ("04-05T03:30:00Z", 86_400, "America/Santiago", "2026-04-04T03:00:00Z"),  # 24:00 was 23:00 again: still the 4th
        ("04-05T04:00:00Z", 86_400, "America/Santiago", "2026-04-05T04:00:00Z"),
        ("2011-12-30T09:59:59Z", 86_400, "Pacific/Apia", "2011-12-29T10:00:00Z"),
        ("2011-12-30T10:00:00Z", 86_400, "Pacific/Apia", "2011-12-30T10:00:00Z"),  # December 30 never was: this is the 31st
        ("2018-05-04T15:00:00Z", 3600, "Asia/Pyongyang", "2018-05-04T15:00:00Z"),  # 23:30 became 00:00: a short hour
        ("2018-05-04T14:59:59Z", 3600, "Asia/Pyongyang", "2018-05-04T14:30:00Z"),
    ],
)
def test_worked_values_of_clock_changes(instant: str, seconds: int, where: str, expected: str) -> None:
    assert label(at(instant), seconds, where) == expected


def test_a_daily_window_over_a_clock_change() -> None:
    window = Window(at("10-29T00:00:00Z"), at("11-04T00:00:00Z") + 1, zone(NY))
    found = buckets(window, Interval.parse("day"))
    labels = [iso(start, millis=False)[5:13] for start in found.starts]
    assert labels == ["10-28T04", "10-29T04", "10-30T04", "10-31T04", "11-01T04", "11-02T05", "11-03T05"]
    assert [round((end - start) / HOUR) for start, end in found] == [24, 24, 24, 24, 25, 24, 24]


@pytest.mark.parametrize(
    ("name", "where", "expected"),
    [
        ("month", NY, ["2026-02-01T05:00:00Z", "2026-03-01T05:00:00Z", "2026-04-01T04:00:00Z"]),
        ("year", "Asia/Kolkata", ["2025-12-31T18:30:00Z"]),
        ("week", "Australia/Lord_Howe", None),
    ],
)
def test_calendar_units(name: str, where: str, expected: list[str] | None) -> None:
    window = Window(at("02-15T00:00:00Z"), at("04-02T00:00:00Z"), zone(where))
    found = [iso(start, millis=False) for start in buckets(window, Interval.parse(name)).starts]
    if expected is not None:
        assert found == expected
    else:
        assert all(clockwalk.shown(start, where).strftime("%a %H:%M") == "Mon 00:00" for start in map(at, found))


def test_the_total_is_the_window_itself() -> None:
    assert list(buckets(Window(5, 9, zone("UTC")), Interval.parse("total"))) == [(5, 9)]
    assert list(buckets(Window(5, 5, zone("UTC")), Interval.parse("total"))) == [(5, 6)]


@pytest.mark.parametrize("interval", ["minute", "hour", "day", "week", "month", "year", "900s", "5400s", "18000s", "172800s"])
def test_an_empty_window_has_one_bucket(interval: str) -> None:
    instant = at(THURSDAY)
    found = buckets(Window(instant, instant, zone(NY)), Interval.parse(interval))
    assert len(found) == 1
    assert found.starts[0] <= instant < found.end


# --- all zones ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", [2011, 2018, 2026, 2030])
def test_in_every_zone_days_begin_with_the_first_instant_of_their_date(year: int) -> None:
    """The wall shows a new date there and the one before a millisecond earlier; no date of the year is left out."""
    for name in sorted(zone_names()):
        where = zone(name)
        first, last = date(year, 1, 1), date(year, 12, 31)
        window = Window(first_instant(first, 0, where), first_instant(last + timedelta(days=1), 0, where), where)
        found = buckets(window, Interval.parse("day"))
        shown = [local_date(start, where) for start in found.starts]
        assert shown[0] == first, name
        assert shown[-1] == last, name
        assert all(local_date(start - 1, where) < today for start, today in zip(found.starts, shown, strict=True)), name
        missing = (last - first).days + 1 - len(shown)
        assert missing == (name in ("Pacific/Apia", "Pacific/Fakaofo") and year == 2011), name


def _changes(name: str, year: int) -> list[int]:
    """The instants of a year at which the zone's clock is put forward or back, found by halving."""

    def offset(instant: int) -> timedelta | None:
        return to_datetime(instant).astimezone(clockwalk.wall_clock(name)).utcoffset()

    begin = to_millis(datetime(year, 1, 1, tzinfo=UTC))
    found = []
    for week in range(begin, begin + 366 * DAY, WEEK):
        low, high = week, week + WEEK
        while high - low > SECOND and offset(low) != offset(high):
            middle = (low + high) // 2 // SECOND * SECOND
            low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
        if offset(low) != offset(high):
            found.append(high)
    return found


SIZES: list[int | str] = [900, 3600, 5400, 7200, 10_800, 14_400, 18_000, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600]


@pytest.mark.parametrize("year", [2018, 2026])
def test_at_every_clock_change_of_every_zone_buckets_are_what_the_wall_shows(year: int) -> None:
    """Zones that change alike are looked at once."""
    seen: set[tuple[tuple[int, str], ...]] = set()
    for name in sorted(zone_names()):
        changes = _changes(name, year)
        alike = tuple((change, str(clockwalk.shown(change, name))) for change in changes)
        if alike in seen:
            continue
        seen.add(alike)
        for number, change in enumerate(changes):
            begin, end = change - 31 * HOUR - 7, change + 27 * HOUR + 11
            for size in SIZES if number < 2 else SIZES[1:4]:
                interval = Interval.every(size) if isinstance(size, int) else Interval.parse(size)
                found = buckets(Window(begin, end, zone(name)), interval)
                assert (*found.starts, found.end) == clockwalk.starts(name, size, begin, end), (name, size)
    assert len(seen) > 30


def test_offsets_are_quarters_of_an_hour_in_all_the_time_an_event_may_have() -> None:
    """Single hours are found by looking at quarters."""
    for name in sorted(zone_names()):
        where = zone(name)
        for year in range(2000, 2040):
            for month in (1, 4, 7, 10):
                offset = datetime(year, month, 1, tzinfo=where).utcoffset()
                assert offset is not None
                assert offset % timedelta(minutes=15) == timedelta(0), (name, year)
    assert at("2000-01-01T00:00:00Z") == EARLIEST


@given(
    begin=st.integers(EARLIEST, at("2037-01-01T00:00:00Z")),
    length=st.integers(0, 40 * DAY),
    seconds=st.sampled_from([900, 3600, 7200, 5400, 18_000, 86_400, 259_200, 604_800, 1_814_400]) | st.integers(1000, 10**7),
    name=st.sampled_from(sorted(zone_names())),
)
@settings(max_examples=300, deadline=None)
def test_buckets_cover_the_window_without_gap_or_overlap(begin: int, length: int, seconds: int, name: str) -> None:
    window = Window(begin, begin + length, zone(name))
    found = buckets(window, Interval.every(seconds))
    pairs = list(found)
    assert pairs[0][0] <= begin < pairs[0][1]
    assert all(a < b for a, b in pairs)
    assert all(left[1] == right[0] for left, right in pairwise(pairs))
    assert pairs[-1][0] < max(window.end, begin + 1) <= pairs[-1][1] == found.end
    assert all(found.end_of(a) == b for a, b in pairs)
    firsts, lengths = found.runs()
    rebuilt = []
    for i, (first, step) in enumerate(zip(firsts, lengths, strict=True)):
        stop = firsts[i + 1] if i + 1 < len(firsts) else found.end
        rebuilt += list(range(first, stop, step))
    assert rebuilt == list(found.starts)


# --- caps ---------------------------------------------------------------------------------------------------------


def test_exactly_the_cap_is_answered_and_one_more_is_refused() -> None:
    begin = at("2026-01-01T00:00:00Z")
    assert len(buckets(Window(begin, begin + 1000 * MINUTE, zone("UTC")), Interval.parse("minute"), cap=1000)) == 1000
    with pytest.raises(TooLarge, match="holds 1,001 buckets of this interval and at most 1,000") as caught:
        buckets(Window(begin, begin + 1001 * MINUTE, zone("UTC")), Interval.parse("minute"), cap=1000)
    assert (caught.value.field, caught.value.code) == ("interval", "too_many_buckets")
    assert "at least 300 seconds" in caught.value.message


@pytest.mark.parametrize(
    ("days", "interval", "cap"),
    [(1, "1s", 750), (30, "minute", 1000), (365, "hour", 750), (3650, "day", 1000), (9000, "1s", 5000)],
)
def test_the_interval_a_refusal_names_is_accepted(days: int, interval: str, cap: int) -> None:
    window = Window(at(THURSDAY), at(THURSDAY) + days * DAY, zone(NY))
    with pytest.raises(TooLarge) as caught:
        buckets(window, Interval.parse(interval), cap)
    seconds = int(caught.value.message.split("at least ")[1].split(" ")[0])
    assert len(buckets(window, Interval.every(seconds), cap)) <= cap


@pytest.mark.parametrize("interval", ["hour", "day", "1s", "7200s"])
def test_far_too_much_is_refused_before_it_is_built(interval: str) -> None:
    everything = Window(0, LATEST_WINDOW, zone(NY))
    with pytest.raises(TooLarge, match="a shorter window"):
        buckets(everything, Interval.parse(interval), cap=5000)


def test_even_without_a_cap_calendar_buckets_have_one() -> None:
    window = Window(0, LATEST_WINDOW, zone("Europe/Berlin"))
    with pytest.raises(TooLarge, match=f"at most {MAX_CALENDAR_BUCKETS:,}"):
        buckets(window, Interval.parse("hour"))
    assert len(buckets(window, Interval.parse("day"))) == 84_007


@pytest.mark.parametrize("wrong", [{}, {"unit": "week"}, {"seconds": -1}, {"seconds": MAX_SECONDS + 1}])
def test_an_interval_that_exists_cuts(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="An interval is"):
        Interval(**wrong)


def test_evenly_spaced_buckets_cost_no_memory() -> None:
    assert isinstance(buckets(Window(0, LATEST_WINDOW, zone("UTC")), Interval.parse("1s")).starts, range)


@pytest.mark.parametrize("seconds", [999_999_999, 86_400 * 11_574, 604_800 * 1653, 3600 * 277_777])
def test_the_longest_intervals_have_buckets(seconds: int) -> None:
    for name in ("UTC", "Pacific/Apia"):
        for instant in (0, at(THURSDAY), LATEST_WINDOW - 1):
            found = buckets(Window(instant, instant + 1, zone(name)), Interval.every(seconds))
            assert found.starts[0] <= instant < found.end


def test_the_end_of_the_bucket_an_instant_is_in() -> None:
    found = Buckets((0, 10, 30), 35)
    assert [found.end_of(start) for start in found.starts] == [10, 30, 35]
    assert found.runs() == ([0, 10, 30], [10, 20, 5])

"""Billing periods begin on a workspace's day, on its clock, and leave no instant out."""

import calendar
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usagedeck.errors import InvalidInput
from usagedeck.periods import billing_period
from usagedeck.times import DAY, first_instant, iso, local_date, parse_instant, zone, zone_names


def period(instant: str, day: int, where: str = "UTC", back: int = 0) -> tuple[str, str]:
    found = billing_period(parse_instant(instant, field="instant"), day, zone(where), back)
    assert found.zone is zone(where)
    return iso(found.start, millis=False), iso(found.end, millis=False)


@pytest.mark.parametrize(
    ("instant", "day", "start", "end"),
    [
        ("2026-11-23T12:00:00Z", 1, "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("2026-11-14T23:59:59.999Z", 15, "2026-10-15T00:00:00Z", "2026-11-15T00:00:00Z"),
        ("2026-11-15T00:00:00Z", 15, "2026-11-15T00:00:00Z", "2026-12-15T00:00:00Z"),
        ("2026-12-31T23:59:59Z", 1, "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2027-01-10T00:00:00Z", 31, "2026-12-31T00:00:00Z", "2027-01-31T00:00:00Z"),
        ("2026-02-28T00:00:00Z", 31, "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"),
        ("2026-02-27T23:59:59Z", 31, "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"),
        ("2024-02-29T00:00:00Z", 31, "2024-02-29T00:00:00Z", "2024-03-31T00:00:00Z"),
        ("2024-02-28T00:00:00Z", 30, "2024-01-30T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("2026-03-30T00:00:00Z", 31, "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"),
        ("2026-04-30T00:00:00Z", 31, "2026-04-30T00:00:00Z", "2026-05-31T00:00:00Z"),
    ],
)
def test_months_that_are_too_short_begin_on_their_last_day(instant: str, day: int, start: str, end: str) -> None:
    assert period(instant, day) == (start, end)


@pytest.mark.parametrize(
    ("instant", "day", "where", "start", "end"),
    [
        # the clock goes back inside the period: 30 days and an hour
        ("2026-11-15T00:00:00Z", 1, "America/New_York", "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z"),
        ("2026-03-08T12:00:00Z", 8, "America/New_York", "2026-03-08T05:00:00Z", "2026-04-08T04:00:00Z"),
        # still the day before there
        ("2026-11-01T03:59:59.999Z", 1, "America/New_York", "2026-10-01T04:00:00Z", "2026-11-01T04:00:00Z"),
        # the day after already
        ("2026-10-31T18:30:00Z", 1, "Asia/Kolkata", "2026-10-31T18:30:00Z", "2026-11-30T18:30:00Z"),
        # a day that has no midnight begins when the clock is put forward
        ("2026-04-24T12:00:00Z", 24, "Africa/Cairo", "2026-04-23T22:00:00Z", "2026-05-23T21:00:00Z"),
        ("2026-04-23T21:59:59.999Z", 24, "Africa/Cairo", "2026-03-23T22:00:00Z", "2026-04-23T22:00:00Z"),
        # midnight twice: the first one
        ("2024-11-03T05:30:00Z", 3, "America/Havana", "2024-11-03T04:00:00Z", "2024-12-03T05:00:00Z"),
        # a day that never was: Samoa went from the 29th to the 31st
        ("2011-12-30T12:00:00Z", 30, "Pacific/Apia", "2011-12-30T10:00:00Z", "2012-01-29T10:00:00Z"),
        ("2011-12-30T09:59:59.999Z", 30, "Pacific/Apia", "2011-11-30T10:00:00Z", "2011-12-30T10:00:00Z"),
    ],
)
def test_they_begin_on_the_zones_clock(instant: str, day: int, where: str, start: str, end: str) -> None:
    assert period(instant, day, where) == (start, end)


def test_earlier_ones_are_counted_back() -> None:
    now = "2026-03-31T12:00:00Z"
    assert period(now, 31, back=1) == ("2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z")
    assert period(now, 31, back=13) == ("2025-02-28T00:00:00Z", "2025-03-31T00:00:00Z")
    with pytest.raises(InvalidInput, match="between the years 1970 and 2200"):
        period(now, 31, back=700)


@settings(deadline=None)
@given(
    instant=st.integers(946_684_800_000, 2_500_000_000_000),
    day=st.integers(1, 31),
    where=st.sampled_from(sorted(zone_names())),
    back=st.integers(0, 30),
)
def test_every_instant_lies_in_one(instant: int, day: int, where: str, back: int) -> None:
    here = billing_period(instant, day, zone(where))
    assert here.start <= instant < here.end
    for inside in (here.start, here.end - 1):
        assert billing_period(inside, day, here.zone) == here
    assert billing_period(here.end, day, here.zone).start == here.end
    assert billing_period(instant, day, here.zone, back + 1).end == billing_period(instant, day, here.zone, back).start
    begins = local_date(here.start, here.zone)
    wanted = min(day, calendar.monthrange(begins.year, begins.month)[1])
    if begins.day != wanted:  # a day that never was: the next one's first instant is its own
        assert first_instant(begins - timedelta(days=1), 0, here.zone) == here.start
    assert 27 * DAY < here.end - here.start < 32 * DAY

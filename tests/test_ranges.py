"""Named ranges become the windows they say, in the zone they are read in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usagedeck.errors import InvalidInput
from usagedeck.ranges import EXAMPLES, parse_range
from usagedeck.times import HOUR, iso, parse_instant, zone, zone_names
from usagedeck.windows import LATEST_WINDOW, Window

NOW = "2026-11-23T12:34:56.789Z"


def named(text: str, where: str = "UTC", now: str = NOW, billing_day: int = 1) -> Window:
    return parse_range(text, zone=zone(where), now=parse_instant(now, field="now"), billing_day=billing_day)


def edges(text: str, where: str = "UTC", now: str = NOW, billing_day: int = 1) -> tuple[str, str]:
    found = named(text, where, now, billing_day)
    assert found.zone is zone(where)
    return iso(found.start, millis=False), iso(found.end, millis=False)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("1h", "2026-11-23T11:34:56.789Z", NOW),
        ("24h", "2026-11-22T12:34:56.789Z", NOW),
        ("1d", "2026-11-23T00:00:00Z", NOW),
        ("7d", "2026-11-17T00:00:00Z", NOW),
        ("30d", "2026-10-25T00:00:00Z", NOW),
        ("1mo", "2026-11-01T00:00:00Z", NOW),
        ("12mo", "2025-12-01T00:00:00Z", NOW),
        ("month", "2026-11-01T00:00:00Z", NOW),
        ("year", "2026-01-01T00:00:00Z", NOW),
        ("last-month", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"),
        ("billing", "2026-11-01T00:00:00Z", NOW),
        ("billing-0", "2026-11-01T00:00:00Z", NOW),
        ("billing-1", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"),
        ("2026-11", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("2024-02", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
        ("2026-12", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2026", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2026-11-01..2026-11-23", "2026-11-01T00:00:00Z", "2026-11-23T00:00:00Z"),
        ("2026-11-01..", "2026-11-01T00:00:00Z", NOW),
        ("..2026-11-01", "1970-01-01T00:00:00Z", "2026-11-01T00:00:00Z"),
        ("..", "1970-01-01T00:00:00Z", NOW),
        ("2026-11-01T06:00:00+02:00..1795428000000", "2026-11-01T04:00:00Z", "2026-11-23T10:00:00Z"),
    ],
)
def test_ranges_in_utc(text: str, start: str, end: str) -> None:
    assert edges(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "where", "now", "start", "end"),
    [
        ("1d", "America/New_York", "2026-11-23T03:00:00Z", "2026-11-22T05:00:00Z", "2026-11-23T03:00:00Z"),  # still the 22nd
        ("1d", "Asia/Kathmandu", "2026-11-23T20:00:00Z", "2026-11-23T18:15:00Z", "2026-11-23T20:00:00Z"),  # the 24th already
        ("2d", "America/New_York", "2026-11-02T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T12:00:00Z"),  # 25 hours, then 7
        ("24h", "America/New_York", "2026-11-02T12:00:00Z", "2026-11-01T12:00:00Z", "2026-11-02T12:00:00Z"),
        ("2026-11", "America/New_York", NOW, "2026-11-01T04:00:00Z", "2026-12-01T05:00:00Z"),
        ("2026-04-24..2026-04-25", "Africa/Cairo", NOW, "2026-04-23T22:00:00Z", "2026-04-24T21:00:00Z"),  # no midnight
        ("month", "Asia/Kolkata", "2026-10-31T19:00:00Z", "2026-10-31T18:30:00Z", "2026-10-31T19:00:00Z"),
        ("year", "Pacific/Auckland", "2026-12-31T12:00:00Z", "2026-12-31T11:00:00Z", "2026-12-31T12:00:00Z"),
    ],
)
def test_days_are_the_zones_days(text: str, where: str, now: str, start: str, end: str) -> None:
    assert edges(text, where, now) == (start, end)


@pytest.mark.parametrize(
    ("now", "billing_day", "text", "start", "end"),
    [
        ("2026-11-14T23:59:59.999Z", 15, "billing", "2026-10-15", "2026-11-14T23:59:59.999Z"),
        ("2026-11-15T00:00:00Z", 15, "billing", "2026-11-15", "2026-11-15T00:00:00Z"),
        ("2026-11-15T00:00:00Z", 15, "billing-1", "2026-10-15", "2026-11-15"),
        ("2026-03-30T12:00:00Z", 31, "billing", "2026-02-28", "2026-03-30T12:00:00Z"),
        ("2026-03-31T12:00:00Z", 31, "billing", "2026-03-31", "2026-03-31T12:00:00Z"),
        ("2026-03-31T12:00:00Z", 31, "billing-1", "2026-02-28", "2026-03-31"),
        ("2024-03-10T12:00:00Z", 30, "billing", "2024-02-29", "2024-03-10T12:00:00Z"),
        ("2026-01-05T12:00:00Z", 10, "billing-12", "2024-12-10", "2025-01-10"),
    ],
)
def test_billing_periods_and_short_months(now: str, billing_day: int, text: str, start: str, end: str) -> None:
    def whole(edge: str) -> str:
        return edge if "T" in edge else f"{edge}T00:00:00Z"

    assert edges(text, now=now, billing_day=billing_day) == (whole(start), whole(end))


@settings(deadline=None)
@given(
    now=st.integers(1_500_000_000_000, 2_500_000_000_000),
    billing_day=st.integers(1, 31),
    back=st.integers(1, 100),
    where=st.sampled_from(sorted(zone_names())),
)
def test_billing_periods_follow_each_other(now: int, billing_day: int, back: int, where: str) -> None:
    def period(text: str) -> Window:
        return parse_range(text, zone=zone(where), now=now, billing_day=billing_day)

    assert period(f"billing-{back}").start == period(f"billing-{back + 1}").end
    assert period("billing").start == period("billing-1").end <= now
    assert 27 * 24 * HOUR < period(f"billing-{back}").end - period(f"billing-{back}").start < 33 * 24 * HOUR


def test_the_examples_are_ranges() -> None:
    for example in EXAMPLES.split(", "):
        assert named(example).start < named(example).end


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no range"),
        ("30", "is no range"),
        ("30D", "is no range"),
        ("d", "is no range"),
        ("-1d", "is no range"),
        ("99999d", "is no range"),
        ("0d", "count from 1"),
        ("9999h", "count from 1"),
        ("2026-13", "no month 13"),
        ("2026-00", "no month 00"),
        ("2026-02-30..2026-03-01", "no day 2026-02-30"),
        ("2026-11-23..2026-11-01", "is before start"),
        ("tomorrow..", "is no time"),
        ("2026-11-01T00:00:00..", "no offset"),
        ("1700000000..", "looks like seconds"),
        ("1900..1901", "looks like seconds"),
        ("1900", "between the years 1970 and 2200"),
        ("2200", "between the years 1970 and 2200"),
        ("4000mo", "between the years 1970 and 2200"),
        ("billing-999", "between the years 1970 and 2200"),
        ("2026-01-01..0001-01-01", "is before start"),
        ("0001-01-01..2026-01-01", "between the years 1970 and 2200"),
        ("..9999-12-31", "between the years 1970 and 2200"),
        ("a" * 5000, "is no range"),
        ("a" * 5000 + "..", "is no time"),
    ],
)
@pytest.mark.parametrize("where", ["UTC", "Pacific/Kiritimati", "Pacific/Niue"])
def test_what_is_no_range_is_refused(text: str, says: str, where: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        named(text, where)
    assert says in caught.value.message
    assert caught.value.field in ("range", "start", "end")
    assert len(caught.value.message) < 300


@settings(deadline=None)
@given(st.text(max_size=30))
def test_whatever_is_typed_is_a_window_or_a_refusal(text: str) -> None:
    try:
        found = named(text)
    except InvalidInput:
        return
    assert 0 <= found.start <= found.end <= LATEST_WINDOW

"""Instants, windows, intervals and zones, and what is said when they cannot be."""

import zoneinfo
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usagedeck.errors import InvalidInput
from usagedeck.times import iso, iso_local, parse_instant, to_datetime, to_millis, zone, zone_name, zone_names
from usagedeck.windows import LATEST_WINDOW, Interval, Window


def at(text: str) -> int:
    """`2026-11-19T17:37:11Z`, or without the year's beginning: `11-19T17:37:11Z`."""
    return to_millis(datetime.fromisoformat(text if text.startswith("20") else f"2026-{text}"))


# --- instants -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-23T10:00:00Z", 1_795_428_000_000),
        ("2026-11-23T11:00:00+01:00", 1_795_428_000_000),
        ("2026-11-23T15:45:00.5+05:45", 1_795_428_000_500),
        ("2026-11-23T10:00:00.1239999999Z", 1_795_428_000_123),
        (" 2026-11-23T10:00:00Z ", 1_795_428_000_000),
        ("1969-12-31T23:59:59.999Z", -1),
        (1_795_428_000_123, 1_795_428_000_123),
        ("1795428000123", 1_795_428_000_123),
        (1_795_428_000_123.0, 1_795_428_000_123),
        (-1, -1),
        (100_000_000_000, 100_000_000_000),
    ],
)
def test_instants_are_read(value: str | float, expected: int) -> None:
    assert parse_instant(value, field="time") == expected


@pytest.mark.parametrize(
    ("value", "code", "says"),
    [
        ("2026-11-23T10:00:00", "invalid", 'add "Z"'),
        ("2026-11-23", "invalid", 'add "Z"'),
        ("yesterday", "invalid", "RFC 3339"),
        ("", "invalid", "RFC 3339"),
        ("x" * 5000, "invalid", "RFC 3339"),
        ("2026-02-30T00:00:00Z", "invalid", "no time"),
        (1_795_428_000, "looks_like_seconds", "seconds × 1000"),
        ("1795428000", "looks_like_seconds", "seconds × 1000"),
        (99_999_999_999, "looks_like_seconds", "seconds × 1000"),
        (0, "looks_like_seconds", "seconds × 1000"),
        (1_795_428_000_123.5, "invalid", "whole number"),
        (float("inf"), "invalid", "whole number"),
        (float("nan"), "invalid", "whole number"),
        (10**30, "invalid", "outside the calendar"),
        (-(10**30), "invalid", "outside the calendar"),
        (-99_999_999_999_999, "invalid", "outside the calendar"),
        ("0001-01-01T00:00:00+01:00", "invalid", "outside the calendar"),
        ("9999-12-31T23:59:59-01:00", "invalid", "outside the calendar"),
    ],
)
def test_what_is_no_instant_is_refused_with_a_mend(value: str | float, code: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_instant(value, field="start")
    assert (caught.value.field, caught.value.code) == ("start", code)
    assert says in caught.value.message
    assert caught.value.message.startswith("start ")
    assert len(caught.value.message) < 250


@settings(deadline=None)
@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_an_instant_survives_being_written(instant: int) -> None:
    assert to_millis(to_datetime(instant)) == instant
    if instant >= at("2000-01-01T00:00:00Z"):
        assert parse_instant(iso(instant), field="x") == parse_instant(iso(instant, millis=False), field="x") == instant
        if instant < LATEST_WINDOW:
            assert parse_instant(iso_local(instant, zone("Asia/Kathmandu")), field="x") == instant


def test_instants_are_written_plainly() -> None:
    assert iso(1_795_428_000_000) == "2026-11-23T10:00:00.000Z"
    assert iso(1_795_428_000_000, millis=False) == "2026-11-23T10:00:00Z"
    assert iso(1_795_428_000_007, millis=False) == "2026-11-23T10:00:00.007Z"
    assert iso_local(1_795_428_000_000, zone("Asia/Kathmandu")) == "2026-11-23T15:45:00+05:45"
    assert iso_local(1_795_428_000_007, zone("America/New_York")) == "2026-11-23T05:00:00.007-05:00"


# --- windows, intervals, zones ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Europe/Berln", 'did you mean "Europe/Berlin"'),
        ("europe/berlin", 'did you mean "Europe/Berlin"'),
        ("+02:00", "an offset has no clock changes"),
        ("UTC+2", "an offset has no clock changes"),
        ("", "Examples: UTC"),
        ("../../../etc/passwd", "Examples: UTC"),
        ("posixrules", "Examples: UTC"),
        ("x" * 9999, "Examples: UTC"),
        ("+1" * 9999, "an offset has no clock changes"),
    ],
)
def test_unknown_zones_are_refused_with_a_suggestion(name: str, says: str) -> None:
    with pytest.raises(InvalidInput, match="time_zone") as caught:
        zone(name)
    assert says in caught.value.message
    assert caught.value.code == "unknown_time_zone"
    assert len(caught.value.message) < 300


def test_zones_come_from_the_package_and_not_from_the_machine(tmp_path: Path) -> None:
    """The machine is made to believe that Berlin is in Greenwich."""
    (tmp_path / "Europe").mkdir()
    (tmp_path / "Europe" / "Berlin").write_bytes(resources.files("tzdata").joinpath("zoneinfo", "Etc", "UTC").read_bytes())
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    zoneinfo.reset_tzpath(to=[str(tmp_path)])
    zone.cache_clear()
    try:
        assert noon.astimezone(ZoneInfo.no_cache("Europe/Berlin")).hour == 12
        assert noon.astimezone(zone("Europe/Berlin")).hour == 13
    finally:
        zoneinfo.reset_tzpath()


@pytest.mark.parametrize(("start", "end"), [(10, 9), (-1, 5), (0, LATEST_WINDOW + 1)])
def test_windows_that_cannot_be_are_refused(start: int, end: int) -> None:
    with pytest.raises(InvalidInput):
        Window(start, end, zone("UTC"))


@pytest.mark.parametrize(
    ("text", "seconds", "unit", "name"),
    [
        ("minute", 60, "", "minute"),
        ("hour", 3600, "", "hour"),
        ("86400s", 86_400, "", "day"),
        ("900s", 900, "", "900s"),
        ("month", 0, "month", "month"),
        ("year", 0, "year", "year"),
        ("total", 0, "total", "total"),
    ],
)
def test_intervals_are_read_and_named(text: str, seconds: int, unit: str, name: str) -> None:
    found = Interval.parse(text)
    assert (found.seconds, found.unit, found.name) == (seconds, unit, name)
    assert Interval.parse(found.name) == found


@pytest.mark.parametrize("text", ["0s", "-5s", "dya", "", "1h", "9999999999s", "1.5s", "DAY", "s", "day "])
def test_what_is_no_interval_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Interval.parse(text)
    assert caught.value.field == "interval"


def test_a_misspelt_interval_gets_a_suggestion() -> None:
    with pytest.raises(InvalidInput, match='did you mean "day"'):
        Interval.parse("dayy")


@pytest.mark.parametrize("seconds", [0, -1, 10**9, 86_400 * 10**9, 10**30])
def test_intervals_beyond_the_calendar_are_refused(seconds: int) -> None:
    with pytest.raises(InvalidInput):
        Interval.every(seconds)


def test_every_name_of_the_package_is_a_zone() -> None:
    assert len(zone_names()) > 590
    for name in zone_names():
        assert zone_name(zone(name)) == name

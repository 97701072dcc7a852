"""`client.usage.get`: every metric by every breakdown in every interval agrees with a slow reckoning of the town."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import groupby, pairwise
from typing import Any

import httpx
import pytest
from elevenlabs import ElevenLabs
from elevenlabs.types.breakdown_types import BreakdownTypes
from elevenlabs.types.metric_type import MetricType
from elevenlabs.types.usage_aggregation_interval import UsageAggregationInterval

from tests.house import NOON
from tests.wire.strict import listed, refused
from tests.wire.town import EMAILS, END, EVENTS, KEYS, OTHER_RACHEL, RACHEL, START, Town, at
from usagedeck.times import DAY, HOUR

BREAKDOWNS = listed(BreakdownTypes)
METRICS = listed(MetricType)
INTERVALS = listed(UsageAggregationInterval)
ACTIVITY = ("concurrency", "concurrency_average")

Event = Mapping[str, Any]


# --- the reckoning ------------------------------------------------------------------------------------------------


def one_of(field: str, names: Mapping[str, str] | None = None, absent: str = "None") -> Callable[[Event], list[str]]:
    return lambda e: [(names or {}).get(str(e[field]), str(e[field]))] if e.get(field) else [absent]


KEY_NAME = one_of("api_key_id", KEYS, "No API key")
SERIES: Mapping[str, Callable[[Event], list[str]]] = {
    "none": lambda _: ["All"],
    "voice": one_of("voice_id", {RACHEL: "Rachel (aa11)", OTHER_RACHEL: "Rachel (bb22)"}, "No voice"),
    "voice_multiplier": one_of("voice_multiplier"),
    "user": one_of("user_id", EMAILS),
    "groups": lambda e: [{"g-eng": "Engineering"}.get(g, g) for g in e.get("group_ids", ())] or ["None"],
    "api_keys": lambda e: [name for name in KEY_NAME(e) if name != "lost one"],
    "all_api_keys": KEY_NAME,
    "product_type": one_of("product_type", {"None": "None (None)"}),
    "model": one_of("model"),
    "resource": one_of("resource_id", {"agent-1": "Concierge"}),
    "request_queue": one_of("request_queue_type"),
    "region": one_of("region"),
    "subresource_id": one_of("subresource_id"),
    "reporting_workspace_id": lambda _: ["Town"],
    "has_api_key": lambda e: ["true" if e.get("api_key_id") else "false"],
    "request_source": one_of("request_source"),
}


def began(event: Event) -> int:
    return at(event["time"])


def ended(event: Event) -> int:
    return began(event) + int(event.get("duration_ms", 0))


def total(events: Iterable[Event], field: str) -> Fraction:
    return sum((Fraction(str(e.get(field, 0))) for e in events), Fraction())


def p95(numbers: list[int]) -> Fraction:
    place = Fraction(95, 100) * (len(numbers) - 1)
    low = int(place)
    high = min(low + 1, len(numbers) - 1)
    return numbers[low] + (place - low) * (numbers[high] - numbers[low])


def peak(events: Iterable[Event], start: int, end: int) -> int:
    spans = [(max(began(e), start), min(ended(e), end)) for e in events]
    return max((sum(a <= moment < b for a, b in spans) for moment, _ in spans), default=0)


def reckon(metric: str, events: list[Event], start: int, end: int) -> Fraction | int:
    """One number: `events` are of one series, the bucket is [start, end) cut by the window."""
    if metric == "concurrency":
        return peak(events, start, end)
    if metric == "concurrency_average":
        return Fraction(sum(max(0, min(ended(e), end) - max(began(e), start)) for e in events), end - start)
    inside = [e for e in events if start <= began(e) < end]
    waits = sorted(e["ttfb_ms"] for e in inside if "ttfb_ms" in e)
    if metric == "ttfb_avg":
        return Fraction(sum(waits), len(waits)) if waits else 0
    if metric == "ttfb_p95":
        return p95(waits) if waits else 0
    if metric == "minutes_used":
        return total(inside, "audio_seconds") / 60
    if metric == "fiat_units_spent":
        return total(inside, "cost") * 100
    return len(inside) if metric == "request_count" else total(inside, {"tts_characters": "characters"}.get(metric, metric))


def cut(interval: str) -> list[int]:
    """First instants of the buckets of the usual window."""
    day = datetime.fromtimestamp(START / 1000, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    starts = {
        "hour": [day + timedelta(hours=n) for n in range(24 * 8)],
        "day": [day + timedelta(days=n) for n in range(8)],
        "week": [day - timedelta(days=day.weekday()) + timedelta(weeks=n) for n in range(3)],
        "month": [datetime(2026, month, 1, tzinfo=UTC) for month in (10, 11, 12)],
    }
    if interval == "cumulative":
        return [START]
    found = [int(start.timestamp() * 1000) for start in starts[interval]]
    return [start for start, after in pairwise(found) if after > START and start <= END]


def reckoned(metric: str, breakdown: str, interval: str) -> tuple[list[int], dict[str, list[Fraction | int]]]:
    starts = [START, *cut(interval)[1:]]
    edges = [*starts, END + 1]
    seen = [e for e in EVENTS if START <= began(e) <= END or (metric in ACTIVITY and began(e) < START < ended(e))]
    series = sorted((name, e["id"]) for e in seen for name in SERIES[breakdown](e))
    by_id = {e["id"]: e for e in EVENTS}
    return starts, {
        name: [reckon(metric, events, a, b) for a, b in pairwise(edges)]
        for name, ids in groupby(series, key=lambda pair: pair[0])
        for events in [[by_id[id_] for _, id_ in ids]]
    }


@pytest.mark.parametrize("breakdown", BREAKDOWNS)
@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_by_every_breakdown_in_every_interval(sdk: ElevenLabs, metric: str, breakdown: str) -> None:
    for interval in INTERVALS:
        answer = sdk.usage.get(
            start_unix=START,
            end_unix=END,
            include_workspace_metrics=True,
            breakdown_type=breakdown,
            aggregation_interval=interval,
            metric=metric,
        )
        starts, expected = reckoned(metric, breakdown, interval)
        assert answer.time == starts, interval
        assert set(answer.usage) == set(expected), interval
        for name, numbers in expected.items():
            near = 0.005 if metric == "ttfb_p95" else 1e-12
            assert answer.usage[name] == pytest.approx([float(n) for n in numbers], rel=1e-12, abs=near), (interval, name)


# --- counted by hand ----------------------------------------------------------------------------------------------


def stats(sdk: ElevenLabs, start: int = START, end: int = END, **more: Any) -> Any:
    return sdk.usage.get(start_unix=start, end_unix=end, include_workspace_metrics=True, **more)


def test_the_defaults_are_credits_by_day_of_everything(sdk: ElevenLabs) -> None:
    answer = sdk.usage.get(start_unix=START, end_unix=END)
    days = [at(f"2026-11-0{day}T00:00:00Z") for day in (1, 2, 3)]
    assert answer.time == [START, *days]
    assert answer.usage == {"All": [0, 137.5, 7, 0.000001]}


def test_costs_are_cents(sdk: ElevenLabs) -> None:
    by_product = stats(sdk, metric="fiat_units_spent", breakdown_type="product_type", aggregation_interval="cumulative").usage
    assert by_product == {"TTS": [3.7], "STT": [0.5], "Conversational AI": [10], "None": [0], "None (None)": [0]}


def test_whole_numbers_have_no_point(town_url: str, town: Town) -> None:
    params: dict[str, str | int] = {"start_unix": START, "end_unix": END, "aggregation_interval": "cumulative"}
    answer = httpx.get(f"{town_url}/v1/usage/character-stats", params=params, headers={"xi-api-key": town.everything})
    assert answer.text == f'{{"time":[{START}],"usage":{{"All":[144.500001]}}}}'
    params["metric"] = "request_count"
    again = [
        httpx.get(f"{town_url}/v1/usage/character-stats", params=params, headers={"xi-api-key": town.everything}).content
        for _ in range(2)
    ]
    assert again == [f'{{"time":[{START}],"usage":{{"All":[12]}}}}'.encode()] * 2


def test_one_that_ends_as_another_begins_is_not_counted_with_it(sdk: ElevenLabs) -> None:
    nine = at("2026-11-01T09:00:00Z")
    answer = stats(sdk, nine, nine + HOUR - 1, metric="concurrency", aggregation_bucket_size=60)
    assert answer.usage["All"] == [2, *[1] * 30, *[0] * 29]
    average = stats(sdk, nine, nine + HOUR - 1, metric="concurrency_average", aggregation_interval="hour")
    assert average.usage["All"] == pytest.approx([32 / 60])


def test_the_end_is_included_and_may_be_the_start(sdk: ElevenLabs) -> None:
    moment = at("2026-11-02T05:00:00Z")
    answer = stats(sdk, moment, moment, metric="request_count")
    assert (answer.time, answer.usage) == ([moment], {"All": [2]})
    day = at("2026-11-01T00:00:00Z")
    assert stats(sdk, day - DAY, day).time == [day - DAY, day]


def test_the_first_label_is_the_start_and_the_others_are_midnights(sdk: ElevenLabs) -> None:
    start = 1_738_252_091_000
    answer = stats(sdk, start, at("2025-02-01T23:59:59Z"))
    assert answer.time == [start, at("2025-01-31T00:00:00Z"), at("2025-02-01T00:00:00Z")]
    aligned = at("2025-01-30T00:00:00Z")
    assert stats(sdk, aligned, aligned + DAY - 1).time == [aligned]


@pytest.mark.parametrize(
    ("seconds", "second"),
    [
        (900, "2026-11-19T17:45:00Z"),
        (3600, "2026-11-19T18:00:00Z"),
        (5400, "2026-11-19T18:00:00Z"),
        (18_000, "2026-11-19T20:00:00Z"),
        (90_000, "2026-11-20T02:00:00Z"),
        (172_800, "2026-11-21T00:00:00Z"),
        (259_200, "2026-11-21T00:00:00Z"),
        (604_800, "2026-11-23T00:00:00Z"),
        (1_209_600, "2026-11-23T00:00:00Z"),
        (2_592_000, "2026-12-03T00:00:00Z"),
    ],
)
def test_a_bucket_size_overrides_the_interval_and_is_cut_in_utc(sdk: ElevenLabs, seconds: int, second: str) -> None:
    start = at("2026-11-19T17:37:11Z")
    answer = stats(sdk, start, at(second), aggregation_interval="month", aggregation_bucket_size=seconds)
    assert answer.time == [start, at(second)]


def test_without_data_the_axis_is_full_and_only_all_has_numbers(sdk: ElevenLabs) -> None:
    start, end = at("2021-01-01T00:00:00Z"), at("2021-01-03T23:59:59Z")
    for metric in METRICS:
        assert stats(sdk, start, end, metric=metric).usage == {"All": [0, 0, 0]}
        assert stats(sdk, start, end, metric=metric, breakdown_type="voice").usage == {}


def test_the_future_is_empty_and_no_error(sdk: ElevenLabs) -> None:
    for metric in METRICS:
        assert stats(sdk, NOON + DAY, NOON + DAY, metric=metric).usage == {"All": [0]}


@pytest.mark.parametrize("breakdown", ["product_type", "model", "user", "request_source", "region", "has_api_key"])
@pytest.mark.parametrize("metric", ["credits", "tts_characters", "request_count", "fiat_units_spent"])
def test_parts_add_up_to_all_and_buckets_to_cumulative(sdk: ElevenLabs, metric: str, breakdown: str) -> None:
    everything = stats(sdk, metric=metric, aggregation_interval="hour").usage["All"]
    parts = stats(sdk, metric=metric, aggregation_interval="hour", breakdown_type=breakdown).usage.values()
    assert [sum(column) for column in zip(*parts, strict=True)] == pytest.approx(everything)
    assert stats(sdk, metric=metric, aggregation_interval="cumulative").usage["All"] == pytest.approx([sum(everything)])


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "most", "param"),
    [
        ({"aggregation_interval": "hour"}, 1000 * HOUR, "aggregation_interval"),
        ({"aggregation_bucket_size": 3600}, 1000 * HOUR, "aggregation_bucket_size"),
        ({"aggregation_bucket_size": 86_400}, 1000 * DAY, "aggregation_bucket_size"),
        ({"aggregation_interval": "day"}, 5000 * DAY, "aggregation_interval"),
    ],
)
def test_buckets_are_capped_not_cut_short(sdk: ElevenLabs, ask: dict[str, Any], most: int, param: str) -> None:
    start = at("2012-01-01T00:00:00Z")
    count = 5000 if most == 5000 * DAY else 1000
    answer = stats(sdk, start, start + most - 1, **ask)
    assert len(answer.time) == len(answer.usage["All"]) == count
    detail = refused(lambda: stats(sdk, start, start + most, **ask))
    assert detail["param"] == param
    assert f"{count + 1:,} buckets" in detail["message"]


def test_a_year_by_the_hour_is_refused_with_what_would_fit(sdk: ElevenLabs) -> None:
    start = at("2025-01-01T00:00:00Z")
    message = refused(lambda: stats(sdk, start, start + 365 * DAY - 1, aggregation_interval="hour"))["message"]
    assert "8,760 buckets" in message
    assert "at least 43200 seconds" in message


@pytest.mark.parametrize("name", ["start_unix", "end_unix"])
def test_seconds_are_recognised(sdk: ElevenLabs, name: str) -> None:
    wrong = {"start_unix": START, "end_unix": END} | {name: 1_795_435_200}
    detail = refused(lambda: sdk.usage.get(**wrong))
    assert detail["param"] == name
    assert "milliseconds" in detail["message"]


@pytest.mark.parametrize(
    ("start", "end", "param"),
    [(END, START, "end_unix"), (-(10**12), END, "start_unix"), (START, 10**30, "end_unix"), (10**29, 10**30, "end_unix")],
)
def test_a_window_that_is_none_is_refused(sdk: ElevenLabs, start: int, end: int, param: str) -> None:
    assert refused(lambda: stats(sdk, start, end))["param"] == param


@pytest.mark.parametrize("seconds", [10**9, 86_400 * 10**9, 10**18])
def test_a_bucket_longer_than_any_calendar_is_refused(sdk: ElevenLabs, seconds: int) -> None:
    assert refused(lambda: stats(sdk, aggregation_bucket_size=seconds))["param"] == "aggregation_bucket_size"

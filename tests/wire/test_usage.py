"""`client.workspace.usage.get_usage_by_product_over_time`: columns, buckets, groups and what they add up to."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx
import pytest
from elevenlabs import ElevenLabs
from elevenlabs.types.workspace_analytics_query_response_model import WorkspaceAnalyticsQueryResponseModel as Answer
from elevenlabs.workspace.usage.types import (
    BodyGetWorkspaceUsageV1WorkspaceAnalyticsQueryUsageByProductOverTimePostGroupByItem as GroupBy,
)

from tests.wire.strict import invalid, listed, refused
from tests.wire.town import EMAILS, END, EVENTS, KEYS, START, TOWN, VOICES, Town, at, key_hash
from usagedeck.times import DAY, HOUR

GROUPS = listed(GroupBy)
FIELDS = {"fiat_charge_type": "charge_type"}
MEASURES = [
    ("timestamp", "DateTime", None),
    ("total_usage", "Int", "credits"),
    ("total_minutes", "Float", "min"),
    ("total_cost", "Float", "usd"),
    ("usage_count", "Int", None),
    ("total_charge_count", "Float", None),
]
LABELS = {
    "user_id": ("user_label", EMAILS),
    "voice_id": ("voice_name", VOICES),
    "resource_id": ("resource_name", {"agent-1": "Concierge"}),
    "billing_group_id": ("billing_group_name", {}),
    "reporting_workspace_id": ("reporting_workspace_name", {TOWN: "Town"}),
}
WORKED = at("2026-11-19T17:37:11Z")

Event = Mapping[str, Any]


def usage(sdk: ElevenLabs, start: int = START, end: int = END, seconds: int = 86_400, **more: Any) -> Answer:
    get = sdk.workspace.usage.get_usage_by_product_over_time
    answer: Answer = get(start_time=start, end_time=end, interval_seconds=seconds, **more)
    return answer


def stamps(answer: Answer) -> list[str]:
    return [str(row[answer.columns.index("timestamp")]) for row in answer.rows]


def column(answer: Answer, name: str) -> list[Any]:
    return [row[answer.columns.index(name)] for row in answer.rows]


# --- columns ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("groups", [[], ["product_type"], ["model", "product_type"], ["voice_multiplier", "user_id"]])
def test_groups_come_first_then_the_time_then_the_measures_then_the_names(sdk: ElevenLabs, groups: list[str]) -> None:
    answer = usage(sdk, at("2026-11-02T00:00:00Z"), at("2026-11-02T23:59:59Z"), group_by=groups)
    kinds = [(name, "Float" if name == "voice_multiplier" else "String", None) for name in groups]
    names = [("user_label", "String", None)] if "user_id" in groups else []
    assert list(zip(answer.columns, answer.column_types, answer.column_units, strict=True)) == [*kinds, *MEASURES, *names]


def test_names_come_in_the_order_of_their_ids(sdk: ElevenLabs) -> None:
    answer = usage(sdk, group_by=["voice_id", "product_type", "hashed_xi_api_key", "user_id", "reporting_workspace_id"])
    assert answer.columns[-4:] == ["voice_name", "api_key_name", "user_label", "reporting_workspace_name"]


def test_all_groups_at_once_and_twice_the_same(sdk: ElevenLabs) -> None:
    answer = usage(sdk, group_by=[*GROUPS, *GROUPS])
    assert answer.columns[: len(GROUPS) + 1] == [*GROUPS, "timestamp"]
    assert sum(column(answer, "total_usage")) == pytest.approx(144.500001)


def test_credits_are_an_int_only_when_every_one_is_whole(sdk: ElevenLabs) -> None:
    november = at("2026-11-02T00:00:00Z")
    whole, broken = usage(sdk, november, november + DAY - 1), usage(sdk)
    assert (whole.column_types[1], column(whole, "total_usage")) == ("Int", [7])
    assert (broken.column_types[1], column(broken, "total_usage")) == ("Float", [0, 137.5, 7, 0.000001])


def test_money_is_in_the_currency_of_the_workspace(town: Town, town_url: str, checked: httpx.Client) -> None:
    stranger = ElevenLabs(base_url=town_url, api_key=town.stranger.api_key, httpx_client=checked)
    answer = usage(stranger)
    assert answer.column_units[answer.columns.index("total_cost")] == "eur"
    assert sum(column(answer, "total_cost")) == 0.01


# --- buckets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "zone", "label"),
    [
        (60, "Asia/Kathmandu", "2026-11-19T17:37:00Z"),
        (900, "Asia/Kolkata", "2026-11-19T17:30:00Z"),
        (3600, "UTC", "2026-11-19T17:00:00Z"),
        (3600, "Asia/Kolkata", "2026-11-19T17:30:00Z"),
        (3600, "Asia/Kathmandu", "2026-11-19T17:15:00Z"),
        (14_400, "America/New_York", "2026-11-19T17:00:00Z"),
        (14_400, "Europe/London", "2026-11-19T16:00:00Z"),
        (18_000, "UTC", "2026-11-19T15:00:00Z"),
        (5400, "America/New_York", "2026-11-19T16:30:00Z"),
        (43_200, "America/New_York", "2026-11-19T17:00:00Z"),
        (86_400, "America/New_York", "2026-11-19T05:00:00Z"),
        (86_400, "Asia/Kolkata", "2026-11-18T18:30:00Z"),
        (90_000, "America/New_York", "2026-11-19T01:00:00Z"),
        (172_800, "UTC", "2026-11-19T00:00:00Z"),
        (259_200, "UTC", "2026-11-18T00:00:00Z"),
        (604_800, "UTC", "2026-11-16T00:00:00Z"),
        (604_800, "America/New_York", "2026-11-16T05:00:00Z"),
        (604_800, "Asia/Kolkata", "2026-11-15T18:30:00Z"),
        (1_209_600, "UTC", "2026-11-09T00:00:00Z"),
        (2_592_000, "UTC", "2026-11-03T00:00:00Z"),
    ],
)
def test_a_bucket_begins_where_the_contract_says(sdk: ElevenLabs, seconds: int, zone: str, label: str) -> None:
    assert stamps(usage(sdk, WORKED, WORKED, seconds, time_zone=zone)) == [label]


def test_days_of_a_clock_change(sdk: ElevenLabs) -> None:
    answer = usage(sdk, at("2026-10-29T00:00:00Z"), at("2026-11-04T00:00:00Z"), time_zone="America/New_York")
    days = ["10-28T04", "10-29T04", "10-30T04", "10-31T04", "11-01T04", "11-02T05", "11-03T05"]
    assert stamps(answer) == [f"2026-{day}:00:00Z" for day in days]
    assert column(answer, "total_usage") == [0, 0, 1, 10, 20.5 + 5 + 0 + 100 + 1 + 1 + 3, 4, 0.000001]
    assert column(answer, "usage_count") == [0, 0, 1, 1, 6, 1, 1]


def test_hours_of_a_clock_change(sdk: ElevenLabs) -> None:
    start, end = at("2026-11-01T04:00:00Z"), at("2026-11-01T09:59:59Z")
    single = usage(sdk, start, end, 3600, time_zone="America/New_York")
    assert stamps(single) == [f"2026-11-01T0{hour}:00:00Z" for hour in (4, 5, 6, 7, 8, 9)]
    assert column(single, "total_usage") == [20.5, 5, 0, 0, 100, 2]
    four = usage(sdk, start, end, 14_400, time_zone="America/New_York")
    assert stamps(four) == ["2026-11-01T04:00:00Z", "2026-11-01T09:00:00Z"]
    assert column(four, "total_usage") == [125.5, 2]


def test_a_day_without_midnight_begins_with_its_first_instant(sdk: ElevenLabs) -> None:
    noon = at("2026-04-24T12:00:00Z")
    assert stamps(usage(sdk, noon, noon, time_zone="Africa/Cairo")) == ["2026-04-23T22:00:00Z"]


def test_a_bucket_that_begins_at_the_end_is_there_and_the_first_keeps_its_own_label(sdk: ElevenLabs) -> None:
    five = at("2026-11-02T05:00:00Z")
    answer = usage(sdk, five - HOUR // 2, five, 3600)
    assert stamps(answer) == ["2026-11-02T04:00:00Z", "2026-11-02T05:00:00Z"]
    assert column(answer, "total_usage") == [3, 4]
    assert column(usage(sdk, five, five, 3600), "usage_count") == [1]
    assert column(usage(sdk, five - HOUR, five - 1, 3600), "total_usage") == [3]


def test_minutes_unless_said_otherwise(sdk: ElevenLabs) -> None:
    hour = at("2026-11-01T09:00:00Z")
    asks: list[dict[str, Any]] = [{}, {"interval_seconds": None, "time_zone": None, "group_by": None, "filters": None}]
    for ask in asks:
        answer = sdk.workspace.usage.get_usage_by_product_over_time(start_time=hour, end_time=hour + HOUR - 1, **ask)
        assert stamps(answer)[:2] == ["2026-11-01T09:00:00Z", "2026-11-01T09:01:00Z"]
        assert len(answer.rows) == 60


def test_a_thousand_buckets_and_no_more(sdk: ElevenLabs) -> None:
    start = at("2026-11-01T00:00:00Z")
    assert len(usage(sdk, start, start + 1000 * HOUR - 1, 3600).rows) == 1000
    detail = refused(lambda: usage(sdk, start, start + 1000 * HOUR, 3600))
    assert detail["param"] == "interval_seconds"
    assert "1,001 buckets" in detail["message"]
    assert "7200 seconds" in detail["message"]
    by_default = refused(lambda: sdk.workspace.usage.get_usage_by_product_over_time(start_time=start, end_time=start + DAY))
    assert "1,441 buckets" in by_default["message"]


# --- groups -------------------------------------------------------------------------------------------------------


def cell(town: Town, name: str, event: Event) -> Any:
    if name == "reporting_workspace_id":
        return TOWN
    if name == "hashed_xi_api_key":
        return key_hash(town, event["api_key_id"]) if event.get("api_key_id") else None
    if name == "fiat_currency":
        return "usd" if "currency" in event or "cost" in event else None
    if name == "voice_multiplier":
        return float(event[name]) if name in event else None
    return event.get(FIELDS.get(name, name)) or None


def total(events: list[Event], field: str) -> Decimal:
    return sum((Decimal(str(e.get(field, 0))) for e in events), Decimal())


def measured(events: list[Event]) -> list[float]:
    billed = [e for e in events if total([e], "credits") or total([e], "cost")]
    cost, minutes = total(events, "cost"), total(events, "audio_seconds") / 60
    numbers = [total(events, "credits"), minutes, cost, Decimal(len(billed)), total(events, "charge_count")]
    return [float(number) for number in numbers]


@pytest.mark.parametrize("seconds", [3600, 86_400, 604_800])
@pytest.mark.parametrize("name", GROUPS)
def test_every_group_has_every_bucket_in_order(sdk: ElevenLabs, town: Town, name: str, seconds: int) -> None:
    answer = usage(sdk, START, END, seconds, group_by=[name])
    first = {604_800: at("2026-10-26T00:00:00Z"), 86_400: at("2026-10-31T00:00:00Z")}.get(seconds, START // HOUR * HOUR)
    starts = range(first, END + 1, seconds * 1000)
    inside = [e for e in EVENTS if START <= at(e["time"]) <= END]
    cells = {e["id"]: cell(town, name, e) for e in inside}
    groups = sorted(set(cells.values()), key=lambda c: (c is None, c))
    expected = [
        [group, start, *measured([e for e in inside if cells[e["id"]] == group and 0 <= at(e["time"]) - start < seconds * 1000])]
        for start in starts
        for group in groups
    ]
    assert [[row[0], at(str(row[1])), *row[2:7]] for row in answer.rows] == [pytest.approx(row) for row in expected]


@pytest.mark.parametrize("name", GROUPS)
def test_groups_add_up_to_the_ungrouped(sdk: ElevenLabs, name: str) -> None:
    measures = [measure for measure, _, _ in MEASURES[1:]]
    alone = usage(sdk)
    grouped = usage(sdk, group_by=[name])
    for measure in measures:
        sums = dict.fromkeys(stamps(alone), 0.0)
        for stamp, number in zip(stamps(grouped), column(grouped, measure), strict=True):
            sums[stamp] += number
        assert list(sums.values()) == pytest.approx(column(alone, measure)), measure


@pytest.mark.parametrize("name", LABELS)
def test_names_stand_beside_ids_and_are_null_where_there_is_none(sdk: ElevenLabs, name: str) -> None:
    label, names = LABELS[name]
    answer = usage(sdk, group_by=[name])
    assert column(answer, label) == [names.get(id_) for id_ in column(answer, name)]
    assert any(column(answer, label)) == bool(names)


def test_a_key_has_one_hash_that_is_no_digest_of_it(sdk: ElevenLabs, town: Town) -> None:
    answer = usage(sdk, group_by=["hashed_xi_api_key"])
    shown: dict[str | None, str | None] = dict(
        zip(column(answer, "hashed_xi_api_key"), column(answer, "api_key_name"), strict=True)
    )
    known: dict[str | None, str | None] = {key_hash(town, id_): KEYS[id_] for id_ in ("k-prod", "k-ben", "k-lost")}
    assert shown == known | {key_hash(town, "k-ghost"): None, None: None}


def test_without_data_there_are_zero_rows_and_no_groups(sdk: ElevenLabs) -> None:
    start, end = at("2021-01-01T00:00:00Z"), at("2021-01-02T23:59:59Z")
    assert usage(sdk, start, end).rows == [["2021-01-01T00:00:00Z", 0, 0, 0, 0, 0], ["2021-01-02T00:00:00Z", 0, 0, 0, 0, 0]]
    assert usage(sdk, start, end, group_by=["product_type"]).rows == []


def test_the_same_question_has_the_same_bytes(sdk: ElevenLabs) -> None:
    get = sdk.workspace.usage.with_raw_response.get_usage_by_product_over_time
    first, again = (get(start_time=START, end_time=END, interval_seconds=3600, group_by=["model"]) for _ in range(2))
    assert first._response.content == again._response.content


def test_fields_of_the_body_that_nobody_knows_are_ignored(sdk: ElevenLabs) -> None:
    answer = usage(sdk, request_options={"additional_body_parameters": {"metric": "credits", "frobnicate": {}}})
    assert answer == usage(sdk)


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zone", ["+02:00", "Mars/Olympus", "", "europe/berlin", "../etc/passwd", "UTC\0", "Z" * 10_000])
def test_a_zone_that_is_none_is_refused(sdk: ElevenLabs, zone: str) -> None:
    assert refused(lambda: usage(sdk, time_zone=zone))["param"] == "time_zone"


def test_an_end_before_the_start_is_refused(sdk: ElevenLabs) -> None:
    assert refused(lambda: usage(sdk, END, START))["param"] == "end_time"
    assert refused(lambda: usage(sdk, END, 10**30))["param"] == "end_time"


@pytest.mark.parametrize("seconds", [10**9, 86_400 * 10**9, 10**18])
def test_an_interval_longer_than_any_calendar_is_refused(sdk: ElevenLabs, seconds: int) -> None:
    assert refused(lambda: usage(sdk, seconds=seconds))["param"] == "interval_seconds"


@pytest.mark.parametrize(
    ("wrong", "loc", "kind"),
    [
        ({"start_time": 1_577_836_799_999}, ["body", "start_time"], "greater_than_equal"),
        ({"end_time": 1_795_435_200}, ["body", "end_time"], "greater_than_equal"),
        ({"start_time": str(START)}, ["body", "start_time"], "int_type"),
        ({"start_time": float(START)}, ["body", "start_time"], "int_type"),
        ({"start_time": True}, ["body", "start_time"], "int_type"),
        ({"end_time": None}, ["body", "end_time"], "int_type"),
        ({"interval_seconds": 0}, ["body", "interval_seconds"], "greater_than_equal"),
        ({"interval_seconds": "60"}, ["body", "interval_seconds"], "int_type"),
        ({"group_by": ["products"]}, ["body", "group_by", 0], "enum"),
        ({"group_by": "product_type"}, ["body", "group_by"], "list_type"),
        ({"time_zone": 2}, ["body", "time_zone"], "string_type"),
    ],
)
def test_what_is_no_question_fails_validation(sdk: ElevenLabs, wrong: dict[str, Any], loc: list[Any], kind: str) -> None:
    ask: dict[str, Any] = {"start_time": START, "end_time": END} | wrong
    assert invalid(lambda: sdk.workspace.usage.get_usage_by_product_over_time(**ask)) == [(loc, kind)]


def test_what_is_missing_fails_validation(town: Town, town_url: str) -> None:
    answer = httpx.post(
        f"{town_url}/v1/workspace/analytics/query/usage-by-product-over-time", json={}, headers={"xi-api-key": town.everything}
    )
    assert answer.status_code == 422
    assert [(one["loc"], one["type"], one["msg"]) for one in answer.json()["detail"]] == [
        (["body", "start_time"], "missing", "Field required"),
        (["body", "end_time"], "missing", "Field required"),
    ]

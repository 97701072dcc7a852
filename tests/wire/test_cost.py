"""`client.workspace.usage.get_usage`: cost by whole UTC days, and which columns may be asked for together."""

from itertools import combinations
from typing import Any

import httpx
import pytest
from elevenlabs import ElevenLabs
from elevenlabs.types.metronome_usage_column_filter_column import MetronomeUsageColumnFilterColumn
from elevenlabs.types.metronome_usage_column_filter_operation import MetronomeUsageColumnFilterOperation
from elevenlabs.types.workspace_analytics_query_response_model import WorkspaceAnalyticsQueryResponseModel as Answer
from elevenlabs.workspace.usage.types import BodyGetWorkspaceCostUsageV1WorkspaceAnalyticsUsagePostGroupByItem as GroupBy

from tests.wire.strict import invalid, listed, refused
from tests.wire.town import EMAILS, END, KEYS, START, TOWN, Town, at, key_hash

GROUPS = listed(GroupBy)
FREE = ("model", "request_source", "fiat_charge_type", "fiat_currency")
RESTRICTED = tuple(name for name in GROUPS if name not in FREE)
DAY_SECONDS = 86_400


def cost(sdk: ElevenLabs, group_by: list[str] | None = None, filters: Any = None, seconds: int = DAY_SECONDS) -> Answer:
    get = sdk.workspace.usage.get_usage
    answer: Answer = get(start_time=START, end_time=END, interval_seconds=seconds, group_by=group_by, filters=filters)
    return answer


def one(column: str, operation: str = "eq", *values: Any) -> dict[str, Any]:
    return {"column": column, "operation": operation, "values": list(values or ["x"])}


# --- answers ------------------------------------------------------------------------------------------------------


def test_a_row_is_a_day_with_data(sdk: ElevenLabs) -> None:
    answer = cost(sdk)
    assert list(zip(answer.columns, answer.column_types, answer.column_units, strict=True)) == [
        ("timestamp", "DateTime", None),
        ("total_cost", "Float", "usd"),
        ("total_charge_count", "Float", None),
    ]
    assert answer.rows == [
        ["2026-11-01T00:00:00Z", pytest.approx(0.135), 3960.5],
        ["2026-11-02T00:00:00Z", pytest.approx(0.007), 0],
        ["2026-11-03T00:00:00Z", 0, 0],
    ]


def test_weeks_begin_on_monday(sdk: ElevenLabs) -> None:
    assert cost(sdk, seconds=604_800).rows == [
        ["2026-10-26T00:00:00Z", pytest.approx(0.135), 3960.5],
        ["2026-11-02T00:00:00Z", pytest.approx(0.007), 0],
    ]


def test_a_group_has_rows_where_it_has_data_and_its_name_at_the_end(sdk: ElevenLabs, town: Town) -> None:
    answer = cost(sdk, ["user_id", "model"])
    assert answer.columns == ["user_id", "model", "timestamp", "total_cost", "total_charge_count", "user_label"]
    days = [f"2026-11-0{day}T00:00:00Z" for day in (1, 2, 3)]
    ada, ben = EMAILS["u-ada"], EMAILS["u-ben"]
    assert answer.rows == [
        ["u-ada", "eleven_v3", days[0], pytest.approx(0.03), 300, ada],
        ["u-ada", None, days[0], 0.1, 3600.5, ada],
        ["u-ben", "scribe_v2", days[0], 0.005, 60, ben],
        ["u-ada", "eleven_v3", days[1], pytest.approx(0.007), 0, ada],
        ["u-ghost", None, days[1], 0, 0, None],
        ["u-ben", "scribe_v2", days[2], 0, 0, ben],
        [None, None, days[2], 0, 0, None],
    ]


def test_hashes_are_shown_in_the_order_they_are_written(sdk: ElevenLabs, town: Town) -> None:
    answer = cost(sdk, ["hashed_xi_api_key"], seconds=604_800 * 2)
    hashes = [row[0] for row in answer.rows]
    assert set(hashes) == {*(key_hash(town, key) for key in ("k-prod", "k-ben", "k-lost", "k-ghost")), None}
    assert hashes == sorted(hashes, key=lambda h: (h is None, h))
    assert {row[0]: row[-1] for row in answer.rows}[key_hash(town, "k-lost")] == KEYS["k-lost"]


@pytest.mark.parametrize("name", GROUPS)
def test_every_group_adds_up(sdk: ElevenLabs, name: str) -> None:
    answer = cost(sdk, [name])
    at_cost, at_count = answer.columns.index("total_cost"), answer.columns.index("total_charge_count")
    assert sum(float(str(row[at_cost])) for row in answer.rows) == pytest.approx(0.142)
    assert sum(float(str(row[at_count])) for row in answer.rows) == 3960.5


@pytest.mark.parametrize("operation", listed(MetronomeUsageColumnFilterOperation))
@pytest.mark.parametrize("column", listed(MetronomeUsageColumnFilterColumn))
def test_every_column_can_be_filtered_by(sdk: ElevenLabs, column: str, operation: str) -> None:
    answer = cost(sdk, filters=[one(column, operation, "nowhere", None)])
    absent = cost(sdk, filters=[one(column, "eq", None)])
    everything = cost(sdk)
    if operation in ("eq", "in"):
        assert answer.rows == absent.rows
    else:
        rest = sum(float(str(row[1])) for row in answer.rows)
        assert rest + sum(float(str(row[1])) for row in absent.rows) == pytest.approx(
            sum(float(str(row[1])) for row in everything.rows)
        )


def test_without_data_there_are_no_rows(sdk: ElevenLabs) -> None:
    moment = at("2021-01-01T00:00:00Z")
    for groups in (None, ["model"]):
        get = sdk.workspace.usage.get_usage
        answer = get(start_time=moment, end_time=moment, interval_seconds=DAY_SECONDS, group_by=groups)
        assert answer.rows == []
        assert answer.columns[-2:] == ["total_cost", "total_charge_count"]


def test_another_workspace_counts_in_its_own_currency(town: Town, town_url: str, checked: httpx.Client) -> None:
    answer = cost(ElevenLabs(base_url=town_url, api_key=town.stranger.api_key, httpx_client=checked), ["reporting_workspace_id"])
    assert answer.column_units[2] == "eur"
    assert answer.rows == [
        [town.stranger.workspace_id, "2026-11-01T00:00:00Z", 0.01, 100, "Elsewhere"],
    ]
    assert town.stranger.workspace_id != TOWN


# --- which columns go together ------------------------------------------------------------------------------------


def test_free_columns_always_go(sdk: ElevenLabs) -> None:
    assert cost(sdk, list(FREE), [one(name, "neq") for name in FREE]).rows


@pytest.mark.parametrize("pair", list(combinations(RESTRICTED, 2)), ids="-".join)
def test_two_restricted_groups_need_one_of_them_pinned(sdk: ElevenLabs, pair: tuple[str, str]) -> None:
    first, second = pair
    assert refused(lambda: cost(sdk, [first, second, "model"]))["param"] == "filters"
    assert refused(lambda: cost(sdk, [first, second], [one(first, "neq")]))["param"] == "filters"
    assert refused(lambda: cost(sdk, [first, second], [one("model", "eq")]))["param"] == "filters"
    assert cost(sdk, [first, second], [one(first, "eq")]).columns[:2] == [first, second]
    assert cost(sdk, [first, second], [one(second, "in"), one(second, "neq", "y")]).columns[:2] == [first, second]


def test_one_restricted_group_and_another_filter_go_with_any_operation(sdk: ElevenLabs) -> None:
    assert cost(sdk, ["user_id"], [one("region", "not_in")]).columns[0] == "user_id"
    assert cost(sdk, None, [one("region", "neq"), one("actor", "neq")]).columns[0] == "timestamp"


@pytest.mark.parametrize(
    ("groups", "filters"),
    [
        (["user_id", "region", "actor"], [one("user_id")]),
        (["user_id", "region"], [one("user_id"), one("surface")]),
        (["user_id"], [one("region"), one("surface")]),
        (None, [one("user_id"), one("region"), one("surface")]),
    ],
)
def test_three_restricted_columns_never_go(sdk: ElevenLabs, groups: list[str] | None, filters: Any) -> None:
    assert refused(lambda: cost(sdk, groups, filters))["param"] == "group_by"


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [1, 3600, 86_399, 90_000, 604_801])
def test_only_whole_days(sdk: ElevenLabs, seconds: int) -> None:
    assert refused(lambda: cost(sdk, seconds=seconds))["param"] == "interval_seconds"


def test_a_thousand_days_and_no_more(sdk: ElevenLabs) -> None:
    start = at("2021-01-01T00:00:00Z")
    most = 1000 * DAY_SECONDS * 1000
    get = sdk.workspace.usage.get_usage
    assert get(start_time=start, end_time=start + most - 1, interval_seconds=DAY_SECONDS).rows == []
    detail = refused(lambda: get(start_time=start, end_time=start + most, interval_seconds=DAY_SECONDS))
    assert (detail["param"], "1,001 buckets" in detail["message"]) == ("interval_seconds", True)


@pytest.mark.parametrize(
    ("wrong", "loc", "kind"),
    [
        ({"interval_seconds": None}, ["interval_seconds"], "int_type"),
        ({"group_by": ["voice_id"]}, ["group_by", 0], "enum"),
        ({"filters": [one("voice_id")]}, ["filters", 0, "column"], "enum"),
        ({"filters": [one("model", "ge")]}, ["filters", 0, "operation"], "enum"),
        ({"filters": [{"column": "model", "operation": "eq"}]}, ["filters", 0, "values"], "missing"),
        ({"start_time": 5}, ["start_time"], "greater_than_equal"),
    ],
)
def test_what_is_no_question_fails_validation(sdk: ElevenLabs, wrong: dict[str, Any], loc: list[Any], kind: str) -> None:
    ask: dict[str, Any] = {"start_time": START, "end_time": END, "interval_seconds": DAY_SECONDS} | wrong
    assert invalid(lambda: sdk.workspace.usage.get_usage(**ask)) == [(["body", *loc], kind)]


def test_an_end_before_the_start_is_refused(sdk: ElevenLabs) -> None:
    get = sdk.workspace.usage.get_usage
    assert refused(lambda: get(start_time=END, end_time=START, interval_seconds=DAY_SECONDS))["param"] == "end_time"

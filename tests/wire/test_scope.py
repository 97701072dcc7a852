"""Whose rows a key may see in these calls, and how the answer says so."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from elevenlabs import ElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.types.breakdown_types import BreakdownTypes

from tests.wire.strict import listed, refused
from tests.wire.town import END, EVENTS, START, Town, at

BENS = {e["id"] for e in EVENTS if e.get("user_id") == "u-ben"}
WHEN: dict[str, Any] = {"start_time": START, "end_time": END}
PRIVATE = ("user", "groups", "all_api_keys", "reporting_workspace_id")

Client = Callable[[str], ElevenLabs]


@pytest.fixture
def client(town: Town, town_url: str, checked: httpx.Client) -> Client:
    """An SDK with that key of the town."""
    return lambda name: ElevenLabs(base_url=town_url, api_key=getattr(town, name), httpx_client=checked)


def credits_of(sdk: ElevenLabs) -> float:
    answer = sdk.workspace.usage.get_usage_by_product_over_time(**WHEN, interval_seconds=604_800)
    return float(sum(row[1] for row in answer.rows))


def scope_of(raw: Any) -> str:
    return str(raw.headers["x-analytics-scope"])


@pytest.mark.parametrize(("key", "seen"), [("everything", "workspace"), ("lead", "workspace"), ("ben", "user")])
def test_the_answer_says_whose_rows_it_is_about(client: Client, key: str, seen: str) -> None:
    sdk = client(key)
    usage, log = sdk.workspace.usage.with_raw_response, sdk.workspace.analytics.requests.with_raw_response
    assert scope_of(usage.get_usage_by_product_over_time(**WHEN, interval_seconds=86_400)) == seen
    assert scope_of(usage.get_usage(**WHEN, interval_seconds=86_400)) == seen
    assert scope_of(log.get(**WHEN)) == seen


def test_a_member_sees_their_own_rows(client: Client) -> None:
    ben = client("ben")
    assert credits_of(ben) == pytest.approx(7.000001)
    log = ben.workspace.analytics.requests.get(start_time=at("2026-10-01T00:00:00Z"))
    assert {row[log.columns.index("event_id")] for row in log.rows} == BENS
    cost = ben.workspace.usage.get_usage(**WHEN, interval_seconds=604_800, group_by=["user_id"])
    assert {row[0] for row in cost.rows} == {"u-ben"}


def test_no_filter_leads_out_of_it(client: Client, town: Town) -> None:
    ben = client("ben")
    others = {"user_id": "u-ada", "user_label": "ada@town.example", "reporting_workspace_id": town.stranger.workspace_id}
    for column, value in others.items():
        filters: Any = [{"column": column, "operation": "eq", "values": [value]}]
        answer = ben.workspace.usage.get_usage_by_product_over_time(**WHEN, interval_seconds=604_800, filters=filters)
        assert sum(row[1] for row in answer.rows) == 0
    assert ben.workspace.analytics.requests.get(**WHEN, search="ada@town.example").rows == []


def test_workspaces_do_not_see_each_other(client: Client, town: Town, town_url: str, checked: httpx.Client) -> None:
    stranger = ElevenLabs(base_url=town_url, api_key=town.stranger.api_key, httpx_client=checked)
    assert credits_of(stranger) == 10
    assert [row[1] for row in stranger.workspace.analytics.requests.get(**WHEN).rows] == ["r-01"]
    assert credits_of(client("everything")) == pytest.approx(144.500001)
    labels = stranger.usage.get(start_unix=START, end_unix=END, include_workspace_metrics=True, breakdown_type="voice")
    assert set(labels.usage) == {"voice-aa11"}


def test_character_stats_are_the_callers_unless_asked(client: Client) -> None:
    ask: dict[str, Any] = {"start_unix": START, "end_unix": END, "aggregation_interval": "cumulative"}
    ada, ben, nobody = client("lead"), client("ben"), client("everything")
    own = ada.usage.with_raw_response.get(**ask)
    assert (own.data.usage, scope_of(own)) == ({"All": [137.5]}, "user")
    whole = ada.usage.with_raw_response.get(**ask, include_workspace_metrics=True)
    assert (whole.data.usage, scope_of(whole)) == ({"All": [144.500001]}, "workspace")
    assert ben.usage.get(**ask).usage == {"All": [7.000001]}
    assert nobody.usage.get(**ask).usage == {"All": [144.500001]}


def test_the_workspace_is_refused_to_who_may_not_see_it(client: Client) -> None:
    for breakdown in listed(BreakdownTypes):
        with pytest.raises(ApiError) as caught:
            client("ben").usage.get(start_unix=START, end_unix=END, include_workspace_metrics=True, breakdown_type=breakdown)
        assert caught.value.status_code == 403
        detail = caught.value.body["detail"]
        assert (detail["type"], detail["code"], detail["status"]) == (
            "authorization_error",
            "insufficient_permissions",
            "insufficient_permissions",
        )
        assert "workspace_analytics_full_read" in detail["message"]


@pytest.mark.parametrize("key", ["ben", "lead", "everything"])
@pytest.mark.parametrize("breakdown", listed(BreakdownTypes))
def test_some_breakdowns_are_the_workspaces(client: Client, key: str, breakdown: str) -> None:
    def ask() -> Any:
        return client(key).usage.get(start_unix=START, end_unix=END, breakdown_type=breakdown)

    if breakdown in PRIVATE:
        detail = refused(ask)
        assert (detail["param"], "include_workspace_metrics=true" in detail["message"]) == ("breakdown_type", True)
    else:
        assert ask().usage


def test_a_members_keys_are_their_own(client: Client) -> None:
    def keys_of(name: str) -> Any:
        whole = {"breakdown_type": "api_keys", "aggregation_interval": "cumulative"}
        return client(name).usage.get(start_unix=START, end_unix=END, **whole).usage

    assert keys_of("ben") == {"ben's laptop": [7.000001]}
    assert keys_of("lead") == {"production": [33.5], "No API key": [100]}

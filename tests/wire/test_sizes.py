"""Series of character stats are told apart by name; and how much these calls answer before they refuse."""

from typing import Any

import httpx
import pytest
from elevenlabs import ElevenLabs

from tests.house import NOON, House, served
from tests.wire.strict import refused
from usagedeck import admin
from usagedeck.catalog.dimensions import Label
from usagedeck.times import DAY, MINUTE
from usagedeck.web.elevenlabs import calls, errors


def test_series_keep_apart_what_shares_a_name(house: House, checked: httpx.Client) -> None:
    names = {"a-1234": "Ann", "b-1234": "Ann", "c-9999": "Ann", "d": "No voice"}
    house.do(admin.SetLabels(workspace=house.workspace_id, kind=Label.VOICE, names=names))
    events = [{"id": v or "none", "time": NOON, "voice_id": v, "credits": 2**i} for i, v in enumerate([*names, ""])]
    house.send(events)
    with served(house.deck) as url:
        sdk = ElevenLabs(base_url=url, api_key=house.api_key, httpx_client=checked)
        answer = sdk.usage.get(start_unix=NOON, end_unix=NOON, breakdown_type="voice")
    assert answer.usage == {
        "Ann (1234) (a-1234)": [1],
        "Ann (1234) (b-1234)": [2],
        "Ann (9999)": [4],
        "No voice (d)": [8],
        "No voice": [16],
    }


def events(count: int) -> list[dict[str, Any]]:
    """One a minute, each about a resource of its own."""
    return [{"id": str(n), "time": NOON - n * MINUTE, "resource_id": f"r{n:03}", "credits": 1} for n in range(count)]


def test_more_numbers_than_anybody_draws_are_refused(
    house: House, checked: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "MAX_CELLS", 1000)
    house.send(events(11))
    with served(house.deck) as url:
        sdk = ElevenLabs(base_url=url, api_key=house.api_key, httpx_client=checked)
        ask: dict[str, Any] = {"end_unix": NOON, "breakdown_type": "resource", "metric": "request_count"}
        assert len(sdk.usage.get(start_unix=NOON - 89 * DAY, **ask).usage) == 11
        detail = refused(lambda: sdk.usage.get(start_unix=NOON - 90 * DAY, **ask))
    assert detail["param"] == "breakdown_type"
    assert "10 series of 91 buckets" in detail["message"]


def test_zeros_are_left_out_where_they_would_be_too_many(
    house: House, checked: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.send(events(10))
    with served(house.deck) as url:
        sdk = ElevenLabs(base_url=url, api_key=house.api_key, httpx_client=checked)
        get = sdk.workspace.usage.get_usage_by_product_over_time
        ask: dict[str, Any] = {"start_time": NOON - 9 * MINUTE, "end_time": NOON, "group_by": ["resource_id"]}
        assert len(get(**ask).rows) == 100
        monkeypatch.setattr(calls, "MAX_ROWS", 99)
        sparse = get(**ask)
        assert [row[0] for row in sparse.rows] == [f"r{n:03}" for n in range(9, -1, -1)]
        assert [row[2] for row in sparse.rows] == [1] * 10


def test_too_many_rows_are_refused_not_cut_short(house: House, checked: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "MAX_ROWS", 9)
    monkeypatch.setattr(errors, "MAX_ROWS", 9)
    house.send(events(10))
    with served(house.deck) as url:
        sdk = ElevenLabs(base_url=url, api_key=house.api_key, httpx_client=checked)
        ask: dict[str, Any] = {"start_time": NOON - 9 * MINUTE, "end_time": NOON, "group_by": ["resource_id"]}
        detail = refused(lambda: sdk.workspace.usage.get_usage_by_product_over_time(**ask))
        assert (detail["param"], "more than 9 rows" in detail["message"]) == ("group_by", True)
        stats: dict[str, Any] = {"start_unix": NOON - 9 * MINUTE, "end_unix": NOON, "breakdown_type": "resource"}
        assert refused(lambda: sdk.usage.get(**stats))["param"] == "breakdown_type"

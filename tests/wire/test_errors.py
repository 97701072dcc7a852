"""The two shapes of errors, on all four calls, as the SDK raises them."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from elevenlabs import ElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.core.request_options import RequestOptions

from tests.wire.strict import check
from tests.wire.town import END, START, Town
from usagedeck import listing, report
from usagedeck.errors import Conflict, QueryTooHeavy, StoreFailed, TooBusy
from usagedeck.web.elevenlabs import errors

ONCE = RequestOptions(max_retries=0)
WHEN: dict[str, Any] = {"start_time": START, "end_time": END, "request_options": ONCE}

Call = Callable[[ElevenLabs], object]
Client = Callable[[str | None], ElevenLabs]

CALLS: dict[str, Call] = {
    "stats": lambda sdk: sdk.usage.get(start_unix=START, end_unix=END, request_options=ONCE),
    "usage": lambda sdk: sdk.workspace.usage.get_usage_by_product_over_time(**WHEN, interval_seconds=86_400),
    "cost": lambda sdk: sdk.workspace.usage.get_usage(**WHEN, interval_seconds=86_400),
    "requests": lambda sdk: sdk.workspace.analytics.requests.get(**WHEN),
}
PATHS = {
    "usage": "/v1/workspace/analytics/query/usage-by-product-over-time",
    "cost": "/v1/workspace/analytics/usage",
    "requests": "/v1/workspace/analytics/requests",
}

every_call = pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
every_post = pytest.mark.parametrize("path", PATHS.values(), ids=list(PATHS))


def failing(call: Call, sdk: ElevenLabs) -> tuple[int | None, dict[str, Any]]:
    """Status and detail of the error that the SDK raises; the shape was checked on the way."""
    with pytest.raises(ApiError) as caught:
        call(sdk)
    return caught.value.status_code, caught.value.body["detail"]


@pytest.fixture
def client(town: Town, town_url: str, checked: httpx.Client) -> Client:
    """An SDK with that key."""
    return lambda key: ElevenLabs(base_url=town_url, api_key=key, httpx_client=checked)


# --- keys ---------------------------------------------------------------------------------------------------------


@every_call
def test_without_a_key(client: Client, call: Call) -> None:
    status, detail = failing(call, client(None))
    assert status == 401
    assert (detail["type"], detail["code"], detail["status"]) == ("authentication_error", "unauthorized", "needs_authorization")
    assert detail["message"] == "Neither authorization header nor xi-api-key received, please provide one."


@every_call
@pytest.mark.parametrize("key", ["wrong", "ud_", "lost", "'", "x" * 5000])
def test_with_a_key_that_is_none(client: Client, town: Town, call: Call, key: str) -> None:
    status, detail = failing(call, client(town.lost if key == "lost" else key))
    assert status == 401
    assert (detail["type"], detail["code"], detail["status"]) == ("authentication_error", "unauthorized", "invalid_api_key")
    assert detail["message"] == "Invalid API key"


@every_call
def test_with_a_key_that_may_only_send(client: Client, town: Town, call: Call) -> None:
    status, detail = failing(call, client(town.sender))
    assert status == 401
    assert (detail["type"], detail["code"], detail["status"]) == ("authentication_error", "unauthorized", "missing_permissions")
    assert detail["message"] == "The API key you used is missing the permission analytics_read to execute this operation."


@every_call
def test_a_bearer_token_is_a_key_too(town: Town, town_url: str, checked: httpx.Client, call: Call) -> None:
    bearer = {"Authorization": f"Bearer {town.everything}"}
    call(ElevenLabs(base_url=town_url, api_key=None, headers=bearer, httpx_client=checked))
    status, _ = failing(call, ElevenLabs(base_url=town_url, headers={"Authorization": "Bearer no"}, httpx_client=checked))
    assert status == 401


@every_post
def test_the_shape_of_a_body_is_looked_at_before_its_key(town_url: str, path: str) -> None:
    bad = httpx.post(town_url + path, json={"start_time": "soon"}, headers={"xi-api-key": "wrong"})
    check(bad)
    assert bad.status_code == 422
    senseless = httpx.post(
        town_url + path,
        json={"start_time": END, "end_time": START, "interval_seconds": 86_400},
        headers={"xi-api-key": "wrong"},
    )
    check(senseless)
    assert senseless.status_code == 401


# --- bodies -------------------------------------------------------------------------------------------------------


@every_post
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'start_time': 1}",
        b'{"start_time": NaN}',
        b'{"start_time": 1, }',
        b'{"start_time": 1e999}',
        b"\xff\xfe",
        b'{"search": "\xc3\x28"}',
        b'{"search": "\\ud800!"}',
        b'{"filters": ' + b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        "{}".encode("utf-16"),
    ],
    ids=["open", "quotes", "NaN", "comma", "infinite", "bytes", "utf-8", "surrogate", "deep", "deeper", "utf-16"],
)
def test_what_is_no_json_fails_validation(town: Town, town_url: str, path: str, body: bytes) -> None:
    headers = {"xi-api-key": town.everything, "content-type": "application/json"}
    answer = httpx.post(town_url + path, content=body, headers=headers)
    check(answer)
    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "json_invalid")


@every_post
@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"x"', b"17"])
def test_json_that_is_no_object_fails_validation(town: Town, town_url: str, path: str, body: bytes) -> None:
    headers = {"xi-api-key": town.everything, "content-type": "application/json"}
    answer = httpx.post(town_url + path, content=body, headers=headers)
    check(answer)
    assert answer.status_code == 422


@every_post
def test_an_enormous_body_is_refused_unread(town: Town, town_url: str, path: str) -> None:
    headers = {"xi-api-key": town.everything, "content-type": "application/json"}
    pieces = (b" " * 2**20 for _ in range(errors.MAX_BODY // 2**20 + 1))
    answer = httpx.post(town_url + path, content=pieces, headers=headers)
    check(answer)
    assert answer.status_code == 413
    assert f"{errors.MAX_BODY:,} bytes" in answer.json()["detail"]["message"]


def test_query_parameters_that_are_none_fail_validation(sdk: ElevenLabs) -> None:
    wrong: Any = {
        "start_unix": "soon",
        "end_unix": None,
        "include_workspace_metrics": "perhaps",
        "metric": "joy",
        "breakdown_type": "voices",
        "aggregation_interval": "fortnight",
        "aggregation_bucket_size": 0,
    }
    status, detail = failing(lambda sdk: sdk.usage.get(**wrong), sdk)
    assert status == 422
    assert {(one["loc"][1], one["type"]) for one in _items(detail)} == {
        ("start_unix", "int_parsing"),
        ("end_unix", "missing"),
        ("include_workspace_metrics", "bool_parsing"),
        ("metric", "enum"),
        ("breakdown_type", "enum"),
        ("aggregation_interval", "enum"),
        ("aggregation_bucket_size", "greater_than_equal"),
    }
    assert all(one["loc"][0] == "query" for one in _items(detail))


def _items(detail: Any) -> list[dict[str, Any]]:
    assert isinstance(detail, list)
    return detail


# --- the server's own trouble -------------------------------------------------------------------------------------


def broken(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(report, "usage", fail)
    monkeypatch.setattr(listing, "log", fail)


@every_call
@pytest.mark.parametrize("error", [StoreFailed("engine says: password=hunter2"), RuntimeError("hunter2")])
def test_nothing_of_the_inside_is_shown(sdk: ElevenLabs, call: Call, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    broken(monkeypatch, error)
    status, detail = failing(call, sdk)
    assert (status, detail["type"], detail["code"]) == (500, "internal_error", "internal_error")
    assert "hunter2" not in json.dumps(detail)


@every_call
def test_too_busy_says_when_to_come_back(sdk: ElevenLabs, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(monkeypatch, TooBusy("Too many questions.", retry_after=7))
    with pytest.raises(ApiError) as caught:
        call(sdk)
    assert (caught.value.status_code, (caught.value.headers or {})["retry-after"]) == (429, "7")
    assert caught.value.body["detail"]["code"] == "rate_limit_exceeded"


@every_call
def test_too_heavy_is_no_server_error_because_the_sdk_would_ask_again(
    sdk: ElevenLabs, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, QueryTooHeavy("It takes too long."))
    status, detail = failing(call, sdk)
    assert (status, detail["code"], detail["message"]) == (400, "invalid_parameters", "It takes too long.")


@every_call
def test_every_answer_names_its_request_and_its_scope(sdk: ElevenLabs, checked: httpx.Client, call: Call) -> None:
    seen: list[httpx.Response] = []
    checked.event_hooks["response"].append(seen.append)
    try:
        call(sdk)
    finally:
        checked.event_hooks = {"response": [check]}
    (answer,) = seen
    assert answer.headers["x-analytics-scope"] == "workspace"
    assert answer.headers["x-complete-through"] == "2026-11-23T12:00:00.000Z"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "request-id" not in answer.headers


def test_what_is_there_already_is_no_409() -> None:
    """The SDKs would send it twice more."""
    assert errors._kind(Conflict("It is there already.", field="id"))[:3] == (400, "validation_error", "invalid_parameters")

"""Errors of our own API: problem details that say what is wrong and how to mend it, and nothing of the inside."""

import re
from typing import Any

import httpx2
import pytest

from tests.web.conftest import Place
from usagedeck import listing, report
from usagedeck.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    NotFound,
    NotSignedIn,
    QueryTooHeavy,
    StorageFull,
    StoreFailed,
    TooBusy,
    TooLarge,
    UsagedeckError,
)
from usagedeck.web.problems import STATUS, status_of


def problem(answer: httpx2.Response, status: int) -> dict[str, Any]:
    """The body of an error, which looks as every error looks."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) == {"title", "status", "code", "detail", "field", "request_id"}
    assert body["status"] == status
    assert re.fullmatch(r"[a-z][a-z0-9_]*", body["code"])
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-trace-id"]
    assert not re.search(r"Traceback|sqlite|DB::Exception|/src/|\.py\b|Decimal\(", answer.text)
    return body


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInput("Mend it.", field="by"), 400),
        (TooLarge("Ask for less.", field="by"), 400),
        (NotSignedIn("Sign in."), 401),
        (NotAllowed("Not yours."), 403),
        (NotFound("Not there."), 404),
        (Conflict("There already."), 409),
        (QueryTooHeavy("Too heavy."), 422),
        (TooBusy("Wait.", retry_after=7), 429),
        (StoreFailed("The store failed to answer."), 500),
        (StorageFull("The disk is full."), 507),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_error_has_its_status(
    asker: httpx2.Client, monkeypatch: pytest.MonkeyPatch, error: UsagedeckError, status: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(report, "usage", fail)
    body = problem(asker.get("/api/v1/usage"), status)
    assert (body["detail"], body["code"], body["field"]) == (error.message, error.code, error.field)


def test_every_error_of_the_tree_has_a_status() -> None:
    def tree(kind: type[UsagedeckError]) -> list[type[UsagedeckError]]:
        return [kind, *(found for sub in kind.__subclasses__() for found in tree(sub))]

    for kind in tree(UsagedeckError)[1:]:
        error = kind("x", retry_after=1) if kind is TooBusy else kind("x")
        assert status_of(error)[0] in {status for _, status, _ in STATUS}


def test_too_busy_says_when_to_come_back(asker: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TooBusy("Wait.", retry_after=7)

    monkeypatch.setattr(listing, "log", fail)
    assert asker.get("/api/v1/requests").headers["retry-after"] == "7"


def test_what_nobody_expected_stays_inside(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the password is hunter2")

    monkeypatch.setattr(report, "usage", fail)
    with place.client(place.house.api_key, headers={"connection": "close"}) as client:
        answer = client.get("/api/v1/usage")
    body = problem(answer, 500)
    assert (body["code"], "hunter2" in answer.text) == ("internal_error", False)
    assert answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "many"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "0"}, "limit"),
        ({"order": "up"}, "order"),
        ({"columns": "pth"}, "columns"),
        ({"filter": "path"}, "filter"),
        ({"filter": "pth:eq:x"}, "filter"),
        ({"filter": "path:is:x"}, "filter"),
        ({"filter": "status:gt:x"}, "filter"),
        ({"search": "x" * 501}, "search"),
        ({"range": "fortnight"}, "range"),
        ({"range": "7d", "start": "2026-11-01T00:00:00Z"}, "range"),
        ({"end": "2026-11-01T00:00:00Z"}, "start"),
        ({"start": "yesterday"}, "start"),
        ({"start": "2026-11-01T00:00:00"}, "start"),
        ({"start": "1795435200"}, "start"),
        ({"start": "-99999999999999"}, "start"),
        ({"start": "2026-11-02T00:00:00Z", "end": "2026-11-01T00:00:00Z"}, "end"),
        ({"start": "9999-12-31T23:59:59-10:00"}, "start"),
        ({"time_zone": "Berlin"}, "time_zone"),
        ({"time_zone": "+01:00"}, "time_zone"),
        ({"scope": "world"}, "scope"),
        ({"cursor": "abc"}, "cursor"),
        ({"as_of": "now"}, "as_of"),
        ({"as_of": "0001-01-01T00:00:00Z", "time_zone": "America/New_York"}, "as_of"),
        ({"as_of": "9999-12-31T23:59:59Z", "range": "billing"}, "as_of"),
        ({"as_of": "0200-01-01T00:00:00Z", "range": "4000mo"}, "as_of"),
        ({"colums": "path"}, "colums"),
        ({"workspace": "ws-elsewhere"}, "workspace"),
    ],
    ids=str,
)
def test_an_error_names_the_parameter(asker: httpx2.Client, query: dict[str, str], field: str) -> None:
    answer = asker.get("/api/v1/requests", params=query)
    assert problem(answer, 404 if field == "workspace" else 400)["field"] == field


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("/api/v1/usage?metric=credit", 'did you mean "credits"?'),
        ("/api/v1/usage?metric=CREDITS", 'did you mean "credits"?'),
        ("/api/v1/usage?by=modell", 'did you mean "model"?'),
        ("/api/v1/usage?interval=daily", 'did you mean "day"?'),
        ("/api/v1/usage?time_zone=Europe/Berlln", 'did you mean "Europe/Berlin"?'),
        ("/api/v1/usage?scope=acount", 'did you mean "account"?'),
        ("/api/v1/requests?columns=statuss", 'did you mean "status"?'),
        ("/api/v1/requests?filter=statuss:eq:1", 'did you mean "status"?'),
        ("/api/v1/requests?filter=path:startswith:1", 'did you mean "starts_with"?'),
        ("/api/v1/values/modle", 'did you mean "model"?'),
        ("/api/v1/usage?metric=joy", "Known: "),
    ],
)
def test_a_slip_of_the_pen_gets_a_suggestion(asker: httpx2.Client, path: str, hint: str) -> None:
    assert hint in problem(asker.get(path), 400)["detail"]


@pytest.mark.parametrize(
    "path", ["/nowhere", "/api/v1", "/api/v1/nowhere", "/v1/usher", "/static/%2e%2e/web", "/operator", "/%00"]
)
def test_what_is_not_there(asker: httpx2.Client, path: str) -> None:
    assert problem(asker.get(path), 404)["code"] == "not_found"


def test_a_wrong_method_names_the_right_one(asker: httpx2.Client) -> None:
    answer = asker.post("/api/v1/usage")
    assert problem(answer, 405)["code"] == "method_not_allowed"
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize("key", ["", "ud_wrong", "é".encode(), "x" * 10_000])
def test_a_wrong_key_is_told_apart_from_none_and_from_nothing_else(place: Place, key: str | bytes) -> None:
    headers: Any = {"xi-api-key": key}
    with httpx2.Client(base_url=place.url, headers=headers) as client:
        body = problem(client.get("/api/v1/usage"), 401)
    assert body["code"] == ("invalid_api_key" if key else "needs_authorization")


def test_an_endless_word_is_cut_in_the_answer(asker: httpx2.Client) -> None:
    for name in ("metric", "by", "interval", "time_zone", "filter", "range", "start", "scope", "as_of", "search"):
        detail = problem(asker.get("/api/v1/usage", params={name: "x" * 5000}), 400)["detail"]
        assert "x" * 100 not in detail
        assert len(detail) < 1500

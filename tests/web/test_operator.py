"""The door of the command line: it needs its token, does what the commands do, and is no part of the public API."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.house import NOON
from tests.web.conftest import Place
from tests.web.test_problems import problem
from usagedeck.web.app import openapi

TOKEN = {"authorization": "Bearer operator"}
"""Of the server that tests start."""


@pytest.fixture
def operator(place: Place) -> Iterator[httpx2.Client]:
    with place.client(headers=TOKEN) as client:
        yield client


def do(client: httpx2.Client, command: str, **arguments: Any) -> httpx2.Response:
    return client.post("/operator/command", json={"command": command, **arguments})


@pytest.mark.parametrize("path", ["/operator/command", "/operator/events/ws"])
@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer"}, {"authorization": "Bearer wrong"}, {"authorization": "Basic operator"}]
)
def test_it_needs_its_token(place: Place, path: str, headers: dict[str, str]) -> None:
    with place.client(headers=headers) as client:
        assert problem(client.post(path, content=b"{}"), 401)["code"] == "unauthorized"


def test_neither_a_key_nor_a_strange_token_opens_it(place: Place) -> None:
    with place.client(place.house.api_key) as client:
        assert do(client, "workspace.list").status_code == 401
    strange: Any = {"authorization": "Bearer opérator".encode()}
    with httpx2.Client(base_url=place.url, headers=strange) as client:
        assert do(client, "workspace.list").status_code == 401


def test_it_does_what_the_commands_do(place: Place, operator: httpx2.Client) -> None:
    made = do(operator, "workspace.create", name="New", id="ws-new").json()
    assert made["workspace_id"] == "ws-new"
    assert "ws-new" in {w["workspace_id"] for w in do(operator, "workspace.list").json()["workspaces"]}
    with place.client(made["api_key"]) as client:
        assert client.get("/api/v1/me").json()["workspace"]["id"] == "ws-new"
    key = do(operator, "key.create", workspace="ws-new", label="x", id="k-x").json()
    assert do(operator, "key.revoke", workspace="ws-new", id="k-x").json() == {"id": "k-x", "revoked": True}
    with place.client(key["api_key"]) as client:
        assert client.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize(
    ("command", "status", "code"),
    [
        ({"command": "workspace.create", "name": "Twice", "id": "twice"}, 409, "already_exists"),
        ({"command": "workspace.create", "name": ""}, 400, "invalid"),
        ({"command": "workspace.create", "name": "x", "currency": "btc"}, 400, "invalid"),
        ({"command": "workspace.create", "name": "x", "time_zone": "Mars"}, 400, "unknown_time_zone"),
        ({"command": "workspace.create", "name": "x", "id": "a b"}, 400, "invalid"),
        ({"command": "key.list", "workspace": "ws-nowhere"}, 404, "workspace_not_found"),
        ({"command": "key.revoke", "workspace": "twice", "id": "nope"}, 404, "api_key_not_found"),
        ({"command": "user.add", "workspace": "twice", "email": "no address"}, 400, "invalid"),
        ({"command": "user.add", "workspace": "twice", "email": "a@b", "password": "short"}, 400, "invalid"),
        ({"command": "fly"}, 400, "invalid"),
        ({"command": "workspace.list", "more": 1}, 400, "invalid"),
        ([], 400, "invalid"),
    ],
    ids=str,
)
def test_what_it_cannot_do_it_explains(operator: httpx2.Client, command: Any, status: int, code: str) -> None:
    do(operator, "workspace.create", name="Twice", id="twice")
    assert problem(operator.post("/operator/command", json=command), status)["code"] == code


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"command": "workspace.create", "name": "\\ud800"}'])
def test_a_command_that_cannot_be_read(operator: httpx2.Client, body: bytes) -> None:
    assert problem(operator.post("/operator/command", content=body), 400)["code"] == "invalid"


def test_it_takes_events_for_any_workspace(place: Place, operator: httpx2.Client) -> None:
    answer = operator.post(f"/operator/events/{place.house.workspace_id}", json=[{"id": "1", "time": NOON - 1}, {"id": "2"}])
    assert answer.json()["accepted"] == 1
    assert [one["code"] for one in answer.json()["rejected"]] == ["missing_time"]
    with place.client(place.house.api_key) as client:
        assert client.get("/api/v1/usage", params={"range": "1h", "interval": "total"}).json()["rows"][0][2] == 1
    assert problem(operator.post("/operator/events/nowhere", json=[]), 404)["code"] == "workspace_not_found"


def test_it_is_not_in_the_description() -> None:
    assert not any("operator" in path for path in openapi()["paths"])

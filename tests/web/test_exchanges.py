"""Headers and bodies over HTTP: who may read them, where they never are, and what a receipt says of them."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from tests.house import NOON, House
from tests.web.conftest import Place
from usagedeck import admin
from usagedeck.access import Permission

ODD = "a/b?c=d%2F e"


def event(id_: str, body: str = "hello there", **more: Any) -> dict[str, Any]:
    side = {"headers": {"content-type": "text/plain", "xi-api-key": "secret"}, "body": body}
    return {"id": id_, "time": NOON, "path": "/v1/x", "status": 200, "request": side, **more}


@pytest.fixture
def sender(place: Place, tenant: House) -> Iterator[httpx2.Client]:
    """Of a workspace that collects."""
    tenant.do(admin.PutWorkspace(workspace=tenant.workspace_id, exchanges=True))
    with place.client(tenant.api_key) as client:
        yield client


def send(client: httpx2.Client, *events: dict[str, Any]) -> dict[str, Any]:
    answer = client.post("/v1/events", json=list(events))
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def test_one_request_in_full(sender: httpx2.Client) -> None:
    assert send(sender, event("r1"))["exchanges"] == {"kept": 1}
    answer = sender.get("/api/v1/log/requests/r1")
    assert answer.status_code == 200
    assert answer.json() == {
        "time": "2026-11-23T12:00:00.000Z",
        "id": "r1",
        "request": {
            "headers": [["content-type", "text/plain"], ["xi-api-key", "[redacted]"]],
            "body": "hello there",
            "base64": False,
            "size": 11,
            "cut_at": None,
            "redacted": 1,
            "left_out": "",
            "more_headers": 0,
        },
        "response": None,
        "expired": False,
        "collecting": True,
    }
    assert answer.headers["cache-control"] == "no-store"


def test_ids_may_be_anything(sender: httpx2.Client) -> None:
    send(sender, event(ODD), event(ODD, "older", time=NOON - 5))
    path = f"/api/v1/log/requests/{quote(ODD, safe='')}"
    assert sender.get(path).json()["request"]["body"] == "hello there"
    assert sender.get(path, params={"time": str(NOON - 5)}).json()["request"]["body"] == "older"


def test_what_is_not_there(sender: httpx2.Client) -> None:
    send(sender, event("r1"))
    for path, status, code in (
        ("requests/r2", 404, "event_not_found"),
        ("deliveries/r1", 404, "event_not_found"),
        ("requests/r1?time=nonsense", 400, "invalid"),
        ("requests/r1?scope=all", 400, "invalid"),
        ("nothing/r1", 400, "invalid"),
    ):
        answer = sender.get(f"/api/v1/log/{path}")
        assert (answer.status_code, answer.json()["code"]) == (status, code), path


def test_a_receipt_says_nothing_of_them_when_none_came(sender: httpx2.Client) -> None:
    assert send(sender, {"id": "plain", "time": NOON}) == {"accepted": 1, "rejected": []}
    assert send(sender, {"id": "null", "time": NOON, "request": None}) == {"accepted": 1, "rejected": []}


def test_they_stand_in_no_list_and_in_no_csv(sender: httpx2.Client) -> None:
    send(sender, event("r1"))
    for path in ("requests", "requests.csv", "catalog", "values/path", "usage.csv?metric=requests&by=path"):
        answer = sender.get(f"/api/v1/{path}")
        assert answer.status_code == 200
        assert "hello there" not in answer.text
    refused = sender.get("/api/v1/requests", params={"columns": "request"})
    assert refused.status_code == 400


def test_whoever_may_not_read_the_event_learns_nothing(place: Place, tenant: House, sender: httpx2.Client) -> None:
    send(sender, event("mine", user_id="ben"), event("hers", user_id="ana"))
    narrow, _ = tenant.key_who(user="ben", permissions=[Permission.READ])
    writing, _ = tenant.key_who(permissions=[Permission.WRITE])
    with place.client(narrow) as ben, place.client(writing) as writer, place.client() as nobody:
        assert ben.get("/api/v1/log/requests/mine").json()["request"]["body"] == "hello there"
        foreign, nowhere = (ben.get(f"/api/v1/log/requests/{id_}") for id_ in ("hers", "none"))
        assert foreign.status_code == nowhere.status_code == 404
        assert {**foreign.json(), "request_id": ""} == {**nowhere.json(), "request_id": ""}
        assert ben.get("/api/v1/log/requests/mine", params={"scope": "workspace"}).status_code == 403
        assert writer.get("/api/v1/log/requests/mine").status_code == 403
        assert nobody.get("/api/v1/log/requests/mine").status_code == 401
    assert sender.get("/api/v1/log/requests/mine", params={"scope": "account"}).status_code == 200, (
        "a key of nobody's has no own rows"
    )


def test_a_tail_brings_rows_and_no_bodies(sender: httpx2.Client) -> None:
    place = sender.get("/api/v1/requests").json()["place"]
    with sender.stream("GET", "/api/v1/log/tail", params={"of": "requests", "after": place}) as stream:
        send(sender, event("live"))
        for line in stream.iter_lines():
            if "live" in line:
                assert "hello there" not in line
                break

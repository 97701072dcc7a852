"""The door of usage limits: checks of programs and keys, releases, and how the limits stand."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.house import NOON, House, build_house
from tests.limiting import event, key, limit
from tests.web.conftest import Place
from usagedeck import admin
from usagedeck.access import Permission
from usagedeck.meters import Kind

RESETS = "2026-12-01T00:00:00.000Z"


@pytest.fixture
def platform(place: Place, tenant: House) -> Iterator[httpx2.Client]:
    """A program of the operator's."""
    secret = admin.perform(place.deck, admin.CreateOperatorKey(label="gateway"))["operator_key"]
    with place.client(headers={"authorization": f"Bearer {secret}"}) as client:
        yield client


def check(client: httpx2.Client, **said: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/limits/check", json=said)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def stands(kind: str, id_: str | None, limit_: int, used: str, reserved: str, remaining: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "id": id_,
        "limit": limit_,
        "used": used,
        "reserved": reserved,
        "remaining": remaining,
        "counted_from": None,
    }


def test_a_platform_reserves_sends_and_releases(platform: httpx2.Client, tenant: House) -> None:
    key(tenant, "k", 100)
    limit(tenant, Kind.WORKSPACE, None, 1000)
    asked = {"workspace": tenant.workspace_id, "key": "k"}
    first = check(platform, **asked, estimated_credits="12.5", request_id="r1")
    of_key, of_all = stands("key", "k", 100, "0", "12.5", "87.5"), stands("workspace", None, 1000, "0", "12.5", "987.5")
    assert first == {
        "allowed": True,
        "refused_by": None,
        "limit": of_key,
        "limits": [of_key, of_all],
        "resets_at": RESETS,
        "reservation": "r1",
    }
    refused = check(platform, **asked, estimated_credits="90", request_id="r2")
    assert (refused["allowed"], refused["refused_by"], refused["reservation"]) == (False, {"kind": "key", "id": "k"}, None)
    assert refused["limit"] == of_key
    tenant.send([event("r1", "10.25")])
    release = {"workspace": tenant.workspace_id, "reservation": "r1"}
    assert platform.post("/api/v1/limits/release", json=release).json() == {"released": False, "credits": "0"}
    check(platform, **asked, estimated_credits="3", request_id="r3")
    release["reservation"] = "r3"
    assert platform.post("/api/v1/limits/release", json=release).json() == {"released": True, "credits": "3"}
    body = platform.post("/api/v1/limits/check", json=asked).json()
    assert body["limit"] in (stands("key", "k", 100, used, held, "89.75") for used, held in (("10.25", "0"), ("0", "10.25")))


def test_a_key_asks_for_itself(place: Place, tenant: House) -> None:
    tenant.do(admin.PutServiceAccount(workspace=tenant.workspace_id, id="bot", name="Bot"))
    secret = key(tenant, "own", 10, user="bot", permissions=[Permission.WRITE])
    limit(tenant, Kind.WORKSPACE, None, 5)
    key(tenant, "other", 10)
    with place.client(secret) as client:
        first = check(client, estimated_credits="4", request_id="r1")
        assert (first["allowed"], first["limits"]) == (True, [stands("key", "own", 10, "0", "4", "6")])
        second = check(client, estimated_credits="4", request_id="r2")
        assert (second["allowed"], second["refused_by"], second["limit"]) == (False, {"kind": "workspace", "id": None}, None)
        answer = client.post("/api/v1/limits/check", json={"key": "other"})
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (403, "insufficient_permissions", "key")
        assert "access-control-allow-origin" in answer.headers


@pytest.mark.parametrize(
    ("said", "field", "status"),
    [
        ({"estimated_credits": "much"}, "estimated_credits", 400),
        ({"estimated_credits": "NaN"}, "estimated_credits", 400),
        ({"estimated_credits": "-1"}, "estimated_credits", 400),
        ({"estimated_credits": "1e12"}, "estimated_credits", 400),
        ({"estimated_credits": "0.0000001"}, "estimated_credits", 400),
        ({"estimated_credits": 5}, "estimated_credits", 400),
        ({"request_id": ""}, "request_id", 400),
        ({"key": "x" * 300}, "key", 400),
        ({"estimate": "5"}, "estimate", 400),
        ({"workspace": "elsewhere"}, "workspace", 404),
    ],
)
def test_what_is_wrong_is_named(sender: httpx2.Client, said: dict[str, Any], field: str, status: int) -> None:
    answer = sender.post("/api/v1/limits/check", json=said)
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text


def test_nobody_else_may_ask(place: Place, tenant: House, platform: httpx2.Client) -> None:
    reader, _ = tenant.key_who(permissions=[Permission.READ])
    with place.client() as nobody, place.client(reader) as client, place.client("wrong") as wrong:
        for path in ("check", "release"):
            said = {"reservation": "r"} if path == "release" else {}
            assert nobody.post(f"/api/v1/limits/{path}", json=said).status_code == 401
            assert wrong.post(f"/api/v1/limits/{path}", json=said).status_code == 401
            assert client.post(f"/api/v1/limits/{path}", json=said).json()["code"] == "missing_permissions"
            assert platform.post(f"/api/v1/limits/{path}", json=said).json()["field"] == "workspace"
        assert platform.get("/api/v1/limits").status_code == 401, "an operator key reads no figures"
        assert platform.post("/api/v1/limits/check", json={"workspace": "nowhere", "key": "k"}).status_code == 404


def test_figures_as_a_table(place: Place) -> None:
    house = build_house(place.deck, time_zone="Europe/Berlin", billing_day=15)
    key(house, "k", 100, label="=prod")
    limit(house, Kind.WORKSPACE, None, 1000)
    house.send([event("a", "2.5"), event("b", 1, api_key_id="x"), event("old", 50, NOON - 20 * 86_400_000)])
    with place.client(house.api_key) as client:
        check(client, key="k", estimated_credits="4", request_id="r")
        body = client.get("/api/v1/limits").json()
        assert [column["name"] for column in body["columns"]] == [
            *("kind", "id", "id_label", "limit", "used", "reserved", "remaining", "counted_from"),
        ]
        assert body["rows"] == [
            ["key", "k", "=prod", 100, "2.5", "4", "93.5", None],
            ["workspace", house.workspace_id, "acme", 1000, "3.5", "4", "992.5", None],
        ]
        assert body["window"] == {
            "start": "2026-11-14T23:00:00.000Z",
            "end": "2026-12-14T23:00:00.000Z",
            "time_zone": "Europe/Berlin",
        }
        assert body["resets_at"] == "2026-12-14T23:00:00.000Z"
        assert [row[1] for row in client.get("/api/v1/limits", params={"kind": "key,group", "id": "k"}).json()["rows"]] == ["k"]
        answer = client.get("/api/v1/limits.csv")
        assert answer.text.splitlines() == [
            "kind,id,id_label,limit,used,reserved,remaining,counted_from",
            "key,k,'=prod,100,2.5,4,93.5,",
            f"workspace,{house.workspace_id},acme,1000,3.5,4,992.5,",
        ]
        assert 'filename="usagedeck_limits_2026-11-15_2026-12-14.csv"' in answer.headers["content-disposition"]
        assert client.get("/api/v1/limits", params={"kind": "day"}).json()["field"] == "kind"
        assert client.get("/api/v1/limits", params={"scope": "all"}).json()["field"] == "scope"
        assert client.get("/api/v1/limits", params={"range": "7d"}).json()["field"] == "range"

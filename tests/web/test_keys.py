"""What a key may do, and whose rows it sees."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.house import NOON, House
from tests.web.conftest import Place
from tests.web.test_problems import problem
from usagedeck import admin
from usagedeck.access import Permission

READERS = ("usage", "usage.csv", "requests", "requests.csv", "deliveries", "deliveries.csv", "values/model", "values/model.csv")


@pytest.fixture(scope="module")
def house(place: Place) -> House:
    """Two members and a row of each, and one of nobody."""
    for name in ("ada", "ben"):
        member = admin.AddUser(workspace=place.house.workspace_id, id=name, email=f"{name}@x.example", password="long enough")
        place.house.do(member)
    place.house.key_who(id="k-ada", user="ada")
    rows = [
        {"id": "1", "time": NOON - 1, "user_id": "ada"},
        {"id": "2", "time": NOON - 1, "user_id": "ben"},
        {"id": "3", "time": NOON - 1},
        {"id": "4", "time": NOON - 1, "api_key_id": "k-ada"},
    ]
    assert place.house.send(rows).accepted == 4
    return place.house


def ids(client: httpx2.Client, **params: Any) -> set[str]:
    answer = client.get("/api/v1/requests", params={"columns": "id", "range": "1h", **params})
    assert answer.status_code == 200, answer.text
    return {row[0] for row in answer.json()["rows"]}


@pytest.fixture
def client(place: Place, request: pytest.FixtureRequest) -> Iterator[httpx2.Client]:
    with place.client() as opened:
        yield opened


def use(client: httpx2.Client, house: House, *permissions: Permission, user: str | None = None) -> str:
    """Give the client a new key with those permissions; its secret."""
    secret, _ = house.key_who(user=user, permissions=list(permissions))
    client.headers["xi-api-key"] = secret
    return secret


def test_a_key_for_reading_cannot_write(client: httpx2.Client, house: House) -> None:
    use(client, house, Permission.READ, Permission.FULL_READ)
    body = problem(client.post("/v1/events", json=[]), 403)
    assert (body["code"], "events_write" in body["detail"]) == ("missing_permissions", True)
    assert client.get("/api/v1/usage").status_code == 200


@pytest.mark.parametrize("path", READERS)
def test_a_key_for_writing_cannot_read(client: httpx2.Client, house: House, path: str) -> None:
    use(client, house, Permission.WRITE)
    body = problem(client.get(f"/api/v1/{path}"), 403)
    assert (body["code"], "analytics_read" in body["detail"]) == ("missing_permissions", True)


def test_a_key_for_writing_writes(client: httpx2.Client, house: House) -> None:
    use(client, house, Permission.WRITE)
    assert client.post("/v1/events", json=[]).status_code == 200


def test_a_revoked_key_stops_at_once(client: httpx2.Client, house: House) -> None:
    client.headers["xi-api-key"], _ = house.key_who(id="k-soon-gone")
    assert client.get("/api/v1/usage").status_code == 200
    house.do(admin.RevokeKey(workspace=house.workspace_id, id="k-soon-gone"))
    for answer in (client.get("/api/v1/usage"), client.post("/v1/events", json=[])):
        assert problem(answer, 401)["code"] == "invalid_api_key"


def test_a_key_of_a_member_sees_their_rows(client: httpx2.Client, house: House) -> None:
    use(client, house, Permission.READ, user="ada")
    assert ids(client) == ids(client, scope="account") == {"1", "4"}
    assert problem(client.get("/api/v1/requests", params={"scope": "workspace"}), 403)["field"] == "scope"
    me = client.get("/api/v1/me").json()
    assert (me["views"], me["switch_views"]) == (["account"], True)
    assert "workspace_analytics_full_read" in me["refused_views"]["workspace"]


def test_a_key_sees_the_workspace_when_it_and_its_owner_may(client: httpx2.Client, house: House) -> None:
    use(client, house, Permission.READ, Permission.FULL_READ, user="ada")
    assert ids(client) == {"1", "4"}, "more than its owner it never sees"
    assert problem(client.get("/api/v1/requests", params={"scope": "workspace"}), 403)["code"] == "insufficient_permissions"
    house.deck.directory.people.change_member(house.workspace_id, "ada", {"full_read": True})
    try:
        _the_workspace_too(client)
    finally:
        house.deck.directory.people.change_member(house.workspace_id, "ada", {"full_read": False})


def _the_workspace_too(client: httpx2.Client) -> None:
    assert ids(client) == ids(client, scope="workspace") == {"1", "2", "3", "4"}
    assert ids(client, scope="account") == {"1", "4"}


def test_a_key_of_nobody_sees_the_workspace_in_both_views(client: httpx2.Client, house: House) -> None:
    use(client, house, Permission.READ)
    assert ids(client) == ids(client, scope="workspace") == ids(client, scope="account") == {"1", "2", "3", "4"}
    assert client.get("/api/v1/usage", params={"by": "user_id", "scope": "account"}).status_code == 200


def test_the_key_that_sends_is_not_the_key_that_called(client: httpx2.Client, house: House) -> None:
    use(client, house, *Permission)
    assert client.post("/v1/events", json=[{"id": "5", "time": NOON - 7_200_000}]).json()["accepted"] == 1
    window: dict[str, Any] = {"start": NOON - 7_200_000, "end": NOON - 7_000_000, "columns": "id,api_key_id,user_id"}
    row = client.get("/api/v1/requests", params=window).json()["rows"]
    assert row == [["5", None, None, None, None]]


def test_a_key_belongs_to_its_workspace(client: httpx2.Client, house: House) -> None:
    use(client, house, *Permission)
    assert client.get("/api/v1/usage", params={"workspace": house.workspace_id}).status_code == 200
    for path in (*READERS, "me"):
        assert problem(client.get(f"/api/v1/{path}", params={"workspace": "another"}), 404)["field"] == "workspace"


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER  "])
def test_both_headers_carry_a_key(client: httpx2.Client, house: House, kind: str) -> None:
    secret = use(client, house, *Permission)
    del client.headers["xi-api-key"]
    client.headers["authorization"] = f"{kind} {secret}"
    assert client.get("/api/v1/usage").status_code == 200
    assert client.post("/v1/events", json=[]).status_code == 200
    client.headers["authorization"] = f"Basic {secret}"
    assert client.get("/api/v1/usage").status_code == 401

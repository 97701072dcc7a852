"""Signing in: the cookie, the pauses after failures, whose workspace and whose rows a person sees."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from typing import Any

import httpx2
import pytest

from tests.web.conftest import Place, opened
from tests.web.test_problems import problem
from usagedeck import admin
from usagedeck.access import Role
from usagedeck.times import DAY, SECOND

ATTEMPTS = 3
PASSWORD = "correct horse battery"
MINE, OTHERS = "ws-mine", "ws-others"

_addresses = count(1)
_tokens: dict[str, str] = {}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Behind a proxy, so that every client can have an address of its own."""
    settings: dict[str, Any] = {"trusted_proxies": "127.0.0.1", "sign_in_attempts": ATTEMPTS}
    with opened(tmp_path_factory.mktemp("auth"), **settings) as found:
        for id_ in (MINE, OTHERS):
            found.house.do(admin.CreateWorkspace(name=id_, id=id_))
        for name, role in (("olga", Role.OWNER), ("max", Role.MEMBER), ("vera", Role.VIEWER)):
            found.house.do(admin.AddUser(workspace=MINE, id=name, email=f"{name}@x.example", password=PASSWORD, role=role))
        found.house.do(admin.AddUser(workspace=MINE, id="full", email="full@x.example", password=PASSWORD, full_read=True))
        found.house.do(admin.AddUser(workspace=OTHERS, email="max@x.example", role=Role.ADMIN))
        key = found.house.do(admin.CreateKey(workspace=MINE, label="sender"))["api_key"]
        rows = [{"id": f"{user}-{n}", "time": found.clock(), "user_id": user} for n, user in enumerate(("olga", "max", "max"))]
        with found.client(key) as sender:
            assert sender.post("/v1/events", json=rows).json() == {"accepted": 3, "rejected": []}
        yield found


def browser(place: Place, address: str | None = None, *, https: bool = False) -> httpx2.Client:
    """A client without a key, at an address that nobody else has."""
    number = next(_addresses)
    headers = {"x-forwarded-for": address or f"198.51.{number // 250}.{number % 250 + 1}"}
    return place.client(headers=headers | ({"x-forwarded-proto": "https"} if https else {}))


def sign_in(client: httpx2.Client, name: str, password: str = PASSWORD) -> httpx2.Response:
    return client.post("/api/v1/session", json={"email": f"{name}@x.example", "password": password})


@contextmanager
def signed_in(place: Place, name: str) -> Iterator[httpx2.Client]:
    """Somebody's browser; passwords are slow on purpose, so a session is used by many tests."""
    with browser(place) as client:
        if name in _tokens:
            client.cookies.set("usagedeck_session", _tokens[name])
        else:
            assert sign_in(client, name).status_code == 204
            _tokens[name] = client.cookies["usagedeck_session"]
        yield client


# --- the cookie ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("https", [False, True])
def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(place: Place, https: bool) -> None:
    with browser(place, https=https) as client:
        answer = sign_in(client, "olga")
    assert (answer.status_code, answer.content) == (204, b"")
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert name.startswith("usagedeck_session=")
    assert len(name) > 50
    expected = {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={14 * 24 * 3600}"}
    assert set(attributes) == (expected | {"Secure"} if https else expected)


def test_the_cookie_never_travels_in_clear_beyond_this_machine(place: Place) -> None:
    with browser(place) as client:
        client.headers["host"] = "localhost:1"
        assert "Secure" not in sign_in(client, "olga").headers["set-cookie"]
        client.headers["host"] = "127.9.9.9"
        assert "Secure" in sign_in(client, "olga").headers["set-cookie"]


def test_the_token_is_not_kept(place: Place) -> None:
    with signed_in(place, "olga") as client:
        token = client.cookies["usagedeck_session"]
    with closing(sqlite3.connect(place.deck.settings.data_dir / "directory.sqlite")) as db:
        kept = {value for row in db.execute("SELECT * FROM sessions") for value in row}
    assert kept
    assert token not in kept


def test_signing_out_ends_the_session(place: Place) -> None:
    with browser(place) as client, browser(place) as thief:
        sign_in(client, "olga")
        thief.cookies.set("usagedeck_session", client.cookies["usagedeck_session"])
        assert thief.get("/api/v1/me").status_code == 200
        answer = client.delete("/api/v1/session")
        assert answer.status_code == 204
        assert client.cookies.get("usagedeck_session") in (None, '""', "")
        assert problem(thief.get("/api/v1/me"), 401)["code"] == "not_signed_in"
        assert client.delete("/api/v1/session").status_code == 204


def test_a_session_ends_by_itself(place: Place) -> None:
    with signed_in(place, "olga") as client:
        place.clock.now += 14 * DAY - SECOND
        assert client.get("/api/v1/me").status_code == 200
        place.clock.now += SECOND
        assert problem(client.get("/api/v1/me"), 401)["code"] == "not_signed_in"
        place.clock.now -= 14 * DAY


@pytest.mark.parametrize("token", ["", "x", "é", "x" * 5000, "' OR 1=1 --"])
def test_a_token_that_is_none(place: Place, token: str) -> None:
    headers: Any = {"cookie": f"usagedeck_session={token}".encode()}
    with httpx2.Client(base_url=place.url, headers=headers) as client:
        assert client.get("/api/v1/me").status_code == 401


# --- who may not --------------------------------------------------------------------------------------------------


def test_a_wrong_password_and_an_unknown_address_are_the_same(place: Place) -> None:
    answers = []
    for name, password in (("olga", "wrong password"), ("nobody", PASSWORD), ("olga", "")):
        with browser(place) as client:
            body = problem(sign_in(client, name, password), 401)
            assert "set-cookie" not in client.cookies
        answers.append({k: v for k, v in body.items() if k != "request_id"})
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["code"] == "wrong_credentials"
    with browser(place) as client:
        assert sign_in(client, "olga").status_code == 204  # which forgets the failures


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"email": "a@b"}', "password"),
        (b'{"email": 5, "password": "x"}', "email"),
        (b'{"email": "\\ud800", "password": "x"}', "email"),
        (b'{"email": "%s", "password": "x"}' % (b"x" * 201), "email"),
    ],
)
def test_a_body_that_is_none(place: Place, body: bytes, field: str | None) -> None:
    with browser(place) as client:
        answer = client.post("/api/v1/session", content=body, headers={"content-type": "application/json"})
    found = problem(answer, 400)["field"]
    assert found == field if field else answer.status_code == 400


def test_a_body_that_is_a_book_is_refused(place: Place) -> None:
    with browser(place) as client:
        assert client.post("/api/v1/session", content=b" " * 20_000).status_code == 413
        assert client.post("/api/v1/session", content=iter([b" " * 9_000] * 2)).status_code == 413


def test_a_form_of_another_site_is_no_sign_in(place: Place) -> None:
    with browser(place) as client:
        answer = client.post("/api/v1/session", data={"email": "olga@x.example", "password": PASSWORD})
        assert answer.status_code == 400
        text = client.post("/api/v1/session", content=b'{"email": "olga@x.example"}', headers={"content-type": "text/plain"})
        assert text.status_code == 400


# --- pauses -------------------------------------------------------------------------------------------------------


def fail(client: httpx2.Client, name: str, times: int = ATTEMPTS) -> None:
    for _ in range(times):
        assert sign_in(client, name, "wrong password").status_code == 401


def test_after_too_many_failures_even_the_right_password_waits(place: Place) -> None:
    with browser(place) as client:
        fail(client, "vera")
        answer = sign_in(client, "vera")
        body = problem(answer, 429)
        assert answer.headers["retry-after"] == "300"
        assert "300 seconds" in body["detail"]
        place.clock.now += 299 * SECOND
        assert sign_in(client, "vera").headers["retry-after"] == "1"
        place.clock.now += 1 * SECOND
        assert sign_in(client, "vera").status_code == 204


def test_a_person_cannot_be_locked_out_from_elsewhere(place: Place) -> None:
    with browser(place) as attacker, browser(place) as other:
        fail(attacker, "vera")
        assert sign_in(attacker, "vera").status_code == 429
        assert sign_in(attacker, "max").status_code == 204, "others at the same address go on"
        assert sign_in(other, "vera").status_code == 204, "and the person elsewhere, too"
    place.clock.now += 300 * SECOND


def test_an_address_that_tries_many_names_waits(place: Place) -> None:
    with browser(place) as attacker:
        for n in range(5 * ATTEMPTS):
            assert sign_in(attacker, f"guess-{n}", "wrong password").status_code == 401
        assert sign_in(attacker, "guess-999", "wrong password").status_code == 429
        place.clock.now += 300 * SECOND
        assert sign_in(attacker, "guess-999", "wrong password").status_code == 401
    place.clock.now += 300 * SECOND


def test_a_name_that_is_tried_from_many_addresses_waits(place: Place) -> None:
    for _ in range(10 * ATTEMPTS):
        with browser(place) as attacker:
            fail(attacker, "vera", 1)
    with browser(place) as vera:
        assert sign_in(vera, "VERA").status_code == 429
        place.clock.now += 300 * SECOND
        assert sign_in(vera, "VERA").status_code == 204


def test_a_success_forgets_the_failures_of_the_person(place: Place) -> None:
    for _ in range(2):
        with browser(place) as client:
            fail(client, "vera", ATTEMPTS - 1)
            assert sign_in(client, "vera").status_code == 204


# --- workspaces and views -----------------------------------------------------------------------------------------


def requests(client: httpx2.Client, **params: Any) -> int:
    answer = client.get("/api/v1/usage", params={"interval": "total", "range": "1h", **params})
    assert answer.status_code == 200, answer.text
    return int(answer.json()["rows"][0][-1])


def test_me_says_who_and_what_may_be_seen(place: Place) -> None:
    with signed_in(place, "olga") as client:
        me = client.get("/api/v1/me").json()
    assert me["user"] == {"id": "olga", "email": "olga@x.example", "name": ""}
    assert (me["role"], me["views"]) == ("owner", ["account", "workspace"])
    assert me["workspaces"] == [{"id": MINE, "name": MINE}]
    assert me["workspace"] == {
        "id": MINE,
        "name": MINE,
        "currency": "usd",
        "time_zone": "UTC",
        "billing_day": 1,
        "concurrency_limit": None,
        "members": 4,
    }


def test_a_member_of_two_workspaces_chooses(place: Place) -> None:
    with signed_in(place, "max") as client:
        first = client.get("/api/v1/me").json()
        assert (first["workspace"]["id"], first["role"], first["views"]) == (MINE, "member", ["account"])
        assert [w["id"] for w in first["workspaces"]] == [MINE, OTHERS]
        second = client.get("/api/v1/me", params={"workspace": OTHERS}).json()
        assert (second["workspace"]["id"], second["role"], second["views"]) == (OTHERS, "admin", ["account", "workspace"])
        assert requests(client, as_of=place.clock() + 1, range="24h") == 2
        assert requests(client, as_of=place.clock() + 1, range="24h", workspace=OTHERS) == 0


@pytest.mark.parametrize("workspace", [OTHERS, "ws-that-never-was", "", "'"])
def test_a_workspace_of_others_is_not_there(place: Place, workspace: str) -> None:
    with signed_in(place, "olga") as client:
        for path in ("me", "usage", "requests", "deliveries", "values/model"):
            body = problem(client.get(f"/api/v1/{path}", params={"workspace": workspace}), 404)
            assert (body["code"], body["field"]) == ("workspace_not_found", "workspace")


@pytest.mark.parametrize("name", ["max", "vera"])
def test_who_may_not_see_the_workspace_is_told_why(place: Place, name: str) -> None:
    with signed_in(place, name) as client:
        for path in ("usage", "requests", "deliveries", "values/model", "usage.csv", "requests.csv"):
            body = problem(client.get(f"/api/v1/{path}", params={"scope": "workspace"}), 403)
            assert (body["code"], body["field"]) == ("insufficient_permissions", "scope")
            assert "workspace_analytics_full_read" in body["detail"]


@pytest.mark.parametrize(("name", "account", "workspace"), [("olga", 1, 3), ("full", 0, 3)])
def test_who_may_sees_both_views(place: Place, name: str, account: int, workspace: int) -> None:
    day: dict[str, Any] = {"as_of": place.clock() + 1, "range": "24h"}
    with signed_in(place, name) as client:
        assert requests(client, **day, scope="account") == account
        assert requests(client, **day, scope="workspace") == requests(client, **day) == workspace


def test_a_member_sees_their_own_rows_whatever_they_ask(place: Place) -> None:
    day: dict[str, Any] = {"as_of": place.clock() + 1, "range": "24h"}
    with signed_in(place, "max") as client:
        assert requests(client, **day) == requests(client, **day, scope="account") == 2
        assert requests(client, **day, filter="user_id:eq:olga") == 0
        assert requests(client, **day, filter="user_id:neq:nobody") == 2
        log = client.get("/api/v1/requests", params=day | {"columns": "id", "search": "olga"}).json()
        assert log["rows"] == []
        lines = client.get("/api/v1/requests.csv", params=day | {"columns": "id,user_id"}).text.splitlines()
        assert len(lines) == 3
        assert not any("olga" in line for line in lines)


@pytest.mark.parametrize("by", ["user_id", "group_id", "workspace_id"])
@pytest.mark.parametrize(("name", "scope"), [("max", None), ("max", "account"), ("olga", "account")])
def test_breakdowns_of_the_workspace_are_refused_in_the_account_view(place: Place, name: str, scope: str | None, by: str) -> None:
    view = {"scope": scope} if scope else {}
    with signed_in(place, name) as client:
        for path in ("usage", "usage.csv"):
            body = problem(client.get(f"/api/v1/{path}", params=view | {"by": by}), 403)
            assert (body["field"], "workspace view only" in body["detail"]) == ("by", True)
        assert client.get(f"/api/v1/values/{by}", params=view).status_code == 403


def test_a_session_reads_and_nothing_else(place: Place) -> None:
    with signed_in(place, "olga") as client:
        assert client.post("/v1/events", json=[]).status_code == 401
        assert client.get("/v1/usage/character-stats", params={"start_unix": 10**12, "end_unix": 10**12}).status_code == 401
        assert client.post("/operator/command", json={"command": "workspace.list"}).status_code == 401


def test_a_key_goes_before_a_session(place: Place) -> None:
    with signed_in(place, "olga") as client:
        answer = client.get("/api/v1/me", headers={"xi-api-key": place.house.api_key}).json()
        assert (answer["workspace"]["id"], answer["user"]["id"]) == (place.house.workspace_id, None)
        assert client.get("/api/v1/me", headers={"xi-api-key": "wrong"}).status_code == 401

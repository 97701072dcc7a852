"""The operator's door: a platform mirrors its directory, as often as it likes, and nobody else comes in."""

import hashlib
from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx2
import pytest

from tests.house import NOON, build_house
from tests.web.conftest import Place
from tests.web.test_problems import problem
from usagedeck import access, admin
from usagedeck.access import Permission
from usagedeck.catalog.dimensions import Label
from usagedeck.times import iso
from usagedeck.web.provisioning import CALLS

_numbers = count()


@pytest.fixture
def platform(place: Place) -> Iterator[httpx2.Client]:
    """A client with an operator key."""
    secret = admin.perform(place.deck, admin.CreateOperatorKey(label="mirror"))["operator_key"]
    with place.client(headers={"authorization": f"Bearer {secret}"}) as client:
        client.base_url = f"{place.url}/api/v1/admin/"
        yield client


@pytest.fixture
def ws(platform: httpx2.Client) -> str:
    """A new workspace; the path to it."""
    name = f"p{next(_numbers)}"
    put(platform, f"workspaces/{name}", currency="eur", name="Acme")
    return f"workspaces/{name}"


def put(client: httpx2.Client, path: str, **said: Any) -> dict[str, Any]:
    answer = client.put(path, json=said)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


# --- who comes in -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")
def test_no_other_key_opens_it(place: Place, call: Any) -> None:
    path = "/api/v1/admin" + call.path.replace("{", "").replace("}", "")
    secret, _ = place.house.key_who(permissions=list(Permission))
    said = set()
    for headers in ({"xi-api-key": secret}, {"authorization": "Bearer operator"}, {"xi-api-key": "udop_nonsense"}):
        with place.client(headers=headers) as client:
            body = problem(client.request(call.method, path, content=b"not even JSON"), 401)
            said.add((body["code"], body["detail"]))
    assert said == {("invalid_operator_key", "Invalid operator key")}
    with place.client() as client:
        assert problem(client.request(call.method, path), 401)["code"] == "needs_authorization"


def test_an_operator_key_reads_nobodys_usage(place: Place, platform: httpx2.Client) -> None:
    for path in ("usage", "requests", "values/model", "me"):
        with place.client(headers={"authorization": platform.headers["authorization"]}) as client:
            assert problem(client.get(f"/api/v1/{path}"), 401)["code"] == "invalid_api_key"
            assert problem(client.post("/v1/events", json=[]), 401)["code"] == "invalid_api_key"


def test_a_revoked_one_stops_at_once(place: Place) -> None:
    made = admin.perform(place.deck, admin.CreateOperatorKey(label="mirror"))
    with place.client(headers={"xi-api-key": made["operator_key"]}) as client:
        assert client.get("/api/v1/admin/workspaces").status_code == 200
        admin.perform(place.deck, admin.RevokeOperatorKey(id=made["id"]))
        assert problem(client.get("/api/v1/admin/workspaces"), 401)["code"] == "invalid_operator_key"


# --- putting ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", {"name": "Acme Ltd", "time_zone": "Europe/Berlin", "billing_day": 31, "concurrency_limit": 9, "full_ip": True}),
        ("", {"retention_days": 30}),
        ("", {"credit_limit": 10**15}),
        ("", {"retention_days": 30, "rollup_days": 400}),
        ("", {"retention_days": 30, "rollup_days": None, "redactions": ["attributes.email", "path"]}),
        ("/groups/g1", {"name": "Care", "permissions": ["audit_log_read"], "users": ["ana", "stranger"], "credit_limit": 5}),
        ("/service-accounts/bot", {"name": "Bot", "credit_limit": 0}),
        ("/webhooks/wh", {"name": "Orders", "url": "https://x.test/", "events": ["a"], "disabled": True, "failed_status": 0}),
        ("/keys/k1", {"label": "server", "user": "bot", "sha256": "ab" * 32, "hint": "wxyz", "allowed_ips": ["10.0.0.0/8"]}),
        ("/keys/k3", {"permissions": ["analytics_read"], "platform_permissions": ["music", "text_to_speech"]}),
        ("/keys/k4", {"permissions": [], "platform_permissions": ["text_to_speech"]}),
        ("/webhooks/wh2", {"name": "x", "url": "https://x.test/", "retry_enabled": True, "request_headers": ["Authorization"]}),
        ("/keys/k5", {"tts_concurrency_limit": 5, "dubbing_concurrency_limit": 0, "music_concurrency_limit": None}),
        ("/keys/k2", {"sha256": "cd" * 32, "expires_at": "2027-01-01T00:00:00.000Z", "disabled": True, "credit_limit": 7}),
    ],
)
def test_what_is_put_twice_is_put_once_and_what_is_left_out_stays(
    platform: httpx2.Client, ws: str, path: str, said: dict[str, Any]
) -> None:
    if "sha256" in said:
        said = said | {"sha256": hashlib.sha256(ws.encode() + path.encode()).hexdigest()}
    first = put(platform, ws + path, **said)
    first.pop("api_key", None)
    for again in (said, {}):
        second = put(platform, ws + path, **again)
        assert second == first | {"created": False}
    for name, value in said.items():
        if name not in ("sha256", "disabled"):
            assert first["key_id" if name == "id" else "user_id" if name == "user" else name] == value
    if said.get("disabled"):
        assert first.get("disabled_at") == iso(NOON) or first.get("disabled") is True
        undone = put(platform, ws + path, disabled=False)
        assert not undone.get("disabled_at")
        assert not undone.get("disabled")


def test_a_user_becomes_a_member_and_leaves(platform: httpx2.Client, ws: str) -> None:
    user = f"user-{ws.partition('/')[2]}"
    assert problem(platform.put(f"{ws}/members/{user}", json={}), 404)["code"] == "user_not_found"
    assert put(platform, f"users/{user}", email=f"{user}@X.test", name="Ana")["created"]
    assert put(platform, f"users/{user}", name="Ana II") == {
        "user_id": user,
        "email": f"{user}@x.test",
        "name": "Ana II",
        "created": False,
    }
    made = put(platform, f"{ws}/members/{user}", role="admin", credit_limit=5)
    assert (made["role"], made["full_read"], made["locked"], made["credit_limit"], made["created"]) == (
        *("admin", False, False, 5, True),
    )
    changed = put(platform, f"{ws}/members/{user}", locked=True)
    assert (changed["role"], changed["locked"], changed["created"]) == ("admin", True, False)
    assert put(platform, f"{ws}/members/{user}", locked=False, credit_limit=None)["credit_limit"] is None
    assert [m["user_id"] for m in platform.get(f"{ws}/members").json()["members"]] == [user]
    put(platform, f"{ws}/service-accounts/bot", name="Bot")
    assert problem(platform.put(f"{ws}/service-accounts/{user}", json={"name": "x"}), 409)["field"] == "id"
    assert platform.delete(f"{ws}/members/{user}").json() == {"user_id": user, "removed": True}
    assert problem(platform.delete(f"{ws}/members/{user}"), 404)["code"] == "member_not_found"


def test_keys_of_a_platform_are_known_by_their_hash_alone(place: Place, platform: httpx2.Client, ws: str) -> None:
    secret = f"sk-minted-elsewhere-{ws}"
    digest = hashlib.sha256(secret.encode()).hexdigest()
    made = put(platform, f"{ws}/keys/k1", label="theirs", sha256=digest.upper(), permissions=["analytics_read", "events_write"])
    assert "api_key" not in made
    assert digest not in str(made)
    with place.client(secret) as client:
        assert client.post("/v1/events", json=[{"id": "a", "time": NOON}]).json()["accepted"] == 1
        assert client.get("/api/v1/me").json()["workspace"]["id"] == ws.partition("/")[2]
    other = f"sk-rolled-{ws}"
    put(platform, f"{ws}/keys/k1", sha256=hashlib.sha256(other.encode()).hexdigest())
    with place.client(secret) as old, place.client(other) as new:
        assert (old.get("/api/v1/me").status_code, new.get("/api/v1/me").status_code) == (401, 200)
    assert platform.delete(f"{ws}/keys/k1").json()["revoked"]
    assert problem(platform.put(f"{ws}/keys/k1", json={"label": "again"}), 409)["code"] == "api_key_revoked"


def test_a_key_without_a_hash_is_minted_and_shown_once(place: Place, platform: httpx2.Client, ws: str) -> None:
    made = put(platform, f"{ws}/keys/k1", label="ours")
    again = put(platform, f"{ws}/keys/k1", label="ours")
    assert made["api_key"].startswith("ud_")
    assert made["hint"] == made["api_key"][-4:]
    assert "api_key" not in again
    listed = platform.get(f"{ws}/keys").json()["keys"]
    assert [key["key_id"] for key in listed] == ["k1"]
    assert made["api_key"] not in str(listed)
    with place.client(made["api_key"]) as client:
        assert client.get("/api/v1/usage").status_code == 200


def test_names_groups_and_what_is_gone(place: Place, platform: httpx2.Client, ws: str) -> None:
    workspace = ws.partition("/")[2]
    assert platform.put(f"{ws}/labels/voice", json={"v1": "Rachel", "v2": "Zoë"}).json() == {"kind": "voice", "names": 2}
    put(platform, f"{ws}/groups/g1", name="Care", users=["ana"])
    put(platform, f"{ws}/groups/g1", users=["ben", "ana"])
    assert platform.get(f"{ws}/groups").json()["groups"][0]["users"] == ["ana", "ben"]
    assert put(platform, f"{ws}/groups/g1", users=[])["users"] == []
    for part in ("groups/g1", "service-accounts/bot", "webhooks/wh"):
        if not part.startswith("groups"):
            put(platform, f"{ws}/{part}", name="Name", **({"url": "http://x"} if part.startswith("web") else {}))
        assert platform.delete(f"{ws}/{part}").json()["removed"]
        assert problem(platform.delete(f"{ws}/{part}"), 404)["code"].endswith("_not_found")
        (listed,) = platform.get(f"{ws}/{part.partition('/')[0]}").json().values()
        assert listed == []
    names = place.deck.directory.labels.names
    assert names(workspace, Label.VOICE) == {"v1": "Rachel", "v2": "Zoë"}
    assert (names(workspace, Label.GROUP), names(workspace, Label.WEBHOOK)) == ({"g1": "Care"}, {"wh": "Name"})


def test_ids_of_another_workspace_are_other_things(place: Place, platform: httpx2.Client, ws: str) -> None:
    mine = build_house(place.deck, "mine")
    mine.do(admin.PutGroup(workspace=mine.workspace_id, id="same", name="Mine", users=["ana"]))
    mine.do(admin.PutKey(workspace=mine.workspace_id, id="same", label="Mine"))
    put(platform, f"{ws}/groups/same", name="Theirs", users=[])
    put(platform, f"{ws}/keys/same", label="Theirs", disabled=True)
    assert platform.delete(f"{ws}/groups/same").status_code == platform.delete(f"{ws}/keys/same").status_code == 200
    assert mine.do(admin.ListGroups(workspace=mine.workspace_id))["groups"][0]["users"] == ("ana",)
    assert [k["disabled_at"] for k in mine.do(admin.ListKeys(workspace=mine.workspace_id))["keys"]] == [None, None]


# --- what cannot be -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "said", "status", "sentence"),
    [
        ("", {"currency": "usd"}, 409, "counts in eur, which stays"),
        ("", {"time_zone": "Mars"}, 400, "not an IANA time zone"),
        ("", {"billing_day": 32}, 400, "billing_day: expected"),
        ("", {"nmae": "x"}, 400, 'unknown field "nmae"'),
        ("", {"workspace": "x"}, 400, "stands in the path"),
        ("", {"command": "x"}, 400, "stands in the path"),
        ("", [], 400, "JSON object"),
        ("", {"rollup_days": 30}, 400, "at least as many days as events"),
        ("", {"retention_days": 30, "rollup_days": 29}, 400, "at least as many days as events"),
        ("/groups/g", {}, 400, "name is missing"),
        ("/groups/g", {"name": "x", "permissions": ["everything"]}, 400, "permissions[0]: invalid enum value"),
        ("/groups/a%20b", {"name": "x"}, 400, "id: expected"),
        ("/service-accounts/s", {}, 400, "name is missing"),
        ("/webhooks/w", {"name": "x"}, 400, "url is missing"),
        ("/webhooks/w", {"name": "x", "url": "ftp://x"}, 400, "url: expected"),
        ("/keys/k", {"sha256": "abc"}, 400, "sha256: expected"),
        ("/keys/k", {"permissions": []}, 400, "name at least one"),
        ("/keys/k", {"platform_permissions": ["Text to speech"]}, 400, "platform_permissions[0]: expected"),
        ("/keys/k", {"platform_permissions": ["analytics_read"]}, 400, "name it in permissions"),
        ("/keys/k", {"allowed_ips": ["10.0.0.0/8", "home"]}, 400, '"home" is no IP address or network'),
        ("/keys/k", {"expires_at": "tomorrow"}, 400, "expires_at"),
        ("/labels/shoe", {"a": "b"}, 400, "kind: invalid enum value"),
        ("/labels/voice", {"a": 5}, 400, "expected"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(
    platform: httpx2.Client, ws: str, path: str, said: Any, status: int, sentence: str
) -> None:
    body = problem(platform.put(ws + path, json=said), status)
    assert sentence.lower() in body["detail"].lower()


def test_a_body_that_is_no_json(platform: httpx2.Client, ws: str) -> None:
    assert "no valid JSON" in problem(platform.put(ws, content=b"{"), 400)["detail"]


def test_two_keys_never_share_a_hash(place: Place, platform: httpx2.Client, ws: str) -> None:
    taken = hashlib.sha256(place.house.api_key.encode()).hexdigest()
    for _ in range(2):
        assert problem(platform.put(f"{ws}/keys/k", json={"sha256": taken}), 409)["code"] == "already_exists"
    put(platform, f"{ws}/keys/k")
    assert problem(platform.put(f"{ws}/keys/k", json={"sha256": taken}), 409)["code"] == "already_exists"
    assert access.who_by_key(place.deck, place.house.api_key).workspace.id == place.house.workspace_id


def test_everything_is_in_the_audit_log_without_secrets(place: Place, platform: httpx2.Client, ws: str) -> None:
    workspace = ws.partition("/")[2]
    digest = hashlib.sha256(b"audited" + ws.encode()).hexdigest()
    put(platform, f"{ws}/keys/k1", label="server", sha256=digest)
    platform.put(f"{ws}/labels/voice", json={"v1": "Rachel"})
    platform.delete(f"{ws}/keys/k1")
    platform.get(f"{ws}/keys")
    entries = place.deck.directory.audit_log.read(workspace, start=0, end=NOON + 1, equal={})
    assert [(e.action, e.target_kind, e.target_id) for e in entries] == [
        ("key.revoke", "key", "k1"),
        ("labels.set", "labels", "voice"),
        ("key.put", "key", "k1"),
        ("workspace.put", "workspace", workspace),
    ]
    assert {(e.actor_kind, e.address) for e in entries} == {("operator_key", "127.0.0.1")}
    assert digest not in str(entries)
    assert entries[2].details["label"] == "server"

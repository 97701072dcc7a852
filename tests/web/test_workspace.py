"""What people may look after in their workspace, by role: on the page and with keys of theirs."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from tests.house import NOON, House, build_house
from tests.web.conftest import Place
from tests.web.test_account import audit, signed_in
from tests.web.test_problems import problem
from usagedeck import admin, joining
from usagedeck.access import OF_ROLE, USUAL, Permission, Role
from usagedeck.admin import rights
from usagedeck.directory import keys
from usagedeck.times import HOUR, iso
from usagedeck.web.auth import COOKIE
from usagedeck.web.commands import Call
from usagedeck.web.workspace import CALLS

BASE = "/api/v1/workspace"
MANAGERS = ("owner", "admin")


@dataclass(frozen=True)
class Staff:
    """A workspace with somebody of every role, each signed in; ids are role and workspace."""

    house: House
    people: dict[str, httpx2.Client]

    def id(self, role: str) -> str:
        return f"{role}-{self.house.workspace_id}"

    def __getitem__(self, role: str) -> httpx2.Client:
        return self.people[role]


@pytest.fixture
def staff(place: Place, tenant: House) -> Iterator[Staff]:
    with ExitStack() as stack:
        people = {}
        for role in Role:
            user, token = f"{role}-{tenant.workspace_id}", f"token-of-{role}-in-{tenant.workspace_id}"
            tenant.do(admin.PutUser(id=user))
            tenant.do(admin.PutMember(workspace=tenant.workspace_id, user=user, role=role))
            expires = place.clock.now + HOUR
            place.deck.directory.sessions.add(keys.verifier(token), user, expires_at=expires, user_agent="firefox")
            people[role.value] = stack.enter_context(place.client(cookies={COOKIE: token}))
        yield Staff(tenant, people)


def call(client: httpx2.Client, method: str, path: str, status: int = 200, **said: Any) -> dict[str, Any]:
    answer = client.request(method, BASE + path, json=said or None)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def refused(client: httpx2.Client, method: str, path: str, status: int, **said: Any) -> dict[str, Any]:
    return problem(client.request(method, BASE + path, json=said or None), status)


# --- who comes in -------------------------------------------------------------------------------------------------


def ask(client: httpx2.Client, one: Call, **params: str) -> httpx2.Response:
    """The call, about things that are not there."""
    path = one.path.replace("{user}", "nobody").replace("{id}", "nothing")
    return client.request(one.method, BASE + path, params=params, json={} if one.method in ("POST", "PATCH") else None)


def test_a_role_does_what_it_may_and_nothing_else(place: Place, staff: Staff) -> None:
    for one in CALLS:
        right = next(right for right in rights.RIGHTS if one.command in right.commands)
        for role in Role:
            answer = ask(staff[role], one)
            if right.of(role) is rights.Reach.NONE:
                assert problem(answer, 403)["detail"] == right.refusal
            else:
                assert answer.status_code in (200, 201, 400, 404), answer.text
        with place.client() as nobody:
            assert problem(ask(nobody, one), 401)["code"] == "needs_authorization"


def test_keys_need_the_permission_for_it(place: Place, tenant: House) -> None:
    plain, _ = tenant.key_who(permissions=list(USUAL))
    may, _ = tenant.key_who(permissions=list(Permission))
    for one in CALLS:
        with place.client(plain) as client:
            said = problem(ask(client, one), 403)
            assert (said["code"], "workspace_manage" in said["detail"]) == ("missing_permissions", True)
        with place.client(may) as client:
            assert ask(client, one).status_code in (200, 201, 400, 404)


def test_a_members_key_manages_nothing_whatever_it_says(place: Place, staff: Staff) -> None:
    for role, status in (("owner", 200), ("admin", 200), ("member", 403), ("viewer", 403)):
        secret, _ = staff.house.key_who(user=staff.id(role), permissions=list(Permission))
        with place.client(secret) as client:
            assert client.get(f"{BASE}/members").status_code == status


def test_a_write_from_another_site_is_refused(staff: Staff) -> None:
    answer = staff["owner"].post(f"{BASE}/keys", json={}, headers={"origin": "https://evil.test"})
    assert problem(answer, 403)["code"] == "cross_site"


def test_somebody_elses_workspace_is_not_there(place: Place, staff: Staff) -> None:
    other = build_house(place.deck, "other")
    for one in CALLS:
        assert problem(ask(staff["owner"], one, workspace=other.workspace_id), 404)["code"] == "workspace_not_found"


def test_what_is_there_in_another_workspace_is_not_there(place: Place, staff: Staff) -> None:
    """The same answer as for what is nowhere."""
    other = build_house(place.deck, "other")
    other.do(admin.PutKey(workspace=other.workspace_id, id="there", label="x"))
    other.do(admin.PutGroup(workspace=other.workspace_id, id="there", name="x"))
    other.do(admin.PutServiceAccount(workspace=other.workspace_id, id="there", name="x"))
    other.do(admin.PutWebhook(workspace=other.workspace_id, id="there", name="x", url="https://x.test"))
    for part in ("groups", "service-accounts", "keys", "webhooks"):
        for method, change in (("PATCH", {"label" if part == "keys" else "name": "y"}), ("DELETE", {})):
            said = [refused(staff["owner"], method, f"/{part}/{id_}", 404, **change)["detail"] for id_ in ("there", "where")]
            assert said[0] == said[1].replace("where", "there")
    other.do(admin.PutUser(id="their-user"))
    other.do(admin.PutMember(workspace=other.workspace_id, user="their-user"))
    for user in ("their-user", "no-such-user"):
        assert refused(staff["owner"], "PATCH", f"/members/{user}", 404, role="admin")["code"] == "member_not_found"
        assert refused(staff["owner"], "POST", "/keys", 400, label="x", user=user)["field"] == "user"


# --- members ------------------------------------------------------------------------------------------------------


def test_members_are_listed_changed_and_removed(staff: Staff) -> None:
    owner, member = staff["owner"], staff.id("member")
    found = call(owner, "GET", "/members")["members"]
    assert sorted(m["role"] for m in found) == sorted(Role)
    assert call(owner, "PATCH", f"/members/{member}", full_read=True, credit_limit=7)["credit_limit"] == 7
    assert staff["member"].get("/api/v1/me").json()["views"] == ["account", "workspace"]
    call(owner, "PATCH", f"/members/{member}", locked=True)
    assert staff["member"].get("/api/v1/me").status_code == 404
    assert call(owner, "DELETE", f"/members/{member}")["removed"]
    assert refused(owner, "DELETE", f"/members/{member}", 404)["code"] == "member_not_found"
    assert refused(owner, "PATCH", f"/members/{member}", 404, role="viewer")["code"] == "member_not_found"


def test_admins_make_change_and_remove_no_owners(staff: Staff) -> None:
    admin_, owner, member = staff["admin"], staff.id("owner"), staff.id("member")
    for path, said in (
        (owner, {"role": "viewer"}),
        (owner, {"locked": True}),
        (member, {"role": "owner"}),
        (owner, {"full_read": True}),
    ):
        body = refused(admin_, "PATCH", f"/members/{path}", 403, **said)
        assert (body["field"], body["detail"]) == ("role", "Only owners make, change and remove owners.")
    assert refused(admin_, "DELETE", f"/members/{owner}", 403)["field"] == "role"
    assert refused(admin_, "PATCH", f"/members/{staff.id('admin')}", 403, role="owner")["field"] == "role"
    assert call(admin_, "PATCH", f"/members/{member}", role="admin")["role"] == "admin"
    assert call(admin_, "DELETE", f"/members/{member}")["removed"]


def test_a_key_makes_no_owners_even_an_owners(place: Place, staff: Staff) -> None:
    secret, _ = staff.house.key_who(user=staff.id("owner"), permissions=list(Permission))
    with place.client(secret) as client:
        assert refused(client, "PATCH", f"/members/{staff.id('member')}", 403, role="owner")["field"] == "role"
        assert call(client, "PATCH", f"/members/{staff.id('member')}", role="viewer")["role"] == "viewer"


def test_the_last_owner_stays(staff: Staff) -> None:
    owner, me, other = staff["owner"], staff.id("owner"), staff.id("admin")
    for said in ({"role": "admin"}, {"locked": True}):
        assert refused(owner, "PATCH", f"/members/{me}", 409, **said)["code"] == "last_owner"
    assert refused(owner, "DELETE", f"/members/{me}", 409)["code"] == "last_owner"
    call(owner, "PATCH", f"/members/{other}", role="owner", locked=True)
    assert refused(owner, "DELETE", f"/members/{me}", 409)["code"] == "last_owner", "one who is locked is no help"
    call(owner, "PATCH", f"/members/{other}", locked=False)
    assert call(owner, "PATCH", f"/members/{me}", role="member")["role"] == "member"
    assert refused(owner, "GET", "/members", 403)["code"] == "insufficient_permissions", "at once"


def test_the_table_of_rights_says_who_may_invite(place: Place, staff: Staff) -> None:
    for role in Role:
        may = [to for to in Role if joining.may_invite(place.deck, staff.house.workspace_id, staff.id(role), to)]
        assert staff[role].get("/api/v1/me").json()["invitable"] == may


# --- keys ---------------------------------------------------------------------------------------------------------


def test_a_key_is_made_shown_once_used_changed_and_revoked(place: Place, staff: Staff) -> None:
    owner = staff["owner"]
    made = call(
        owner, "POST", "/keys", 201, label="server", permissions=["events_write", "analytics_read"], allowed_ips=["127.0.0.1"]
    )
    secret, path = made["api_key"], f"/keys/{made['key_id']}"
    assert (made["user_id"], made["allowed_ips"], made["hint"]) == (staff.id("owner"), ["127.0.0.1/32"], secret[-4:])
    assert secret not in owner.get(f"{BASE}/keys").text
    with place.client(secret) as client:
        assert client.post("/v1/events", json=[{"id": made["key_id"], "time": NOON}]).json()["accepted"] == 1
        call(owner, "PATCH", path, disabled=True)
        assert client.get("/api/v1/me").status_code == 401
        call(owner, "PATCH", path, disabled=False, label="server 2", expires_at=iso(NOON + 10**9))
        assert client.get("/api/v1/me").status_code == 200
        assert call(owner, "DELETE", path)["revoked"]
        assert client.get("/api/v1/me").status_code == 401
    (listed,) = [key for key in call(owner, "GET", "/keys")["keys"] if key["key_id"] == made["key_id"]]
    assert (listed["label"], listed["revoked_at"], listed["last_used_at"]) == (
        "server 2",
        iso(place.clock.now),
        iso(place.clock.now),
    )
    assert refused(owner, "DELETE", path, 404)["code"] == "api_key_not_found"
    assert refused(owner, "PATCH", path, 409, label="again")["code"] == "api_key_revoked"


def test_members_have_their_own_keys_only(staff: Staff) -> None:
    member, owner = staff["member"], staff["owner"]
    mine = call(member, "POST", "/keys", 201, label="mine")
    theirs = call(owner, "POST", "/keys", 201, label="theirs")["key_id"]
    nobodys = call(owner, "POST", "/keys", 201, label="nobody's", user=None)
    assert (mine["user_id"], nobodys["user_id"]) == (staff.id("member"), None)
    assert [key["key_id"] for key in call(member, "GET", "/keys")["keys"]] == [mine["key_id"]]
    for id_ in (theirs, nobodys["key_id"], "key_nowhere"):
        said = [refused(member, "PATCH", f"/keys/{id_}", 404, label="x"), refused(member, "DELETE", f"/keys/{id_}", 404)]
        assert {one["detail"].replace(id_, "…") for one in said} == {'There is no active key "…" in this workspace.'}
    for user in (staff.id("owner"), None):
        assert refused(member, "POST", "/keys", 403, label="x", user=user)["field"] == "user"
    path = f"/keys/{mine['key_id']}"
    assert call(member, "PATCH", path, label="renamed")["label"] == "renamed"
    assert refused(member, "PATCH", path, 403, user=staff.id("owner"))["field"] == "user"
    call(owner, "PATCH", path, disabled=True, credit_limit=5)
    changes: tuple[dict[str, Any], ...] = (
        {"disabled": False},
        {"credit_limit": None},
        {"expires_at": None},
        {"allowed_ips": []},
        {"permissions": ["analytics_read"]},
        {"music_concurrency_limit": 9},
    )
    for change in changes:
        assert refused(member, "PATCH", path, 403, **change)["field"] == next(iter(change)), "what an admin decided stays"
    assert call(member, "DELETE", path)["revoked"]


def test_nobody_grants_what_they_do_not_have(place: Place, staff: Staff) -> None:
    for wanted in ("workspace_analytics_full_read", "audit_log_read", "workspace_manage"):
        body = refused(staff["member"], "POST", "/keys", 403, label="x", permissions=["analytics_read", wanted])
        assert (body["field"], wanted in body["detail"]) == ("permissions", True)
        assert wanted in call(staff["admin"], "POST", "/keys", 201, label="x", permissions=[wanted])["permissions"]
    staff.house.do(admin.PutMember(workspace=staff.house.workspace_id, user=staff.id("member"), full_read=True))
    call(staff["member"], "POST", "/keys", 201, label="x", permissions=["workspace_analytics_full_read"])
    secret, _ = staff.house.key_who(permissions=[Permission.MANAGE, Permission.READ])
    with place.client(secret) as client:
        assert refused(client, "POST", "/keys", 403, label="x")["field"] == "permissions", "it may send no events itself"
        call(client, "POST", "/keys", 201, label="x", permissions=["analytics_read"])
        assert refused(client, "POST", "/groups", 403, name="G", permissions=["audit_log_read"])["field"] == "permissions"
    assert refused(staff["owner"], "POST", "/keys", 400, label="x", permissions=[])["field"] == "permissions"


def test_a_wrong_field_is_named(staff: Staff) -> None:
    wrong: dict[str, Any] = {
        "allowed_ips": ["10.0.0.300"],
        "expires_at": "tomorrow",
        "credit_limit": -1,
        "dubbing_concurrency_limit": 10**7,
        "label": "",
        "permissions": ["everything"],
        "sha256": "0" * 64,
        "id": "mine",
        "workspace": "other",
    }
    for field, value in wrong.items():
        assert refused(staff["owner"], "POST", "/keys", 400, **{"label": "x", field: value})["field"] == field


# --- the rest -----------------------------------------------------------------------------------------------------


def test_groups_service_accounts_and_webhooks(staff: Staff) -> None:
    for role in MANAGERS:
        client = staff[role]
        group = call(client, "POST", "/groups", 201, name="Care", users=[staff.id("member")], permissions=["audit_log_read"])
        assert call(client, "PATCH", f"/groups/{group['id']}", users=[])["users"] == []
        assert [one["name"] for one in call(client, "GET", "/groups")["groups"]] == ["Care"]
        assert call(client, "DELETE", f"/groups/{group['id']}")["removed"]
        bot = call(client, "POST", "/service-accounts", 201, name="Bot")["id"]
        key = call(client, "POST", "/keys", 201, label="bot's", user=bot)
        assert key["user_id"] == bot
        assert call(client, "DELETE", f"/service-accounts/{bot}")["removed"]
        hook = call(client, "POST", "/webhooks", 201, name="Orders", url="https://x.test/", events=["done"])
        assert refused(client, "POST", "/webhooks", 400, name="Orders")["field"] == "url"
        assert refused(client, "POST", "/webhooks", 400, name="x", url="ftp://x")["field"] == "url"
        assert (
            refused(client, "POST", "/webhooks", 400, name="x", url="https://x", request_headers=["a: b"])["field"]
            == "request_headers"
        )
        assert (
            refused(client, "POST", "/webhooks", 400, name="x", url="https://x", request_headers={"a": "b"})["field"]
            == "request_headers"
        )
        assert call(client, "PATCH", f"/webhooks/{hook['id']}", request_headers=["X-Env"])["request_headers"] == ["X-Env"]
        assert call(client, "PATCH", f"/webhooks/{hook['id']}", disabled=True)["disabled"]
        assert call(client, "DELETE", f"/webhooks/{hook['id']}")["removed"]


def test_who_enables_a_webhook_that_failed_for_too_long_gives_it_another_chance(staff: Staff) -> None:
    workspace = staff.house.workspace_id
    failing = {"command": "webhook.put", "id": "wh", "name": "Orders", "url": "https://x.test/", "disabled": True}
    failing |= {"auto_disabled": True, "failed_at": NOON, "failed_status": 503}
    staff.house.do(admin.decode(json.dumps(failing | {"workspace": workspace})))
    assert call(staff["admin"], "PATCH", "/webhooks/wh", name="Orders 2")["auto_disabled"]
    enabled = call(staff["admin"], "PATCH", "/webhooks/wh", disabled=False)
    assert (enabled["disabled"], enabled["auto_disabled"], enabled["failed_status"]) == (False, False, 503)
    assert refused(staff["admin"], "PATCH", "/webhooks/wh", 400, failed_status=None)["field"] == "failed_status"


def test_settings(staff: Staff) -> None:
    said: dict[str, Any] = {
        "name": "Acme",
        "time_zone": "Europe/Berlin",
        "billing_day": 5,
        "concurrency_limit": 9,
        "redactions": ["path"],
    }
    for role in MANAGERS:
        assert said.items() <= call(staff[role], "PATCH", "/settings", **said, retention_days=30).items()
    shown = call(staff["owner"], "GET", "/settings")
    assert (shown["retention_days"], shown["rollup_days"], shown["currency"], shown["events_from"]) == (30, 30, "usd", None)
    for wrong, field in (
        ({"time_zone": "Mars"}, "time_zone"),
        ({"billing_day": 32}, "billing_day"),
        ({"currency": "eur"}, "currency"),
    ):
        assert refused(staff["owner"], "PATCH", "/settings", 400, **wrong)["field"] == field


def test_every_write_is_in_the_audit_log_and_no_secret(place: Place, staff: Staff) -> None:
    owner = staff["owner"]
    key = call(owner, "POST", "/keys", 201, label="server")
    call(owner, "PATCH", f"/keys/{key['key_id']}", disabled=True)
    call(owner, "DELETE", f"/keys/{key['key_id']}")
    call(owner, "PATCH", f"/members/{staff.id('member')}", role="viewer")
    call(owner, "PATCH", "/settings", name="Acme")
    call(owner, "GET", "/members")
    refused(staff["member"], "PATCH", "/settings", 403, name="Mine")
    place.clock.now += 1
    found = audit(owner, actor_kind="user")
    assert [(e["action"], e["actor_id"], e["target_id"]) for e in found if not e["action"].startswith("session")] == [
        ("workspace.put", staff.id("owner"), staff.house.workspace_id),
        ("member.put", staff.id("owner"), staff.id("member")),
        *((action, staff.id("owner"), key["key_id"]) for action in ("key.revoke", "key.put", "key.put")),
    ]
    assert key["api_key"] not in str(found)
    assert "keep_owner" not in str(found)


def test_me_says_what_is_open(place: Place, staff: Staff) -> None:
    closed = {role: {name for name, why in staff[role].get("/api/v1/me").json()["areas"].items() if why} for role in Role}
    assert closed == {
        "owner": set(),
        "admin": set(),
        "member": {"members", "webhooks", "settings", "audit"},
        "viewer": {"members", "keys", "webhooks", "settings", "audit"},
    }
    me = {role: staff[role].get("/api/v1/me").json() for role in Role}
    assert {role: set(one["givable"]) for role, one in me.items()} == {
        "owner": set(Role),
        "admin": set(Role) - {Role.OWNER},
        "member": set(),
        "viewer": set(),
    }
    all_, own = set(Permission), {Permission.WRITE, *OF_ROLE[Role.MEMBER]}
    wanted = {"owner": all_, "admin": all_, "member": own, "viewer": set()}
    assert {role: set(one["grantable"]) for role, one in me.items()} == wanted
    with place.client(staff.house.api_key) as client:
        body = client.get("/api/v1/me").json()
        assert all(body["areas"][name] for name in ("members", "keys", "webhooks", "settings", "sessions"))
        assert body["givable"] == []


def test_all_other_sessions_end_at_once(place: Place, tenant: House) -> None:
    name = f"gil-{tenant.workspace_id}"
    with signed_in(place, tenant, name) as here, signed_in(place, tenant, name) as there, signed_in(place, tenant, name) as third:
        assert here.delete("/api/v1/sessions").json() == {"ended": 2}
        assert [client.get("/api/v1/me").status_code for client in (here, there, third)] == [200, 401, 401]
        assert here.delete("/api/v1/sessions").json() == {"ended": 0}
    with place.client() as nobody:
        assert problem(nobody.delete("/api/v1/sessions"), 401)["code"] == "not_signed_in"

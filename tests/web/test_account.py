"""The audit log and one's own sessions: whoever may read them, and that they are of one workspace and of one person."""

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest

from tests.house import House, build_house
from tests.web.conftest import Place
from tests.web.test_problems import problem
from usagedeck import admin
from usagedeck.access import Permission, Role
from usagedeck.times import iso

PASSWORD = "a good password"


@contextmanager
def signed_in(place: Place, house: House, name: str, role: Role = Role.MEMBER, agent: str = "firefox") -> Iterator[httpx2.Client]:
    email = f"{name}@x.test"
    if place.deck.directory.people.by_email(email) is None:
        house.do(admin.AddUser(workspace=house.workspace_id, id=name, email=email, password=PASSWORD, role=role))
    with place.client(headers={"user-agent": agent}) as client:
        assert client.post("/api/v1/session", json={"email": email, "password": PASSWORD}).status_code == 204
        yield client


def audit(client: httpx2.Client, **params: Any) -> list[dict[str, Any]]:
    answer = client.get("/api/v1/audit", params=params)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    names = [column["name"] for column in body["columns"]]
    return [dict(zip(names, row, strict=True)) for row in body["rows"]]


# --- the audit log ------------------------------------------------------------------------------------------------


def test_it_has_who_did_what_to_what(place: Place, tenant: House, sender: httpx2.Client) -> None:
    place.clock.now += 1
    tenant.do(admin.PutKey(workspace=tenant.workspace_id, id="k1", label="server"))
    with signed_in(place, tenant, f"ana-{tenant.workspace_id}", Role.ADMIN) as ana:
        place.clock.now += 1
        assert ana.get("/api/v1/requests.csv", params={"range": "1d", "search": "x"}).status_code == 200
        assert sender.get("/api/v1/usage", headers={"accept": "text/csv"}).status_code == 200
        assert sender.get("/api/v1/values/model.csv").status_code == 200
        place.clock.now += 1
        found = audit(ana)
    user = f"ana-{tenant.workspace_id}"
    seen = [(e["action"], e["actor_kind"], e["actor_id"], e["target_kind"], e["target_id"]) for e in found]
    key = tenant.who.key_id
    assert seen == [
        ("export", "api_key", key, "csv", "values"),
        ("export", "api_key", key, "csv", "usage"),
        ("export", "user", user, "csv", "requests"),
        ("session.begin", "user", user, "user", user),
        ("user.add", "operator", "command line", "user", user),
        ("key.put", "operator", "command line", "key", "k1"),
        ("workspace.create", "operator", "command line", "workspace", tenant.workspace_id),
    ]
    assert found[2]["details"] == '{"question":"range=1d&search=x"}'
    assert found[2]["address"] == "127.0.0.1"
    assert found[2]["time"] == iso(place.clock.now - 1)
    assert PASSWORD not in str(found)
    assert tenant.api_key not in str(found)


def test_only_owners_admins_and_keys_with_the_permission_read_it(place: Place, tenant: House) -> None:
    for role, allowed in ((Role.OWNER, True), (Role.ADMIN, True), (Role.MEMBER, False), (Role.VIEWER, False)):
        with signed_in(place, tenant, f"{role}-{tenant.workspace_id}", role) as client:
            answer = client.get("/api/v1/audit")
            if allowed:
                assert answer.status_code == 200
            else:
                assert problem(answer, 403)["detail"].startswith("You are missing the permission audit_log_read")
    reader, _ = tenant.key_who(permissions=[Permission.READ, Permission.FULL_READ])
    with place.client(reader) as client:
        for path in ("audit", "audit.csv"):
            assert problem(client.get(f"/api/v1/{path}"), 403)["code"] == "missing_permissions"
    with place.client() as client:
        problem(client.get("/api/v1/audit"), 401)


def test_a_failed_sign_in_is_in_it_and_says_nothing_to_who_tried(place: Place, tenant: House, sender: httpx2.Client) -> None:
    name = f"cy-{tenant.workspace_id}"
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, id=name, email=f"{name}@x.test", password=PASSWORD))
    with place.client() as client:
        tries = [client.post("/api/v1/session", json={"email": e, "password": "wrong"}) for e in (f"{name}@x.test", "no@x.test")]
    assert tries[0].status_code == tries[1].status_code == 401
    assert tries[0].json()["detail"] == tries[1].json()["detail"]
    place.clock.now += 1
    assert [e["actor_id"] for e in audit(sender, action="session.refused")] == [name]


def test_a_refused_sign_in_of_nobody_is_noted_in_the_servers_log(place: Place) -> None:
    """As much is written for an address that has no account: the time it takes does not tell whether it has one."""

    def noted() -> list[str]:
        entries = place.deck.directory.audit_log.read(None, start=0, end=2**60, equal={"action": "session.refused"})
        return [entry.actor_id for entry in entries]

    before = noted()
    with place.client() as client:
        assert client.post("/api/v1/session", json={"email": "nobody@x.test", "password": "guess"}).status_code == 401
    assert noted() == ["", *before]


def test_nothing_of_another_workspace_is_in_it(place: Place, tenant: House, sender: httpx2.Client) -> None:
    """Not by filters, and not by a cursor that was made there."""
    other = build_house(place.deck, "other")
    for n in range(3):
        other.do(admin.PutGroup(workspace=other.workspace_id, id=f"foreign-{n}", name="Foreign"))
    place.clock.now += 1
    with place.client(other.api_key) as theirs:
        cursor = theirs.get("/api/v1/audit", params={"limit": 1}).json()["older"]
        assert len(audit(theirs, target_id="foreign-1")) == 1
    for asked in ({}, {"cursor": cursor}, {"target_id": "foreign-1"}, {"target_kind": "group"}, {"actor_kind": "operator"}):
        found = audit(sender, **asked)
        assert "foreign" not in str(found).lower()
        assert other.workspace_id not in str(found)
    assert problem(sender.get("/api/v1/audit", params={"workspace": other.workspace_id}), 404)["code"] == "workspace_not_found"


def test_pages_and_csv_have_every_entry_once(place: Place, tenant: House, sender: httpx2.Client) -> None:
    for n in range(5):
        tenant.do(admin.PutGroup(workspace=tenant.workspace_id, id=f"g{n}", name='=1+1 "quoted"'))
    place.clock.now += 1
    seen, params = [], {"limit": "2", "target_kind": "group"}
    while True:
        body = sender.get("/api/v1/audit", params=params).json()
        seen += [row[7] for row in body["rows"]]
        if body["older"] is None:
            break
        params["cursor"] = body["older"]
    assert seen == ["g4", "g3", "g2", "g1", "g0"]
    answer = sender.get("/api/v1/audit.csv", params={"target_kind": "group", "time_zone": "Asia/Tokyo"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert "usagedeck_audit_" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["target_id"] for row in rows] == seen
    assert rows[0]["time"].endswith("+09:00")
    place.clock.now += 1
    assert audit(sender, action="export")[0]["target_id"] == "audit", "reading all of it is noted, too"


@pytest.mark.parametrize("cursor", ["x", "1", "1-", "-1", "1-2-3", "1--2", "9" * 50, "9" * 19 + "-1", "１-１"])
def test_a_crafted_cursor_is_refused(sender: httpx2.Client, cursor: str) -> None:
    assert problem(sender.get("/api/v1/audit", params={"cursor": cursor}), 400)["code"] == "bad_cursor"


def test_a_window_is_half_open(place: Place, tenant: House, sender: httpx2.Client) -> None:
    at = place.clock.now
    tenant.do(admin.PutGroup(workspace=tenant.workspace_id, id="g", name="Group"))
    place.clock.now += 10
    asked = {"target_kind": "group"}
    assert len(audit(sender, **asked, start=at, end=at + 1)) == 1
    assert audit(sender, **asked, start=at - 1, end=at) == audit(sender, **asked, start=at + 1, end=at + 9) == []


# --- sessions -----------------------------------------------------------------------------------------------------


def test_sessions_are_listed_and_ended_one_by_one(place: Place, tenant: House) -> None:
    name = f"dee-{tenant.workspace_id}"
    with signed_in(place, tenant, name, agent="laptop") as here, signed_in(place, tenant, name, agent="phone") as there:
        found = here.get("/api/v1/sessions").json()["sessions"]
        assert sorted((s["user_agent"], s["current"], s["address"]) for s in found) == [
            ("laptop", True, "127.0.0.1"),
            ("phone", False, "127.0.0.1"),
        ]
        cookie = there.cookies["usagedeck_session"]
        assert cookie not in str(found), "what is listed signs nobody in"
        phone = next(s["id"] for s in found if not s["current"])
        assert here.delete(f"/api/v1/sessions/{phone}").status_code == 204
        assert there.get("/api/v1/me").status_code == 401
        assert here.get("/api/v1/me").status_code == 200
        assert problem(here.delete(f"/api/v1/sessions/{phone}"), 404)["code"] == "session_not_found"


def test_sessions_of_others_are_nobodys_business(place: Place, tenant: House, sender: httpx2.Client) -> None:
    with (
        signed_in(place, tenant, f"eve-{tenant.workspace_id}") as eve,
        signed_in(place, tenant, f"fay-{tenant.workspace_id}", Role.OWNER) as fay,
    ):
        (one,) = eve.get("/api/v1/sessions").json()["sessions"]
        assert one["id"] not in {s["id"] for s in fay.get("/api/v1/sessions").json()["sessions"]}
        refused = [problem(fay.delete(f"/api/v1/sessions/{id_}"), 404)["detail"] for id_ in (one["id"], "0" * 16)]
        assert len(set(refused)) == 1
        assert eve.get("/api/v1/me").status_code == 200
    assert problem(sender.get("/api/v1/sessions"), 401)["code"] == "not_signed_in"
    assert problem(sender.delete("/api/v1/sessions/x"), 401)["code"] == "not_signed_in"

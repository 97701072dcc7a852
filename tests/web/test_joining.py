"""Invitations by link: who may send them, what a link is worth and to whom, and that nothing is said without one."""

from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.house import House
from tests.web.conftest import Place
from tests.web.test_account import PASSWORD, audit, signed_in
from tests.web.test_problems import problem
from usagedeck import admin
from usagedeck.access import Permission, Role
from usagedeck.catalog.dimensions import Label
from usagedeck.times import DAY, iso

_numbers = count()
CHOSEN = "a password of my own"


@pytest.fixture
def owner(place: Place, tenant: House) -> Iterator[httpx2.Client]:
    with signed_in(place, tenant, f"owner-{tenant.workspace_id}", Role.OWNER) as client:
        yield client


@pytest.fixture
def email() -> str:
    """An address that nobody has yet."""
    return f"new-{next(_numbers)}@x.test"


def invite(client: httpx2.Client, email: str, **said: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/workspace/invitations", json={"email": email, **said})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def token_of(made: dict[str, Any]) -> str:
    return str(made["link"]).partition("#")[2]


def look(client: httpx2.Client, made: dict[str, Any]) -> httpx2.Response:
    return client.post("/api/v1/invitations/open", json={"token": token_of(made)})


def join(client: httpx2.Client, made: dict[str, Any], **said: Any) -> httpx2.Response:
    return client.post("/api/v1/invitations/accept", json={"token": token_of(made), **said})


def worthless(place: Place, made: dict[str, Any]) -> None:
    with place.client() as client:
        for answer in (look(client, made), join(client, made, password=CHOSEN)):
            assert problem(answer, 404)["code"] == "invitation_not_found"
        assert "set-cookie" not in answer.headers


# --- joining ------------------------------------------------------------------------------------------------------


def test_somebody_new_joins_and_is_signed_in(place: Place, tenant: House, owner: httpx2.Client, email: str) -> None:
    tenant.do(admin.PutGroup(workspace=tenant.workspace_id, id="team", name="Team"))
    place.clock.now += 1
    made = invite(owner, email.upper(), role="member", full_read=True, groups=["team"], credit_limit=1000)
    assert made["expires_at"] == iso(place.clock.now + 7 * DAY)
    link = urlsplit(made["link"])
    assert (f"{link.scheme}://{link.netloc}", link.path, link.query) == (place.url, "/join", "")
    with place.client(headers={"user-agent": "firefox"}) as client:
        assert look(client, made).json() == {
            "workspace": "acme",
            "email": email,
            "role": "member",
            "invited_by": f"owner-{tenant.workspace_id}@x.test",
            "expires": made["expires_at"],
            "asks": "new_password",
            "password": True,
            "provider": None,
            "shortest_password": 10,
        }
        place.clock.now += 1
        answer = join(client, made, name="New One", password=CHOSEN)
        assert answer.json() == {"workspace": tenant.workspace_id}
        assert "HttpOnly" in answer.headers["set-cookie"]
        me = client.get("/api/v1/me").json()
        assert (me["workspace"]["id"], me["role"]) == (tenant.workspace_id, "member")
        assert (me["user"]["email"], me["user"]["name"], me["views"]) == (email, "New One", ["account", "workspace"])
    id_ = me["user"]["id"]
    assert place.deck.directory.groups.of_users(tenant.workspace_id) == {id_: ("team",)}
    member = place.deck.directory.people.member(tenant.workspace_id, id_)
    assert member is not None
    assert member.credit_limit == 1000
    with place.client() as client:
        assert client.post("/api/v1/session", json={"email": email, "password": CHOSEN}).status_code == 204
    worthless(place, made)
    (listed,) = owner.get("/api/v1/workspace/invitations").json()["invitations"]
    assert (listed["state"], listed["accepted_by"], listed["accepted_at"]) == ("accepted", id_, iso(place.clock.now))
    assert "link" not in listed
    place.clock.now += 1
    entries = [(e["action"], e["actor_id"], e["target_kind"], e["target_id"]) for e in audit(owner)]
    by = f"owner-{tenant.workspace_id}"
    assert ("invitation.create", by, "invitation", made["id"]) in entries
    assert ("invitation.accept", id_, "invitation", made["id"]) in entries
    assert ("session.begin", id_, "user", id_) in entries
    assert token_of(made) not in str(audit(owner))


def test_the_token_is_kept_nowhere(place: Place, owner: httpx2.Client, email: str) -> None:
    token = token_of(invite(owner, email)).encode()
    assert len(token) >= 43
    for file in place.deck.settings.data_dir.glob("directory.sqlite*"):
        assert token not in file.read_bytes(), file


def test_whoever_has_an_account_must_sign_in_as_it(place: Place, tenant: House, owner: httpx2.Client) -> None:
    other = admin.perform(place.deck, admin.CreateWorkspace(name="other"))["workspace_id"]
    name = f"has-{tenant.workspace_id}"
    place.house.do(admin.AddUser(workspace=other, id=name, email=f"{name}@x.test", password=PASSWORD, name="Has One"))
    made = invite(owner, f"{name}@x.test", role="viewer")
    with place.client() as stranger, signed_in(place, tenant, f"mate-{tenant.workspace_id}") as mate:
        for client in (stranger, mate):
            assert look(client, made).json()["asks"] == "sign_in"
            body = problem(join(client, made, name="Me", password=CHOSEN), 401)
            assert (body["code"], "set-cookie" in client.headers) == ("sign_in_first", False)
    with signed_in(place, tenant, name) as client:
        assert client.get("/api/v1/me", params={"workspace": tenant.workspace_id}).status_code == 404
        assert look(client, made).json()["asks"] == "nothing"
        answer = join(client, made, name="Other Name", password=CHOSEN)
        assert answer.json() == {"workspace": tenant.workspace_id}
        me = client.get("/api/v1/me", params={"workspace": tenant.workspace_id}).json()
        assert (me["role"], me["user"]["name"], len(me["workspaces"])) == ("viewer", "Has One", 2)
    with place.client() as client:
        assert client.post("/api/v1/session", json={"email": f"{name}@x.test", "password": CHOSEN}).status_code == 401


@pytest.mark.parametrize(("sender", "asks"), [("the server", "new_password"), ("a member", "sign_in")])
def test_only_the_servers_link_gives_a_first_password_to_an_account(
    place: Place, tenant: House, owner: httpx2.Client, email: str, sender: str, asks: str
) -> None:
    """Otherwise an admin could take over whoever a platform made elsewhere, by inviting them and using the link."""
    place.house.do(admin.PutUser(id=f"made-{email}", email=email, name="Made"))
    if sender == "the server":
        made = tenant.do(admin.CreateInvitation(workspace=tenant.workspace_id, email=email))
    else:
        made = invite(owner, email)
    with place.client() as client:
        assert look(client, made).json()["asks"] == asks
        assert join(client, made, password=CHOSEN).status_code == (200 if asks == "new_password" else 401)
    user = place.deck.directory.people.by_email(email)
    assert user is not None
    assert (user.id, user.name, user.password is not None) == (f"made-{email}", "Made", asks == "new_password")


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "password"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 1001}, "password"),
        ({"name": "x" * 201}, "name"),
    ],
)
def test_a_bad_password_uses_nothing_up(place: Place, owner: httpx2.Client, email: str, said: dict[str, Any], field: str) -> None:
    made = invite(owner, email)
    with place.client() as client:
        assert problem(join(client, made, **said), 400)["field"] == field
        assert place.deck.directory.people.by_email(email) is None
        assert join(client, made, password=CHOSEN).status_code == 200


def test_who_was_erased_does_not_come_back_by_a_link(place: Place, tenant: House, owner: httpx2.Client) -> None:
    name = f"gone-{tenant.workspace_id}"
    other = admin.perform(place.deck, admin.CreateWorkspace(name="other"))["workspace_id"]
    for space in (tenant.workspace_id, other):
        place.house.do(admin.AddUser(workspace=space, id=name, email=f"{name}@x.test", password=PASSWORD))
    tenant.do(admin.Erase(workspace=tenant.workspace_id, kind=Label.USER, id=name))
    made = invite(owner, f"{name}@x.test")
    with signed_in(place, tenant, name) as client:
        assert problem(join(client, made), 409)["code"] == "erased"


# --- what a link is worth -----------------------------------------------------------------------------------------


def test_a_link_is_worth_nothing_after_its_time(place: Place, owner: httpx2.Client, email: str) -> None:
    made = invite(owner, email)
    place.clock.now += 7 * DAY - 1
    with place.client() as client:
        assert look(client, made).status_code == 200
    place.clock.now += 1
    worthless(place, made)
    (listed,) = owner.get("/api/v1/workspace/invitations").json()["invitations"]
    assert listed["state"] == "expired"


def test_a_link_is_worth_nothing_when_it_is_taken_back(place: Place, owner: httpx2.Client, email: str) -> None:
    made = invite(owner, email)
    assert owner.delete(f"/api/v1/workspace/invitations/{made['id']}").status_code == 204
    assert problem(owner.delete(f"/api/v1/workspace/invitations/{made['id']}"), 404)["code"] == "invitation_not_found"
    worthless(place, made)
    assert owner.get("/api/v1/workspace/invitations").json() == {"invitations": []}
    place.clock.now += 1
    assert audit(owner, action="invitation.revoke")[0]["target_id"] == made["id"]


def test_a_new_link_takes_the_place_of_the_former(place: Place, owner: httpx2.Client, email: str) -> None:
    former, made = invite(owner, email, role="admin"), invite(owner, email.upper())
    worthless(place, former)
    with place.client() as client:
        assert look(client, made).json()["role"] == "member"


@pytest.mark.parametrize("change", ["removed", "locked", "demoted"])
def test_a_link_is_worth_what_its_sender_may_do(place: Place, tenant: House, email: str, change: str) -> None:
    boss = f"boss-{tenant.workspace_id}"
    with signed_in(place, tenant, boss, Role.OWNER) as client:
        made = invite(client, email, role="admin")
        lesser = invite(client, f"lesser-{email}", role="viewer")
    if change == "removed":
        tenant.do(admin.RemoveMember(workspace=tenant.workspace_id, user=boss))
    elif change == "locked":
        tenant.do(admin.PutMember(workspace=tenant.workspace_id, user=boss, locked=True))
    else:
        tenant.do(admin.PutMember(workspace=tenant.workspace_id, user=boss, role=Role.ADMIN))
    worthless(place, made)
    states = {
        one["email"]: one["state"] for one in tenant.do(admin.ListInvitations(workspace=tenant.workspace_id))["invitations"]
    }
    assert states[email] == "void"
    assert states[f"lesser-{email}"] == ("waiting" if change == "demoted" else "void")
    with place.client() as client:
        assert look(client, lesser).status_code == (200 if change == "demoted" else 404)


@pytest.mark.parametrize("token", ["", "x", "é", "' OR 1=1 --", "A" * 43, "\0"])
def test_a_token_that_is_none(place: Place, owner: httpx2.Client, email: str, token: str) -> None:
    invite(owner, email)
    said = set()
    with place.client() as client:
        for path, body in (("open", {}), ("accept", {"password": CHOSEN})):
            found = problem(client.post(f"/api/v1/invitations/{path}", json={"token": token, **body}), 404)
            said.add((found["code"], found["detail"]))
    assert len(said) == 1


def test_nothing_is_said_of_an_address_without_its_link(place: Place, tenant: House, owner: httpx2.Client, email: str) -> None:
    """Inviting says the same, whether the address has an account elsewhere or not."""
    known = f"known-{email}"
    other = admin.perform(place.deck, admin.CreateWorkspace(name="other"))["workspace_id"]
    place.house.do(admin.AddUser(workspace=other, email=known, password=PASSWORD))
    own = {"id": "", "link": "", "email": ""}
    assert invite(owner, known) | own == invite(owner, email) | own


# --- who may invite -----------------------------------------------------------------------------------------------

ALLOWED = {
    Role.OWNER: {Role.OWNER, Role.ADMIN, Role.MEMBER, Role.VIEWER},
    Role.ADMIN: {Role.MEMBER, Role.VIEWER},
    Role.MEMBER: set(),
    Role.VIEWER: set(),
}


@pytest.mark.parametrize("sender", Role)
def test_who_may_invite_whom(place: Place, tenant: House, sender: Role) -> None:
    with signed_in(place, tenant, f"{sender}-{tenant.workspace_id}", sender) as client:
        for role in Role:
            said = {"email": f"to-{role}@x.test", "role": role}
            answer = client.post("/api/v1/workspace/invitations", json=said)
            assert answer.status_code == (201 if role in ALLOWED[sender] else 403), (sender, role)
        if not ALLOWED[sender]:
            assert problem(client.get("/api/v1/workspace/invitations"), 403)["code"] == "insufficient_permissions"
            assert problem(client.delete("/api/v1/workspace/invitations/x"), 403)["code"] == "insufficient_permissions"


def test_no_key_manages_invitations(place: Place, tenant: House, sender: httpx2.Client) -> None:
    manages, _ = tenant.key_who(permissions=list(Permission))
    with place.client("operator") as operator, place.client() as nobody, place.client(manages) as manager:
        for client, status in ((sender, 403), (nobody, 401), (manager, 403)):
            assert client.get("/api/v1/workspace/invitations").status_code == status
            assert client.post("/api/v1/workspace/invitations", json={"email": "a@b"}).status_code == status
            assert client.delete("/api/v1/workspace/invitations/x").status_code == status
        assert operator.get("/api/v1/workspace/invitations").status_code >= 400


def test_invitations_of_another_workspace_are_not_there(place: Place, owner: httpx2.Client, email: str) -> None:
    other = admin.perform(place.deck, admin.CreateWorkspace(name="other"))["workspace_id"]
    foreign = place.house.do(admin.CreateInvitation(workspace=other, email=email))
    for call, path in (("GET", ""), ("POST", ""), ("DELETE", f"/{foreign['id']}")):
        body = {"email": email} if call == "POST" else None
        answer = owner.request(call, f"/api/v1/workspace/invitations{path}", params={"workspace": other}, json=body)
        assert problem(answer, 404)["code"] == "workspace_not_found"
    assert problem(owner.delete(f"/api/v1/workspace/invitations/{foreign['id']}"), 404)["code"] == "invitation_not_found"
    assert owner.get("/api/v1/workspace/invitations").json() == {"invitations": []}


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({}, "email"),
        ({"email": "nobody"}, "email"),
        ({"email": "a@b", "role": "king"}, "role"),
        ({"email": "a@b", "groups": ["never-was"]}, "groups"),
        ({"email": "a@b", "groups": ["bad id"]}, "groups"),
        ({"email": "a@b", "credit_limit": -1}, "credit_limit"),
    ],
)
def test_what_cannot_be_sent(owner: httpx2.Client, said: dict[str, Any], field: str) -> None:
    assert problem(owner.post("/api/v1/workspace/invitations", json=said), 400)["field"] == field


def test_a_member_is_not_invited_again(tenant: House, owner: httpx2.Client) -> None:
    said = {"email": f"OWNER-{tenant.workspace_id}@x.test"}
    assert problem(owner.post("/api/v1/workspace/invitations", json=said), 409)["code"] == "already_exists"


def test_a_platform_invites_for_its_own_admins(place: Place, tenant: House, email: str) -> None:
    secret = admin.perform(place.deck, admin.CreateOperatorKey(label="mirror"))["operator_key"]
    boss = f"boss-{tenant.workspace_id}"
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, id=boss, email=f"{boss}@x.test", password=PASSWORD, role=Role.ADMIN))
    path = f"/api/v1/admin/workspaces/{tenant.workspace_id}/invitations"
    with place.client(headers={"authorization": f"Bearer {secret}"}) as platform:
        said = {"email": email, "role": "admin", "sender": boss}
        assert problem(platform.post(path, json=said), 403)["field"] == "role"
        made = platform.post(path, json={**said, "role": "viewer"}).json()
        assert made["invited_by"] == boss
        assert made["link"].startswith(f"{place.deck.settings.page_url}/join#")
        assert [one["id"] for one in platform.get(path).json()["invitations"]] == [made["id"]]
        assert platform.delete(f"{path}/{made['id']}").json() == {"id": made["id"], "revoked": True}
        assert problem(platform.post(path, json={}), 400)["field"] in (None, "email")


def test_another_site_cannot_use_the_session(place: Place, owner: httpx2.Client, email: str) -> None:
    answer = owner.post("/api/v1/workspace/invitations", json={"email": email}, headers={"origin": "https://evil.test"})
    assert problem(answer, 403)["code"] == "cross_site"


# --- one's own password -------------------------------------------------------------------------------------------


def change(client: httpx2.Client, password: str = PASSWORD, new: str = CHOSEN) -> httpx2.Response:
    return client.post("/api/v1/account/password", json={"password": password, "new_password": new})


def test_a_new_password_ends_all_sessions_but_the_one_that_asks(place: Place, tenant: House, owner: httpx2.Client) -> None:
    name = f"pat-{tenant.workspace_id}"
    with signed_in(place, tenant, name) as here, signed_in(place, tenant, name) as there:
        before = here.cookies["usagedeck_session"]
        place.clock.now += 1
        assert change(here).status_code == 204
        assert here.get("/api/v1/me").status_code == 200
        assert there.get("/api/v1/me").status_code == 401
        there.cookies.set("usagedeck_session", before)
        assert there.get("/api/v1/me").status_code == 401, "the former cookie is worth nothing"
        assert len(here.get("/api/v1/sessions").json()["sessions"]) == 1
    with place.client() as client:
        for password, status in ((PASSWORD, 401), (CHOSEN, 204)):
            assert client.post("/api/v1/session", json={"email": f"{name}@x.test", "password": password}).status_code == status
    place.clock.now += 1
    (entry,) = audit(owner, action="user.password")
    assert (entry["actor_id"], entry["target_id"]) == (name, name)
    assert not any(secret in str(audit(owner)) for secret in (PASSWORD, CHOSEN))


def test_only_who_knows_the_present_one_changes_it(place: Place, tenant: House, sender: httpx2.Client) -> None:
    with signed_in(place, tenant, f"quin-{tenant.workspace_id}") as client:
        body = problem(change(client, "not the password"), 403)
        assert (body["code"], body["field"]) == ("wrong_password", "password")
        assert problem(change(client, new="short"), 400)["field"] == "new_password"
        for _ in range(place.deck.settings.sign_in_attempts - 1):
            change(client, "not the password")
        assert change(client).status_code == 429, "guessing waits, as it does at the sign-in"
        place.clock.now += 300_000
        assert change(client).status_code == 204
    assert problem(change(sender), 401)["code"] == "not_signed_in"


def test_a_password_of_the_operators_ends_all_sessions(place: Place, tenant: House, owner: httpx2.Client) -> None:
    name = f"rob-{tenant.workspace_id}"
    with signed_in(place, tenant, name) as client:
        place.clock.now += 1
        tenant.do(admin.SetPassword(email=f"{name}@x.test", password=CHOSEN))
        assert client.get("/api/v1/me").status_code == 401
    place.clock.now += 1
    (entry,) = audit(owner, action="user.password")
    assert (entry["actor_kind"], entry["target_id"]) == ("operator", name)
    assert CHOSEN not in str(entry)

"""Signing in through an identity provider, over HTTP from end to end: who comes in, as whom, and who does not."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest

from tests.house import House, build_house, served
from tests.provider import OpenIdProvider, openid_provider, settings_for
from tests.web.conftest import Place
from tests.web.test_account import PASSWORD, audit, signed_in
from tests.web.test_joining import token_of
from tests.web.test_problems import problem
from usagedeck import admin
from usagedeck.access import Role
from usagedeck.catalog.dimensions import Label
from usagedeck.oidc import Provider
from usagedeck.settings import Settings
from usagedeck.times import MINUTE

LABEL = "Continue with Acme"


@pytest.fixture(scope="module")
def theirs(place: Place) -> Iterator[OpenIdProvider]:
    with openid_provider(place.clock) as running:
        yield running


@contextmanager
def doors(place: Place, theirs: OpenIdProvider, **more: Any) -> Iterator[Place]:
    """Another server on the same deck, which believes the provider."""
    said = Settings(**settings_for(theirs, data_dir=place.deck.settings.data_dir, min_free_bytes=0, oidc_label=LABEL, **more))
    with ExitStack() as stack:
        provider = Provider(said, place.clock)
        stack.callback(provider.close)
        deck = replace(place.deck, settings=said, provider=provider)
        yield replace(place, deck=deck, url=stack.enter_context(served(deck)))


@pytest.fixture(scope="module")
def usual(place: Place, theirs: OpenIdProvider) -> Iterator[Place]:
    with doors(place, theirs) as opened:
        yield opened


@pytest.fixture
def somebody(theirs: OpenIdProvider, tenant: House) -> str:
    """A person whom the provider knows and nobody here; their subject."""
    subject = f"sub-{tenant.workspace_id}"
    theirs.people[subject] = {"email": f"{subject}@x.test", "email_verified": True, "name": "Some Body"}
    return subject


def brought_back(client: httpx2.Client, subject: str) -> dict[str, str]:
    """Go to the provider, and what the browser comes back with."""
    begun = client.post("/api/v1/sign-in/provider")
    assert begun.status_code == 200, begun.text
    answer = httpx2.get(f"{begun.json()['address']}&login={subject}", verify=False)
    location = urlsplit(answer.headers["location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == f"{str(client.base_url).rstrip('/')}/sign-in/callback"
    return dict(parse_qsl(location.query))


def finish(client: httpx2.Client, said: dict[str, str]) -> httpx2.Response:
    return client.post("/api/v1/sign-in/provider/back", json=said)


def enter(client: httpx2.Client, subject: str, **said: str) -> httpx2.Response:
    return finish(client, brought_back(client, subject) | said)


def nobody(client: httpx2.Client) -> None:
    assert client.get("/api/v1/me").status_code == 401


# --- who comes in -------------------------------------------------------------------------------------------------


def test_somebody_known_by_their_verified_address(
    usual: Place, tenant: House, somebody: str, theirs: OpenIdProvider, sender: httpx2.Client
) -> None:
    email = f"{somebody}@x.test"
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, id=somebody, email=email, password=PASSWORD))
    with usual.client(headers={"user-agent": "firefox"}) as client, signed_in(usual, tenant, somebody) as before:
        usual.clock.now += 1
        answer = enter(client, somebody)
        assert answer.json() == {"workspace": None}
        cookies = answer.headers.get_list("set-cookie")
        assert any(cookie.startswith("usagedeck_session=") and "HttpOnly" in cookie for cookie in cookies)
        assert any(cookie.startswith("usagedeck_sign_in=") and "Max-Age=0" in cookie for cookie in cookies)
        assert client.get("/api/v1/me").json()["user"]["id"] == somebody
        nobody(before)
        assert client.delete("/api/v1/session").status_code == 204
        nobody(client)
    with usual.client() as client:
        assert client.post("/api/v1/session", json={"email": email, "password": PASSWORD}).status_code == 401, "proved no address"
    theirs.people[somebody] = {"email": "moved@elsewhere.test", "email_verified": False}
    with usual.client() as client:
        assert enter(client, somebody).status_code == 200, "the provider's name for them counts from now on"
        assert client.get("/api/v1/me").json()["user"]["email"] == email
    usual.clock.now += 1
    (linked,) = audit(sender, action="identity.link")
    assert (linked["actor_id"], linked["target_id"], theirs.url in linked["details"]) == (somebody, somebody, True)
    assert len(audit(sender, action="session.begin")) == 3


def test_an_address_that_went_to_somebody_else_opens_nothing(
    usual: Place, tenant: House, somebody: str, theirs: OpenIdProvider
) -> None:
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, id=somebody, email=f"{somebody}@x.test"))
    with usual.client() as client:
        assert enter(client, somebody).status_code == 200
    heir = f"heir-of-{somebody}"
    theirs.people[heir] = theirs.people[somebody]
    with usual.client() as client:
        assert "already" in problem(enter(client, heir), 409)["detail"]
        nobody(client)
    done = tenant.do(admin.UnlinkUser(email=f"{somebody}@x.test"))
    assert (done["user_id"], done["identities"]) == (somebody, 1)
    with usual.client() as client:
        assert enter(client, heir).status_code == 200
        assert client.get("/api/v1/me").json()["user"]["id"] == somebody


def test_an_unverified_address_finds_nobody(usual: Place, tenant: House, somebody: str, theirs: OpenIdProvider) -> None:
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, id=somebody, email=f"{somebody}@x.test"))
    theirs.people[somebody]["email_verified"] = False
    with usual.client() as client:
        assert problem(enter(client, somebody), 403)["code"] == "email_not_verified"
        nobody(client)


def test_somebody_unknown_needs_an_invitation(usual: Place, tenant: House, somebody: str) -> None:
    with usual.client() as client:
        assert problem(enter(client, somebody), 403)["code"] == "unknown_person"
        nobody(client)
    assert usual.deck.directory.people.by_email(f"{somebody}@x.test") is None
    tenant.do(admin.PutGroup(workspace=tenant.workspace_id, id="team", name="Team"))
    said = admin.CreateInvitation(
        workspace=tenant.workspace_id, email=f"{somebody}@X.test", role=Role.ADMIN, groups=["team"], credit_limit=5
    )
    token = token_of(tenant.do(said))
    with usual.client() as client:
        opened = client.post("/api/v1/invitations/open", json={"token": token}).json()
        assert (opened["asks"], opened["password"], opened["provider"]) == ("new_password", True, LABEL)
        assert enter(client, somebody, invitation=token).json() == {"workspace": tenant.workspace_id}
        me = client.get("/api/v1/me").json()
        assert (me["role"], me["user"]["email"], me["user"]["name"]) == ("admin", f"{somebody}@x.test", "Some Body")
        id_ = me["user"]["id"]
        assert problem(client.post("/api/v1/account/password", json={"password": "x", "new_password": PASSWORD}), 403)[
            "code"
        ] == ("no_password")
    member = usual.deck.directory.people.member(tenant.workspace_id, id_)
    assert member is not None
    assert member.credit_limit == 5
    assert usual.deck.directory.groups.of_users(tenant.workspace_id) == {id_: ("team",)}
    with usual.client() as client:
        assert problem(enter(client, somebody, invitation=token), 404)["code"] == "invitation_not_found"


def test_an_invitation_of_another_address_is_not_theirs(usual: Place, tenant: House, somebody: str) -> None:
    token = token_of(tenant.do(admin.CreateInvitation(workspace=tenant.workspace_id, email="other@x.test")))
    with usual.client() as client:
        assert problem(enter(client, somebody, invitation=token), 403)["code"] == "not_invited"
    email = f"{somebody}@x.test"
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, id=somebody, email=email, password=PASSWORD))
    with usual.client() as client:
        assert problem(enter(client, somebody, invitation=token), 403)["code"] == "not_invited"
        nobody(client)
        assert usual.deck.directory.identities.of_user(somebody) == [], "who is refused is linked to nothing"
        assert client.post("/api/v1/session", json={"email": email, "password": PASSWORD}).status_code == 204
        assert client.post("/api/v1/invitations/open", json={"token": token}).status_code == 200, "it waits on"


def test_somebody_known_accepts_an_invitation_on_the_way(usual: Place, tenant: House, somebody: str) -> None:
    other = build_house(usual.deck, "other")
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, id=somebody, email=f"{somebody}@x.test"))
    token = token_of(other.do(admin.CreateInvitation(workspace=other.workspace_id, email=f"{somebody}@x.test")))
    with usual.client() as client:
        assert enter(client, somebody, invitation=token).json() == {"workspace": other.workspace_id}
        assert len(client.get("/api/v1/me").json()["workspaces"]) == 2


@pytest.mark.parametrize("role", ["viewer", "member", "admin"])
def test_unknown_people_may_join_where_that_is_set(
    place: Place, theirs: OpenIdProvider, tenant: House, somebody: str, role: str
) -> None:
    with doors(place, theirs, oidc_workspace=tenant.workspace_id, oidc_role=role) as here:
        with here.client() as client:
            assert enter(client, somebody).status_code == 200
            me = client.get("/api/v1/me").json()
            assert (me["workspace"]["id"], me["role"]) == (tenant.workspace_id, role)
        tenant.do(admin.RemoveMember(workspace=tenant.workspace_id, user=me["user"]["id"]))
        with here.client() as client:
            assert enter(client, somebody).status_code == 200, "they are who they are"
            assert client.get("/api/v1/me").status_code == 404, "but who was removed stays removed"


def test_a_workspace_that_is_not_there_lets_nobody_join(place: Place, theirs: OpenIdProvider, somebody: str) -> None:
    with doors(place, theirs, oidc_workspace="never-was") as here, here.client() as client:
        assert problem(enter(client, somebody), 403)["code"] == "unknown_person"


@pytest.mark.parametrize(("domain", "status"), [("X.test", 200), ("y.test", 403), ("test", 403)])
def test_only_addresses_of_some_domains(
    place: Place, theirs: OpenIdProvider, tenant: House, somebody: str, domain: str, status: int
) -> None:
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, id=somebody, email=f"{somebody}@x.test"))
    with doors(place, theirs, oidc_domains=f"z.test,{domain}") as here, here.client() as client:
        answer = enter(client, somebody)
        assert answer.status_code == status
        if status == 403:
            assert answer.json()["code"] == "domain_not_allowed"
            theirs.people[somebody] |= {"email": f"a@{domain}", "email_verified": False}
            assert enter(client, somebody).json()["code"] == "domain_not_allowed"


@pytest.mark.parametrize(
    ("domain", "verified", "trusted"), [("x.test", None, True), ("x.test", False, False), ("y.test", None, False)]
)
def test_a_provider_that_does_not_say_what_is_verified_can_be_trusted(
    place: Place, theirs: OpenIdProvider, tenant: House, somebody: str, domain: str, verified: bool | None, trusted: bool
) -> None:
    """Off unless it is said; for some domains alone; and never against what the provider says."""
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, id=somebody, email=f"{somebody}@x.test"))
    theirs.people[somebody]["email_verified"] = verified
    with doors(place, theirs, oidc_domains="x.test") as here, here.client() as client:
        assert problem(enter(client, somebody), 403)["code"] == "domain_not_allowed"
        nobody(client)
    with doors(place, theirs, oidc_domains=domain, oidc_trust_emails=True) as here, here.client() as client:
        answer = enter(client, somebody)
        if trusted:
            assert answer.status_code == 200
            assert client.get("/api/v1/me").json()["user"]["id"] == somebody
        else:
            assert problem(answer, 403)["code"] == "domain_not_allowed"
            nobody(client)


def test_who_was_erased_starts_anew(place: Place, theirs: OpenIdProvider, tenant: House, somebody: str) -> None:
    with doors(place, theirs, oidc_workspace=tenant.workspace_id) as here:
        ids = []
        for _ in range(2):
            with here.client() as client:
                assert enter(client, somebody).status_code == 200
                ids.append(client.get("/api/v1/me").json()["user"]["id"])
            if len(ids) == 1:
                tenant.do(admin.Erase(workspace=tenant.workspace_id, kind=Label.USER, id=ids[0]))
                with here.client() as client:
                    assert place.deck.directory.identities.of_user(ids[0]) == []
    assert ids[0] != ids[1]


# --- what is no sign-in -------------------------------------------------------------------------------------------


def test_what_was_begun_in_another_browser(usual: Place, tenant: House, somebody: str) -> None:
    """Nobody can make me sign in as them, nor sign in with what my browser brought back."""
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, id=somebody, email=f"{somebody}@x.test"))
    with usual.client() as mine, usual.client() as theirs_, usual.client() as bare:
        said, others = brought_back(mine, somebody), brought_back(theirs_, somebody)
        for client, brought in ((mine, others), (theirs_, said), (bare, said), (mine, said | {"state": ""})):
            assert problem(finish(client, brought), 401)["code"] == "sign_in_again"
            nobody(client)
        assert finish(mine, said).status_code == 200
        assert problem(finish(mine, said), 401)["code"] == "sign_in_again", "it is used up"


def test_a_code_that_was_used(usual: Place, tenant: House, somebody: str) -> None:
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, id=somebody, email=f"{somebody}@x.test"))
    with usual.client() as client, usual.client() as thief:
        said = brought_back(client, somebody)
        thief.cookies.update(client.cookies)
        assert finish(client, said).status_code == 200
        assert "invalid_grant" in problem(finish(thief, said), 401)["detail"]
        nobody(thief)


@pytest.mark.parametrize("cookie", ["", "x", "x.y", "e30=.", "é"])
def test_a_cookie_that_is_none_of_ours(usual: Place, somebody: str, cookie: str) -> None:
    with usual.client() as client:
        said = brought_back(client, somebody)
    headers: Any = {"cookie": f"usagedeck_sign_in={cookie}".encode()}
    with httpx2.Client(base_url=usual.url, headers=headers) as client:
        assert problem(finish(client, said), 401)["code"] == "sign_in_again"


def test_who_takes_too_long_begins_again(usual: Place, tenant: House, somebody: str) -> None:
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, id=somebody, email=f"{somebody}@x.test"))
    with usual.client() as client:
        said = brought_back(client, somebody)
        usual.clock.now += 10 * MINUTE
        assert problem(finish(client, said), 401)["code"] == "sign_in_again"


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        ({"error": "access_denied", "code": ""}, "let nobody in: access_denied."),
        ({"error": "<b>Call 0800-EVIL</b>"}, "let nobody in: no code came back."),
        ({"code": ""}, "let nobody in: no code came back."),
        ({"iss": "https://evil.test"}, "Another identity provider answered"),
        ({"code": "made up"}, "(invalid_grant)"),
    ],
)
def test_what_the_provider_did_not_say(usual: Place, somebody: str, said: dict[str, str], detail: str) -> None:
    with usual.client() as client:
        body = problem(enter(client, somebody, **said), 401)
        assert (body["code"], detail in body["detail"], "EVIL" in body["detail"]) == ("identity_refused", True, False)
        nobody(client)


def test_a_token_that_is_not_to_be_believed(usual: Place, tenant: House, somebody: str, theirs: OpenIdProvider) -> None:
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, id=somebody, email=f"{somebody}@x.test"))
    theirs.claims = {"aud": "another"}
    with usual.client() as client:
        assert problem(enter(client, somebody), 401)["code"] == "identity_refused"
        nobody(client)
        theirs.claims = {}
        assert enter(client, somebody).status_code == 200


def test_made_up_codes_are_tried_a_number_of_times(usual: Place, tenant: House, somebody: str) -> None:
    """Each would cost a question to the provider."""
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, id=somebody, email=f"{somebody}@x.test"))
    usual.clock.now += 5 * MINUTE
    with usual.client() as client:
        said = brought_back(client, somebody)
        for _ in range(5 * usual.deck.settings.sign_in_attempts):
            assert finish(client, said | {"code": "made up"}).status_code == 401
        assert finish(client, said).status_code == 429
        usual.clock.now += 5 * MINUTE
        assert finish(client, said).status_code == 200


def test_another_site_cannot_begin_or_finish(usual: Place) -> None:
    with usual.client(headers={"origin": "https://evil.test"}) as client:
        for path in ("provider", "provider/back"):
            assert problem(client.post(f"/api/v1/sign-in/{path}", json={"state": ""}), 403)["code"] == "cross_site"


# --- the ways in --------------------------------------------------------------------------------------------------


def test_the_ways_in_are_said(place: Place, usual: Place, theirs: OpenIdProvider) -> None:
    with place.client() as client:
        assert client.get("/api/v1/sign-in").json() == {"password": True, "provider": None}
        assert problem(client.post("/api/v1/sign-in/provider"), 404)["code"] == "no_provider"
        assert problem(finish(client, {"state": "x"}), 404)["code"] == "no_provider"
    with usual.client() as client:
        assert client.get("/api/v1/sign-in").json() == {"password": True, "provider": LABEL}
    with doors(place, theirs, password_sign_in=False) as here, here.client() as client:
        assert client.get("/api/v1/sign-in").json() == {"password": False, "provider": LABEL}


def test_passwords_can_be_switched_off(place: Place, theirs: OpenIdProvider, tenant: House, somebody: str) -> None:
    email = f"{somebody}@x.test"
    tenant.do(admin.AddUser(workspace=tenant.workspace_id, id=somebody, email=email, password=PASSWORD))
    invited = tenant.do(admin.CreateInvitation(workspace=tenant.workspace_id, email="other@x.test"))
    with doors(place, theirs, password_sign_in=False) as here, here.client() as client:
        said = set()
        for one, password in ((email, PASSWORD), (email, "wrong"), ("nobody@x.test", "wrong")):
            body = problem(client.post("/api/v1/session", json={"email": one, "password": password}), 403)
            said.add((body["code"], body["detail"]))
        assert said == {("no_passwords", "Nobody signs in by password here.")}
        joined = client.post("/api/v1/invitations/accept", json={"token": token_of(invited), "password": PASSWORD})
        assert problem(joined, 403)["code"] == "no_passwords"
        assert enter(client, somebody).status_code == 200
        change = client.post("/api/v1/account/password", json={"password": PASSWORD, "new_password": PASSWORD})
        assert problem(change, 403)["code"] == "no_passwords"


def test_a_provider_that_does_not_answer_is_said_so(place: Place, theirs: OpenIdProvider) -> None:
    theirs.broken = {"/.well-known/openid-configuration"}
    with doors(place, theirs) as here, here.client() as client:
        answer = client.post("/api/v1/sign-in/provider")
        assert problem(answer, 429)["code"] == "provider_unreachable"
        assert answer.headers["retry-after"] == "10"
    theirs.broken = set()


def test_browsers_come_back_to_the_public_address(place: Place, theirs: OpenIdProvider) -> None:
    with doors(place, theirs, public_url="https://usage.acme.test/") as here, here.client() as client:
        answer = client.post("/api/v1/sign-in/provider")
        asked = dict(parse_qsl(urlsplit(answer.json()["address"]).query))
        assert asked["redirect_uri"] == "https://usage.acme.test/sign-in/callback"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "Path=/api/v1/sign-in" in cookie

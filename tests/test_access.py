"""Who is asking, and whose rows they may read."""

from typing import Any

import pytest

from tests.house import NOON, House, StillClock, build_house
from usagedeck import access, admin
from usagedeck.access import Permission, Role, View, Who
from usagedeck.deck import Deck
from usagedeck.directory import keys
from usagedeck.errors import NotAllowed, NotFound, NotSignedIn, TooBusy
from usagedeck.settings import Settings
from usagedeck.sql import Scope

PASSWORD = "a good password"
READ, FULL, WRITE = Permission.READ, Permission.FULL_READ, Permission.WRITE


def add_user(house: House, name: str = "ana", role: Role = Role.MEMBER, *, full_read: bool = False) -> None:
    house.do(
        admin.AddUser(
            workspace=house.workspace_id, id=name, email=f"{name}@acme.test", password=PASSWORD, role=role, full_read=full_read
        )
    )


def sign_in(deck: Deck, email: str = "ana@acme.test", password: str = PASSWORD, address: str = "10.0.0.1") -> str:
    return access.sign_in(deck, email, password, address=address, user_agent="firefox " * 100)


# --- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_key_nobody_is_asking(deck: Deck, secret: str | None) -> None:
    with pytest.raises(NotSignedIn, match="send it as xi-api-key or Authorization: Bearer") as caught:
        access.who_by_key(deck, secret)
    assert caught.value.code == "needs_authorization"


def test_unknown_revoked_and_misspelt_keys_get_one_answer(deck: Deck, house: House) -> None:
    secret, _ = house.key_who(id="key_x")
    house.do(admin.RevokeKey(workspace=house.workspace_id, id="key_x"))
    add_user(house)
    disabled, expired, locked = (house.key_who(id=name, user="ana")[0] for name in ("disabled", "expired", "locked"))
    change_key(house, "disabled", disabled_at=NOON)
    change_key(house, "expired", expires_at=NOON)
    house.deck.directory.people.change_member(house.workspace_id, "ana", {"locked_at": NOON})
    wrong = [
        *(disabled, expired, locked),
        secret,
        house.api_key + "x",
        house.api_key[:-1],
        "nonsense",
        "' OR 1=1 --",
        keys.verifier(house.api_key),
        "é",
        "\0",
        "x" * 10**5,
    ]
    said = set()
    for one in wrong:
        with pytest.raises(NotSignedIn) as caught:
            access.who_by_key(deck, one)
        said.add((caught.value.message, caught.value.code))
    assert said == {("Invalid API key", "invalid_api_key")}


def test_a_key_is_its_workspace_its_owner_and_its_permissions(deck: Deck, house: House) -> None:
    _, who = house.key_who(id="key_x", user="ana", permissions=[READ])
    assert who == Who(house.who.workspace, "ana", frozenset({READ}), None, "key_x")
    assert house.who.permissions == frozenset(access.USUAL) == frozenset(Permission) - {Permission.MANAGE}
    other = build_house(deck, "other")
    assert other.who.workspace.id != house.workspace_id


def change_key(house: House, id_: str, **values: Any) -> None:
    house.deck.directory.api_keys.change(house.workspace_id, id_, values)


def test_a_key_works_until_the_instant_it_expires(house: House, clock: StillClock) -> None:
    secret, _ = house.key_who(id="key_x")
    change_key(house, "key_x", expires_at=NOON + 1)
    assert access.who_by_key(house.deck, secret).key_id == "key_x"
    clock.now += 1
    with pytest.raises(NotSignedIn):
        access.who_by_key(house.deck, secret)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("203.0.113.7", True),
        ("203.0.114.7", False),
        ("::ffff:203.0.113.7", True),
        ("2001:db8::5", True),
        ("2001:db8::5%eth0", True),
        ("2001:db9::5", False),
        ("", False),
        ("localhost", False),
        ("203.0.113.7, 10.0.0.1", False),
    ],
)
def test_a_key_with_networks_works_from_there_alone(house: House, address: str, allowed: bool) -> None:
    secret, _ = house.key_who(id="key_x")
    change_key(house, "key_x", allowed_ips=("203.0.113.0/24", "2001:db8::/32"))
    if allowed:
        assert access.who_by_key(house.deck, secret, address).address == address
        return
    with pytest.raises(NotAllowed, match="may not be used from the address") as caught:
        access.who_by_key(house.deck, secret, address)
    assert caught.value.code == "address_not_allowed"


def test_when_a_key_and_a_session_were_used_is_noted(house: House, clock: StillClock) -> None:
    add_user(house)
    secret, _ = house.key_who(id="key_x")
    token = sign_in(house.deck)
    clock.now += 3_600_000
    access.who_by_key(house.deck, secret)
    access.who_by_session(house.deck, token)
    used = {key.id: key.last_used_at for key in house.deck.directory.api_keys.all(house.workspace_id)}
    assert used["key_x"] == clock.now
    (session,) = house.deck.directory.sessions.of_user("ana", now=clock.now)
    assert (session.last_used_at, session.address) == (clock.now, "10.0.0.1")


# --- a key never sees more than its owner -------------------------------------------------------------------------


def test_a_members_key_follows_the_member(house: House) -> None:
    add_user(house)
    people = house.deck.directory.people
    secret, who = house.key_who(user="ana", permissions=[READ, WRITE, FULL])
    assert who.permissions == {READ, WRITE}, "a plain member's key sees what they see"
    people.change_member(house.workspace_id, "ana", {"full_read": True})
    assert access.who_by_key(house.deck, secret).permissions == {READ, WRITE, FULL}
    people.change_member(house.workspace_id, "ana", {"full_read": False, "role": "admin"})
    assert access.who_by_key(house.deck, secret).permissions == {READ, WRITE, FULL}
    people.change_member(house.workspace_id, "ana", {"role": "viewer"})
    assert access.who_by_key(house.deck, secret).permissions == {READ, WRITE}


def test_what_the_owner_may_not_is_withheld_and_refused_otherwise_than_what_the_key_may_not(house: House) -> None:
    add_user(house)
    _, who = house.key_who(user="ana", permissions=[READ, FULL, Permission.MANAGE])
    assert who.permissions == {READ}
    assert who.withheld == {FULL, Permission.MANAGE}
    for permission, code in ((FULL, "insufficient_permissions"), (Permission.AUDIT_READ, "missing_permissions")):
        with pytest.raises(NotAllowed, match=str(permission)) as caught:
            access.require(who, permission)
        assert caught.value.code == code
    assert house.who.withheld == frozenset(), "nobody's keys are held back by nobody"


def test_who_sees_everybodys_usage_sees_who_they_are_and_nobody_manages_by_a_group(house: House) -> None:
    add_user(house)
    everything = list(Permission)
    secret, who = house.key_who(user="ana", permissions=everything)
    assert who.permissions == {WRITE, READ, Permission.USER_READ}
    house.deck.directory.people.change_member(house.workspace_id, "ana", {"full_read": True})
    assert access.who_by_key(house.deck, secret).permissions == {WRITE, READ, Permission.USER_READ, FULL, Permission.MEMBERS_READ}
    house.deck.directory.people.change_member(house.workspace_id, "ana", {"full_read": False})
    house.do(admin.PutGroup(workspace=house.workspace_id, id="g", name="G", users=["ana"], permissions=everything))
    assert access.who_by_key(house.deck, secret).permissions == frozenset(Permission) - {Permission.MANAGE}
    house.deck.directory.people.change_member(house.workspace_id, "ana", {"role": "admin"})
    assert access.who_by_key(house.deck, secret).permissions == frozenset(Permission)


def test_a_plain_key_of_an_admin_sees_their_own(house: House) -> None:
    add_user(house, role=Role.ADMIN)
    _, who = house.key_who(user="ana", permissions=[READ])
    assert who.permissions == {READ}


def test_keys_of_service_accounts_and_of_strangers_have_their_own_permissions(house: House) -> None:
    house.deck.directory.service_accounts.put(house.workspace_id, "bot", name="Bot")
    for owner in ("bot", "nobody registered them"):
        _, who = house.key_who(user=owner.split()[0], permissions=[READ, FULL])
        assert who.permissions == {READ, FULL}


# --- scopes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "permissions", "view", "scope"),
    [
        # a key that belongs to nobody has no rows of its own, so it sees them all
        (None, {READ}, None, Scope("ws")),
        (None, {READ}, View.WORKSPACE, Scope("ws")),
        (None, {READ}, View.ACCOUNT, Scope("ws")),
        # a user's key sees the user's rows …
        ("ana", {READ}, None, Scope("ws", "ana")),
        ("ana", {READ}, View.ACCOUNT, Scope("ws", "ana")),
        # … and everybody's with the permission
        ("ana", {READ, FULL}, None, Scope("ws")),
        ("ana", {READ, FULL}, View.WORKSPACE, Scope("ws")),
        ("ana", {READ, FULL}, View.ACCOUNT, Scope("ws", "ana")),
    ],
)
def test_scopes(house: House, user: str | None, permissions: set[Permission], view: View | None, scope: Scope) -> None:
    who = Who(house.who.workspace, user, frozenset(permissions))
    found = access.scope(house.deck, who, view)
    assert found == Scope(house.workspace_id, scope.user_id)


@pytest.mark.parametrize(
    ("user", "permissions", "view", "code"),
    [
        ("ana", {READ}, View.WORKSPACE, "insufficient_permissions"),
        ("ana", {WRITE}, None, "missing_permissions"),
        (None, {WRITE}, View.ACCOUNT, "missing_permissions"),
        ("ana", {FULL}, View.WORKSPACE, "missing_permissions"),
        ("ana", set(), None, "missing_permissions"),
    ],
)
def test_what_may_not_be_read(house: House, user: str | None, permissions: set[Permission], view: View | None, code: str) -> None:
    who = Who(house.who.workspace, user, frozenset(permissions))
    with pytest.raises(NotAllowed) as caught:
        access.scope(house.deck, who, view)
    assert caught.value.code == code
    assert "analytics" in caught.value.message


# --- sessions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "full_read", "sees"),
    [
        (Role.OWNER, False, True),
        (Role.ADMIN, False, True),
        (Role.MEMBER, False, False),
        (Role.MEMBER, True, True),
        (Role.VIEWER, False, False),
        (Role.VIEWER, True, True),
    ],
)
def test_owners_and_admins_see_the_workspace(deck: Deck, house: House, role: Role, full_read: bool, sees: bool) -> None:
    add_user(house, role=role, full_read=full_read)
    who = access.who_by_session(deck, sign_in(deck))
    assert (who.user_id, who.role, who.sees_workspace) == ("ana", role, sees)
    assert WRITE not in who.permissions
    assert access.scope(house.deck, who, None) == Scope(house.workspace_id, None if sees else "ana")
    assert access.scope(house.deck, who, View.ACCOUNT) == Scope(house.workspace_id, "ana")


def test_a_group_lets_its_members_see_the_workspace(house: House) -> None:
    """Those of its own workspace; and nothing else that stands in it is granted."""
    add_user(house)
    other = build_house(house.deck, "other")
    groups, token = house.deck.directory.groups, sign_in(house.deck)
    granted = [FULL, WRITE, "of a later release"]
    groups.put(other.workspace_id, "g", name="Analysts elsewhere", permissions=granted, user_ids=["ana"])
    groups.put(house.workspace_id, "h", name="Others", permissions=granted, user_ids=["ben"])
    assert not access.who_by_session(house.deck, token).sees_workspace
    groups.put(house.workspace_id, "g", name="Analysts", permissions=granted, user_ids=["ana"])
    assert access.who_by_session(house.deck, token).permissions == {READ, Permission.USER_READ, FULL, Permission.MEMBERS_READ}
    groups.put(house.workspace_id, "g", name="Analysts", permissions=granted, user_ids=[])
    assert access.who_by_session(house.deck, token).permissions == {READ, Permission.USER_READ}


def test_whoever_is_locked_is_out_of_that_workspace_alone(house: House, clock: StillClock) -> None:
    add_user(house)
    clock.now += 1
    second = build_house(house.deck, "second")
    second.do(admin.AddUser(workspace=second.workspace_id, email="ana@acme.test"))
    token = sign_in(house.deck)
    house.deck.directory.people.change_member(house.workspace_id, "ana", {"locked_at": NOON})
    assert access.who_by_session(house.deck, token).workspace.id == second.workspace_id
    said = set()
    for workspace in (house.workspace_id, "no such workspace"):
        with pytest.raises(NotFound) as caught:
            access.who_by_session(house.deck, token, workspace)
        said.add(caught.value.message)
    assert len(said) == 1


@pytest.mark.parametrize(
    ("members", "user", "full", "key", "switch", "allowed"),
    [
        (1, "ana", True, None, False, 2),
        (1, "ana", False, None, False, 1),
        (2, "ana", True, None, True, 2),
        (2, "ana", False, None, True, 1),
        (2, "ana", False, "key_1", True, 1),
        (2, None, False, "key_1", False, 2),
    ],
)
def test_what_the_switch_between_views_shows(
    house: House, members: int, user: str | None, full: bool, key: str | None, switch: bool, allowed: int
) -> None:
    """A workspace with one member shows none; whoever may not use it is told why."""
    for name in ("ana", "ben")[:members]:
        add_user(house, name)
    who = Who(house.who.workspace, user, frozenset({READ, FULL} if full else {READ}), None, key)
    found = access.views(house.deck, who)
    assert (found.switch, len(found.allowed)) == (switch, allowed)
    assert set(found.allowed) | set(found.refused) == set(View)
    reason = found.refused.get(View.WORKSPACE, "")
    assert ("Only owners, admins" in reason, "This key" in reason) == (allowed == 1 and not key, allowed == 1 and bool(key))


def test_a_session_lasts_as_long_as_the_settings_say(deck: Deck, house: House, clock: StillClock, settings: Settings) -> None:
    add_user(house)
    token = sign_in(deck)
    clock.now = NOON + settings.session_hours * 3_600_000 - 1
    assert access.who_by_session(deck, token).user_id == "ana"
    clock.now += 1
    with pytest.raises(NotSignedIn, match="Sign in to see this page"):
        access.who_by_session(deck, token)


def test_signing_out_ends_the_session(deck: Deck, house: House) -> None:
    add_user(house)
    token, other = sign_in(deck), sign_in(deck)
    access.sign_out(deck, token)
    access.sign_out(deck, token)
    with pytest.raises(NotSignedIn):
        access.who_by_session(deck, token)
    assert access.who_by_session(deck, other).user_id == "ana"


@pytest.mark.parametrize("token", [None, "", "nonsense", "é"])
def test_no_session_no_page(deck: Deck, token: str | None) -> None:
    with pytest.raises(NotSignedIn) as caught:
        access.who_by_session(deck, token)
    assert caught.value.code == "not_signed_in"


def test_a_key_is_no_session_and_a_session_no_key(deck: Deck, house: House) -> None:
    add_user(house)
    token = sign_in(deck)
    with pytest.raises(NotSignedIn):
        access.who_by_key(deck, token)
    with pytest.raises(NotSignedIn):
        access.who_by_session(deck, house.api_key)


def test_people_in_several_workspaces_choose_and_others_are_not_told(deck: Deck, house: House, clock: StillClock) -> None:
    add_user(house)
    clock.now += 1
    second, foreign = build_house(deck, "second"), build_house(deck, "foreign")
    second.do(admin.AddUser(workspace=second.workspace_id, email="ana@acme.test", role=Role.ADMIN))
    token = sign_in(deck)
    assert access.who_by_session(deck, token).workspace.id == house.workspace_id
    assert access.who_by_session(deck, token, second.workspace_id).role is Role.ADMIN
    answers = set()
    for workspace in (foreign.workspace_id, "no such workspace"):
        with pytest.raises(NotFound) as caught:
            access.who_by_session(deck, token, workspace)
        answers.add((caught.value.message, caught.value.code))
    assert len(answers) == 1


# --- signing in ---------------------------------------------------------------------------------------------------


def test_wrong_person_and_wrong_password_get_one_answer(deck: Deck, house: House) -> None:
    add_user(house)
    house.deck.directory.people.add("silent", email="silent@acme.test", name="", password=None)
    said: set[tuple[str, str]] = set()
    for email, password in (
        ("ana@acme.test", "wrong"),
        ("ana@acme.test", ""),
        ("nobody@acme.test", PASSWORD),
        ("silent@acme.test", ""),
        ("", ""),
        ("%", PASSWORD),
        ("ana@acme.test" * 10_000, PASSWORD),
    ):
        with pytest.raises(NotSignedIn) as caught:
            sign_in(deck, email, password, address=f"10.0.0.{len(said)}")
        said.add((caught.value.message, caught.value.code))
    assert said == {("E-mail or password is wrong.", "wrong_credentials")}


def test_the_case_of_an_e_mail_does_not_matter(deck: Deck, house: House) -> None:
    add_user(house)
    assert sign_in(deck, "ANA@acme.TEST")


def test_a_person_waits_at_one_address_and_nowhere_else(deck: Deck, house: House, clock: StillClock, settings: Settings) -> None:
    add_user(house)
    for _ in range(settings.sign_in_attempts):
        with pytest.raises(NotSignedIn):
            sign_in(deck, password="wrong", address="10.1.1.1")
    with pytest.raises(TooBusy) as caught:
        sign_in(deck, "Ana@acme.test", address="10.1.1.1")  # even with the right password
    assert 0 < caught.value.retry_after <= 300
    assert sign_in(deck, address="10.9.9.9")
    clock.now += 300_000
    assert sign_in(deck, address="10.1.1.1")


def test_guesses_at_many_people_from_one_address_and_at_one_from_many_wait(
    deck: Deck, house: House, clock: StillClock, settings: Settings
) -> None:
    add_user(house)
    for number in range(5 * settings.sign_in_attempts):
        with pytest.raises(NotSignedIn):
            sign_in(deck, f"guess{number}@acme.test", address="10.1.1.1")
    with pytest.raises(TooBusy):
        sign_in(deck, address="10.1.1.1")
    for number in range(10 * settings.sign_in_attempts):
        with pytest.raises(NotSignedIn):
            sign_in(deck, password="wrong", address=f"10.2.0.{number}")
    with pytest.raises(TooBusy):
        sign_in(deck, address="10.3.3.3")
    clock.now += 300_000
    assert sign_in(deck, address="10.3.3.3")


def test_success_forgives_the_person_but_not_the_address(deck: Deck, house: House, settings: Settings) -> None:
    """Else one's own account would be the way to guess others' passwords without end."""
    add_user(house)
    for _ in range(settings.sign_in_attempts - 1):
        with pytest.raises(NotSignedIn):
            sign_in(deck, password="wrong")
    assert sign_in(deck)
    for _ in range(settings.sign_in_attempts - 1):
        with pytest.raises(NotSignedIn):
            sign_in(deck, password="wrong")
    assert sign_in(deck)
    for number in range(3 * settings.sign_in_attempts + 2):
        with pytest.raises(NotSignedIn):
            sign_in(deck, f"guess{number}@acme.test", "guess")
    with pytest.raises(TooBusy):
        sign_in(deck, "ben@acme.test", "guess again")

"""Who signs in through an identity provider: brought together once, all of it or nothing."""

import pytest

from tests.house import NOON
from usagedeck.directory.people import Member, User
from usagedeck.directory.repo import Directory
from usagedeck.errors import Conflict

ISSUER = "https://idp.test"


def somebody(id_: str) -> User:
    return User(id_, f"{id_}@acme.test", "Somebody", None, NOON)


def test_an_identity_is_a_user(directory: Directory) -> None:
    member = Member("ws", "new", "viewer", full_read=False, created_at=NOON)
    directory.identities.link(ISSUER, "s1", somebody("new"), member)
    assert directory.identities.user(ISSUER, "s1") == somebody("new")
    assert directory.identities.user("https://other.test", "s1") is None
    assert directory.identities.user(ISSUER, "s2") is None
    assert directory.people.member("ws", "new") == member
    (found,) = directory.identities.of_user("new")
    assert (found.issuer, found.subject, found.email, found.created_at) == (ISSUER, "s1", "new@acme.test", NOON)


def test_who_is_linked_has_no_password_and_no_session_from_before(directory: Directory) -> None:
    """Whoever had the account before may have been somebody else: nobody proved the address."""
    for user in ("ana", "ben"):
        directory.people.add(user, email=f"{user}@acme.test", name=user, password="hash")
        directory.sessions.add(f"of {user}", user, expires_at=NOON + 1000, user_agent="")
    ana = directory.people.by_email("ana@acme.test")
    assert ana is not None
    directory.identities.link(ISSUER, "s1", ana)
    kept = {user: directory.people.get(user) for user in ("ana", "ben")}
    assert {name: (user.name, user.password) for name, user in kept.items() if user} == {
        "ana": ("ana", None),
        "ben": ("ben", "hash"),
    }
    assert [directory.sessions.get(f"of {user}", now=NOON) is None for user in ("ana", "ben")] == [True, False]


@pytest.mark.parametrize("why", ["identity", "user", "address", "service account"])
def test_what_cannot_be_linked_leaves_everything_as_it_was(directory: Directory, why: str) -> None:
    directory.people.add("ana", email="ana@acme.test", name="Ana", password="hash")
    ana = directory.people.get("ana")
    assert ana is not None
    member = Member("ws", "new", "viewer", full_read=False, created_at=NOON)
    if why == "identity":
        directory.identities.link(ISSUER, "s1", somebody("other"))
    elif why == "user":
        directory.identities.link(ISSUER, "s2", somebody("new"))
    elif why == "service account":
        directory.service_accounts.put("ws", "new", name="Robot")
    before = directory.counts()
    taken = User("new", "ana@acme.test", "", None, NOON) if why == "address" else somebody("new")
    with pytest.raises(Conflict):
        directory.identities.link(ISSUER, "s1", taken, member)
    assert directory.counts() == before
    assert directory.people.get("ana") == ana


def test_a_user_may_have_one_identity_of_each_issuer(directory: Directory) -> None:
    for issuer in (ISSUER, "https://other.test"):
        directory.identities.link(issuer, "s1", somebody("ana"))
    directory.sessions.add("of ana", "ana", expires_at=NOON + 1000, user_agent="")
    assert directory.identities.unlink("ana") == 2
    assert directory.identities.unlink("ana") == 0
    assert directory.identities.user(ISSUER, "s1") is None
    assert directory.sessions.get("of ana", now=NOON) is None
    directory.identities.link(ISSUER, "another", somebody("ana"))


def test_who_is_erased_has_no_identity(directory: Directory) -> None:
    directory.identities.link(ISSUER, "s1", somebody("ana"), Member("ws", "ana", "viewer", full_read=False, created_at=NOON))
    # a membership, an identity and the user
    assert directory.erase("ws", lambda kind, id_: id_ == "ana") == 3
    assert directory.identities.user(ISSUER, "s1") is None

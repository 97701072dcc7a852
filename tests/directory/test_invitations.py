"""Invitations: one that waits for an address, used once, all of what it promises or nothing."""

from typing import Any

import pytest

from tests.house import NOON, StillClock
from usagedeck.directory.invitations import Invitation
from usagedeck.directory.people import User
from usagedeck.directory.repo import Directory
from usagedeck.errors import Conflict


def invite(directory: Directory, id_: str = "inv", **said: Any) -> Invitation:
    usual = {"email": "new@acme.test", "role": "member", "full_read": False, "verifier": id_, "invited_by": "ana"}
    return directory.invitations.put("ws", id_, **{**usual, "expires_at": NOON + 10, **said})


def somebody(id_: str, email: str = "new@acme.test", password: str | None = "hash") -> User:
    return User(id_, email, "Somebody", password, NOON)


def test_it_is_accepted_once_and_makes_a_member(directory: Directory, clock: StillClock) -> None:
    for group in ("b", "a", "gone"):
        directory.groups.put("ws", group, name=group)
    made = invite(directory, email="New@Acme.test", full_read=True, group_ids=["b", "gone", "a", "b"], credit_limit=7)
    assert directory.invitations.by_verifier("inv") == made
    assert (made.email, made.group_ids, made.credit_limit) == ("new@acme.test", ("a", "b", "gone"), 7)
    assert directory.invitations.by_verifier("other") is None
    directory.groups.remove("ws", "gone")
    clock.now += 1
    assert directory.invitations.accept(made, somebody("new"))
    assert not directory.invitations.accept(made, somebody("slower", "slower@acme.test"))
    assert directory.people.get("slower") is None
    ((user, member),) = directory.people.members("ws")
    assert user == somebody("new")
    assert (member.role, member.full_read, member.credit_limit, member.created_at) == ("member", True, 7, NOON + 1)
    assert directory.groups.of_users("ws") == {"new": ("a", "b")}
    (found,) = directory.invitations.all("ws")
    assert (found.accepted_at, found.accepted_by) == (NOON + 1, "new")
    assert not directory.invitations.remove("ws", "inv"), "what was accepted is history"
    assert directory.invitations.all("other") == []


def test_who_is_there_keeps_everything_but_gets_a_first_password(directory: Directory) -> None:
    directory.people.add("bare", email="bare@acme.test", name="Bare", password=None)
    directory.people.add("ana", email="ana@acme.test", name="Ana", password="old")
    for id_ in ("bare", "ana"):
        made = invite(directory, id_, email=f"{id_}@acme.test")
        assert directory.invitations.accept(made, somebody(id_, f"{id_}@acme.test", "new"))
    found = {user.id: (user.name, user.password) for user, _ in directory.people.members("ws")}
    assert found == {"bare": ("Bare", "new"), "ana": ("Ana", "old")}


@pytest.mark.parametrize("why", ["member", "address", "service account"])
def test_what_cannot_be_done_wholly_is_not_done_at_all(directory: Directory, why: str) -> None:
    made = invite(directory)
    if why == "member":
        directory.people.add("new", email="new@acme.test", name="", password="hash")
        directory.people.join("ws", "new", role="viewer")
    elif why == "address":
        directory.people.add("other", email="new@acme.test", name="", password="hash")
    else:
        directory.service_accounts.put("ws", "new", name="Robot")
    with pytest.raises(Conflict):
        directory.invitations.accept(made, somebody("new"))
    (waits,) = directory.invitations.all("ws")
    assert waits.accepted_at is None
    assert [(user.id, member.role) for user, member in directory.people.members("ws")] == (
        [("new", "viewer")] if why == "member" else []
    )


def test_a_new_one_takes_the_place_of_the_former(directory: Directory) -> None:
    directory.workspaces.add("ws2", "Globex", currency="usd", time_zone="UTC")
    first = invite(directory, "first")
    invite(directory, "ben", email="ben@acme.test")
    directory.invitations.put(
        "ws2", "else", email="new@acme.test", role="member", full_read=False, verifier="e", invited_by="", expires_at=NOON
    )
    invite(directory, "second", email="NEW@acme.test")
    assert {one.id for one in directory.invitations.all("ws")} == {"second", "ben"}
    assert [one.id for one in directory.invitations.all("ws2")] == ["else"]
    assert not directory.invitations.accept(first, somebody("new"))
    assert directory.people.get("new") is None


def test_it_is_taken_back(directory: Directory) -> None:
    invite(directory)
    assert not directory.invitations.remove("other", "inv")
    assert directory.invitations.remove("ws", "inv")
    assert directory.invitations.by_verifier("inv") is None

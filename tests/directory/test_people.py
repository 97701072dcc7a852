"""Users and their memberships."""

import pytest

from tests.directory.furnish import add_key
from tests.house import NOON, StillClock
from usagedeck.catalog.dimensions import Label
from usagedeck.directory import keys
from usagedeck.directory.repo import Directory
from usagedeck.errors import Conflict, InvalidInput


def test_people_are_found_by_e_mail_whatever_its_case(directory: Directory) -> None:
    directory.people.add("ana", email="Ana@Acme.test", name="Ana", password="hash")
    for spelt in ("ana@acme.test", "ANA@ACME.TEST"):
        found = directory.people.by_email(spelt)
        assert found is not None
        assert (found.id, found.email) == ("ana", "ana@acme.test")
    assert directory.people.by_email("ana@acme.tes") is None
    assert directory.people.by_email("%") is None
    with pytest.raises(Conflict):
        directory.people.add("other", email="ANA@acme.test", name="", password=None)
    directory.people.add("nobody1", email=None, name="", password=None)
    directory.people.add("nobody2", email=None, name="", password=None)


def test_a_member_is_found_by_e_mail_in_their_workspaces_alone(directory: Directory) -> None:
    directory.workspaces.add("ws2", "Globex", currency="usd", time_zone="UTC")
    directory.people.add("ana", email="ana@acme.test", name="Ana", password=None)
    directory.people.join("ws", "ana", role="member")
    found = directory.people.member_by_email("ws", "ANA@acme.test")
    assert found == directory.people.get("ana")
    assert found is not None
    for workspace, email in (("ws2", "ana@acme.test"), ("ws", "ben@acme.test"), ("nowhere", "ana@acme.test")):
        assert directory.people.member_by_email(workspace, email) is None


def test_nobody_is_found_by_a_character_that_cannot_be_kept(directory: Directory, kind: str) -> None:
    if kind == "sqlite":
        assert directory.people.by_email("a\0b") is None
        return
    with pytest.raises(InvalidInput, match="a character that cannot be kept"):
        directory.people.by_email("a\0b")


def test_memberships(directory: Directory, clock: StillClock) -> None:
    directory.workspaces.add("a first by name", "Globex", currency="eur", time_zone="UTC")
    directory.people.add("ana", email=None, name="Ana", password=None)
    directory.people.join("ws", "ana", role="owner")
    clock.now += 1
    directory.people.join("a first by name", "ana", role="viewer", full_read=True)
    found = directory.people.memberships("ana")
    assert [(w.id, m.workspace_id, m.role, m.full_read) for w, m in found] == [
        ("ws", "ws", "owner", False),
        ("a first by name", "a first by name", "viewer", True),
    ]
    assert found[0][0] == directory.workspaces.get("ws")
    assert directory.people.count("ws") == 1
    assert directory.people.member("ws", "ben") is None
    with pytest.raises(Conflict, match="member of the workspace already"):
        directory.people.join("ws", "ana", role="admin")
    with pytest.raises(Conflict):
        directory.people.join("ws", "somebody who is not there", role="admin")


def test_members_of_a_workspace(directory: Directory, clock: StillClock) -> None:
    directory.workspaces.add("ws2", "Globex", currency="eur", time_zone="UTC")
    for user in ("ben", "ana", "cy"):
        directory.people.add(user, email=None, name=user, password=None)
    made = directory.people.join("ws", "ben", role="member", credit_limit=500)
    clock.now += 1
    directory.people.join("ws", "ana", role="admin")
    directory.people.join("ws2", "cy", role="owner")
    assert [(u.id, m.role, m.credit_limit) for u, m in directory.people.members("ws")] == [
        ("ben", "member", 500),
        ("ana", "admin", None),
    ]
    assert directory.people.member("ws", "ben") == made
    directory.people.change_member("ws", "ben", {"locked_at": NOON, "role": "viewer"})
    changed = directory.people.member("ws", "ben")
    assert changed is not None
    assert (changed.role, changed.locked_at, changed.credit_limit) == ("viewer", NOON, 500)
    assert [m.locked_at for _, m in directory.people.members("ws2")] == [None]


def test_a_member_who_leaves_leaves_a_name_and_nothing_that_works(directory: Directory, clock: StillClock) -> None:
    directory.workspaces.add("ws2", "Globex", currency="eur", time_zone="UTC")
    directory.people.add("ana", email="ana@acme.test", name="Ana", password=None)
    for workspace in ("ws", "ws2"):
        directory.people.join(workspace, "ana", role="member")
        add_key(directory, "key_1", keys.mint_key(), workspace, user="ana")
        add_key(directory, "key_2", keys.mint_key(), workspace)
        directory.groups.put(workspace, "g", name="Group", user_ids=["ana", "ben"])
    clock.now += 1
    assert directory.people.leave("ws", "ana")
    assert not directory.people.leave("ws", "ana")
    assert [w.id for w, _ in directory.people.memberships("ana")] == ["ws2"]
    assert [key.revoked_at for key in directory.api_keys.all("ws")] == [NOON + 1, None]
    assert [key.revoked_at for key in directory.api_keys.all("ws2")] == [None, None]
    assert directory.groups.members("ws") == {"g": ("ben",)}
    assert directory.groups.members("ws2") == {"g": ("ana", "ben")}
    assert directory.labels.names("ws", Label.USER) == {"ana": "ana@acme.test"}, "what they did keeps their name"
    assert directory.people.get("ana") is not None


def test_a_person_changes_their_name(directory: Directory) -> None:
    for user in ("ana", "ben"):
        directory.people.add(user, email=f"{user}@acme.test", name=user, password="hash")
    directory.people.change("ana", email="ANA@globex.test", name="Ana II")
    found = directory.people.by_email("ana@globex.test")
    assert found is not None
    assert (found.id, found.name, found.password, found.label) == ("ana", "Ana II", "hash", "ana@globex.test")
    with pytest.raises(Conflict, match=r'another user "ben@acme\.test"'):
        directory.people.change("ana", email="ben@acme.test", name="Ana")
    directory.people.change("ana", email=None, name="")
    again = directory.people.get("ana")
    assert again is not None
    assert (again.email, again.label) == (None, "ana")

"""Who is erased goes from the directory with everything that is about them."""

from tests.directory.furnish import add_key
from usagedeck.catalog.dimensions import Label
from usagedeck.catalog.kinds import ERASED
from usagedeck.directory import keys
from usagedeck.directory.repo import Directory

ERASED_NAME = {"erased": "Erased"}
GONE = {(Label.USER, "ana"), (Label.USER, "ben"), (Label.USER, "robot"), (Label.API_KEY, "key_1")}


def erased(kind: Label, id_: str) -> bool:
    return (kind, id_) in GONE


def test_names_keys_memberships_and_sessions(directory: Directory) -> None:
    directory.workspaces.add("ws2", "Globex", currency="usd", time_zone="UTC")
    for user in ("ana", "ben", "cy"):
        directory.people.add(user, email=f"{user}@acme.test", name="", password="hash")
        directory.people.join("ws", user, role="member")
        directory.sessions.add(f"session of {user}", user, expires_at=10**15, user_agent="", address="203.0.113.9")
    directory.people.join("ws2", "ben", role="member")
    directory.service_accounts.put("ws", "robot", name="Robot")
    directory.groups.put("ws", "team", name="Team", user_ids=["ana", "cy"])
    secrets = {name: keys.mint_key() for name in ("key_1", "key_2", "key_3", "key_4")}
    for (name, secret), owner in zip(secrets.items(), (None, "ana", "robot", "cy"), strict=True):
        add_key(directory, name, secret, user=owner)
    for workspace in ("ws", "ws2"):
        directory.labels.put(workspace, Label.USER, {"ana": "Ana", "imported": "Imported"})
        directory.labels.put(workspace, Label.VOICE, {"ana": "a voice of that id"})
        directory.labels.put(workspace, Label.API_KEY, {"key_1": "one", "other": "other"})
    # three keys, two memberships, a group's member, a service account, one user with a session, two display names
    assert directory.erase("ws", erased) == 11
    assert directory.erase("ws", erased) == 0
    assert [key.id for key in directory.api_keys.all("ws")] == ["key_4"]
    assert directory.labels.names("ws", Label.USER) == ERASED_NAME | {"imported": "Imported", "cy": "cy@acme.test"}
    assert directory.labels.names("ws", Label.API_KEY) == ERASED_NAME | {"other": "other", "key_4": "key_4 label"}
    assert directory.labels.names("ws", Label.VOICE) == {"ana": "a voice of that id"}
    assert directory.people.get("ana") is None
    assert directory.sessions.of_user("ana", now=0) == []
    ben = directory.people.get("ben")
    assert ben is not None
    assert (ben.email, ben.password) == ("ben@acme.test", "hash")
    assert len(directory.sessions.of_user("ben", now=0)) == 1
    assert [workspace.id for workspace, _ in directory.people.memberships("ben")] == ["ws2"]
    assert directory.labels.names("ws2", Label.USER)["ana"] == "Ana"
    assert directory.people.get("cy")


def test_invitations_and_the_audit_log(directory: Directory) -> None:
    for user in ("ana", "cy"):
        directory.people.add(user, email=f"{user}@acme.test", name="", password="hash")
        directory.people.join("ws", user, role="member")
    for id_, email, by in (("i1", "ana@acme.test", "cy"), ("i2", "new@acme.test", "ana"), ("i3", "cy@acme.test", "cy")):
        directory.invitations.put(
            "ws", id_, email=email, role="member", full_read=False, verifier=id_, invited_by=by, expires_at=10**15
        )
    for actor, target in (("ana", "cy"), ("cy", "ana"), ("cy", "key_1"), ("cy", "cy")):
        directory.audit_log.add(
            ["ws"],
            actor_kind="user",
            actor_id=actor,
            address="203.0.113.9",
            action="member.change",
            target_kind="user",
            target_id=target,
            details={"email": f"{target}@acme.test"},
        )
    for email in ("Ana@acme.test", "new@acme.test"):
        directory.audit_log.add(
            ["ws"],
            actor_kind="user",
            actor_id="cy",
            address="",
            action="invitation.create",
            target_kind="invitation",
            target_id=f"inv {email}",
            details={"email": email, "role": "member"},
        )
    # a membership, a user, an invitation, the sender of another, three entries, and what was noted about an invitation of theirs
    assert directory.erase("ws", erased) == 8
    assert {(i.id, i.invited_by) for i in directory.invitations.all("ws")} == {("i2", ERASED), ("i3", "cy")}
    entries = directory.audit_log.read("ws", start=0, end=10**15, equal={})
    assert {(e.actor_id, e.target_id, e.address, str(dict(e.details))) for e in entries} == {
        (ERASED, "cy", "", "{}"),
        ("cy", ERASED, "203.0.113.9", "{}"),
        ("cy", "cy", "203.0.113.9", "{'email': 'cy@acme.test'}"),
        ("cy", "inv Ana@acme.test", "", "{}"),
        ("cy", "inv new@acme.test", "", "{'email': 'new@acme.test', 'role': 'member'}"),
    }

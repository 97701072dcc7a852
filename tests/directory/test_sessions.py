"""Sign-ins."""

from tests.house import NOON, StillClock
from usagedeck.directory.repo import Directory


def test_sessions_expire(directory: Directory, clock: StillClock) -> None:
    directory.people.add("ana", email=None, name="", password=None)
    directory.sessions.add("v1", "ana", expires_at=NOON + 1000, user_agent="firefox")
    found = directory.sessions.get("v1", now=NOON + 999)
    assert found is not None
    assert (found.user_id, found.user_agent) == ("ana", "firefox")
    assert directory.sessions.get("v1", now=NOON + 1000) is None
    assert directory.sessions.get("v2", now=NOON) is None
    clock.now = NOON + 5000
    directory.sessions.add("v3", "ana", expires_at=NOON + 9000, user_agent="")
    assert directory.sessions.get("v1", now=NOON) is None, "swept away with the next sign-in"


def test_signing_out_ends_one_session_and_a_new_password_all(directory: Directory) -> None:
    for user in ("ana", "ben"):
        directory.people.add(user, email=None, name="", password="old")
    for verifier, user in (("a1", "ana"), ("a2", "ana"), ("a3", "ana"), ("b1", "ben")):
        directory.sessions.add(verifier, user, expires_at=NOON + 1000, user_agent="")
    directory.sessions.end("a1")
    directory.sessions.end("a1")
    assert directory.sessions.get("a1", now=NOON) is None
    assert directory.sessions.get("a2", now=NOON) is not None
    directory.people.set_password("ana", "new")
    assert [directory.sessions.get(v, now=NOON) is None for v in ("a2", "a3", "b1")] == [True, True, False]
    ana = directory.people.get("ana")
    assert ana is not None
    assert ana.password == "new"


def test_sessions_of_a_person_are_listed_newest_first(directory: Directory, clock: StillClock) -> None:
    for user in ("ana", "ben"):
        directory.people.add(user, email=None, name="", password=None)
    directory.sessions.add("a" * 64, "ana", expires_at=NOON + 10, user_agent="firefox", address="10.0.0.1")
    clock.now += 1
    directory.sessions.add("b" * 64, "ana", expires_at=NOON + 1000, user_agent="phone")
    directory.sessions.add("c" * 64, "ben", expires_at=NOON + 1000, user_agent="")
    clock.now += 1
    directory.sessions.last_used.note("a" * 64)
    found = directory.sessions.of_user("ana", now=NOON + 9)
    assert [(s.id, s.address, s.last_used_at) for s in found] == [("b" * 16, "", NOON + 1), ("a" * 16, "10.0.0.1", NOON + 2)]
    assert [s.id for s in directory.sessions.of_user("ana", now=NOON + 10)] == ["b" * 16]
    assert directory.sessions.end("b" * 64)
    assert not directory.sessions.end("b" * 64)

"""Keys are found by their secrets, belong to somebody, and know when they were used; no secret is kept in the clear."""

from dataclasses import replace

import pytest
from sqlalchemy import select

from tests.directory.furnish import add_key
from tests.house import NOON, StillClock
from usagedeck.directory import keys
from usagedeck.directory.api_keys import CONCURRENCY, NOTE_EVERY, ApiKey
from usagedeck.directory.database import open_engine
from usagedeck.directory.repo import Directory
from usagedeck.directory.schema import metadata
from usagedeck.errors import Conflict, StoreFailed


def test_no_secret_is_ever_in_the_database(directory: Directory, url: str) -> None:
    secret, token, invited, operator, password = (keys.mint_key(), *(keys.mint_token() for _ in range(3)), "a clear password")
    directory.people.add("ana", email="Ana@Acme.test", name="Ana", password=keys.hash_password(password))
    add_key(directory, "key_1", secret)
    directory.operator_keys.add("op_1", label="x", hint=keys.hint(operator), verifier=keys.verifier(operator))
    directory.sessions.add(keys.verifier(token), "ana", expires_at=NOON + 1, user_agent="x")
    directory.invitations.put(
        "ws",
        "inv_1",
        email="b@x.test",
        role="member",
        full_read=False,
        verifier=keys.verifier(invited),
        invited_by="ana",
        expires_at=NOON + 1,
    )
    engine = open_engine(url)
    with engine.connect() as db:
        stored = str([db.execute(select(table)).all() for table in metadata.sorted_tables])
    engine.dispose()
    assert all(keys.verifier(one) in stored for one in (secret, token, invited, operator)), "we look in the right place"
    for clear in (secret, secret.removeprefix("ud_"), token, invited, operator, password):
        assert clear not in stored


def test_a_key_is_found_by_its_secret_and_says_whether_it_works(directory: Directory, clock: StillClock) -> None:
    secret = keys.mint_key()
    add_key(directory, "key_1", secret, user="ana")
    found = directory.api_keys.by_verifier(keys.verifier(secret))
    assert found is not None
    assert found == directory.api_keys.get("ws", "key_1")
    assert (found.id, found.user_id, found.hint) == ("key_1", "ana", secret[-4:])
    assert found.permissions == ("analytics_read", "events_write")
    assert found.works(NOON)
    assert directory.api_keys.by_verifier(keys.verifier(secret + "x")) is None
    assert not directory.api_keys.revoke("other", "key_1"), "of another workspace"
    clock.now += 5
    assert directory.api_keys.revoke("ws", "key_1")
    assert not directory.api_keys.revoke("ws", "key_1")
    (revoked,) = directory.api_keys.all("ws")
    assert revoked == replace(found, revoked_at=NOON + 5)
    assert not revoked.works(NOON + 5)
    assert directory.api_keys.get("other", "key_1") is None


@pytest.mark.parametrize(
    ("what", "works"),
    [
        ({}, True),
        ({"revoked_at": NOON}, False),
        ({"disabled_at": NOON}, False),
        ({"expires_at": NOON + 1}, True),
        ({"expires_at": NOON}, False),
        ({"expires_at": NOON + 1, "disabled_at": NOON}, False),
    ],
)
def test_when_a_key_works(what: dict[str, int], works: bool) -> None:
    key = ApiKey("ws", "key", None, "label", "hint", "verifier", (), NOON)
    assert replace(key, **what).works(NOON) is works  # type: ignore[arg-type]


def test_what_a_key_is_told(directory: Directory) -> None:
    made = directory.api_keys.add(
        "ws",
        "key_1",
        label="server",
        user_id=None,
        hint="abcd",
        verifier="v",
        permissions=["b", "a"],
        expires_at=NOON + 9,
        allowed_ips=["10.0.0.0/8", "::1/128"],
        credit_limit=10**12,
        concurrency={"dubbing_concurrency_limit": 3},
    )
    assert [getattr(made, name) for name in CONCURRENCY] == [None, 3, None]
    assert directory.api_keys.get("ws", "key_1") == made
    assert (made.permissions, made.allowed_ips, made.credit_limit) == (("a", "b"), ("10.0.0.0/8", "::1/128"), 10**12)
    directory.api_keys.change("ws", "key_1", {"allowed_ips": (), "label": "renamed", "disabled_at": NOON})
    changed = directory.api_keys.get("ws", "key_1")
    assert changed == replace(made, allowed_ips=(), label="renamed", disabled_at=NOON)


def test_when_a_key_was_used_is_written_once_a_minute_for_all(directory: Directory, clock: StillClock, url: str) -> None:
    for id_ in ("key_1", "key_2", "key_3"):
        add_key(directory, id_, id_)
    other = Directory(url, clock)

    def written() -> list[int | None]:
        return [key.last_used_at for key in other.api_keys.all("ws")]

    changes = directory.changes()
    directory.api_keys.last_used.note(keys.verifier("key_1"))
    clock.now = NOON + NOTE_EVERY - 1
    directory.api_keys.last_used.note(keys.verifier("key_2"))
    assert written() == [None, None, None]
    clock.now = NOON + NOTE_EVERY
    directory.api_keys.last_used.note(keys.verifier("key_1"))
    assert written() == [NOON + NOTE_EVERY, NOON + NOTE_EVERY - 1, None]
    directory.api_keys.last_used.note(keys.verifier("key_3"))
    assert written() == [NOON + NOTE_EVERY, NOON + NOTE_EVERY - 1, None]
    assert [key.last_used_at for key in directory.api_keys.all("ws")][2] == clock.now, "whoever looks sees the newest"
    clock.now -= 3_600_000
    directory.api_keys.last_used.note(keys.verifier("key_2"))
    assert written()[1] == clock.now, "a clock that was put back does not stop it"
    directory.api_keys.last_used.note(keys.verifier("key_1"))
    assert directory.changes() == changes, "nothing that is kept is looked up anew"
    directory.close()
    assert written()[0] == clock.now, "closing writes what is noted"
    other.close()


def test_what_cannot_be_noted_fails_nothing_and_is_noted_later(
    directory: Directory, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_key(directory, "key_1", "secret")
    clock.now += NOTE_EVERY
    with monkeypatch.context() as broken:
        broken.setattr(directory._database, "noting", _full)
        directory.api_keys.last_used.note(keys.verifier("secret"))
    assert [key.last_used_at for key in directory.api_keys.all("ws")] == [clock.now]


def _full() -> None:
    raise StoreFailed("The directory does not answer: disk full.")


def test_two_keys_never_share_a_secret_or_an_id(directory: Directory) -> None:
    secret = keys.mint_key()
    add_key(directory, "key_1", secret)
    for id_, again in (("key_2", secret), ("key_1", keys.mint_key())):
        with pytest.raises(Conflict) as caught:
            add_key(directory, id_, again)
        assert caught.value.code == "already_exists"
    directory.workspaces.add("ws2", "Globex", currency="eur", time_zone="UTC")
    add_key(directory, "key_1", keys.mint_key(), "ws2")  # ids belong to their workspace


def test_owners_follow_the_directory(directory: Directory) -> None:
    assert directory.api_keys.owners("ws") == {}
    add_key(directory, "key_1", keys.mint_key(), user="ana")
    add_key(directory, "key_2", keys.mint_key())
    assert directory.api_keys.owners("ws") == {"key_1": "ana"}
    add_key(directory, "key_3", keys.mint_key(), user="ben")
    assert directory.api_keys.owners("ws") == {"key_1": "ana", "key_3": "ben"}
    directory.api_keys.revoke("ws", "key_3")
    assert directory.api_keys.owners("ws")["key_3"] == "ben", "late events of a revoked key still have an owner"
    assert directory.api_keys.owners("nowhere") == {}


def test_keys_of_the_operator(directory: Directory, clock: StillClock) -> None:
    made = directory.operator_keys.add("op_1", label="mirror", hint="abcd", verifier=keys.verifier("secret"))
    assert directory.operator_keys.by_verifier(keys.verifier("secret")) == made
    assert directory.operator_keys.by_verifier("another") is None
    with pytest.raises(Conflict, match='"op_1" already'):
        directory.operator_keys.add("op_1", label="again", hint="abcd", verifier="v2")
    directory.operator_keys.last_used.note(made.verifier)
    assert directory.operator_keys.all() == [replace(made, last_used_at=NOON)]
    clock.now += 1
    assert directory.operator_keys.revoke("op_1")
    assert not directory.operator_keys.revoke("op_1")
    assert directory.operator_keys.by_verifier(keys.verifier("secret")) is None
    assert [key.revoked_at for key in directory.operator_keys.all()] == [NOON + 1]

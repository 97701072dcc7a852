"""The directory: who there is, what things are called, and that no secret is kept in the clear."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from tests.house import NOON, StillClock

from usagedeck.catalog import Label
from usagedeck.directory import keys
from usagedeck.directory.repo import Directory
from usagedeck.directory.schema import metadata
from usagedeck.errors import Conflict


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "directory.sqlite"


@pytest.fixture
def directory(path: Path, clock: StillClock) -> Iterator[Directory]:
    opened = Directory(f"sqlite:///{path}", clock)
    opened.add_workspace("ws", "Acme", currency="usd", time_zone="Europe/Berlin", billing_day=15, concurrency_limit=7)
    yield opened
    opened.close()


def add_key(directory: Directory, id_: str, secret: str, workspace: str = "ws", user: str | None = None) -> None:
    directory.add_key(
        workspace,
        id_,
        label=f"{id_} label",
        user_id=user,
        hint=keys.hint(secret),
        verifier=keys.verifier(secret),
        permissions=["events_write", "analytics_read"],
    )


# --- shape --------------------------------------------------------------------------------------------------------


def test_migrations_make_exactly_the_tables_of_the_schema(directory: Directory, path: Path) -> None:
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        tables = set(inspect(connection).get_table_names())
    engine.dispose()
    assert tables == {*metadata.tables, "alembic_version"}


def test_a_comparison_that_finds_nothing_would_find_something(directory: Directory, path: Path) -> None:
    """The test above is worth something only if a difference shows."""
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE users ADD COLUMN shoe_size INTEGER")
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()


def test_a_directory_of_the_first_release_is_brought_to_today(directory: Directory, path: Path, clock: StillClock) -> None:
    """Its workspaces keep everything; nothing else of them changes."""
    directory.close()
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE workspaces DROP COLUMN retention_days")
        db.execute("UPDATE alembic_version SET version_num = '0001'")
    again = Directory(f"sqlite:///{path}", clock)
    found = again.workspace("ws")
    assert found is not None
    assert (found.name, found.time_zone, found.billing_day, found.created_at) == ("Acme", "Europe/Berlin", 15, NOON)
    assert found.retention_days is None
    again.set_retention("ws", 30)
    assert [w.retention_days for w in again.workspaces()] == [30]
    again.set_retention("ws", None)
    assert [w.retention_days for w in again.workspaces()] == [None]
    again.close()


def test_opening_again_finds_everything(directory: Directory, path: Path, clock: StillClock) -> None:
    secret = directory.secret
    directory.close()
    again = Directory(f"sqlite:///{path}", clock)
    found = again.workspace("ws")
    assert found is not None
    assert (found.name, found.time_zone, found.billing_day, found.concurrency_limit) == ("Acme", "Europe/Berlin", 15, 7)
    assert found.created_at == NOON
    assert again.secret == secret, "fingerprints of keys depend on it"
    again.close()


def test_writes_survive_a_power_cut(directory: Directory) -> None:
    with directory._engine.connect() as db:
        assert db.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert db.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert db.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1


@pytest.mark.parametrize("url", ["mysql://root@localhost/x", "oracle://x"])
def test_another_kind_of_directory_is_refused(url: str, clock: StillClock) -> None:
    with pytest.raises(Conflict, match="sqlite:///path"):
        Directory(url, clock)


def test_a_file_that_is_no_directory_is_refused(tmp_path: Path, clock: StillClock) -> None:
    with pytest.raises(Conflict, match="cannot be opened"):
        Directory(f"sqlite:///{tmp_path}/there/is/no/such/folder.sqlite", clock)
    (tmp_path / "text").write_text("this is no database, " * 100)
    with pytest.raises(Conflict, match="cannot be opened"):
        Directory(f"sqlite:///{tmp_path}/text", clock)


def test_a_directory_of_a_newer_release_is_left_alone(directory: Directory, path: Path, clock: StillClock) -> None:
    directory.close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Conflict, match="written by a newer release; upgrade"):
        Directory(f"sqlite:///{path}", clock)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


# --- keys ---------------------------------------------------------------------------------------------------------


def test_no_secret_is_ever_in_the_file(directory: Directory, path: Path) -> None:
    secret, token, password = keys.mint_key(), keys.mint_token(), "a password in the clear"
    directory.add_user("ana", email="Ana@Acme.test", name="Ana", password=keys.hash_password(password))
    add_key(directory, "key_1", secret)
    directory.add_session(keys.verifier(token), "ana", expires_at=NOON + 1, user_agent="x")
    directory.close()
    files = [file for file in path.parent.iterdir() if file.name.startswith(path.name)]
    stored = b"".join(file.read_bytes() for file in files)
    assert keys.verifier(secret).encode() in stored, "we look in the right place"
    for clear in (secret, secret.removeprefix("ud_"), token, password):
        assert clear.encode() not in stored


def test_a_key_is_found_by_its_secret_until_it_is_revoked(directory: Directory, clock: StillClock) -> None:
    secret = keys.mint_key()
    add_key(directory, "key_1", secret, user="ana")
    found = directory.key_by_verifier(keys.verifier(secret))
    assert found is not None
    assert (found.id, found.user_id, found.hint) == ("key_1", "ana", secret[-4:])
    assert found.permissions == ("analytics_read", "events_write")
    assert directory.key_by_verifier(keys.verifier(secret + "x")) is None
    assert not directory.revoke_key("other", "key_1"), "of another workspace"
    clock.now += 5
    assert directory.revoke_key("ws", "key_1")
    assert not directory.revoke_key("ws", "key_1")
    assert directory.key_by_verifier(keys.verifier(secret)) is None
    assert [(k.id, k.revoked_at) for k in directory.keys("ws")] == [("key_1", NOON + 5)]


def test_two_keys_never_share_a_secret_or_an_id(directory: Directory) -> None:
    secret = keys.mint_key()
    add_key(directory, "key_1", secret)
    for id_, again in (("key_2", secret), ("key_1", keys.mint_key())):
        with pytest.raises(Conflict) as caught:
            add_key(directory, id_, again)
        assert caught.value.code == "already_exists"
    directory.add_workspace("ws2", "Globex", currency="eur", time_zone="UTC")
    add_key(directory, "key_1", keys.mint_key(), "ws2")  # ids belong to their workspace


def test_owners_follow_the_directory(directory: Directory) -> None:
    assert directory.owners("ws") == {}
    add_key(directory, "key_1", keys.mint_key(), user="ana")
    add_key(directory, "key_2", keys.mint_key())
    assert directory.owners("ws") == {"key_1": "ana"}
    assert directory.owners("ws") is directory.owners("ws"), "asked for every batch, so it is kept"
    add_key(directory, "key_3", keys.mint_key(), user="ben")
    assert directory.owners("ws") == {"key_1": "ana", "key_3": "ben"}
    directory.revoke_key("ws", "key_3")
    assert directory.owners("ws")["key_3"] == "ben", "late events of a revoked key still have an owner"
    assert directory.owners("nowhere") == {}


# --- people -------------------------------------------------------------------------------------------------------


def test_people_are_found_by_e_mail_whatever_its_case(directory: Directory) -> None:
    directory.add_user("ana", email="Ana@Acme.test", name="Ana", password="hash")
    for spelt in ("ana@acme.test", "ANA@ACME.TEST"):
        found = directory.user_by_email(spelt)
        assert found is not None
        assert (found.id, found.email) == ("ana", "ana@acme.test")
    assert directory.user_by_email("ana@acme.tes") is None
    assert directory.user_by_email("%") is None
    with pytest.raises(Conflict):
        directory.add_user("other", email="ANA@acme.test", name="", password=None)
    directory.add_user("nobody1", email=None, name="", password=None)
    directory.add_user("nobody2", email=None, name="", password=None)


def test_memberships(directory: Directory, clock: StillClock) -> None:
    directory.add_workspace("a first by name", "Globex", currency="eur", time_zone="UTC")
    directory.add_user("ana", email=None, name="Ana", password=None)
    directory.add_member("ws", "ana", role="owner")
    clock.now += 1
    directory.add_member("a first by name", "ana", role="viewer", full_read=True)
    found = directory.memberships("ana")
    assert [(w.id, m.workspace_id, m.role, m.full_read) for w, m in found] == [
        ("ws", "ws", "owner", False),
        ("a first by name", "a first by name", "viewer", True),
    ]
    assert found[0][0] == directory.workspace("ws")
    assert directory.member_count("ws") == 1
    assert directory.member("ws", "ben") is None
    with pytest.raises(Conflict, match="member of the workspace already"):
        directory.add_member("ws", "ana", role="admin")
    with pytest.raises(Conflict):
        directory.add_member("ws", "somebody who is not there", role="admin")


def test_workspaces_are_listed_oldest_first(directory: Directory, clock: StillClock) -> None:
    clock.now += 1
    directory.add_workspace("b", "B", currency="usd", time_zone="UTC")
    directory.add_workspace("a", "A", currency="usd", time_zone="UTC")
    assert [w.id for w in directory.workspaces()] == ["ws", "a", "b"]
    with pytest.raises(Conflict, match='a workspace "a" already'):
        directory.add_workspace("a", "A again", currency="usd", time_zone="UTC")
    assert directory.workspace("nowhere") is None


# --- sessions -----------------------------------------------------------------------------------------------------


def test_sessions_expire(directory: Directory, clock: StillClock) -> None:
    directory.add_user("ana", email=None, name="", password=None)
    directory.add_session("v1", "ana", expires_at=NOON + 1000, user_agent="firefox")
    found = directory.session("v1", now=NOON + 999)
    assert found is not None
    assert (found.user_id, found.user_agent) == ("ana", "firefox")
    assert directory.session("v1", now=NOON + 1000) is None
    assert directory.session("v2", now=NOON) is None
    clock.now = NOON + 5000
    directory.add_session("v3", "ana", expires_at=NOON + 9000, user_agent="")
    assert directory.session("v1", now=NOON) is None, "swept away with the next sign-in"


def test_signing_out_ends_one_session_and_a_new_password_all(directory: Directory) -> None:
    for user in ("ana", "ben"):
        directory.add_user(user, email=None, name="", password="old")
    for verifier, user in (("a1", "ana"), ("a2", "ana"), ("a3", "ana"), ("b1", "ben")):
        directory.add_session(verifier, user, expires_at=NOON + 1000, user_agent="")
    directory.end_session("a1")
    directory.end_session("a1")
    assert directory.session("a1", now=NOON) is None
    assert directory.session("a2", now=NOON) is not None
    directory.set_password("ana", "new")
    assert [directory.session(v, now=NOON) is None for v in ("a2", "a3", "b1")] == [True, True, False]
    ana = directory.user("ana")
    assert ana is not None
    assert ana.password == "new"


# --- labels -------------------------------------------------------------------------------------------------------


def test_labels_are_set_changed_and_kept_apart(directory: Directory) -> None:
    directory.add_workspace("ws2", "Globex", currency="eur", time_zone="UTC")
    directory.set_labels("ws", Label.VOICE, {"v1": "Rachel", "v2": "Zoë 😀"})
    directory.set_labels("ws", Label.VOICE, {"v1": "Rachel II"})
    directory.set_labels("ws", Label.VOICE, {})
    directory.set_labels("ws", Label.GROUP, {"v1": "a group of that id"})
    directory.set_labels("ws2", Label.VOICE, {"v1": "another's voice"})
    assert directory.labels("ws", Label.VOICE) == {"v1": "Rachel II", "v2": "Zoë 😀"}
    assert directory.labels("ws2", Label.VOICE) == {"v1": "another's voice"}
    assert directory.labels("ws", Label.GROUP) == {"v1": "a group of that id"}


def test_keys_people_and_workspaces_have_names_of_their_own(directory: Directory) -> None:
    directory.set_labels("ws", Label.API_KEY, {"key_1": "set by hand", "gone": "an imported key"})
    add_key(directory, "key_1", keys.mint_key())
    assert directory.labels("ws", Label.API_KEY) == {"key_1": "key_1 label", "gone": "an imported key"}
    directory.revoke_key("ws", "key_1")
    assert directory.labels("ws", Label.API_KEY)["key_1"] == "key_1 label", "deleted things keep their names"
    directory.add_user("ana", email="ana@acme.test", name="Ana", password=None)
    directory.add_user("ben", email=None, name="Ben", password=None)
    directory.add_user("cy", email="cy@elsewhere.test", name="Cy", password=None)
    for user in ("ana", "ben"):
        directory.add_member("ws", user, role="member")
    assert directory.labels("ws", Label.USER) == {"ana": "ana@acme.test", "ben": "Ben"}
    assert directory.labels("ws", Label.WORKSPACE) == {"ws": "Acme"}


def test_many_threads_write_at_once(directory: Directory) -> None:
    failed: list[Exception] = []

    def work(thread: int) -> None:
        try:
            for number in range(20):
                directory.set_labels("ws", Label.VOICE, {f"{thread}-{number}": "name"})
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            failed.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(directory.labels("ws", Label.VOICE)) == 100

"""The database under the directory: its shape, its ways up from older releases, and what it says when it cannot be opened."""

import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from tests.directory.furnish import add_key
from tests.house import NOON, StillClock
from tests.postgres import Server
from usagedeck.catalog.dimensions import Label
from usagedeck.directory import keys
from usagedeck.directory.api_keys import CONCURRENCY, ApiKey
from usagedeck.directory.database import Kept, open_engine
from usagedeck.directory.migrating import migrate
from usagedeck.directory.repo import Directory
from usagedeck.directory.schema import metadata
from usagedeck.directory.webhooks import Webhook
from usagedeck.errors import Conflict, StoreFailed

NO_DIRECTORY = "sqlite:///path or postgresql://user@host/name"


def run(url: str, *statements: str) -> None:
    """Straight into the database, behind the directory's back."""
    engine = open_engine(url)
    with engine.begin() as db:
        for statement in statements:
            db.execute(text(statement))
    engine.dispose()


def rows(url: str, statement: str) -> list[dict[str, Any]]:
    engine = open_engine(url)
    with engine.connect() as db:
        found = [dict(row) for row in db.execute(text(statement)).mappings()]
    engine.dispose()
    return found


# --- shape --------------------------------------------------------------------------------------------------------


def test_migrations_make_exactly_the_tables_of_the_schema(bare_url: str) -> None:
    engine = open_engine(bare_url)
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        tables = set(inspect(connection).get_table_names())
    engine.dispose()
    assert tables == {*metadata.tables, "alembic_version"}


def test_a_comparison_that_finds_nothing_would_find_something(directory: Directory, url: str) -> None:
    """The test above is worth something only if a difference shows."""
    run(url, "ALTER TABLE users ADD COLUMN shoe_size INTEGER")
    engine = open_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata)
    engine.dispose()


OLD = (
    "INSERT INTO workspaces (id, name, currency, time_zone, billing_day, concurrency_limit, full_ip, created_at) "
    "VALUES ('ws', 'Acme', 'eur', 'Europe/Berlin', 15, 7, true, 1)",
    "INSERT INTO users (id, email, name, password, created_at) VALUES ('ana', 'ana@acme.test', 'Ana', 'hash', 2)",
    "INSERT INTO members (workspace_id, user_id, role, full_read, created_at) VALUES ('ws', 'ana', 'member', true, 3)",
    "INSERT INTO api_keys (workspace_id, id, user_id, label, hint, verifier, permissions, created_at, revoked_at) "
    """VALUES ('ws', 'key_1', 'ana', 'server', 'abcd', 'verifier 1', '["analytics_read"]', 4, NULL)""",
    "INSERT INTO api_keys (workspace_id, id, user_id, label, hint, verifier, permissions, created_at, revoked_at) "
    "VALUES ('ws', 'key_2', NULL, 'old', 'efgh', 'verifier 2', '[]', 5, 6)",
    "INSERT INTO labels (workspace_id, kind, id, name) VALUES ('ws', 'voice', 'v1', 'Rachel')",
    "INSERT INTO sessions (verifier, user_id, created_at, expires_at, user_agent) "
    "VALUES ('token', 'ana', 7, 9000000000000, 'firefox')",
    "INSERT INTO secrets (name, value) VALUES ('server', 'of old')",
)


@pytest.mark.parametrize("revision", ["0001", "0002"])
def test_a_directory_of_an_older_release_is_brought_to_today_with_all_its_data(
    bare_url: str, revision: str, clock: StillClock
) -> None:
    engine = open_engine(bare_url)
    migrate(engine, revision)
    engine.dispose()
    run(bare_url, *OLD)
    if revision == "0002":
        run(bare_url, "UPDATE workspaces SET retention_days = 30")
    directory = Directory(bare_url, clock)
    (space,) = directory.workspaces.all()
    assert (space.id, space.name, space.currency, space.time_zone) == ("ws", "Acme", "eur", "Europe/Berlin")
    assert (space.billing_day, space.concurrency_limit, space.full_ip, space.created_at) == (15, 7, True, 1)
    assert space.retention_days == space.rollup_days == (30 if revision == "0002" else None), "rollups went with the events"
    assert (space.redactions, space.credit_limit) == ((), None)
    ((user, member),) = directory.people.members("ws")
    assert (user.id, user.email, user.name, user.password, user.created_at) == ("ana", "ana@acme.test", "Ana", "hash", 2)
    assert (member.role, member.full_read, member.created_at) == ("member", True, 3)
    assert (member.locked_at, member.credit_limit) == (None, None)
    first, second = directory.api_keys.all("ws")
    assert (first.id, first.user_id, first.label, first.hint, first.verifier) == ("key_1", "ana", "server", "abcd", "verifier 1")
    assert (first.permissions, first.created_at, first.revoked_at) == (("analytics_read",), 4, None)
    assert (first.disabled_at, first.expires_at, first.last_used_at, first.allowed_ips) == (None, None, None, ())
    assert first.works(NOON), "keys of before work on"
    assert (second.id, second.user_id, second.permissions, second.revoked_at) == ("key_2", None, (), 6)
    assert directory.labels.names("ws", Label.VOICE) == {"v1": "Rachel"}
    session = directory.sessions.get("token", now=NOON)
    assert session is not None, "whoever is signed in stays so"
    assert (session.user_id, session.user_agent, session.address) == ("ana", "firefox", None)
    assert directory.secret == "of old", "fingerprints of keys depend on it"
    directory.close()


OF_0007 = (
    "INSERT INTO workspaces (id, name, currency, time_zone, billing_day, full_ip, created_at, retention_days, redactions, "
    """credit_limit, exchanges, exchange_days) VALUES ('ws', 'Acme', 'eur', 'UTC', 1, true, 1, 30, '["path"]', 500, true, 7)""",
    "INSERT INTO webhooks (workspace_id, id, name, url, events, auth, created_at, disabled_at, auto_disabled, failed_at, "
    """failed_status) VALUES ('ws', 'wh_1', 'Orders', 'https://x.test/', '["done"]', 'oauth2', 2, 3, true, 4, 503)""",
    "INSERT INTO api_keys (workspace_id, id, user_id, label, hint, verifier, permissions, created_at, disabled_at, expires_at, "
    "last_used_at, allowed_ips, credit_limit) VALUES ('ws', 'key_1', 'bot', 'server', 'abcd', 'verifier', "
    """'["analytics_read", "music"]', 5, 6, 7, 8, '["10.0.0.0/8"]', 9)""",
    "INSERT INTO service_accounts (workspace_id, id, name, credit_limit, created_at) VALUES ('ws', 'bot', 'Bot', 10, 11)",
)


def test_keys_and_webhooks_of_the_release_before_are_as_they_were(bare_url: str, clock: StillClock) -> None:
    """And nothing is limited, tried again or sent along that nobody said."""
    engine = open_engine(bare_url)
    migrate(engine, "0007")
    engine.dispose()
    run(bare_url, *OF_0007)
    directory = Directory(bare_url, clock)
    (space,) = directory.workspaces.all()
    assert (space.retention_days, space.redactions, space.credit_limit) == (30, ("path",), 500)
    assert (space.exchanges, space.exchange_days) == (True, 7)
    (hook,) = directory.webhooks.all("ws")
    assert hook == Webhook(*("ws", "wh_1", "Orders", "https://x.test/", ("done",), "oauth2", 2, 3, True, 4, 503))
    assert (hook.retry_enabled, hook.request_headers) == (False, ())
    (key,) = directory.api_keys.all("ws")
    said = ("ws", "key_1", "bot", "server", "abcd", "verifier", ("analytics_read", "music"), 5, None, 6, 7, 8, ("10.0.0.0/8",), 9)
    assert key == ApiKey(*said)
    assert [getattr(key, name) for name in CONCURRENCY] == [None, None, None]
    assert [(one.id, one.credit_limit) for one in directory.service_accounts.all("ws")] == [("bot", 10)]
    directory.close()


# --- opening ------------------------------------------------------------------------------------------------------


def test_opening_again_finds_everything(directory: Directory, url: str, clock: StillClock) -> None:
    secret = directory.secret
    directory.close()
    again = Directory(url, clock)
    found = again.workspaces.get("ws")
    assert found is not None
    assert (found.name, found.time_zone, found.billing_day, found.concurrency_limit) == ("Acme", "Europe/Berlin", 15, 7)
    assert found.created_at == NOON
    assert again.secret == secret, "fingerprints of keys depend on it"
    again.close()


def test_writes_to_a_file_survive_a_power_cut(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/directory.sqlite")
    with engine.connect() as db:
        assert db.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert db.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert db.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://root@localhost/x", "oracle://x", "directory.sqlite", ""])
def test_another_kind_of_directory_is_refused(url: str, clock: StillClock) -> None:
    with pytest.raises(Conflict, match=NO_DIRECTORY) as caught:
        Directory(url, clock)
    assert caught.value.field == "directory"


def test_a_file_that_is_no_directory_is_refused(tmp_path: Path, clock: StillClock) -> None:
    with pytest.raises(Conflict, match="cannot be opened"):
        Directory(f"sqlite:///{tmp_path}/there/is/no/such/folder.sqlite", clock)
    (tmp_path / "text").write_text("this is no database, " * 100)
    with pytest.raises(Conflict, match="cannot be opened"):
        Directory(f"sqlite:///{tmp_path}/text", clock)


def test_a_server_that_is_not_there_is_refused_without_the_password(tmp_path: Path, clock: StillClock) -> None:
    with pytest.raises(Conflict, match="The directory cannot be opened") as caught:
        Directory(f"postgresql://deck:hunter2@/deck?host={tmp_path}", clock)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(caught.value.__cause__)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"])
def test_all_spellings_of_postgresql_mean_one_driver(scheme: str) -> None:
    engine = open_engine(f"{scheme}://deck@host/name")
    assert (engine.dialect.name, engine.dialect.driver) == ("postgresql", "psycopg")


def test_without_its_driver_postgresql_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any, **__: Any) -> None:
        raise ModuleNotFoundError("No module named 'psycopg'")

    monkeypatch.setattr("usagedeck.directory.database.create_engine", missing)
    with pytest.raises(Conflict, match=r'pip install "usagedeck\[postgresql\]"'):
        open_engine("postgresql://deck@host/name")


def test_a_directory_of_a_newer_release_is_left_alone(directory: Directory, url: str, clock: StillClock) -> None:
    directory.close()
    run(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(Conflict, match="written by a newer release; upgrade"):
        Directory(url, clock)
    assert rows(url, "SELECT version_num FROM alembic_version") == [{"version_num": "9999"}]


def test_many_processes_may_bring_it_to_today_at_once(bare_url: str, clock: StillClock) -> None:
    secrets: list[str] = []

    def start() -> None:
        opened = Directory(bare_url, clock)
        secrets.append(opened.secret)
        opened.close()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(secrets) == 4
    assert len(set(secrets)) == 1


# --- changes ------------------------------------------------------------------------------------------------------


def test_every_change_is_counted_and_notes_are_not(directory: Directory) -> None:
    before = directory.changes()
    directory.workspaces.change("ws", {"name": "Acme Ltd"})
    directory.labels.put("ws", Label.VOICE, {"v": "Voice"})
    assert directory.changes() == before + 2
    with pytest.raises(Conflict):
        directory.workspaces.add("ws", "again", currency="usd", time_zone="UTC")
    directory.audit_log.add(["ws"], actor_kind="user", actor_id="ana", address="", action="export")
    assert directory.changes() == before + 2, "what failed is no change, and a note is none"


def test_what_is_kept_holds_until_another_process_changes_something(directory: Directory, url: str, clock: StillClock) -> None:
    add_key(directory, "key_1", keys.mint_key(), user="ana")
    assert directory.api_keys.owners("ws") == {"key_1": "ana"}
    assert directory.api_keys.owners("ws") is directory.api_keys.owners("ws"), "asked for every batch, so it is kept"
    other = Directory(url, clock)
    add_key(other, "key_2", keys.mint_key(), user="ben")
    other.close()
    assert directory.api_keys.owners("ws") == {"key_1": "ana", "key_2": "ben"}


def test_what_changed_while_it_was_read_is_read_again(directory: Directory) -> None:
    looks: list[str] = []

    def look(workspace_id: str) -> int:
        looks.append(workspace_id)
        if len(looks) == 1:
            directory.workspaces.change("ws", {"name": "changed meanwhile"})
        return len(looks)

    kept = Kept(directory._database, look)
    assert [kept.of("ws"), kept.of("ws"), kept.of("ws")] == [1, 2, 2]


def test_many_threads_write_at_once(directory: Directory) -> None:
    failed: list[Exception] = []

    def work(thread: int) -> None:
        try:
            for number in range(20):
                directory.labels.put("ws", Label.VOICE, {f"{thread}-{number}": "name"})
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            failed.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(directory.labels.names("ws", Label.VOICE)) == 100


def test_a_database_that_goes_away_fails_in_a_sentence_and_comes_back(server: Server, clock: StillClock) -> None:
    directory = Directory(server.create(), clock)
    name = directory._database.engine.url.database
    with server.connect() as db:
        db.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        with pytest.raises(StoreFailed, match="The directory does not answer") as caught:
            directory.workspaces.all()
        assert caught.value.code == "directory_failed"
        db.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert directory.workspaces.all() == []
    directory.close()


def test_a_file_is_copied_and_a_server_is_not(directory: Directory, kind: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    if kind == "postgresql":
        with pytest.raises(Conflict, match="pg_dump"):
            directory.copy_to(copy)
        return
    directory.copy_to(copy)
    with sqlite3.connect(copy) as db:
        assert db.execute("SELECT id FROM workspaces").fetchall() == [("ws",)]

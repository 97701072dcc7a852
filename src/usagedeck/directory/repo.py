"""Reads and writes of the directory. Plain records in, plain records out; no rule about who may do what."""

import sqlite3
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Row, create_engine, delete, event, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, IntegrityError

from usagedeck.catalog import Label
from usagedeck.directory import keys
from usagedeck.directory.schema import api_keys, labels, members, secrets, sessions, users, workspaces
from usagedeck.errors import Conflict

T = TypeVar("T")

_MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Workspace:
    id: str
    name: str
    currency: str
    time_zone: str
    billing_day: int
    concurrency_limit: int | None
    full_ip: bool
    created_at: int
    retention_days: int | None = None
    """How long its events are kept; None: for ever."""


@dataclass(frozen=True, slots=True)
class User:
    id: str
    email: str | None
    name: str
    password: str | None
    created_at: int


@dataclass(frozen=True, slots=True)
class Member:
    workspace_id: str
    user_id: str
    role: str
    full_read: bool


@dataclass(frozen=True, slots=True)
class ApiKey:
    workspace_id: str
    id: str
    user_id: str | None
    label: str
    hint: str
    verifier: str
    permissions: tuple[str, ...]
    created_at: int
    revoked_at: int | None


@dataclass(frozen=True, slots=True)
class Session:
    verifier: str
    user_id: str
    created_at: int
    expires_at: int
    user_agent: str


class Directory:
    """Opened once per process; safe to use from many threads."""

    def __init__(self, url: str, clock: Callable[[], int]) -> None:
        """Open the database and bring its tables to today's shape. `clock` tells the time in epoch milliseconds."""
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            raise Conflict(f'directory "{parsed.drivername}://" is unknown; use sqlite:///path.', field="directory")
        self._engine = create_engine(parsed)
        event.listen(self._engine, "connect", _prepare_sqlite)
        self._clock = clock
        self._generation = 0
        self._owners: dict[str, tuple[int, dict[str, str]]] = {}
        self._migrate()
        self.secret = self._server_secret()

    def close(self) -> None:
        self._engine.dispose()

    def counts(self) -> dict[str, int]:
        """How many there are of everything; `active_keys` are those that still work."""
        with self._engine.connect() as db:
            found = {
                table.name: int(db.execute(select(func.count()).select_from(table)).scalar_one())
                for table in (workspaces, users, members, api_keys, labels, sessions)
            }
            active = select(func.count()).where(api_keys.c.revoked_at.is_(None))
            return {**found, "active_keys": int(db.execute(active).scalar_one())}

    def copy_to(self, path: Path) -> None:
        """Write all of it, as it is at one moment, into a new file; others may go on reading and writing."""
        with self._engine.connect() as db, closing(sqlite3.connect(path)) as copy:
            db.connection.driver_connection.backup(copy)  # type: ignore[union-attr]

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        try:
            with self._engine.connect() as connection:
                # Left to itself the driver commits after every CREATE and ALTER, and a crash between two of them would leave
                # tables that no migration made and none can make again.
                connection.connection.driver_connection.isolation_level = None  # type: ignore[union-attr]
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                connection.commit()
                connection.invalidate()  # the pool shall not lend it to others
        except DatabaseError as error:
            raise Conflict(f"The directory cannot be opened: {error.orig}.", field="directory") from error
        except CommandError as error:  # its revision is none of those in `migrations`
            raise Conflict(f"The directory was written by a newer release; upgrade ({error}).", field="directory") from error

    def _server_secret(self) -> str:
        with self._engine.begin() as db:
            db.execute(upsert(secrets).values(name="server", value=keys.mint_token()).on_conflict_do_nothing())
            return str(db.execute(select(secrets.c.value).where(secrets.c.name == "server")).scalar_one())

    def _write(self, work: Callable[[Connection], Any], exists: str) -> None:
        try:
            with self._engine.begin() as db:
                work(db)
        except IntegrityError as error:
            raise Conflict(exists, code="already_exists") from error
        self._generation += 1

    # --- workspaces and people

    def add_workspace(
        self,
        id_: str,
        name: str,
        *,
        currency: str,
        time_zone: str,
        billing_day: int = 1,
        concurrency_limit: int | None = None,
        full_ip: bool = False,
    ) -> Workspace:
        made = Workspace(id_, name, currency, time_zone, billing_day, concurrency_limit, full_ip, self._clock())
        values = {c.name: getattr(made, c.name) for c in workspaces.c}
        self._write(lambda db: db.execute(insert(workspaces).values(values)), f'There is a workspace "{id_}" already.')
        return made

    def workspace(self, id_: str) -> Workspace | None:
        return self._one(select(workspaces).where(workspaces.c.id == id_), Workspace)

    def workspaces(self) -> list[Workspace]:
        return self._all(select(workspaces).order_by(workspaces.c.created_at, workspaces.c.id), Workspace)

    def set_retention(self, id_: str, days: int | None) -> None:
        """How long the workspace keeps its events from now on; None: for ever."""
        self._write(lambda db: db.execute(update(workspaces).where(workspaces.c.id == id_).values(retention_days=days)), "")

    def add_user(self, id_: str, *, email: str | None, name: str, password: str | None) -> User:
        """`password` is the hash."""
        made = User(id_, email.lower() if email else None, name, password, self._clock())
        values = {c.name: getattr(made, c.name) for c in users.c}
        self._write(lambda db: db.execute(insert(users).values(values)), f'There is a user "{id_}" or "{email}" already.')
        return made

    def user(self, id_: str) -> User | None:
        return self._one(select(users).where(users.c.id == id_), User)

    def user_by_email(self, email: str) -> User | None:
        return self._one(select(users).where(users.c.email == email.lower()), User)

    def set_password(self, user_id: str, password: str) -> None:
        """Change a password's hash and end the user's sessions."""

        def work(db: Connection) -> None:
            db.execute(update(users).where(users.c.id == user_id).values(password=password))
            db.execute(delete(sessions).where(sessions.c.user_id == user_id))

        self._write(work, "")

    def add_member(self, workspace_id: str, user_id: str, *, role: str, full_read: bool = False) -> None:
        values = {
            "workspace_id": workspace_id,
            "user_id": user_id,
            "role": role,
            "full_read": full_read,
            "created_at": self._clock(),
        }
        self._write(
            lambda db: db.execute(insert(members).values(values)), f'User "{user_id}" is a member of the workspace already.'
        )

    def memberships(self, user_id: str) -> list[tuple[Workspace, Member]]:
        """The user's workspaces, oldest membership first."""
        found = (
            select(workspaces, members.c.user_id, members.c.role, members.c.full_read)
            .join(members, members.c.workspace_id == workspaces.c.id)
            .where(members.c.user_id == user_id)
            .order_by(members.c.created_at, workspaces.c.id)
        )
        width = len(workspaces.c)
        with self._engine.connect() as db:
            return [(Workspace(*row[:width]), Member(row[0], *row[width:])) for row in db.execute(found)]

    def member(self, workspace_id: str, user_id: str) -> Member | None:
        return next((m for w, m in self.memberships(user_id) if w.id == workspace_id), None)

    def member_count(self, workspace_id: str) -> int:
        with self._engine.connect() as db:
            return len(db.execute(select(members.c.user_id).where(members.c.workspace_id == workspace_id)).all())

    # --- keys

    def add_key(
        self,
        workspace_id: str,
        id_: str,
        *,
        label: str,
        user_id: str | None,
        hint: str,
        verifier: str,
        permissions: Collection[str],
    ) -> ApiKey:
        made = ApiKey(workspace_id, id_, user_id, label, hint, verifier, tuple(sorted(permissions)), self._clock(), None)
        values = {c.name: getattr(made, c.name) for c in api_keys.c} | {"permissions": list(made.permissions)}
        self._write(lambda db: db.execute(insert(api_keys).values(values)), f'There is a key "{id_}" already.')
        return made

    def key_by_verifier(self, verifier: str) -> ApiKey | None:
        found = self._one(select(api_keys).where(api_keys.c.verifier == verifier), _key)
        return found if found and found.revoked_at is None else None

    def keys(self, workspace_id: str) -> list[ApiKey]:
        """All keys, revoked ones included, oldest first."""
        found = select(api_keys).where(api_keys.c.workspace_id == workspace_id).order_by(api_keys.c.created_at, api_keys.c.id)
        return self._all(found, _key)

    def revoke_key(self, workspace_id: str, id_: str) -> bool:
        """False when there is no such key, or it was revoked before."""
        with self._engine.begin() as db:
            where = (api_keys.c.workspace_id == workspace_id, api_keys.c.id == id_, api_keys.c.revoked_at.is_(None))
            changed = db.execute(update(api_keys).where(*where).values(revoked_at=self._clock())).rowcount
        self._generation += 1
        return bool(changed)

    def owners(self, workspace_id: str) -> Mapping[str, str]:
        """Key id → its owner, for keys that have one. Kept in memory until the directory changes."""
        kept = self._owners.get(workspace_id)
        if kept is None or kept[0] != self._generation:
            generation = self._generation
            kept = (generation, {k.id: k.user_id for k in self.keys(workspace_id) if k.user_id})
            self._owners[workspace_id] = kept
        return kept[1]

    # --- display names

    def set_labels(self, workspace_id: str, kind: Label, names: Mapping[str, str]) -> None:
        rows = [{"workspace_id": workspace_id, "kind": kind.value, "id": i, "name": n} for i, n in names.items()]
        if not rows:
            return
        statement = upsert(labels)
        keyed = statement.on_conflict_do_update(
            index_elements=["workspace_id", "kind", "id"], set_={"name": statement.excluded.name}
        )
        self._write(lambda db: db.execute(keyed, rows), "")

    def labels(self, workspace_id: str, kind: Label) -> Mapping[str, str]:
        """Id → display name, of everything of that kind that has one in the workspace."""
        with self._engine.connect() as db:
            where = (labels.c.workspace_id == workspace_id, labels.c.kind == kind.value)
            names = {str(i): str(n) for i, n in db.execute(select(labels.c.id, labels.c.name).where(*where))}
            if kind is Label.API_KEY:
                found = select(api_keys.c.id, api_keys.c.label).where(api_keys.c.workspace_id == workspace_id)
                names |= {str(i): str(n) for i, n in db.execute(found)}
            if kind is Label.USER:
                people = (
                    select(users.c.id, users.c.email, users.c.name)
                    .join(members, members.c.user_id == users.c.id)
                    .where(members.c.workspace_id == workspace_id)
                )
                names |= {str(i): str(email or name) for i, email, name in db.execute(people)}
            if kind is Label.WORKSPACE:
                found = select(workspaces.c.id, workspaces.c.name).where(workspaces.c.id == workspace_id)
                names |= {str(i): str(n) for i, n in db.execute(found)}
        return names

    # --- sessions

    def add_session(self, verifier: str, user_id: str, *, expires_at: int, user_agent: str) -> None:
        values = {
            "verifier": verifier,
            "user_id": user_id,
            "created_at": self._clock(),
            "expires_at": expires_at,
            "user_agent": user_agent,
        }
        with self._engine.begin() as db:
            db.execute(delete(sessions).where(sessions.c.expires_at < self._clock()))
            db.execute(insert(sessions).values(values))

    def session(self, verifier: str, *, now: int) -> Session | None:
        return self._one(select(sessions).where(sessions.c.verifier == verifier, sessions.c.expires_at > now), Session)

    def end_session(self, verifier: str) -> None:
        with self._engine.begin() as db:
            db.execute(delete(sessions).where(sessions.c.verifier == verifier))

    # --- plumbing

    def _one(self, statement: Any, make: Callable[..., T]) -> T | None:
        with self._engine.connect() as db:
            row = db.execute(statement).one_or_none()
        return None if row is None else make(*row)

    def _all(self, statement: Any, make: Callable[..., T]) -> list[T]:
        with self._engine.connect() as db:
            rows: list[Row[Any]] = list(db.execute(statement))
        return [make(*row) for row in rows]


def _key(*row: Any) -> ApiKey:
    workspace_id, id_, user_id, label, hint, verifier, permissions, created_at, revoked_at = row
    return ApiKey(workspace_id, id_, user_id, label, hint, verifier, tuple(permissions), created_at, revoked_at)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 5000"):
        connection.execute(f"PRAGMA {pragma}")

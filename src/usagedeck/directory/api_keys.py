"""API keys of workspaces, and the keys of the operator's own programs. What is kept of a key is its SHA-256."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import structlog
from sqlalchemy import Table, bindparam, insert, select, update

from usagedeck.directory.database import Database, Kept
from usagedeck.directory.schema import api_keys, operator_keys
from usagedeck.errors import StoreFailed

log = structlog.get_logger(__name__)

NOTE_EVERY = 60_000
"""When a key was last used is written down once in so many milliseconds."""


CONCURRENCY = ("tts_concurrency_limit", "dubbing_concurrency_limit", "music_concurrency_limit")
"""Columns that say how many requests of a kind may run at once with a key. Kept and shown; nothing is stopped here."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    workspace_id: str
    id: str
    user_id: str | None
    """Its owner: a user, a service account, or nobody."""
    label: str
    hint: str
    verifier: str
    permissions: tuple[str, ...]
    created_at: int
    revoked_at: int | None = None
    """Since when it is gone for good."""
    disabled_at: int | None = None
    """Since when it does not work for now."""
    expires_at: int | None = None
    last_used_at: int | None = None
    allowed_ips: tuple[str, ...] = ()
    """Networks it may be used from; from everywhere when there are none."""
    credit_limit: int | None = None
    """Credits a billing period."""
    tts_concurrency_limit: int | None = None
    """Requests that turn text or speech into speech at once, for whoever runs them; so are the next two."""
    dubbing_concurrency_limit: int | None = None
    music_concurrency_limit: int | None = None

    def works(self, now: int) -> bool:
        return self.revoked_at is None and self.disabled_at is None and (self.expires_at is None or now < self.expires_at)


@dataclass(frozen=True, slots=True)
class OperatorKey:
    """A key of a program of the operator's. It may provision everything, and of usage it learns how far limits are used
    up and nothing else."""

    id: str
    label: str
    hint: str
    verifier: str
    created_at: int
    revoked_at: int | None = None
    last_used_at: int | None = None


class LastUsed:
    """When keys were last used: noted in memory, written down for all of them at once, once a minute and at the end.

    After a crash up to a minute of it is missing.
    """

    def __init__(self, database: Database, table: Table) -> None:
        self._database = database
        self._table = table
        self._lock = threading.Lock()
        self._noted: dict[str, int] = {}
        self._written = database.clock()

    def note(self, verifier: str) -> None:
        now = self._database.clock()
        with self._lock:
            self._noted[verifier] = now
            if 0 <= now - self._written < NOTE_EVERY:
                return
            self._written = now
        self.write()

    def write(self) -> None:
        """Write down what is noted. When it cannot be written it stays noted: no question fails for it."""
        with self._lock:
            noted, self._noted = self._noted, {}
        if not noted:
            return
        rows = [{"of": verifier, "at": at} for verifier, at in sorted(noted.items())]
        statement = update(self._table).where(self._table.c.verifier == bindparam("of")).values(last_used_at=bindparam("at"))
        try:
            with self._database.noting() as db:
                db.execute(statement, rows)
        except StoreFailed as error:  # a full disk, for one: reads go on
            log.warning("when keys were last used could not be written", reason=error.message)
            with self._lock:
                self._noted = noted | self._noted


class ApiKeys:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept = Kept(database, self._owners)
        self.last_used = LastUsed(database, api_keys)

    def add(
        self,
        workspace_id: str,
        id_: str,
        *,
        label: str,
        user_id: str | None,
        hint: str,
        verifier: str,
        permissions: Collection[str],
        expires_at: int | None = None,
        allowed_ips: Collection[str] = (),
        credit_limit: int | None = None,
        disabled_at: int | None = None,
        concurrency: Mapping[str, int] = MappingProxyType({}),
    ) -> ApiKey:
        """`concurrency`: those of `CONCURRENCY` that are limited."""
        made = ApiKey(
            workspace_id,
            id_,
            user_id,
            label,
            hint,
            verifier,
            tuple(sorted(permissions)),
            self._database.clock(),
            disabled_at=disabled_at,
            expires_at=expires_at,
            allowed_ips=tuple(allowed_ips),
            credit_limit=credit_limit,
            **concurrency,
        )
        with self._database.writing(f'There is a key "{id_}" already, or another with its secret.') as db:
            db.execute(insert(api_keys).values(asdict(made)))
        return made

    def get(self, workspace_id: str, id_: str) -> ApiKey | None:
        return self._database.one(select(api_keys).where(api_keys.c.workspace_id == workspace_id, api_keys.c.id == id_), ApiKey)

    def by_verifier(self, verifier: str) -> ApiKey | None:
        """The key of a secret, whether it works or not."""
        return self._database.one(select(api_keys).where(api_keys.c.verifier == verifier), ApiKey)

    def all(self, workspace_id: str) -> list[ApiKey]:
        """All keys, revoked ones included, oldest first."""
        self.last_used.write()
        found = select(api_keys).where(api_keys.c.workspace_id == workspace_id).order_by(api_keys.c.created_at, api_keys.c.id)
        return self._database.all(found, ApiKey)

    def change(self, workspace_id: str, id_: str, values: Mapping[str, Any]) -> None:
        """Set columns by their names. Raises `Conflict` for a secret that another key has."""
        with self._database.writing("Another key has this secret already.") as db:
            where = (api_keys.c.workspace_id == workspace_id, api_keys.c.id == id_)
            db.execute(update(api_keys).where(*where).values(dict(values)))

    def revoke(self, workspace_id: str, id_: str) -> bool:
        """False when there is no such key, or it was revoked before."""
        with self._database.writing() as db:
            where = (api_keys.c.workspace_id == workspace_id, api_keys.c.id == id_, api_keys.c.revoked_at.is_(None))
            return bool(db.execute(update(api_keys).where(*where).values(revoked_at=self._database.clock())).rowcount)

    def owners(self, workspace_id: str) -> Mapping[str, str]:
        """Key id → its owner, for keys that have one. Kept in memory until the directory changes."""
        return self._kept.of(workspace_id)

    def _owners(self, workspace_id: str) -> Mapping[str, str]:
        where = (api_keys.c.workspace_id == workspace_id, api_keys.c.user_id.is_not(None))
        return self._database.pairs(select(api_keys.c.id, api_keys.c.user_id).where(*where))


class OperatorKeys:
    def __init__(self, database: Database) -> None:
        self._database = database
        self.last_used = LastUsed(database, operator_keys)

    def add(self, id_: str, *, label: str, hint: str, verifier: str) -> OperatorKey:
        made = OperatorKey(id_, label, hint, verifier, self._database.clock())
        with self._database.writing(f'There is an operator key "{id_}" already.') as db:
            db.execute(insert(operator_keys).values(asdict(made)))
        return made

    def by_verifier(self, verifier: str) -> OperatorKey | None:
        """The key of a secret, unless it was revoked."""
        where = (operator_keys.c.verifier == verifier, operator_keys.c.revoked_at.is_(None))
        return self._database.one(select(operator_keys).where(*where), OperatorKey)

    def all(self) -> list[OperatorKey]:
        """Revoked ones included, oldest first."""
        self.last_used.write()
        order = (operator_keys.c.created_at, operator_keys.c.id)
        return self._database.all(select(operator_keys).order_by(*order), OperatorKey)

    def revoke(self, id_: str) -> bool:
        """False when there is no such key, or it was revoked before."""
        with self._database.writing() as db:
            where = (operator_keys.c.id == id_, operator_keys.c.revoked_at.is_(None))
            return bool(db.execute(update(operator_keys).where(*where).values(revoked_at=self._database.clock())).rowcount)

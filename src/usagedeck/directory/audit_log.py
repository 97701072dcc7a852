"""The audit log's rows: added and read, never changed."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select, tuple_

from usagedeck.directory.database import Database
from usagedeck.directory.schema import audit_log


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody did something to something."""

    id: int
    workspace_id: str | None
    """None: it is about the server, not about a workspace."""
    time: int
    actor_kind: str
    actor_id: str
    address: str
    action: str
    target_kind: str
    target_id: str
    details: Mapping[str, Any]


class AuditLog:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        workspace_ids: Sequence[str | None],
        *,
        actor_kind: str,
        actor_id: str,
        address: str,
        action: str,
        target_kind: str = "",
        target_id: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """One entry in the log of each workspace."""
        if not workspace_ids:
            return
        same = {
            "time": self._database.clock(),
            "actor_kind": actor_kind,
            "actor_id": actor_id,
            "address": address,
            "action": action,
            "target_kind": target_kind,
            "target_id": target_id,
            "details": dict(details or {}),
        }
        with self._database.noting() as db:
            db.execute(insert(audit_log), [{"workspace_id": workspace_id, **same} for workspace_id in workspace_ids])

    def read(
        self,
        workspace_id: str | None,
        *,
        start: int,
        end: int,
        equal: Mapping[str, str],
        actions: Collection[str] | None = None,
        others: Collection[str] = (),
        before: tuple[int, int] | None = None,
        limit: int | None = None,
    ) -> list[Entry]:
        """Entries of a workspace within [start, end), newest first. `equal`: column → the value it must have.
        `actions`: only these; `others`: all but these. `before`: only those older than the entry of that time and id."""
        where = [audit_log.c.workspace_id == workspace_id, audit_log.c.time >= start, audit_log.c.time < end]
        where += [audit_log.c[name] == value for name, value in equal.items()]
        if actions is not None:
            where.append(audit_log.c.action.in_(sorted(actions)))
        if others:
            where.append(audit_log.c.action.not_in(sorted(others)))
        if before is not None:
            where.append(tuple_(audit_log.c.time, audit_log.c.id) < before)
        found = select(audit_log).where(*where).order_by(audit_log.c.time.desc(), audit_log.c.id.desc()).limit(limit)
        return self._database.all(found, Entry)

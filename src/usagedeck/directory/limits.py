"""Credit limits of a workspace, all of them together: what has to be known before every request, so it is kept in memory."""

from collections.abc import Mapping

from sqlalchemy import ColumnElement, Table, select, update

from usagedeck.directory.database import Database, Kept
from usagedeck.directory.schema import api_keys, groups, members, service_accounts, workspaces
from usagedeck.meters import WHOLE, Kind, Limit, Party

_KEPT: tuple[tuple[Kind, Table, str, str], ...] = (
    (Kind.KEY, api_keys, "workspace_id", "id"),
    (Kind.MEMBER, members, "workspace_id", "user_id"),
    (Kind.MEMBER, service_accounts, "workspace_id", "id"),
    (Kind.GROUP, groups, "workspace_id", "id"),
    (Kind.WORKSPACE, workspaces, "id", ""),
)
"""Where the limits are: the table, its column with the workspace, and the one with the id."""


class Limits:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept = Kept(database, self._limits)

    def of(self, workspace_id: str) -> Mapping[Party, Limit]:
        """The limits there are. Kept in memory until the directory changes."""
        return self._kept.of(workspace_id)

    def set(self, workspace_id: str, party: Party, credits_: int | None) -> bool:
        """Give a limit or take it away. False when there is no such key, member, group or workspace."""
        kind, id_ = party
        found = 0
        with self._database.writing() as db:
            for table, where in ((t, _where(t, w, i, workspace_id, id_)) for k, t, w, i in _KEPT if k is kind):
                found += db.execute(update(table).where(*where).values(credit_limit=credits_)).rowcount
        return bool(found)

    def _limits(self, workspace_id: str) -> Mapping[Party, Limit]:
        found: dict[Party, Limit] = {}
        with self._database.reading() as db:
            for kind, table, workspace, id_ in _KEPT:
                given = [table.c[workspace] == workspace_id, table.c.credit_limit.is_not(None)]
                if kind is Kind.KEY:
                    given.append(table.c.revoked_at.is_(None))
                named = table.c[id_ or workspace]
                for name, credits_ in db.execute(select(named, table.c.credit_limit).where(*given)):
                    party = (kind, str(name)) if id_ else WHOLE
                    found[party] = Limit(party, int(credits_))
        return found


def _where(table: Table, workspace: str, id_: str, workspace_id: str, wanted: str) -> list[ColumnElement[bool]]:
    inside = [table.c[workspace] == workspace_id]
    return [*inside, table.c[id_] == wanted] if id_ else inside

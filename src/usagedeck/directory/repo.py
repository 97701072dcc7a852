"""The directory: everything about who there is and what things are called, opened once. It holds; its parts do.

Plain records in, plain records out; no rule about who may do what.
"""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import func, select

from usagedeck.catalog.dimensions import NAMES, Label
from usagedeck.catalog.kinds import ERASED, ERASED_LABEL
from usagedeck.directory import keys
from usagedeck.directory.api_keys import ApiKeys, OperatorKeys
from usagedeck.directory.audit_log import AuditLog
from usagedeck.directory.database import Database
from usagedeck.directory.erasing import take_out
from usagedeck.directory.groups import Groups
from usagedeck.directory.identities import Identities
from usagedeck.directory.invitations import Invitations
from usagedeck.directory.labels import Labels
from usagedeck.directory.limits import Limits
from usagedeck.directory.people import People
from usagedeck.directory.schema import api_keys, labels, metadata, secrets
from usagedeck.directory.service_accounts import ServiceAccounts
from usagedeck.directory.sessions import Sessions
from usagedeck.directory.webhooks import Webhooks
from usagedeck.directory.workspaces import Workspaces
from usagedeck.errors import Conflict

_UNCOUNTED = ("secrets", "counters", "group_members")


class Directory:
    """Opened once per process; safe to use from many threads."""

    def __init__(self, url: str, clock: Callable[[], int]) -> None:
        """Open the database and bring its tables to today's shape. `clock` tells the time in epoch milliseconds."""
        self._database = database = Database(url, clock)
        self.workspaces = Workspaces(database)
        self.people = People(database)
        self.groups = Groups(database)
        self.service_accounts = ServiceAccounts(database)
        self.api_keys = ApiKeys(database)
        self.operator_keys = OperatorKeys(database)
        self.webhooks = Webhooks(database)
        self.labels = Labels(database)
        self.limits = Limits(database)
        self.sessions = Sessions(database)
        self.identities = Identities(database)
        self.invitations = Invitations(database)
        self.audit_log = AuditLog(database)
        self.secret = self._server_secret()

    def close(self) -> None:
        for noted in (self.api_keys.last_used, self.operator_keys.last_used, self.sessions.last_used):
            noted.write()
        self._database.close()

    def changes(self) -> int:
        """How many changes there have been, ever: what was read before and is kept still holds while it is the same."""
        return self._database.changes()

    def counts(self) -> dict[str, int]:
        """How many there are of everything; `active_keys` are those that still work."""
        with self._database.reading() as db:
            tables = [table for table in metadata.sorted_tables if table.name not in _UNCOUNTED]
            found = {table.name: int(db.execute(select(func.count()).select_from(table)).scalar_one()) for table in tables}
            now = self._database.clock()
            works = (
                api_keys.c.revoked_at.is_(None),
                api_keys.c.disabled_at.is_(None),
                func.coalesce(api_keys.c.expires_at, now + 1) > now,
            )
            return {**found, "active_keys": int(db.execute(select(func.count()).where(*works)).scalar_one())}

    def erase(self, workspace_id: str, erased: Callable[[Label, str], bool]) -> int:
        """Take out every user and key of a workspace that is `erased`; returns how many entries went or were changed.

        A key stops working at once. What they did is called "Erased". A user of no other workspace is forgotten wholly. In a
        file, what is left of them is overwritten.
        """
        with self._database.writing() as db:
            gone = take_out(db, workspace_id, erased)
            kept = [{"workspace_id": workspace_id, "kind": k.value, "id": ERASED, "name": ERASED_LABEL} for k in NAMES]
            self._database.put(db, labels, kept)
        self._database.tidy()
        return gone

    def copy_to(self, path: Path) -> None:
        """Write all of it, as it is at one moment, into a new file; others may go on reading and writing.

        Raises `Conflict` when it is no file.
        """
        if not self._database.is_file:
            raise Conflict("The directory is PostgreSQL's, so its own tools back it up (pg_dump).", field="directory")
        self._database.copy_to(path)

    def _server_secret(self) -> str:
        found = select(secrets.c.value).where(secrets.c.name == "server")
        with self._database.noting() as db:
            self._database.put_new(db, secrets, {"name": "server", "value": keys.mint_token()})
            return str(db.execute(found).scalar_one())

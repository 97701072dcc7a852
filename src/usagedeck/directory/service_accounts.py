"""Service accounts: users of one workspace that are no people. They own keys; their usage carries their id as `user_id`."""

from dataclasses import asdict, dataclass

from sqlalchemy import delete, select, update

from usagedeck.catalog.dimensions import Label
from usagedeck.directory.database import Database
from usagedeck.directory.schema import api_keys, group_members, labels, members, service_accounts
from usagedeck.errors import Conflict


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    workspace_id: str
    id: str
    name: str
    credit_limit: int | None
    created_at: int


class ServiceAccounts:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, workspace_id: str, id_: str, *, name: str, credit_limit: int | None = None) -> None:
        """Make one or change it. Raises `Conflict` for the id of a member: whose usage would it be?"""
        made = ServiceAccount(workspace_id, id_, name, credit_limit, self._database.clock())
        with self._database.writing(f'There is no workspace "{workspace_id}".') as db:
            same = (members.c.workspace_id == workspace_id, members.c.user_id == id_)
            if db.execute(select(members.c.user_id).where(*same)).first():
                raise Conflict(f'"{id_}" is the id of a member; take another.', field="id", code="already_exists")
            self._database.put(db, service_accounts, [asdict(made)], keep=["created_at"])

    def get(self, workspace_id: str, id_: str) -> ServiceAccount | None:
        where = (service_accounts.c.workspace_id == workspace_id, service_accounts.c.id == id_)
        return self._database.one(select(service_accounts).where(*where), ServiceAccount)

    def all(self, workspace_id: str) -> list[ServiceAccount]:
        """Oldest first."""
        where = service_accounts.c.workspace_id == workspace_id
        order = (service_accounts.c.created_at, service_accounts.c.id)
        return self._database.all(select(service_accounts).where(where).order_by(*order), ServiceAccount)

    def remove(self, workspace_id: str, id_: str) -> bool:
        """It goes: its keys stop working; its name stays, for its usage does. False when there is none."""
        now = self._database.clock()
        with self._database.writing() as db:
            where = (service_accounts.c.workspace_id == workspace_id, service_accounts.c.id == id_)
            name = db.execute(select(service_accounts.c.name).where(*where)).scalar_one_or_none()
            if name is None:
                return False
            row = {"workspace_id": workspace_id, "kind": Label.USER.value, "id": id_, "name": name}
            self._database.put(db, labels, [row])
            owned = (api_keys.c.workspace_id == workspace_id, api_keys.c.user_id == id_, api_keys.c.revoked_at.is_(None))
            db.execute(update(api_keys).where(*owned).values(revoked_at=now))
            grouped = (group_members.c.workspace_id == workspace_id, group_members.c.user_id == id_)
            db.execute(delete(group_members).where(*grouped))
            db.execute(delete(service_accounts).where(*where))
        return True

"""Display names: those that were set, and those that people, keys, groups and webhooks bring with them."""

from collections.abc import Mapping

from sqlalchemy import func, select

from usagedeck.catalog.dimensions import Label
from usagedeck.directory.database import Database
from usagedeck.directory.schema import api_keys, groups, labels, members, service_accounts, users, webhooks, workspaces


class Labels:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, workspace_id: str, kind: Label, names: Mapping[str, str]) -> None:
        """Set display names; what has one already gets the new one."""
        rows = [{"workspace_id": workspace_id, "kind": kind.value, "id": i, "name": n} for i, n in names.items()]
        if not rows:
            return
        with self._database.writing(f'There is no workspace "{workspace_id}".') as db:
            self._database.put(db, labels, rows)

    def names(self, workspace_id: str, kind: Label) -> Mapping[str, str]:
        """Id → display name, of everything of that kind that has one in the workspace. What is there is called by its own name,
        what is gone or was never registered by the one that was set."""
        set_ = select(labels.c.id, labels.c.name).where(labels.c.workspace_id == workspace_id, labels.c.kind == kind.value)
        found = self._database.pairs(set_)
        for statement in _own(workspace_id, kind):
            found |= self._database.pairs(statement)
        return found


def _own(workspace_id: str, kind: Label) -> list[object]:
    match kind:
        case Label.API_KEY:
            return [select(api_keys.c.id, api_keys.c.label).where(api_keys.c.workspace_id == workspace_id)]
        case Label.USER:
            shown = func.coalesce(users.c.email, users.c.name)
            people = select(users.c.id, shown).join(members, members.c.user_id == users.c.id)
            accounts = select(service_accounts.c.id, service_accounts.c.name)
            return [
                people.where(members.c.workspace_id == workspace_id),
                accounts.where(service_accounts.c.workspace_id == workspace_id),
            ]
        case Label.GROUP:
            return [select(groups.c.id, groups.c.name).where(groups.c.workspace_id == workspace_id)]
        case Label.WEBHOOK:
            return [select(webhooks.c.id, webhooks.c.name).where(webhooks.c.workspace_id == workspace_id)]
        case Label.WORKSPACE:
            return [select(workspaces.c.id, workspaces.c.name).where(workspaces.c.id == workspace_id)]
        case _:
            return []

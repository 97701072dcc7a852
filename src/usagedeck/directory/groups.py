"""Groups of a workspace: named sets of user ids. An id need not be a member's; usage may come of people nobody registered."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

from sqlalchemy import delete, insert, select

from usagedeck.catalog.dimensions import Label
from usagedeck.directory.database import Database, Kept
from usagedeck.directory.schema import group_members, groups, labels


@dataclass(frozen=True, slots=True)
class Group:
    workspace_id: str
    id: str
    name: str
    permissions: tuple[str, ...]
    """What every member of the workspace who is in it may do."""
    credit_limit: int | None
    """Credits of all together in a billing period."""
    created_at: int


class Groups:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept = Kept(database, self._of_users)

    def put(
        self,
        workspace_id: str,
        id_: str,
        *,
        name: str,
        permissions: Collection[str] = (),
        credit_limit: int | None = None,
        user_ids: Collection[str] | None = None,
    ) -> None:
        """Make a group or change it; with `user_ids` those are in it and no others."""
        made = Group(workspace_id, id_, name, tuple(sorted(permissions)), credit_limit, self._database.clock())
        with self._database.writing(f'There is no workspace "{workspace_id}".') as db:
            self._database.put(db, groups, [asdict(made)], keep=["created_at"])
            if user_ids is not None:
                where = (group_members.c.workspace_id == workspace_id, group_members.c.group_id == id_)
                db.execute(delete(group_members).where(*where))
                rows = [{"workspace_id": workspace_id, "group_id": id_, "user_id": user} for user in sorted(set(user_ids))]
                if rows:
                    db.execute(insert(group_members), rows)

    def get(self, workspace_id: str, id_: str) -> Group | None:
        return self._database.one(select(groups).where(groups.c.workspace_id == workspace_id, groups.c.id == id_), Group)

    def all(self, workspace_id: str) -> list[Group]:
        """By name."""
        where = groups.c.workspace_id == workspace_id
        return self._database.all(select(groups).where(where).order_by(groups.c.name, groups.c.id), Group)

    def remove(self, workspace_id: str, id_: str) -> bool:
        """The group goes; its name stays, for its usage does. False when there is none."""
        with self._database.writing() as db:
            where = (groups.c.workspace_id == workspace_id, groups.c.id == id_)
            name = db.execute(select(groups.c.name).where(*where)).scalar_one_or_none()
            if name is None:
                return False
            self._database.put(db, labels, [{"workspace_id": workspace_id, "kind": Label.GROUP.value, "id": id_, "name": name}])
            inside = (group_members.c.workspace_id == workspace_id, group_members.c.group_id == id_)
            db.execute(delete(group_members).where(*inside))
            db.execute(delete(groups).where(*where))
        return True

    def members(self, workspace_id: str) -> Mapping[str, tuple[str, ...]]:
        """Group id → user ids; groups without any are left out."""
        return self._collected(workspace_id, group_members.c.group_id, group_members.c.user_id)

    def of_users(self, workspace_id: str) -> Mapping[str, tuple[str, ...]]:
        """User id → ids of the groups they are in. Kept in memory until the directory changes."""
        return self._kept.of(workspace_id)

    def _of_users(self, workspace_id: str) -> Mapping[str, tuple[str, ...]]:
        return self._collected(workspace_id, group_members.c.user_id, group_members.c.group_id)

    def _collected(self, workspace_id: str, key: object, value: object) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        with self._database.reading() as db:
            pairs = select(key, value).where(group_members.c.workspace_id == workspace_id)  # type: ignore[call-overload]
            for one, other in db.execute(pairs):
                found.setdefault(one, []).append(other)
        return {one: tuple(sorted(others)) for one, others in found.items()}

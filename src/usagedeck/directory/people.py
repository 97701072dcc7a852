"""Users, and the workspaces they are members of."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from usagedeck.catalog.dimensions import Label
from usagedeck.directory.database import Database
from usagedeck.directory.schema import api_keys, group_members, labels, members, service_accounts, sessions, users, workspaces
from usagedeck.directory.workspaces import Workspace
from usagedeck.errors import Conflict


@dataclass(frozen=True, slots=True)
class User:
    """A person, whatever they are a member of."""

    id: str
    email: str | None
    name: str
    password: str | None
    """Its argon2id hash."""
    created_at: int

    @property
    def label(self) -> str:
        """What others call them."""
        return self.email or self.name or self.id


@dataclass(frozen=True, slots=True)
class Member:
    workspace_id: str
    user_id: str
    role: str
    full_read: bool
    created_at: int
    locked_at: int | None = None
    credit_limit: int | None = None
    """Credits a billing period."""


class People:
    def __init__(self, database: Database) -> None:
        self._database = database

    # --- users

    def add(self, id_: str, *, email: str | None, name: str, password: str | None) -> User:
        """`password` is the hash."""
        made = User(id_, email.lower() if email else None, name, password, self._database.clock())
        with self._database.writing(f'There is a user "{id_}" or "{email}" already.') as db:
            db.execute(insert(users).values(asdict(made)))
        return made

    def get(self, id_: str) -> User | None:
        return self._database.one(select(users).where(users.c.id == id_), User)

    def by_email(self, email: str) -> User | None:
        return self._database.one(select(users).where(users.c.email == email.lower()), User)

    def change(self, id_: str, *, email: str | None, name: str) -> None:
        with self._database.writing(f'There is another user "{email}" already.') as db:
            values = {"email": email.lower() if email else None, "name": name}
            db.execute(update(users).where(users.c.id == id_).values(values))

    def set_password(self, id_: str, password: str) -> None:
        """Change a password's hash and end the user's sessions."""
        with self._database.writing() as db:
            db.execute(update(users).where(users.c.id == id_).values(password=password))
            db.execute(delete(sessions).where(sessions.c.user_id == id_))

    # --- members

    def join(
        self, workspace_id: str, user_id: str, *, role: str, full_read: bool = False, credit_limit: int | None = None
    ) -> Member:
        """Make a user a member. Raises `Conflict` for the id of a service account: whose usage would it be?"""
        made = Member(workspace_id, user_id, role, full_read, self._database.clock(), None, credit_limit)
        with self._database.writing(f'User "{user_id}" is a member of the workspace already.') as db:
            add_member(db, made)
        return made

    def change_member(self, workspace_id: str, user_id: str, values: Mapping[str, Any], *, keep: str | None = None) -> None:
        """Set columns by their names. With `keep` it raises `Conflict` when that left nobody of that role who is not locked."""
        with self._kept(workspace_id, keep) as db:
            where = (members.c.workspace_id == workspace_id, members.c.user_id == user_id)
            db.execute(update(members).where(*where).values(dict(values)))

    def leave(self, workspace_id: str, user_id: str, *, keep: str | None = None) -> bool:
        """A member goes: their keys stop working and their groups lose them; what they are called stays, for their usage does.

        False when there is no such member. `keep` as in `change_member`.
        """
        now = self._database.clock()
        with self._kept(workspace_id, keep) as db:
            where = (members.c.workspace_id == workspace_id, members.c.user_id == user_id)
            if not db.execute(delete(members).where(*where)).rowcount:
                return False
            user = User(**db.execute(select(users).where(users.c.id == user_id)).mappings().one())
            row = {"workspace_id": workspace_id, "kind": Label.USER.value, "id": user_id, "name": user.label}
            self._database.put(db, labels, [row])
            theirs = (api_keys.c.workspace_id == workspace_id, api_keys.c.user_id == user_id, api_keys.c.revoked_at.is_(None))
            db.execute(update(api_keys).where(*theirs).values(revoked_at=now))
            grouped = (group_members.c.workspace_id == workspace_id, group_members.c.user_id == user_id)
            db.execute(delete(group_members).where(*grouped))
        return True

    @contextmanager
    def _kept(self, workspace_id: str, role: str | None) -> Iterator[Connection]:
        """A change after which somebody of the role is left, if there was somebody before."""
        where = (members.c.workspace_id == workspace_id, members.c.role == role, members.c.locked_at.is_(None))
        left = select(members.c.user_id).where(*where).limit(1)
        with self._database.writing() as db:
            before = role is not None and db.execute(left).first() is not None
            yield db
            if before and db.execute(left).first() is None:
                said = f"This is the last {role} who is not locked; make somebody else {role} first."
                raise Conflict(said, field="role", code=f"last_{role}")

    def member(self, workspace_id: str, user_id: str) -> Member | None:
        where = (members.c.workspace_id == workspace_id, members.c.user_id == user_id)
        return self._database.one(select(members).where(*where), Member)

    def member_by_email(self, workspace_id: str, email: str) -> User | None:
        """The member with an address. For one of somebody elsewhere it takes the same way as for one of nobody's."""
        joined = select(users).join(members, members.c.user_id == users.c.id)
        return self._database.one(joined.where(members.c.workspace_id == workspace_id, users.c.email == email.lower()), User)

    def members(self, workspace_id: str) -> list[tuple[User, Member]]:
        """Oldest membership first."""
        where = members.c.workspace_id == workspace_id
        order = (members.c.created_at, members.c.user_id)
        found = self._database.all(select(members).where(where).order_by(*order), Member)
        joined = select(users).join(members, members.c.user_id == users.c.id).where(where)
        people = {user.id: user for user in self._database.all(joined, User)}
        return [(people[member.user_id], member) for member in found if member.user_id in people]

    def memberships(self, user_id: str) -> list[tuple[Workspace, Member]]:
        """The user's workspaces, oldest membership first."""
        where = members.c.user_id == user_id
        found = self._database.all(select(members).where(where).order_by(members.c.created_at, members.c.workspace_id), Member)
        joined = select(workspaces).join(members, members.c.workspace_id == workspaces.c.id).where(where)
        spaces = {space.id: space for space in self._database.all(joined, Workspace)}
        return [(spaces[member.workspace_id], member) for member in found if member.workspace_id in spaces]

    def count(self, workspace_id: str) -> int:
        """How many members a workspace has."""
        with self._database.reading() as db:
            found = select(func.count()).select_from(members).where(members.c.workspace_id == workspace_id)
            return int(db.execute(found).scalar_one())


def add_member(db: Connection, made: Member) -> None:
    """Part of a change. Raises `Conflict` for the id of a service account."""
    same = (service_accounts.c.workspace_id == made.workspace_id, service_accounts.c.id == made.user_id)
    if db.execute(select(service_accounts.c.id).where(*same)).first():
        raise Conflict(f'"{made.user_id}" is the id of a service account; take another.', field="id", code="already_exists")
    db.execute(insert(members).values(asdict(made)))

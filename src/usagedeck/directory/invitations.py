"""Invitations that wait. Of their tokens only the SHA-256 is kept."""

from collections.abc import Collection
from dataclasses import asdict, dataclass

from sqlalchemy import delete, insert, select, update

from usagedeck.directory.database import Database
from usagedeck.directory.people import Member, User, add_member
from usagedeck.directory.schema import group_members, groups, invitations, users


@dataclass(frozen=True, slots=True)
class Invitation:
    workspace_id: str
    id: str
    email: str
    role: str
    full_read: bool
    group_ids: tuple[str, ...]
    credit_limit: int | None
    verifier: str
    invited_by: str
    """A user's id; empty: whoever runs the server."""
    created_at: int
    expires_at: int
    accepted_at: int | None = None
    accepted_by: str | None = None


class Invitations:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self,
        workspace_id: str,
        id_: str,
        *,
        email: str,
        role: str,
        full_read: bool,
        verifier: str,
        invited_by: str,
        expires_at: int,
        group_ids: Collection[str] = (),
        credit_limit: int | None = None,
    ) -> Invitation:
        """A new one takes the place of what waits in the workspace for the same address."""
        made = Invitation(
            workspace_id,
            id_,
            email.lower(),
            role,
            full_read,
            tuple(sorted(set(group_ids))),
            credit_limit,
            verifier,
            invited_by,
            self._database.clock(),
            expires_at,
        )
        with self._database.writing(f'There is an invitation "{id_}" already.') as db:
            former = (invitations.c.workspace_id == workspace_id, invitations.c.email == made.email)
            db.execute(delete(invitations).where(*former, invitations.c.accepted_at.is_(None)))
            db.execute(insert(invitations).values(asdict(made)))
        return made

    def by_verifier(self, verifier: str) -> Invitation | None:
        """The invitation of a link's token, whether it still waits or not."""
        return self._database.one(select(invitations).where(invitations.c.verifier == verifier), Invitation)

    def all(self, workspace_id: str) -> list[Invitation]:
        """Newest first, accepted and expired ones included."""
        where = invitations.c.workspace_id == workspace_id
        order = (invitations.c.created_at.desc(), invitations.c.id)
        return self._database.all(select(invitations).where(where).order_by(*order), Invitation)

    def accept(self, invitation: Invitation, user: User) -> bool:
        """It is used up, and the user is a member and in its groups, those that are still there: all of it or nothing.

        A user whom nobody knows is made; one who has no password yet gets theirs. False when somebody was faster, or it was taken
        back. Raises `Conflict` for a member, and when another got the address meanwhile.
        """
        workspace_id, now = invitation.workspace_id, self._database.clock()
        member = Member(workspace_id, user.id, invitation.role, invitation.full_read, now, None, invitation.credit_limit)
        with self._database.writing(
            f'"{invitation.email}" is a member of the workspace already, or has an account by now.'
        ) as db:
            where = (invitations.c.verifier == invitation.verifier, invitations.c.accepted_at.is_(None))
            if not db.execute(update(invitations).where(*where).values(accepted_at=now, accepted_by=user.id)).rowcount:
                return False
            known = db.execute(select(users.c.password).where(users.c.id == user.id)).one_or_none()
            if known is None:
                db.execute(insert(users).values(asdict(user)))
            elif known.password is None and user.password is not None:
                db.execute(update(users).where(users.c.id == user.id).values(password=user.password))
            add_member(db, member)
            there = select(groups.c.id).where(groups.c.workspace_id == workspace_id, groups.c.id.in_(invitation.group_ids))
            for group_id in db.execute(there).scalars().all():
                row = {"workspace_id": workspace_id, "group_id": group_id, "user_id": user.id}
                self._database.put_new(db, group_members, row)
        return True

    def remove(self, workspace_id: str, id_: str) -> bool:
        """It is taken back. False when there is none, or it was accepted."""
        with self._database.writing() as db:
            where = (invitations.c.workspace_id == workspace_id, invitations.c.id == id_, invitations.c.accepted_at.is_(None))
            return bool(db.execute(delete(invitations).where(*where)).rowcount)

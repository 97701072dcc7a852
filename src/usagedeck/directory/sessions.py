"""Sign-ins that last, and invitations that wait. Of their tokens only the SHA-256 is kept."""

from collections.abc import Collection
from dataclasses import asdict, dataclass

from sqlalchemy import delete, insert, select, update

from usagedeck.directory.api_keys import LastUsed
from usagedeck.directory.database import Database
from usagedeck.directory.schema import invitations, sessions


@dataclass(frozen=True, slots=True)
class Session:
    verifier: str
    user_id: str
    created_at: int
    expires_at: int
    user_agent: str
    address: str | None = None
    last_used_at: int | None = None

    @property
    def id(self) -> str:
        """What it is called where it is listed; nobody can sign in with it."""
        return self.verifier[:16]


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
    created_at: int
    expires_at: int
    accepted_at: int | None = None
    accepted_by: str | None = None


class Sessions:
    def __init__(self, database: Database) -> None:
        self._database = database
        self.last_used = LastUsed(database, sessions)

    def add(self, verifier: str, user_id: str, *, expires_at: int, user_agent: str, address: str = "") -> None:
        now = self._database.clock()
        made = Session(verifier, user_id, now, expires_at, user_agent, address, now)
        with self._database.noting() as db:
            db.execute(delete(sessions).where(sessions.c.expires_at < now))
            db.execute(insert(sessions).values(asdict(made)))

    def get(self, verifier: str, *, now: int) -> Session | None:
        return self._database.one(select(sessions).where(sessions.c.verifier == verifier, sessions.c.expires_at > now), Session)

    def of_user(self, user_id: str, *, now: int) -> list[Session]:
        """Those that last, newest first."""
        self.last_used.write()
        where = (sessions.c.user_id == user_id, sessions.c.expires_at > now)
        order = (sessions.c.created_at.desc(), sessions.c.verifier)
        return self._database.all(select(sessions).where(*where).order_by(*order), Session)

    def end(self, verifier: str) -> bool:
        """False when there is no such session."""
        with self._database.noting() as db:
            return bool(db.execute(delete(sessions).where(sessions.c.verifier == verifier)).rowcount)


class Invitations:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
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
        made = Invitation(
            workspace_id,
            id_,
            email.lower(),
            role,
            full_read,
            tuple(sorted(group_ids)),
            credit_limit,
            verifier,
            invited_by,
            self._database.clock(),
            expires_at,
        )
        with self._database.writing(f'There is an invitation "{id_}" already.') as db:
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

    def accept(self, invitation: Invitation, user_id: str) -> bool:
        """It is used up. False when somebody was faster."""
        with self._database.writing() as db:
            where = (invitations.c.verifier == invitation.verifier, invitations.c.accepted_at.is_(None))
            values = {"accepted_at": self._database.clock(), "accepted_by": user_id}
            return bool(db.execute(update(invitations).where(*where).values(values)).rowcount)

    def remove(self, workspace_id: str, id_: str) -> bool:
        """It is taken back. False when there is none, or it was accepted."""
        with self._database.writing() as db:
            where = (invitations.c.workspace_id == workspace_id, invitations.c.id == id_, invitations.c.accepted_at.is_(None))
            return bool(db.execute(delete(invitations).where(*where)).rowcount)

"""Who signs in through an identity provider: the name it has for them, and which user that is here."""

from dataclasses import asdict, dataclass

from sqlalchemy import delete, insert, select, update

from usagedeck.directory.database import Database
from usagedeck.directory.people import Member, User, add_member
from usagedeck.directory.schema import identities, sessions, users


@dataclass(frozen=True, slots=True)
class Identity:
    issuer: str
    subject: str
    """What the issuer calls them, for good; an e-mail address may go to somebody else."""
    user_id: str
    email: str | None
    """Their address when the two were brought together."""
    created_at: int


class Identities:
    def __init__(self, database: Database) -> None:
        self._database = database

    def user(self, issuer: str, subject: str) -> User | None:
        """The user that an identity is."""
        joined = select(users).join(identities, identities.c.user_id == users.c.id)
        return self._database.one(joined.where(identities.c.issuer == issuer, identities.c.subject == subject), User)

    def of_user(self, user_id: str) -> list[Identity]:
        """Oldest first."""
        where = identities.c.user_id == user_id
        found = select(identities).where(where).order_by(identities.c.created_at, identities.c.issuer)
        return self._database.all(found, Identity)

    def link(self, issuer: str, subject: str, user: User, member: Member | None = None) -> None:
        """An identity is a user from now on, who is made if nobody knows them, and a member of something if that is said: all of
        it or nothing. A password that they had is gone, and so are their sessions.

        Raises `Conflict` when the user has another identity of the issuer, or the identity is another user.
        """
        made = Identity(issuer, subject, user.id, user.email, self._database.clock())
        with self._database.writing(f'"{user.email}" is linked to another identity of the provider already.') as db:
            if db.execute(select(users.c.id).where(users.c.id == user.id)).first() is None:
                db.execute(insert(users).values(asdict(user)))
            db.execute(update(users).where(users.c.id == user.id).values(password=None))
            db.execute(delete(sessions).where(sessions.c.user_id == user.id))
            db.execute(insert(identities).values(asdict(made)))
            if member is not None:
                add_member(db, member)

    def unlink(self, user_id: str) -> int:
        """A user's identities are nobody, and the user's sessions end; returns how many those were."""
        with self._database.writing() as db:
            db.execute(delete(sessions).where(sessions.c.user_id == user_id))
            return int(db.execute(delete(identities).where(identities.c.user_id == user_id)).rowcount)

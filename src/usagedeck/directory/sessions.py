"""Sign-ins that last. Of their tokens only the SHA-256 is kept."""

from dataclasses import asdict, dataclass

from sqlalchemy import delete, insert, select

from usagedeck.directory.api_keys import LastUsed
from usagedeck.directory.database import Database
from usagedeck.directory.schema import sessions


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

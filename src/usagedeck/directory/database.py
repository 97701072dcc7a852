"""The directory's database: SQLite in the data folder or PostgreSQL by URL, opened, brought to today's shape, read and written.

Knows nothing of what is in the tables. Every change counts up one number, and counting it takes the database's write lock first:
so changes come one after another, what a change looks at stays as it saw it, and whoever keeps something in memory can tell
whether it still holds, whichever process made the change.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, Table, create_engine, event, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, DataError, IntegrityError, OperationalError

from usagedeck.directory.migrating import bring_up_to_date
from usagedeck.directory.schema import SQLITE, counters
from usagedeck.errors import Conflict, InvalidInput, StoreFailed

T = TypeVar("T")

_CHANGES = "changes"


class Database:
    """Opened once per process; safe to use from many threads."""

    def __init__(self, url: str, clock: Callable[[], int]) -> None:
        """Open it and bring its tables to today's shape. `clock` tells the time in epoch milliseconds."""
        self.clock = clock
        self.engine = open_engine(url)
        self._insert: Any = sqlite.insert if self.is_file else postgresql.insert
        try:
            bring_up_to_date(self.engine)
        except DatabaseError as error:
            self.engine.dispose()
            raise Conflict(f"The directory cannot be opened: {_reason(error)}.", field="directory") from error
        except BaseException:
            self.engine.dispose()
            raise

    @property
    def is_file(self) -> bool:
        """It is a file of ours, and no server's."""
        return self.engine.dialect.name == SQLITE

    def close(self) -> None:
        self.engine.dispose()

    # --- reading

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with _translated(), self.engine.connect() as db:
            yield db

    def one(self, statement: Any, record: Callable[..., T]) -> T | None:
        with self.reading() as db:
            row = db.execute(statement).mappings().one_or_none()
        return None if row is None else record(**row)

    def all(self, statement: Any, record: Callable[..., T]) -> list[T]:
        with self.reading() as db:
            return [record(**row) for row in db.execute(statement).mappings()]

    def pairs(self, statement: Any) -> dict[str, str]:
        """Of two columns: the first → the second."""
        with self.reading() as db:
            return {str(key): str(value) for key, value in db.execute(statement)}

    def changes(self) -> int:
        """How many changes there have been, ever."""
        with self.reading() as db:
            return int(db.execute(select(counters.c.value).where(counters.c.name == _CHANGES)).scalar_one())

    # --- writing

    @contextmanager
    def writing(self, exists: str = "") -> Iterator[Connection]:
        """One change, all of it or nothing. Raises `Conflict` with the sentence `exists` when something is there already, or
        what it belongs to is not."""
        with self.noting() as db:
            db.execute(update(counters).where(counters.c.name == _CHANGES).values(value=counters.c.value + 1))
            try:
                yield db
            except IntegrityError as error:
                raise Conflict(exists, code="already_exists") from error

    @contextmanager
    def noting(self) -> Iterator[Connection]:
        """Write what nobody keeps in memory: it is no change."""
        with _translated(), self.engine.begin() as db:
            yield db

    def put(self, db: Connection, table: Table, rows: Sequence[Mapping[str, Any]], keep: Sequence[str] = ()) -> None:
        """Rows that may be there already: all columns but the key and those to `keep` are overwritten."""
        statement = self._insert(table)
        key = [column.name for column in table.primary_key]
        over = {c.name: statement.excluded[c.name] for c in table.c if c.name in rows[0] and c.name not in (*key, *keep)}
        db.execute(statement.on_conflict_do_update(index_elements=key, set_=over), list(rows))

    def put_new(self, db: Connection, table: Table, row: Mapping[str, Any]) -> None:
        """A row, unless there is one with its key."""
        db.execute(self._insert(table).values(row).on_conflict_do_nothing())

    # --- the file

    def tidy(self) -> None:
        """Write a file anew, without what was deleted. A server's own vacuum does that."""
        if not self.is_file:
            return
        with _translated(), self.engine.connect() as db:
            driver: Any = db.connection.driver_connection
            driver.isolation_level = None
            driver.execute("VACUUM")
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            db.invalidate()  # the pool shall not lend it to others

    def copy_to(self, path: Path) -> None:
        """Write all of a file, as it is at one moment, into a new one; others may go on reading and writing."""
        with self.engine.connect() as db, closing(sqlite3.connect(path)) as copy:
            db.connection.driver_connection.backup(copy)  # type: ignore[union-attr]


class Kept(Generic[T]):
    """What is asked for with every batch, by workspace: kept in memory until the directory changes."""

    def __init__(self, database: Database, look: Callable[[str], T]) -> None:
        self._database = database
        self._look = look
        self._lock = threading.Lock()
        self._kept: dict[str, T] = {}
        self._changes = -1

    def of(self, workspace_id: str) -> T:
        changes = self._database.changes()  # before looking: a change in between makes us look once more
        with self._lock:
            if changes != self._changes:
                self._kept, self._changes = {}, changes
            if workspace_id in self._kept:
                return self._kept[workspace_id]
        found = self._look(workspace_id)
        with self._lock:
            if changes == self._changes:
                self._kept[workspace_id] = found
        return found


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except DataError as error:  # PostgreSQL keeps no NUL; SQLite finds nothing by it
        raise InvalidInput("A text holds a character that cannot be kept; remove it.", code="bad_character") from error
    except OperationalError as error:
        raise StoreFailed(f"The directory does not answer: {_reason(error)}.", code="directory_failed") from error


def _reason(error: DatabaseError) -> str:
    """The driver's words, on one line."""
    return " ".join(str(error.orig).split()).rstrip(".")


# --- opening ------------------------------------------------------------------------------------------------------


def open_engine(url: str) -> Engine:
    """An engine for the setting `directory`. Raises `Conflict` for what is neither SQLite nor PostgreSQL."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise Conflict("directory is no URL; use sqlite:///path or postgresql://user@host/name.", field="directory") from None
    backend = parsed.drivername.partition("+")[0]
    if backend == SQLITE:
        engine = create_engine(parsed, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    if backend in ("postgresql", "postgres"):
        return _postgresql(parsed)
    said = f'directory "{parsed.drivername}://" is unknown; use sqlite:///path or postgresql://user@host/name.'
    raise Conflict(said, field="directory")


def _postgresql(url: URL) -> Engine:
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            hide_parameters=True,
            pool_pre_ping=True,  # the server may have been started anew since
            pool_size=10,
            max_overflow=50,
        )
    except ModuleNotFoundError:
        said = 'PostgreSQL needs its driver: pip install "usagedeck[postgresql]".'
        raise Conflict(said, field="directory", code="driver_missing") from None


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "busy_timeout = 5000"):
        connection.execute(f"PRAGMA {pragma}")

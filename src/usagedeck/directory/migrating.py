"""Brings the directory's tables to a shape: runs the numbered changes in `migrations`, when there are any to run."""

from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError

from usagedeck.directory.schema import SQLITE
from usagedeck.errors import Conflict

_FOLDER = Path(__file__).parent / "migrations"
_HEAD = "head"
_MIGRATING = 0x75736167
"""The advisory lock that one process holds while it brings a PostgreSQL directory to today's shape."""


def bring_up_to_date(engine: Engine) -> None:
    """Give the tables today's shape, unless they have it."""
    if not _is_newest(engine):
        migrate(engine)


def _is_newest(engine: Engine) -> bool:
    """Whether the tables have the shape of the last of the numbered migrations."""
    newest = max(found.name[:4] for found in (_FOLDER / "versions").glob("[0-9]*.py"))
    try:
        with engine.connect() as connection:
            return bool(connection.scalar(text("SELECT version_num FROM alembic_version")) == newest)
    except DatabaseError:  # there are none yet, or it does not answer; whoever makes them will say so
        return False


def migrate(engine: Engine, revision: str = _HEAD) -> None:
    """Bring the tables to the shape of a revision, in one step. Raises `Conflict` when a newer release made them."""
    command: Any = import_module("alembic.command")  # loading it takes longer than all else that opening does
    config = import_module("alembic.config").Config()
    config.set_main_option("script_location", str(_FOLDER))
    try:
        with engine.connect() as connection:
            if engine.dialect.name == SQLITE:
                # Left to itself the driver commits after every CREATE and ALTER, and a crash between two of them would leave
                # tables that no migration made and none can make again.
                driver: Any = connection.connection.driver_connection
                driver.isolation_level = None
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATING})
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            connection.commit()
            connection.invalidate()  # the pool shall not lend it to others
    except import_module("alembic.util").CommandError as error:  # its revision is none of those in `migrations`
        raise Conflict(f"The directory was written by a newer release; upgrade ({error}).", field="directory") from error

"""A PostgreSQL server of our own, for as long as the tests run, and databases on it."""

import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.waiting import until
from usagedeck.directory.database import open_engine
from usagedeck.directory.migrating import migrate

NOBODY = "nobody"
"""Who runs it when we are root: it refuses to be root."""
CONFIG = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=200")


@dataclass
class Server:
    """`url` names a database on it."""

    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def url(self, name: str) -> str:
        return f"postgresql://deck@/{name}?host={self.folder}"

    def create(self, template: str = "template1") -> str:
        """A new database, like the template; its URL."""
        name = f"deck{next(self._numbers)}"
        with self.connect() as db:
            db.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        return self.url(name)

    def prepare(self, template: str) -> None:
        """A database with today's tables and nothing in them, for others to be like."""
        with self.connect() as db:
            db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(template)))
        engine = open_engine(self.url(template))
        migrate(engine)
        engine.dispose()

    def connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(self.url("postgres"), autocommit=True)


def programs() -> Path:
    """Where PostgreSQL's programs are: those on PATH, else Debian's newest."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda place: int(place.parts[-3]))
    if not places:
        raise RuntimeError("PostgreSQL is not installed: sudo apt-get install postgresql")
    return places[-1].parent


@contextmanager
def running() -> Iterator[Server]:
    """A server that listens on a socket in a folder of its own; both are gone at the end."""
    user = NOBODY if os.geteuid() == 0 else None
    if user and not Path("/").stat().st_mode & stat.S_IXOTH:
        pytest.skip("Only root may enter the root folder here, and PostgreSQL refuses to be run by root.")
    folder = Path(tempfile.mkdtemp(prefix="usagedeck-pg-"))
    try:
        if user:
            shutil.chown(folder, user)
        data, bin_ = folder / "data", programs()
        make: list[str | Path] = [
            bin_ / "initdb",
            "--pgdata",
            data,
            "--auth",
            "trust",
            "--username",
            "deck",
            "--no-sync",
            "--encoding",
            "UTF8",
        ]
        subprocess.run(make, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        options = [
            word for setting in (*CONFIG, f"unix_socket_directories={folder}", "listen_addresses=") for word in ("-c", setting)
        ]
        server = subprocess.Popen([bin_ / "postgres", "-D", data, *options], user=user, cwd=folder, stderr=subprocess.DEVNULL)
        try:
            made = Server(folder)
            until(lambda: _answers(made) or server.poll() is not None)
            yield made
        finally:
            server.send_signal(signal.SIGINT)  # it does not wait for its clients
            server.wait(60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(server: Server) -> bool:
    try:
        server.connect().close()
    except psycopg.OperationalError:
        return False
    return True

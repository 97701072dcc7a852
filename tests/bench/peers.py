"""Other databases with the same requests: each loads them once, with the indexes one would give it, and is asked in SQL.

What a table column cannot be elsewhere (a list, a map) is JSON text. Credits are decimals where there are decimals, and
whole millionths in SQLite, which has none.
"""

import csv
import io
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from tests.bench.dialects import DUCKDB, POSTGRES, SQLITE, Dialect

COLUMNS = {
    "workspace_id": "text", "time": "bigint", "id": "text", "status": "smallint", "method": "text", "path": "text",
    "route": "text", "duration_ms": "integer", "ttfb_ms": "integer", "user_id": "text", "api_key_id": "text",
    "group_ids": "text", "product_type": "text", "model": "text", "voice_id": "text", "request_source": "text",
    "region": "text", "user_agent": "text", "ip": "text", "credits": "numeric(18, 6)", "error_code": "text",
    "characters": "bigint", "audio_seconds": "numeric(18, 6)", "input_tokens": "bigint", "output_tokens": "bigint",
    "cost": "numeric(18, 6)", "currency": "text", "surface": "text", "actor": "text", "attributes": "text",
}  # fmt: skip
"""The columns the data fill, with PostgreSQL's types."""

BATCH = 50_000


def export_sql(target: Path) -> str:
    """What the engine is told to write the requests to a Parquet file, each once, in the order of its key."""
    casts = {"group_ids": "toJSONString(group_ids)", "attributes": "toJSONString(attributes)"}
    columns = ", ".join(f"{casts.get(name, name)} AS {name}" for name in COLUMNS)
    return (
        f"INSERT INTO FUNCTION file('{target}', 'Parquet') SELECT {columns} FROM requests FINAL "
        "ORDER BY workspace_id, requests.time, requests.id SETTINGS do_not_merge_across_partitions_select_final = 1, "
        "output_format_parquet_row_group_size = 200000, max_bytes_before_external_sort = 1000000000"
    )


class Peer(Protocol):
    """A database that holds the same requests."""

    name: str
    dialect: Dialect
    micros: bool

    def load(self, source: Path) -> None:
        """Take the Parquet file and make the indexes."""

    def ask(self, text: str) -> Sequence[Sequence[Any]]:
        """All rows of an answer."""

    def export(self, text: str) -> int:
        """Write an answer as CSV, as fast as it can; the number of its bytes."""

    def size(self) -> int:
        """Bytes on disk."""

    def close(self) -> None: ...


class DuckDB:
    """Sorted by workspace and time, which is what an index would be for it."""

    dialect, micros = DUCKDB, False

    def __init__(self, folder: Path) -> None:
        self.name = f"DuckDB {duckdb.__version__}"
        self._path = folder / "requests.duckdb"
        self._folder = folder
        self._db = duckdb.connect(str(self._path), config={"threads": os.cpu_count() or 2, "memory_limit": "4GB"})

    def load(self, source: Path) -> None:
        self._db.execute(f"CREATE TABLE requests AS SELECT * FROM read_parquet('{source}') ORDER BY workspace_id, time, id")
        self._db.execute("CHECKPOINT")

    def ask(self, text: str) -> Sequence[Sequence[Any]]:
        rows: list[tuple[Any, ...]] = self._db.execute(text).fetchall()
        return rows

    def export(self, text: str) -> int:
        target = self._folder / "export.csv"
        self._db.execute(f"COPY ({text}) TO '{target}' (FORMAT csv)")
        size = target.stat().st_size
        target.unlink()
        return size

    def size(self) -> int:
        return self._path.stat().st_size

    def close(self) -> None:
        self._db.close()


class SQLite:
    """The key as the table's own order (WITHOUT ROWID), an index for ids."""

    dialect, micros = SQLITE, True

    def __init__(self, folder: Path) -> None:
        self.name = f"SQLite {sqlite3.sqlite_version}"
        self._path = folder / "requests.sqlite"
        self._db = sqlite3.connect(self._path)
        for pragma in (
            "journal_mode = WAL",
            "synchronous = OFF",
            "cache_size = -1000000",
            "mmap_size = 8000000000",
            "temp_store = 2",
        ):
            self._db.execute(f"PRAGMA {pragma}")

    def load(self, source: Path) -> None:
        kinds = {name: "INTEGER" if kind[0] in "bsin" else "TEXT" for name, kind in COLUMNS.items()}
        columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
        self._db.execute(f"CREATE TABLE requests ({columns}, PRIMARY KEY (workspace_id, time, id)) WITHOUT ROWID")
        places = ", ".join("?" * len(COLUMNS))
        for batch in _batches(source):
            self._db.executemany(f"INSERT INTO requests VALUES ({places})", zip(*_plain(batch), strict=True))
        self._db.execute("CREATE INDEX by_id ON requests (workspace_id, id)")
        self._db.execute("ANALYZE")
        self._db.commit()
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def ask(self, text: str) -> Sequence[Sequence[Any]]:
        rows: list[tuple[Any, ...]] = self._db.execute(text).fetchall()
        return rows

    def export(self, text: str) -> int:
        target = io.StringIO()
        write = csv.writer(target).writerows
        cursor, size = self._db.execute(text), 0
        while rows := cursor.fetchmany(10_000):
            write(rows)
            size += target.tell()
            target.seek(0)
            target.truncate()
        return size

    def size(self) -> int:
        return self._path.stat().st_size

    def close(self) -> None:
        self._db.close()


class NotThere(Exception):
    """A database that is not installed."""


class Postgres:
    """A server of its own with the key and an index for ids, loaded in the order of the key."""

    dialect, micros = POSTGRES, False

    def __init__(self, folder: Path) -> None:
        """Start it. Raises `NotThere` when Debian's postgresql-15 is not installed."""
        places = (Path("/usr/lib/postgresql/15/bin"), Path(shutil.which("postgres") or "/-").resolve().parent)
        self._bin = next((p for p in places if (p / "initdb").exists()), None)
        if self._bin is None:
            raise NotThere("PostgreSQL 15 is not installed (apt-get install postgresql-15)")
        self._user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
        self._folder = Path(tempfile.mkdtemp(prefix="usagedeck-bench-"))
        if self._user:
            shutil.chown(self._folder, self._user)
        self._data = self._folder / "data"
        self._call("initdb", "--pgdata", str(self._data), "--auth", "trust", "--username", "bench", "--no-sync")
        settings = {
            "listen_addresses": "''",
            "unix_socket_directories": f"'{self._folder}'",
            "shared_buffers": "2GB",
            "effective_cache_size": "8GB",
            "work_mem": "256MB",
            "maintenance_work_mem": "1GB",
            "max_parallel_workers_per_gather": "2",
            "random_page_cost": "1.1",
            "jit": "off",
            "fsync": "off",
            "max_wal_size": "8GB",
            "wal_level": "minimal",
            "max_wal_senders": "0",
        }
        with (self._data / "postgresql.conf").open("a") as file:
            file.write("\n" + "\n".join(f"{name} = {value}" for name, value in settings.items()) + "\n")
        self._server = subprocess.Popen(
            [str(self._bin / "postgres"), "-D", str(self._data)], user=self._user, stderr=subprocess.DEVNULL, cwd=self._folder
        )
        self._db = self._connect()
        row = self._db.execute("SHOW server_version").fetchone()
        self.name = f"PostgreSQL {str(row[0]).split()[0] if row else ''}"

    def _call(self, program: str, *arguments: str) -> None:
        assert self._bin is not None
        subprocess.run(
            [str(self._bin / program), *arguments], user=self._user, check=True, stdout=subprocess.DEVNULL, cwd=self._folder
        )

    def _connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        while True:
            try:
                return psycopg.connect(f"host={self._folder} user=bench dbname=postgres", autocommit=True)
            except psycopg.OperationalError:
                if self._server.poll() is not None:
                    raise
                time.sleep(0.1)

    def load(self, source: Path) -> None:
        columns = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        with self._db.transaction():
            self._db.execute(f"CREATE TABLE requests ({columns})")  # in the transaction of COPY: nothing of it is logged
            with self._db.cursor().copy("COPY requests FROM STDIN (FORMAT csv)") as copy:
                for batch in _batches(source):
                    lines = io.BytesIO()
                    pa_csv.write_csv(batch, lines, pa_csv.WriteOptions(include_header=False))
                    copy.write(lines.getvalue())
        self._db.execute("ALTER TABLE requests ADD PRIMARY KEY (workspace_id, time, id)")
        self._db.execute("CREATE INDEX ON requests (workspace_id, id)")
        self._db.execute("VACUUM (ANALYZE) requests")

    def ask(self, text: str) -> Sequence[Sequence[Any]]:
        rows: list[tuple[Any, ...]] = self._db.execute(text).fetchall()
        return rows

    def export(self, text: str) -> int:
        with self._db.cursor().copy(f"COPY ({text}) TO STDOUT (FORMAT csv)") as copy:
            return sum(len(piece) for piece in copy)

    def size(self) -> int:
        row = self._db.execute("SELECT pg_total_relation_size('requests')").fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        self._db.close()
        self._server.terminate()
        self._server.wait(60)
        shutil.rmtree(self._folder)


PEERS = (DuckDB, SQLite, Postgres)


def _batches(source: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(source) as file:
        yield from file.iter_batches(BATCH, columns=list(COLUMNS))


def _plain(batch: pa.RecordBatch) -> list[list[Any]]:
    """Columns as Python values; decimals as whole millionths."""

    def whole(column: pa.Array) -> pa.Array:
        return pc.cast(pc.multiply(column, pa.scalar(Decimal(1_000_000))), pa.int64())

    return [(whole(c) if pa.types.is_decimal(c.type) else c).to_pylist() for c in batch.columns]

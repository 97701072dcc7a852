"""The only module that talks to the engine.

A `Store` hands out handles to the engine under three rules that were learnt by measurement (see
`docs/decisions/0003-handles-are-retired-after-an-error.md`): one borrower at a time; questions only through the streaming
calls; and after any exception the handle is closed and never used again, because the embedded engine puts what a failed
question had already written in front of the handle's next answer.
"""

import logging
import queue
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from usagedeck.catalog.kinds import Beside, Subject
from usagedeck.errors import Conflict, TooBusy
from usagedeck.events import version
from usagedeck.settings import Settings
from usagedeck.sql import Bound, Statement
from usagedeck.store import memory, schema
from usagedeck.store.complaints import explain, explain_write
from usagedeck.store.places import Places, Work
from usagedeck.store.ticket import Ticket, gone
from usagedeck.table import Row

log = logging.getLogger(__name__)

T = TypeVar("T")

_WRITE_SETTINGS = {
    "async_insert": "0",
    "insert_deduplicate": "0",
    "optimize_on_insert": "1",
    "max_partitions_per_insert_block": "0",
    "input_format_skip_unknown_fields": "0",
    "max_insert_threads": "1",
    "input_format_parallel_parsing": "0",
}
"""An insert returns when its rows are on disk, and repeats are told apart by identity, never by block. Within a large block
repeats go at once, so that questions need not look for them there; see `_SMALL` for the others."""

_SMALL = 2**20
"""Bytes of a block in which repeats are left to merges and to questions, which say `FINAL`: looking for them takes half as long
as all else. In large blocks that would cost questions more: they would hold a piece of every column of every such part."""

_BACKGROUND_SETTINGS = {
    "max_threads": "1",
    "do_not_merge_across_partitions_select_final": "1",
    "max_bytes_before_external_group_by": "300000000",
}

_READ_SETTINGS = {
    "readonly": "2",
    "do_not_merge_across_partitions_select_final": "1",
    "result_overflow_mode": "throw",
    "read_overflow_mode": "throw",
    "timeout_overflow_mode": "throw",
    "max_result_rows": "0",
}

_KILL_PAUSE = 0.02


@dataclass(frozen=True, slots=True)
class _Reader:
    """A handle for questions, and the name its questions go by in the engine."""

    client: Client
    tag: str


class Store:
    """Opened once per process. Safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        """Open the store and bring its tables to today's shape.

        Raises `Conflict` when another process owns the data, or when it was written by a newer release.
        """
        self._settings = settings
        self._url = settings.store_url
        self._options = memory.engine_options(settings)
        self._idle: queue.LifoQueue[_Reader] = queue.LifoQueue()
        self._places = Places(settings.query_parallel)
        self._exports = threading.BoundedSemaphore(settings.export_parallel)
        self._closed = False
        self._writer = self._open(_WRITE_SETTINGS)
        self._write_lock = threading.Lock()
        self._background: Client | None = None
        self._background_lock = threading.Lock()
        self._kill_lock = threading.Lock()
        self._migrate()
        for _, name, wanted, actual in self.settings_in_effect():
            if wanted != actual:
                raise Conflict(
                    f"The engine's {name} is {actual} and must be {wanted}; this release does not fit it.", field="store"
                )

    def settings_in_effect(self) -> list[tuple[str, str, str, str]]:
        """The settings on which exactness and safety rest: handle, name, the value it was given, the value it has."""
        text = "SELECT name, value FROM system.settings WHERE name IN {names:Array(String)}"
        reading = self._read_settings(self._settings.query_seconds)
        with self._write_lock:
            written = self._writer.query(text, parameters={"names": list(_WRITE_SETTINGS)}).result_rows
        read = self.run(Statement(text, {"names": list(reading)}, ("name", "value")))
        actual = {("write", str(n)): str(v) for n, v in written} | {("read", str(n)): str(v) for n, v in read}
        wanted = [*(("write", *setting) for setting in _WRITE_SETTINGS.items()), *(("read", *s) for s in reading.items())]
        return [(handle, name, value, actual.get((handle, name), "unknown")) for handle, name, value in wanted]

    # --- handles

    def _open(self, settings: Mapping[str, str]) -> Client:
        parts = urlsplit(self._url)
        if parts.scheme != "chdb":
            raise Conflict(f'store "{parts.scheme}://" is unknown; use chdb:///path.', field="store")
        try:
            return clickhouse_connect.get_client(
                interface="chdb",
                path=parts.path,
                settings=dict(settings),
                chdb_options=self._options,
            )
        except ClickHouseError as error:
            raise Conflict(
                f"The store at {parts.path} cannot be opened; another process may be using it ({str(error)[:300]}).",
                field="store",
            ) from error

    def _read_settings(self, seconds: int) -> dict[str, str]:
        limits, share = self._settings, memory.of_question(self._settings)
        return {
            **_READ_SETTINGS,
            "max_execution_time": str(seconds),
            "max_memory_usage": str(share),
            "max_bytes_before_external_group_by": str(share // 3),
            "max_bytes_before_external_sort": str(share // 3),
            "max_rows_to_read": str(limits.query_rows),
        }

    def _open_reader(self, seconds: int, **more: str) -> "_Reader":
        tag = secrets.token_hex(16)
        return _Reader(self._open({**self._read_settings(seconds), "log_comment": tag, **more}), tag)

    @contextmanager
    def _reader(self, ticket: Ticket | None = None) -> Iterator[Client]:
        """A handle for one question. After any exception, or when the question was given up, it is closed instead of going
        back."""
        ticket = ticket or Ticket()
        with self._places.taken(ticket, self._settings.query_seconds):
            try:
                reader = self._idle.get_nowait()
            except queue.Empty:
                reader = self._open_reader(self._settings.query_seconds)
            try:
                with self._stoppable(reader, ticket):
                    yield reader.client
            except BaseException:
                reader.client.close()
                raise
            self._idle.put(reader)

    @contextmanager
    def _stoppable(self, reader: "_Reader", ticket: Ticket) -> Iterator[None]:
        """Around a question on a handle: it is stopped when the ticket is given up, and ends in `Cancelled` then, whatever the
        engine says. A question that is stopped just before its first row ends without an error in the engine, as if there
        were no rows."""
        work = Work()
        try:
            with ticket.working(lambda: self._kill(reader, work)):
                yield
        finally:
            whole = work.end()
        if not whole:
            raise gone()

    def _kill(self, reader: "_Reader", work: "Work") -> None:
        """Stop what runs on a handle: again and again until it has ended, since it may be about to begin."""
        if not work.condemn():
            return
        pause = _KILL_PAUSE
        while not work.over.is_set():
            with self._kill_lock:
                killer = self._open({})
                try:
                    killer.command("KILL QUERY WHERE Settings['log_comment'] = {tag:String} ASYNC", {"tag": reader.tag})
                except (ClickHouseError, RuntimeError) as error:
                    log.warning("a question could not be stopped: %s", error)
                finally:
                    killer.close()
            work.over.wait(pause)
            pause = min(2 * pause, 1)

    # --- questions

    def run(self, statement: Statement, ticket: Ticket | None = None) -> list[Row]:
        """All rows of an answer. Raises `QueryTooHeavy` when it runs into a limit, `Cancelled` when it is given up."""
        with self._reader(ticket) as client:
            return [row for block in _blocks(client, statement) for row in block]

    def stream(self, statement: Statement, ticket: Ticket | None = None) -> Iterator[Row]:
        """The rows of an answer as they come, on a handle of its own; for downloads of any length.

        Raises `TooBusy`, with the first row, when too many downloads are under way, and `Cancelled` when it is given up.
        """
        if not self._exports.acquire(timeout=1):
            raise TooBusy("Too many downloads are under way; try again in a moment.", retry_after=5)
        try:
            reader = self._open_reader(self._settings.export_seconds, max_threads="1")
            try:
                with self._stoppable(reader, ticket or Ticket()):
                    for block in _blocks(reader.client, statement):
                        yield from block
            finally:
                reader.client.close()
        finally:
            self._exports.release()

    def rows(self, subject: Subject) -> int:
        """Rows on disk, repeats included; costs nothing."""
        found = self.run(Statement(f"SELECT count() FROM {subject}", {}, ("count",)))
        return _whole(found[0][0])

    # --- writing: called by the one writer thread and by the migration

    def insert(self, subject: Subject, lines: bytes) -> None:
        """Rows as lines of JSON with column names; durable when it returns.

        Raises `StorageFull`, or `StoreFailed` when the outcome is unknown; sending the same rows again is harmless.
        """
        self._insert_lines(subject.value, lines)

    def insert_exchanges(self, lines: bytes) -> None:
        """Exchanges as lines of JSON. Like `insert` otherwise."""
        self._insert_lines(Beside.EXCHANGES.value, lines)

    def _insert_lines(self, table: str, lines: bytes) -> None:
        left = {"optimize_on_insert": "0"} if len(lines) <= _SMALL else {}
        self._insert(lambda client: client.raw_insert(table, insert_block=lines, fmt="JSONEachRow", settings=left))

    def insert_columns(self, subject: Subject, table: Any) -> None:
        """Rows as an Arrow table with column names. Like `insert` otherwise."""
        self._insert(lambda client: client.insert_arrow(subject.value, table))

    def record(self, statement: Statement) -> None:
        """A small durable write on the writer's handle."""
        self._insert(lambda client: client.command(statement.text, parameters=dict(statement.values)))

    def finds(self, statement: Statement) -> bool:
        """Whether there is any row; a small question on the writer's handle, for whoever must not be overtaken by a write."""
        values = dict(statement.values)
        return self._on_writer(lambda client: bool(client.query(statement.text, parameters=values).result_rows), explain)

    def _insert(self, insert: Callable[[Client], object]) -> None:
        self._on_writer(insert, explain_write)

    def _on_writer(self, work: Callable[[Client], T], complaint: Callable[[Exception], Exception]) -> T:
        with self._write_lock:
            try:
                return work(self._writer)
            except Exception as error:  # whatever it was, the handle is not to be trusted any more
                self._writer.close()
                self._writer = self._open(_WRITE_SETTINGS)
                raise complaint(error) from error

    # --- work in the background, on handles of its own

    def execute(self, statement: Statement) -> None:
        """A statement without an answer; it takes one core and little memory, so that questions hardly notice."""
        self._in_background(lambda client: client.command(statement.text, parameters=dict(statement.values)))

    def examine(self, statement: Statement) -> list[Row]:
        """A question of work in the background; it may take as long as it needs."""
        values = dict(statement.values)
        return list(self._in_background(lambda client: client.query(statement.text, parameters=values).result_rows))

    def _in_background(self, work: Callable[[Client], T]) -> T:
        with self._background_lock:
            if self._background is None:
                limits = {"max_memory_usage": str(self._settings.query_memory)}
                self._background = self._open({**_WRITE_SETTINGS, **_BACKGROUND_SETTINGS, **limits})
            try:
                return work(self._background)
            except Exception as error:
                self._background.close()
                self._background = None
                raise explain(error) from error

    def weeks(self, subject: Subject) -> dict[int, int]:
        """The UTC weeks that hold events: first instant → rows, repeats included. Costs nothing."""
        text = (
            "SELECT toUnixTimestamp(toDateTime(toDate(partition), 'UTC')) AS start, sum(rows) FROM system.parts "
            "WHERE active AND database = currentDatabase() AND table = {table:String} GROUP BY start"
        )
        found = self.run(Statement(text, {"table": subject.value}, ("start", "rows")))
        return {_whole(start) * 1000: _whole(rows) for start, rows in found}

    def unmerged(self, before: int) -> list[tuple[str, str]]:
        """(table, partition) of weeks begun before that instant that have several parts, or one that was never merged."""
        text = (
            "SELECT table, partition_id FROM system.parts WHERE active AND database = currentDatabase() "
            "AND has({tables:Array(String)}, table) AND toDate(partition) < toDate(toDateTime({before:Int64}, 'UTC'), 'UTC') "
            "GROUP BY table, partition_id HAVING count() > 1 OR min(level) = 0 ORDER BY partition_id, table"
        )
        values: dict[str, Bound] = {"tables": [subject.value for subject in Subject], "before": before // 1000}
        return [(str(table), str(partition)) for table, partition in self.run(Statement(text, values, ("table", "partition")))]

    def merge(self, table: str, partition: str) -> None:
        """Merge a week to one part."""
        client = self._open({"optimize_skip_merged_partitions": "1"})
        try:
            client.command(f"OPTIMIZE TABLE {Subject(table)} PARTITION ID '{int(partition)}' FINAL")
        except (ClickHouseError, RuntimeError) as error:
            raise explain(error) from error
        finally:
            client.close()

    def latest_arrival(self) -> int:
        """The highest arrival stamp on disk in microseconds, so that stamps never run backwards over a restart."""
        written = _whole(self.run(Statement(schema.LAST_WRITTEN, {}, ("at",)))[0][0])
        for days in schema.LATELY:
            text = schema.lowest_place(written, days)
            if (lowest := self.run(Statement(text, {}, ("lowest",)))[0][0]) is not None:
                return version(_whole(lowest))
        return 0

    def close(self) -> None:
        """Give the data back. Idempotent."""
        if self._closed:
            return
        self._closed = True
        while not self._idle.empty():
            self._idle.get_nowait().client.close()
        self._writer.close()
        if self._background is not None:
            self._background.close()

    # --- shape

    def _migrate(self) -> None:
        command = self._writer.command
        command(schema.CREATE_ABOUT)
        found = command("SELECT value FROM about FINAL WHERE key = 'revision'")
        revision = int(str(found)) if str(found).isdigit() else 0
        if revision > schema.REVISION:
            raise Conflict(
                f"The store was written by a newer release (schema {revision}; this one knows {schema.REVISION}); upgrade.",
                field="store",
            )
        for text in (*schema.CREATE_SEALS, *schema.CREATE_ERASED, schema.create_exchanges()):
            command(text)
        for subject in Subject:
            command(schema.create_table(subject))
            try:
                changes = schema.changes(subject, *self._described(subject))
            except ValueError as error:
                raise Conflict(f"The store does not fit this release: {error}.", field="store") from None
            for change in changes:
                command(change)
        if revision < schema.REVISION:
            command(f"INSERT INTO about VALUES ('revision', '{schema.REVISION}', {schema.REVISION})")

    def _described(self, subject: Subject) -> tuple[list[tuple[str, str, str]], str]:
        """A table's columns (name, type, codec), and the statement that would make it."""
        values = {"table": subject.value}
        found = self._writer.query(schema.COLUMNS_OF, parameters=values).result_rows
        return [(str(n), str(t), str(c)) for n, t, c in found], str(self._writer.command(schema.MADE_BY, values))


def _blocks(client: Client, statement: Statement) -> Iterator[list[Row]]:
    try:
        with client.query_row_block_stream(statement.text, parameters=dict(statement.values)) as blocks:
            yield from blocks
    except (ClickHouseError, RuntimeError) as error:
        raise explain(error) from error


def _whole(cell: Any) -> int:
    return int(cell)

"""How fast events come in: senders, server and bare engine in processes of their own, in one run on one machine.

The bare engine is what it can do alone: one thread, JSONEachRow, the same decompressed bytes in blocks of ten thousand, the same
engine, key, partitions and fsync. It is measured before and after the server, since a machine is not equally fast all the time.
"""

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import clickhouse_connect
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from tests.bench import senders
from tests.house import build_house
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.deck import SERVER_FILE, open_deck, system_clock
from usagedeck.settings import Settings
from usagedeck.store import schema
from usagedeck.web.server import Running

BATCH = 500
CONNECTIONS = 64
_ENVIRONMENT = {**os.environ, "USAGEDECK_MIN_FREE_BYTES": "0"}
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figure:
    """One line of the result."""

    what: str
    ours: str
    bare: str = ""
    ratio: str = ""


@dataclass(frozen=True)
class Rate:
    """Events a second, and what each cost in microseconds of processor time."""

    pace: float
    cost: float


def ingesting(events: int = 1_000_000) -> Iterator[Figure]:
    """Sustained rate beside the bare engine, the wait at 10,000 events a second, and the wait of one event alone."""
    now = system_clock()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url, key, server = stack.enter_context(_server(folder))
        pool = stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
        other = stack.enter_context(ProcessPoolExecutor(1, multiprocessing.get_context("spawn")))
        made = [
            pool.submit(senders.prepare, "flood", url, key, events // BATCH + 20, BATCH, 1, now),
            pool.submit(senders.prepare, "steady", url, key, 2000, 100, 2, now),
            pool.submit(senders.prepare, "single", url, key, 100, 1, 3, now),
        ]
        for one in made:
            one.result()
        before = other.submit(bare, str(folder / "bare1"), events // 4, now).result()
        pool.submit(senders.send, "flood", 20, CONNECTIONS).result()
        began = _cpu(server.pid)
        flood = pool.submit(senders.send, "flood", events // BATCH, CONNECTIONS).result()
        used = _cpu(server.pid) - began
        after = other.submit(bare, str(folder / "bare2"), events // 4, now).result()
        pace = events / flood.seconds
        engine = (before.pace + after.pace) / 2
        yield Figure(f"events/s in, gzip, {BATCH} a batch", f"{pace:,.0f}", f"{engine:,.0f}", f"{pace / engine:.2f}")
        cost, alone = used / events * 1e6, (before.cost + after.cost) / 2
        yield Figure("µs of processor an event (server)", f"{cost:.1f}", f"{alone:.1f}", f"{cost / alone:.2f}")
        yield Figure("µs of processor an event (senders)", f"{flood.cpu / events * 1e6:.1f}")
        yield Figure("ack p50 / p95 at full speed", _spread(flood.waits))
        steady = pool.submit(senders.send, "steady", 2000, CONNECTIONS, 100.0).result()
        yield Figure("ack p50 / p95 at 10,000 events/s, 100 a batch", _spread(steady.waits))
        single = pool.submit(senders.send, "single", 100, 1).result()
        yield Figure("one event alone, p50 / p95", _spread(single.waits))


def importing(rows: int = 1_000_000) -> Iterator[Figure]:
    """Files into a stopped server, by the command; the engine's start is part of it. Rows have ids and are in order of time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        events = sorted(map(json.loads, senders.events(rows, seed=5, now=system_clock())), key=lambda event: str(event["time"]))
        (folder / "events.ndjson").write_bytes(b"\n".join(map(msgspec.json.encode, events)))
        pq.write_table(_table(events), folder / "events.parquet")
        del events
        for file in ("events.parquet", "events.ndjson"):
            settings = Settings(data_dir=folder / file.replace(".", "-"), min_free_bytes=0)
            with open_deck(settings) as deck:
                workspace = build_house(deck).workspace_id
            words = ("import", str(folder / file), "-w", workspace, "--data-dir", str(settings.data_dir), "--json")
            began = resource.getrusage(resource.RUSAGE_CHILDREN)
            said = subprocess.run([sys.executable, "-m", "usagedeck", *words], env=_ENVIRONMENT, capture_output=True, check=True)
            ended = resource.getrusage(resource.RUSAGE_CHILDREN)
            told = msgspec.json.decode(said.stdout)
            if told["accepted"] != rows:
                raise RuntimeError(str(told))
            cost = (ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime) / rows * 1e6
            yield Figure(f"rows/s of {file} into a stopped server", f"{rows / told['seconds']:,.0f}")
            yield Figure("µs of processor a row", f"{cost:.1f}")


def _table(events: list[dict[str, Any]]) -> Any:
    """Typed as a warehouse would write it."""
    columns: dict[str, Any] = {}
    for name in events[0]:
        cells = [event[name] for event in events]
        if name == "time":
            columns[name] = pa.array([datetime.fromisoformat(cell) for cell in cells], pa.timestamp("ms", "UTC"))
        elif name in ("credits", "cost"):
            columns[name] = pa.array([Decimal(cell) for cell in cells], pa.decimal128(18, 6))
        elif name == "attributes":
            columns[name] = pa.array([list(cell.items()) for cell in cells], pa.map_(pa.string(), pa.string()))
        else:
            columns[name] = pa.array(cells)
    return pa.table(columns)


def _spread(waits: list[float]) -> str:
    return f"{median(waits) * 1000:.0f} / {quantiles(waits, n=20)[-1] * 1000:.0f} ms"


def _cpu(pid: int) -> float:
    """Seconds of processor time a process has used."""
    parts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / _TICK


@contextmanager
def _server(folder: Path) -> Iterator[tuple[str, str, "subprocess.Popen[bytes]"]]:
    """A server as an operator starts it: its address, a key that may send, and its process."""
    settings = Settings(data_dir=folder / "data", min_free_bytes=0)
    with open_deck(settings) as deck:
        key = build_house(deck).api_key
    command = [sys.executable, "-m", "usagedeck", "serve", "--port", "0", "--data-dir", str(settings.data_dir)]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, env=_ENVIRONMENT, stdout=log, stderr=log) as process:
        note = settings.data_dir / SERVER_FILE
        while not note.exists():
            if process.poll() is not None:
                raise RuntimeError((folder / "log").read_text())
            time.sleep(0.05)
        try:
            yield msgspec.json.decode(note.read_bytes(), type=Running).url, key, process
        finally:
            process.terminate()


def bare(folder: str, count: int, now: int) -> Rate:
    """What the engine alone takes of the events as they are sent."""
    blocks = [block + b"\n" for block in senders.bodies(count // 10_000, 10_000, seed=4, now=now)]
    client = clickhouse_connect.get_client(
        interface="chdb",
        path=folder,
        settings={
            "async_insert": "0",
            "max_insert_threads": "1",
            "input_format_parallel_parsing": "0",
            "date_time_input_format": "best_effort",
        },
    )
    columns = {f.name: schema.column_type(f) for f in fields(Subject.REQUESTS) if not (f.stamped or f.inside)}
    columns |= {f.name: "DateTime64(3, 'UTC')" for f in fields(Subject.REQUESTS) if f.type is Type.INSTANT and not f.stamped}
    columns |= {"workspace_id": "LowCardinality(String) DEFAULT 'ws'", "version": "UInt64 DEFAULT 1"}
    listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    client.command(
        f"CREATE TABLE bare ({listed}) ENGINE = ReplacingMergeTree(version) PARTITION BY toMonday(time) "
        "ORDER BY (workspace_id, time, id) SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
    )
    client.raw_insert("bare", insert_block=blocks[0], fmt="JSONEachRow")
    started, used = time.perf_counter(), time.process_time()
    for block in blocks[1:]:
        client.raw_insert("bare", insert_block=block, fmt="JSONEachRow")
    taken = (len(blocks) - 1) * 10_000
    rate = Rate(taken / (time.perf_counter() - started), (time.process_time() - used) / taken * 1e6)
    client.close()
    return rate


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ingesting", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events that are sent (default: %(default)s)")
    count = parser.parse_args().events
    for figure in chain(ingesting(count), importing(count)):
        sys.stdout.write(f"{figure.what:50} {figure.ours:>16} {figure.bare:>10} {figure.ratio:>6}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

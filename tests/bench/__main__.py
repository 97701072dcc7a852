"""`make bench`: how much the product adds to the bare engine, and what it manages on this machine.

Every figure is a ratio of two things measured in turn in this run, or a rate; CPU counts the whole process. The engine's
cache of query conditions is off, since it would answer a repeated question from memory.
"""

import argparse
import gzip
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import httpx2
import structlog
from rich.console import Console
from rich.table import Table

from tests.bench.data import fill
from tests.house import House, build_house, keyed, served
from usagedeck import sql
from usagedeck.catalog import DIMENSIONS, METRICS, Subject, fields
from usagedeck.deck import open_deck, system_clock
from usagedeck.query import LogQuery, Query, Selection
from usagedeck.settings import Settings
from usagedeck.sql import Scope
from usagedeck.times import DAY, zone
from usagedeck.windows import Interval, Window


@dataclass(frozen=True)
class Line:
    what: str
    ours: str
    bare: str
    ratio: str


def _timed(work: Callable[[], object], times: int = 7) -> float:
    """Median wall seconds after one round that does not count."""
    work()
    found = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return median(found)


def _pair(what: str, ours: Callable[[], object], bare: Callable[[], object]) -> Line:
    a, b = _timed(ours), _timed(bare)
    return Line(what, f"{a * 1000:.1f} ms", f"{b * 1000:.1f} ms", f"{a / b:.2f}")


def questions(house: House, client: httpx2.Client, end: int) -> Iterator[Line]:
    """The page's questions through HTTP, beside the same aggregation written by hand on the bare engine."""
    store = house.deck.store
    rows = f"requests FINAL WHERE workspace_id = '{house.workspace_id}' AND time >= {end - 30 * DAY} AND time < {end}"
    asked: dict[str, str | int] = {"start": end - 30 * DAY, "end": end, "interval": "day", "time_zone": "Europe/Berlin"}
    plain = f"SELECT intDiv(time, {DAY}) AS b, sum(credits) FROM {rows} GROUP BY b ORDER BY b"
    split = f"SELECT intDiv(time, {DAY}) AS b, {{}} AS d, sum(credits) FROM {rows} GROUP BY b, d ORDER BY b, d"

    def bare(text: str) -> Callable[[], object]:
        return partial(store.run, sql.Statement(text, {}, ()))

    def ours(**more: str | int) -> Callable[[], object]:
        return lambda: client.get("/api/v1/usage", params={**asked, **more}).raise_for_status()

    yield _pair("credits by day", ours(metric="credits"), bare(plain))
    for by in ("product_type", "voice_id", "api_key_id"):
        yield _pair(f"credits by day and {by}, top 8", ours(metric="credits", by=by, top=8), bare(split.format(by)))
    quantiles = f"SELECT route, count(), quantileExactInclusive(0.95)(duration_ms) FROM {rows} GROUP BY route"
    yield _pair("p95 by route", ours(metric="requests,latency_p95", by="route", interval="total"), bare(quantiles))
    log = f"SELECT * FROM {rows} ORDER BY time DESC, id DESC LIMIT 100"
    yield _pair("log page", partial(client.get, "/api/v1/requests", params={"start": end - 30 * DAY, "end": end}), bare(log))


def buckets(house: House, end: int) -> Iterator[Line]:
    """Ways to find a row's bucket: runs of equal length (ours), an array of all edges, plain arithmetic."""
    window = Window(end - 30 * DAY, end, zone("America/New_York"))
    query = Query(
        Selection(Subject.REQUESTS, window), (METRICS["credits"],), Interval.parse("day"), (DIMENSIONS["product_type"],)
    )
    ours = sql.compile(query, Scope(house.workspace_id))
    edges = list(query.buckets.starts)
    rows = f"requests FINAL WHERE workspace_id = '{house.workspace_id}' AND time >= {window.start} AND time < {window.end}"
    for name, bucket in (("an array of edges", f"roundDown(time, {edges})"), ("arithmetic", f"intDiv(time, {DAY}) * {DAY}")):
        text = f"SELECT {bucket} AS b, product_type AS d, sum(ifNull(credits, 0)) FROM {rows} GROUP BY b, d ORDER BY b, d"
        run = house.deck.store.run
        yield _pair(f"buckets: runs beside {name}", partial(run, ours), partial(run, sql.Statement(text, {}, ())))


def _event(id_: str, time_: int, i: int) -> dict[str, object]:
    return {
        "id": id_,
        "time": time_,
        "method": "POST",
        "path": f"/v1/tts/{i}",
        "route": "/v1/tts/{voice_id}",
        "status": 200,
        "duration_ms": i,
        "user_id": f"user_{i % 50}",
        "api_key_id": f"key_{i % 90}",
        "product_type": "TTS",
        "voice_id": f"v{i % 70}",
        "credits": "1.5",
    }


def collecting(house: House, client: httpx2.Client, end: int) -> Iterator[Line]:
    """Durable events per second through HTTP from two senders, beside the bare engine taking the same rows."""
    batch, rounds = 500, 40
    bodies = [[_event(f"b{r}-{i}", end - i * 977, i) for i in range(batch)] for r in range(rounds)]
    packed = [gzip.compress("\n".join(map(json.dumps, body)).encode(), 1) for body in bodies]
    other = build_house(house.deck, "bare")

    def send(body: bytes) -> None:
        client.post("/v1/events", content=body, headers={"content-encoding": "gzip"}).raise_for_status()

    with ThreadPoolExecutor(4) as pool:
        started = time.perf_counter()
        list(pool.map(send, packed))
        ours = rounds * batch / (time.perf_counter() - started)
    rows = [
        "\n".join(json.dumps({**event, "workspace_id": other.workspace_id, "version": 1}) for event in body).encode()
        for body in bodies
    ]
    started = time.perf_counter()
    for body in rows:
        house.deck.store.insert(Subject.REQUESTS, body)
    bare = rounds * batch / (time.perf_counter() - started)
    yield Line(f"events/s in, gzip, {batch} a batch", f"{ours:,.0f}", f"{bare:,.0f}", f"{ours / bare:.2f}")


def export(house: House, end: int) -> Iterator[Line]:
    """Rows of the log per second, read by the product and by the bare engine's stream."""
    window = Window(end - 30 * DAY, end, zone("UTC"))
    names = ("time", "id", "status", "method", "path", "duration_ms", "api_key_id", "credits")
    columns = tuple(f for f in fields(Subject.REQUESTS) if f.name in names)
    statement = sql.compile_log(LogQuery(Selection(Subject.REQUESTS, window), columns, limit=None), Scope(house.workspace_id))
    started = time.perf_counter()
    count = sum(1 for _ in house.deck.store.stream(statement))
    yield Line("log rows/s streamed", f"{count / (time.perf_counter() - started):,.0f}", "", "")


@contextmanager
def _house(rows: int, end: int, folder: Path) -> Iterator[tuple[House, httpx2.Client]]:
    settings = Settings(data_dir=folder / "data", min_free_bytes=0)
    with open_deck(settings) as deck, served(deck) as url:
        house = build_house(deck)
        fill(deck, house.workspace_id, rows, end=end, days=30)
        with keyed(url, house.api_key) as client:
            yield house, client


def main() -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="requests in the workspace (default: %(default)s)")
    rows = parser.parse_args().rows
    end = system_clock() // DAY * DAY
    table = Table(
        "what", "ours", "bare engine", "ratio", title=f"{rows:,} requests in 30 days, 1 % repeats, nothing merged by hand"
    )
    with tempfile.TemporaryDirectory() as folder, _house(rows, end, Path(folder)) as (house, client):
        for part in (questions(house, client, end), buckets(house, end), collecting(house, client, end), export(house, end)):
            for line in part:
                table.add_row(line.what, line.ours, line.bare, line.ratio)
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The same requests and the same questions in DuckDB, SQLite and PostgreSQL, each asked in turn with the product."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.asking import Asker, differ, ours, theirs
from tests.bench.dialects import ENGINE, export, written
from tests.bench.measure import Sample
from tests.bench.peers import PEERS, NotThere, Peer, export_sql
from tests.bench.questions import COMPARED, LOG_COLUMNS, Question, moment
from tests.bench.sets import LARGE, DataSet, Made, size_on_disk
from tests.bench.sheet import Sheet, ms, times
from usagedeck.times import DAY

PATIENCE = 1500.0
"""Milliseconds all rounds of one question and one peer may take together, after the answers were compared."""
ROUNDS = 5
FIRST = 200
"""The turn of the first question."""


@dataclass
class Bout:
    """A peer's times beside ours."""

    name: str
    note: str = ""
    load_seconds: float = 0.0
    bytes: int = 0
    ours: dict[str, Sample] = field(default_factory=dict)
    theirs: dict[str, Sample] = field(default_factory=dict)
    rate: float = 0.0
    """Rows of CSV a second."""


def compare(asker: Asker, data: DataSet, made: Made, folder: Path, say: Callable[[str], None]) -> list[Bout]:
    """Load every peer in turn, check that it gives our answers, and time it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = folder / "requests.parquet"
    say("writing the requests for the peers")
    asker.run(export_sql(source))
    found = []
    first = FIRST
    for kind in PEERS:
        try:
            peer = kind(folder)
        except NotThere as error:
            found.append(Bout(kind.__name__, note=f"{error}."))
            continue
        try:
            found.append(_bout(asker, peer, source, first, say))
            first += ROUNDS + 1
        finally:
            peer.close()
            for left in folder.glob("requests.[ds]*"):
                left.unlink()
    shutil.rmtree(folder)
    return found


def _bout(asker: Asker, peer: Peer, source: Path, first: int, say: Callable[[str], None]) -> Bout:
    """`first` is the first turn: what was asked beside one peer must not be known already when it is asked beside the next."""
    say(f"loading {peer.name}")
    bout = Bout(peer.name)
    started = time.perf_counter()
    peer.load(source)
    bout.load_seconds = time.perf_counter() - started
    bout.bytes = peer.size()
    for question in COMPARED:
        say(f"{peer.name}: {question.name}")
        a, b = Sample(), Sample()
        answer = peer.ask(_text(asker, question, first, peer))
        if wrong := differ(question, ours(question, asker.ask(question, first)), theirs(question, answer, peer.micros)):
            raise AssertionError(f"{question.name}: the product and {peer.name} differ at {wrong}")
        for turn in range(first + 1, first + 1 + ROUNDS):
            text = _text(asker, question, turn, peer)
            asker.ask(question, turn, a)
            with b.timed():
                peer.ask(text)
            if sum(b.wall) > PATIENCE:
                break
        bout.ours[question.name], bout.theirs[question.name] = a, b
    started = time.perf_counter()
    rows = asker.rows(f"SELECT count() FROM ({export(LARGE, *_stretch(), ENGINE)})")[0][0]
    started = time.perf_counter()
    peer.export(export(LARGE, *_stretch(), peer.dialect))
    bout.rate = int(rows) / (time.perf_counter() - started)
    return bout


def _text(asker: Asker, question: Question, turn: int, peer: Peer) -> str:
    return written(question, turn, asker.ids[question.workspace], peer.dialect)


def _stretch() -> tuple[int, int]:
    return moment(0) - 30 * DAY, moment(0)


def download(asker: Asker, days: int = 30) -> tuple[float, int]:
    """The log of some days through HTTP as CSV: rows a second, and how many there were."""
    start, end = moment(0) - days * DAY, moment(0)
    params: dict[str, Any] = {"start": start, "end": end, "columns": ",".join(("id", *LOG_COLUMNS))}
    started = time.perf_counter()
    with asker.clients[LARGE].stream("GET", "/api/v1/requests.csv", params=params) as answer:
        answer.raise_for_status()
        lines = sum(piece.count(b"\n") for piece in answer.iter_bytes())
    return (lines - 1) / (time.perf_counter() - started), lines - 1


def sheets(bouts: list[Bout], data: DataSet, made: Made, folder: Path, rate: float) -> list[Sheet]:
    """Times with their ratios, and what each needed."""
    asked = [b for b in bouts if b.theirs]
    beside = Sheet(
        f"Beside other databases, {data.title}",
        ("question", "ours p50 ms", *(f"{b.name}: p50 ms (× ours)" for b in asked)),
        note="Asked in turn, after each had given our answer; × ours: its time divided by ours in the same minutes. Ours through "
        "HTTP with names and JSON, theirs by SQL in the same process (DuckDB, SQLite) or over a local socket (PostgreSQL). "
        + " ".join(b.note for b in bouts if b.note),
    )
    for question in COMPARED:
        samples = [(b.ours[question.name], b.theirs[question.name]) for b in asked]
        mine = Sample([w for a, _ in samples for w in a.wall])
        cells = (f"{ms(b.p50)} ({times(b.p50 / a.p50)})" for a, b in samples)
        beside.rows.append((question.name, ms(mine.p50), *cells))
    beside.rows.append(("CSV of 30 days, thousand rows/s", f"{rate / 1000:,.0f}", *(f"{b.rate / 1000:,.0f}" for b in asked)))
    needs = Sheet(f"What the data need, {data.title}", ("", "bytes per event", "seconds to load"))
    needs.rows.append(
        (
            "ours, everything",
            f"{size_on_disk(folder) / made.events:.0f}",
            f"{made.made_seconds:.0f} to make, {made.settled_seconds:.0f} to merge and seal",
        )
    )
    needs.rows += [(b.name, f"{b.bytes / made.events:.0f}", f"{b.load_seconds:.0f}") for b in asked]
    return [beside, needs]

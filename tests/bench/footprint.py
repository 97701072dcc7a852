"""What the product needs at rest and at work: time to start, memory, disk, and the speed of a download."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.bench.asking import Asker
from tests.bench.measure import MB, cpu_clock, forget_peak, memory
from tests.bench.peering import download
from tests.bench.questions import BY_PATH, CONCURRENCY_RAW, PAGES, PERCENTILES, Question, usage_views
from tests.bench.sets import ZONE, DataSet, Made, size_on_disk
from tests.bench.sheet import Sheet, verdict

MANY = 4
"""People asking at once while memory is watched."""


@dataclass(frozen=True)
class Start:
    """From the command to the first ready answer, in seconds of wall and of CPU, and the memory that is resident then."""

    seconds: float
    cpu: float
    bytes: int


def start(folder: Path) -> Start:
    """Start `usagedeck serve` and wait until it says that it is ready."""
    program = Path(sys.executable).with_name("usagedeck")
    command = [str(program), "serve", "--data-dir", str(folder), "--port", "0", "--json"]
    quiet = {**os.environ, "USAGEDECK_MIN_FREE_BYTES": "0"}
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=quiet)
    try:
        assert process.stdout is not None
        text = ""
        while not text.rstrip().endswith("}"):
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("usagedeck serve did not start")
            text += line
        httpx2.get(json.loads(text)["url"] + "/readyz", timeout=60).raise_for_status()
        return Start(time.perf_counter() - started, cpu_clock(process.pid)(), memory(process.pid)[0])
    finally:
        process.terminate()
        process.wait(60)


def under_load(asker: Asker, seconds: float) -> int:
    """The most memory while several people ask everything at once and one downloads the log."""
    questions: list[Question] = [*usage_views(90, ZONE), *BY_PATH, *PERCENTILES, *CONCURRENCY_RAW, *PAGES]
    forget_peak(asker.pid)
    until = time.monotonic() + seconds
    turns = iter(range(5000, 10_000_000))
    lock = threading.Lock()

    def ask(_: int) -> None:
        while time.monotonic() < until:
            with lock:
                turn = next(turns)
            asker.ask(questions[turn * 7 % len(questions)], turn)

    with ThreadPoolExecutor(MANY + 1) as pool:
        work = [pool.submit(ask, i) for i in range(MANY)]
        pool.submit(download, asker).result()
        for one in work:
            one.result()
    return memory(asker.pid)[1]


def sheet(asker: Asker, data: DataSet, made: Made, folder: Path, say: Callable[[str], None]) -> tuple[Sheet, float]:
    """The running server's figures; also the rows per second of the download. The start is added by `add_start`."""
    say(f"{data.title}: download and memory")
    table = Sheet(
        f"Footprint, {data.title}",
        ("what", "found", "target", "met"),
        note=f"Start: the command line, until /readyz says yes. Peak: {MANY} people asking everything at once for a while and "
        "one downloading the log. Disk: the whole data folder.",
    )
    forget_peak(asker.pid)
    download(asker, days=3)
    before = memory(asker.pid)[1]
    forget_peak(asker.pid)
    rate, rows = download(asker)
    grew = memory(asker.pid)[1] - before
    table.rows.append((f"CSV of the log, {rows:,} rows", f"{rate:,.0f} rows/s", "500,000", verdict(rate, 500_000, least=True)))
    table.rows.append(
        ("memory it took more than one of 3 days", f"{max(grew, 0) / MB:,.0f} MB", "flat", "yes" if grew < 100 * MB else "no")
    )
    peak = under_load(asker, 8)
    table.rows.append(("memory, peak", f"{peak / MB:,.0f} MB", "1,500 MB", verdict(peak, 1500 * MB)))
    return table, rate


def add_start(table: Sheet, folder: Path, made: Made, say: Callable[[str], None]) -> None:
    """What is measured while the server is down."""
    say("starting")
    found = [start(folder) for _ in range(3)]
    best, cpu = min(f.seconds for f in found), min(f.cpu for f in found)
    rest = min(f.bytes for f in found)
    disk = size_on_disk(folder) / made.events
    table.rows.append(("start to ready, best of 3", f"{best:.2f} s ({cpu:.2f} s CPU)", "2 s", verdict(best, 2)))
    table.rows.append(("memory at rest", f"{rest / MB:,.0f} MB", "512 MB", verdict(rest, 512 * MB)))
    table.rows.append(("disk per event", f"{disk:.0f} B", "80 B", verdict(disk, 80)))

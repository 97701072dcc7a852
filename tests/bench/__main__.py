"""`make bench`: builds its data, asks the questions of the table of targets, and prints what they took beside the bare engine
and other databases.

Sections are a list; each is handed the run and adds sheets to it. Wall times are those of this machine at this moment;
ratios are of things measured in turn.
"""

import argparse
import datetime as dt
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from tests.bench import footprint, peering, sets, speed
from tests.bench.asking import asking
from tests.bench.ingesting import importing, ingesting
from tests.bench.sets import DataSet, Made
from tests.bench.sheet import Sheet
from usagedeck import __version__

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- begin: last run -->", "<!-- end: last run -->"


@dataclass
class Run:
    """What all sections share."""

    folder: Path
    sizes: tuple[DataSet, ...]
    """The last one is the one that is compared."""
    seconds: float
    """Spent on a family of questions, at least one pass."""
    console: Console
    sheets: list[Sheet] = field(default_factory=list)

    def data(self, wanted: DataSet) -> tuple[Path, Made]:
        """A data set, built if need be."""
        folder = self.folder / "data" / wanted.name
        self.say(f"data set {wanted.title}")
        return folder, sets.get(folder, wanted)

    def say(self, what: str) -> None:
        self.console.print(f"[dim]{dt.datetime.now(dt.UTC):%H:%M:%S} {what}[/]", highlight=False)

    def add(self, *sheets: Sheet) -> None:
        for one in sheets:
            one.show(self.console)
        self.sheets += sheets


def questions(run: Run) -> None:
    """The table of targets on every size, and growth; the largest beside the bare engine."""
    found: dict[str, tuple[DataSet, list[speed.Measured]]] = {}
    for data in run.sizes:
        folder, made = run.data(data)
        with asking(folder, made) as asker:
            measured = speed.measure(asker, data, run.seconds, run.say)
            run.add(speed.targets(data, measured))
            if data is run.sizes[-1]:
                run.add(speed.beside_bare(asker, data, run.say), speed.buckets(asker, data, run.say))
        found[data.name] = (data, measured)
    if len(found) > 1:
        run.add(speed.growth(found))


def needs(run: Run) -> None:
    """Download, memory, start and disk of the largest size."""
    data = run.sizes[-1]
    folder, made = run.data(data)
    with asking(folder, made) as asker:
        table, _ = footprint.sheet(asker, data, made, folder, run.say)
    footprint.add_start(table, folder, made, run.say)
    run.add(table)


def others(run: Run) -> None:
    """The other databases, on at most 10 million requests."""
    data = max((d for d in run.sizes if d.rows <= sets.SETS["10"].rows), key=lambda d: d.rows, default=None)
    if data is None:
        return
    folder, made = run.data(data)
    with asking(folder, made) as asker:
        rate, _ = peering.download(asker)
        bouts = peering.compare(asker, data, made, run.folder / "peers", run.say)
    run.add(*peering.sheets(bouts, data, made, folder, rate))


def collecting(run: Run) -> None:
    """Events over HTTP and files of a million rows, beside what the bare engine inserts."""
    run.say("collecting")
    table = Sheet("Collecting", ("what", "ours", "bare engine", "ratio"))
    table.rows += [(one.what, one.ours, one.bare, one.ratio) for one in (*ingesting(), *importing())]
    run.add(table)


SECTIONS: Mapping[str, Callable[[Run], None]] = {
    "questions": questions,
    "needs": needs,
    "collecting": collecting,
    "others": others,
}

_SIZES = {"1": ("1",), "10": ("1", "10"), "100": ("1", "10", "100"), "year": ("year",)}


def machine() -> str:
    """The machine in a line."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return (
        f"{os.cpu_count()} cores ({cpu[1] if cpu else platform.machine()}), {int(memory[1]) // 2**20 if memory else 0} GB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, usagedeck {__version__}"
    )


def record(text: str) -> None:
    """Put the last run into the page."""
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--size", choices=_SIZES, default="10", help="million requests, or year (default: %(default)s)")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="a section, repeatable (default: all)")
    parser.add_argument("--seconds", type=float, default=8, help="spent on a kind of question (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=Path(".bench"), help="where data sets are kept (default: %(default)s)")
    parser.add_argument("--record", action="store_true", help="put the tables into docs/performance.md")
    asked = parser.parse_args()
    sizes = tuple(sets.SETS[name] for name in _SIZES[asked.size])
    run = Run(asked.folder.resolve(), sizes, asked.seconds, Console(width=None if sys.stdout.isatty() else 200))
    started, busy = time.perf_counter(), os.getloadavg()[0]
    for name in asked.only or SECTIONS:
        SECTIONS[name](run)
        head = (
            f"{dt.datetime.now(dt.UTC):%Y-%m-%d}, {machine()}. The run took {(time.perf_counter() - started) / 60:.0f} minutes; "
            f"load of the machine before it {busy:.1f}, after it {os.getloadavg()[0]:.1f}.\n"
        )
        text = "\n".join([head, *(one.markdown() for one in run.sheets)])
        (run.folder / "report.md").write_text(text)
        if asked.record:
            record(text)
    run.console.print(head)
    return 0


if __name__ == "__main__":
    sys.exit(main())

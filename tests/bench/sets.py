"""Data sets of a measurement: built once, kept under `.bench/` and used again while what makes them is unchanged.

`python -m tests.bench.sets FOLDER NAME` builds one, or brings it up to date; the runner starts that as a process of its
own, so that the memory it takes is not counted as the product's.
"""

import hashlib
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.bench import crowd, rows, traffic
from usagedeck import admin
from usagedeck.catalog.dimensions import Label
from usagedeck.catalog.kinds import Subject
from usagedeck.deck import Deck, open_deck
from usagedeck.demo import figures, products
from usagedeck.settings import Settings
from usagedeck.store import schema
from usagedeck.store.merging import Merger
from usagedeck.times import parse_instant

END = parse_instant("2026-11-19T12:00:00Z", field="end")
"""The moment at which the measured server lives: a Thursday noon, so that the current week is half full and unmerged."""

ZONE = "America/New_York"
"""Where the workspaces report; its clock changed within the last 30 days of the data."""

LARGE, SMALL = "ws_000", "ws_034"
"""The workspaces that ask: 30 % and 0.4 % of all requests."""

_NOTE = "made.json"


@dataclass(frozen=True)
class DataSet:
    """A name, how many requests, and over how many days."""

    name: str
    rows: int
    days: int

    @property
    def title(self) -> str:
        return f"{self.rows / 1e6:g}M, {self.days} d"


SETS = {
    s.name: s
    for s in (
        DataSet("1", 1_000_000, 90),
        DataSet("10", 10_000_000, 90),
        DataSet("100", 100_000_000, 90),
        DataSet("year", 100_000_000, 365),
    )
}


class Made(msgspec.Struct):
    """What is known of a data set that was built."""

    recipe: str
    events: int
    """Different requests."""
    lines: int
    """Rows that were inserted: every repeat is one more."""
    made_seconds: float
    settled_seconds: float
    """What the product took to merge and to seal."""
    keys: dict[str, str]
    """An API key of each workspace that asks."""


def recipe() -> str:
    """Changes when the data would."""
    sources = [Path(module.__file__ or "").read_bytes() for module in (crowd, rows, traffic, figures, products)]
    shape = str((END, ZONE, schema.create_table(Subject.REQUESTS))).encode()
    return hashlib.sha256(b"\0".join([*sources, shape])).hexdigest()[:16]


def build(folder: Path, wanted: DataSet, places: tuple[crowd.Workplace, ...]) -> Made:
    """Make the data set, let the product do to it what it does to data in the background, and note what it is."""
    started = time.perf_counter()
    with open_deck(Settings(data_dir=folder, min_free_bytes=0), lambda: END) as deck:
        keys = {place.id: _workspace(deck, place) for place in places}
        traffic.fill(deck, places, traffic.Span(wanted.rows, wanted.days, END))
        lines = deck.store.rows(Subject.REQUESTS)
        took = time.perf_counter() - started
        settled = settle(deck)
        ((events,),) = deck.store._writer.query("SELECT count() FROM requests FINAL").result_rows
    asking = {name: keys[name] for name in (LARGE, SMALL) if name in keys}
    return Made(recipe(), int(events), lines, took, settled, asking)


def settle(deck: Deck) -> float:
    """Do at once what the server's background threads do in the course of time; returns the seconds it took."""
    started = time.perf_counter()
    merger = Merger(deck.store, deck.clock)
    try:
        merger.look()
    finally:
        merger.close()
    while deck.sealer.look():
        pass
    return time.perf_counter() - started


def _workspace(deck: Deck, place: crowd.Workplace) -> str:
    """The workspace in the directory; the ones that ask have display names as in real life."""
    made = admin.perform(deck, admin.CreateWorkspace(name=place.id, id=place.id, time_zone=ZONE))
    if place.id in (LARGE, SMALL):
        people = crowd.crowd((place,), 0).table
        number = f"{int(place.id[3:]):02x}"
        for kind, column in ((Label.API_KEY, "api_key_id"), (Label.USER, "user_id")):
            names = {_of(id_, number): f"{kind.value} {n}" for n, id_ in enumerate(people[column].to_pylist())}
            admin.perform(deck, admin.SetLabels(workspace=place.id, kind=kind, names=names))
        voices = {f"voice_{number}{n:04x}": f"Voice {n}" for n in range(2 * place.keys + 2)}
        admin.perform(deck, admin.SetLabels(workspace=place.id, kind=Label.VOICE, names=voices))
    return str(made["api_key"])


def _of(id_: str, number: str) -> str:
    """Ids carry the number of their workspace."""
    kind, _, rest = id_.partition("_")
    return f"{kind}_{number}{rest[2:]}"


def get(folder: Path, wanted: DataSet) -> Made:
    """The data set in `folder`, built now unless it is there already, merged and sealed."""
    subprocess.run([sys.executable, "-m", "tests.bench.sets", str(folder), wanted.name], check=True)
    return _noted(folder / _NOTE)


def _noted(note: Path) -> Made:
    return msgspec.json.decode(note.read_bytes(), type=Made)


def _bring_up_to_date(folder: Path, wanted: DataSet) -> None:
    """Build it unless it is there; a rollup whose definition has changed since is sealed anew either way."""
    note = folder / _NOTE
    if note.exists() and b'"%b"' % recipe().encode() in note.read_bytes():
        made = _noted(note)
        with open_deck(Settings(data_dir=folder, min_free_bytes=0), lambda: END) as deck:
            if (seconds := settle(deck)) > made.settled_seconds:
                made.settled_seconds = seconds
    else:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        made = build(folder, wanted, crowd.workplaces())
    note.write_bytes(msgspec.json.encode(made))


def size_on_disk(folder: Path) -> int:
    """Bytes of everything the product keeps for it."""
    return sum(f.stat().st_blocks * 512 for f in folder.rglob("*") if f.is_file())


if __name__ == "__main__":
    _bring_up_to_date(Path(sys.argv[1]), SETS[sys.argv[2]])

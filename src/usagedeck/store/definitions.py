"""What rollups hold is written in the catalogue; here is kept what the tables on the disk were made by.

A rollup whose definition has changed is filled anew from the events. Where the events are gone that cannot be done, so what
the old table says of that time is kept, as a *former* rollup: beside the new one, under a name of its own, with the seals that
counted there. It answers what names nothing but columns and measures that mean today what they meant then. Without such
time nothing is lost by dropping the old table, and it is dropped.

Each step may be done again: after a crash the next start begins anew, and finds what was done already.
"""

import hashlib
import logging
from dataclasses import replace
from typing import Protocol

import msgspec

from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.measures import MEASURES, VALUES, Measure
from usagedeck.catalog.rollups import ROLLUPS, Rollup
from usagedeck.floors import Floors
from usagedeck.seals import QUARTER, UTC, Cut, Ledger, Piece
from usagedeck.sql import Bound, Statement, fill, source
from usagedeck.store import schema
from usagedeck.table import Row

log = logging.getLogger(__name__)


class Executes(Protocol):
    """The part of the store that definitions need."""

    def run(self, statement: Statement) -> list[Row]: ...

    def execute(self, statement: Statement) -> None:
        """A statement without an answer, on a handle of its own, on one core."""


class Shape(msgspec.Struct, frozen=True):
    """What a table holds, in such detail that a later release can tell what of it still means the same."""

    of: str
    activity: bool
    source: str
    """How its cells are cut out of the events, as a short name."""
    columns: dict[str, str]
    """Name → type."""
    measures: dict[str, str]
    """Name → how it is computed, stored and joined."""


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def definition(rollup: Rollup) -> str:
    """What a rollup holds and how that is computed, as a short name: another definition is another rollup."""
    return _short(schema.create_rollup(rollup) + fill(Cut(rollup.name), {(0, QUARTER): 0}).text)


def shape(rollup: Rollup) -> Shape:
    kinds = schema.columns(rollup.of)
    cut_out = source(rollup, Cut(rollup.name), [(0, QUARTER)], None)
    return Shape(
        rollup.of.value,
        rollup.activity,
        _short(cut_out),
        {name: kinds[name] for name in rollup.columns},
        {m.name: _meaning(m) for m in rollup.measures},
    )


def _meaning(measure: Measure) -> str:
    return f"{measure.stored} {measure.sql()} {measure.merge}"


class Definitions:
    """Brings the tables of the rollups to today's definitions."""

    def __init__(self, store: Executes, floors: Floors) -> None:
        self._store = store
        self._floors = floors

    def renew(self, known: Ledger) -> bool:
        """Make what is new, and set apart or drop what has changed. `known` is the ledger as it is on the disk; returns whether
        it is not any more."""
        about, changed = self._about(), False
        for name in sorted({key.removeprefix("rollup ") for key in about if key.startswith("rollup ")} | set(ROLLUPS)):
            rollup = ROLLUPS.get(name)
            now = definition(rollup) if rollup else ""
            if about.get(f"rollup {name}", "") == now:
                if rollup and f"shape {name}" not in about:
                    self._note(f"shape {name}", msgspec.json.encode(shape(rollup)).decode())
                continue
            changed = True
            log.info("rollup %s is new or has changed; it will be filled from the events", name)
            if about.get(f"rollup {name}") and f"shape {name}" in about:
                self._set_apart(name, about[f"shape {name}"], known)
            self._do(f"DROP TABLE IF EXISTS rollup_{name}")
            self._do("DELETE FROM seals WHERE rollup = {r:String}", r=name)
            if rollup:
                self._do(schema.create_rollup(rollup))
                self._note(f"shape {name}", msgspec.json.encode(shape(rollup)).decode())
            self._note(f"rollup {name}", now)
        return changed

    def _set_apart(self, name: str, held: str, known: Ledger) -> None:
        """Keep a table's rows of the time whose events are gone, with the seals that count there."""
        kept = _beyond_recall(name, known)
        if not kept:
            return
        former = f"{name}_{max(piece.number for _, _, piece in kept)}"
        log.info("what rollup %s says of the time whose events are gone is kept as %s", name, former)
        self._note(f"shape {former}", held)
        rows = [(p.number, zone, w, p.start, p.end, p.as_of) for zone, w, p in kept]
        self._do(
            "INSERT INTO seals SELECT at.1, {former:String}, at.2, at.3, at.4, at.5, at.6 "
            "FROM (SELECT arrayJoin({rows:Array(Tuple(UInt64, String, String, Int64, Int64, UInt64))}) AS at)",
            former=former,
            rows=rows,
        )
        if not self._exists(f"rollup_{former}"):
            self._do(f"RENAME TABLE rollup_{name} TO rollup_{former}")

    def formers(self) -> dict[str, Rollup]:
        """The former rollups by name, as far as they mean today what they meant then. Rows that nobody can ask for are deleted,
        and tables that hold nothing any more dropped."""
        found = {}
        for key, value in self._about().items():
            name = key.removeprefix("shape ")
            if key == name or name in ROLLUPS or not value or not self._exists(f"rollup_{name}"):
                continue
            self._clear(name)
            if self._read(f"SELECT 1 FROM rollup_{name} LIMIT 1"):
                found[name] = _still(name, msgspec.json.decode(value, type=Shape))
            else:
                self._do("DELETE FROM seals WHERE rollup = {r:String}", r=name)
                self._do(f"DROP TABLE rollup_{name}")
                self._note(key, "")
        return found

    def _clear(self, name: str) -> None:
        floors = dict(self._floors)
        values: dict[str, Bound] = {
            "r": name,
            "names": list(floors),
            "events": [floor.events for floor in floors.values()],
            "rollups": [floor.rollups for floor in floors.values()],
        }
        useless = (
            "seal NOT IN (SELECT number FROM seals WHERE rollup = {r:String}) "
            "OR time >= transform(workspace_id, {names:Array(String)}, {events:Array(Int64)}, toInt64(0)) "
            "OR time < transform(workspace_id, {names:Array(String)}, {rollups:Array(Int64)}, toInt64(0))"
        )
        if self._store.run(Statement(f"SELECT 1 FROM rollup_{name} WHERE {useless} LIMIT 1", values, ("one",))):
            self._store.execute(Statement(f"DELETE FROM rollup_{name} WHERE {useless}", values, ()))

    # --- plumbing

    def _about(self) -> dict[str, str]:
        return {str(key): str(value) for key, value in self._read("SELECT key, value FROM about FINAL")}

    def _note(self, key: str, value: str) -> None:
        at = int(self._read("SELECT max(at) FROM about")[0][0]) + 1
        self._do("INSERT INTO about VALUES ({k:String}, {v:String}, {at:UInt64})", k=key, v=value, at=at)

    def _exists(self, table: str) -> bool:
        text = "SELECT 1 FROM system.tables WHERE database = currentDatabase() AND name = {t:String}"
        return bool(self._store.run(Statement(text, {"t": table}, ("one",))))

    def _read(self, text: str) -> list[Row]:
        return self._store.run(Statement(text, {}, ()))

    def _do(self, text: str, **values: Bound) -> None:
        self._store.execute(Statement(text, values, ()))


def _beyond_recall(name: str, known: Ledger) -> list[tuple[str, str, Piece]]:
    """(zone, workspace, piece) of what counts in a rollup where the events are gone."""
    return [
        (cut.zone, workspace, piece)
        for workspace, floor in known.floors
        for cut in {Cut(name), Cut(name, UTC), Cut(name, known.zone_of(workspace))}
        for piece in known.live(cut, workspace, floor.rollups, floor.events)
        if piece.end > piece.start
    ]


def _still(name: str, held: Shape) -> Rollup:
    """A former rollup with what of it means the same today."""
    bare = Rollup(name=name, help="A former rollup.", columns=(), of=Subject(held.of), activity=held.activity, only=())
    kinds = schema.columns(bare.of)
    same_cells = held.source == _short(source(bare, Cut(name), [(0, QUARTER)], None))
    columns = tuple(column for column, kind in held.columns.items() if kinds.get(column) == kind)
    today = {**MEASURES, **VALUES}
    same = tuple(n for n, meaning in held.measures.items() if same_cells and n in today and _meaning(today[n]) == meaning)
    return replace(bare, columns=columns, values=tuple(n for n in same if n in VALUES), only=same)

"""Statements of an erasure: what carries the ids of erased users and keys, and what is written instead.

Ids are bound values of questions and of inserts only. A mutation's text is kept on the disk by the engine, so a mutation
names places (seals and cells) and no ids.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from usagedeck.catalog.dimensions import NAMES
from usagedeck.catalog.fields import CAUSE, SIDES, Field, fields, personal
from usagedeck.catalog.kinds import ERASED, Beside, Personal, Subject, Type
from usagedeck.catalog.rollups import ROLLUPS, Rollup
from usagedeck.seals import Cut, Slice
from usagedeck.sql.conditions import counting
from usagedeck.sql.statement import Binder, Statement

NAMED = tuple(NAMES.values())
"""The columns that hold ids of what may be erased."""


def holding(formers: Iterable[Rollup]) -> tuple[Rollup, ...]:
    """The rollups that hold such ids, those of former definitions included."""
    return tuple(rollup for rollup in (*ROLLUPS.values(), *formers) if set(NAMED).intersection(rollup.columns))


@dataclass(frozen=True, slots=True)
class Gone:
    """Erased ids of a workspace, by the column that holds them."""

    workspace_id: str
    ids: Mapping[str, Sequence[str]]


def ids_in(table: Subject | Rollup | Beside, workspace_id: str, column: str) -> Statement:
    """All different ids in a column, in any copy of an event: `id`."""
    name = table.table if isinstance(table, Rollup) else table
    text = f"SELECT DISTINCT {column} FROM {name} WHERE workspace_id = {{w:String}} AND {column} NOT IN ('', '{ERASED}')"
    return Statement(text, {"w": workspace_id}, ("id",))


# --- events -------------------------------------------------------------------------------------------------------


def copies(subject: Subject, gone: Gone) -> Statement:
    """The copies of events that are to leave the disk, those that do not count included: `partition`, `copies`."""
    bind = Binder()
    text = f"SELECT _partition_id, count() FROM {subject} WHERE {_concerned(subject, gone, bind)} GROUP BY 1 ORDER BY 1"
    return Statement(text, bind.values, ("partition", "copies"))


def to_blank(subject: Subject, gone: Gone, partition: str) -> Statement:
    """The events of a partition that are to be blanked, in order of time: `time`, `id`, `duration_ms`."""
    bind = Binder()
    inside = f"_partition_id = {bind(partition, 'String')}"
    text = (
        f"SELECT time, id, toInt64(ifNull(duration_ms, 0)) FROM {subject} FINAL "
        f"WHERE {_concerned(subject, gone, bind)} AND {inside} ORDER BY time, id"
    )
    return Statement(text, bind.values, ("time", "id", "duration_ms"))


def blank(subject: Subject, gone: Gone, events: Sequence[tuple[int, str]], step: int) -> Statement:
    """INSERT of blank copies of these events (in order of time), each with its version raised by a step."""
    bind = Binder()
    names = ["workspace_id", "version", *(f.name for f in fields(subject) if not f.stamped)]
    values = {"version": f"version + {bind(step, 'UInt64')}"}
    values |= {f.name: _nothing(f) for f in personal(subject, Personal.TRACE)}
    values |= {f.name: _name(f.name, gone, bind) for f in personal(subject, Personal.NAME)}
    first, last = bind(events[0][0], "Int64"), bind(events[-1][0], "Int64")
    text = (
        f"INSERT INTO {subject} ({', '.join(names)}) SELECT {', '.join(values.get(n, n) for n in names)} FROM {subject} FINAL "
        f"WHERE workspace_id = {bind(gone.workspace_id, 'String')} AND time >= {first} AND time <= {last} "
        f"AND (time, id) IN {bind(list(events), 'Array(Tuple(Int64, String))')}"
    )
    return Statement(text, bind.values, ())


def exchanges_of(gone: Gone) -> Statement:
    """The headers and bodies of events that are to be blanked, by their places in the order of arrival, whether the events are
    there or not: `version`, in order."""
    bind = Binder()
    whose = f"workspace_id = {bind(gone.workspace_id, 'String')}"
    concerned = f"({carries(Beside.EXCHANGES, gone, bind)}) OR {_caused(whose, gone, bind)}"
    text = f"SELECT version FROM {Beside.EXCHANGES} WHERE {whose} AND ({concerned}) ORDER BY version"
    return Statement(text, bind.values, ("version",))


def remove_exchanges(workspace_id: str, versions: Sequence[int]) -> Statement:
    """DELETE of those at these places. The text stays on the disk for a while and says nothing of whose they were."""
    text = (
        f"ALTER TABLE {Beside.EXCHANGES} DELETE WHERE workspace_id = {{w:String}} "
        "AND version IN {versions:Array(UInt64)} SETTINGS mutations_sync = 1"
    )
    return Statement(text, {"w": workspace_id, "versions": list(versions)}, ())


def _concerned(subject: Subject, gone: Gone, bind: Binder) -> str:
    """Whoever carries an erased id; and of deliveries those that a request caused which carries one, and that still say
    something."""
    whose = f"workspace_id = {bind(gone.workspace_id, 'String')}"
    tests = [carries(subject, gone, bind)]
    if subject is Subject.DELIVERIES:
        speaks = " OR ".join(f"notEmpty({f.name})" for f in personal(subject, Personal.TRACE))
        tests.append(f"({speaks}) AND {_caused(whose, gone, bind)}")
    return f"{whose} AND ({' OR '.join(f'({test})' for test in tests)})"


def _caused(whose: str, gone: Gone, bind: Binder) -> str:
    """Whether a request that carries an erased id caused it."""
    causes = f"SELECT id FROM {Subject.REQUESTS} FINAL WHERE {whose} AND ({carries(Subject.REQUESTS, gone, bind)})"
    return f"{CAUSE} != '' AND {CAUSE} IN ({causes})"


def carries(table: Subject | Rollup | Beside, gone: Gone, bind: Binder) -> str:
    """Whether a row carries an erased id."""
    if isinstance(table, Rollup):
        columns: Sequence[str] = table.columns
    else:
        columns = [f.name for f in fields(table)] if isinstance(table, Subject) else NAMED
    held = [f"{name} IN {bind(list(ids), 'Array(String)')}" for name, ids in gone.ids.items() if ids and name in columns]
    return " OR ".join(held) or "0"


def _name(column: str, gone: Gone, bind: Binder) -> str:
    ids = gone.ids.get(column, ())
    return f"if({column} IN {bind(list(ids), 'Array(String)')}, '{ERASED}', {column})" if ids else column


def _nothing(field: Field) -> str:
    if field.instead:
        return f"if({field.name} = '', '', {field.instead})"
    return "map()" if field.type is Type.MAP else "''"


# --- rollups ------------------------------------------------------------------------------------------------------


def held(rollup: Rollup, gone: Gone) -> Statement:
    """Where a rollup holds erased ids: `zone`, `seal`, `cell` (its first instant), `rows`."""
    bind = Binder()
    whose = f"workspace_id = {bind(gone.workspace_id, 'String')}"
    text = (
        f"SELECT zone, seal, time, count() FROM {rollup.table} WHERE {whose} AND ({carries(rollup, gone, bind)}) "
        "GROUP BY zone, seal, time ORDER BY zone, time, seal"
    )
    return Statement(text, bind.values, ("zone", "seal", "cell", "rows"))


def rename(rollup: Rollup, read: Slice, gone: Gone, number: int) -> Statement:
    """INSERT of the rows that a workspace reads in a slice, once more under another number and without the ids. Rows that are
    alike then stay apart: all their numbers are added up by whoever reads them."""
    bind = Binder()
    chosen = f"workspace_id = {bind(gone.workspace_id, 'String')} AND {counting(read, bind)}"
    changed = [f"{_name(name, gone, bind)} AS {name}" for name in NAMED if name in rollup.columns]
    anew = ", ".join([f"{bind(number, 'UInt64')} AS seal", *changed])
    inside = f"SELECT * FROM {rollup.table} WHERE {chosen}"
    return Statement(f"INSERT INTO {rollup.table} SELECT * REPLACE ({anew}) FROM ({inside})", bind.values, ())


def remove(rollup: Rollup, cut: Cut, workspace_id: str, cells: Sequence[tuple[int, int]]) -> Statement:
    """Delete a workspace's rows of these seals in these cells (their first instants), from the disk too."""
    text = (
        f"ALTER TABLE {rollup.table} DELETE WHERE workspace_id = {{w:String}} AND zone = {{z:String}} "
        "AND (seal, time) IN {cells:Array(Tuple(UInt64, Int64))} SETTINGS mutations_sync = 1"
    )
    return Statement(text, {"w": workspace_id, "z": cut.zone, "cells": list(cells)}, ())


# --- what is left -------------------------------------------------------------------------------------------------


def carrying(table: Subject | Rollup | Beside, gone: Gone) -> Statement:
    """How many rows carry an erased id, in any copy: `rows`."""
    bind = Binder()
    name = table.table if isinstance(table, Rollup) else table
    text = f"SELECT count() FROM {name} WHERE workspace_id = {bind(gone.workspace_id, 'String')}"
    return Statement(f"{text} AND ({carries(table, gone, bind)})", bind.values, ("rows",))


def mentioned(workspace_id: str, word: str) -> Statement:
    """In how many headers and bodies a word stands: one column for each side."""
    listed = ", ".join(f"countIf(position({side}, {{word:String}}) > 0)" for side in SIDES)
    text = f"SELECT {listed} FROM {Beside.EXCHANGES} WHERE workspace_id = {{w:String}}"
    return Statement(text, {"w": workspace_id, "word": word}, SIDES)


def mentions(subject: Subject, workspace_id: str, word: str) -> Statement:
    """In how many rows, copies included, the other texts of an event hold a word: one column for each field."""
    texts = [f for f in fields(subject) if f.type in (Type.STRING, Type.LIST, Type.MAP) and f.name not in NAMED]
    listed = ", ".join(f"countIf({_holds(f)})" for f in texts)
    text = f"SELECT {listed} FROM {subject} WHERE workspace_id = {{w:String}}"
    return Statement(text, {"w": workspace_id, "word": word}, tuple(f.name for f in texts))


def _holds(field: Field) -> str:
    if field.type is Type.STRING:
        return f"position({field.name}, {{word:String}}) > 0"
    parts = [f"mapKeys({field.name})", f"mapValues({field.name})"] if field.type is Type.MAP else [field.name]
    return " OR ".join(f"arrayExists(x -> position(x, {{word:String}}) > 0, {part})" for part in parts)

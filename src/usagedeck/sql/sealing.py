"""What fills a rollup: its rows, computed from the events of some stretches."""

from collections.abc import Mapping, Sequence

from usagedeck.catalog.fields import MAX_DURATION
from usagedeck.catalog.rollups import ROLLUPS, Rollup
from usagedeck.seals import QUARTER, Cut
from usagedeck.sql.statement import Binder, Statement
from usagedeck.stretches import Stretch
from usagedeck.times import MINUTE


def fill(cut: Cut, numbers: Mapping[Stretch, int], workspaces: Sequence[str] | None = None) -> Statement:
    """INSERT of the cut's rows of some stretches of whole cells, each under its number; of some workspaces, or of all."""
    rollup = ROLLUPS[cut.rollup]
    stretches = sorted(numbers)
    bind = Binder()
    rows = cells(cut, stretches, workspaces, bind)
    columns = ["workspace_id", *rollup.columns]
    names = ["seal", "zone", "time", *columns, *(m.name for m in rollup.measures)]
    starts = bind([low for low, _ in stretches], "Array(Int64)")
    seal = (
        f"transform(roundDown(cell, {starts}), {starts}, {bind([numbers[s] for s in stretches], 'Array(UInt64)')}, toUInt64(0))"
    )
    values = [seal, bind(cut.zone, "String"), "cell", *columns, *(f"m_{m.name}" for m in rollup.measures)]
    text = f"INSERT INTO {rollup.table} ({', '.join(names)}) SELECT {', '.join(values)} FROM ({rows})"
    return Statement(text, bind.values, tuple(names))


def cells(cut: Cut, stretches: Sequence[Stretch], workspaces: Sequence[str] | None, bind: Binder) -> str:
    """SELECT of what the events say of the cells in some stretches, which are in order: `cell`, `workspace_id`, the rollup's
    columns, and `m_…` for each of its measures."""
    rollup = ROLLUPS[cut.rollup]
    sums = [f"{m.sql()} AS m_{m.name}" for m in rollup.measures]
    grouped = ", ".join(["cell", "workspace_id", *rollup.columns])
    return f"SELECT {grouped}, {', '.join(sums)} FROM ({source(rollup, cut, stretches, workspaces, bind)}) GROUP BY {grouped}"


def source(
    rollup: Rollup, cut: Cut, stretches: Sequence[Stretch], workspaces: Sequence[str] | None, bind: Binder | None = None
) -> str:
    """SELECT of what is counted: rows of events, or of the minutes in which they were active, each with its `cell`."""
    bind = bind or Binder()
    whose = "" if workspaces is None else f"workspace_id IN {bind(workspaces, 'Array(String)')} AND "
    low, high = min(low for low, _ in stretches), max(high for _, high in stretches)
    at = "minute" if rollup.activity else "time"
    inside = " OR ".join(f"({at} >= {bind(low, 'Int64')} AND {at} < {bind(high, 'Int64')})" for low, high in stretches)
    reach = MAX_DURATION if rollup.activity else 0
    hull = f"{whose}time >= {bind(low - reach, 'Int64')} AND time < {bind(high, 'Int64')}"
    if rollup.activity:
        rows, place = f"({_minutes(rollup, hull)}) WHERE {inside}", at
    else:
        rows, place = f"{rollup.of} FINAL WHERE {hull} AND ({inside})", _cell(cut, low, high, bind)
    return f"SELECT *, {place} AS cell FROM {rows}"


def _cell(cut: Cut, low: int, high: int, bind: Binder) -> str:
    """The first instant of the cell that a row belongs to."""
    if not cut.zone:
        return f"time - time % {QUARTER}"
    starts = [low]
    while (after := cut.cell(starts[-1])[1]) < high:
        starts.append(after)
    return f"roundDown(time, {bind(starts, 'Array(Int64)')})"


def _minutes(rollup: Rollup, hull: str) -> str:
    """Requests, cut at every full minute that they were active in."""
    return (
        f"SELECT workspace_id, arrayJoin(range(toUInt64(intDiv(time, {MINUTE})), toUInt64(intDiv(ends - 1, {MINUTE}) + 1))) "
        f"* {MINUTE} AS at, toInt64(at) AS minute, greatest(time, minute) AS active_from, "
        f"least(ends, minute + {MINUTE}) AS active_to "
        f"FROM (SELECT workspace_id, time, time + ifNull(duration_ms, 0) AS ends FROM {rollup.of} FINAL WHERE {hull}) "
        "WHERE ends > time"
    )

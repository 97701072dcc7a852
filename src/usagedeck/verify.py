"""Proves the numbers: rollups against the events they were made of, and every view against every other.

Work comes in tasks that take seconds at most, so that whoever asks for it can stop between any two of them. A stretch of a
rollup is compared as questions read it: with the seals that count at that moment. Views are asked through `report`, as the
doors ask it. Events may arrive meanwhile: what was written to while it was compared is no difference.

It repairs nothing by itself. When asked to, it takes away the seals of what differs, and then the events answer until it was
sealed anew.
"""

import csv
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

import msgspec

from usagedeck import listing, report, sql
from usagedeck.access import Permission, Who, operator_scope
from usagedeck.catalog.dimensions import DIMENSIONS, log_field
from usagedeck.catalog.formulas import Sum
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.measures import ROWS
from usagedeck.catalog.metrics import METRICS, Metric
from usagedeck.catalog.rollups import ROLLUPS
from usagedeck.deck import Deck
from usagedeck.directory.workspaces import Workspace
from usagedeck.errors import InvalidInput, TooLarge
from usagedeck.query import LogQuery, Query, Selection
from usagedeck.seals import QUARTER, UTC, Cut, Piece
from usagedeck.store.answers import Shelf
from usagedeck.store.changes import Span
from usagedeck.stretches import Stretch, joined
from usagedeck.table import Column
from usagedeck.times import DAY, iso, zone
from usagedeck.windows import LATEST_WINDOW, Interval, Window

ROWS_AT_ONCE = 1_000_000
"""About as many events belong to one task."""

DAYS_AT_ONCE = 62
STRETCHES_AT_ONCE = 100
SAMPLE = 300
"""Tasks of a sample; whoever runs them stops when it takes too long."""

MOST_LISTED = 50
"""Differences that a task tells one by one."""

MOST_ROWS = 100_000
TRIES = 3


class Sealed(msgspec.Struct, frozen=True, tag="sealed", tag_field="task"):
    """Compare what a rollup holds of a stretch with the events."""

    rollup: str
    zone: str
    workspace: str
    start: int
    end: int


class Views(msgspec.Struct, frozen=True, tag="views", tag_field="task"):
    """Compare breakdowns, total, log and CSV of a window."""

    subject: Subject
    workspace: str
    start: int
    end: int


Task: TypeAlias = Sealed | Views


class Difference(msgspec.Struct, frozen=True):
    """Two numbers that should be one. `held` is what the rollup, the breakdown or the log says; `counted` is what the events or
    the total say."""

    check: str
    workspace: str
    where: str
    number: str
    held: str
    counted: str


class Outcome(msgspec.Struct):
    """What came of a task. `compared` counts numbers per check, `different` those that differ, and `differences` lists some."""

    compared: dict[str, int] = {}
    different: dict[str, int] = {}
    differences: list[Difference] = []
    moved: int = 0
    """Windows that were written to all the time, so that nothing can be said of them."""
    unsealed: int = 0
    """Cells whose seals were taken away."""


# --- what there is to do ------------------------------------------------------------------------------------------


def plan(deck: Deck, workspaces: Iterable[Workspace], *, everything: bool, dice: random.Random | None = None) -> list[Task]:
    """The tasks that prove everything, or a random sample of days, in random order."""
    chosen = {w.id: w for w in workspaces}
    rows: dict[tuple[str, Subject], dict[int, int]] = defaultdict(dict)
    for subject in Subject:
        for workspace, day, count in deck.store.run(sql.per_day(subject), deck.answers.ticket):
            if workspace in chosen:
                rows[str(workspace), subject][int(day)] = int(count)
    dice = dice or random.Random()  # noqa: S311 - a sample, no secret
    sealed = [(cut, w) for w in chosen.values() for cut in _cuts(deck, w)]
    shown = [(subject, chosen[w]) for w, subject in rows]
    if everything:
        tasks: list[Task] = []
        for cut, w in sealed:
            tasks += _stretches(deck, cut, w, rows[w.id, ROLLUPS[cut.rollup].of])
        for subject, w in shown:
            tasks += _windows(deck, subject, w, rows[w.id, subject])
        return tasks
    found: list[Task | None] = []
    for _ in range(SAMPLE // 2):
        found.append(_a_stretch(deck, *dice.choice(sealed), dice) if sealed else None)
        found.append(_a_window(deck, *dice.choice(shown), rows, dice) if shown else None)
    return list(dict.fromkeys(task for task in found if task is not None))


def _cuts(deck: Deck, workspace: Workspace) -> Iterator[Cut]:
    for rollup in ROLLUPS.values():
        yield Cut(rollup.name)
        if not rollup.activity:
            yield from (Cut(rollup.name, name) for name in {UTC, deck.seals.ledger.zone_of(workspace.id) or UTC})


def _days(cut: Cut, pieces: Iterable[Piece]) -> Iterator[Stretch]:
    """Days of the cut, or of UTC, in which something is sealed."""
    for begin, end in joined((p.start, p.end) for p in pieces):
        at = begin
        while at < end:
            after = min(end, cut.cell(at)[1] if cut.zone else (at // DAY + 1) * DAY)
            yield at, after
            at = after


def _portions(days: Iterable[Stretch], rows: Mapping[int, int]) -> Iterator[Stretch]:
    """Days in order, together as long as they do not hold too much."""
    first, last, count, weight = 0, 0, 0, 0
    for start, end in days:
        more = rows.get(start // DAY * DAY, 0)
        if count and (weight + more > ROWS_AT_ONCE or count == DAYS_AT_ONCE):
            yield first, last
            count, weight = 0, 0
        first = first if count else start
        last, count, weight = end, count + 1, weight + more
    if count:
        yield first, last


def _stretches(deck: Deck, cut: Cut, workspace: Workspace, rows: Mapping[int, int]) -> Iterator[Sealed]:
    pieces = _live(deck, cut, workspace.id, 0, LATEST_WINDOW)
    for start, end in _portions(_days(cut, pieces), rows):
        yield Sealed(cut.rollup, cut.zone, workspace.id, start, end)


def _a_stretch(deck: Deck, cut: Cut, workspace: Workspace, dice: random.Random) -> Sealed | None:
    pieces = _live(deck, cut, workspace.id, 0, LATEST_WINDOW)
    if not pieces:
        return None
    (piece,) = dice.choices(pieces, [p.end - p.start for p in pieces])
    start, end = Cut("", cut.zone or UTC).cell(dice.randrange(piece.start, piece.end))
    return Sealed(cut.rollup, cut.zone, workspace.id, start, end)


def _local_days(deck: Deck, workspace: Workspace, rows: Mapping[int, int]) -> list[Stretch]:
    """The days of the workspace's zone that hold events and are over. Below the floor of the events views differ as they must."""
    local, floor = Cut("", workspace.time_zone), deck.seals.ledger.floor_of(workspace.id)
    days = {local.cell(instant) for day in rows for instant in (day, day + DAY - 1)}
    return sorted(day for day in days if day[0] >= floor and day[1] <= deck.clock())


def _windows(deck: Deck, subject: Subject, workspace: Workspace, rows: Mapping[int, int]) -> Iterator[Views]:
    for start, end in _portions(_local_days(deck, workspace, rows), rows):
        yield Views(subject, workspace.id, start, end)


def _a_window(
    deck: Deck,
    subject: Subject,
    workspace: Workspace,
    rows: Mapping[tuple[str, Subject], Mapping[int, int]],
    dice: random.Random,
) -> Views | None:
    days = _local_days(deck, workspace, rows[workspace.id, subject])
    return Views(subject, workspace.id, *dice.choice(days)) if days else None


# --- doing it -----------------------------------------------------------------------------------------------------


def perform(deck: Deck, task: Task, *, unseal: bool = False) -> Outcome:
    """Do a task. With `unseal` the seals of what differs are taken away, so that it is computed anew."""
    return _sealed(deck, task, unseal) if isinstance(task, Sealed) else _views(deck, task)


def _sealed(deck: Deck, task: Sealed, unseal: bool) -> Outcome:
    if task.rollup not in ROLLUPS:
        raise InvalidInput(f'rollup "{task.rollup[:40]}" is unknown; use one of {", ".join(ROLLUPS)}.', field="rollup")
    cut = Cut(task.rollup, task.zone)
    check = f"rollup {cut.rollup} by {_size(cut)}"
    outcome = Outcome({check: 0}, {check: 0})
    pieces = _live(deck, cut, task.workspace, task.start, task.end)
    for at in range(0, len(pieces), STRETCHES_AT_ONCE):
        _compare(deck, cut, task.workspace, pieces[at : at + STRETCHES_AT_ONCE], outcome, check, unseal=unseal)
    return outcome


def _live(deck: Deck, cut: Cut, workspace: str, start: int, end: int) -> list[Piece]:
    """What is sealed of the time whose events are kept: below there is nothing to compare it with."""
    floor = deck.seals.ledger.floor_of(workspace)
    return deck.seals.ledger.live(cut, workspace, min(max(start, floor), end), end)


def _size(cut: Cut) -> str:
    return f"days of {cut.zone}" if cut.zone else "minutes" if ROLLUPS[cut.rollup].activity else "quarter-hours"


def _compare(deck: Deck, cut: Cut, workspace: str, pieces: list[Piece], outcome: Outcome, check: str, *, unseal: bool) -> None:
    ledger, rollup = deck.seals.ledger, ROLLUPS[cut.rollup]
    held = ledger.slice(cut, workspace, pieces)
    statement = sql.compare(operator_scope(deck, workspace), held, MOST_LISTED)
    ((rows, differ, cells, listed),) = deck.store.run(statement, deck.answers.ticket)
    names = ["rows", *(m.name for m in rollup.measures)]
    outcome.compared[check] += rows * len(names)
    # a touch comes before its event: where no seal was taken away meanwhile, both sides were read of the same events
    now = ledger.live(cut, workspace, pieces[0].start, pieces[-1].end)
    numbers = {cell: _number_at(pieces, cell) for cell in cells}
    still = {cell for cell, number in numbers.items() if number == _number_at(now, cell)}
    real = [row for row in listed if int(row[0]) in still]
    outcome.different[check] += differ if len(still) == len(cells) else max(len(real), len(still))
    keys = 1 + len(rollup.columns)
    for row in real[: MOST_LISTED - len(outcome.differences)]:
        named = [f"{name} {value!r}" for name, value in zip(rollup.columns, row[1:keys], strict=True) if value]
        where = ", ".join([iso(int(row[0])), *named])
        pairs = zip(names, row[keys::2], row[keys + 1 :: 2], strict=True)
        outcome.differences += [Difference(check, workspace, where, n, one, other) for n, one, other in pairs if one != other]
    if unseal and still:
        _unseal(deck, cut, workspace, still)
        outcome.unsealed += len(still)


def _number_at(pieces: list[Piece], instant: int) -> int | None:
    return next((p.number for p in pieces if p.start <= instant < p.end), None)


def _unseal(deck: Deck, cut: Cut, workspace: str, cells: Iterable[int]) -> None:
    """As if something were about to be written there; answers that were kept are forgotten, too."""
    quarters = {workspace: sorted({cell - cell % QUARTER for cell in cells})}
    whole = {workspace: [q for first in quarters[workspace] for q in range(*cut.cell(first), QUARTER)]}

    def take_away() -> None:
        deck.seals.unseal(quarters)
        deck.answers.shelf.changes.note(whole)

    deck.writer.between(take_away).result()


# --- views --------------------------------------------------------------------------------------------------------


def _views(deck: Deck, task: Views) -> Outcome:
    changes = deck.answers.shelf.changes
    # nothing that was answered before, nor kept for others; along the rollups, even where events would be read faster
    deck = replace(deck, answers=replace(deck.answers, shelf=Shelf(0)), sizes=sql.UNKNOWN)
    workspace = deck.directory.workspaces.get(task.workspace)
    if workspace is None:
        raise InvalidInput(f'There is no workspace "{task.workspace[:40]}".', field="workspace")
    who = Who(workspace, None, frozenset({Permission.READ, Permission.FULL_READ}))
    window = Window(task.start, task.end, zone(workspace.time_zone))
    span = Span(workspace.id, task.start, task.end)
    for _ in range(TRIES):
        moment = deck.writer.between(changes.now).result()
        outcome = Outcome({}, {}, [])
        for check, number, says, total in _facts(deck, who, Selection(task.subject, window)):
            outcome.compared[check] = outcome.compared.get(check, 0) + 1
            outcome.different[check] = outcome.different.get(check, 0) + (says != total)
            if says != total and len(outcome.differences) < MOST_LISTED:
                where = f"{iso(task.start)} to {iso(task.end)}"
                outcome.differences.append(Difference(check, workspace.id, where, number, str(says), str(total)))
        # between two commits everything that can be read has been noted
        if not outcome.differences or not deck.writer.between(partial(changes.since, moment, span)).result():
            return outcome
    return Outcome(moved=1)


def _facts(deck: Deck, who: Who, selection: Selection) -> Iterator[tuple[str, str, Any, Any]]:
    """(check, name of the number, what the view says, what the total says)"""
    subject = selection.subject
    sums = [m for m in METRICS.values() if m.of is subject and isinstance(m.formula, Sum) and m.formula.divide_by == 1]
    totals: dict[str, Any] = {}
    for metrics in filter(None, (tuple(m for m in sums if m.joined is whether) for whether in (False, True))):
        whole = Query(selection, metrics, Interval(unit="total"))
        total = _sums(report.usage(deck, who, None, whole).table.rows, metrics)
        totals |= zip((m.name for m in metrics), total, strict=True)
        for by in DIMENSIONS.values():
            if subject in by.of and by.split and not by.overlapping:
                parts = Query(selection, metrics, Interval.parse("day"), (by,), row_cap=MOST_ROWS)
                for metric, says, all_ in zip(metrics, _broken_down(deck, who, parts, metrics), total, strict=True):
                    yield f"{subject} by {by.name}", metric.name, says, all_
    counted = totals[ROWS[subject].name]
    log = LogQuery(selection, (log_field("time", subject), log_field("id", subject)), limit=None)
    yield f"{subject} log", "rows", sum(1 for _ in listing.log(deck, who, None, log, stream=True).table.rows), counted
    pieces, _ = listing.log_lines(
        deck, who, None, log, Column("time_zone", log.columns[1].type, ""), who.workspace.time_zone, at=1
    )
    yield f"{subject} log as CSV", "lines", sum(1 for _ in csv.reader(_lines(pieces))) - 1, counted


def _broken_down(deck: Deck, who: Who, query: Query, metrics: tuple[Metric, ...]) -> list[Any]:
    try:
        rows = report.usage(deck, who, None, query).table.rows
        return _sums(rows, metrics)
    except TooLarge:  # as the doors: more than that is for downloads
        return _sums(report.usage(deck, who, None, replace(query, row_cap=None), stream=True).table.rows, metrics)


def _sums(rows: Iterable[Any], metrics: tuple[Metric, ...]) -> list[Any]:
    sums: list[Any] = [0] * len(metrics)
    for row in rows:
        sums = [a + b for a, b in zip(sums, row[-len(metrics) :], strict=True)]
    return sums


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """The text of a download, cut behind every line feed, wherever its pieces end."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line.decode() + "\n" for line in whole)
    if rest:
        yield rest.decode()

"""Every view against every other."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from usagedeck import listing, report, sql
from usagedeck.access import Permission, Who
from usagedeck.catalog.dimensions import DIMENSIONS, log_field
from usagedeck.catalog.formulas import Sum
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.catalog.metrics import METRICS, Metric
from usagedeck.deck import Deck
from usagedeck.errors import InvalidInput, TooLarge
from usagedeck.query import LogQuery, Query, Selection
from usagedeck.store.answers import Shelf
from usagedeck.store.changes import Span
from usagedeck.table import Column
from usagedeck.times import iso, zone
from usagedeck.verify import rows
from usagedeck.verify.tasks import MOST_LISTED, Difference, Outcome, Views
from usagedeck.windows import TOTAL, Interval, Window

MOST_ROWS = 100_000
TRIES = 3

_Fact: TypeAlias = tuple[str, str, Any, Any]
"""Check, name of the number, what the view says, what the total says."""


def compare(deck: Deck, task: Views) -> Outcome:
    """Compare what all views say of a window."""
    changes = deck.answers.shelf.changes
    # nothing that was answered before, nor kept for others; along the rollups, even where events would be read faster
    deck = replace(deck, answers=replace(deck.answers, shelf=Shelf(0)), sizes=sql.UNKNOWN)
    workspace = deck.directory.workspaces.get(task.workspace)
    if workspace is None:
        raise InvalidInput(f'There is no workspace "{task.workspace[:40]}".', field="workspace")
    who = Who(workspace, None, frozenset({Permission.READ, Permission.FULL_READ}))
    reach = report.reach_of(deck, task.subject is Subject.DELIVERIES)  # attempts so far away say what a delivery is
    span = Span(workspace.id, task.start - reach, task.end + reach)
    for _ in range(TRIES):
        moment, floor = deck.writer.between(changes.now).result(), deck.seals.ledger.floor_of(workspace.id)
        # below the floor of the events rollups know what logs do not
        window = Window(min(max(task.start, floor), task.end), task.end, zone(workspace.time_zone))
        outcome = _compared(_facts(deck, who, Selection(task.subject, window)), workspace.id, window)
        # between two commits everything that can be read has been noted
        changed = outcome.differences and deck.writer.between(partial(changes.since, moment, span)).result()
        if not changed and floor == deck.seals.ledger.floor_of(workspace.id):
            return outcome
    return Outcome(moved=1)


def _compared(facts: Iterable[_Fact], workspace: str, window: Window) -> Outcome:
    outcome = Outcome({}, {}, [])
    for check, number, says, total in facts:
        outcome.compared[check] = outcome.compared.get(check, 0) + 1
        outcome.different[check] = outcome.different.get(check, 0) + (says != total)
        if says != total and len(outcome.differences) < MOST_LISTED:
            where = f"{iso(window.start)} to {iso(window.end)}"
            outcome.differences.append(Difference(check, workspace, where, number, str(says), str(total)))
    return outcome


def _facts(deck: Deck, who: Who, selection: Selection) -> Iterator[_Fact]:
    """What is known of the window, of single events and of deliveries."""
    for joined in (False, True):
        sums = tuple(m for m in _additive(selection.subject) if m.joined is joined)
        if sums:
            told = rows.metrics_of(selection.subject, joined=joined)
            metrics = tuple(dict.fromkeys((*sums, *told)))
            answer = report.usage(deck, who, None, Query(selection, metrics, Interval(unit=TOTAL)))
            for _, _, *total in answer.table.rows:
                totals = dict(zip(metrics, total, strict=True))
                yield from _of_logs(deck, who, selection, {m: totals[m] for m in told}, joined=joined)
                yield from _of_breakdowns(deck, who, selection, {m: totals[m] for m in sums})


def _additive(subject: Subject) -> Iterator[Metric]:
    """The metrics whose parts add up to the total to the last digit, with no division after it."""
    return (m for m in METRICS.values() if m.of is subject and isinstance(m.formula, Sum) and m.formula.divide_by == 1)


def _of_breakdowns(deck: Deck, who: Who, selection: Selection, totals: Mapping[Metric, Any]) -> Iterator[_Fact]:
    metrics = tuple(totals)
    for by in DIMENSIONS.values():
        if selection.subject in by.of and by.split and not by.overlapping:
            parts = Query(selection, metrics, Interval.parse("day"), (by,), row_cap=MOST_ROWS)
            for metric, says in zip(metrics, _broken_down(deck, who, parts, metrics), strict=True):
                yield f"{selection.subject} by {by.name}", metric.name, says, totals[metric]


def _of_logs(deck: Deck, who: Who, selection: Selection, totals: Mapping[Metric, Any], *, joined: bool) -> Iterator[_Fact]:
    """Rows are read and forgotten a few at a time: a log may be longer than the memory."""
    metrics, time = tuple(totals), log_field("time", selection.subject)
    log = LogQuery(selection, (time, *rows.columns_of(metrics)), limit=None, joined=joined)
    check = f"{selection.subject} log{' per delivery' if joined else ''}"
    table = listing.log(deck, who, None, log, stream=True).table
    of_rows = rows.added_up(table.rows, [column.name for column in table.columns], metrics)
    zone_column = Column("time_zone", Type.STRING, "")
    pieces, _ = listing.log_lines(deck, who, None, log, zone_column, who.workspace.time_zone, at=1)
    names, lines = rows.read(_lines(pieces))
    of_lines = rows.added_up(lines, names, metrics)
    for metric, one, other in zip(metrics, of_rows, of_lines, strict=True):
        yield check, metric.name, one, totals[metric]
        yield f"{check} as CSV", metric.name, other, totals[metric]


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

"""Every view against every other."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from usagedeck import listing, report, sql
from usagedeck.access import Permission, Who
from usagedeck.catalog.dimensions import DIMENSIONS, log_field
from usagedeck.catalog.formulas import Sum
from usagedeck.catalog.measures import ROWS
from usagedeck.catalog.metrics import METRICS, Metric
from usagedeck.deck import Deck
from usagedeck.errors import InvalidInput, TooLarge
from usagedeck.query import LogQuery, Query, Selection
from usagedeck.store.answers import Shelf
from usagedeck.store.changes import Span
from usagedeck.table import Column
from usagedeck.times import iso, zone
from usagedeck.verify.tasks import MOST_LISTED, Difference, Outcome, Views
from usagedeck.windows import Interval, Window

MOST_ROWS = 100_000
TRIES = 3


def compare(deck: Deck, task: Views) -> Outcome:
    """Compare what all views say of a window."""
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

"""What failed: the errors of a selection in groups, since when, for how many, and what the newest of them said.

How errors are told apart is in the catalogue. A group is exactly the rows of the log that its values, as filters, select.
"""

from dataclasses import dataclass, replace

from usagedeck import access, report, sql
from usagedeck.access import View, Who
from usagedeck.catalog.dimensions import DIMENSIONS
from usagedeck.catalog.failures import FAILURES
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.deck import Deck
from usagedeck.query import FailureQuery
from usagedeck.report import About
from usagedeck.sql.failing import FIXED
from usagedeck.store.changes import Span
from usagedeck.table import Cell, Column, Row, Table


@dataclass(frozen=True, slots=True)
class Answer:
    """Groups of errors, the most frequent ones first."""

    table: Table
    about: About
    groups: int
    """How many there are, those beyond the limit included."""
    errors: int
    """How many errors there are in all of them."""


def failures(deck: Deck, who: Who, view: View | None, query: FailureQuery) -> Answer:
    """Columns: the values by which errors are told apart, with their labels where they have names; `count`; `traffic`, how many
    rows there are where these errors are; `share` of it; `first_seen` and `last_seen` in the window; `newest_id`; `message`, what
    the newest one that said something said; and how many different users, keys or deliveries are affected."""
    scope = access.scope(deck, who, view)
    selection, about = report.kept_part(query.selection, scope.floor.events, deck.clock())
    query = replace(query, selection=report.named(deck, selection, scope))
    statement = sql.compile_failures(query, scope)
    rows = deck.answers.run(statement, Span(scope.workspace_id, selection.window.start, selection.window.end))
    by = [DIMENSIONS[name] for name in FAILURES[selection.subject].by]
    names = [report.names_of(deck, one, scope) if one.label else None for one in by]

    def write(row: Row) -> list[Cell]:
        cells: list[Cell] = []
        for one, value, known in zip(by, row, names, strict=False):
            cell = report.cell_of(one, value)
            cells += [cell] if known is None else [cell, report.label(one, cell, known)]
        count, traffic, first, last, newest, message, *affected = row[len(by) : -2]
        return [*cells, count, traffic, count / traffic, first, last, newest, message or None, *affected]

    groups, errors = (rows[0][-2], rows[0][-1]) if rows else (0, 0)
    return Answer(Table(_columns(selection.subject), [write(row) for row in rows]), about, groups, errors)


def _columns(subject: Subject) -> tuple[Column, ...]:
    failure = FAILURES[subject]
    columns: list[Column] = []
    for one in (DIMENSIONS[name] for name in failure.by):
        columns.append(Column(one.name, one.type, one.title))
        if one.label:
            columns.append(Column(f"{one.name}_label", Type.STRING, f"{one.title} (name)"))
    titles = {"first_seen": "First seen", "last_seen": "Last seen", "newest_id": "Newest", "message": "Message"}
    kinds = {"first_seen": Type.INSTANT, "last_seen": Type.INSTANT}
    columns += [
        Column("count", Type.INT, "Errors", subject),
        Column("traffic", Type.INT, " and ".join(DIMENSIONS[name].title for name in failure.traffic) + ": all", subject),
        Column("share", Type.FLOAT, "Share", "ratio"),
    ]
    columns += [Column(name, kinds.get(name, Type.STRING), titles[name]) for name in FIXED[2:]]
    columns += [Column(name, Type.INT, title) for name, title, _ in failure.affected]
    return tuple(columns)

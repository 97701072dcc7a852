"""The log: single requests and deliveries, a page at a time or all of them as a download.

Whose rows, from when on, and under which names, is for `report` and `access` to say, as for every question.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from usagedeck import access, sql
from usagedeck.access import View, Who
from usagedeck.catalog import CURRENCY, DIMENSIONS, Type
from usagedeck.deck import Deck
from usagedeck.query import Cursor, Direction, LogQuery, neighbours
from usagedeck.report import About, kept_part, named, names_of, span_of
from usagedeck.sql import Scope
from usagedeck.table import Cell, Column, Row, Table, csv_lines, joined
from usagedeck.times import DAY, EARLIEST, offsets


@dataclass(frozen=True, slots=True)
class LogPage:
    """Rows of the log and the cursors of its neighbours; None where there is no neighbour."""

    table: Table
    older: Cursor | None
    newer: Cursor | None
    about: About


def log(deck: Deck, who: Who, view: View | None, query: LogQuery, *, stream: bool = False) -> LogPage:
    """A page of the log; with `stream` and no limit, all of it in flat memory."""
    scope = access.scope(deck, who, view)
    selection, about = kept_part(query.selection, scope.floor.events, deck.clock())
    query = replace(query, selection=named(deck, selection, scope))
    statement = sql.compile_log(query, scope)
    columns, write, _ = log_shape(deck, query, scope, who.workspace.currency)
    if stream:
        return LogPage(Table(columns, (write(row[2:]) for row in deck.answers.stream(statement))), None, None, about)
    rows = list(deck.answers.run(statement, span_of(scope, query.selection)))
    more = query.limit is not None and len(rows) > query.limit
    rows = rows[: query.limit]
    backwards = query.cursor is not None and (query.cursor.direction is Direction.NEWER) is not query.ascending
    if backwards:
        rows.reverse()
    older, newer = neighbours(query, [(row[0], str(row[1])) for row in rows], more)
    return LogPage(Table(columns, [write(row[2:]) for row in rows]), older, newer, about)


def log_lines(
    deck: Deck, who: Who, view: View | None, query: LogQuery, constant: Column, text: str, *, at: int
) -> tuple[Iterator[bytes], About]:
    """The log as CSV on the clock of its window, with one more column that is equal in every line; and what it is about.

    It is the same to the last byte as the CSV of `log`'s table. The engine writes it where it can: that is far faster.
    """
    scope = access.scope(deck, who, view)
    selection, about = kept_part(query.selection, scope.floor.events, deck.clock())
    zone = selection.window.zone
    query = replace(query, selection=named(deck, selection, scope))
    columns, _, parts = log_shape(deck, query, scope, who.workspace.currency)
    starts, millis, texts = zip(*offsets(zone, EARLIEST, about.complete_through // DAY * DAY + 2 * DAY), strict=True)
    statement = sql.compile_lines(
        query, scope, (*parts[:at], sql.Constant(text), *parts[at:]), sql.Offsets(starts, millis, texts)
    )
    if statement is None:
        page = log(deck, who, view, query, stream=True)
        return csv_lines(page.table.with_constant(constant, text, at=at), zone), page.about
    head = csv_lines(Table((*columns[:at], constant, *columns[at:]), ()), zone)
    return chain(head, joined(row[0] for row in deck.answers.stream(statement))), about


def log_shape(
    deck: Deck, query: LogQuery, scope: Scope, currency: str
) -> tuple[tuple[Column, ...], Callable[[Row], list[Cell]], tuple[sql.Part, ...]]:
    """The columns of the log, display names behind the ids they belong to; how a row of the store becomes one; and what the
    engine needs to know to write it."""
    columns: list[Column] = []
    parts: list[sql.Part] = []
    labels: list[Mapping[str, str] | None] = []
    for field in query.columns:
        columns.append(Column(field.name, field.type, field.title, currency if field.unit == CURRENCY else field.unit))
        by = DIMENSIONS.get(field.name)
        parts.append(field)
        names = names_of(deck, by, scope) if by and by.label else None
        labels.append(names)
        if names is not None:
            parts.append(sql.Name(names))
            columns.append(Column(f"{field.name}_label", Type.STRING, f"{field.title} (name)"))

    def write(cells: Row) -> list[Cell]:
        row: list[Cell] = []
        for cell, names in zip(cells, labels, strict=True):
            row.append(None if cell == "" else cell)
            if names is not None:
                row.append(names.get(str(cell)) if cell else None)
        return row

    return tuple(columns), write, tuple(parts)

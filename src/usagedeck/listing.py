"""The log: single requests and deliveries, a page at a time or all of them as a download.

Whose rows, from when on, and under which names, is for `report` and `access` to say, as for every question.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from usagedeck import access, sql
from usagedeck.access import View, Who
from usagedeck.catalog.dimensions import DIMENSIONS
from usagedeck.catalog.kinds import CURRENCY, Subject, Type
from usagedeck.deck import Deck
from usagedeck.errors import NotFound
from usagedeck.events import REVISION_STEP
from usagedeck.exchanges import Kept, shown
from usagedeck.filters import Filter, Op
from usagedeck.query import Cursor, Direction, LogQuery, Selection, neighbours
from usagedeck.report import About, kept_part, named, names_of, reach_of, span_of
from usagedeck.sql import Scope
from usagedeck.store.changes import Span
from usagedeck.table import Cell, Column, Row, Table, csv_lines, joined
from usagedeck.times import DAY, EARLIEST, offsets, zone
from usagedeck.windows import LATEST_WINDOW, Window


@dataclass(frozen=True, slots=True)
class LogPage:
    """Rows of the log and the cursors of its neighbours; None where there is no neighbour."""

    table: Table
    older: Cursor | None
    newer: Cursor | None
    about: About
    reached: int | None = None
    """Of a page that is still being looked for: the instant up to which that was done. Its neighbour there begins behind it."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """What was sent and what came back; None where nothing was kept."""

    time: int
    id: str
    request: Kept | None
    response: Kept | None
    expired: bool
    """Headers and bodies of that time are not kept any more."""


def log(deck: Deck, who: Who, view: View | None, query: LogQuery, *, stream: bool = False) -> LogPage:
    """A page of the log; with `stream` and no limit, all of it in flat memory."""
    if not stream:
        *_, page = growing(deck, who, view, query)
        return page
    scope, query, about = _readable(deck, who, view, query)
    columns, write, _ = log_shape(deck, query, scope, who.workspace.currency)
    rows = deck.answers.stream(sql.compile_log(query, scope))
    return LogPage(Table(columns, (write(row[2:]) for row in rows)), None, None, about)


def growing(deck: Deck, who: Who, view: View | None, query: LogQuery) -> Iterator[LogPage]:
    """A page of the log while it is being looked for: each has the rows of the one before and further ones behind them. The last
    one is the page. What is read backwards is told when it is all there."""
    scope, query, about = _readable(deck, who, view, query)
    columns, write, _ = log_shape(deck, query, scope, who.workspace.currency)
    found: list[Row] = []
    backwards = query.upwards is not query.ascending

    def page(*, more: bool, reached: int | None = None) -> LogPage:
        rows = found[: query.limit]
        if backwards:
            rows.reverse()
        older, newer = neighbours(query, [(row[0], str(row[1])) for row in rows], more)
        if reached is not None:
            behind = Cursor(reached, "", Direction.NEWER if query.upwards else Direction.OLDER)
            older, newer = (older, behind) if query.upwards else (behind, newer)
        return LogPage(Table(columns, [write(row[2:]) for row in rows]), older, newer, about, reached)

    for low, high in sql.steps(query, scope, deck.sizes):
        selection = replace(query.selection, window=replace(query.selection.window, start=low, end=high))
        left = None if query.limit is None else max(1, query.limit - len(found))
        found += deck.answers.run(
            sql.compile_log(replace(query, selection=selection, limit=left), scope),
            span_of(scope, selection, query.reach),
        )
        if query.limit is not None and len(found) > query.limit:
            break
        reached = high if query.upwards else low
        if reached not in query.reading and not backwards:
            yield page(more=True, reached=reached)
    yield page(more=query.limit is not None and len(found) > query.limit)


def _readable(deck: Deck, who: Who, view: View | None, query: LogQuery) -> tuple[Scope, LogQuery, About]:
    """What of the log the asker may read, and is still there to be read."""
    scope = access.scope(deck, who, view)
    reach = reach_of(deck, query.joined)
    floor = scope.floor.events and scope.floor.events + reach  # what begins below that may have begun below the floor
    selection, about = kept_part(query.selection, floor, deck.clock())
    return scope, replace(query, selection=named(deck, selection, scope), reach=reach), about


def log_lines(
    deck: Deck, who: Who, view: View | None, query: LogQuery, constant: Column, text: str, *, at: int
) -> tuple[Iterator[bytes], About]:
    """The log as CSV on the clock of its window, with one more column that is equal in every line; and what it is about.

    It is the same to the last byte as the CSV of `log`'s table. The engine writes it where it can: that is far faster.
    """
    scope, query, about = _readable(deck, who, view, query)
    zone = query.selection.window.zone
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


def exchange(deck: Deck, who: Who, view: View | None, subject: Subject, id_: str, at: int | None) -> Exchange:
    """The headers and bodies that an event brought: of the newest one with that id, or of the one that began at that instant.

    Raises `NotFound` when there is no such event that the asker may see.
    """
    scope = access.scope(deck, who, view)
    window = Window(0, LATEST_WINDOW, zone("UTC")) if at is None else Window(at, at + 1, zone("UTC"))
    selection = Selection(subject, window, (Filter.build(DIMENSIONS["id"], Op.EQ, [id_]),))
    found = deck.answers.run(sql.compile_event(selection, scope, REVISION_STEP), span_of(scope, selection))
    if not found:
        raise NotFound(f"There is no such event among the {subject} that you may see.", field="id", code="event_not_found")
    ((time, name, place),) = found
    statement = sql.compile_exchange(subject, (int(time), str(name), int(place)), scope, REVISION_STEP)
    rows = deck.answers.run(statement, Span(scope.workspace_id, int(time), int(time) + 1))
    sent, got = (shown(str(side)) for side in rows[0]) if rows else (None, None)
    return Exchange(int(time), str(name), sent, got, int(time) < scope.floor.exchanges)


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

"""Answers. A question and its asker go in, a `Table` comes out; charts, tables, menus, CSV and the ElevenLabs door all go
through here (the log's pages through `listing`, above it), so that they cannot disagree.

Compiling is done in `sql`, running in `store`; what is left here is plain work on rows: formulas, empty buckets, running
sums, display names.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from math import ceil
from typing import Any

from usagedeck import access, sql
from usagedeck.access import View, Who
from usagedeck.catalog.dimensions import DIMENSIONS, Dimension, Label
from usagedeck.catalog.kinds import CURRENCY, Subject, Type, Value
from usagedeck.catalog.metrics import METRICS
from usagedeck.deck import Deck
from usagedeck.errors import TooLarge
from usagedeck.filters import Word
from usagedeck.query import Query, Selection, refuse_joined, refuse_unjoinable
from usagedeck.sql import Scope, Series, Statement
from usagedeck.store.changes import Span
from usagedeck.table import Cell, Column, Row, Table
from usagedeck.times import DAY, HOUR, zone
from usagedeck.windows import Buckets, Interval, Window

MAX_VALUES = 1000
NO_BUCKETS = Buckets((), 0)
MOST_PEAKS = 1000
"""In so many parts of a window it is looked up, at the most, whether a limit was exceeded."""


@dataclass(frozen=True, slots=True)
class About:
    """What an answer is about: every event of the window that was acknowledged before `complete_through`."""

    window: Window
    """The one that was asked for, or the part of it that can be answered."""
    complete_through: int
    available_from: int | None
    """From when on this question can be answered, when the window that was asked for reaches further back: what it would
    need of the time before has expired."""

    @property
    def expired(self) -> bool:
        """Nothing is left of the window."""
        return self.available_from is not None and self.window.start == self.window.end


@dataclass(frozen=True, slots=True)
class Answer:
    """A table and what it is about."""

    table: Table
    about: About
    route: str
    """From where it was read, and why."""
    buckets: Buckets = NO_BUCKETS
    """Those of a question over time. None of them ends where nothing can be told yet: that is unknown and not zero."""
    costly: int | None = None
    """The question was not asked, since words would be looked for in about so many events."""


def kept_part(selection: Selection, floor: int, fresh: int) -> tuple[Selection, About]:
    """The part of a selection at or above a floor. A question that does not go through here would get the same rows, since its
    scope has the floors, but could not say what is missing."""
    asked = selection.window
    if asked.start >= floor:
        return selection, About(asked, fresh, None)
    window = replace(asked, start=min(floor, asked.end))
    return replace(selection, window=window), About(window, fresh, floor)


def reach_of(deck: Deck, joined: bool) -> int:
    """How far from an attempt there may be others of its delivery, for questions about deliveries."""
    return deck.settings.delivery_days * DAY if joined else 0


def _settled(deck: Deck, query: Query, scope: Scope, **more: Any) -> tuple[sql.Settled, About]:
    """The same for a question over time: its numbers may be known of the time whose events have expired."""
    fresh, asked = deck.clock(), query.selection.window
    query = replace(query, selection=named(deck, query.selection, scope))
    found = sql.settle(query, scope, deck.seals.ledger, deck.sizes, **more)
    return found, About(found.query.selection.window, fresh, found.start if found.start > asked.start else None)


# --- questions over time ------------------------------------------------------------------------------------------


def usage(
    deck: Deck,
    who: Who,
    view: View | None,
    query: Query,
    *,
    now: int | None = None,
    stream: bool = False,
    unless_costly: bool = False,
) -> Answer:
    """Metrics over time, one row per bucket and series.

    Columns: `bucket_start`, `bucket_end`, then each dimension and its label, `is_other` when only the top series are kept,
    then the metrics. Without a breakdown every bucket has a row; with one, those that have events. Buckets that end
    before there is anything to tell are left out. `now` ends the time in which requests can have been active. With `stream`
    the rows are read while they are written, in flat memory. With `unless_costly` there is no row and no bucket where words would
    have to be looked for in very many events.
    """
    scope = access.scope(deck, who, view)
    now = now or deck.clock()
    query = replace(query, reach=reach_of(deck, query.joined), limit=who.workspace.concurrency_limit)
    if not sql.measures_of(query):
        return _unlimited(query, who, now)
    settled, about = _settled(deck, query, scope, now=now)
    query, route = settled.query, _exceeding(deck, settled, scope, now)
    costly = None
    if unless_costly:
        costly = sql.costly(query.selection, scope.workspace_id, route.events, deck.sizes, joined=query.joined)
    if about.expired or costly is not None:
        nothing = Table(_usage_columns(query, who.workspace.currency), ())
        return Answer(nothing, about, route.reason, Buckets((), about.window.end), costly)
    read = deck.answers.stream if stream else partial(_capped, deck, scope, query)
    if not (route.slices or route.events):
        points: Iterable[_Point] = ()
    elif query.top is not None and sql.folds(query, route):
        points = _folded(query, query.top, read(sql.compile_top(query, scope, query.top, route=route)))
    else:
        top, others = _top(deck, query, scope, settled.ranking)
        points = _points(query, read(sql.compile(query, scope, route=route, top=top, now=now)), top, others)
    if query.cumulative:
        points = _limited(query, _accumulated(query, points))
    elif not query.dimensions:
        points = _dense(query, points)
    names = [names_of(deck, by, scope) for by in query.dimensions]
    table = Table(_usage_columns(query, who.workspace.currency), _labelled(query, points, names, now))
    return Answer(table, about, route.reason, query.buckets)


def _unlimited(query: Query, who: Who, now: int) -> Answer:
    """The answer to a question about a limit that is not set: nothing is known, so nothing is read."""
    points = () if query.dimensions else _dense(query, ())
    table = Table(_usage_columns(query, who.workspace.currency), _labelled(query, points, (), now))
    return Answer(table, About(query.selection.window, now, None), "no limit is set", query.buckets)


def _exceeding(deck: Deck, settled: sql.Settled, scope: Scope, now: int) -> sql.Plan:
    """The route of a question, without the hours in which it has nothing to find: where the whole workspace never exceeded the
    limit, as sealed peaks tell, no part of it did. Only of a question for nothing else, whose rows depend on no event."""
    query, route = settled.query, settled.route
    window = query.selection.window
    if query.dimensions or scope.user_id is not None or not all(m.limited for m in query.metrics) or window.start == window.end:
        return route
    hours = Interval(seconds=3600 * ceil((window.end - window.start) / (HOUR * MOST_PEAKS)))
    peaks = Query(Selection(Subject.REQUESTS, replace(window, zone=zone("UTC"))), (METRICS["concurrency"],), hours)
    known = sql.plan(peaks, scope, deck.seals.ledger, deck.sizes, now=now)
    if not known.slices:
        return route
    rows = deck.answers.run(sql.compile(peaks, scope, route=replace(known, events=())), span_of(scope, peaks.selection))
    loud = [(start, peaks.buckets.end_of(start)) for start, peak in rows if peak > (query.limit or 0)]
    return sql.without_quiet(route, known, loud)


@dataclass(slots=True)
class _Point:
    """One bucket of one series."""

    bucket: int
    measures: Mapping[str, Any]
    series: tuple[Any, ...] = ()
    other: bool = False
    others: int = 0
    """How many series are in it, where it is Other."""


def _top(deck: Deck, query: Query, scope: Scope, route: sql.Plan) -> tuple[list[Series] | None, int]:
    """The series to keep, and how many others there are. None keeps all of them: that spares a look at every row's place."""
    if query.top is None:
        return None, 0
    ranked = deck.answers.run(sql.rank(query, scope, query.top, route=route), span_of(scope, query.selection, query.reach))
    width = len(query.dimensions)
    total = ranked[0][-1] if ranked else 0
    if total <= query.top:
        return None, 0
    return [tuple(str(cell) for cell in row[:width]) for row in ranked], total - len(ranked)


def span_of(scope: Scope, selection: Selection, reach: int = 0) -> Span:
    return Span(scope.workspace_id, selection.window.start - reach, selection.window.end + reach)


def _capped(deck: Deck, scope: Scope, query: Query, statement: Statement) -> Sequence[Row]:
    rows = deck.answers.run(statement, span_of(scope, query.selection, query.reach))
    if query.row_cap is not None and len(rows) > query.row_cap:
        raise _too_many_rows(query.row_cap)
    return rows


def _limited(query: Query, points: Iterator[_Point]) -> Iterator[_Point]:
    """Running sums have rows where the store had none, so they are counted again."""
    for count, point in enumerate(points):
        if query.row_cap is not None and count >= query.row_cap:
            raise _too_many_rows(query.row_cap)
        yield point


def _too_many_rows(cap: int) -> TooLarge:
    what = f"The answer has more than {cap:,} rows; keep the top series with top=, choose a coarser interval, or take it as CSV"
    return TooLarge(f"{what}, which has no limit.", field="by", code="too_many_rows")


def _points(query: Query, rows: Iterable[Row], top: Sequence[Series] | None, others: int) -> Iterator[_Point]:
    """The rows of the store with names."""
    width = len(query.dimensions)
    keyed = width + 1 + (top is not None)
    names = [m.name for m in sql.measures_of(query)]
    for row in rows:
        other = top is not None and bool(row[width + 1])
        yield _Point(row[0], dict(zip(names, row[keyed:], strict=True)), tuple(row[1 : width + 1]), other, others)


def _folded(query: Query, top: int, rows: Iterable[Row]) -> Iterator[_Point]:
    """The same of rows that tell at their end how many series there are."""
    width = len(query.dimensions)
    names = [m.name for m in sql.measures_of(query)]
    for row in rows:
        measures = dict(zip(names, row[width + 2 : -1], strict=True))
        yield _Point(row[0], measures, tuple(row[1 : width + 1]), bool(row[width + 1]), row[-1] - top)


def _dense(query: Query, points: Iterable[_Point]) -> Iterator[_Point]:
    """Every bucket once: those without rows show what an empty bucket shows."""
    nothing = _nothing(query)
    found = iter(points)
    point = next(found, None)
    for start in query.buckets.starts:
        if point is not None and point.bucket == start:
            yield point
            point = next(found, None)
        else:
            yield _Point(start, nothing)


def _nothing(query: Query) -> Mapping[str, Value]:
    return {m.name: m.nothing for m in sql.measures_of(query)}


def _accumulated(query: Query, points: Iterable[_Point]) -> Iterator[_Point]:
    """Running sums: from its first appearance a series has a row in every bucket.

    Measures are added, not metrics, so that a metric in another unit (minutes) is rounded once and ends at its total.
    """
    sums: dict[tuple[Any, ...], _Point] = {}
    if not query.dimensions:
        sums[(), False] = _Point(0, _nothing(query))
    found = iter(points)
    point = next(found, None)
    for start in query.buckets.starts:
        while point is not None and point.bucket == start:
            key = (point.series, point.other)
            before = sums.get(key)
            if before is not None:
                point = replace(point, measures={n: before.measures[n] + amount for n, amount in point.measures.items()})
            sums[key] = point
            point = next(found, None)
        for total in sums.values():
            yield replace(total, bucket=start)


def _metrics(query: Query, point: _Point, now: int) -> list[Value]:
    """Measures become metrics, over the part of the bucket that lies inside the window and has passed."""
    window = query.selection.window
    span = min(query.buckets.end_of(point.bucket), window.end, now) - max(point.bucket, window.start)
    return [m.formula.of(point.measures, span) for m in query.metrics]


def _usage_columns(query: Query, currency: str) -> tuple[Column, ...]:
    columns = [Column("bucket_start", Type.INSTANT, "From"), Column("bucket_end", Type.INSTANT, "To")]
    for by in query.dimensions:
        kind = Type.STRING if by.overlapping else by.type
        columns += [Column(by.name, kind, by.title), Column(f"{by.name}_label", Type.STRING, f"{by.title} (name)")]
    if query.top is not None:
        columns.append(Column("is_other", Type.BOOL, "Is Other"))
    columns += [Column(m.name, m.type, m.title, currency if m.unit == CURRENCY else m.unit) for m in query.metrics]
    return tuple(columns)


def _labelled(query: Query, points: Iterable[_Point], names: Sequence[Mapping[str, str]], now: int) -> Iterator[list[Cell]]:
    for point in points:
        row: list[Cell] = [point.bucket, query.buckets.end_of(point.bucket)]
        for by, value, known in zip(query.dimensions, point.series, names, strict=True):
            cell = cell_of(by, value)
            row += [cell, f"Other ({point.others})" if point.other else label(by, cell, known)]
        if query.top is not None:
            row.append(point.other)
        yield [*row, *_metrics(query, point, now)]


def cell_of(by: Dimension, value: Any) -> Any:
    """A value of the store as a cell: absent ones are None."""
    if by.type is Type.BOOL:
        return None if value is None else bool(value)
    return None if value == "" else value


def label(by: Dimension, cell: Any, known: Mapping[str, str]) -> str:
    """What people read for a value: its display name, else the value itself, else what stands for a missing one."""
    if cell is None:
        return by.absent
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return known.get(str(cell), f"{cell.normalize():f}" if isinstance(cell, Decimal) else str(cell))


def names_of(deck: Deck, by: Dimension, scope: Scope) -> Mapping[str, str]:
    """Display names of the values of a dimension."""
    return deck.directory.labels.names(scope.workspace_id, by.label) if by.label else {}


def named(deck: Deck, selection: Selection, scope: Scope) -> Selection:
    """The search with the ids of things whose display names hold a word."""
    if not selection.search:
        return selection
    labelled = [d for d in DIMENSIONS.values() if d.label and selection.subject in d.of and not d.overlapping and not d.expr]
    known = {d.name: _visible_names(deck, d, scope) for d in labelled}

    def with_ids(word: Word) -> Word:
        text = word.text.lower()
        found = ((name, tuple(i for i, n in names.items() if text in n.lower())) for name, names in known.items())
        return Word(word.text, tuple((name, ids) for name, ids in found if ids))

    return replace(selection, search=tuple(with_ids(word) for word in selection.search))


def _visible_names(deck: Deck, by: Dimension, scope: Scope) -> Mapping[str, str]:
    names = names_of(deck, by, scope)
    if scope.user_id is not None and by.label is Label.USER:
        return {i: n for i, n in names.items() if i == scope.user_id}
    return names


# --- values of a dimension ----------------------------------------------------------------------------------------


def values(
    deck: Deck,
    who: Who,
    view: View | None,
    by: Dimension,
    selection: Selection,
    *,
    search: str = "",
    limit: int = 100,
    joined: bool = False,
) -> Answer:
    """The values a dimension takes in a selection, most frequent first, for menus. Columns: value, label, rows; with `joined`
    these are deliveries instead of attempts."""
    scope = access.scope(deck, who, view)
    if joined:
        refuse_unjoinable(selection.subject)
    else:
        why, instead = "here their attempts are counted", "Ask with per=deliveries, or leave it out"
        refuse_joined(selection.filtered_by, "filter", why, instead)
    counted = METRICS["deliveries" if joined else "requests" if selection.subject is Subject.REQUESTS else "attempts"]
    query = Query(selection, (counted,), Interval(unit="total"), (by,), reach=reach_of(deck, joined))
    settled, about = _settled(deck, query, scope, only_ranked=True)
    names = names_of(deck, by, scope)
    text = search.lower()
    like = Word(search, ((by.name, tuple(i for i, n in names.items() if text in n.lower())),)) if search else None
    found: Sequence[Row] = ()
    if not about.expired:
        statement = sql.rank(settled.query, scope, min(limit, MAX_VALUES), route=settled.route, like=like)
        found = deck.answers.run(statement, span_of(scope, settled.query.selection, settled.query.reach))
    rows: list[list[Cell]] = []
    for row in found:
        cell = None if row[0] == "" else str(row[0])
        rows.append([cell, label(by, cell, names), row[1]])
    columns = (
        Column("value", Type.STRING, by.title),
        Column("label", Type.STRING, f"{by.title} (name)"),
        Column("rows", Type.INT, counted.title, counted.unit),
    )
    return Answer(Table(columns, rows), about, settled.route.reason)

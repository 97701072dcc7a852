"""The same question put to the product and to the oracle, and the two answers side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from tests.oracle import oracle
from tests.oracle.oracle import OTHER, Ask, Event
from tests.oracle.world import World
from usagedeck import listing, report
from usagedeck.access import View, Who
from usagedeck.catalog.dimensions import dimension
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.catalog.metrics import METRICS
from usagedeck.filters import Filter
from usagedeck.query import Cursor, LogQuery, Query, Selection
from usagedeck.table import Table
from usagedeck.times import zone
from usagedeck.windows import Interval, Window

Answered = dict[tuple[Any, ...], tuple[Any, ...]]


def question(ask: Ask, filters: Sequence[Filter] = ()) -> Query:
    """The product's form of the question."""
    return Query(
        Selection(METRICS[ask.metrics[0]].of, Window(ask.start, ask.end, zone(ask.zone)), tuple(filters)),
        tuple(METRICS[name] for name in ask.metrics),
        Interval(unit=ask.size) if isinstance(ask.size, str) else Interval(seconds=ask.size),
        tuple(dimension(name) for name in ask.by),
        cumulative=ask.cumulative,
        top=ask.top,
    )


def table(world: World, ask: Ask, filters: Sequence[Filter] = (), view: View | None = None, *, stream: bool = False) -> Table:
    who = limited(world.house.who, ask.limit)
    answer = report.usage(world.house.deck, who, view, question(ask, filters), now=ask.now, stream=stream)
    return answer.table.read()


def limited(who: Who, limit: int | None) -> Who:
    """Somebody in the same workspace, if it had that limit of concurrent requests."""
    return replace(who, workspace=replace(who.workspace, concurrency_limit=limit))


def by_bucket_and_series(found: Table, ask: Ask) -> Answered:
    """A table of the product in the oracle's form; no bucket and series may come twice."""
    names = [c.name for c in found.columns]
    keys = [names.index(name) for name in ("bucket_start", "bucket_end", *ask.by)]
    values = [names.index(name) for name in ask.metrics]
    answer: Answered = {}
    for row in found.rows:
        key = tuple(row[i] for i in keys)
        if ask.top is not None and row[names.index("is_other")]:
            key = (*key[:2], OTHER)
        assert key not in answer, f"{key} comes twice"
        answer[key] = tuple(row[i] for i in values)
    return answer


def compare(world: World, ask: Ask, events: Sequence[Event] | None = None, filters: Sequence[Filter] = ()) -> Answered:
    """Ask both and fail unless every number is the same; gives the answer back."""
    if events is None:
        first = METRICS[ask.metrics[0]]
        events = world.requests if first.of is Subject.REQUESTS else world.joined if first.joined else world.deliveries
    found = by_bucket_and_series(table(world, ask, filters), ask)
    expected = oracle.usage(events, ask)
    assert found.keys() == expected.keys(), f"{ask}: {_keys_that_differ(found, expected)}"
    for key, values in expected.items():
        for name, is_, should in zip(ask.metrics, found[key], values, strict=True):
            assert is_ == should, f"{name} at {key} is {is_!r} and should be {should!r}: {ask}"
            assert isinstance(is_, float | None) == (METRICS[name].type is Type.FLOAT), f"{name} is {is_!r}"
    return found


def _keys_that_differ(found: Answered, expected: Answered) -> str:
    return f"{sorted(found.keys() - expected.keys(), key=str)} and {sorted(expected.keys() - found.keys(), key=str)} differ"


def log_pages(
    world: World,
    subject: Subject,
    window: tuple[int, int],
    limit: int,
    *,
    ascending: bool = False,
    joined: bool = False,
    filters: Sequence[Filter] = (),
) -> Iterator[list[dict[str, Any]]]:
    """All pages of the log with every column, from one end to the other; rows by column name."""
    selection = Selection(subject, Window(*window, zone("UTC")), tuple(filters))
    columns = fields(subject, joined=joined)
    cursor: Cursor | None = None
    while True:
        query = LogQuery(selection, columns, ascending=ascending, cursor=cursor, limit=limit, joined=joined)
        page = listing.log(world.house.deck, world.house.who, None, query)
        names = [c.name for c in page.table.columns]
        yield [dict(zip(names, row, strict=True)) for row in page.table.rows]
        following = page.newer if ascending else page.older
        if following is None:
            return
        cursor = Cursor.decode(following.encode())

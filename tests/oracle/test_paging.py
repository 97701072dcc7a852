"""Whatever is filtered, a walk through the pages of the log meets every row once, and the walk back meets the same pages."""

import random
from typing import Any

import pytest

from tests.oracle import oracle
from tests.oracle.test_filters import NAMES, OPS, kept, spelt, wanted
from tests.oracle.world import WINDOWS, YEAR, World
from usagedeck import listing
from usagedeck.catalog.dimensions import dimension, log_field
from usagedeck.catalog.kinds import Subject
from usagedeck.filters import parse_filter
from usagedeck.query import Cursor, LogQuery, Selection
from usagedeck.times import zone
from usagedeck.windows import Window

Row = tuple[int, str]


def walk(world: World, query: LogQuery, *, onwards: bool) -> tuple[list[list[Row]], LogQuery]:
    """The pages from a query's on, and the query of the last one. `onwards` is away from where a page without a cursor lies."""
    pages = []
    while True:
        found = listing.log(world.house.deck, world.house.who, None, query)
        pages.append([(row[0], row[1]) for row in found.table.rows])
        cursor = found.newer if query.ascending is onwards else found.older
        if cursor is None:
            return pages, query
        query = LogQuery(
            query.selection,
            query.columns,
            ascending=query.ascending,
            cursor=Cursor.decode(cursor.encode()),
            limit=query.limit,
        )


@pytest.mark.parametrize("seed", range(24))
def test_every_row_once_there_and_back(world: World, seed: int) -> None:
    dice = random.Random(seed)
    subject = dice.choice(list(Subject))
    events = world.requests if subject is Subject.REQUESTS else world.deliveries
    filters: list[tuple[str, str, list[Any]]] = []
    for name in dice.sample([n for n in NAMES if subject in dimension(n).of], dice.choice((0, 1, 1, 2))):
        kind = dimension(name).type
        cells: list[Any] = list(dict.fromkeys(cell for e in events for cell in oracle.values_of(e, name)))
        op = dice.choice(OPS[kind][1:] if filters else OPS[kind])
        filters.append((name, op, wanted(dice, op, cells, kind)))
    start, end = dice.choice([YEAR, YEAR, *WINDOWS.values()])
    parsed = [parse_filter(f"{n}:{op}:{','.join(spelt(c, dimension(n).type) for c in cells)}") for n, op, cells in filters]
    ascending = dice.random() < 0.5
    expected = [(e["time"], e["id"]) for e in oracle.log(kept(events, filters), start, end)]
    if ascending:
        expected.reverse()
    columns = (log_field("time", subject), log_field("id", subject))
    # a dozen pages or so, however much matches
    limit = min(1000, max(1, len(expected) // dice.randrange(3, 12)))
    first = LogQuery(
        Selection(subject, Window(start, end, zone("UTC")), tuple(parsed)), columns, ascending=ascending, limit=limit
    )
    there, last = walk(world, first, onwards=True)
    assert [row for page in there for row in page] == expected
    assert all(len(page) == limit for page in there[:-1])
    back, _ = walk(world, last, onwards=False)
    assert back == there[::-1]

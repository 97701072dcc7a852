"""A bucket of concurrency opens the requests that were active in it: the very ones it was counted from."""

import random
from typing import Any

import pytest

from tests.oracle import oracle
from tests.oracle.oracle import Ask
from tests.oracle.world import DAY, HOUR, NOW, WINDOWS, World
from usagedeck import listing, report
from usagedeck.catalog.dimensions import dimension, log_field
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.errors import InvalidInput
from usagedeck.filters import Filter, parse_filter, parse_search
from usagedeck.query import ChangeQuery, LogQuery, Query, Selection
from usagedeck.times import MINUTE, zone
from usagedeck.windows import Interval, Window

NAMES = ("id", "time", "duration_ms", "user_id")


def opened(world: World, start: int, end: int, filters: tuple[Filter, ...] = (), page: int = 29) -> list[dict[str, Any]]:
    """The rows that a bucket opens, page by page."""
    selection = Selection.of_active(Window(start, end, zone("UTC")), filters)
    columns = tuple(log_field(name, Subject.REQUESTS) for name in NAMES)
    rows: list[dict[str, Any]] = []
    cursor = None
    while True:
        found = listing.log(world.house.deck, world.house.who, None, LogQuery(selection, columns, limit=page, cursor=cursor))
        names = [column.name for column in found.table.columns]
        rows += [dict(zip(names, row, strict=True)) for row in found.table.rows]
        if found.older is None:
            return rows
        cursor = found.older


@pytest.mark.parametrize("name", list(WINDOWS))
def test_rows_of_a_bucket_make_its_numbers(world: World, name: str) -> None:
    dice = random.Random(name)
    for _ in range(8):
        start = dice.randrange(*WINDOWS[name])
        end = start + dice.choice((1, 999, MINUTE, HOUR, 5 * HOUR, DAY, 3 * DAY))
        user = dice.choice((None, "ana", "ben"))
        filters = () if user is None else (parse_filter(f"user_id:eq:{user}"),)
        rows = opened(world, start, end, filters)
        mine = [e for e in world.requests if user is None or e["user_id"] == user]
        assert [(r["time"], r["id"]) for r in rows] == [(e["time"], e["id"]) for e in oracle.active(mine, start, end)]
        metrics = ("concurrency", "concurrency_average")
        asked = Ask(start=start, end=end, zone="UTC", size="total", metrics=metrics, by=(), now=NOW)
        (told,) = oracle.usage(rows, asked).values()
        selection = Selection(Subject.REQUESTS, Window(start, end, zone("UTC")), filters)
        query = Query(selection, tuple(METRICS[m] for m in metrics), Interval(unit="total"))
        (row,) = report.usage(world.house.deck, world.house.who, None, query, now=NOW).table.read().rows
        assert tuple(row[-2:]) == told


def test_questions_over_time_and_menus_are_about_the_same_rows(world: World) -> None:
    start, end = next(iter(WINDOWS.values()))
    middle = (start + end) // 2
    rows = opened(world, middle, middle + HOUR)
    assert rows
    deck, who = world.house.deck, world.house.who
    selection = Selection.of_active(Window(middle, middle + HOUR, zone("UTC")))
    query = Query(selection, (METRICS["requests"],), Interval.parse("hour"), (dimension("model"),), top=2)
    answer = report.usage(deck, who, None, query, now=NOW)
    assert sum(row[-1] for row in answer.table.read().rows) == len(rows)
    assert "active" in answer.route
    listed = report.values(deck, who, None, dimension("user_id"), selection)
    assert sum(row[-1] for row in listed.table.read().rows) == len(rows)
    searched = Selection.of_active(Window(middle, middle + HOUR, zone("UTC")), search=parse_search(str(rows[0]["id"])))
    found = listing.log(deck, who, None, LogQuery(searched, (log_field("id", Subject.REQUESTS),)))
    assert str(rows[0]["id"]) in [row[0] for row in found.table.rows]


def test_what_has_no_duration_or_none_to_speak_of_is_never_active(world: World) -> None:
    never = [e for e in world.requests if not e["duration_ms"]]
    assert {e["duration_ms"] for e in never} == {None, 0}
    for event in never[:10]:
        assert event["id"] not in {row["id"] for row in opened(world, event["time"] - HOUR, event["time"] + HOUR, page=1000)}


def test_one_period_of_it_is_compared_with_no_other() -> None:
    window = Window(DAY, 2 * DAY, zone("UTC"))
    with pytest.raises(InvalidInput, match="active_in"):
        ChangeQuery(Selection.of_active(window), Window(0, DAY, zone("UTC")), METRICS["requests"], dimension("model"))


def test_a_window_at_the_beginning_of_time_reaches_back_no_further() -> None:
    assert Selection.of_active(Window(1, DAY, zone("UTC"))).window.start == 0

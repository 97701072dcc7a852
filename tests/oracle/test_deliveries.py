"""Deliveries are put together from attempts exactly as the oracle does it: whatever was sent twice, late, out of order or at the
same instant, and whatever lies before or behind the window."""

import csv
import io
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any

import pytest

from tests.house import StillClock, build_house
from tests.oracle import oracle
from tests.oracle.asking import by_bucket_and_series, compare, log_pages, question, table
from tests.oracle.oracle import JOINED_METRICS, Arrival, Ask, Event
from tests.oracle.test_filters import OPS, kept, spelt, wanted
from tests.oracle.test_log import Even
from tests.oracle.test_usage import LONG, OF_DELIVERIES, SIZES, ask
from tests.oracle.world import DAY, HOUR, NOW, WINDOWS, YEAR, ZONES, World
from usagedeck import listing, report
from usagedeck.catalog.dimensions import DIMENSIONS, dimension, log_field
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.catalog.metrics import METRICS
from usagedeck.filters import Filter, parse_filter, parse_search
from usagedeck.query import LogQuery, Selection
from usagedeck.table import Column
from usagedeck.times import zone
from usagedeck.windows import Window

ALL = tuple(JOINED_METRICS)
SUMS = tuple(name for name in ALL if METRICS[name].additive)
NAMES = [d.name for d in DIMENSIONS.values() if Subject.DELIVERIES in d.of] + ["attributes.team"]
ONLY_WHOLE = ("tries", "took_ms")
BEGIN = NOW - 70 * DAY
"""Of the crowd."""


def crowd(dice: random.Random, count: int) -> Iterator[dict[str, Any]]:
    """Attempts of few messages, many of them around the reach of three days from each other, some at one instant."""
    at = BEGIN
    for number in range(count):
        at += dice.choice((0, 0, 1, 60_000, HOUR, 7 * HOUR, 20 * HOUR))
        time = at - dice.choice((0, 0, 0, 3 * DAY, 3 * DAY + 1, 3 * DAY - 1, DAY))
        event = {"kind": "delivery", "id": f"c{number * 7919 % 1000}", "time": time, "message_id": f"m{dice.randrange(4)}"}
        event["webhook_id"] = dice.choice(("wh1", "wh2"))
        optional = {
            "status": dice.choice((0, 199, 200, 200, 204, 299, 300, 500, 503)),
            "attempt": dice.randrange(1, 4),
            "duration_ms": dice.choice((0, 5, 700, 90_000, DAY)),
            "user_id": "ana",
            "url": f"https://example.test/{dice.randrange(2)}",
            "event_type": dice.choice(("call", "file")),
            "error": {"code": dice.choice(("refused", "timeout"))},
            "attributes": {"team": dice.choice(("red", "blue"))},
            "request_id": f"r{dice.randrange(3)}",
        }
        yield event | {name: value for name, value in optional.items() if dice.random() < 0.85}


@pytest.fixture(scope="module")
def crowded(world: World) -> World:
    """Sent in three rounds, shuffled, each round with repeats that say something else."""
    dice, clock = random.Random(77), StillClock(NOW)
    house = build_house(world.house.deck, "crowded", id="crowded")
    events = list(crowd(dice, 300))
    dice.shuffle(events)
    arrivals: list[Arrival] = []
    for part in (events[:150], events[100:200], events[180:]):
        sent = [{**e, "status": dice.choice((200, 500))} if dice.random() < 0.2 else e for e in part]
        receipt = house.send(sent)
        assert not receipt.rejected
        arrivals += [Arrival(e, NOW) for e in sent]
    return World(house, clock, arrivals)


def crowded_windows(dice: random.Random, count: int) -> list[tuple[int, int]]:
    """Edges on attempts, beside them and anywhere."""
    found = []
    for _ in range(count):
        start = BEGIN + dice.randrange(-2 * DAY, 50 * DAY)
        found.append((start, start + dice.choice((1, HOUR, DAY, 3 * DAY, 11 * DAY, 60 * DAY))))
    return found


# --- numbers ------------------------------------------------------------------------------------------------------


def test_the_crowd_holds_what_makes_numbers_wrong(crowded: World) -> None:
    attempts, made = crowded.deliveries, crowded.joined
    assert len(attempts) < len(crowded.arrivals), "repeats"
    assert sum(d["tries"] for d in made) < len(attempts), "attempts that are too late for the delivery they follow"
    assert sum(d["tries"] > 2 for d in made) > 10
    assert len({(e["webhook_id"], e["message_id"], e["user_id"]) for e in attempts}) < len(made), "the same message again"
    assert any(d["took_ms"] is None and oracle.attempt_succeeded(d) for d in made)
    assert len({e["time"] for e in attempts}) < len(attempts), "one instant"


@pytest.mark.parametrize("size", SIZES)
def test_every_breakdown_of_joined_deliveries(world: World, size: str) -> None:
    ways = cycle((window, zone) for window in WINDOWS.values() for zone in ZONES)
    for by in (*OF_DELIVERIES, None):
        compare(world, ask(*next(ways), size, ALL, *([by] if by else [])))
    if size in LONG:
        compare(world, ask(YEAR, "UTC", size, ALL))


@pytest.mark.parametrize("seed", range(12))
def test_a_crowd_of_attempts(crowded: World, seed: int) -> None:
    dice = random.Random(seed)
    for window in crowded_windows(dice, 6):
        size = dice.choice(("hour", "day", "total", "5 hours")) if window[1] - window[0] < 30 * DAY else "day"
        by = dice.sample(OF_DELIVERIES, dice.choice((0, 1, 2)))
        asked = replace(ask(window, dice.choice(ZONES), size, ALL, *by), top=dice.choice((None, 1, 3)) if by else None)
        compare(crowded, asked)
        metrics = (dice.choice(ALL), *dice.sample(SUMS, 1))
        compare(crowded, replace(asked, metrics=tuple(dict.fromkeys(metrics))))


def test_parts_add_up_and_running_sums_end_there(crowded: World) -> None:
    for window in crowded_windows(random.Random(3), 8):
        total = added(crowded, ask(window, "UTC", "total", SUMS))
        for size, by in (("hour", ()), ("day", ("status",)), ("day", ("url", "error_code"))):
            if window[1] - window[0] < 30 * DAY or size == "day":
                assert added(crowded, ask(window, "UTC", size, SUMS, *by)) == total
        running = replace(ask(window, "UTC", "day", SUMS), cumulative=True)
        assert tuple(list(table(crowded, running).rows)[-1][2:]) == total


def added(world: World, asked: Ask, filters: Sequence[Filter] = ()) -> tuple[Any, ...]:
    rows = by_bucket_and_series(table(world, asked, filters), asked).values()
    return tuple(sum(column) for column in zip(*rows, strict=True)) if rows else (0,) * len(asked.metrics)


# --- filters ------------------------------------------------------------------------------------------------------


def filtered(world: World, filters: Sequence[tuple[str, str, list[Any]]], window: tuple[int, int]) -> list[Event]:
    events = kept(world.joined, filters)
    spelled = [
        parse_filter(f"{name}:{op}:{','.join(spelt(c, dimension(name).type) for c in cells)}") for name, op, cells in filters
    ]
    compare(world, ask(window, "UTC", "total", ALL), events, spelled)
    compare(world, ask(window, "UTC", "total", SUMS, "status", top=2), events, spelled)
    return [e for e in events if window[0] <= e["time"] < window[1]]


@pytest.mark.parametrize("name", NAMES)
def test_a_filter_is_asked_of_the_delivery(world: World, crowded: World, name: str) -> None:
    """… not of its attempts: what one of several attempts says is no match."""
    dice = random.Random(name)
    by, place = dimension(name), world if name == "arrived" else crowded
    cells: list[Any] = list(dict.fromkeys([*(c for e in place.joined for c in oracle.values_of(e, name)), None]))
    window = YEAR if name == "arrived" else (BEGIN, NOW)
    for op in OPS[by.type]:
        filtered(place, [(name, op, wanted(dice, op, cells, by.type))], window)
    keeps = filtered(place, [(name, "in", cells[:2])], window)
    drops = filtered(place, [(name, "not_in", cells[:2])], window)
    assert len(keeps) + len(drops) == len([e for e in place.joined if window[0] <= e["time"] < window[1]])


def test_a_filter_that_only_some_attempts_pass_does_not_cut_deliveries_apart(crowded: World) -> None:
    for name in ("status", "attempt", "error_code", "event_type", "url"):
        values = {e[name] for e in crowded.deliveries} - {None, ""}
        for value in sorted(values, key=str)[:3]:
            found = filtered(crowded, [(name, "eq", [value])], (BEGIN, NOW))
            rejoined = oracle.joined([e for e in crowded.deliveries if e[name] == value], 3 * DAY)
            assert [e for e in rejoined if e["time"] >= BEGIN] != found


def test_a_search_looks_at_the_delivery(crowded: World) -> None:
    deck, who = crowded.house.deck, crowded.house.who
    for word in ("m1", "wh2", "refused", "r2", "example.test/0", "c7"):
        asked = ask((BEGIN, NOW), "UTC", "total", ("deliveries",))
        query = question(asked)
        query = replace(query, selection=replace(query.selection, search=parse_search(word)))
        (row,) = list(report.usage(deck, who, None, query, now=NOW).table.rows)
        names = ("id", "webhook_id", "event_type", "url", "message_id", "request_id", "error_code", "error_message")
        assert row[2] == len([e for e in crowded.joined if e["time"] >= BEGIN and any(word in e[n] for n in names)]) > 0


def asked_of_whole(dice: random.Random, world: World) -> list[tuple[str, str, list[Any]]]:
    """Filters on what only deliveries have, one or both, sometimes beside one on what attempts have, too."""
    names = [
        *dice.sample(ONLY_WHOLE, dice.choice((1, 1, 2))),
        *dice.sample(("status", "url", "error_code"), dice.choice((0, 0, 1))),
    ]
    found = []
    for name in names:
        kind = dimension(name).type
        op = dice.choice(OPS[kind])
        cells = list(dict.fromkeys([*(c for e in world.joined for c in oracle.values_of(e, name)), None]))
        found.append((name, op, wanted(dice, op, cells, kind)))
    return found


def agree(world: World, dice: random.Random, window: tuple[int, int], filters: list[tuple[str, str, list[Any]]]) -> int:
    """A chart, the histogram of the log, its rows, its CSV and a menu, all of the same deliveries; gives how many they are."""
    events = kept(world.joined, filters)
    texts = [f"{name}:{op}:{','.join(spelt(c, dimension(name).type) for c in cells)}" for name, op, cells in filters]
    asked = [parse_filter(text) for text in texts]
    by = dice.sample(OF_DELIVERIES, dice.choice((0, 1, 2)))
    size = dice.choice(("hour", "day", "total", "5 hours")) if window[1] - window[0] < 30 * DAY else "day"
    compare(
        world, replace(ask(window, dice.choice(ZONES), size, ALL, *by), top=dice.choice((None, 2)) if by else None), events, asked
    )
    (count,) = added(world, ask(window, "UTC", "total", ("deliveries",)), asked)
    assert added(world, ask(window, "UTC", "day", ("deliveries",), "status_class"), asked) == (count,)
    rows = logged(world, window, texts, dice.choice((7, 1000)))
    assert len(rows) == count
    for row, event in zip(rows, oracle.log(events, *window), strict=True):
        assert (row["id"], row["tries"], row["took_ms"]) == (event["id"], event["tries"], event["took_ms"])
    written = [[str(row["tries"]), "" if row["took_ms"] is None else str(row["took_ms"])] for row in rows]
    assert [line[-2:] for line in lines(world, window, texts)] == written
    selection = Selection(Subject.DELIVERIES, Window(*window, zone("UTC")), tuple(asked))
    menu = report.values(world.house.deck, world.house.who, None, dimension("url"), selection, joined=True).table
    assert {row[0]: row[2] for row in menu.rows} == Counter(row["url"] for row in rows)
    return len(rows)


@pytest.mark.parametrize("seed", range(12))
def test_all_that_is_counted_agrees_on_what_only_deliveries_have(crowded: World, seed: int) -> None:
    """… in any zone, by anything, with any operator."""
    dice = random.Random(f"whole {seed}")
    for window in crowded_windows(dice, 4):
        agree(crowded, dice, window, asked_of_whole(dice, crowded))


@pytest.mark.parametrize(
    "filters",
    [
        [("tries", "gt", [1])],
        [("tries", "in", [1, 2]), ("took_ms", "eq", [None])],
        [("took_ms", "ge", [HOUR]), ("tries", "neq", [2])],
        [("took_ms", "lt", [HOUR]), ("event_type", "eq", ["call"])],
    ],
)
def test_something_matches(crowded: World, filters: list[tuple[str, str, list[Any]]]) -> None:
    every = agree(crowded, random.Random(1), (BEGIN, NOW), [])
    assert 0 < agree(crowded, random.Random(2), (BEGIN, NOW), filters) < every


# --- the log ------------------------------------------------------------------------------------------------------


def logged(world: World, window: tuple[int, int], filters: Sequence[str] = (), limit: int = 1000, **more: Any) -> list[Event]:
    asked = [parse_filter(text) for text in filters]
    pages = log_pages(world, Subject.DELIVERIES, window, limit, joined=True, filters=asked, **more)
    return [row for page in pages for row in page]


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("limit", [7, 1000])
def test_the_log_has_every_delivery_once_with_all_of_its_columns(crowded: World, ascending: bool, limit: int) -> None:
    events = oracle.log(crowded.joined, BEGIN, NOW)
    rows = logged(crowded, (BEGIN, NOW), limit=limit, ascending=ascending)
    for row, event in zip(rows, events[::-1] if ascending else events, strict=True):
        for field in fields(Subject.DELIVERIES, joined=True):
            assert row[field.name] == (None if event[field.name] == "" else event[field.name]), (field.name, event["id"])


@pytest.mark.parametrize("seed", range(6))
def test_a_bucket_of_deliveries_opens_exactly_what_it_counts(crowded: World, seed: int) -> None:
    """… and so does a series of it, in the log and in its CSV, all of them or those that pass a filter."""
    dice = random.Random(seed)
    for window in crowded_windows(dice, 3):
        asked = ask(window, dice.choice(ZONES), dice.choice(("day", "5 hours")), ("deliveries",), dice.choice(OF_DELIVERIES))
        plain = ((), ("status_class:neq:2xx",), ("url:contains:test/1",), ("event_type:eq:call", "attempt:ge:2"))
        filters = dice.choice((*plain, ("tries:gt:1",), ("took_ms:lt:3600000", "tries:neq:2")))
        counted = by_bucket_and_series(table(crowded, asked, [parse_filter(f) for f in filters]), asked)
        for (start, end, value), (count,) in dice.sample(list(counted.items()), min(5, len(counted))):
            bucket = max(start, window[0]), min(end, window[1])
            name, text = asked.by[0], spelt(value, dimension(asked.by[0]).type)
            narrowed = (*filters, f"{name}:eq:{text}")
            found = logged(crowded, bucket, narrowed, dice.choice((2, 100)))
            assert len(found) == count > 0
            assert all(bucket[0] <= row["time"] < bucket[1] for row in found)
            assert len(lines(crowded, bucket, narrowed)) == count
        in_all = [row["id"] for row in logged(crowded, window, filters)]
        assert [row[0] for row in lines(crowded, window, filters)] == in_all
        assert len(in_all) == sum(count for (count,) in counted.values())


def lines(world: World, window: tuple[int, int], filters: Sequence[str]) -> list[list[str]]:
    """The lines of the CSV, without its head."""
    selection = Selection(Subject.DELIVERIES, Window(*window, zone("UTC")), tuple(map(parse_filter, filters)))
    columns = tuple(log_field(name, Subject.DELIVERIES) for name in ("id", "status", *ONLY_WHOLE))
    query = LogQuery(selection, columns, limit=None, joined=True)
    constant = Column("time_zone", Type.STRING, "Time zone")
    pieces, _ = listing.log_lines(world.house.deck, world.house.who, None, query, constant, "UTC", at=1)
    return list(csv.reader(io.StringIO(b"".join(pieces).decode())))[1:]


def test_a_page_of_deliveries_grows_and_is_the_same_in_the_end(crowded: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts of a delivery lie in several steps: it is found in that of its first one."""
    monkeypatch.setattr("usagedeck.sql.stepping.FIRST_OF_SOME", 100)
    deck, who = replace(crowded.house.deck, sizes=Even()), crowded.house.who
    query = LogQuery(
        Selection(Subject.DELIVERIES, Window(BEGIN, NOW, zone("UTC"))), (log_field("id", Subject.DELIVERIES),), joined=True
    )
    parts = list(listing.growing(deck, who, None, query))
    assert len(parts) > 2
    assert [row[0] for row in parts[-1].table.rows] == [row["id"] for row in logged(crowded, (BEGIN, NOW), limit=100)][:100]

"""Metric × dimension × interval × zone on random events with repeats and late arrivals: the difference is exactly zero."""

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, cycle

import pytest

from tests.oracle import oracle
from tests.oracle.asking import by_bucket_and_series, compare, question, table
from tests.oracle.clockwalk import Size
from tests.oracle.oracle import ACTIVITY, ADDITIVE, DELIVERY_METRICS, REQUEST_METRICS, Ask
from tests.oracle.world import NEW_YORK, NOW, WINDOWS, YEAR, ZONES, World
from usagedeck import report
from usagedeck.access import View
from usagedeck.catalog.dimensions import DIMENSIONS, dimension
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.errors import TooLarge
from usagedeck.filters import Filter
from usagedeck.query import Query, Selection
from usagedeck.table import Row
from usagedeck.times import zone as time_zone
from usagedeck.windows import Window

SIZES: dict[str, Size] = {
    "hour": 3600,
    "day": 86_400,
    "week": 604_800,
    "month": "month",
    "year": "year",
    "total": "total",
    "900s": 900,
    "5400s": 5400,
    "5 hours": 18_000,
    "2 days": 172_800,
    "2 weeks": 1_209_600,
}
LONG = {"day", "week", "month", "year", "total", "2 days", "2 weeks"}
SPLITS = [d.name for d in DIMENSIONS.values() if d.split]
OF_REQUESTS = [*(name for name in SPLITS if Subject.REQUESTS in DIMENSIONS[name].of), "attributes.team", "attributes.ci.job"]
OF_DELIVERIES = [*(name for name in SPLITS if Subject.DELIVERIES in DIMENSIONS[name].of), "attributes.team"]
ALL = tuple(REQUEST_METRICS)
PLAIN = tuple(name for name in ALL if name not in ACTIVITY)
"""Questions about activity take another way through the product than all others, so both are asked."""


def ask(window: tuple[int, int], zone: str, size: str, metrics: Sequence[str], *by: str, top: int | None = None) -> Ask:
    return Ask(start=window[0], end=window[1], zone=zone, size=SIZES[size], metrics=tuple(metrics), by=by, top=top, now=NOW)


def test_the_oracle_states_every_metric_and_every_dimension() -> None:
    assert set(oracle.METRICS) == set(METRICS), "state the metric again in oracle.py, slowly"
    assert set(oracle.DIMENSIONS) == set(DIMENSIONS), "state the dimension again in oracle.py, slowly"
    assert {name for name, m in METRICS.items() if m.additive} == ADDITIVE


def test_the_world_holds_what_makes_numbers_wrong(world: World) -> None:
    rows = world.requests
    sent = [a.sent for a in world.arrivals if "kind" not in a.sent]
    assert len(sent) > len(rows) + 100, "repeats"
    assert len({e["id"] for e in rows}) < len(rows), "one id at two times"
    assert len({e["time"] for e in rows}) < len(rows), "two events in one millisecond"
    assert sum(e["arrived"] - e["time"] > 14 * 86_400_000 for e in rows) > 50, "late arrivals"
    assert {None, 0, 101, 301} <= {e["status"] for e in rows}
    assert {None, 0, 86_400_000} <= {e["duration_ms"] for e in rows}
    assert {0, 1, 3} <= {len(e["group_ids"]) for e in rows}
    by_identity = {(e["time"], e["id"]): e for e in rows}
    assert any(s.get("credits") != by_identity[s["time"], s["id"]].get("credits") for s in sent)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("zone", ZONES)
def test_totals_of_every_bucket(world: World, zone: str, size: str) -> None:
    """All clock changes in all zones; of whole windows and those that cut buckets, and of both ways, each its turn."""
    turn = ZONES.index(zone) + list(SIZES).index(size)
    whole, cutting = list(WINDOWS.values())[:4], list(WINDOWS.values())[4:]
    for number in range(4):
        compare(world, ask((whole, cutting)[(turn + number) % 2][number], zone, size, (ALL, PLAIN)[(turn + number // 2) % 2]))
    if size in LONG:
        compare(world, ask(YEAR, zone, size, (PLAIN, ALL)[turn % 2]))


@pytest.mark.parametrize("size", SIZES)
def test_every_breakdown(world: World, size: str) -> None:
    """Zones, windows and both ways through the product take turns; every dimension meets every second interval."""
    turn = list(SIZES).index(size)
    ways = cycle((window, zone) for zone in ZONES for window in WINDOWS.values())
    for number, by in enumerate(OF_REQUESTS[turn % 2 :: 2]):
        window, zone = next(ways)
        window = YEAR if size in LONG and number % 2 else window
        compare(world, ask(window, zone, size, (PLAIN, ALL)[(number // 2 + turn // 2) % 2], by))


@pytest.mark.parametrize("size", SIZES)
def test_every_breakdown_of_deliveries(world: World, size: str) -> None:
    ways = cycle((window, zone) for zone in ZONES for window in WINDOWS.values())
    for by in (None, *OF_DELIVERIES):
        compare(world, ask(*next(ways), size, tuple(DELIVERY_METRICS), *([by] if by else [])))
    if size in LONG:
        compare(world, ask(YEAR, NEW_YORK, size, tuple(DELIVERY_METRICS)))


@pytest.mark.parametrize("metric", oracle.METRICS)
def test_every_metric_asked_alone(world: World, metric: str) -> None:
    dice = random.Random(metric)
    dimensions = OF_REQUESTS if metric in REQUEST_METRICS else OF_DELIVERIES
    for by in ((), (dice.choice(dimensions),), (dice.choice(dimensions),)):
        size = dice.choice(list(SIZES))
        window = dice.choice([*WINDOWS.values(), *([YEAR] if size in LONG else [])])
        compare(world, ask(window, dice.choice(ZONES), size, (metric,), *by))


@pytest.mark.parametrize("seed", range(24))
def test_two_dimensions(world: World, seed: int) -> None:
    dice = random.Random(seed)
    size = dice.choice(list(SIZES))
    window = YEAR if size in LONG and seed % 2 else dice.choice(list(WINDOWS.values()))
    compare(world, ask(window, dice.choice(ZONES), size, (ALL, PLAIN)[seed % 2], *dice.sample(OF_REQUESTS, 2)))


@pytest.mark.parametrize("by", [*OF_REQUESTS, "group_id,model", "region,group_id", "user_id,status_class"])
def test_top_series_and_exact_other(world: World, by: str) -> None:
    """Other is computed from its rows: its averages, percentiles and peaks are no sums."""
    dice = random.Random(by)
    for metrics in (PLAIN, ALL[::-1], ("concurrency", *ADDITIVE & set(ALL)), ("credits", "latency_p95")):
        size = dice.choice(list(SIZES))
        window = dice.choice([*WINDOWS.values(), *([YEAR] if size in LONG else [])])
        compare(world, ask(window, dice.choice(ZONES), size, metrics, *by.split(","), top=dice.choice((1, 2, 3, 1000))))


def test_other_counts_what_it_holds(world: World) -> None:
    asked = ask(YEAR, "UTC", "total", ("credits",), "voice_id", top=2)
    rows = list(table(world, asked).rows)
    listed = oracle.ranking(world.requests, asked)
    assert [row[3] for row in rows if row[4]] == [f"Other ({len(listed) - 2})"]
    assert {row[2] for row in rows if not row[4]} == {series[0] for series in listed[:2]}


@pytest.mark.parametrize("seed", range(12))
def test_running_sums(world: World, seed: int) -> None:
    dice = random.Random(seed)
    size = dice.choice([s for s in SIZES if s != "900s"])
    window = dice.choice(list(WINDOWS.values()))
    by = (dice.choice(OF_REQUESTS),) if seed % 2 else ()
    metrics = tuple(sorted(ADDITIVE & set(ALL)))
    asked = Ask(
        start=window[0],
        end=window[1],
        zone=dice.choice(ZONES),
        size=SIZES[size],
        metrics=metrics,
        by=by,
        top=2 if by and seed % 3 else None,
        cumulative=True,
        now=NOW,
    )
    compare(world, asked)


@pytest.mark.parametrize("by", [(), ("model",), ("group_id",)])
@pytest.mark.parametrize("zone", ZONES)
def test_what_has_not_passed_yet_is_not_busy(world: World, zone: str, by: tuple[str, ...]) -> None:
    """`now` inside the window: activity ends there, and an average divides by the time that has passed."""
    for start, end in list(WINDOWS.values())[:4]:
        now = (start + end) // 2 + 12_345
        asked = Ask(start=start, end=end, zone=zone, size=3600, metrics=("concurrency", "concurrency_average"), by=by, now=now)
        found = by_bucket_and_series(table(world, asked), asked)
        expected = oracle.usage(world.requests, asked)
        busy = {key: values for key, values in found.items() if values[0]}
        assert busy == {key: values for key, values in expected.items() if values[0]}
        assert max(first for first, *_ in busy) < now
        assert all(values == (0, None) for (first, *_), values in found.items() if first >= now)


@pytest.mark.parametrize("seed", range(16))
def test_time_above_any_limit(world: World, seed: int) -> None:
    """Alone and with what cannot be merged, of all rows, of one's own, and of those that a filter leaves."""
    dice = random.Random(seed)
    seen = 0
    for limit in (None, 1, 2, 3, 7):
        size = dice.choice(list(SIZES))
        window = dice.choice(list(WINDOWS.values()))
        metrics = dice.choice(
            (("concurrency_over_limit",), ("concurrency_over_limit", "ttfb_p95", "requests", "latency_p50", "concurrency"))
        )
        by = dice.choice(((), ("api_key_id",), ("model",), ("product_type",), ("user_id",), ("group_id",)))
        only, region = dice.random() < 0.3, dice.random() < 0.3
        rows = [e for e in world.requests if not region or e["region"] in ("us-central1", "")]
        filters = [Filter.build(dimension("region"), "in", ["us-central1", None])] if region else []
        asked = replace(ask(window, dice.choice(ZONES), size, metrics, *by), limit=limit)
        if only:
            rows, filters = (
                [e for e in rows if e["user_id"] == "ana"],
                [*filters, Filter.build(dimension("user_id"), "eq", ["ana"])],
            )
        found = compare(world, asked, rows, filters) if limit or not by or len(metrics) > 1 else {}
        assert limit or all(values[0] is None for values in found.values())
        seen += any(0 < values[0] < 1 for values in found.values() if limit)
    assert seen, "no limit was ever exceeded"


def test_own_time_above_the_limit(world: World) -> None:
    """In their own view somebody sees how long their own requests alone were more than the limit."""
    own = replace(world, house=replace(world.house, who=replace(world.house.who, user_id="ana")))
    mine = [e for e in world.requests if e["user_id"] == "ana"]
    for window in list(WINDOWS.values())[:4]:
        asked = replace(ask(window, "UTC", "day", ("concurrency_over_limit",)), limit=1)
        found = by_bucket_and_series(table(own, asked, view=View.ACCOUNT), asked)
        assert found == oracle.usage(mine, asked)
        assert any(0 < values[0] < 1 for values in found.values())


def test_every_pair_of_a_small_product(world: World) -> None:
    """Zone × interval × one overlapping, one boolean, one number-valued dimension and their pairs, not sampled."""
    window = next(iter(WINDOWS.values()))
    for zone in (NEW_YORK, "Asia/Kathmandu"):
        for size in ("hour", "day", "5 hours"):
            for by in combinations(("group_id", "success", "voice_multiplier"), 2):
                compare(world, ask(window, zone, size, PLAIN, *by))


@pytest.mark.parametrize("by", OF_REQUESTS)
def test_menus_count_what_there_is(world: World, by: str) -> None:
    selection = Selection(Subject.REQUESTS, Window(*YEAR, time_zone(NEW_YORK)))
    answer = report.values(world.house.deck, world.house.who, None, dimension(by), selection, limit=1000)
    counted = {(row[0] or "", row[2]) for row in answer.table.rows}
    asked = ask(YEAR, NEW_YORK, "total", ("requests",), by)
    expected = {(oracle.as_text(key[2]), values[0]) for key, values in oracle.usage(world.requests, asked).items()}
    assert counted == expected
    order = [(-row[2], row[0] or "") for row in answer.table.rows]
    assert order == sorted(order)


def test_a_stream_gives_the_same_rows(world: World) -> None:
    for by in ((), ("model",)):
        asked = ask(YEAR, NEW_YORK, "day", ALL, *by)
        assert list(table(world, asked, stream=True).rows) == list(table(world, asked).rows)


def test_a_cap_refuses_and_never_cuts(world: World) -> None:
    asked = ask(YEAR, NEW_YORK, "total", ("requests",), "model")
    whole = list(table(world, asked).rows)
    query = question(asked)
    with pytest.raises(TooLarge, match=f"more than {len(whole) - 1} rows"):
        _with_row_cap(world, query, len(whole) - 1)
    assert len(_with_row_cap(world, query, len(whole))) == len(whole)


def _with_row_cap(world: World, query: Query, cap: int) -> list[Row]:
    capped = replace(query, row_cap=cap)
    return list(report.usage(world.house.deck, world.house.who, None, capped, now=NOW).table.rows)

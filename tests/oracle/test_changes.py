"""Why it changed: the parts of a change are what the oracle says, in its order, and add up to the whole to the last digit."""

import random
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.house import build_house
from tests.oracle import oracle
from tests.oracle.oracle import Event
from tests.oracle.test_routes import with_nothing_sealed
from tests.oracle.world import CHANGES, HOUR, WINDOWS, YEAR, World
from usagedeck import changing
from usagedeck.access import Permission, View, Who
from usagedeck.catalog.dimensions import DIMENSIONS, dimension
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.changing import PLACES, rounded
from usagedeck.errors import InvalidInput, NotAllowed
from usagedeck.filters import Filter
from usagedeck.query import ChangeQuery, Selection
from usagedeck.times import zone
from usagedeck.windows import Window

METRIC_NAMES = [m.name for m in METRICS.values() if m.attributable]
SPLITS = {s: [d.name for d in DIMENSIONS.values() if d.split and s in d.of and not d.overlapping] for s in Subject}
PERIODS = [
    *((window, (window[0] - (window[1] - window[0]), window[0])) for window in list(WINDOWS.values())[:4]),
    (YEAR, (YEAR[0] - 10 * HOUR, YEAR[0])),
    ((YEAR[0], YEAR[0] + (YEAR[1] - YEAR[0]) // 2), (YEAR[0] + (YEAR[1] - YEAR[0]) // 2, YEAR[1])),
]
"""The one after and the one before, in this order, as they are asked for."""

Period = tuple[int, int]


def asked(metric: str, by: str, after: Period, before: Period, *, top: int = 1000, filters: Sequence[Filter] = ()) -> ChangeQuery:
    selection = Selection(METRICS[metric].of, Window(*after, zone("UTC")), tuple(filters))
    return ChangeQuery(selection, Window(*before, zone("UTC")), METRICS[metric], dimension(by), top)


def answered(
    world: World, query: ChangeQuery, who: Who | None = None, view: View | None = None
) -> tuple[list[dict[str, Any]], changing.Answer]:
    answer = changing.change(world.house.deck, who or world.house.who, view, query)
    names = [c.name for c in answer.table.columns]
    return [dict(zip(names, row, strict=True)) for row in answer.table.rows], answer


def check(world: World, query: ChangeQuery, events: Sequence[Event], who: Who | None = None) -> list[dict[str, Any]]:
    """Against the oracle; and the columns add up, exactly."""
    rows, answer = answered(world, query, who)
    metric, by = query.metric, query.by.name
    before, after = ((w.start, w.end) for w in (query.before, query.selection.window))
    expected, whole, order = oracle.change(events, metric.name, by, before, after)
    listed = [row for row in rows if not row["is_other"]]
    assert [row[by] for row in listed] == order[: query.top]
    assert answer.values == len(expected)
    assert [row["is_other"] for row in rows[query.top :]] == [True] * (len(expected) > query.top)
    step = Fraction(1, 10 ** PLACES[metric.type])
    exact = metric.name in oracle.ADDITIVE and metric.name != "minutes"
    main = "effect" if metric.name in oracle.RATIOS else "change"
    for row in listed:
        part = expected[row[by]]
        for name, should in (("before", part.before), ("after", part.after), (main, part.effect)):
            if should is None:
                assert row[name] is None
            else:
                assert abs(Fraction(row[name]) - should) < (Fraction(1, 10**30) if exact else 2 * step), (name, row, should)
    for name in ("before", "after", "change"):
        total, cells = getattr(answer.whole, name), [row[name] for row in rows]
        if total is None:
            assert set(cells) <= {None}
            continue
        assert sum(map(Fraction, cells), Fraction()) == Fraction(total), name
    if answer.whole.change is not None and rows:
        assert sum(Fraction(row[main]) for row in rows) == Fraction(answer.whole.change)
    for should, is_ in ((whole.before, answer.whole.before), (whole.after, answer.whole.after)):
        assert (should is None) == (is_ is None)
        assert should is None or is_ is None or abs(Fraction(is_) - should) <= step / 2
    return rows


@pytest.mark.parametrize("metric", METRIC_NAMES)
def test_every_metric_by_dimensions_that_take_turns(world: World, metric: str) -> None:
    dice = random.Random(metric)
    subject = METRICS[metric].of
    events = world.requests if subject is Subject.REQUESTS else world.deliveries
    extra = ["attributes.team"]
    for by in dice.sample([*SPLITS[subject], *extra], 4):
        check(world, asked(metric, by, *dice.choice(PERIODS), top=dice.choice((1, 2, 3, 1000))), events)


@pytest.mark.parametrize("by", SPLITS[Subject.REQUESTS])
def test_every_dimension(world: World, by: str) -> None:
    turn = SPLITS[Subject.REQUESTS].index(by) % 2
    for metric in (("credits", "success_rate"), ("errors", "latency_avg"))[turn]:
        check(world, asked(metric, by, *PERIODS[-1], top=3), world.requests)


def test_random_questions_add_up_whoever_asks(worlds: tuple[World, World]) -> None:
    """Random periods, filters, tops; the workspace, and one's own rows only."""
    dice = random.Random(5)
    for number in range(40):
        world = worlds[number % 2]
        metric = dice.choice(METRIC_NAMES)
        subject = METRICS[metric].of
        events = world.requests if subject is Subject.REQUESTS else world.deliveries
        centre = dice.choice(list(CHANGES.values()))
        edges = sorted(centre + dice.randrange(-34 * HOUR, 46 * HOUR) for _ in range(3))
        before, after = (edges[0], edges[1]), (edges[1], edges[2])
        who, mine = None, list(events)
        if dice.random() < 0.5:
            user = dice.choice(("ana", "ben"))
            who = replace(world.house.who, user_id=user, permissions=frozenset({Permission.READ}))
            mine = [e for e in events if e["user_id"] == user]
        filters = []
        if dice.random() < 0.4:
            filters = [Filter.build(dimension("status"), "ge", [200])]
            mine = [e for e in mine if oracle.holds(e, "status", "ge", [200])]
        by = dice.choice(SPLITS[subject])
        check(world, asked(metric, by, after, before, top=dice.choice((1, 2, 5)), filters=filters), mine, who)


def test_rollups_and_events_say_the_same(world: World) -> None:
    plain = replace(world, house=replace(world.house, deck=with_nothing_sealed(world.house.deck)))
    for metric in ("credits", "success_rate", "minutes"):
        for by in ("route", "voice_id", "status_class"):
            query = asked(metric, by, *PERIODS[-1], top=2)
            assert answered(world, query)[0] == answered(plain, query)[0]


def test_a_period_without_anything(world: World) -> None:
    empty = (YEAR[1] + HOUR, YEAR[1] + 2 * HOUR)
    rows = check(world, asked("latency_avg", "model", YEAR, empty), world.requests)
    assert {row["change"] for row in rows} == {None} == {row["share"] for row in rows}
    assert check(world, asked("credits", "model", empty, (empty[1], empty[1] + HOUR)), world.requests) == []
    check(world, asked("requests", "model", empty, YEAR), world.requests)


def test_what_has_no_parts_says_so() -> None:
    for metric in [m for m in METRICS.values() if not m.attributable]:
        with pytest.raises(
            InvalidInput, match="about deliveries, which" if metric.joined else f"{metric.name} is no sum and no average"
        ) as refused:
            asked(metric.name, "status", *PERIODS[0])
        assert refused.value.field == "metric"
    with pytest.raises(InvalidInput, match="group_id overlaps"):
        asked("credits", "group_id", *PERIODS[0])
    with pytest.raises(InvalidInput, match="top is 0"):
        asked("credits", "model", *PERIODS[0], top=0)


def test_whose_rows(world: World) -> None:
    narrow = replace(world.house.who, user_id="ana", permissions=frozenset({Permission.READ}))
    with pytest.raises(NotAllowed):
        changing.change(world.house.deck, narrow, View.WORKSPACE, asked("credits", "model", *PERIODS[0]))
    selection = Selection(Subject.REQUESTS, Window(*YEAR, zone("UTC")))
    offered = changing.dimensions(
        world.house.deck, narrow, None, METRICS["credits"], selection, Window(*PERIODS[-1][1], zone("UTC"))
    )
    assert "user_id" not in {row[0] for row in offered.table.rows}


@given(some.lists(some.fractions(-50, 50, max_denominator=97), min_size=1, max_size=40))
def test_rounded_parts_add_up_and_stay_near(parts: list[Fraction]) -> None:
    total = round(sum(parts, Fraction()))
    for target in (total, total - 1, total + 1):
        found = rounded(parts, target)
        assert sum(found) == target
        assert all(abs(whole - part) < 3 for whole, part in zip(found, parts, strict=True))
    assert all(abs(whole - part) < 1 for whole, part in zip(rounded(parts, total), parts, strict=True))


# --- which dimension ----------------------------------------------------------------------------------------------


def loudness(events: Sequence[Event], metric: str, by: str, before: Period, after: Period) -> Fraction:
    """How far the three most unlike values are from what they would be if all had changed alike."""
    parts, whole, _ = oracle.change(events, metric, by, before, after)
    if metric in oracle.RATIOS:
        raise AssertionError("sums only")
    factor = whole.after / whole.before if whole.before else 0  # type: ignore[operator]
    unlike = sorted((abs(p.after - p.before * factor) for p in parts.values()), reverse=True)  # type: ignore[operator]
    return sum(unlike[:3], Fraction())


@pytest.mark.parametrize("metric", ["requests", "credits", "errors"])
def test_dimensions_are_ranked_by_what_stands_out(world: World, metric: str) -> None:
    after, before = PERIODS[-1]
    selection = Selection(Subject.REQUESTS, Window(*after, zone("UTC")))
    answer = changing.dimensions(
        world.house.deck, world.house.who, None, METRICS[metric], selection, Window(*before, zone("UTC"))
    )
    rows = list(answer.table.rows)
    assert len(rows) > 10
    weights = [row[-1] for row in rows]
    assert weights == sorted(weights, reverse=True)
    for name, _, _, _, change, weight in rows:
        assert weight == pytest.approx(float(loudness(world.requests, metric, name, before, after)))
        assert isinstance(change, Decimal | int)
    assert not {"path", "resource_id", "group_id", "workspace_id"} & {row[0] for row in rows}


def test_the_dimension_in_which_one_value_did_it_is_first(world: World) -> None:
    """Errors rose because one model fails now; everything else is spread evenly."""
    house, dice = build_house(world.house.deck, "one model fails"), random.Random(3)
    start = CHANGES["Lord Howe, 2026-04-05, half an hour is repeated"] - 300 * HOUR
    events = []
    for n in range(400):
        model, region = dice.choice(("m1", "m2", "m3", "m4")), dice.choice(("eu", "us"))
        late = n >= 200
        status = 500 if late and model == "m3" else dice.choice((200, 200, 200, 500))
        events.append(
            {"id": f"why{n}", "time": start + n, "model": model, "region": region, "status": status, "api_key_id": f"k{n % 5}"}
        )
    assert house.send(events).accepted == 400
    selection = Selection(Subject.REQUESTS, Window(start + 200, start + 400, zone("UTC")))
    for metric in ("errors", "success_rate"):
        answer = changing.dimensions(
            house.deck, house.who, None, METRICS[metric], selection, Window(start, start + 200, zone("UTC"))
        )
        first = next(iter(answer.table.rows))
        assert (first[0], first[2]) == ("model", "m3")

"""Whatever a question is read from, the answer is the same: random questions along rollups, from the events alone, and from
events that are known to be few."""

import random
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.oracle.asking import limited, question
from tests.oracle.oracle import ACTIVITY, Ask
from tests.oracle.world import NOW, WINDOWS, YEAR, ZONES, World
from usagedeck import report, sql
from usagedeck.access import View, Who
from usagedeck.catalog.dimensions import DIMENSIONS, dimension
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.catalog.rollups import ROLLUPS
from usagedeck.deck import Deck
from usagedeck.errors import InvalidInput
from usagedeck.filters import Filter, RawValue
from usagedeck.seals import Ledger
from usagedeck.store.rollup import Seals
from usagedeck.stretches import Stretch
from usagedeck.times import DAY

SIZES = (900, 1800, 3600, 5400, 18_000, 86_400, 172_800, 604_800, "month", "year", "total")
NARROW = {900, 1800, 3600, 5400, 18_000}
JOINED = {
    subject: [m.name for m in METRICS.values() if m.of is subject and m.additive and not m.joined and m.name != "minutes"]
    for subject in Subject
}
RATIOS = ("success_rate", "latency_avg", "ttfb_avg")
LEVELS = ("latency_p50", "latency_p95", "latency_p99")
OVER = ("concurrency_over_limit",)
SPLITS = {
    r: [d.name for d in DIMENSIONS.values() if d.split and r.of in d.of and d.columns.issubset({"workspace_id", *r.columns})]
    for r in ROLLUPS.values()
    if not r.activity
}
FILTERS: tuple[tuple[str, str, list[RawValue]], ...] = (
    ("voice_id", "in", ["voice_a", None]),
    ("status", "ge", [400]),
    ("product_type", "neq", ["tts"]),
    ("api_key_id", "eq", ["key_1"]),
    ("model", "starts_with", ["m"]),
    ("status_class", "eq", ["2xx"]),
    ("success", "eq", [False]),
)


def dream(dice: random.Random) -> tuple[Ask, list[Filter]]:
    """A question that a rollup may well answer."""
    rollup = dice.choice(list(SPLITS))
    subject = rollup.of
    size = dice.choice(SIZES)
    start, end = dice.choice([*WINDOWS.values(), *([] if size in NARROW else [YEAR])])
    start -= dice.choice((0, 0, 1, 12_345))
    if subject is Subject.REQUESTS and dice.random() < 0.2:
        zone, active = dice.choice(ZONES), dice.choice((("concurrency", "concurrency_average"), OVER))
        chosen = dice.sample(FILTERS, dice.choice((0, 1))) if active == OVER else []
        return Ask(start=start, end=end, zone=zone, size=size, metrics=active, now=NOW, limit=dice.choice((2, 4, 99))), built(
            chosen
        )
    metrics = dice.sample(JOINED[subject], 3) + ([dice.choice(RATIOS)] if subject is Subject.REQUESTS else [])
    if rollup.values and dice.random() < 0.5:
        metrics.append(dice.choice(LEVELS))
    if dice.random() < 0.3:
        metrics.reverse()  # the first one ranks the series
    by = tuple(dice.sample(SPLITS[rollup], dice.choice((0, 1, 1, 2))))
    chosen = dice.sample(FILTERS, dice.choice((0, 0, 1))) if subject is Subject.REQUESTS else []
    ask = Ask(start=start, end=end, zone=dice.choice(ZONES), size=size, metrics=tuple(metrics), by=by, now=NOW)
    if by and dice.random() < 0.4:
        ask = replace(ask, top=dice.choice((1, 3)))
    ask = replace(ask, cumulative=subject is Subject.DELIVERIES and dice.random() < 0.2)
    return ask, built(chosen)


def built(chosen: Sequence[tuple[str, str, list[RawValue]]]) -> list[Filter]:
    return [Filter.build(dimension(name), op, values) for name, op, values in chosen]


def test_every_route_gives_the_same_answer(worlds: tuple[World, World]) -> None:
    dice, taken = random.Random(11), dict.fromkeys(ROLLUPS, 0)
    percentiles = peaks = unread = 0
    for number in range(160):
        world = worlds[number % 2]
        deck, who = world.house.deck, world.house.who
        ask, filters = dream(dice)
        if dice.random() < 0.2:
            who = replace(who, user_id="user_a")
        view = dice.choice((None, View.ACCOUNT))
        routed, route = answered(replace(deck, sizes=sql.UNKNOWN), who, view, ask, filters)
        plain, events = answered(with_nothing_sealed(deck), who, view, ask, filters)
        assert routed == plain, f"{ask} {filters}: {route}"
        short, why = answered(replace(deck, sizes=Few()), who, view, ask, filters)
        assert short == plain, f"{ask} {filters}: {why}"
        assert why.startswith(("some 7 events", "no rollup")) or set(ask.metrics) <= ACTIVITY
        assert not re.match(r"rollup \w+ by", events)
        for name in ROLLUPS:
            taken[name] += route.startswith(f"rollup {name} by")
        peaks += "; peaks are sealed" in route
        unread += route.endswith("; peaks are sealed, 0 stretches from events")
        percentiles += route.startswith("rollup") and any(name in LEVELS for name in ask.metrics)
    assert unread, "no limit was ever known to be kept all the time"
    assert all(count > 3 for count in (*taken.values(), percentiles, peaks)), f"hardly taken: {taken}, {percentiles}, {peaks}"


def answered(deck: Deck, who: Who, view: View | None, ask: Ask, filters: list[Filter]) -> tuple[object, str]:
    answer = report.usage(deck, limited(who, ask.limit), view, question(ask, filters), now=NOW)
    return [list(row) for row in answer.table.read().rows], answer.route


class Few:
    def rows(self, _subject: Subject, _workspace_id: str, _stretch: Stretch) -> int:
        return 7


def with_nothing_sealed(deck: Deck) -> Deck:
    """The same deck, whose ledger is empty: all is read from the events."""
    seals = object.__new__(Seals)
    seals.ledger = Ledger()
    return replace(deck, seals=seals, sizes=sql.UNKNOWN)


def test_what_only_deliveries_have_is_never_read_from_a_rollup(worlds: tuple[World, World]) -> None:
    """… though attempts are, there and then; and where a rollup could answer, the filter is refused."""
    deck, who = replace(worlds[0].house.deck, sizes=sql.UNKNOWN), worlds[0].house.who
    whole = built((("tries", "gt", [1]), ("took_ms", "le", [DAY])))
    ask = Ask(start=YEAR[0], end=YEAR[1], zone="UTC", size=86_400, metrics=("attempts",), by=("url",), now=NOW)
    assert answered(deck, who, None, ask, [])[1].startswith("rollup sendings by")
    for metric in (m for m in METRICS.values() if m.of is Subject.DELIVERIES):
        for filters in ([whole[0]], [whole[1]], [*whole, *built((("status", "ge", [200]),))]):
            asked = replace(ask, metrics=(metric.name,), top=2)
            if not metric.joined:
                with pytest.raises(
                    InvalidInput, match=f"only whole deliveries have; metric {metric.name} is about their attempts"
                ):
                    question(asked, filters)
                continue
            rows, route = answered(deck, who, None, asked, filters)
            assert "rollup" not in route, route
            assert (rows, route) == answered(with_nothing_sealed(deck), who, None, asked, filters)
            query = replace(question(asked, filters), reach=DAY)
            scope = sql.Scope(worlds[0].house.workspace_id)
            assert not sql.plan(query, scope, deck.seals.ledger).slices
            assert not sql.plan_rank(query, scope, deck.seals.ledger).slices

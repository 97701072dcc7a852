"""Σ breakdown = Σ buckets = the last running sum = the total, to the last digit: the views agree with each other. Scopes and
workspaces keep to themselves, and a merge changes nothing."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.oracle import oracle
from tests.oracle.asking import by_bucket_and_series, compare, limited, log_pages, question, table
from tests.oracle.oracle import Ask
from tests.oracle.world import NEW_YORK, NOW, OWNERS, WINDOWS, YEAR, ZONES, World
from usagedeck import listing, report
from usagedeck.access import Permission, View
from usagedeck.catalog.dimensions import DIMENSIONS, dimension, log_field
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.errors import NotAllowed
from usagedeck.filters import Filter
from usagedeck.query import LogQuery, Selection
from usagedeck.store.merging import monday
from usagedeck.times import zone
from usagedeck.windows import Window

EXACT = tuple(name for name, m in METRICS.items() if m.additive and m.of is Subject.REQUESTS and name != "minutes")
"""Metrics that are sums of measures in their own unit."""
SIZES: list[int | str] = [900, 3600, 5400, 18_000, 86_400, 604_800, "month"]
EVERY_WINDOW = [*WINDOWS.values(), YEAR]


def asked(window: tuple[int, int], size: int | str = "total", by: Sequence[str] = (), **more: Any) -> Ask:
    return Ask(
        start=window[0], end=window[1], zone=more.pop("zone", NEW_YORK), size=size, metrics=EXACT, by=tuple(by), now=NOW, **more
    )


def added(world: World, ask: Ask, view: View | None = None) -> tuple[Any, ...]:
    """Every metric added up over all rows of an answer."""
    rows = by_bucket_and_series(table(world, ask, view=view), ask).values()
    return tuple(sum(column) for column in zip(*rows, strict=True))


@pytest.mark.parametrize(
    "by", [d.name for d in DIMENSIONS.values() if d.split and Subject.REQUESTS in d.of and not d.overlapping]
)
def test_a_breakdown_adds_up_to_the_total(world: World, by: str) -> None:
    for window in EVERY_WINDOW[::3]:
        total = added(world, asked(window))
        assert total[EXACT.index("requests")] > 10
        assert added(world, asked(window, by=[by])) == total
        assert added(world, asked(window, 86_400, [by], top=2)) == total, "listed series and Other"


@pytest.mark.parametrize("zone_name", ZONES)
@pytest.mark.parametrize("size", SIZES)
def test_buckets_add_up_to_the_total_and_running_sums_end_there(world: World, zone_name: str, size: int | str) -> None:
    window = EVERY_WINDOW[(ZONES.index(zone_name) + SIZES.index(size)) % 8]
    total = added(world, asked(window, zone=zone_name))
    assert added(world, asked(window, size, zone=zone_name)) == total
    last = list(table(world, asked(window, size, zone=zone_name, cumulative=True)).rows)[-1]
    assert tuple(last[2:]) == total


def test_running_sums_of_series_end_at_their_totals(world: World) -> None:
    ask = asked(YEAR, by=["model"])
    per_series = {key[2]: values for key, values in by_bucket_and_series(table(world, ask), ask).items()}
    running = asked(YEAR, "month", ["model"], cumulative=True)
    rows = by_bucket_and_series(table(world, running), running)
    last = max(start for start, *_ in rows)
    assert {key[2]: values for key, values in rows.items() if key[0] == last} == per_series


def test_minutes_end_at_their_total(world: World) -> None:
    """A unit is converted once, after adding: a running sum of minutes is not a sum of rounded minutes."""
    for window in EVERY_WINDOW:
        ends = []
        for size, cumulative in (("total", False), (3600, True)):
            ask = Ask(start=window[0], end=window[1], zone="UTC", size=size, metrics=("minutes",), cumulative=cumulative, now=NOW)
            ends.append(list(table(world, ask).rows)[-1][-1])
        assert ends[0] == ends[1]


def test_an_overlapping_dimension_counts_in_each_and_other_is_the_rest(world: World) -> None:
    total = added(world, asked(YEAR))
    assert added(world, asked(YEAR, by=["group_id"]))[0] > total[0]
    ask = asked(YEAR, by=["group_id"], top=1)
    rows = by_bucket_and_series(table(world, ask), ask)
    (listed,) = [key[2] for key in rows if key[2] != oracle.OTHER]
    in_it = [e for e in world.requests if listed in oracle.values_of(e, "group_id") and YEAR[0] <= e["time"] < YEAR[1]]
    counts = {key[2]: values[EXACT.index("requests")] for key, values in rows.items()}
    assert counts == {listed: len(in_it), oracle.OTHER: total[EXACT.index("requests")] - len(in_it)}


# --- scopes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["ana", "ben"])
def test_the_account_view_is_the_filter_on_ones_own_rows(world: World, user: str) -> None:
    """… in usage, in the log and in menus; events that only name a key belong to its owner."""
    deck = world.house.deck
    _, narrow = world.house.key_who(user=user, permissions=[Permission.READ])
    mine = [e for e in world.requests if e["user_id"] == user]
    assert any(a.sent.get("api_key_id") in OWNERS and not a.sent.get("user_id") for a in world.arrivals)
    is_me = Filter.build(dimension("user_id"), "eq", [user])
    for size, by in (("total", ()), (86_400, ("model",)), ("month", ("group_id",))):
        ask = Ask(start=YEAR[0], end=YEAR[1], zone=NEW_YORK, size=size, metrics=tuple(oracle.REQUEST_METRICS), by=by, now=NOW)
        filtered = compare(world, ask, mine, [is_me])
        for view in (None, View.ACCOUNT):
            answer = report.usage(deck, limited(narrow, ask.limit), view, question(ask), now=NOW)
            assert by_bucket_and_series(answer.table.read(), ask) == filtered
        with pytest.raises(NotAllowed):
            report.usage(deck, narrow, View.WORKSPACE, question(ask), now=NOW)
    selection = Selection(Subject.REQUESTS, Window(*YEAR, zone("UTC")))
    query = LogQuery(selection, (log_field("id", Subject.REQUESTS), log_field("user_id", Subject.REQUESTS)), limit=1000)
    rows = list(listing.log(deck, narrow, None, query).table.rows)
    assert [row[0] for row in rows] == [e["id"] for e in oracle.log(mine, *YEAR)]
    assert {row[1] for row in rows} == {user}
    menu = report.values(deck, narrow, None, dimension("model"), selection)
    counted = {row[0]: row[2] for row in menu.table.rows}
    assert sum(counted.values()) == len(rows)


def test_workspaces_with_the_same_ids_do_not_meet(worlds: tuple[World, World]) -> None:
    ids = [{(e["time"], e["id"]) for e in world.requests} for world in worlds]
    assert len({id_ for _, id_ in ids[0]} & {id_ for _, id_ in ids[1]}) > 500
    for world in worlds:
        ask = asked(YEAR, 86_400, ["model"])
        compare(world, ask)
        rows = [row for page in log_pages(world, Subject.REQUESTS, YEAR, 1000) for row in page]
        assert {(row["time"], row["id"]) for row in rows} == {(e["time"], e["id"]) for e in oracle.log(world.requests, *YEAR)}
        other = next(w for w in worlds if w is not world)
        stranger = Filter.build(dimension("workspace_id"), "eq", [other.house.workspace_id])
        compare(world, asked(YEAR), [], [stranger])


def test_the_same_identity_in_two_workspaces_is_two_events(worlds: tuple[World, World]) -> None:
    deck = worlds[0].house.deck
    time = NOW - 86_400_000  # in no window of another test
    for number, world in enumerate(worlds):
        world.house.send([{"id": "both", "time": time, "credits": str(number + 1)}])
    for number, world in enumerate(worlds):
        is_it = Filter.build(dimension("id"), "eq", ["both"])
        query = LogQuery(
            Selection(Subject.REQUESTS, Window(time, time + 1, zone("UTC")), (is_it,)), (log_field("credits", Subject.REQUESTS),)
        )
        assert list(listing.log(deck, world.house.who, None, query).table.rows) == [[number + 1]]


# --- merges -------------------------------------------------------------------------------------------------------


def test_a_merge_changes_no_number(world: World) -> None:
    """The engine drops repeats when it merges; until then `FINAL` hides them. Both are the same to a reader."""
    asks = [asked(YEAR, 604_800, by) for by in ((), ("model",), ("group_id",))]
    before = [compare(world, ask) for ask in asks]
    store = world.house.deck.store
    weeks = store.unmerged(monday(NOW))
    assert weeks
    repeats = store.rows(Subject.REQUESTS)
    for week in weeks:
        store.merge(*week)
    assert store.rows(Subject.REQUESTS) < repeats, "no repeat was merged away"
    assert store.unmerged(monday(NOW)) == []
    assert [compare(world, ask) for ask in asks] == before

"""What failed: groups of errors are what the oracle says, and each is exactly the rows of the log that its values select."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.oracle import oracle
from tests.oracle.oracle import Event
from tests.oracle.world import WINDOWS, YEAR, World
from usagedeck import failing, listing, report
from usagedeck.access import Permission, Who
from usagedeck.catalog.dimensions import dimension, log_field
from usagedeck.catalog.failures import FAILURES
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.filters import Filter
from usagedeck.query import FailureQuery, LogQuery, Query, Selection
from usagedeck.times import zone
from usagedeck.windows import Interval, Window

RATE = {Subject.REQUESTS: "errors", Subject.DELIVERIES: "attempt_errors"}


def events_of(world: World, subject: Subject) -> list[Event]:
    return world.requests if subject is Subject.REQUESTS else world.deliveries


def answered(
    world: World, selection: Selection, limit: int | None = None, who: Who | None = None
) -> tuple[dict[tuple[Any, ...], dict[str, Any]], failing.Answer]:
    answer = failing.failures(world.house.deck, who or world.house.who, None, FailureQuery(selection, limit))
    names = [c.name for c in answer.table.columns]
    by = FAILURES[selection.subject].by
    rows = [dict(zip(names, row, strict=True)) for row in answer.table.rows]
    found = {tuple(row.pop(name) for name in by): row for row in rows}
    assert len(found) == len(rows), "a group comes twice"
    return found, answer


def compare(world: World, subject: Subject, window: tuple[int, int], events: Sequence[Event], **more: Any) -> failing.Answer:
    selection = Selection(subject, Window(*window, zone("UTC")), more.pop("filters", ()))
    found, answer = answered(world, selection, **more)
    expected = oracle.errors(events, *window, of_deliveries=subject is Subject.DELIVERIES)
    order = sorted(expected, key=lambda key: (-expected[key]["count"], *(oracle.as_text(cell) for cell in key)))
    assert list(found) == order[: more.get("limit")]
    for key, row in found.items():
        assert {name: cell for name, cell in row.items() if not name.endswith("_label")} == expected[key], key
    assert (answer.groups, answer.errors) == (len(expected), sum(group["count"] for group in expected.values()))
    return answer


@pytest.mark.parametrize("subject", list(Subject))
@pytest.mark.parametrize("window", [*list(WINDOWS.values())[:4], YEAR])
def test_groups_are_what_the_oracle_says(world: World, subject: Subject, window: tuple[int, int]) -> None:
    events = events_of(world, subject)
    answer = compare(world, subject, window, events)
    assert compare(world, subject, window, events, limit=3).errors == answer.errors
    metric = METRICS[RATE[subject]]
    query = Query(Selection(subject, Window(*window, zone("UTC"))), (metric,), Interval(unit="total"))
    ((*_, total),) = report.usage(world.house.deck, world.house.who, None, query).table.rows
    assert answer.errors == total > 0


@pytest.mark.parametrize("subject", list(Subject))
def test_a_group_is_exactly_its_rows_in_the_log(world: World, subject: Subject) -> None:
    selection = Selection(subject, Window(*YEAR, zone("UTC")))
    by = [dimension(name) for name in FAILURES[subject].by]
    groups, _ = answered(world, selection, 25)
    for key, row in groups.items():
        chosen = tuple(Filter.build(one, "eq", [cell]) for one, cell in zip(by, key, strict=True))
        query = LogQuery(replace(selection, filters=chosen), (log_field("id", subject), log_field("time", subject)), limit=1000)
        rows = list(listing.log(world.house.deck, world.house.who, None, query).table.rows)
        assert len(rows) == row["count"]
        assert rows[0] == [row["newest_id"], row["last_seen"]]
        assert rows[-1][1] == row["first_seen"]


@pytest.mark.parametrize("subject", list(Subject))
def test_only_what_the_asker_may_see_and_what_is_asked_for(worlds: tuple[World, World], subject: Subject) -> None:
    for world, user in zip(worlds, ("ana", "ben") if subject is Subject.REQUESTS else ("a", "b"), strict=True):
        narrow = replace(world.house.who, user_id=user, permissions=frozenset({Permission.READ}))
        mine = [e for e in events_of(world, subject) if e["user_id"] == user]
        compare(world, subject, YEAR, mine, who=narrow)
        severe = [e for e in mine if oracle.holds(e, "status", "ge", [429])]
        compare(world, subject, YEAR, severe, who=narrow, filters=(Filter.build(dimension("status"), "ge", [429]),))


def test_nothing_failed(world: World) -> None:
    answer = compare(world, Subject.REQUESTS, (YEAR[1] + 1, YEAR[1] + 2), world.requests)
    assert (list(answer.table.rows), answer.groups, answer.errors) == ([], 0, 0)

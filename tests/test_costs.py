"""Which route is the shorter one: few events or a rollup. Either way the answer is the same (`oracle/test_routes.py`)."""

from dataclasses import replace

import pytest

from usagedeck import sql
from usagedeck.catalog.dimensions import dimension
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.filters import parse_filter, parse_search
from usagedeck.floors import NO_FLOOR, Floor
from usagedeck.query import Query, Selection
from usagedeck.seals import Cut, Ledger, Seal
from usagedeck.sql import Scope
from usagedeck.stretches import Stretch
from usagedeck.times import DAY, zone
from usagedeck.windows import Interval, Window

START = 20_000 * DAY


class So:
    """Sizes that are what they are said to be, of one workspace."""

    def __init__(self, rows: int | None) -> None:
        self._rows = rows
        self.asked: list[tuple[Subject, str, Stretch]] = []

    def rows(self, subject: Subject, workspace_id: str, stretch: Stretch) -> int | None:
        self.asked.append((subject, workspace_id, stretch))
        return self._rows


def asked(metric: str, *by: str, days: int = 30, filters: tuple[str, ...] = ()) -> Query:
    window = Window(START, START + days * DAY, zone("UTC"))
    selection = Selection(METRICS[metric].of, window, tuple(map(parse_filter, filters)))
    return Query(selection, (METRICS[metric],), Interval.parse("day"), tuple(dimension(name) for name in by))


LEDGER = Ledger([Seal(n, Cut(name), "", START, START + 400 * DAY, n) for n, name in enumerate(("calls", "keys", "activity"), 1)])


def route(query: Query, rows: int | None, floor: Floor = NO_FLOOR) -> sql.Plan:
    return sql.plan(query, Scope("ws", floor=floor), LEDGER, So(rows))


@pytest.mark.parametrize("by", [(), ("product_type",), ("api_key_id",)])
@pytest.mark.parametrize("days", [1, 30, 90])
def test_few_events_are_read_and_many_are_not(by: tuple[str, ...], days: int) -> None:
    query = asked("credits", *by, days=days)
    few, many = route(query, 1000), route(query, 5_000_000)
    assert (few.slices, few.events, few.few) == ((), ((START, START + days * DAY),), True)
    assert few.reason == f"some 1,000 events are read faster than rollup {'keys' if 'api_key_id' in by else 'calls'}"
    assert many.slices
    assert not many.few


def test_as_long_as_nobody_has_looked_a_rollup_answers() -> None:
    assert route(asked("credits"), None).slices


def test_more_rows_never_speak_for_the_events() -> None:
    for query in (asked("credits"), asked("latency_p95", "method", "route"), asked("credits", "model", days=365)):
        chosen = [not route(query, 1 << power).slices for power in range(8, 27)]
        assert chosen == sorted(chosen, reverse=True)
        assert not chosen[-1]


def test_percentiles_of_many_series_are_read_from_the_events_for_longer() -> None:
    """A rollup needs longer to begin with them."""
    assert route(asked("requests"), 300_000).slices
    assert not route(asked("latency_p95"), 300_000).slices


def test_what_was_active_is_told_by_its_rollup() -> None:
    assert route(asked("concurrency"), 10).slices


def test_what_no_rollup_holds_may_be_few_too() -> None:
    query = asked("credits", "voice_id", "api_key_id")
    assert "no rollup holds" in route(query, 10).reason
    assert (route(query, 10).few, route(query, 10_000_000).few) == (True, False)
    assert sql.folds(query, route(query, 10))
    assert not sql.folds(query, route(query, 10_000_000))


def test_it_is_asked_about_what_is_kept_of_the_workspace() -> None:
    sizes = So(10)
    floor = START + 3 * DAY
    plan = sql.plan(asked("credits"), Scope("ws", "me", Floor(floor, floor)), LEDGER, sizes)
    assert sizes.asked == [(Subject.REQUESTS, "ws", (floor, START + 30 * DAY))]
    assert plan.events == ((floor, START + 30 * DAY),)


def test_where_events_have_expired_a_rollup_answers_however_few_there_are() -> None:
    plan = route(asked("credits"), 10, Floor(START + 3 * DAY))
    assert (bool(plan.slices), plan.start, plan.few) == (True, START, False)


def test_ranks_go_the_same_way() -> None:
    query = asked("credits", "model")
    assert not sql.plan_rank(query, Scope("ws"), LEDGER, So(10)).slices
    assert sql.plan_rank(query, Scope("ws"), LEDGER, So(10_000_000)).slices


@pytest.mark.parametrize(
    ("text", "filters", "rows", "costly"),
    [
        ("word", (), 1_000_001, 1_000_001),
        ("word", ("status:eq:500",), 1_000_001, 1_000_001),
        ("word", ("id:eq:r1",), 1_000_001, None),
        ("word", (), 1_000_000, None),
        ("word", (), None, None),
        ("", ("path:contains:a",), 1_000_001, None),
    ],
)
def test_words_are_looked_for_in_very_many_events_on_request_only(
    text: str, filters: tuple[str, ...], rows: int | None, costly: int | None
) -> None:
    selection = replace(asked("requests", filters=filters).selection, search=parse_search(text))
    assert sql.costly(selection, "ws", [(START, START + DAY)], So(rows)) == costly


def test_attempts_of_deliveries_are_looked_up_by_what_joins_them() -> None:
    """Whether a delivery has the id is known when it has been put together."""
    for name, costly in (("id", 1_000_001), ("request_id", 1_000_001), ("message_id", None)):
        selection = asked("deliveries", filters=(f"{name}:eq:x", "webhook_id:eq:x")).selection
        selection = replace(selection, search=parse_search("word"))
        assert sql.costly(selection, "ws", [(START, START + DAY)], So(1_000_001), joined=True) == costly
        assert sql.costly(selection, "ws", [(START, START + DAY)], So(1_000_001)) is None

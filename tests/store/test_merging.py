"""Weeks that are over are merged to one part; nothing else changes."""

from collections.abc import Iterable

from tests.house import NOON, House, StillClock

from usagedeck import report
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.query import Query, Selection
from usagedeck.store.merging import Merger, monday
from usagedeck.times import DAY, HOUR, MINUTE, iso, parse_instant, zone
from usagedeck.windows import Interval, Window


class Weeks:
    """A store that always has the same weeks to merge."""

    def __init__(self, *weeks: tuple[str, str]) -> None:
        self.weeks = weeks
        self.merged: list[tuple[str, str]] = []

    def unmerged(self, before: int) -> Iterable[tuple[str, str]]:
        return self.weeks

    def merge(self, table: str, partition: str) -> None:
        self.merged.append((table, partition))


def test_weeks_begin_on_monday() -> None:
    for text in ("2026-11-23T00:00:00Z", "2026-11-23T12:00:00Z", "2026-11-29T23:59:59.999Z"):
        assert iso(monday(parse_instant(text, field="t"))) == "2026-11-23T00:00:00.000Z"
    assert iso(monday(parse_instant("2026-11-22T23:59:59.999Z", field="t"))) == "2026-11-16T00:00:00.000Z"


def test_a_week_is_merged_at_most_once_an_hour() -> None:
    clock, weeks = StillClock(), Weeks(("requests", "20261102"), ("deliveries", "20261102"))
    merger = Merger(weeks, clock)
    assert merger.look() == 2
    clock.now += HOUR - MINUTE
    assert merger.look() == 0
    clock.now += MINUTE
    assert merger.look() == 2
    merger.close()
    assert merger.look() == 0, "a merger that was closed begins nothing"
    assert weeks.merged == [("requests", "20261102"), ("deliveries", "20261102")] * 2


def test_merging_keeps_every_event_and_leaves_the_current_week_alone(house: House) -> None:
    store = house.deck.store
    command = store._writer.command
    command("SYSTEM STOP MERGES")
    for _ in range(3):
        house.send({"id": str(day), "time": NOON - day * DAY} for day in range(20))
    assert store.unmerged(monday(NOON)) == [("requests", week) for week in ("20261102", "20261109", "20261116")]
    assert store.rows(Subject.REQUESTS) == 60
    command("SYSTEM START MERGES")
    house.send([{"id": "alone", "time": NOON - 50 * DAY}] * 2)
    assert [week for _, week in store.unmerged(monday(NOON))] == ["20260928", "20261102", "20261109", "20261116"]
    merger = Merger(store, StillClock())
    merger.look()
    merger.close()
    assert store.unmerged(monday(NOON)) == []
    assert store.rows(Subject.REQUESTS) == 3 + 19 + 1
    selection = Selection(Subject.REQUESTS, Window(NOON - 30 * DAY, NOON + 1, zone("UTC")))
    answer = report.usage(house.deck, house.who, None, Query(selection, (METRICS["requests"],), Interval.parse("total")))
    assert [row[-1] for row in answer.table.rows] == [20]

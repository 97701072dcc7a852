"""Every row of the log is what was sent first, every event is on exactly one page, and the rows add up to the charts."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest

from tests.oracle import oracle
from tests.oracle.asking import compare, log_pages
from tests.oracle.oracle import Ask, Event
from tests.oracle.world import LABELS, NOW, WINDOWS, YEAR, World
from usagedeck import listing
from usagedeck.catalog.dimensions import Label, log_field
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import Subject
from usagedeck.filters import parse_search
from usagedeck.query import Cursor, Direction, LogQuery, Selection
from usagedeck.sql import UNKNOWN
from usagedeck.stretches import Stretch
from usagedeck.times import HOUR, zone
from usagedeck.windows import Window

SUMS = ("credits", "characters", "input_tokens", "output_tokens", "cost", "charge_count")
SEARCHED = {
    Subject.REQUESTS: (
        *("id", "trace_id", "method", "path", "route", "user_agent", "ip", "error_code", "error_message", "resource_id"),
    ),
    Subject.DELIVERIES: (*("id", "webhook_id", "event_type", "url", "message_id", "request_id", "error_code", "error_message"),),
}


def events_of(world: World, subject: Subject) -> list[Event]:
    return world.requests if subject is Subject.REQUESTS else world.deliveries


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize("subject", list(Subject))
def test_pages_hold_every_event_once_in_order_and_as_it_was_sent(world: World, subject: Subject, ascending: bool) -> None:
    """Many events share a millisecond, and pages end inside of it."""
    events = oracle.log(events_of(world, subject), *YEAR)
    found = list(log_pages(world, subject, YEAR, 37, ascending=ascending))
    assert all(len(page) == 37 for page in found[:-1])
    rows = [row for page in found for row in page]
    for row, event in zip(rows, events[::-1] if ascending else events, strict=True):
        for field in fields(subject):
            assert row[field.name] == (None if event[field.name] == "" else event[field.name]), (field.name, event["id"])


@pytest.mark.parametrize(("ascending", "limit"), [(False, 50), (True, 23)])
def test_paging_back_meets_the_same_pages(world: World, ascending: bool, limit: int) -> None:
    selection = Selection(Subject.REQUESTS, Window(*YEAR, zone("UTC")))
    columns = (log_field("time", Subject.REQUESTS), log_field("id", Subject.REQUESTS))

    def ask(cursor: Any) -> listing.LogPage:
        query = LogQuery(selection, columns, ascending=ascending, limit=limit, cursor=cursor)
        return listing.log(world.house.deck, world.house.who, None, query)

    def neighbours(page: listing.LogPage) -> tuple[Any, Any]:
        return (page.older, page.newer) if ascending else (page.newer, page.older)

    page, forth = ask(None), []
    assert neighbours(page)[0] is None
    for _ in range(4):
        forth.append(list(page.table.rows))
        page = ask(neighbours(page)[1])
    back = []
    for _ in range(4):
        page = ask(neighbours(page)[0])
        back.append(list(page.table.rows))
    assert back == forth[::-1]
    assert neighbours(page)[0] is None


@dataclass(frozen=True)
class Even:
    """Sizes as if events were evenly spread; they are not, so some steps find little and others much."""

    def rows(self, _subject: Subject, _workspace_id: str, stretch: Stretch) -> int | None:
        return (stretch[1] - stretch[0]) // HOUR


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("text", ["", "curl", "nothing holds this"])
def test_a_page_grows_and_is_the_same_in_the_end(
    world: World, text: str, direction: Direction, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever stops and goes on from where it was stopped meets every row once."""
    monkeypatch.setattr("usagedeck.sql.stepping.FIRST", 20)
    monkeypatch.setattr("usagedeck.sql.stepping.FIRST_OF_SOME", 100)
    deck, who = world.house.deck, world.house.who
    columns = (log_field("time", Subject.REQUESTS), log_field("id", Subject.REQUESTS))
    selection = Selection(Subject.REQUESTS, Window(*YEAR, zone("UTC")), (), parse_search(text))
    ascending = direction is Direction.NEWER
    query = LogQuery(selection, columns, ascending=ascending, limit=400)
    parts = list(listing.growing(replace(deck, sizes=Even()), who, None, query))
    assert len(parts) > 2
    for part, following in pairwise(parts):
        rows = [list(row) for row in part.table.rows]
        assert [list(row) for row in following.table.rows][: len(rows)] == rows
        assert part.reached is not None
    whole = listing.log(replace(deck, sizes=UNKNOWN), who, None, query)
    assert [list(row) for row in parts[-1].table.rows] == [list(row) for row in whole.table.rows]
    assert (parts[-1].older, parts[-1].newer, parts[-1].reached) == (whole.older, whole.newer, None)

    found: list[Any] = []
    cursor: Cursor | None = None
    while True:  # always stopped after the first step
        part = next(listing.growing(replace(deck, sizes=Even()), who, None, replace(query, cursor=cursor)))
        found += [list(row) for row in part.table.rows]
        if (cursor := part.newer if ascending else part.older) is None:
            break
    everything = listing.log(deck, who, None, replace(query, limit=None))
    assert found == [list(row) for row in everything.table.rows]


@pytest.mark.parametrize("window", [*list(WINDOWS.values())[::2], YEAR])
def test_rows_add_up_to_the_total(world: World, window: tuple[int, int]) -> None:
    metrics = (*SUMS, "requests", "errors", "billable_requests")
    ask = Ask(start=window[0], end=window[1], zone="UTC", size="total", metrics=metrics, now=NOW)
    ((_, total),) = compare(world, ask).items()
    rows = [row for page in log_pages(world, Subject.REQUESTS, window, 1000) for row in page]
    sums = [sum(row[name] for row in rows if row[name] is not None) for name in SUMS]
    errors = [s for s in (row["status"] for row in rows) if s is not None and s != 101 and not 200 <= s < 400]
    charged = [row for row in rows if (row["credits"] or 0) > 0 or (row["cost"] or 0) > 0]
    assert (*sums, len(rows), len(errors), len(charged)) == total


@pytest.mark.parametrize(
    "text",
    [
        *("curl", "CURL/8", "21m00tcm4tlvdq8ikwam", "history {id}", "quota curl", 'badly"', "%_'\\", "%", "POST python", "e1"),
        *("rachel", "zoë", "ana@acme", "ana@acme curl", "key_ben", "2001:db8", "nothing holds this", "wh1 call", "example.test"),
    ],
)
@pytest.mark.parametrize("subject", list(Subject))
def test_search_finds_what_holds_all_words(world: World, subject: Subject, text: str) -> None:
    """Anywhere in the searchable columns, in any case, literally; or in the display name of an id."""

    def texts(event: Event) -> list[str]:
        named = [LABELS[Label.USER].get(event["user_id"], "")]
        if subject is Subject.REQUESTS:
            named += [
                LABELS[Label.VOICE].get(event["voice_id"], ""),
                event["api_key_id"] * event["api_key_id"].startswith("key_b"),
            ]
            named += [event["api_key_id"] * (event["api_key_id"] == "key_ana")]
        return [event[name] for name in SEARCHED[subject]] + named

    found = [e for e in events_of(world, subject) if all(any(w in t.lower() for t in texts(e)) for w in text.lower().split())]
    query = LogQuery(
        Selection(subject, Window(*YEAR, zone("UTC")), (), parse_search(text)), (log_field("id", subject),), limit=1000
    )
    rows = list(listing.log(world.house.deck, world.house.who, None, query).table.rows)
    assert [row[0] for row in rows] == [e["id"] for e in oracle.log(found, *YEAR)]

"""Deliveries as people ask for them: attempts that come late, out of order or behind the window, expired ones, one's own."""

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.house import NOON, House, StillClock
from usagedeck import admin, listing, report
from usagedeck.access import Permission
from usagedeck.catalog.dimensions import dimension, log_field
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.deck import Deck
from usagedeck.errors import InvalidInput
from usagedeck.filters import Filter, parse_filter
from usagedeck.query import ChangeQuery, FailureQuery, LogQuery, Query, Selection
from usagedeck.times import DAY, HOUR, MINUTE, zone
from usagedeck.windows import Interval, Window

BEGIN = NOON - 5 * DAY
WINDOW = Window(BEGIN, BEGIN + DAY, zone("UTC"))
COUNTS = ("deliveries", "deliveries_succeeded", "delivery_errors", "deliveries_retried")


def attempt(id_: str, time: int, status: int | None = 500, **more: Any) -> dict[str, Any]:
    event = {"kind": "delivery", "id": id_, "message_id": "m", "webhook_id": "w", "time": time, **more}
    return event if status is None else {**event, "status": status}


def asked(
    *metrics: str, by: str = "", interval: str = "total", window: Window = WINDOW, filters: tuple[Filter, ...] = ()
) -> Query:
    selection = Selection(Subject.DELIVERIES, window, filters)
    split = (dimension(by),) if by else ()
    return Query(selection, tuple(METRICS[m] for m in metrics), Interval.parse(interval), split)


def counts(house: House, **more: Any) -> tuple[Any, ...]:
    """Deliveries, delivered, failed, retried."""
    (row,) = report.usage(house.deck, house.who, None, asked(*COUNTS, **more)).table.read().rows
    return tuple(row[2:])


def send(house: House, *events: dict[str, Any]) -> None:
    assert not house.send(events).rejected


# --- which attempts -----------------------------------------------------------------------------------------------


def test_the_last_attempt_decides_wherever_it_is(house: House) -> None:
    """… and an answer that was kept is given no more when an attempt comes, however far from the window."""
    send(house, attempt("1", BEGIN + HOUR))
    assert counts(house) == counts(house) == (1, 0, 1, 0)
    send(house, attempt("2", BEGIN + 2 * DAY, 200))
    assert counts(house) == (1, 1, 0, 1)
    send(house, attempt("3", BEGIN + HOUR + 3 * DAY, 503))
    assert counts(house) == (1, 0, 1, 1)
    send(house, attempt("4", BEGIN + HOUR + 3 * DAY + 1, 200))
    assert counts(house) == (1, 0, 1, 1), "more than three days after the first one it is another's business"


def test_a_first_attempt_that_comes_late_moves_the_delivery(house: House) -> None:
    send(house, attempt("2", BEGIN + MINUTE, 200))
    before = Window(BEGIN - DAY, BEGIN, zone("UTC"))
    assert (counts(house), counts(house, window=before)) == ((1, 1, 0, 0), (0, 0, 0, 0))
    send(house, attempt("1", BEGIN - HOUR))
    assert (counts(house), counts(house, window=before)) == ((0, 0, 0, 0), (1, 1, 0, 1))


def test_at_one_instant_the_numbers_say_which_was_first(house: House) -> None:
    send(house, attempt("a", BEGIN, 200, attempt=2), attempt("b", BEGIN, 500, attempt=1))
    assert counts(house) == (1, 1, 0, 1)
    send(house, attempt("z", BEGIN, 404, attempt=2))
    assert counts(house) == (1, 0, 1, 1), "the same number, too: the higher id"


def test_webhooks_messages_and_users_tell_deliveries_apart(house: House) -> None:
    others: list[dict[str, Any]] = [{}, {"webhook_id": "w2"}, {"message_id": "m2"}, {"user_id": "ana"}]
    for number, more in enumerate(others):
        send(house, attempt(f"{number}a", BEGIN, **more), attempt(f"{number}b", BEGIN + 1, 200, **more))
    assert counts(house) == (4, 4, 0, 4)


def test_a_repeat_is_no_further_attempt(house: House) -> None:
    send(house, attempt("1", BEGIN), attempt("1", BEGIN, 200))
    send(house, attempt("1", BEGIN, 200))
    assert counts(house) == (1, 0, 1, 0)


def test_without_a_status_nothing_became_of_it_yet(house: House) -> None:
    send(house, attempt("1", BEGIN), attempt("2", BEGIN + 1, None))
    assert counts(house) == (1, 0, 0, 1)
    assert row(house, asked("delivery_success_rate", "attempts_per_delivery")) == [None, 2.0]


def row(house: House, question: Query) -> list[Any]:
    (found,) = report.usage(house.deck, house.who, None, question).table.read().rows
    return list(found)[2:]


def test_time_to_deliver_ends_with_the_first_success(house: House) -> None:
    times = ("delivery_time_avg", "delivery_time_p50")
    send(house, attempt("1", BEGIN, 500, duration_ms=90), attempt("2", BEGIN + 1000, 200, duration_ms=30))
    assert row(house, asked(*times)) == [1030.0, 1030.0]
    send(house, attempt("3", BEGIN + 5000, 204, duration_ms=99))
    assert row(house, asked(*times)) == [1030.0, 1030.0]
    send(house, attempt("4", BEGIN + 6000, 500, duration_ms=99))
    assert row(house, asked(*times)) == [None, None], "it failed after all"


def test_what_it_is_split_and_filtered_by(house: House) -> None:
    """What became of it is the last attempt's, everything else the first one's."""
    send(house, attempt("1", BEGIN, 500, url="/old", event_type="call", error={"code": "busy"}, attempt=1))
    send(house, attempt("2", BEGIN + 1, 200, url="/new", event_type="other", attempt=2))
    for by, value in (("url", "/old"), ("event_type", "call"), ("status", 200), ("error_code", None), ("attempt", 2)):
        (found,) = report.usage(house.deck, house.who, None, asked("deliveries", by=by)).table.read().rows
        assert found[2] == value
        spelled = Filter.build(dimension(by), "eq", [value])
        assert counts(house, filters=(spelled,)) == (1, 1, 0, 1)
    assert counts(house, filters=(Filter.build(dimension("status"), "eq", [500]),)) == (0, 0, 0, 0)


# --- what only whole deliveries have ------------------------------------------------------------------------------


def logged(house: House, *filters: str, window: Window = WINDOW) -> list[tuple[Any, ...]]:
    """Id, attempts and time to deliver of every row."""
    columns = tuple(log_field(name, Subject.DELIVERIES) for name in ("id", "tries", "took_ms"))
    query = LogQuery(Selection(Subject.DELIVERIES, window, tuple(map(parse_filter, filters))), columns, joined=True)
    return [tuple(row) for row in listing.log(house.deck, house.who, None, query).table.rows]


def test_attempts_and_time_to_deliver_are_columns_and_filters(house: House) -> None:
    send(house, attempt("a1", BEGIN + 3, 500, duration_ms=9), attempt("a2", BEGIN + 2 * DAY, 200, duration_ms=7))
    send(house, attempt("b1", BEGIN + 2, 204, duration_ms=30, message_id="b"), attempt("c1", BEGIN + 1, message_id="c"))
    send(house, attempt("d1", BEGIN, 200, message_id="d"))
    late, quick, failed, untimed = ("a1", 2, 2 * DAY + 4), ("b1", 1, 30), ("c1", 1, None), ("d1", 1, None)
    assert logged(house) == [late, quick, failed, untimed]
    for text, rows in {
        "tries:gt:1": [late],
        "tries:le:1.5": [quick, failed, untimed],
        "tries:in:2,77": [late],
        "tries:neq:2": [quick, failed, untimed],
        "took_ms:eq:": [failed, untimed],
        "took_ms:neq:": [late, quick],
        "took_ms:ge:30": [late, quick],
        "took_ms:lt:-1": [],
    }.items():
        assert logged(house, text) == rows, text
        assert counts(house, filters=(parse_filter(text),))[0] == len(rows), text
    assert logged(house, "tries:eq:1", "status_class:eq:2xx") == [quick, untimed]
    second = Window(BEGIN + 2 * DAY, BEGIN + 3 * DAY, zone("UTC"))
    assert logged(house, "tries:gt:1", window=second) == [], "a second attempt is no delivery of its own day"


@pytest.mark.parametrize("name", ["tries", "took_ms"])
def test_questions_about_attempts_do_not_know_them(house: House, name: str) -> None:
    some = Selection(Subject.DELIVERIES, WINDOW, (parse_filter(f"{name}:gt:1"),))
    day = Interval.parse("day")
    plain = replace(some, filters=())
    questions: dict[str, Callable[[], Any]] = {
        "metric retries is about their attempts. Ask for a metric of": lambda: Query(some, (METRICS["retries"],), day),
        "here a row is an attempt. Ask with per=deliveries": lambda: LogQuery(some, (log_field("id", Subject.DELIVERIES),)),
        "here a row is an attempt. Ask with": lambda: LogQuery(plain, (log_field(name, Subject.DELIVERIES),)),
        "errors are those of their attempts": lambda: FailureQuery(some),
        "a change is told by": lambda: ChangeQuery(some, WINDOW, METRICS["retries"], dimension("url")),
        "here their attempts are counted. Ask with per=": lambda: report.values(
            house.deck, house.who, None, dimension("url"), some
        ),
    }
    for says, ask in questions.items():
        with pytest.raises(InvalidInput, match=f"names {name}, which only whole deliveries have; {re.escape(says)}"):
            ask()
    with pytest.raises(InvalidInput, match="filter by it instead"):
        asked("deliveries", by=name)
    with pytest.raises(InvalidInput, match="does not belong to requests"):
        replace(some, subject=Subject.REQUESTS)
    with pytest.raises(InvalidInput, match="is no column of requests"):
        log_field(name, Subject.REQUESTS)


def test_nobody_sends_them(house: House) -> None:
    receipt = house.send([attempt("1", BEGIN, tries=7), attempt("2", BEGIN, took_ms=7)])
    assert [(r.index, r.field) for r in receipt.rejected] == [(0, "tries"), (1, "took_ms")]


# --- whose, and since when ----------------------------------------------------------------------------------------


def test_ones_own_deliveries_are_the_filter_on_ones_own_rows(house: House) -> None:
    for user in ("ana", "ben", ""):
        send(house, attempt(f"{user}1", BEGIN, user_id=user), attempt(f"{user}2", BEGIN + HOUR, 200, user_id=user))
    send(house, attempt("ben3", BEGIN + 2 * HOUR, 500, user_id="ben"))
    for user, expected in (("ana", (1, 1, 0, 1)), ("ben", (1, 0, 1, 1))):
        _, narrow = house.key_who(user=user, permissions=[Permission.READ])
        is_me = Filter.build(dimension("user_id"), "eq", [user])
        assert counts(replace(house, who=narrow)) == counts(house, filters=(is_me,)) == expected
        log = LogQuery(Selection(Subject.DELIVERIES, WINDOW), (log_field("id", Subject.DELIVERIES),), joined=True)
        assert [row[0] for row in listing.log(house.deck, narrow, None, log).table.rows] == [f"{user}1"]


def test_what_may_have_begun_before_the_floor_is_not_counted(house: House, clock: StillClock) -> None:
    """Its first attempt has expired, and with it the knowledge when it began: absent, not wrong."""
    floor = clock.now // DAY * DAY - 10 * DAY
    send(house, attempt("1", floor - HOUR), attempt("2", floor + HOUR, 200))
    send(house, attempt("3", floor + 3 * DAY, message_id="m3"), attempt("4", floor + 3 * DAY - 1, message_id="m4"))
    window = Window(floor - DAY, floor + 5 * DAY, zone("UTC"))
    assert counts(house, window=window) == (3, 1, 2, 1)
    house.do(admin.SetRetention(workspace=house.workspace_id, days=10))
    house.deck.expirer.look()
    answer = report.usage(house.deck, house.who, None, asked("deliveries", interval="day", window=window))
    assert answer.about.available_from == floor + 3 * DAY
    assert [list(r) for r in answer.table.read().rows] == [[floor + n * DAY, floor + (n + 1) * DAY, int(n == 3)] for n in (3, 4)]
    attempts = report.usage(house.deck, house.who, None, asked("attempts", window=window))
    assert attempts.about.available_from == floor
    log = LogQuery(Selection(Subject.DELIVERIES, window), (log_field("id", Subject.DELIVERIES),), joined=True)
    page = listing.log(house.deck, house.who, None, log)
    assert (page.about.available_from, [row[0] for row in page.table.rows]) == (floor + 3 * DAY, ["3"])
    page = listing.log(house.deck, house.who, None, replace(log, joined=False))
    assert (page.about.available_from, [row[0] for row in page.table.rows]) == (floor, ["3", "4", "2"])


@pytest.mark.parametrize("days", [1, 5])
def test_how_long_a_delivery_is_tried_is_a_setting(deck: Deck, house: House, days: int) -> None:
    send(house, attempt("1", BEGIN), attempt("2", BEGIN + 2 * DAY, 200))
    patient = replace(house, deck=replace(deck, settings=deck.settings.model_copy(update={"delivery_days": days})))
    assert counts(patient) == ((1, 0, 1, 0) if days == 1 else (1, 1, 0, 1))


def test_requests_are_not_joined() -> None:
    with pytest.raises(InvalidInput, match="Only attempts"):
        LogQuery(Selection(Subject.REQUESTS, WINDOW), (log_field("id", Subject.REQUESTS),), joined=True)

"""A question that was given up stops, its handle is never used again, and nobody else is stopped with it."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from tests.store.test_handles import answer, question
from tests.waiting import until

from usagedeck.errors import Cancelled, TooBusy
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.store.clickhouse import Store
from usagedeck.store.ticket import Ticket

ENDLESS = Statement("SELECT sum(sipHash64(number)) FROM numbers(1000000000000)", {}, ())
RARE = Statement("SELECT number FROM numbers(1000000000000) WHERE sipHash64(number) % 1000000000000 = 7", {}, ())
"""An endless question that hardly ever has a row to give."""


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = Store(settings.model_copy(update={"query_rows": 10**15, "query_seconds": 120, "query_parallel": 2}))
    yield opened
    opened.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as opened:
        yield opened


def running(store: Store) -> int:
    """Questions in the engine, besides this one."""
    text = "SELECT count() FROM system.processes WHERE query NOT LIKE '%system.processes%'"
    return int(store._writer.query(text).result_rows[0][0])


def caught(asked: "Future[Any]") -> BaseException | None:
    return asked.exception(timeout=60)


ASK: dict[str, Callable[[Store, Ticket], Any]] = {
    "run": lambda store, ticket: store.run(ENDLESS, ticket),
    "stream": lambda store, ticket: list(store.stream(ENDLESS, ticket)),
    "stream without rows": lambda store, ticket: list(store.stream(RARE, ticket)),
}


# --- the ticket ---------------------------------------------------------------------------------------------------


def test_giving_up_stops_what_is_being_done_and_only_once() -> None:
    ticket, told = Ticket(), []
    with ticket.working(lambda: told.append("over")):
        pass
    with ticket.working(lambda: told.append("one")), ticket.working(lambda: told.append("two")):
        states = [ticket.given_up]
        ticket.give_up()
        ticket.give_up()
        states.append(ticket.given_up)
    assert states == [False, True]
    assert told == ["one", "two"]


def test_nothing_begins_once_it_is_given_up(store: Store) -> None:
    ticket = Ticket()
    ticket.give_up()
    with pytest.raises(Cancelled):
        store.run(question(1), ticket)
    with pytest.raises(Cancelled):
        next(store.stream(question(1), ticket))


# --- the engine ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ASK)
def test_a_question_that_is_given_up_leaves_the_engine(store: Store, pool: ThreadPoolExecutor, way: str) -> None:
    ticket = Ticket()
    asked = pool.submit(ASK[way], store, ticket)
    until(lambda: running(store) == 1)
    ticket.give_up()
    assert isinstance(caught(asked), Cancelled)
    assert running(store) == 0
    assert store.run(question(1)) == answer(1)


def test_a_handle_whose_question_was_given_up_is_never_used_again(store: Store) -> None:
    """Even when the question had ended by itself: the engine may still be told to stop what runs on it."""
    ticket = Ticket()
    with store._reader(ticket) as client:
        killer = threading.Thread(target=ticket.give_up)
        killer.start()
        until(lambda: ticket.given_up and not ticket._stops)
        until(lambda: store._kill_lock.locked() or not killer.is_alive())
    killer.join()
    with store._reader() as another:
        assert another is not client


def test_others_are_not_stopped_along(store: Store, pool: ThreadPoolExecutor) -> None:
    mine, other = Ticket(), Ticket()
    both = [pool.submit(store.run, ENDLESS, ticket) for ticket in (mine, other)]
    until(lambda: running(store) == 2)
    mine.give_up()
    assert isinstance(caught(both[0]), Cancelled)
    assert running(store) == 1
    other.give_up()
    assert isinstance(caught(both[1]), Cancelled)


def test_who_waits_for_a_place_may_leave_the_queue(store: Store, pool: ThreadPoolExecutor) -> None:
    ticket = Ticket()
    with store._reader(), store._reader():
        asked = pool.submit(store.run, question(1), ticket)
        until(lambda: bool(ticket._stops))
        ticket.give_up()
        assert isinstance(caught(asked), Cancelled)
    assert store.run(question(1)) == answer(1)


def test_questions_given_up_do_not_use_up_the_places(store: Store, pool: ThreadPoolExecutor) -> None:
    for _ in range(3):
        tickets = [Ticket() for _ in range(4)]
        asked = [pool.submit(store.run, ENDLESS, ticket) for ticket in tickets]
        until(lambda: running(store) == 2)
        for ticket in tickets:
            ticket.give_up()
        assert all(isinstance(caught(one), Cancelled) for one in asked)
    with store._reader(), store._reader():
        pass


def test_a_place_goes_to_whoever_still_waits(settings: Settings, pool: ThreadPoolExecutor) -> None:
    store = Store(settings.model_copy(update={"query_parallel": 1, "query_seconds": 60}))
    try:
        leaving = Ticket()
        with store._reader():
            gone = pool.submit(store.run, question(1), leaving)
            until(lambda: bool(leaving._stops))
            stays = pool.submit(store.run, question(2))
            leaving.give_up()
        assert isinstance(caught(gone), Cancelled)
        assert stays.result(timeout=60) == answer(2)
    finally:
        store.close()


def test_who_waits_too_long_is_told_so(settings: Settings) -> None:
    store = Store(settings.model_copy(update={"query_parallel": 1, "query_seconds": 1}))
    try:
        with store._reader(), pytest.raises(TooBusy):
            store.run(question(1), Ticket())
    finally:
        store.close()

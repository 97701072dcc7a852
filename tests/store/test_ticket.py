"""A question that was given up stops, its handle is never used again, and nobody else is stopped with it."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from random import Random
from typing import Any

import pytest
from tests.store.test_handles import answer, question
from tests.waiting import until

from usagedeck.errors import Cancelled, TooBusy
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.store import clickhouse
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


def give_up_during(store: Store, ticket: Ticket) -> threading.Thread:
    """Returns when the engine is being told."""
    killer = threading.Thread(target=ticket.give_up)
    killer.start()
    until(lambda: ticket.given_up and not ticket._stops)
    until(lambda: store._kill_lock.locked() or not killer.is_alive())
    return killer


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
    with pytest.raises(Cancelled), store._reader(ticket) as client:
        killer = give_up_during(store, ticket)
    killer.join()
    with store._reader() as another:
        assert another is not client


@pytest.mark.parametrize("way", ["run", "stream"])
def test_what_the_engine_answers_to_a_question_that_was_given_up_is_not_its_answer(
    store: Store, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Stopped just before its first row, a question ends in the engine as if there were no rows."""
    ticket, killers = Ticket(), []

    def nothing(client: Any, statement: Statement) -> Iterator[Any]:
        killers.append(give_up_during(store, ticket))
        yield from ()

    monkeypatch.setattr(clickhouse, "_blocks", nothing)
    with pytest.raises(Cancelled):
        list(getattr(store, way)(question(1), ticket))
    killers[0].join()


@pytest.mark.promise
def test_a_question_is_answered_wholly_or_not_at_all(store: Store, torture: bool) -> None:
    """Given up at any moment: while it is read, between its parts, just before its first row."""
    rows = "SELECT number % 40 AS a, number % 30 AS b, toDecimal64(number, 6) AS x FROM numbers_mt(1500000)"
    first = "SELECT a FROM t GROUP BY a ORDER BY sum(x) DESC LIMIT 8"
    text = f"WITH t AS ({rows}) SELECT b, if(a IN ({first}), a, 99) AS k, sum(x) FROM t GROUP BY b, k ORDER BY b, k"
    statement, dice = Statement(text, {}, ("b", "k", "x")), Random(7)
    started = time.monotonic()
    expected = store.run(statement)
    usual, ended = time.monotonic() - started, Counter[bool]()
    for _ in range(3000 if torture else 30):
        ticket = Ticket()
        timer = threading.Timer(dice.random() * usual, ticket.give_up)
        timer.start()
        try:
            found = store.run(statement, ticket)
            assert found == expected
            ended[True] += 1
        except Cancelled:
            ended[False] += 1
        timer.join()
    assert ended[False], ended


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

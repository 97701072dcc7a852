"""An answer is shared by those who ask the same at the same time, kept until something is written that could change it, and
never older than the question."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.waiting import until

from usagedeck.errors import Cancelled, QueryTooHeavy
from usagedeck.sql import Statement
from usagedeck.store import changes
from usagedeck.store.answers import Answers, Shelf
from usagedeck.store.changes import Changes, Span
from usagedeck.store.ticket import Ticket
from usagedeck.table import Row
from usagedeck.times import DAY, MINUTE

WEEK = Span("acme", 0, 7 * DAY)
MOST = 100_000


def asked(value: Any = "acme", text: str = "SELECT {p0:String}") -> Statement:
    return Statement(text, {"p0": value}, ())


class Slow:
    """A store whose answers are how often it was asked, given when it is let."""

    def __init__(self) -> None:
        self.count = 0
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Event()
        self.may_end.set()
        self.fails = False
        self.stopped: list[Statement] = []
        self.rows: Callable[[int], list[Row]] = lambda count: [(count,)]

    def run(self, statement: Statement, ticket: Ticket | None = None) -> list[Row]:
        assert ticket is not None
        self.count += 1
        count = self.count
        self.begun.release()
        with ticket.working(lambda: self.stopped.append(statement)):
            while not self.may_end.wait(0.005) and not ticket.given_up:
                pass
        if ticket.given_up:
            raise Cancelled("given up")
        if self.fails:
            raise QueryTooHeavy("too heavy")
        return self.rows(count)

    def stream(self, statement: Statement, ticket: Ticket | None = None) -> Iterator[Row]:
        yield from self.run(statement, ticket or Ticket())


@pytest.fixture
def store() -> Slow:
    return Slow()


@pytest.fixture
def answers(store: Slow) -> Answers:
    return Answers(store, Shelf(MOST))


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as opened:
        yield opened


def waiting(answers: Answers) -> int:
    with answers.shelf.lock:
        return sum(len(run.waiting) for run in answers.shelf.running.values())


# --- at the same time ---------------------------------------------------------------------------------------------


def test_the_same_question_at_the_same_time_is_worked_on_once(answers: Answers, store: Slow, pool: ThreadPoolExecutor) -> None:
    store.may_end.clear()
    found = [pool.submit(answers.run, asked(), WEEK) for _ in range(10)]
    until(lambda: waiting(answers) == 10)
    store.may_end.set()
    assert [one.result(30) for one in found] == [[(1,)]] * 10
    assert store.count == 1


@pytest.mark.parametrize("other", [asked("other"), asked("ACME"), asked(["acme"]), asked(text="SELECT 1, {p0:String}")])
def test_another_question_is_never_answered_along(
    answers: Answers, store: Slow, pool: ThreadPoolExecutor, other: Statement
) -> None:
    """Whose rows may be read is among the values, so that another scope is another question."""
    store.may_end.clear()
    both = [pool.submit(answers.run, statement, WEEK) for statement in (asked(), other)]
    until(lambda: waiting(answers) == 2)
    store.may_end.set()
    assert {one.result(30)[0][0] for one in both} == {1, 2}
    assert answers.run(asked(), WEEK) != answers.run(other, WEEK)


def test_who_asks_after_a_write_does_not_join_who_asked_before(answers: Answers, store: Slow, pool: ThreadPoolExecutor) -> None:
    store.may_end.clear()
    early = pool.submit(answers.run, asked(), WEEK)
    until(lambda: store.count == 1)
    answers.shelf.changes.note({"acme": [DAY]})
    late = pool.submit(answers.run, asked(), WEEK)
    until(lambda: store.count == 2)
    latest = pool.submit(answers.run, asked(), WEEK)
    until(lambda: waiting(answers) == 2)
    store.may_end.set()
    assert [one.result(30) for one in (early, late, latest)] == [[(1,)], [(2,)], [(2,)]]
    assert answers.run(asked(), WEEK) == [(2,)], "and the older answer is not the one that is kept"


def test_an_error_is_told_to_all_who_wait_and_to_nobody_else(answers: Answers, store: Slow, pool: ThreadPoolExecutor) -> None:
    store.may_end.clear()
    store.fails = True
    found = [pool.submit(answers.run, asked(), WEEK) for _ in range(5)]
    until(lambda: waiting(answers) == 5)
    store.may_end.set()
    assert all(isinstance(one.exception(30), QueryTooHeavy) for one in found)
    assert store.count == 1
    store.fails = False
    assert answers.run(asked(), WEEK) == [(2,)]


def test_who_leaves_lets_the_others_have_their_answer(store: Slow, pool: ThreadPoolExecutor) -> None:
    """Even when it is the one whose thread works on it."""
    shelf = Shelf(MOST)
    tickets = [Ticket() for _ in range(3)]
    store.may_end.clear()
    found = []
    for number, ticket in enumerate(tickets):
        found.append(pool.submit(Answers(store, shelf, ticket).run, asked(), WEEK))
        until(lambda number=number: waiting(Answers(store, shelf)) == number + 1)  # type: ignore[misc]
    tickets[0].give_up()
    tickets[1].give_up()
    assert isinstance(found[1].exception(30), Cancelled), "one that only waited goes at once"
    assert store.stopped == []
    store.may_end.set()
    assert found[2].result(30) == [(1,)]
    assert isinstance(found[0].exception(30), Cancelled)


def test_the_last_one_to_leave_stops_the_work(store: Slow, pool: ThreadPoolExecutor) -> None:
    shelf = Shelf(MOST)
    tickets = [Ticket(), Ticket()]
    store.may_end.clear()
    found = [pool.submit(Answers(store, shelf, ticket).run, asked(), WEEK) for ticket in tickets]
    until(lambda: waiting(Answers(store, shelf)) == 2)
    for ticket in tickets:
        ticket.give_up()
    assert all(isinstance(one.exception(30), Cancelled) for one in found)
    assert store.stopped == [asked()]
    store.may_end.set()
    assert Answers(store, shelf).run(asked(), WEEK) == [(2,)], "who comes later asks anew"


class Turnstile:
    """A lock that lets something happen the moment it is free."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.then: Callable[[], None] | None = None

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()
        then, self.then = self.then, None
        if then is not None:
            then()


def test_who_asks_while_the_last_one_leaves_does_not_go_with_it(
    answers: Answers, store: Slow, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, ticket, turnstile = answers.shelf, Ticket(), Turnstile()
    monkeypatch.setattr(shelf, "lock", turnstile)
    store.may_end.clear()
    leaving = pool.submit(Answers(store, shelf, ticket).run, asked(), WEEK)
    until(lambda: waiting(answers) == 1)
    late = []

    def ask() -> None:
        late.append(pool.submit(answers.run, asked(), WEEK))
        until(lambda: waiting(answers) == 1)

    turnstile.then = ask
    ticket.give_up()
    assert isinstance(leaving.exception(30), Cancelled)
    store.may_end.set()
    assert late[0].result(30) == [(2,)]


def test_nothing_is_left_behind_by_one_who_has_gone_before_asking(store: Slow) -> None:
    shelf, ticket = Shelf(MOST), Ticket()
    ticket.give_up()
    with pytest.raises(Cancelled):
        Answers(store, shelf, ticket).run(asked(), WEEK)
    assert shelf.running == {}
    assert Answers(store, shelf).run(asked(), WEEK) == [(1,)]


# --- later --------------------------------------------------------------------------------------------------------


def test_an_answer_is_kept_until_something_is_written_that_could_change_it(answers: Answers, store: Slow) -> None:
    changed = answers.shelf.changes.note
    assert answers.run(asked(), WEEK) == answers.run(asked(), WEEK) == [(1,)]
    changed({"other": [DAY]})
    changed({"acme": [7 * DAY, -MINUTE]})
    changed({})
    assert answers.run(asked(), WEEK) == [(1,)]
    for count, quarter in enumerate((0, 3 * DAY, 7 * DAY - 15 * MINUTE), 2):
        changed({"other": [0], "acme": [quarter, 99 * DAY]})
        assert answers.run(asked(), WEEK) == answers.run(asked(), WEEK) == [(count,)]


def test_a_write_during_the_work_makes_its_answer_one_of_the_past(
    answers: Answers, store: Slow, pool: ThreadPoolExecutor
) -> None:
    store.may_end.clear()
    during = pool.submit(answers.run, asked(), WEEK)
    until(lambda: store.count == 1)
    answers.shelf.changes.note({"acme": [DAY]})
    store.may_end.set()
    assert during.result(30) == [(1,)]
    assert answers.run(asked(), WEEK) == [(2,)]


def test_errors_are_not_kept(answers: Answers, store: Slow) -> None:
    store.fails = True
    for _ in range(2):
        with pytest.raises(QueryTooHeavy):
            answers.run(asked(), WEEK)
    assert store.count == 2


def test_the_least_recently_asked_goes_first_and_the_memory_is_bounded(answers: Answers, store: Slow) -> None:
    store.rows = lambda count: [("x" * 5000,)]
    for number in range(100):
        answers.run(asked(str(number)), WEEK)
        answers.run(asked("0"), WEEK)
        assert 0 < answers.shelf.size <= MOST
    assert store.count == 100, "the one that is asked for all the time stays"
    answers.run(asked("99"), WEEK)
    assert store.count == 100
    answers.run(asked("1"), WEEK)
    assert store.count == 101


LARGE = [[("x" * 20_000,)], [("ü" * 5000,)], [(n,) for n in range(1000)], [({"k" * 9000: "v" * 9000},)]]


@pytest.mark.parametrize("large", LARGE)
def test_a_large_answer_is_not_kept(answers: Answers, store: Slow, large: list[Row]) -> None:
    store.rows = lambda count: large
    assert answers.run(asked(), WEEK) == answers.run(asked(), WEEK) == large
    assert (store.count, answers.shelf.size) == (2, 0)


def test_nothing_is_kept_without_memory_for_it(store: Slow) -> None:
    answers = Answers(store, Shelf(0))
    assert [answers.run(asked(), WEEK) for _ in range(2)] == [[(1,)], [(2,)]]


# --- changes ------------------------------------------------------------------------------------------------------


def test_long_spans_and_long_histories_are_looked_at_alike() -> None:
    found = Changes()
    for day in range(100):
        found.note({"acme": [day * DAY]})
    for moment in (0, 50, 99, 100):
        for first, last in ((0, 99), (49, 50), (0, 10_000), (-5000, -1), (100, 200), (99, 99)):
            span = Span("acme", first * DAY, (last + 1) * DAY)
            expected = any(first <= day <= last and day + 1 > moment for day in range(100))
            assert found.since(moment, span) is expected, (moment, first, last)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "_MAX_DAYS", 10)
    found = Changes()
    found.note({"acme": [0]})
    assert not found.since(found.now(), Span("acme", 0, DAY))
    moment = found.now()
    found.note({"other": [day * DAY for day in range(11)]})
    assert found.since(moment, Span("acme", 0, DAY)), "everything counts as changed, once"
    assert not found.since(found.now(), Span("other", 0, DAY))

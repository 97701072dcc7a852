"""Rows into batches, receipts into counts."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import pytest

from tests.house import House
from usagedeck import importing, report
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.deck import Deck
from usagedeck.errors import InvalidInput, NotFound, StorageFull, TooBusy
from usagedeck.events import Rejection
from usagedeck.importing import Import, Tally, here
from usagedeck.ingest import Receipt
from usagedeck.query import Query, Selection
from usagedeck.readers.rows import Refusal, Row
from usagedeck.times import parse_instant, zone
from usagedeck.windows import Interval, Window


class Taker:
    """Takes batches and answers at once; refuses events that say they are bad."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []

    def __call__(self, events: Sequence[bytes]) -> Future[Receipt]:
        self.batches.append(list(events))
        future: Future[Receipt] = Future()
        future.set_result(self.answer(events))
        return future

    def answer(self, events: Sequence[bytes]) -> Receipt:
        bad = [i for i, event in enumerate(events) if b"bad" in event]
        return Receipt(len(events) - len(bad), tuple(Rejection(i, f"id{i}", "code", "field", "why") for i in bad))


def made(taker: importing.Send) -> tuple[Import, list[Refusal], list[Tally]]:
    refused: list[Refusal] = []
    moves: list[Tally] = []
    return (
        Import(taker, refused.append, lambda tally: moves.append(Tally(tally.rows, tally.accepted, tally.rejected))),
        refused,
        moves,
    )


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH_ROWS", 10)


def test_rows_are_batched_counted_and_refused_by_their_place_in_the_file(small: None) -> None:
    rows: list[Row | Refusal] = [Row(n, b"bad" if n % 7 == 0 else b"good") for n in range(2, 52)]
    rows[3] = Refusal(5, "malformed", "broken")
    taker = Taker()
    work, refused, moves = made(taker)
    tally = work.run(rows)
    assert [len(batch) for batch in taker.batches] == [9, 10, 10, 10, 10]
    assert [one.number for one in refused] == [5, 7, 14, 21, 28, 35, 42, 49]
    assert refused[1] == Refusal(7, "code", "why", "field", "id4")
    assert (tally.rows, tally.accepted, tally.rejected) == (50, 42, 8)
    assert moves[-1] == tally


def test_a_batch_is_sent_when_its_bytes_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH_BYTES", 1000)
    taker = Taker()
    made(taker)[0].run([Row(n, b"x" * 400) for n in range(7)])
    assert [len(batch) for batch in taker.batches] == [3, 3, 1]


def test_nothing_is_sent_for_rows_that_are_all_refused(small: None) -> None:
    taker = Taker()
    work, refused, _ = made(taker)
    assert work.run([Refusal(n, "c", "m") for n in range(25)]) == Tally(25, 0, 25)
    assert taker.batches == []
    assert len(refused) == 25
    assert made(taker)[0].run([]) == Tally(0, 0, 0)


def test_only_a_few_batches_wait_for_their_receipt(small: None) -> None:
    flying: list[tuple[Future[Receipt], int]] = []
    most = 0

    class Answering(Future[Receipt]):
        """Answers when somebody waits for it."""

        def result(self, timeout: float | None = None) -> Receipt:
            flying.pop(0)
            return Receipt(10, ())

    def taker(events: Sequence[bytes]) -> Future[Receipt]:
        nonlocal most
        future = Answering()
        flying.append((future, len(events)))
        most = max(most, len(flying))
        return future

    assert made(taker)[0].run([Row(n, b"x") for n in range(200)]).accepted == 200
    assert most == importing.IN_FLIGHT + 1


def test_a_broken_file_is_told_after_the_rows_before_it_are_taken(small: None) -> None:
    def rows() -> Iterator[Row]:
        yield from (Row(n, b"x") for n in range(15))
        raise InvalidInput("The file breaks off.")

    taker = Taker()
    work, _, _ = made(taker)
    with pytest.raises(InvalidInput, match="breaks off"):
        work.run(rows())
    assert work.tally == Tally(15, 15, 0)


def test_when_the_user_breaks_off_what_was_sent_is_counted(small: None) -> None:
    def rows() -> Iterator[Row]:
        yield from (Row(n, b"x") for n in range(25))
        raise KeyboardInterrupt

    work, _, _ = made(Taker())
    with pytest.raises(KeyboardInterrupt):
        work.run(rows())
    assert (work.tally.rows, work.tally.accepted) == (25, 20)


def test_when_a_batch_fails_the_others_are_still_counted(small: None) -> None:
    class Filling(Taker):
        def __call__(self, events: Sequence[bytes]) -> Future[Receipt]:
            if len(self.batches) == 2:
                self.batches.append([])
                future: Future[Receipt] = Future()
                future.set_exception(StorageFull("full"))
                return future
            return super().__call__(events)

    work, _, _ = made(Filling())
    with pytest.raises(StorageFull):
        work.run([Row(n, b"x") for n in range(100)])
    assert work.tally.accepted >= 20
    assert work.tally.accepted % 10 == 0


def test_a_busy_taker_is_asked_again(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("usagedeck.importing.time.sleep", pauses.append)

    class Busy(Taker):
        refusals = 5

        def __call__(self, events: Sequence[bytes]) -> Future[Receipt]:
            if len(self.batches) in (0, 2) and self.refusals:
                self.refusals -= 1
                raise TooBusy("later", retry_after=3)
            return super().__call__(events)

    assert made(Busy())[0].run([Row(n, b"x") for n in range(40)]) == Tally(40, 40, 0)
    assert pauses == [3] * 5


def test_an_unknown_workspace_is_named_with_those_there_are(house: House) -> None:
    with pytest.raises(NotFound, match=f'no workspace "nope". There are: {house.workspace_id}'):
        here(house.deck, "nope")


def test_importing_into_this_process_is_the_same_as_sending(house: House, small: None) -> None:
    rows = [
        Row(n, json.dumps({"id": f"e{n}", "time": "2026-11-01T00:00:00Z", "credits": str(n)} if n % 5 else {"id": 1}).encode())
        for n in range(33)
    ]
    for _ in range(2):
        work, refused, _ = made(here(house.deck, house.workspace_id))
        assert work.run(rows) == Tally(33, 26, 7)
        assert [one.number for one in refused] == [0, 5, 10, 15, 20, 25, 30]
        assert total(house.deck, house) == [26, sum(n for n in range(33) if n % 5)]


def total(deck: Deck, house: House) -> list[object]:
    start, end = (parse_instant(f"2026-{m}-01T00:00:00Z", field="t") for m in ("10", "12"))
    window = Window(start, end, zone("UTC"))
    query = Query(Selection(Subject.REQUESTS, window), (METRICS["requests"], METRICS["credits"]), Interval(unit="total"))
    (row,) = report.usage(deck, house.who, None, query).table.rows
    return list(row[2:])

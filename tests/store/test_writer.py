"""The one thread that writes: it joins what waits, answers after the data is safe, and never lets one batch sink another."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from usagedeck.catalog.kinds import Subject
from usagedeck.errors import StorageFull, StoreFailed, TooBusy
from usagedeck.events import version
from usagedeck.store import writer as writer_module
from usagedeck.store.writer import Block, Quarters, Writer

REQUESTS, DELIVERIES = Subject.REQUESTS, Subject.DELIVERIES


class FakeStore:
    """Remembers inserts; can be held shut, and fails on lines that hold "bad"."""

    def __init__(self) -> None:
        self.inserts: list[tuple[Subject, list[bytes]]] = []
        self.exchanges: list[list[bytes]] = []
        self.begun = threading.Semaphore(0)
        self.open = threading.Event()
        self.open.set()
        self.error: Exception = StoreFailed("the store failed")

    def insert(self, subject: Subject, lines: bytes) -> None:
        self.begun.release()
        self.open.wait(30)
        if b"bad" in lines:
            raise self.error
        self.inserts.append((subject, lines.split(b"\n")))

    def insert_columns(self, subject: Subject, table: Any) -> None:
        self.insert(subject, b"\n".join(b"%s %d" % (str(row["id"]).encode(), row["version"]) for row in table.to_pylist()))

    def insert_exchanges(self, lines: bytes) -> None:
        self.exchanges.append(lines.split(b"\n"))

    def hold(self, writer: Writer) -> None:
        """Shut the store and wait until the writer stands before it."""
        self.open.clear()
        while self.begun.acquire(blocking=False):
            pass
        writer.submit({REQUESTS: [b"first"]}, {})
        assert self.begun.acquire(timeout=30)


def ignored(quarters: Quarters, rows: object = None) -> None:
    """Nobody needs to know."""


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def writer(store: FakeStore) -> Iterator[Writer]:
    opened = Writer(store, list, ignored, ignored, places=int, queue_bytes=1000, min_free_bytes=0, folder=None)
    yield opened
    store.open.set()
    opened.close()


def test_what_waits_goes_into_one_commit(store: FakeStore, writer: Writer) -> None:
    store.hold(writer)
    waiting = [writer.submit({REQUESTS: [f"{n}".encode(), b"x"]}, {}) for n in range(5)]
    assert not any(future.done() for future in waiting), "nothing is acknowledged before it is written"
    store.open.set()
    assert not wait(waiting, timeout=30).not_done
    assert store.inserts == [
        (REQUESTS, [b"first"]),
        (REQUESTS, [b"0", b"x", b"1", b"x", b"2", b"x", b"3", b"x", b"4", b"x"]),
    ]


def test_both_kinds_go_to_their_tables(store: FakeStore, writer: Writer) -> None:
    writer.submit({REQUESTS: [b"r"], DELIVERIES: [b"d1", b"d2"]}, {}).result(30)
    writer.submit({REQUESTS: [], DELIVERIES: [b"d3"]}, {}).result(30)
    assert store.inserts == [(REQUESTS, [b"r"]), (DELIVERIES, [b"d1", b"d2"]), (DELIVERIES, [b"d3"])]


def test_one_bad_batch_does_not_sink_its_neighbours(store: FakeStore, writer: Writer) -> None:
    store.hold(writer)
    lines = [b"a", b"bad", b"b", b"bad too", b"c"]
    futures = [writer.submit({REQUESTS: [line]}, {}) for line in lines]
    store.open.set()
    assert not wait(futures, timeout=30).not_done
    for line, future in zip(lines, futures, strict=True):
        if b"bad" in line:
            assert isinstance(future.exception(), StoreFailed)
        else:
            assert future.exception() is None
    assert [lines for _, lines in store.inserts] == [[b"first"], [b"a"], [b"b"], [b"c"]]
    writer.submit({REQUESTS: [b"next"]}, {}).result(30)


@pytest.mark.parametrize("error", [StorageFull("full"), StoreFailed("failed"), RuntimeError("nobody expected this")])
def test_whatever_fails_the_sender_hears_of_it_and_the_writer_goes_on(store: FakeStore, writer: Writer, error: Exception) -> None:
    store.error = error
    assert writer.submit({REQUESTS: [b"bad"]}, {}).exception(30) is error
    writer.submit({REQUESTS: [b"good"]}, {}).result(30)


def test_a_queue_that_is_full_asks_to_wait_and_takes_again_later(store: FakeStore, writer: Writer) -> None:
    store.hold(writer)
    held = [writer.submit({REQUESTS: [b"x" * 489]}, {}), writer.submit({REQUESTS: [b"y" * 489]}, {})]
    with pytest.raises(TooBusy) as caught:
        writer.submit({REQUESTS: [b"z" * 20]}, {})
    assert caught.value.retry_after >= 1
    store.open.set()
    assert not wait(held, timeout=30).not_done
    writer.submit({REQUESTS: [b"z" * 20]}, {}).result(30)
    assert len(store.inserts[-1][1][0]) == 20


def test_a_batch_larger_than_the_queue_is_taken_when_nothing_waits(store: FakeStore, writer: Writer) -> None:
    writer.submit({REQUESTS: [b"x" * 5000]}, {}).result(30)
    assert len(store.inserts[0][1][0]) == 5000


def test_a_commit_has_a_size(store: FakeStore, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "MAX_COMMIT_BYTES", 100)
    store.hold(writer)
    waiting = [writer.submit({REQUESTS: [bytes([65 + n]) * 59]}, {}) for n in range(5)]
    store.open.set()
    assert not wait(waiting, timeout=30).not_done
    assert [len(lines) for _, lines in store.inserts] == [1, 2, 2, 1]


def test_below_the_floor_of_free_space_events_are_refused(store: FakeStore, tmp_path: Path) -> None:
    full = Writer(store, list, ignored, ignored, places=int, queue_bytes=1000, min_free_bytes=2**80, folder=tmp_path)
    with pytest.raises(StorageFull, match=r"the floor is [\d,]+ \(min_free_bytes\).*Reading goes on"):
        full.submit({REQUESTS: [b"x"]}, {})
    full.close()
    assert store.inserts == []
    roomy = Writer(store, list, ignored, ignored, places=int, queue_bytes=1000, min_free_bytes=1, folder=tmp_path)
    roomy.submit({REQUESTS: [b"x"]}, {}).result(30)
    roomy.close()


def test_closing_writes_what_waits_and_takes_no_more(store: FakeStore, writer: Writer) -> None:
    store.hold(writer)
    waiting = [writer.submit({REQUESTS: [b"w"]}, {}) for _ in range(3)]
    closing = threading.Thread(target=writer.close)
    closing.start()
    store.open.set()
    closing.join(30)
    assert not closing.is_alive()
    assert all(future.done() and future.exception() is None for future in waiting)
    assert sum(len(lines) for _, lines in store.inserts) == 4
    with pytest.raises(TooBusy, match="stopping"):
        writer.submit({REQUESTS: [b"late"]}, {})
    writer.close()


def test_a_sender_who_goes_away_takes_nothing_along(store: FakeStore, writer: Writer) -> None:
    store.hold(writer)
    future = writer.submit({REQUESTS: [b"gone"]}, {})
    assert not future.cancel()
    store.open.set()
    future.result(30)
    assert store.inserts[-1] == (REQUESTS, [b"gone"])


def test_rows_are_stamped_in_the_order_in_which_they_are_written(store: FakeStore) -> None:
    """Stamped when it is taken, a copy that came first and is written last would change an answer already given."""
    stamped: list[bytes] = []

    def stamp(lines: Sequence[bytes]) -> list[bytes]:
        stamped.extend(lines)
        return [b"%d:%b" % (len(stamped) - len(lines) + i, line) for i, line in enumerate(lines)]

    writer = Writer(store, stamp, ignored, ignored, places=int, queue_bytes=1000, min_free_bytes=0, folder=None)
    store.hold(writer)
    waiting = [
        writer.submit({REQUESTS: [b"a"]}, {}),
        writer.submit({REQUESTS: [b"bad"]}, {}),
        writer.submit({REQUESTS: [b"c"]}, {}),
    ]
    assert stamped == [b"first"], "what waits has no stamp yet"
    store.open.set()
    wait(waiting, timeout=30)
    writer.close()
    written = [line for _, lines in store.inserts for line in lines]
    assert [line.split(b":")[1] for line in written] == [b"first", b"a", b"c"]
    numbers = [int(line.split(b":")[0]) for line in written]
    assert numbers == sorted(set(numbers))


def test_what_was_written_is_told_before_anybody_gets_an_answer(store: FakeStore) -> None:
    told: list[tuple[Quarters, object]] = []

    def tell(quarters: Quarters, rows: object) -> None:
        told.append((quarters, rows))

    writer = Writer(store, list, ignored, tell, places=int, queue_bytes=1000, min_free_bytes=0, folder=None)
    seen: list[int] = []
    for line in (b"one", b"bad"):
        done = writer.submit({REQUESTS: [line]}, {"acme": {0}})
        done.add_done_callback(lambda _: seen.append(len(told)))
        wait([done], 10)
    writer.close()
    assert seen == [1, 2]
    assert told[0] == ({"acme": {0}}, [{REQUESTS: [b"one"]}])
    assert told[1] == ({"acme": {0}}, None), "also when it failed: its outcome may be unknown"


# --- room ---------------------------------------------------------------------------------------------------------


def test_room_is_counted_from_the_first_byte_to_the_commit(store: FakeStore, writer: Writer) -> None:
    store.hold(writer)
    before = writer.held
    with writer.hold() as hold:
        hold.grow(300)
        hold.grow(200)
        assert writer.held == before + 500
        future = writer.submit({REQUESTS: [b"x" * 599]}, {}, hold)
        assert writer.held == before + 600, "the body's room became that of its rows"
    assert writer.held == before + 600, "the writer gives it back"
    store.open.set()
    future.result(30)
    writer.submit({REQUESTS: [b"y"]}, {}).result(30)
    writer.close()
    assert writer.held == 0


def test_what_finds_no_room_changes_nothing_and_gives_back_what_it_had(store: FakeStore, writer: Writer) -> None:
    with writer.hold() as first, writer.hold() as second:
        first.grow(900)
        second.grow(50)
        with pytest.raises(TooBusy):
            second.grow(51)
        assert writer.held == 950
        with pytest.raises(TooBusy):
            writer.submit({REQUESTS: [b"x" * 200]}, {}, second)
        assert store.inserts == []
    assert writer.held == 0


def test_whoever_is_alone_may_have_more_than_all_room_and_others_wait(writer: Writer) -> None:
    with writer.hold() as large, writer.hold() as small:
        large.grow(5000)
        with pytest.raises(TooBusy):
            small.grow(1)
        large.become(4000)
        large.release()
        small.grow(1)
        assert writer.held == 1


def test_room_is_given_back_when_writing_fails(store: FakeStore, writer: Writer) -> None:
    assert isinstance(writer.submit({REQUESTS: [b"bad" * 100]}, {}).exception(30), StoreFailed)
    writer.close()
    assert writer.held == 0


# --- columns ------------------------------------------------------------------------------------------------------


def test_columns_and_lines_arrive_in_the_order_of_their_places(store: FakeStore) -> None:
    """Rows of one kind that could not be columns stand between those that are. A row that was refused leaves its place."""
    begun = 0

    def places(count: int) -> int:
        nonlocal begun
        begun += count
        return begun - count

    writer = Writer(store, list, ignored, ignored, places=places, queue_bytes=10_000, min_free_bytes=0, folder=None)
    store.hold(writer)
    block = Block(REQUESTS, pa.table({"id": ["a", "c"]}), [0, 3], [b'{"id":"b"}'], [2])
    waiting = [writer.submit(rows, {}) for rows in ({REQUESTS: [b"x"]}, block, {REQUESTS: [b"y"]}, {REQUESTS: [b"z"]}, block)]
    store.open.set()
    assert not wait(waiting, timeout=30).not_done
    writer.close()
    assert [lines for _, lines in store.inserts] == [
        [b"first"],
        [b"x"],
        [b"a %d" % version(0), b"c %d" % version(3)],
        [b'{"version":%d,"id":"b"}' % version(2)],
        [b"y", b"z"],
        [b"a %d" % version(4), b"c %d" % version(7)],
        [b'{"version":%d,"id":"b"}' % version(6)],
    ]
    assert writer.held == 0

"""More comes than can be written: senders are told to wait before memory grows, and nothing that was acknowledged is lost."""

import gzip
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.web.conftest import Place, opened
from tests.web.sending import EVENT, LINE, ONE, send, totals
from tests.web.test_ingest_trouble import eventually
from tests.web.test_problems import problem
from usagedeck.catalog.kinds import Subject
from usagedeck.store.clickhouse import Store

ROOM = 2**20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Place]:
    """A server that may hold one mebibyte of events."""
    with opened(tmp_path, queue_bytes=ROOM) as place:
        yield place


@contextmanager
def begun(place: Place, length: int, content: bytes, encoding: str = "identity") -> Iterator[socket.socket]:
    """A sender who has sent the beginning of a body, in one piece with the headers."""
    address = urlsplit(place.url)
    lines = ("POST /v1/events HTTP/1.1", "host: localhost", f"xi-api-key: {place.house.api_key}", f"content-length: {length}")
    head = "\r\n".join([*lines, f"content-encoding: {encoding}", "", ""]).encode()
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        connection.sendall(head + content)
        yield connection


def lines(count: int, name: str, size: int) -> bytes:
    """That many events of about that many bytes."""
    filling = {"attributes": {str(n): "x" * 1000 for n in range(size // 1000)}}
    return b"\n".join(json.dumps({**EVENT, **filling, "id": f"{name}-{n}"}).encode() for n in range(count))


def told_to_wait(answer: httpx2.Response) -> bool:
    """Whether the answer is 429; if so it says how long."""
    if answer.status_code != 429:
        return False
    assert problem(answer, 429)["code"] == "too_busy"
    assert int(answer.headers["retry-after"]) >= 1
    return True


def test_bodies_that_are_still_coming_take_room(small: Place) -> None:
    with small.client(small.house.api_key) as sender:
        with begun(small, 2 * ROOM, b" " * (ROOM - 5000)):
            eventually(lambda: small.deck.writer.held >= ROOM - 5000)
            assert told_to_wait(send(sender, lines(10, "late", 10_000)))
            assert send(sender, LINE).json() == ONE, "a small batch still fits"
            assert small.deck.writer.held <= ROOM
        eventually(lambda: small.deck.writer.held == 0)
        assert send(sender, lines(10, "late", 10_000)).json() == {"accepted": 10, "rejected": []}


def test_a_body_is_counted_as_it_unpacks(small: Place) -> None:
    """A few kilobytes on the wire are a thousand times as many in memory."""
    packed = gzip.compress(b" " * 8 * ROOM)
    with small.client(small.house.api_key) as sender:
        with begun(small, 2 * ROOM, b" " * 1000):
            eventually(lambda: small.deck.writer.held == 1000)
            assert told_to_wait(send(sender, packed, content_encoding="gzip"))
            assert small.deck.writer.held == 1000
        eventually(lambda: small.deck.writer.held == 0)
        assert send(sender, packed, content_encoding="gzip").status_code == 200, "alone, it may be as large as a body may be"


def test_a_body_that_does_not_come_gives_its_room_back(tmp_path: Path) -> None:
    with opened(tmp_path, body_seconds=1) as hasty, begun(hasty, 2 * ROOM, b" " * 1000) as connection:
        answer = b""
        while b"body_seconds" not in answer and (piece := connection.recv(65536)):
            answer += piece
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"too_slow" in answer
        eventually(lambda: hasty.deck.writer.held == 0)


def test_ten_times_too_much_is_put_off_and_all_of_it_arrives(small: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store stands still while forty senders come; memory holds what it may, and the rest comes again."""
    insert, goes_on, most = Store.insert, threading.Event(), 0
    put_off = threading.Semaphore(0)

    def slow(store: Store, subject: Subject, rows: bytes) -> None:
        assert goes_on.wait(60)
        insert(store, subject, rows)

    def work(number: int) -> None:
        nonlocal most
        body = gzip.compress(lines(10, str(number), 25_000))
        with small.client(small.house.api_key) as sender:
            while told_to_wait(answer := send(sender, body, content_encoding="gzip")):
                most = max(most, small.deck.writer.held)
                put_off.release()
                goes_on.wait(60)
            assert answer.json() == {"accepted": 10, "rejected": []}

    monkeypatch.setattr(Store, "insert", slow)
    with ThreadPoolExecutor(40) as pool:
        senders = [pool.submit(work, number) for number in range(40)]
        for _ in range(30):
            assert put_off.acquire(timeout=60)
        goes_on.set()
        for one in senders:
            one.result()
    assert 0 < most <= ROOM
    eventually(lambda: small.deck.writer.held == 0)
    with small.client(small.house.api_key) as sender:
        assert totals(sender) == (400, "600")

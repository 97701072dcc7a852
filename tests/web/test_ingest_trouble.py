"""The collecting door when things break: nothing is lost, nothing doubled, and what is acknowledged is there."""

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.house import House
from tests.web.conftest import Place
from tests.web.sending import EVENT, LINE, ONE, send, totals
from tests.web.test_problems import problem
from usagedeck.catalog.kinds import Subject
from usagedeck.errors import StoreFailed, TooBusy
from usagedeck.store import writer
from usagedeck.store.clickhouse import Store


def test_when_the_writer_cannot_keep_up_senders_wait(sender: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise TooBusy("Too many events are waiting to be written; send them again in a moment.", retry_after=3)

    with monkeypatch.context() as patched:
        patched.setattr(writer.Writer, "submit", busy)
        answer = send(sender, [EVENT])
        assert problem(answer, 429)["code"] == "too_busy"
        assert answer.headers["retry-after"] == "3"
    assert send(sender, [EVENT]).json() == ONE


def test_when_the_disk_is_full_reading_goes_on(place: Place, sender: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert send(sender, [EVENT]).json() == ONE
    monkeypatch.setattr(place.deck.writer, "_floor", 2**80)
    body = problem(send(sender, [{**EVENT, "id": "b"}]), 507)
    assert (body["code"], "min_free_bytes" in body["detail"]) == ("storage_full", True)
    assert totals(sender) == (1, "1.5")


def test_what_was_not_written_is_not_acknowledged(sender: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise StoreFailed("The store failed to answer; the server's log has the details.")

    with monkeypatch.context() as patched:
        patched.setattr(Store, "insert", broken)
        assert problem(send(sender, [EVENT]), 500)["code"] == "store_failed"
    assert send(sender, [EVENT]).json() == ONE
    assert totals(sender) == (1, "1.5")


def test_small_batches_share_commits(place: Place, tenant: House, sender: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    senders, submitted, inserts = 40, threading.Semaphore(0), []
    everybody_waits = threading.Event()
    insert, submit = Store.insert, writer.Writer.submit

    def slow(self: Store, subject: Subject, lines: bytes) -> None:
        inserts.append(lines.count(b"\n") + 1)
        assert everybody_waits.wait(30)
        insert(self, subject, lines)

    def counted(self: writer.Writer, *job: Any, **more: Any) -> Any:
        done = submit(self, *job, **more)
        submitted.release()
        return done

    monkeypatch.setattr(Store, "insert", slow)
    monkeypatch.setattr(writer.Writer, "submit", counted)
    with ThreadPoolExecutor(senders) as pool:
        answers = [pool.submit(send, sender, [{**EVENT, "id": f"s-{n}"}]) for n in range(senders)]
        for _ in range(senders):
            assert submitted.acquire(timeout=30)
        everybody_waits.set()
        assert all(answer.result().json() == ONE for answer in answers)
    assert sum(inserts) == senders
    assert len(inserts) <= 2
    assert totals(sender)[0] == senders


def test_many_senders_at_once_lose_nothing(place: Place, tenant: House) -> None:
    def work(number: int) -> None:
        with place.client(tenant.api_key) as sender:
            for n in range(10):
                batch = [{**EVENT, "id": f"{number}-{n}-{i}"} for i in range(5)] + [EVENT]
                assert send(sender, batch).json() == {"accepted": 6, "rejected": []}

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    with place.client(tenant.api_key) as sender:
        assert totals(sender) == (401, "601.5")


def raw(place: Place, content: bytes) -> None:
    """Send bytes and hang up without waiting for an answer."""
    address = urlsplit(place.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(content)


def eventually(check: Callable[[], bool]) -> None:
    """Wait until it holds, ten seconds at most."""
    end = time.monotonic() + 10
    while not check():
        assert time.monotonic() < end
        time.sleep(0.01)


def head(tenant: House, length: int) -> bytes:
    lines = ("POST /v1/events HTTP/1.1", "host: localhost", f"xi-api-key: {tenant.api_key}", f"content-length: {length}", "", "")
    return "\r\n".join(lines).encode()


def test_a_sender_who_hangs_up_midway_has_sent_nothing(place: Place, tenant: House, sender: httpx2.Client) -> None:
    def answered(status: int) -> int:
        lines = sender.get("/metrics").text.splitlines()
        name = f'usagedeck_http_requests_total{{method="POST",route="/v1/events",status="{status}"}}'
        return next((int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(name)), 0)

    cut_short, failed = answered(400), answered(500)
    raw(place, head(tenant, len(LINE) * 2) + LINE + b"\n")
    eventually(lambda: answered(400) == cut_short + 1)
    assert answered(500) == failed
    assert totals(sender)[0] == 0


def test_a_sender_who_did_not_hear_the_answer_sends_again(place: Place, tenant: House, sender: httpx2.Client) -> None:
    for _ in range(5):
        raw(place, head(tenant, len(LINE)) + LINE)
    assert send(sender, LINE).json() == ONE
    assert totals(sender) == (1, "1.5")

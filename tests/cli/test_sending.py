"""Batches over HTTP: what a server answers, and what an import makes of it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeAlias

import pytest

from tests.house import House, served
from usagedeck.cli.sending import Sender
from usagedeck.errors import (
    InvalidInput,
    NotAllowed,
    NotFound,
    NotSignedIn,
    StorageFull,
    StoreFailed,
    TooBusy,
    UsagedeckError,
)
from usagedeck.ingest import Receipt

Answer: TypeAlias = tuple[int, dict[str, str], bytes]


@contextmanager
def answering(*answers: Answer) -> Iterator[tuple[str, list[tuple[str | None, list[bytes]]]]]:
    """A server that gives these answers in turn; its address, and what it was sent."""
    waiting = list(answers)
    got: list[tuple[str | None, list[bytes]]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.headers["xi-api-key"], body.split(b"\n")))
            status, headers, content = waiting.pop(0)
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's own name
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/events", got
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def taken(accepted: int, *rejected: dict[str, Any], status: int = 200) -> Answer:
    return status, {}, json.dumps({"accepted": accepted, "rejected": rejected}).encode()


def problem(status: int, detail: str, code: str = "c", **headers: str) -> Answer:
    return status, headers, json.dumps({"detail": detail, "code": code, "field": "f"}).encode()


def send(url: str, *batches: list[bytes]) -> list[Receipt]:
    with Sender(url, {"xi-api-key": "secret"}) as sender:
        futures = [sender(batch) for batch in batches]
        return [future.result(20) for future in futures]


def rejected(index: int) -> dict[str, Any]:
    return {"index": index, "id": None, "code": "malformed", "field": None, "message": "m"}


def test_batches_go_one_after_the_other_and_bring_receipts() -> None:
    with answering(taken(2), taken(0, rejected(0), status=422)) as (url, got):
        first, second = send(url, [b"a", b"b"], [b"c"])
    assert first == Receipt(2, ())
    assert second.accepted == 0
    assert second.rejected[0].code == "malformed"
    assert got == [("secret", [b"a", b"b"]), ("secret", [b"c"])]


def test_a_busy_server_is_waited_for() -> None:
    wait = problem(429, "later", **{"retry-after": "0"})
    unclear = (503, {"retry-after": "0"}, b"<html>")
    with answering(wait, unclear, wait, taken(1)) as (url, got):
        assert send(url, [b"a"]) == [Receipt(1, ())]
    assert len(got) == 4


def test_waiting_ends_when_the_import_does() -> None:
    with answering(problem(429, "later", **{"retry-after": "500"})) as (url, got):
        with Sender(url, {}) as sender:
            future = sender([b"a"])
            while not got:
                threading.Event().wait(0.01)
        with pytest.raises(TooBusy, match="too busy: later"):
            future.result(20)


@pytest.mark.parametrize("code", ["too_large", "too_many_events"])
@pytest.mark.parametrize("status", [400, 413])
def test_a_batch_that_is_too_large_is_sent_in_halves(code: str, status: int) -> None:
    with answering(problem(status, "too much", code), taken(1, rejected(1)), taken(1, rejected(0), rejected(2))) as (url, got):
        (receipt,) = send(url, [b"a", b"b", b"c", b"d", b"e"])
    assert [batch for _, batch in got] == [[b"a", b"b", b"c", b"d", b"e"], [b"a", b"b"], [b"c", b"d", b"e"]]
    assert receipt.accepted == 2
    assert [one.index for one in receipt.rejected] == [1, 2, 4]


def test_a_single_event_that_is_too_large_is_an_error() -> None:
    with answering(problem(413, "too much", "too_large")) as (url, _), pytest.raises(InvalidInput, match="too much"):
        send(url, [b"a"])


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (problem(401, "Invalid API key"), NotSignedIn, "Invalid API key"),
        (problem(403, "missing permission"), NotAllowed, "missing permission"),
        (problem(404, "no workspace"), NotFound, "no workspace"),
        (problem(400, "bad"), InvalidInput, "bad"),
        (problem(507, "disk full"), StorageFull, "disk full"),
        (problem(500, "oops"), StoreFailed, "oops"),
        ((502, {}, b"<html>Bad gateway"), StoreFailed, "answered 502: <html>Bad gateway"),
        ((404, {}, b"\xff\xfe"), NotFound, "answered 404"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_refusals_become_errors(answer: Answer, kind: type[UsagedeckError], says: str) -> None:
    with answering(answer) as (url, _), pytest.raises(kind, match=says):
        send(url, [b"a"])


def test_nobody_answers() -> None:
    with answering() as (url, _):
        pass
    with pytest.raises(NotFound, match="does not answer"):
        send(url, [b"a"])


def test_a_real_server_with_a_small_limit(house: House, narrowed: Callable[[int], House]) -> None:
    small = narrowed(10)
    lines = [json.dumps({"id": f"e{n}", "time": "2026-11-01T00:00:00Z"} if n % 9 else {"id": n}).encode() for n in range(73)]
    with served(small.deck) as url, Sender(f"{url}/v1/events", {"xi-api-key": small.api_key}) as sender:
        receipt = sender(lines).result(60)
    assert receipt.accepted == 64
    assert [one.index for one in receipt.rejected] == list(range(0, 73, 9))


@pytest.fixture
def narrowed(house: House) -> Callable[[int], House]:
    """The house with a smaller limit of events in a batch."""

    def made(most: int) -> House:
        deck = replace(house.deck, settings=house.deck.settings.model_copy(update={"max_batch_events": most}))
        return replace(house, deck=deck)

    return made

"""Who goes away takes the question along: the engine stops working on it at once."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from tests.house import NOON
from tests.waiting import until
from tests.web.conftest import Place, opened
from usagedeck.catalog.kinds import Subject
from usagedeck.times import DAY, HOUR, iso

LONG = {"start": NOON - DAY, "end": NOON}
SECONDS = f"/api/v1/usage?metric=concurrency&interval=20s&start={NOON - DAY}&end={NOON}"
ASKED = {
    "json": SECONDS,
    "csv": SECONDS.replace("/usage?", "/usage.csv?"),
    "top": SECONDS + "&by=path&top=3",
}


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place where a day by seconds is a long piece of work: every request lasts for hours."""
    with opened(tmp_path_factory.mktemp("slow"), query_seconds=120, query_memory=8_000_000_000) as place:
        lines = (
            f'{{"workspace_id": "{place.house.workspace_id}", "time": {NOON - DAY + n}, "id": "{n}", "version": 1, '
            f'"duration_ms": {DAY - HOUR}, "path": "/p/{n}"}}'
            for n in range(100_000)
        )
        place.deck.store.insert(Subject.REQUESTS, "\n".join(lines).encode())
        yield place


def running(place: Place) -> int:
    text = "SELECT count() FROM system.processes WHERE query NOT LIKE '%system.processes%'"
    return int(place.deck.store._writer.query(text).result_rows[0][0])


def statuses(place: Place, status: int) -> float:
    """Answers with that status so far."""
    with place.client() as client:
        lines = client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if "requests_total{" in line and f'status="{status}"' in line)


def ask(place: Place, method: str, path: str, body: bytes = b"") -> socket.socket:
    address = urlsplit(place.url)
    connection = socket.create_connection((address.hostname or "", address.port or 0))
    head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\nxi-api-key: {place.house.api_key}\r\n"
    connection.sendall(f"{head}content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    return connection


@pytest.mark.parametrize("what", ASKED)
def test_a_closed_connection_stops_its_question(slow: Place, what: str) -> None:
    before = statuses(slow, 499)
    with closing(ask(slow, "GET", ASKED[what])):
        until(lambda: running(slow) == 1)
    until(lambda: running(slow) == 0)
    until(lambda: statuses(slow, 499) == before + 1)


def test_a_question_with_a_body_is_stopped_too(slow: Place) -> None:
    hours = f"start_unix={NOON - DAY}&end_unix={NOON}&aggregation_bucket_size=90&metric=concurrency"
    with closing(ask(slow, "GET", f"/v1/usage/character-stats?{hours}&include_workspace_metrics=true")):
        until(lambda: running(slow) == 1)
    until(lambda: running(slow) == 0)
    body = {"start_time": NOON - DAY, "end_time": NOON, "search": " ".join(f"nobody-says-{n}" for n in range(10))}
    with closing(ask(slow, "POST", "/v1/workspace/analytics/requests", json.dumps(body).encode())) as connection:
        assert connection.recv(12) == b"HTTP/1.1 200", "one that is not left is answered as ever"


def test_a_download_that_is_left_stops_on_its_way(slow: Place) -> None:
    path = f"/api/v1/requests.csv?start={iso(NOON - DAY)}&end={iso(NOON)}"
    with closing(ask(slow, "GET", path)) as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
        until(lambda: running(slow) == 1)
    until(lambda: running(slow) == 0)


def test_whoever_stays_is_answered(slow: Place) -> None:
    with closing(ask(slow, "GET", SECONDS)):
        until(lambda: running(slow) == 1)
        with slow.client(slow.house.api_key) as client:
            assert client.get("/api/v1/usage", params={**LONG, "interval": "total"}).json()["rows"][0][2] == 100_000
    until(lambda: running(slow) == 0)

"""The most expensive legal questions side by side: each is answered or refused, memory stays below its limit, events are
taken meanwhile, and afterwards all is as before."""

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from tests.house import NOON
from tests.web.conftest import Place, opened
from usagedeck.times import DAY

ROWS, STEP = 200_000, 50_000
MEMORY = 800_000_000
BEYOND = 160 * 2**20
"""What Python may need for itself: answers on their way, and a batch of the log."""

_FILL = """
INSERT INTO requests (workspace_id, time, id, version, status, path, route, duration_ms, user_agent, ip, credits)
SELECT {workspace:String}, {end:Int64} - 1 - number * 432, concat('r', toString(number)), 1, 200, concat('/p/', toString(number)),
  concat('/r/', toString(number % 500)), sipHash64(number) % 3600000, concat('agent/', toString(number % 50000)),
  concat('10.0.', toString(number % 200), '.', toString(number % 251)), toDecimal64(number % 1000, 6) / 7
FROM numbers({first:UInt64}, {rows:UInt64})
"""

ALL = {"start": NOON - DAY, "end": NOON}
HEAVY: dict[str, tuple[str, dict[str, str | int]]] = {
    "percentiles by user agent by second": (
        "/api/v1/usage.csv",
        {"metric": "latency_p50,latency_p95,latency_p99", "by": "user_agent", "interval": "1s"},
    ),
    "concurrency of every second": ("/api/v1/usage.csv", {"metric": "concurrency", "interval": "1s", "by": "ip"}),
    "two dimensions with every value": (
        "/api/v1/usage.csv",
        {"metric": "latency_p95", "by": "path,user_agent", "interval": "1s"},
    ),
    "two dimensions, top of them": (
        "/api/v1/usage",
        {"metric": "credits", "by": "path,user_agent", "interval": "hour", "top": 1000},
    ),
    "searching for what is nowhere": ("/api/v1/requests", {"search": "this is nowhere to be found"}),
    "everything": ("/api/v1/requests.csv", {}),
}
TOO_HEAVY = "concurrency of every second"
"""More than its share of memory however it is worked on; others may get through by way of the disk."""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place with little memory and a day of requests that last for up to an hour."""
    limits = {"memory": MEMORY, "query_memory": 60_000_000, "export_parallel": 8, "query_seconds": 60}
    with opened(tmp_path_factory.mktemp("small"), **limits) as place:
        for first in range(0, ROWS, STEP):
            values = {"workspace": place.house.workspace_id, "end": NOON, "first": first, "rows": STEP}
            place.deck.store._writer.command(_FILL, parameters=values)
        yield place


def _peak() -> int:
    """Most memory this process has held since `_forget_peak`, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _ask(place: Place, name: str) -> httpx2.Response:
    path, params = HEAVY[name]
    with place.client(place.house.api_key) as client, client.stream("GET", path, params={**ALL, **params}) as answer:
        for _ in answer.iter_raw(2**20):
            pass
    return answer


def _search(place: Place, text: str) -> httpx2.Response:
    """A question nobody has asked before."""
    with place.client(place.house.api_key) as client:
        return client.get("/api/v1/requests", params={**ALL, "search": text})


def _send_until(place: Place, done: threading.Event) -> list[int]:
    """Batches of events, one after the other; the statuses of their receipts."""
    found: list[int] = []
    with place.client(place.house.api_key) as client:
        while not done.is_set() or not found:
            events = [{"id": f"new-{len(found)}-{n}", "time": NOON - 5 * DAY, "path": "/new"} for n in range(200)]
            found.append(client.post("/v1/events", content="\n".join(map(json.dumps, events))).status_code)
    return found


def test_the_heaviest_questions_hurt_nobody(small: Place) -> None:
    with small.client(small.house.api_key) as client:
        before = client.get("/api/v1/usage", params={**ALL, "interval": "total", "metric": "requests,credits"}).json()["rows"]
    _forget_peak()
    calm = _peak()
    done = threading.Event()
    with ThreadPoolExecutor(16) as pool:
        sending = pool.submit(_send_until, small, done)
        asked: dict[str, list[Future[httpx2.Response]]] = {
            name: [pool.submit(_ask, small, name) for _ in range(2)] for name in HEAVY
        }
        answers = {name: [one.result() for one in both] for name, both in asked.items()}
        done.set()
        receipts = sending.result()
    grown = _peak() - calm

    for name, both in answers.items():
        for answer in both:
            assert answer.status_code in (200, 422), name
    assert [answer.status_code for answer in answers[TOO_HEAVY]] == [422, 422]
    assert set(receipts) == {200}, "a batch was not taken"
    assert grown < MEMORY + BEYOND
    with small.client(small.house.api_key) as client:
        after = client.get("/api/v1/usage", params={**ALL, "interval": "total", "metric": "requests,credits"}).json()["rows"]
        new: dict[str, str | int] = {"start": NOON - 6 * DAY, "end": NOON - 4 * DAY, "interval": "total"}
        assert client.get("/api/v1/usage", params=new).json()["rows"][0][2] == 200 * len(receipts)
    assert after == before


def test_a_question_too_heavy_says_what_to_do(small: Place) -> None:
    with small.client(small.house.api_key) as client:
        path, params = HEAVY[TOO_HEAVY]
        refused = client.get(path, params={**ALL, **params})
    assert refused.status_code == 422
    assert refused.json()["code"] == "query_too_heavy"
    assert "it needs too much memory; ask for a shorter window" in refused.json()["detail"]
    assert "query_memory" in refused.json()["detail"]


def test_questions_that_wait_do_not_keep_events_waiting(small: Place) -> None:
    """More questions than there are threads wait for their turn, and a batch is taken at once."""
    store = small.deck.store
    with ThreadPoolExecutor(60) as pool:
        held = [store._reader() for _ in range(4)]
        for place in held:
            place.__enter__()
        try:
            asked = [pool.submit(_search, small, f"nowhere-{n}") for n in range(50)]
            with small.client(small.house.api_key) as client:
                taken = client.post("/v1/events", content=json.dumps({"id": "quick", "time": NOON}))
            assert taken.status_code == 200
            assert not any(one.done() for one in asked)
        finally:
            for place in held:
                place.__exit__(None, None, None)
        assert {one.result().status_code for one in asked} == {200}

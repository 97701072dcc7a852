"""What load balancers and monitoring ask."""

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from tests.house import NOON
from tests.web.conftest import Place, opened
from tests.web.test_problems import problem
from usagedeck import __version__
from usagedeck.errors import StoreFailed
from usagedeck.store.clickhouse import Store
from usagedeck.times import DAY, MINUTE

STRANGER = {"x-forwarded-for": "203.0.113.7"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Behind a proxy, with a token for whoever is not on this machine."""
    settings: dict[str, Any] = {"trusted_proxies": "127.0.0.1", "metrics_token": "tökén"}
    with opened(tmp_path_factory.mktemp("machines"), **settings) as found:
        yield found


@pytest.mark.parametrize(
    ("path", "body"),
    [("/healthz", {"status": "ok"}), ("/readyz", {"status": "ready"}), ("/version", {"version": __version__})],
)
def test_everybody_may_ask_how_it_is(place: Place, path: str, body: dict[str, str]) -> None:
    with place.client(headers=STRANGER) as client:
        answer = client.get(path)
    assert (answer.status_code, answer.json()) == (200, body)


def test_it_is_alive_but_not_ready_when_the_store_fails(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise StoreFailed("The store failed to answer.")

    monkeypatch.setattr(Store, "run", broken)
    with place.client() as client:
        assert problem(client.get("/readyz"), 500)["code"] == "store_failed"
        assert client.get("/healthz").status_code == 200


def test_it_is_not_ready_when_the_directory_fails(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error at /var/lib/secret")

    monkeypatch.setattr(type(place.deck.directory.workspaces), "all", broken)
    with place.client(headers={"connection": "close"}) as client:
        answer = client.get("/readyz")
    assert "secret" not in problem(answer, 500)["detail"]


def test_metrics_are_for_this_machine_or_the_token(place: Place) -> None:
    with place.client() as here, place.client(headers=STRANGER) as away:
        assert here.get("/metrics").status_code == 200
        assert problem(away.get("/metrics"), 403)["code"] == "forbidden"
        assert away.get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 403
        token: Any = {"authorization": "Bearer tökén".encode("latin-1")}
        assert away.get("/metrics", headers=token).status_code == 200


def test_metrics_count_requests_and_events_and_name_no_workspace(place: Place) -> None:
    with place.client(place.house.api_key) as client:
        client.post("/v1/events", json=[{"id": "a", "time": NOON}, {"id": "b", "time": NOON}, {"time": 1}])
        client.get("/api/v1/values/model")
        client.get(f"/nowhere/{place.house.workspace_id}")
        client.get("/api/v1/usage", params={"workspace": place.house.workspace_id})
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    text = answer.text
    assert 'usagedeck_events_total{outcome="accepted"} 2.0' in text
    assert 'usagedeck_events_total{outcome="rejected"} 1.0' in text
    assert 'usagedeck_http_requests_total{method="GET",route="/api/v1/values/{name:path}",status="200"} 1.0' in text
    assert 'route="other",status="404"' in text
    assert "usagedeck_http_seconds_bucket" in text
    assert place.house.workspace_id not in text
    assert "workspace" not in text


def test_metrics_say_how_far_sealing_is(place: Place) -> None:
    place.house.send([{"id": "old", "time": NOON - DAY}])
    place.clock.now += MINUTE
    with place.client() as client:
        before = client.get("/metrics").text
        place.deck.sealer.look()
        at_once = client.get("/metrics").text
        place.clock.now += MINUTE
        after = client.get("/metrics").text
    waiting = 'usagedeck_unsealed_days{rollup="calls",why="waiting"} '
    assert waiting in before
    assert f"{waiting}0.0" not in before
    assert 'usagedeck_sealed_until_seconds{rollup="calls"}' not in before
    assert f"{waiting}0.0" not in at_once, "it is counted once a minute"
    assert f"{waiting}0.0" in after
    assert 'usagedeck_unsealed_days{rollup="sendings",why="taken_away"} 0.0' in after
    (line,) = (line for line in after.splitlines() if line.startswith('usagedeck_sealed_until_seconds{rollup="calls"}'))
    assert float(line.split()[1]) == (NOON - 30 * MINUTE) / 1000
    (line,) = (line for line in after.splitlines() if line.startswith("usagedeck_sealing_caught_up_seconds"))
    assert float(line.split()[1]) == (NOON + MINUTE) / 1000

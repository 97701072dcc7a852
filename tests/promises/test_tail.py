"""The live tail over reconnects, restarts and kills: no gap, no repeat."""

import json
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.following import PATH, follow
from tests.house import NOON, House, StillClock, build_house
from tests.processes import server
from tests.waiting import until
from usagedeck.catalog.dimensions import log_field
from usagedeck.catalog.kinds import Subject
from usagedeck.deck import Deck, open_deck
from usagedeck.query import LogQuery, Selection
from usagedeck.settings import Settings
from usagedeck.tail import Tail
from usagedeck.times import DAY, MINUTE, SECOND, zone
from usagedeck.web import tail as tail_module
from usagedeck.windows import LATEST_WINDOW, Window


def step(house: House, tail: Tail) -> list[str]:
    return [row[0] for row in tail.step(house.who, None).table.rows]


def test_a_place_is_good_after_a_restart_with_a_clock_put_back(settings: Settings, clock: StillClock) -> None:
    query = LogQuery(Selection(Subject.REQUESTS, Window(0, LATEST_WINDOW, zone("UTC"))), (log_field("id", Subject.REQUESTS),))
    with open_deck(settings, clock) as deck:
        house = build_house(deck, id="ws")
        tail = Tail(deck, query, place=None, rate=200)
        house.send([{"id": "a", "time": NOON}])
        assert step(house, tail) == ["a"]
        house.send([{"id": "b", "time": NOON}, {"id": "late", "time": NOON - 90 * DAY}, {"id": "a", "time": NOON}])
    clock.now -= MINUTE
    with open_deck(settings, clock) as deck:
        house = House(deck, "ws", house.api_key, house.who)
        again = Tail(deck, query, place=tail.place, rate=200)
        house.send([{"id": "c", "time": NOON}, {"id": "b", "time": NOON}])
        seen = []
        while again.place < deck.commits.latest:
            seen += step(house, again)
        assert seen == ["b", "late", "c"]
        assert step(house, again) == []


def ready(folder: Path) -> tuple[str, str]:
    """A data folder with a workspace and its key."""
    with open_deck(Settings(data_dir=folder, min_free_bytes=0), StillClock()) as deck:
        return (house := build_house(deck, id="ws")).workspace_id, house.api_key


def send(url: str, key: str, *ids: str, time: int = NOON - DAY) -> None:
    body = "\n".join(json.dumps({"id": id_, "time": time}) for id_ in ids)
    answer = httpx2.post(f"{url}/v1/events", content=body, headers={"xi-api-key": key}, timeout=60)
    assert answer.status_code == 200, answer.text


@pytest.mark.promise
@pytest.mark.parametrize("killed", [False, True])
def test_nothing_is_missed_or_repeated_over_reconnects_and_restarts(tmp_path: Path, *, killed: bool) -> None:
    """Senders on several connections, with repeats and late events; the reader breaks off now and then, and the server once."""
    _, key = ready(tmp_path / "data")
    seen: list[str] = []
    after: dict[str, str] = {}

    def read(url: str, count: int) -> None:
        """Until so many more came, breaking off twice in between."""
        wanted = len(seen) + count
        for least in (len(seen) + count // 3, len(seen) + 2 * count // 3, wanted):
            read_until(url, least)

    def read_until(url: str, least: int) -> None:
        with follow(url, {"xi-api-key": key}, columns="id", rate=200, **after) as tail:
            until(lambda: bool(tail.events) and len(seen) + len(tail.rows) >= least)
        assert tail.left_out == 0
        seen.extend(tail.ids)
        after["after"] = tail.place

    def write(url: str, sender: int, start: int) -> None:
        for batch in range(start, start + 5):
            late = f"late-{sender}-{batch}"
            send(url, key, f"{sender}-{batch}", f"{sender}-{batch - 1}", f"everybody-{batch}")
            send(
                url, key, late, f"late-{sender}-{start}", time=NOON - (1 + batch) * 10 * DAY if batch == start else NOON - 9 * DAY
            )

    def rounds(url: str, start: int) -> None:
        threads = [threading.Thread(target=write, args=(url, sender, start)) for sender in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    with server(tmp_path / "data") as (process, url):
        with follow(url, {"xi-api-key": key}, columns="id") as tail:
            until(lambda: bool(tail.events))
            after["after"] = tail.place
        rounds(url, 1)
        read(url, 20)
        with follow(url, {"xi-api-key": key}, columns="id", **after) as last:
            until(lambda: bool(last.events))
            send(url, key, "before-the-end")
            until(lambda: "before-the-end" in last.ids)
            if killed:
                process.kill()
            else:
                assert process.stop() == 0
            until(lambda: last.closed)
        seen.extend(last.ids)
        after["after"] = last.place
        if not killed:
            assert last.events[-1][2]["code"] == "stopping"
    with server(tmp_path / "data") as (_, url):
        rounds(url, 6)
        send(url, key, "the-end")
        with follow(url, {"xi-api-key": key}, columns="id", rate=200, **after) as tail:
            until(lambda: "the-end" in tail.ids)
        seen.extend(tail.ids)
        with httpx2.Client(base_url=url, headers={"xi-api-key": key}, timeout=60) as client:
            log = client.get("/api/v1/requests.csv", params={"columns": "id", "start": "2026-01-01T00:00:00Z"}).text
    stored = [line.split(",")[0] for line in log.splitlines()[1:]]
    assert sorted(seen) == sorted(stored)


def test_a_reader_who_stands_still_does_not_hold_up_a_stop(
    deck: Deck, house: House, url: str, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail_module, "FAREWELL", 0.05)
    address = urlsplit(url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((address.hostname or "", address.port or 0))
        asked = f"GET {PATH}?rate=200 HTTP/1.0\r\nhost: localhost\r\nxi-api-key: {house.api_key}\r\n\r\n"
        connection.sendall(asked.encode())
        until(lambda: house.workspace_id in deck.commits._listeners)
        for n in range(4):
            clock.now += 5 * SECOND
            house.send({"id": f"{n}-{m}", "time": NOON, "path": "x" * 2000} for m in range(500))
        deck.commits.close()
        until(lambda: house.workspace_id not in deck.commits._listeners)

"""Whatever is asked at whatever door: nothing that has expired is in the answer, which says from when on there is data."""

import random
from typing import Any

import httpx2
import pytest

from tests.house import House, StillClock
from usagedeck import admin
from usagedeck.store.expiry import floor_at
from usagedeck.times import DAY, HOUR, iso

DAYS = 20
GONE = "expired"


@pytest.fixture
def floor(house: House, clock: StillClock) -> int:
    """Every second request has expired and shows it in all its texts; nothing is deleted yet."""
    floor = floor_at(clock.now, DAYS)
    instants = [(name, time + n) for n in range(20) for name, time in (("kept", floor + n * HOUR), (GONE, floor - 1 - n * HOUR))]
    house.send([{"id": f"{name} {at}", "time": at, "path": f"/{name}", "credits": 1, **_texts(name)} for name, at in instants])
    house.send([{"kind": "delivery", "id": f"{name} {at}", "time": at, "webhook_id": name, "url": name} for name, at in instants])
    house.do(admin.SetRetention(workspace=house.workspace_id, days=DAYS))
    house.deck.expirer.look()
    return floor


def _texts(name: str) -> dict[str, Any]:
    return dict.fromkeys(("user_id", "voice_id", "model", "product_type", "api_key_id", "region", "trace_id"), name)


def test_errors_are_those_that_are_kept(client: httpx2.Client, house: House, floor: int) -> None:
    house.send([{"id": f"failed {at}", "time": floor + at, "status": 500} for at in range(3)])
    asked = {"start": iso(floor - DAY), "end": iso(floor + DAY)}
    body = client.get("/api/v1/errors", params=asked).json()
    assert (body["errors"], body["available_from"], body["window"]["start"]) == (3, iso(floor), iso(floor))
    answer = client.get("/api/v1/errors.csv", params=asked)
    assert (len(answer.text.splitlines()), answer.headers["x-available-from"]) == (2, iso(floor))


def test_what_is_not_wholly_kept_is_not_compared(client: httpx2.Client, floor: int) -> None:
    def ask(path: str, start: int) -> dict[str, Any]:
        answer = client.get(f"/api/v1/{path}", params={"start": iso(start), "end": iso(start + DAY), "metric": "credits"})
        assert answer.status_code == 200, answer.text
        assert GONE not in answer.text
        body: dict[str, Any] = answer.json()
        return body

    whole = ask("changes", floor + DAY)
    assert (whole["available_from"], whole["whole"]) == (None, {"before": "20", "after": "0", "change": "-20"})
    for start in (floor + DAY - 1, floor - DAY):
        body = ask("changes", start)
        assert (body["available_from"], body["rows"]) == (iso(floor), [])
        assert body["whole"] == {"before": None, "after": None, "change": None}
        assert (ask("changes/dimensions", start)["rows"], ask("changes/dimensions", start)["available_from"]) == ([], iso(floor))


def test_no_door_answers_below_the_floor(client: httpx2.Client, clock: StillClock, floor: int) -> None:
    dice, kept = random.Random(5), 0
    for _ in range(120):
        start = floor - dice.choice((0, 1, HOUR, 3 * DAY, 40 * DAY))
        end = dice.choice((clock.now, floor + 5 * HOUR, floor, floor - HOUR))
        if end < start:
            continue
        answer = dice.choice((ours, wire))(client, dice, start, end)
        assert answer.status_code == 200, answer.text
        assert GONE not in answer.text, answer.request.url
        kept += "kept" in answer.text
        told = answer.headers.get("x-available-from")
        if "json" in answer.headers["content-type"] and str(answer.request.url.path).startswith("/api/v1"):
            told = answer.json()["available_from"]
        assert told == (iso(floor) if start < floor else None), answer.request.url
    assert kept > 20


def ours(client: httpx2.Client, dice: random.Random, start: int, end: int) -> httpx2.Response:
    window = {"start": str(start), "end": str(end), "time_zone": dice.choice(("UTC", "America/New_York", "Asia/Kathmandu"))}
    csv = dice.choice(("", ".csv"))
    by = dice.choice(("voice_id", "user_id", "model", "path", "product_type,region"))
    asked: dict[str, dict[str, Any]] = {
        "usage": {"metric": dice.choice(("requests", "credits", "success_rate", "latency_p95")), "by": by, "interval": "total"}
        | dice.choice(({"top": 1}, {"interval": "day"}, {"interval": "900s"}, {"cumulative": "false"})),
        "requests": {"order": dice.choice(("asc", "desc")), "limit": 5},
        "deliveries": {"search": dice.choice(("", GONE, "kept"))},
        "values/voice_id": {"q": dice.choice(("", "e"))},
        "values/webhook_id": {"of": "deliveries"},
    }
    name = dice.choice(list(asked))
    return client.get(f"/api/v1/{name}{csv}", params=window | asked[name])


def wire(client: httpx2.Client, dice: random.Random, start: int, end: int) -> httpx2.Response:
    end = max(start, end - 1)  # included there
    body: dict[str, Any] = {"start_time": start, "end_time": end}
    analytics = "/v1/workspace/analytics"
    choice = dice.randrange(4)
    if choice == 0:
        stats: dict[str, Any] = {
            "start_unix": start,
            "end_unix": end,
            "breakdown_type": "voice",
            "include_workspace_metrics": "true",
        }
        return client.get("/v1/usage/character-stats", params=stats)
    if choice == 1:
        body |= {"interval_seconds": 86400, "group_by": [dice.choice(("voice_id", "model", "product_type"))]}
        return client.post(f"{analytics}/query/usage-by-product-over-time", json=body)
    if choice == 2:
        return client.post(f"{analytics}/usage", json=body | {"interval_seconds": 86400, "group_by": ["product_type"]})
    return client.post(f"{analytics}/requests", json=body)


def test_pages_of_the_log_end_at_the_floor(client: httpx2.Client, clock: StillClock, floor: int) -> None:
    asked = {"start": str(floor - 5 * DAY), "end": str(clock.now), "columns": "id", "limit": "7"}
    cursor, found = None, []
    while True:
        page = client.get("/api/v1/requests", params={**asked, **({"cursor": cursor} if cursor else {})}).json()
        found += [row[0] for row in page["rows"]]
        cursor = page["older"]
        if cursor is None:
            break
    assert len(found) == 20
    assert not any(GONE in id_ for id_ in found)


def test_a_chart_has_no_buckets_where_nothing_is_known(client: httpx2.Client, clock: StillClock, floor: int) -> None:
    asked = {"metric": "requests", "interval": "day", "start": str(floor - 5 * DAY), "end": str(clock.now), "time_zone": "UTC"}
    answer = client.get("/api/v1/usage", params=asked).json()
    assert answer["edges"][0] == iso(floor) == answer["rows"][0][0] == answer["window"]["start"]
    assert [row[2] for row in answer["rows"][:2]] == [20, 0]
    below = client.get("/api/v1/usage", params={**asked, "end": str(floor)}).json()
    assert below["rows"] == []
    assert len(below["edges"]) == 1
    stats = client.get("/v1/usage/character-stats", params={"start_unix": floor - 5 * DAY, "end_unix": floor - 1})
    assert stats.json() == {"time": [], "usage": {}}
    stats = client.get("/v1/usage/character-stats", params={"start_unix": floor - 5 * DAY, "end_unix": floor + DAY - 1})
    assert stats.json() == {"time": [floor], "usage": {"All": [20]}}


def test_the_door_refuses_what_is_too_old(client: httpx2.Client, floor: int) -> None:
    answer = client.post("/v1/events", json=[{"id": "old", "time": floor - 1}, {"id": "new", "time": floor}]).json()
    assert answer["accepted"] == 1
    (refused,) = answer["rejected"]
    assert (refused["index"], refused["code"]) == (0, "too_old")
    assert "keeps its events for 20 days" in refused["message"]

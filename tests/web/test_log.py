"""`/api/v1/requests` and `/deliveries`: columns, order, and pages that lose and repeat nothing."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.house import NOON, House, build_house
from tests.web.conftest import Place
from tests.web.test_problems import problem
from tests.wire.town import EVENTS, Town, at, build_town
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import Subject
from usagedeck.errors import QueryTooHeavy
from usagedeck.query import Cursor, Direction

START = at("2026-10-01T00:00:00Z")


@pytest.fixture(scope="module")
def town(place: Place) -> Town:
    return build_town(place.deck)


@pytest.fixture(scope="module")
def asker(place: Place, town: Town) -> Iterator[httpx2.Client]:
    with place.client(town.everything) as client:
        yield client


def page(client: httpx2.Client, path: str = "requests", **params: Any) -> dict[str, Any]:
    answer = client.get(f"/api/v1/{path}", params={"start": START, **params})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


# --- pages that grow ----------------------------------------------------------------------------------------------


def test_a_page_as_lines_while_it_is_found(place: Place, asker: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = page(asker, limit=5)
    times = [row[[c["name"] for c in whole["columns"]].index("time")] for row in whole["rows"]]
    cut, above = at(times[2]), sum(time >= times[2] for time in times)
    assert 0 < above < 5
    monkeypatch.setattr("usagedeck.sql.steps", lambda query, *_: iter([(cut, query.reading[1]), (query.reading[0], cut)]))
    answer = asker.get("/api/v1/requests", params={"start": START, "limit": 5}, headers={"accept": "application/x-ndjson"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    first, last = (json.loads(line) for line in answer.text.splitlines())
    assert (first["reached"], len(first["rows"])) == (times[2], above)
    assert first["rows"] == whole["rows"][:above]
    assert page(asker, limit=5 - above, cursor=first["older"])["rows"] == whole["rows"][above:]
    assert last == whole | {"reached": None}


def test_a_page_that_cannot_be_found_to_its_end(asker: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """What went wrong is the last line; what goes wrong at once is an error as always."""

    def steps(query: Any, *_: Any) -> Iterator[tuple[int, int]]:
        yield query.reading[1] - 1, query.reading[1]
        raise QueryTooHeavy("That was too much.")

    lines = {"accept": "application/x-ndjson"}
    with monkeypatch.context() as patched:
        patched.setattr("usagedeck.sql.steps", steps)
        answer = asker.get("/api/v1/requests", params={"start": START}, headers=lines)
    first, last = (json.loads(line) for line in answer.text.splitlines())
    assert first["reached"]
    assert (last["problem"]["status"], last["problem"]["detail"]) == (422, "That was too much.")
    answer = asker.get("/api/v1/requests", params={"start": START, "limit": 0}, headers=lines)
    assert problem(answer, 400)["field"] == "limit"


# --- rows ---------------------------------------------------------------------------------------------------------


def test_all_columns_with_names_behind_ids(asker: httpx2.Client) -> None:
    body = page(asker, limit=1)
    names = [c["name"] for c in body["columns"]]
    assert [name for name in names if not name.endswith("_label")] == [f.name for f in fields(Subject.REQUESTS)]
    assert {name for name in names if name.endswith("_label")} == {
        f"{name}_label" for name in ("user_id", "api_key_id", "voice_id", "resource_id", "billing_group_id")
    }
    assert {c["name"]: c["unit"] for c in body["columns"]}["cost"] == "usd"
    assert (body["window"]["start"], body["complete_through"]) == ("2026-10-01T00:00:00.000Z", "2026-11-23T12:00:00.000Z")


def test_a_row(asker: httpx2.Client) -> None:
    body = page(asker, filter="id:eq:r-01")
    (cells,) = body["rows"]
    row = dict(zip((c["name"] for c in body["columns"]), cells, strict=True))
    assert {name: cell for name, cell in row.items() if cell not in (None, {}, [])} == {
        "time": "2026-11-01T03:59:59.000Z",
        "id": "r-01",
        "trace_id": "t-01",
        "status": 200,
        "method": "POST",
        "path": "/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM",
        "route": "/v1/text-to-speech/{id}",
        "duration_ms": 2000,
        "ttfb_ms": 100,
        "user_id": "u-ada",
        "user_id_label": "ada@town.example",
        "api_key_id": "k-prod",
        "api_key_id_label": "production",
        "group_ids": ["g-all", "g-eng"],
        "product_type": "TTS",
        "model": "eleven_v3",
        "voice_id": "voice-aa11",
        "voice_id_label": "Rachel",
        "request_source": "api",
        "region": "us-central1",
        "user_agent": "elevenlabs/2.78.0",
        "ip": "203.0.113.0/24",
        "credits": "10",
        "characters": 100,
        "audio_seconds": "6",
        "cost": "0.01",
        "currency": "usd",
        "charge_type": "usage",
        "charge_count": "100",
        "billing_group_id": "b-1",
        "surface": "api",
        "actor": "user",
        "request_queue_type": "high",
        "voice_multiplier": "1",
        "arrived": "2026-11-23T12:00:00.000Z",
    }


def test_columns_are_chosen(asker: httpx2.Client, town: Town) -> None:
    town.house.send([{"id": "att", "time": START - 1, "attributes": {"team": "blue", "a b": "c"}}])
    names = ["id", "attributes.team", "attributes.a b", "attributes", "attributes.none"]
    for columns in (names, ",".join(names)):
        body = page(asker, start=START - 1, end=START, columns=columns)
        assert [c["name"] for c in body["columns"]] == names
        assert body["rows"] == [["att", "blue", "c", {"team": "blue", "a b": "c"}, None]]


def test_deliveries_have_their_own_log(asker: httpx2.Client, town: Town) -> None:
    delivery = {"kind": "delivery", "id": "d-1", "time": NOON - 5, "webhook_id": "hook", "status": 500, "error": {"code": "x"}}
    town.house.send([delivery])
    body = page(asker, "deliveries", columns="id,webhook_id,status,message_id,error_code")
    assert body["rows"] == [["d-1", "hook", None, 500, "d-1", "x"]]
    assert problem(asker.get("/api/v1/deliveries", params={"columns": "path"}), 400)["field"] == "columns"
    assert problem(asker.get("/api/v1/requests", params={"columns": "webhook_id"}), 400)["field"] == "columns"


def test_a_delivery_is_one_row_on_request(asker: httpx2.Client, town: Town) -> None:
    """At the time of its first attempt, with the outcome of its last one; the log of requests knows no such thing."""
    tries = [(1, 500, "/a"), (2, 503, "/b"), (3, 200, "/b")]
    town.house.send(
        {"kind": "delivery", "id": f"t-{n}", "time": NOON - 90 + n, "message_id": "t", "attempt": n, "status": status, "url": url}
        for n, status, url in tries
    )
    asked = {"columns": "id,attempt,status,url", "start": NOON - 90, "end": NOON - 80}
    assert page(asker, "deliveries", per="deliveries", **asked)["rows"] == [["t-1", 3, 200, "/a"]]
    assert len(page(asker, "deliveries", per="attempts", **asked)["rows"]) == len(page(asker, "deliveries", **asked)["rows"]) == 3
    assert page(asker, "deliveries", per="deliveries", **asked, filter="status:ge:500")["rows"] == []
    for path in ("requests", "deliveries"):
        refused = problem(asker.get(f"/api/v1/{path}", params={"per": "deliveries" if path == "requests" else "webhooks"}), 400)
        assert refused["field"] == "per"


def test_only_a_delivery_has_attempts_and_a_time_to_deliver(asker: httpx2.Client, town: Town) -> None:
    """Columns of its log as JSON, CSV and lines, shown and filtered by; the log of attempts says what to ask instead."""
    town.house.send(
        {
            "kind": "delivery",
            "id": f"w-{n}",
            "time": NOON - 190 + n,
            "message_id": f"w{n % 3}",
            "status": status,
            "duration_ms": 5,
        }
        for n, status in enumerate((500, 200, 500, 200))
    )
    span: dict[str, Any] = {"start": NOON - 190, "end": NOON - 180}
    whole = {**span, "per": "deliveries"}
    names = [[c["name"] for c in page(asker, "deliveries", **one)["columns"]] for one in (span, whole)]
    plain = [f.name for f in fields(Subject.DELIVERIES)]
    assert [[name for name in several if not name.endswith("_label")] for several in names] == [
        plain,
        [f.name for f in fields(Subject.DELIVERIES, joined=True)],
    ]
    assert set(names[1]) - set(names[0]) == {"tries", "took_ms"}
    columns = {**whole, "columns": "id,tries,took_ms"}
    body = page(asker, "deliveries", **columns)
    assert [(c["title"], c["unit"]) for c in body["columns"][1:]] == [("Attempts", "attempts"), ("Time to deliver", "ms")]
    assert body["rows"] == [["w-2", 1, None], ["w-1", 1, 5], ["w-0", 2, 8]]
    written = asker.get("/api/v1/deliveries.csv", params={**columns, "time_zone": "UTC"}).text.splitlines()
    assert written == ["id,time_zone,tries,took_ms", "w-2,UTC,1,", "w-1,UTC,1,5", "w-0,UTC,2,8"]
    found: dict[str, Any] = {"filter": ["tries:eq:1", "took_ms:le:5"]}
    assert page(asker, "deliveries", **columns, **found)["rows"] == [["w-1", 1, 5]]
    lines = asker.get("/api/v1/deliveries", params={**columns, **found}, headers={"accept": "application/x-ndjson"}).text
    assert json.loads(lines.splitlines()[-1])["rows"] == [["w-1", 1, 5]]
    counted = asker.get("/api/v1/usage", params={**span, **found, "metric": "deliveries", "interval": "total"}).json()
    assert counted["rows"][0][-1] == 1
    for path, field, asked in (
        ("deliveries", "columns", {"columns": "id,tries"}),
        ("deliveries.csv", "columns", {"columns": "took_ms"}),
        ("deliveries", "filter", found),
        ("requests", "filter", found),
        ("requests", "columns", {"columns": "tries"}),
        ("usage", "filter", {**found, "metric": "attempts"}),
        ("errors", "filter", {**found, "of": "deliveries"}),
    ):
        refused = problem(asker.get(f"/api/v1/{path}", params={**span, **asked}), 400)
        assert refused["field"] == field, path
        if path == "deliveries":
            assert "Ask with per=deliveries" in refused["detail"]


def test_search_and_filters_are_those_of_the_charts(asker: httpx2.Client) -> None:
    assert [row[0] for row in page(asker, columns="id", search="rachel")["rows"]] == ["r-08", "r-02", "r-01", "r-00"]
    assert [row[0] for row in page(asker, columns="id", filter="status:eq:0")["rows"]] == ["r-10"]


# --- pages --------------------------------------------------------------------------------------------------------


@pytest.fixture
def crowd(place: Place) -> House:
    """A workspace with 57 rows at 8 instants."""
    house = build_house(place.deck, "Crowd")
    house.send([{"id": f"c-{n:02}", "time": NOON - 10_000 + n // 8} for n in range(57)])
    return house


def ids(body: dict[str, Any]) -> list[str]:
    return [row[0] for row in body["rows"]]


@pytest.mark.parametrize("order", ["desc", "asc"])
@pytest.mark.parametrize("limit", [5, 8, 56, 57, 58])
def test_pages_visit_every_row_once_while_new_rows_arrive(place: Place, crowd: House, order: str, limit: int) -> None:
    expected = sorted((f"c-{n:02}" for n in range(57)), reverse=order == "desc")
    onwards, back = ("older", "newer") if order == "desc" else ("newer", "older")
    ask: dict[str, Any] = {"columns": "id", "order": order, "limit": limit}
    with place.client(crowd.api_key) as client:
        body = page(client, **ask)
        assert body[back] is None
        seen, pages = ids(body), 1
        while sum(id_.startswith("c-") for id_ in seen) < 57:
            arriving = ((f"new-{pages:02}", NOON - 5000 + pages), (f"old-{pages:02}", NOON - 20_000 - pages))
            crowd.send([{"id": id_, "time": time} for id_, time in arriving])
            body = page(client, **ask, cursor=body[onwards])
            assert 0 < len(body["rows"]) <= limit
            seen += ids(body)
            pages += 1
        assert [id_ for id_ in seen if id_.startswith("c-")] == expected
        assert len(seen) == len(set(seen))
        returned = ids(body)
        while body[back] is not None:
            body = page(client, **ask, cursor=body[back])
            returned = ids(body) + returned
        assert [id_ for id_ in returned if id_.startswith("c-")] == expected
        assert len(returned) == len(set(returned))
        assert set(returned) >= set(seen)


def test_where_there_is_nothing_more_there_is_no_cursor(place: Place, crowd: House) -> None:
    with place.client(crowd.api_key) as client:
        whole = page(client, columns="id", limit=57)
        assert (whole["older"], whole["newer"]) == (None, None)
        first = page(client, columns="id", limit=56)
        assert (bool(first["older"]), first["newer"]) == (True, None)
        last = page(client, columns="id", limit=56, cursor=first["older"])
        assert (last["older"], bool(last["newer"]), ids(last)) == (None, True, ["c-00"])
        nothing = page(client, columns="id", search="nobody")
        assert (nothing["rows"], nothing["older"], nothing["newer"]) == ([], None, None)


def test_a_cursor_stays_inside_window_filters_and_scope(place: Place, crowd: House, town: Town) -> None:
    with place.client(crowd.api_key) as client:
        cursor = page(client, columns="id", limit=5)["older"]
        narrow = page(client, columns="id", cursor=cursor, start=NOON - 9_999, filter="id:in:c-00,c-09,c-20")
        assert ids(narrow) == ["c-20", "c-09"]
    with place.client(town.everything) as other:
        assert all(id_.startswith("r-") for id_ in ids(page(other, columns="id", cursor=cursor)))


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "bm90IGpzb24",
        "W10",
        "e30",
        "WzEsMl0",
        "\0",
        "é",
        "A" * 10_000,
        Cursor(5, "a", Direction.OLDER).encode()[:-2],
        "WzEsImEiLCJzaWRld2F5cyJd",
        "W3RydWUsImEiLCJvbGRlciJd",
    ],
)
def test_a_cursor_that_is_none_of_ours(asker: httpx2.Client, cursor: str) -> None:
    assert problem(asker.get("/api/v1/requests", params={"cursor": cursor}), 400)["field"] == "cursor"


@pytest.mark.parametrize("spot", [(2**61, "z", Direction.OLDER), (-(2**61), "", Direction.NEWER), (0, "\0'🎙", Direction.NEWER)])
def test_a_cursor_may_point_beyond_all_rows(asker: httpx2.Client, spot: tuple[int, str, Direction]) -> None:
    assert len(page(asker, cursor=Cursor(*spot).encode(), end=NOON)["rows"]) >= len(EVENTS)

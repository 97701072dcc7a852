"""`/api/v1/usage`: parameters, buckets, breakdowns, and limits that say what would fit."""

from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from tests.house import NOON, build_house, look_at_sizes
from tests.web.conftest import Place
from tests.web.test_problems import problem
from tests.wire.town import EVENTS, TTS, Town, at, build_town
from usagedeck import admin
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.times import DAY, HOUR
from usagedeck.web import api

WINDOW = {"start": "2026-10-31T00:00:00Z", "end": "2026-11-04T00:00:00Z"}
INSIDE = [e for e in EVENTS if e["id"] != "r-00"]
DELIVERIES = [
    {"kind": "delivery", "id": "d-1", "time": "2026-11-01T10:00:00Z", "webhook_id": "hook", "status": 200, "attempt": 2},
    {"kind": "delivery", "id": "d-2", "time": "2026-11-01T10:00:00Z", "webhook_id": "hook", "status": 500, "attempt": 1},
]


@pytest.fixture(scope="module")
def town(place: Place) -> Town:
    built = build_town(place.deck)
    extra = [
        {**TTS, "id": f"x-{n}", "time": at("2025-06-01T00:00:00Z") + n, "attributes": {"team": f"t{n % 2}"}} for n in range(5)
    ]
    assert built.house.send([*DELIVERIES, *extra]).accepted == 7
    return built


@pytest.fixture(scope="module")
def asker(place: Place, town: Town) -> Any:
    with place.client(town.everything) as client:
        yield client


def ask(client: httpx2.Client, **params: Any) -> dict[str, Any]:
    answer = client.get("/api/v1/usage", params={**({} if params.keys() & {"range", "active_in"} else WINDOW), **params})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def rows(client: httpx2.Client, **params: Any) -> list[list[Any]]:
    """Rows without the ends of their buckets."""
    return [[row[0], *row[2:]] for row in ask(client, **params)["rows"]]


def refused(client: httpx2.Client, **params: Any) -> dict[str, Any]:
    return problem(client.get("/api/v1/usage", params={**WINDOW, **params}), 400)


# --- the answer ---------------------------------------------------------------------------------------------------


def test_an_answer_says_what_was_asked_and_how_fresh_it_is(asker: httpx2.Client) -> None:
    body = ask(asker, metric="credits,latency_avg", interval="day")
    assert body["columns"] == [
        {"name": "bucket_start", "type": "DateTime", "unit": None, "title": "From"},
        {"name": "bucket_end", "type": "DateTime", "unit": None, "title": "To"},
        {"name": "credits", "type": "Decimal", "unit": "credits", "title": "Credits"},
        {"name": "latency_avg", "type": "Float", "unit": "ms", "title": "Average latency"},
    ]
    days = [f"2026-{day}T00:00:00.000Z" for day in ("10-31", "11-01", "11-02", "11-03", "11-04")]
    assert body["edges"] == days
    assert [row[:2] for row in body["rows"]] == [[a, b] for a, b in pairwise(days)]
    assert [row[2] for row in body["rows"]] == ["0", "137.5", "7", "0.000001"]
    assert [row[3] for row in body["rows"]] == [None, pytest.approx(3_723_750 / 7), 150, 45_000]
    assert body["window"] == {"start": days[0], "end": days[-1], "time_zone": "UTC"}
    assert (body["interval"], body["as_of"], body["complete_through"]) == ("day", *["2026-11-23T12:00:00.000Z"] * 2)


def test_the_default_is_requests_by_day_of_the_last_month(asker: httpx2.Client) -> None:
    body = asker.get("/api/v1/usage").json()
    assert [c["name"] for c in body["columns"]] == ["bucket_start", "bucket_end", "requests"]
    assert (len(body["rows"]), body["edges"][0], body["edges"][-1]) == (
        30,
        "2026-10-25T00:00:00.000Z",
        "2026-11-24T00:00:00.000Z",
    )
    assert sum(row[2] for row in body["rows"]) == len(EVENTS)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_alone_and_by_every_kind_of_interval(asker: httpx2.Client, metric: str) -> None:
    for interval in ("hour", "week", "total"):
        body = ask(asker, metric=metric, interval=interval)
        assert body["columns"][-1]["name"] == metric
        assert len(body["rows"]) == len(body["edges"]) - 1


def test_the_end_is_not_included(asker: httpx2.Client) -> None:
    moment = at("2026-11-02T05:00:00Z")
    assert rows(asker, interval="total", start=moment, end=moment + 1)[0][1] == 2
    assert rows(asker, interval="total", start=moment - 1, end=moment)[0][1] == 0
    assert rows(asker, interval="total", start=moment, end=moment)[0][1] == 0


def test_metrics_come_in_the_order_they_were_named(asker: httpx2.Client) -> None:
    for metric in ("errors,credits,requests", ["errors", "credits", "requests"], ["errors,credits", " requests "]):
        body = ask(asker, metric=metric, interval="total")
        assert [c["name"] for c in body["columns"][2:]] == ["errors", "credits", "requests"]
        assert body["rows"][0][2:] == [2, "144.500001", 12]


def test_days_follow_the_zone(asker: httpx2.Client) -> None:
    body = ask(asker, metric="credits", time_zone="America/New_York", start="2026-10-31T04:00:00Z", end="2026-11-03T05:00:00Z")
    assert body["edges"] == [f"2026-{day}:00:00.000Z" for day in ("10-31T04", "11-01T04", "11-02T05", "11-03T05")]
    assert [row[2] for row in body["rows"]] == ["10", "130.5", "4"]


def test_the_workspace_has_a_zone_of_its_own(place: Place) -> None:
    house = build_house(place.deck, "Kolkata", time_zone="Asia/Kolkata")
    with place.client(house.api_key) as client:
        body = client.get("/api/v1/usage", params={"range": "2d"}).json()
    assert body["window"]["time_zone"] == "Asia/Kolkata"
    assert body["edges"][0] == "2026-11-21T18:30:00.000Z"


@pytest.mark.parametrize(
    ("range_", "start", "end"),
    [
        ("1h", "2026-11-23T11:00:00", "2026-11-23T12:00:00"),
        ("7d", "2026-11-17T00:00:00", "2026-11-23T12:00:00"),
        ("month", "2026-11-01T00:00:00", "2026-11-23T12:00:00"),
        ("last-month", "2026-10-01T00:00:00", "2026-11-01T00:00:00"),
        ("2025", "2025-01-01T00:00:00", "2026-01-01T00:00:00"),
        ("2026-10-31..2026-11-02", "2026-10-31T00:00:00", "2026-11-02T00:00:00"),
        ("2026-11-20..", "2026-11-20T00:00:00", "2026-11-23T12:00:00"),
    ],
)
def test_ranges_are_windows(asker: httpx2.Client, range_: str, start: str, end: str) -> None:
    assert ask(asker, range=range_, interval="total")["window"] == {
        "start": f"{start}.000Z",
        "end": f"{end}.000Z",
        "time_zone": "UTC",
    }


def test_now_may_be_another_instant(asker: httpx2.Client) -> None:
    body = ask(asker, range="24h", as_of="2026-11-02T12:00:00Z", interval="total")
    assert (body["as_of"], body["window"]["end"]) == ("2026-11-02T12:00:00.000Z", "2026-11-02T12:00:00.000Z")
    assert body["rows"][0][2] == 3
    since = ask(asker, start="2026-11-01T08:30:00Z", end="2026-11-02T00:00:00Z", interval="total", metric="concurrency_average")
    half = ask(
        asker,
        start="2026-11-01T08:30:00Z",
        end="2026-11-02T00:00:00Z",
        interval="total",
        metric="concurrency_average",
        as_of="2026-11-01T09:00:00Z",
    )
    assert (since["rows"][0][2], half["rows"][0][2]) == (pytest.approx(62 / 930), 1.0)


def test_time_above_the_limit_says_which_limit_and_is_null_without_one(place: Place) -> None:
    house = build_house(place.deck, "Busy", concurrency_limit=1)
    house.send({"id": f"e{n}", "time": at("2026-11-01T08:00:00Z") + n * 60_000, "duration_ms": 90_000} for n in range(3))
    asked = {
        "metric": "concurrency_over_limit",
        "start": "2026-11-01T08:00:00Z",
        "end": "2026-11-01T08:05:00Z",
        "interval": "60s",
    }
    with place.client(house.api_key) as client:
        body = ask(client, **asked)
        assert (body["concurrency_limit"], [row[2] for row in body["rows"]]) == (1, [0, 0.5, 0.5, 0, 0])
        assert "concurrency_limit" not in ask(client, **{**asked, "metric": "concurrency"})
        house.do(admin.PutWorkspace(workspace=house.workspace_id, concurrency_limit=2))
        body = ask(client, **asked)
        assert (body["concurrency_limit"], [row[2] for row in body["rows"]]) == (2, [0] * 5)
        house.do(admin.PutWorkspace(workspace=house.workspace_id, concurrency_limit=None))
        body = ask(client, **asked, explain=True)
        assert (body["concurrency_limit"], [row[2] for row in body["rows"]]) == (None, [None] * 5)
        assert body["route"] == "no limit is set"


def test_what_was_active_is_asked_for_whenever_it_began(place: Place) -> None:
    house = build_house(place.deck, "Long")
    house.send({"id": f"e{n}", "time": at("2026-11-01T08:00:00Z") + n * 60_000, "duration_ms": 90_000} for n in range(3))
    active_in = "2026-11-01T08:02:10Z..2026-11-01T08:03:00Z"
    with place.client(house.api_key) as client:
        page = client.get("/api/v1/requests", params={"active_in": active_in, "columns": "id"}).json()
        assert page["rows"] == [["e2"], ["e1"]]
        assert page["active_in"]["start"] == "2026-11-01T08:02:10.000Z"
        assert page["window"]["start"] == "2026-10-31T08:02:10.000Z"
        text = client.get("/api/v1/requests.csv", params={"active_in": active_in, "columns": "id"}).text
        assert [line.split(",")[0] for line in text.splitlines()] == ["id", "e2", "e1"]
        assert ask(client, active_in=active_in, interval="total", metric="requests")["rows"][0][-1] == 2
        assert ask(client, active_in=active_in, interval="total", metric="concurrency")["rows"][0][-1] == 2
        for more, says in (
            ({"range": "24h"}, "either active_in or range"),
            ({"start": "2026-11-01T08:00:00Z"}, "either active_in or range"),
            ({"active_in": "soon"}, 'active_in "soon" is no range'),
        ):
            answer = client.get("/api/v1/requests", params={"active_in": active_in, **more})
            assert (answer.status_code, answer.json()["field"]) == (400, "active_in")
            assert says in answer.json()["detail"]
        answer = client.get("/api/v1/deliveries", params={"active_in": active_in})
        assert (answer.status_code, answer.json()["field"]) == (400, "active_in")
        for path in ("changes", "changes/dimensions"):
            answer = client.get(f"/api/v1/{path}", params={"active_in": active_in, "metric": "requests"})
            assert (answer.status_code, answer.json()["field"]) == (400, "active_in"), path


# --- breakdowns ---------------------------------------------------------------------------------------------------


def test_a_breakdown_has_rows_where_there_are_events(asker: httpx2.Client) -> None:
    assert rows(asker, by="voice_id", metric="credits") == [
        ["2026-11-01T00:00:00.000Z", "voice-aa11", "Rachel", "10"],
        ["2026-11-01T00:00:00.000Z", "voice-bb22", "Rachel", "20.5"],
        ["2026-11-01T00:00:00.000Z", None, "No voice", "107"],
        ["2026-11-02T00:00:00.000Z", "voice-aa11", "Rachel", "3"],
        ["2026-11-02T00:00:00.000Z", "voice-unnamed", "voice-unnamed", "4"],
        ["2026-11-02T00:00:00.000Z", None, "No voice", "0"],
        ["2026-11-03T00:00:00.000Z", None, "No voice", "0.000001"],
    ]


def test_two_breakdowns_cross(asker: httpx2.Client) -> None:
    body = ask(asker, by="user_id,has_api_key", interval="total", metric="requests")
    assert [c["name"] for c in body["columns"][2:-1]] == ["user_id", "user_id_label", "has_api_key", "has_api_key_label"]
    assert [[row[2], row[4], row[5], row[6]] for row in body["rows"]] == [
        ["u-ada", False, "false", 1],
        ["u-ada", True, "true", 4],
        ["u-ben", True, "true", 5],
        ["u-ghost", True, "true", 1],
        [None, False, "false", 1],
    ]
    assert ask(asker, by=["user_id", "has_api_key"], interval="total", metric="requests")["rows"] == body["rows"]
    assert refused(asker, by="user_id,model,region")["field"] == "by"
    assert refused(asker, by="model,model")["field"] == "by"


def test_groups_overlap(asker: httpx2.Client) -> None:
    assert rows(asker, by="group_id", interval="total", metric="requests") == [
        ["2026-10-31T00:00:00.000Z", "g-all", "g-all", 9],
        ["2026-10-31T00:00:00.000Z", "g-eng", "Engineering", 4],
        ["2026-10-31T00:00:00.000Z", None, "No group", 3],
    ]


def test_attributes_are_dimensions(asker: httpx2.Client) -> None:
    june = {"range": "2025-06", "interval": "total"}
    assert [row[1:] for row in rows(asker, by="attributes.team", **june)] == [["t0", "t0", 3], ["t1", "t1", 2]]
    assert rows(asker, filter="attributes.team:eq:t1", **june)[0][1] == 2
    assert rows(asker, by="attributes.no such", **june)[0][1:] == [None, "No no such", 5]


def test_the_top_and_one_exact_other(asker: httpx2.Client) -> None:
    body = ask(asker, by="user_id", top=1, interval="total", metric="credits,latency_avg,latency_p95")
    assert [c["name"] for c in body["columns"][2:5]] == ["user_id", "user_id_label", "is_other"]
    assert [row[2:5] for row in body["rows"]] == [["u-ada", "ada@town.example", False], [None, "Other (3)", True]]
    assert [row[5] for row in body["rows"]] == ["137.5", "7.000001"]
    whole = ask(asker, metric="credits", interval="total")["rows"][0][2]
    assert sum(Decimal(row[5]) for row in body["rows"]) == Decimal(whole)
    others = [e["duration_ms"] for e in INSIDE if e.get("user_id") != "u-ada" and "duration_ms" in e]
    assert body["rows"][1][6] == pytest.approx(sum(others) / len(others))
    by_filter = ask(asker, metric="latency_p95", interval="total", filter="user_id:neq:u-ada")
    assert body["rows"][1][7] == by_filter["rows"][0][2]


def test_ties_for_the_top_go_by_value(asker: httpx2.Client) -> None:
    body = ask(asker, by="voice_id", top=3, interval="total", metric="requests")
    assert [row[2:] for row in body["rows"]] == [
        ["voice-aa11", "Rachel", False, 2],
        ["voice-bb22", "Rachel", False, 1],
        [None, "No voice", False, 8],
        [None, "Other (1)", True, 1],
    ]


def test_running_sums(asker: httpx2.Client) -> None:
    sums = [row[1] for row in rows(asker, metric="credits", cumulative=True)]
    assert sums == ["0", "137.5", "144.5", "144.500001"]
    by_user = [row[1::2] for row in rows(asker, metric="credits", cumulative=True, by="user_id") if row[1] == "u-ben"]
    assert by_user == [["u-ben", "7"], ["u-ben", "7"], ["u-ben", "7.000001"]]
    assert refused(asker, metric="latency_p95", cumulative=True)["field"] == "cumulative"


def test_deliveries_are_a_subject_of_their_own(asker: httpx2.Client) -> None:
    body = ask(asker, metric="attempts,attempt_errors,attempt_success_rate,retries", by="webhook_id", interval="total")
    assert body["rows"][0][2:] == ["hook", "hook", 2, 1, 0.5, 1]
    assert refused(asker, metric="attempts,requests")["field"] == "metric"
    assert refused(asker, metric="attempts", by="voice_id")["field"] == "by"
    assert refused(asker, metric="requests", by="webhook_id")["field"] == "by"


# --- filters and search -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"filter": "status:eq:200"}, 7),
        ({"filter": "status:ge:300"}, 2),
        ({"filter": "status:in:429,302"}, 2),
        ({"filter": "status_class:neq:2xx"}, 5),
        ({"filter": "voice_id:eq:"}, 8),
        ({"filter": "voice_id:neq:"}, 4),
        ({"filter": "path:contains:SPEECH"}, 9),
        ({"filter": "path:starts_with:/v1/speech,/v1/convai"}, 6),
        ({"filter": "group_id:eq:g-eng"}, 4),
        ({"filter": "group_id:eq:"}, 3),
        ({"filter": "success:eq:false"}, 2),
        ({"filter": "has_api_key:eq:false"}, 2),
        ({"filter": "time:ge:2026-11-02T00\\:00\\:00Z"}, 5),
        ({"filter": "time:ge:2026-11-02T00:00:00Z"}, 5),
        ({"filter": ["product_type:eq:TTS", "status:neq:0"]}, 4),
        ({"filter": "credits:gt:3"}, 5),
        ({"filter": "duration_ms:eq:"}, 2),
        ({"search": "rachel"}, 3),
        ({"search": "text-to rachel"}, 3),
        ({"search": "%"}, 0),
        ({"search": "rachel", "filter": "credits:le:3"}, 1),
    ],
    ids=str,
)
def test_rows_are_chosen(asker: httpx2.Client, query: dict[str, Any], count: int) -> None:
    assert rows(asker, interval="total", **query)[0][1] == count


def test_marks_in_values_are_escaped(asker: httpx2.Client, town: Town) -> None:
    town.house.send([{"id": "odd", "time": at("2025-07-01T00:00:00Z"), "model": "a,b:c\\d"}])
    july = {"range": "2025-07", "interval": "total"}
    assert rows(asker, **july, filter=r"model:eq:a\,b:c\\d")[0][1] == 1
    assert rows(asker, **july, filter=r"model:eq:a,b:c\\d")[0][1] == 0
    assert rows(asker, **july, filter=r"model:in:x,a\,b\:c\\d")[0][1] == 1


# --- limits -------------------------------------------------------------------------------------------------------


def test_ten_thousand_buckets_are_too_many_for_json_and_not_for_csv(asker: httpx2.Client) -> None:
    start = at("2026-11-01T00:00:00Z")
    ask_: dict[str, Any] = {"interval": "minute", "start": start, "end": start + 10_000 * 60_000}
    body = refused(asker, **ask_)
    assert (body["code"], body["field"]) == ("too_many_buckets", "interval")
    assert "10,000 buckets" in body["detail"]
    assert "at least 300 seconds" in body["detail"]
    assert len(asker.get("/api/v1/usage.csv", params=ask_).text.splitlines()) == 10_001
    ask_["end"] = start + 5000 * 60_000
    assert len(ask(asker, **ask_)["rows"]) == 5000


def test_centuries_of_seconds_are_refused_at_once(asker: httpx2.Client) -> None:
    for interval in ("1s", "minute", "hour", "day", "3600s", "7s"):
        body = refused(asker, interval=interval, start="1970-01-01T00:00:00Z", end="2199-01-01T00:00:00Z")
        assert body["code"] == "too_many_buckets"
    assert len(ask(asker, interval="month", start="1970-01-01T00:00:00Z", end="2199-01-01T00:00:00Z")["rows"]) == 229 * 12


def test_too_many_rows_are_refused_with_what_would_help(asker: httpx2.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MAX_ROWS", 6)
    body = refused(asker, by="voice_id")
    assert (body["code"], body["field"]) == ("too_many_rows", "by")
    assert all(word in body["detail"] for word in ("6 rows", "top=", "CSV"))
    assert len(asker.get("/api/v1/usage.csv", params={**WINDOW, "by": "voice_id"}).text.splitlines()) == 8


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"metric": ""}, "metric"),
        ({"metric": "credits,credits"}, "metric"),
        ({"by": "id"}, "by"),
        ({"by": "attributes."}, "by"),
        ({"by": "attributes." + "k" * 101}, "by"),
        ({"top": 5}, "top"),
        ({"top": 0, "by": "model"}, "top"),
        ({"top": 1001, "by": "model"}, "top"),
        ({"top": "many", "by": "model"}, "top"),
        ({"interval": "0s"}, "interval"),
        ({"interval": "9999999999s"}, "interval"),
        ({"interval": "-5s"}, "interval"),
        ({"cumulative": "perhaps"}, "cumulative"),
        ({"filter": ["status:eq:1"] * 51}, "filter"),
        ({"filter": "webhook_id:eq:x"}, "filter"),
        ({"start": NOON - DAY, "end": NOON - DAY - HOUR}, "end"),
        ({"end": "2201-01-01T00:00:00Z"}, "end"),
        ({"start": "1969-12-31T23:59:59Z"}, "start"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused(asker: httpx2.Client, query: dict[str, Any], field: str) -> None:
    assert refused(asker, **query)["field"] == field


def test_every_subject_has_a_metric() -> None:
    assert {metric.of for metric in METRICS.values()} == set(Subject)


def test_what_would_be_searched_at_length_is_left_out_on_request(
    place: Place, asker: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usagedeck.sql.costs.MOST_SEARCHED", 0)
    look_at_sizes(place.deck)
    asked = {"metric": "requests", "interval": "day", "search": "speech"}
    whole = ask(asker, **asked)
    assert (whole["costly"], len(whole["rows"])) == (None, 4)
    left_out = ask(asker, **asked, unless_costly=True)
    assert left_out["costly"] > 0
    assert (left_out["rows"], len(left_out["edges"])) == ([], 1)
    assert ask(asker, **asked | {"search": ""}, unless_costly=True)["rows"] == ask(asker, **asked | {"search": ""})["rows"]
    csv = [asker.get("/api/v1/usage.csv", params={**WINDOW, **asked, **more}).content for more in ({}, {"unless_costly": True})]
    assert csv[0] == csv[1]
    assert csv[0].count(b"\n") == 5

"""`/api/v1/changes` and `/api/v1/errors`: periods, shapes, CSV, scopes, floors, refusals."""

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from tests.house import NOON, House, build_house
from tests.web.conftest import Place
from tests.web.test_problems import problem
from usagedeck import admin
from usagedeck.access import Permission
from usagedeck.catalog.dimensions import Label
from usagedeck.catalog.failures import FAILURES
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.times import DAY, iso

START = NOON - 2 * DAY
MIDDLE = NOON - DAY


def events() -> Iterator[dict[str, Any]]:
    """Two days; on the second one m2 fails and m3 is new."""
    for n in range(60):
        late, model = n % 2 == 1, f"m{n % 3}"
        status = 503 if late and model == "m2" and n % 4 == 1 else 200
        event: dict[str, Any] = {"id": f"r{n}", "time": (MIDDLE if late else START) + n, "model": model, "status": status}
        event |= {"route": "/v1/say" if n % 5 else "/v1/hear", "user_id": "ana" if n % 2 else "ben", "api_key_id": f"k{n % 4}"}
        event |= {"credits": f"{n}.5", "duration_ms": n, "audio_seconds": "10"}
        if status == 503:
            event["error"] = {"code": "busy", "message": f"busy at {n}"}
        yield event
    yield {"id": "new", "time": MIDDLE + 100, "model": "m3", "credits": "1000", "method": "PUT"}
    for n in range(4):
        failed = {"status": 500, "error": {"code": "refused"}} if n else {"status": 200}
        yield {"kind": "delivery", "id": f"d{n}", "time": MIDDLE + n, "webhook_id": "hook", "message_id": f"m{n // 2}", **failed}


@pytest.fixture(scope="module")
def house(place: Place) -> House:
    house = build_house(place.deck, "reasons")
    assert not house.send(events()).rejected
    house.do(admin.SetLabels(workspace=house.workspace_id, kind=Label.WEBHOOK, names={"hook": "Main hook"}))
    return house


@pytest.fixture(scope="module")
def client(place: Place, house: House) -> Iterator[httpx2.Client]:
    with place.client(house.api_key) as found:
        yield found


WINDOW = {"start": iso(MIDDLE), "end": iso(MIDDLE + DAY)}


def get(client: httpx2.Client, path: str, **params: Any) -> dict[str, Any]:
    answer = client.get(f"/api/v1/{path}", params={**({} if "range" in params else WINDOW), **params})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def rows(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [dict(zip([c["name"] for c in body["columns"]], row, strict=True)) for row in body["rows"]]


# --- changes ------------------------------------------------------------------------------------------------------


def test_parts_add_up_to_the_whole(client: httpx2.Client) -> None:
    body = get(client, "changes", metric="credits", by="model", top=2)
    assert body["before"] == {"start": iso(START), "end": iso(MIDDLE), "time_zone": "UTC"}
    assert body["after"] == {"start": iso(MIDDLE), "end": iso(NOON), "time_zone": "UTC"}
    assert body["whole"] == {"before": "885", "after": "1915", "change": "1030"}
    assert (body["metric"], body["by"], body["values"], body["available_from"]) == ("credits", "model", 4, None)
    found = rows(body)
    assert [(r["model"], r["model_label"], r["is_other"], r["change"]) for r in found] == [
        ("m3", "m3", False, "1000"),
        ("m0", "m0", False, "30"),
        (None, "Other (2)", True, "0"),
    ]
    assert sum(r["share"] for r in found) == pytest.approx(1)
    for name in ("before", "after", "change"):
        assert sum(Decimal(r[name]) for r in found) == Decimal(body["whole"][name])


@pytest.mark.parametrize("metric", [m.name for m in METRICS.values() if m.attributable])
def test_every_metric_that_has_parts(client: httpx2.Client, metric: str) -> None:
    body = get(client, "changes", metric=metric, top=1)
    if body["whole"]["change"] is not None and body["rows"]:
        main = "effect" if "effect" in rows(body)[0] else "change"
        assert sum(Decimal(str(r[main])) for r in rows(body)) == Decimal(str(body["whole"]["change"]))
    assert get(client, "changes/dimensions", metric=metric)["metric"] == metric


def test_a_rate_is_told_by_what_differs(client: httpx2.Client) -> None:
    """Half of m2's requests fail; m0 and m1 are what they were, so nothing is their doing."""
    body = get(client, "changes", metric="success_rate", by="model")
    first, *others = rows(body)
    assert (first["model"], first["value_before"], first["value_after"]) == ("m2", 1.0, 0.5)
    assert Decimal(first["effect"]) == Decimal(body["whole"]["change"]) < 0
    assert {r["effect"] for r in others} == {"0"}
    assert {c["unit"] for c in body["columns"][3:]} == {"ratio"}


def test_the_best_dimension_is_the_default(client: httpx2.Client) -> None:
    ranked = rows(get(client, "changes/dimensions", metric="success_rate"))
    assert list(ranked[0]) == ["dimension", "title", "value", "label", "change", "weight"]
    body = get(client, "changes", metric="success_rate")
    assert body["by"] == ranked[0]["dimension"]
    assert {"model", "api_key_id"} <= {r["dimension"] for r in ranked}
    nothing = get(client, "changes", metric="requests", filter="model:eq:none of them")
    assert (nothing["rows"], nothing["whole"]) == ([], {"before": 0, "after": 0, "change": 0})


def test_a_period_that_goes_on_is_compared_with_as_much_of_the_one_before(client: httpx2.Client) -> None:
    body = get(client, "changes", range="2026-11", by="model")
    assert body["after"] == {"start": "2026-11-01T00:00:00.000Z", "end": "2026-12-01T00:00:00.000Z", "time_zone": "UTC"}
    assert body["before"] == {"start": "2026-10-02T00:00:00.000Z", "end": "2026-10-24T12:00:00.000Z", "time_zone": "UTC"}
    other = get(client, "changes", range="2d", before="2026-10", by="model", time_zone="Asia/Kolkata")
    assert other["before"] == {
        "start": "2026-09-30T18:30:00.000Z",
        "end": "2026-10-31T18:30:00.000Z",
        "time_zone": "Asia/Kolkata",
    }


def test_the_csv_is_the_same(client: httpx2.Client) -> None:
    for path in ("changes", "changes/dimensions"):
        body = get(client, path, metric="latency_avg")
        answer = client.get(f"/api/v1/{path}.csv", params={**WINDOW, "metric": "latency_avg"})
        head, *lines = csv.reader(io.StringIO(answer.text))
        assert head[:5] == ["before_start", "before_end", "after_start", "after_end", "time_zone"]
        assert head[5:] == [c["name"] for c in body["columns"]]
        assert [line[2] for line in lines] == [iso(MIDDLE).replace(".000Z", "+00:00")] * len(body["rows"])
        for line, row in zip(lines, body["rows"], strict=True):
            for text, cell in zip(line[5:], row, strict=True):
                assert text == ("" if cell is None else str(cell).lower() if isinstance(cell, bool) else str(cell))
    assert 'filename="usagedeck_change_latency_avg_dimensions_2026' in answer.headers["content-disposition"]


def test_ones_own_rows_only(place: Place, house: House) -> None:
    secret, _ = house.key_who(user="ana", permissions=[Permission.READ])
    with place.client(secret) as narrow:
        body = get(narrow, "changes", metric="requests", by="model")
        assert body["whole"] == {"before": 0, "after": 30, "change": 30}
        assert "user_id" not in {r["dimension"] for r in rows(get(narrow, "changes/dimensions"))}
        assert problem(narrow.get("/api/v1/changes", params={**WINDOW, "by": "user_id"}), 403)["field"] == "by"
        assert {r["users"] for r in rows(get(narrow, "errors"))} == {1}
        assert problem(narrow.get("/api/v1/errors", params={**WINDOW, "scope": "workspace"}), 403)


@pytest.mark.parametrize(
    ("params", "field", "said"),
    [
        ({"metric": "latency_p95"}, "metric", "no sum and no average"),
        ({"metric": "concurrency"}, "metric", "no sum and no average"),
        ({"metric": "reqests"}, "metric", 'did you mean "requests"'),
        ({"by": "group_id"}, "by", "overlaps"),
        ({"by": "webhook_id"}, "by", "does not belong"),
        ({"by": "id"}, "by", "single rows"),
        ({"by": "model", "top": 0}, "top", "between 1 and 1000"),
        ({"before": "yesterday"}, "before", "is no range"),
    ],
)
def test_what_makes_no_sense_is_refused(client: httpx2.Client, params: dict[str, Any], field: str, said: str) -> None:
    refused = problem(client.get("/api/v1/changes", params={**WINDOW, **params}), 400)
    assert refused["field"] == field
    assert said in refused["detail"]


# --- errors -------------------------------------------------------------------------------------------------------


def test_errors_in_groups(client: httpx2.Client) -> None:
    body = get(client, "errors")
    found = rows(body)
    assert [c["name"] for c in body["columns"]][:3] == list(FAILURES[Subject.REQUESTS].by)
    assert (body["groups"], body["errors"]) == (len(found), sum(r["count"] for r in found))
    first = found[0]
    assert (first["status"], first["error_code"], first["route"]) == (503, "busy", "/v1/say")
    assert first["share"] == first["count"] / first["traffic"]
    assert first["message"] == f"busy at {first['newest_id'].removeprefix('r')}"
    assert (first["users"], first["keys"]) == (1, 1)
    assert get(client, "errors", limit=1)["rows"] == body["rows"][:1]
    assert get(client, "errors", limit=1)["groups"] == body["groups"] == 2


def test_errors_of_deliveries(client: httpx2.Client) -> None:
    (found,) = rows(get(client, "errors", of="deliveries"))
    assert (found["webhook_id"], found["webhook_id_label"], found["error_code"]) == ("hook", "Main hook", "refused")
    assert (found["count"], found["traffic"], found["share"], found["messages"]) == (3, 4, 0.75, 2)
    assert found["message"] is None


def test_the_csv_of_errors_has_them_all(client: httpx2.Client) -> None:
    answer = client.get("/api/v1/errors.csv", params={**WINDOW, "limit": 1})
    head, *lines = csv.reader(io.StringIO(answer.text))
    assert head[:4] == ["time_zone", "status", "error_code", "route"]
    assert len(lines) == 2
    assert 'filename="usagedeck_errors_requests_2026' in answer.headers["content-disposition"]


def test_a_limit_of_nothing_is_refused(client: httpx2.Client) -> None:
    assert problem(client.get("/api/v1/errors", params={"limit": 0}), 400)["field"] == "limit"

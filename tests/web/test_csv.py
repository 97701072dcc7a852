"""Every question as CSV: the same rows as its JSON, all of them, harmless in a spreadsheet, in flat memory."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.house import NOON, build_house
from tests.web.conftest import Place
from tests.web.test_problems import problem
from tests.wire.town import Town, at, build_town
from usagedeck.catalog.dimensions import DIMENSIONS
from usagedeck.catalog.fields import FIELDS
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.errors import StoreFailed
from usagedeck.sql import Statement
from usagedeck.store.clickhouse import Store
from usagedeck.store.ticket import Ticket
from usagedeck.table import FORMULA_STARTS

WINDOW = {"start": "2026-10-31T00:00:00Z", "end": "2026-11-04T00:00:00Z"}


@pytest.fixture(scope="module")
def town(place: Place) -> Town:
    built = build_town(place.deck)
    built.house.send(
        [
            {"kind": "delivery", "id": "d-1", "time": "2026-11-01T10:00:00Z", "webhook_id": "hook", "status": 200, "attempt": 2},
            {
                "id": "att",
                "time": "2026-11-01T10:00:00Z",
                "attributes": {"b": "2", "a": 'x"y,z'},
                "error": {"message": "two\nlines"},
            },
        ]
    )
    return built


@pytest.fixture(scope="module")
def asker(place: Place, town: Town) -> Iterator[httpx2.Client]:
    with place.client(town.everything) as client:
        yield client


def table(answer: httpx2.Response) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV answer."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    text = answer.content.decode()
    assert text.endswith("\r\n")
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    assert all(len(row) == len(header) for row in rows)
    return header, rows


def written(cell: Any) -> str:
    """A cell of a JSON answer as CSV writes it, in UTC."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, list):
        return "|".join(cell)
    if isinstance(cell, dict):
        return "|".join(f"{key}={value}" for key, value in sorted(cell.items()))
    if isinstance(cell, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", cell):
        return cell.removesuffix("Z").removesuffix(".000") + "+00:00"
    return repr(cell) if isinstance(cell, float) else str(cell)


# --- the same rows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "params", "zone_at"),
    [
        ("usage", {"metric": ",".join(m.name for m in METRICS.values() if m.of is Subject.REQUESTS)}, 2),
        ("usage", {"metric": "attempts,attempt_latency_p95", "interval": "hour"}, 2),
        ("usage", {"metric": "credits,latency_avg", "by": "voice_id,has_api_key"}, 2),
        ("usage", {"metric": "credits", "by": "user_id", "top": "1", "interval": "total"}, 2),
        ("usage", {"metric": "credits", "cumulative": "true", "by": "group_id"}, 2),
        ("usage", {"filter": "voice_id:eq:", "search": "speech"}, 2),
        ("requests", {}, 1),
        ("requests", {"order": "asc", "columns": "time,id,attributes,group_ids,attributes.a,error_message,credits"}, 1),
        ("requests", {"filter": "status:ge:300"}, 1),
        ("deliveries", {}, 1),
        ("deliveries", {"per": "deliveries", "filter": "status:ge:200"}, 1),
        ("values/voice_id", {}, None),
        ("values/status", {"q": "2"}, None),
        ("values/attributes.a", {}, None),
    ],
)
def test_csv_says_what_json_says(asker: httpx2.Client, path: str, params: dict[str, str], zone_at: int | None) -> None:
    json = asker.get(f"/api/v1/{path}", params={**WINDOW, **params}).json()
    header, rows = table(asker.get(f"/api/v1/{path}.csv", params={**WINDOW, **params}))
    names = [c["name"] for c in json["columns"]]
    cells = [[written(cell) for cell in row] for row in json["rows"]]
    if zone_at is not None:
        names.insert(zone_at, "time_zone")
        for row in cells:
            row.insert(zone_at, "UTC")
    assert header == names
    assert rows == cells
    assert rows


@pytest.mark.parametrize("path", ["usage", "requests", "deliveries", "values/model", "catalog"])
@pytest.mark.parametrize("accept", ["text/csv", "text/csv; charset=utf-8", "text/csv, */*"])
def test_the_accept_header_asks_for_the_same(asker: httpx2.Client, path: str, accept: str) -> None:
    named = asker.get(f"/api/v1/{path}.csv", params={} if path == "catalog" else WINDOW)
    asked = asker.get(f"/api/v1/{path}", params={} if path == "catalog" else WINDOW, headers={"accept": accept})
    assert asked.content == named.content
    assert asked.headers["content-type"] == named.headers["content-type"] == "text/csv; charset=utf-8"
    assert asked.headers.get("content-disposition") == named.headers.get("content-disposition")


@pytest.mark.parametrize("accept", ["application/json", "*/*", "text/html", "", "application/json, text/csv"])
def test_anything_else_gets_json(asker: httpx2.Client, accept: str) -> None:
    answer = asker.get("/api/v1/usage", params=WINDOW, headers={"accept": accept})
    assert answer.headers["content-type"] == "application/json"


def test_times_are_on_the_clock_of_the_zone_with_their_offset(asker: httpx2.Client) -> None:
    new_york = {"time_zone": "America/New_York", "start": "2026-10-31T04:00:00Z", "end": "2026-11-03T05:00:00Z"}
    _, rows = table(asker.get("/api/v1/usage.csv", params=new_york))
    assert [row[:3] for row in rows] == [
        ["2026-10-31T00:00:00-04:00", "2026-11-01T00:00:00-04:00", "America/New_York"],
        ["2026-11-01T00:00:00-04:00", "2026-11-02T00:00:00-05:00", "America/New_York"],
        ["2026-11-02T00:00:00-05:00", "2026-11-03T00:00:00-05:00", "America/New_York"],
    ]
    _, log = table(
        asker.get("/api/v1/requests.csv", params=WINDOW | {"time_zone": "Asia/Kolkata", "columns": "time", "limit": "1"})
    )
    assert log[0] == ["2026-11-03T17:30:00.123+05:30", "Asia/Kolkata"]


# --- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "params", "name"),
    [
        (
            "usage",
            {"metric": "credits", "by": "product_type"},
            "usagedeck_usage_credits_by-product_type_2026-10-31_2026-11-03.csv",
        ),
        ("usage", {}, "usagedeck_usage_requests_2026-10-31_2026-11-03.csv"),
        (
            "usage",
            {"metric": "credits,cost", "by": "model,region"},
            "usagedeck_usage_credits-cost_by-model-region_2026-10-31_2026-11-03.csv",
        ),
        ("usage", {"time_zone": "Asia/Tokyo"}, "usagedeck_usage_requests_2026-10-31_2026-11-04.csv"),
        (
            "usage",
            {"by": 'attributes.a"; rm -rf /\r\n é'},
            "usagedeck_usage_requests_by-attributes.a---rm--rf------_2026-10-31_2026-11-03.csv",
        ),
        ("requests", {}, "usagedeck_requests_2026-10-31_2026-11-03.csv"),
        ("deliveries", {}, "usagedeck_deliveries_2026-10-31_2026-11-03.csv"),
        ("deliveries", {"per": "deliveries"}, "usagedeck_deliveries_per-delivery_2026-10-31_2026-11-03.csv"),
        ("values/model", {}, "usagedeck_values_model_2026-10-31_2026-11-03.csv"),
    ],
)
def test_a_file_has_a_name(asker: httpx2.Client, path: str, params: dict[str, str], name: str) -> None:
    answer = asker.get(f"/api/v1/{path}.csv", params=WINDOW | params)
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["x-complete-through"] == "2026-11-23T12:00:00.000Z"


def test_the_catalogue_is_a_table_too(asker: httpx2.Client) -> None:
    header, rows = table(asker.get("/api/v1/catalog.csv"))
    assert header == ["kind", "name", "title", "type", "unit", "help"]
    assert {(row[0], row[1]) for row in rows} == {
        *(("metric", m) for m in METRICS),
        *(("dimension", d) for d in DIMENSIONS),
        *(("column", f.name) for f in FIELDS),
    }


def test_formulas_are_disarmed_in_text_and_numbers_are_left_alone(place: Place) -> None:
    house = build_house(place.deck, "Formulas")
    texts = [f"{start}cmd|' /C calc'!A0" for start in FORMULA_STARTS]
    rows = [
        {"id": f"{n}", "time": NOON - n, "model": text, "group_ids": [text], "attributes": {text: text}}
        for n, text in enumerate(texts)
    ]
    rows.append({"id": "plain", "time": NOON - 99, "model": "a=b", "credits": "0.5"})
    assert house.send(rows).accepted == len(rows)
    with place.client(house.api_key) as client:
        _, log = table(
            client.get("/api/v1/requests.csv", params={"range": "2026", "columns": "model,group_ids,attributes,credits"})
        )
        _, used = table(client.get("/api/v1/usage.csv", params={"range": "2026", "by": "model", "interval": "total"}))
        _, menu = table(client.get("/api/v1/values/model.csv", params={"range": "2026"}))
    assert [row[:1] + row[2:] for row in log[:-1]] == [[f"'{t}", f"'{t}", f"'{t}={t}", ""] for t in texts]
    assert log[-1] == ["a=b", "UTC", "", "", "0.5"]
    assert {row[3] for row in used} == {row[4] for row in used} == {row[0] for row in menu} == {f"'{t}" for t in texts} | {"a=b"}


# --- all of them --------------------------------------------------------------------------------------------------


def _peak() -> int:
    """Most memory this process has held since `_forget_peak`, in bytes."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux to see the peak of memory")
def test_two_hundred_thousand_rows_stream_in_flat_memory(place: Place) -> None:
    house = build_house(place.deck, "Long")
    count, batch = 200_000, 50_000
    for first in range(0, count, batch):
        lines = (
            f'{{"workspace_id": "{house.workspace_id}", "time": {NOON - n}, "id": "row-{n:07}", "version": 1, '
            f'"model": "m{n % 9}", "path": "/v1/text-to-speech/{n:032}", "credits": "1.5"}}'
            for n in range(first, first + batch)
        )
        place.deck.store.insert(Subject.REQUESTS, "\n".join(lines).encode())
    ask = {"start": NOON - count, "end": NOON + 1}

    def lines_of(path: str, params: dict[str, Any]) -> int:
        with place.client(house.api_key) as client, client.stream("GET", path, params=params) as answer:
            return sum(chunk.count(b"\r\n") for chunk in answer.iter_raw(2**20))

    assert lines_of("/api/v1/requests.csv", ask | {"start": NOON - 5000}) == 5002
    _forget_peak()
    before = _peak()
    assert lines_of("/api/v1/requests.csv", ask) == count + 1
    assert _peak() - before < 120 * 2**20


def test_there_is_no_cap_on_rows_or_buckets(asker: httpx2.Client, town: Town) -> None:
    start = at("2024-03-01T00:00:00Z")
    town.house.send([{"id": f"m-{n}", "time": start + n} for n in range(1500)])
    _, rows = table(
        asker.get("/api/v1/requests.csv", params={"start": start, "end": start + 2000, "columns": "id", "limit": "10"})
    )
    assert len(rows) == 1500
    _, buckets = table(asker.get("/api/v1/usage.csv", params={"start": start, "end": start + 20_000_000, "interval": "1s"}))
    assert (len(buckets), sum(int(row[-1]) for row in buckets)) == (20_000, 1500)


# --- failures -----------------------------------------------------------------------------------------------------


def failing_after(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Store.stream

    def broken(self: Store, statement: Statement, ticket: Ticket | None = None) -> Iterator[Any]:
        for n, row in enumerate(stream(self, statement, ticket)):
            if n == rows:
                raise StoreFailed("The store failed to answer.")
            yield row

    monkeypatch.setattr(Store, "stream", broken)


@pytest.mark.parametrize("path", ["requests.csv", "usage.csv"])
def test_a_failure_before_the_first_rows_is_an_error(asker: httpx2.Client, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    failing_after(0, monkeypatch)
    assert problem(asker.get(f"/api/v1/{path}", params=WINDOW), 500)["code"] == "store_failed"
    assert problem(asker.get(f"/api/v1/{path}", params={"metric" if path == "usage.csv" else "columns": "joy"}), 400)


def test_a_failure_on_the_way_is_no_complete_file(place: Place, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    start = at("2024-04-01T00:00:00Z")
    town.house.send([{"id": f"f-{n}", "time": start + n} for n in range(5000)])
    failing_after(4500, monkeypatch)
    with place.client(town.everything) as client, pytest.raises(httpx2.RemoteProtocolError):
        client.get("/api/v1/requests.csv", params={"start": start, "end": start + 5000})


def test_a_reader_who_leaves_takes_nothing_along(place: Place, town: Town) -> None:
    start = at("2024-05-01T00:00:00Z")
    town.house.send([{"id": f"l-{n}", "time": start + n} for n in range(20_000)])
    ask = {"start": start, "end": start + 20_000}
    for _ in range(5):
        with place.client(town.everything) as client, client.stream("GET", "/api/v1/requests.csv", params=ask) as answer:
            next(answer.iter_raw(1000))
    with place.client(town.everything) as client:
        assert len(client.get("/api/v1/requests.csv", params=ask).content.splitlines()) == 20_001

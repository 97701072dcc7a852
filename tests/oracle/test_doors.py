"""What leaves by the doors: CSV = JSON = the oracle, cell by cell."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from tests.house import keyed, served
from tests.oracle import oracle
from tests.oracle.asking import compare
from tests.oracle.oracle import Ask
from tests.oracle.world import KATHMANDU, LORD_HOWE, NEW_YORK, NOW, WINDOWS, YEAR, World
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.times import zone

EVERY_WINDOW = [*WINDOWS.values(), YEAR]
EXACT = tuple(name for name in oracle.REQUEST_METRICS if METRICS[name].additive and name != "minutes")


@pytest.fixture(scope="module")
def client(world: World) -> Iterator[httpx2.Client]:
    with served(world.house.deck) as url, keyed(url, world.house.api_key) as opened:
        yield opened


def _parameters(window: tuple[int, int], zone_name: str, **more: Any) -> dict[str, Any]:
    return {"start": str(window[0]), "end": str(window[1]), "time_zone": zone_name, "as_of": str(NOW), **more}


def _csv(answer: httpx2.Response) -> tuple[list[str], list[list[str]]]:
    assert answer.status_code == 200, answer.text
    lines = list(csv.reader(io.StringIO(answer.content.decode(), newline="")))
    return lines[0], lines[1:]


def _same(kind: str, text: str, cell: Any, zone_name: str) -> object:
    """Does a cell of CSV say what the cell of JSON says?"""
    if cell is None:
        return text == ""
    if kind == "DateTime":
        local = datetime.fromisoformat(text)
        instant = datetime.fromisoformat(cell)
        return local == instant and local.utcoffset() == instant.astimezone(zone(zone_name)).utcoffset()
    if kind == "Bool":
        return text == ("true" if cell else "false")
    if kind == "Array":
        return text == "|".join(cell)
    if kind == "Map":
        return text == "|".join(f"{key}={value}" for key, value in sorted(cell.items()))
    if kind == "String":
        return text == ("'" + cell if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell)
    return text == str(cell)


@pytest.mark.parametrize(
    "more",
    [
        {"metric": ",".join(oracle.REQUEST_METRICS), "interval": "hour"},
        {"metric": ",".join(oracle.REQUEST_METRICS), "interval": "day", "by": "model,voice_id"},
        {"metric": ",".join(EXACT), "interval": "5400s", "by": "group_id", "top": "2"},
        {"metric": ",".join(EXACT), "interval": "total", "by": "success,has_api_key"},
        {"metric": ",".join(EXACT), "interval": "day", "cumulative": "true", "by": "voice_multiplier"},
        {"metric": ",".join(oracle.DELIVERY_METRICS), "interval": "18000s", "by": "status"},
    ],
    ids=lambda more: more.get("by", "no breakdown"),
)
@pytest.mark.parametrize("zone_name", [NEW_YORK, KATHMANDU, LORD_HOWE])
def test_csv_is_the_json_table_cell_by_cell(client: httpx2.Client, more: dict[str, str], zone_name: str) -> None:
    turn = (NEW_YORK, KATHMANDU, LORD_HOWE).index(zone_name)
    for window in (list(WINDOWS.values())[turn], list(WINDOWS.values())[turn + 4]):
        parameters = _parameters(window, zone_name, **more)
        answer = client.get("/api/v1/usage", params=parameters).json()
        head, lines = _csv(client.get("/api/v1/usage.csv", params=parameters))
        columns = [(c["name"], c["type"]) for c in answer["columns"]]
        columns.insert(2, ("time_zone", "String"))
        rows = [[*row[:2], zone_name, *row[2:]] for row in answer["rows"]]
        assert head == [name for name, _ in columns]
        assert len(lines) == len(rows) > 0
        for line, row in zip(lines, rows, strict=True):
            for (name, kind), text, cell in zip(columns, line, row, strict=True):
                assert _same(kind, text, cell, zone_name), (name, text, cell)


def test_the_api_says_what_the_oracle_says(client: httpx2.Client, world: World) -> None:
    for window in EVERY_WINDOW:
        answer = client.get(
            "/api/v1/usage", params=_parameters(window, NEW_YORK, metric=",".join(EXACT), interval="total")
        ).json()
        asked = Ask(start=window[0], end=window[1], zone=NEW_YORK, size="total", metrics=EXACT, now=NOW)
        expected = compare(world, asked)
        assert [Decimal(str(cell)) for cell in answer["rows"][0][2:]] == [Decimal(v) for v in next(iter(expected.values()))]


@pytest.mark.parametrize("subject", list(Subject))
def test_the_logs_csv_is_its_json(client: httpx2.Client, world: World, subject: Subject) -> None:
    window = EVERY_WINDOW[0]
    parameters = _parameters(window, LORD_HOWE)
    answer = client.get(f"/api/v1/{subject}", params=parameters | {"limit": "1000"}).json()
    head, lines = _csv(client.get(f"/api/v1/{subject}.csv", params=parameters))
    columns = [(c["name"], c["type"]) for c in answer["columns"]]
    columns.insert(1, ("time_zone", "String"))
    assert head == [name for name, _ in columns]
    events = oracle.log(world.requests if subject is Subject.REQUESTS else world.deliveries, *window)
    assert len(lines) == len(answer["rows"]) == len(events) > 50
    for line, row in zip(lines, answer["rows"], strict=True):
        for (name, kind), text, cell in zip(columns, line, [row[0], LORD_HOWE, *row[1:]], strict=True):
            assert _same(kind, text, cell, LORD_HOWE), (name, text, cell)
    if subject is Subject.REQUESTS:
        exported = sum(Decimal(line[head.index("credits")] or "0") for line in lines)
        assert exported == sum(e["credits"] or 0 for e in events)

"""The published samples import, and every number equals an independent count over the files.

The count (see `counting`) uses nothing of the product. This runs where the samples are: in the folder that
USAGEDECK_SAMPLE_DATA names, or in `shared/data` beside the project.
"""

import csv
import io
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from tests.house import build_house, keyed, served
from tests.promises.counting import (
    AMOUNTS,
    EPOCH,
    MILLISECOND,
    Row,
    apache_rows,
    averages,
    azure_rows,
    iso,
    llm_rows,
    local_days,
    stamp,
    sums,
    zone,
)
from usagedeck.cli import app
from usagedeck.deck import open_deck
from usagedeck.settings import Settings
from usagedeck.sql import Statement

DATA = Path(os.environ.get("USAGEDECK_SAMPLE_DATA") or Path(__file__).parents[2].parent / "shared" / "data")
ZONES = ["UTC", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"]
TOP = 10

# --- the product --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sample:
    file: str
    read: Callable[[Path], Iterator[Row]]
    options: tuple[str, ...]
    start: str
    end: str
    tops: tuple[str, ...]


SAMPLES = {
    "llm": Sample(
        "llm-requests-14d/requests.csv.gz",
        llm_rows,
        (),
        "2026-03-01T00:00:00Z",
        "2026-03-18T00:00:00Z",
        ("api_key_id", "voice_id", "path", "user_id", "model", "product_type", "status", "group_id"),
    ),
    "apache": Sample(
        "apache-access/access.log.gz",
        apache_rows,
        ("--map", "user_id=host"),
        "2015-05-16T00:00:00Z",
        "2015-05-22T00:00:00Z",
        ("path", "user_id", "method", "status", "user_agent"),
    ),
    "azure": Sample(
        "azure-llm-2023/requests.csv.gz",
        azure_rows,
        ("--map", "product_type=workload"),
        "2023-11-15T00:00:00Z",
        "2023-11-19T00:00:00Z",
        ("product_type",),
    ),
}

MISSING = [sample.file for sample in SAMPLES.values() if not (DATA / sample.file).is_file()]

pytestmark = pytest.mark.skipif(
    bool(MISSING), reason=f"the sample data is not there ({', '.join(MISSING)}); set USAGEDECK_SAMPLE_DATA to its folder"
)


@dataclass(frozen=True)
class Imported:
    """A sample in a workspace of its own."""

    sample: Sample
    rows: list[Row]
    client: httpx2.Client
    receipts: list[dict[str, Any]]
    """What the first and the second import said."""
    fingerprints: list[Any]
    """What was stored after the first and after the second import."""

    def ask(self, path: str, **params: Any) -> dict[str, Any]:
        window = {"start": self.sample.start, "end": self.sample.end}
        answer = self.client.get(f"/api/v1/{path}", params=params if "start" in params else {**window, **params})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def walk(self, columns: str, *, order: str, **params: Any) -> tuple[list[list[Any]], list[list[Any]], int]:
        """The log's rows, by walking to the last page, and again by walking back; and the number of pages."""
        onward, backward = ("older", "newer") if order == "desc" else ("newer", "older")
        page = self.ask("requests", columns=columns, order=order, **params)
        assert page[backward] is None
        there, pages = list(page["rows"]), 1
        while page[onward]:
            page = self.ask("requests", columns=columns, order=order, **params, cursor=page[onward])
            there += page["rows"]
            pages += 1
        back = list(page["rows"])
        while page[backward]:
            page = self.ask("requests", columns=columns, order=order, **params, cursor=page[backward])
            back = page["rows"] + back
        return there, back, pages


def fingerprint(settings: Settings, workspace_id: str) -> Any:
    """Everything that is stored of a workspace, arrival included, as one number."""
    with open_deck(settings) as deck:
        text = "SELECT count(), sum(cityHash64(*)) FROM requests FINAL WHERE workspace_id = {ws:String}"
        return deck.store.run(Statement(text, {"ws": workspace_id}, ("rows", "hash")))


@pytest.fixture(scope="module")
def all_imported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Imported]]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("real") / "data", min_free_bytes=0)
    with open_deck(settings) as deck:
        keys = {name: build_house(deck, id=name).api_key for name in SAMPLES}
    receipts: dict[str, list[Any]] = {name: [] for name in SAMPLES}
    fingerprints: dict[str, list[Any]] = {name: [] for name in SAMPLES}
    for _ in range(2):
        for name, sample in SAMPLES.items():
            where = ["-w", name, "--data-dir", str(settings.data_dir), "--json"]
            done = CliRunner().invoke(app, ["import", str(DATA / sample.file), *sample.options, *where])
            assert done.exit_code == 0, done.output
            receipts[name].append(json.loads(done.stdout))
            fingerprints[name].append(fingerprint(settings, name))
    with ExitStack() as stack:
        url = stack.enter_context(served(stack.enter_context(open_deck(settings))))
        yield {
            name: Imported(
                sample,
                list(sample.read(DATA / sample.file)),
                stack.enter_context(keyed(url, keys[name])),
                receipts[name],
                fingerprints[name],
            )
            for name, sample in SAMPLES.items()
        }


@pytest.fixture(params=SAMPLES)
def imported(all_imported: dict[str, Imported], request: pytest.FixtureRequest) -> Imported:
    return all_imported[request.param]


@pytest.fixture
def llm(all_imported: dict[str, Imported]) -> Imported:
    return all_imported["llm"]


@pytest.fixture
def apache(all_imported: dict[str, Imported]) -> Imported:
    return all_imported["apache"]


# --- the comparison -----------------------------------------------------------------------------------------------


def exact(cells: list[Any]) -> list[Decimal]:
    assert not any(isinstance(cell, float) for cell in cells)
    return [Decimal(cell) for cell in cells]


METRICS = ",".join(("requests", *AMOUNTS))


def test_every_row_is_taken_and_again(imported: Imported) -> None:
    for receipt in imported.receipts:
        assert (receipt["rows"], receipt["accepted"], receipt["rejected"]) == (len(imported.rows), len(imported.rows), 0)


def test_importing_again_changed_nothing(imported: Imported) -> None:
    first, second = imported.fingerprints
    assert first == second
    assert first[0][0] == len(imported.rows)


def test_the_count_finds_what_the_authors_of_the_samples_say(all_imported: dict[str, Imported]) -> None:
    found = {name: sums(one.rows) for name, one in all_imported.items()}
    assert found["llm"][:2] == [301_036, 502_704_637]
    assert found["apache"] == [7_000, 0, 0, 0, 0]
    assert found["azure"] == [28_185, 0, 0, 40_421_844, 4_334_561]


def test_totals(imported: Imported) -> None:
    (row,) = imported.ask("usage", metric=METRICS, interval="total")["rows"]
    assert exact(row[2:]) == sums(imported.rows)


@pytest.mark.parametrize("name", ZONES)
def test_daily_sums(imported: Imported, name: str) -> None:
    found = imported.ask("usage", metric=METRICS, interval="day", time_zone=name)
    expected = local_days(imported.rows, zone(name))
    days = {row[0]: exact(row[2:]) for row in found["rows"]}
    nothing = [Decimal(0)] * (1 + len(AMOUNTS))
    assert {start: values for start, values in days.items() if values != nothing} == expected
    assert [sum(column) for column in zip(*days.values(), strict=True)] == sums(imported.rows)


@pytest.mark.parametrize("metric", ["requests", "credits"])
def test_top_lists(imported: Imported, metric: str) -> None:
    for by in imported.sample.tops:
        totals: Counter[str] = Counter()
        for row in imported.rows:
            totals[str(row[by])] += 1 if metric == "requests" else int(row.get(metric) or 0)
        ranked = sorted(totals.items(), key=lambda item: (-item[1], item[0]))
        found = imported.ask("usage", metric=metric, by=by, top=TOP, interval="total")["rows"]
        top = {row[2] or "": Decimal(row[-1]) for row in found if not row[4]}
        assert {str(value): amount for value, amount in top.items()} == dict(ranked[:TOP]), by
        others = [row for row in found if row[4]]
        if by != "group_id":
            assert sum(Decimal(row[-1]) for row in others) == sum(amount for _, amount in ranked[TOP:]), by
        if metric == "requests":
            listed = imported.ask(f"values/{by}", limit=TOP)["rows"]
            assert [(row[0] or "", row[2]) for row in listed] == ranked[:TOP], by


COLUMNS = [
    *("time", "id", "method", "path", "status", "duration_ms", "user_id", "api_key_id", "model"),
    *("product_type", "voice_id", "characters", "credits"),
]


def cells(row: Row, columns: list[str]) -> list[Any]:
    """A row as the log's JSON has it."""
    return [iso(row[name]) if name == "time" else None if row.get(name) in ("", None) else row[name] for name in columns]


def picked(page: list[list[Any]], answer: dict[str, Any], columns: list[str]) -> list[list[Any]]:
    """These columns of the log's rows, without the display names between them; amounts as numbers."""
    names = [column["name"] for column in answer["columns"]]
    amounts = [column["type"] == "Decimal" for column in answer["columns"]]
    places = [names.index(name) for name in columns]
    return [[Decimal(row[p]) if amounts[p] and row[p] is not None else row[p] for p in places] for row in page]


@pytest.mark.parametrize("order", ["desc", "asc"])
def test_pages_of_the_log_walked_both_ways(llm: Imported, order: str) -> None:
    start, end, voices = "2026-03-08T00:00:00.0Z", "2026-03-10T00:00:00.0Z", ("voice_01", "voice_02")
    inside = [row for row in llm.rows if stamp(start) <= row["time"] < stamp(end) and row["voice_id"] in voices]
    inside.sort(key=lambda row: (row["time"], row["id"]), reverse=order == "desc")
    asked = {"filter": f"voice_id:in:{','.join(voices)}", "start": start, "end": end, "limit": 500}
    there, back, pages = llm.walk(",".join(COLUMNS), order=order, **asked)
    assert 2_000 < len(inside) < 20_000
    assert pages == -(-len(inside) // 500)
    answer = llm.ask("requests", columns=",".join(COLUMNS), **asked)
    expected = [cells(row, COLUMNS) for row in inside]
    assert picked(there, answer, COLUMNS) == expected
    assert picked(back, answer, COLUMNS) == expected


def test_the_whole_access_log_walked_both_ways(apache: Imported) -> None:
    """Its lines have no ids, so rows of one second come in an order of their own; as a bag they are the same."""
    columns = ["time", "method", "path", "status", "user_id", "user_agent", "duration_ms", "id"]
    there, back, _ = apache.walk(",".join(columns), order="desc", limit=1000)
    assert there == back
    found = picked(there, apache.ask("requests", columns=",".join(columns), limit=1), columns)
    assert Counter(tuple(row[:-1]) for row in found) == Counter(tuple(cells(row, columns[:-1])) for row in apache.rows)
    assert [row[0] for row in found] == sorted((iso(row["time"]) for row in apache.rows), reverse=True)
    assert len({row[-1] for row in found}) == len(apache.rows)


def test_the_export_has_every_row(llm: Imported) -> None:
    window = {"start": "2026-03-14T00:00:00.0Z", "end": "2026-03-15T00:00:00.0Z"}
    answer = llm.client.get("/api/v1/requests.csv", params={**window, "columns": "id,credits", "order": "asc"})
    inside = [row for row in llm.rows if stamp(window["start"]) <= row["time"] < stamp(window["end"])]
    inside.sort(key=lambda row: (row["time"], row["id"]))
    found = [(row["id"], row["credits"]) for row in csv.DictReader(io.StringIO(answer.text))]
    assert found == [(row["id"], "" if row["credits"] is None else str(row["credits"])) for row in inside]


# --- latency ------------------------------------------------------------------------------------------------------


LATENCY = "latency_avg,latency_p50,latency_p95"


def test_latency_of_everything(imported: Imported) -> None:
    (row,) = imported.ask("usage", metric=LATENCY, interval="total")["rows"]
    assert row[2:] == averages(imported.rows)


def test_latency_by_product_and_by_day(llm: Imported) -> None:
    by_product: dict[str, list[Row]] = defaultdict(list)
    by_day: dict[date, list[Row]] = defaultdict(list)
    where = zone("America/New_York")
    for row in llm.rows:
        by_product[row["product_type"]].append(row)
        by_day[(EPOCH + row["time"] * MILLISECOND).astimezone(where).date()].append(row)
    found = llm.ask("usage", metric=LATENCY, by="product_type", interval="total")["rows"]
    assert {row[2]: row[4:] for row in found} == {product: averages(rows) for product, rows in by_product.items()}
    days = llm.ask("usage", metric=LATENCY, interval="day", time_zone="America/New_York")["rows"]
    starts = {iso((datetime(d.year, d.month, d.day, tzinfo=where) - EPOCH) // MILLISECOND): d for d in by_day}
    assert {row[0]: row[2:] for row in days if row[2] is not None} == {s: averages(by_day[d]) for s, d in starts.items()}


def test_what_a_log_does_not_say_is_absent_and_not_zero(apache: Imported) -> None:
    answer = apache.ask("requests", columns="duration_ms,ttfb_ms,credits,cost,model,api_key_id", limit=1000)
    assert all(cell is None for row in answer["rows"] for cell in row)
    (row,) = apache.ask("usage", metric="latency_avg,latency_p95,latency_p99,ttfb_avg,requests", interval="total")["rows"]
    assert row[2:] == [None, None, None, None, 7_000]


def test_errors_and_success(apache: Imported) -> None:
    (row,) = apache.ask("usage", metric="errors,success_rate", interval="total")["rows"]
    bad = sum(1 for one in apache.rows if not 200 <= one["status"] < 400)
    assert row[2:] == [bad, float(Fraction(len(apache.rows) - bad, len(apache.rows)))]

"""`usagedeck query` and `usagedeck log`: what the API answers, of stopped data, of a running server and of one elsewhere."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from tests.house import NOON, StillClock, build_house, keyed, served
from usagedeck import admin
from usagedeck.cli import app
from usagedeck.deck import SERVER_FILE, open_deck
from usagedeck.errors import InvalidInput
from usagedeck.settings import Settings
from usagedeck.times import DAY, HOUR, iso
from usagedeck.web.server import Running

WINDOW = f"{iso(NOON - 3 * DAY)}..{iso(NOON)}"
USAGE: dict[str, Any] = {
    "metric": ["credits", "requests"],
    "by": ["api_key_id"],
    "range": WINDOW,
    "time_zone": "Asia/Kathmandu",
    "filter": ["status:lt:500", "path:contains:speech,\\,"],
}
USAGE_OPTIONS = (
    *("-m", "credits", "-m", "requests", "--by", "api_key_id", "--range", WINDOW, "--time-zone", "Asia/Kathmandu"),
    *("--filter", "status:lt:500", "--filter", "path:contains:speech,\\,"),
)
LOG: dict[str, Any] = {"columns": ["id", "time", "status", "api_key_id", "attributes.team"], "range": WINDOW, "search": "speech"}
LOG_OPTIONS = (
    *("-c", "id", "-c", "time", "-c", "status", "-c", "api_key_id", "-c", "attributes.team"),
    *("--range", WINDOW, "--search", "speech"),
)


@dataclass(frozen=True)
class Source:
    """Where commands ask, and what the API answered there."""

    options: tuple[str, ...]
    answers: dict[str, bytes]

    def __call__(self, *words: str) -> Result:
        return CliRunner().invoke(app, [*words, *self.options])


@pytest.fixture(scope="module", params=["stopped", "running", "url"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Source]:
    folder = tmp_path_factory.mktemp("asking") / "data"
    local = ("-w", "ws", "--data-dir", str(folder))
    with open_deck(Settings(data_dir=folder, min_free_bytes=0), StillClock()) as deck:
        house = build_house(deck, id="ws", time_zone="Europe/Berlin")
        for id_, label in (("k1", "prod, web"), ("k2", "=cmd")):
            house.do(admin.CreateKey(workspace="ws", id=id_, label=label))
        house.send(
            {
                "id": f"r{n}",
                "time": NOON - n * HOUR - 1,
                "status": 500 if n % 9 == 0 else 200,
                "path": "/v1/speech,",
                "credits": f"{n}.25",
                "api_key_id": f"k{n % 3}",
                "attributes": {"team": "红队" if n % 2 else 'a "b"'},
            }
            for n in range(90)
        )
        house.send(
            {"kind": "delivery", "id": f"d{n}", "message_id": f"m{n % 2}", "time": NOON - n * HOUR - 1, "status": 200}
            for n in range(4)
        )
        with served(deck) as url:
            with keyed(url, house.api_key) as client:
                asked: dict[str, dict[str, Any]] = {
                    "usage.csv": USAGE,
                    "usage": USAGE,
                    "requests.csv": LOG,
                    "requests": {**LOG, "limit": 50},
                }
                answers = {path: client.get(f"/api/v1/{path}", params=params).content for path, params in asked.items()}
            if request.param == "running":
                (folder / SERVER_FILE).write_bytes(msgspec.json.encode(Running(url, "operator")))
                yield Source(local, answers)
            if request.param == "url":
                yield Source(("--url", url, "--key", house.api_key), answers)
    if request.param == "stopped":
        yield Source(local, answers)


def about(answer: bytes) -> dict[str, object]:
    """An answer without the instants at which it was asked."""
    found = json.loads(answer)
    return {name: found[name] for name in ("columns", "rows", "window")}


def test_csv_is_that_of_the_api_to_the_last_byte(source: Source) -> None:
    for words, path in ((("query", *USAGE_OPTIONS), "usage.csv"), (("log", *LOG_OPTIONS), "requests.csv")):
        done = source(*words, "--format", "csv")
        assert done.exit_code == 0, done.output
        assert done.stdout_bytes == source.answers[path]
        assert len(done.stdout_bytes.splitlines()) > 10


def test_json_is_that_of_the_api(source: Source) -> None:
    for words, path in ((("query", *USAGE_OPTIONS), "usage"), (("log", *LOG_OPTIONS), "requests")):
        done = source(*words, "--format", "json")
        assert about(done.stdout_bytes) == about(source.answers[path])


def test_tables_are_aligned_and_have_names(source: Source) -> None:
    lines = source("query", "-m", "credits", "--by", "api_key_id", "--interval", "total", "--range", WINDOW).stdout.splitlines()
    assert lines[0].split() == ["From", "To", "API", "key", "Credits"]
    assert [line.split("  ")[2].strip() for line in lines[1:]] == ["k0", "prod, web", "=cmd"]
    assert lines[1].startswith("2026-11-20T13:00:00+01:00  2026-11-23T13:00:00+01:00  ")
    assert len(set(map(len, lines))) == 1
    lines = source(
        "log", *LOG_OPTIONS, "--limit", "2", "--oldest-first", "--filter", "attributes.team:eq:红队"
    ).stdout.splitlines()
    assert lines[1].split("  ")[0] == "r71"
    assert [line.rstrip()[-2:] for line in lines[1:]] == ["红队", "红队"]


def test_a_table_of_the_log_says_of_how_many_rows_it_is(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """… where it is not all of them. Not on the standard output, which is the rows and nothing else."""
    said = source("log", *LOG_OPTIONS, "--limit", "5")
    assert len(said.stdout.splitlines()) == 6
    assert said.stderr == "5 of 72 that match.\n"
    assert source("log", *LOG_OPTIONS, "--limit", "72").stderr == ""
    assert source("log", *LOG_OPTIONS, "--limit", "5", "--format", "json").stderr == ""
    monkeypatch.setattr("usagedeck.sql.costs.MOST_SEARCHED", -1)
    assert source("log", *LOG_OPTIONS, "--limit", "5").stderr.startswith("5 of more than 5 that match. To count them, about ")


def test_top_and_cumulative_and_deliveries(source: Source) -> None:
    total = ("--interval", "total", "--range", WINDOW, "--format", "csv")
    top = source("query", "-m", "requests", "--by", "api_key_id", "--top", "1", *total).stdout.splitlines()
    assert len(top) == 3
    running = source("query", "-m", "requests", "--range", WINDOW, "--cumulative", "--format", "csv").stdout.splitlines()
    assert running[-1].endswith(",72")
    of = ("--of", "deliveries", "--range", WINDOW)
    assert len(source("log", *of, "--format", "csv").stdout.splitlines()) == 1 + 4
    assert len(source("log", *of, "--joined", "--format", "csv").stdout.splitlines()) == 1 + 2
    assert source("log", *of, "--joined", "--limit", "1").stderr == "1 of 2 that match.\n"
    assert source("log", *of, "--limit", "1").stderr == "1 of 4 that match.\n"
    whole = ("log", *of, "--joined", "-c", "tries", "-c", "took_ms")
    assert source(*whole).stdout.splitlines()[0].split() == ["Attempts", "Time", "to", "deliver", "(ms)"]
    assert source(*whole, "--filter", "tries:gt:1", "--limit", "1").stderr == "1 of 2 that match.\n"
    assert source(*whole, "--filter", "tries:gt:2", "--format", "csv").stdout.splitlines() == ["tries,time_zone,took_ms"]


@pytest.mark.parametrize(
    ("words", "kind", "sentence"),
    [
        (("query", "-m", "credit"), InvalidInput, 'did you mean "credits"'),
        (("query", "--by", "modell"), InvalidInput, 'did you mean "model"'),
        (("log", "-c", "staus"), InvalidInput, 'did you mean "status"'),
        (("query", "--range", "soon"), InvalidInput, "is no range"),
        (("log", "--filter", "x"), InvalidInput, "not of the form"),
        (("log", "--follow", "--oldest-first"), InvalidInput, "--oldest-first"),
        (("log", "--joined"), InvalidInput, "--of deliveries"),
        (("log", "--of", "deliveries", "--joined", "--follow"), InvalidInput, "attempts arrive"),
        (("log", "--of", "deliveries", "-c", "tries"), InvalidInput, "--joined"),
        (("log", "--of", "deliveries", "--filter", "tries:gt:1"), InvalidInput, "--joined"),
        (("query", "-m", "attempts", "--filter", "tries:gt:1"), InvalidInput, "about their attempts"),
        (("query", "-m", "latency_avg", "--cumulative"), InvalidInput, "does not add up"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(source: Source, words: tuple[str, ...], kind: type[Exception], sentence: str) -> None:
    error = source(*words).exception
    assert isinstance(error, kind)
    assert sentence in str(error)

"""`usagedeck import` as a user runs it."""

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd
from typer.testing import CliRunner, Result

from tests.house import House, build_house, served
from usagedeck import access, listing
from usagedeck.catalog.dimensions import log_field
from usagedeck.catalog.kinds import Subject
from usagedeck.cli import app, importing
from usagedeck.cli.opening import opened
from usagedeck.deck import SERVER_FILE, Deck, open_deck
from usagedeck.query import LogQuery, Selection
from usagedeck.readers.formats import READERS, Format
from usagedeck.readers.rows import Refusal
from usagedeck.settings import Settings
from usagedeck.times import parse_instant, zone
from usagedeck.web.server import Running
from usagedeck.windows import Window

ROWS = [
    {
        "id": f"r{n}",
        "time": f"2026-05-{n % 28 + 1:02d}T10:00:00.000Z",
        "status": 200 + n % 2,
        "credits": f"{n}.5",
        "path": f"/v1/x{n}",
    }
    for n in range(40)
]
CSV = "\n".join(["id,time,status,credits,path", *(",".join(map(str, row.values())) for row in ROWS)]).encode()
NDJSON = b"\n".join(json.dumps(row).encode() for row in ROWS)
LOG = b"".join(
    b'192.0.2.%d - - [10/Oct/2023:13:55:%02d +0000] "GET /a HTTP/1.0" 200 1 "-" "curl"\n' % (n // 10, n // 2) for n in range(40)
)
NO_IDS = b"timestamp,model\n2026-05-01 10:00:00,a\n2026-05-01 10:00:00,a\n2026-05-01 10:00:01,a\n"

Run = Callable[..., Result]


@dataclass(frozen=True)
class Data:
    """A data folder with a workspace."""

    settings: Settings
    api_key: str

    def log(self, columns: str = "id", subject: Subject = Subject.REQUESTS) -> list[tuple[Any, ...]]:
        """All rows that are stored, oldest first."""
        with open_deck(self.settings) as deck:
            return rows(deck, self.api_key, columns, subject)


def rows(deck: Deck, api_key: str, columns: str = "id", subject: Subject = Subject.REQUESTS) -> list[tuple[Any, ...]]:
    window = Window(
        parse_instant("2000-01-01T00:00:00Z", field="t"), parse_instant("2100-01-01T00:00:00Z", field="t"), zone("UTC")
    )
    picked = tuple(log_field(name, subject) for name in columns.split(","))
    query = LogQuery(Selection(subject, window), picked, ascending=True, limit=None)
    return [tuple(row) for row in listing.log(deck, access.who_by_key(deck, api_key), None, query).table.rows]


@pytest.fixture
def data(settings: Settings) -> Data:
    """Stopped: nobody has the folder open."""
    with open_deck(settings) as deck:
        return Data(settings, build_house(deck, id="ws").api_key)


@pytest.fixture
def running(settings: Settings) -> Iterator[tuple[House, str]]:
    """A server on the folder; its house and its address."""
    with open_deck(settings) as deck:
        house = build_house(deck, id="ws")
        with served(deck) as url:
            (settings.data_dir / SERVER_FILE).write_bytes(msgspec.json.encode(Running(url, "operator")))
            yield house, url


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The command, in a folder for files."""
    monkeypatch.delenv("USAGEDECK_API_KEY", raising=False)
    (tmp_path / "files").mkdir()
    monkeypatch.chdir(tmp_path / "files")

    def made(*arguments: str, stdin: bytes | None = None, workspace: str | None = "ws") -> Result:
        where = ["-w", workspace] if workspace else []
        options = [*where, "--data-dir", str(settings.data_dir)]
        return CliRunner().invoke(app, ["import", *arguments, *options], input=stdin, catch_exceptions=False)

    return made


def file(name: str, content: bytes) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(content)
    return name


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(ROWS), sink)
    return bytes(sink.getvalue())


FORMS = [
    ("a.csv", CSV),
    ("a.tsv", CSV.replace(b",", b"\t")),
    ("a.csv.gz", gzip.compress(CSV, mtime=0)),
    ("two members.csv", gzip.compress(CSV[:300], mtime=0) + gzip.compress(CSV[300:], mtime=0)),
    ("a.csv.zst", zstd.compress(CSV)),
    ("a.ndjson", NDJSON),
    ("a.json", json.dumps(ROWS, indent=1).encode()),
    ("a", NDJSON),
    ("a.parquet", parquet()),
    ("a.parquet.gz", gzip.compress(parquet(), mtime=0)),
    ("bom.csv", b"\xef\xbb\xbf" + CSV),
]


@pytest.mark.parametrize(("name", "content"), FORMS, ids=[name for name, _ in FORMS])
@pytest.mark.parametrize("way", ["file", "stdin"])
def test_every_form_from_a_file_and_from_stdin(run: Run, data: Data, name: str, content: bytes, way: str) -> None:
    done = run(file(name, content), "--json") if way == "file" else run("-", "--json", stdin=content)
    assert (done.exit_code, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert (said["rows"], said["accepted"], said["rejected"]) == (40, 40, 0)
    expected = sorted((parse_instant(str(row["time"]), field="t"), row["id"]) for row in ROWS)
    assert data.log("time,id") == expected


def test_importing_again_changes_nothing(run: Run, data: Data) -> None:
    file("a.csv", CSV)
    file("access.log", LOG)
    file("n.csv", NO_IDS)
    for name in ("a.csv", "access.log", "n.csv"):
        assert run(name).exit_code == 0
    before = data.log("time,id,arrived,status,credits,path,ip")
    assert len(before) == 40 + 40 + 3
    Path("access.log.gz").write_bytes(gzip.compress(LOG))
    for name in ("a.csv", "access.log", "access.log.gz", "n.csv"):
        done = run(name, "--json")
        assert done.exit_code == 0
        assert json.loads(done.stdout)["accepted"] in (40, 3)
    assert data.log("time,id,arrived,status,credits,path,ip") == before


def test_equal_rows_of_another_source_are_other_events(run: Run, data: Data) -> None:
    run(file("n.csv", NO_IDS))
    run(file("m.csv", NO_IDS))
    assert len(data.log()) == 6
    run("m.csv", "--source", "n.csv")
    assert len(data.log()) == 6


def test_two_files_of_one_source_are_not_imported_together(run: Run, data: Data) -> None:
    done = run(file("one/a.csv", NO_IDS), file("two/a.csv.gz", gzip.compress(NO_IDS)))
    assert done.exit_code == 2
    assert 'same source "a.csv"' in done.stderr
    assert run("one/a.csv", file("b.csv", CSV), "--source", "x").exit_code == 2
    assert data.log() == []


def test_deliveries_and_columns_of_ones_own(run: Run, data: Data) -> None:
    text = b"id,time,endpoint,url,status,latency_ms,state\nd,2026-05-01T00:00:00Z,main,https://a.example/,0,0,down\n"
    done = run(
        file("checks.csv", text), "--set", "kind=delivery", "--map", "webhook_id=endpoint", "--map", "attributes.state=state"
    )
    assert done.exit_code == 0, done.stderr
    assert data.log("id,webhook_id,url,status,duration_ms,attributes.state", Subject.DELIVERIES) == [
        ("d", "main", None, "https://a.example/", 0, 0, "down")
    ]


def test_what_is_refused_is_told_with_file_line_and_reason(run: Run, data: Data) -> None:
    text = b"id,time,status\nok,2026-05-01T00:00:00Z,200\nbad,2026-05-01T00:00:00Z,up\nold,1999-05-01T00:00:00Z,200\nshort\n"
    done = run(file("x.csv", text))
    assert done.exit_code == 1
    assert done.stderr.splitlines()[:3] == [
        'x.csv:3: status is "up"; a whole number is needed. [wrong_type]',
        "x.csv:4: time is 1999-05-01T00:00:00.000Z; the earliest accepted is 2000-01-01T00:00:00.000Z. [too_old]",
        "x.csv:5: The row has 1 cells and the header has 3. [malformed]",
    ]
    assert "1 row taken, 3 refused" in done.stderr
    assert data.log() == [("ok",)]


def test_the_reject_report(run: Run, data: Data) -> None:
    good = b'{"id":"ok","time":"2026-05-01T00:00:00Z"}\n'
    bad = b'{"id":"=cmd()","time":"2026-05-01T00:00:00Z","stauts":1}\n{"id":"b","time":"x"}\nnonsense\n'
    done = run(file("x.ndjson", bad + good), file("y.ndjson", good + bad), "--reject-report", "out.csv")
    assert done.exit_code == 1
    assert "[" not in done.stderr
    found = list(csv.reader(Path("out.csv").read_text().splitlines()))
    assert found[0] == ["file", "line", "id", "code", "field", "message"]
    assert [row[:5] for row in found[1:]] == [
        ["x.ndjson", "1", "'=cmd()", "unknown_field", "stauts"],
        ["x.ndjson", "2", "b", "invalid", "time"],
        ["x.ndjson", "3", "", "malformed", ""],
        ["y.ndjson", "2", "'=cmd()", "unknown_field", "stauts"],
        ["y.ndjson", "3", "b", "invalid", "time"],
        ["y.ndjson", "4", "", "malformed", ""],
    ]
    assert 'did you mean "status"' in found[1][5].lower()


def test_of_very_many_refused_rows_the_first_are_shown(run: Run, data: Data) -> None:
    done = run(file("x.ndjson", b"nonsense\n" * 30_000))
    assert done.exit_code == 2
    lines = done.stderr.splitlines()
    assert len(lines) == importing.SHOWN + 2
    assert lines[-2] == "… and 29,980 more; --reject-report FILE lists them all."
    assert lines[-1].startswith("0 rows taken, 30,000 refused")


def test_nothing_in_a_file_steers_the_terminal(run: Run, data: Data) -> None:
    done = run(file("x.csv", b"id,time,status\na,2026-05-01T00:00:00Z,\x1b[31m[red]up[/red]\n"))
    assert 'status is "\\x1b[31m[red]up[/red]"' in done.stderr
    assert run("\x1b[2J[/x].csv").stderr == "error: \\x1b[2J[/x].csv cannot be read: No such file or directory.\n"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("e.csv", b"", "The file is empty."),
        ("e.csv.gz", gzip.compress(b"", mtime=0), "The file is empty."),
        ("h.csv", b"id,time\n", "The file has no rows."),
        ("u.csv", CSV.decode().encode("utf-16"), "iconv"),
        ("m.csv", b"id,status\na,200\n", "No column is the time"),
        ("m.csv", b"id,time,what\na,2026-05-01T00:00:00Z,x\n", "--map attributes.what=what"),
        ("p.parquet", b"PAR1 and nothing", "no readable Parquet file"),
        ("p.parquet", CSV, "no Parquet file"),
        ("b.csv.gz", gzip.compress(CSV, mtime=0)[:15], "The file breaks off"),
        ("b.csv.zst", zstd.compress(CSV)[:15], "The file breaks off"),
        ("x.bin", bytes(range(1, 200)), "--format"),
    ],
)
def test_files_of_which_nothing_can_be_taken(run: Run, data: Data, name: str, content: bytes, says: str) -> None:
    done = run(file(name, content))
    assert done.exit_code == 2
    assert done.stderr.startswith(f"error: {name}: ")
    assert says in done.stderr
    assert data.log() == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nope.csv"], "nope.csv cannot be read: No such file or directory."),
        (["."], ". is a folder; name the files in it."),
        (["a.csv", "--format", "xls"], '--format "xls" is unknown'),
        (["a.csv", "--map", "stauts=x"], 'did you mean "status"'),
        (["a.csv", "--time-zone", "Mars"], "not an IANA time zone"),
        (["a.csv", "--reject-report", "no/such/folder.csv"], "cannot be written"),
        (["a.csv", "--reject-report", "./a.csv"], "would overwrite a.csv"),
        (["a.csv", "--server", "http://127.0.0.1:9", "--key", "k"], "leave --workspace out"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_opened(run: Run, arguments: list[str], says: str) -> None:
    file("a.csv", CSV)
    done = run(*arguments)
    assert done.exit_code == 2
    assert says in done.stderr
    assert Path("a.csv").read_bytes() == CSV


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--workspace is missing"),
        (["--server", "http://127.0.0.1:9"], "needs an API key"),
        (["--server", "usage.example.com", "--key", "k"], "is no address"),
        (["--server", "http://127.0.0.1:9", "--key", "k"], "does not answer"),
    ],
)
def test_where_to_is_said_wrongly(run: Run, arguments: list[str], says: str) -> None:
    done = run(file("a.csv", CSV), *arguments, workspace=None)
    assert done.exit_code == 2
    assert says in done.stderr


def test_an_unknown_workspace(run: Run, data: Data) -> None:
    done = run(file("a.csv", CSV), workspace="nope")
    assert (done.exit_code, done.stderr) == (2, 'error: There is no workspace "nope". There are: ws.\n')


def test_a_file_that_breaks_off_gives_what_stands_before_and_the_next_file_is_read(run: Run, data: Data) -> None:
    long = b"id,time\n" + b"".join(b"x%d,2026-05-01T00:00:00Z\n" % n for n in range(20_000))
    done = run(file("cut.csv.gz", gzip.compress(long)[:-2000]), file("a.csv", CSV), "--json")
    assert done.exit_code == 1
    assert "error: cut.csv.gz: The file breaks off" in done.stderr
    first, second = json.loads(done.stdout)["files"]
    assert 5_000 < first["accepted"] < 20_000
    assert "breaks off" in first["error"]
    assert second["accepted"] == 40
    assert len(data.log()) == first["accepted"] + 40
    assert run(file("cut.csv.gz", gzip.compress(long))).exit_code == 0
    assert len(data.log()) == 20_040


def test_breaking_off_and_running_again(run: Run, data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b"time,user_id\n" + b"2026-05-01T00:00:00Z,u\n" * 12_000
    real = READERS[Format.CSV]

    def interrupted(*arguments: Any) -> Iterator[Any]:
        for count, row in enumerate(real(*arguments)):
            if count == 7_000:
                raise KeyboardInterrupt
            yield row

    with monkeypatch.context() as patched:
        patched.setitem(READERS, Format.CSV, interrupted)
        done = run(file("x.csv", text), "--json")
    assert done.exit_code == importing.INTERRUPTED
    assert "Run the same command again" in done.stderr
    assert json.loads(done.stdout)["accepted"] == len(data.log()) == 5_000
    assert run("x.csv").exit_code == 0
    assert len(data.log()) == 12_000


def test_into_a_running_server(run: Run, running: tuple[House, str]) -> None:
    house, _ = running
    text = b"\n".join(
        [NDJSON, b'{"id":"bad","time":"2026-05-01T00:00:00Z","status":"x"}', b"[1,2]", b'{"time":"2026-05-01 00:00"}']
    )
    for _ in range(2):
        done = run(file("x.ndjson", text), "--json")
        assert done.exit_code == 1
        assert "x.ndjson:41: status" in done.stderr
        assert "x.ndjson:42: This is no JSON object" in done.stderr
        assert json.loads(done.stdout)["accepted"] == 41
        assert len(rows(house.deck, house.api_key)) == 41
    done = run("x.ndjson", workspace="no pe")
    assert done.exit_code == 2
    assert 'no workspace "no pe"' in done.stderr


def test_into_a_server_elsewhere(run: Run, running: tuple[House, str], monkeypatch: pytest.MonkeyPatch) -> None:
    house, url = running
    assert run(file("a.csv", CSV), "--server", url, "--key", house.api_key, workspace=None).exit_code == 0
    monkeypatch.setenv("USAGEDECK_API_KEY", house.api_key)
    assert run("a.csv", "--server", url + "/", workspace=None).exit_code == 0
    assert len(rows(house.deck, house.api_key)) == 40
    done = run("a.csv", "--server", url, "--key", "wrong", workspace=None)
    assert done.exit_code == 2
    assert "Invalid API key" in done.stderr


def test_help_names_formats_aliases_and_columns_of_access_logs() -> None:
    text = CliRunner().invoke(app, ["import", "--help"], env={"COLUMNS": "200"}).stdout
    for word in ("ndjson", "combined", "latency_ms", "authuser", "--reject-report", "Exit status"):
        assert word in text


def test_progress_moves_with_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(CSV * 2000))
    with opened(str(path), None) as source:
        assert source is not None
        assert source.size == path.stat().st_size
        start = source.position()
        while source.stream.read1(2**16):
            assert start <= source.position() <= source.size
        assert source.position() == source.size


def test_refused_rows_are_told_in_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    with importing._screen() as told:
        told("a", Refusal(1, "c", "two\nlines " + "x" * 300))
    assert capsys.readouterr().err.count("\n") == 1

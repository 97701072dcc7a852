"""`usagedeck backup` and `usagedeck restore`: what goes into one comes out of the other; what cannot be is refused in a
sentence."""

import io
import json
import shutil
import tarfile
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from tests.house import NOON, build_house, served
from tests.postgres import running
from usagedeck import access, archive, backup, report
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.catalog.rollups import ROLLUPS
from usagedeck.cli import app
from usagedeck.deck import RESTORING, SERVER_FILE, open_deck
from usagedeck.errors import UsagedeckError
from usagedeck.query import Query, Selection
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.store import freezing, schema
from usagedeck.store.clickhouse import Store
from usagedeck.times import DAY, HOUR, iso, zone
from usagedeck.web.server import Running
from usagedeck.windows import LATEST_WINDOW, Interval, Window


def run(*words: object) -> dict[str, Any]:
    """A command; what it prints. Raises what it refuses with."""
    done = CliRunner().invoke(app, [*map(str, words), "--json"])
    if done.exception:
        raise done.exception
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def refusal(*words: object) -> str:
    with pytest.raises(UsagedeckError) as caught:
        run(*words)
    return caught.value.message


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data folder with 200 requests in two days, 10 deliveries, sealed rollups and unmerged pieces; and its key."""
    folder = tmp_path_factory.mktemp("furnished") / "data"
    with open_deck(Settings(data_dir=folder, min_free_bytes=0), lambda: NOON) as deck:
        house = build_house(deck, id="ws")
        deck.store._writer.command("ALTER TABLE deliveries MODIFY SETTING min_bytes_for_wide_part = 0")  # as large pieces are
        for part in range(2):
            house.send({"id": f"{part}-{n}", "time": NOON - n * HOUR // 3, "credits": "0.5"} for n in range(100))
        house.send({"kind": "delivery", "id": f"{n}", "time": NOON - n * HOUR} for n in range(10))
        assert deck.sealer.look() > 0
        return folder, house.api_key


def told(folder: Path, key: str) -> Any:
    """What a folder answers: the events one by one, sums over days, and what is sealed."""
    with open_deck(Settings(data_dir=folder, min_free_bytes=0), lambda: NOON) as deck:
        who = access.who_by_key(deck, key)
        query = Query(
            Selection(Subject.REQUESTS, Window(NOON - 31 * DAY, LATEST_WINDOW, zone("UTC"))),
            (METRICS["requests"], METRICS["credits"]),
            Interval.parse("total"),
        )
        rows = [list(row) for row in report.usage(deck, who, None, query).table.rows]
        texts = [f"SELECT count(), sum(cityHash64(*)) FROM {subject} FINAL" for subject in Subject]
        texts.append("SELECT count(), sum(cityHash64(*)) FROM seals")
        return rows, [tuple(deck.store.run(Statement(text, {}, ("rows", "hash")))[0]) for text in texts]


@pytest.mark.parametrize("form", ["folder", "file.tar"])
def test_there_and_back(furnished: tuple[Path, str], tmp_path: Path, form: str) -> None:
    folder, key = furnished
    target, copy = tmp_path / form, tmp_path / "copy"
    said = run("backup", target, "--data-dir", folder)
    assert said["rows"]["requests"] == 200
    assert said["rows"]["deliveries"] == 10
    assert said["rows"]["seals"] > 0
    assert [path.name for path in tmp_path.iterdir()] == [form], "nothing else is left"
    private = [target, *(path for path in target.rglob("*") if path.is_file())]
    assert all(path.stat().st_mode & 0o077 == 0 for path in private)
    assert run("restore", target, "--data-dir", copy)["rows"] == said["rows"]
    assert told(copy, key) == told(folder, key)
    assert not (copy / RESTORING).exists()
    assert not (copy / "store" / RESTORING).exists()


def test_a_copy_goes_where_the_settings_say(furnished: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, key = furnished
    run("backup", tmp_path / "b", "--data-dir", folder)
    monkeypatch.setenv("USAGEDECK_STORE", f"chdb://{tmp_path / 'elsewhere'}")
    monkeypatch.setenv("USAGEDECK_DIRECTORY", f"sqlite:///{tmp_path / 'people.sqlite'}")
    run("restore", tmp_path / "b", "--data-dir", tmp_path / "copy")
    assert (tmp_path / "people.sqlite").exists()
    assert not (tmp_path / "copy" / "directory.sqlite").exists()
    assert told(tmp_path / "copy", key)[0][0][2] == 200
    assert "not empty" in refusal("restore", tmp_path / "b", "--data-dir", tmp_path / "another")


def test_a_backup_of_an_older_store_is_brought_to_todays_shape(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with open_deck(Settings(data_dir=folder, min_free_bytes=0), lambda: NOON) as deck:
        house = build_house(deck, id="ws")
        house.send([{"id": "a", "time": NOON, "trace_id": "t"}])
        deck.store._writer.command("ALTER TABLE requests DROP INDEX by_trace_id, DROP COLUMN trace_id")
        begun = backup.begin(deck)
        files = {name: Path(path) for name, path in begun.files.items()}
        archive.write(tmp_path / "b", begun.contents, files, lambda _: lambda _: None)
    run("restore", tmp_path / "b", "--data-dir", tmp_path / "copy")
    with open_deck(Settings(data_dir=tmp_path / "copy", min_free_bytes=0), lambda: NOON) as deck:
        house.__class__(deck, "ws", house.api_key, house.who).send([{"id": "b", "time": NOON, "trace_id": "t"}])
        found = deck.store.run(Statement("SELECT id, trace_id FROM requests FINAL ORDER BY id", {}, ("id", "trace_id")))
    assert [tuple(row) for row in found] == [("a", ""), ("b", "t")]


def test_a_directory_in_postgresql_is_left_to_its_own_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Store and directory are backed up apart; together they answer as before."""
    with running() as server:
        monkeypatch.setenv("USAGEDECK_DIRECTORY", server.create())
        with open_deck(Settings(data_dir=tmp_path / "data", min_free_bytes=0), lambda: NOON) as deck:
            house = build_house(deck, id="ws")
            house.send([{"id": "a", "time": NOON}])
        done = CliRunner().invoke(app, ["backup", str(tmp_path / "b"), "--data-dir", str(tmp_path / "data")])
        assert "its own tools" in done.stderr
        assert not (tmp_path / "b" / "directory.sqlite").exists()
        assert run("restore", tmp_path / "b", "--data-dir", tmp_path / "copy")["rows"]["requests"] == 1
        with open_deck(Settings(data_dir=tmp_path / "copy", min_free_bytes=0), lambda: NOON) as deck:
            who = access.who_by_key(deck, house.api_key)
            assert who.workspace.id == "ws"
        monkeypatch.delenv("USAGEDECK_DIRECTORY")
        assert "name it with USAGEDECK_DIRECTORY" in refusal("restore", tmp_path / "b", "--data-dir", tmp_path / "without")
        assert not (tmp_path / "without").exists()
        with open_deck(Settings(data_dir=tmp_path / "embedded", min_free_bytes=0), lambda: NOON):
            pass
        run("backup", tmp_path / "b2", "--data-dir", tmp_path / "embedded")
        monkeypatch.setenv("USAGEDECK_DIRECTORY", server.create())
        assert "restore it without that setting" in refusal("restore", tmp_path / "b2", "--data-dir", tmp_path / "with")


# --- through a running server -------------------------------------------------------------------------------------


def test_a_running_server_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    with open_deck(Settings(data_dir=folder, min_free_bytes=0), lambda: NOON) as deck, served(deck) as url:
        (folder / SERVER_FILE).write_bytes(msgspec.json.encode(Running(url, "operator")))
        house = build_house(deck, id="ws")
        house.send([{"id": "a", "time": NOON}])
        said = run("backup", tmp_path / "b", "--data-dir", folder)
        assert (said["taken_at"], said["rows"]["requests"]) == (iso(NOON), 1)
        assert not freezing.place(folder / "store").exists(), "nothing is held any longer"
        assert house.send([{"id": "b", "time": NOON}]).accepted == 1
        assert run("backup", tmp_path / "b2", "--data-dir", folder)["rows"]["requests"] == 2


def test_a_seal_that_is_published_while_the_store_is_frozen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A seal without its rows would count nothing where there are events; rows without their seal are nobody's."""
    rollup = next(iter(ROLLUPS.values())).table
    fill_now, published = threading.Event(), threading.Event()
    with open_deck(Settings(data_dir=tmp_path / "data", min_free_bytes=0), lambda: NOON) as deck:
        house = build_house(deck)
        house.send({"id": f"{n}", "time": NOON - n * HOUR // 4, "credits": "0.5"} for n in range(100))
        execute, record = deck.store.execute, deck.store.record

        def sealing(_: Store, statement: Statement) -> None:
            filling.release()
            if statement.text.startswith(f"INSERT INTO {rollup} "):
                assert fill_now.wait(60)
            execute(statement)
            if statement.text.startswith("INSERT INTO seals"):
                published.set()

        def freezing_one(_: Store, statement: Statement) -> None:
            record(statement)
            if statement.text.startswith((f"ALTER TABLE {rollup} FREEZE", "ALTER TABLE seals FREEZE")):
                fill_now.set()
                assert published.wait(60)

        filling = threading.Semaphore(0)
        monkeypatch.setattr(Store, "execute", sealing)
        sealer = threading.Thread(target=deck.sealer.look)
        sealer.start()
        assert filling.acquire(timeout=60)
        monkeypatch.setattr(Store, "record", freezing_one)
        begun = backup.begin(deck)
        archive.write(tmp_path / "b", begun.contents, {n: Path(p) for n, p in begun.files.items()}, lambda _: lambda _: None)
        sealer.join(60)
        assert not sealer.is_alive()
    monkeypatch.undo()
    run("restore", tmp_path / "b", "--data-dir", tmp_path / "copy")
    assert told(tmp_path / "copy", house.api_key)[0] == told(tmp_path / "data", house.api_key)[0]
    assert told(tmp_path / "copy", house.api_key)[0][0][2:] == [100, Decimal(50)]


def test_a_server_that_is_restarted_during_a_backup(
    furnished: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = furnished
    usual = archive.write

    def interrupted(*arguments: Any) -> archive.Manifest:
        freezing.thaw(folder / "store")
        return usual(*arguments)

    monkeypatch.setattr(archive, "write", interrupted)
    assert "Take the backup again." in refusal("backup", tmp_path / "b", "--data-dir", folder)
    assert list(tmp_path.iterdir()) == []


def test_what_a_cut_short_backup_held_is_let_go_at_the_next_start(settings: Settings) -> None:
    with open_deck(settings) as deck:
        build_house(deck).send([{"id": "a", "time": NOON}])
        backup.begin(deck)
        assert freezing.place(settings.store_folder).exists()
        backup.begin(deck)
    with open_deck(settings):
        assert not freezing.place(settings.store_folder).exists()


# --- what is refused ----------------------------------------------------------------------------------------------


def test_targets_that_cannot_be(furnished: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = furnished
    (tmp_path / "there").mkdir()
    assert "exists already" in refusal("backup", tmp_path / "there", "--data-dir", folder)
    assert "cannot be written: No such file" in refusal("backup", tmp_path / "no" / "where", "--data-dir", folder)
    assert "There is no data folder" in refusal("backup", tmp_path / "b", "--data-dir", tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    assert "bytes and 0 are free at" in refusal("backup", tmp_path / "b", "--data-dir", folder)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


@pytest.fixture(params=["folder"])
def written(furnished: tuple[Path, str], tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    target = tmp_path / str(request.param)
    run("backup", target, "--data-dir", furnished[0])
    return target


def test_a_folder_that_is_not_empty_is_left_alone(furnished: tuple[Path, str], written: Path, tmp_path: Path) -> None:
    before = told(*furnished)
    assert "is not empty; a restore never overwrites anything" in refusal("restore", written, "--data-dir", furnished[0])
    assert told(*furnished) == before
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    assert "is not empty" in refusal("restore", written, "--data-dir", mine)
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]


def test_an_empty_disk_of_its_own_is_fine(furnished: tuple[Path, str], written: Path, tmp_path: Path) -> None:
    (tmp_path / "disk" / "lost+found").mkdir(parents=True)
    run("restore", written, "--data-dir", tmp_path / "disk")
    assert told(tmp_path / "disk", furnished[1]) == told(*furnished)


def rewritten(source: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of a backup with another manifest."""
    shutil.copytree(source, target)
    manifest = json.loads((target / archive.MANIFEST).read_text())
    change(manifest)
    (target / archive.MANIFEST).write_text(json.dumps(manifest))
    return target


def test_newer_and_strange_ones(written: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    changes: list[tuple[str, Callable[[dict[str, Any]], None]]] = [
        ("was written by usagedeck 99.0.0", lambda m: m["contents"].update(release="99.0.0")),
        ("with that release or a newer one", lambda m: m["contents"].update(store_revision=schema.REVISION + 1)),
        ("with that release or a newer one", lambda m: m.update(format=archive.FORMAT + 1)),
        ("is no name of a file", lambda m: m["files"].update({"../evil": {"bytes": 1, "sha256": ""}})),
        ("is no name of a file", lambda m: m["files"].update({"/evil": {"bytes": 1, "sha256": ""}})),
        ("is no name of a file", lambda m: m["files"].update({"store/requests/../../evil": {"bytes": 1, "sha256": ""}})),
        ("belongs to nothing in it", lambda m: m["files"].update({"store/evil/x": {"bytes": 1, "sha256": ""}})),
        ("so it has none in it", lambda m: m["files"].pop("directory.sqlite")),
        ("manifest.json cannot be understood", lambda m: m.pop("files")),
        ("rows of requests, but 200 came out", lambda m: m["contents"]["tables"]["requests"].update(rows=301)),
    ]
    for number, (sentence, change) in enumerate(changes):
        source = rewritten(written, tmp_path / f"strange{number}", change)
        assert sentence in refusal("restore", source, "--data-dir", copy), sentence
        assert not copy.exists(), sentence
    for sentence, source in (
        ("is no backup, or only the beginning of one", tmp_path),
        ("cannot be read: No such file", tmp_path / "nothing"),
        ("is no backup, or only the beginning of one", Path(__file__)),
    ):
        assert sentence in refusal("restore", source, "--data-dir", copy)
        assert not copy.exists()


def test_one_flipped_bit_in_any_file(written: Path, tmp_path: Path) -> None:
    files = [
        path for path in sorted(written.rglob("*")) if path.is_file() and path.stat().st_size and path.name != archive.MANIFEST
    ]
    (tmp_path / "copy").mkdir()
    for path in [files[0], *files[1 :: max(1, len(files) // 5)]]:
        content = path.read_bytes()
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        sentence = refusal("restore", written, "--data-dir", tmp_path / "copy")
        assert "is damaged" in sentence
        assert f"{path.relative_to(written)} is not as it was written. Nothing was restored." in sentence
        assert list((tmp_path / "copy").iterdir()) == []
        path.write_bytes(content)
    path.unlink()
    assert "is missing or cut short" in refusal("restore", written, "--data-dir", tmp_path / "copy")


@pytest.mark.parametrize("written", ["file.tar"], indirect=True)
def test_a_tar_that_is_cut_short_or_changed(written: Path, tmp_path: Path) -> None:
    content = written.read_bytes()
    for number in range(8):
        written.write_bytes(content[: len(content) * number // 8])
        sentence = refusal("restore", written, "--data-dir", tmp_path / "copy")
        assert "is no backup, or only the beginning of one" in sentence or "damaged" in sentence
        assert not (tmp_path / "copy").exists()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        middle = next(member for member in tar if member.name.endswith("data.bin"))
    at = middle.offset_data + middle.size // 2
    written.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    assert f"{middle.name} is not as it was written" in refusal("restore", written, "--data-dir", tmp_path / "copy")


def test_a_restore_that_was_cut_short_is_no_data_folder(settings: Settings) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / RESTORING).touch()
    with pytest.raises(UsagedeckError, match="was not finished; empty the folder and restore the backup again"):
        open_deck(settings).__enter__()

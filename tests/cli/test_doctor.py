"""`usagedeck doctor`: what it says is what is there, and every warning comes with what to do."""

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner, Result

from tests.house import NOON, House, StillClock, build_house, served
from usagedeck import __version__, admin, doctor
from usagedeck.catalog.rollups import ROLLUPS
from usagedeck.cli import app
from usagedeck.deck import SERVER_FILE, Deck, open_deck
from usagedeck.errors import Conflict
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.store.clickhouse import Store
from usagedeck.times import DAY, HOUR, MINUTE, iso, parse_instant
from usagedeck.web.server import Running

THEN = parse_instant("2025-06-02T12:00:00Z", field="then")
"""Earlier than the clock of any machine that runs this."""


def ask(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["doctor", "--data-dir", str(folder), *options])


@pytest.fixture(params=["stopped", "running"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A data folder with 40 requests in two weeks, each sent twice, that nobody has open or that a server has."""
    folder = tmp_path / "data"
    settings = Settings(data_dir=folder, min_free_bytes=0)
    with open_deck(settings, lambda: THEN) as deck:
        deck.store._writer.command("SYSTEM STOP MERGES")
        house = build_house(deck)
        for _ in range(2):
            house.send({"id": f"{n}", "time": THEN - n % 2 * 14 * DAY} for n in range(40))
        key = house.do(admin.CreateKey(workspace=house.workspace_id, label="old"))["key_id"]
        house.do(admin.RevokeKey(workspace=house.workspace_id, id=key))
        if request.param == "running":
            with served(deck) as url:
                (folder / SERVER_FILE).write_bytes(msgspec.json.encode(Running(url, "operator")))
                yield folder
            return
    yield folder


def test_what_it_says_is_what_is_there(folder: Path) -> None:
    done = ask(folder, "--json")
    found = json.loads(done.stdout)
    assert list(found) == [*doctor.SECTIONS, "warnings"]
    assert found["about"]["release"] == __version__
    assert found["about"]["data_dir"] == str(folder)
    (requests,) = (row for row in found["tables"] if row["table"] == "requests")
    weeks = [part for part in found["weeks"]["partitions"] if part["table"] == "requests"]
    assert requests["rows"] == sum(part["rows"] for part in weeks)
    assert 40 <= requests["rows"] <= 80, "repeats take space until they are merged"
    assert requests["pieces"] == sum(part["pieces"] for part in weeks)
    assert [part["partition"] for part in weeks] == ["2025-05-19", "2025-06-02"]
    assert found["events"]["bytes"] == sum(row["bytes"] for row in found["tables"]) <= found["disk"]["store"]
    assert found["events"]["bytes_per_event"] == round(found["events"]["bytes"] / requests["rows"], 1)
    assert found["clock"]["latest_arrival"] == iso(THEN)
    assert 0 < found["disk"]["free"] < found["disk"]["total"]
    directory = found["directory"]
    assert (directory["workspaces"], directory["api_keys"], directory["active_keys"], directory["users"]) == (1, 2, 1, 0)
    engine = {(row["handle"], row["name"]): row for row in found["engine_settings"]}
    assert engine["write", "async_insert"]["actual"] == "0"
    assert engine["read", "do_not_merge_across_partitions_select_final"]["actual"] == "1"
    assert all(row["wanted"] == row["actual"] for row in engine.values())
    assert "metrics_token" not in found["settings"]
    assert (found["put_aside"], found["warnings"], done.exit_code) == ([], [], 0)


def test_for_people(folder: Path) -> None:
    done = ask(folder)
    assert done.exit_code == 0
    for part in (
        f"release    {__version__}",
        str(folder),
        "bytes free of",
        "1 workspaces",
        "days wait",
        "async_insert=0",
        "bytes_per_row",
    ):
        assert part in done.stdout
    assert done.stderr == "Nothing to do.\n"


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = ask(tmp_path / "nothing")
    assert "There is no data folder" in str(done.exception)
    assert not (tmp_path / "nothing").exists()


def warned(deck: Deck) -> dict[str, str]:
    return {warning["code"]: warning["message"] for warning in doctor.examine(deck)["warnings"]}


def free(patch: pytest.MonkeyPatch, left: int) -> None:
    patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=left, total=10**12))


def test_warnings_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_deck(Settings(data_dir=tmp_path / "data", min_free_bytes=1000), lambda: NOON) as deck:
        build_house(deck)
        for left, expected in (
            (999, {"disk_full": "free at least 1 bytes of disk, or lower min_free_bytes"}),
            (1999, {"disk_nearly_full": "when 999 more bytes of disk are used"}),
            (2000, {}),
        ):
            free(monkeypatch, left)
            found = warned(deck)
            assert found.keys() == expected.keys()
            assert all(part in found[code] for code, part in expected.items())


def test_every_other_warning(house: House, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    deck = house.deck
    assert warned(deck) == {}
    command = deck.store._writer.command
    command("SYSTEM STOP MERGES")
    for n in range(3):
        house.send([{"id": f"{n}", "time": NOON}])
    text = "SELECT min(name) FROM system.parts WHERE active AND table = 'requests'"
    piece = deck.store.run(Statement(text, {}, ("name",)))[0][0]
    command(f"ALTER TABLE requests DETACH PART '{piece}'")
    monkeypatch.setattr(doctor, "MANY_PIECES", 1)
    deck.settings.data_dir.chmod(0o755)
    clock.now -= 3 * HOUR
    usual = deck.store.settings_in_effect()
    monkeypatch.setattr(Store, "settings_in_effect", lambda _: [*usual, ("write", "async_insert", "0", "1")])
    found = warned(deck)
    assert found.keys() == {"put_aside", "many_pieces", "clock_put_back", "not_private", "engine_setting"}
    assert f"(requests/{piece}). Restore a backup" in found["put_aside"]
    assert "requests of 2026-11-23 is in 2 pieces" in found["many_pieces"]
    assert "180 minutes after what this machine's clock says" in found["clock_put_back"]
    assert "async_insert is 1 and must be 0" in found["engine_setting"]
    deck.settings.data_dir.chmod(0o700)


def test_sealing_that_stays_behind(house: House, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    deck = house.deck
    house.send([{"id": f"{n}", "time": NOON - n * DAY} for n in range(4)])
    facts = doctor.examine(deck)["sealing"]
    assert [row["rollup"] for row in facts["rollups"]] == list(ROLLUPS)
    (calls, *_) = facts["rollups"]
    assert (calls["sealed_until"], calls["taken_away_days"], calls["waiting_days"] > 3) == (None, 0, True)
    assert warned(deck) == {}, "it has just begun"
    clock.now += HOUR + MINUTE
    assert "not caught up for 61 minutes" in warned(deck)["sealing_behind"]
    assert "give it time after an import" in warned(deck)["sealing_behind"]
    deck.sealer.failed = "The disk is full."
    assert warned(deck)["sealing_behind"].endswith("slower. The disk is full.")
    deck.sealer.look()
    (calls, *_) = doctor.examine(deck)["sealing"]["rollups"]
    assert (calls["sealed_until"], calls["waiting_days"], calls["taken_away_days"]) == (iso(NOON + 30 * MINUTE), 0, 0)
    house.send([{"id": "late", "time": NOON - 2 * DAY}])
    sealing = doctor.examine(deck)["sealing"]
    assert [row["taken_away_days"] for row in sealing["rollups"]] == [2, 2, 2, 0, 1], "by quarter-hours and by days of UTC"
    assert (sealing["failed"], warned(deck)) == ("", {})
    clock.now += 2 * HOUR
    assert warned(deck).keys() == {"sealing_behind"}


def test_files_that_come_and_go_while_it_counts(house: House) -> None:
    """As they do in a store that takes events."""
    stop = threading.Event()

    def come_and_go() -> None:
        folder = house.deck.settings.store_folder / "tmp" / "passing"
        while not stop.is_set():
            folder.mkdir()
            (folder / "file").touch()
            shutil.rmtree(folder)

    passing = threading.Thread(target=come_and_go)
    passing.start()
    try:
        for _ in range(100):
            assert doctor.SECTIONS["disk"](house.deck)["store"] > 0
    finally:
        stop.set()
        passing.join()


def test_an_empty_deck(deck: Deck) -> None:
    assert warned(deck).keys() == {"no_workspace"}
    facts: dict[str, Any] = doctor.examine(deck)
    assert (facts["events"]["rows"], facts["events"]["bytes_per_event"], facts["clock"]["latest_arrival"]) == (0, None, None)


def test_an_engine_that_does_not_do_as_it_is_told_is_not_used(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Store, "settings_in_effect", lambda _: [("write", "async_insert", "0", "1")])
    with pytest.raises(Conflict, match="async_insert is 1 and must be 0"), open_deck(settings):
        pass

"""`usagedeck limit`: set and looked at, on stopped data and on a running server."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from tests.house import NOON, StillClock, build_house, served
from usagedeck import admin
from usagedeck.cli import app
from usagedeck.deck import SERVER_FILE, open_deck
from usagedeck.errors import InvalidInput, NotFound
from usagedeck.settings import Settings
from usagedeck.web.server import Running


@pytest.fixture(scope="module", params=["stopped", "running"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    found = tmp_path_factory.mktemp("limits") / "data"
    settings = Settings(data_dir=found, min_free_bytes=0)
    with open_deck(settings, StillClock()) as deck:
        house = build_house(deck, id="ws")
        house.do(admin.CreateKey(workspace="ws", id="k", label="prod"))
        house.send([{"id": "a", "time": NOON, "credits": "2.5", "api_key_id": "k"}])
        if request.param == "running":
            with served(deck) as url:
                (found / SERVER_FILE).write_bytes(msgspec.json.encode(Running(url, "operator")))
                yield found
            return
    yield found


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["limit", *words, "-w", "ws", "--data-dir", str(folder)])


def test_limits_are_set_shown_and_taken_away(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usagedeck.deck.system_clock", StillClock())
    done = run(folder, "set", "key", "--id", "k", "--credits", "1000", "--json")
    assert json.loads(done.stdout) == {"kind": "key", "id": "k", "credit_limit": 1000}
    done = run(folder, "set", "workspace", "--credits", "20000")
    assert (done.exit_code, done.stderr) == (0, "Workspace ws has a limit of 20,000 credits a billing period.\n")
    shown = json.loads(run(folder, "list", "--format", "json").stdout)
    assert [row[:2] for row in shown["rows"]] == [["key", "k"], ["workspace", "ws"]]
    head, *rows = run(folder, "list", "--kind", "key").stdout.splitlines()
    assert head.split()[:4] == ["Limit", "of", "Whose", "Limit"]
    assert [row.split()[:3] for row in rows] == [["key", "prod", "1000"]]
    assert run(folder, "list", "--id", "ws", "--format", "csv").stdout.splitlines()[1].startswith("workspace,ws,acme,20000,")
    done = run(folder, "set", "key", "--id", "k", "--none")
    assert done.stderr == "Key k has no limit.\n"
    assert [row[0] for row in json.loads(run(folder, "list", "--format", "json").stdout)["rows"]] == ["workspace"]
    run(folder, "set", "workspace", "--none")


def test_what_cannot_be_set_says_why(folder: Path) -> None:
    assert isinstance(run(folder, "set", "key", "--id", "none", "--credits", "1").exception, NotFound)
    assert isinstance(run(folder, "set", "key", "--id", "k").exception, InvalidInput)
    assert isinstance(run(folder, "set", "key", "--id", "k", "--none", "--credits", "1").exception, InvalidInput)
    assert isinstance(run(folder, "set", "group", "--credits", "1").exception, InvalidInput)

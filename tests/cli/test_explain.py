"""`usagedeck explain`: what it says is read is what the question reads."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner, Result

from tests.house import NOON, StillClock, build_house, served
from usagedeck.cli import app
from usagedeck.deck import SERVER_FILE, open_deck
from usagedeck.errors import InvalidInput, NotFound
from usagedeck.settings import Settings
from usagedeck.times import DAY, MINUTE, iso
from usagedeck.web.server import Running


@pytest.fixture(scope="module", params=["stopped", "running"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A data folder with a workspace, three days of it sealed, that nobody has open or that a server has."""
    folder = tmp_path_factory.mktemp("explain") / "data"
    with open_deck(Settings(data_dir=folder, min_free_bytes=0), StillClock()) as deck:
        house = build_house(deck, id="ws")
        house.send({"id": f"{n}", "time": NOON - n * DAY} for n in range(3))
        deck.sealer.look()
        if request.param == "running":
            with served(deck) as url:
                (folder / SERVER_FILE).write_bytes(msgspec.json.encode(Running(url, "operator")))
                yield folder
            return
    yield folder


def ask(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["explain", "-w", "ws", "--data-dir", str(folder), *options])


WINDOW = ("--range", f"{iso(NOON - 2 * DAY)}..{iso(NOON)}")


def test_it_says_what_is_read(folder: Path) -> None:
    found = json.loads(ask(folder, "-m", "credits", "--by", "model", "--interval", "total", *WINDOW, "--json").stdout)
    assert found["route"] == "rollup calls by days of UTC and quarter-hours, 1 stretches from events"
    midnights = [NOON - 36 * 60 * MINUTE, NOON - 12 * 60 * MINUTE]
    assert [(part["from"], part["days_of"], part["start"], part["end"]) for part in found["reads"]] == [
        ("rollup", None, iso(NOON - 2 * DAY), iso(midnights[0])),
        ("rollup", "UTC", iso(midnights[0]), iso(midnights[1])),
        ("rollup", None, iso(midnights[1]), iso(NOON - 30 * MINUTE)),
        ("events", None, iso(NOON - 30 * MINUTE), iso(NOON)),
    ]
    done = ask(folder, "-m", "credits", "--filter", "ip:eq:10.0.0.0", *WINDOW)
    assert "no rollup holds ip" in done.stdout
    assert "events" in done.stdout
    assert (
        "no rollup holds model, user_id, voice_id"
        in ask(
            folder, "-m", "requests", "--by", "model", "--by", "voice_id", "--user", "u", "--time-zone", "Asia/Kathmandu"
        ).stdout
    )


@pytest.mark.parametrize(
    ("options", "kind", "sentence"),
    [
        (("-m", "credit"), InvalidInput, 'did you mean "credits"'),
        (("-m", "credits", "--by", "modell"), InvalidInput, 'did you mean "model"'),
        (("-m", "credits", "--range", "soon"), InvalidInput, "is no range"),
        (("-m", "credits", "--filter", "x"), InvalidInput, "not of the form"),
        (("-m", "credits", "-w", "nobody"), NotFound, "There is no workspace"),
    ],
)
def test_what_it_cannot_explain(folder: Path, options: tuple[str, ...], kind: type[Exception], sentence: str) -> None:
    error = ask(folder, *options).exception
    assert isinstance(error, kind)
    assert sentence in str(error)

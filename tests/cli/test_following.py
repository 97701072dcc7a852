"""`usagedeck log --follow`, and who may not ask: commands beside servers that come and go."""

import json
import os
import signal
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from tests.house import NOON, StillClock, build_house, served
from tests.processes import process, server
from usagedeck import access, audit
from usagedeck.access import Permission
from usagedeck.cli import app
from usagedeck.deck import open_deck
from usagedeck.errors import Conflict, NotAllowed, NotFound, NotSignedIn
from usagedeck.settings import Settings
from usagedeck.times import HOUR, iso


def test_who_may_not_ask(tmp_path: Path) -> None:
    def ask(*options: str) -> BaseException | None:
        return CliRunner().invoke(app, ["log", *options], env={"USAGEDECK_KEY": ""}).exception

    folder = tmp_path / "data"
    local = ("--data-dir", str(folder))
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck, served(deck) as url:
        house = build_house(deck)
        secret, _ = house.key_who(permissions=[Permission.WRITE])
        assert isinstance(ask("--url", url, "--key", "nobody"), NotSignedIn)
        assert isinstance(ask("--url", url, "--key", secret), NotAllowed)
        assert isinstance(ask("--url", url, "--key", house.api_key, "-w", "other"), NotFound)
        assert "USAGEDECK_KEY" in str(ask("--url", url))
        assert CliRunner().invoke(app, ["log", "--url", url], env={"USAGEDECK_KEY": house.api_key}).exit_code == 0
        assert isinstance(ask("-w", house.workspace_id, *local), Conflict), "somebody else has it open"
        with httpx2.Client(base_url=url, headers={"authorization": "Bearer operator"}) as client:
            assert client.get("/api/v1/requests").status_code == 400
            assert client.get("/api/v1/requests", params={"workspace": "other"}).status_code == 404
    assert "does not answer" in str(ask("--url", url, "--key", "any"))
    assert "--workspace" in str(ask(*local))
    assert isinstance(ask("-w", "nobody", *local), NotFound)
    assert "nothing arrives" in str(ask("-w", house.workspace_id, "--follow", *local))


@pytest.mark.parametrize("form", ["csv", "json"])
def test_following_survives_a_restart_and_ends_at_ctrl_c(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "data"
    with open_deck(Settings(data_dir=folder, min_free_bytes=0), StillClock()) as deck:
        house = build_house(deck, id="ws")
        house.send([{"id": "before", "time": NOON - HOUR, "credits": "0.5"}])

    def send(url: str, *ids: str) -> None:
        rows = [{"id": id_, "time": NOON - HOUR, "credits": "1.50"} for id_ in ids]
        httpx2.post(f"{url}/v1/events", json=rows, headers={"xi-api-key": house.api_key}, timeout=60).raise_for_status()

    columns = ("-c", "time", "-c", "id", "-c", "credits")
    words = ("log", "-f", "-w", "ws", "--data-dir", str(folder), "--format", form, *columns, "--range", "2026-11-01..")
    with process(*words, errors=tmp_path / "errors", settings={}) as before:
        assert before.end() == 2, "nobody serves yet"
        assert "nothing arrives" in before.said()
    constants = {"usagedeck.cli.following.PATIENCE": (0.05,)}
    with server(folder) as (first, url), process(*words, errors=tmp_path / "err", settings={}, constants=constants) as tail:
        head = [tail.line()] if form == "csv" else []
        seen = [tail.line()]
        send(url, "a", "before")
        seen.append(tail.line())
        assert first.stop() == 0
        with server(folder) as (_, again):
            send(again, "b", "a")
            send(again, "c")
            seen += [tail.line(), tail.line()]
            os.kill(tail.pid, signal.SIGINT)
            assert tail.end() == 0, tail.said()
        assert "Traceback" not in tail.said()
    at = iso(NOON - HOUR)
    if form == "csv":
        assert head == ["time,time_zone,id,credits\r\n"]
        assert seen == [
            f"{at[:19]}+00:00,UTC,{id_},{n}\r\n" for id_, n in (("before", "0.5"), ("a", "1.5"), ("b", "1.5"), ("c", "1.5"))
        ]
    else:
        assert [json.loads(line)["id"] for line in seen] == ["before", "a", "b", "c"]
        assert json.loads(seen[1]) == {"time": at, "id": "a", "credits": "1.5"}


def test_a_reader_who_has_read_enough_ends_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with open_deck(Settings(data_dir=folder, min_free_bytes=0), StillClock()) as deck:
        house = build_house(deck, id="ws")
        house.send({"id": f"{n}", "time": NOON - n, "path": "/" + "x" * 500} for n in range(2000))
    words = ("log", "-w", "ws", "--data-dir", str(folder), "--format", "csv", "--range", "2026-11-01..2026-12-01")
    with process(*words, errors=tmp_path / "errors", settings={}) as reader:
        assert reader.line().startswith("time,time_zone,id,")
        os.dup2(os.open(os.devnull, os.O_RDONLY), reader.out)
        assert reader.end() == 0
        assert reader.said() == ""


def test_what_the_operator_takes_away_is_in_the_audit_log(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
        build_house(deck, id="ws")
    assert CliRunner().invoke(app, ["log", "-w", "ws", "--data-dir", str(folder), "--format", "csv"]).exit_code == 0
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
        who = access.who_operates(deck, "ws")
        assert access.actor(who) == audit.OPERATOR

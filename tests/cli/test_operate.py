"""Workspaces, people and keys from the command line: on stopped data and on a running server, word for word the same."""

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from tests.house import NOON, served
from usagedeck import cli
from usagedeck.access import USUAL
from usagedeck.cli import common
from usagedeck.deck import SERVER_FILE, open_deck
from usagedeck.errors import TooBusy
from usagedeck.settings import Settings
from usagedeck.web.server import Running


@dataclass(frozen=True)
class Said:
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one line of JSON on standard output."""
        assert (self.code, self.err) == (0, ""), self
        assert self.out.count("\n") == 1
        assert self.out.endswith("\n")
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(params=["stopped", "running"])
def run(
    request: pytest.FixtureRequest, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Run]:
    """Runs `usagedeck …` on a folder that nobody has open, or that a server has."""
    monkeypatch.setenv("COLUMNS", "300")

    def command(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["usagedeck", *words, "--data-dir", str(folder)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return Said(int(end.value.code or 0), out, err)

    if request.param == "stopped":
        yield command
        return
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck, served(deck) as url:
        (folder / SERVER_FILE).write_bytes(msgspec.json.encode(Running(url, "operator")))
        yield command


def create(run: Run, name: str = "Acme", *options: str) -> dict[str, Any]:
    made: dict[str, Any] = run("workspace", "create", name, *options, "--json").json
    return made


# --- workspaces ---------------------------------------------------------------------------------------------------


def test_a_workspace_comes_with_a_key(run: Run) -> None:
    made = create(run, "Acme", "--id", "acme", "--currency", "EUR", "--time-zone", "Europe/Berlin", "--billing-day", "31")
    assert set(made) == {"workspace_id", "name", "api_key", "key_id"}
    assert (made["workspace_id"], made["name"], made["api_key"][:3]) == ("acme", "Acme", "ud_")
    (listed,) = run("workspace", "list", "--json").json["workspaces"]
    assert (listed.pop("workspace_id"), listed.pop("name")) == ("acme", "Acme")
    assert set(listed.values()) == {None}, "nothing expires"
    (key,) = run("key", "list", "-w", "acme", "--json").json["keys"]
    assert key["permissions"] == sorted(USUAL)
    assert (key["user_id"], key["revoked_at"], key["hint"]) == (None, None, made["api_key"][-4:])
    assert made["api_key"] not in str(key)


def test_for_people_the_key_stands_alone_on_standard_output(run: Run) -> None:
    said = run("workspace", "create", "Acme", "--id", "acme")
    assert said.code == 0
    assert said.out.startswith("ud_")
    assert said.out.count("\n") == 1
    assert said.err == "Workspace acme (Acme) is there. Its first API key, shown only now:\n"
    assert "acme" in run("workspace", "list").out
    assert said.out.strip()[-4:] in run("key", "list", "-w", "acme").out


def test_how_long_events_are_kept(run: Run) -> None:
    create(run, "Acme", "--id", "ws_acme")
    said = run("workspace", "retention", "ws_acme", "--days", "30", "--json").json
    assert (said["workspace_id"], said["retention_days"], said["events_from"]) == ("ws_acme", 30, None)
    assert said["events_expire_before"].endswith("T00:00:00.000Z")
    ages = ("retention_days", "rollup_days")
    for options, expected in (
        ((), (30, 30)),
        (("--rollup-days", "400"), (30, 400)),
        (("--keep-rollups",), (30, None)),
    ):
        said = run("workspace", "retention", "ws_acme", "--days", "30", *options, "--json").json
        assert tuple(said[age] for age in ages) == expected
        (listed,) = run("workspace", "list", "--json").json["workspaces"]
        assert tuple(listed[age] for age in ages) == expected
    for wrong in (["--days", "30", "--rollup-days", "29"], ["--keep", "--rollup-days", "40"]):
        refused = run("workspace", "retention", "ws_acme", *wrong)
        assert (refused.code, "at least as many days as events" in refused.err) == (2, True), refused.err
    assert tuple(run("workspace", "retention", "ws_acme", "--keep", "--json").json[age] for age in ages) == (None, None)
    assert run("workspace", "trust-clock", "--json").json["was_ahead_days"] == 0


def test_names_are_only_names(run: Run) -> None:
    names = ["[/x]", "[bold]", "é 🎙️ '; DROP TABLE workspaces", "a\tb", "x" * 200]
    for name in names:
        said = run("workspace", "create", name)
        assert (said.code, said.out[:3]) == (0, "ud_")
    assert run("workspace", "list").code == 0
    found = run("workspace", "list", "--json").json["workspaces"]
    assert {one["name"] for one in found} == set(names)
    workspace = found[0]["workspace_id"]
    said = run("key", "create", "[/x]", "-w", workspace)
    assert (said.code, said.out[:3]) == (0, "ud_")
    assert "[/x]" in run("key", "list", "-w", workspace).out


def test_what_cannot_be_is_refused_in_a_sentence(run: Run) -> None:
    create(run, "Taken", "--id", "taken")
    for options, sentence in (
        (["x", "--id", "taken"], 'There is a workspace "taken" already.'),
        (["x", "--currency", "btc"], 'currency "btc" is unknown; use one of usd, eur, inr, pln, gbp.'),
        (["x", "--time-zone", "Mars"], 'time_zone "Mars" is not an IANA time zone'),
        (["x", "--id", "a b"], "$.id"),
        ([""], "$.name"),
        (["x" * 201], "$.name"),
        (["x", "--billing-day", "32"], "--billing-day"),
        (["x", "--concurrency-limit", "0"], "--concurrency-limit"),
        (["x", "y"], "unexpected extra argument"),
        ([], "Missing argument"),
    ):
        said = run("workspace", "create", *options)
        assert (said.code, said.out) == (2, ""), options
        assert sentence in said.err
        assert "Traceback" not in said.err
    assert len(run("workspace", "list", "--json").json["workspaces"]) == 1


# --- people -------------------------------------------------------------------------------------------------------


def test_a_person_with_a_password_made_up(run: Run) -> None:
    create(run, "Acme", "--id", "acme")
    made = run("user", "add", "Ada@X.example", "-w", "acme", "--role", "admin", "--json").json
    assert set(made) == {"user_id", "email", "workspace_id", "role", "password"}
    assert (made["email"], made["workspace_id"], made["role"]) == ("ada@x.example", "acme", "admin")
    assert len(made["password"]) >= 20


def test_a_person_with_a_password_of_their_own(run: Run) -> None:
    create(run, "Acme", "--id", "acme")
    said = run("user", "add", "ada@x.example", "-w", "acme", "--id", "ada", "--password", "correct horse", "--name", "Ada [/b]")
    assert (said.code, said.out, said.err) == (0, "", "ada@x.example (ada) is member of acme.\n")
    assert "correct horse" not in said.err


def test_a_person_may_be_in_two_workspaces(run: Run) -> None:
    for id_ in ("one", "two"):
        create(run, id_, "--id", id_)
    first = run("user", "add", "ada@x.example", "-w", "one", "--json").json
    second = run("user", "add", "ADA@x.example", "-w", "two", "--role", "viewer", "--json").json
    assert second == {"user_id": first["user_id"], "email": "ada@x.example", "workspace_id": "two", "role": "viewer"}
    again = run("user", "add", "ada@x.example", "-w", "two")
    assert (again.code, "already" in again.err) == (2, True)


def test_people_who_cannot_be_added(run: Run) -> None:
    create(run, "Acme", "--id", "acme")
    for words, code, sentence in (
        (["ada@x.example", "-w", "nowhere"], 1, 'There is no workspace "nowhere". There are: acme.'),
        (["ada", "-w", "acme"], 2, "$.email"),
        (["ada@x.example", "-w", "acme", "--password", "short"], 2, "The password has 5 characters; use at least 10."),
        (["ada@x.example", "-w", "acme", "--role", "king"], 2, "--role"),
        (["ada@x.example"], 2, "--workspace"),
    ):
        said = run("user", "add", *words)
        assert (said.code, said.out) == (code, ""), words
        assert sentence in said.err


def test_a_person_is_unlinked_from_an_identity_provider(run: Run) -> None:
    create(run, "Acme", "--id", "acme")
    made = run("user", "add", "ada@x.example", "-w", "acme", "--json").json
    said = run("user", "unlink", "ada@x.example", "--json").json
    assert said == {"user_id": made["user_id"], "email": "ada@x.example", "name": "", "identities": 0}
    again = run("user", "unlink", "ADA@x.example")
    assert (again.code, again.err) == (0, "ada@x.example is unlinked from 0 identities, and signed in nowhere.\n")
    assert run("user", "unlink", "nobody@x.example").code == 1


def test_people_are_invited_by_link(run: Run) -> None:
    create(run, "Acme", "--id", "acme")
    first = run("invitation", "create", "Ada@x.example", "-w", "acme", "--json").json
    said = run("invitation", "create", "ada@x.example", "-w", "acme", "--role", "owner", "--credit-limit", "5")
    assert (said.code, said.out.startswith("http://127.0.0.1:8787/join#"), said.out.count("\n")) == (0, True, 1)
    assert "ada@x.example may join acme as owner until" in said.err
    assert first["link"] != said.out.strip()
    (found,) = run("invitation", "list", "-w", "acme", "--json").json["invitations"]
    assert (found["email"], found["role"], found["credit_limit"], found["state"]) == ("ada@x.example", "owner", 5, "waiting")
    assert found["id"] != first["id"], "the former is gone"
    listed = run("invitation", "list", "-w", "acme")
    assert (listed.code, "waiting" in listed.out + listed.err, "#" in listed.out) == (0, True, False)
    assert run("invitation", "revoke", found["id"], "-w", "acme", "--json").json == {"id": found["id"], "revoked": True}
    again = run("invitation", "revoke", found["id"], "-w", "acme")
    assert (again.code, "no invitation" in again.err) == (1, True)
    wrong = run("invitation", "create", "ada@x.example", "-w", "acme", "--group", "nobody-made-it")
    assert (wrong.code, 'no group "nobody-made-it"' in wrong.err) == (2, True)


# --- keys ---------------------------------------------------------------------------------------------------------


def test_keys_are_made_listed_and_revoked(run: Run) -> None:
    create(run, "Acme", "--id", "acme")
    run("user", "add", "ada@x.example", "-w", "acme", "--id", "ada")
    made = run(
        "key", "create", "laptop", "-w", "acme", "--id", "k-1", "--user", "ada", "--permission", "analytics_read", "--json"
    ).json
    assert set(made) == {"workspace_id", "key_id", "label", "api_key", "permissions"}
    assert (made["key_id"], made["label"], made["permissions"]) == ("k-1", "laptop", ["analytics_read"])
    assert run("key", "revoke", "k-1", "-w", "acme", "--json").json == {"id": "k-1", "revoked": True}
    keys = {key["key_id"]: key for key in run("key", "list", "-w", "acme", "--json").json["keys"]}
    assert keys["k-1"]["revoked_at"]
    assert keys["k-1"]["user_id"] == "ada"
    again = run("key", "revoke", "k-1", "-w", "acme")
    assert (again.code, again.out, 'There is no active key "k-1"' in again.err) == (1, "", True)


def test_for_people_the_new_key_stands_alone_on_standard_output(run: Run) -> None:
    create(run, "Acme", "--id", "acme")
    said = run("key", "create", "laptop", "-w", "acme", "--id", "k-1", "--permission", "events_write")
    assert (said.out[:3], said.err) == ("ud_", "Key k-1 (laptop) may events_write. Shown only now:\n")
    assert run("key", "revoke", "k-1", "-w", "acme").err == "Key k-1 is revoked.\n"


def test_keys_that_cannot_be(run: Run) -> None:
    create(run, "Acme", "--id", "acme")
    for words, code, sentence in (
        (["create", "x", "-w", "nowhere"], 1, 'There is no workspace "nowhere"'),
        (["create", "x", "-w", "acme", "--permission", "fly"], 2, "--permission"),
        (["create", "", "-w", "acme"], 2, "$.label"),
        (["list", "-w", "nowhere"], 1, 'There is no workspace "nowhere"'),
        (["revoke", "nope", "-w", "acme"], 1, 'There is no active key "nope"'),
        (["burn"], 2, "No such command 'burn'"),
    ):
        said = run("key", *words)
        assert (said.code, said.out) == (code, ""), words
        assert sentence in said.err


# --- the way to the data ------------------------------------------------------------------------------------------


def test_what_a_command_did_is_seen_by_the_server_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(*words: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["usagedeck", *words, "--data-dir", str(folder), "--json"])
        with pytest.raises(SystemExit):
            cli.main()
        return json.loads(capsys.readouterr().out)

    with open_deck(Settings(data_dir=folder, min_free_bytes=0), lambda: NOON) as deck, served(deck) as url:
        (folder / SERVER_FILE).write_bytes(msgspec.json.encode(Running(url, "operator")))
        made = command("workspace", "create", "Acme")
        headers = {"xi-api-key": made["api_key"]}
        assert httpx2.get(f"{url}/api/v1/me", headers=headers).json()["workspace"]["name"] == "Acme"
        command("key", "revoke", made["key_id"], "-w", made["workspace_id"])
        assert httpx2.get(f"{url}/api/v1/me", headers=headers).status_code == 401


def test_a_busy_server_is_asked_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("usagedeck.cli.common.time.sleep", pauses.append)
    busy = httpx2.Response(429, headers={"retry-after": "50"}, json={"detail": "Too many questions."})
    said = iter([busy, busy, httpx2.Response(200, json={"workspaces": []}), busy, busy, busy])
    monkeypatch.setattr("usagedeck.cli.common.httpx2.post", lambda *_, **__: next(said))
    running = Running("http://127.0.0.1:1", "x")
    assert common.ask(running, "/operator/command", b"") == {"workspaces": []}
    assert pauses == [50, 50]
    with pytest.raises(TooBusy, match="Too many questions") as error:
        common.ask(running, "/operator/command", b"")
    assert error.value.retry_after == 50


@pytest.mark.parametrize("run", ["stopped"], indirect=True)
def test_a_note_that_a_dead_server_left_behind_is_no_obstacle(run: Run, folder: Path) -> None:
    create(run)
    for note in (b"", b"{", b"\xff", b'{"url": "http://127.0.0.1:1", "token": "x"}'):
        (folder / SERVER_FILE).write_bytes(note)
        assert len(run("workspace", "list", "--json").json["workspaces"]) == 1


@pytest.mark.parametrize("run", ["stopped"], indirect=True)
def test_while_an_import_or_a_start_has_the_folder_an_old_note_is_not_believed(run: Run, folder: Path) -> None:
    create(run)
    (folder / SERVER_FILE).write_bytes(b'{"url": "http://127.0.0.1:1", "token": "x"}')
    with open_deck(Settings(data_dir=folder)):
        said = run("workspace", "list")
    assert (said.code, said.out) == (2, "")
    assert "is in use by another usagedeck process" in said.err


@pytest.mark.parametrize("run", ["stopped"], indirect=True)
def test_a_folder_that_cannot_be_one(run: Run, folder: Path) -> None:
    folder.write_text("I am a file.")
    said = run("workspace", "list")
    assert (said.code, said.out) == (2, "")
    assert said.err == f"error: {folder} cannot be the data folder: File exists.\n"


@pytest.mark.parametrize("run", ["stopped"], indirect=True)
def test_a_folder_of_another_process(run: Run, folder: Path) -> None:
    with open_deck(Settings(data_dir=folder)):
        said = run("workspace", "list")
    assert (said.code, said.out) == (2, "")
    assert "is in use by another usagedeck process" in said.err


@pytest.mark.parametrize("run", ["stopped"], indirect=True)
def test_the_folder_is_private(run: Run, folder: Path) -> None:
    create(run)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_settings_from_the_environment_are_checked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setenv("USAGEDECK_PORT", "lots")
    monkeypatch.setattr(sys, "argv", ["usagedeck", "workspace", "list", "--data-dir", str(folder)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert "Setting port: Input should be a valid integer" in capsys.readouterr().err


# --- passwords and operator keys ----------------------------------------------------------------------------------


def test_a_forgotten_password_is_replaced(run: Run) -> None:
    create(run, "Acme", "--id", "acme")
    run("user", "add", "ada@x.example", "-w", "acme", "--password", "the first one", "--json")
    made = run("user", "password", "ADA@x.example", "--json").json
    assert len(made["password"]) >= 20
    said = run("user", "password", "ada@x.example", "--password", "the third one")
    assert (said.code, said.out) == (0, "")
    assert "signed in nowhere" in said.err
    assert "at least 10" in run("user", "password", "ada@x.example", "--password", "short").err
    assert 'no user "nobody@x.example"' in run("user", "password", "nobody@x.example").err


def test_operator_keys_are_made_listed_and_revoked(run: Run) -> None:
    made = run("operator-key", "create", "mirror", "--id", "op_1", "--json").json
    assert made["operator_key"].startswith("udop_")
    listed = run("operator-key", "list", "--json").json["operator_keys"]
    assert [(key["id"], key["label"], key["hint"], key["revoked_at"]) for key in listed] == [
        ("op_1", "mirror", made["operator_key"][-4:], None)
    ]
    assert made["operator_key"] not in run("operator-key", "list").out
    assert run("operator-key", "revoke", "op_1", "--json").json == {"id": "op_1", "revoked": True}
    assert "no active operator key" in run("operator-key", "revoke", "op_1").err
    assert run("operator-key", "create", "another").out.startswith("udop_")


def test_headers_and_bodies_are_switched_on_and_off(run: Run) -> None:
    id_ = create(run)["workspace_id"]
    off = {"workspace_id": id_, "exchanges": False, "exchange_days": None, "rules": []}
    assert run("workspace", "bodies", id_, "--json").json == off
    rules = ("--redact", "json:$.card", "--redact", "header:x-a")
    on = run("workspace", "bodies", id_, "--collect", *rules, "--json").json
    assert on == {"workspace_id": id_, "exchanges": True, "exchange_days": 30, "rules": ["header:x-a", "json:$.card"]}
    assert run("workspace", "bodies", id_, "--drop", "--days", "7", "--json").json == on | {
        "exchanges": False,
        "exchange_days": 7,
    }
    assert "keeps headers and bodies for 7 days." in " ".join(run("workspace", "bodies", id_, "--collect").err.split())
    for words, said in ((("--redact", "path"), "is no rule"), (("--redact", "pattern:("), "RE2")):
        refused = run("workspace", "bodies", id_, *words)
        assert (refused.code, said in refused.err) == (2, True), refused

"""`usagedeck erase`: on stopped data and on a running server."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_operate import Run, Said, create, folder, run

__all__ = ["folder", "run"]

EVENTS = [
    {
        "id": f"r{n}",
        "time": f"2026-05-{n + 1:02d}T10:00:00Z",
        "user_id": "zed" if n % 2 else "ana",
        "api_key_id": "k1",
        "credits": 1,
    }
    for n in range(20)
]


@pytest.fixture
def furnished(run: Run, tmp_path: Path) -> Run:
    create(run, "Acme", "--id", "acme")
    run("user", "add", "zed@x.example", "-w", "acme", "--id", "zed")
    run("key", "create", "of zed", "-w", "acme", "--id", "k1", "--user", "zed")
    file = tmp_path / "events.ndjson"
    file.write_text("\n".join(map(json.dumps, EVENTS)))
    assert run("import", str(file), "-w", "acme", "--json").code == 0
    return run


def receipt(said: Said) -> dict[str, Any]:
    assert said.err == "", said
    found: dict[str, Any] = json.loads(said.out)
    return found


def test_a_user_and_their_keys(furnished: Run) -> None:
    run = furnished
    first = run("erase", "-w", "acme", "--user", "zed", "--json")
    found = receipt(first)
    assert found["found"] | {"rollup_rows": 0, "copies": 0} == {
        "requests": 20,
        "deliveries": 0,
        "copies": 0,
        "exchanges": 0,
        "rollup_rows": 0,
        "names": 5,
    }
    assert (found["keys"], found["left"]["events"], found["left"]["names"], found["mentions"]) == (1, 0, 0, [])
    assert first.code == (0 if found["finished_at"] else 1)
    assert [key["key_id"] for key in run("key", "list", "-w", "acme", "--json").json["keys"]] != ["k1"]
    again = receipt(run("erase", "-w", "acme", "--user", "zed", "--json"))
    assert again["found"]["requests"] == 20


def test_in_words(furnished: Run) -> None:
    said = furnished("erase", "-w", "acme", "--key", "k1")
    assert "blanked      20 requests, 0 deliveries" in said.out
    assert "left         0 events" in said.out
    assert ("Erased at" in said.err) == (said.code == 0)


def test_other_texts_are_told_and_end_with_one(furnished: Run) -> None:
    said = furnished("erase", "-w", "acme", "--user", "r1")
    assert said.code == 1
    assert "requests.id" in said.err
    assert "11 rows" in said.err


def test_what_cannot_be_is_refused_in_a_sentence(run: Run) -> None:
    create(run, "Acme", "--id", "acme")
    for words, code, sentence in (
        (["-w", "acme"], 2, "Say either --user ID or --key ID."),
        (["-w", "acme", "--user", "a", "--key", "b"], 2, "Say either --user ID or --key ID."),
        (["-w", "nowhere", "--user", "a"], 1, 'There is no workspace "nowhere"'),
        (["-w", "acme", "--user", "erased"], 2, '"erased" stands for everything that was erased'),
        (["-w", "acme", "--user", ""], 2, "$.id"),
        (["--user", "a"], 2, "--workspace"),
    ):
        said = run("erase", *words)
        assert (said.code, said.out) == (code, ""), words
        assert sentence in said.err
    run("erase", "-w", "acme", "--user", "zed")
    again = run("user", "add", "zed@x.example", "-w", "acme", "--id", "zed")
    assert (again.code, "was erased in this workspace" in again.err) == (2, True)

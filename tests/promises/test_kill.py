"""`kill -9` at any moment: nothing acknowledged is lost, nothing counts twice, the next start is clean, and sending again what
was never acknowledged completes it."""

import json
import os
import random
import threading
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import clickhouse_connect
import httpx2
import pytest

from tests.exchanging import bodies_of
from tests.house import build_house, keyed, served
from tests.processes import Process, process, server
from tests.promises.ledger import Ledger, ask, make_event, reconcile, stored, sums
from tests.waiting import until
from usagedeck import access, admin
from usagedeck.catalog.kinds import Subject
from usagedeck.deck import open_deck
from usagedeck.meters import Kind
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.store import schema

CONNECTIONS = 4

pytestmark = pytest.mark.promise


def pause(dice: random.Random, most: float) -> None:
    """Let a random time go by: the moment of the kill is what varies."""
    threading.Event().wait(dice.uniform(0, most))


def put_aside(folder: Path) -> int:
    """Pieces of data that the engine found broken."""
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
        return int(deck.store.run(Statement("SELECT count() FROM system.detached_parts", {}, ("parts",)))[0][0])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def with_workspace(folder: Path) -> str:
    """The key of a workspace in a new data folder."""
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
        return build_house(deck, id="ws").api_key


# --- while events arrive ------------------------------------------------------------------------------------------


def send_until_killed(found: Process, url: str, key: str, ledger: Ledger) -> None:
    """Several connections send as fast as they can; after some acknowledgements, at any moment, the server is killed."""

    def send() -> None:
        with keyed(url, key) as client:
            while (answer := ledger.deliver(client, ledger.next())) is not None:
                assert answer.status_code == 200, answer.text

    senders = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    for sender in senders:
        sender.start()
    for _ in range(ledger.dice.randrange(1, 40)):
        assert ledger.told.acquire(timeout=60)
    pause(ledger.dice, 0.03)
    found.kill()
    for sender in senders:
        sender.join(60)
        assert not sender.is_alive()


def test_while_events_arrive_on_several_connections(folder: Path, torture: bool) -> None:
    key = with_workspace(folder)
    ledger = Ledger(random.Random(1))
    seen: set[str] = set()
    for _ in range(50 if torture else 3):
        with server(folder) as (found, url):
            with keyed(url, key) as client:
                there = reconcile(client, ledger)
            assert seen <= set(there), "what was once there is gone"
            seen = set(there)
            send_until_killed(found, url, key, ledger)
            assert found.said() == ""
    with server(folder) as (found, url), keyed(url, key) as client:
        reconcile(client, ledger)
        ledger.complete(client)
        assert set(reconcile(client, ledger)) == set(ledger.sent)
        assert (found.stop(), found.said()) == (0, "")
    assert put_aside(folder) == 0


SWEEPING = {"usagedeck.store.sweeping.FIRST_LOOK": 20, "usagedeck.store.sweeping.LOOK_EVERY": 20}
"""What has no event is looked for all the time."""


def test_while_events_arrive_with_bodies(folder: Path, torture: bool) -> None:
    """An event that was acknowledged has its own body, and so has every other one that is there."""
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
        house = build_house(deck, id="ws")
        house.do(admin.PutWorkspace(workspace="ws", exchanges=True))
        key = house.api_key
    ledger = Ledger(random.Random(3), bodies=True)
    for _ in range(50 if torture else 2):
        with server(folder, constants=SWEEPING) as (found, url):
            send_until_killed(found, url, key, ledger)
            assert found.said() == ""
        verified(folder, "--all")
        bodies = bodies_of(folder)
        assert ledger.acknowledged <= set(bodies)
        assert all(body == f"body of {id_}" for id_, body in bodies.items())
    with server(folder) as (found, url), keyed(url, key) as client:
        ledger.complete(client)
        assert set(reconcile(client, ledger)) == set(ledger.sent)
        assert (found.stop(), found.said()) == (0, "")
    assert set(bodies_of(folder)) == set(ledger.sent)
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
        deck.sweeper.look()
        assert deck.sweeper.look() == 0
    assert verified(folder, "--all")["bodies of requests"] >= len(ledger.sent) // 2
    assert put_aside(folder) == 0


# --- while rollups are sealed -------------------------------------------------------------------------------------

RESTLESS = {
    "usagedeck.store.rollup.LOOK_EVERY": 20,
    "usagedeck.store.rollup.BULK": 10**9,
    "usagedeck.store.sizes.FIRST_LOOK": 10**9,
}
"""The sealer looks all the time, and events that come late all the time do not make it wait. Nobody knows that the events are so
few that they would be read faster."""


ALL_SEALED = "rollup sendings by days of UTC"
"""The route of whole days when no seal is missing."""


def verified(folder: Path, *options: str) -> dict[str, int]:
    """`usagedeck verify` of the data, beside whatever is going on: nothing differs. What was compared, per check."""
    words = ("verify", "--json", "--data-dir", str(folder), *options)
    errors, constants = folder.with_name("verify.errors"), {"usagedeck.cli.verify.SAMPLE_SECONDS": 0.3}
    with process(*words, errors=errors, settings={"min_free_bytes": 0}, constants=constants) as found:
        said = json.loads(found.line() or "null")
        assert found.end() == 0, (said, found.said())
    assert (set(said["different"].values()), said["differences"], said["moved"]) == ({0}, [], 0)
    compared: dict[str, int] = said["compared"]
    return compared


def test_while_rollups_are_sealed(folder: Path, torture: bool) -> None:
    """The events are of the last three weeks, in any order: each of them takes seals away. The log is read from the events and
    usage along its route, so `reconcile` compares both with each other and with what was sent."""
    key = with_workspace(folder)
    ledger = Ledger(random.Random(5))
    sealed = 0
    for _ in range(50 if torture else 3):
        with server(folder, constants=RESTLESS) as (found, url):
            with keyed(url, key) as client:
                reconcile(client, ledger)
                route = ask(client, "usage", metric="credits", by="product_type", explain="true")["route"]
                sealed += route.startswith("rollup calls by")
            send_until_killed(found, url, key, ledger)
            assert found.said() == ""
        verified(folder, *(["--all"] if torture else []))
    with server(folder, constants=RESTLESS) as (found, url), keyed(url, key) as client:
        ledger.complete(client)
        assert set(reconcile(client, ledger)) == set(ledger.sent)
        until(lambda: ask(client, "usage", metric="attempts", explain="true")["route"] == ALL_SEALED)
        compared = verified(folder, "--all")
        assert (found.stop(), found.said()) == (0, "")
    assert sealed, "no answer came from a rollup"
    assert all(
        compared[f"rollup {name} by {size}"] for name in ("calls", "sendings") for size in ("quarter-hours", "days of UTC")
    )
    assert put_aside(folder) == 0


# --- during an import ---------------------------------------------------------------------------------------------

FILE_ROWS = 20_000
TWINS = 3
"""Rows without an id that are equal to the last letter."""


def test_during_an_import_into_a_stopped_server(folder: Path, tmp_path: Path, torture: bool) -> None:
    dice = random.Random(2)
    key = with_workspace(folder)
    events = {event["id"]: event for event in (make_event(dice, f"e{n}") for n in range(FILE_ROWS))}
    named = tmp_path / "named.ndjson"
    named.write_text("\n".join(map(json.dumps, events.values())))
    nameless = tmp_path / "nameless.csv"
    lines = [f"2026-11-{2 + n % 20:02d}T10:00:00Z,{n}.5" for n in range(FILE_ROWS // 4)] * TWINS
    nameless.write_text("\n".join(["time,credits", *lines]))
    files = [str(named), str(nameless)]
    words = ("import", *files, "-w", "ws", "--data-dir", str(folder), "--json")
    settings = Settings(data_dir=folder, min_free_bytes=0)
    known, before = set(events), 0
    for _ in range(50 if torture else 3):
        with process(*words, errors=tmp_path / "errors", settings={"min_free_bytes": 0}) as found:
            pause(dice, 1.5)
            found.kill()
            assert found.said() == ""
        with open_deck(settings) as deck:
            text = "SELECT groupArray(id), sum(credits) FROM requests FINAL WHERE workspace_id = 'ws'"
            ids, total = deck.store.run(Statement(text, {}, ("ids", "credits")))[0]
        assert len(ids) == len(set(ids)) >= before, "what was once there is gone"
        assert len(set(ids) - known) <= len(lines)
        before = len(ids)
    with process(*words, errors=tmp_path / "errors", settings={"min_free_bytes": 0}) as found:
        said = json.loads(found.line())
        assert (found.end(), said["accepted"], said["rejected"]) == (0, len(events) + len(lines), 0)
    with open_deck(settings) as deck, served(deck) as url, keyed(url, key) as client:
        logged = stored(client)
        assert len(logged) == len(events) + len(lines)
        assert known <= set(logged)
        expected = sums(events.values())
        expected[0] += len(lines)
        expected[1] += sum(Decimal(line.rpartition(",")[2]) for line in lines)
        total = ask(client, "usage", metric="requests,credits,characters", interval="total")["rows"][0][2:]
        assert [*map(Decimal, total)] == expected
    assert put_aside(folder) == 0


# --- while an older store is brought up to date ---------------------------------------------------------------------


def made_older(folder: Path) -> None:
    """As a release left it that knew fewer columns, packed them in other ways and had other rollups."""
    client = clickhouse_connect.get_client(interface="chdb", path=str(folder / "store"))
    try:
        for subject in Subject:
            columns = schema.columns(subject)
            gone = [name for name in ("trace_id", "charge_count", "resource_id", "error_message") if name in columns]
            for index in ("by_place", "by_trace_id"):
                client.command(f"ALTER TABLE {subject} DROP INDEX IF EXISTS {index}")
            client.command(f"ALTER TABLE {subject} {', '.join(f'DROP COLUMN IF EXISTS {name}' for name in gone)}")
            packed = ", ".join(f"MODIFY COLUMN {name} CODEC(LZ4)" for name in columns if name not in gone)
            client.command(f"ALTER TABLE {subject} {packed}")
            client.command(f"ALTER TABLE {subject} RESET SETTING merge_selector_base")
        client.command("DELETE FROM about WHERE key LIKE 'rollup%'")
    finally:
        client.close()


def test_while_an_older_store_is_brought_up_to_date(folder: Path, torture: bool) -> None:
    dice = random.Random(7)
    key = with_workspace(folder)
    ledger = Ledger(random.Random(8))
    with server(folder, constants=RESTLESS) as (found, url), keyed(url, key) as client:
        for _ in range(5):
            ledger.deliver(client, ledger.next())
        assert found.stop() == 0
    for _ in range(50 if torture else 3):
        made_older(folder)
        words = ("serve", "--json", "--port", "0", "--data-dir", str(folder))
        with process(*words, errors=folder.with_name("errors"), settings={"min_free_bytes": 0}, constants=RESTLESS) as found:
            pause(dice, 1.0)
            found.kill()
            assert found.said() == ""
    with server(folder, constants=RESTLESS) as (found, url), keyed(url, key) as client:
        assert set(reconcile(client, ledger)) == ledger.acknowledged == set(ledger.sent)
        until(lambda: ask(client, "usage", metric="attempts", explain="true")["route"] == ALL_SEALED)
        verified(folder, "--all")
        assert (found.stop(), found.said()) == (0, "")
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
        for subject in Subject:
            assert schema.changes(subject, *deck.store._described(subject)) == []
    assert put_aside(folder) == 0


# --- during the first start ---------------------------------------------------------------------------------------


def paths(folder: Path) -> int:
    return sum(len(folders) + len(files) for _, folders, files in os.walk(folder))


def test_during_the_first_start(tmp_path: Path, torture: bool) -> None:
    dice = random.Random(3)
    whole = tmp_path / "whole"
    with server(whole) as (found, _):
        most = paths(whole)
        assert found.stop() == 0
    for number in range(50 if torture else 3):
        folder = tmp_path / f"data{number}"
        for _ in range(dice.randrange(1, 4)):
            words = ("serve", "--json", "--port", "0", "--data-dir", str(folder))
            with process(*words, errors=tmp_path / "errors", settings={"min_free_bytes": 0}) as found:
                far = dice.randrange(most)
                while found.process.is_alive() and paths(folder) < far:
                    pause(dice, 0.002)
                assert found.process.is_alive(), found.said()
                found.kill()
        key = with_workspace(folder)
        ledger = Ledger(dice)
        with server(folder) as (found, url), keyed(url, key) as client:
            ledger.deliver(client, ledger.next())
            assert set(reconcile(client, ledger)) == ledger.acknowledged == set(ledger.sent)
            assert (found.stop(), found.said()) == (0, "")


# --- during an erasure --------------------------------------------------------------------------------------------


def left_of(folder: Path, user: str) -> tuple[int, int, Decimal]:
    """Rows that carry a user, copies and rollups included; the events that count, and their credits."""
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
        tables = ("requests", "deliveries", "rollup_keys", "exchanges")
        held = [f"SELECT count() FROM {table} WHERE user_id = {{u:String}}" for table in tables]
        rows = sum(int(deck.store.run(Statement(text, {"u": user}, ("n",)))[0][0]) for text in held)
        ((count, total),) = deck.store.run(Statement("SELECT count(), sum(credits) FROM requests FINAL", {}, ("n", "total")))
        return rows, int(count), Decimal(total)


def test_during_an_erasure(folder: Path, tmp_path: Path, torture: bool) -> None:
    """It is killed, taken up by itself or by the next command, and killed again; in the end nothing is left and no sum has
    changed."""
    dice = random.Random(7)
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
        house = build_house(deck, id="ws")
        house.do(admin.PutWorkspace(workspace="ws", exchanges=True))
        house = replace(house, who=access.who_by_key(deck, house.api_key))
        more = {"request": {"body": "said"}}
        events = [make_event(dice, f"e{n}") | {"user_id": dice.choice(("zed", "ana"))} | more for n in range(2000)]
        house.send(events)
        house.send([event | {"user_id": "zed"} for event in events[::4]])
        deck.sealer.look()
    before = left_of(folder, "zed")
    assert before[0] > 1000
    words = ("erase", "-w", "ws", "--user", "zed", "--data-dir", str(folder), "--json")
    for _ in range(30 if torture else 2):
        with process(*words, errors=tmp_path / "errors", settings={"min_free_bytes": 0}) as found:
            pause(dice, 1.2)
            found.kill()
        assert left_of(folder, "zed")[1:] == before[1:]
    with process(*words, errors=tmp_path / "errors", settings={"min_free_bytes": 0}) as found:
        receipt = json.loads(found.line() or "null")
        assert found.end() == 0, (receipt, found.said())
    assert receipt["left"] == {"events": 0, "rollup_rows": 0, "names": 0, "exchanges": 0}
    assert left_of(folder, "zed") == (0, *before[1:])
    verified(folder, "--all")
    assert put_aside(folder) == 0


# --- while credits are reserved -----------------------------------------------------------------------------------


def reserve_until_killed(url: str, key: str, thread: int, allowed: list[str], told: threading.Semaphore) -> None:
    with keyed(url, key) as client:
        for n in range(10_000):
            said = {"request_id": f"r{thread}-{n}", "estimated_credits": "1"}
            try:
                answer = client.post("/api/v1/limits/check", json=said)
            except httpx2.HTTPError:
                return
            assert answer.json()["allowed"], answer.text
            allowed.append(said["request_id"])
            told.release()


def test_what_was_reserved_is_held_until_its_event_comes(folder: Path) -> None:
    key = with_workspace(folder)
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
        admin.perform(deck, admin.SetLimit(workspace="ws", kind=Kind.WORKSPACE, credit_limit=1_000_000))
    allowed: list[str] = []
    told = threading.Semaphore(0)

    def events(ids: Iterable[str]) -> list[dict[str, object]]:
        return [{"id": id_, "time": now, "credits": "0.25"} for id_ in ids]

    with server(folder) as (found, url), keyed(url, key) as client:
        arguments = [(url, key, n, allowed, told) for n in range(CONNECTIONS)]
        askers = [threading.Thread(target=reserve_until_killed, args=one) for one in arguments]
        for asker in askers:
            asker.start()
        for _ in range(60):
            assert told.acquire(timeout=60)
        now = client.get("/api/v1/me").json()["now"]
        settled = allowed[:20]
        assert client.post("/v1/events", json=events(settled)).status_code == 200
        found.kill()
        for asker in askers:
            asker.join(60)
            assert not asker.is_alive()

    def stands(client: httpx2.Client) -> tuple[Decimal, Decimal]:
        (row,) = client.get("/api/v1/limits").json()["rows"]
        return Decimal(row[4]), Decimal(row[5])

    with server(folder) as (_, url), keyed(url, key) as client:
        used, held = stands(client)
        assert used == len(settled) * Decimal("0.25")
        unanswered = held - (len(allowed) - len(settled))
        assert 0 <= unanswered <= CONNECTIONS, "what was reserved and nobody was told of, one of each at most"
        assert client.post("/v1/events", json=events(allowed)).status_code == 200
        assert stands(client) == (len(allowed) * Decimal("0.25"), unanswered)

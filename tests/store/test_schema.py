"""The tables follow the catalogue; an older store is brought to today's shape, a newer one is left alone."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from tests.house import NOON

from usagedeck.catalog.dimensions import Label
from usagedeck.catalog.fields import FIELDS, Field, fields
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.deck import open_deck, system_clock
from usagedeck.errors import Conflict
from usagedeck.floors import Floor
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.store import schema
from usagedeck.store.clickhouse import Store
from usagedeck.times import DAY


@contextmanager
def bare(settings: Settings) -> Iterator[Client]:
    """The engine on the store's folder, without the store."""
    client = clickhouse_connect.get_client(interface="chdb", path=str(settings.data_dir / "store"))
    try:
        yield client
    finally:
        client.close()


@contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    store = Store(settings)
    try:
        yield store
    finally:
        store.close()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    (settings.data_dir / "store").mkdir(parents=True)
    return settings


def described(store: Store, subject: Subject) -> dict[str, str]:
    rows = store.run(Statement("SELECT name, type FROM system.columns WHERE table = {t:String}", {"t": subject.value}, ()))
    return {str(name): str(kind) for name, kind in rows}


# --- following the catalogue --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (Field(name="x", title="", help="", type=Type.INT, high=999), "Nullable(UInt16)"),
        (Field(name="x", title="", help="", type=Type.INT, high=65_535), "Nullable(UInt16)"),
        (Field(name="x", title="", help="", type=Type.INT, high=65_536), "Nullable(UInt32)"),
        (Field(name="x", title="", help="", type=Type.INT, high=2**32), "Nullable(UInt64)"),
        (Field(name="x", title="", help="", type=Type.DECIMAL), "Nullable(Decimal(18, 6))"),
        (Field(name="x", title="", help="", type=Type.INSTANT), "Int64"),
        (Field(name="x", title="", help="", type=Type.LIST), "Array(LowCardinality(String))"),
        (Field(name="x", title="", help="", type=Type.MAP), "Map(LowCardinality(String), String)"),
        (Field(name="x", title="", help=""), "LowCardinality(String)"),
        (Field(name="x", title="", help="", many=True), "String"),
    ],
)
def test_column_types(field: Field, expected: str) -> None:
    assert schema.column_type(field) == expected


@pytest.mark.parametrize("subject", list(Subject))
def test_a_new_store_has_every_field_and_the_identity_as_its_key(settings: Settings, subject: Subject) -> None:
    with opened(settings) as store:
        assert described(store, subject) == schema.columns(subject)
        assert set(described(store, subject)) == {f.name for f in fields(subject) if not f.stamped} | {"workspace_id", "version"}
        found = store.run(
            Statement(
                "SELECT engine, sorting_key, partition_key FROM system.tables WHERE name = {t:String}", {"t": subject.value}, ()
            )
        )
        assert found[0][:2] == ("ReplacingMergeTree", "workspace_id, time, id")
        assert "time" in found[0][2]


def test_the_largest_values_of_the_catalogue_fit(settings: Settings) -> None:
    whole = [f for f in FIELDS if f.type is Type.INT and Subject.REQUESTS in f.of]
    row = ", ".join(f'"{f.name}": {f.high}' for f in whole)
    amounts = ", ".join(f'"{f.name}": "999999999999.999999"' for f in FIELDS if f.type is Type.DECIMAL)
    line = f'{{"workspace_id": "ws", "time": {NOON}, "id": "a", "version": {2**64 - 1}, {row}, {amounts}}}'
    with opened(settings) as store:
        store.insert(Subject.REQUESTS, line.encode())
        names = ", ".join(f.name for f in whole)
        assert store.run(Statement(f"SELECT {names} FROM requests", {}, ())) == [tuple(f.high for f in whole)]
        total = store.run(Statement("SELECT toString(sum(credits)) FROM requests", {}, ()))
        assert total == [("999999999999.999999",)]


# --- older and newer stores ---------------------------------------------------------------------------------------


def _older(settings: Settings, *missing: str, revision: int | None = schema.REVISION) -> None:
    """A store as an older release left it, with a row."""
    with bare(settings) as client:
        client.command(schema.CREATE_ABOUT)
        if revision is not None:
            client.command(f"INSERT INTO about VALUES ('revision', '{revision}', {revision})")
        for subject in Subject:
            client.command(schema.create_table(subject))
            for name in missing:
                client.command(f"ALTER TABLE {subject} DROP COLUMN IF EXISTS {name}")
        client.command(f"INSERT INTO requests (workspace_id, time, id, version, credits) VALUES ('ws', {NOON}, 'old', 5, 1.5)")


def test_columns_an_older_store_lacks_are_added_and_empty_in_old_rows(settings: Settings) -> None:
    _older(settings, "ttfb_ms", "surface", "attributes", "error_message")
    with opened(settings) as store:
        for subject in Subject:
            assert described(store, subject) == schema.columns(subject)
        store.insert(
            Subject.REQUESTS,
            f'{{"workspace_id": "ws", "time": {NOON + 1}, "id": "new", "version": 4, "ttfb_ms": 7, "surface": "web"}}'.encode(),
        )
        found = store.run(Statement("SELECT id, credits, ttfb_ms, surface, attributes FROM requests ORDER BY time", {}, ()))
        assert [tuple(row) for row in found] == [("old", found[0][1], None, "", {}), ("new", None, 7, "web", {})]
        assert str(found[0][1]) == "1.500000"


def test_an_older_store_gets_a_place_for_headers_and_bodies(settings: Settings) -> None:
    with open_deck(settings) as deck:
        deck.writer.between(lambda: deck.seals.raise_floor("ws", Floor(5 * DAY, 3 * DAY))).result()
        deck.eraser.begin("ws", [(Label.USER, "zed")])
    store = Store(settings)
    for text in (
        "DROP TABLE exchanges SYNC",
        "ALTER TABLE floors DROP COLUMN exchanges",
        "ALTER TABLE erased DROP COLUMN exchanges",
    ):
        store.record(Statement(text, {}, ()))
    store.close()
    with open_deck(settings) as deck:
        assert deck.seals.ledger.floors["ws"] == Floor(5 * DAY, 3 * DAY)
        assert deck.seals.ledger.floors["ws"].exchanges == 5 * DAY
        (mark,) = deck.erased.marks()
        assert mark.counts.exchanges == 0
        assert deck.store.run(Statement("SELECT count() FROM exchanges", {}, ("n",))) == [(0,)]
        deck.writer.between(lambda: deck.seals.raise_floor("ws", Floor(0, 0, 9 * DAY))).result()
    with open_deck(settings) as deck:
        assert deck.seals.ledger.floors["ws"] == Floor(5 * DAY, 3 * DAY, 9 * DAY)


def test_opening_again_changes_nothing(settings: Settings) -> None:
    _older(settings, "ttfb_ms")
    for _ in range(3):
        with opened(settings) as store:
            assert store.rows(Subject.REQUESTS) == 1
            assert store.run(Statement("SELECT key, value FROM about FINAL", {}, ())) == [("revision", str(schema.REVISION))]


def test_a_store_without_a_revision_is_a_first_one(settings: Settings) -> None:
    _older(settings, revision=None)
    with opened(settings) as store:
        assert store.run(Statement("SELECT value FROM about FINAL WHERE key = 'revision'", {}, ())) == [(str(schema.REVISION),)]


def test_an_older_store_gets_the_indexes_it_lacks(settings: Settings) -> None:
    """… and they find what was there before."""
    _older(settings)
    with bare(settings) as client:
        for name in ("message_id", "request_id"):
            client.command(f"ALTER TABLE deliveries DROP INDEX IF EXISTS by_{name}")
        client.command(
            f"INSERT INTO deliveries (workspace_id, time, id, version, request_id) VALUES ('ws', {NOON}, 'old', 5, 'r')"
        )
    with opened(settings) as store:
        named = store.run(Statement("SELECT name FROM system.data_skipping_indices WHERE table = 'deliveries'", {}, ()))
        assert {row[0] for row in named} >= {"by_id", "by_message_id", "by_request_id"}
        found = Statement("SELECT id FROM deliveries FINAL WHERE request_id IN {r:Array(String)}", {"r": ["r"]}, ())
        assert [tuple(row) for row in store.run(found)] == [("old",)]


def packed(store: Store, subject: Subject) -> list[tuple[str, str, str]]:
    text = "SELECT name, type, compression_codec FROM system.columns WHERE table = {t:String}"
    return [(str(n), str(t), str(c)) for n, t, c in store.run(Statement(text, {"t": subject.value}, ()))]


@pytest.mark.parametrize("subject", list(Subject))
def test_the_engine_spells_codecs_as_they_are_declared(settings: Settings, subject: Subject) -> None:
    """Else every start would change the tables again."""
    with opened(settings) as store:
        assert {name: codec for name, _, codec in packed(store, subject)} == {
            name: schema.codec(kind) for name, kind in schema.columns(subject).items()
        }


def test_an_older_store_is_packed_anew_wherever_a_crash_cut_that_short(settings: Settings) -> None:
    _older(settings)
    done = 0
    while True:
        with bare(settings) as client:
            for subject in Subject:
                for name in ("surface",):
                    client.command(f"ALTER TABLE {subject} DROP COLUMN IF EXISTS {name}")
                plain = ", ".join(f"MODIFY COLUMN {name} CODEC(LZ4)" for name in ("id", "time", "version", "status"))
                client.command(f"ALTER TABLE {subject} {plain}")
                client.command(f"ALTER TABLE {subject} RESET SETTING merge_selector_base")
                client.command(f"ALTER TABLE {subject} DROP INDEX IF EXISTS by_place")
            found = client.query("SELECT name, type, compression_codec FROM system.columns WHERE table = 'requests'").result_rows
            made = str(client.command("SELECT create_table_query FROM system.tables WHERE name = 'requests'"))
            steps = schema.changes(Subject.REQUESTS, [(str(n), str(t), str(c)) for n, t, c in found], made)
            assert len(steps) == 4
            for step in steps[:done]:
                client.command(step)
        with opened(settings) as store:
            for subject in Subject:
                assert described(store, subject) == schema.columns(subject)
                assert schema.changes(subject, *store._described(subject)) == []
            line = f'{{"workspace_id": "ws", "time": {NOON}, "id": "new{done}", "version": 1, "surface": "web"}}'
            store.insert(Subject.REQUESTS, line.encode())
            text = "SELECT id, toString(credits), surface FROM requests WHERE id IN ('old', {new:String}) ORDER BY id DESC"
            rows = store.run(Statement(text, {"new": f"new{done}"}, ()))
            assert rows == [("old", "1.5", ""), (f"new{done}", None, "web")]
        if done == len(steps):
            return
        done += 1


def test_a_newer_store_is_left_alone(settings: Settings) -> None:
    _older(settings, "surface", revision=schema.REVISION + 1)
    with pytest.raises(
        Conflict, match=rf"newer release \(schema {schema.REVISION + 1}; this one knows {schema.REVISION}\); upgrade"
    ):
        Store(settings)
    with bare(settings) as client:
        names = {row[0] for row in client.query("SELECT name FROM system.columns WHERE table = 'requests'").result_rows}
        assert "surface" not in names
        assert client.command("SELECT count() FROM requests") == 1


def test_a_column_of_another_type_is_refused_by_name(settings: Settings) -> None:
    _older(settings, "model")
    with bare(settings) as client:
        client.command("ALTER TABLE requests ADD COLUMN model UInt8")
    with pytest.raises(Conflict, match=r"column requests\.model is UInt8 and should be LowCardinality\(String\)"):
        Store(settings)


def test_a_refused_store_gives_its_folder_back(settings: Settings, tmp_path: Path) -> None:
    """The engine holds one folder per process: had the refused one been kept, no other could be opened."""
    _older(settings, revision=schema.REVISION + 1)
    with pytest.raises(Conflict):
        Store(settings)
    other = Settings(data_dir=tmp_path / "other", min_free_bytes=0)
    (other.data_dir / "store").mkdir(parents=True)
    with opened(other) as store:
        assert store.rows(Subject.REQUESTS) == 0


# --- one process --------------------------------------------------------------------------------------------------

SECOND = """
import sys
from usagedeck.errors import Conflict
from usagedeck.settings import Settings
from usagedeck.store.clickhouse import Store
try:
    Store(Settings(data_dir=sys.argv[1]))
except Conflict as conflict:
    print(conflict.message)
"""


def test_a_second_process_on_the_same_folder_is_refused_and_harms_nothing(settings: Settings) -> None:
    with opened(settings) as store:
        store.insert(Subject.REQUESTS, f'{{"workspace_id": "ws", "time": {NOON}, "id": "a", "version": 4}}'.encode())
        said = subprocess.run(
            [sys.executable, "-c", SECOND, str(settings.data_dir)], capture_output=True, text=True, timeout=120, check=True
        )
        assert "another process may be using it" in said.stdout
        assert store.rows(Subject.REQUESTS) == 1
        store.insert(Subject.REQUESTS, f'{{"workspace_id": "ws", "time": {NOON}, "id": "b", "version": 4}}'.encode())
    with opened(settings) as store:
        assert store.rows(Subject.REQUESTS) == 2


# --- what the store promises its writers --------------------------------------------------------------------------


def test_the_highest_version_of_an_identity_is_read_at_once_and_after_a_merge(settings: Settings) -> None:
    def line(version: int, **more: Any) -> bytes:
        extra = "".join(f', "{name}": {value}' for name, value in more.items())
        return f'{{"workspace_id": "ws", "time": {NOON}, "id": "a", "version": {version}{extra}}}'.encode()

    read = Statement("SELECT status FROM requests FINAL", {}, ())
    with opened(settings) as store:
        for version, status in ((5, 200), (9, 201), (7, 202)):
            store.insert(Subject.REQUESTS, line(version, status=status))
        assert store.run(read) == [(201,)]
        for table, partition in store.unmerged(NOON + 10 * 86_400_000):
            store.merge(table, partition)
        assert store.rows(Subject.REQUESTS) == 1
        store.insert(Subject.REQUESTS, line(8, status=203))
        assert store.run(read) == [(201,)]


def test_an_insert_of_the_same_block_is_no_duplicate_to_be_dropped(settings: Settings) -> None:
    """The engine may drop a block it has seen; events are told apart by identity alone."""
    line = f'{{"workspace_id": "ws", "time": {NOON}, "id": "a", "version": 4}}'.encode()
    with opened(settings) as store:
        store.insert(Subject.REQUESTS, line)
        store.insert(Subject.REQUESTS, line)
        assert store.rows(Subject.REQUESTS) == 2
        assert store.run(Statement("SELECT count() FROM requests FINAL", {}, ())) == [(1,)]


def test_a_batch_may_span_any_number_of_weeks(settings: Settings) -> None:
    """The engine's own limit is 100 partitions."""
    lines = [
        f'{{"workspace_id": "ws", "time": {946_684_800_000 + week * 604_800_000}, "id": "a", "version": 4}}'
        for week in range(150)
    ]
    with opened(settings) as store:
        store.insert(Subject.REQUESTS, "\n".join(lines).encode())
        assert store.rows(Subject.REQUESTS) == 150


def test_the_latest_arrival_is_found_again(settings: Settings) -> None:
    with opened(settings) as store:
        assert store.latest_arrival() == 0
        for subject, arrived in ((Subject.REQUESTS, 5000), (Subject.DELIVERIES, 7000), (Subject.REQUESTS, 6000)):
            version = 2**52 - 1 - arrived + (2**52 if arrived == 6000 else 0)  # a revision hides nothing
            store.insert(subject, f'{{"workspace_id": "ws", "time": {NOON}, "id": "{arrived}", "version": {version}}}'.encode())
        assert store.latest_arrival() == 7000
        lately = system_clock() * 1000
        for ago in (0, 5 * DAY * 1000, 400 * DAY * 1000):
            line = f'{{"workspace_id": "ws", "time": {NOON}, "id": "{ago}", "version": {2**52 - 1 - lately + ago}}}'
            store.insert(Subject.DELIVERIES if ago else Subject.REQUESTS, line.encode())
            assert store.latest_arrival() == lately
        assert "by_place" in str(
            store._writer.query(f"EXPLAIN indexes = 1 {schema.lowest_place(lately // 10**6, 1)}").result_rows
        )

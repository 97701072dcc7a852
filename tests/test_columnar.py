"""Columns go a shorter way than rows. Nobody can tell: the same events are stored, the same rows refused in the same words."""

import io
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.house import NOON, House, StillClock, build_house
from usagedeck.catalog.kinds import Subject
from usagedeck.columnar import ColumnReader, Taken
from usagedeck.deck import Deck, open_deck
from usagedeck.errors import TooBusy
from usagedeck.events import Stamp
from usagedeck.importing import Import, Tally, here
from usagedeck.readers import parquet
from usagedeck.readers.columns import Columns
from usagedeck.readers.mapping import Plan
from usagedeck.readers.rows import Refusal, RowIds
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.store.schema import columns as stored_columns

LIMITS: dict[str, Any] = {"max_text": 40, "max_long_text": 60, "max_attributes": 2, "max_groups": 3}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deck]:
    """One deck for many files; each file has workspaces of its own."""
    with open_deck(Settings(data_dir=tmp_path_factory.mktemp("data"), min_free_bytes=0, **LIMITS), StillClock()) as deck:
        yield deck


def file(table: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, **options)
    return buffer.getvalue()


def imported(house: House, content: bytes, plan: Plan, read: Callable[..., Iterator[Any]]) -> tuple[Tally, list[Refusal]]:
    refused: list[Refusal] = []
    work = Import(here(house.deck, house.workspace_id), refused.append, lambda _: None)
    return work.run(read(io.BytesIO(content), plan, RowIds("file"))), refused


def stored(house: House) -> dict[Subject, list[tuple[Any, ...]]]:
    """All that counts, in the order of arrival."""
    found = {}
    for subject in Subject:
        names = tuple(name for name in stored_columns(subject) if name not in ("workspace_id", "version"))
        text = f"SELECT {', '.join(names)} FROM {subject} FINAL WHERE workspace_id = {{ws:String}} ORDER BY version DESC"
        found[subject] = [
            tuple(map(str, row)) for row in house.deck.store.run(Statement(text, {"ws": house.workspace_id}, names))
        ]
    return found


def same(deck: Deck, table: Any, *maps: str, constants: tuple[str, ...] = (), zone: str = "UTC") -> tuple[Tally, list[Refusal]]:
    """Imports the table both ways; what came of it."""
    content, plan = file(table), Plan.parse(maps, constants, (), zone)
    by_rows, by_columns = (build_house(deck) for _ in range(2))
    expected = imported(by_rows, content, plan, parquet.read)
    found = imported(by_columns, content, plan, parquet.read_columns)
    assert found == expected
    assert stored(by_columns) == stored(by_rows)
    return found


# --- whatever stands in a column ----------------------------------------------------------------------------------

TIME = datetime(2026, 5, 1, 10, tzinfo=UTC)
MILLIS = int(TIME.timestamp() * 1000)

_TEXT: list[Any] = ["", "a", "b", "usd", "EUR", "é" * 40, "é" * 41, "x" * 61, "a\0", "\n", '"\\', " a ", "key_1", None]
_SHORT: list[Any] = ["a", "b", "c", None]
_SIX = pa.decimal128(20, 6)
_NINE = pa.decimal128(38, 9)
_DECIMALS: list[Any] = [Decimal(0), Decimal("1.5"), Decimal("-1"), Decimal("0.000001"), Decimal(10) ** 12, None]
_FINE: list[Any] = [Decimal("1.5"), Decimal("0.0000001"), Decimal("999999999999.999999"), Decimal("-0.5"), None]
_FLOATS: list[Any] = [
    *(0.0, -0.0, 0.1, 1.5, 713.0, 0.000001, 1e-7, 123456789.123456, 999_999_999.999999, 1e9, 1e9 + 0.1, 2.0**53, 1e12, 1e300),
    *(0.1 + 0.2, 1 / 3, -1.0, float("nan"), float("inf"), 200.0, 86_400_001.0, None),
]
_WHOLE: list[Any] = [0, 1, 200, 999, 1000, -1, 86_400_000, 900_000, 900_001, 10**12, 10**12 + 1, 2**62, None]
_INSTANTS: list[Any] = [
    MILLIS,
    MILLIS + 899_999,
    NOON,
    NOON + 600_000,
    NOON + 600_001,
    0,
    -1,
    1_795_428_000,
    946_684_800_000,
    None,
]
_SPELT: list[Any] = [
    *(
        "2026-05-01T10:00:00Z",
        "2026-05-01 10:00:00.123456Z",
        "2026-05-01T10:00:00.1234567Z",
        "2026-05-01T10:00:00",
        "x",
        "",
        None,
    ),
    *("2026-05-01T12:00:00+02:00", "2026-02-30T10:00:00Z", "2026-05-01T24:00:00Z", " 2026-05-01T10:00:00Z", "1795428000000"),
    *("1999-12-31T23:59:59Z", "2026-05-01", "2026-05-01T10:00Z", "2026-05-01T10:00:00.5Z"),
]
_SPELT_AMOUNTS: list[Any] = [
    "0",
    "1.5",
    "1.50",
    "1e3",
    "-1",
    "",
    " 1",
    "007",
    "1.1234567",
    "999999999999.999999",
    "lots",
    "1.",
    None,
]
_ADDRESSES: list[Any] = ["203.0.113.7", "203.0.113.7/16", "2001:db8::1", "localhost", " 203.0.113.7 ", "", None]
_PATHS: list[Any] = ["/v1/x/42", "/v1/x/42?a\nb", "?", "", "/" * 60, "/" * 61, None]
_GROUPS: list[Any] = [*([text] for text in _TEXT), ["a", "b"], ["b", "a"], ["a", "a"], ["a", None, "b"], [*"abcd"], [], None]
_PAIRS: list[Any] = [
    *([(key, text)] for key in ("", "a", "k" * 100, "k" * 101, "a\0") for text in _TEXT),
    *([("a", "x"), ("a", "y")], [("b", "x"), ("a", "y")], [("a", "x"), ("b", "y"), ("c", "z")], [], None),
]
_TEXTS = pa.string()

_CHOICES: dict[str, list[tuple[Any, list[Any]]]] = {
    "time": [
        *((pa.timestamp(unit, zone), _INSTANTS) for unit in ("ms",) for zone in (None, "UTC", "Asia/Tokyo")),
        (pa.timestamp("us", "UTC"), [MILLIS * 1000 + 999, 1, -1, 2**62, None]),
        (pa.timestamp("s", "UTC"), [MILLIS // 1000, 10**12, -1, None]),
        (pa.timestamp("ns"), [MILLIS * 1_000_000 + 999_999, None]),
        (pa.int64(), _INSTANTS),
        (pa.uint64(), [MILLIS, 2**63, None]),
        (pa.float64(), [float(MILLIS), MILLIS + 0.5, None]),
        (pa.date32(), [date(2026, 5, 1), date(1999, 1, 1), None]),
        (_TEXTS, _SPELT),
    ],
    "id": [(_TEXTS, _SHORT), (_TEXTS, _TEXT), (pa.int64(), [0, 1, 2**40]), (pa.dictionary(pa.int8(), _TEXTS), _SHORT)],
    "status": [(pa.int16(), [200, 999, 1000, -1, None]), (pa.float64(), _FLOATS), (_TEXTS, ["200"])],
    "duration_ms": [(pa.int64(), _WHOLE), (pa.uint32(), [0, 86_400_000, 86_400_001, 2**32 - 1]), (pa.float32(), _FLOATS)],
    "credits": [(_SIX, _DECIMALS), (_NINE, _FINE), (pa.int64(), _WHOLE), (pa.float64(), _FLOATS), (_TEXTS, _SPELT_AMOUNTS)],
    "cost": [(pa.float32(), _FLOATS), (pa.float16(), [np.float16(0.5), None]), (_SIX, _DECIMALS)],
    "currency": [(_TEXTS, ["usd", "USD", "eur", "", None])],
    "model": [(_TEXTS, _TEXT), (pa.large_string(), _TEXT), (pa.int32(), [-5, 0, 5]), (pa.bool_(), [True, False])],
    "user_id": [(_TEXTS, _TEXT)],
    "api_key_id": [(_TEXTS, ["key_1", "key_2", "", None])],
    "path": [(_TEXTS, _PATHS)],
    "route": [(_TEXTS, _PATHS)],
    "ip": [(_TEXTS, _ADDRESSES)],
    "group_ids": [(pa.list_(_TEXTS), _GROUPS), (pa.large_list(pa.large_string()), _GROUPS), (_TEXTS, _SHORT)],
    "error_code": [(_TEXTS, _TEXT)],
    "error_message": [(_TEXTS, _TEXT)],
    "attributes": [(pa.map_(_TEXTS, _TEXTS), _PAIRS), (pa.struct([("a", _TEXTS)]), [{"a": cell} for cell in _SHORT])],
    "attributes.team": [(_TEXTS, _TEXT)],
    "attributes.e": [(_TEXTS, _TEXT), (pa.int64(), [0, 5])],
}


@st.composite
def _tables(draw: st.DrawFn) -> Any:
    """A file with time and id, mostly good, and a few columns of any type and content."""
    size = draw(st.integers(1, 8))
    chosen = draw(st.lists(st.sampled_from(sorted(set(_CHOICES) - {"id", "time"})), unique=True, max_size=4))
    made: dict[str, Any] = {
        "time": pa.array([MILLIS + n for n in range(size)], pa.timestamp("ms", "UTC")),
        "id": pa.array([f"id{n}" for n in range(size)]),
    }
    for name in [*chosen, *draw(st.lists(st.sampled_from(["id", "time"]), unique=True))]:
        kind, cells = draw(st.sampled_from(_CHOICES[name]))
        made[name] = _array(draw(st.lists(st.sampled_from(cells), min_size=size, max_size=size)), kind)
    return pa.table(made)


def _array(cells: list[Any], kind: Any) -> Any:
    return pa.array(cells, pa.string()).cast(kind) if pa.types.is_dictionary(kind) else pa.array(cells, kind)


@settings(deadline=None, max_examples=60)
@given(table=_tables(), kind=st.sampled_from(["", "", "", "delivery"]), zone=st.sampled_from(["UTC", "UTC", "Europe/Berlin"]))
def test_columns_give_what_rows_give(shared: Deck, table: Any, kind: str, zone: str) -> None:
    foreign = {"credits", "cost", "currency", "model", "api_key_id", "path", "route", "ip", "group_ids"}
    if kind:
        table = table.drop_columns([name for name in table.column_names if name in foreign])
    same(shared, table, constants=(f"kind={kind}",) if kind else (), zone=zone)


@pytest.mark.parametrize(("name", "choice"), [(name, n) for name, choices in _CHOICES.items() for n in range(len(choices))])
def test_every_type_of_every_field(shared: Deck, name: str, choice: int) -> None:
    """Each column alone with every value there is, so that no other cell speaks first."""
    kind, cells = _CHOICES[name][choice]
    good = {
        "time": pa.array([MILLIS + n for n in range(len(cells))], pa.timestamp("ms", "UTC")),
        "id": pa.array([f"id{n}" for n in range(len(cells))]),
    }
    same(shared, pa.table({**good, name: _array(cells, kind)}))


# --- what a column cannot show ------------------------------------------------------------------------------------


def times(count: int) -> Any:
    return pa.array([MILLIS] * count, pa.timestamp("ms", "UTC"))


def taken(
    table: Any, limits: Settings, owners: dict[str, str] | None = None, groups: dict[str, tuple[str, ...]] | None = None
) -> tuple[Columns, Taken]:
    """What is taken of a file's first columns."""
    (columns,) = parquet.read_columns(io.BytesIO(file(table)), Plan.parse(), RowIds("file"))
    assert isinstance(columns, Columns)
    return columns, ColumnReader(limits).read(columns, Stamp("ws", "usd", owners or {}, NOON, groups=groups or {}))


USUAL: dict[str, Any] = {
    "id": ["a", "b", "c"],
    "time": pa.array([MILLIS * 1000, MILLIS * 1000 + 1, MILLIS * 1000 + 999], pa.timestamp("us", "Asia/Tokyo")),
    "status": pa.array([200, None, 429], pa.int16()),
    "duration_ms": [1.0, None, 86_400_000.0],
    "credits": pa.array([Decimal("1.5"), None, Decimal(0)], pa.decimal128(18, 6)),
    "cost": [0.1, None, 3.0],
    "path": ["/v1/x/42?y=1", "", None],
    "ip": ["203.0.113.7", "2001:db8::1", None],
    "api_key_id": ["key_1", "key_2", None],
    "group_ids": [["a", "b"], None, []],
    "attributes": pa.array([[("k", "v")], None, []], pa.map_(pa.string(), pa.string())),
    "error_code": ["quota", "", None],
}


def test_what_is_usual_goes_the_short_way() -> None:
    columns, found = taken(pa.table(USUAL), Settings())
    assert found.plain.all()
    first, second, third = found.table.to_pylist()
    assert first["route"] == "/v1/x/{id}"
    assert (first["path"], first["ip"], first["currency"], first["cost"]) == ("/v1/x/42", "203.0.113.0/24", "usd", Decimal("0.1"))
    assert (second["currency"], second["ip"], second["group_ids"]) == ("", "2001:db8::/48", None)
    assert found.quarters == {MILLIS - MILLIS % 900_000 + n * 900_000 for n in range(96)}
    assert third["workspace_id"] == "ws"
    assert columns.size == 3


def test_where_something_is_not_kept_every_row_is_looked_at() -> None:
    (columns,) = parquet.read_columns(io.BytesIO(file(pa.table(USUAL))), Plan.parse(), RowIds("file"))
    assert isinstance(columns, Columns)
    stamp = Stamp("ws", "usd", {}, NOON, redactions=frozenset({"path"}))
    assert not ColumnReader(Settings()).read(columns, stamp).plain.any()


def test_missing_groups_are_those_of_the_user() -> None:
    """Absent groups are filled in, an empty list says that there are none."""
    groups = {"ana": ("g1", "g2"), "ben": ("g2",)}
    columns = {"user_id": ["ana", "ana", "ana", "ben", "cy", None], "group_ids": [None, [], ["own"], None, None, None]}
    table = pa.table({"id": list("abcdef"), "time": times(6), **columns})
    found = taken(table, Settings(), groups=groups)[1].table
    assert found["group_ids"].to_pylist() == [["g1", "g2"], [], ["own"], ["g2"], None, None]
    table = pa.table({"id": ["a", "b"], "time": times(2), "api_key_id": ["k", "other"]})
    found = taken(table, Settings(), {"k": "ben"}, groups)[1].table
    assert found["group_ids"].to_pylist() == [["g2"], None]


def test_a_missing_user_is_the_owner_of_the_key() -> None:
    table = pa.table({"id": ["a", "b", "c"], "time": times(3), "api_key_id": ["k", "k", "other"], "user_id": ["", "ben", None]})
    found = taken(table, Settings(), {"k": "ana"})[1].table
    assert found["user_id"].to_pylist() == ["ana", "ben", ""]
    without = taken(table.drop_columns(["user_id"]), Settings(), {"k": "ana"})[1].table
    assert without["user_id"].to_pylist() == ["ana", "ana", ""]


def test_where_an_event_may_be_too_large_rows_are_looked_at_singly() -> None:
    table = pa.table({"id": ["a"], "time": times(1), "path": ["/" * 1000]})
    assert taken(table, Settings(max_event_bytes=12_000))[1].plain.all()
    assert not taken(table, Settings(max_event_bytes=9_000))[1].plain.any()


@pytest.mark.parametrize("odd", [0, 1, 2])
def test_of_equal_events_the_first_row_counts_whichever_way_it_goes(shared: Deck, odd: int) -> None:
    """A list that is not sorted goes singly, and stays where it stands."""
    groups = [["b", "a"] if n == odd else ["a", "b"] for n in range(3)]
    table = pa.table({"id": ["same"] * 3, "time": times(3), "model": ["first", "second", "third"], "group_ids": groups})
    same(shared, table)
    house = build_house(shared)
    imported(house, file(table), Plan.parse(), parquet.read_columns)
    statement = Statement(
        "SELECT model FROM requests FINAL WHERE workspace_id = {ws:String}", {"ws": house.workspace_id}, ("model",)
    )
    assert [row[0] for row in shared.store.run(statement)] == ["first"]


def test_rows_without_an_id_get_the_same_one_however_often_they_are_offered(
    shared: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy writer is asked again; a row that was named by then keeps its name."""
    submit, busy = shared.writer.submit, iter([True, True, False])

    def sometimes(*job: Any) -> Any:
        if next(busy, False):
            raise TooBusy("later", retry_after=1)
        return submit(*job)

    table = pa.table({"id": ["a", None, None, ""], "time": times(4), "model": ["x", "y", "y", "y"]})
    by_rows, by_columns = build_house(shared), build_house(shared)
    imported(by_rows, file(table), Plan.parse(), parquet.read)
    monkeypatch.setattr(shared.writer, "submit", sometimes)
    monkeypatch.setattr("usagedeck.importing.time.sleep", lambda _: None)
    imported(by_columns, file(table), Plan.parse(), parquet.read_columns)
    assert next(busy, None) is None, "it was busy"
    assert len(stored(by_columns)[Subject.REQUESTS]) == 4
    assert stored(by_columns) == stored(by_rows)


def test_numbers_of_refused_rows_are_those_of_the_file(shared: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_MANY_ROWS", 10)
    statuses = [1000 if n % 7 == 0 else 200 for n in range(35)]
    table = pa.table({"id": [str(n) for n in range(35)], "time": times(35), "status": statuses})
    tally, refused = same(shared, table)
    assert [one.number for one in refused] == [1, 8, 15, 22, 29]
    assert tally == Tally(35, 30, 5)

"""Parquet."""

import io
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.readers.reading import events, refusals, rows, until_broken
from usagedeck.errors import InvalidInput
from usagedeck.readers.formats import Format
from usagedeck.readers.mapping import Plan

MAY = 1_777_593_600_000
MAY_DAY = datetime(2026, 5, 1, tzinfo=UTC)


def file(**columns: Any) -> bytes:
    """A Parquet file of these columns."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def read(plan: Plan | None = None, **columns: Any) -> list[dict[str, Any]]:
    found = events(Format.PARQUET, file(**columns), plan)
    for event in found:
        if event["id"].startswith("imp_"):
            del event["id"]
    return found


TIMES = pa.array([MAY], pa.timestamp("ms", "UTC"))


def one(kind: Any, value: Any, field: str) -> Any:
    return read(time=TIMES, **{field: pa.array([value], kind)})[0].get(field)


def test_typed_columns_nulls_and_positions() -> None:
    content = file(
        id=["a", None, "c"],
        timestamp=pa.array([MAY, MAY + 1, None], pa.timestamp("ms", "UTC")),
        status=pa.array([200, None, 500], pa.int16()),
        credits=pa.array([Decimal("0.100000"), None, Decimal("5")], pa.decimal128(18, 6)),
        group_ids=pa.array([["a", "b"], None, []], pa.list_(pa.string())),
        attributes=pa.array([[("k", "v")], None, []], pa.map_(pa.string(), pa.string())),
        model=pa.array(["m", "m", None]).dictionary_encode(),
    )
    (refusal,) = refusals(Format.PARQUET, content)
    assert (refusal.number, refusal.code, refusal.id) == (3, "missing_time", "c")
    first, second, _ = rows(Format.PARQUET, content)
    assert first.number == 1
    assert second.number == 2
    found = read(
        id=["a"],
        timestamp=TIMES,
        status=pa.array([200], pa.int16()),
        credits=pa.array([Decimal("0.1")], pa.decimal128(18, 6)),
        group_ids=pa.array([["a", None, "b"]], pa.list_(pa.string())),
        attributes=pa.array([{"k": 1, "n": None}], pa.struct({"k": pa.int32(), "n": pa.string()})),
        model=pa.array(["m"]).dictionary_encode(),
    )
    assert found == [
        {
            "id": "a",
            "time": MAY,
            "status": 200,
            "credits": "0.100000",
            "group_ids": ["a", "b"],
            "attributes": {"k": "1"},
            "model": "m",
        }
    ]


@pytest.mark.parametrize(
    ("kind", "value", "instant"),
    [
        (pa.timestamp("s", "UTC"), MAY_DAY, MAY),
        (pa.timestamp("us", "Asia/Tokyo"), MAY_DAY, MAY),
        (pa.timestamp("ns", "UTC"), MAY * 1_000_000 + 680_590_000, MAY + 680),
        (pa.timestamp("ns"), MAY * 1_000_000 + 999_999, MAY),
        (pa.timestamp("ms"), MAY, MAY),
        (pa.date32(), date(2026, 5, 1), MAY),
        (pa.date64(), date(2026, 5, 1), MAY),
        (pa.int64(), MAY, MAY),
        (pa.string(), "2026-05-01 00:00:00.0000009", MAY),
        (pa.float64(), float(MAY), MAY),
    ],
    ids=str,
)
def test_times_of_every_kind(kind: Any, value: Any, instant: int) -> None:
    assert read(time=pa.array([value], kind)) == [{"time": instant}]


def test_timestamps_without_a_zone_are_read_in_the_one_that_was_named() -> None:
    plan = Plan.parse(time_zone="Europe/Berlin")
    assert read(plan, time=pa.array([MAY], pa.timestamp("us"))[:0].cast(pa.timestamp("us"))) == []
    assert read(plan, time=pa.array([MAY], pa.timestamp("ms"))) == [{"time": MAY - 7_200_000}]
    assert read(plan, time=pa.array([MAY], pa.timestamp("ms", "UTC"))) == [{"time": MAY}]
    assert read(plan, time=pa.array([date(2026, 5, 1)])) == [{"time": MAY - 7_200_000}]
    skipped = pa.array([datetime(2026, 3, 29, 2, 30, tzinfo=UTC).replace(tzinfo=None)])
    (refusal,) = refusals(Format.PARQUET, file(time=skipped), plan)
    assert refusal.code == "no_such_time"


@pytest.mark.parametrize(
    ("kind", "value", "field", "expected"),
    [
        (pa.float64(), 0.1, "credits", "0.1"),
        (pa.float32(), 0.1, "credits", "0.1"),
        (pa.float64(), float("nan"), "credits", None),
        (pa.int64(), 3, "credits", 3),
        (pa.string(), "1.50", "credits", "1.50"),
        (pa.float64(), 713.0, "input_tokens", 713),
        (pa.float64(), 12345678.0, "user_id", "12345678"),
        (pa.float32(), 0.25, "user_id", "0.25"),
        (pa.float16(), 0.5, "credits", "0.5"),
        (pa.float64(), float("nan"), "input_tokens", None),
        (pa.uint64(), 2**40, "input_tokens", 2**40),
        (pa.string(), "713", "input_tokens", 713),
        (pa.int64(), 42, "user_id", "42"),
        (pa.bool_(), True, "attributes.beta", None),
        (pa.large_string(), "é", "user_id", "é"),
        (pa.string(), "", "user_id", None),
        (pa.string(), "a|b", "group_ids", ["a", "b"]),
    ],
    ids=str,
)
def test_values(kind: Any, value: Any, field: str, expected: Any) -> None:
    assert one(kind, value, field) == expected


def test_attributes_are_text() -> None:
    found = read(
        time=TIMES,
        **{"attributes.beta": pa.array([True]), "attributes.n": pa.array([1.5]), "attributes.at": pa.array([MAY_DAY])},
    )
    assert found[0]["attributes"] == {"beta": "true", "n": "1.5", "at": "2026-05-01T00:00:00.000Z"}


@pytest.mark.parametrize(
    ("kind", "value", "field"),
    [
        (pa.binary(), b"x", "user_id"),
        (pa.list_(pa.string()), ["x"], "user_id"),
        (pa.bool_(), True, "status"),
        (pa.timestamp("ms"), 1, "credits"),
    ],
    ids=str,
)
def test_columns_that_do_not_fit(kind: Any, value: Any, field: str) -> None:
    with pytest.raises(InvalidInput, match="--ignore"):
        read(time=TIMES, **{field: pa.array([value], kind)})


@pytest.mark.parametrize(("kind", "value"), [(pa.float64(), 12.5), (pa.string(), "x"), (pa.float64(), float("inf"))])
def test_cells_that_do_not_fit(kind: Any, value: Any) -> None:
    (refusal,) = refusals(Format.PARQUET, file(time=TIMES, status=pa.array([value], kind)))
    assert (refusal.number, refusal.code, refusal.field) == (1, "wrong_type", "status")


def test_only_the_columns_that_are_used_are_read() -> None:
    assert read(Plan.parse(ignored=["blob"]), time=TIMES, blob=[b"x"]) == [{"time": MAY}]


def test_the_same_rows_as_csv_get_the_same_ids() -> None:
    typed = events(Format.PARQUET, file(time=TIMES, status=[200], model=["m"]))
    text = events(Format.CSV, b"model,status,time\nm,200,2026-05-01T00:00:00Z\n")
    assert typed == text


@pytest.mark.parametrize("cut", [4, 100, -1])
def test_broken_files(cut: int) -> None:
    with pytest.raises(InvalidInput, match="no readable Parquet file"):
        rows(Format.PARQUET, file(time=TIMES)[:cut])


def test_a_file_that_breaks_in_the_middle_gives_the_rows_before() -> None:
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, pa.schema({"time": pa.int64()}), compression="gzip", use_dictionary=False) as writer:
        for start in (0, 1000):
            writer.write_table(pa.table({"time": pa.array(range(MAY + start, MAY + start + 1000), pa.int64())}))
    content = bytearray(buffer.getvalue())
    second = pq.ParquetFile(buffer).metadata.row_group(1).column(0).data_page_offset
    content[second + 40 : second + 400] = bytes(360)
    found, message = until_broken(Format.PARQUET, bytes(content))
    assert [row.number for row in found] == list(range(1, 1001))
    assert "no readable Parquet file" in message


def test_two_columns_of_one_name() -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([TIMES, TIMES], names=["time", "time"]), buffer)
    with pytest.raises(InvalidInput, match="names time twice"):
        rows(Format.PARQUET, buffer.getvalue())

"""The one answer type: its cells in JSON, and as CSV that other programs read back unchanged."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usagedeck.catalog.kinds import Type
from usagedeck.table import Column, Table, csv_lines, json_rows, plain
from usagedeck.times import zone

NOON = 1_795_435_200_000  # 2026-11-23T12:00:00Z


def table(kind: Type, *cells: Any) -> Table:
    return Table((Column("a", kind, "A"),), [[cell] for cell in cells])


def text(found: Table, where: str = "UTC") -> str:
    return b"".join(csv_lines(found, zone(where))).decode()


def read_back(found: Table, where: str = "UTC") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text(found, where), newline=""), strict=True))


@pytest.mark.parametrize(
    ("kind", "cell", "in_json", "in_csv"),
    [
        (Type.STRING, "a", "a", "a"),
        (Type.STRING, None, None, ""),
        (Type.STRING, "", "", ""),
        (Type.INT, 0, 0, "0"),
        (Type.INT, -5, -5, "-5"),
        (Type.INT, 10**18, 10**18, "1000000000000000000"),
        (Type.INT, None, None, ""),
        (Type.FLOAT, 0.1, 0.1, "0.1"),
        (Type.FLOAT, -1.5, -1.5, "-1.5"),
        (Type.FLOAT, 1e22, 1e22, "1e+22"),
        (Type.FLOAT, 2 / 3, 2 / 3, "0.6666666666666666"),
        (Type.FLOAT, None, None, ""),
        (Type.DECIMAL, Decimal("1.500000"), "1.5", "1.5"),
        (Type.DECIMAL, Decimal("1200.000000"), "1200", "1200"),
        (Type.DECIMAL, Decimal("1E+3"), "1000", "1000"),
        (Type.DECIMAL, Decimal("0.000001"), "0.000001", "0.000001"),
        (Type.DECIMAL, Decimal("-0.000000"), "0", "0"),
        (Type.DECIMAL, Decimal("-2.5"), "-2.5", "-2.5"),
        (Type.DECIMAL, Decimal("123456789012345678901234567890.123456"), *["123456789012345678901234567890.123456"] * 2),
        (Type.DECIMAL, 0, "0", "0"),
        (Type.DECIMAL, None, None, ""),
        (Type.BOOL, True, True, "true"),
        (Type.BOOL, False, False, "false"),
        (Type.BOOL, 1, True, "true"),
        (Type.BOOL, None, None, ""),
        (Type.INSTANT, NOON, "2026-11-23T12:00:00.000Z", "2026-11-23T17:45:00+05:45"),
        (Type.INSTANT, NOON + 7, "2026-11-23T12:00:00.007Z", "2026-11-23T17:45:00.007+05:45"),
        (Type.INSTANT, None, None, ""),
        (Type.LIST, ["a", "b"], ["a", "b"], "a|b"),
        (Type.LIST, [], [], ""),
        (Type.MAP, {"b": "2", "a": "1"}, {"b": "2", "a": "1"}, "a=1|b=2"),
        (Type.MAP, {}, {}, ""),
    ],
)
def test_cells(kind: Type, cell: Any, in_json: Any, in_csv: str) -> None:
    found = table(kind, cell)
    assert json_rows(found) == [[in_json]]
    assert json.loads(json.dumps(json_rows(found))) == [[in_json]]
    assert read_back(found, "Asia/Kathmandu") == [["a"], [in_csv]]


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_a_decimal_is_written_in_full(amount: Decimal) -> None:
    written = plain(amount)
    assert Decimal(written) == amount
    assert "E" not in written.upper()
    assert not ("." in written and written.endswith("0"))


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_the_same_in_both(number: float) -> None:
    assert (
        float(read_back(table(Type.FLOAT, number))[1][0])
        == number
        == json.loads(json.dumps(json_rows(table(Type.FLOAT, number))))[0][0]
    )


# --- CSV ----------------------------------------------------------------------------------------------------------


def test_csv_is_rfc_4180() -> None:
    found = Table(
        (Column("plain", Type.STRING, "Plain"), Column("a,b", Type.STRING, "AB"), Column("n", Type.INT, "N")),
        [["x", 'say "hi"', 1], ["two\r\nlines", "a,b", None], ["lone\rreturn", "lone\nfeed", 3]],
    )
    assert text(found) == ('plain,"a,b",n\r\nx,"say ""hi""",1\r\n"two\r\nlines","a,b",\r\n"lone\rreturn","lone\nfeed",3\r\n')


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_any_text_survives_csv(cells: list[tuple[str, str]]) -> None:
    cells = [row for row in cells if not any("\ud800" <= ch <= "\udfff" for cell in row for ch in cell)]
    found = Table((Column("a", Type.STRING, "A"), Column("b", Type.STRING, "B")), cells)
    guarded = [["'" + c if c[:1] in ("=", "+", "-", "@", "\t", "\r") and c else c for c in row] for row in cells]
    assert read_back(found)[1:] == guarded


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_that_spreadsheets_would_run_is_defused(start: str) -> None:
    formula = f'{start}HYPERLINK("http://example.test","x")'
    assert read_back(table(Type.STRING, formula))[1] == ["'" + formula]
    assert read_back(table(Type.LIST, [formula, "b"]))[1] == [f"'{formula}|b"]
    assert read_back(table(Type.MAP, {formula: "1"}))[1] == [f"'{formula}=1"]
    assert json_rows(table(Type.STRING, formula)) == [[formula]], "JSON is no spreadsheet"


def test_numbers_are_never_defused() -> None:
    assert text(table(Type.INT, -1)) == "a\r\n-1\r\n"
    assert text(table(Type.DECIMAL, Decimal("-0.5"))) == "a\r\n-0.5\r\n"
    assert text(table(Type.FLOAT, -0.5)) == "a\r\n-0.5\r\n"


@pytest.mark.parametrize(
    ("instant", "where", "written"),
    [
        (1_793_511_000_000, "America/New_York", "2026-11-01T01:30:00-04:00"),
        (1_793_514_600_000, "America/New_York", "2026-11-01T01:30:00-05:00"),
        (1_793_514_600_000, "Australia/Lord_Howe", "2026-11-01T17:30:00+11:00"),
        (1_793_514_600_000, "UTC", "2026-11-01T06:30:00+00:00"),
    ],
)
def test_instants_carry_the_offset_that_tells_repeated_hours_apart(instant: int, where: str, written: str) -> None:
    assert text(table(Type.INSTANT, instant), where) == f"a\r\n{written}\r\n"


def test_a_table_without_rows_has_a_head() -> None:
    assert text(table(Type.STRING)) == "a\r\n"
    assert json_rows(table(Type.STRING)) == []


def test_rows_are_written_while_they_are_read() -> None:
    """Far more rows than are ever in memory: the first piece comes before the last row is asked for."""
    asked = 0

    def rows() -> Iterator[list[int]]:
        nonlocal asked
        for number in range(100_000):
            asked += 1
            yield [number]

    pieces: Iterable[bytes] = csv_lines(Table((Column("n", Type.INT, "N"),), rows()), zone("UTC"))
    pieces = iter(pieces)
    first = next(pieces)
    assert first.startswith(b"n\r\n0\r\n1\r\n")
    assert asked < 10_000
    lines = (first + b"".join(pieces)).decode().split()
    assert lines == ["n", *map(str, range(100_000))]


def test_a_row_of_another_width_is_an_error_and_no_shift() -> None:
    uneven = Table((Column("a", Type.INT, "A"), Column("b", Type.INT, "B")), [[1]])
    with pytest.raises(ValueError, match="zip"):
        text(uneven)
    with pytest.raises(ValueError, match="zip"):
        json_rows(uneven)


def test_a_constant_column_and_reading_twice() -> None:
    found = Table((Column("a", Type.INT, "A"), Column("b", Type.INT, "B")), iter([[1, 2], [3, 4]]))
    wider = found.with_constant(Column("z", Type.STRING, "Zone"), "UTC", at=1).read()
    assert [c.name for c in wider.columns] == ["a", "z", "b"]
    assert list(wider.rows) == list(wider.rows) == [[1, "UTC", 2], [3, "UTC", 4]]

"""CSV and TSV."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.readers.reading import events, refusals, rows, stream
from usagedeck.errors import InvalidInput
from usagedeck.readers.formats import READERS, Format
from usagedeck.readers.mapping import Plan
from usagedeck.readers.rows import Refusal, Row, RowIds

TIME = "2026-05-01T00:00:00Z"
LONG = 200_000
"""More than the parser takes in one cell."""


def numbers(text: str | bytes) -> tuple[list[int], list[tuple[int, str]]]:
    """Lines of the rows that were taken, and lines and codes of the others."""
    found = rows(Format.CSV, text.encode() if isinstance(text, str) else text)
    taken = [row.number for row in found if isinstance(row, Row)]
    return taken, [(row.number, row.code) for row in found if isinstance(row, Refusal)]


def test_quotes_line_ends_in_cells_and_blank_lines() -> None:
    text = f'id,time,path\n\na,{TIME},"/x,""y""\r\nz"\r\n\r\nb,{TIME},/b'
    found = events(Format.CSV, text.encode())
    assert [(e["id"], e["path"]) for e in found] == [("a", '/x,"y"\r\nz'), ("b", "/b")]
    assert numbers(text)[0] == [3, 6]


def test_a_byte_order_mark_and_spaces_around_names() -> None:
    assert events(Format.CSV, f"\ufeffid, time ,path\na,{TIME},é".encode())[0]["path"] == "é"


def test_tabs() -> None:
    assert events(Format.TSV, f'id\ttime\tpath\na\t{TIME}\t/a,b"c\n'.encode())[0]["path"] == '/a,b"c'


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end(end: str) -> None:
    assert numbers(end.join(["id,time", f"a,{TIME}", f"b,{TIME}"])) == ([2, 3], [])


def test_rows_of_another_width_are_refused() -> None:
    assert numbers(f"id,time\na,{TIME}\nb\nc,{TIME},x\nd,{TIME}\n") == ([2, 5], [(3, "malformed"), (4, "malformed")])


def test_an_open_quote_costs_its_own_line_and_no_other() -> None:
    good = "".join(f"g{n},{TIME}\n" for n in range(3))
    assert numbers(f'id,time\n{good}"b,{TIME}\n{good}') == ([2, 3, 4, 6, 7, 8], [(5, "malformed")])
    assert numbers(f'id,time\n{good}"b,{TIME}\n{good}"c",{TIME}\n') == ([2, 3, 4, 6, 7, 8, 9], [(5, "malformed")])
    assert numbers(f'id,time\n"a"x,{TIME}\nb,{TIME}\n') == ([3], [(2, "malformed")])


def test_an_open_quote_before_very_much_text() -> None:
    filler = "".join(f"f{n},{TIME}\n" for n in range(10_000))
    taken, refused = numbers(f'id,time\n"a,{TIME}\n{filler}')
    assert (len(taken), refused) == (10_000, [(2, "malformed")])


def test_cells_and_lines_that_are_far_too_long() -> None:
    text = f"id,time,path\na,{TIME},{'x' * LONG}\nb,{TIME},/b\nc,{TIME},{'x' * 3_000_000}\nd,{TIME},/d\n"
    assert numbers(text) == ([3, 5], [(2, "malformed"), (4, "too_large")])
    assert numbers(f'id,time,path\na,{TIME},"x\n{"y" * 3_000_000}\n"\nb,{TIME},/b\n')[0] == [5]


def test_rows_that_are_no_utf_8_are_refused_and_the_others_read() -> None:
    text = f"id,time,path\na,{TIME},/\xe9\nb,{TIME},/b\n".encode("latin-1")
    assert numbers(text) == ([3], [(2, "bad_character")])


def test_nul_bytes_reach_the_check_of_events() -> None:
    (row,) = rows(Format.CSV, f"id,time,path\na,{TIME},/\0x\n".encode())
    assert isinstance(row, Row)
    assert b'"/\\u0000x"' in row.event


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_nothing_at_all(text: str) -> None:
    assert rows(Format.CSV, text.encode()) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("time,id,id\n", "names id twice"),
        ('"time,id\n', "The header cannot be read"),
        ("time,\xe9\n", "not UTF-8"),
        ("time,,id,\n", "2 columns go nowhere"),
    ],
)
def test_headers_that_cannot_be_used(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        rows(Format.CSV, text.encode("latin-1"))


def test_a_column_without_a_name_is_called_by_its_place() -> None:
    (event,) = events(Format.CSV, f",time,\nx,{TIME},y\n".encode(), Plan.parse(maps=["id=#1"], ignored=["#3"]))
    assert event["id"] == "x"


def test_a_row_without_a_time_is_refused() -> None:
    (refusal,) = refusals(Format.CSV, b"id,time\na,\n")
    assert (refusal.number, refusal.code, refusal.id) == (2, "missing_time", "a")


def test_ids_are_made_of_what_a_row_says_and_not_of_how_it_is_spelt() -> None:
    (first,) = events(
        Format.CSV,
        b"timestamp,workload,context_tokens\n2026-05-01 00:00:00.0000001,conv,374\n",
        Plan.parse(maps=["model=workload"]),
    )
    (second,) = events(Format.CSV, b"model,input_tokens,time\nconv,374.0,2026-05-01T02:00:00+02:00\n")
    assert first == second
    expected = RowIds("file").name(b'{"input_tokens":374,"model":"conv","time":1777593600000}')
    assert first["id"] == expected


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(st.lists(st.tuples(cells, cells), max_size=20), st.sampled_from(["\n", "\r\n"]))
def test_whatever_a_writer_of_csv_writes_is_read_back(pairs: list[tuple[str, str]], end: str) -> None:
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([["time", "path", "user_id"], *((TIME, *pair) for pair in pairs)])
    found = events(Format.CSV, buffer.getvalue().encode())
    assert [(e.get("path", ""), e.get("user_id", "")) for e in found] == pairs


@given(st.binary(max_size=300))
def test_no_bytes_make_a_reader_stumble(content: bytes) -> None:
    header = b"id,time,path\n"
    for row in READERS[Format.CSV](stream(header + content), Plan.parse(), RowIds("x")):
        assert row.number >= 2

"""Lines and made-up ids."""

import hashlib

import pytest

from tests.readers.reading import pieces, stream
from usagedeck.readers.rows import BLOCK, LONGEST_LINE, Refusal, RowIds, lines


def test_lines_end_in_any_of_three_ways_and_are_numbered() -> None:
    assert list(lines(stream(b"\xef\xbb\xbfa\nb\r\n\rc"))) == [(1, b"a\n"), (2, b"b\r\n"), (3, b"\r"), (4, b"c")]
    assert list(lines(stream(b""))) == []
    assert list(lines(stream(b"\xef\xbb\xbf"))) == []
    assert list(lines(stream(b"x"))) == [(1, b"x")]


def test_line_ends_that_fall_between_two_reads_are_one() -> None:
    text = b"one\r\ntwo\rthree\n\r\nfour\r\n"
    assert list(lines(pieces(text, 1))) == list(enumerate(text.splitlines(keepends=True), 1))


@pytest.mark.parametrize("size", [LONGEST_LINE + 1, 2 * BLOCK, 10_000_000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_a_line_that_is_too_long_is_refused_and_the_next_one_read(size: int, end: bytes) -> None:
    found = list(lines(stream(b"first\n" + b"x" * size + end + (b"last" if end else b""))))
    assert found[0] == (1, b"first\n")
    assert isinstance(found[1], Refusal)
    assert (found[1].number, found[1].code) == (2, "too_large")
    assert f"{size + len(end):,} bytes" in found[1].message
    assert found[2:] == ([(3, b"last")] if end else [])


def test_the_longest_line_is_read_whole() -> None:
    line = b"x" * (LONGEST_LINE - 1) + b"\n"
    assert list(lines(stream(line * 3))) == [(1, line), (2, line), (3, line)]


def test_equal_rows_get_different_ids_and_the_same_ones_each_time() -> None:
    def named() -> list[str]:
        ids = RowIds("access.log")
        return [ids.name(row) for row in (b"a", b"b", b"a", b"a")]

    assert named() == named()
    assert len(set(named())) == 4
    assert all(name.startswith("imp_") and len(name) == 4 + 32 + 2 for name in named())
    assert [name[-1] for name in named()] == ["0", "0", "1", "2"]


def test_ids_depend_on_the_source_and_on_nothing_that_runs_into_it() -> None:
    assert RowIds("a").name(b"x") != RowIds("b").name(b"x")
    assert RowIds("a").name(b"bx") != RowIds("ab").name(b"x")
    assert RowIds("a").name(b"x") == f"imp_{hashlib.blake2b(b'a' + bytes(1) + b'x', digest_size=16).hexdigest()}_0"

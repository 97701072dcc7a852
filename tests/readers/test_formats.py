"""Which format a file has."""

import pytest

from usagedeck.errors import InvalidInput
from usagedeck.readers.formats import READERS, Format, plain_name, recognise

LOG = b'192.0.2.7 - - [10/Oct/2023:13:55:36 -0700] "GET / HTTP/1.0" 200 2326\n'


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("a.ndjson", b"", Format.NDJSON),
        ("a.JSONL.gz", b"x", Format.NDJSON),
        ("dir.csv/a.tsv", b"a,b", Format.TSV),
        ("a.csv.zst", b"a;b", Format.CSV),
        ("a.parquet", b"PAR1", Format.PARQUET),
        ("a.csv", b"PAR1", Format.PARQUET),
        ("-", b"PAR1", Format.PARQUET),
        ("access.log", LOG, Format.COMBINED),
        ("access.log.1", b"\n" + LOG, Format.COMBINED),
        ("-", b' \n{"id":1}', Format.NDJSON),
        ("-", b"\xef\xbb\xbf[", Format.NDJSON),
        ("data", b"a\tb,c\n", Format.TSV),
        ("data.txt", b"a,b\n", Format.CSV),
    ],
)
def test_told_by_content_and_name(name: str, head: bytes, expected: Format) -> None:
    assert recognise(name, head) is expected


def test_what_the_user_says_goes_before_the_name() -> None:
    assert recognise("a.csv", b"{", Format.NDJSON) is Format.NDJSON


@pytest.mark.parametrize(
    ("name", "head", "told", "says"),
    [
        ("a.parquet", b"id,time", None, "no Parquet file"),
        ("-", b"id,time", Format.PARQUET, "no Parquet file"),
        ("a", b"PAR1", Format.CSV, "leave out --format"),
        ("a.csv", "id,time".encode("utf-16"), None, "iconv"),
        ("a.csv", "id,time".encode("utf-16-be"), None, "iconv"),
        ("a.csv", b"PK\x03\x04....", None, "ZIP archive"),
        ("a.bin", b"\x7fELF", None, "cannot be told"),
        ("-", b"hello world", None, "cannot be told"),
        ("-", b"", None, "cannot be told"),
    ],
)
def test_what_cannot_be_read(name: str, head: bytes, told: Format | None, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        recognise(name, head, told)


def test_names_without_folder_and_compression() -> None:
    assert [plain_name(n) for n in ("/a/b.csv.gz", "b.csv", "b.csv.ZST", "access.log.1")] == [
        "b.csv",
        "b.csv",
        "b.csv",
        "access.log.1",
    ]


def test_every_format_has_a_reader() -> None:
    assert set(READERS) == set(Format)

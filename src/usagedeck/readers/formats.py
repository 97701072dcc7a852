"""The formats files may have, how one is recognised, and who reads it."""

import io
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from pathlib import PurePath
from typing import TypeAlias

from usagedeck.errors import InvalidInput
from usagedeck.readers import accesslog, delimited, ndjson, parquet
from usagedeck.readers.columns import Columns
from usagedeck.readers.mapping import Plan
from usagedeck.readers.rows import BOM, Refusal, Row, RowIds

Read: TypeAlias = Callable[[io.BufferedReader, Plan, RowIds], Iterator[Row | Refusal]]


class Format(StrEnum):
    """What a file is written in."""

    NDJSON = "ndjson"
    CSV = "csv"
    TSV = "tsv"
    PARQUET = "parquet"
    COMMON = "common"
    COMBINED = "combined"


READERS: Mapping[Format, Read] = {
    Format.NDJSON: ndjson.read,
    Format.CSV: delimited.read,
    Format.TSV: partial(delimited.read, delimiter="\t"),
    Format.PARQUET: parquet.read,
    Format.COMMON: accesslog.read,
    Format.COMBINED: accesslog.read,
}

COLUMN_READERS: Mapping[Format, Callable[[io.BufferedReader, Plan, RowIds], Iterator[Columns | Row | Refusal]]] = {
    Format.PARQUET: parquet.read_columns
}
"""Readers for whoever takes columns."""

COMPRESSED = (".gz", ".gzip", ".zst", ".zstd")

_ENDINGS = {
    ".ndjson": Format.NDJSON,
    ".jsonl": Format.NDJSON,
    ".json": Format.NDJSON,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".tab": Format.TSV,
    ".parquet": Format.PARQUET,
}

HEAD = 64 * 1024
"""How much of the beginning of a file `recognise` looks at."""


def plain_name(name: str) -> str:
    """The name of a file without folder and without the ending of its compression."""
    path = PurePath(name)
    return path.stem if path.suffix.lower() in COMPRESSED else path.name


def recognise(name: str, head: bytes, told: Format | None = None) -> Format:
    """The format of a file by its first bytes, its name, and its first line; or the one that was told, if it can be.

    Raises `InvalidInput` when it cannot be: text in UTF-16, binary data, an unknown form.
    """
    found = told or (
        Format.PARQUET if head.startswith(parquet.MAGIC) else _ENDINGS.get(PurePath(plain_name(name)).suffix.lower())
    )
    if found is Format.PARQUET:
        if not head.startswith(parquet.MAGIC):
            raise InvalidInput("This is no Parquet file: it does not begin with PAR1.", code="malformed")
        return found
    _refuse_no_text(head)
    return found or _by_content(head)


def _refuse_no_text(head: bytes) -> None:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or head[:200].count(b"\0") > len(head[:200]) // 4:
        raise InvalidInput(
            "This is UTF-16 or no text at all. Convert it first: iconv -f UTF-16 -t UTF-8 FILE | usagedeck import - …",
            code="bad_character",
        )
    if head.startswith(parquet.MAGIC):
        raise InvalidInput("This is a Parquet file; leave out --format.", code="malformed")
    if head.startswith(b"PK\x03\x04"):
        raise InvalidInput("This is a ZIP archive. Unpack it first: unzip -p FILE | usagedeck import - …", code="malformed")


def _by_content(head: bytes) -> Format:
    text = head.removeprefix(BOM).lstrip()
    line = text.splitlines()[0] if text else b""
    if line.startswith((b"{", b"[")):
        return Format.NDJSON
    shown = line.decode("utf-8", "replace")
    if accesslog.is_line(shown):
        return Format.COMBINED
    if shown.replace("\t", "").isprintable():
        if "\t" in shown:
            return Format.TSV
        if "," in shown:
            return Format.CSV
    raise InvalidInput(
        f"The format cannot be told from the name or the first line; name it with --format: {', '.join(Format)}.",
        field="--format",
        code="unknown_format",
    )

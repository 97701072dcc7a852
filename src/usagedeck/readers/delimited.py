"""CSV and TSV with a header line. What each column is, the plan says; a row that cannot be told apart is refused alone."""

import csv
import io
from collections import deque
from collections.abc import Iterator

from usagedeck.errors import InvalidInput
from usagedeck.readers.mapping import Plan
from usagedeck.readers.rows import Refusal, Row, RowIds, lines


class _Unreadable(Exception):
    """A line that is not handed to the parser came up inside a row."""


class _Feed:
    """Lines for the parser, which can be taken back when a row turns out to be none.

    An open quote swallows the lines behind it. They are given again, so that only the line with the quote is lost.
    """

    def __init__(self, stream: io.BufferedReader) -> None:
        self._lines = lines(stream)
        self._again: deque[tuple[int, bytes] | Refusal] = deque()
        self.taken: list[tuple[int, bytes] | Refusal] = []

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        record = self._again.popleft() if self._again else next(self._lines)
        self.taken.append(record)
        if isinstance(record, Refusal):
            raise _Unreadable
        return record[1].decode("utf-8", "surrogateescape")

    def give_again(self) -> None:
        """All lines of the row but the first."""
        self._again.extendleft(reversed(self.taken[1:]))


def read(stream: io.BufferedReader, plan: Plan, ids: RowIds, *, delimiter: str = ",") -> Iterator[Row | Refusal]:
    """The events of a file. Raises `InvalidInput` when its header and the plan do not fit together."""
    rows = _rows(stream, delimiter)
    first = next(rows, None)
    if first is None:
        return
    if isinstance(first, Refusal):
        raise InvalidInput(f"The header cannot be read. {first.message}", code=first.code)
    header = _header(first[1])
    layout = plan.layout(header)
    width = len(header)
    for row in rows:
        if isinstance(row, Refusal):
            yield row
        elif len(row[1]) != width:
            yield Refusal(row[0], "malformed", f"The row has {len(row[1])} cells and the header has {width}.")
        else:
            yield layout.row(*row, ids)


def _rows(stream: io.BufferedReader, delimiter: str) -> Iterator[tuple[int, list[str]] | Refusal]:
    """Rows with the number of the line they begin on; blank lines are none."""
    feed = _Feed(stream)
    parser = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        feed.taken.clear()
        try:
            cells = next(parser)
        except StopIteration:
            return
        except (csv.Error, _Unreadable) as error:
            first = feed.taken[0]
            yield first if isinstance(first, Refusal) else Refusal(first[0], "malformed", _explain(error))
            feed.give_again()
            continue
        if cells:
            yield feed.taken[0][0], cells


def _explain(error: Exception) -> str:
    if isinstance(error, _Unreadable) or "limit" in str(error) or "end of data" in str(error):
        return "A quote is opened here and not closed in time; close it, or double it if it belongs to the text."
    if "expected after" in str(error):
        return "A quoted cell goes on behind its closing quote; double the quotes that belong to the text."
    return f"The row cannot be told apart: {error}."


def _header(cells: list[str]) -> list[str]:
    """The names of the columns; one without a name is called by its place, `#3`."""
    names = [cell.strip() or f"#{place}" for place, cell in enumerate(cells, 1)]
    if any("\udc80" <= ch <= "\udcff" for name in names for ch in name):
        raise InvalidInput("The header is not UTF-8; convert the file, for example with iconv.", code="bad_character")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidInput(f"The header names {', '.join(twice)[:200]} twice; rename one of them.", code="malformed")
    return names

"""`usagedeck log --follow`: the last rows, then those that arrive, over lost connections and restarts of the server."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from usagedeck.catalog.kinds import Subject, Type
from usagedeck.cli.common import say
from usagedeck.cli.printing import Aligned, cells_of, columns_of
from usagedeck.cli.reaching import Asked, Reach
from usagedeck.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn, StoreFailed, TooBusy, UsagedeckError
from usagedeck.table import Column, Row, Table, csv_lines
from usagedeck.times import zone, zone_name

PATIENCE = (1, 2, 5, 10)
"""Seconds until the next try of a server that does not answer; the last one again and again."""

IDENTITY = ("id", "time")
"""Columns that tell rows apart."""

_LOST = (NotFound, Conflict, TooBusy, StoreFailed)


@dataclass(frozen=True)
class Event:
    """Of the stream."""

    name: str
    place: str
    content: Any


class Printer:
    """Prints rows of one log as they come: a table, CSV as the API has it, or a line of JSON for each."""

    def __init__(self, form: str) -> None:
        self._form = form
        self._columns: tuple[Column, ...] = ()
        self._zone = ZoneInfo("UTC")
        self._aligned = Aligned((), self._zone)

    def begin(self, columns: Sequence[Column], where: ZoneInfo, rows: Sequence[Row]) -> None:
        """The head, as wide as the first rows want it, and those."""
        self._columns, self._zone = tuple(columns), where
        self._aligned = Aligned(columns, where)
        lines = list(self._lines(rows))
        if self._form == "table":
            lines.insert(0, self._aligned.head() + "\n")
        if self._form == "csv":
            lines = [piece.decode() for piece in csv_lines(self._table(rows), where)]
        self._write(lines)

    def rows(self, rows: Sequence[Row]) -> None:
        """Further rows."""
        if self._form == "csv":
            head = next(csv_lines(self._table(()), self._zone))
            self._write([b"".join(csv_lines(self._table(rows), self._zone)).removeprefix(head).decode()])
        else:
            self._write(list(self._lines(rows)))

    def _lines(self, rows: Sequence[Row]) -> Iterator[str]:
        if self._form == "table":
            return (line + "\n" for line in self._aligned.lines(rows))
        names = [column.name for column in self._columns]
        return (msgspec.json.encode(dict(zip(names, row, strict=True))).decode() + "\n" for row in rows)

    def _table(self, rows: Sequence[Row]) -> Table:
        """As `/requests.csv` has it: the zone stands behind the first column."""
        table = Table(self._columns, [cells_of(self._columns, row) for row in rows])
        return table.with_constant(Column("time_zone", Type.STRING, "Time zone"), zone_name(self._zone), at=1)

    def _write(self, lines: Sequence[str]) -> None:
        sys.stdout.buffer.write("".join(lines).encode())
        sys.stdout.buffer.flush()


def follow(
    reach: Callable[[], AbstractContextManager[Reach]], subject: Subject, asked: Asked, printer: Printer, *, limit: int, rate: int
) -> None:
    """Print until Ctrl-C. Raises what the API refuses for good."""
    try:
        _Follower(reach, subject, asked, printer, rate).run(limit)
    except KeyboardInterrupt:
        return


class _Follower:
    def __init__(
        self, reach: Callable[[], AbstractContextManager[Reach]], subject: Subject, asked: Asked, printer: Printer, rate: int
    ) -> None:
        self._reach = reach
        self._printer = printer
        self._subject = subject
        self._asked = asked
        self._rate = rate
        self._place = ""
        self._hidden: list[str] = []
        """Columns that nobody asked for and that rows are told apart by."""

    def run(self, limit: int) -> None:
        with self._reach() as api:
            self._begin(api, limit)
        tries = 0
        while True:
            try:
                with self._reach() as api:
                    for event in self._events(api):
                        tries = 0
                        self._take(event)
            except _LOST as error:
                if isinstance(error, NotFound) and error.code != "server_unreachable":
                    raise
                if not tries:
                    say.print(f"[yellow]{error.message}[/] Trying again.", soft_wrap=True)
                time.sleep(PATIENCE[min(tries, len(PATIENCE) - 1)])
                tries += 1

    def _begin(self, api: Reach, limit: int) -> None:
        columns = self._asked["columns"]
        if isinstance(columns, Sequence) and columns:
            self._hidden = [name for name in IDENTITY if name not in columns]
            self._asked = {**self._asked, "columns": [*columns, *self._hidden]}
        page = api.get(self._subject, {**self._asked, "limit": limit}).json()
        found = columns_of(page)
        self._place = page["place"]
        names = [column.name for column in found]
        self._identity = [names.index(name) for name in IDENTITY]
        self._width = len(found) - len(self._hidden)
        rows = list(reversed(page["rows"]))
        self._known = {self._key(row) for row in rows}
        self._printer.begin(found[: self._width], zone(page["window"]["time_zone"]), [row[: self._width] for row in rows])

    def _key(self, row: Row) -> tuple[Any, ...]:
        return tuple(row[at] for at in self._identity)

    def _events(self, api: Reach) -> Iterator[Event]:
        asked = {**self._asked, "of": self._subject, "after": self._place, "rate": self._rate}
        with api.stream("log/tail", asked) as response:
            told: dict[str, str] = {}
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                told[name] = value
                if not line:
                    yield Event(told["event"], told["id"], json.loads(told["data"]))
                    told = {}
        raise NotFound("The connection was closed.", code="server_unreachable")

    def _take(self, event: Event) -> None:
        self._place = event.place
        if event.name == "rows":
            rows = [row[: self._width] for row in event.content["rows"] if self._key(row) not in self._known]
            self._printer.rows(rows)
            if left_out := event.content["left_out"]:
                say.print(f"[yellow]{left_out:,} rows left out:[/] more than {self._rate} a second came.", soft_wrap=True)
        elif event.name == "end":
            raise _ended(event.content)


def _ended(content: dict[str, Any]) -> UsagedeckError:
    """Why a tail is over. A server that stops may be there again in a moment."""
    if content["code"] == "stopping":
        return NotFound(content["detail"], code="server_unreachable")
    kind = {401: NotSignedIn, 403: NotAllowed, 404: NotFound, 500: StoreFailed}.get(content["status"], InvalidInput)
    return kind(content["detail"], field=content["field"], code=content["code"])

"""A file becomes events in the store: rows of a reader are gathered into batches, each batch is handed to somebody who
takes it, and what became of every row is counted and told.

Nothing here opens a file, knows a format, or knows whether the taker is this process or a server far away.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from usagedeck import access, ingest
from usagedeck.columnar import ColumnReader
from usagedeck.deck import Deck
from usagedeck.errors import InvalidInput, NotFound, TooBusy, UsagedeckError
from usagedeck.events import Rejection
from usagedeck.ingest import Receipt
from usagedeck.readers.columns import Columns
from usagedeck.readers.rows import Refusal, Row
from usagedeck.store.writer import Block

BATCH_ROWS = 5_000
BATCH_BYTES = 4 * 2**20
IN_FLIGHT = 4
"""Batches that may wait for their receipt while further rows are read."""

Send: TypeAlias = Callable[[Sequence[bytes]], "Future[Receipt]"]
"""Takes a batch of events. Batches must arrive in the order they are sent: of equal events the first one counts."""


class Here:
    """Takes batches into this process's own store, as events or as columns."""

    def __init__(self, deck: Deck, who: access.Who) -> None:
        self._deck = deck
        self._who = who
        self._columns = ColumnReader(deck.settings)

    def __call__(self, events: Sequence[bytes]) -> "Future[Receipt]":
        return ingest.take(self._deck, self._who, events)

    def columns(self, columns: Columns) -> "Future[Receipt]":
        """The same for rows that come as columns. What is beyond doubt is written as columns, the other rows one by one; their
        order is that of their arrival. Rejections carry the place of the row in the columns, from 0.
        """
        access.require(self._who, access.Permission.WRITE)
        stamp = ingest.stamp(self._deck, self._who)
        taken = self._columns.read(columns, stamp)
        places = np.flatnonzero(~taken.plain).tolist()
        rejected: list[Rejection] = []
        events: list[tuple[int, bytes]] = []
        for place, row in zip(places, columns.singly(places), strict=True):
            if isinstance(row, Refusal):
                rejected.append(Rejection(place, row.id, row.code, row.field, row.message))
            else:
                events.append((place, row.event))
        checked = self._deck.reader.read([event for _, event in events], stamp)
        bad = {rejection.index for rejection in checked.rejected}
        good = [place for index, (place, _) in enumerate(events) if index not in bad]
        rejected += [replace(rejection, index=events[rejection.index][0]) for rejection in checked.rejected]
        answer = Receipt(columns.size - len(rejected), tuple(sorted(rejected, key=lambda one: one.index)))
        if not answer.accepted:
            return ingest.answered(answer)
        block = Block(columns.subject, taken.table, np.flatnonzero(taken.plain).tolist(), checked.rows[columns.subject], good)
        quarters = {self._who.workspace.id: taken.quarters | checked.quarters}
        return ingest.when_durable(self._deck.writer.submit(block, quarters), answer)


def here(deck: Deck, workspace_id: str) -> Here:
    """Takes batches into this process's own store. Raises `NotFound` for an unknown workspace."""
    workspace = deck.directory.workspaces.get(workspace_id)
    if workspace is None:
        known = ", ".join(w.id for w in deck.directory.workspaces.all()) or "none yet"
        raise NotFound(
            f'There is no workspace "{workspace_id}". There are: {known}.', field="workspace", code="workspace_not_found"
        )
    who = access.Who(workspace, None, frozenset({access.Permission.WRITE}))
    return Here(deck, who)


@dataclass(slots=True)
class Tally:
    """What became of the rows so far. `rows` counts what was read; the others follow when receipts are in."""

    rows: int = 0
    accepted: int = 0
    rejected: int = 0


@dataclass(slots=True)
class _Batch:
    events: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    """Of each event, its place in the file."""
    refusals: list[Refusal] = field(default_factory=list)
    """Rows that never became events."""
    size: int = 0

    @property
    def full(self) -> bool:
        return len(self.events) + len(self.refusals) >= BATCH_ROWS or self.size >= BATCH_BYTES


class Import:
    """The import of one file. `tally` is right at any moment, also after an error."""

    def __init__(self, send: Send, refused: Callable[[Refusal], None], moved: Callable[[Tally], None]) -> None:
        """`refused` is told of every row that was not taken, in the order of the file; `moved` of progress."""
        self.tally = Tally()
        self._send = send
        self._refused = refused
        self._moved = moved
        self._broken: InvalidInput | None = None
        self._flying: deque[tuple[_Batch, Future[Receipt]]] = deque()

    def run(self, rows: Iterable[Columns | Row | Refusal]) -> Tally:
        """Take all rows; columns only go to a taker that takes them; returns when each has its receipt.

        Raises `InvalidInput` from the reader of a broken file, when the rows before are taken; and what the taker raises.
        """
        batch = _Batch()
        try:
            for row in self._readable(rows):
                if isinstance(row, Columns):
                    self._start(batch)
                    batch = _Batch()
                    self._start_columns(row)
                    continue
                self.tally.rows += 1
                if isinstance(row, Refusal):
                    batch.refusals.append(row)
                else:
                    batch.events.append(row.event)
                    batch.numbers.append(row.number)
                    batch.size += len(row.event)
                if batch.full:
                    self._start(batch)
                    batch = _Batch()
            self._start(batch)
            while self._flying:
                self._land()
        except BaseException:
            self._settle()
            raise
        if self._broken:
            raise self._broken
        return self.tally

    def _readable(self, rows: Iterable[Columns | Row | Refusal]) -> Iterator[Columns | Row | Refusal]:
        try:
            yield from rows
        except InvalidInput as error:
            self._broken = error

    def _start_columns(self, columns: Columns) -> None:
        assert isinstance(self._send, Here)  # noqa: S101 - the caller of `run` chose reader and taker together
        take = self._send.columns
        self.tally.rows += columns.size
        batch = _Batch(numbers=list(range(columns.first, columns.first + columns.size)))
        self._fly(batch, self._patiently(lambda: take(columns)))

    def _start(self, batch: _Batch) -> None:
        self._fly(batch, self._sent(batch.events))

    def _fly(self, batch: _Batch, receipt: "Future[Receipt]") -> None:
        self._flying.append((batch, receipt))
        while len(self._flying) > IN_FLIGHT:
            self._land()
        self._moved(self.tally)

    def _sent(self, events: Sequence[bytes]) -> "Future[Receipt]":
        if not events:
            nothing: Future[Receipt] = Future()
            nothing.set_result(Receipt(0, ()))
            return nothing
        return self._patiently(lambda: self._send(events))

    def _patiently(self, take: Callable[[], "Future[Receipt]"]) -> "Future[Receipt]":
        while True:
            try:
                return take()
            except TooBusy as busy:
                if self._flying:
                    self._land()
                else:
                    time.sleep(busy.retry_after)

    def _land(self) -> None:
        """Wait for the oldest receipt."""
        batch, receipt = self._flying[0]
        found = receipt.result()
        self._flying.popleft()
        told = batch.refusals + [Refusal(batch.numbers[r.index], r.code, r.message, r.field, r.id) for r in found.rejected]
        self.tally.accepted += found.accepted
        self.tally.rejected += len(told)
        for refusal in sorted(told, key=lambda one: one.number):
            self._refused(refusal)
        self._moved(self.tally)

    def _settle(self) -> None:
        """After an error: what was sent is waited for, so that the count is right."""
        while self._flying:
            try:
                self._land()
            except UsagedeckError:  # the first one is on its way up
                self._flying.popleft()

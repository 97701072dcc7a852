"""What the rules ask the store through. A question is worked on once, however many ask it at the same time, and its answer is
kept for as long as nothing is written that could change it.

Nobody gets an answer that is older than their question: an answer is shared only if nothing was written into its workspace
and time between its beginning and the moment it is asked for. Who asks plays no part: two questions are the same when their
statements are, and whose rows may be read is in there. Errors are told to whoever waits and never kept.
"""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

from usagedeck.sql import Statement
from usagedeck.store.changes import Changes, Span
from usagedeck.store.ticket import Ticket, gone
from usagedeck.table import Row

_LARGEST = 8
"""An answer of more than this part of the whole is not kept: it would push out what is asked for more often."""


class Runs(Protocol):
    """The part of the store that answers need. What is given up raises `Cancelled`: rows that come back are all there are."""

    def run(self, statement: Statement, ticket: Ticket | None = None) -> list[Row]: ...

    def stream(self, statement: Statement, ticket: Ticket | None = None) -> Iterator[Row]: ...


@dataclass(slots=True)
class _Run:
    """A question being worked on."""

    key: Hashable
    moment: int
    """How many writes there were when it began."""
    ticket: Ticket = field(default_factory=Ticket)
    waiting: list[threading.Event] = field(default_factory=list)
    """One for everybody who asks it; set when there is nothing to wait for any more."""
    rows: Sequence[Row] = ()
    error: BaseException | None = None


@dataclass(slots=True)
class _Asker:
    woken: threading.Event = field(default_factory=threading.Event)
    run: _Run | None = None


@dataclass(slots=True)
class _Kept:
    moment: int
    rows: Sequence[Row]
    size: int


class Shelf:
    """What all askers share: the questions under way, and answers of at most so many bytes, the least recently used first."""

    def __init__(self, most: int) -> None:
        self.lock = threading.Lock()
        self.changes = Changes()
        self.running: dict[Hashable, _Run] = {}
        self.size = 0
        self._most = most
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()

    def find(self, key: Hashable, span: Span) -> Sequence[Row] | None:
        """An answer that is as good as a new one; called with the lock held."""
        found = self._kept.get(key)
        if found is None:
            return None
        if self.changes.since(found.moment, span):
            self._forget(key)
            return None
        self._kept.move_to_end(key)
        return found.rows

    def keep(self, key: Hashable, moment: int, rows: Sequence[Row]) -> None:
        """Keep what was true after that many writes, if it is not too large."""
        size = _size(key) + _size(rows)
        if size * _LARGEST > self._most:
            return
        with self.lock:
            if key in self._kept:
                if self._kept[key].moment > moment:
                    return
                self._forget(key)
            self._kept[key] = _Kept(moment, rows, size)
            self.size += size
            while self.size > self._most:
                self._forget(next(iter(self._kept)))

    def _forget(self, key: Hashable) -> None:
        self.size -= self._kept.pop(key).size


@dataclass(frozen=True, slots=True)
class Answers:
    """Safe to use from many threads. Rows of answers are shared, so nobody changes them."""

    store: Runs
    shelf: Shelf
    ticket: Ticket | None = None
    """The asker's; what is asked ends when it is given up."""

    def run(self, statement: Statement, span: Span) -> Sequence[Row]:
        """All rows of an answer that is made of the events of that span.

        Raises `QueryTooHeavy` when it runs into a limit, `Cancelled` when the asker goes.
        """
        ticket, asker, shelf, key = self.ticket or Ticket(), _Asker(), self.shelf, _key(statement)
        with ticket.working(lambda: self._leave(asker)):
            with shelf.lock:
                if ticket.given_up:
                    raise gone()
                found = shelf.find(key, span)
                if found is not None:
                    return found
                run = shelf.running.get(key)
                joins = run is not None and not shelf.changes.since(run.moment, span)
                if run is None or not joins:
                    run = shelf.running[key] = _Run(key, shelf.changes.now())
                run.waiting.append(asker.woken)
                asker.run = run
            if joins:
                asker.woken.wait()
            else:
                self._work(statement, run)
        if ticket.given_up:
            raise gone()
        if run.error is not None:
            raise run.error
        return run.rows

    def stream(self, statement: Statement) -> Iterator[Row]:
        """The rows of an answer as they come; for downloads of any length. They are not shared."""
        return self.store.stream(statement, self.ticket)

    def _work(self, statement: Statement, run: _Run) -> None:
        """Never raises: the error is for everybody who waits."""
        try:
            run.rows = self.store.run(statement, run.ticket)
            self.shelf.keep(run.key, run.moment, run.rows)
        except BaseException as error:  # noqa: BLE001 - everybody who waits raises it again, this thread among them
            run.error = error
        with self.shelf.lock:
            self._retire(run)
            for woken in run.waiting:
                woken.set()

    def _retire(self, run: _Run) -> None:
        """Nobody joins it any more; called with the lock held."""
        if self.shelf.running.get(run.key) is run:
            del self.shelf.running[run.key]

    def _leave(self, asker: _Asker) -> None:
        """The last one to leave stops the work, and from that moment nobody joins it."""
        with self.shelf.lock:
            run = asker.run
            if run is None or asker.woken not in run.waiting:
                return
            run.waiting.remove(asker.woken)
            last = not run.waiting
            if last:
                self._retire(run)
        asker.woken.set()
        if last:
            run.ticket.give_up()


def _key(statement: Statement) -> Hashable:
    return statement.text, tuple(sorted((name, _frozen(value)) for name, value in statement.values.items()))


def _frozen(value: Any) -> Hashable:
    return tuple(_frozen(one) for one in value) if isinstance(value, list | tuple) else value


def _size(value: Any) -> int:
    """Bytes it holds, about: what Python needs for objects of these kinds."""
    if isinstance(value, int):  # before all others: it is most of what there is
        return 32
    if isinstance(value, str):
        return 56 + len(value) * (1 if value.isascii() else 4)
    if isinstance(value, list | tuple):
        return 64 + sum(8 + _size(one) for one in value)
    if isinstance(value, dict):
        return 240 + sum(120 + _size(k) + _size(v) for k, v in value.items())
    return 104 if isinstance(value, Decimal) else 32

"""What the rules ask the store through: statements go in, rows come out, on behalf of an asker who may go away."""

from collections.abc import Iterator
from typing import Protocol

from usagedeck.sql import Statement
from usagedeck.store.ticket import Ticket
from usagedeck.table import Row


class Runs(Protocol):
    """The part of the store that answers need."""

    def run(self, statement: Statement, ticket: Ticket | None = None) -> list[Row]: ...

    def stream(self, statement: Statement, ticket: Ticket | None = None) -> Iterator[Row]: ...


class Answers:
    """Safe to use from many threads."""

    def __init__(self, store: Runs, ticket: Ticket | None = None) -> None:
        self._store = store
        self._ticket = ticket

    def of(self, ticket: Ticket) -> "Answers":
        """The same for one asker: what is asked through it ends when the ticket is given up."""
        return Answers(self._store, ticket)

    def run(self, statement: Statement) -> list[Row]:
        """All rows of an answer. Raises `QueryTooHeavy` when it runs into a limit, `Cancelled` when the asker goes."""
        return self._store.run(statement, self._ticket)

    def stream(self, statement: Statement) -> Iterator[Row]:
        """The rows of an answer as they come; for downloads of any length."""
        return self._store.stream(statement, self._ticket)

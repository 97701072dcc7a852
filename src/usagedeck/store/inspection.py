"""What the engine says of the store: its tables, their pieces, and what it put aside. It reads and changes nothing."""

from dataclasses import dataclass
from typing import Protocol

from usagedeck.sql import Statement
from usagedeck.table import Row


class Asks(Protocol):
    """The part of the store that inspecting needs."""

    def run(self, statement: Statement) -> list[Row]: ...


@dataclass(frozen=True, slots=True)
class Part:
    """A partition of a table: its pieces, the rows in them (repeats included) and the bytes they take."""

    table: str
    partition: str
    pieces: int
    rows: int
    bytes: int


def partitions(store: Asks) -> list[Part]:
    """Every partition that has rows, tables and partitions in order."""
    text = (
        "SELECT table, partition, count(), sum(rows), sum(bytes_on_disk) FROM system.parts "
        "WHERE active AND database = currentDatabase() GROUP BY table, partition ORDER BY table, partition"
    )
    rows = store.run(Statement(text, {}, ("table", "partition", "pieces", "rows", "bytes")))
    return [Part(str(table), str(name), int(str(n)), int(str(r)), int(str(b))) for table, name, n, r, b in rows]


def put_aside(store: Asks) -> list[str]:
    """The names of pieces that the engine found broken and put aside, with their tables."""
    text = "SELECT table, name FROM system.detached_parts WHERE database = currentDatabase() ORDER BY table, name"
    return [f"{table}/{name}" for table, name in store.run(Statement(text, {}, ("table", "name")))]


def version(store: Asks) -> str:
    """The engine's release."""
    return str(store.run(Statement("SELECT version()", {}, ("version",)))[0][0])

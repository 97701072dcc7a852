"""All tables of the store as they are at one moment, beside the live ones, and tables made of such pieces.

Freezing makes hard links: it takes milliseconds, copies nothing, and the pieces stay as they are however the live tables go on.
They cost disk space as soon as merging replaces the live ones; so when they were copied they are thawed, which removes the links.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from usagedeck.sql import Statement
from usagedeck.table import Row

NAME = "backup"


class Executes(Protocol):
    """The part of the store that freezing needs."""

    def run(self, statement: Statement) -> list[Row]: ...

    def record(self, statement: Statement) -> None:
        """On the writer's handle."""

    def execute(self, statement: Statement) -> None:
        """On a handle of its own."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the store."""

    name: str
    create: str
    """The statement that makes it anew."""
    folder: Path
    """Where its pieces lie."""


def tables(store: Executes) -> list[Table]:
    """The seals come first: a frozen seal must find its rows, which are stored before it, in what is frozen later."""
    text = (
        "SELECT name, create_table_query, data_paths[1] FROM system.tables "
        "WHERE database = currentDatabase() AND engine LIKE '%MergeTree' ORDER BY name != 'seals', name"
    )
    rows = store.run(Statement(text, {}, ("name", "create", "folder")))
    return [Table(str(name), str(create), Path(str(folder))) for name, create, folder in rows]


def place(folder: Path) -> Path:
    """Where the frozen pieces of the store in this folder lie."""
    return folder / "shadow" / NAME


def freeze(store: Executes, folder: Path) -> list[Table]:
    """Freeze every table of the store in this folder; gives them with the folders of their frozen pieces.

    To be called on the writer's thread, so that it comes between two commits.
    """
    thaw(folder)
    frozen = []
    for table in tables(store):
        store.record(Statement(f"ALTER TABLE {table.name} FREEZE WITH NAME '{NAME}'", {}, ()))
        frozen.append(Table(table.name, table.create, place(folder) / table.folder.relative_to(folder)))
    return frozen


def thaw(folder: Path) -> None:
    """Forget the frozen pieces. Idempotent."""
    shutil.rmtree(place(folder), ignore_errors=True)


def pieces(table: Table) -> Iterator[Path]:
    """The folders of a table's pieces; the files in them never change."""
    if table.folder.exists():
        yield from sorted(piece for piece in table.folder.iterdir() if piece.is_dir() and piece.name != "detached")


def rows_of(piece: Path) -> int:
    return int((piece / "count.txt").read_text())


def put_back(store: Executes, creates: Mapping[str, str], brought: Path) -> dict[str, int]:
    """Make tables anew, each from its statement, and move the pieces in `brought/<table>` into them.

    Returns the rows that each has now.
    """
    for name, create in creates.items():
        store.execute(Statement(f"DROP TABLE IF EXISTS {name} SYNC", {}, ()))
        store.execute(Statement(create, {}, ()))
    for table in tables(store):
        for piece in pieces(Table(table.name, table.create, brought / table.name)) if table.name in creates else ():
            piece.rename(table.folder / "detached" / piece.name)
            store.execute(Statement(f"ALTER TABLE {table.name} ATTACH PART '{piece.name}'", {}, ()))
    text = "SELECT table, sum(rows) FROM system.parts WHERE active AND database = currentDatabase() GROUP BY table"
    found = {str(name): int(str(rows)) for name, rows in store.run(Statement(text, {}, ("table", "rows")))}
    return {name: found.get(name, 0) for name in creates}

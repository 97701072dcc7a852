"""All data of a deck at one moment, and a deck made of that.

A backup is begun on the writer's thread, between two commits: the store is frozen (see `store.freezing`), and only then the
directory is copied. So every event acknowledged before is in it and no commit is in it by half. The order matters: whatever an
event needs of the directory was there before the event, and no workspace is ever taken out of the directory; the other way round
an event could be restored whose workspace is not there yet. What the frozen pieces hold is copied at leisure, by the command
line, while the server goes on; then the backup is ended.

A directory in PostgreSQL is not in it: its own tools back it up, for the same reason after this backup and never before.

A restore fills an empty data folder and nothing else. A note in the folder keeps everybody out until it is complete.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from usagedeck import __version__
from usagedeck.archive import FORMAT, Backup, Contents, Manifest, Moved, TableIn, damaged, opened
from usagedeck.deck import RESTORING, Deck, owned, system_clock
from usagedeck.directory.repo import Directory
from usagedeck.errors import Conflict, InvalidInput
from usagedeck.files import write_private
from usagedeck.settings import Settings
from usagedeck.store import freezing, schema
from usagedeck.store.clickhouse import Store
from usagedeck.times import iso

DIRECTORY = "directory.sqlite"
TABLES = "store"
IGNORED = ("lost+found",)
"""What an empty folder may hold: a disk of its own has it."""


class Begun(msgspec.Struct, frozen=True):
    """What is to be copied: files by their names in the backup."""

    contents: Contents
    files: dict[str, str]


def begin(deck: Deck) -> Begun:
    """Hold on to everything as it is now. An earlier backup that was begun and not ended is given up."""
    taken_at = iso(deck.clock())
    copy = freezing.place(deck.settings.store_folder) / DIRECTORY if deck.settings.directory_file else None

    def freeze() -> list[freezing.Table]:
        frozen = freezing.freeze(deck.store, deck.settings.store_folder)
        if copy:
            deck.directory.copy_to(copy)
        return frozen

    files = {DIRECTORY: str(copy)} if copy else {}
    tables: dict[str, TableIn] = {}
    for table in deck.writer.between(freeze).result():
        pieces = list(freezing.pieces(table))
        found = {f"{TABLES}/{table.name}/{p.name}/{file.relative_to(p)}": file for p in pieces for file in _files(p)}
        files |= {name: str(file) for name, file in found.items()}
        rows = sum(map(freezing.rows_of, pieces))
        tables[table.name] = TableIn(table.create, rows, sum(file.stat().st_size for file in found.values()))
    return Begun(Contents(__version__, schema.REVISION, taken_at, tables), files)


def end(deck: Deck) -> None:
    """Let go of what was held. Idempotent."""
    freezing.thaw(deck.settings.store_folder)


def _files(piece: Path) -> list[Path]:
    return sorted(path for path in piece.rglob("*") if path.is_file())


# --- restoring ----------------------------------------------------------------------------------------------------


def restore(settings: Settings, source: Path, counted: Callable[[int], Moved]) -> Manifest:
    """Fill the data folder from a backup. `counted` is told how many bytes there are, and what it gives is told of those copied.

    Raises `Conflict` when there is something in the folder already, or the backup is of a newer release; `InvalidInput` when it
    is damaged. Then nothing stays behind.
    """
    with opened(source) as backup:
        _check_release(backup.manifest)
        _check_directory(settings, backup.manifest)
        places = _places(settings)
        _check_empty(places)
        there = [place.exists() for place in places]
        try:
            with owned(settings.data_dir):
                write_private(settings.data_dir / RESTORING, b"")
                _fill(settings, backup, source, counted(backup.manifest.bytes))
                (settings.data_dir / RESTORING).unlink()
        except BaseException:
            for place, stays in zip(places, there, strict=True):
                _empty(place, stays)
            raise
        return backup.manifest


def _places(settings: Settings) -> list[Path]:
    """What a restore fills: the data folder, and store and directory where they lie elsewhere."""
    return [settings.data_dir, settings.store_folder, *([settings.directory_file] if settings.directory_file else [])]


def _check_directory(settings: Settings, manifest: Manifest) -> None:
    if settings.directory_file and DIRECTORY not in manifest.files:
        raise Conflict(
            "The backup is of a deck whose directory is PostgreSQL's, so it has none in it; restore that one with its own tools "
            "first, and name it with USAGEDECK_DIRECTORY.",
            field="directory",
            code="no_directory",
        )
    if not settings.directory_file and DIRECTORY in manifest.files:
        raise Conflict(
            "The backup has a directory in it and USAGEDECK_DIRECTORY is PostgreSQL's; restore it without that setting.",
            field="directory",
            code="another_directory",
        )


def _check_release(manifest: Manifest) -> None:
    contents = manifest.contents
    newer = _numbers(contents.release) > _numbers(__version__) or contents.store_revision > schema.REVISION
    if newer or manifest.format > FORMAT:
        raise Conflict(
            f"The backup was written by usagedeck {contents.release} and this is {__version__}; restore it with that release "
            "or a newer one.",
            field="SOURCE",
            code="newer_release",
        )


def _numbers(release: str) -> list[int]:
    return [int("".join(filter(str.isdigit, part)) or 0) for part in release.split(".")]


def _check_empty(places: list[Path]) -> None:
    for place in places:
        if place.is_file() or (place.is_dir() and any(path.name not in IGNORED for path in place.iterdir())):
            raise Conflict(
                f"{place} is not empty; a restore never overwrites anything. Name another folder with --data-dir, or move "
                "what is there away.",
                field="data_dir",
                code="not_empty",
            )


def _empty(place: Path, stays: bool) -> None:
    """Back to what it was before: empty or not there."""
    if place.is_dir():
        for path in place.iterdir():
            if path.name not in IGNORED:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if not stays:
            place.rmdir()
    else:
        place.unlink(missing_ok=True)


def _fill(settings: Settings, backup: Backup, source: Path, moved: Moved) -> None:
    """Everything is copied and compared with its checksum before any of it is used."""
    contents = backup.manifest.contents
    directory = settings.directory_file
    brought = settings.store_folder / RESTORING
    for name in backup.manifest.files:
        top, _, rest = name.partition("/")
        if name == DIRECTORY and directory:
            backup.copy(name, directory, moved)
            continue
        if top != TABLES or rest.partition("/")[0] not in contents.tables:
            raise damaged(source, f"{name} belongs to nothing in it")
        backup.copy(name, brought / rest, moved)
    Directory(settings.directory_url, system_clock).close()  # a directory that this release does not know is refused here
    store = Store(settings)
    try:
        rows = freezing.put_back(store, {name: table.create for name, table in contents.tables.items()}, brought)
    finally:
        store.close()
    shutil.rmtree(brought, ignore_errors=True)
    for name, table in contents.tables.items():
        if rows[name] != table.rows:
            raise InvalidInput(f"The backup {source} has {table.rows:,} rows of {name}, but {rows[name]:,} came out of it.")

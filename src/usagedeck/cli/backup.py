"""`usagedeck backup` and `usagedeck restore`: the copying is done here, while a server that runs goes on."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from usagedeck import admin, archive, backup
from usagedeck.cli.common import AsJson, DataDir, ask, print_json, running_server, say, settings_of
from usagedeck.deck import open_deck
from usagedeck.errors import Conflict, NotFound, UsagedeckError
from usagedeck.settings import Settings

LOCK = "backup.lock"
"""In the data folder; held while a backup is taken."""

Target = Annotated[
    Path, typer.Argument(metavar="TARGET", help="File (when its name ends in .tar) or folder to write; must not exist.")
]
Source = Annotated[Path, typer.Argument(metavar="SOURCE", help="File or folder that `usagedeck backup` wrote.")]


def backup_command(target: Target, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Write all data into a file or folder. A server may run and take events meanwhile.

    What is in it is what was acknowledged when it began. It holds secrets, so only its owner can read it.
    """
    settings = settings_of(data_dir=data_dir)
    if not settings.data_dir.is_dir():
        raise NotFound(f"There is no data folder {settings.data_dir}; name it with --data-dir.", field="data_dir")
    if target.exists():
        raise Conflict(f"{target} exists already; name a new file or folder.", field="TARGET", code="already_exists")
    with _alone(settings), _begun(settings) as begun:
        files = {name: Path(path) for name, path in begun.files.items()}
        with _progress() as counted:
            manifest = archive.write(target, begun.contents, files, counted)
    _summarise(manifest, f"Everything up to {manifest.contents.taken_at} is in [bold]{escape(str(target))}[/]", as_json)
    if not settings.directory_file and not as_json:
        say.print("But for the directory: it is PostgreSQL's. Back it up now, with its own tools (pg_dump).", soft_wrap=True)


def restore_command(source: Source, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Fill an empty data folder from a backup. Nothing is ever overwritten; a damaged backup is refused as a whole."""
    settings = settings_of(data_dir=data_dir)
    with _progress() as counted:
        manifest = backup.restore(settings, source, counted)
    with open_deck(settings):
        pass  # brings what an older release wrote to today's shape, and shows that it opens
    where = f"[bold]{escape(str(settings.data_dir))}[/] holds everything up to {manifest.contents.taken_at}"
    _summarise(manifest, where, as_json)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    with (settings.data_dir / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict("Another backup of this data folder is being taken; wait for it.", field="data_dir") from None
        yield


@contextmanager
def _begun(settings: Settings) -> Iterator[backup.Begun]:
    """What is to be copied, held still until we are done with it: by the server that runs, or by ourselves."""
    if running := running_server(settings):
        try:
            yield msgspec.convert(ask(running, "/operator/command", admin.encode(admin.BeginBackup())), backup.Begun)
        finally:
            with suppress(UsagedeckError):  # a server that went away lets go of it when it starts
                ask(running, "/operator/command", admin.encode(admin.EndBackup()))
        return
    with open_deck(settings) as deck:
        try:
            yield backup.begin(deck)
        finally:
            backup.end(deck)


@contextmanager
def _progress() -> Iterator[Callable[[int], Callable[[int], None]]]:
    """A bar that begins when it is known how many bytes there are."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=say, transient=True, disable=not say.is_terminal) as bar:

        def begun(total: int) -> Callable[[int], None]:
            task = bar.add_task("copying", total=total)
            return lambda count: bar.advance(task, count)

        yield begun


def _summarise(manifest: archive.Manifest, sentence: str, as_json: bool) -> None:
    contents = manifest.contents
    rows = {name: table.rows for name, table in contents.tables.items()}
    if as_json:
        print_json({"taken_at": contents.taken_at, "release": contents.release, "bytes": manifest.bytes, "rows": rows})
        return
    say.print(f"{sentence}: {manifest.bytes:,} bytes.", soft_wrap=True)

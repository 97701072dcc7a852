"""`usagedeck import`: files into a stopped server, a running one, or one elsewhere."""

import csv
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol
from urllib.parse import quote, urlsplit

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from usagedeck.cli.common import AsJson, DataDir, print_json, running_server, say, settings_of
from usagedeck.cli.opening import STDIN, Source, check, opened, source_name
from usagedeck.cli.sending import Sender
from usagedeck.deck import open_deck
from usagedeck.errors import InvalidInput, UsagedeckError, did_you_mean
from usagedeck.importing import Here, Import, Send, Tally, here
from usagedeck.readers.accesslog import COLUMNS
from usagedeck.readers.formats import COLUMN_READERS, READERS, Format
from usagedeck.readers.mapping import ALIASES, Plan
from usagedeck.readers.rows import Refusal, RowIds
from usagedeck.settings import Settings
from usagedeck.table import FORMULA_STARTS

SHOWN = 20
"""Refused rows that are printed when no report is asked for."""

ALL_TAKEN, SOME_REFUSED, NONE_TAKEN, INTERRUPTED = 0, 1, 2, 130

_AUTO = "auto"
_REPORT = ("file", "line", "id", "code", "field", "message")
_ALSO = "; ".join(
    f"{field}: {', '.join(c for c, f in ALIASES.items() if f == field)}" for field in dict.fromkeys(ALIASES.values())
)

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Files to import; - is standard input.", show_default=False)]
Workspace = Annotated[
    str | None, typer.Option("--workspace", "-w", help="Workspace id. Needed unless --server is given.", show_default=False)
]
Form = Annotated[
    str,
    typer.Option(
        "--format",
        metavar=f"{_AUTO}|{'|'.join(Format)}",
        help="Format of the files; auto looks at name and content. common and combined are access logs.",
    ),
]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="FIELD=COLUMN",
        help="The column of a field; attributes.KEY is a field too. A column named here goes nowhere else. Columns named like a "
        f"field need none, nor do other common names ({_ALSO}). Access logs have the columns {', '.join(COLUMNS)}. "
        "JSON is taken as it stands except for what is mapped, set or ignored.",
        show_default=False,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Give every row a value, such as kind=delivery.", show_default=False),
]
Ignore = Annotated[list[str] | None, typer.Option("--ignore", metavar="COLUMN", help="Leave a column out.", show_default=False)]
TimeZone = Annotated[
    str,
    typer.Option(help="IANA zone of times without an offset. An hour that a clock change repeats is taken for its first run."),
]
SourceName = Annotated[
    str | None,
    typer.Option(
        "--source",
        help="Name of where the rows come from, part of the ids of rows without one. Keep it the same to import a file again "
        "under another name.",
        show_default="name of the file, or stdin",
    ),
]
RejectReport = Annotated[
    Path | None,
    typer.Option(help=f"CSV file for all refused rows; the first {SHOWN} are printed otherwise.", show_default=False),
]
Server = Annotated[str | None, typer.Option(help="Address of a server elsewhere.", show_default=False)]
Key = Annotated[str | None, typer.Option(envvar="USAGEDECK_API_KEY", help="API key for --server.", show_default=False)]


@dataclass
class Imported:
    """What became of one file."""

    file: str
    format: Format | None = None
    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    error: str | None = None


class Rejects(Protocol):
    """Where refused rows are told."""

    def __call__(self, file: str, refusal: Refusal) -> None: ...


def import_command(
    files: Files,
    workspace: Workspace = None,
    form: Form = _AUTO,
    maps: Map = None,
    constants: Set = None,
    ignored: Ignore = None,
    time_zone: TimeZone = "UTC",
    source: SourceName = None,
    reject_report: RejectReport = None,
    server: Server = None,
    key: Key = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Import NDJSON, CSV, TSV, Parquet and access logs, also gzip and zstd.

    They go into the data folder, through its server if one is running, or to a server elsewhere.

    Importing again changes nothing: rows without an id get the same one each time.

    Exit status: 0 all rows taken, 1 some refused, 2 none taken.
    """
    started = time.monotonic()
    done: list[Imported] = []
    try:
        plan = Plan.parse(maps or (), constants or (), ignored or (), time_zone)
        _check(files, source, reject_report)
        told = _format(form)
        with ExitStack() as stack:
            rejects = stack.enter_context(_report(reject_report) if reject_report else _screen())
            send = stack.enter_context(_taker(settings_of(data_dir=data_dir), workspace, server, key))
            stopped = _import_all(files, done, lambda file, one: _import_one(file, one, told, plan, source, send, rejects))
    except UsagedeckError as error:
        _say_error(error.message)
        raise typer.Exit(NONE_TAKEN) from None
    _summarise(done, time.monotonic() - started, as_json=as_json)
    if stopped:
        say.print("Stopped. Run the same command again to complete it; what was taken is not counted twice.", soft_wrap=True)
    raise typer.Exit(INTERRUPTED if stopped == "interrupted" else _status(done))


# --- one file after the other -------------------------------------------------------------------------------------


def _format(name: str) -> Format | None:
    if name == _AUTO:
        return None
    if name not in list(Format):
        raise InvalidInput(f'--format "{name[:40]}" is unknown; {did_you_mean(name, [_AUTO, *Format])}', field="--format")
    return Format(name)


def _check(files: list[str], source: str | None, report: Path | None) -> None:
    """Raises `InvalidInput` before anything is imported."""
    names = [source or source_name(file) for file in files]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidInput(
            f'Two files would be the same source "{twice[0]}", so equal rows of both would count once. Import them singly, '
            "each with its own --source.",
            field="--source",
        )
    for file in files:
        check(file)
        if report and report.exists() and file != STDIN and report.samefile(file):
            raise InvalidInput(f"The reject report would overwrite {file}; name another file.", field="--reject-report")


def _import_all(files: list[str], done: list[Imported], one: Callable[[str, Imported], None]) -> str:
    """What stopped it, if anything. A broken file does not keep the next one; a server that fails does."""
    for file in files:
        done.append(Imported(file))
        try:
            one(file, done[-1])
        except KeyboardInterrupt:
            done[-1].error = "interrupted"
            return done[-1].error
        except UsagedeckError as error:
            done[-1].error = error.message
            _say_error(f"{file}: {error.message}")
            if not isinstance(error, InvalidInput):
                return error.code
    return ""


def _import_one(
    file: str, done: Imported, told: Format | None, plan: Plan, source: str | None, send: Send, rejects: Rejects
) -> None:
    with opened(file, told) as found:
        if found is None:
            raise InvalidInput("The file is empty.")
        done.format = found.format
        with _progress(file, found) as moved:
            work = Import(send, lambda refusal: rejects(file, refusal), moved)
            try:
                readers = {**READERS, **(COLUMN_READERS if isinstance(send, Here) else {})}
                work.run(readers[found.format](found.stream, plan, RowIds(source or source_name(file))))
            finally:
                tally = work.tally
                done.rows, done.accepted, done.rejected = tally.rows, tally.accepted, tally.rejected
        if not done.rows:
            raise InvalidInput("The file has no rows.")


@contextmanager
def _taker(settings: Settings, workspace: str | None, server: str | None, key: str | None) -> Iterator[Send]:
    if server is not None:
        if workspace is not None:
            raise InvalidInput("With --server the key says which workspace it is; leave --workspace out.", field="--workspace")
        if not key:
            raise InvalidInput("--server needs an API key: --key or USAGEDECK_API_KEY.", field="--key")
        if urlsplit(server).scheme not in ("http", "https") or not urlsplit(server).hostname:
            raise InvalidInput(
                f'--server "{server[:100]}" is no address; it looks like https://usage.example.com.', field="--server"
            )
        with Sender(f"{server.rstrip('/')}/v1/events", {"xi-api-key": key}) as sender:
            yield sender
    elif workspace is None:
        raise InvalidInput("--workspace is missing; `usagedeck workspace list` shows them.", field="--workspace")
    elif running := running_server(settings):
        path = f"/operator/events/{quote(workspace, safe='')}"
        with Sender(running.url + path, {"authorization": f"Bearer {running.token}"}) as sender:
            yield sender
    else:
        with open_deck(settings) as deck:
            yield here(deck, workspace)


# --- what the user sees -------------------------------------------------------------------------------------------


@contextmanager
def _progress(file: str, source: Source) -> Iterator[Callable[[Tally], None]]:
    """A bar by the bytes that were read, when somebody is looking."""
    started = time.monotonic()
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} rows, {task.fields[pace]:,}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=say, transient=True, disable=not say.is_terminal) as bar:
        task = bar.add_task(Path(file).name, total=source.size, rows=0, pace=0)

        def moved(tally: Tally) -> None:
            pace = round(tally.rows / max(time.monotonic() - started, 0.001))
            bar.update(task, completed=source.position(), rows=tally.rows, pace=pace)

        yield moved


@contextmanager
def _report(path: Path) -> Iterator[Rejects]:
    """Refused rows as CSV. Raises `InvalidInput` when it cannot be written."""
    try:
        file = path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.", field="--reject-report") from None
    with file:
        writer = csv.writer(file)
        writer.writerow(_REPORT)

        def told(file: str, refusal: Refusal) -> None:
            row = (file, refusal.number, refusal.id or "", refusal.code, refusal.field or "", refusal.message)
            writer.writerow("'" + cell if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell for cell in row)

        yield told


@contextmanager
def _screen() -> Iterator[Rejects]:
    """The first refused rows as lines; the others are counted."""
    count = 0

    def told(file: str, refusal: Refusal) -> None:
        nonlocal count
        count += 1
        if count <= SHOWN:
            say.print(Text(_visible(f"{file}:{refusal.number}: {refusal.message} [{refusal.code}]")), soft_wrap=True)

    yield told
    if count > SHOWN:
        say.print(f"… and {count - SHOWN:,} more; --reject-report FILE lists them all.")


def _visible(text: str) -> str:
    """Text of a file as it can be shown: what would steer the terminal is spelt out."""
    return "".join(ch if ch.isprintable() else ascii(ch)[1:-1] for ch in text)


def _say_error(message: str) -> None:
    lines = "\n".join(_visible(line) for line in message.splitlines())
    say.print(f"[red]error:[/] {escape(lines)}", soft_wrap=True)


def _summarise(done: list[Imported], seconds: float, *, as_json: bool) -> None:
    rows = sum(one.rows for one in done)
    accepted, rejected = sum(one.accepted for one in done), sum(one.rejected for one in done)
    if as_json:
        files: list[dict[str, Any]] = [asdict(one) for one in done]
        print_json({"files": files, "rows": rows, "accepted": accepted, "rejected": rejected, "seconds": round(seconds, 3)})
        return
    if not accepted + rejected:
        return
    for one in done if len(done) > 1 else []:
        say.print(Text(f"{_visible(one.file)}: {one.accepted:,} taken, {one.rejected:,} refused"), soft_wrap=True)
    pace = round((accepted + rejected) / max(seconds, 0.001))
    say.print(
        f"{accepted:,} {'row' if accepted == 1 else 'rows'} taken, {rejected:,} refused, in {seconds:.1f} s ({pace:,} rows/s)."
    )


def _status(done: list[Imported]) -> int:
    if not any(one.accepted for one in done):
        return NONE_TAKEN
    return SOME_REFUSED if any(one.rejected or one.error for one in done) else ALL_TAKEN

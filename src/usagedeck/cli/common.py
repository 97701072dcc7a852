"""What the commands share: settings from options, output, and the way to a running server."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

import httpx2
import msgspec
import structlog
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from usagedeck import admin
from usagedeck.deck import SERVER_FILE, is_open, open_deck
from usagedeck.errors import Conflict, InvalidInput, NotFound, StorageFull, StoreFailed, TooBusy
from usagedeck.settings import Settings
from usagedeck.web.server import Running

say = Console(stderr=True, highlight=False)

DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Folder of the data.", show_default="usagedeck-data")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]
ANSWER_SECONDS = 120
"""How long a server may take to carry out a command, unless it is said otherwise."""

PATIENCE = 120
"""Seconds for which a busy server is asked again."""

WorkspaceId = Annotated[str, typer.Option("--workspace", "-w", help="Workspace id.")]


def settings_of(**given: Any) -> Settings:
    """Settings from the environment, overridden by the options that were given."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise InvalidInput(f"Setting {name}: {first['msg']}.", field=name) from None


def print_json(content: Mapping[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode(content).decode() + "\n")
    sys.stdout.flush()


def carry_out(settings: Settings, command: admin.AnyCommand, *, seconds: int | None = ANSWER_SECONDS) -> dict[str, Any]:
    """Do a command here, or hand it to the server that owns the data, which has so many seconds to answer."""
    checked = _checked(command)
    with hands(settings, seconds) as do:
        return do(checked)


def _checked(command: admin.AnyCommand) -> admin.AnyCommand:
    try:
        checked: admin.AnyCommand = admin.decode(admin.encode(command))  # decoding is what checks
    except msgspec.ValidationError as error:
        raise InvalidInput(f"The command cannot be carried out: {error}.") from None
    return checked


@contextmanager
def hands(settings: Settings, seconds: int | None = ANSWER_SECONDS) -> Iterator[Callable[[admin.AnyCommand], dict[str, Any]]]:
    """What does one command after another: the server that owns the data, or we ourselves, with the data open meanwhile."""
    if running := running_server(settings):
        yield lambda command: ask(running, "/operator/command", admin.encode(command), seconds)
        return
    with open_deck(settings) as deck:
        yield lambda command: admin.perform(deck, command)


def running_server(settings: Settings) -> Running | None:
    """The server that has the data folder open, if there is one. What a killed server left behind is not believed."""
    if not is_open(settings.data_dir):
        return None
    try:
        return msgspec.json.decode((settings.data_dir / SERVER_FILE).read_bytes(), type=Running)
    except (OSError, msgspec.MsgspecError):
        return None


def ask(running: Running, path: str, content: bytes, seconds: int | None = ANSWER_SECONDS) -> dict[str, Any]:
    """One call of the running server's operator door; its refusals become ours. While it is busy it is asked again."""
    headers = {"authorization": f"Bearer {running.token}"}
    waited = 0
    while True:
        try:
            response = httpx2.post(running.url + path, content=content, headers=headers, timeout=seconds)
        except httpx2.HTTPError as error:
            raise Conflict(
                f"The server of this data folder does not answer at {running.url}: {error}.", field="data_dir"
            ) from None
        if response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
            break
        pause = int(response.headers["retry-after"])
        waited += pause
        if waited > PATIENCE:
            raise TooBusy(str(response.json()["detail"]), retry_after=pause)
        time.sleep(pause)
    answer: dict[str, Any] = response.json()
    if response.is_error:
        kind = {404: NotFound, 409: Conflict, 500: StoreFailed, 507: StorageFull}.get(response.status_code, InvalidInput)
        raise kind(str(answer.get("detail", response.text)), field=answer.get("field"), code=str(answer.get("code")))
    return answer


def set_up_logs() -> None:
    level = logging.INFO if sys.stderr.isatty() else logging.WARNING
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("usagedeck").setLevel(level)
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
    )


def print_table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    table = Table(*columns, box=None)
    for row in rows:
        cells = (row[column] for column in columns)
        table.add_row(*(", ".join(c) if isinstance(c, list) else "" if c is None else str(c) for c in cells))
    Console(highlight=False, markup=False).print(table)

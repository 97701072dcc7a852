"""The command line: start the server, try the demo, import files, ask questions, and do what an operator does.

While a server runs, the data belongs to it; commands are then handed to it, so they work either way. A command's module is loaded
when the command is asked for: a server that starts does not wait for what reads Parquet, and `usagedeck version` for nothing.
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from typer.core import TyperGroup
from typer.main import get_command, get_group

from usagedeck import __version__
from usagedeck.errors import Conflict, InvalidInput, UsagedeckError, did_you_mean

_PLACES: Mapping[str, tuple[str, str]] = {
    "serve": ("serving", "serve_command"),
    "import": ("importing", "import_command"),
    "query": ("asking", "query_command"),
    "log": ("asking", "log_command"),
    "demo": ("demo", "demo_command"),
    "backup": ("backup", "backup_command"),
    "restore": ("backup", "restore_command"),
    "doctor": ("doctor", "doctor_command"),
    "verify": ("verify", "verify_command"),
    "explain": ("explain", "explain_command"),
    "erase": ("erasing", "erase_command"),
    "workspace": ("operate", "workspace_app"),
    "user": ("operate", "user_app"),
    "invitation": ("inviting", "invitation_app"),
    "key": ("operate", "key_app"),
    "operator-key": ("operate", "operator_key_app"),
    "limit": ("limits", "limit_app"),
}
"""Where each command, or group of commands, is: module of this package, name in it."""


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return [*_PLACES, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if command := super().get_command(ctx, cmd_name):
            return command
        if cmd_name not in _PLACES:
            raise InvalidInput(f'There is no command "{cmd_name}"; {did_you_mean(cmd_name, self.list_commands(ctx))}')
        module, name = _PLACES[cmd_name]
        with _no_collecting():
            found = getattr(import_module(f"{__name__}.{module}"), name)
        if isinstance(found, typer.Typer):
            command = get_group(found)
        else:
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(cmd_name)(found)
            command = get_command(alone)
        command.name = cmd_name
        return command


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Modules are made of objects that stay; looking among them for garbage, again and again, is a tenth of their loading."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


app = typer.Typer(
    cls=_Commands,
    help="The Developers page for any metered API: usage, analytics, request log, export.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _every() -> None:
    """There are several commands, although only one of them is in this module."""


@app.command()
def version() -> None:
    """Print the release."""
    typer.echo(__version__)


def main() -> None:
    """Entry point: our own errors are sentences, not tracebacks."""
    try:
        app()
    except UsagedeckError as error:
        Console(stderr=True, highlight=False).print(f"[red]error:[/] {escape(error.message)}", soft_wrap=True)
        raise SystemExit(2 if isinstance(error, InvalidInput | Conflict) else 1) from None

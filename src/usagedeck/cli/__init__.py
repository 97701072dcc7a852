"""The command line: start the server, try the demo, import files, ask questions, and do what an operator does.

While a server runs, the data belongs to it; commands are then handed to it, so they work either way.
"""

import typer
from rich.markup import escape

from usagedeck import __version__
from usagedeck.cli.asking import log_command, query_command
from usagedeck.cli.backup import backup_command, restore_command
from usagedeck.cli.common import say
from usagedeck.cli.demo import demo_command
from usagedeck.cli.doctor import doctor_command
from usagedeck.cli.erasing import erase_command
from usagedeck.cli.explain import explain_command
from usagedeck.cli.importing import import_command
from usagedeck.cli.operate import key_app, operator_key_app, user_app, workspace_app
from usagedeck.cli.serving import serve_command
from usagedeck.cli.verify import verify_command
from usagedeck.errors import Conflict, InvalidInput, UsagedeckError

app = typer.Typer(
    help="The Developers page for any metered API: usage, analytics, request log, export.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve_command)
app.command("import")(import_command)
app.command("query")(query_command)
app.command("log")(log_command)
app.command("demo")(demo_command)
app.command("backup")(backup_command)
app.command("restore")(restore_command)
app.command("doctor")(doctor_command)
app.command("verify")(verify_command)
app.command("explain")(explain_command)
app.command("erase")(erase_command)
app.add_typer(workspace_app, name="workspace")
app.add_typer(user_app, name="user")
app.add_typer(key_app, name="key")
app.add_typer(operator_key_app, name="operator-key")


@app.command()
def version() -> None:
    """Print the release."""
    typer.echo(__version__)


def main() -> None:
    """Entry point: our own errors are sentences, not tracebacks."""
    try:
        app()
    except UsagedeckError as error:
        say.print(f"[red]error:[/] {escape(error.message)}", soft_wrap=True)
        raise SystemExit(2 if isinstance(error, InvalidInput | Conflict) else 1) from None

"""`usagedeck serve`."""

from typing import Annotated

import typer
from rich.markup import escape

from usagedeck import __version__
from usagedeck.cli.common import AsJson, DataDir, print_json, say, set_up_logs, settings_of
from usagedeck.deck import open_deck
from usagedeck.web.server import bind, serve

Host = Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.", show_default="8787")]


def serve_command(data_dir: DataDir = None, host: Host = None, port: Port = None, as_json: AsJson = False) -> None:
    """Start the server."""
    settings = settings_of(data_dir=data_dir, host=host, port=port)
    set_up_logs()
    with bind(settings) as listener, open_deck(settings) as deck:
        empty = not deck.directory.workspaces.all()

        def ready(url: str) -> None:
            if as_json:
                print_json({"url": url})
                return
            folder = escape(str(settings.data_dir))
            say.print(f"[bold]usagedeck {__version__}[/] serves {folder} at [bold]{url}[/]")
            if empty:
                say.print("There is no workspace yet. In another terminal:")
                say.print(f"  usagedeck workspace create acme --data-dir {folder}")
                say.print(f"  usagedeck user add you@example.com -w <workspace id> --role owner --data-dir {folder}")

        serve(deck, listener, ready)

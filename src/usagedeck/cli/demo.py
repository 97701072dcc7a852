"""`usagedeck demo`: lifelike data to look around in."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from usagedeck import __version__
from usagedeck.cli.common import AsJson, print_json, say, set_up_logs, settings_of
from usagedeck.cli.serving import Host, Port
from usagedeck.deck import open_deck
from usagedeck.demo.companies import PLAIN_MEMBER
from usagedeck.demo.setup import DAYS, Demo
from usagedeck.demo.trickle import Trickle
from usagedeck.web.server import bind, serve

Step = Callable[[str], Callable[[float], None]]
"""Begins a step with a title; gives what is to be told the part that is done."""


def demo_command(
    data_dir: Annotated[Path, typer.Option(help="Folder of the demo's data; made when it is not there.")] = Path(
        "usagedeck-demo"
    ),
    host: Host = None,
    port: Port = None,
    trickle: Annotated[bool, typer.Option("--trickle/--no-trickle", help="Keep new requests coming while it runs.")] = True,
    days: Annotated[int, typer.Option(min=1, max=365, help="Days of traffic to begin with.")] = DAYS,
    as_json: AsJson = False,
) -> None:
    """Serve a demo: three made-up companies with lifelike traffic."""
    settings = settings_of(data_dir=data_dir, host=host, port=port)
    set_up_logs()
    signal.signal(signal.SIGTERM, _stop)
    with bind(settings) as listener, open_deck(settings) as deck:
        demo = Demo(deck, days)
        with _steps() as step:
            demo.furnish(step("Three companies, their people and keys"))
            demo.catch_up(step(f"{days} {'day' if days == 1 else 'days'} of requests and webhook deliveries"))
        demo.catch_up()  # what has come up meanwhile
        demo.save()

        def ready(url: str) -> None:
            notes = demo.notes
            if as_json:
                print_json(
                    {
                        "url": url,
                        "workspace_id": notes.workspace_id,
                        "api_key": notes.api_key,
                        "email": notes.email,
                        "password": notes.password,
                    }
                )
                return
            lines = (
                f"\n[bold]usagedeck {__version__}[/] serves the demo at [bold]{url}[/]\n",
                f"  sign in as   {notes.email}",
                f"  password     {notes.password}",
                f"  API key      {notes.api_key}",
                f"  workspace    {notes.workspace_id}\n",
                f"With the same password {PLAIN_MEMBER} sees only her own usage.",
                f"{'New requests keep coming. ' if trickle else ''}Ctrl-C stops it; the data stays in {settings.data_dir}.",
            )
            say.print("\n".join(lines), soft_wrap=True)

        with Trickle(demo) if trickle else nullcontext():
            serve(deck, listener, ready)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    """Leave in good order while the data is being made; the server brings its own."""
    raise SystemExit(0)


@contextmanager
def _steps() -> Iterator[Step]:
    """Bars on a terminal; a line for every quarter elsewhere. Both on stderr."""
    if not say.is_terminal:
        yield _lines
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=say) as bars:

        def begin(title: str) -> Callable[[float], None]:
            bar = bars.add_task(title, total=1.0)
            return lambda done: bars.update(bar, completed=done)

        yield begin


def _lines(title: str) -> Callable[[float], None]:
    said = -1

    def tell(done: float) -> None:
        nonlocal said
        if (quarter := int(done * 4)) > said:
            said = quarter
            say.print(f"{title}: {quarter * 25} %")

    return tell

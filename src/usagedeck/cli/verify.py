"""`usagedeck verify`: asks for one comparison after another, and adds up what they say."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from usagedeck import admin, verify
from usagedeck.cli.common import AsJson, DataDir, hands, print_json, print_table, say, settings_of
from usagedeck.errors import NotFound

SAMPLE_SECONDS = 5
"""How long a sample takes."""

MOST_SHOWN = 100


def verify_command(
    everything: Annotated[bool, typer.Option("--all", help="Compare everything; takes about as long as sealing it did.")] = False,
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", help="Only of this workspace.")] = None,
    unseal: Annotated[
        bool, typer.Option("--unseal", help="Take away the seals of what differs in rollups, so that it is computed anew.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Prove the numbers: rollups against events, breakdowns, totals, logs and CSV against each other, bodies against events.

    Without --all a random sample of days, for some seconds. Exit status: 0 no difference, 1 there are some.
    """
    settings = settings_of(data_dir=data_dir)
    if not settings.data_dir.is_dir():
        raise NotFound(f"There is no data folder {settings.data_dir}; name it with --data-dir.", field="data_dir")
    whole = verify.Outcome()
    with hands(settings) as do:
        planned = do(admin.PlanVerification(everything=everything, workspace=workspace))["tasks"]
        tasks = msgspec.convert(planned, list[verify.Task])
        done = 0
        with _progress(len(tasks) if everything else None) as step:
            until = time.monotonic() + SAMPLE_SECONDS
            for task in tasks:
                _add(whole, msgspec.convert(do(admin.Verify(task=task, unseal=unseal)), verify.Outcome))
                done += 1
                step()
                if not everything and time.monotonic() >= until:
                    break
    different = sum(whole.different.values())
    if as_json:
        print_json(msgspec.to_builtins(whole) | {"everything": everything, "tasks": done})
    else:
        _show(whole, different)
    raise typer.Exit(1 if different else 0)


def _add(whole: verify.Outcome, part: verify.Outcome) -> None:
    for sums, counts in ((whole.compared, part.compared), (whole.different, part.different)):
        for check, count in counts.items():
            sums[check] = sums.get(check, 0) + count
    whole.differences += part.differences[: MOST_SHOWN - len(whole.differences)]
    whole.moved += part.moved
    whole.unsealed += part.unsealed


@contextmanager
def _progress(total: int | None) -> Iterator[Callable[[], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=say, transient=True, disable=not say.is_terminal) as bar:
        task = bar.add_task("comparing", total=total)
        yield lambda: bar.advance(task)


def _show(whole: verify.Outcome, different: int) -> None:
    rows: list[dict[str, Any]] = [
        {"check": check, "numbers compared": count, "different": whole.different.get(check, 0)}
        for check, count in sorted(whole.compared.items())
    ]
    if rows:
        print_table(rows, ("check", "numbers compared", "different"))
    for one in whole.differences:
        says = f"{one.held}, and {one.counted} was counted"
        typer.echo(f"{one.check}: {one.number} of {one.workspace} at {one.where} is {says}")
    if whole.moved:
        say.print(f"{whole.moved} windows were written to all the time and are left out; verify again for those.")
    if whole.unsealed:
        say.print(f"{whole.unsealed} cells were unsealed; they are computed anew while the server runs.")
    colour = "red" if different else "green"
    compared = sum(whole.compared.values())
    say.print(f"[{colour}]{escape(f'{compared:,} numbers compared, {different:,} different.')}[/]")

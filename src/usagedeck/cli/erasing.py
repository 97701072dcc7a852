"""`usagedeck erase`."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from usagedeck import admin
from usagedeck.catalog.dimensions import Label
from usagedeck.cli.common import AsJson, DataDir, WorkspaceId, carry_out, print_json, running_server, say, settings_of
from usagedeck.errors import InvalidInput

NO_LIMIT = None
"""An erasure takes as long as it takes."""


def erase_command(
    workspace: WorkspaceId,
    user: Annotated[str | None, typer.Option(help="The user_id to erase, and the keys that it owns.")] = None,
    key: Annotated[str | None, typer.Option(help="The api_key_id to erase.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Erase a user or a key from a workspace, for good. All sums stay the same.

    Run it again at any time: it completes what was cut short, and searches again.

    Exit status: 0 nothing is left, 1 something is left, or other texts mention the id.
    """
    if (user is None) == (key is None):
        raise InvalidInput("Say either --user ID or --key ID.", field="user")
    settings = settings_of(data_dir=data_dir)
    kind, id_ = (Label.USER, user) if user is not None else (Label.API_KEY, key)
    command = admin.Erase(workspace=workspace, kind=kind, id=id_ or "")
    receipt = carry_out(settings, command, seconds=NO_LIMIT)
    if not receipt["finished_at"] and running_server(settings) is None:
        # nobody asks, so nothing has to wait for a question to end; a user's keys are known to the first search only
        receipt = carry_out(settings, command, seconds=NO_LIMIT) | {"mentions": receipt["mentions"]}
    if as_json:
        print_json(receipt)
    else:
        _show(receipt)
    raise typer.Exit(0 if receipt["finished_at"] and not receipt["mentions"] else 1)


def _show(receipt: dict[str, Any]) -> None:
    found, left, then = receipt["found"], receipt["left"], receipt["rollup_rows_go_at"]
    for line in (
        f"blanked      {found['requests']:,} requests, {found['deliveries']:,} deliveries",
        f"off the disk {found['copies']:,} rows of events, {found['rollup_rows']:,} of rollups, {found['names']:,} names, "
        f"headers and bodies of {found['exchanges']:,} events",
        f"replaced     {', '.join(receipt['replaced'])}",
        f"cleared      {', '.join(receipt['cleared'])}",
        f"left         {left['events']:,} events, {left['rollup_rows']:,} rows of rollups, {left['names']:,} names, "
        f"headers and bodies of {left['exchanges']:,} events",
    ):
        typer.echo(line)
    if then:
        say.print(
            f"Questions that began before may still read rows of rollups; the server deletes those at {then}. Run this again "
            "then to see that nothing is left.",
            soft_wrap=True,
        )
    for one in receipt["mentions"]:
        say.print(
            f"[yellow]mentioned:[/] {escape(one['where'])} of {one['rows']:,} rows holds the id in its text", soft_wrap=True
        )
    if receipt["old_pieces"]:
        say.print(
            f"{receipt['old_pieces']:,} pieces were replaced; the engine removes them within about ten minutes.", soft_wrap=True
        )
    if receipt["finished_at"]:
        say.print(f"Erased at {receipt['finished_at']}.")

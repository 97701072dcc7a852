"""`usagedeck limit`: how usage limits stand, and setting them."""

from typing import Annotated

import typer
from rich.markup import escape

from usagedeck import admin
from usagedeck.cli.asking import As, Format, Key, ScopeOf, Url, Workspace, answer, piped
from usagedeck.cli.common import AsJson, DataDir, WorkspaceId, carry_out, print_json, say, settings_of
from usagedeck.cli.reaching import reach
from usagedeck.errors import InvalidInput
from usagedeck.meters import Kind

limit_app = typer.Typer(help="Usage limits: credits a billing period.", no_args_is_help=True)


@limit_app.command("list")
def limit_list(
    kinds: Annotated[list[Kind] | None, typer.Option("--kind", help="Only these; may be repeated.")] = None,
    ids: Annotated[list[str] | None, typer.Option("--id", help="Only those of these; may be repeated.")] = None,
    scope: ScopeOf = None,
    form: As = Format.TABLE,
    workspace: Workspace = None,
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
) -> None:
    """Print the limits and what was used of them in this billing period."""
    with piped(), reach(settings_of(data_dir=data_dir), workspace, url, key) as api:
        answer(api, "limits", {"kind": [*(kinds or ())], "id": ids, "scope": scope}, form)


@limit_app.command("set")
def limit_set(
    kind: Annotated[Kind, typer.Argument(help="Whose limit: member stands for service accounts too.")],
    workspace: WorkspaceId,
    id_: Annotated[str | None, typer.Option("--id", help="Id of the key, member or group.")] = None,
    credits_: Annotated[int | None, typer.Option("--credits", min=0, help="Credits a billing period.")] = None,
    none: Annotated[bool, typer.Option("--none", help="No limit any more.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Set the credits that a key, a member, a group or the workspace may use in a billing period."""
    if none == (credits_ is not None):
        raise InvalidInput("Say either --credits N or --none.", field="credits")
    done = carry_out(
        settings_of(data_dir=data_dir), admin.SetLimit(workspace=workspace, kind=kind, id=id_, credit_limit=credits_)
    )
    if as_json:
        print_json(done)
    else:
        what = "no limit" if credits_ is None else f"a limit of {credits_:,} credits a billing period"
        say.print(f"{kind.capitalize()} [bold]{escape(done['id'])}[/] has {what}.")

"""`usagedeck invitation`: links by which people join a workspace."""

from typing import Annotated

import typer
from rich.markup import escape

from usagedeck import admin
from usagedeck.access import Role
from usagedeck.cli.common import AsJson, DataDir, WorkspaceId, carry_out, print_json, print_table, say, settings_of

invitation_app = typer.Typer(help="Links by which people join a workspace.", no_args_is_help=True)


@invitation_app.command("create")
def invitation_create(
    email: Annotated[str, typer.Argument(help="E-mail address of whom to invite.")],
    workspace: WorkspaceId,
    role: Annotated[Role, typer.Option(help="Owners and admins see the whole workspace.")] = Role.MEMBER,
    full_read: Annotated[bool, typer.Option("--full-read", help="Let a member see the whole workspace.")] = False,
    group: Annotated[list[str] | None, typer.Option(help="Id of a group they will be in; may be said again.")] = None,
    credit_limit: Annotated[int | None, typer.Option(min=0, help="Credits they may use in a billing period.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make a link by which somebody joins, good once. It is shown once; a former one to the same address works no more."""
    command = admin.CreateInvitation(
        workspace=workspace, email=email, role=role, full_read=full_read, groups=group or [], credit_limit=credit_limit
    )
    made = carry_out(settings_of(data_dir=data_dir), command)
    if as_json:
        print_json(made)
        return
    say.print(
        f"[bold]{escape(made['email'])}[/] may join {made['workspace_id']} as {made['role']} until {made['expires_at']}, "
        "by this link, shown only now:",
        soft_wrap=True,
    )
    typer.echo(made["link"])


@invitation_app.command("list")
def invitation_list(workspace: WorkspaceId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the invitations of a workspace."""
    found = carry_out(settings_of(data_dir=data_dir), admin.ListInvitations(workspace=workspace))
    if as_json:
        print_json(found)
    else:
        print_table(found["invitations"], ("id", "email", "role", "state", "invited_by", "expires_at"))


@invitation_app.command("revoke")
def invitation_revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Id of the invitation.")],
    workspace: WorkspaceId,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Take an invitation back. Its link works no more."""
    done = carry_out(settings_of(data_dir=data_dir), admin.RevokeInvitation(workspace=workspace, id=id_))
    if as_json:
        print_json(done)
    else:
        say.print(f"Invitation [bold]{done['id']}[/] is taken back.")

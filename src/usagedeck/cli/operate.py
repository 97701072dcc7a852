"""What an operator does: workspaces, people, keys. Each command works on stopped data and on a running server."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from usagedeck import admin
from usagedeck.access import USUAL, Permission, Role
from usagedeck.cli.common import AsJson, DataDir, WorkspaceId, carry_out, print_json, print_table, say, settings_of
from usagedeck.errors import InvalidInput

workspace_app = typer.Typer(help="Workspaces: the tenants whose usage is kept apart.", no_args_is_help=True)
user_app = typer.Typer(help="People who sign in.", no_args_is_help=True)
key_app = typer.Typer(help="API keys.", no_args_is_help=True)
operator_key_app = typer.Typer(help="Keys of programs that provision workspaces, people and keys.", no_args_is_help=True)


@workspace_app.command("create")
def workspace_create(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    id_: Annotated[str | None, typer.Option("--id", help="Its id in events and URLs; made up when absent.")] = None,
    currency: Annotated[str, typer.Option(help=f"One of {', '.join(admin.CURRENCIES)}.")] = "usd",
    time_zone: Annotated[str, typer.Option(help="IANA name; days of reports follow it.")] = "UTC",
    billing_day: Annotated[int, typer.Option(min=1, max=31, help="Day of the month a billing period begins.")] = 1,
    concurrency_limit: Annotated[int | None, typer.Option(min=1, help="Shown as a line in the concurrency chart.")] = None,
    full_ip: Annotated[bool, typer.Option("--full-ip", help="Keep whole client addresses instead of /24 and /48.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create a workspace and a first API key that may write and read."""
    command = admin.CreateWorkspace(
        name=name,
        id=id_,
        currency=currency,
        time_zone=time_zone,
        billing_day=billing_day,
        concurrency_limit=concurrency_limit,
        full_ip=full_ip,
    )
    made = carry_out(settings_of(data_dir=data_dir), command)
    if as_json:
        print_json(made)
        return
    say.print(f"Workspace [bold]{made['workspace_id']}[/] ({escape(made['name'])}) is there. Its first API key, shown only now:")
    typer.echo(made["api_key"])


@workspace_app.command("list")
def workspace_list(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the workspaces."""
    found = carry_out(settings_of(data_dir=data_dir), admin.ListWorkspaces())
    if as_json:
        print_json(found)
    else:
        for row in found["workspaces"]:
            row |= {"events": _kept(row, "retention_days", "events"), "rollups": _kept(row, "rollup_days", "rollups")}
        print_table(found["workspaces"], ("workspace_id", "name", "events", "rollups"))


def _kept(row: dict[str, Any], age: str, what: str) -> str:
    """How long something is kept, from when on it is there, and what is about to go."""
    parts = [
        f"{row[age]} days" if row[age] else "kept",
        *([f"from {row[f'{what}_from'][:10]}"] if row[f"{what}_from"] else []),
        *([f"soon from {row[f'{what}_expire_before'][:10]}"] if row[f"{what}_expire_before"] else []),
    ]
    return ", ".join(parts)


@workspace_app.command("retention")
def workspace_retention(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Id of the workspace.")],
    days: Annotated[
        int | None, typer.Option(min=1, max=admin.MAX_RETENTION_DAYS, help="Events older than so many days expire.")
    ] = None,
    rollup_days: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=admin.MAX_RETENTION_DAYS,
            help="What rollups say is kept so long; as long as the events when absent.",
        ),
    ] = None,
    keep_rollups: Annotated[bool, typer.Option("--keep-rollups", help="What rollups say is kept for ever.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Nothing expires any more.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Set how long a workspace keeps its events and its rollups. What has expired is gone for good."""
    if keep == (days is not None):
        raise InvalidInput("Say either --days N or --keep.", field="days")
    command = admin.SetRetention(workspace=id_, days=days, rollup_days=rollup_days, keep_rollups=keep_rollups)
    done = carry_out(settings_of(data_dir=data_dir), command)
    if as_json:
        print_json(done)
    elif days is None:
        say.print(f"[bold]{done['workspace_id']}[/] keeps what it has.")
    else:
        rollups = "for ever" if keep_rollups else f"for {done['rollup_days']} days"
        say.print(
            f"[bold]{done['workspace_id']}[/] keeps events for {days} days and rollups {rollups}. Within the hour, what is older "
            "is answered no more (events not before their rollups are sealed), and then deleted for good; each day one more day."
        )


@workspace_app.command("bodies")
def workspace_bodies(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Id of the workspace.")],
    collect: Annotated[
        bool | None, typer.Option("--collect/--drop", help="Keep headers and bodies from now on, or none.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=admin.MAX_RETENTION_DAYS, help="How long they are kept; at most as long as events.")
    ] = None,
    rules: Annotated[
        list[str] | None,
        typer.Option("--redact", help="Taken out besides secrets: header:NAME, json:PATH, pattern:RE2. Repeat; replaces all."),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Set whether a workspace keeps headers and bodies, for how long, and what is taken out of them. Shows how it is."""
    done = carry_out(settings_of(data_dir=data_dir), admin.SetExchanges(workspace=id_, collect=collect, days=days, rules=rules))
    if as_json:
        print_json(done)
        return
    kept = f"for {done['exchange_days']} days" if done["exchange_days"] else "as long as their events"
    state = "keeps headers and bodies" if done["exchanges"] else "keeps no new headers and bodies; what there is stays"
    say.print(f"[bold]{done['workspace_id']}[/] {state} {kept}.")
    for rule in done["rules"]:
        typer.echo(rule)


@workspace_app.command("trust-clock")
def workspace_trust_clock(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Say that this machine's clock is right although it jumped. Until then nothing expires by it."""
    done = carry_out(settings_of(data_dir=data_dir), admin.TrustClock())
    if as_json:
        print_json(done)
    else:
        say.print(f"It is {done['now']}. What has an age expires by that again, within the hour.")


@user_app.command("add")
def user_add(
    email: Annotated[str, typer.Argument(help="E-mail address they sign in with.")],
    workspace: WorkspaceId,
    id_: Annotated[str | None, typer.Option("--id", help="Their user_id in events; made up when absent.")] = None,
    name: Annotated[str, typer.Option(help="Their name.")] = "",
    password: Annotated[str | None, typer.Option(help="At least 10 characters; made up and shown once when absent.")] = None,
    role: Annotated[Role, typer.Option(help="Owners and admins see the whole workspace.")] = Role.MEMBER,
    full_read: Annotated[bool, typer.Option("--full-read", help="Let a member see the whole workspace.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Add a person to a workspace; somebody who has an account elsewhere here keeps it."""
    command = admin.AddUser(
        workspace=workspace, email=email, id=id_, name=name, password=password, role=role, full_read=full_read
    )
    made = carry_out(settings_of(data_dir=data_dir), command)
    if as_json:
        print_json(made)
        return
    say.print(f"[bold]{escape(made['email'])}[/] ({made['user_id']}) is {made['role']} of {made['workspace_id']}.")
    if "password" in made:
        say.print("Their password, shown only now:")
        typer.echo(made["password"])


@user_app.command("password")
def user_password(
    email: Annotated[str, typer.Argument(help="E-mail address they sign in with.")],
    password: Annotated[str | None, typer.Option(help="At least 10 characters; made up and shown once when absent.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Give a person a new password. Their sessions end."""
    done = carry_out(settings_of(data_dir=data_dir), admin.SetPassword(email=email, password=password))
    if as_json:
        print_json(done)
        return
    say.print(f"[bold]{escape(done['email'])}[/] has a new password, and is signed in nowhere.")
    if "password" in done:
        say.print("It is shown only now:")
        typer.echo(done["password"])


@user_app.command("unlink")
def user_unlink(
    email: Annotated[str, typer.Argument(help="E-mail address of the user.")], data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Nobody signs in as a person through the identity provider any more, until the address comes again. Their sessions end."""
    done = carry_out(settings_of(data_dir=data_dir), admin.UnlinkUser(email=email))
    if as_json:
        print_json(done)
    else:
        which = "one identity" if done["identities"] == 1 else f"{done['identities']} identities"
        say.print(f"[bold]{escape(done['email'])}[/] is unlinked from {which}, and signed in nowhere.")


@key_app.command("create")
def key_create(
    label: Annotated[str, typer.Argument(help="What it is for.")],
    workspace: WorkspaceId,
    id_: Annotated[str | None, typer.Option("--id", help="Its api_key_id in events; made up when absent.")] = None,
    user: Annotated[str | None, typer.Option(help="The user it belongs to; a key without one sees the whole workspace.")] = None,
    permission: Annotated[
        list[Permission] | None, typer.Option(help="What it may do; all but workspace_manage when absent.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create an API key. It is shown once."""
    command = admin.CreateKey(workspace=workspace, label=label, id=id_, user=user, permissions=permission or list(USUAL))
    made = carry_out(settings_of(data_dir=data_dir), command)
    if as_json:
        print_json(made)
        return
    say.print(f"Key [bold]{made['key_id']}[/] ({escape(made['label'])}) may {', '.join(made['permissions'])}. Shown only now:")
    typer.echo(made["api_key"])


@key_app.command("list")
def key_list(workspace: WorkspaceId, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the keys of a workspace."""
    found = carry_out(settings_of(data_dir=data_dir), admin.ListKeys(workspace=workspace))
    if as_json:
        print_json(found)
    else:
        print_table(found["keys"], ("key_id", "label", "hint", "user_id", "permissions", "created_at", "revoked_at"))


@key_app.command("revoke")
def key_revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Id of the key.")],
    workspace: WorkspaceId,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a key. It stops working at once; its usage stays."""
    done = carry_out(settings_of(data_dir=data_dir), admin.RevokeKey(workspace=workspace, id=id_))
    if as_json:
        print_json(done)
    else:
        say.print(f"Key [bold]{done['id']}[/] is revoked.")


@operator_key_app.command("create")
def operator_key_create(
    label: Annotated[str, typer.Argument(help="What it is for.")],
    id_: Annotated[str | None, typer.Option("--id", help="Its id; made up when absent.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Create an operator key for /api/v1/admin and checks of limits. It is shown once. It may change everything, and of usage it
    learns how far limits are used up."""
    made = carry_out(settings_of(data_dir=data_dir), admin.CreateOperatorKey(label=label, id=id_))
    if as_json:
        print_json(made)
        return
    say.print(f"Operator key [bold]{made['id']}[/] ({escape(made['label'])}) is there. Shown only now:")
    typer.echo(made["operator_key"])


@operator_key_app.command("list")
def operator_key_list(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the operator keys."""
    found = carry_out(settings_of(data_dir=data_dir), admin.ListOperatorKeys())
    if as_json:
        print_json(found)
    else:
        print_table(found["operator_keys"], ("id", "label", "hint", "created_at", "last_used_at", "revoked_at"))


@operator_key_app.command("revoke")
def operator_key_revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Id of the key.")], data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Revoke an operator key. It stops working at once."""
    done = carry_out(settings_of(data_dir=data_dir), admin.RevokeOperatorKey(id=id_))
    if as_json:
        print_json(done)
    else:
        say.print(f"Operator key [bold]{done['id']}[/] is revoked.")

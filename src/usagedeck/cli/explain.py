"""`usagedeck explain`: what a question would read, without asking it."""

from typing import Annotated

import typer

from usagedeck import admin
from usagedeck.cli.common import AsJson, DataDir, WorkspaceId, carry_out, print_json, print_table, settings_of
from usagedeck.ranges import EXAMPLES


def explain_command(
    workspace: WorkspaceId,
    metric: Annotated[list[str], typer.Option("--metric", "-m", help="Metric; may be repeated.")],
    by: Annotated[list[str] | None, typer.Option("--by", help="Dimension to split by; may be repeated.")] = None,
    interval: Annotated[str, typer.Option(help="minute, hour, day, week, month, year, total, or seconds such as 900s.")] = "day",
    range_: Annotated[str, typer.Option("--range", help=f"Such as {EXAMPLES}.")] = "30d",
    time_zone: Annotated[str | None, typer.Option(help="IANA zone; the workspace's when absent.")] = None,
    filter_: Annotated[
        list[str] | None, typer.Option("--filter", help="dimension:operator:value,value; may be repeated.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Only this user's rows.")] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say whether a question is answered from rollups or events, why, and which stretches are read from where."""
    command = admin.Explain(
        workspace=workspace,
        metrics=metric,
        by=by or [],
        interval=interval,
        range=range_,
        time_zone=time_zone,
        filters=filter_ or [],
        user=user,
    )
    found = carry_out(settings_of(data_dir=data_dir), command)
    if as_json:
        print_json(found)
        return
    typer.echo(found["route"])
    if found["available_from"]:
        typer.echo(f"What came before {found['available_from']} has expired for this question.")
    print_table(found["reads"], ("from", "rollup", "days_of", "start", "end"))

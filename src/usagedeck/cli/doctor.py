"""`usagedeck doctor`."""

from typing import Any

import typer
from rich.markup import escape

from usagedeck import admin
from usagedeck.cli.common import AsJson, DataDir, carry_out, print_json, print_table, say, settings_of
from usagedeck.errors import NotFound


def doctor_command(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Say how the data and the server are, and what to do about it.

    Exit status: 0 nothing to do, 1 there are warnings.
    """
    settings = settings_of(data_dir=data_dir)
    if not settings.data_dir.is_dir():
        raise NotFound(f"There is no data folder {settings.data_dir}; name it with --data-dir.", field="data_dir")
    found = carry_out(settings, admin.Examine())
    if as_json:
        print_json(found)
    else:
        _show(found)
    raise typer.Exit(1 if found["warnings"] else 0)


def _show(found: dict[str, Any]) -> None:
    about, disk, events, weeks, clock = (found[name] for name in ("about", "disk", "events", "weeks", "clock"))
    per_event = f", {events['bytes_per_event']} each with all that belongs to them" if events["rows"] else ""
    crowded = max((part["pieces"] for part in weeks["partitions"]), default=0)
    lines = {
        "release": f"{about['release']}, schema {about['schema_revision']}, engine {about['engine']}",
        "data": about["data_dir"],
        "clock": f"{clock['now']}, latest arrival {clock['latest_arrival'] or 'none'}",
        "disk": f"{disk['free']:,} bytes free of {disk['total']:,}; events are refused below {disk['floor']:,}",
        "taken": f"{disk['store']:,} bytes by the store, {disk['directory']:,} by the directory",
        "waiting": f"{disk['waiting_to_be_written']:,} bytes to be written",
        "events": f"{events['rows']:,} rows{per_event}",
        "pieces": f"at most {crowded} in one partition, {weeks['unmerged_weeks']} weeks to be merged",
        "sealing": _sealing(found["sealing"]["rollups"]),
        "retention": _retention(found["retention"]),
        "bodies": _exchanges(found["exchanges"]),
        "directory": ", ".join(f"{count:,} {name}" for name, count in found["directory"].items()),
        "settings": ", ".join(f"{row['name']}={row['actual']}" for row in found["engine_settings"]),
    }
    for name, line in lines.items():
        typer.echo(f"{name:<10} {line}")
    if found["tables"]:
        typer.echo("")
        print_table(found["tables"], ("table", "rows", "bytes", "bytes_per_row", "pieces"))
    typer.echo("")
    for warning in found["warnings"]:
        say.print(f"[yellow]warning:[/] {escape(warning['message'])}", soft_wrap=True)
    if not found["warnings"]:
        say.print("Nothing to do.")


def _retention(rows: list[dict[str, Any]]) -> str:
    waiting = sum(bool(row["events_wait"]) for row in rows)
    return f"{len(rows):,} workspaces have an age or a floor; {waiting:,} wait to be sealed" if rows else "nothing expires"


def _exchanges(found: dict[str, Any]) -> str:
    if not found["collecting"] and not found["rows"]:
        return "headers and bodies are not collected"
    since = f", from {found['first_day']} on" if found["first_day"] else ""
    return f"{len(found['collecting']):,} workspaces collect them; {found['rows']:,} rows, {found['bytes']:,} bytes{since}"


def _sealing(rollups: list[dict[str, Any]]) -> str:
    until = {row["sealed_until"] for row in rollups if row["sealed_until"]}
    waiting, taken = (sum(row[name] for row in rollups) for name in ("waiting_days", "taken_away_days"))
    return f"up to {max(until, default='nothing yet')}; {waiting:,} days wait, {taken:,} are to be sealed anew"

"""`usagedeck query` and `usagedeck log`: questions for scripts and terminals. What they print is what the API answers."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated, Any

import typer

from usagedeck.access import View
from usagedeck.catalog.dimensions import DIMENSIONS, dimension, log_field
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.measures import DELIVERED, ROWS
from usagedeck.catalog.metrics import METRICS, metric
from usagedeck.cli.common import DataDir, say, settings_of
from usagedeck.cli.following import Printer, follow
from usagedeck.cli.printing import Aligned, columns_of
from usagedeck.cli.reaching import Asked, Reach, reach
from usagedeck.errors import InvalidInput
from usagedeck.ranges import EXAMPLES
from usagedeck.tail import MAX_RATE
from usagedeck.times import zone


class Format(StrEnum):
    """How answers are printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


Workspace = Annotated[str | None, typer.Option("--workspace", "-w", help="Workspace id; the key's with --url.")]
Url = Annotated[str | None, typer.Option(help="Address of a server elsewhere; the data folder is asked without one.")]
Key = Annotated[str | None, typer.Option(envvar="USAGEDECK_KEY", help="API key for --url.")]
As = Annotated[Format, typer.Option("--format", help="table to read, csv and json as the API answers.")]
Range = Annotated[str | None, typer.Option("--range", help=f"Such as {EXAMPLES}; 30d when absent.")]
ActiveIn = Annotated[
    str | None, typer.Option(help="Instead of --range: requests that were active at some instant of it, whenever they began.")
]
TimeZone = Annotated[str | None, typer.Option(help="IANA zone; the workspace's when absent.")]
Filters = Annotated[list[str] | None, typer.Option("--filter", help="dimension:operator:value,value; may be repeated.")]
Search = Annotated[str | None, typer.Option(help="Words that all occur.")]
ScopeOf = Annotated[View | None, typer.Option("--scope", help="Whose rows; the widest allowed when absent.")]


def query_command(
    metrics: Annotated[
        list[str] | None, typer.Option("--metric", "-m", help=f"One of {', '.join(METRICS)}; may be repeated.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Split by one of {', '.join(d.name for d in DIMENSIONS.values() if d.split)}, attributes.KEY; may be repeated."
        ),
    ] = None,
    interval: Annotated[str, typer.Option(help="minute, hour, day, week, month, year, total, or seconds such as 900s.")] = "day",
    range_: Range = None,
    time_zone: TimeZone = None,
    filters: Filters = None,
    search: Search = None,
    top: Annotated[int | None, typer.Option(help="Keep that many series; the others become one.")] = None,
    cumulative: Annotated[bool, typer.Option("--cumulative", help="Running sums.")] = False,
    scope: ScopeOf = None,
    form: As = Format.TABLE,
    workspace: Workspace = None,
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
) -> None:
    """Metrics over time, of this data folder or of any server, as a table, CSV or JSON."""
    for name in metrics or ():
        metric(name, param="--metric")
    for name in by or ():
        dimension(name, param="--by")
    asked: Asked = {
        "metric": metrics,
        "by": by,
        "interval": interval,
        "range": range_,
        "time_zone": time_zone,
        "filter": filters,
        "search": search,
        "top": top,
        "cumulative": cumulative,
        "scope": scope,
    }
    with piped(), reach(settings_of(data_dir=data_dir), workspace, url, key) as api:
        answer(api, "usage", asked, form)


def log_command(
    subject: Annotated[Subject, typer.Option("--of", help="Whose log.")] = Subject.REQUESTS,
    columns: Annotated[
        list[str] | None, typer.Option("--column", "-c", help="Column, also attributes.KEY; may be repeated. All when absent.")
    ] = None,
    range_: Range = None,
    active_in: ActiveIn = None,
    time_zone: TimeZone = None,
    filters: Filters = None,
    search: Search = None,
    joined: Annotated[
        bool, typer.Option("--joined", help="With --of deliveries: a row is a delivery, whose attempts are joined.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows of a table and of JSON; CSV has them all.")] = 50,
    oldest: Annotated[bool, typer.Option("--oldest-first", help="The oldest rows first.")] = False,
    following: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new rows as they arrive, until Ctrl-C; JSON is one row per line.")
    ] = False,
    rate: Annotated[
        int, typer.Option(min=1, max=MAX_RATE, help="With --follow: most rows in a second; how many are left out is said.")
    ] = MAX_RATE,
    scope: ScopeOf = None,
    form: As = Format.TABLE,
    workspace: Workspace = None,
    url: Url = None,
    key: Key = None,
    data_dir: DataDir = None,
) -> None:
    """The log of requests or deliveries, of this data folder or of any server, as a table, CSV or JSON."""
    for name in columns or ():
        log_field(name, subject, param="--column")
    asked: Asked = {
        "columns": columns,
        "range": range_,
        "active_in": active_in,
        "time_zone": time_zone,
        "filter": filters,
        "search": search,
        "scope": scope,
    }
    if joined and (subject is not Subject.DELIVERIES or following):
        raise InvalidInput("--joined goes with --of deliveries, and not with --follow: attempts arrive.", field="joined")
    counted = DELIVERED if joined else ROWS[subject]
    settings = settings_of(data_dir=data_dir)
    with piped():
        if following:
            if oldest:
                raise InvalidInput("--follow goes on behind the newest rows; leave out --oldest-first.", field="oldest_first")
            follow(
                lambda: reach(settings, workspace, url, key, lasting=True), subject, asked, Printer(form), limit=limit, rate=rate
            )
            return
        with reach(settings, workspace, url, key) as api:
            page = {**asked, "order": "asc" if oldest else "desc", "limit": limit, "per": "deliveries" if joined else None}
            said = answer(api, subject, page, form)
            if said is not None and (said["older"] or said["newer"]):
                say.print(_matches(api, counted.name, asked, said))


def _matches(api: Reach, counted: str, asked: Asked, said: dict[str, Any]) -> str:
    """How many rows there are, of which a page was printed."""
    window = said["window"] if asked["active_in"] is None else {"active_in": asked["active_in"]}
    which = {name: asked[name] for name in ("filter", "search", "scope", "time_zone")} | window
    found = api.get("usage", {**which, "metric": counted, "interval": "total", "unless_costly": True}).json()
    shown = len(said["rows"])
    if found["costly"] is not None:
        return f"{shown:,} of more than {shown:,} that match. To count them, about {found['costly']:,} would have to be searched."
    return f"{shown:,} of {found['rows'][0][-1]:,} that match."


def answer(api: Reach, path: str, asked: Asked, form: Format) -> dict[str, Any] | None:
    """Print what the API says there; what a table was made of is given back."""
    if form is Format.TABLE:
        said: dict[str, Any] = api.get(path, asked).json()
        table = Aligned(columns_of(said), zone(said["window"]["time_zone"]))
        lines = list(table.lines(said["rows"]))
        _write((line + "\n").encode() for line in (table.head(), *lines))
        return said
    with api.stream(path + (".csv" if form is Format.CSV else ""), asked) as response:
        _write(response.iter_bytes())
    if form is Format.JSON:
        _write((b"\n",))
    return None


def _write(pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


@contextmanager
def piped() -> Iterator[None]:
    """Whoever reads may have read enough, as `head` has: then it is over, without a word."""
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit from None

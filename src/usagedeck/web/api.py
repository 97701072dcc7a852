"""Our own API: usage, the log, values of dimensions, the catalogue. Every answer also comes as CSV, at the same address with
`.csv` behind the path, or for `Accept: text/csv`."""

from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Query as Param
from pydantic import Field

from usagedeck import access, listing, report
from usagedeck.catalog.dimensions import DIMENSIONS, dimension, log_field
from usagedeck.catalog.fields import FIELDS, fields
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.catalog.metrics import METRICS, metric
from usagedeck.errors import InvalidInput
from usagedeck.filters import Op
from usagedeck.query import Cursor, LogQuery, Query, Selection
from usagedeck.table import Column, Table, csv_lines, json_rows
from usagedeck.times import iso, zone, zone_name
from usagedeck.web.asking import QuestionRoute
from usagedeck.web.auth import DeckOf, who_asks
from usagedeck.web.params import Asked, listed
from usagedeck.web.problems import REFUSALS, json
from usagedeck.web.tables import (
    AS_CSV,
    AS_CSV_OR_LINES,
    NDJSON,
    TIME_ZONE,
    CsvResponse,
    TableOut,
    WindowOut,
    columns_of,
    csv_answer,
    download,
    file_name,
    freshness,
    lines_answer,
    refuse_outside_workspace,
    wants_csv,
    window_of,
    with_zone,
)
from usagedeck.windows import Interval, Window

MAX_BUCKETS = 5000
MAX_ROWS = 100_000
MAX_DIMENSIONS = 2


router = APIRouter(prefix="/api/v1", responses=REFUSALS, route_class=QuestionRoute)


class UsageOut(TableOut):
    window: WindowOut
    interval: str
    edges: list[str] = Field(
        description="First instant of every bucket, and the end of the last one. Buckets that end at or before `available_from` "
        "are left out: what happened there is unknown, not zero."
    )
    as_of: str = Field(description="The instant that counted as now.")
    costly: int | None = Field(
        description="With `unless_costly`, where that kept the question from being answered: in about how many events words "
        "would have to be looked for. There are no rows and no buckets then: what happened is unknown, not zero. Else null."
    )
    concurrency_limit: int | None = Field(
        None, description="With a metric that is measured against it: the workspace's limit. Without one, the metric is null."
    )
    route: str | None = Field(None, description="With explain: from where the answer was read, and why.")


class LogOut(TableOut):
    window: WindowOut = Field(description="When rows may have begun.")
    active_in: WindowOut | None = Field(description="With `active_in`: the range in which they were active. Else null.")
    older: str | None = Field(description="Cursor of the page before in time; null when there is none.")
    newer: str | None = Field(description="Cursor of the page after in time; null when there is none.")
    reached: str | None = Field(description="Of a page that is still being looked for: the instant up to which that was done.")
    place: str = Field(description="Where `/log/tail` goes on from here, as its `after`: what it brings is not yet on this page.")


class UsageAsked(Asked):
    """A question over time."""

    metric: list[str] = Field(["requests"], description=f"Metrics, repeated or comma-separated: {', '.join(METRICS)}.")
    by: list[str] = Field(
        [],
        description="Up to two dimensions to split by: "
        + ", ".join(d.name for d in DIMENSIONS.values() if d.split)
        + ", attributes.<key>.",
    )
    interval: str = Field("day", description="minute, hour, day, week, month, year, total, or seconds such as 900s.")
    cumulative: bool = Field(default=False, description="Running sums from the start of the window.")
    top: int | None = Field(None, description="Keep that many series and fold the others into one exact Other.")
    explain: bool = Field(default=False, description="Say in `route` whether rollups or events were read, and why.")
    unless_costly: bool = Field(
        default=False,
        description="Do not answer where the words of a search would have to be looked for in very many events; `costly` then "
        "says in how many. Downloads are always answered.",
    )


class LogAsked(Asked):
    """A question about single rows."""

    columns: list[str] = Field([], description="Columns, repeated or comma-separated; also attributes.<key>. All when absent.")
    order: str = Field("desc", description="desc (newest first) or asc.")
    cursor: str | None = Field(None, description="`older` or `newer` of another page.")
    limit: int = Field(100, description="Rows on a page, 1 to 1000. CSV has no pages and no limit.")


class Per(StrEnum):
    """What a row of the delivery log is."""

    ATTEMPTS = "attempts"
    DELIVERIES = "deliveries"


class DeliveriesAsked(LogAsked):
    """A question about single attempts, or about single deliveries."""

    per: Per = Field(
        Per.ATTEMPTS,
        description="What a row is: one of the `attempts`, or one of the `deliveries` that they make up, at the time and with "
        "the id of its first attempt, with status, error, latency and number of its last one, and with "
        f"{' and '.join(f.name for f in FIELDS if f.joined)}, which no attempt has. Filters and search ask it.",
    )


class ValuesAsked(Asked):
    """A question about the values of a dimension."""

    q: str = Field("", description="Keep values whose text or name holds this.")
    limit: int = Field(100, ge=1, le=report.MAX_VALUES, description="Most values.")
    of: Subject = Field(Subject.REQUESTS, description="Whose values: of requests or of deliveries.")
    per: Per = Field(Per.ATTEMPTS, description="Of deliveries: what is counted, and what the filters are asked of.")


@router.get("/usage", response_model=UsageOut, responses=AS_CSV, summary="Metrics over time", tags=["questions"])
@router.get("/usage.csv", response_class=CsvResponse, summary="Metrics over time as CSV", tags=["questions"])
def usage(request: Request, deck: DeckOf, asked: Annotated[UsageAsked, Param()]) -> Response:
    """One row per bucket and series. Without a breakdown every bucket has a row; with one, those that have events."""
    who = who_asks(request, deck, asked.workspace)
    csv = wants_csv(request)
    now = asked.now(deck.clock())
    metrics = tuple(metric(name) for name in listed(asked.metric))
    dimensions = tuple(dimension(name) for name in listed(asked.by))
    if len(dimensions) > MAX_DIMENSIONS:
        raise InvalidInput(f"by names {len(dimensions)} dimensions; at most {MAX_DIMENSIONS}.", field="by")
    refuse_outside_workspace(deck, who, asked, dimensions)
    subject = metrics[0].of if metrics else Subject.REQUESTS
    query = Query(
        asked.selection(who, subject, now),
        metrics,
        Interval.parse(asked.interval),
        dimensions,
        cumulative=asked.cumulative,
        top=asked.top,
        cap=None if csv else MAX_BUCKETS,
        row_cap=None if csv else MAX_ROWS,
    )
    answer = report.usage(deck, who, asked.view(), query, now=now, stream=csv, unless_costly=asked.unless_costly and not csv)
    window, buckets = answer.about.window, answer.buckets
    if csv:
        access.note_export(deck, who, "usage", request.url.query)
        by = [f"by-{'-'.join(d.name for d in dimensions)}"] if dimensions else []
        name = file_name("usage", "-".join(m.name for m in metrics), *by, window=window)
        return csv_answer(with_zone(answer.table, window, 2), name, answer.about)
    return json(
        {
            "columns": columns_of(answer.table),
            "rows": json_rows(answer.table),
            "window": window_of(window),
            "interval": query.interval.name,
            "edges": [*(iso(start) for start in buckets.starts), iso(buckets.end)],
            "as_of": iso(now),
            "costly": answer.costly,
            **freshness(answer.about),
            **({"concurrency_limit": who.workspace.concurrency_limit} if any(m.limited for m in metrics) else {}),
            **({"route": answer.route} if asked.explain else {}),
        }
    )


@router.get("/requests", response_model=LogOut, responses=AS_CSV_OR_LINES, summary="The request log", tags=["questions"])
@router.get("/requests.csv", response_class=CsvResponse, summary="The request log as CSV", tags=["questions"])
def requests(request: Request, deck: DeckOf, asked: Annotated[LogAsked, Param()]) -> Response:
    """Single requests, newest first, a page at a time; as CSV all of them. For `Accept: application/x-ndjson` a page comes as
    lines while it is being looked for: each is the page with what was found so far, and the last one is the page."""
    return _log(request, deck, asked, Subject.REQUESTS)


@router.get("/deliveries", response_model=LogOut, responses=AS_CSV_OR_LINES, summary="The delivery log", tags=["questions"])
@router.get("/deliveries.csv", response_class=CsvResponse, summary="The delivery log as CSV", tags=["questions"])
def deliveries(request: Request, deck: DeckOf, asked: Annotated[DeliveriesAsked, Param()]) -> Response:
    """Single attempts to deliver a webhook, or with `per=deliveries` single deliveries, newest first, a page at a time; as
    CSV all of them. Lines as for the request log."""
    return _log(request, deck, asked, Subject.DELIVERIES, joined=asked.per is Per.DELIVERIES)


def _log(request: Request, deck: DeckOf, asked: LogAsked, subject: Subject, *, joined: bool = False) -> Response:
    who = who_asks(request, deck, asked.workspace)
    csv = wants_csv(request)
    if asked.order not in ("asc", "desc"):
        raise InvalidInput(f'order "{asked.order[:20]}" is unknown; use desc or asc.', field="order")
    columns = [log_field(name, subject) for name in listed(asked.columns)]
    query = LogQuery(
        asked.selection(who, subject, asked.now(deck.clock())),
        tuple(columns) or fields(subject, joined=joined),
        ascending=asked.order == "asc",
        cursor=Cursor.decode(asked.cursor) if asked.cursor and not csv else None,
        limit=None if csv else asked.limit,
        joined=joined,
    )
    if csv:
        access.note_export(deck, who, subject, request.url.query)
        window = query.selection.window
        pieces, about = listing.log_lines(deck, who, asked.view(), query, TIME_ZONE, zone_name(window.zone), at=1)
        return download(pieces, file_name(subject, *(["per-delivery"] if joined else []), window=about.window), about)
    place = deck.commits.latest
    if request.headers.get("accept", "").startswith(NDJSON):
        pages = listing.growing(deck, who, asked.view(), query)
        return lines_answer(request, (_log_out(page, query.selection, place) for page in pages))
    return json(_log_out(listing.log(deck, who, asked.view(), query), query.selection, place))


def _log_out(page: listing.LogPage, asked: Selection, place: int) -> dict[str, Any]:
    active = asked.active_in and Window(*asked.active_in, asked.window.zone)
    return {
        "columns": columns_of(page.table),
        "rows": json_rows(page.table),
        "window": window_of(page.about.window),
        "active_in": active and window_of(active),
        "older": page.older.encode() if page.older else None,
        "newer": page.newer.encode() if page.newer else None,
        "place": str(place),
        "reached": None if page.reached is None else iso(page.reached),
        **freshness(page.about),
    }


@router.get("/values/{name:path}", response_model=TableOut, responses=AS_CSV, summary="Values of a dimension", tags=["questions"])
@router.get("/values/{name:path}.csv", response_class=CsvResponse, summary="Values of a dimension as CSV", tags=["questions"])
def values(request: Request, deck: DeckOf, name: str, asked: Annotated[ValuesAsked, Param()]) -> Response:
    """The values a dimension takes, most frequent first, with display names: what a menu needs."""
    who = who_asks(request, deck, asked.workspace)
    by = dimension(name.removesuffix(".csv"), param="name")
    refuse_outside_workspace(deck, who, asked, (by,))
    selection = asked.selection(who, asked.of, asked.now(deck.clock()))
    joined = asked.per is Per.DELIVERIES
    answer = report.values(deck, who, asked.view(), by, selection, search=asked.q, limit=asked.limit, joined=joined)
    if wants_csv(request):
        access.note_export(deck, who, "values", request.url.query)
        return csv_answer(answer.table, file_name("values", by.name, window=answer.about.window), answer.about)
    return json({"columns": columns_of(answer.table), "rows": json_rows(answer.table), **freshness(answer.about)})


@router.get("/catalog", responses=AS_CSV, summary="Everything that can be asked", tags=["catalogue"])
@router.get("/catalog.csv", response_class=CsvResponse, summary="Everything that can be asked, as CSV", tags=["catalogue"])
def catalog(request: Request) -> Response:
    """Metrics, dimensions, log columns and filter operators: what menus are made of."""
    if wants_csv(request):
        lines = csv_lines(_catalog_table(), zone("UTC"))
        return CsvResponse(lines)
    return json(
        {
            "metrics": [
                {
                    "name": m.name,
                    "title": m.title,
                    "help": m.help,
                    "type": m.type,
                    "unit": m.unit,
                    "of": m.of,
                    "additive": m.additive,
                    "joined": m.joined,
                    "attributable": m.attributable,
                    "limited": m.limited,
                    "active": m.active,
                    "good": m.good,
                }
                for m in METRICS.values()
            ],
            "dimensions": [
                {
                    "name": d.name,
                    "title": d.title,
                    "help": d.help,
                    "type": d.type,
                    "of": sorted(d.of),
                    "split": d.split,
                    "labelled": d.label is not None,
                    "overlapping": d.overlapping,
                    "workspace_only": d.workspace_only,
                    "indexed": d.indexed,
                    "absent": d.absent,
                    "joined": d.joined,
                }
                for d in DIMENSIONS.values()
            ],
            "columns": {
                subject: [
                    {
                        "name": f.name,
                        "title": f.title,
                        "help": f.help,
                        "type": f.type,
                        "unit": f.unit,
                        "shown": f.shown,
                        "joined": f.joined,
                        "sent_as": None if f.stamped or f.joined else ".".join(f.inside or (f.name,)),
                    }
                    for f in fields(subject, joined=True)
                ]
                for subject in Subject
            },
            "operators": list(Op),
        }
    )


def _catalog_table() -> Table:
    columns = [Column(name, Type.STRING, name) for name in ("kind", "name", "title", "type", "unit", "help")]
    rows = [["metric", m.name, m.title, m.type, m.unit, m.help] for m in METRICS.values()]
    rows += [["dimension", d.name, d.title, d.type, None, d.help] for d in DIMENSIONS.values()]
    rows += [["column", f.name, f.title, f.type, f.unit, f.help] for f in FIELDS]
    return Table(tuple(columns), rows)

"""The calls about usage: character stats, credit usage, cost, and the request log."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Query as Param
from pydantic import BaseModel, Field

from usagedeck import listing, report
from usagedeck.access import View, Who
from usagedeck.catalog.dimensions import DIMENSIONS, Dimension, Label
from usagedeck.catalog.fields import FIELDS
from usagedeck.catalog.kinds import CURRENCY, Subject, Type
from usagedeck.catalog.metrics import METRICS, Metric
from usagedeck.deck import Deck
from usagedeck.errors import InvalidInput, TooLarge
from usagedeck.filters import parse_search
from usagedeck.query import LogQuery, Query, Selection
from usagedeck.times import LOOKS_LIKE_SECONDS, SECOND, iso, zone
from usagedeck.web.auth import DeckOf
from usagedeck.web.elevenlabs.asker import answered, who_of, widest
from usagedeck.web.elevenlabs.errors import ERRORS, MAX_ROWS, WireRoute
from usagedeck.web.elevenlabs.wire import (
    EARLIEST,
    ColumnFilter,
    CostColumn,
    CostFilter,
    Filters,
    GroupBy,
    KeyHashes,
    Millis,
    OneOf,
    WireColumn,
    WireTable,
    exact_number,
    log_columns,
    usage_columns,
    wire_table,
)
from usagedeck.windows import UNITS, Buckets, Interval, Window

MAX_BUCKETS = 1000
MAX_CALENDAR_BUCKETS = 5000
MAX_CELLS = 1_000_000
"""Most numbers in the series of character stats."""

router = APIRouter(prefix="/v1", tags=["elevenlabs"], route_class=WireRoute, responses=ERRORS)

_INTERVALS = ("hour", "day", "week", "month", "cumulative")
_METRICS = {m.wire: m for m in METRICS.values() if m.wire}
_BREAKDOWNS = {name: d for d in DIMENSIONS.values() for name in d.breakdown}
_WORKSPACE_BREAKDOWNS = ("all_api_keys", *(name for name, d in _BREAKDOWNS.items() if d.workspace_only))
_CENTS = 100

MetricName = Annotated[str, OneOf("Metric", tuple(_METRICS))]
BreakdownName = Annotated[str, OneOf("BreakdownType", ("none", *_BREAKDOWNS))]
IntervalName = Annotated[str, OneOf("AggregationInterval", _INTERVALS)]


# --- character stats ----------------------------------------------------------------------------------------------


class StatsAsked(BaseModel):
    start_unix: int = Field(description="Unix time in milliseconds, UTC.")
    end_unix: int = Field(description="Unix time in milliseconds, UTC; included.")
    include_workspace_metrics: bool = Field(default=False, description="Everybody's usage instead of the caller's.")
    breakdown_type: BreakdownName = Field("none", description="What each series is.")
    aggregation_interval: IntervalName = Field("day", description="How long a bucket is; cumulative is one for everything.")
    aggregation_bucket_size: int | None = Field(None, ge=1, description="Seconds; overrides aggregation_interval.")
    metric: MetricName = Field("credits", description="What is counted.")


class StatsOut(BaseModel):
    time: list[int] = Field(
        description="First instant of every bucket in milliseconds; the first is start_unix, or from when on events are kept."
    )
    usage: dict[str, list[float]] = Field(description="One number per bucket for every series.")


@router.get("/usage/character-stats", response_model=StatsOut, summary="Usage over time in named series")
def character_stats(request: Request, deck: DeckOf, asked: Annotated[StatsAsked, Param()]) -> Response:
    """UTC buckets. `cumulative` is one bucket for the whole window. Costs are in cents."""
    who = who_of(request, deck)
    for name, value in (("start_unix", asked.start_unix), ("end_unix", asked.end_unix)):
        if abs(value) < LOOKS_LIKE_SECONDS:
            raise InvalidInput(f"{name} is {value}, which looks like seconds; send milliseconds.", field=name)
    if asked.end_unix < asked.start_unix:
        raise InvalidInput("end_unix is before start_unix.", field="end_unix")
    if asked.breakdown_type in _WORKSPACE_BREAKDOWNS and not asked.include_workspace_metrics:
        raise InvalidInput(f"breakdown_type {asked.breakdown_type} needs include_workspace_metrics=true.", field="breakdown_type")
    view = View.WORKSPACE if asked.include_workspace_metrics else View.ACCOUNT
    metric = _METRICS[asked.metric]
    by = _BREAKDOWNS.get(asked.breakdown_type)
    window = Window(asked.start_unix, asked.end_unix + 1, zone("UTC"))
    interval, cap = _stats_interval(asked)
    query = Query(Selection(Subject.REQUESTS, window), (metric,), interval, (by,) if by else (), cap=cap, row_cap=MAX_ROWS)
    answer = report.usage(deck, who, view, query)
    starts = list(answer.buckets.starts)
    series = _series(deck, who, by, metric, answer.table.rows, starts, deleted=asked.breakdown_type == "all_api_keys")
    times = [answer.about.window.start, *starts[1:]] if starts else []
    return answered({"time": times, "usage": series}, deck, who, view, answer.about)


def _stats_interval(asked: StatsAsked) -> tuple[Interval, int]:
    if asked.aggregation_bucket_size is not None:
        return Interval.every(asked.aggregation_bucket_size, field="aggregation_bucket_size"), MAX_BUCKETS
    if asked.aggregation_interval == "cumulative":
        return Interval.parse("total"), MAX_BUCKETS
    cap = MAX_BUCKETS if asked.aggregation_interval == "hour" else MAX_CALENDAR_BUCKETS
    return Interval.parse(asked.aggregation_interval), cap


def _series(
    deck: Deck, who: Who, by: Dimension | None, metric: Metric, rows: Iterable[Sequence[Any]], starts: list[int], *, deleted: bool
) -> dict[str, list[int | float]]:
    """Rows as series under their display names."""
    place = {start: i for i, start in enumerate(starts)}
    revoked = {k.id for k in deck.directory.api_keys.all(who.workspace.id) if k.revoked_at is not None} if not deleted else set()
    values: dict[Any, list[int | float]] = {}
    names: dict[Any, str] = {}
    for row in rows:
        key = row[2] if by else None
        if by and by.name == "api_key_id" and key in revoked:
            continue
        if key not in values:
            values[key] = [0] * len(starts)
            names[key] = _series_name(by, key, row[3]) if by else "All"
            if len(values) * len(starts) > MAX_CELLS:
                raise TooLarge(
                    f"More than {len(values) - 1:,} series of {len(starts):,} buckets; choose another breakdown_type, a longer "
                    "interval or a shorter window.",
                    field="by",
                )
        cell = row[-1] * _CENTS if metric.unit == CURRENCY and row[-1] is not None else row[-1]
        values[key][place[row[0]]] = exact_number(cell)
    titles = _told_apart(names)
    return {titles[key]: numbers for key, numbers in values.items()}


def _series_name(by: Dimension, key: Any, label: str) -> str:
    """The display name; for a missing value only voices and keys have one of their own."""
    return label if key is not None or by.label in (Label.VOICE, Label.API_KEY) else "None"


def _told_apart(names: Mapping[Any, str]) -> dict[Any, str]:
    """Names that several ids share get the end of the id behind them, and all of it where the end is shared, too.

    What stands for a missing value keeps its name.
    """
    for ending in (lambda key: str(key)[-4:], str):
        shared = {name for name, count in Counter(names.values()).items() if count > 1}
        names = {key: f"{name} ({ending(key)})" if name in shared and key is not None else name for key, name in names.items()}
    return dict(names)


# --- credits and cost ---------------------------------------------------------------------------------------------

_USAGE = (
    ("total_usage", METRICS["credits"], Type.DECIMAL, "credits"),
    ("total_minutes", METRICS["minutes"], Type.FLOAT, "min"),
    ("total_cost", METRICS["cost"], Type.FLOAT, CURRENCY),
    ("usage_count", METRICS["billable_requests"], Type.INT, None),
    ("total_charge_count", METRICS["charge_count"], Type.FLOAT, None),
)
_COST = (_USAGE[2], _USAGE[4])


class UsageBody(BaseModel):
    start_time: Millis
    end_time: Millis
    interval_seconds: Annotated[int, Field(strict=True, ge=1)] | None = 60
    group_by: list[GroupBy] | None = None
    filters: list[ColumnFilter] | None = None
    time_zone: str | None = "UTC"


class CostBody(BaseModel):
    start_time: Millis
    end_time: Millis
    interval_seconds: Annotated[int, Field(strict=True, ge=1)]
    group_by: list[CostColumn] | None = None
    filters: list[CostFilter] | None = None


@router.post(
    "/workspace/analytics/query/usage-by-product-over-time",
    response_model=WireTable,
    summary="Credits, minutes and cost over time",
)
def usage_over_time(request: Request, deck: DeckOf, body: UsageBody) -> Response:
    """One row per bucket and group; groups with data have a row in every bucket."""
    who = who_of(request, deck)
    selection = _selection(body.start_time, body.end_time, "UTC" if body.time_zone is None else body.time_zone)
    interval = Interval.every(body.interval_seconds or 60, field="interval_seconds")
    table, about = _usage_table(deck, who, selection, interval, body.group_by, body.filters, _USAGE, fill=True)
    return answered(table, deck, who, widest(who), about)


@router.post("/workspace/analytics/usage", response_model=WireTable, summary="Cost over time")
def cost_over_time(request: Request, deck: DeckOf, body: CostBody) -> Response:
    """UTC days. At most two of the restricted columns; grouping by two needs a filter on one of them."""
    who = who_of(request, deck)
    if body.interval_seconds % UNITS["day"]:
        raise InvalidInput("interval_seconds counts whole UTC days; send a multiple of 86400.", field="interval_seconds")
    _check_restricted(body)
    selection = _selection(body.start_time, body.end_time, "UTC")
    interval = Interval.every(body.interval_seconds, field="interval_seconds")
    table, about = _usage_table(deck, who, selection, interval, body.group_by, body.filters, _COST, fill=False)
    return answered(table, deck, who, widest(who), about)


def _check_restricted(body: CostBody) -> None:
    restricted = {d.group_by for d in DIMENSIONS.values() if d.restricted}
    grouped = restricted & set(body.group_by or [])
    filtered = restricted & {one.column for one in body.filters or []}
    pinned = {one.column for one in body.filters or [] if one.operation in ("eq", "in")}
    if len(grouped | filtered) > 2:
        raise InvalidInput(f"Group or filter by at most two of {', '.join(sorted(map(str, restricted)))}.", field="group_by")
    if len(grouped) == 2 and not grouped & pinned:
        raise InvalidInput("Grouping by two of these needs an eq or in filter on one of them.", field="filters")


def _selection(start: int, end: int, time_zone: str) -> Selection:
    if end < start:
        raise InvalidInput("end_time is before start_time.", field="end_time")
    return Selection(Subject.REQUESTS, Window(start, end + 1, zone(time_zone)))


def _usage_table(
    deck: Deck,
    who: Who,
    selection: Selection,
    interval: Interval,
    group_by: Sequence[str] | None,
    filters: Sequence[ColumnFilter | CostFilter] | None,
    measures: Sequence[tuple[str, Metric, Type, str | None]],
    *,
    fill: bool,
) -> tuple[dict[str, Any], report.About]:
    columns = usage_columns()
    groups = [columns[name] for name in dict.fromkeys(group_by or [])]
    view = widest(who)
    kept = Filters(deck, who, view, selection).build(filters or [], columns)
    metrics = (*(metric for _, metric, _, _ in measures), *(() if fill else (METRICS["requests"],)))
    query = Query(replace(selection, filters=kept), metrics, interval, tuple(groups), cap=MAX_BUCKETS, row_cap=MAX_ROWS)
    answer = report.usage(deck, who, view, query)
    rows = _grouped(answer.table.rows, len(groups), len(metrics))
    if not fill:
        rows = [(bucket, series, values[:-1]) for bucket, series, values in rows if values[-1]]
    hashes = KeyHashes(deck, who)
    shown = {
        series: tuple(hashes.of(cell) if by.name == "api_key_id" else cell for by, cell in zip(groups, series, strict=True))
        for _, series, _ in rows
    }
    order = sorted(shown, key=lambda series: [(cell is None, cell) for cell in shown[series]])
    rows = _filled(rows, order, answer.buckets, len(metrics)) if groups and fill else _sorted(rows, order)
    labels = [
        (i, d, deck.directory.labels.names(who.workspace.id, d.label)) for i, d in enumerate(groups) if d.label and d.label_column
    ]
    currency = who.workspace.currency
    header = [
        *(WireColumn(str(d.group_by), Type.FLOAT if d.type is Type.DECIMAL else Type.STRING) for d in groups),
        WireColumn("timestamp", Type.INSTANT),
        *(WireColumn(name, kind, currency if unit == CURRENCY else unit) for name, _, kind, unit in measures),
        *(WireColumn(d.label_column, Type.STRING) for _, d, _ in labels),
    ]
    written = [
        [*shown[series], iso(bucket, millis=False), *values, *(names.get(series[i]) for i, _, names in labels)]
        for bucket, series, values in rows
    ]
    return wire_table(header, written), answer.about


_Series = tuple[Any, ...]
_WireRow = tuple[int, _Series, list[Any]]


def _grouped(rows: Iterable[Sequence[Any]], groups: int, measures: int) -> list[_WireRow]:
    """Bucket, series and values of each row of a usage table, without the table's own labels."""
    return [(row[0], tuple(row[2 : 2 + 2 * groups : 2]), list(row[-measures:])) for row in rows]


def _sorted(rows: list[_WireRow], order: Sequence[_Series]) -> list[_WireRow]:
    """By bucket, then as the values that are shown."""
    place = {series: i for i, series in enumerate(order)}
    return sorted(rows, key=lambda row: (row[0], place[row[1]]))


def _filled(rows: list[_WireRow], order: Sequence[_Series], buckets: Buckets, metrics: int) -> list[_WireRow]:
    """Every bucket for every series that occurs; only what occurs when that would be too many rows."""
    if len(order) * len(buckets) > MAX_ROWS:
        return _sorted(rows, order)
    known = {(bucket, series): values for bucket, series, values in rows}
    nothing = [0] * metrics
    return [(bucket, series, known.get((bucket, series), nothing)) for bucket in buckets.starts for series in order]


# --- the request log ----------------------------------------------------------------------------------------------


class LogBody(BaseModel):
    start_time: Millis | None = None
    end_time: Millis | None = None
    limit: Annotated[int, Field(strict=True, ge=1, le=1000)] = 100
    sort: Annotated[str, OneOf("Sort", ("asc", "desc"))] | None = None
    filters: list[ColumnFilter] | None = None
    search: str | None = None


@router.post("/workspace/analytics/requests", response_model=WireTable, summary="The request log")
def requests(request: Request, deck: DeckOf, body: LogBody) -> Response:
    """Single requests; page on by moving start_time or end_time to the last row's time."""
    who = who_of(request, deck)
    if body.start_time is None and body.end_time is None:
        raise InvalidInput("Send start_time, end_time or both.", field="start_time", code="missing_required_field")
    latest = deck.clock() + (deck.settings.max_future_seconds + 1) * SECOND
    end = body.end_time if body.end_time is not None else max(latest, body.start_time or 0)
    start = body.start_time if body.start_time is not None else min(EARLIEST, end)
    view = widest(who)
    selection = _selection(start, end, "UTC")
    kept = Filters(deck, who, view, selection).build(body.filters or [], log_columns())
    selection = replace(selection, filters=kept, search=parse_search(body.search))
    ascending = body.sort == "asc" if body.sort else body.end_time is None
    shown = tuple(f for f in FIELDS if f.wire)
    page = listing.log(deck, who, view, LogQuery(selection, shown, ascending=ascending, limit=body.limit))
    return answered(_log_table(deck, who, page), deck, who, view, page.about)


def _log_table(deck: Deck, who: Who, page: listing.LogPage) -> dict[str, Any]:
    hashes = KeyHashes(deck, who)
    wire = {f.name: f.wire for f in FIELDS if f.wire}
    labels = {f"{d.name}_label": d.label_column for d in DIMENSIONS.values() if d.label_column}
    columns = []
    for column in page.table.columns:
        name = wire.get(column.name) or labels[column.name]
        if column.name == "duration_ms":
            columns.append(WireColumn(name, Type.FLOAT, "s"))
        else:
            columns.append(WireColumn(name, column.type, column.unit))
    index = {column.name: i for i, column in enumerate(page.table.columns)}
    rows = []
    for found in page.table.rows:
        row = list(found)
        row[index["time"]] = iso(row[index["time"]])
        row[index["api_key_id"]] = hashes.of(row[index["api_key_id"]])
        if (duration := row[index["duration_ms"]]) is not None:
            row[index["duration_ms"]] = duration / 1000
        rows.append(row)
    return wire_table(columns, rows)

"""The questions that are measured, as data: what the page asks, and how long an answer may take.

Every asking moves "now" by some minutes, as people do: nothing here may profit from having been asked before, except by
what the product itself keeps.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tests.bench.sets import END, LARGE, SMALL, ZONE
from usagedeck.catalog.dimensions import dimension
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.filters import parse_filter
from usagedeck.query import Cursor, Direction, Query, Selection
from usagedeck.ranges import parse_range
from usagedeck.times import HOUR, MINUTE, zone
from usagedeck.windows import Interval, Window

Params: TypeAlias = Mapping[str, str | int]

REPORTING, UTC, OTHER = ZONE, "UTC", "Asia/Kathmandu"
STEP = 7 * MINUTE + 13_000


def moment(turn: int) -> int:
    """The "now" of the n-th asking."""
    return END - turn % 400 * STEP


@dataclass(frozen=True, kw_only=True)
class Usage:
    """A question over time, as the Usage and Analytics tabs ask it."""

    name: str
    metrics: tuple[str, ...] = ("credits",)
    interval: str = "day"
    by: tuple[str, ...] = ()
    days: int = 30
    zone: str = REPORTING
    filters: tuple[str, ...] = ()
    top: int | None = None
    cumulative: bool = False
    workspace: str = LARGE
    path: str = "/api/v1/usage"

    def params(self, turn: int, ids: Sequence[str]) -> Params:
        asked: dict[str, str | int] = {
            "metric": ",".join(self.metrics),
            "interval": self.interval,
            "range": f"{self.days}d",
            "time_zone": self.zone,
            "as_of": moment(turn),
        }
        if self.by:
            asked["by"] = ",".join(self.by)
        if self.top:
            asked["top"] = self.top
        if self.cumulative:
            asked["cumulative"] = "true"
        if self.filters:
            asked["filter"] = self.filters[0]
        return asked

    def query(self, turn: int) -> Query:
        """The same as the product's own question, for its window and buckets."""
        window = parse_range(f"{self.days}d", zone=zone(self.zone), now=moment(turn))
        selection = Selection(Subject.REQUESTS, window, tuple(parse_filter(f) for f in self.filters))
        metrics = tuple(METRICS[name] for name in self.metrics)
        return Query(selection, metrics, Interval.parse(self.interval), tuple(dimension(d) for d in self.by))


LOG_COLUMNS = tuple(f.name for f in fields(Subject.REQUESTS) if f.shown)


@dataclass(frozen=True, kw_only=True)
class Log:
    """A page of the log: the first, one further down, or the request with a certain id."""

    name: str
    deeper: bool = False
    by_id: bool = False
    days: int = 30
    workspace: str = LARGE
    path: str = "/api/v1/requests"

    def params(self, turn: int, ids: Sequence[str]) -> Params:
        asked: dict[str, str | int] = {
            "range": f"{self.days}d",
            "time_zone": REPORTING,
            "as_of": moment(turn),
            "columns": ",".join(("id", *LOG_COLUMNS)),
        }
        if self.deeper:
            asked["cursor"] = Cursor(self.below(turn), "", Direction.OLDER).encode()
        if self.by_id:
            asked["filter"] = f"id:eq:{ids[turn % len(ids)]}"
        return asked

    def below(self, turn: int) -> int:
        """Where the page before ended."""
        return moment(turn) - (1 + turn % 500) * HOUR

    def window(self, turn: int) -> Window:
        return parse_range(f"{self.days}d", zone=zone(REPORTING), now=moment(turn))


Question: TypeAlias = Usage | Log

# --- the table of targets -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Family:
    """Questions that share a target: the 95th percentile over all of their answers, in milliseconds."""

    name: str
    target: float
    questions: tuple[Question, ...]


_SPLITS = {
    "": (),
    " by product": ("product_type",),
    " by voice": ("voice_id",),
    " by key": ("api_key_id",),
    " by user": ("user_id",),
}
_TOP = 8
_FILTERS = {"": (), ", one filter": ("product_type:eq:TTS",)}
_CUTS = {"day": ("day", False), "week": ("week", False), "month": ("month", False), "cumulative": ("day", True)}
_LINES = ("latency_avg", "latency_p50", "latency_p95", "latency_p99", "success_rate")
_TABLE = ("requests", "success_rate", "latency_avg", "latency_p95", "errors")


def usage_views(days: int, where: str, workspace: str = LARGE) -> tuple[Usage, ...]:
    """Credits by day, week, month and running, whole and split, with and without a filter."""
    return tuple(
        Usage(
            name=f"credits, {cut}{split}{filtered}",
            interval=interval,
            cumulative=cumulative,
            by=by,
            top=_TOP if by else None,
            filters=filters,
            days=days,
            zone=where,
            workspace=workspace,
        )
        for cut, (interval, cumulative) in _CUTS.items()
        for split, by in _SPLITS.items()
        for filtered, filters in _FILTERS.items()
    )


COUNTS = (
    Usage(name="requests by hour and status class", metrics=("requests",), interval="hour", by=("status_class",)),
    Usage(name="success rate by hour", metrics=("success_rate",), interval="hour"),
    Usage(name="average latency by hour", metrics=("latency_avg",), interval="hour"),
    Usage(name="errors by status, in all", metrics=("errors",), interval="total", by=("status",), top=3),
)
BY_PATH = (Usage(name="table by path with p95", metrics=_TABLE, interval="total", by=("method", "route"), top=20),)
PERCENTILES = (
    Usage(name="p50, p95, p99 by day", metrics=_LINES, interval="day"),
    Usage(name="p50, p95, p99 by hour", metrics=_LINES, interval="hour"),
)
CONCURRENCY = (Usage(name="peak concurrency by hour", metrics=("concurrency",), interval="hour"),)
CONCURRENCY_RAW = (
    Usage(
        name="peak concurrency by hour, one product",
        metrics=("concurrency",),
        interval="hour",
        filters=("product_type:eq:TTS",),
    ),
    Usage(
        name="peak concurrency by hour, one user", metrics=("concurrency",), interval="hour", filters=("user_id:eq:user_000005",)
    ),
)
PAGES = (Log(name="log, first page"), Log(name="log, further page", deeper=True), Log(name="log, one id", by_id=True))


def _of_small(questions: Iterable[Question]) -> tuple[Question, ...]:
    found: list[Question] = []
    for one in questions:
        given = {name: getattr(one, name) for name in type(one).__dataclass_fields__}
        if isinstance(one, Usage):
            given["filters"] = tuple(f.replace("user_0000", "user_2200") for f in one.filters)
        found.append(type(one)(**{**given, "workspace": SMALL}))
    return tuple(found)


def families(days: int) -> tuple[Family, ...]:
    """What is measured on a data set of so many days."""
    if days > 90:
        return (
            *(Family(f"Usage, 365 d, {where}", 200, usage_views(365, where)) for where in (REPORTING, UTC)),
            Family(f"Usage, 365 d, {OTHER}", 500, usage_views(365, OTHER)),
        )
    usage = [
        Family(f"Usage, {span} d, {where}", target, usage_views(span, where))
        for span in (30, 90)
        for where, target in ((REPORTING, 100), (UTC, 100), (OTHER, 300))
    ]
    analytics = (
        Family("Analytics, 30 d: counts, rates, averages", 100, COUNTS),
        Family("Analytics, 30 d: table by path, p95", 350, BY_PATH),
        Family("Analytics, 30 d: percentiles over time", 700, PERCENTILES),
        Family("Concurrency, 30 d by hour", 100, CONCURRENCY),
        Family("Concurrency, 30 d by hour, filtered", 1000, CONCURRENCY_RAW),
        Family("Log: page, further page, id", 50, PAGES),
    )
    everything = [q for family in analytics for q in family.questions]
    small = (*usage_views(90, REPORTING), *everything)
    return (*usage, *analytics, Family("Small workspace, any of these", 30, _of_small(small)))


# --- the questions that others are asked, too ---------------------------------------------------------------------


def _credits(name: str, interval: str, by: tuple[str, ...], **more: object) -> Usage:
    return Usage(name=name, interval=interval, by=by, top=_TOP if by else None, **more)  # type: ignore[arg-type]


_BIG: tuple[Question, ...] = (
    _credits("credits by day, 30 d", "day", ()),
    _credits("credits by day and product, 30 d", "day", ("product_type",)),
    _credits("credits by day and key, top 8, 30 d", "day", ("api_key_id",)),
    _credits("credits by day and voice, top 8, 90 d", "day", ("voice_id",), days=90),
    _credits(
        "credits by month and user, top 8, one product, 90 d", "month", ("user_id",), days=90, filters=("product_type:eq:TTS",)
    ),
    Usage(name="requests, errors, average latency by hour, 30 d", metrics=("requests", "errors", "latency_avg"), interval="hour"),
    Usage(name="table by path with p95, 30 d", metrics=_TABLE, interval="total", by=("method", "route"), top=20),
    Usage(name="p50, p95, p99 by day, 30 d", metrics=_LINES, interval="day"),
    Usage(name="peak concurrency by hour, 30 d", metrics=("concurrency",), interval="hour"),
    Usage(
        name="peak concurrency by hour, one user, 30 d",
        metrics=("concurrency",),
        interval="hour",
        filters=("user_id:eq:user_000005",),
    ),
    *PAGES,
)
_LITTLE: tuple[Question, ...] = (
    _credits("small: credits by day and key, top 8, 90 d", "day", ("api_key_id",), days=90, workspace=SMALL),
    Usage(name="small: p50, p95, p99 by day, 30 d", metrics=_LINES, interval="day", workspace=SMALL),
    Log(name="small: log, first page", workspace=SMALL),
)
COMPARED: tuple[Question, ...] = (*_BIG, *_LITTLE)

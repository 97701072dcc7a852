"""Questions. A `Query` asks for metrics over time, a `ChangeQuery` why one changed, a `FailureQuery` what failed, a `LogQuery`
for single rows; one that exists is valid.

Building one checks everything that can be checked without data: names, types, operators, combinations, numbers of
buckets. Whose rows may be read is not part of a question: that is the `Scope`, added when it is compiled.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from usagedeck.catalog.dimensions import Dimension
from usagedeck.catalog.fields import MAX_DURATION, Field
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import Metric
from usagedeck.errors import InvalidInput
from usagedeck.filters import Filter, Word
from usagedeck.stretches import Stretch
from usagedeck.windows import TOTAL, Buckets, Interval, Window, buckets

MAX_FILTERS = 50
MAX_ACTIVITY_BUCKETS = 100_000
"""Most buckets of a question about concurrency, downloads included."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows a question is about: the part that charts, tables, menus and the log share."""

    subject: Subject
    window: Window
    filters: tuple[Filter, ...] = ()
    search: tuple[Word, ...] = ()
    active_in: Stretch | None = None
    """Only requests that were active at some instant of it. The window says when they began, so it reaches back further."""

    @classmethod
    def of_active(cls, window: Window, filters: tuple[Filter, ...] = (), search: tuple[Word, ...] = ()) -> "Selection":
        """The requests that were active at some instant of a window: those that questions about concurrency count in it."""
        begun = replace(window, start=max(0, window.start - MAX_DURATION))
        return cls(Subject.REQUESTS, begun, filters, search, (window.start, window.end))

    @property
    def filtered_by(self) -> tuple[Dimension, ...]:
        """The dimensions that its filters look at."""
        return tuple(one.dimension for one in self.filters)

    def __post_init__(self) -> None:
        if len(self.filters) > MAX_FILTERS:
            raise InvalidInput(f"At most {MAX_FILTERS} filters, {len(self.filters)} came.", field="filter")
        for one in self.filters:
            if self.subject not in one.dimension.of:
                raise InvalidInput(f"{one.dimension.name} does not belong to {self.subject}.", field="filter")


def refuse_joined(named: Iterable[Dimension | Field], param: str, why: str, instead: str) -> None:
    """Raises `InvalidInput` when a question about attempts names what only whole deliveries have; `why` and `instead` end the
    sentence."""
    for one in named:
        if one.joined:
            raise InvalidInput(f"{param} names {one.name}, which only whole deliveries have; {why}. {instead}.", field=param)


def refuse_unjoinable(subject: Subject) -> None:
    """Raises `InvalidInput` for events that make up nothing together."""
    if subject is not Subject.DELIVERIES:
        raise InvalidInput("Only attempts to deliver a webhook are joined into deliveries.", field="per")


@dataclass(frozen=True, slots=True)
class Query:
    """A question over time.

    `top` keeps that many series, ranked by the total of the first metric (by the number of rows when it does not add up),
    and folds all others into one exact "Other". `cap` is the most buckets its door answers, `row_cap` the most rows.
    """

    selection: Selection
    metrics: tuple[Metric, ...]
    interval: Interval
    dimensions: tuple[Dimension, ...] = ()
    cumulative: bool = False
    top: int | None = None
    cap: int | None = None
    row_cap: int | None = None
    reach: int = 0
    """How long after its first attempt a delivery may be tried again, in milliseconds; `report` sets it from the settings."""
    limit: int | None = None
    """How many requests may be active at once; `report` sets it from the workspace. Without one, `limited` metrics are absent."""
    buckets: Buckets = field(init=False)

    def __post_init__(self) -> None:
        subject = self.selection.subject
        if not self.metrics:
            raise InvalidInput("metric is missing; name at least one.", field="metric")
        for what, names in (("metric", [m.name for m in self.metrics]), ("by", [d.name for d in self.dimensions])):
            if twice := {n for n in names if names.count(n) > 1}:
                raise InvalidInput(f"{what} names {', '.join(sorted(twice))} twice.", field=what)
        for metric in self.metrics:
            self._check_metric(metric)
        if not self.joined:
            why = f"metric {self.metrics[0].name} is about their attempts"
            refuse_joined(self.selection.filtered_by, "filter", why, "Ask for a metric of deliveries, or leave it out")
        for by in self.dimensions:
            if subject not in by.of:
                raise InvalidInput(f"{by.name} does not belong to {subject}.", field="by")
            if not by.split:
                raise InvalidInput(f"by {by.name} would split into single rows; filter by it instead.", field="by")
        if sum(by.overlapping for by in self.dimensions) > 1:
            raise InvalidInput("At most one dimension with several values per row.", field="by")
        if self.top is not None and not (1 <= self.top <= 1000 and self.dimensions):
            raise InvalidInput("top goes with a breakdown and lies between 1 and 1000.", field="top")
        object.__setattr__(self, "buckets", buckets(self.selection.window, self.interval, self._most_buckets()))

    def _check_metric(self, metric: Metric) -> None:
        if metric.of is not self.selection.subject:
            raise InvalidInput(
                f"metric {metric.name} is about {metric.of}, the others about {self.selection.subject}; ask for them separately.",
                field="metric",
            )
        if metric.joined is not self.joined:
            first, other = ("deliveries", "attempts") if self.joined else ("attempts", "deliveries")
            raise InvalidInput(
                f"metric {metric.name} is about {other}, {self.metrics[0].name} about {first}; ask for them separately.",
                field="metric",
            )
        if self.cumulative and not metric.additive:
            raise InvalidInput(
                f"metric {metric.name} does not add up over time, so it has no cumulative form.", field="cumulative"
            )

    @property
    def joined(self) -> bool:
        """It is about deliveries, which are joined attempts."""
        return self.metrics[0].joined

    def _most_buckets(self) -> int | None:
        """Requests are cut at the edges of buckets to see how many were active: there the edges themselves cost memory."""
        active = any(metric.active for metric in self.metrics)
        return min(self.cap or MAX_ACTIVITY_BUCKETS, MAX_ACTIVITY_BUCKETS) if active else self.cap


@dataclass(frozen=True, slots=True)
class ChangeQuery:
    """Why a metric changed: what the values of a dimension did between the period `before` and the window of the selection.

    `top` values are kept, those that did most; all others are one exact "Other".
    """

    selection: Selection
    before: Window
    metric: Metric
    by: Dimension
    top: int = 10
    periods: tuple[Query, Query] = field(init=False)
    """The same as two questions over time: the period before, and the one after."""

    def __post_init__(self) -> None:
        refuse_unattributable(self.metric)
        if self.selection.active_in is not None:
            raise InvalidInput("active_in: what was active in one period cannot be compared with another.", field="active_in")
        refuse_joined(self.selection.filtered_by, "filter", "a change is told by their attempts", "Leave it out")
        if self.by.overlapping:
            raise InvalidInput(
                f"by {self.by.name} overlaps: a row may count in several of its values, so their changes do not add up to the "
                "whole. Choose another dimension.",
                field="by",
            )
        if not 1 <= self.top <= 1000:
            raise InvalidInput(f"top is {self.top}; it lies between 1 and 1000.", field="top")
        pair = tuple(
            Query(replace(self.selection, window=window), (self.metric,), Interval(unit=TOTAL), (self.by,))
            for window in (self.before, self.selection.window)
        )
        object.__setattr__(self, "periods", pair)


def refuse_unattributable(metric: Metric) -> None:
    """Raises `InvalidInput` for a metric whose change no part of the rows can be blamed for."""
    if metric.joined:
        raise InvalidInput(
            f"metric {metric.name} is about deliveries, which are made of several rows each; ask for one about their attempts.",
            field="metric",
        )
    if not metric.attributable:
        raise InvalidInput(
            f"metric {metric.name} is no sum and no average: what it is for all rows is not made of what it is for some of them, "
            "so no value has a part in its change. Ask for a metric that adds up, a rate or an average.",
            field="metric",
        )


@dataclass(frozen=True, slots=True)
class FailureQuery:
    """What failed: the errors of a selection in groups, the most frequent ones first. `limit` None means all groups."""

    selection: Selection
    limit: int | None = 20

    def __post_init__(self) -> None:
        refuse_joined(self.selection.filtered_by, "filter", "errors are those of their attempts", "Leave it out")
        if self.limit is not None and not 1 <= self.limit <= 1000:
            raise InvalidInput(f"limit is {self.limit}; it lies between 1 and 1000.", field="limit")


class Direction(StrEnum):
    """Which way a page of the log runs from its cursor."""

    OLDER = "older"
    NEWER = "newer"


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two rows of the log: after (time, id) in the given direction. Opaque to callers."""

    time: int
    id: str
    direction: Direction

    def encode(self) -> str:
        text = json.dumps([self.time, self.id, self.direction], separators=(",", ":"), ensure_ascii=False)
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Raises `InvalidInput` for anything `encode` did not make."""
        try:
            raw = base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4))
            time, id_, direction = json.loads(raw)
            if not (type(time) is int and type(id_) is str and -(2**62) < time < 2**62):
                raise ValueError
            id_.encode()  # half a character is a ValueError, too
            return cls(time, id_, Direction(direction))
        except (ValueError, TypeError, binascii.Error, RecursionError):
            raise InvalidInput("cursor is none of ours; take it from the answer before.", field="cursor") from None


@dataclass(frozen=True, slots=True)
class LogQuery:
    """A question about single rows, newest first unless `ascending`. `limit` None means all of them.

    With `joined` a row is a delivery instead of one attempt: at the time and with the id of its first attempt, with the outcome
    of its last one. They are the deliveries that questions over time count.
    """

    selection: Selection
    columns: tuple[Field, ...]
    ascending: bool = False
    cursor: Cursor | None = None
    limit: int | None = 100
    joined: bool = False
    reach: int = 0
    """As that of a `Query`."""

    def __post_init__(self) -> None:
        if self.joined:
            refuse_unjoinable(self.selection.subject)
        if not self.columns:
            raise InvalidInput("columns is empty; name at least one.", field="columns")
        if not self.joined:
            why, instead = "here a row is an attempt", "Ask with per=deliveries (--joined on the command line), or leave it out"
            refuse_joined(self.columns, "columns", why, instead)
            refuse_joined(self.selection.filtered_by, "filter", why, instead)
        if self.limit is not None and not 1 <= self.limit <= 1000:
            raise InvalidInput(f"limit is {self.limit}; it lies between 1 and 1000.", field="limit")

    @property
    def upwards(self) -> bool:
        """Whether its rows are read from the oldest one on. A page that was paged back to is shown the other way round."""
        return self.ascending if self.cursor is None else self.cursor.direction is Direction.NEWER

    @property
    def reading(self) -> Stretch:
        """From when to when its rows may be: the window, from the cursor on."""
        start, end = self.selection.window.start, self.selection.window.end
        if self.cursor is None:
            return start, end
        return (max(start, self.cursor.time), end) if self.upwards else (start, min(end, self.cursor.time + 1))


def neighbours(query: LogQuery, places: Sequence[tuple[int, str]], more: bool) -> tuple[Cursor | None, Cursor | None]:
    """The cursors of the older and of the newer page, of one whose rows have these places; `more` lie behind it."""
    if not places:
        return None, None
    oldest, newest = (places[0], places[-1]) if query.ascending else (places[-1], places[0])
    older, newer = Cursor(oldest[0], oldest[1], Direction.OLDER), Cursor(newest[0], newest[1], Direction.NEWER)
    came = query.cursor.direction if query.cursor else Direction.NEWER if query.ascending else Direction.OLDER
    if came is Direction.OLDER:
        return older if more else None, newer if query.cursor else None
    return older if query.cursor else None, newer if more else None

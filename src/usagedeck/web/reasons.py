"""Our own API, second part: why a metric changed, and what failed. The same answers as CSV, as everywhere."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Query as Param
from pydantic import BaseModel, Field

from usagedeck import access, changing, failing
from usagedeck.access import Who
from usagedeck.catalog.dimensions import DIMENSIONS, dimension
from usagedeck.catalog.failures import FAILURES
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.catalog.metrics import METRICS, metric
from usagedeck.deck import Deck
from usagedeck.query import ChangeQuery, FailureQuery, Selection
from usagedeck.ranges import parse_range
from usagedeck.table import Column, Table, json_cell, json_rows
from usagedeck.times import iso
from usagedeck.web.asking import QuestionRoute
from usagedeck.web.auth import DeckOf, who_asks
from usagedeck.web.params import Asked
from usagedeck.web.problems import REFUSALS, json
from usagedeck.web.tables import (
    AS_CSV,
    CsvResponse,
    TableOut,
    WindowOut,
    columns_of,
    csv_answer,
    file_name,
    freshness,
    refuse_outside_workspace,
    wants_csv,
    window_of,
    with_zone,
)
from usagedeck.windows import Window, period_before

router = APIRouter(prefix="/api/v1", responses=REFUSALS, route_class=QuestionRoute)

ATTRIBUTABLE = ", ".join(m.name for m in METRICS.values() if m.attributable)


class ChangeAsked(Asked):
    """A question about a change."""

    metric: str = Field("requests", description=f"One metric that adds up, or a rate or an average: {ATTRIBUTABLE}.")
    before: str | None = Field(
        None,
        description="The period that is compared with, as a range. When absent the one before that is as long; of a window that "
        "has not ended yet, as much of it as has passed.",
    )


class ChangesAsked(ChangeAsked):
    """A question about the parts of a change."""

    by: str | None = Field(
        None, description="The dimension whose values are the parts. When absent the one that tells the change best."
    )
    top: int = Field(10, description="Keep that many values, 1 to 1000, and fold the others into one exact Other.")


class FailuresAsked(Asked):
    """A question about errors."""

    of: Subject = Field(Subject.REQUESTS, description="Errors of requests or of deliveries.")
    limit: int = Field(20, description="Most groups, 1 to 1000. CSV has no limit.")


class WholeOut(BaseModel):
    """The metric over all rows; null in a period that has none to divide by, or that is not wholly kept."""

    before: str | int | None
    after: str | int | None
    change: str | int | None


class ComparedOut(TableOut):
    before: WindowOut
    after: WindowOut
    metric: str
    as_of: str = Field(description="The instant that counted as now.")


class ChangesOut(ComparedOut):
    """Without rows when `available_from` is set: a period is not wholly kept, so nothing can be compared."""

    by: str
    whole: WholeOut = Field(description="What the rows add up to.")
    values: int = Field(description="How many values there are, those in Other included.")


class FailuresOut(TableOut):
    window: WindowOut
    groups: int = Field(description="How many groups there are, those beyond the limit included.")
    errors: int = Field(description="How many errors there are in all of them.")


def _periods(deck: Deck, who: Who, asked: ChangeAsked) -> tuple[Selection, Window, int]:
    """The rows of the later period, the earlier one, and now."""
    now = asked.now(deck.clock())
    selection = asked.selection(who, metric(asked.metric).of, now)
    window = selection.window
    if not asked.before:
        return selection, period_before(window, now), now
    before = parse_range(asked.before, zone=window.zone, now=now, billing_day=who.workspace.billing_day, field="before")
    return selection, before, now


def _compared(answer: changing.Answer, before: Window, asked: ChangeAsked, now: int) -> dict[str, Any]:
    return {
        "columns": columns_of(answer.table),
        "rows": json_rows(answer.table),
        "before": window_of(before),
        "after": window_of(answer.about.window),
        "metric": asked.metric,
        "as_of": iso(now),
        **freshness(answer.about),
    }


def _with_periods(table: Table, before: Window, after: Window) -> Table:
    """In front of every line of a download: what is compared with what, and on whose clock."""
    edges = {"before_start": before.start, "before_end": before.end, "after_start": after.start, "after_end": after.end}
    for at, (name, edge) in enumerate(edges.items()):
        table = table.with_constant(Column(name, Type.INSTANT, name), edge, at=at)
    return with_zone(table, after, len(edges))


@router.get("/changes", response_model=ChangesOut, responses=AS_CSV, summary="Why a metric changed", tags=["questions"])
@router.get("/changes.csv", response_class=CsvResponse, summary="Why a metric changed, as CSV", tags=["questions"])
def changes(request: Request, deck: DeckOf, asked: Annotated[ChangesAsked, Param()]) -> Response:
    """The values of a dimension that did most between two periods, and Other: they add up to the whole change, exactly.

    `before` and `after` add up to the metric in either period. Of a rate or an average they are what the value puts above the
    line over the denominator of all rows, rounded to 12 decimals such that they still add up; `value_before` and `value_after`
    are the metric of that value alone; and `effect`, by which the values are ranked and which adds up to the whole change too,
    leaves out what merely moved because a value has another share of the rows than before.
    """
    who = who_asks(request, deck, asked.workspace)
    selection, before, now = _periods(deck, who, asked)
    wanted = metric(asked.metric)
    by = dimension(asked.by) if asked.by else _best(deck, who, asked, selection, before)
    refuse_outside_workspace(deck, who, asked, (by,))
    answer = changing.change(deck, who, asked.view(), ChangeQuery(selection, before, wanted, by, asked.top))
    if wants_csv(request):
        access.note_export(deck, who, "changes", request.url.query)
        name = file_name("change", wanted.name, f"by-{by.name}", window=answer.about.window)
        return csv_answer(_with_periods(answer.table, before, answer.about.window), name, answer.about)
    write = json_cell(answer.table.columns[3].type)
    whole = {side: write(getattr(answer.whole, side)) for side in ("before", "after", "change")}
    return json({**_compared(answer, before, asked, now), "by": by.name, "whole": whole, "values": answer.values})


def _best(deck: Deck, who: Who, asked: ChangesAsked, selection: Selection, before: Window) -> Any:
    ranked = changing.dimensions(deck, who, asked.view(), metric(asked.metric), selection, before)
    names = [row[0] for row in ranked.table.rows] or [FAILURES[selection.subject].traffic[0]]
    return DIMENSIONS[names[0]]


@router.get(
    "/changes/dimensions", response_model=ComparedOut, responses=AS_CSV, summary="What tells a change best", tags=["questions"]
)
@router.get("/changes/dimensions.csv", response_class=CsvResponse, summary="What tells a change best, as CSV", tags=["questions"])
def change_dimensions(request: Request, deck: DeckOf, asked: Annotated[ChangeAsked, Param()]) -> Response:
    """Dimensions, first those in which a few values did what the others did not, with the value that stands out most."""
    who = who_asks(request, deck, asked.workspace)
    selection, before, now = _periods(deck, who, asked)
    answer = changing.dimensions(deck, who, asked.view(), metric(asked.metric), selection, before)
    if wants_csv(request):
        access.note_export(deck, who, "changes/dimensions", request.url.query)
        name = file_name("change", asked.metric, "dimensions", window=answer.about.window)
        return csv_answer(_with_periods(answer.table, before, answer.about.window), name, answer.about)
    return json(_compared(answer, before, asked, now))


@router.get("/errors", response_model=FailuresOut, responses=AS_CSV, summary="What failed", tags=["questions"])
@router.get("/errors.csv", response_class=CsvResponse, summary="What failed, as CSV", tags=["questions"])
def errors(request: Request, deck: DeckOf, asked: Annotated[FailuresAsked, Param()]) -> Response:
    """Errors in groups, the most frequent ones first: how many, their share of the traffic, first and last seen in the window,
    how many users and keys (of deliveries: how many deliveries) they concern, and what the newest one said."""
    who = who_asks(request, deck, asked.workspace)
    csv = wants_csv(request)
    query = FailureQuery(asked.selection(who, asked.of, asked.now(deck.clock())), None if csv else asked.limit)
    answer = failing.failures(deck, who, asked.view(), query)
    if csv:
        access.note_export(deck, who, "errors", request.url.query)
        window = answer.about.window
        return csv_answer(with_zone(answer.table, window, 0), file_name("errors", asked.of, window=window), answer.about)
    return json(
        {
            "columns": columns_of(answer.table),
            "rows": json_rows(answer.table),
            "window": window_of(answer.about.window),
            "groups": answer.groups,
            "errors": answer.errors,
            **freshness(answer.about),
        }
    )

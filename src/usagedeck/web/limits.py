"""The door of usage limits: whether there is room for one request more, and how the limits stand."""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from fastapi import Query as Param
from pydantic import BaseModel, ConfigDict, Field

from usagedeck import access, limits
from usagedeck.errors import InvalidInput
from usagedeck.events import exact_amount
from usagedeck.meters import Kind, Standing
from usagedeck.report import About
from usagedeck.table import json_rows, plain
from usagedeck.times import iso
from usagedeck.web.asking import QuestionRoute
from usagedeck.web.auth import DeckOf, address_of, secret_of, who_asks
from usagedeck.web.params import listed, view_of
from usagedeck.web.problems import REFUSALS, json
from usagedeck.web.tables import (
    AS_CSV,
    ColumnOut,
    CsvResponse,
    WindowOut,
    columns_of,
    csv_answer,
    file_name,
    wants_csv,
    window_of,
)

T = TypeVar("T")

router = APIRouter(prefix="/api/v1", tags=["limits"], responses=REFUSALS)
checks = APIRouter(max_body_size=16 * 1024)
questions = APIRouter(route_class=QuestionRoute)

_Id = Annotated[str, Field(min_length=1, max_length=256)]


class CheckIn(BaseModel):
    """A request that is about to be made."""

    model_config = ConfigDict(extra="forbid")

    workspace: _Id | None = Field(None, description="Its workspace; needed with an operator key.")
    key: _Id | None = Field(None, description="Id of the key it is made with; the key that asks when absent.")
    user: _Id | None = Field(None, description="Id of the user who makes it; the owner of the key when absent.")
    groups: list[_Id] | None = Field(
        None, max_length=64, description="Groups its event will name; those the user is in when absent."
    )
    estimated_credits: str | None = Field(
        None, max_length=40, description="What it may cost at most, as a decimal. Without it nothing is reserved."
    )
    request_id: _Id | None = Field(
        None, description="Id that its event will have; asking again by it changes the reservation. Made up when absent."
    )

    def asked(self) -> limits.Asked:
        groups = None if self.groups is None else tuple(dict.fromkeys(self.groups))
        return limits.Asked(self.key, self.user, groups, _credits(self.estimated_credits), self.request_id)


def _credits(text: str | None) -> Decimal | None:
    if text is None:
        return None
    try:
        amount = Decimal(text)
    except ArithmeticError:
        said = f'estimated_credits is "{text}", which is no number; send a decimal such as "12.5".'
        raise InvalidInput(said, field="estimated_credits") from None
    return exact_amount("estimated_credits", amount)


class LimitOut(BaseModel):
    """How a limit stands. Everything acknowledged before the answer is in `used` and `reserved` together."""

    kind: Kind
    id: str | None = Field(description="Whose it is; null for the workspace.")
    limit: int = Field(description="Credits a billing period.")
    used: str = Field(description="Credits of the events that have been counted.")
    reserved: str = Field(description="Credits held for requests under way, and for events that are being counted.")
    remaining: str
    counted_from: str | None = Field(
        description="When part of the period has expired, so that what was used in it is not known: from when on it is."
    )


class RefusedOut(BaseModel):
    kind: Kind
    id: str | None = Field(description="Null for the workspace, and when the key that asks may not know whose it is.")


class CheckOut(BaseModel):
    allowed: bool
    refused_by: RefusedOut | None = Field(
        description="The first limit without room: of the key, the member, a group, the workspace."
    )
    limit: LimitOut | None = Field(
        description="How the limit stands that refused, or else the one with the least left. Null when there is none, or when "
        "the key that asks may not see it."
    )
    limits: list[LimitOut] = Field(description="All limits of the request that the key that asks may see.")
    resets_at: str = Field(description="When the next billing period begins.")
    reservation: str | None = Field(
        description="Id of what is reserved, to be sent as the event's id, or released. Null when nothing is."
    )


class ReleaseIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    workspace: _Id | None = Field(None, description="Its workspace; needed with an operator key.")
    reservation: _Id = Field(description="`reservation` of the check.")


class ReleaseOut(BaseModel):
    released: bool = Field(description="False when there was none: its event had come, its time was over, or it was never made.")
    credits: str = Field(description="What was held.")


class LimitsOut(BaseModel):
    columns: list[ColumnOut]
    rows: list[list[Any]]
    window: WindowOut = Field(description="The billing period; `used` is what was used in it so far.")
    resets_at: str = Field(description="When the next one begins.")
    complete_through: str = Field(description="Every event acknowledged before this instant is in the answer.")


class LimitsAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    workspace: str | None = Field(None, description="Workspace id, for people in several; the first when absent.")
    scope: str | None = Field(None, description="`account` (my own) or `workspace`; the widest allowed when absent.")
    kind: list[str] = Field([], description=f"Only these: {', '.join(Kind)}; repeated or comma-separated.")
    id: list[str] = Field([], description="Only those of these; repeated or comma-separated.")

    def kinds(self) -> list[Kind]:
        names = listed(self.kind)
        if unknown := [name for name in names if name not in list(Kind)]:
            raise InvalidInput(f'kind "{unknown[0][:40]}" is unknown; use {", ".join(Kind)}.', field="kind")
        return [Kind(name) for name in names]


@checks.post("/limits/check", response_model=CheckOut, summary="Is there room for a request")
async def check(request: Request, deck: DeckOf, body: CheckIn) -> Response:
    """Ask before you do the work. When it is allowed, `estimated_credits` are reserved until the event with that id comes, until
    they are released, or until their time is over (`reservation_seconds`). Takes an operator key, or an API key that may send
    events; one that may not read the whole workspace asks for itself."""

    def work() -> limits.Answer:
        asker = limits.asker_by_secret(deck, secret_of(request), address_of(request), body.workspace)
        return limits.check(deck, asker, body.asked())

    answer = await _apart(request, work)
    known = {standing.limit for standing in answer.standings}
    refused = answer.refused_by[0] if answer.refused_by else None
    tightest = answer.tightest
    return json(
        {
            "allowed": answer.allowed,
            "refused_by": refused and {"kind": refused.party[0], "id": (refused.party[1] or None) if refused in known else None},
            "limit": tightest and _limit(tightest),
            "limits": [_limit(standing) for standing in answer.standings],
            "resets_at": iso(answer.period.end),
            "reservation": answer.reservation,
        }
    )


@checks.post("/limits/release", response_model=ReleaseOut, summary="Hold a reservation no longer")
async def release(request: Request, deck: DeckOf, body: ReleaseIn) -> Response:
    """The request was not made after all. Releasing twice does nothing."""

    def work() -> Decimal | None:
        asker = limits.asker_by_secret(deck, secret_of(request), address_of(request), body.workspace)
        return limits.release(deck, asker, body.reservation)

    held = await _apart(request, work)
    return json({"released": held is not None, "credits": plain(held or Decimal(0))})


async def _apart(request: Request, work: Callable[[], T]) -> T:
    """In a thread of its own: questions that wait for their turn may hold all of the shared ones."""
    return await run_sync(work, limiter=request.app.state.checking)


def _limit(standing: Standing) -> dict[str, Any]:
    kind, id_ = standing.limit.party
    return {
        "kind": kind,
        "id": id_ or None,
        "limit": standing.limit.credits,
        "used": plain(standing.used),
        "reserved": plain(standing.held),
        "remaining": plain(standing.remaining),
        "counted_from": iso(standing.since) if standing.since else None,
    }


@questions.get("/limits", response_model=LimitsOut, responses=AS_CSV, summary="How the limits stand")
@questions.get("/limits.csv", response_class=CsvResponse, summary="How the limits stand, as CSV")
def figures(request: Request, deck: DeckOf, asked: Annotated[LimitsAsked, Param()]) -> Response:
    """Limits that are set, and what was used of them in this billing period. Whoever sees the workspace sees all of them, others
    those of their keys, of themselves and of the groups they are in."""
    who = who_asks(request, deck, asked.workspace)
    fresh, period = deck.clock(), limits.period_of(deck, who.workspace)
    table = limits.figures(deck, who, view_of(asked.scope), asked.kinds(), listed(asked.id))
    if wants_csv(request):
        access.note_export(deck, who, "limits", request.url.query)
        return csv_answer(table, file_name("limits", window=period), About(period, fresh, None))
    return json(
        {
            "columns": columns_of(table),
            "rows": json_rows(table),
            "window": window_of(period),
            "resets_at": iso(period.end),
            "complete_through": iso(fresh),
        }
    )


router.include_router(checks)
router.include_router(questions)

"""Our own API: the headers and bodies of one request or delivery. They stand in no list and in no CSV."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi import Query as Param
from pydantic import BaseModel, ConfigDict, Field

from usagedeck import listing
from usagedeck.catalog.kinds import Subject
from usagedeck.exchanges import Kept
from usagedeck.times import iso, parse_instant
from usagedeck.web.asking import QuestionRoute
from usagedeck.web.auth import DeckOf, who_asks
from usagedeck.web.params import view_of
from usagedeck.web.problems import REFUSALS, json

router = APIRouter(prefix="/api/v1", tags=["questions"], responses=REFUSALS, route_class=QuestionRoute)


class ExchangeAsked(BaseModel):
    """Which event, seen by whom."""

    model_config = ConfigDict(extra="forbid")

    time: str | None = Field(None, description="When it began, to the millisecond; the newest one with that id when absent.")
    workspace: str | None = Field(None, description="Workspace id, for people in several; the first when absent.")
    scope: str | None = Field(None, description="`account` (my own) or `workspace`; the widest allowed when absent.")


class SideOut(BaseModel):
    headers: list[tuple[str, str]] = Field(description="Names and values, in order.")
    body: str | None = Field(description="Text as it came, or base64; null without a body, and when it was left out.")
    base64: bool = Field(description="The body is binary, and in base64 here.")
    size: int | None = Field(description="Bytes of the whole body; null without one.")
    cut_at: int | None = Field(description="Only so many bytes of the body are kept; null when all are.")
    redacted: int = Field(description="Places in headers and body at which something was taken out.")
    left_out: str = Field(description="Why there is no body although there was one.")
    more_headers: int = Field(description="Headers that were too many to be kept.")


class ExchangeOut(BaseModel):
    time: str
    id: str
    request: SideOut | None = Field(description="What was sent; null when nothing was kept.")
    response: SideOut | None = Field(description="What came back; null when nothing was kept.")
    expired: bool = Field(description="Headers and bodies of that time are not kept any more.")
    collecting: bool = Field(description="The workspace collects headers and bodies now.")


@router.get("/log/{of}/{id:path}", response_model=ExchangeOut, summary="Headers and bodies of one request or delivery")
def exchange(request: Request, deck: DeckOf, of: Subject, id: str, asked: Annotated[ExchangeAsked, Param()]) -> Response:  # noqa: A002 - its name in the path
    """What was sent and what came back, without secrets, as far as the workspace collects and keeps it. Readable by whoever may
    read the event."""
    who = who_asks(request, deck, asked.workspace)
    at = parse_instant(asked.time, field="time") if asked.time else None
    found = listing.exchange(deck, who, view_of(asked.scope), of, id, at)
    return json(
        {
            "time": iso(found.time),
            "id": found.id,
            "request": _side(found.request),
            "response": _side(found.response),
            "expired": found.expired,
            "collecting": who.workspace.exchanges,
        }
    )


def _side(kept: Kept | None) -> dict[str, Any] | None:
    return None if kept is None else msgspec.structs.asdict(kept)

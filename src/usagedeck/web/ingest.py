"""The collecting door: `POST /v1/events`."""

from collections.abc import Callable
from typing import Annotated, TypeVar

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Request, Response
from pydantic import BaseModel, Field

from usagedeck import access
from usagedeck.errors import TooLarge
from usagedeck.web.auth import DeckOf, address_of, secret_of
from usagedeck.web.bodies import told
from usagedeck.web.problems import Problem, json, problem

T = TypeVar("T")

router = APIRouter(tags=["collecting"])


class RejectionOut(BaseModel):
    index: int = Field(description="Position of the event in the batch, from 0; blank lines do not count.")
    id: str | None = Field(description="The event's id, when it could be read.")
    code: str = Field(description="Stable, machine-readable reason.")
    field: str | None = Field(description="The field it is about.")
    message: str = Field(description="What is wrong and how to mend it.")


class ReceiptOut(BaseModel):
    """What became of a batch. Repeats of earlier events count as accepted."""

    accepted: int
    rejected: list[RejectionOut]
    exchanges: dict[str, int] | None = Field(
        None,
        description="Only when events brought headers or bodies: how many were `kept`, how many were not (`switched_off`, "
        "`expired`), and how many bodies were left out of those kept (`too_large`, `unsure`).",
    )


_EVENT = {"type": "object", "description": "An event; its fields are listed at /docs.", "additionalProperties": True}
_BODY = {
    "required": True,
    "content": {
        "application/x-ndjson": {"schema": {"type": "string", "description": "One event a line."}},
        "application/json": {"schema": {"type": "array", "items": _EVENT}},
    },
}


@router.post(
    "/v1/events",
    response_model=ReceiptOut,
    summary="Send events",
    responses={
        400: {"model": Problem, "description": "The body cannot be read as a whole; nothing was taken."},
        401: {"model": Problem, "description": "No key, or an unknown one."},
        403: {"model": Problem, "description": "The key may not send events."},
        413: {"model": Problem, "description": "Too many bytes or events; nothing was taken."},
        422: {"model": ReceiptOut, "description": "Events came and all were refused."},
        429: {"model": Problem, "description": "Wait as long as Retry-After says, then send the batch again."},
        507: {"model": Problem, "description": "The disk is full."},
    },
    openapi_extra={"requestBody": _BODY},
)
async def events(
    request: Request,
    deck: DeckOf,
    content_encoding: Annotated[str, Header(description="identity, gzip or zstd.")] = "identity",
) -> Response:
    """Requests and deliveries as NDJSON or a JSON array. The answer is sent when what was accepted is safe on disk.

    Identity is workspace, time and id: the same event sent again counts once, and the first arrival wins.
    """
    who = await _apart(request, lambda: access.who_by_key(deck, secret_of(request), address_of(request)))
    access.require(who, access.Permission.WRITE)
    try:
        receipt = await request.app.state.bodies.take(request, deck, who, content_encoding.strip().lower() or "identity")
    except TooLarge as error:
        return problem(request, 413, "Too large", error.code, error.message, error.field)
    request.app.state.counters.count(len(receipt.rejected), receipt.accepted)
    return json(told(receipt), 422 if receipt.refused else 200)


async def _apart(request: Request, work: Callable[[], T]) -> T:
    """In a thread of the collecting door's own: questions that wait for their turn may hold all of the shared ones."""
    return await run_sync(work, limiter=request.app.state.collecting)

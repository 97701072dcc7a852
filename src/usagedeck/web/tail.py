"""The live tail of the log as server-sent events: a connection per tail, and no thread while nothing happens.

The door waits, paces and speaks; what a tail sees is decided in `usagedeck.tail`. Before every step the asker is looked up
anew, so a revoked key or an ended session ends its tails. The next step is taken when the last one has been sent: a reader who is
slow finds more left out, and costs no memory.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Annotated, Any

import anyio
import msgspec
from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from fastapi import Query as Param
from pydantic import Field
from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from usagedeck.access import Who
from usagedeck.catalog.dimensions import log_field
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import Subject
from usagedeck.deck import Deck
from usagedeck.errors import Cancelled, InvalidInput, NotFound, TooBusy, UsagedeckError
from usagedeck.query import LogQuery, Selection, refuse_joined
from usagedeck.store.commits import STEADY
from usagedeck.table import Column, Table, json_rows
from usagedeck.tail import MAX_RATE, PAGE, Arrived, Tail
from usagedeck.web.asking import QuestionRoute
from usagedeck.web.auth import DeckOf, who_asks
from usagedeck.web.params import Asked, listed
from usagedeck.web.problems import REFUSALS, status_of
from usagedeck.web.tables import columns_of
from usagedeck.windows import LATEST_WINDOW

PULSE = 5.0
"""Seconds of silence after which a tail says that it is alive, and after which its asker is looked up anew."""

PATIENCE = 60.0
"""Seconds that a reader may take for one message. A tail whose reader stands still gives its place to another."""

FAREWELL = 1.0
"""Seconds for the last word when the server stops."""

EVERYTHING = ".."

router = APIRouter(prefix="/api/v1", tags=["questions"], responses=REFUSALS, route_class=QuestionRoute)


class TailAsked(Asked):
    """A question about rows to come."""

    of: Subject = Field(Subject.REQUESTS, description="What is followed: requests or deliveries.")
    columns: list[str] = Field([], description="Columns, repeated or comma-separated; also attributes.<key>. All when absent.")
    after: str | None = Field(
        None, description="Go on behind this place: the id of an event, or `place` of a page of the log. Now when absent."
    )
    rate: int = Field(20, description=f"Most rows in a second, 1 to {MAX_RATE}; of more, some are left out and counted.")

    def following(self, who: Who, now: int) -> Selection:
        """A window that reaches to now has no end here; without one, rows of all times are followed."""
        asked = self if self.start or self.end or self.range else self.model_copy(update={"range": EVERYTHING})
        selection = asked.selection(who, self.of, now)
        window = selection.window
        return replace(selection, window=replace(window, end=LATEST_WINDOW)) if window.end >= now else selection


def _event(name: str, place: int, content: Any) -> bytes:
    return b"event: %b\nid: %d\ndata: %b\n\n" % (name.encode(), place, msgspec.json.encode(content))


@dataclass(frozen=True, slots=True)
class _Following:
    """One asker's tail: how it is stepped, in a thread."""

    request: Request
    deck: Deck
    asked: TailAsked
    tail: Tail
    who: Who

    def step(self) -> Arrived:
        who = who_asks(self.request, self.deck, self.asked.workspace)
        if who.workspace.id != self.who.workspace.id:
            raise NotFound("The workspace that was followed is not yours any more.", field="workspace")
        return self.tail.step(who, self.asked.view())


class EventStream(StreamingResponse):
    """Server-sent events."""

    media_type = "text/event-stream"


class TailResponse(EventStream):
    """Events for as long as the reader stays."""

    def __init__(self, following: _Following, columns: tuple[Column, ...], lanes: anyio.CapacityLimiter) -> None:
        super().__init__(self._events(), headers={"x-accel-buffering": "no"})
        self._following = following
        self._columns = columns
        self._lanes = lanes
        self._commits = following.deck.commits
        self._news = asyncio.Event()
        self._closing = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        loop = asyncio.get_running_loop()
        workspace, most = self._following.who.workspace.id, self._following.deck.settings.live_tails
        with self._commits.told(workspace, lambda: _tell(loop, self._hear), most):
            async with anyio.create_task_group() as work:

                async def patient(message: Message) -> None:
                    with anyio.move_on_after(PATIENCE) as waiting:
                        await send(message)
                    if waiting.cancelled_caught:
                        work.cancel_scope.cancel()

                work.start_soon(self._cut, work.cancel_scope)
                await super().__call__(scope, receive, patient)
                work.cancel_scope.cancel()

    def _hear(self) -> None:
        self._news.set()
        if self._commits.closed:
            self._closing.set()

    async def _cut(self, work: anyio.CancelScope) -> None:
        await self._closing.wait()
        await anyio.sleep(FAREWELL)
        work.cancel()

    async def _events(self) -> AsyncIterator[bytes]:
        tail = self._following.tail
        opening = {"columns": columns_of(Table(self._columns, ())), "rate": self._following.asked.rate}
        yield _event("open", tail.place, opening)
        while not self._commits.closed:
            self._news.clear()
            try:
                arrived = await run_sync(self._following.step, limiter=self._lanes)
            except TooBusy as error:
                await asyncio.sleep(error.retry_after)
                continue
            except Cancelled:
                return
            except UsagedeckError as error:
                about = {"status": status_of(error)[0], "code": error.code, "detail": error.message, "field": error.field}
                yield _event("end", tail.place, about)
                return
            rows = json_rows(arrived.table)
            if rows or arrived.left_out:
                yield _event("rows", arrived.place, {"rows": rows, "left_out": arrived.left_out})
            if not arrived.more and (message := await self._rest(arrived.place)):
                yield message
        farewell = {"status": 503, "code": "stopping", "detail": "The server is stopping; ask again in a moment.", "field": None}
        yield _event("end", tail.place, farewell)

    async def _rest(self, place: int) -> bytes | None:
        """Wait until there may be something to see, and for what comes with it; the sign of life when it takes long."""
        nothing_new = self._commits.since(self._following.who.workspace.id, place) == set()
        if nothing_new and not self._commits.closed:
            try:
                await asyncio.wait_for(self._news.wait(), PULSE)
            except TimeoutError:
                return _event("pulse", place, {})
        if not self._commits.closed:
            await asyncio.sleep(STEADY)
        return None


def _tell(loop: asyncio.AbstractEventLoop, hear: Callable[[], None]) -> None:
    """Called on the writer's thread."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(hear)


@router.get(
    "/log/tail",
    response_class=EventStream,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    summary="The log as it arrives",
)
async def tail(request: Request, deck: DeckOf, asked: Annotated[TailAsked, Param()]) -> Response:
    """Rows of the log in the order of their arrival, as server-sent events; late ones too, repeats of known events not.

    `open` names the columns, `rows` brings rows and says how many were left out because more than `rate` came in a second,
    `pulse` says that nothing happened, `end` why it is over. The id of every event is a place: asked again with it as `after`,
    or as `Last-Event-ID`, within a day, the tail goes on without gaps or repeats.
    """
    return await run_sync(_begin, request, deck, asked)


def _begin(request: Request, deck: Deck, asked: TailAsked) -> TailResponse:
    who = who_asks(request, deck, asked.workspace)
    columns = tuple(log_field(name, asked.of) for name in listed(asked.columns))
    selection = asked.following(who, asked.now(deck.clock()))
    for param, named in (("columns", columns), ("filter", selection.filtered_by)):
        refuse_joined(named, param, "what arrives are their attempts", "Leave it out")
    query = LogQuery(selection, columns or fields(asked.of), limit=PAGE)
    tail = Tail(deck, query, place=_place(request.headers.get("last-event-id") or asked.after), rate=asked.rate)
    following = _Following(request, deck, asked, tail, who)
    return TailResponse(following, tail.columns(who, asked.view()), request.app.state.tailing)


def _place(text: str | None) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidInput("after is none of our places; take it from the id of an event, or leave it out.", field="after")
    return int(text)

"""The route of questions: it notices when the asker goes away, and then the question stops.

It only watches; what is asked is the doors' business.
"""

import asyncio

import anyio
from anyio.to_thread import run_sync
from fastapi.routing import APIRoute
from starlette.types import Message, Receive, Scope, Send

from usagedeck.store.ticket import Ticket

TICKET = "ticket"
"""Where a request's ticket stands in its scope."""


class QuestionRoute(APIRoute):
    """A route whose questions end with the connection they were asked over, while they are worked on and while their answer
    is being sent."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        ticket = scope[TICKET] = Ticket()
        inbox: asyncio.Queue[Message] = asyncio.Queue(1)
        watch = asyncio.create_task(_watch(receive, inbox, ticket))
        try:
            await super().handle(scope, inbox.get, send)
        finally:
            watch.cancel()


async def _watch(receive: Receive, inbox: asyncio.Queue[Message], ticket: Ticket) -> None:
    """Read ahead of the door: only who waits for the next message learns that there will be none."""
    while (message := await receive())["type"] != "http.disconnect":
        await inbox.put(message)
    # a thread of its own: the shared ones may all be busy with the very questions that are to stop
    await run_sync(ticket.give_up, limiter=anyio.CapacityLimiter(1))
    while True:
        await inbox.put(message)

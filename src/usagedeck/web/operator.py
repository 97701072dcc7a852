"""The door of the command line: while a server runs, its data belongs to it, so commands are handed over here.

Not part of the public API. The token is made at every start and written into the data folder, where only the owner of the
data can read it. Questions it asks at `/api/v1` like everybody else, with that token as its key.
"""

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from usagedeck import access, admin
from usagedeck.errors import InvalidInput, NotFound, NotSignedIn
from usagedeck.web.asking import QuestionRoute
from usagedeck.web.auth import DeckOf, operates
from usagedeck.web.bodies import told
from usagedeck.web.problems import json

router = APIRouter(prefix="/operator", include_in_schema=False)
commands = APIRouter(route_class=QuestionRoute)
"""Some of them ask long questions, which end when the command line goes away."""


def _check(request: Request) -> None:
    if not operates(request):
        raise NotSignedIn("This door is for the command line on the server's own machine.")


@commands.post("/command")
async def command(request: Request, deck: DeckOf) -> Response:
    """Carry out one command of `usagedeck.admin`."""
    _check(request)
    try:
        wanted = admin.decode(await request.body())
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"The command cannot be read: {error}.") from None
    return json(await run_in_threadpool(admin.perform, deck, wanted))


router.include_router(commands)


@router.post("/events/{workspace_id}")
async def events(request: Request, deck: DeckOf, workspace_id: str) -> Response:
    """Take a batch for any workspace: imports into a running server."""
    _check(request)
    workspace = deck.directory.workspaces.get(workspace_id)
    if workspace is None:
        raise NotFound(f'There is no workspace "{workspace_id}".', field="workspace", code="workspace_not_found")
    who = access.Who(workspace, None, frozenset({access.Permission.WRITE}))
    receipt = await request.app.state.bodies.take(request, deck, who)
    return json(told(receipt))

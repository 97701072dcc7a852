"""The ways in, and the one through the identity provider: the page sends the browser there and tells us what it brought back."""

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from usagedeck import identity
from usagedeck.identity import PATIENCE
from usagedeck.times import SECOND
from usagedeck.web.auth import DeckOf, address_of, origin_of, set_cookie, set_session
from usagedeck.web.problems import REFUSALS, json

COOKIE = "usagedeck_sign_in"
PREFIX = "/api/v1/sign-in"
WAITING = 4
"""Sign-ins that may wait for the provider side by side; when it is slow, nobody else shall wait with them."""

router = APIRouter(prefix=PREFIX, tags=["session"], max_body_size=16 * 1024, responses=REFUSALS)


class WaysOut(BaseModel):
    """How people sign in here."""

    password: bool = Field(description="By e-mail and password.")
    provider: str | None = Field(description="What the button of the identity provider says; null where there is none.")


class GoOut(BaseModel):
    address: str = Field(description="Where the browser is to go.")


class BackIn(BaseModel):
    """What the provider sent the browser back with."""

    state: str = Field(max_length=200)
    code: str = Field("", max_length=4000)
    error: str = Field("", max_length=200)
    iss: str | None = Field(None, max_length=500, description="Who the provider says it is, if it does.")
    invitation: str | None = Field(None, max_length=200, description="Token of an invitation to accept on the way.")


class EnteredOut(BaseModel):
    workspace: str | None = Field(description="Id of the workspace that the invitation led to; null without one.")


def limiter() -> CapacityLimiter:
    return CapacityLimiter(WAITING)


@router.get("", response_model=WaysOut, summary="How people sign in")
def ways(deck: DeckOf) -> Response:
    """The ways in that this server has."""
    settings = deck.settings
    return json({"password": settings.password_sign_in, "provider": settings.oidc_label if deck.provider else None})


@router.post("/provider", response_model=GoOut, summary="Begin at the identity provider")
async def begin(request: Request, deck: DeckOf) -> Response:
    """Where the browser is to go; a cookie remembers that it was sent there."""
    waiting: CapacityLimiter = request.app.state.entering
    address, sealed = await to_thread.run_sync(identity.begin, deck, origin_of(request, deck), limiter=waiting)
    response = json({"address": address})
    set_cookie(request, response, COOKIE, sealed, seconds=PATIENCE // SECOND, path=PREFIX)
    return response


@router.post("/provider/back", response_model=EnteredOut, summary="Come back from the identity provider")
async def back(request: Request, deck: DeckOf, body: BackIn) -> Response:
    """Sets the session cookie for whomever the provider vouches for."""
    waiting: CapacityLimiter = request.app.state.entering

    def enter() -> tuple[str, str | None]:
        return identity.finish(
            deck,
            request.cookies.get(COOKIE),
            identity.Back(body.state, body.code, body.error, body.iss),
            invitation=body.invitation,
            address=address_of(request),
            user_agent=request.headers.get("user-agent", ""),
        )

    token, workspace_id = await to_thread.run_sync(enter, limiter=waiting)
    response = json({"workspace": workspace_id})
    set_session(request, response, deck, token)
    response.delete_cookie(COOKIE, path=PREFIX)
    return response

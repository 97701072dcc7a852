"""Who is behind a request, and the sign-in of the page."""

import hmac
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi import Query as Param
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from usagedeck import __version__, access, passwords
from usagedeck.access import Who
from usagedeck.admin import rights
from usagedeck.deck import Deck
from usagedeck.errors import NotFound, NotSignedIn
from usagedeck.passwords import MAX_PASSWORD, MIN_PASSWORD
from usagedeck.times import iso
from usagedeck.web.asking import TICKET
from usagedeck.web.problems import REFUSALS, json

COOKIE = "usagedeck_session"


async def deck_of(request: Request) -> Deck:
    """The deck this server was started with; a question's own answers end when its asker goes.

    Asynchronous only because the framework would take a thread for a plain function.
    """
    deck: Deck = request.app.state.deck
    ticket = request.scope.get(TICKET)
    if not ticket:
        return deck
    return replace(deck, answers=replace(deck.answers, ticket=ticket), arrivals=replace(deck.arrivals, ticket=ticket))


DeckOf = Annotated[Deck, Depends(deck_of)]


def secret_of(request: Request) -> str | None:
    """The API key of a request: `xi-api-key`, or `Authorization: Bearer`."""
    if key := request.headers.get("xi-api-key"):
        return key
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if kind.lower() == "bearer" else None


def address_of(request: Request) -> str:
    """Where a request came from; the guard has seen to proxies."""
    return request.client.host if request.client else ""


def operates(request: Request) -> bool:
    """Whether it comes from the command line on the server's own machine, which has read the token of this start."""
    expected: str = request.app.state.operator_token
    return bool(expected) and hmac.compare_digest(expected.encode(), (secret_of(request) or "").encode())


def who_asks(request: Request, deck: Deck, workspace_id: str | None = None) -> Who:
    """The asker behind a key or a session, or the command line. Raises `NotSignedIn` when there is neither."""
    secret = secret_of(request)
    if secret is None and COOKIE not in request.cookies:
        raise NotSignedIn("Send an API key as xi-api-key or Authorization: Bearer, or sign in.", code="needs_authorization")
    if operates(request):
        return access.who_operates(deck, workspace_id)
    if secret is not None:
        who = access.who_by_key(deck, secret, address_of(request))
        if workspace_id not in (None, who.workspace.id):
            raise NotFound("This key belongs to another workspace.", field="workspace", code="workspace_not_found")
        return who
    return access.who_by_session(deck, request.cookies.get(COOKIE), workspace_id, address_of(request))


class SignIn(BaseModel):
    """Credentials of a person."""

    email: str = Field(max_length=200)
    password: str = Field(max_length=MAX_PASSWORD)


router = APIRouter(
    prefix="/api/v1",
    tags=["session"],
    max_body_size=16 * 1024,
    responses=REFUSALS,
)


@router.post("/session", status_code=204, summary="Sign in")
async def sign_in(request: Request, deck: DeckOf, body: SignIn) -> Response:
    """Sets the session cookie. Refused for a while after too many failures."""
    address = address_of(request)
    agent = request.headers.get("user-agent", "")
    token = await run_in_threadpool(access.sign_in, deck, body.email, body.password, address=address, user_agent=agent)
    response = Response(status_code=204)
    set_session(request, response, deck, token)
    return response


def set_session(request: Request, response: Response, deck: Deck, token: str) -> None:
    """The answer signs its asker in."""
    set_cookie(request, response, COOKIE, token, seconds=deck.settings.session_hours * 3600)


def set_cookie(request: Request, response: Response, name: str, value: str, *, seconds: int, path: str = "/") -> None:
    """A cookie that no script reads and no other site's request carries."""
    response.set_cookie(name, value, max_age=seconds, httponly=True, samesite="lax", secure=_needs_secure(request), path=path)


def origin_of(request: Request, deck: Deck) -> str:
    """Where browsers find this server: as it is set, else as this one did; the guard has seen to the host."""
    settings = deck.settings
    return settings.page_url if settings.public_url else f"{request.url.scheme}://{request.headers['host']}"


def _needs_secure(request: Request) -> bool:
    """Cookies travel in clear to this machine only."""
    return request.url.scheme == "https" or request.url.hostname not in ("localhost", "127.0.0.1", "::1")


@router.delete("/session", status_code=204, summary="Sign out")
def sign_out(request: Request, deck: DeckOf) -> Response:
    """Ends the session and clears its cookie."""
    if token := request.cookies.get(COOKIE):
        access.sign_out(deck, token)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/")
    return response


class NewPassword(BaseModel):
    """Another password for whoever is signed in."""

    password: str = Field(max_length=MAX_PASSWORD, description="The present one.")
    new_password: str = Field(max_length=MAX_PASSWORD, description=f"At least {MIN_PASSWORD} characters.")


@router.post("/account/password", status_code=204, summary="Change my password")
async def change_password(request: Request, deck: DeckOf, body: NewPassword) -> Response:
    """For people who are signed in. All their sessions end; the one that asks goes on with a new cookie."""
    token = await run_in_threadpool(
        passwords.change_mine,
        deck,
        request.cookies.get(COOKIE),
        body.password,
        body.new_password,
        address=address_of(request),
        user_agent=request.headers.get("user-agent", ""),
    )
    response = Response(status_code=204)
    set_session(request, response, deck, token)
    return response


@router.get("/me", summary="Who is asking")
def me(
    request: Request,
    deck: DeckOf,
    workspace: Annotated[str | None, Param(description="Workspace id, for people in several; the first when absent.")] = None,
) -> Response:
    """The asker, their workspaces, and which views they may use."""
    who = who_asks(request, deck, workspace)
    return json(_me(deck, who))


def _me(deck: Deck, who: Who) -> dict[str, Any]:
    user = deck.directory.people.get(who.user_id) if who.user_id else None
    others = access.memberships(deck, who.user_id) if who.user_id and who.key_id is None else []
    space, views = who.workspace, access.views(deck, who)
    return {
        "user": {"id": who.user_id, "email": user.email if user else None, "name": user.name if user else None},
        "role": who.role,
        "permissions": sorted(who.permissions),
        "workspace": {
            "id": space.id,
            "name": space.name,
            "currency": space.currency,
            "time_zone": space.time_zone,
            "billing_day": space.billing_day,
            "concurrency_limit": space.concurrency_limit,
            "members": deck.directory.people.count(space.id),
        },
        "workspaces": [{"id": w.id, "name": w.name} for w, _ in others] or [{"id": space.id, "name": space.name}],
        "views": views.allowed,
        "refused_views": views.refused,
        "switch_views": views.switch,
        "areas": rights.areas(who),
        "grantable": [one for one in access.Permission if one in rights.grantable(who)],
        "givable": rights.givable(who),
        "invitable": rights.invitable(who),
        "now": iso(deck.clock()),
        "version": __version__,
    }

"""All HTTP doors together, around one deck."""

from collections.abc import Sequence
from typing import Any

import anyio
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from usagedeck import __version__
from usagedeck.deck import Deck
from usagedeck.web import (
    account,
    api,
    auth,
    bodies,
    elevenlabs,
    exchanges,
    identity,
    ingest,
    joining,
    limits,
    operator,
    pages,
    problems,
    provisioning,
    reasons,
    tail,
    workspace,
)
from usagedeck.web.guard import Guard

DESCRIPTION = """
Usage, analytics, request log and export of a metered API.

Send an API key as `xi-api-key` or as `Authorization: Bearer`. Instants are RFC 3339 or epoch milliseconds; decimals are
strings; every answer says through which instant it is complete. Every question also comes as CSV: add `.csv` to its path.
"""

TAGS: Sequence[dict[str, str]] = (
    {"name": "collecting", "description": "Send events."},
    {"name": "questions", "description": "Ask about them."},
    {"name": "catalogue", "description": "What can be asked."},
    {"name": "elevenlabs", "description": "The calls of the official `elevenlabs` SDKs."},
    {"name": "session", "description": "Sign in as a person."},
    {"name": "limits", "description": "Credits a billing period, of keys, members, groups and workspaces."},
    {"name": "account", "description": "Who did what."},
    {
        "name": "workspace",
        "description": "Look after a workspace: members, groups, keys, webhooks, settings. For people as far as their role goes, "
        "and for keys with the permission `workspace_manage`.",
    },
    {
        "name": "provisioning",
        "description": "Mirror your own directory into this one, with an operator key. Putting the same again changes nothing; "
        "what is left out stays as it is.",
    },
    {"name": "machines", "description": "For load balancers and monitoring."},
)


COLLECTING_THREADS = 8
"""Senders whose keys are looked up side by side."""

CHECKING_THREADS = 8
"""Requests that are checked against limits side by side."""


def create_app(deck: Deck, *, operator_token: str = "") -> ASGIApp:
    """The application. With an `operator_token` the command line may hand commands to it."""
    app = _doors()
    registry = CollectorRegistry()
    app.state.deck = deck
    app.state.operator_token = operator_token
    app.state.registry = registry
    app.state.collecting = anyio.CapacityLimiter(COLLECTING_THREADS)
    app.state.checking = anyio.CapacityLimiter(CHECKING_THREADS)
    app.state.tailing = anyio.CapacityLimiter(max(1, deck.settings.query_parallel // 2))
    app.state.entering = identity.limiter()
    app.state.bodies = bodies.Bodies()
    app.state.counters = pages.Counters(registry)
    pages.SealingGauges(deck, registry)
    app.mount("/static", GZipMiddleware(StaticFiles(directory=pages.STATIC)), name="static")
    return Guard(app, deck.settings, registry)


def openapi() -> dict[str, Any]:
    """The API's description, without a deck."""
    return _doors().openapi()


def _doors() -> FastAPI:
    app = FastAPI(
        title="usagedeck",
        version=__version__,
        description=DESCRIPTION,
        openapi_tags=[dict(tag) for tag in TAGS],
        docs_url=None,
        redoc_url=None,
    )
    problems.install(app)
    asked = (ingest, api, limits, reasons, exchanges, tail, elevenlabs)
    managed = (auth, identity, joining, account, workspace, pages, provisioning, operator)
    for door in (*asked, *managed):
        app.include_router(door.router)
    return app

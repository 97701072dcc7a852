"""The page, its files, and what machines ask: health, version, counters."""

import hmac
from ipaddress import ip_address
from pathlib import Path

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest
from starlette.responses import FileResponse, PlainTextResponse

from usagedeck import __version__
from usagedeck.catalog import Subject
from usagedeck.errors import NotAllowed
from usagedeck.web.auth import DeckOf, secret_of
from usagedeck.web.problems import Problem, json

STATIC = Path(__file__).parent.parent / "static"

router = APIRouter()


class Counters:
    """What the server counts of itself besides requests. Never by workspace."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter("usagedeck_events", "Events by outcome.", ["outcome"], registry=registry)

    def count(self, rejected: int, accepted: int) -> None:
        self._events.labels("rejected").inc(rejected)
        self._events.labels("accepted").inc(accepted)


@router.get("/", include_in_schema=False)
def page() -> Response:
    """The Developers page."""
    return FileResponse(STATIC / "index.html", media_type="text/html; charset=utf-8")


@router.get("/docs", include_in_schema=False)
def docs() -> Response:
    """The API's reference, drawn from /openapi.json."""
    return FileResponse(STATIC / "docs.html", media_type="text/html; charset=utf-8")


@router.get("/healthz", tags=["machines"], summary="Is the process alive")
def healthz() -> Response:
    """Always 200 while the process can answer."""
    return json({"status": "ok"})


@router.get("/readyz", tags=["machines"], summary="Can it answer questions")
def readyz(deck: DeckOf) -> Response:
    """200 when store and directory answer."""
    deck.store.rows(Subject.REQUESTS)
    deck.directory.workspaces()
    return json({"status": "ready"})


@router.get("/version", tags=["machines"], summary="Which release this is")
def version() -> Response:
    """The release."""
    return json({"version": __version__})


@router.get(
    "/metrics",
    tags=["machines"],
    summary="Counters in Prometheus form",
    response_class=PlainTextResponse,
    responses={403: {"model": Problem, "description": "Asked from elsewhere without the token."}},
)
def metrics(request: Request, deck: DeckOf) -> Response:
    """For this machine, or with the bearer token of the setting `metrics_token`."""
    token = deck.settings.metrics_token
    if not _from_here(request) and not (token and hmac.compare_digest(token.encode(), (secret_of(request) or "").encode())):
        raise NotAllowed("Metrics are for this machine; set metrics_token to read them from elsewhere.")
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)


def _from_here(request: Request) -> bool:
    """Asked on this machine, and not through a proxy on it."""
    if any(name in request.headers for name in ("x-forwarded-for", "forwarded", "via")):
        return False
    try:
        return ip_address(request.client.host if request.client else "").is_loopback
    except ValueError:
        return False

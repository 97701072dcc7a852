"""The page, its files, and what machines ask: health, version, counters."""

import hmac
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.responses import FileResponse, PlainTextResponse

from usagedeck import __version__
from usagedeck.catalog.kinds import Subject
from usagedeck.deck import Deck
from usagedeck.errors import NotAllowed
from usagedeck.identity import BACK
from usagedeck.store.rollup import Lag
from usagedeck.times import MINUTE
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


class SealingGauges(Collector):
    """How far the rollups are sealed. Counting costs something, so it is done at most once a minute."""

    def __init__(self, deck: Deck, registry: CollectorRegistry) -> None:
        self._deck = deck
        self._counted = 0
        self._lags: list[Lag] = []
        registry.register(self)

    def describe(self) -> Iterable[Metric]:
        """Nothing is counted before somebody asks."""
        return ()

    def collect(self) -> Iterator[Metric]:
        now = self._deck.clock()
        if not 0 <= now - self._counted < MINUTE:
            self._counted, self._lags = now, self._deck.sealer.lag()
        until = GaugeMetricFamily("usagedeck_sealed_until_seconds", "End of the newest sealed quarter-hour.", labels=["rollup"])
        days = GaugeMetricFamily("usagedeck_unsealed_days", "Days to be sealed, or sealed anew.", labels=["rollup", "why"])
        for lag in self._lags:
            if lag.sealed_until is not None:
                until.add_metric([lag.rollup], lag.sealed_until / 1000)
            days.add_metric([lag.rollup, "waiting"], lag.waiting)
            days.add_metric([lag.rollup, "taken_away"], lag.taken_away)
        caught_up = GaugeMetricFamily("usagedeck_sealing_caught_up_seconds", "When all was sealed that could be.")
        caught_up.add_metric([], self._deck.sealer.caught_up / 1000)
        yield from (until, days, caught_up)


@router.get("/", include_in_schema=False)
def page() -> Response:
    """The Developers page."""
    return FileResponse(STATIC / "index.html", media_type="text/html; charset=utf-8")


@router.get("/join", include_in_schema=False)
def join() -> Response:
    """Where the link of an invitation leads."""
    return FileResponse(STATIC / "join.html", media_type="text/html; charset=utf-8")


@router.get(BACK, include_in_schema=False)
def callback() -> Response:
    """Where the identity provider sends browsers back to."""
    return FileResponse(STATIC / "sign-in.html", media_type="text/html; charset=utf-8")


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
    deck.directory.workspaces.all()
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

"""What every request passes on its way in and out: the Host and Origin checks, the trace id, the strict headers, the count.

Pure ASGI and outermost, so that error answers carry the headers too.
"""

import secrets
import time
from ipaddress import ip_address
from urllib.parse import urlsplit

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from usagedeck.settings import Settings
from usagedeck.web.problems import problem

log = structlog.get_logger(__name__)

SECURITY = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types lit-html"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
SAFE = ("GET", "HEAD", "OPTIONS")
METHODS = (*SAFE, "POST", "PUT", "PATCH", "DELETE")
KEYED = ("/v1/", "/v2/", "/api/v1/")
"""Routes that take an API key; only these may be called from other origins, and never with cookies."""


class Guard:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, settings: Settings, registry: CollectorRegistry) -> None:
        self._app = app
        self._settings = settings
        self._public = urlsplit(settings.public_url).hostname
        self._requests = Counter(
            "usagedeck_http_requests",
            "HTTP requests by route, method and status.",
            ["route", "method", "status"],
            registry=registry,
        )
        self._seconds = Histogram("usagedeck_http_seconds", "Time to answer by route.", ["route"], registry=registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["trace_id"] = secrets.token_hex(16)
        headers = Headers(scope=scope)
        self._believe_proxy(scope, headers)
        keyed = scope["path"].startswith(KEYED) and ("xi-api-key" in headers or "authorization" in headers)
        started, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(MutableHeaders(scope=message), scope, keyed=keyed)
            await send(message)

        try:
            refusal = self._refusal(scope, headers, keyed=keyed)
            if refusal:
                await refusal(scope, receive, answer)
            elif scope["method"] == "OPTIONS" and scope["path"].startswith(KEYED):
                await _preflight(answer)
            else:
                await self._app(scope, receive, answer)
        finally:
            self._note(scope, status, time.perf_counter() - started)

    def _refusal(self, scope: Scope, headers: Headers, *, keyed: bool) -> Response | None:
        request = Request(scope)
        host = _host(headers.get("host", ""))
        if not self._known(host):
            detail = f"This server does not answer to the host {host[:100]!r}; add it to allowed_hosts."
            return problem(request, 421, "Wrong host", "wrong_host", detail)
        origin = headers.get("origin")
        if scope["method"] not in SAFE and not keyed and origin is not None and urlsplit(origin).netloc != headers.get("host"):
            detail = "This request came from another site and was refused."
            return problem(request, 403, "Not allowed", "cross_site", detail)
        return None

    def _known(self, host: str) -> bool:
        allowed = {"localhost", self._settings.host.lower(), self._public, *self._settings.allowed_hosts}
        if host in allowed or "*" in allowed:
            return True
        try:
            return ip_address(host).is_loopback or self._settings.host in ("0.0.0.0", "::")  # noqa: S104 - a comparison
        except ValueError:
            return False

    def _believe_proxy(self, scope: Scope, headers: Headers) -> None:
        """The caller's address and scheme from a proxy that the operator named, and from nobody else."""
        peer = (scope.get("client") or ("", 0))[0]
        if peer in self._settings.trusted_proxies:
            hops = [hop.strip() for line in headers.getlist("x-forwarded-for") for hop in line.split(",")]
            if hops:  # from the right, past our own proxies: whatever stands further left may be made up
                scope["client"] = (next((hop for hop in reversed(hops) if hop not in self._settings.trusted_proxies), hops[0]), 0)
            if headers.get("x-forwarded-proto") in ("http", "https"):
                scope["scheme"] = headers["x-forwarded-proto"]

    def _add_headers(self, headers: MutableHeaders, scope: Scope, *, keyed: bool) -> None:
        headers["x-trace-id"] = scope["trace_id"]
        for name, value in SECURITY.items():
            headers.setdefault(name, value)
        if keyed:
            headers["access-control-allow-origin"] = "*"
            headers["access-control-expose-headers"] = (
                "x-trace-id, x-complete-through, x-analytics-scope, content-disposition, retry-after"
            )
        # the page's files may be kept, but are asked after: modules of two releases must never meet
        headers.setdefault("cache-control", "no-cache" if scope["path"].startswith("/static/") else "no-store")

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._requests.labels(route, method, status).inc()
        self._seconds.labels(route).observe(seconds)
        log.info(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            ms=round(seconds * 1000, 1),
            trace_id=scope["trace_id"],
        )


def _host(header: str) -> str:
    """The host without its port."""
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.rpartition(":")[0].lower() if header.count(":") == 1 else header.lower()


async def _preflight(send: Send) -> None:
    headers = [
        (b"access-control-allow-origin", b"*"),
        (b"access-control-allow-methods", ", ".join(METHODS).encode()),
        (b"access-control-allow-headers", b"*, authorization"),  # SDKs send headers of their own; the star leaves this one out
        (b"access-control-max-age", b"86400"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})

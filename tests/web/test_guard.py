"""What every request passes: Host and Origin checks, strict headers, the trace id, proxies that are believed."""

import asyncio
from typing import Any

import httpx2
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.web.conftest import Place
from usagedeck.settings import Settings
from usagedeck.web.guard import METHODS, SECURITY, Guard

OWN = "http://127.0.0.1:8787"


async def echo(request: Request) -> Response:
    client = request.client.host if request.client else ""
    return JSONResponse({"client": client, "scheme": request.url.scheme, "method": request.method})


async def fail(request: Request) -> Response:
    raise RuntimeError("oops")


def ask(
    path: str = "/echo",
    method: str = "GET",
    *,
    url: str = OWN,
    peer: str = "127.0.0.1",
    settings: dict[str, Any] | None = None,
    headers: list[tuple[str, str]] | dict[str, str] | None = None,
    registry: CollectorRegistry | None = None,
) -> httpx2.Response:
    """One request through the guard to an application that says what it saw."""
    methods = ["GET", "POST", "PUT", "DELETE"]
    app = Starlette(
        routes=[Route(p, echo, methods=methods) for p in ("/echo", "/v1/x", "/v2/x", "/api/v1/x")] + [Route("/fail", fail)]
    )
    guard = Guard(app, Settings(**(settings or {})), registry or CollectorRegistry())

    async def send() -> httpx2.Response:
        transport = httpx2.ASGITransport(guard, raise_app_exceptions=False, client=(peer, 4711))
        async with httpx2.AsyncClient(transport=transport, base_url=url) as client:
            return await client.request(method, path, headers=headers)

    return asyncio.run(send())


# --- the host -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1:8787", "localhost", "LOCALHOST:1", "[::1]:8787", "127.0.0.2"])
def test_this_machine_is_known_by_its_names(host: str) -> None:
    assert ask(headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "10.0.0.1", "", "127.0.0.1.evil.example", "[::2]", "[", "a:b:c"]
)
def test_other_names_are_refused(host: str) -> None:
    answer = ask(headers={"host": host})
    assert answer.status_code == 421
    assert "allowed_hosts" in answer.text
    assert answer.headers["content-security-policy"]


def test_names_are_allowed_by_setting() -> None:
    for settings, host in (
        ({"allowed_hosts": "usage.example, other.example"}, "usage.example"),
        ({"public_url": "https://usage.example/deck"}, "usage.example:443"),
        ({"host": "10.0.0.1"}, "10.0.0.1"),
        ({"host": "0.0.0.0"}, "192.168.1.7"),
        ({"host": "::"}, "[2001:db8::7]"),
        ({"allowed_hosts": "*"}, "anything.example"),
    ):
        assert ask(settings=settings, headers={"host": host}).status_code == 200, settings
    assert ask(settings={"host": "0.0.0.0"}, headers={"host": "rebound.example"}).status_code == 421


# --- other sites --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:9999", "https://127.0.0.1:8787.evil.example"]
)
def test_other_sites_cannot_write_with_a_cookie(method: str, origin: str) -> None:
    for path in ("/echo", "/api/v1/x", "/v1/x"):
        answer = ask(path, method, headers={"origin": origin, "cookie": "usagedeck_session=x"})
        assert answer.status_code == 403, path
        assert "access-control-allow-origin" not in answer.headers


def test_the_page_itself_and_programs_may_write() -> None:
    assert ask("/api/v1/x", "POST", headers={"origin": OWN}).status_code == 200
    assert ask("/api/v1/x", "POST").status_code == 200


@pytest.mark.parametrize("header", ["xi-api-key", "authorization"])
@pytest.mark.parametrize("path", ["/v1/x", "/v2/x", "/api/v1/x"])
def test_other_sites_may_use_a_key_and_never_a_cookie(header: str, path: str) -> None:
    answer = ask(path, "POST", headers={"origin": "https://app.example", header: "secret"})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    assert "x-trace-id" in answer.headers["access-control-expose-headers"]


def test_without_a_key_there_is_no_cors() -> None:
    assert "access-control-allow-origin" not in ask("/v1/x", headers={"origin": "https://app.example"}).headers
    assert "access-control-allow-origin" not in ask("/echo", headers={"xi-api-key": "secret"}).headers


def test_a_preflight_allows_what_sdks_send_and_no_credentials() -> None:
    asked = {"origin": "https://app.example", "access-control-request-headers": "xi-api-key,x-fern-language,authorization"}
    for path in ("/v1/x", "/api/v1/x"):
        answer = ask(path, "OPTIONS", headers=asked | {"access-control-request-method": "POST"})
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-allow-headers"] == "*, authorization"
        assert set(answer.headers["access-control-allow-methods"].split(", ")) == set(METHODS)
        assert "access-control-allow-credentials" not in answer.headers
    assert "access-control-allow-origin" not in ask("/echo", "OPTIONS", headers=asked).headers


# --- headers ------------------------------------------------------------------------------------------------------


def test_every_answer_is_strict(place: Place) -> None:
    with place.client() as client:
        answers = [
            client.get("/"),
            client.get("/docs"),
            client.get("/healthz"),
            client.get("/openapi.json"),
            client.get("/api/v1/catalog.csv"),
            client.get("/nowhere"),
            client.get("/static/nowhere.js"),
            client.get("/api/v1/usage"),
            client.get("/v1/usage/character-stats"),
            client.get("/v1/usage/character-stats", params={"start_unix": 1, "end_unix": 1}),
            client.post("/v1/events"),
            client.post("/healthz"),
            client.get("/", headers={"host": "evil.example"}),
            client.post("/api/v1/session", headers={"origin": "https://evil.example"}),
            client.options("/v1/events"),
        ]
    assert [a.status_code for a in answers] == [200, 200, 200, 200, 200, 404, 404, 401, 422, 401, 401, 405, 421, 403, 204]
    for answer in answers:
        for name, value in SECURITY.items():
            assert answer.headers[name] == value, answer.url
    assert len({answer.headers["x-trace-id"] for answer in answers}) == len(answers)


def test_the_policy_lets_nothing_in() -> None:
    policy = dict(part.strip().split(" ", 1) for part in SECURITY["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert all("unsafe" not in value and "*" not in value and "http" not in value for value in policy.values())


def test_even_a_crash_has_the_headers() -> None:
    answer = ask("/fail")
    assert answer.status_code == 500
    assert answer.headers["content-security-policy"] == SECURITY["content-security-policy"]
    assert len(answer.headers["x-trace-id"]) == 32


def test_answers_are_not_kept_but_files_may_be(place: Place) -> None:
    with place.client() as client:
        assert client.get("/version").headers["cache-control"] == "no-store"
        assert client.get("/static/index.html").headers.get("cache-control") != "no-store"


def test_a_trace_id_is_ours() -> None:
    assert ask(headers={"x-trace-id": "f" * 32}).headers["x-trace-id"] != "f" * 32


# --- proxies ------------------------------------------------------------------------------------------------------


def test_nobody_is_believed_who_was_not_named() -> None:
    forged = {"x-forwarded-for": "9.9.9.9", "x-forwarded-proto": "https"}
    assert ask(headers=forged).json() == {"client": "127.0.0.1", "scheme": "http", "method": "GET"}
    other = ask(headers=forged, peer="10.0.0.2", settings={"trusted_proxies": "10.0.0.1"}).json()
    assert (other["client"], other["scheme"]) == ("10.0.0.2", "http")


@pytest.mark.parametrize(
    ("hops", "client"),
    [
        (["9.9.9.9"], "9.9.9.9"),
        (["1.1.1.1, 9.9.9.9"], "9.9.9.9"),
        (["1.1.1.1", "9.9.9.9"], "9.9.9.9"),
        (["1.1.1.1, 9.9.9.9, 10.0.0.2"], "9.9.9.9"),
        (["10.0.0.2"], "10.0.0.2"),
    ],
)
def test_a_named_proxy_is_believed_about_the_last_stranger(hops: list[str], client: str) -> None:
    headers = [("x-forwarded-for", hop) for hop in hops] + [("x-forwarded-proto", "https")]
    answer = ask(headers=headers, peer="10.0.0.1", settings={"trusted_proxies": "10.0.0.1,10.0.0.2"})
    assert answer.json() == {"client": client, "scheme": "https", "method": "GET"}


def test_a_proxy_cannot_name_a_scheme_that_is_none() -> None:
    answer = ask(headers={"x-forwarded-proto": "javascript"}, peer="10.0.0.1", settings={"trusted_proxies": "10.0.0.1"})
    assert answer.json()["scheme"] == "http"


# --- the count ----------------------------------------------------------------------------------------------------


def test_made_up_methods_and_paths_do_not_fill_the_counters() -> None:
    registry = CollectorRegistry()
    ask("/made/up/path", "BREW", registry=registry)
    shown = generate_latest(registry).decode()
    assert 'usagedeck_http_requests_total{method="other",route="other",status="404"} 1.0' in shown
    assert "made" not in shown
    assert "BREW" not in shown

"""A small OpenID provider of our own: a real server on a port of this machine, with keys and people, and ways to be wrong."""

import base64
import hashlib
import html
import json
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, Key

CLIENT = "usagedeck at acme"
"""With spaces: the client's name is coded twice on its way."""
SECRET = "a secret: with+signs%"
PEOPLE: dict[str, dict[str, Any]] = {
    "sub-ana": {"email": "Ana@Example.com", "email_verified": True, "name": "Ana"},
    "sub-new": {"email": "new@example.com", "email_verified": True, "name": "New One"},
    "sub-unsure": {"email": "ben@example.com", "email_verified": False, "name": "Unsure"},
    "sub-bare": {"name": "Bare"},
}


def new_key(kid: str | None = None) -> Key:
    return ECKey.generate_key("P-256", {"kid": kid or secrets.token_hex(4), "use": "sig"})


@dataclass
class Code:
    """A code that was given out, and what for."""

    subject: str
    asked: dict[str, str]


@dataclass
class OpenIdProvider:
    """What it is and does; tests change it as they like."""

    clock: Callable[[], int]
    url: str = ""
    algorithm: str = "ES256"
    keys: list[Key] = field(default_factory=lambda: [new_key()])
    """The last one signs."""
    methods: list[str] | None = None
    """How clients may show who they are; None is not said."""
    secret: str = SECRET
    in_token: bool = True
    """The token has what is known of somebody; else only the user info has."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """Said instead of the truth."""
    claims: dict[str, Any] = field(default_factory=dict)
    """The same of tokens; None is left out."""
    info: dict[str, Any] = field(default_factory=dict)
    token: Callable[[dict[str, Any]], str] | None = None
    """Makes the token of its claims instead of us."""
    broken: set[str] = field(default_factory=set)
    """Paths that answer nonsense."""
    people: dict[str, dict[str, Any]] = field(default_factory=lambda: dict(PEOPLE))
    asked: Counter[str] = field(default_factory=Counter)
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def rotate(self) -> None:
        """Another key from now on; the old one is not shown any more."""
        self.keys = [new_key()]

    def header(self) -> dict[str, Any]:
        return {"alg": self.algorithm, "kid": self.keys[-1].kid}

    def about(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize?tenant=acme",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "response_types_supported": ["code"],
        }
        if self.methods is not None:
            found["token_endpoint_auth_methods_supported"] = self.methods
        return found | self.metadata

    def id_token(self, subject: str, nonce: str) -> str:
        now = self.clock() // 1000
        claims = {"iss": self.url, "aud": CLIENT, "sub": subject, "iat": now, "exp": now + 300, "nonce": nonce}
        claims |= self.people[subject] if self.in_token else {}
        claims = {name: value for name, value in (claims | self.claims).items() if value is not None}
        return self.token(claims) if self.token else self.sign(claims)

    def sign(self, claims: dict[str, Any], key: Key | None = None, **header: Any) -> str:
        """A token of these claims, and of a header that says what we say."""
        said = {name: value for name, value in (self.header() | header).items() if value is not None}
        return jws.serialize_compact(said, json.dumps(claims).encode(), key or self.keys[-1], [self.algorithm])


class _Handler(BaseHTTPRequestHandler):
    """One request to it."""

    protocol_version = "HTTP/1.1"
    provider: OpenIdProvider

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.provider.asked[url.path] += 1
        asked = dict(parse_qsl(url.query))
        if url.path in self.provider.broken:
            self._send(200, b"<html>This is no JSON.</html>", "text/html")
        elif url.path == "/.well-known/openid-configuration":
            self._json(self.provider.about())
        elif url.path == "/jwks":
            others = [{"kty": "of another age", "kid": "x"}, {"kty": "oct", "k": "c2VjcmV0", "kid": "y"}]
            self._json({"keys": [*others, *(key.as_dict(private=False) for key in self.provider.keys)]})
        elif url.path == "/authorize":
            self._authorize(asked)
        elif url.path == "/userinfo":
            self._user_info()
        else:
            self._send(404, b"", "text/plain")

    def do_POST(self) -> None:
        self.provider.asked[self.path] += 1
        form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        if self.path in self.provider.broken:
            self._send(200, b"<html>This is no JSON.</html>", "text/html")
        else:
            self._token(form)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        pass

    def _authorize(self, asked: dict[str, str]) -> None:
        right = (
            asked.get("client_id") == CLIENT,
            asked.get("response_type") == "code",
            "openid" in asked.get("scope", "").split(),
            asked.get("code_challenge_method") == "S256",
            asked.get("tenant") == "acme",
            len(asked.get("state", "")) >= 32,
            len(asked.get("nonce", "")) >= 32,
        )
        if not all(right):
            self._send(400, f"wrong: {right}".encode(), "text/plain")
            return
        if "login" in asked:
            code = secrets.token_urlsafe(16)
            self.provider.codes[code] = Code(asked["login"], asked)
            self._redirect(asked["redirect_uri"], code=code, state=asked["state"])
        elif "cancel" in asked:
            self._redirect(asked["redirect_uri"], error="access_denied", error_description="<b>no</b>", state=asked["state"])
        else:
            links = [(f"Sign in as {subject}", {**asked, "login": subject}) for subject in self.provider.people]
            links.append(("Cancel", {**asked, "cancel": "1"}))
            shown = "".join(f'<p><a href="/authorize?{html.escape(urlencode(to))}">{title}</a></p>' for title, to in links)
            page = f'<!doctype html><html lang="en"><title>Provider</title><link rel="icon" href="data:,">{shown}</html>'
            self._send(200, page.encode(), "text/html")

    def _redirect(self, to: str, **said: str) -> None:
        self.send_response(302)
        self.send_header("location", f"{to}?{urlencode(said)}")
        self.send_header("content-length", "0")
        self.end_headers()

    def _token(self, form: dict[str, str]) -> None:
        if not self._client_is_right(form):
            self._json({"error": "invalid_client"}, 401)
            return
        given = self.provider.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest()).decode().rstrip("=")
        if (
            given is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != given.asked["redirect_uri"]
            or challenge != given.asked["code_challenge"]
        ):
            self._json({"error": "invalid_grant", "error_description": "<script>"}, 400)
            return
        access = secrets.token_urlsafe(16)
        self.provider.tokens[access] = given.subject
        token = self.provider.id_token(given.subject, given.asked["nonce"])
        self._json({"access_token": access, "token_type": "Bearer", "expires_in": 60, **({"id_token": token} if token else {})})

    def _client_is_right(self, form: dict[str, str]) -> bool:
        methods = self.provider.methods or ["client_secret_basic"]
        authorization = self.headers.get("authorization", "")
        if not self.provider.secret:
            return form.get("client_id") == CLIENT and not authorization and "client_secret" not in form
        if authorization:
            id_, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
            return "client_secret_basic" in methods and (unquote(id_), unquote(secret)) == (CLIENT, self.provider.secret)
        posted = (form.get("client_id"), form.get("client_secret"))
        return "client_secret_post" in methods and posted == (CLIENT, self.provider.secret)

    def _user_info(self) -> None:
        subject = self.provider.tokens.get(self.headers.get("authorization", "").removeprefix("Bearer "))
        if subject is None:
            self._json({"error": "invalid_token"}, 401)
        else:
            self._json({"sub": subject, **self.provider.people[subject]} | self.provider.info)

    def _json(self, content: Any, status: int = 200) -> None:
        self._send(status, json.dumps(content).encode(), "application/json")

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def openid_provider(clock: Callable[[], int]) -> Iterator[OpenIdProvider]:
    """One that answers until the end."""
    made = OpenIdProvider(clock)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": made}))
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def settings_for(provider: OpenIdProvider, **more: Any) -> dict[str, Any]:
    """The settings of a server that believes it."""
    return {"oidc_issuer": provider.url, "oidc_client_id": CLIENT, "oidc_client_secret": provider.secret, **more}

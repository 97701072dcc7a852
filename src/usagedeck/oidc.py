"""OpenID Connect: one identity provider, asked who somebody is. Authorization code with PKCE, state and nonce.

Says what the provider vouches for and nothing about who that is here. A token is believed only when one of the provider's own
keys signed it, for us, just now, in answer to the very question we asked; whatever is missing is no.
"""

import base64
import hashlib
import re
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import httpx2

from usagedeck.errors import NotSignedIn, TooBusy
from usagedeck.settings import Settings, travels_safely
from usagedeck.times import HOUR, MINUTE, SECOND

T = TypeVar("T")

LEEWAY = 2 * MINUTE
"""How far the provider's clock may be from ours."""
KEPT = HOUR
"""How long what the provider says of itself is believed without asking again."""
PAUSE = 10 * SECOND
"""How long a provider that does not answer is left alone."""
TIMEOUT = 10
"""Seconds a provider may take."""
MAX_SUBJECT = 255
_ERROR = re.compile("[a-z_]{1,60}")
_UNREADABLE = (httpx2.HTTPError, httpx2.InvalidURL, ValueError, TypeError)


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in on its way: where the browser goes, and what only we and the browser know."""

    address: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Claims:
    """Whom the provider vouches for."""

    issuer: str
    subject: str
    email: str | None
    """In lower case; only an address that the provider says is verified, or that the settings say can be trusted."""
    name: str


@dataclass(frozen=True, slots=True)
class _About:
    """What a provider says of itself."""

    metadata: Mapping[str, Any]
    keys: Sequence[Any]
    read_at: int


class Provider:
    """The identity provider of the settings. Nothing is asked of it before somebody signs in. Safe to use from many threads."""

    def __init__(self, settings: Settings, clock: Callable[[], int]) -> None:
        self._settings = settings
        self._clock = clock
        self._tokens: Any = import_module("usagedeck.id_tokens")  # what it loads takes time, and most servers have no provider
        self._client = httpx2.Client(timeout=TIMEOUT, follow_redirects=False, headers={"accept": "application/json"})
        self._lock = threading.Lock()
        self._known: _About | None = None
        self._failed: tuple[int, str] | None = None
        self._renewed = 0

    def close(self) -> None:
        self._client.close()

    def begin(self, redirect_uri: str) -> Begun:
        """Where to send a browser that is to come back to `redirect_uri`. Raises `TooBusy` when the provider does not answer."""
        about = self._about()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": self._settings.oidc_client_id,
            "redirect_uri": redirect_uri,
            "scope": self._settings.oidc_scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = str(about.metadata["authorization_endpoint"])
        return Begun(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}", state, nonce, verifier)

    def finish(self, code: str, verifier: str, nonce: str, redirect_uri: str) -> Claims:
        """Whom the provider vouches for by this code. Raises `NotSignedIn` saying what is wrong, `TooBusy` without an answer."""
        about = self._about()
        answer = self._redeem(about, code, verifier, redirect_uri)
        claims = self._believed(str(answer.get("id_token", "")), nonce)
        subject = str(claims["sub"])
        if not claims.keys() >= {"email", "email_verified"}:
            claims = {**claims, **self._user_info(about, str(answer.get("access_token", "")), subject)}
        email = _verified_email(claims, trusting=self._settings.oidc_trust_emails)
        return Claims(self._settings.oidc_issuer, subject, email, _text(claims.get("name"), 200))

    # --- what the provider says of itself

    def _about(self) -> _About:
        with self._lock:
            if self._known is None or not 0 <= self._clock() - self._known.read_at < KEPT:
                self._known = self._asked(self._read)
            return self._known

    def _renew(self, used: _About) -> _About:
        """What it says now, after a key was not among those we know: at most once a minute, whoever sends us such tokens."""
        with self._lock:
            known = self._known
            if known is not None and known is not used:
                return known
            if 0 <= self._clock() - self._renewed < MINUTE:
                return used
            self._renewed = self._clock()
            self._known = self._asked(self._read)
            return self._known

    def _asked(self, ask: Callable[[], T]) -> T:
        """An answer of the provider's; one that gave none is left alone for a while."""
        now = self._clock()
        if self._failed and 0 <= now - self._failed[0] < PAUSE:
            raise _silent(self._failed[1])
        try:
            answer = ask()
        except (*_UNREADABLE, KeyError) as error:
            said = " ".join(str(error).split())[:200] or type(error).__name__
            self._failed = (now, said)
            raise _silent(said) from None
        self._failed = None
        return answer

    def _read(self) -> _About:
        issuer = self._settings.oidc_issuer
        metadata = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if metadata["issuer"] != issuer:
            raise ValueError(f'it calls itself "{str(metadata["issuer"])[:200]}"; set oidc_issuer to exactly that')
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not travels_safely(str(metadata[name])):
                raise ValueError(f"its {name} is not https")
        return _About(metadata, self._tokens.signing_keys(self._get(str(metadata["jwks_uri"]))), self._clock())

    def _get(self, url: str, **headers: str) -> Mapping[str, Any]:
        response = self._client.get(url, headers=headers)
        response.raise_for_status()
        found = response.json()
        if not isinstance(found, Mapping):
            raise TypeError(f"{url} is no JSON object")
        return found

    # --- what it says of somebody

    def _redeem(self, about: _About, code: str, verifier: str, redirect_uri: str) -> Mapping[str, Any]:
        """The answer of its token endpoint."""
        id_, secret = self._settings.oidc_client_id, self._settings.oidc_client_secret.get_secret_value()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        ways = about.metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        headers = {}
        if secret and "client_secret_basic" in ways:
            pair = f"{quote(id_, safe='')}:{quote(secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form |= {"client_id": id_, **({"client_secret": secret} if secret else {})}
        try:
            response = self._client.post(str(about.metadata["token_endpoint"]), data=form, headers=headers)
            answer = response.json()
        except _UNREADABLE as error:
            raise _silent(" ".join(str(error).split())[:200]) from None
        if response.is_error or not isinstance(answer, Mapping):
            said = answer.get("error") if isinstance(answer, Mapping) else None
            raise _refused(f"it did not take the code ({error_code(said) or response.status_code})")
        return answer

    def _believed(self, token: str, nonce: str) -> Mapping[str, Any]:
        """The claims of an ID token, when everything about it is right."""
        claims = self._signed(token)
        now, audience = self._clock(), claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        us = self._settings.oidc_client_id
        for right, wrong in (
            (claims.get("iss") == self._settings.oidc_issuer, "its token is another issuer's (iss)"),
            (us in audiences, "its token is for another client (aud)"),
            (claims.get("azp", us) == us, "its token is for another client (azp)"),
            (len(audiences) == 1 or "azp" in claims, "its token is for several clients (aud) and does not say for which (azp)"),
            (_instant(claims.get("exp")) > now - LEEWAY, "its token is too old (exp), or the clocks differ"),
            (0 < _instant(claims.get("iat")) <= now + LEEWAY, "its token is not of now (iat), or the clocks differ"),
            (claims.get("nonce") == nonce, "its token answers another question (nonce)"),
            (len(_text(claims.get("sub"), MAX_SUBJECT)) > 0, "its token names nobody (sub)"),
        ):
            if not right:
                raise _refused(wrong)
        return claims

    def _signed(self, token: str) -> Mapping[str, Any]:
        """The claims of a token that one of the provider's keys has signed. Keys may have changed since we last looked."""
        about = self._about()
        read: Callable[[str, Sequence[Any]], Mapping[str, Any] | None] = self._tokens.claims
        try:
            claims = read(token, about.keys) or read(token, self._renew(about).keys)
        except ValueError as error:
            raise _refused(f"its token cannot be read ({' '.join(str(error).split())[:100]})") from None
        if claims is None:
            raise _refused("its token is signed by no key of its own")
        return claims

    def _user_info(self, about: _About, access_token: str, subject: str) -> Mapping[str, Any]:
        """What it says elsewhere, when the token does not say the address."""
        endpoint = about.metadata.get("userinfo_endpoint")
        if not endpoint or not access_token or not travels_safely(str(endpoint)):
            return {}
        try:
            found = self._get(str(endpoint), authorization=f"Bearer {access_token}")
        except _UNREADABLE as error:
            raise _silent(" ".join(str(error).split())[:200]) from None
        if found.get("sub") != subject:
            raise _refused("it speaks of somebody else in its user info (sub)")
        return found


def _verified_email(claims: Mapping[str, Any], *, trusting: bool) -> str | None:
    """Some providers spell the boolean as a text. `trusting`: one who does not say it is believed; one who denies it never is."""
    email, said = _text(claims.get("email"), 200).lower(), claims.get("email_verified")
    verified = trusting if said is None else said in (True, "true")
    return email if email.count("@") == 1 and verified else None


def _instant(seconds: object) -> int:
    """Epoch milliseconds; 0 for what is no instant."""
    return int(seconds * 1000) if isinstance(seconds, int | float) and 0 < seconds < 10**11 else 0


def _text(value: object, longest: int) -> str:
    """A text that can be kept and shown, or nothing."""
    return value if isinstance(value, str) and len(value) <= longest and value.isprintable() else ""


def error_code(said: object) -> str:
    """An OAuth error as it may be shown: its code and nothing that somebody else could have written."""
    return said if isinstance(said, str) and _ERROR.fullmatch(said) else ""


def _refused(why: str) -> NotSignedIn:
    return NotSignedIn(f"The identity provider could not be believed: {why}.", code="identity_refused")


def _silent(why: str) -> TooBusy:
    said = f"The identity provider does not answer as it should: {why.rstrip('.')}."
    return TooBusy(said, retry_after=PAUSE // SECOND, code="provider_unreachable")

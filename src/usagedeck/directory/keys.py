"""Secrets: how they are minted, recognised and told apart without being kept.

API keys and session tokens have 256 random bits and are kept as SHA-256 (nothing to guess, so nothing to slow down);
passwords are kept as argon2id. No function here logs or stores anything.
"""

import base64
import hashlib
import hmac
import secrets
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

KEY_PREFIX = "ud_"
OPERATOR_PREFIX = "udop_"
_hasher = PasswordHasher()


def mint_key() -> str:
    """A new API key; shown once."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def mint_operator_key() -> str:
    """A new key for a program of the operator's; shown once."""
    return OPERATOR_PREFIX + secrets.token_urlsafe(32)


def mint_webhook_secret() -> str:
    """What a webhook's deliveries are signed with; shown once, and kept nowhere."""
    return "wsec_" + secrets.token_hex(32)


def mint_token() -> str:
    """A new session token."""
    return secrets.token_urlsafe(32)


def mint_id(prefix: str) -> str:
    """A new id such as `ws_3f9c2a7b1d04`."""
    return f"{prefix}_{secrets.token_hex(6)}"


def verifier(secret: str) -> str:
    """What is kept of a key or token: 64 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hint(key: str) -> str:
    """The last four characters, for people who compare keys."""
    return key[-4:]


def fingerprint(server_secret: str, subject: str) -> str:
    """A key's stable public hash (`hashed_xi_api_key`): HMAC-SHA-256 of its verifier, or of `id:` and its id."""
    return hmac.new(server_secret.encode(), subject.encode(), hashlib.sha256).hexdigest()


def seal(server_secret: str, text: str) -> str:
    """A text that somebody else keeps for us and cannot change; they can read it."""
    return f"{base64.urlsafe_b64encode(text.encode()).decode()}.{_sign(server_secret, text)}"


def unseal(server_secret: str, sealed: str) -> str | None:
    """The text; None for what we have not sealed."""
    coded, _, signed = sealed.partition(".")
    try:
        text = base64.b64decode(coded, altchars=b"-_", validate=True).decode()
    except ValueError:
        return None
    return text if hmac.compare_digest(_sign(server_secret, text).encode(), signed.encode()) else None


def _sign(server_secret: str, text: str) -> str:
    return fingerprint(server_secret, f"sealed:{text}")


def hash_password(password: str) -> str:
    return _hasher.hash(password)


def password_matches(kept: str | None, password: str) -> bool:
    """Takes the same time whether or not there is a password to compare with."""
    try:
        _hasher.verify(kept or _nobody(), password)
    except (Argon2Error, InvalidHashError):
        return False
    return kept is not None


@lru_cache(maxsize=1)
def _nobody() -> str:
    return _hasher.hash(secrets.token_urlsafe(16))

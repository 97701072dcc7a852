"""The names that secrets go by, in headers, JSON, forms and addresses."""

import re
from functools import lru_cache

MARK = "[redacted]"
"""Stands where something was taken out."""

_ANYWHERE = frozenset({"password", "passwd", "pwd", "passphrase", "passcode", "secret", "secrets", "jwt"})
_LAST = frozenset(
    {
        *("token", "auth", "authorization", "authentication", "cookie", "cookies", "credential", "credentials", "bearer"),
        *("otp", "sid", "signature", "sig", "hmac", "apikey", "xapikey", "xiapikey", "accesskey", "privatekey", "secretkey"),
        *("authtoken", "accesstoken", "refreshtoken", "idtoken", "sessiontoken", "csrftoken", "sessionid", "sessid"),
    }
)
_PAIRS = frozenset(
    {
        *(("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key"), ("signing", "key"), ("encryption", "key")),
        *(("account", "key"), ("auth", "key"), ("subscription", "key"), ("session", "key"), ("session", "id"), ("master", "key")),
    }
)
_HARMLESS_KEYS = frozenset({"idempotency-key"})
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


@lru_cache(maxsize=20_000)
def is_secret(name: str) -> bool:
    """Whether what goes by that name is a secret: `client_secret`, `xiApiKey`, `password2`; not `max_tokens`."""
    words = [word.lower() for word in _WORDS.findall(name[:300])]
    if not words:
        return False
    return bool(_ANYWHERE.intersection(words)) or words[-1] in _LAST or tuple(words[-2:]) in _PAIRS


@lru_cache(maxsize=20_000)
def is_secret_header(name: str) -> bool:
    """The same for a header, where any `…-Key` and all that is about authorization or cookies is one."""
    lower = name.lower()
    if lower in _HARMLESS_KEYS:
        return False
    words = [word.lower() for word in _WORDS.findall(name[:300])]
    return is_secret(name) or words[-1:] == ["key"] or any(part in lower for part in ("authori", "cookie", "apikey", "api-key"))

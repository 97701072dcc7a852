"""Secrets by how they look, and whatever the patterns of a workspace match.

The engine is RE2 (through Arrow), whose time grows with the text and never explodes; the number of matches has a limit, since
looking for the next one begins anew behind each. Arrow reads a pattern anew for every call, which costs more than most texts:
so of those that are always looked for only the ones are asked whose words stand in the text.
"""

from collections.abc import Sequence
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc

from usagedeck.redacting.names import MARK

MOST = 200
"""Matches in one text. One with more is not kept: it may have more still."""

_MAKERS = ("sk", "pk", "rk", "xi", "ud", "udop", "key", "api", "tok", "pat", "whsec", "secret")
_ASKED = ("token", "secret", "password", "signature", "key", "auth")
_KINDS = ("auth", "access", "refresh", "id", "session", "bearer", "csrf")
_OWNED = ("api", "access", "private", "secret")


def _spelt(first: Sequence[str], last: str) -> tuple[str, ...]:
    return tuple(f"{one}{gap}{last}" for one, gap in product(first, ("_", "-", "")))


ALWAYS: Sequence[tuple[Sequence[str], str]] = (
    (("bearer",), r"(?i:bearer)[ \t]+[a-z]*[A-Z0-9._~+/=:-][A-Za-z0-9._~+/=:-]{4,}"),
    (("bearer",), r"(?i:bearer)[ \t]+[A-Za-z0-9._~+/=:-]{20,}"),
    (("basic",), r"(?i:basic)[ \t]+[A-Za-z0-9+/]{3,}(?:[0-9+/=]|[a-z][A-Z])[A-Za-z0-9+/=]{3,}"),
    (
        tuple(f"{maker}{gap}" for maker, gap in product(_MAKERS, "_-")),
        rf"\b(?:{'|'.join(_MAKERS)})[_-](?:[A-Za-z0-9]+[_-])*[A-Za-z0-9]{{16,}}[A-Za-z0-9_-]*",
    ),
    (("ud_", "udop_"), r"\bud(?:op)?_[A-Za-z0-9_-]{30,}"),
    (tuple(f"gh{kind}_" for kind in "opsur"), r"\bgh[opsur]_[A-Za-z0-9]{20,}"),
    (("github_pat_",), r"\bgithub_pat_[A-Za-z0-9_]{20,}"),
    (("glpat-",), r"\bglpat-[A-Za-z0-9_-]{16,}"),
    (("xox",), r"\bxox[a-z]-[A-Za-z0-9-]{10,}"),
    (("akia", "asia"), r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    (("aiza",), r"\bAIza[0-9A-Za-z_-]{30,}"),
    (("ya29.",), r"\bya29\.[0-9A-Za-z_-]{20,}"),
    (("eyj",), r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)*"),
    (("private key-----",), r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]*PRIVATE KEY-----)?"),
    (("://",), r"://[^/\s:@\"']*:[^/\s@\"']+@"),
    (
        tuple(f"{name}=" for name in (*_ASKED, "sig", "sid", "jwt", "code")),
        rf"(?i:[?&](?:[a-z0-9_.-]*(?:{'|'.join(_ASKED)})|sig|sid|jwt|code)=)[^&\s\"'#<>]+",
    ),
    (
        ("passw", "passphrase", "passcode", *_spelt(_OWNED, "key"), *_spelt(("client",), "secret"), *_spelt(_KINDS, "token")),
        rf"(?i:\b[a-z0-9_.-]*(?:passw(?:or)?d|passphrase|passcode|(?:{'|'.join(_OWNED)})[_-]?key|client[_-]?secret"
        rf"|(?:{'|'.join(_KINDS)})[_-]?token))[\"']?[ \t]*[:=>]+[ \t]*(?:\"[^\"\r\n]*\"|'[^'\r\n]*'|[^\s\"'<>&;,]+)",
    ),
    (
        ("authorization", "cookie", "x-api-key", "xi-api-key"),
        r"(?i:(?:authorization|cookie|x-api-key|xi-api-key)[\"']?[ \t]*[:=][ \t]*[^\r\n\"']+)",
    ),
)
"""Tokens, keys of well-known makers, private keys, addresses with a password, and `name=value` where the name says it; each
behind the words, in small letters, one of which it has in it."""


class Patterns:
    """Those that are asked of every text, and those that are asked where their words stand."""

    def __init__(self, patterns: Sequence[str], worded: Sequence[tuple[Sequence[str], str]] = ()) -> None:
        self._patterns = tuple(patterns)
        self._worded = worded

    def clean(self, texts: Sequence[str]) -> list[str] | None:
        """The texts with a mark in place of all that matches; None when one has too many matches to be sure."""
        if not any(texts):
            return list(texts)
        asked = list(self._patterns)
        if self._worded:
            whole = "\n".join(texts).casefold()
            asked += [pattern for words, pattern in self._worded if any(word in whole for word in words)]
        if not asked:
            return list(texts)
        together = "|".join(f"(?:{one})" for one in asked)
        made = _replaced(texts, together, MARK)
        crowded = [before for before, after in zip(texts, made, strict=True) if after.count(MARK) >= MOST]
        return None if crowded and _many(crowded, together) else made


def _many(texts: Sequence[str], pattern: str) -> bool:
    """Whether one has too many matches. They are counted by a letter that stands in none of the texts; a mark may have stood
    there before, also inside of a match."""
    there = set().union(*texts)
    other = next((letter for letter in map(chr, range(0xE000, 0xF900)) if letter not in there), None)
    return other is None or any(made.count(other) >= MOST for made in _replaced(texts, pattern, other))


def _replaced(texts: Sequence[str], pattern: str, mark: str) -> list[str]:
    made: list[str] = pc.replace_substring_regex(
        pa.array(texts, pa.large_string()), pattern, mark, max_replacements=MOST
    ).to_pylist()
    return made

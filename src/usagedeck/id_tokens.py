"""Tokens that somebody has signed with one of their keys. Whether their claims are right is for `oidc` to say."""

from collections.abc import Mapping, Sequence
from typing import Any

from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import JWKRegistry, Key
from joserfc.jws import extract_compact

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""What tokens may be signed with: a key pair of the signer's, never a shared secret and never nothing."""


def signing_keys(found: Mapping[str, Any]) -> Sequence[Key]:
    """Those of a published set of keys that we can use; others may be of newer kinds."""
    made = []
    for one in found["keys"]:
        if isinstance(one, dict) and one.get("use", "sig") == "sig" and one.get("kty") != "oct":
            try:
                made.append(JWKRegistry.import_key(one))
            except (JoseError, ValueError):
                continue
    return made


def claims(token: str, keys: Sequence[Key]) -> Mapping[str, Any] | None:
    """What a token says; None when none of the keys has signed it. Raises `ValueError` for what is no such token."""
    try:
        kid = extract_compact(token.encode()).headers().get("kid")
        fitting = [key for key in keys if kid is None or key.kid == kid]
        if len(fitting) != 1:  # a token that does not say its key is believed where there is only one
            return None
        return jwt.decode(token, fitting[0], algorithms=ALGORITHMS).claims
    except BadSignatureError:
        return None
    except JoseError as error:
        raise ValueError(str(error)) from None

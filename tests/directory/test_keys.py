"""Secrets are minted with enough chance in them, recognised, and never kept."""

import hashlib

import pytest

from usagedeck.directory import keys


def test_keys_and_tokens_are_random_and_long() -> None:
    minted = {keys.mint_key() for _ in range(1000)} | {keys.mint_token() for _ in range(1000)}
    assert len(minted) == 2000
    assert all(len(secret.removeprefix("ud_")) >= 43 for secret in minted), "256 bits"
    assert keys.mint_key().startswith("ud_")
    assert len({keys.mint_id("ws") for _ in range(1000)}) == 1000
    assert keys.mint_id("ws").startswith("ws_")


def test_a_verifier_is_the_sha_256_that_other_platforms_make() -> None:
    assert keys.verifier("ud_abc") == hashlib.sha256(b"ud_abc").hexdigest()
    assert keys.verifier("ü") != keys.verifier("u")
    assert keys.hint("ud_abcdef") == "cdef"


def test_fingerprints_are_stable_and_depend_on_the_server() -> None:
    one = keys.fingerprint("server", "verifier")
    assert one == keys.fingerprint("server", "verifier")
    assert len(one) == 64
    assert len({one, keys.fingerprint("other", "verifier"), keys.fingerprint("server", "id:key_1")}) == 3


def test_passwords_are_argon2_and_salted() -> None:
    kept = keys.hash_password("correct horse")
    assert kept.startswith("$argon2id$")
    assert "correct horse" not in kept
    assert kept != keys.hash_password("correct horse")
    assert keys.password_matches(kept, "correct horse")


@pytest.mark.parametrize("password", ["Correct horse", "", "correct horse ", "x" * 10_000, "ü\0"])
def test_another_password_does_not_match(password: str) -> None:
    assert not keys.password_matches(keys.hash_password("correct horse"), password)
    assert not keys.password_matches(None, password)
    assert not keys.password_matches("", password)
    assert not keys.password_matches("no hash at all", password)


def test_where_there_is_no_password_one_is_compared_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the time an answer takes does not tell whether there is such a person."""
    compared = []
    hasher = keys._hasher

    class Watched:
        def verify(self, kept: str, password: str) -> bool:
            compared.append(kept)
            return hasher.verify(kept, password)

        def hash(self, password: str) -> str:
            return hasher.hash(password)

    monkeypatch.setattr(keys, "_hasher", Watched())
    assert not keys.password_matches(None, "guess")
    assert len(compared) == 1
    assert compared[0].startswith("$argon2id$")


def test_what_is_sealed_comes_back_unchanged_or_not_at_all() -> None:
    sealed = keys.seal("secret", '{"é": 1}')
    assert keys.unseal("secret", sealed) == '{"é": 1}'
    assert keys.unseal("another", sealed) is None
    assert keys.seal("secret", "other").partition(".")[2] != sealed.partition(".")[2]
    changed = keys.seal("another", "x").partition(".")[0] + "." + sealed.partition(".")[2]
    for wrong in ("", ".", "x", "x.y", "é.é", sealed[:-1], sealed[1:], changed, sealed + "0", "/w==." + "0" * 64):
        assert keys.unseal("secret", wrong) is None, wrong

"""Fixtures of the demo's tests."""

import pytest

from usagedeck.directory import keys


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing two dozen passwords with care takes seconds."""
    monkeypatch.setattr(keys, "hash_password", lambda password: f"hash of {password}")
    monkeypatch.setattr(keys, "password_matches", lambda kept, password: kept == f"hash of {password}")

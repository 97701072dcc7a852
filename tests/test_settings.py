"""What settings make of what they are given."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from usagedeck.settings import Settings


@pytest.mark.parametrize(
    ("url", "file", "shown"),
    [
        ("sqlite:////var/lib/deck.sqlite", Path("/var/lib/deck.sqlite"), "sqlite:////var/lib/deck.sqlite"),
        ("sqlite:///deck.sqlite", Path("deck.sqlite"), "sqlite:///deck.sqlite"),
        ("postgresql://ann:secret@db:5432/deck", None, "postgresql://db:5432/deck"),
        ("postgresql://ann:p%40ss@/deck?host=/run&password=secret", None, "postgresql:///deck"),
        ("postgres://db/deck", None, "postgres://db/deck"),
    ],
)
def test_where_the_directory_lies(url: str, file: Path | None, shown: str) -> None:
    settings = Settings(directory=url)
    assert (settings.directory_file, settings.directory_shown) == (file, shown)


def test_the_directory_is_in_the_data_folder_unless_said_otherwise(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).directory_file == tmp_path / "directory.sqlite"


@pytest.mark.parametrize(
    ("given", "field", "sentence"),
    [
        ({"oidc_issuer": "http://idp.test"}, "oidc_issuer", "begins with https://"),
        ({"oidc_issuer": "idp.test"}, "oidc_issuer", "begins with https://"),
        ({"oidc_issuer": "https://"}, "oidc_issuer", "begins with https://"),
        ({"oidc_issuer": "https://idp.test"}, "oidc_client_id", "needs one"),
        ({"oidc_scopes": "email"}, "oidc_scopes", "openid must be among them"),
        ({"oidc_role": "owner"}, "oidc_role", "viewer"),
        ({"oidc_trust_emails": True}, "oidc_trust_emails", "name the domains in oidc_domains"),
        ({"password_sign_in": False}, "password_sign_in", "nobody could sign in"),
    ],
)
def test_an_identity_provider_that_cannot_be(given: dict[str, Any], field: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Settings(**given)
    (error,) = refused.value.errors()
    assert (error["loc"], sentence in error["msg"]) == ((field,), True)


@pytest.mark.parametrize(
    "issuer", ["https://idp.test/realms/x", "http://localhost:8080", "http://127.0.0.1:5556/dex", "http://[::1]:1"]
)
def test_an_identity_provider_that_can(issuer: str) -> None:
    settings = Settings(
        oidc_issuer=issuer,
        oidc_client_id="deck",
        oidc_client_secret="s3cret",
        oidc_domains="a.test, b.test",
        password_sign_in=False,
    )
    assert settings.oidc_domains == ("a.test", "b.test")
    assert "s3cret" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:8787"),
        ({"host": "0.0.0.0", "port": 80}, "http://localhost:80"),
        ({"host": "::1"}, "http://[::1]:8787"),
        ({"public_url": "https://usage.acme.test/"}, "https://usage.acme.test"),
    ],
)
def test_where_the_page_is(given: dict[str, Any], url: str) -> None:
    assert Settings(**given).page_url == url

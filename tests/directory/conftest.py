"""Every test of the directory is run on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import StillClock
from tests.postgres import Server, running
from usagedeck.directory.repo import Directory

NEW = "new"
"""The database on the server that others are copied from."""


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running() as started:
        started.prepare(NEW)
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of database the test is on."""
    return str(request.param)


@pytest.fixture
def bare_url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """An empty database."""
    return f"sqlite:///{tmp_path}/bare.sqlite" if kind == "sqlite" else str(request.getfixturevalue("server").create())


@pytest.fixture
def url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """A database for one directory, which it may find empty or with its tables."""
    return f"sqlite:///{tmp_path}/directory.sqlite" if kind == "sqlite" else str(request.getfixturevalue("server").create(NEW))


@pytest.fixture
def directory(url: str, clock: StillClock) -> Iterator[Directory]:
    """A directory with the workspace "ws" in it."""
    opened = Directory(url, clock)
    opened.workspaces.add("ws", "Acme", currency="usd", time_zone="Europe/Berlin", billing_day=15, concurrency_limit=7)
    yield opened
    opened.close()

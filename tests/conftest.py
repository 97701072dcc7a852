"""Fixtures: each test that asks for a deck gets its own, on a real embedded store in a folder of its own."""

import logging
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import httpx2
import pytest
import structlog
from argon2 import PasswordHasher
from xdist.scheduler import LoadScopeScheduling

from tests.house import House, StillClock, build_house, keyed, served
from usagedeck.deck import Deck, open_deck
from usagedeck.directory import keys
from usagedeck.settings import Settings
from usagedeck.store import sizes

FURNISHED = ("browser", "directory", "oracle")
"""Folders whose files share a world."""
APART = ("test_kill.py", "test_floors.py", "test_import.py")
"""Files that take minutes and whose tests share nothing: no worker is left alone with all of one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--torture", action="store_true", help="Keep the promises (-m promise) under much more load, for much longer."
    )
    parser.addoption("--fuzz", type=int, default=200, help="Requests by which isolation is tried.")
    parser.addoption("--fuzz-seed", type=int, default=1, help="Which requests those are.")


class ByWorld(LoadScopeScheduling):  # type: ignore[misc]
    """Side by side, tests that share a world stay together: those of a folder that furnishes one for all its files, else those
    of a file."""

    def _split_scope(self, nodeid: str) -> str:
        path = PurePath(nodeid.partition("::")[0])
        if path.name in APART:
            return nodeid
        return str(path.parent if path.parent.name in FURNISHED else path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return ByWorld(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What has no small form is tried at length or not at all."""
    if not config.getoption("--torture"):
        large = [item for item in items if item.get_closest_marker("torture")]
        items[:] = [item for item in items if item not in large]
        config.hook.pytest_deselected(items=large)


@pytest.fixture(scope="session")
def torture(request: pytest.FixtureRequest) -> bool:
    """Whether a promise is to be tried at length."""
    return bool(request.config.getoption("--torture"))


@pytest.fixture(scope="session", autouse=True)
def _nobody_knows_sizes() -> None:
    """What a question is read from depends on what a test sealed, and not on how long it took: where events are few, they would
    be read instead as soon as somebody has looked how few they are."""
    sizes.FIRST_LOOK = sizes.LOOK_EVERY


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    """Servers say warnings and errors only, and those in one line."""
    structlog.configure(
        processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
    )


@pytest.fixture(scope="session", autouse=True)
def _cheap_passwords() -> Iterator[None]:
    """The same argon2id with little work: hundreds of sign-ins are tried here, and none is worth guessing."""
    usual = keys._hasher
    keys._hasher = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    yield
    keys._hasher = usual


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", min_free_bytes=0)


@pytest.fixture
def deck(settings: Settings, clock: StillClock) -> Iterator[Deck]:
    with open_deck(settings, clock) as opened:
        yield opened


@pytest.fixture
def house(deck: Deck) -> House:
    return build_house(deck)


@pytest.fixture
def url(deck: Deck) -> Iterator[str]:
    with served(deck) as address:
        yield address


@pytest.fixture
def client(url: str, house: House) -> Iterator[httpx2.Client]:
    with keyed(url, house.api_key) as opened:
        yield opened

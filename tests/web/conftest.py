"""Places to ask questions of: a deck behind a real server, shared by a module when it is only read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.house import House, StillClock, build_house, served
from usagedeck.deck import Deck, open_deck
from usagedeck.settings import Settings


@dataclass(frozen=True)
class Place:
    """A deck with a workspace, behind a server."""

    deck: Deck
    house: House
    url: str
    clock: StillClock

    def client(self, key: str | None = None, **more: Any) -> httpx2.Client:
        """A client that sends the key, or nothing."""
        headers = {**({"xi-api-key": key} if key else {}), **more.pop("headers", {})}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=60, **more)


@contextmanager
def opened(folder: Path, **settings: Any) -> Iterator[Place]:
    """A place with settings of its own."""
    clock = StillClock()
    defaults: dict[str, Any] = {"data_dir": folder / "data", "min_free_bytes": 0}
    with open_deck(Settings(**(defaults | settings)), clock) as deck, served(deck) as url:
        yield Place(deck, build_house(deck), url, clock)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(tmp_path_factory.mktemp("place")) as found:
        yield found


@pytest.fixture(scope="module")
def asker(place: Place) -> Iterator[httpx2.Client]:
    """A client with a key that may do everything."""
    with place.client(place.house.api_key) as client:
        yield client


@pytest.fixture
def tenant(place: Place) -> House:
    """A workspace of one's own on the shared server."""
    return build_house(place.deck)


@pytest.fixture
def sender(place: Place, tenant: House) -> Iterator[httpx2.Client]:
    """A client with the key of that workspace."""
    with place.client(tenant.api_key) as client:
        yield client

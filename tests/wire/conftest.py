"""The published SDK against a real server. The town is only read, so a module shares it."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from elevenlabs import ElevenLabs

from tests.house import StillClock, served
from tests.wire.office import Office, build_office
from tests.wire.strict import check
from tests.wire.town import Town, build_town
from usagedeck.deck import open_deck
from usagedeck.settings import Settings


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with open_deck(Settings(data_dir=tmp_path_factory.mktemp("town") / "data", min_free_bytes=0), StillClock()) as deck:
        yield build_town(deck)


@pytest.fixture(scope="module")
def town_url(town: Town) -> Iterator[str]:
    with served(town.house.deck) as address:
        yield address


@pytest.fixture(scope="module")
def checked() -> Iterator[httpx.Client]:
    """What the SDK sends through: every answer is looked at closely on its way back."""
    with httpx.Client(event_hooks={"response": [check]}, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def sdk(town: Town, town_url: str, checked: httpx.Client) -> ElevenLabs:
    """The SDK with a key that sees the whole workspace."""
    return ElevenLabs(base_url=town_url, api_key=town.everything, httpx_client=checked)


@dataclass(frozen=True)
class Offices:
    """Two offices on one server, and the SDK with a key of either."""

    here: Office
    there: Office
    url: str
    http: httpx.Client

    def sdk(self, key: str = "manager", office: Office | None = None) -> ElevenLabs:
        """With that key; a name the office does not know is the key itself."""
        secret = (office or self.here).keys.get(key, key)
        return ElevenLabs(base_url=self.url, api_key=secret, httpx_client=self.http)


@pytest.fixture(scope="module")
def offices(tmp_path_factory: pytest.TempPathFactory, checked: httpx.Client) -> Iterator[Offices]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("offices") / "data", min_free_bytes=0)
    with open_deck(settings, StillClock()) as deck, served(deck) as url:
        yield Offices(build_office(deck, "here"), build_office(deck, "there"), url, checked)

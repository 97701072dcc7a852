"""A furnished server and Chromium, both once for all browser tests; every test gets a page of its own."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect, sync_playwright

from tests.browser.furniture import NOW, OWNER, PASSWORD, furnish
from tests.browser.office import furnish_office
from tests.house import House, StillClock, build_house, served
from usagedeck import admin
from usagedeck.access import Role
from usagedeck.deck import open_deck
from usagedeck.settings import Settings
from usagedeck.times import MINUTE

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="package")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A deck with a month of traffic; its clock stands still just after noon."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("browser") / "data", min_free_bytes=0)
    clock = StillClock(NOW - MINUTE)
    with open_deck(settings, clock) as deck:
        house = build_house(deck, id="ws_acme", time_zone="Europe/Berlin", billing_day=5, concurrency_limit=1)
        furnish(house)
        other = build_house(deck, "Beta & Söhne", id="ws_beta")
        house.do(admin.AddUser(workspace=other.workspace_id, email=OWNER, role=Role.ADMIN))
        furnish_office(deck)
        clock.now = NOW
        yield house


@pytest.fixture(scope="package")
def site(filled: House) -> Iterator[str]:
    with served(filled.deck) as address:
        yield address


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    found = next((path for name in CHROMIUMS if (path := shutil.which(name))), None)
    assert found, "The browser tests need Chromium: sudo apt-get install chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield chromium
        chromium.close()


def sign_in(page: Page, email: str = OWNER, password: str = PASSWORD) -> None:
    """Through the page, like a person."""
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("tab", name="Usage").wait_for()


@pytest.fixture(scope="package")
def cookies(browser: Browser, site: str) -> Callable[[str], StorageState]:
    """The signed-in browser storage of a person; each signs in once."""
    known: dict[str, StorageState] = {}

    def state(email: str) -> StorageState:
        if email not in known:
            with browser.new_context() as context:
                page = context.new_page()
                page.goto(site)
                sign_in(page, email)
                known[email] = context.storage_state()
        return known[email]

    return state


class Open:
    """Opens an address as a person, in a browser of their own, and hears what the console says."""

    def __init__(self, browser: Browser, site: str, cookies: Callable[[str], StorageState]) -> None:
        self._browser, self._site, self._cookies = browser, site, cookies
        self._contexts: list[BrowserContext] = []
        self.said: list[str] = []

    def __call__(self, query: str = "", *, email: str | None = OWNER, path: str = "/", **options: Any) -> Page:
        usual = {"viewport": {"width": 1280, "height": 1000}, "locale": "en-GB", "timezone_id": "Asia/Tokyo"}
        state = self._cookies(email) if email else None
        context = self._browser.new_context(**{"storage_state": state, **usual, **options})
        context.set_default_timeout(PATIENCE_MS)
        self._contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: self.said.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.goto(f"{self._site}{path}{'?' if query else ''}{query}")
        return page

    def forgive(self, expected: str) -> None:
        """Complaints that a test provokes: what holds this text is no failure."""
        self.said = [text for text in self.said if expected not in text]

    def close(self) -> None:
        for context in self._contexts:
            context.close()


@pytest.fixture
def open_page(browser: Browser, site: str, cookies: Callable[[str], StorageState]) -> Iterator[Open]:
    """Afterwards the console must hold no error: no exception, no violation of the policy."""
    opener = Open(browser, site, cookies)
    yield opener
    opener.close()
    assert not opener.said

"""Signing in through an identity provider, as a person does: to another site and back, to where one was."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Open
from tests.browser.test_reading import in_both_themes
from tests.house import House, build_house, served
from tests.provider import OpenIdProvider, openid_provider, settings_for
from usagedeck import admin
from usagedeck.access import Role
from usagedeck.oidc import Provider
from usagedeck.settings import Settings

LABEL = "Continue with Acme"


@pytest.fixture(scope="module")
def theirs(filled: House) -> Iterator[OpenIdProvider]:
    with openid_provider(filled.deck.clock) as running:
        yield running


@pytest.fixture(scope="module")
def delta(filled: House) -> House:
    """A workspace whose owner the provider knows."""
    house = build_house(filled.deck, "Delta", id="ws_delta")
    house.do(admin.AddUser(workspace=house.workspace_id, id="user_dan", email="dan@example.com", name="Dan", role=Role.OWNER))
    return house


@pytest.fixture(scope="module", params=[True, False], ids=["with passwords", "without"])
def house_with_provider(
    request: pytest.FixtureRequest, filled: House, theirs: OpenIdProvider, delta: House
) -> Iterator[tuple[str, bool]]:
    """Another server on the same deck, which believes the provider; and whether it takes passwords."""
    theirs.people["sub-dan"] = {"email": "dan@example.com", "email_verified": True, "name": "Dan"}
    known = Settings(
        **settings_for(
            theirs, data_dir=filled.deck.settings.data_dir, min_free_bytes=0, oidc_label=LABEL, password_sign_in=request.param
        )
    )
    with (
        closing(Provider(known, filled.deck.clock)) as provider,
        served(replace(filled.deck, settings=known, provider=provider)) as url,
    ):
        yield url, request.param


@pytest.fixture
def open_page(browser: Browser, house_with_provider: tuple[str, bool]) -> Iterator[Open]:
    def no_cookies(_: str) -> None:
        raise AssertionError("everybody signs in here")

    opener = Open(browser, house_with_provider[0], no_cookies)  # type: ignore[arg-type]
    yield opener
    opener.close()
    assert not opener.said


def leave(page: Page) -> None:
    """To the provider."""
    page.get_by_role("button", name=LABEL).click()
    page.get_by_role("link", name="Cancel").wait_for()


def test_there_and_back_to_where_one_was(open_page: Open, house_with_provider: tuple[str, bool], theirs: OpenIdProvider) -> None:
    site, passwords = house_with_provider
    page = open_page("tab=log&r=7d", email=None)
    expect(page.get_by_role("button", name=LABEL)).to_be_visible()
    expect(page.get_by_label("Password")).to_have_count(1 if passwords else 0)
    assert in_both_themes(page) == []
    leave(page)
    assert page.url.startswith(theirs.url)
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("alert")).to_have_text("The identity provider let nobody in: access_denied.")
    assert in_both_themes(page) == []
    expect(page.get_by_role("link", name="Try again")).to_be_focused()
    page.keyboard.press("Enter")
    leave(page)
    page.get_by_role("link", name="Sign in as sub-dan").click()
    expect(page.get_by_role("tab", name="Request log")).to_have_attribute("aria-selected", "true")
    assert page.url.startswith(site)
    assert parse_qs(urlsplit(page.url).query) == {"tab": ["log"], "r": ["7d"]}
    menu = page.locator("ud-menu[label='Signed in as']").get_by_role("button")
    expect(menu).to_contain_text("Dan")
    menu.click()
    page.get_by_role("option", name="Sign out").click()
    expect(page.get_by_role("button", name=LABEL)).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name=LABEL)).to_be_visible()
    open_page.forgive("401")


def test_the_keyboard_reaches_the_provider(open_page: Open, house_with_provider: tuple[str, bool]) -> None:
    page = open_page(email=None)
    button = page.get_by_role("button", name=LABEL)
    first = page.get_by_label("E-mail") if house_with_provider[1] else button
    expect(first).to_be_focused()
    for _ in range(3 if house_with_provider[1] else 0):
        page.keyboard.press("Tab")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Cancel").wait_for()
    open_page.forgive("401")


def test_somebody_new_joins_through_the_provider(
    open_page: Open, house_with_provider: tuple[str, bool], theirs: OpenIdProvider, delta: House
) -> None:
    passwords = house_with_provider[1]
    name = f"eve-{passwords}"
    email = f"{name}@example.com".lower()
    theirs.people[name] = {"email": email, "email_verified": True, "name": f"Eve {passwords}"}
    made = delta.do(admin.CreateInvitation(workspace=delta.workspace_id, email=email, role=Role.ADMIN))
    page = open_page(path=f"/join#{made['link'].partition('#')[2]}", email=None)
    expect(page.get_by_role("heading", name="Join Delta")).to_be_visible()
    expect(page.get_by_label("Choose a password")).to_have_count(1 if passwords else 0)
    expect(page.get_by_role("button", name="Join", exact=True)).to_have_count(1 if passwords else 0)
    assert in_both_themes(page) == []
    leave(page)
    page.get_by_role("link", name="Sign in as sub-new").click()
    expect(page.get_by_role("alert")).to_contain_text(f"This invitation is for {email}")
    page.get_by_role("link", name="Try again").click()
    leave(page)
    page.get_by_role("link", name=f"Sign in as {name}").click()
    expect(page.get_by_role("heading", name="No requests yet")).to_be_visible()
    expect(page.locator("ud-menu[label='Signed in as']").get_by_role("button")).to_contain_text(f"Eve {passwords}")
    assert parse_qs(urlsplit(page.url).query) == {"workspace": ["ws_delta"]}
    open_page.forgive("403")

"""The link of an invitation: somebody new joins by the keyboard alone, somebody known signs in, and a worthless link says so."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.furniture import MEMBER, PASSWORD
from tests.browser.test_reading import in_both_themes
from tests.house import House, build_house, keyed
from usagedeck import admin


@pytest.fixture(scope="module")
def gamma(filled: House) -> House:
    """A workspace without anybody in it."""
    return build_house(filled.deck, "Gamma", id="ws_gamma")


def follow(open_page: Open, gamma: House, email: str) -> Page:
    """Open the link of a new invitation."""
    made = gamma.do(admin.CreateInvitation(workspace=gamma.workspace_id, email=email))
    return open_page(path=f"/join#{made['link'].partition('#')[2]}", email=None)


def test_somebody_new_joins_by_the_keyboard_alone(open_page: Open, gamma: House) -> None:
    page = follow(open_page, gamma, "zoe@example.com")
    expect(page.get_by_role("heading", name="Join Gamma")).to_be_visible()
    expect(page.get_by_label("E-mail")).to_have_value("zoe@example.com")
    expect(page.get_by_label("Your name")).to_be_focused()
    assert in_both_themes(page) == []
    page.set_viewport_size({"width": 320, "height": 700})
    page.wait_for_function("document.documentElement.scrollWidth <= 320")
    page.keyboard.type("Zoë")
    page.keyboard.press("Tab")
    page.keyboard.type("a password of her own")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="No requests yet")).to_be_visible()
    expect(page.locator("ud-menu[label='Signed in as']").get_by_role("button")).to_contain_text("Zoë")
    assert "#" not in page.url, "the link is nowhere in the page's address"


def test_somebody_known_signs_in_first(open_page: Open, gamma: House) -> None:
    page = follow(open_page, gamma, MEMBER)
    expect(page.get_by_text("This address has an account.")).to_be_visible()
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in and join").click()
    expect(page.get_by_role("alert")).to_have_text("E-mail or password is wrong.")
    assert in_both_themes(page) == []
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("heading", name="No requests yet")).to_be_visible()
    expect(page).to_have_url(re.compile("workspace=ws_gamma"))
    open_page.forgive("401")


def test_from_the_invitation_to_the_first_request(open_page: Open, filled: House, site: str) -> None:
    page = follow(open_page, build_house(filled.deck, "Zeta", id="ws_zeta"), "yan@example.com")
    page.get_by_label("Choose a password").fill("a password of his own")
    page.get_by_role("button", name="Join").click()
    page.get_by_role("link", name="Make an API key").click()
    page.get_by_role("button", name="Make a key").click()
    page.get_by_label("Label").fill("laptop")
    page.get_by_role("button", name="Make the key").click()
    key = page.get_by_role("dialog").locator("code").inner_text()
    page.get_by_role("button", name="Done").click()
    page.get_by_role("tab", name="Usage").click()
    expect(page.get_by_role("heading", name="No requests yet")).to_be_visible()
    example = page.get_by_label("Example").inner_text()
    with keyed(site, key) as client:
        answer = client.post("/v1/events", content=example.partition("-d '")[2].removesuffix("'"))
    assert answer.json() == {"accepted": 1, "rejected": []}
    expect(page.locator("#title + p")).to_contain_text("12 credits")
    page.get_by_role("tab", name="Request log").click()
    expect(page.locator("ud-log tbody tr")).to_have_count(1)


def test_a_worthless_link_says_so_and_leads_to_the_sign_in(open_page: Open) -> None:
    page = open_page(path="/join#nonsense", email=None)
    expect(page.get_by_role("alert")).to_contain_text("This invitation cannot be used")
    assert in_both_themes(page) == []
    expect(page.get_by_role("link", name="Go to the sign-in")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Password")).to_be_visible()
    open_page.forgive("404")
    open_page.forgive("401")

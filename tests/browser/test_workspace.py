"""The pages beside the tabs: members, keys, webhooks, settings, the audit log, one's sessions; and who finds them closed."""

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Locator, Page, ViewportSize, expect

from tests.browser.conftest import Open
from tests.browser.furniture import HOSTILE, PASSWORD
from tests.browser.office import STAFF, WORKSPACE
from tests.browser.test_frame import query
from tests.browser.test_reading import in_both_themes, settle, violations
from tests.house import House, StillClock
from usagedeck import admin
from usagedeck.access import Role

AREAS = ("members", "keys", "webhooks", "settings", "audit", "sessions")
PHONE: ViewportSize = {"width": 390, "height": 844}
OWNER, MEMBER, VIEWER = STAFF[Role.OWNER], STAFF[Role.MEMBER], STAFF[Role.VIEWER]


@pytest.fixture
def clock(filled: House) -> Iterator[StillClock]:
    """The server's clock, which may move during a test."""
    found: Any = filled.deck.clock
    before = found.now
    yield found
    found.now = before


def area(page: Page) -> Page:
    """Wait until the page is there, with what it has asked for."""
    page.locator("ud-area").wait_for()
    settle(page)
    return page


def row(page: Page, name: str) -> Locator:
    return page.locator("tbody tr").filter(has=page.get_by_role("rowheader", name=name))


def pick(page: Page, about: str, what: str) -> None:
    page.get_by_role("button", name=f"More about {about}").click()
    page.get_by_role("option", name=what).click()


def from_menu(page: Page, name: str) -> None:
    page.locator("ud-menu[label='Signed in as']").get_by_role("button").click()
    page.get_by_role("option", name=name).click()


# --- everybody can read them --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", AREAS)
def test_axe_finds_nothing(open_page: Open, name: str) -> None:
    page = area(open_page(f"tab={name}", email=OWNER, color_scheme="light"))
    assert in_both_themes(page) == []
    page.set_viewport_size(PHONE)
    page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=PHONE["width"])
    assert in_both_themes(page) == []
    page.set_viewport_size({"width": 320, "height": 700})
    page.wait_for_function("document.documentElement.scrollWidth <= 320")


def test_axe_finds_nothing_in_what_opens_and_what_is_closed(open_page: Open) -> None:
    page = area(open_page("tab=keys", email=OWNER, color_scheme="light"))
    page.get_by_role("button", name="Make a key").click()
    page.get_by_label("Label").wait_for()
    assert in_both_themes(page) == []
    page.set_viewport_size(PHONE)
    assert violations(page) == []
    page.keyboard.press("Escape")
    pick(page, "prod-web", "Revoke…")
    page.get_by_role("heading", name="Revoke “prod-web”?").wait_for()
    assert in_both_themes(page) == []
    closed = area(open_page("tab=settings", email=MEMBER, color_scheme="light"))
    assert in_both_themes(closed) == []


def test_the_keyboard_alone(open_page: Open) -> None:
    page = area(open_page("tab=keys", email=OWNER))
    page.get_by_role("button", name="More about prod-web").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("listbox")).to_be_focused()
    page.keyboard.type("revoke")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("1")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="More about prod-web")).to_be_focused()
    page.keyboard.press("1")
    expect(page.get_by_role("tab", name="Usage")).to_have_attribute("aria-selected", "true")


# --- addresses ----------------------------------------------------------------------------------------------------


def test_each_has_an_address_and_the_back_button_works(open_page: Open) -> None:
    page = open_page("metric=requests", email=OWNER)
    page.locator("ud-legend").wait_for()
    from_menu(page, "API keys")
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()
    assert query(page) == {"tab": ["keys"], "metric": ["requests"]}
    page.get_by_role("navigation").get_by_role("link", name="Audit log").click()
    expect(page.get_by_role("heading", name="Audit log")).to_be_visible()
    expect(page).to_have_title(re.compile("^Audit log"))
    page.go_back()
    expect(page.get_by_role("link", name="API keys")).to_have_attribute("aria-current", "page")
    page.go_back()
    expect(page.locator("#title")).to_have_text("Requests by product")
    page.go_forward()
    page.reload()
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()


def test_where_one_is_stands_in_view_on_a_phone(open_page: Open) -> None:
    page = area(open_page("tab=sessions", email=OWNER, viewport=PHONE))
    expect(page.locator("nav [aria-current]")).to_be_in_viewport(ratio=1)


def test_what_is_closed_says_why(open_page: Open) -> None:
    page = open_page("", email=MEMBER)
    page.locator("ud-legend, ud-welcome, .state").first.wait_for()
    page.locator("ud-menu[label='Signed in as']").get_by_role("button").click()
    closed = page.get_by_role("option", name=re.compile("^Members"))
    expect(closed).to_have_attribute("aria-disabled", "true")
    expect(closed).to_contain_text("Only owners and admins look after members.")
    page.get_by_role("option", name="API keys").click()
    expect(page.get_by_text("Your own keys.")).to_be_visible()
    expect(row(page, "my laptop")).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(1)
    for name, why in (("settings", "look after the workspace's settings"), ("audit", "The audit log is for owners")):
        other = open_page(f"tab={name}", email=MEMBER)
        expect(other.locator("ud-area .state")).to_contain_text(why)
    viewer = open_page("tab=keys", email=VIEWER)
    expect(viewer.locator("ud-area .state")).to_have_text("Only owners, admins and members look after API keys.")


# --- the journey of somebody new ----------------------------------------------------------------------------------


def test_a_key_is_made_used_seen_in_both_views_and_revoked(open_page: Open, site: str, filled: House, clock: StillClock) -> None:
    page = open_page("", email=OWNER)
    page.locator("ud-legend").wait_for()
    from_menu(page, "API keys")
    page.get_by_role("button", name="Make a key").click()
    page.get_by_label("Label").fill("first steps")
    page.get_by_label("Networks it may be used from").fill("10.0.0.300")
    page.get_by_role("button", name="Make the key").click()
    expect(page.get_by_role("alert")).to_contain_text('"10.0.0.300" is no IP address or network')
    expect(page.get_by_label("Networks it may be used from")).to_be_focused()
    open_page.forgive("400")
    page.get_by_label("Networks it may be used from").fill("127.0.0.1")
    page.get_by_role("button", name="Make the key").click()
    secret = page.locator("#secret").inner_text()
    assert secret.startswith("ud_")
    page.get_by_role("button", name="Done").click()
    expect(row(page, "first steps")).to_contain_text("Works")
    assert secret not in page.content()

    headers = {"xi-api-key": secret}
    event = {
        "time": clock.now - 1000,
        "path": "/v1/hello",
        "status": 200,
        "credits": 3,
        "api_key_id": key_id(filled, "first steps"),
    }
    with httpx2.Client(base_url=site, headers=headers, timeout=60) as program:
        assert program.post("/v1/events", json=[event]).json()["accepted"] == 1
        page.reload()
        expect(row(page, "first steps").get_by_role("link", name="1")).to_be_visible()
        row(page, "first steps").get_by_role("link", name="1").click()
        expect(page.get_by_role("radio", name="Workspace")).to_have_attribute("aria-checked", "true")
        expect(page.get_by_role("row").filter(has_text="/v1/hello")).to_have_count(1)
        page.get_by_role("radio", name="My account").click()
        expect(page.get_by_role("row").filter(has_text="/v1/hello")).to_have_count(1)

        from_menu(page, "API keys")
        pick(page, "first steps", "Revoke…")
        expect(page.get_by_role("dialog")).to_contain_text("for good")
        page.get_by_role("button", name="Revoke the key").click()
        expect(row(page, "first steps")).to_have_count(0)
        expect(page.get_by_role("heading", name="API keys")).to_be_focused()
        page.get_by_role("radio", name="Revoked").click()
        expect(row(page, "first steps")).to_contain_text("Revoked")
        assert program.post("/v1/events", json=[event]).status_code == 401

    clock.now += 1000
    page.get_by_role("link", name="Audit log").click()
    mine = page.locator("tbody tr").filter(has_text="first steps")
    expect(mine).to_have_count(2)
    expect(mine.nth(0)).to_contain_text("key.revoke")
    expect(mine.nth(0)).to_contain_text(OWNER)
    expect(mine.nth(1)).to_contain_text("key.put")
    assert secret not in page.content()


def key_id(house: House, label: str) -> str:
    found: list[dict[str, Any]] = admin.perform(house.deck, admin.ListKeys(workspace=WORKSPACE))["keys"]
    return str(next(key["key_id"] for key in found if key["label"] == label))


# --- each of them -------------------------------------------------------------------------------------------------


def test_keys_say_their_state_and_are_disabled_and_enabled(open_page: Open) -> None:
    page = area(open_page("tab=keys", email=OWNER))
    for label, said in {
        "prod-web": "Works",
        "last year's": "Expired",
        "until friday": "until 27 Nov",
        HOSTILE: "1 network only",
    }.items():
        expect(row(page, label)).to_contain_text(said)
    expect(row(page, "prod-web")).to_contain_text(re.compile(r"\d+ of 400\s+\d+\.\d%"))
    expect(row(page, "nightly")).to_contain_text("Nightly import")
    expect(row(page, "nightly")).to_contain_text("At once: 5 speech")
    expect(row(page, "prod-web")).not_to_contain_text("At once")
    expect(row(page, "prod-web").get_by_role("link", name="160")).to_be_visible()
    expect(row(page, "prod-web").locator("svg")).to_be_visible()
    page.get_by_label("Find a key").fill("nightly import")
    expect(page.locator("tbody tr")).to_have_count(1)
    pick(page, "nightly", "Disable…")
    page.get_by_role("button", name="Disable the key").click()
    expect(row(page, "nightly")).to_contain_text("Disabled")
    pick(page, "nightly", "Enable")
    expect(row(page, "nightly")).to_contain_text("Works")
    pick(page, "nightly", "Change…")
    page.get_by_label("Label").fill("every night")
    page.get_by_label("Credits a billing period").fill("500")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_label("Find a key").fill("every")
    expect(row(page, "every night")).to_contain_text("Send events")
    pick(page, "every night", "Change…")
    expect(page.get_by_label("Credits a billing period")).to_have_value("500")
    page.get_by_label("Label").fill("nightly")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    page.get_by_label("Find a key").fill("nothing like it")
    expect(page.get_by_text("No key matches")).to_be_visible()


def test_members_and_groups_are_changed(open_page: Open) -> None:
    page = area(open_page("tab=members", email=OWNER))
    expect(row(page, VIEWER)).to_contain_text("0 of 1,000")
    expect(row(page, "Care")).to_contain_text("of 50,000")
    pick(page, VIEWER, "Change…")
    page.get_by_role("radio", name=re.compile("^Member")).check()
    page.get_by_role("checkbox", name=re.compile("Sees the whole workspace")).check()
    page.get_by_role("button", name="Save").click()
    expect(row(page, VIEWER)).to_contain_text("The workspace")
    pick(page, VIEWER, "Lock…")
    page.get_by_role("button", name="Lock them").click()
    expect(row(page, VIEWER)).to_contain_text("Locked")
    pick(page, VIEWER, "Unlock")
    expect(row(page, VIEWER)).not_to_contain_text("Locked")
    pick(page, VIEWER, "Change…")
    page.get_by_role("radio", name=re.compile("^Viewer")).check()
    page.get_by_role("checkbox", name=re.compile("Sees the whole workspace")).uncheck()
    page.get_by_role("button", name="Save").click()
    expect(row(page, VIEWER)).to_contain_text("Their own")
    pick(page, OWNER, "Remove…")
    page.get_by_role("button", name="Remove them").click()
    expect(page.get_by_role("alert")).to_contain_text("This is the last owner")
    page.get_by_role("button", name="Cancel").click()
    open_page.forgive("409")
    page.get_by_role("button", name="Make a group").click()
    page.get_by_label("Name").fill("Night shift")
    page.get_by_role("checkbox", name=VIEWER).check()
    page.get_by_role("button", name="Make the group").click()
    expect(row(page, "Night shift")).to_contain_text("1 member")
    expect(row(page, VIEWER)).to_contain_text("Night shift")
    pick(page, "Night shift", "Remove…")
    page.get_by_role("button", name="Remove the group").click()
    expect(row(page, VIEWER)).not_to_contain_text("Night shift")


def test_webhooks_say_how_they_fare(open_page: Open) -> None:
    page = area(open_page("tab=webhooks", email=OWNER))
    expect(row(page, "Orders")).to_contain_text("Back soon")
    expect(row(page, "Orders")).to_contain_text("95.0%")
    expect(row(page, "Orders")).to_contain_text(re.compile(r"Tried again\s*Headers: X-Env"))
    expect(row(page, "Slow one")).not_to_contain_text("Tried again")
    expect(row(page, "Slow one").locator(".tag").first).to_have_attribute("title", "It failed for too long.")
    page.get_by_role("button", name="Add a webhook").click()
    page.get_by_label("Name").fill("Ledger")
    page.get_by_label("Address").fill("https://ledger.example.com/hook")
    page.get_by_label("Events, one on a line").fill("paid\n\nrefunded\n")
    page.get_by_role("button", name="Add the webhook").click()
    expect(row(page, "Ledger")).to_contain_text("paid, refunded")
    pick(page, "Ledger", "Disable…")
    page.get_by_role("button", name="Disable the webhook").click()
    expect(row(page, "Ledger")).to_contain_text("Disabled")
    pick(page, "Ledger", "Remove…")
    page.get_by_role("button", name="Remove the webhook").click()
    expect(row(page, "Ledger")).to_have_count(0)
    row(page, "Orders").get_by_role("link", name="20").click()
    expect(page.get_by_role("tab", name="Request log")).to_have_attribute("aria-selected", "true")
    expect(page.locator("ud-log tbody tr")).to_have_count(20)


def test_settings_are_saved_and_shorter_ages_are_asked_about(open_page: Open) -> None:
    page = area(open_page("tab=settings", email=OWNER))
    page.get_by_label("Name").fill("Office & Co")
    page.get_by_label("Reporting time zone").fill("Mars/Olympus")
    general = page.get_by_role("region", name="Workspace", exact=True)
    general.get_by_role("button", name="Save").click()
    expect(general.get_by_role("alert")).to_contain_text("Mars/Olympus")
    expect(page.get_by_label("Reporting time zone")).to_be_focused()
    open_page.forgive("400")
    page.get_by_label("Reporting time zone").fill("Asia/Tokyo")
    general.get_by_role("button", name="Save").click()
    expect(general.get_by_role("status")).to_have_text("Saved.")
    expect(page).to_have_title("Settings – Office & Co")
    page.get_by_label("Reporting time zone").fill("Europe/Berlin")
    page.get_by_label("Name").fill("Office")
    general.get_by_role("button", name="Save").click()
    expect(page).to_have_title("Settings – Office")
    kept = page.get_by_role("region", name="How long data is kept")
    kept.get_by_label("Events, days").fill("400")
    kept.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_contain_text("Requests and deliveries older than 400 days expire and do not come back")
    page.get_by_role("button", name="Cancel").click()
    expect(kept.get_by_role("status")).to_have_text("")
    privacy = page.get_by_role("region", name="What is not kept of events")
    privacy.get_by_label("Fields, one on a line").fill("pth")
    privacy.get_by_role("button", name="Save").click()
    expect(privacy.get_by_role("alert")).to_contain_text('did you mean "path"?')
    open_page.forgive("400")
    rules = privacy.get_by_label("Fields, one on a line")
    rules.fill("path\n\n  pattern:[0-9]{4,6} now  \nheader:x-customer")
    privacy.get_by_label("Keep headers and bodies").check()
    privacy.get_by_role("button", name="Save").click()
    expect(privacy.get_by_role("status")).to_have_text("Saved.")
    page.reload()
    expect(rules).to_have_value("header:x-customer\npath\npattern:[0-9]{4,6} now")
    expect(privacy.get_by_label("Keep headers and bodies")).to_be_checked()
    kept.get_by_label("Headers and bodies, days").fill("1")
    kept.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_contain_text("Headers and bodies older than 1 day expire")
    page.get_by_role("button", name="Cancel").click()
    rules.fill("")
    privacy.get_by_label("Keep headers and bodies").uncheck()
    privacy.get_by_role("button", name="Save").click()
    expect(privacy.get_by_role("status")).to_have_text("Saved.")


def test_the_audit_log_is_filtered_by_its_address(open_page: Open, clock: StillClock) -> None:
    page = area(open_page("tab=audit&at=action:key.revoke", email=OWNER))
    expect(page.locator("tbody tr").filter(has_text="the old one")).to_have_count(1)
    expect(page.locator("tbody tr").filter(has_text="key.put")).to_have_count(0)
    page.locator("ud-menu[label='Action']").get_by_role("button").click()
    page.get_by_role("combobox").fill("group.put")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(2)
    assert query(page)["at"] == ["action:group.put"]
    page.locator("ud-menu[label='Actor']").get_by_role("button").click()
    page.get_by_role("option", name=MEMBER).click()
    expect(page.get_by_text("No entries match in this range.")).to_be_visible()
    page.go_back()
    expect(page.locator("tbody tr")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    assert download.value.suggested_filename.startswith("usagedeck_audit_")
    assert download.value.path().read_text().count("group.put") == 2
    page.locator("ud-menu[label='Action']").get_by_role("button").click()
    page.get_by_role("option", name="Any").click()
    expect(page.locator("tbody tr").nth(5)).to_be_visible()


def test_sessions_end(open_page: Open, site: str) -> None:
    page = area(open_page("tab=sessions", email=STAFF[Role.ADMIN]))
    others = page.get_by_role("button", name="End all others")
    with httpx2.Client(base_url=site, headers={"user-agent": "Firefox/1 (Windows)"}) as elsewhere:
        assert elsewhere.post("/api/v1/session", json={"email": STAFF[Role.ADMIN], "password": PASSWORD}).status_code == 204
        page.reload()
        expect(row(page, "Firefox on Windows")).to_be_visible()
        expect(page.locator("tbody tr").filter(has_text="This one")).to_have_count(1)
        others.click()
        expect(page.get_by_role("dialog")).to_contain_text("This one stays signed in.")
        page.get_by_role("button", name="End them").click()
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(others).to_be_disabled()
        assert elsewhere.get("/api/v1/me").status_code == 401


def test_somebody_is_invited_and_a_password_changed(open_page: Open) -> None:
    page = area(open_page("tab=members", email=STAFF[Role.ADMIN]))
    page.get_by_role("button", name="Invite somebody").click()
    expect(page.get_by_role("radio", name=re.compile("^Admin"))).to_be_disabled()
    page.get_by_label("E-mail").fill("new@office.example")
    page.get_by_role("checkbox", name="Care").check()
    page.get_by_role("button", name="Make the link").click()
    expect(page.locator("#link")).to_contain_text("/join#")
    assert violations(page) == []
    page.get_by_role("button", name="Done").click()
    expect(row(page, "new@office.example")).to_contain_text("Waiting")
    page.get_by_role("button", name="Take back new@office.example").click()
    page.get_by_role("button", name="Take it back").click()
    expect(row(page, "new@office.example")).to_have_count(0)
    page.get_by_role("link", name="My sessions").click()
    page.get_by_role("button", name="Change password").click()
    page.get_by_label("Your password now").fill("not the password")
    page.get_by_label("The new one").fill("another password")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_role("alert")).to_contain_text("not your present password")
    expect(page.get_by_label("Your password now")).to_be_focused()
    open_page.forgive("403")


def test_a_list_that_cannot_be_had_says_so_and_can_be_retried(open_page: Open) -> None:
    page = area(open_page("tab=sessions", email=OWNER))
    body = '{"detail": "The store is away.", "status": 500, "code": "store_failed", "request_id": "abc123"}'
    page.route(
        "**/api/v1/workspace/keys*", lambda route: route.fulfill(status=500, content_type="application/problem+json", body=body)
    )
    page.get_by_role("link", name="API keys").click()
    alert = page.locator("ud-keys .alert")
    expect(alert).to_contain_text("The store is away.")
    page.unroute("**/api/v1/workspace/keys*")
    alert.get_by_role("button", name="Retry").click()
    expect(row(page, "prod-web")).to_be_visible()
    open_page.forgive("500")

"""The frame of the page: signing in, the URL as the state, whose usage, workspaces, keys of the keyboard."""

import re
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open, sign_in
from tests.browser.furniture import MEMBER, OWNER


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query, keep_blank_values=True)


def granularity(page: Page, name: str) -> Locator:
    return page.get_by_role("radiogroup", name="Granularity").get_by_role("radio", name=name)


def test_sign_in_and_out(open_page: Open) -> None:
    page = open_page("tab=log&r=7d", email=None)
    page.get_by_label("E-mail").fill(OWNER)
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("E-mail or password is wrong.")
    sign_in(page)
    expect(page.get_by_role("tab", name="Request log")).to_have_attribute("aria-selected", "true")
    assert query(page) == {"tab": ["log"], "r": ["7d"]}
    page.locator("ud-menu[label='Signed in as']").get_by_role("button").click()
    page.get_by_role("option", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.reload()
    expect(page.get_by_label("Password")).to_be_visible()
    open_page.forgive("401")


def test_a_session_that_ends_leads_to_the_sign_in_and_back(open_page: Open) -> None:
    page = open_page("metric=requests", email=None)
    sign_in(page)
    page.locator("ud-legend").wait_for()
    expect(page.locator("[aria-busy=true]")).to_have_count(0)  # else it is what was asked before that leads to the sign-in
    page.context.clear_cookies()
    granularity(page, "Week").click()
    sign_in(page)
    expect(granularity(page, "Week")).to_have_attribute("aria-checked", "true")
    open_page.forgive("401")


def test_the_url_is_the_state(open_page: Open) -> None:
    page = open_page("")
    page.locator("ud-menu[label='Metric']").get_by_role("button").click()
    page.get_by_role("combobox").fill("reque")
    page.keyboard.press("Enter")
    page.locator("ud-menu[label='Break down by']").get_by_role("button").click()
    page.get_by_role("option", name="API key", exact=True).click()
    granularity(page, "Week").click()
    page.get_by_role("button", name="Earlier period").click()
    asked = {"metric": ["requests"], "by": ["api_key_id"], "g": ["week"], "r": ["2026-09-25..2026-10-25"]}
    assert query(page) == asked
    expect(page.locator("#title")).to_have_text("Requests by API key")
    page.reload()
    expect(page.locator("#title")).to_have_text("Requests by API key")
    expect(granularity(page, "Week")).to_have_attribute("aria-checked", "true")
    page.go_back()
    expect(page.get_by_role("button", name="Last 30 days")).to_be_visible()
    page.go_back()
    expect(granularity(page, "Day")).to_have_attribute("aria-checked", "true")
    page.go_forward()
    page.go_forward()
    assert query(page) == asked
    page.get_by_role("button", name="Later period").click()
    assert "r" not in query(page)


def test_defaults_are_left_out_and_others_parameters_kept(open_page: Open) -> None:
    page = open_page("utm_source=mail&metric=credits&g=day&r=30d&by=product_type")
    page.get_by_role("tab", name="Analytics").click()
    assert query(page) == {"tab": ["analytics"], "utm_source": ["mail"], "g": ["day"]}


NONSENSE = (
    "metric=nonsense",
    "by=request_id",
    "r=yesterday",
    "r=2026-13",
    "tz=Mars/Olympus",
    "f=status",
    "f=nothing:eq:1",
    "view=pie",
    "scope=universe",
    "cols=time,no_such&tab=log",
    "g=fortnight",
    "workspace=ws_elsewhere",
    "dim=method,route,path&tab=analytics",
    "top=-1",
)


def test_nonsense_in_the_address_falls_back_with_a_notice(open_page: Open, site: str) -> None:
    page = open_page("")
    for wrong in NONSENSE:
        page.goto(f"{site}/?{wrong}")
        expect(page.get_by_role("status").first, wrong).to_contain_text(re.compile("makes no sense|not open"))
        expect(page.locator("ud-chart .plot").first, wrong).to_have_attribute("aria-label", re.compile("buckets"))
        expect(page.locator(".alert"), wrong).to_have_count(0)
    open_page.forgive("404")  # the workspace that is not there


def test_scope_narrows_to_my_own_and_drops_what_belongs_to_the_workspace(open_page: Open) -> None:
    page = open_page("by=user_id")
    expect(page.locator("ud-legend tbody tr")).to_have_count(2)
    whole = page.locator("#title + p [data-total]")
    expect(whole).to_be_visible()
    before = float(whole.get_attribute("data-total") or 0)
    page.get_by_role("radio", name="My account").click()
    expect(page.locator("#title")).to_have_text("Credits by product")
    assert query(page) == {"scope": ["account"]}
    expect(whole).not_to_have_attribute("data-total", str(before))
    mine = float(whole.get_attribute("data-total") or 0)
    assert 0 < mine < before
    page.locator("ud-menu[label='Break down by']").get_by_role("button").click()
    expect(page.get_by_role("option", name="User", exact=False).first).to_have_attribute("aria-disabled", "true")


def test_a_member_sees_why_the_workspace_is_closed(open_page: Open) -> None:
    page = open_page("", email=MEMBER)
    closed = page.get_by_role("radio", name="Workspace")
    expect(closed).to_have_attribute("aria-disabled", "true")
    expect(closed).to_have_attribute("title", re.compile("full read access"))
    closed.click(force=True)
    expect(page.get_by_role("radio", name="My account")).to_have_attribute("aria-checked", "true")
    assert "scope" not in query(page)


def test_another_workspace_and_its_first_event(open_page: Open) -> None:
    page = open_page("f=status:eq:200")
    page.locator("ud-menu[label='Workspace']").get_by_role("button").click()
    page.get_by_role("option", name="Beta & Söhne").click()
    expect(page.get_by_role("heading", name="No requests yet")).to_be_visible()
    assert query(page) == {"workspace": ["ws_beta"]}
    expect(page.get_by_label("Example")).to_contain_text("/v1/events")
    expect(page.get_by_role("radio", name="My account")).to_have_count(0)
    page.reload()
    expect(page.get_by_role("heading", name="No requests yet")).to_be_visible()
    page.get_by_role("link", name="Make an API key").click()
    expect(page.get_by_role("heading", name="API keys")).to_be_visible()
    assert query(page) == {"workspace": ["ws_beta"], "tab": ["keys"]}


def test_single_keys(open_page: Open) -> None:
    page = open_page("")
    page.locator("ud-legend").wait_for()
    page.keyboard.press("v")
    expect(page.locator("ud-bucket-table table")).to_be_visible()
    page.keyboard.press("v")
    page.keyboard.press("f")
    expect(page.get_by_label("Filter by")).to_be_focused()
    page.keyboard.type("produ")
    page.keyboard.press("Enter")
    page.get_by_label("Find a value").press("Escape")
    expect(page.get_by_role("button", name="+ Filter")).to_be_focused()
    page.keyboard.press("3")
    expect(page.get_by_role("tab", name="Request log")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("/")
    expect(page.get_by_label("Search the log")).to_be_focused()
    page.keyboard.type("2 3")
    expect(page.get_by_role("tab", name="Request log")).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="Request log").focus()
    with page.expect_download() as download:
        page.keyboard.press("e")
    assert download.value.suggested_filename == "usagedeck_requests_2026-11-22_2026-11-23.csv"
    page.keyboard.press("?")
    page.get_by_label("Single keys act").uncheck()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("1")
    expect(page.get_by_role("tab", name="Request log")).to_have_attribute("aria-selected", "true")


def test_the_theme_is_remembered(open_page: Open) -> None:
    page = open_page("", color_scheme="light")
    button = page.get_by_role("button", name=re.compile("^Theme"))
    ground = "getComputedStyle(document.querySelector('usage-deck')).backgroundColor"
    assert page.evaluate(ground) == "rgb(246, 247, 249)"
    button.click()
    button.click()
    assert page.evaluate(ground) == "rgb(14, 16, 20)"
    page.reload()
    expect(button).to_have_attribute("title", "Theme: dark")
    assert page.evaluate(ground) == "rgb(14, 16, 20)"


def test_a_failed_question_says_so_and_can_be_retried(open_page: Open) -> None:
    page = open_page("tab=analytics")
    page.locator("ud-by-table tbody tr").first.wait_for()
    body = '{"detail": "The question was stopped.", "status": 422, "code": "query_too_heavy", "request_id": "abc123"}'
    page.route("**/api/v1/usage?*", lambda route: route.fulfill(status=422, content_type="application/problem+json", body=body))
    page.get_by_role("tab", name="Usage").click()
    alert = page.locator("ud-usage .alert").first
    expect(alert).to_contain_text("The question was stopped.")
    expect(alert.locator("code")).to_have_text("abc123")
    page.unroute("**/api/v1/usage?*")
    alert.get_by_role("button", name="Retry").click()
    expect(page.locator("ud-legend tbody tr").first).to_be_visible()
    open_page.forgive("422")


def test_a_server_out_of_reach_is_asked_again_when_it_is_back(open_page: Open) -> None:
    page = open_page("")
    page.locator("ud-legend").wait_for()
    page.context.set_offline(True)
    granularity(page, "Month").click()
    expect(page.locator("ud-usage .alert").first).to_contain_text("cannot be reached")
    expect(page.locator("ud-legend tbody tr").first).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator(".alert")).to_have_count(0)
    expect(page.locator("ud-legend th.peak")).to_have_text("Peak month")
    open_page.forgive("ERR_INTERNET")

"""Everybody can read it: axe-core in both themes, narrow windows, the keyboard alone, enlarged text."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open

RULES = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]},
    "resultTypes": ["violations"],
}
VIEWS = {
    "usage": "by=api_key_id",
    "usage as a table": "view=table&g=week&by=model",
    "analytics": "tab=analytics",
    "webhooks": "tab=analytics&of=deliveries&f=status:in:200,500",
    "reasons": "tab=analytics&r=7d&why=success_rate",
    "log": "tab=log",
    "details": "tab=log&r=30d&id=req_006000",
    "details of a delivery": "tab=log&of=deliveries&r=30d&id=dlv_00007",
    "nothing": "f=region:eq:moon",
    "welcome": "workspace=ws_beta",
}


def violations(page: Page) -> list[str]:
    expect(page.locator("[aria-busy=true]")).to_have_count(0)  # what is being replaced is dimmed
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{v['id']}: {node['target']} {node['html'][:200]} {node['failureSummary']}" for v in found for node in v["nodes"]]


def settle(page: Page) -> None:
    page.locator("main .card").first.wait_for()
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    expect(page.locator("ud-chart .plot:not([aria-label])")).to_have_count(0)


def in_both_themes(page: Page) -> list[str]:
    found = violations(page)
    page.emulate_media(color_scheme="dark")
    return found + violations(page)


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(open_page: Open, view: str) -> None:
    page = open_page(VIEWS[view], color_scheme="light")
    settle(page)
    assert in_both_themes(page) == []


def test_axe_finds_nothing_in_what_opens(open_page: Open) -> None:
    page = open_page("")
    settle(page)
    page.locator("ud-menu[label='Break down by']").get_by_role("button").click()
    page.get_by_role("option", name="Voice").first.wait_for()
    assert in_both_themes(page) == []
    page.keyboard.press("Escape")
    page.locator("ud-range [popovertarget]").first.click()
    page.get_by_label("From").wait_for()
    assert in_both_themes(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="+ Filter").click()
    page.get_by_label("Filter by").press("Enter")
    page.get_by_role("checkbox").first.wait_for()
    assert in_both_themes(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keyboard shortcuts").click()
    page.get_by_label("Single keys act").wait_for()
    assert in_both_themes(page) == []


def test_axe_finds_nothing_in_the_sign_in_and_the_sheet(open_page: Open) -> None:
    page = open_page("", email=None)
    page.get_by_label("Password").wait_for()
    assert violations(page) == []
    open_page.forgive("401")
    page = open_page("tab=log&r=30d&id=req_006000", viewport={"width": 600, "height": 800})
    settle(page)
    page.locator("ud-drawer dd").first.wait_for()
    assert violations(page) == []


@pytest.mark.parametrize("view", ["usage", "analytics", "log"])
def test_nothing_is_lost_in_a_narrow_window(open_page: Open, view: str) -> None:
    page = open_page(VIEWS[view], viewport={"width": 700, "height": 700})
    settle(page)
    for width in (700, 420, 320):
        page.set_viewport_size({"width": width, "height": 700})
        page.wait_for_function("width => document.documentElement.scrollWidth <= width", arg=width)
    width = 320
    for button in page.locator("main .button:visible, main [role=radio]:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 24
        assert box["width"] >= 24
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width or button.evaluate("b => b.closest('.scroll, [role=radiogroup]') !== null")


def test_the_keyboard_reaches_everything(open_page: Open) -> None:
    page = open_page("")
    settle(page)
    script = """() => {
        let e = document.activeElement;
        while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement;
        return (e.ariaLabel || e.textContent || '').replace(/[\\s▾]+/g, ' ').trim();
    }"""
    seen = []
    for _ in range(90):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(script))
    wanted = [
        "Workspace",
        "Usage",
        "Metric Credits",
        "Break down by Product",
        "+ Filter F",
        "Earlier period",
        "Last 30 days",
        "Time zone Europe/Berlin",
        "Export CSV",
        "Day",
        "Log scale",
        "Table",
        "TTS",
        "More about TTS",
        "API requests: granularity 15 min",
        "CSV",
    ]
    assert [name for name in wanted if name not in seen] == []
    assert any(name.startswith("Credits by product: bar chart") for name in seen)


def test_text_may_be_spaced_and_enlarged(open_page: Open) -> None:
    page = open_page("", viewport={"width": 640, "height": 500}, device_scale_factor=2)
    settle(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 640


def test_motion_is_left_out_when_asked(open_page: Open) -> None:
    page = open_page("", reduced_motion="reduce", forced_colors="active")
    settle(page)
    expect(page.locator("ud-legend tbody tr").first).to_be_visible()
    assert violations(page) == []

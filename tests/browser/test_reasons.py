"""What broke, since when, for whom, show me the requests: why a figure changed, and what failed."""

import re
from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.house import House, keyed


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query, keep_blank_values=True)


def test_from_a_figure_to_why_to_what_failed_to_its_requests(open_page: Open) -> None:
    page = open_page("tab=analytics&r=7d")
    tile = page.locator("[data-metric=errors]")
    figure = int(tile.locator(".value").inner_text())
    tile.get_by_role("button", name="Why? What changed Errors").press("Enter")
    expect(page.locator("ud-why h2")).to_be_focused()
    assert query(page)["why"] == ["errors"]
    panel = page.locator("ud-why")
    change = int(panel.locator("[data-change]").get_attribute("data-change") or 0)
    parts = panel.locator("[data-part]")
    assert sum(int(cell.get_attribute("data-part") or 0) for cell in parts.all()) == change > 0
    panel.get_by_role("group", name="Told best by").get_by_role("button", name=re.compile("^Route")).click()
    assert query(page)["wby"] == ["route"]
    expect(panel.locator("thead th").first).to_have_text("Route")
    panel.get_by_role("link", name="/v1/voices", exact=True).click()
    assert query(page)["f"] == ["route:eq:/v1/voices"]
    failed = page.locator("ud-errors")
    expect(failed.locator("tbody th .said").last).to_have_text("/v1/voices")
    fewer = failed.locator("[data-errors]").get_attribute("data-errors") or ""
    assert 0 < int(fewer) < figure
    expect(tile.locator(".value")).to_have_text(fewer)
    first = failed.locator("tbody tr").first
    count = first.locator("td").first.inner_text()
    status = first.locator(".tag").inner_text()
    first.get_by_role("link").click()
    expect(page.locator("ud-log [data-total]")).to_have_text(count)
    asked = query(page)
    assert asked["tab"] == ["log"]
    assert set(asked["f"]) == {f"status:eq:{status}", f"error_code:eq:error_{status}", "route:eq:/v1/voices"}
    assert "why" not in asked


def test_the_url_holds_it_and_the_parts_are_the_apis(open_page: Open, site: str, filled: House) -> None:
    page = open_page("metric=cost&r=2026-10-20..2026-11-01&why=cost&wby=api_key_id&vs=2026-10-15..2026-10-20")
    panel = page.locator("ud-why")
    panel.locator("tbody tr").first.wait_for()
    asked = {"metric": "cost", "by": "api_key_id", "range": "2026-10-20..2026-11-01", "before": "2026-10-15..2026-10-20"}
    with keyed(site, filled.api_key) as client:
        answer = client.get("/api/v1/changes", params={**asked, "time_zone": "Europe/Berlin"}).json()
    shown = [Decimal(cell.get_attribute("data-part") or 0) for cell in panel.locator("[data-part]").all()]
    assert sum(shown) == Decimal(answer["whole"]["change"]) != 0
    assert len(shown) == len(answer["rows"]) == 4
    expect(page.locator("#title + p [data-total]")).to_have_attribute("data-total", answer["whole"]["after"])
    panel.get_by_role("button", name="Close").click()
    assert not {"why", "wby", "vs"} & query(page).keys()
    expect(page.locator("[data-why=cost]")).to_be_focused()
    page.go_back()
    expect(panel.locator("tbody tr").first).to_be_visible()
    page.locator("ud-menu[label='Metric']").get_by_role("button").click()
    page.get_by_role("combobox").fill("characters")
    page.keyboard.press("Enter")
    assert query(page)["why"] == ["characters"]
    expect(panel.locator("h2")).to_have_text("Why did characters change?")


def test_a_rate_a_percentile_and_deliveries(open_page: Open) -> None:
    page = open_page("tab=analytics&r=7d&why=success_rate")
    panel = page.locator("ud-why")
    change = Decimal(panel.locator("[data-change]").get_attribute("data-change") or 0)
    assert sum(Decimal(cell.get_attribute("data-part") or 0) for cell in panel.locator("[data-part]").all()) == change != 0
    expect(page.locator("[data-why=latency_avg]")).to_be_visible()
    expect(page.locator("[data-why=latency_p95]")).to_have_count(0)  # nothing has a part in it, so nobody is led there
    page = open_page("tab=analytics&r=7d&why=latency_p95")
    panel = page.locator("ud-why")
    expect(panel).to_contain_text("p95 latency is no sum and no average")
    panel.get_by_role("button", name="Ask about").click()
    page.get_by_role("option", name="Average latency").click()
    assert query(page)["why"] == ["latency_avg"]
    page.get_by_role("radio", name="Webhooks").click()
    expect(panel).to_have_count(0)
    groups = page.locator("ud-errors tbody tr")
    expect(groups.first.locator(".tag")).to_have_text("500")
    first = groups.nth(0)
    count = first.locator("td").first.inner_text()
    first.get_by_role("link").click()
    expect(page.locator("#title")).to_have_text("Delivery attempts")
    expect(page.locator("ud-log [data-total]")).to_have_text(count)

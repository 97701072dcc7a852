"""The Usage tab: the legend that is a table, chart kinds, reading by keyboard, ranges, zones, the two lower cards."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import Open
from tests.browser.furniture import HOSTILE, LONG
from tests.house import House, keyed


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query, keep_blank_values=True)


def menu(page: Page, label: str) -> Locator:
    return page.locator(f"ud-menu[label='{label}']").get_by_role("button")


def plot(page: Page) -> Locator:
    return page.locator("section[aria-labelledby=title] ud-chart .plot")


def test_the_menus_offer_what_the_catalogue_offers(open_page: Open) -> None:
    page = open_page("")
    menu(page, "Break down by").click()
    page.get_by_role("option").first.wait_for()
    titles = page.get_by_role("option").all_inner_texts()
    assert titles[:7] == ["None", "Product", "Voice", "API key", "Model", "User", "Group"]
    page.get_by_role("combobox").fill("plan")
    page.get_by_role("option", name="plan attribute").click()
    expect(page.locator("#title")).to_have_text("Credits by plan")
    expect(page.locator("ud-legend tbody th")).to_have_text(["free", "pro"], ignore_case=False, use_inner_text=True)
    menu(page, "Metric").click()
    assert page.get_by_role("option").first.inner_text().startswith("Credits")
    assert not page.get_by_role("option", name="Retries").count()


def test_the_legend_isolates_toggles_filters_and_opens_the_log(open_page: Open) -> None:
    page = open_page("")
    legend = page.locator("ud-legend")
    speech = legend.get_by_role("button", name="TTS", exact=True)
    speech.click()
    hidden = query(page)["hide"]
    assert len(hidden) == 8
    assert "~other" in hidden
    expect(legend.get_by_role("button", name="STT", exact=True)).to_have_attribute("aria-pressed", "false")
    speech.click()
    assert "hide" not in query(page)
    speech.click(modifiers=["Shift"])
    assert query(page)["hide"] == ["TTS"]
    legend.get_by_role("button", name="More about STT").click()
    page.get_by_role("option", name="Exclude this").click()
    assert query(page)["f"] == ["product_type:neq:STT"]
    expect(legend.get_by_role("button", name="STT", exact=True)).to_have_count(0)
    legend.get_by_role("button", name="More about Dubbing").click()
    page.get_by_role("option", name="Open in the log").click()
    expect(page.get_by_role("tab", name="Request log")).to_have_attribute("aria-selected", "true")
    assert query(page)["f"] == ["product_type:neq:STT", "product_type:eq:Dubbing"]
    assert query(page)["r"] == ["30d"]
    expect(page.locator("ud-log tbody tr").first).to_be_visible()


def test_more_series_repeat_colours_with_a_hatch(open_page: Open) -> None:
    page = open_page("by=voice_id")
    rows = page.locator("ud-legend tbody tr")
    expect(rows).to_have_count(9)
    expect(rows.last).to_contain_text("Other (5)")
    page.get_by_role("button", name="Show all").click()
    expect(rows).to_have_count(13)
    assert page.locator("ud-legend .swatch path").count() == 5
    expect(rows.filter(has_text="No voice")).to_have_count(1)
    page.get_by_role("button", name="Show 8").click()
    expect(rows).to_have_count(9)


KINDS = (
    ("", "bar chart"),
    ("g=cumulative", "area chart"),
    ("scale=log", "line chart"),
    ("scale=log&by=none", "bar chart"),
    ("metric=latency_p95", "line chart"),
    ("metric=success_rate&by=none", "line chart"),
    ("metric=concurrency&by=region", "line chart"),
    ("by=group_id", "line chart"),
    ("r=1h&metric=requests", "bar chart"),
    ("r=2026-11-20..2026-12-20", "bar chart"),
    ("r=12mo&g=hour", "bar chart"),
    ("r=2000-01-01..&by=none&g=minute", "bar chart"),
    ("top=20&by=path&metric=requests", "bar chart"),
)


def test_every_kind_of_chart(open_page: Open, site: str) -> None:
    page = open_page("")
    for asked, kind in KINDS:
        page.goto(f"{site}/?{asked}")
        expect(plot(page), asked).to_have_attribute("aria-label", re.compile(kind))
        expect(page.locator(".alert"), asked).to_have_count(0)


def test_an_empty_range_can_be_widened(open_page: Open) -> None:
    page = open_page("r=1999-01-01..1999-02-01")
    expect(page.get_by_text("There are no requests in this range.")).to_be_visible()
    page.get_by_role("button", name="Widen to 12 months").click()
    expect(plot(page)).to_have_attribute("aria-label", re.compile("bar chart"))


def test_too_fine_an_interval_is_coarsened_and_said(open_page: Open) -> None:
    page = open_page("r=12mo&g=hour")
    expect(page.locator("#title + p")).to_contain_text("hourly values would be too many to draw, so these are daily")


def test_a_chart_is_read_by_keyboard_and_opens_the_log(open_page: Open) -> None:
    page = open_page("metric=requests")
    plot(page).focus()
    page.keyboard.press("ArrowLeft")
    said = page.locator("section[aria-labelledby=title] ud-chart [aria-live]")
    expect(said).to_contain_text(re.compile(r"^Mon, 23 Nov 2026; [\d,]+ requests; .*in progress, 55 % has passed$"))
    page.keyboard.press("Home")
    expect(said).to_contain_text("Sun, 25 Oct 2026")
    page.keyboard.press("PageDown")
    expect(said).to_contain_text("Sun, 1 Nov 2026")
    page.keyboard.press("ArrowDown")
    expect(said).to_have_text(re.compile(r"^Sun, 1 Nov 2026; No product [\d,]+$"))
    page.keyboard.press("Enter")
    count = re.search(r"[\d,]+", page.locator("ud-usage .tip .figure").first.inner_text())
    assert count
    page.locator("ud-usage .tip").get_by_role("link", name="Open in the log").click()
    assert query(page) == {"tab": ["log"], "r": ["2026-10-31T23:00Z..2026-11-01T23:00Z"], "metric": ["requests"]}
    expect(page.locator("ud-log [data-total]")).to_have_attribute("data-total", count[0].replace(",", ""))


def test_the_tooltip_follows_the_pointer_and_stays_when_pinned(open_page: Open) -> None:
    page = open_page("")
    tip = page.locator("ud-usage .tip")
    plot(page).hover(position={"x": 300, "y": 100})
    expect(tip).to_contain_text("Sat, 31 Oct 2026")
    plot(page).click(position={"x": 300, "y": 100})
    text = tip.inner_text()
    plot(page).hover(position={"x": 900, "y": 100})
    assert tip.inner_text().split("\n")[0] == text.split("\n")[0]
    page.keyboard.press("Escape")
    expect(tip).to_have_count(0)


def test_ranges_are_stepped_and_picked_by_days(open_page: Open) -> None:
    page = open_page("r=billing")
    button = page.locator("ud-range .stepper > [popovertarget]")
    expect(button).to_contain_text("Billing period")
    expect(page.locator("#title + p")).to_contain_text("5 – 23 Nov 2026")
    earlier, later = page.get_by_role("button", name="Earlier period"), page.get_by_role("button", name="Later period")
    expect(later).to_be_disabled()
    earlier.click()
    earlier.click()
    assert query(page)["r"] == ["billing-2"]
    expect(button).to_contain_text("5 Sept – 4 Oct 2026")
    later.click()
    expect(button).to_contain_text("Last billing period")
    button.click()
    page.get_by_role("button", name="This month").click()
    earlier.click()
    assert query(page)["r"] == ["2026-10"]
    expect(page.locator("#title + p")).to_contain_text("1 – 31 Oct 2026")
    button.click()
    page.get_by_label("From").fill("2026-11-02")
    page.get_by_label("To, that day included").fill("2026-11-01")
    page.get_by_role("button", name="Show these days").click()
    expect(page.get_by_text("The last day is before the first.")).to_be_visible()
    page.get_by_label("To, that day included").fill("2026-11-08")
    page.get_by_role("button", name="Show these days").click()
    assert query(page)["r"] == ["2026-11-02..2026-11-09"]
    expect(button).to_contain_text("2 – 8 Nov 2026")
    earlier.click()
    assert query(page)["r"] == ["2026-10-26..2026-11-02"]


def test_an_answer_that_arrives_leaves_typed_days_alone(open_page: Open) -> None:
    page = open_page("r=2026-10")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/v1/usage?*", hold)
    page.get_by_role("button", name="Earlier period").click()
    page.locator("ud-range .stepper > [popovertarget]").click()
    page.get_by_label("From").fill("2026-09-05")
    page.unroute("**/api/v1/usage?*")  # which lets go of what is held
    assert held
    expect(page.locator("#title + p")).to_contain_text("1 – 30 Sept 2026")
    expect(page.get_by_label("From")).to_have_value("2026-09-05")
    page.keyboard.press("Escape")
    page.locator("ud-range .stepper > [popovertarget]").click()
    expect(page.get_by_label("From")).to_have_value("2026-09-01")


def test_the_zone_is_the_workspaces_the_browsers_or_any(open_page: Open) -> None:
    page = open_page("r=2026-11")
    menu(page, "Time zone").click()
    page.get_by_role("option").first.wait_for()
    assert [t.split("\n")[0] for t in page.get_by_role("option").all_inner_texts()[:3]] == ["Europe/Berlin", "Asia/Tokyo", "UTC"]
    page.get_by_role("combobox").fill("asia/kathmandu")
    page.get_by_role("combobox").fill("Asia/Kathmandu")
    page.keyboard.press("Enter")
    assert query(page)["tz"] == ["Asia/Kathmandu"]
    expect(page.locator("#title + p")).to_contain_text("Asia/Kathmandu")
    assert "time_zone=Asia%2FKathmandu" in (page.get_by_role("link", name="Export CSV").get_attribute("href") or "")
    menu(page, "Time zone").click()
    page.get_by_role("option", name="UTC UTC").or_(page.get_by_role("option", name="UTC", exact=True)).first.click()
    assert query(page)["tz"] == ["UTC"]


def test_filters_are_chips_with_names(open_page: Open) -> None:
    page = open_page("by=api_key_id")
    page.get_by_role("button", name="+ Filter").click()
    page.get_by_label("Filter by").fill("API k")
    page.keyboard.press("Enter")
    page.get_by_label("Find a value").fill("prod")
    page.get_by_role("checkbox", name=re.compile("prod-web")).check()
    page.get_by_role("button", name="Apply").click()
    assert query(page)["f"] == ["api_key_id:eq:key_web"]
    chip = page.get_by_role("button", name="Filter: API key is prod-web, edit")
    expect(chip).to_be_visible()
    expect(page.locator("ud-legend tbody th")).to_have_text(["prod-web"])
    chip.click()
    page.get_by_label("Operator").select_option("is not")
    page.get_by_role("button", name="Apply").click()
    assert query(page)["f"] == ["api_key_id:neq:key_web"]
    page.reload()
    page.get_by_role("button", name="Filter: API key is not prod-web, remove").click()
    assert "f" not in query(page)
    page.get_by_role("button", name="+ Filter").click()
    page.get_by_label("Filter by").fill("note")
    page.keyboard.press("Enter")
    page.get_by_role("checkbox", name=re.compile("a,b:c")).check()
    page.get_by_role("button", name="Apply").click()
    assert query(page)["f"] == [r"attributes.note:eq:a\,b\:c"]
    expect(page.locator("ud-legend tbody tr")).to_have_count(4)


def test_nothing_matches_offers_ways_out(open_page: Open) -> None:
    page = open_page("f=region:eq:moon")
    expect(page.get_by_text("No requests match this filter in this range.")).to_be_visible()
    page.get_by_role("button", name="Clear filters").click()
    expect(page.locator("ud-legend tbody tr").first).to_be_visible()


def test_the_lower_cards_have_periods_of_their_own(open_page: Open) -> None:
    page = open_page("")
    requests = page.locator("ud-capacity section").first
    expect(requests.locator(".figures")).to_have_text(re.compile(r"^[\d,]+ total$"))
    requests.get_by_role("radio", name="Month").click()
    assert query(page) == {"rp": ["month"]}
    expect(requests.locator("ud-menu")).to_contain_text("6 h")
    requests.locator("ud-menu").get_by_role("button").click()
    expect(page.get_by_role("option")).to_have_text(["6 h", "Day"])
    page.get_by_role("option", name="Day").click()
    active = page.locator("ud-capacity section").last
    expect(active.locator(".figures")).to_contain_text(
        re.compile(r"peak\s+\d of 1 · above the limit 0\.\d+% of the time\s+· average 0.\d")
    )
    expect(active.locator(".figures .over")).to_be_visible()
    expect(active.locator(".plot")).to_have_attribute("aria-label", re.compile(r"line chart, 97 buckets.* Limit 1\."))


@pytest.mark.parametrize("limit", [2, None])
def test_time_above_the_limit_is_asked_only_where_the_peak_is_above_one(open_page: Open, limit: int | None) -> None:
    page = open_page("")
    above = page.locator("ud-capacity .figures").last
    expect(above).to_contain_text("above the limit")

    def other_limit(route: Route) -> None:
        answer = route.fetch()
        me = answer.json()
        me["workspace"]["concurrency_limit"] = limit
        route.fulfill(response=answer, json=me)

    page.route("**/api/v1/me*", other_limit)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    expect(above).to_contain_text(re.compile(r"peak\s+2( of 2)?\s+· average"))
    menu(page, "Metric").click()
    option = page.get_by_role("option", name="Time above the limit")
    expect(option).to_be_visible()
    assert (option.get_attribute("aria-disabled") == "true") == (limit is None)
    assert any("concurrency_average" in url for url in asked)
    assert not any("concurrency_over_limit" in url for url in asked)


def test_hostile_names_are_text(open_page: Open) -> None:
    page = open_page("by=api_key_id")
    expect(page.locator("ud-legend tbody th").filter(has_text="<img")).to_have_text(HOSTILE)
    expect(page.locator("ud-legend tbody th").filter(has_text="very long")).to_contain_text(LONG[:200].strip())
    plot(page).hover(position={"x": 600, "y": 100})
    expect(page.locator(".tip")).to_contain_text("<img")
    page.goto(page.url + "&f=api_key_id:eq:key_mobile&view=table")
    expect(page.locator("ud-filters .chip")).to_contain_text("<img")
    expect(page.locator("ud-bucket-table th").filter(has_text="<img").first).to_be_visible()
    assert "hacked" not in page.title()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_bucket_of_concurrency_opens_what_was_active_in_it(open_page: Open, site: str, filled: House) -> None:
    page = open_page("")
    card = page.locator("ud-capacity section[aria-labelledby=active]")
    card.locator(".plot[aria-label]").focus()
    page.keyboard.press("End")
    page.keyboard.press("PageDown")
    page.keyboard.press("Enter")
    card.locator(".tip").get_by_role("link", name="Open in the log").click()
    found = query(page)
    assert found["active"] == ["on"]
    expect(page.get_by_role("button", name="Active in this range", exact=True)).to_be_visible()
    expect(page.locator("ud-log .histogram")).to_have_count(0)
    with keyed(site, filled.api_key) as client:
        params = {"interval": "total", "active_in": found["r"][0], "time_zone": "Europe/Berlin"}
        (row,) = client.get("/api/v1/usage", params=params).json()["rows"]
        assert client.get("/api/v1/usage.csv", params=params).status_code == 200
    expect(page.locator("ud-log [data-total]")).to_have_attribute("data-total", str(row[-1]))
    expect(page.locator("ud-log tbody tr")).to_have_count(row[-1])
    page.get_by_role("button", name="Active in this range, remove").click()
    assert "active" not in query(page)
    expect(page.locator("ud-log .histogram")).to_be_visible()

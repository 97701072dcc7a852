"""The Analytics tab: key figures with their change, charts, the table by path or anything else, webhooks."""

import re
from itertools import pairwise
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Open
from tests.house import House, keyed


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query, keep_blank_values=True)


def test_tiles_tell_the_change_and_lead_to_the_errors(open_page: Open) -> None:
    page = open_page("tab=analytics&r=7d")
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(5)
    expect(tiles.locator("h2")).to_have_text(["Requests", "Success rate", "Average latency", "p95 latency", "Errors"])
    expect(page.locator("[data-metric=requests]")).to_contain_text(re.compile("up .*%.*against the period before"))
    expect(page.locator("[data-metric=requests] p")).to_have_class("muted")
    expect(page.locator("[data-metric=errors] p").first).to_have_class("bad")
    link = page.locator("[data-metric=errors] a")
    status, count = link.inner_text().split(": ")
    link.click()
    assert query(page) == {"tab": ["log"], "r": ["7d"], "f": [f"status:eq:{status}"]}
    expect(page.locator("ud-log [data-total]")).to_have_text(count)


def test_any_metric_can_be_charted(open_page: Open) -> None:
    page = open_page("tab=analytics")
    page.locator("ud-menu[label='Chart']").get_by_role("button").click()
    page.get_by_role("combobox").fill("characters")
    page.keyboard.press("Enter")
    assert query(page)["chart"] == ["characters"]
    card = page.locator("ud-over-time section.card")
    expect(card.locator("h2")).to_have_text("Characters over time")
    expect(card.locator(".plot")).to_have_attribute(
        "aria-label", re.compile(r"Characters: bar chart, 97 buckets.*Total [\d,]+ characters")
    )
    expect(page.locator(".toolbar [data-export]")).to_have_attribute("href", re.compile("metric=characters"))
    page.locator("ud-menu[label='Granularity']").get_by_role("button").click()
    expect(page.get_by_role("option")).to_have_text(["5 min", "15 min", "Hour", "Day"])
    page.get_by_role("option", name="Hour").click()
    expect(card.locator(".plot")).to_have_attribute("aria-label", re.compile("25 buckets"))


def test_the_chart_is_split_by_any_dimension(open_page: Open, site: str, filled: House) -> None:
    page = open_page("tab=analytics")
    card = page.locator("ud-over-time section.card")
    expect(card.locator("h2")).to_have_text("API requests by status")
    page.locator("ud-menu[label='Split by']").get_by_role("button").click()
    page.get_by_role("combobox").fill("api key")
    page.keyboard.press("Enter")
    assert query(page) == {"tab": ["analytics"], "split": ["api_key_id"]}
    expect(card.locator("h2")).to_have_text("API requests by API key")
    expect(card.locator(".plot")).to_have_attribute("aria-label", re.compile(r"Requests by API key: bar chart, .* 4 series\."))
    expect(page.locator(".toolbar [data-export]")).to_have_attribute("href", re.compile("by=api_key_id"))
    page.locator("ud-menu[label='Chart']").get_by_role("button").click()
    page.get_by_role("combobox").fill("p95 latency")
    page.keyboard.press("Enter")
    expect(card.locator("h2")).to_have_text("p95 latency by API key")
    expect(card.locator(".plot")).to_have_attribute("aria-label", re.compile(r"p95 latency by API key: line chart"))
    card.get_by_label("Key", exact=True).get_by_role("link", name="prod-web").click()
    assert query(page)["f"] == ["api_key_id:eq:key_web"]
    with keyed(site, filled.api_key) as client:
        asked = {"interval": "total", "filter": "api_key_id:eq:key_web", "range": "24h", "metric": "requests"}
        count = client.get("/api/v1/usage", params=asked).json()["rows"][0][-1]
    expect(page.locator("ud-log [data-total]")).to_have_attribute("data-total", str(count))


def test_without_a_split_it_is_one_series_and_own_keys_split_too(open_page: Open) -> None:
    page = open_page("tab=analytics&split=none")
    card = page.locator("ud-over-time section.card")
    expect(card.locator("h2")).to_have_text("API requests over time")
    expect(card.get_by_label("Key", exact=True)).to_have_count(0)
    page.locator("ud-menu[label='Split by']").get_by_role("button").click()
    page.get_by_role("combobox").fill("plan")
    page.keyboard.press("Enter")
    expect(card.locator("h2")).to_have_text("API requests by plan")
    expect(card.get_by_label("Key", exact=True).get_by_role("listitem").first).to_be_visible()
    page = open_page("tab=analytics&split=group_id")
    expect(page.locator("ud-over-time")).to_contain_text("A request counts in each group it belongs to")


def test_a_chart_without_any_value_says_so(open_page: Open) -> None:
    def forget(route: Route) -> None:
        answer = route.fetch()
        told = answer.json()
        rows = [[*row[:2], *(None for _ in row[2:])] for row in told["rows"]]
        route.fulfill(response=answer, json={**told, "rows": rows})

    page = open_page("")
    page.route(re.compile("metric=latency_avg(,|%2C)latency_p50"), forget)
    page.get_by_role("tab", name="Analytics").click()
    card = page.locator("ud-analytics section.card", has=page.get_by_role("heading", name="Latency"))
    expect(card.locator(".plot")).to_have_attribute("aria-label", "Latency: No values in this range.")
    expect(card.locator("svg text", has_text="No values in this range")).to_be_visible()


def test_other_is_named_once(open_page: Open) -> None:
    page = open_page("tab=analytics&dim=path")
    expect(page.locator("ud-by-table tbody th").last).to_have_text(re.compile(r"^Other \(\d+\)$"))
    page = open_page("tab=analytics&dim=method,path")
    expect(page.locator("ud-by-table tbody th").last).to_have_text(re.compile(r"^Other \(\d+\)$"))


def test_a_row_opens_the_log_filtered_to_it(open_page: Open) -> None:
    page = open_page("tab=analytics&f=region:eq:eu")
    first = page.locator("ud-by-table tbody tr").first
    expect(first.locator("th")).to_have_text("POST /v1/text-to-speech/{id}")
    count = first.locator("td").first.inner_text()
    first.get_by_role("link").click()
    assert query(page) == {"tab": ["log"], "f": ["region:eq:eu", "method:eq:POST", "route:eq:/v1/text-to-speech/{id}"]}
    expect(page.locator("ud-log [data-total]")).to_have_text(count)


def test_every_row_has_its_trend_and_waits_for_none(open_page: Open, site: str, filled: House) -> None:
    """The line is that of the whole buckets of the range, as the API has them."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page = open_page("tab=analytics&f=region:eq:eu")
    trend = re.compile(r"/usage\?.*interval=21600s")
    page.route(trend, hold)
    page.get_by_role("button", name="Last 24 hours").click()
    with page.expect_request(trend):
        page.get_by_role("button", name="Last 7 days").click()
    rows, lines = page.locator("ud-by-table tbody tr"), page.locator("ud-by-table tbody td.trend svg")
    expect(rows.locator("td").first).to_have_text(re.compile("[0-9]{3}"))
    expect(page.locator("ud-by-table [aria-busy=true]")).to_have_count(0)
    counts = rows.locator("td:nth-child(2)").all_inner_texts()
    expect(lines).to_have_count(0)
    held[0].continue_()
    expect(lines).to_have_count(len(counts))
    assert rows.locator("td:nth-child(2)").all_inner_texts() == counts
    asked = {"range": "7d", "by": "method,route", "interval": "21600s", "filter": "region:eq:eu"}
    with keyed(site, filled.api_key) as client:
        answer = client.get("/api/v1/usage", params={**asked, "time_zone": "Europe/Berlin"}).json()
    whole = [edge for edge, end in pairwise(answer["edges"]) if answer["window"]["start"] <= edge and end <= answer["as_of"]]
    assert 20 < len(whole) <= 30
    row = rows.filter(has_text="GET /v1/voices")
    told = {r[0]: r[-1] for r in answer["rows"] if r[2] == "GET" and r[4] == "/v1/voices" and r[0] in whole}
    amounts = [told.get(edge, 0) for edge in whole]
    expect(row.locator(".trend .only-read")).to_have_text(f"{min(amounts)} to {max(amounts)}, last {amounts[-1]}")
    assert (row.locator("svg path").last.get_attribute("d") or "").count("L") == len(whole) - 1
    page.set_viewport_size({"width": 700, "height": 900})
    expect(lines.first).to_be_hidden()


def test_by_anything_else(open_page: Open) -> None:
    page = open_page("tab=analytics")
    page.locator("ud-menu[label='By']").get_by_role("button").click()
    page.get_by_role("option", name="User", exact=True).click()
    assert query(page)["dim"] == ["user_id"]
    rows = page.locator("ud-by-table tbody th")
    expect(rows).to_have_count(2)
    assert sorted(rows.all_inner_texts()) == ["ana@example.com", "ben@example.com"]
    page.get_by_role("radio", name="My account").click()
    expect(page.locator("ud-by-table h2")).to_have_text("By path")
    assert "dim" not in query(page)


def test_webhooks(open_page: Open) -> None:
    page = open_page("tab=analytics&r=30d&per=attempts&f=voice_id:eq:voice_1")
    page.get_by_role("radio", name="Webhooks").click()
    expect(page.locator(".tile h2").last).to_have_text("Attempts per delivery")
    expect(page.locator(".chip.idle")).to_have_attribute("title", "Does not apply to deliveries.")
    expect(page.locator("[data-metric=attempts] .value")).to_have_text("900")
    rows = page.locator("ud-by-table tbody tr")
    expect(rows.locator("th").first).to_contain_text("https://hooks.example.com/")
    count = rows.first.locator("td").first.inner_text()
    rows.first.locator("th").get_by_role("link").click()
    expect(page.locator("#title")).to_have_text("Delivery attempts")
    expect(page.locator("ud-log [data-total]")).to_have_text(count)
    assert query(page)["of"] == ["deliveries"]

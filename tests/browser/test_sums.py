"""One number, four ways: what the chart draws, what the table says, what the API answers, what the CSV adds up to."""

import csv
import re
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.house import House, keyed


def amount(text: str) -> Decimal:
    """The first number of a text, thousands separators and currency signs left out."""
    found = re.search(r"[\d,]+(\.\d+)?", text)
    assert found, text
    return Decimal(found[0].replace(",", ""))


def charted(chart: Locator) -> Decimal:
    """The sum of everything the chart draws, as it says itself."""
    label = chart.locator(".plot").get_attribute("aria-label") or ""
    return amount(label.partition("Total ")[2])


def exported(page: Page, button: Locator, folder: Path) -> list[dict[str, str]]:
    with page.expect_download() as waiting:
        button.click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def answered(site: str, house: House, **asked: str) -> Decimal:
    with keyed(site, house.api_key) as client:
        answer = client.get("/api/v1/usage", params={"interval": "total", "time_zone": "Europe/Berlin", **asked})
    assert answer.status_code == 200, answer.text
    return Decimal(str(answer.json()["rows"][0][-1]))


@pytest.mark.parametrize(
    ("query", "metric", "asked"),
    [
        ("", "credits", {}),
        ("metric=requests&by=api_key_id&g=hour", "requests", {}),
        ("metric=cost&by=voice_id&g=week&r=last-month", "cost", {"range": "last-month"}),
        ("metric=characters&by=none&r=billing", "characters", {"range": "billing"}),
        ("g=cumulative&by=user_id", "credits", {}),
        ("f=api_key_id:eq:key_web&f=status:lt:300&by=model&tz=America/New_York", "credits", {"filter": "api_key_id:eq:key_web"}),
    ],
)
def test_usage_is_one_number(
    open_page: Open, site: str, filled: House, tmp_path: Path, query: str, metric: str, asked: dict[str, str]
) -> None:
    page = open_page(query)
    chart = page.locator("section[aria-labelledby=title] ud-chart")
    chart.locator(".plot[aria-label]").wait_for()
    rows = exported(page, page.get_by_role("link", name="Export CSV"), tmp_path)
    if "America" in query:
        asked = {**asked, "time_zone": "America/New_York"}
    total = answered(site, filled, metric=metric, **asked)
    assert total > 0
    assert charted(chart) == total
    assert amount(page.locator("#title + p").inner_text()) == total
    if "cumulative" in query:
        ends = max(row["bucket_start"] for row in rows)
        assert sum(Decimal(row[metric]) for row in rows if row["bucket_start"] == ends) == total
    else:
        assert sum(Decimal(row[metric]) for row in rows) == total
    if "by=none" in query:
        expect(page.locator("ud-legend")).to_have_count(0)
        return
    cells = page.locator("ud-legend tbody tr td:nth-child(2)")
    assert sum(amount(text) for text in cells.all_inner_texts()) == total
    assert amount(page.locator("ud-legend tfoot td").first.inner_text()) == total


def test_the_table_view_adds_up_in_both_directions(open_page: Open, site: str, filled: House) -> None:
    page = open_page("view=table&metric=cost")
    table = page.locator("ud-bucket-table table")
    table.wait_for()
    total = answered(site, filled, metric="cost")
    grid = [[amount(t) for t in row.locator("td").all_inner_texts()] for row in table.locator("tbody tr").all()]
    foot = [amount(t) for t in table.locator("tfoot td").all_inner_texts()]
    assert len(grid) == 30
    assert all(sum(row[:-1]) == row[-1] for row in grid)
    assert [sum(column) for column in zip(*grid, strict=True)] == foot
    assert foot[-1] == total


def test_hiding_a_series_is_display_only(open_page: Open, site: str, filled: House, tmp_path: Path) -> None:
    page = open_page("")
    page.locator("ud-legend").get_by_role("button", name="TTS", exact=True).click()
    chart = page.locator("section[aria-labelledby=title] ud-chart")
    expect(chart.locator(".plot")).to_have_attribute("aria-label", re.compile("Total"))
    assert "hide=" in page.url
    total = answered(site, filled, metric="credits")
    assert charted(chart) == amount(page.locator("ud-legend tbody tr").first.locator("td").first.inner_text()) < total
    assert sum(Decimal(r["credits"]) for r in exported(page, page.get_by_role("link", name="Export CSV"), tmp_path)) == total


def test_groups_overlap_and_keep_an_independent_total(open_page: Open, site: str, filled: House) -> None:
    page = open_page("metric=requests&by=group_id")
    page.locator("ud-legend tbody tr").first.wait_for()
    total = answered(site, filled, metric="requests")
    cells = [amount(t) for t in page.locator("ud-legend tbody tr td:nth-child(2)").all_inner_texts()]
    assert sum(cells) > total
    assert amount(page.locator("ud-legend tfoot td").first.inner_text()) == total
    expect(page.locator("ud-legend tbody th").nth(0)).to_have_text("Web team")
    expect(page.locator("ud-usage ud-chart .plot").first).to_have_attribute("aria-label", re.compile("line chart"))


def test_analytics_is_one_number(open_page: Open, site: str, filled: House, tmp_path: Path) -> None:
    page = open_page("tab=analytics")
    chart = page.locator("ud-analytics section", has_text="API requests by status").locator("ud-chart")
    chart.locator(".plot[aria-label]").wait_for()
    total = answered(site, filled, metric="requests", range="24h")
    assert charted(chart) == total
    assert amount(page.locator("[data-metric=requests] .value").inner_text()) == total
    assert sum(Decimal(r["requests"]) for r in exported(page, page.locator(".toolbar [data-export]"), tmp_path)) == total
    rows = page.locator("ud-by-table tbody tr")
    assert sum(amount(t) for t in rows.locator("td:nth-child(2)").all_inner_texts()) == total
    assert sum(Decimal(r["requests"]) for r in exported(page, page.locator("ud-by-table [data-export]"), tmp_path)) == total


def test_webhooks_are_one_number(open_page: Open, site: str, filled: House) -> None:
    page = open_page("tab=analytics&of=deliveries&per=attempts&r=30d")
    chart = page.locator("ud-analytics section", has_text="Delivery attempts by status").locator("ud-chart")
    chart.locator(".plot[aria-label]").wait_for()
    total = answered(site, filled, metric="attempts")
    assert charted(chart) == total == 900
    assert amount(page.locator("[data-metric=attempts] .value").inner_text()) == total
    page.get_by_role("radio", name="Deliveries", exact=True).click()
    chart = page.locator("ud-analytics section", has_text="Deliveries by status").locator("ud-chart")
    chart.locator(".plot[aria-label^='Deliveries by status']").wait_for()  # until then it shows the answer before, by its name
    total = answered(site, filled, metric="deliveries")
    assert charted(chart) == total
    assert 450 < total < 900
    assert amount(page.locator("[data-metric=deliveries] .value").inner_text()) == total
    expect(page.locator("ud-by-table [aria-busy=true]")).to_have_count(0)  # until then it shows the answer before
    rows = page.locator("ud-by-table tbody tr")
    assert sum(amount(t) for t in rows.locator("td:nth-child(2)").all_inner_texts()) == total


def test_the_log_is_one_number(open_page: Open, site: str, filled: House, tmp_path: Path) -> None:
    page = open_page("tab=log&r=2d&f=status_class:in:4xx,5xx")
    matches = page.locator("ud-log [data-total]")
    matches.wait_for()
    total = answered(site, filled, metric="requests", range="2d", filter="status_class:in:4xx,5xx")
    assert amount(matches.inner_text()) == total > 0
    rows = exported(page, page.get_by_role("link", name="Export CSV"), tmp_path)
    assert len(rows) == total
    assert list(rows[0]) == [
        "time",
        "time_zone",
        "status",
        "method",
        "path",
        "duration_ms",
        "api_key_id",
        "api_key_id_label",
        "credits",
    ]
    seen = 0
    while True:
        seen += page.locator("ud-log tbody tr").count()
        older = page.get_by_role("button", name="Older")
        if older.is_disabled():
            break
        first = page.locator("ud-log tbody tr").first.inner_text()
        older.click()
        expect(page.locator("ud-log tbody tr").first).not_to_have_text(first, use_inner_text=True)
    assert seen == total

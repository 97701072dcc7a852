"""The request log: search, columns, pages, details, ways from one row to others."""

import re
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.house import House, look_at_sizes
from usagedeck.query import LogQuery
from usagedeck.times import HOUR


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query, keep_blank_values=True)


def test_typing_searches_and_makes_chips(open_page: Open) -> None:
    page = open_page("tab=log&r=7d")
    page.locator("ud-log tbody tr").first.wait_for()
    steps = page.evaluate("history.length")
    box = page.get_by_label("Search the log")
    box.press_sequentially("speech-to-text")
    expect(page.locator("ud-log tbody tr td:nth-child(4)").first).to_have_text("/v1/speech-to-text")
    page.wait_for_url("**q=speech-to-text**")
    assert page.evaluate("history.length") == steps, "typing is no step of history"
    box.fill('status:5xx path:/v1/speech key:prod-web latency:>0.1s speech "speech-to text"')
    box.press("Enter")
    page.wait_for_url("**f=status_class**")
    typed = ["status_class:eq:5xx", "path:contains:/v1/speech", "api_key_id:eq:key_web", "duration_ms:gt:100"]
    assert query(page)["f"] == typed
    assert query(page)["q"] == ['speech "speech-to text"']
    box.fill("-method:POST latency:<90")
    box.press("Enter")
    page.wait_for_url("**f=method**")
    assert query(page)["f"][-2:] == ["method:neq:POST", "duration_ms:lt:90"]
    box.fill("")
    box.press("Backspace")
    expect(box).to_have_value("duration_ms:<90")
    page.get_by_role("button", name="Clear filters").click()
    assert query(page) == {"tab": ["log"], "r": ["7d"]}


def test_search_finds_names(open_page: Open) -> None:
    page = open_page("tab=log&q=prod-web")
    expect(page.locator("ud-log tbody tr td:nth-child(6)").first).to_have_text("prod-web")
    expect(page.get_by_label("Search the log")).to_have_value("prod-web")


def test_a_long_search_shows_what_it_found_and_can_be_stopped(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    going_on = threading.Event()

    def steps(query: LogQuery, *_: object) -> Iterator[tuple[int, int]]:
        low, high = query.reading
        yield high - HOUR, high
        going_on.wait(30)
        yield low, high - HOUR

    monkeypatch.setattr("usagedeck.sql.steps", steps)
    page = open_page("tab=log&q=speech-to-text&r=7d")
    rows = page.locator("ud-log tbody tr")
    rows.first.wait_for()
    found = rows.count()
    assert 0 < found < 100, "an hour has some, and a page has room for more"
    note = page.locator("ud-finding")
    expect(note).to_contain_text("Searched back to 23 Nov")
    expect(note.get_by_role("progressbar", name="Searched")).to_be_visible()
    note.get_by_role("button", name="Stop").click()
    expect(note).to_contain_text("Stopped at 23 Nov")
    assert rows.count() == found
    going_on.set()
    page.get_by_role("button", name="Older").click()
    expect(note).to_be_hidden()
    assert query(page)["cursor"]
    expect(rows).not_to_have_count(found)


def test_what_a_search_matches_is_counted_behind_the_first_rows(open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    begin, go_on = threading.Event(), threading.Event()

    def steps(query: LogQuery, *_: object) -> Iterator[tuple[int, int]]:
        low, high = query.reading
        begin.wait(30)
        yield high - HOUR, high
        go_on.wait(30)
        yield low, high - HOUR

    page = open_page("tab=log&r=7d")
    page.locator("ud-log [data-total]").wait_for()
    monkeypatch.setattr("usagedeck.sql.steps", steps)
    heard: list[str] = []
    page.on("request", lambda r: heard.append(f"asked {urlsplit(r.url).path}") if "search=" in r.url else None)
    page.on("response", lambda r: heard.append(f"answered {urlsplit(r.url).path}") if "search=" in r.url else None)
    with page.expect_request(re.compile("/requests.*search=")):
        page.get_by_label("Search the log").fill("speech-to-text")
    with page.expect_response(re.compile("/usage.*search=")):
        begin.set()
    log, usage = "/api/v1/requests", "/api/v1/usage"
    assert heard == [f"asked {log}", f"answered {log}", f"asked {usage}", f"answered {usage}"]
    exactly = page.locator("ud-log [data-total]")
    expect(exactly).to_have_text(re.compile("[0-9]{3}"))
    total = int(exactly.inner_text())
    expect(page.locator("ud-finding")).to_be_visible()
    go_on.set()
    expect(page.locator("ud-finding")).to_be_hidden()
    expect(exactly).to_have_text(str(total))


def test_where_counting_is_costly_the_page_says_more_than(
    open_page: Open, filled: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_at_sizes(filled.deck)
    monkeypatch.setattr("usagedeck.sql.costs.MOST_SEARCHED", 1)
    page = open_page("tab=log&q=speech-to-text&r=7d")
    head, matches = page.locator("ud-log .table > header"), page.locator("ud-log [aria-label='Matches over time']")
    expect(head).to_contain_text("more than 100 matches")
    expect(page.locator("ud-log [data-total]")).to_have_count(0)
    expect(matches).to_contain_text(re.compile(r"about [\d.]+K requests have to be\s+searched"))
    expect(matches.locator("ud-chart")).to_have_count(0)
    matches.get_by_role("button", name="Count all matches").click()
    expect(matches.locator("ud-chart .plot")).to_have_attribute("aria-label", re.compile("Total"))
    exactly = page.locator("ud-log [data-total]")
    expect(exactly).to_have_text(re.compile("[0-9]{3}"))
    box = page.get_by_label("Search the log")
    box.fill("req_000100")
    expect(page.locator("ud-log")).to_contain_text("No requests match")
    page.get_by_role("button", name="Clear filters").click()
    expect(exactly).to_have_text(re.compile("[0-9],[0-9]{3}"))
    box.fill("req_006799")
    expect(exactly).to_have_text("1")
    expect(matches).to_contain_text("Count all matches")


def test_older_newer_and_back(open_page: Open) -> None:
    page = open_page("tab=log")
    rows = page.locator("ud-log tbody tr")
    expect(rows).to_have_count(100)
    first = rows.first.inner_text()
    expect(page.get_by_role("button", name="Newer")).to_be_disabled()
    page.get_by_role("button", name="Older").click()
    expect(rows.first).not_to_have_text(first, use_inner_text=True)
    second = rows.first.inner_text()
    page.get_by_role("button", name="Newer").click()
    expect(rows.first).to_have_text(first, use_inner_text=True)
    page.go_back()
    expect(rows.first).to_have_text(second, use_inner_text=True)
    page.go_back()
    expect(rows.first).to_have_text(first, use_inner_text=True)


def test_columns_are_chosen_and_kept_in_the_address(open_page: Open) -> None:
    page = open_page("tab=log")
    heads = page.locator("ud-log thead th")
    expect(heads).to_have_text(["Time", "Status", "Method", "Path", "Latency", "API key", "Credits"])
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("Region").check()
    page.get_by_label("Method").uncheck()
    page.get_by_label("Key of an attribute").fill("plan")
    page.get_by_role("button", name="Add").click()
    page.keyboard.press("Escape")
    expect(heads).to_have_text(["Time", "Status", "Path", "Latency", "API key", "Region", "Credits", "plan"])
    assert query(page)["cols"] == ["time,status,path,duration_ms,api_key_id,region,credits,attributes.plan"]
    page.goto(page.url.replace("cols=time,status,path", "cols=path,time"))
    expect(heads).to_have_text(["Path", "Time", "Latency", "API key", "Region", "Credits", "plan"])
    href = page.get_by_role("link", name="Export CSV").get_attribute("href") or ""
    assert "columns=path%2Ctime%2Cduration_ms" in href
    page.get_by_role("button", name="Compact").click()
    assert query(page)["density"] == ["compact"]


def test_the_drawer_walks_copies_and_returns_the_focus(open_page: Open) -> None:
    page = open_page("tab=log", permissions=["clipboard-read", "clipboard-write"])
    buttons = page.locator("ud-log .open-row")
    buttons.first.focus()
    page.keyboard.press("j")
    expect(buttons.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    drawer = page.locator("ud-drawer")
    expect(drawer.locator("h2")).to_be_focused()
    first = query(page)["id"][0]
    expect(drawer.locator("dd").first).to_contain_text(first)
    page.keyboard.press("j")
    page.wait_for_function("id => !location.search.includes(id)", arg=first)
    third = query(page)["id"][0]
    expect(drawer.locator("dd").first).to_contain_text(third)
    expect(page.locator("ud-log tr.picked")).to_have_count(1)
    page.keyboard.press("c")
    expect(drawer.locator("#curl")).to_contain_text("Copied")
    command = page.evaluate("navigator.clipboard.readText()")
    assert re.match(r'curl -X (GET|POST) "\$BASE_URL"\'/v1/', command)
    assert "$API_KEY" in command
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)
    assert "id" not in query(page)
    expect(buttons.nth(2)).to_be_focused()


def test_fields_of_a_row_become_filters(open_page: Open) -> None:
    page = open_page("tab=log&r=30d&id=req_000100")
    drawer = page.locator("ud-drawer")
    expect(drawer.locator("dd").first).to_contain_text("req_000100")
    drawer.get_by_role("button", name=re.compile("^Only Region")).click()
    assert query(page)["f"][0].startswith("region:eq:")
    drawer.get_by_role("button", name=re.compile("^Without Method")).click()
    assert query(page)["f"][1].startswith("method:neq:")
    expect(drawer.locator("dd").first).to_contain_text("req_000100")


def test_an_id_is_found_whenever_it_was(open_page: Open) -> None:
    page = open_page("tab=log&r=1h&id=req_000000")
    expect(page.locator("ud-drawer dd").first).to_contain_text("req_000000")
    page.goto(page.url.replace("req_000000", "req_never"))
    expect(page.locator("ud-drawer")).to_contain_text("There is no request with this id that you may see.")


def test_what_looks_like_an_id_is_looked_up_over_all_time(open_page: Open) -> None:
    page = open_page("tab=log&r=1h")
    page.get_by_label("Search the log").fill("req_000000")
    found = page.get_by_role("region", name="Found by its id")
    expect(found).to_contain_text("request with this id")
    expect(page.locator("ud-log")).to_contain_text("No requests match")
    found.get_by_role("link").first.click()
    expect(page.locator("ud-drawer dd").first).to_contain_text("req_000000")
    expect(found).to_have_count(0)
    page.get_by_label("Search the log").fill("req_006799")
    expect(found).to_contain_text("request with this id")
    expect(found).to_contain_text("delivery attempt with this Request ID")
    page.get_by_label("Search the log").fill("req_never_0")
    expect(found).to_have_count(0)


def test_a_request_and_its_deliveries_know_each_other(open_page: Open) -> None:
    page = open_page("tab=log&of=deliveries&r=30d")
    page.locator("ud-log tbody tr").nth(5).click()
    drawer = page.locator("ud-drawer")
    drawer.get_by_role("link", name="The request that caused it").click()
    expect(drawer.locator("dd").first).to_contain_text("req_006799")
    drawer.get_by_role("link", name="Deliveries it caused").click()
    assert query(page)["f"] == ["request_id:eq:req_006799"]
    expect(page.locator("#title")).to_have_text("Deliveries")
    assert query(page)["per"] == ["deliveries"]


def test_the_drawer_is_a_sheet_when_there_is_no_room(open_page: Open) -> None:
    page = open_page("tab=log", viewport={"width": 700, "height": 800})
    page.locator("ud-log tbody tr").nth(3).click()
    dialog = page.locator("ud-drawer dialog")
    expect(dialog.locator("dd").first).to_be_visible()
    assert dialog.evaluate("d => d.matches(':modal')")
    page.set_viewport_size({"width": 1280, "height": 800})
    expect(page.locator("ud-log .sides.open")).to_have_count(1)
    assert not dialog.evaluate("d => d.matches(':modal')")
    expect(dialog.locator("dd").first).to_be_visible()
    page.set_viewport_size({"width": 700, "height": 800})
    dialog.get_by_role("button", name="Close").click()
    expect(page.locator("ud-drawer")).to_have_count(0)


def test_a_bucket_of_the_histogram_narrows_the_log(open_page: Open) -> None:
    page = open_page("tab=log")
    chart = page.locator("ud-log ud-chart .plot")
    expect(chart).to_have_attribute("aria-label", re.compile("buckets"))
    expect(page.locator("ud-log tbody tr").first).to_be_visible()
    chart.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Open in the log").click()
    assert query(page)["r"] == ["2026-11-23T11:45Z..2026-11-23T12:00Z"]
    expect(page.locator("ud-log tbody tr").first).to_be_visible()
    page.go_back()
    expect(chart).to_have_attribute("aria-label", re.compile("97 buckets"))
    chart.focus()
    page.keyboard.press("Escape")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Open in the log").click()
    counted = re.compile(r"2026-11-22T12:(0[7-9]|1[0-4])[\d:.]*Z\.\.2026-11-22T12:15Z")
    assert counted.fullmatch(query(page)["r"][0]), "the part of the bucket that was counted"

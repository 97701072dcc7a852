"""The live log: rows come in on top, nothing moves under the reader's eyes, and the page says what it is doing."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Open
from tests.browser.furniture import NOW, PASSWORD
from tests.browser.test_log import query
from tests.house import House, build_house
from usagedeck import admin
from usagedeck.access import Role
from usagedeck.times import MINUTE

Send = Callable[..., Any]
READER = "live@example.com"


@pytest.fixture(scope="module")
def live(filled: House) -> House:
    """A workspace whose log may change."""
    house = build_house(filled.deck, "live")
    house.do(admin.AddUser(workspace=house.workspace_id, email=READER, password=PASSWORD, role=Role.OWNER))
    house.send({"id": f"old{n:02d}", "time": NOW - MINUTE - n, "path": f"/old/{n}", "status": 200} for n in range(60))
    return house


def send(house: House, *ids: str) -> None:
    house.send({"id": id_, "time": NOW - 1, "path": f"/{id_}", "status": 200} for id_ in ids)


def top(page: Page, *ids: str) -> None:
    """Wait until these rows are on top."""
    for place, id_ in enumerate(ids):
        expect(page.locator("ud-log .open-row").nth(place)).to_have_attribute("data-id", id_)


def status(page: Page, text: str) -> None:
    expect(page.locator("ud-live .status")).to_have_text(text)


def test_what_matches_grows_with_what_arrives(open_page: Open, live: House) -> None:
    """At once, and then at a calm pace; the page of the log is not asked for again."""
    page = open_page("tab=log&live=on&q=grows", email=READER)
    status(page, "Following")
    expect(page.locator("ud-log")).to_contain_text("No requests match")
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url) if "/requests?" in r.url else None)
    total = page.locator("ud-log [data-total]")
    chart = page.locator("ud-log ud-chart .plot")
    for sent, count in ((3, 3), (5, 8)):
        send(live, *(f"grows{sent}{n}" for n in range(sent)))
        expect(total).to_have_text(str(count))
        expect(page.locator("ud-log tbody tr")).to_have_count(count)
        expect(chart).to_have_attribute("aria-label", re.compile(f"Total {count} requests"))
    assert not asked


def test_rows_come_in_on_top_and_wait_while_somebody_reads(open_page: Open, live: House) -> None:
    page = open_page("tab=log", email=READER)
    page.locator("ud-log tbody tr").first.wait_for()
    first = page.locator("ud-log .open-row").first.get_attribute("data-id") or ""
    page.locator("ud-log h2").first.click()
    page.keyboard.press("l")
    status(page, "Following")
    assert query(page)["live"] == ["on"]
    send(live, "a1")
    send(live, "a2", "a1")
    top(page, "a2", "a1", first)
    expect(page.get_by_role("button", name="Live", exact=True)).to_have_attribute("aria-pressed", "true")

    rows = page.locator("ud-log .scroll")
    rows.hover()
    send(live, "b1", "b2")
    news = page.locator("ud-live button")
    expect(news).to_have_text("2 new")
    top(page, "a2", "a1")
    page.mouse.move(5, 5)
    top(page, "b2", "b1", "a2")
    expect(news).to_have_count(0)

    rows.evaluate("e => e.scrollTo({top: 400})")
    send(live, "c1")
    expect(news).to_have_text("1 new")
    news.click()
    top(page, "c1", "b2")
    page.wait_for_function("e => e.scrollTop === 0", arg=rows.element_handle())

    page.locator("ud-log tbody tr").nth(1).click()
    page.mouse.move(5, 5)
    expect(page.locator("ud-drawer dd").first).to_contain_text("b2")
    send(live, "d1")
    expect(news).to_have_text("1 new")
    page.keyboard.press("k")
    expect(page.locator("ud-drawer dd").first).to_contain_text("c1")
    page.keyboard.press("Escape")
    page.locator("ud-log h2").first.click()
    top(page, "d1", "c1", "b2")

    page.keyboard.press("l")
    expect(page.locator("ud-live")).to_have_count(0)
    assert "live" not in query(page)


def test_it_follows_what_is_filtered_and_survives_a_reload(open_page: Open, live: House) -> None:
    page = open_page("tab=log&live=on&f=path:starts_with:/kept", email=READER)
    status(page, "Following")
    send(live, "dropped", "kept1")
    top(page, "kept1")
    page.reload()
    status(page, "Following")
    send(live, "kept2")
    expect(page.locator("ud-log .open-row")).to_have_count(2)
    top(page, "kept2", "kept1")


def test_it_says_what_was_left_out_and_that_the_connection_was_lost(open_page: Open, live: House) -> None:
    page = open_page(email=READER)
    page.get_by_role("tab", name="Usage").wait_for()
    tries = 0

    def lose(route: Route) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            route.abort()
        else:
            route.continue_()

    page.route("**/api/v1/log/tail**", lose)
    page.goto(page.url.split("?")[0] + "?tab=log&live=on")
    status(page, "Connection lost, trying again…")
    send(live, *(f"much{n}" for n in range(130)))
    status(page, "Following · 30 left out")
    top(page, "much99", "much98")
    open_page.forgive("Failed to load resource")


def test_it_ends_with_the_session(open_page: Open, live: House) -> None:
    page = open_page("tab=log&live=on", email=READER)
    status(page, "Following")
    page.evaluate("fetch('/api/v1/session', {method: 'DELETE'})")
    send(live, "too-late")
    expect(page.get_by_label("Password")).to_be_visible()

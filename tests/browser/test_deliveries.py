"""Webhooks: from an endpoint that fails to its deliveries, to the attempts of one, to the request that caused it, and back."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.furniture import PASSWORD
from tests.house import NOON, House, build_house
from usagedeck import admin
from usagedeck.access import Role
from usagedeck.times import DAY, HOUR, MINUTE

DORA = "dora@example.com"
FAILED = 5
GOOD, BAD = "https://good.example.com/hook", "https://bad.example.com/hook"


@pytest.fixture(scope="module")
def hooked(filled: House) -> House:
    """A workspace of its own: ten jobs are told to two endpoints; one of these answers at the second or third attempt, or never.
    One job is long ago, and one failed."""
    house = build_house(filled.deck, "Hooks", id="ws_hooks", time_zone="UTC")
    house.do(admin.AddUser(workspace="ws_hooks", email=DORA, name="", password=PASSWORD, role=Role.OWNER))
    for n in range(10):
        at = NOON - (n + 1) * HOUR - (300 * DAY if n == 9 else 0)
        events: list[dict[str, object]] = [
            {"id": f"job_{n}", "time": at, "method": "POST", "path": "/v1/jobs", "status": 202, "duration_ms": 40}
        ]
        if n == FAILED:
            events[0] |= {"path": "/v1/exports", "status": 500}
        events.append(sent(n, 1, at + MINUTE, GOOD, 200))
        tries = n % 4 + 1
        events += [sent(n, k, at + k * MINUTE, BAD, 200 if k == tries < 4 else 503) for k in range(1, tries + 1)]
        assert not house.send(events).rejected
    return house


def sent(job: int, attempt: int, at: int, url: str, status: int) -> dict[str, object]:
    event: dict[str, object] = {
        "kind": "delivery",
        "id": f"{url} {job} {attempt}",
        "message_id": f"msg_{job}",
        "webhook_id": url,
        "url": url,
    }
    event |= {"time": at, "status": status, "attempt": attempt, "duration_ms": 500, "event_type": "job.done"}
    return event | {"request_id": f"job_{job}"} | ({} if status == 200 else {"error": {"code": "busy", "message": "Too much."}})


@pytest.mark.usefixtures("hooked")
def test_from_a_failing_endpoint_to_the_request_and_back(open_page: Open) -> None:
    page = open_page("tab=analytics&of=deliveries", email=DORA)
    for metric, value in (("deliveries", "18"), ("delivery_errors", "2"), ("attempts", "30"), ("attempt_errors", "14")):
        expect(page.locator(f"[data-metric={metric}] .value")).to_have_text(value)
    rows = page.locator("ud-by-table tbody tr")
    expect(rows.locator("th")).to_have_text([BAD, GOOD])
    expect(rows.first.locator("td").first).to_have_text("9")
    expect(rows.first).to_contain_text(re.compile(r"503\s+busy, 2 h ago"))
    expect(rows.last.locator("td").last).to_have_text("—")
    rows.first.get_by_role("link", name=BAD).click()
    expect(page.locator("ud-log [data-total]")).to_have_text("9")
    expect(page.locator("ud-log tbody tr")).to_have_count(9)
    page.get_by_role("radio", name="Attempts", exact=True).click()
    expect(page.locator("ud-log [data-total]")).to_have_text("21")
    expect(page.locator("ud-log tbody tr")).to_have_count(21)
    page.locator("ud-log tbody tr", has_text="503").first.get_by_role("button").click()
    attempts = page.locator("ud-drawer ud-attempts")
    expect(attempts.locator("caption")).to_have_text(re.compile("delivered, 2 attempts"))
    expect(attempts.locator("tbody tr td:nth-child(1)")).to_have_text(["1", "2"])
    expect(attempts.locator("tbody tr td:nth-child(3)")).to_have_text(["503", "200"])
    expect(attempts.locator("tr[aria-current] td").first).to_have_text("1")
    attempts.get_by_role("link").last.focus()
    page.keyboard.press("Enter")
    expect(attempts.locator("tr[aria-current] td").first).to_have_text("2")
    page.get_by_role("link", name="The request that caused it").click()
    expect(page.locator("ud-drawer #name")).to_have_text("POST /v1/jobs")
    expect(attempts.locator("caption")).to_have_text(
        [re.compile(f"job.done to {re.escape(url)}: delivered") for url in (BAD, GOOD)]
    )
    attempts.get_by_role("link").last.click()
    expect(page.locator("ud-drawer #name")).to_have_text(GOOD)


@pytest.mark.usefixtures("hooked")
def test_from_a_failing_route_on_the_chart_to_the_request_and_its_deliveries(open_page: Open) -> None:
    page = open_page("tab=analytics&chart=errors&split=route", email=DORA)
    chart = page.locator("ud-over-time section")
    expect(chart.locator(".plot")).to_have_attribute("aria-label", re.compile("Errors by route: .*Total 1 request"))
    chart.get_by_label("Key", exact=True).get_by_role("link", name="/v1/exports").click()
    expect(page.locator("ud-log [data-total]")).to_have_text("1")
    page.locator("ud-log tbody tr").get_by_role("button").click()
    expect(page.locator("ud-drawer #name")).to_have_text("POST /v1/exports")
    attempts = page.locator("ud-drawer ud-attempts")
    expect(attempts.locator("caption")).to_have_text([re.compile(f"{re.escape(url)}: delivered") for url in (BAD, GOOD)])
    attempts.get_by_role("link").first.click()
    expect(page.locator("ud-drawer #name")).to_have_text(BAD)
    page.get_by_role("link", name="The request that caused it").click()
    page.get_by_role("link", name="Deliveries it caused").click()
    expect(page.locator("#title")).to_have_text("Deliveries")
    expect(page.locator("ud-log [data-total]")).to_have_text("2")
    expect(page.locator("ud-log tbody tr")).to_have_count(2)


@pytest.mark.usefixtures("hooked")
def test_a_request_of_long_ago_knows_its_deliveries(open_page: Open) -> None:
    page = open_page("tab=log&id=job_9", email=DORA)
    expect(page.locator("ud-attempts caption")).to_have_count(2)
    expect(page.locator("ud-attempts tbody tr")).to_have_count(3)


@pytest.mark.usefixtures("hooked")
def test_what_is_counted_is_chosen_and_named(open_page: Open) -> None:
    page = open_page("tab=analytics&of=deliveries", email=DORA)
    card = page.locator("ud-analytics section[aria-labelledby=status]")
    expect(card.locator(".plot")).to_have_attribute("aria-label", re.compile("Deliveries by status: .*Total 18 deliveries"))
    rates = page.locator("ud-analytics section[aria-labelledby=success]")
    expect(rates).to_contain_text("Delivery success rate")
    expect(rates).to_contain_text("Attempt success rate")
    expect(page.get_by_role("heading", name="Time to deliver", exact=True)).to_be_visible()
    page.get_by_role("radio", name="Attempts", exact=True).click()
    expect(card.locator(".plot")).to_have_attribute("aria-label", re.compile("Delivery attempts by status: .*Total 30 attempts"))
    assert "per=attempts" in page.url
    expect(page.locator("ud-by-table tbody tr td:nth-child(2)")).to_have_text(["21", "9"])


@pytest.mark.usefixtures("hooked")
def test_every_figure_of_deliveries_opens_as_many_rows(open_page: Open) -> None:
    """A row of the table, an entry of the key, the most frequent status and any bucket, of deliveries and of their attempts."""
    page = open_page("tab=analytics&of=deliveries", email=DORA)
    matches, rows = page.locator("ud-log [data-total]"), page.locator("ud-log tbody tr")
    card = page.locator("ud-analytics section[aria-labelledby=status]")

    def opens(title: str, count: int) -> None:
        expect(page.locator("ud-log #title")).to_have_text(title)
        expect(matches).to_have_text(str(count))
        expect(rows).to_have_count(count)
        page.go_back()

    for title, counted, good, failed in (("Deliveries", "Deliveries", 16, 2), ("Delivery attempts", "Attempts", 16, 14)):
        page.get_by_role("radio", name=counted, exact=True).click()
        expect(card.locator(".plot")).to_have_attribute("aria-label", re.compile(f"{title} by status: "))
        for name, count in (("2xx", good), ("5xx", failed)):
            card.get_by_role("list", name="Key").get_by_role("link", name=name).click()
            opens(title, count)
        page.locator("ud-by-table tbody tr", has_text=GOOD).get_by_role("link", name=GOOD).click()
        opens(title, 9)
        page.locator(f".tiles[aria-label$=' {title.lower()}'] a").click()
        opens(title, failed)
        chart, link = card.locator(".plot[aria-label]"), card.get_by_role("link", name="Open in the log")
        for place in ("Home", "End"):
            for step in range(3):
                expect(page.locator("ud-analytics [aria-busy=true]")).to_have_count(0)  # a new answer ends what was begun
                chart.focus()
                page.keyboard.press(place)
                for _ in range(step * 4):
                    page.keyboard.press("ArrowRight" if place == "Home" else "ArrowLeft")
                page.keyboard.press("Enter")
                expect(link).to_be_visible()
                shown = card.locator(".tip .figure").first
                count = int(shown.inner_text()) if shown.count() else 0
                link.click()
                if count:
                    opens(title, count)
                else:
                    expect(page.locator("ud-log")).to_contain_text("There are no deliveries in this range.")
                    page.go_back()


@pytest.mark.usefixtures("hooked")
def test_the_log_shows_deliveries_or_their_attempts_as_they_arrive(open_page: Open) -> None:
    page = open_page("tab=log&of=deliveries&per=deliveries", email=DORA)
    expect(page.locator("ud-log tbody tr")).to_have_count(18)
    export = page.get_by_role("link", name="Export CSV")
    expect(export).to_have_attribute("href", re.compile("/deliveries.csv\\?per=deliveries&"))
    page.locator("ud-log tbody tr", has_text=BAD).first.get_by_role("button").click()
    expect(page.locator("ud-drawer ud-attempts caption")).to_have_text(re.compile("delivered, 1 attempt$"))
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Live").click()
    expect(page.locator("ud-live .open")).to_be_visible()
    expect(page.get_by_role("radio", name="Attempts", exact=True)).to_be_checked()
    expect(page.locator("ud-log tbody tr")).to_have_count(30)
    page.get_by_role("radio", name="Deliveries", exact=True).click()
    expect(page.locator("ud-log tbody tr")).to_have_count(18)
    expect(page.locator("ud-live")).to_have_count(0)
    expect(page.get_by_role("button", name="Live")).to_have_attribute("aria-pressed", "false")


@pytest.mark.usefixtures("hooked")
def test_only_rows_of_deliveries_have_attempts_and_a_time_to_deliver(open_page: Open) -> None:
    page = open_page("tab=log&of=deliveries&per=deliveries", email=DORA)
    heads, rows = page.locator("ud-log thead th"), page.locator("ud-log tbody tr")
    whole = ["Attempts", "Time to deliver"]
    expect(rows).to_have_count(18)
    shown = heads.all_inner_texts()
    assert [title for title in shown if title in whole] == whole
    took = {1: "500 ms", 2: "1 m 1 s (60,500 ms)", 3: "2 m 1 s (120,500 ms)", 4: "—"}
    for row in (rows.nth(n) for n in range(18)):
        cells = dict(zip(shown, row.locator("td").all_inner_texts(), strict=True))
        assert cells["Time to deliver"] == took[int(cells["Attempts"])], cells

    def counted(by: str, count: int) -> None:
        page.get_by_role("radio", name=by, exact=True).click()
        expect(rows).to_have_count(count)

    def picked(*names: str) -> None:
        page.get_by_role("button", name="Columns").click()
        boxes = page.locator("ud-columns")
        expect(boxes.get_by_label("Endpoint")).to_be_visible()
        for name in whole:
            expect(boxes.get_by_label(name, exact=True)).to_have_count(int(bool(names)))
        for name in names:
            boxes.get_by_label(name, exact=True).click()
        page.keyboard.press("Escape")

    counted("Attempts", 30)
    expect(heads).to_have_text([title for title in shown if title not in whole])
    picked()
    counted("Deliveries", 18)
    expect(heads).to_have_text(shown)
    assert "cols=" not in page.url
    picked("Time to deliver", "Webhook", "Event type", "Latency")
    expect(heads).to_have_text(["Time", "Status", "Endpoint", "Attempt", "Attempts"])
    counted("Attempts", 30)
    expect(heads).to_have_text(["Time", "Status", "Endpoint", "Attempt"])
    page.goto(page.url.replace("cols=time,status,url,attempt", "cols=time,tries"))
    expect(page.get_by_text("“cols=time,tries” in the address makes no sense here; the default is shown.")).to_be_visible()
    expect(rows).to_have_count(30)


@pytest.mark.usefixtures("hooked")
def test_what_only_deliveries_have_is_typed_counted_and_opened(open_page: Open) -> None:
    page = open_page("tab=log&of=deliveries&per=deliveries", email=DORA)
    log, search = page.locator("ud-log"), page.get_by_label("Search the log")
    rows, matches = log.locator("tbody tr"), log.locator("[data-total]")
    plot, chips = log.locator(".histogram .plot[aria-label]"), log.locator("ud-filters .chip")
    for typed, chip, count in (("tries:>1", "Attempts > 1", 6), ("took_ms:>=120000", "Time to deliver ≥ 120000", 2)):
        search.fill(typed)
        search.press("Enter")
        expect(chips.last.get_by_role("button").first).to_have_text(re.compile(r"\s+".join(chip.split())))
        expect(rows).to_have_count(count)
        expect(matches).to_have_text(str(count))
        expect(plot).to_have_attribute("aria-label", re.compile(f"Total {count} deliveries"))
    log.get_by_role("button", name="+ Filter").click()
    log.get_by_label("Filter by").fill("Event")
    log.get_by_label("Filter by").press("Enter")
    expect(log.locator("ud-filter-editor label", has_text="job.done")).to_contain_text(re.compile("2$"))
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="Attempts", exact=True).click()
    expect(rows).to_have_count(30)
    for n in range(2):
        expect(chips.nth(n)).to_have_attribute("title", "Does not apply to attempts.")
    page.get_by_role("radio", name="Deliveries", exact=True).click()
    expect(rows).to_have_count(2)
    page.get_by_role("tab", name="Analytics").click()
    expect(page.locator("[data-metric=deliveries] .value")).to_have_text("2")
    expect(page.locator("[data-metric=attempts]")).to_have_count(0)
    expect(page.locator("ud-by-table tbody tr")).to_have_count(1)
    expect(page.locator("ud-errors")).to_have_count(0)
    page.locator("ud-by-table").get_by_role("link", name=BAD).click()
    expect(rows).to_have_count(2)
    expect(matches).to_have_text("2")

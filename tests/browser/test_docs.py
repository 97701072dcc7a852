"""The API reference: drawn from the server's own description, searchable, under the same policy."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.test_reading import in_both_themes
from tests.waiting import until
from usagedeck.catalog.dimensions import DIMENSIONS
from usagedeck.catalog.fields import FIELDS
from usagedeck.catalog.metrics import METRICS


def test_the_reference_names_everything(open_page: Open) -> None:
    page = open_page(path="/docs", email=None)
    main = page.locator("ud-docs main")
    expect(main.get_by_role("heading", name="Send events")).to_be_visible()
    text = main.inner_text()
    for name in (*METRICS, *DIMENSIONS, *(f.name for f in FIELDS if not f.stamped and not f.inside), "error.code"):
        assert re.search(rf"(?<![\w.]){re.escape(name)}(?!\w)", text), name
    for path in ("/v1/events", "/api/v1/usage", "/api/v1/requests.csv", "/v1/usage/character-stats", "/api/v1/me"):
        assert path in text, path
    assert "`" not in text


def test_the_reference_is_searched_and_linked(open_page: Open) -> None:
    page = open_page(path="/docs", email=None)
    page.get_by_label("Find in the reference").fill("concurrency_average")
    expect(page.locator("ud-docs nav a")).to_have_text(["Metrics over time", "Usage over time in named series", "Metrics"])
    page.get_by_label("Find in the reference").fill("zzzz")
    expect(page.get_by_text("Nothing matches “zzzz”.")).to_be_visible()
    page.get_by_label("Find in the reference").fill("")
    page.locator("ud-docs nav").get_by_role("link", name="Dimensions").click()
    expect(page).to_have_url(re.compile("#dimensions$"))
    expect(page.locator("ud-docs #dimensions")).to_be_in_viewport()
    page.reload()
    expect(page.locator("ud-docs #dimensions")).to_be_in_viewport()


def test_axe_finds_nothing_in_the_reference(open_page: Open) -> None:
    page = open_page(path="/docs", email=None, viewport={"width": 1280, "height": 800})
    page.locator("ud-docs main").wait_for()
    assert in_both_themes(page) == []
    page.set_viewport_size({"width": 320, "height": 700})
    until(lambda: page.evaluate("document.documentElement.scrollWidth") <= 320)

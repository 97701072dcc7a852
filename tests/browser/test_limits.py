"""Usage limits on the page: a percentage and a sentence, and a line where running sums begin with the billing period."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.furniture import MEMBER
from tests.browser.test_reading import in_both_themes
from tests.house import House
from tests.limiting import limit
from usagedeck import admin
from usagedeck.meters import Kind

LIMITS: list[tuple[Kind, str | None, int]] = [
    (Kind.KEY, "key_web", 200_000),
    (Kind.MEMBER, "user_ben", 100_000),
    (Kind.GROUP, "grp_web", 700_000),
    (Kind.WORKSPACE, None, 1_000_000),
]


@pytest.fixture(scope="module", autouse=True)
def limited(filled: House) -> Iterator[House]:
    """The furnished workspace with limits; other files find it without."""
    filled.do(admin.PutGroup(workspace=filled.workspace_id, id="grp_web", name="Web team", users=["user_ana", "user_ben"]))
    for kind, id_, credits_ in LIMITS:
        limit(filled, kind, id_, credits_)
    yield filled
    for kind, id_, _ in LIMITS:
        limit(filled, kind, id_, None)
    filled.do(admin.RemoveGroup(workspace=filled.workspace_id, id="grp_web"))


def share(page: Page, credits_: int) -> str:
    """The percentage that the total on the page is of a limit."""
    total = page.locator("[data-total]").first.get_attribute("data-total")
    assert total
    return f"{100 * float(total) / credits_:.1f}%"


WHOLE: list[tuple[str, int]] = [
    ("", 1_000_000),
    ("f=api_key_id:eq:key_web", 200_000),
    ("f=api_key_id:in:key_web", 200_000),
    ("f=user_id:eq:user_ben", 100_000),
    ("f=group_id:eq:grp_web", 700_000),
]


@pytest.mark.parametrize(("view", "credits_"), WHOLE)
def test_what_is_shown_as_a_whole_has_its_limit(open_page: Open, view: str, credits_: int) -> None:
    page = open_page(f"r=billing&g=cumulative&{view}")
    sentence = page.locator("ud-limit")
    expect(sentence).to_contain_text(f"of {credits_:,} credits, resets 5 December")
    expect(sentence).to_contain_text(share(page, credits_))
    chart = page.locator("section[aria-labelledby=title] ud-chart")
    expect(chart.locator("path[stroke-dasharray='5 4']")).to_have_count(1)
    expect(chart.locator(".plot")).to_have_attribute("aria-label", re.compile(rf"Limit {credits_:,} credits\."))
    expect(page.get_by_role("link", name="Show the period")).to_have_count(0)


def test_a_member_sees_their_own(open_page: Open) -> None:
    page = open_page("r=billing&g=cumulative", email=MEMBER)
    expect(page.locator("ud-limit")).to_contain_text("of 100,000 credits")
    expect(page.locator("ud-limit")).to_contain_text(share(page, 100_000))
    page.goto(page.url + "&f=api_key_id:eq:key_web")
    expect(page.locator("#title")).to_be_visible()
    expect(page.locator("ud-limit")).to_have_text("")


def test_elsewhere_the_sentence_leads_to_the_period(open_page: Open) -> None:
    page = open_page("r=7d&f=api_key_id:eq:key_web")
    sentence = page.locator("ud-limit")
    expect(sentence).to_contain_text("of 200,000 credits, resets 5 December")
    chart = page.locator("section[aria-labelledby=title] ud-chart")
    expect(chart.locator("path[stroke-dasharray='5 4']")).to_have_count(0)
    page.get_by_role("link", name="Show the period").click()
    expect(chart.locator("path[stroke-dasharray='5 4']")).to_have_count(1)
    expect(sentence).to_contain_text(share(page, 200_000))


PARTS = (
    *("f=api_key_id:in:key_web,key_batch", "f=api_key_id:neq:key_web", "f=api_key_id:eq:key_batch"),
    *("f=api_key_id:eq:key_web&f=status:eq:200", "f=product_type:eq:TTS", "metric=requests"),
)


@pytest.mark.parametrize("view", PARTS)
def test_a_part_of_somebodys_usage_has_none(open_page: Open, view: str) -> None:
    page = open_page(f"r=billing&g=cumulative&{view}")
    chart = page.locator("section[aria-labelledby=title] ud-chart")
    expect(chart.locator("svg")).to_be_visible()
    expect(chart.locator("path[stroke-dasharray='5 4']")).to_have_count(0)
    assert "resets" not in page.locator("section[aria-labelledby=title] header").inner_text()


@pytest.mark.parametrize(("credits_", "state"), [(100_000_000, "ok"), (1_000, "over"), (1_500_000, "near")])
def test_how_near_it_is_shows_and_axe_finds_nothing(open_page: Open, limited: House, credits_: int, state: str) -> None:
    limit(limited, Kind.WORKSPACE, None, credits_)
    page = open_page("r=billing&g=cumulative", color_scheme="light")
    expect(page.locator(f"ud-limit b.{state}")).to_be_visible()
    assert in_both_themes(page) == []
    limit(limited, Kind.WORKSPACE, None, LIMITS[-1][2])

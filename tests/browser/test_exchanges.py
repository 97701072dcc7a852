"""Headers and bodies in the details of a request: what is shown, what is copied, and the ways to related requests."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Open
from tests.browser.furniture import HOSTILE, NOW, PASSWORD
from tests.browser.test_modules import call
from tests.house import House, build_house
from usagedeck import access, admin
from usagedeck.access import Role
from usagedeck.times import MINUTE

WATCHER = "wim@example.com"
NASTY = "it's $HOME `id` \"q\" \\ !! %s\n-- @/etc/passwd 'x' \u00e9 \U0001f600"


@pytest.fixture(scope="module")
def watched(filled: House) -> House:
    """A workspace that collects, and somebody who sees it."""
    house = build_house(filled.deck, "Watched", id="ws_watched")
    house.do(admin.PutWorkspace(workspace="ws_watched", exchanges=True))
    house.do(admin.AddUser(workspace="ws_watched", email=WATCHER, password=PASSWORD, role=Role.ADMIN))
    house = replace(house, who=access.who_by_key(filled.deck, house.api_key))
    common: dict[str, Any] = {"method": "POST", "path": "/v1/tts", "api_key_id": "k1", "status": 200}
    sent = {
        "headers": {"Content-Type": "application/json", "xi-api-key": "hidden", "X-Odd": f"it's {HOSTILE}"},
        "body": '{"text":"Read [this]","voice":{"speed":1.50,"ids":[]},"password":"hidden"}',
    }
    got = {"headers": {"content-type": "audio/mpeg"}, "body": "/" * 4 * 8000, "encoding": "base64"}
    events = [
        {**common, "id": "full", "time": NOW - MINUTE, "trace_id": "t1", "request": sent, "response": got},
        {**common, "id": "bare", "time": NOW - 2 * MINUTE, "trace_id": "t1", "api_key_id": "k2", "path": "/v1/voices"},
        *({**common, "id": f"near{n}", "time": NOW - MINUTE - n * 1000, "status": 500} for n in range(1, 8)),
        {"kind": "delivery", "id": "hook", "time": NOW - MINUTE, "webhook_id": "w", "request": {"body": "to the hook"}},
    ]
    assert house.send(events).accepted == len(events)
    return house


@pytest.fixture
def drawer(watched: House, open_page: Open) -> Page:
    page = open_page("tab=log&r=7d&id=full", email=WATCHER)
    page.get_by_role("heading", name="Request", exact=True).wait_for()
    return page


def test_both_sides_are_shown(drawer: Page) -> None:
    sent, got = drawer.locator("ud-exchange").first, drawer.locator("ud-exchange").last
    expect(sent.locator("summary").first).to_have_text("Headers (3)")
    sent.locator("summary").first.click()
    expect(sent.get_by_role("row")).to_have_count(4)
    expect(sent.get_by_role("row", name="xi-api-key").locator("mark")).to_have_text("redacted")
    expect(sent.get_by_role("row", name="X-Odd")).to_contain_text(HOSTILE)
    sent.locator("summary").last.click()
    expect(sent.locator("pre")).to_have_text(
        '{\n  "text": "Read [this]",\n  "voice": {\n    "speed": 1.50,\n    "ids": []\n  },\n  "password": "redacted"\n}',
        use_inner_text=True,
    )
    expect(sent).to_contain_text("2 places redacted before it was stored.")
    expect(got.locator("summary").last).to_have_text("Body (24,000 bytes, cut at 16,384 bytes · binary, as base64 · audio/mpeg)")
    expect(got).to_contain_text("What is behind the cut was never stored.")


def test_without_them_it_says_why(watched: House, open_page: Open) -> None:
    page = open_page("tab=log&r=7d&id=bare", email=WATCHER)
    expect(page.locator("ud-exchange").first).to_contain_text("It came without headers and body.")
    page = open_page("tab=log&of=deliveries&r=7d&id=hook", email=WATCHER)
    expect(page.locator("ud-exchange").first.locator("summary")).to_have_text("Body (11 bytes)")
    page = open_page("tab=log&r=7d")
    page.locator("ud-log tbody tr").first.click()
    expect(page.locator("ud-exchange").last).to_contain_text("This workspace does not collect headers and bodies.")


def test_it_is_copied_as_a_command(drawer: Page) -> None:
    drawer.context.grant_permissions(["clipboard-read", "clipboard-write"])
    drawer.get_by_role("button", name="Copy as cURL").click()
    expect(drawer.get_by_role("button", name="Copied")).to_be_visible()
    command = drawer.evaluate("navigator.clipboard.readText()")
    assert run(command) == [
        *("-X", "POST", "https://api.test/v1/tts", "-H", "xi-api-key: KEY", "-H", "Content-Type: application/json"),
        *("-H", f"X-Odd: it's {HOSTILE}", "--data-raw"),
        '{"text":"Read [this]","voice":{"speed":1.50,"ids":[]},"password":"[redacted]"}',
    ]


def test_related_requests_are_a_few_links(drawer: Page) -> None:
    trace = drawer.get_by_role("list", name="In the same trace")
    expect(trace.get_by_role("link")).to_have_text(["POST /v1/voices"])
    key = drawer.get_by_role("list", name="The same key within a minute")
    expect(key.get_by_role("link")).to_have_count(5)
    drawer.get_by_role("link", name="All of them in the log").click()
    expect(drawer.locator("ud-log tbody tr")).to_have_count(8)
    drawer.go_back()
    trace.get_by_role("link").click()
    expect(drawer.get_by_role("heading", name="POST /v1/voices")).to_be_visible()


# --- the command, asked of a shell ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def blank(browser: Browser, site: str) -> Iterator[Page]:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{site}/static/icon.svg")
        yield page


def run(command: str) -> list[str]:
    """What a shell would start curl with; what comes from standard input behind it."""
    stand_in = """curl() { printf '%s\\0' "$@"; case "$*" in *@-*) cat;; esac; }"""
    script = f"{stand_in}\nBASE_URL=https://api.test API_KEY=KEY\n{command}"
    environment = {"HOME": "/nowhere", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True, env=environment)
    assert done.stderr == b""
    return [word.decode() for word in done.stdout.split(b"\0") if word]


def made(blank: Page, row: dict[str, Any], sent: dict[str, Any] | None) -> list[str]:
    return run(call(blank, "curl.js", "m.curl(a[0], a[1])", row, sent))


def side(body: str | None = None, headers: list[list[str]] | None = None, *, base64: bool = False) -> dict[str, Any]:
    return {"headers": headers or [], "body": body, "base64": base64}


@pytest.mark.parametrize(
    "body", [NASTY, "@/etc/passwd", "'", "''", "\\", "\n", "$(touch x)", "a\r\nb", "--next", json.dumps(NASTY)]
)
def test_nasty_bodies_stay_one_word(blank: Page, body: str) -> None:
    words = made(blank, {"method": "POST", "path": "/v1/x"}, side(body))
    assert words == ["-X", "POST", "https://api.test/v1/x", "-H", "xi-api-key: KEY", "--data-raw", body]


def test_bytes_come_through_a_pipe(blank: Page) -> None:
    assert made(blank, {"method": "PUT", "path": "/x"}, side("AAEC", base64=True))[-3:] == ["--data-binary", "@-", "\x01\x02"]
    assert made(blank, {"method": "PUT", "path": "/x"}, side("a\0é'"))[-3:] == ["@-", "a", "é'"]


@pytest.mark.parametrize(
    ("path", "address"),
    [
        ("/v1/it's/$HOME/`id`", "https://api.test/v1/it's/$HOME/`id`"),
        (".evil.test/x", "https://api.test/.evil.test/x"),
        ("@evil.test/x", "https://api.test/@evil.test/x"),
        ("", "https://api.test/"),
    ],
)
def test_paths_never_lead_elsewhere(blank: Page, path: str, address: str) -> None:
    assert made(blank, {"method": "GET", "path": path}, None) == ["-X", "GET", address, "-H", "xi-api-key: KEY"]


def test_headers_that_are_left_out_or_mended(blank: Page) -> None:
    headers = [
        ["Authorization", "[redacted]"],
        ["Host", "x"],
        ["Content-Length", "5"],
        ["X-Token", "[redacted]"],
        ["X-Part", "a [redacted] b"],
        ["@/etc/passwd", "x"],
        ["X-Break", "a\r\nX-Other: b"],
        ["X-Empty", ""],
        ["X-Quote", "it's $HOME"],
    ]
    words = made(blank, {"method": "GET", "path": "/a[1]"}, side(None, headers))
    assert words == [
        *("-X", "GET", "--globoff", "https://api.test/a[1]", "-H", "Authorization: Bearer KEY"),
        *("-H", "X-Break: a X-Other: b", "-H", "X-Empty;", "-H", "X-Quote: it's $HOME"),
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            '{"a":[1,{"b":"x,y:[]\\"{}"}],"c":{},"d":1e3}',
            '{\n  "a": [\n    1,\n    {\n      "b": "x,y:[]\\"{}"\n    }\n  ],\n  "c": {},\n  "d": 1e3\n}',
        ),
        ("[ ]", "[]"),
        ("[1.50,123456789012345678901]", "[\n  1.50,\n  123456789012345678901\n]"),
        ('{"cut":', '{"cut":'),
        ("plain {text}", "plain {text}"),
    ],
)
def test_json_is_set_out_as_it_was_written(blank: Page, text: str, shown: str) -> None:
    assert call(blank, "exchange.js", "m.indented(a[0])", text) == shown

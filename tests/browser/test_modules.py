"""The page's plain functions, asked directly in the browser: sums, figures, ranges, filters, addresses."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page


@pytest.fixture(scope="module")
def blank(browser: Browser, site: str) -> Iterator[Page]:
    """A page of the site that runs nothing by itself."""
    with browser.new_context(locale="en-GB", timezone_id="UTC") as context:
        page = context.new_page()
        page.goto(f"{site}/static/icon.svg")
        yield page


def call(page: Page, module: str, expression: str, *given: Any) -> Any:
    """The value of an expression in which `m` is the module and `a` what is given."""
    return page.evaluate(
        f"async ([path, a]) => {{ const m = await import(path); return {expression}; }}", [f"/static/js/{module}", given]
    )


@pytest.mark.parametrize(
    ("cells", "total"),
    [
        (["0.1", "0.2"], "0.3"),
        (["9007199254740993", "1"], "9007199254740994"),
        (["999999999999.999999", "0.000001", None], "1000000000000"),
        ([1, 2, None], "3"),
        ([], "0"),
        (["1.50"], "1.5"),
        ([0.5, 0.25], 0.75),
    ],
)
def test_sums_are_exact(blank: Page, cells: list[Any], total: Any) -> None:
    assert call(blank, "format.js", "m.exactSum(a[0])", cells) == total


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("f.number('12345678901234567.123456')", "12,345,678,901,234,567.123456"),
        ("f.value('0', {type: 'Decimal', unit: 'credits'})", "0"),
        ("f.value(null, {type: 'Int'})", "—"),
        ("f.value(0.972, {unit: 'ratio'})", "97.2%"),
        ("f.value(0.9995, {unit: 'ratio'})", "99.95%"),
        ("f.value(1, {unit: 'ratio'})", "100%"),
        ("f.value(0, {unit: 'ratio'})", "0.0%"),
        ("f.value(0.0000123, {unit: 'ratio'})", "0.0012%"),
        ("f.compact(0.00005, {unit: 'ratio'}, 0.0002)", "0.005%"),
        ("f.compact(0.25, {unit: 'ratio'}, 1)", "25%"),
        ("f.value(258.4, {unit: 'ms'})", "258 ms"),
        ("f.value(1608, {unit: 'ms'})", "1.61 s"),
        ("f.value(61000, {unit: 'ms'})", "1 m 1 s"),
        ("f.value(59940, {unit: 'ms'})", "59.9 s"),
        ("f.value(59960, {unit: 'ms'})", "1 min"),
        ("f.value(717999, {unit: 'ms'})", "11 m 58 s"),
        ("f.value(3599600, {unit: 'ms'})", "1 h"),
        ("f.value(11529999, {unit: 'ms'})", "3 h 12 m"),
        ("f.value(86399999, {unit: 'ms'})", "1 d"),
        ("f.value(187300000, {unit: 'ms'})", "2 d 4 h"),
        ("f.value(1e12, {unit: 'ms'})", "11,574 d 2 h"),
        ("f.exactDuration(1608)", "1,608 ms"),
        ("f.exactDuration(187300000)", "2 d 4 h (187,300,000 ms)"),
        ("f.value('12.3', {type: 'Decimal', unit: 'eur'})", "€12.30"),
        ("f.quantity('1', {type: 'Int', unit: 'requests'})", "1 request"),
        ("f.compact(12400)", "12.4K"),
        ("f.compact(5000000)", "5M"),
        ("f.compact(400, {unit: 'ms'}, 1900)", "400 ms"),
        ("f.compact(400, {unit: 'ms'}, 4000)", "0.4 s"),
        ("f.compact(90000, {unit: 'ms'}, 300000)", "1.5 min"),
        ("f.compact(0, {unit: 'ms'}, 30000000)", "0 h"),
        ("f.compact(216000000, {unit: 'ms'}, 300000000)", "2.5 d"),
        ("f.period({start: '2026-10-24T22:00:00Z', end: '2026-11-23T23:00:00Z'})", "25 Oct – 23 Nov 2026"),
        ("f.clock(Date.parse('2026-11-23T10:19:49.696Z'))", "11:19:49.696"),
        ("f.full(Date.parse('2026-07-01T10:19:49.696Z'))", "1 Jul 2026, 12:19:49.696 CEST"),
        ("f.isoDay(Date.parse('2026-11-23T23:30Z'))", "2026-11-24"),
        ("String(f.minuteOfDay(Date.parse('2026-03-29T01:00Z')))", "180"),
    ],
)
def test_figures_and_instants(blank: Page, expression: str, text: str) -> None:
    found = call(blank, "format.js", f"(() => {{ const f = new m.Formats('Europe/Berlin', 'en-GB'); return {expression}; }})()")
    assert found.replace("\u202f", " ").replace("\u2009", " ").replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("highest", "log", "labels"),
    [
        (900, False, ["0 ms", "200 ms", "400 ms", "600 ms", "800 ms", "1,000 ms"]),
        (7_000, False, ["0 s", "2 s", "4 s", "6 s", "8 s"]),
        (190_000_000, False, ["0 d", "0.5 d", "1 d", "1.5 d", "2 d", "2.5 d"]),
        (50_000_000, False, ["0 h", "5 h", "10 h", "15 h"]),
        (190_000_000, True, ["1 s", "10 s", "1 min", "10 min", "1 h", "6 h", "1 d", "10 d"]),
    ],
)
def test_the_axis_of_durations_climbs_to_days(blank: Page, highest: int, log: bool, labels: list[str]) -> None:
    made = "(([y, f]) => y.ticks.map((t) => f.compact(t, {unit: 'ms'}, y.most(t))))"
    scale = "m.valueScale([a[0], 1000], 140, {log: a[1], unit: 'ms'})"
    formats = "new (await import('/static/js/format.js')).Formats('UTC', 'en-GB')"
    assert call(blank, "chart/figures.js", f"{made}([{scale}, {formats}])", highest, log) == labels


@pytest.mark.parametrize(
    ("given", "earlier", "later"),
    [
        ("24h", "2026-11-21T12:00Z..2026-11-22T12:00Z", None),
        ("30d", "2026-09-25..2026-10-25", None),
        ("12mo", "2024-12-01..2025-12-01", None),
        ("month", "2026-10", None),
        ("last-month", "2026-09", "2026-11"),
        ("year", "2025", None),
        ("2025", "2024", "2026"),
        ("2026-01", "2025-12", "2026-02"),
        ("billing", "billing-1", None),
        ("billing-1", "billing-2", "billing"),
        ("2026-09-25..2026-10-25", "2026-08-26..2026-09-25", "30d"),
        ("2026-11-01..2026-11-08", "2026-10-25..2026-11-01", "2026-11-08..2026-11-15"),
        ("2026-11-20..2026-12-20", "2026-10-21..2026-11-20", None),
        ("2026-11-23T09:30Z..2026-11-23T10:00Z", "2026-11-23T09:00Z..2026-11-23T09:30Z", "2026-11-23T10:00Z..2026-11-23T10:30Z"),
    ],
)
def test_ranges_are_stepped(blank: Page, given: str, earlier: str, later: str | None) -> None:
    step = (
        "[-1, 1].map((d) => m.stepped(a[0], (t) => new Date(t).toISOString().slice(0, 10), Date.parse('2026-11-23T12:00Z'), d))"
    )
    assert call(blank, "ranges.js", step, given) == [earlier, later]


def test_only_ranges_of_the_api_are_taken(blank: Page) -> None:
    good = [
        "1h",
        "4000d",
        "2026",
        "2026-11",
        "..2026-01-01",
        "2026-01-01..",
        "1700000000000..",
        "2026-11-01T10:00+01:00..",
        "billing-12",
    ]
    bad = ["", "0d", "4001d", "2026-13", "2026-02-30..", "..", "a..b", "2026-11-02..2026-11-01", "2026-11-01T10:00..", "tomorrow"]
    assert call(blank, "ranges.js", "a[0].filter(m.isRange)", good + bad) == good


@pytest.mark.parametrize(
    ("length_ms", "offered", "usual"),
    [
        (3_600_000, ["minute", "300s", "900s"], "minute"),
        (86_400_000, ["300s", "900s", "hour", "day"], "900s"),
        (7 * 86_400_000, ["hour", "day", "week"], "day"),
        (30 * 86_400_000, ["hour", "day", "week", "month"], "day"),
        (90 * 86_400_000, ["day", "week", "month"], "day"),
        (365 * 86_400_000, ["day", "week", "month", "year"], "week"),
    ],
)
def test_intervals_fit_the_range(blank: Page, length_ms: int, offered: list[str], usual: str) -> None:
    found = call(blank, "ranges.js", "[m.offered(a[0]).map((i) => i.name), m.finest(a[0], 100).name]", length_ms)
    assert found == [offered, usual]


CATALOG = """(() => new m.Catalog({metrics: [],
    columns: {requests: [{name: 'duration_ms', unit: 'ms'}], deliveries: []}, dimensions: [
    {name: 'status', title: 'Status', type: 'Int', of: ['requests']},
    {name: 'duration_ms', title: 'Latency', type: 'Int', of: ['requests']},
    {name: 'path', title: 'Path', type: 'String', of: ['requests']},
    {name: 'status_class', title: 'Status class', type: 'String', of: ['requests']},
    {name: 'has_api_key', title: 'Has API key', type: 'Bool', of: ['requests']},
    {name: 'api_key_id', title: 'API key', type: 'String', of: ['requests'], labelled: true}]}))()"""


@pytest.mark.parametrize(
    "spelled",
    [
        "status:eq:200",
        "status:in:200,500",
        "status:ge:500",
        "path:contains:a\\,b\\:c\\\\",
        "api_key_id:eq:",
        "attributes.a\\:b:neq:x",
    ],
)
def test_filters_keep_their_spelling(blank: Page, spelled: str) -> None:
    assert call(blank, "catalog.js", f"m.formatFilter(m.parseFilter(a[0], {CATALOG}))", spelled) == spelled


@pytest.mark.parametrize(
    "wrong", ["", "status", "status:is:200", "nothing:eq:1", "status:contains:2", "path:gt:a", "attributes.:eq:1"]
)
def test_what_is_no_filter_is_refused(blank: Page, wrong: str) -> None:
    assert call(blank, "catalog.js", f"m.parseFilter(a[0], {CATALOG})", wrong) is None


@pytest.mark.parametrize(
    ("text", "filters", "rest"),
    [
        ("status:5xx path:/v1/tts hello", ["status_class:eq:5xx", "path:contains:/v1/tts"], "hello"),
        ("status:>=500 -status:503", ["status:ge:500", "status:neq:503"], ""),
        ('nothing:"a b" path:>3 http://x "some text"', [], 'nothing:"a b" path:>3 http://x "some text"'),
        ('key:"a b" latency:>2s', ["api_key_id:eq:a b", "duration_ms:gt:2000"], ""),
        ("latency:<=1.5m duration_ms:250 latency:<90ms", ["duration_ms:le:90000", "duration_ms:eq:250", "duration_ms:lt:90"], ""),
        ("api_key:k1,k2 attributes.plan:pro", ["api_key_id:in:k1,k2", "attributes.plan:eq:pro"], ""),
    ],
)
def test_typed_words_become_filters(blank: Page, text: str, filters: list[str], rest: str) -> None:
    taken = f"(await import('/static/js/typed.js')).typedFilters(a[0], {CATALOG}, {{of: 'requests'}})"
    found = call(blank, "catalog.js", f"((t) => [t.filters.map(m.formatFilter), t.rest])({taken})", text)
    assert found == [filters, rest]

"""Questions become SQL without a value in the text, always inside a scope; the nastiest values are run for real."""

import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.house import NOON, House
from usagedeck import listing, report, sql
from usagedeck.catalog.dimensions import DIMENSIONS, dimension, log_field
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.deck import Deck
from usagedeck.filters import Filter, Op, RawValue, Word, parse_search
from usagedeck.query import Cursor, Direction, LogQuery, Query, Selection
from usagedeck.seals import Cut, Slice
from usagedeck.sql import Plan, Scope, Statement
from usagedeck.sql.plan import only_events
from usagedeck.times import DAY, zone
from usagedeck.windows import Interval, Window

WINDOW = Window(NOON - DAY, NOON + 1, zone("America/New_York"))
NASTY = [
    *(
        "'; DROP TABLE requests; --",
        "' OR '1'='1",
        '"',
        "`",
        "\\",
        "\\'",
        "\\\\",
        "'",
        "''",
        "\\n",
        "a\nb",
        "a\r\nb",
        "a\tb",
        "\x08\x0c",
    ),
    *(
        "{p0:String}",
        "{",
        "}",
        "{{}}",
        "%s",
        "%(p0)s",
        "?",
        "$1",
        "@",
        ":p0",
        "--",
        "/*",
        "#",
        ";",
        ",",
        "[1]",
        "[]",
        "(1)",
        "NULL",
        "\\N",
    ),
    *(
        "nan",
        "1e400",
        "0x41",
        "%",
        "_",
        "*",
        "é",
        "E\u0301",
        "日本",
        "😀",
        "\u202e",
        "\ufeff",
        "\x01",
        "\x7f",
        " lead",
        "trail ",
        "İ",
    ),
]


def filters(text: str) -> tuple[Filter, ...]:
    """One of every shape, all holding the text."""
    alone: list[RawValue] = [text]
    or_absent: list[RawValue] = [text, None]
    shapes = [("model", str(op), alone) for op in Op if op not in (Op.LT, Op.LE, Op.GT, Op.GE)]
    shapes += [("group_id", op, alone) for op in ("eq", "not_in", "contains", "starts_with")]
    shapes += [("model", "in", or_absent), ("group_id", "in", or_absent), ("attributes.key", "eq", alone)]
    return tuple(Filter.build(dimension(name), op, values) for name, op, values in shapes)


def all_statements(text: str, scope: Scope) -> dict[str, Statement]:
    """Every way to compile, with the text wherever a value can stand."""
    selection = Selection(Subject.REQUESTS, WINDOW, filters(text), (Word(text, (("user_id", (text, text + "2")),)),))
    attribute = f"attributes.{text[:100] or 'empty'}"
    by = (dimension("model"), dimension(attribute))
    metrics = (METRICS["credits"], METRICS["latency_p95"])
    day = Query(selection, metrics, Interval.parse("day"), by)
    top = Query(selection, metrics, Interval.parse("900s"), (dimension("group_id"), *by), top=2, row_cap=10)
    peak = Query(selection, (METRICS["concurrency"],), Interval.parse("hour"), by, top=1)
    above = replace(peak, metrics=(METRICS["concurrency_over_limit"], METRICS["ttfb_p95"]), limit=len(text))
    sums = Query(selection, metrics[:1], Interval.parse("day"), by, top=2, row_cap=10)
    series = [(text, text, text + "2"), (text + "3", "", text)]
    log = LogQuery(
        selection,
        (log_field("id", Subject.REQUESTS), log_field(attribute, Subject.REQUESTS)),
        cursor=Cursor(NOON, text, Direction.OLDER),
    )
    sent = Selection(
        Subject.DELIVERIES,
        selection.window,
        tuple(Filter.build(dimension(name), "eq", [text]) for name in ("webhook_id", "url", attribute)),
        selection.search,
    )
    delivered = Query(sent, (METRICS["deliveries"],), Interval.parse("day"), (dimension("url"),), top=1, reach=DAY)
    took = Query(sent, (METRICS["delivery_time_p95"],), Interval.parse("day"), reach=DAY)
    return {
        "deliveries": sql.compile(delivered, scope, top=[(text,)]),
        "ranked deliveries": sql.rank(delivered, scope, 5),
        "time to deliver": sql.compile(took, scope),
        "usage": sql.compile(day, scope),
        "top": sql.compile(top, scope, top=series),
        "folded": sql.compile_top(sums, scope, 2, route=only_events(sums)),
        "activity": sql.compile(peak, scope, top=[s[:2] for s in series], now=NOON),
        "above a limit": sql.compile(above, scope, top=[s[:2] for s in series], now=NOON),
        "rank": sql.rank(top, scope, 5),
        "like": sql.rank(day, scope, 5, like=Word(text, (("model", (text,)),))),
        "log": sql.compile_log(log, scope),
        "unlimited log": sql.compile_log(LogQuery(selection, log.columns, limit=None), scope),
    }


def test_the_text_is_the_same_whatever_the_values_are() -> None:
    plain = all_statements("plain", Scope("ws", "me"))
    for value in NASTY:
        for name, statement in all_statements(value, Scope("ws " + value, "me " + value)).items():
            assert statement.text == plain[name].text, (name, value)
            assert statement.values != plain[name].values


def test_every_place_in_the_text_has_a_value_and_the_other_way_round() -> None:
    for statement in all_statements("x", Scope("ws", "me")).values():
        places = re.findall(r"\{(\w+):[^}]+\}", statement.text)
        assert set(places) == set(statement.values)
        assert not re.search(r"\{\w+\}", statement.text), "a place that was never filled"


def test_every_statement_is_inside_its_scope_and_reads_final() -> None:
    for name, statement in all_statements("x", Scope("my workspace", "my user")).items():
        reads = re.findall(
            r"FROM (requests|deliveries)(\w*)( FINAL WHERE workspace_id = )\{(\w+):String\} AND user_id = \{(\w+):",
            statement.text,
        )
        assert len(reads) == len(re.findall(r"FROM (?!\()", statement.text)) == 1, name
        *_, workspace, user = reads[0]
        assert (statement.values[workspace], statement.values[user]) == ("my workspace", "my user")


@pytest.mark.parametrize("how", [sql.compile, sql.rank, sql.compile_log])
def test_nothing_is_compiled_without_a_scope(how: Callable[..., Statement]) -> None:
    scope = inspect.signature(how).parameters["scope"]
    assert scope.default is inspect.Parameter.empty
    with pytest.raises(TypeError, match="scope"):
        how(Query(Selection(Subject.REQUESTS, WINDOW), (METRICS["credits"],), Interval.parse("day")))


def test_the_engine_is_never_told_a_zone() -> None:
    for statement in all_statements("x", Scope("ws")).values():
        assert "New_York" not in statement.text + repr(dict(statement.values))
        assert not re.search(r"toStartOf|timezone|toDate", statement.text, re.IGNORECASE)


def test_equal_questions_are_equal_statements_and_scopes_part_them() -> None:
    """A cache may take the whole statement as its key."""
    query = Query(Selection(Subject.REQUESTS, WINDOW), (METRICS["credits"],), Interval.parse("day"))
    one, same = sql.compile(query, Scope("a")), sql.compile(query, Scope("a"))
    assert one == same
    assert len({repr(sql.compile(query, s)) for s in (Scope("a"), Scope("b"), Scope("a", "me"), Scope("a", "you"))}) == 4


def filled(statement: Statement) -> str:
    """To read: every place shows its value."""
    return re.sub(r"\{(\w+):[^}]+\}", lambda place: repr(statement.values[place[1]]), statement.text)


def test_a_statement_as_a_whole() -> None:
    """One example to read; the meanings are checked against the oracle."""
    selection = Selection(
        Subject.REQUESTS, Window(950_000, 990_000, zone("UTC")), (Filter.build(dimension("status"), "ge", ["4"]),)
    )
    query = Query(selection, (METRICS["errors"],), Interval.parse("10s"), (dimension("model"),), row_cap=9)
    found = sql.compile(query, Scope("ws", "me"))
    assert filled(found) == (
        "SELECT bucket, d0, countIf((isNotNull(status))) AS m_answered, "
        "countIf((status = 101 OR (status >= 200 AND status < 400))) AS m_succeeded "
        "FROM (SELECT *, 950000 + intDiv(time - 950000, 10000) * 10000 AS bucket, model AS d0 "
        "FROM requests FINAL WHERE workspace_id = 'ws' AND user_id = 'me' AND time >= 950000 AND time < 990000 "
        "AND (ifNull(status >= Decimal('4.000000'), 0))) GROUP BY bucket, d0 ORDER BY bucket, d0 = '', d0 LIMIT 10"
    )
    assert found.columns == ("bucket", "d0", "answered", "succeeded")


@pytest.mark.parametrize(
    ("ascending", "direction", "condition", "order"),
    [
        (False, None, "", "time DESC, id DESC"),
        (True, None, "", "time ASC, id ASC"),
        (False, Direction.OLDER, " AND time <= 5 AND (time < 5 OR id < 'x')", "time DESC, id DESC"),
        (False, Direction.NEWER, " AND time >= 5 AND (time > 5 OR id > 'x')", "time ASC, id ASC"),
        (True, Direction.NEWER, " AND time >= 5 AND (time > 5 OR id > 'x')", "time ASC, id ASC"),
        (True, Direction.OLDER, " AND time <= 5 AND (time < 5 OR id < 'x')", "time DESC, id DESC"),
    ],
)
def test_a_page_of_the_log_as_a_whole(ascending: bool, direction: Direction | None, condition: str, order: str) -> None:
    """In the order of the sorting key, ties by id; one row more than asked for."""
    cursor = Cursor(5, "x", direction) if direction else None
    columns = (log_field("status", Subject.REQUESTS), log_field("attributes.team", Subject.REQUESTS))
    selection = Selection(Subject.REQUESTS, Window(1, 9, zone("UTC")))
    found = sql.compile_log(LogQuery(selection, columns, ascending=ascending, cursor=cursor, limit=7), Scope("ws"))
    assert filled(found) == (
        "SELECT time AS row_time, id AS row_id, status AS c0, attributes['team'] AS c1 FROM requests FINAL "
        f"WHERE workspace_id = 'ws' AND time >= 1 AND time < 9{condition} ORDER BY {order} LIMIT 8"
    )


def test_every_measure_of_the_catalogue_is_asked_once() -> None:
    everything = tuple(m for m in METRICS.values() if m.of is Subject.REQUESTS)
    query = Query(Selection(Subject.REQUESTS, WINDOW), everything, Interval.parse("total"), limit=1)
    names = [m.name for m in sql.measures_of(query)]
    assert len(names) == len(set(names))
    assert set(names) == {name for m in everything for name in m.formula.measures}
    unlimited = {m.name for m in sql.measures_of(replace(query, limit=None))}
    assert set(names) - unlimited == set(METRICS["concurrency_over_limit"].formula.measures)


# --- for real -----------------------------------------------------------------------------------------------------


@pytest.fixture
def nasty_house(house: House) -> House:
    """Every nasty text as model, group, attribute (key and value), user agent, user and id of one event."""
    events = [
        {
            "id": f"id {text}",
            "time": NOON - number * 1000,
            "model": text,
            "group_ids": [text],
            "attributes": {text: text},
            "user_agent": f"agent {text}",
            "user_id": f"user {text}",
            "credits": "1",
        }
        for number, text in enumerate(NASTY)
    ]
    assert house.send(events).accepted == len(NASTY)
    return house


def _count(house: House, *filters: Filter, search: str | None = None) -> Any:
    selection = Selection(Subject.REQUESTS, WINDOW, filters, parse_search(search))
    query = Query(selection, (METRICS["requests"],), Interval.parse("total"))
    return next(iter(report.usage(house.deck, house.who, None, query).table.rows))[2]


def test_nasty_values_are_found_as_they_are(nasty_house: House) -> None:
    for text in NASTY:
        for name in ("model", "group_id", f"attributes.{text}"):
            assert _count(nasty_house, Filter.build(dimension(name), "eq", [text])) == 1, (name, text)
            assert _count(nasty_house, Filter.build(dimension(name), "neq", [text])) == len(NASTY) - 1, (name, text)
            starts = sum(other.startswith(text) for other in NASTY) if "attributes" not in name else 1
            assert _count(nasty_house, Filter.build(dimension(name), "starts_with", [text])) == starts, (name, text)
        whole = Filter.build(dimension("user_agent"), "contains", [f"AGENT {text}"])
        assert _count(nasty_house, whole) == sum(f"agent {t}".lower().startswith(f"agent {text}".lower()) for t in NASTY), text
        assert _count(nasty_house, Filter.build(dimension("model"), "eq", [text + "\0"])) == 0


def test_nasty_searches_are_taken_literally(nasty_house: House) -> None:
    for text in (t for t in NASTY if not any(ch.isspace() for ch in t) and t != "İ"):
        expected = sum(text.lower() in f"agent {other} id {other}".lower() for other in NASTY)
        assert _count(nasty_house, search=text) == expected, text


def test_nasty_series_are_listed_and_the_rest_is_other(nasty_house: House) -> None:
    for name in ("model", "group_id", "user_id"):
        query = Query(
            Selection(Subject.REQUESTS, WINDOW), (METRICS["credits"],), Interval.parse("total"), (dimension(name),), top=40
        )
        rows = list(report.usage(nasty_house.deck, nasty_house.who, None, query).table.rows)
        prefix = "user " if name == "user_id" else ""
        assert [row[2] for row in rows[:-1]] == sorted(prefix + text for text in NASTY)[:40]
        assert rows[-1][-2:] == [True, len(NASTY) - 40]


def test_nasty_cursors_page_through_nasty_ids(nasty_house: House) -> None:
    selection = Selection(Subject.REQUESTS, WINDOW)
    columns = (log_field("id", Subject.REQUESTS),)
    seen, cursor = [], None
    while True:
        page = listing.log(nasty_house.deck, nasty_house.who, None, LogQuery(selection, columns, cursor=cursor, limit=1))
        seen += [row[0] for row in page.table.rows]
        if page.older is None:
            break
        cursor = Cursor.decode(page.older.encode())
    assert seen == [f"id {text}" for text in NASTY]


def test_a_nasty_scope_sees_nothing(deck: Deck, nasty_house: House) -> None:
    query = Query(Selection(Subject.REQUESTS, WINDOW), (METRICS["requests"],), Interval.parse("total"))
    for text in NASTY:
        for scope in (Scope(text), Scope(nasty_house.workspace_id, text), Scope(nasty_house.workspace_id + text)):
            assert deck.store.run(sql.compile(query, scope)) == [], text
    assert _count(nasty_house) == len(NASTY), "the table is still there"


def test_menus_of_nasty_values(nasty_house: House) -> None:
    for text in NASTY:
        answer = report.values(
            nasty_house.deck, nasty_house.who, None, dimension("model"), Selection(Subject.REQUESTS, WINDOW), search=text
        )
        assert [text, text, 1] in list(answer.table.rows)


def test_every_dimension_and_metric_compiles_and_runs(deck: Deck, house: House) -> None:
    """On a store without a row: nothing fails, every bucket is there."""
    for subject, joined in dict.fromkeys((m.of, m.joined) for m in METRICS.values()):
        metrics = tuple(m for m in METRICS.values() if (m.of, m.joined) == (subject, joined))
        selection = Selection(subject, WINDOW)
        empty = Query(selection, metrics, Interval.parse("hour"))
        rows = list(report.usage(deck, house.who, None, empty).table.rows)
        assert len(rows) == len(empty.buckets)
        for by in (d for d in DIMENSIONS.values() if d.split and subject in d.of):
            for top in (None, 3):
                query = Query(selection, metrics, Interval.parse("day"), (by,), top=top)
                assert list(report.usage(deck, house.who, None, query).table.rows) == []


def test_what_is_no_sum_or_might_be_large_is_not_folded_in_one_statement() -> None:
    def asked(metric: str, by: str, interval: str = "day") -> Query:
        chosen = (METRICS[metric],)
        return Query(Selection(METRICS[metric].of, WINDOW), chosen, Interval.parse(interval), (dimension(by),), top=3)

    sealed = Plan("sealed", (), (Slice(Cut("keys"), ((0, 1),), (1,)),))
    assert sql.folds(asked("credits", "model"), sealed)
    assert sql.folds(asked("success_rate", "model"), sealed), "a quotient of sums"
    assert not sql.folds(asked("latency_p95", "model"), sealed), "percentiles do not add up"
    assert not sql.folds(asked("concurrency", "model"), sealed), "nor do peaks"
    assert not sql.folds(asked("credits", "group_id"), sealed), "an event may be in several groups"
    assert not sql.folds(asked("credits", "model", "60s"), sealed), "too many buckets of every series"
    assert not sql.folds(asked("credits", "model"), only_events(asked("credits", "model"))), "too many series"

"""Questions: one that exists is valid. Filters and cursors survive the URL; nonsense is refused with a mend."""

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usagedeck.catalog.dimensions import DIMENSIONS, Dimension, attribute, dimension
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.catalog.metrics import METRICS
from usagedeck.errors import InvalidInput, TooLarge
from usagedeck.query import (
    MAX_ACTIVITY_BUCKETS,
    MAX_FILTER_VALUES,
    MAX_FILTERS,
    MAX_SEARCH,
    MAX_WORDS,
    Cursor,
    Direction,
    Filter,
    LogQuery,
    Op,
    Query,
    Selection,
    parse_filter,
    parse_search,
)
from usagedeck.times import DAY, zone
from usagedeck.windows import Interval, Window

START = 1_789_999_200_000
WINDOW = Window(START, START + DAY, zone("UTC"))
REQUESTS = Selection(Subject.REQUESTS, WINDOW)
HOUR = Interval.parse("hour")


def query(*metrics: str, by: tuple[str, ...] = (), of: Selection = REQUESTS, **more: Any) -> Query:
    return Query(of, tuple(METRICS[m] for m in metrics), HOUR, tuple(dimension(d) for d in by), **more)


# --- filters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "op", "values"),
    [
        ("model:eq:a", "model", Op.EQ, ("a",)),
        ("model:in:a,b,a", "model", Op.IN, ("a", "b")),
        ("model:eq:", "model", Op.EQ, (None,)),
        ("model:not_in:a,", "model", Op.NOT_IN, ("a", None)),
        (r"model:eq:a\,b", "model", Op.EQ, ("a,b",)),
        (r"model:eq:a\\,b", "model", Op.EQ, ("a\\", "b")),
        ("path:eq:/a:b:c", "path", Op.EQ, ("/a:b:c",)),
        (r"model:eq:\a", "model", Op.EQ, ("a",)),
        ("model:eq:a\\", "model", Op.EQ, ("a\\",)),
        ("model:eq: a ", "model", Op.EQ, (" a ",)),
        ("status:ge:400", "status", Op.GE, (Decimal(400),)),
        ("status:in:200,", "status", Op.IN, (Decimal(200), None)),
        ("credits:lt:0.1", "credits", Op.LT, (Decimal("0.1"),)),
        ("success:eq:TRUE", "success", Op.EQ, (True,)),
        ("success:eq:0,", "success", Op.EQ, (False, None)),
        ("time:ge:2026-11-23T10:00:00Z", "time", Op.GE, (1_795_428_000_000,)),
        ("time:lt:1795428000000", "time", Op.LT, (1_795_428_000_000,)),
        ("group_id:contains:x,y", "group_id", Op.CONTAINS, ("x", "y")),
        ("model:starts_with:", "model", Op.STARTS_WITH, ("",)),
        ("attributes.team:eq:red", "attributes.team", Op.EQ, ("red",)),
        (r"attributes.a\:b\,c\\d:eq:red", "attributes.a:b,c\\d", Op.EQ, ("red",)),
    ],
)
def test_filters_are_read_from_the_url(text: str, name: str, op: Op, values: tuple[Any, ...]) -> None:
    found = parse_filter(text)
    assert (found.dimension.name, found.op, found.values) == (name, op, values)


def _escaped(text: str) -> str:
    return "".join("\\" + ch if ch in "\\,:" else ch for ch in text)


@settings(deadline=None)
@given(
    values=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=5),
    key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=100),
    op=st.sampled_from([Op.EQ, Op.NEQ, Op.IN, Op.NOT_IN, Op.CONTAINS, Op.STARTS_WITH]),
)
def test_any_text_survives_the_url(values: list[str], key: str, op: Op) -> None:
    text = f"{_escaped('attributes.' + key)}:{op}:{','.join(map(_escaped, values))}"
    assert parse_filter(text) == Filter(attribute(key), op, tuple(dict.fromkeys(values)))


@settings(deadline=None)
@given(st.text(max_size=60))
def test_whatever_stands_in_a_url_is_a_filter_or_a_refusal(text: str) -> None:
    for prefix in ("", "model:eq:", "status:", "credits:lt:", "time:ge:", "success:in:", "attributes."):
        try:
            found = parse_filter(prefix + text)
        except InvalidInput:
            continue
        assert isinstance(found.dimension, Dimension)
        assert set(map(type, found.values)) <= {str, int, Decimal, bool, type(None)}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not of the form dimension:operator:value"),
        ("model", "not of the form dimension:operator:value"),
        ("model:eq", "not of the form dimension:operator:value"),
        ("modle:eq:a", 'did you mean "model"'),
        (":eq:a", "is unknown"),
        ("attributes.:eq:a", "1 to 100 characters"),
        (f"attributes.{'k' * 101}:eq:a", "1 to 100 characters"),
        ("attributes:eq:a", "is unknown"),
        ("group_ids:eq:a", 'did you mean "group_id"'),
        ("model:like:a", "operator"),
        ("model:eqq:a", 'did you mean "eq"'),
        ("model:lt:a", "has no order"),
        ("success:gt:true", "has no order"),
        ("group_id:lt:a", "has no order"),
        ("status:contains:4", "is no text"),
        ("time:starts_with:2026", "is no text"),
        ("status:lt:1,2", "exactly one value, 2 came"),
        ("status:lt:", "is no number"),
        ("status:eq:abc", "'abc' is no number for status"),
        ("status:eq:NaN", "is no number"),
        ("status:eq:Infinity", "is no number"),
        ("credits:gt:1e18", "is no number"),
        ("credits:gt:" + "9" * 5000, "is no number"),
        ("success:eq:maybe", "true or false"),
        ("time:ge:soon", "is no time"),
        ("time:ge:1700000000", "looks like seconds"),
        ("model:in:" + ",".join(map(str, range(MAX_FILTER_VALUES + 1))), "at most 1000 values"),
    ],
)
def test_what_is_no_filter_is_refused_with_a_mend(text: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_filter(text)
    assert says in caught.value.message
    assert caught.value.field == "filter"
    assert len(caught.value.message) < 1500


@pytest.mark.parametrize(
    ("name", "op", "values", "says"),
    [
        ("model", "contains", [], "at least one value"),
        ("model", "contains", [None], "use eq for absent"),
        ("model", "starts_with", ["a", None], "use eq for absent"),
        ("status", "lt", [None], "exactly one value"),
        ("status", "lt", [], "exactly one value"),
        ("status", "eq", [True], "is no number"),
        ("time", "lt", [True], "is no time"),
        ("time", "eq", [Decimal("1.5")], "is no time"),
        ("model", "eq", ["\ud800"], "half a character"),
        ("success", "eq", ["\ud800"], "true or false"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(name: str, op: str, values: list[Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        Filter.build(dimension(name), op, values)


@pytest.mark.parametrize(
    ("name", "op", "values", "expected"),
    [
        ("status", "eq", [200, "200", 200.0, Decimal(200)], (Decimal(200),)),
        ("status", "in", [None, ""], (None,)),
        ("model", "in", [1, 1.5, True, None], ("1", "1.5", "true", None)),
        ("success", "in", [True, "true", "1", 1, False], (True, False)),
        ("time", "eq", [1_795_428_000_000, "2026-11-23T10:00:00Z"], (1_795_428_000_000,)),
        ("credits", "eq", ["1e2", " 100 "], (Decimal(100),)),
    ],
)
def test_values_become_the_dimensions_type(name: str, op: str, values: list[Any], expected: tuple[Any, ...]) -> None:
    assert Filter.build(dimension(name), op, values).values == expected


# --- selections and queries ---------------------------------------------------------------------------------------


def test_filters_belong_to_the_kind_of_event() -> None:
    with pytest.raises(InvalidInput, match="webhook_id does not belong to requests"):
        Selection(Subject.REQUESTS, WINDOW, (Filter.build(dimension("webhook_id"), "eq", ["x"]),))
    with pytest.raises(InvalidInput, match="model does not belong to deliveries"):
        Selection(Subject.DELIVERIES, WINDOW, (Filter.build(dimension("model"), "eq", ["x"]),))
    one = Filter.build(dimension("status"), "eq", [200])
    assert Selection(Subject.REQUESTS, WINDOW, (one,) * MAX_FILTERS).filters
    with pytest.raises(InvalidInput, match="At most 50 filters, 51 came"):
        Selection(Subject.REQUESTS, WINDOW, (one,) * (MAX_FILTERS + 1))


@pytest.mark.parametrize(
    ("metrics", "by", "more", "field", "says"),
    [
        ((), (), {}, "metric", "name at least one"),
        (("credits", "credits"), (), {}, "metric", "credits twice"),
        (("credits",), ("model", "model"), {}, "by", "model twice"),
        (("credits", "attempts"), (), {}, "metric", "attempts is about deliveries"),
        (("credits",), ("webhook_id",), {}, "by", "does not belong to requests"),
        (("credits",), ("id",), {}, "by", "split into single rows"),
        (("credits",), ("time",), {}, "by", "split into single rows"),
        (("latency_p95",), (), {"cumulative": True}, "cumulative", "does not add up"),
        (("credits", "success_rate"), (), {"cumulative": True}, "cumulative", "does not add up"),
        (("concurrency",), (), {"cumulative": True}, "cumulative", "does not add up"),
        (("credits",), (), {"top": 5}, "top", "goes with a breakdown"),
        (("credits",), ("model",), {"top": 0}, "top", "between 1 and 1000"),
        (("credits",), ("model",), {"top": 1001}, "top", "between 1 and 1000"),
        (("credits",), (), {"cap": 23}, "interval", "holds 24 buckets"),
    ],
)
def test_combinations_that_make_no_sense_are_refused(
    metrics: tuple[str, ...], by: tuple[str, ...], more: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        query(*metrics, by=by, **more)
    assert caught.value.field == field
    assert says in caught.value.message


def test_a_query_that_exists_has_its_buckets() -> None:
    found = query("credits", by=("model", "group_id"), top=1000, cap=24)
    assert len(found.buckets) == 24
    assert found.buckets.starts[0] <= WINDOW.start


def test_questions_about_concurrency_have_a_cap_even_in_downloads() -> None:
    second = Interval.parse("1s")
    short = Selection(Subject.REQUESTS, Window(START, START + MAX_ACTIVITY_BUCKETS * 1000, zone("UTC")))
    assert len(Query(short, (METRICS["concurrency"],), second).buckets) == MAX_ACTIVITY_BUCKETS
    long = Selection(Subject.REQUESTS, Window(START, START + MAX_ACTIVITY_BUCKETS * 1000 + 1, zone("UTC")))
    assert len(Query(long, (METRICS["requests"],), second).buckets) == MAX_ACTIVITY_BUCKETS + 1
    for name in ("concurrency", "concurrency_average"):
        with pytest.raises(TooLarge, match=f"at most {MAX_ACTIVITY_BUCKETS:,}"):
            Query(long, (METRICS["requests"], METRICS[name]), second)


def test_every_dimension_that_may_split_does_and_no_other() -> None:
    for by in DIMENSIONS.values():
        subject = min(by.of)
        metric = "requests" if subject is Subject.REQUESTS else "attempts"
        of = Selection(subject, WINDOW)
        if by.split:
            assert query(metric, by=(by.name,), of=of).dimensions == (by,)
        else:
            with pytest.raises(InvalidInput):
                query(metric, by=(by.name,), of=of)


@pytest.mark.parametrize("limit", [0, -1, 1001, 10**9])
def test_pages_have_a_size(limit: int) -> None:
    with pytest.raises(InvalidInput, match="between 1 and 1000"):
        LogQuery(REQUESTS, fields(Subject.REQUESTS), limit=limit)


def test_a_log_without_columns_is_refused() -> None:
    with pytest.raises(InvalidInput, match="name at least one"):
        LogQuery(REQUESTS, ())


# --- search and cursors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "words"), [(None, []), ("", []), (" \n\t", []), (" a  B ", ["a", "B"]), ("%_'\\", ["%_'\\"])])
def test_a_search_is_words(text: str | None, words: list[str]) -> None:
    assert [word.text for word in parse_search(text)] == words


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x" * (MAX_SEARCH + 1), "501 characters; at most 500"),
        (" x" * (MAX_WORDS + 1), "11 words; at most 10"),
        ("a \ud800", "half a character"),
    ],
)
def test_a_search_has_limits(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as caught:
        parse_search(text)
    assert caught.value.field == "search"


@settings(deadline=None)
@given(
    st.builds(
        Cursor,
        st.integers(-(2**62) + 1, 2**62 - 1),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.sampled_from(list(Direction)),
    )
)
def test_a_cursor_survives_the_url(cursor: Cursor) -> None:
    text = cursor.encode()
    assert Cursor.decode(text) == cursor
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def _cursor(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "====", "ü", "%%%", "x" * 100_000, "null", _cursor(None), _cursor({}), _cursor([]), _cursor("abc")),
        *(_cursor([1, "a"]), _cursor([1, "a", "older", 1]), _cursor([1, "a", "sideways"]), _cursor(["1", "a", "older"])),
        *(_cursor([True, "a", "older"]), _cursor([1.5, "a", "older"]), _cursor([1, 2, "older"]), _cursor([1, None, "newer"])),
        *(_cursor([2**62, "a", "older"]), _cursor([1, "\ud800", "older"]), _cursor([1, "a", None]), _cursor([1, "a", ["older"]])),
        base64.urlsafe_b64encode(b"[" * 100_000).decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_nonsense_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidInput, match="cursor is none of ours") as caught:
        Cursor.decode(text)
    assert caught.value.field == "cursor"


@settings(deadline=None)
@given(st.text())
def test_whatever_is_sent_is_a_cursor_or_a_refusal(text: str) -> None:
    try:
        found = Cursor.decode(text)
    except InvalidInput:
        return
    assert Cursor.decode(found.encode()) == found


def test_every_type_has_an_operator() -> None:
    for by in DIMENSIONS.values():
        assert by.type in set(Type) - {Type.MAP, Type.FLOAT}
        assert Filter.build(by, "in", [None]).values == (None,)


@pytest.mark.parametrize("names", [("attempts", "deliveries"), ("delivery_success_rate", "attempt_success_rate")])
def test_deliveries_and_their_attempts_are_different_questions(names: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput, match="ask for them separately") as caught:
        Query(Selection(Subject.DELIVERIES, WINDOW), tuple(METRICS[n] for n in names), Interval.parse("day"))
    assert caught.value.field == "metric"

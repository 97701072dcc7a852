"""Questions: one that exists is valid. Cursors survive the URL; nonsense is refused with a mend."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usagedeck.catalog.dimensions import DIMENSIONS, dimension
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.errors import InvalidInput, TooLarge
from usagedeck.filters import Filter
from usagedeck.query import MAX_ACTIVITY_BUCKETS, MAX_FILTERS, Cursor, Direction, LogQuery, Query, Selection
from usagedeck.times import DAY, zone
from usagedeck.windows import Interval, Window

START = 1_789_999_200_000
WINDOW = Window(START, START + DAY, zone("UTC"))
REQUESTS = Selection(Subject.REQUESTS, WINDOW)
HOUR = Interval.parse("hour")


def query(*metrics: str, by: tuple[str, ...] = (), of: Selection = REQUESTS, **more: Any) -> Query:
    return Query(of, tuple(METRICS[m] for m in metrics), HOUR, tuple(dimension(d) for d in by), **more)


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


@pytest.mark.parametrize("names", [("attempts", "deliveries"), ("delivery_success_rate", "attempt_success_rate")])
def test_deliveries_and_their_attempts_are_different_questions(names: tuple[str, str]) -> None:
    with pytest.raises(InvalidInput, match="ask for them separately") as caught:
        Query(Selection(Subject.DELIVERIES, WINDOW), tuple(METRICS[n] for n in names), Interval.parse("day"))
    assert caught.value.field == "metric"

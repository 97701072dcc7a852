"""Filters and searches are read from text, and nonsense is refused with a way to mend it."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usagedeck.catalog.dimensions import DIMENSIONS, Dimension, attribute, dimension
from usagedeck.catalog.kinds import Type
from usagedeck.errors import InvalidInput
from usagedeck.filters import MAX_FILTER_VALUES, MAX_SEARCH, MAX_WORDS, Filter, Op, parse_filter, parse_search


def _escaped(text: str) -> str:
    return "".join("\\" + ch if ch in "\\,:" else ch for ch in text)


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, []),
        ("", []),
        (" \n\t", []),
        (" a  B ", ["a", "B"]),
        ("%_'\\", ["%_'\\"]),
        ('say "a  b" c', ["say", "a  b", "c"]),
        ('a"b c" "" " ', ['a"b', 'c"', '""', '"']),
    ],
)
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


def test_every_type_has_an_operator() -> None:
    for by in DIMENSIONS.values():
        assert by.type in set(Type) - {Type.MAP, Type.FLOAT}
        assert Filter.build(by, "in", [None]).values == (None,)

"""Filters of the credit calls and of the request log: set semantics, types, names, and what is refused."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from elevenlabs import ColumnFilter, ElevenLabs
from elevenlabs.workspace.usage.types import (
    BodyGetWorkspaceUsageV1WorkspaceAnalyticsQueryUsageByProductOverTimePostGroupByItem as GroupBy,
)

from tests.house import build_house
from tests.wire.strict import invalid, listed, refused
from tests.wire.town import END, EVENTS, KEYS, OTHER_RACHEL, RACHEL, START, TOWN, Town, at, key_hash
from usagedeck.web.elevenlabs.wire import usage_columns

INSIDE = {e["id"]: e for e in EVENTS if START <= at(e["time"]) <= END}
EVERYTHING = set(INSIDE)
COLUMNS = listed(GroupBy)

Event = Mapping[str, Any]


TRUE: Any = True


def one(column: str, operation: str, *values: Any) -> list[ColumnFilter]:
    return [ColumnFilter(column=column, operation=operation, values=list(values))]


def found(sdk: ElevenLabs, filters: list[ColumnFilter]) -> set[str]:
    """Ids of the requests in the log that the filters keep."""
    answer = sdk.workspace.analytics.requests.get(start_time=START, end_time=END, filters=filters)
    return {str(row[answer.columns.index("event_id")]) for row in answer.rows}


def credits_of(sdk: ElevenLabs, filters: list[ColumnFilter]) -> float:
    answer = sdk.workspace.usage.get_usage_by_product_over_time(
        start_time=START, end_time=END, interval_seconds=604_800, filters=filters
    )
    return float(sum(row[answer.columns.index("total_usage")] for row in answer.rows))


def having(test: Callable[[Event], object]) -> set[str]:
    return {id_ for id_, event in INSIDE.items() if test(event)}


def summed(ids: set[str]) -> float:
    return float(sum(Decimal(str(INSIDE[id_].get("credits", 0))) for id_ in ids))


# --- usage --------------------------------------------------------------------------------------------------------


def field(town: Town, column: str) -> Callable[[Event], Any]:
    """What an event holds under a column's name; None where it is absent."""
    if column == "reporting_workspace_id":
        return lambda _: TOWN
    if column == "hashed_xi_api_key":
        return lambda e: key_hash(town, e["api_key_id"]) if e.get("api_key_id") else None
    if column == "fiat_currency":
        return lambda e: "usd" if "currency" in e or "cost" in e else None
    if column == "voice_multiplier":
        return lambda e: float(e[column]) if column in e else None
    name = {"fiat_charge_type": "charge_type"}.get(column, column)
    return lambda e: e.get(name) or None


@pytest.mark.parametrize("column", [*COLUMNS, "trace_id"])
def test_every_column_in_every_set_operation(sdk: ElevenLabs, town: Town, column: str) -> None:
    value = field(town, column)
    present = sorted({value(e) for e in INSIDE.values()} - {None})
    for values in ([present[0]], present[-2:], [None], [present[0], None], ["nowhere"] if column != "voice_multiplier" else [9]):
        kept = {id_ for id_, event in INSIDE.items() if value(event) in values}
        for operation in ("eq", "in"):
            assert credits_of(sdk, one(column, operation, *values)) == pytest.approx(summed(kept)), (operation, values)
        for operation in ("neq", "not_in"):
            rest = EVERYTHING - kept
            assert credits_of(sdk, one(column, operation, *values)) == pytest.approx(summed(rest)), (operation, values)


@pytest.mark.parametrize("column", [*COLUMNS, "trace_id"])
def test_no_values_match_nothing_and_everything(sdk: ElevenLabs, column: str) -> None:
    assert credits_of(sdk, one(column, "eq")) == credits_of(sdk, one(column, "in")) == 0
    assert credits_of(sdk, one(column, "neq")) == credits_of(sdk, one(column, "not_in")) == pytest.approx(144.500001)


@pytest.mark.parametrize(("operation", "kept"), [("lt", 10 + 3 + 4), ("le", 37.5), ("gt", 0), ("ge", 20.5)])
def test_numbers_compare_and_absent_ones_never_do(sdk: ElevenLabs, operation: str, kept: float) -> None:
    for value in (1.5, "1.5"):
        assert credits_of(sdk, one("voice_multiplier", operation, value)) == kept
    assert credits_of(sdk, one("voice_multiplier", "lt", 1.4999999)) == 17
    assert credits_of(sdk, one("voice_multiplier", "gt", 0.9999999)) == 37.5


def test_filters_are_all_required(sdk: ElevenLabs) -> None:
    both = [*one("product_type", "eq", "TTS"), *one("voice_id", "in", RACHEL, OTHER_RACHEL), *one("voice_id", "neq", RACHEL)]
    assert credits_of(sdk, both) == 20.5
    assert credits_of(sdk, []) == pytest.approx(144.500001)


def test_filtered_groups_are_the_groups_that_are_left(sdk: ElevenLabs) -> None:
    answer = sdk.workspace.usage.get_usage_by_product_over_time(
        start_time=START, end_time=END, interval_seconds=604_800, group_by=["voice_id"], filters=one("voice_name", "eq", "Rachel")
    )
    assert [row[0] for row in answer.rows] == [RACHEL, OTHER_RACHEL] * 2
    assert [row[-1] for row in answer.rows] == ["Rachel"] * 4
    assert [row[2] for row in answer.rows] == [10, 20.5, 3, 0]


@pytest.mark.parametrize(
    ("column", "name"), [("user_label", "ada@town.example"), ("resource_name", "Concierge"), ("reporting_workspace_name", "Town")]
)
def test_names_are_filtered_by_like_ids(sdk: ElevenLabs, column: str, name: str) -> None:
    kept = credits_of(sdk, one(column, "eq", name))
    assert kept > 0
    assert credits_of(sdk, one(column, "neq", name)) == pytest.approx(144.500001 - kept)
    assert credits_of(sdk, one(column, "eq", name, None)) + credits_of(sdk, one(column, "neq", name, None)) == pytest.approx(
        144.500001
    )


# --- the log ------------------------------------------------------------------------------------------------------

IS_OK = {"r-01", "r-02", "r-03", "r-05", "r-06", "r-07", "r-08", "r-09", "r-12"}


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        (one("response_code", "eq", 200), having(lambda e: e.get("status") == 200)),
        (one("response_code", "in", "200", 101.0), having(lambda e: e.get("status") in (200, 101))),
        (one("response_code", "ge", 300), {"r-04", "r-08"}),
        (one("response_code", "lt", 101), {"r-10"}),
        (one("response_code", "eq", None), {"r-11"}),
        (one("response_code", "neq", 200), having(lambda e: e.get("status") != 200)),
        (one("response_code", "neq", 200, None), {"r-04", "r-05", "r-08", "r-10"}),
        (one("response_code", "eq", 200.5), set()),
        (one("status_code", "eq", 429), {"r-04"}),
        (one("success", "eq", TRUE), IS_OK),
        (one("success", "eq", "false"), {"r-04", "r-10"}),
        (one("success", "eq", None), {"r-11"}),
        (one("success", "neq", TRUE), {"r-04", "r-10", "r-11"}),
        (one("latency_seconds", "ge", 45), {"r-05", "r-06", "r-07", "r-12"}),
        (one("latency_seconds", "lt", "0.3"), {"r-04", "r-09"}),
        (one("latency_seconds", "le", 0.3), {"r-04", "r-08", "r-09"}),
        (one("latency_seconds", "in", 0.25, 2), {"r-01", "r-04"}),
        (one("latency_seconds", "eq", None), {"r-10", "r-11"}),
        (one("latency_seconds", "gt", 0.2999999), having(lambda e: e.get("duration_ms", 0) >= 300)),
        (one("timestamp", "lt", "2026-11-01T04:00:00Z"), {"r-01"}),
        (one("timestamp", "le", at("2026-11-01T04:00:00Z")), {"r-01", "r-02"}),
        (one("timestamp", "ge", datetime(2026, 11, 3, tzinfo=UTC)), {"r-11", "r-12"}),
        (one("timestamp", "eq", "2026-11-02T00:00:00-05:00"), {"r-09", "r-10"}),
        (one("method", "eq", "WS"), {"r-05"}),
        (one("method", "eq", None), {"r-11"}),
        (one("path", "eq", "/v1/voices"), {"r-10"}),
        (one("endpoint", "eq", "/v1/voices"), {"r-10"}),
        (one("route", "eq", "/v1/text-to-speech/{id}"), {"r-01", "r-02", "r-08", "r-09"}),
        (one("event_id", "in", "r-03", "r-04"), {"r-03", "r-04"}),
        (one("trace_id", "eq", "t-03"), {"r-03"}),
        (one("request_id", "eq", "t-03"), {"r-03"}),
        (one("user_agent", "neq", "elevenlabs/2.78.0"), EVERYTHING - {"r-01", "r-02", "r-08", "r-09"}),
        (one("ip", "eq", "203.0.113.0/24"), {"r-01"}),
        (one("error_status", "eq", "too_many_concurrent_requests"), {"r-04"}),
        (one("credits", "gt", 3), {"r-01", "r-02", "r-03", "r-05", "r-09"}),
        (one("credits", "eq", "0.000001"), {"r-12"}),
        (one("credits", "eq", 20.5, 3), {"r-02", "r-08"}),
        (one("region", "eq", "eu-west1"), having(lambda e: e.get("region") == "eu-west1")),
        (one("user_label", "eq", "ben@town.example"), having(lambda e: e.get("user_id") == "u-ben")),
        (one("user_label", "eq", None), {"r-10", "r-11"}),
        (one("voice_name", "in", "Rachel", None), EVERYTHING),
        (one("voice_name", "not_in", None), {"r-01", "r-02", "r-08"}),
        (one("api_key_name", "eq", KEYS["k-lost"]), {"r-09"}),
    ],
    ids=lambda value: f"{value[0].column} {value[0].operation} {value[0].values}" if isinstance(value, list) else "",
)
def test_the_log_is_filtered_by_whatever_it_shows(sdk: ElevenLabs, filters: list[ColumnFilter], kept: set[str]) -> None:
    assert found(sdk, filters) == kept


@pytest.mark.parametrize("key", ["k-prod", "k-ben", "k-lost", "k-ghost"])
def test_the_hash_of_a_key_is_the_same_in_log_usage_and_filters(sdk: ElevenLabs, town: Town, key: str) -> None:
    kept = having(lambda e: e.get("api_key_id") == key)
    chosen = one("hashed_xi_api_key", "eq", key_hash(town, key))
    assert found(sdk, chosen) == kept
    assert credits_of(sdk, chosen) == pytest.approx(summed(kept))
    row = sdk.workspace.analytics.requests.get(start_time=START, filters=chosen, limit=1)
    assert row.rows[0][row.columns.index("hashed_xi_api_key")] == key_hash(town, key)
    assert found(sdk, one("hashed_xi_api_key", "neq", key_hash(town, key), None)) == having(
        lambda e: e.get("api_key_id") not in (None, key)
    )


def test_a_hash_is_found_among_however_many_unknown_keys(town: Town, town_url: str, checked: httpx.Client) -> None:
    house = build_house(town.house.deck, "Crowd")
    house.send([{"id": f"{n}", "time": START, "api_key_id": f"far-{n:04}", "credits": 1} for n in range(1200)])
    house.send([{"id": "one", "time": START, "api_key_id": "zz-last", "credits": 5}])
    sdk = ElevenLabs(base_url=town_url, api_key=house.api_key, httpx_client=checked)
    answer = sdk.workspace.usage.get_usage_by_product_over_time(
        start_time=START, end_time=START, interval_seconds=86_400, group_by=["hashed_xi_api_key"]
    )
    assert len(answer.rows) == 1201
    (rare,) = [row[0] for row in answer.rows if row[2] == 5]
    assert credits_of(sdk, one("hashed_xi_api_key", "eq", rare)) == 5


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ask", [found, credits_of])
def test_an_unknown_column_is_refused_with_the_nearest(sdk: ElevenLabs, ask: Callable[..., object]) -> None:
    detail = refused(lambda: ask(sdk, one("usr_id", "eq", "x")))
    assert detail["param"] == "filters"
    assert 'did you mean "user_id"?' in detail["message"]


def test_a_column_of_the_log_is_none_of_usage(sdk: ElevenLabs) -> None:
    message = refused(lambda: credits_of(sdk, one("response_code", "eq", 200)))["message"]
    assert all(name in message for name in usage_columns())


@pytest.mark.parametrize(
    "filters",
    [
        one("response_code", "ge"),
        one("response_code", "ge", 1, 2),
        one("response_code", "ge", None),
        one("response_code", "eq", "two hundred"),
        one("response_code", "eq", TRUE),
        one("response_code", "eq", 10**30),
        one("latency_seconds", "eq", "fast"),
        one("latency_seconds", "gt", TRUE),
        one("latency_seconds", "gt", 1e300),
        one("timestamp", "gt", "yesterday"),
        one("timestamp", "gt", 1_795_435_200),
        one("timestamp", "gt", "2026-11-01T00:00:00"),
        one("timestamp", "gt", -(10**14)),
        one("path", "gt", "/v1"),
        one("success", "eq", "maybe"),
        one("user_label", "gt", "ada"),
        one("user_label", "eq", 5),
        one("path", "in", *map(str, range(1001))),
        one("path", "eq", "/") * 51,
    ],
    ids=lambda filters: f"{filters[0].column} {filters[0].operation} {str(filters[0].values)[:30]}",
)
def test_a_filter_that_makes_no_sense_is_refused(sdk: ElevenLabs, filters: list[ColumnFilter]) -> None:
    assert refused(lambda: found(sdk, filters))["param"] == "filters"


@pytest.mark.parametrize(
    ("wrong", "loc", "kind"),
    [
        ({"operation": "like"}, ["body", "filters", 1, "operation"], "enum"),
        ({"operation": "contains"}, ["body", "filters", 1, "operation"], "enum"),
        ({"column": None}, ["body", "filters", 1, "column"], "string_type"),
        ({"values": "x"}, ["body", "filters", 1, "values"], "list_type"),
        ({"values": None}, ["body", "filters", 1, "values"], "list_type"),
    ],
)
def test_a_filter_that_is_none_fails_validation(sdk: ElevenLabs, wrong: dict[str, Any], loc: list[Any], kind: str) -> None:
    good = {"column": "path", "operation": "eq", "values": ["x"]}
    filters: Any = [good, good | wrong]
    assert invalid(lambda: found(sdk, filters)) == [(loc, kind)]


def test_an_object_is_no_value(sdk: ElevenLabs) -> None:
    filters: Any = [{"column": "path", "operation": "eq", "values": [{"a": 1}]}]
    assert {tuple(loc[:5]) for loc, _ in invalid(lambda: found(sdk, filters))} == {("body", "filters", 0, "values", 0)}


@pytest.mark.parametrize("text", ["' OR 1=1 --", "{p0:String}", "%s %(x)s", "\\", "\0", "\x00\n\r\t", "🎙️", "a" * 5000])
def test_strange_text_is_only_text(sdk: ElevenLabs, text: str) -> None:
    assert found(sdk, one("path", "eq", text)) == set()
    assert found(sdk, one("path", "neq", text)) == EVERYTHING

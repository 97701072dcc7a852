"""What the JavaScript SDK and the strict clients insist on, which the Python SDK lets pass: it constructs without looking.

Every answer that a test gets through the SDK goes through `check`.
"""

import json
import math
import re
from collections.abc import Callable
from typing import Any, get_args

import httpx
import pytest
from elevenlabs.core.api_error import ApiError
from elevenlabs.errors import UnprocessableEntityError
from elevenlabs.types.column_unit import ColumnUnit
from elevenlabs.types.workspace_analytics_query_response_model_column_types_item import (
    WorkspaceAnalyticsQueryResponseModelColumnTypesItem as ColumnType,
)

from tests.wire.shapes import shape_of

COLUMN_TYPES = get_args(get_args(ColumnType)[0])
COLUMN_UNITS = get_args(get_args(ColumnUnit)[0])

_CELLS: dict[str, type | tuple[type, ...]] = {
    "String": str,
    "Int": int,
    "Float": (int, float),
    "DateTime": str,
    "Bool": bool,
}


def listed(union: Any) -> tuple[str, ...]:
    """The strings of one of the SDK's open enums."""
    return tuple(get_args(get_args(union)[0]))


def check(response: httpx.Response) -> None:
    """The right shape for its path and status."""
    response.read()
    _check(response)


async def check_async(response: httpx.Response) -> None:
    await response.aread()
    _check(response)


def _check(response: httpx.Response) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-trace-id"])
    assert response.headers["content-type"] == "application/json"
    body = json.loads(response.text, parse_constant=_no_constant)
    if response.status_code == 422:
        check_invalid(body)
    elif response.is_error:
        check_detail(body, response.headers["x-trace-id"])
    elif shaped := shape_of(response.request.method, response.url.path):
        shaped(body)
    elif response.url.path.endswith("/character-stats"):
        check_series(body)
    else:
        check_table(body)


def _no_constant(text: str) -> None:
    raise AssertionError(f"{text} is no JSON")


def check_table(body: Any) -> None:
    """`WorkspaceAnalyticsQueryResponseModel`, cell by cell."""
    assert set(body) == {"columns", "column_types", "column_units", "rows"}
    columns, types, units, rows = (body[name] for name in ("columns", "column_types", "column_units", "rows"))
    assert len(columns) == len(types) == len(units) == len(set(columns)) <= 32
    for name in columns:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_ .-]{0,63}", name)
    assert set(types) <= set(COLUMN_TYPES)
    assert set(units) <= {None, *COLUMN_UNITS}
    assert units.count("credits") <= 1
    for row in rows:
        assert len(row) == len(columns)
        for cell, kind in zip(row, types, strict=True):
            _check_cell(cell, kind)


def _check_cell(cell: Any, kind: str) -> None:
    if cell is None:
        return
    fits = isinstance(cell, _CELLS[kind]) and (kind == "Bool" or not isinstance(cell, bool))
    assert fits, (cell, kind)
    if kind == "DateTime":
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", cell)
    if kind == "Float":
        assert math.isfinite(cell)


def check_series(body: Any) -> None:
    """`UsageCharactersResponseModel`: one number per instant in every series, never null."""
    assert set(body) == {"time", "usage"}
    time = body["time"]
    assert all(type(instant) is int for instant in time)
    assert time == sorted(set(time))
    for name, numbers in body["usage"].items():
        assert name
        assert len(numbers) == len(time)
        assert all(type(number) in (int, float) and math.isfinite(number) for number in numbers)


def check_detail(body: Any, trace_id: str) -> None:
    """Shape A: a detail object that both old and new clients can read."""
    assert set(body) == {"detail"}
    detail = body["detail"]
    assert set(detail) == {"type", "code", "message", "status", "request_id", "param"}
    assert all(isinstance(detail[name], str) and detail[name] for name in ("type", "code", "message", "status", "request_id"))
    assert detail["request_id"] == trace_id
    assert detail["param"] is None or (detail["type"] == "validation_error" and isinstance(detail["param"], str))


def check_invalid(body: Any) -> None:
    """Shape B: a list of what failed validation."""
    assert set(body) == {"detail"}
    assert body["detail"]
    for one in body["detail"]:
        assert {"loc", "msg", "type"} <= set(one) <= {"loc", "msg", "type", "input", "ctx"}
        assert one["loc"][0] in ("query", "body", "path")


def refused(call: Callable[[], object], code: str = "invalid_parameters") -> dict[str, Any]:
    """The detail of a 400 that the call ends in."""
    with pytest.raises(ApiError) as caught:
        call()
    assert caught.value.status_code == 400
    detail: dict[str, Any] = caught.value.body["detail"]
    assert (detail["type"], detail["code"], detail["status"]) == ("validation_error", code, code)
    return detail


def invalid(call: Callable[[], object]) -> list[tuple[list[str | int], str]]:
    """Where and how the call fails validation: (loc, type) of each item of a 422."""
    with pytest.raises(UnprocessableEntityError) as caught:
        call()
    body: Any = caught.value.body
    return [(one["loc"], one["type"]) for one in body["detail"]]

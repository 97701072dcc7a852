"""The lists of the published SDK and ours are the same lists."""

from typing import Any

import pytest
from elevenlabs.types.audit_activity_name import AuditActivityName
from elevenlabs.types.audit_class_name import AuditClassName
from elevenlabs.types.breakdown_types import BreakdownTypes
from elevenlabs.types.column_filter_operation import ColumnFilterOperation
from elevenlabs.types.currency import Currency
from elevenlabs.types.metric_type import MetricType
from elevenlabs.types.metronome_usage_column_filter_column import MetronomeUsageColumnFilterColumn
from elevenlabs.types.metronome_usage_column_filter_operation import MetronomeUsageColumnFilterOperation
from elevenlabs.types.permission_type import PermissionType
from elevenlabs.types.seat_type import SeatType
from elevenlabs.types.usage_aggregation_interval import UsageAggregationInterval
from elevenlabs.workspace.usage.types import (
    BodyGetWorkspaceCostUsageV1WorkspaceAnalyticsUsagePostGroupByItem as CostGroupBy,
)
from elevenlabs.workspace.usage.types import (
    BodyGetWorkspaceUsageV1WorkspaceAnalyticsQueryUsageByProductOverTimePostGroupByItem as GroupBy,
)

from tests.wire.strict import listed
from usagedeck.access import Permission
from usagedeck.admin import CURRENCIES
from usagedeck.catalog.dimensions import DIMENSIONS
from usagedeck.catalog.metrics import METRICS
from usagedeck.web.app import openapi
from usagedeck.web.elevenlabs.activity import _ACTIVITIES
from usagedeck.web.elevenlabs.people import SEATS
from usagedeck.web.elevenlabs.wire import WIRE_OPS

STATS = "/v1/usage/character-stats"


def parameter(name: str) -> list[str]:
    """The enum of a query parameter of character stats, as /openapi.json shows it."""
    schemas = openapi()
    (found,) = [p for p in schemas["paths"][STATS]["get"]["parameters"] if p["name"] == name]
    return _enum(found["schema"], schemas)


def body(model: str, *path: str) -> list[str]:
    schemas = openapi()
    found: Any = schemas["components"]["schemas"][model]["properties"][path[0]]
    for step in path[1:]:
        found = found[step] if step in found else found["anyOf"][0][step]
    return _enum(found, schemas)


def _enum(schema: Any, schemas: Any) -> list[str]:
    if "$ref" in schema:
        schema = schemas["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return [str(value) for value in schema["enum"]]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (parameter("breakdown_type"), BreakdownTypes),
        (parameter("metric"), MetricType),
        (parameter("aggregation_interval"), UsageAggregationInterval),
        (body("UsageBody", "group_by", "items"), GroupBy),
        (body("CostBody", "group_by", "items"), CostGroupBy),
        (body("CostFilter", "column"), MetronomeUsageColumnFilterColumn),
        (body("CostFilter", "operation"), MetronomeUsageColumnFilterOperation),
        (body("ColumnFilter", "operation"), ColumnFilterOperation),
    ],
    ids=lambda value: "" if isinstance(value, list) else None,
)
def test_the_served_enums_are_the_sdks(ours: list[str], theirs: Any) -> None:
    assert sorted(ours) == sorted(listed(theirs))


def test_they_come_from_the_catalogue() -> None:
    assert set(parameter("metric")) == {m.wire for m in METRICS.values() if m.wire}
    assert set(parameter("breakdown_type")) == {"none"} | {name for d in DIMENSIONS.values() for name in d.breakdown}
    assert set(body("UsageBody", "group_by", "items")) == {d.group_by for d in DIMENSIONS.values() if d.group_by}
    assert set(body("ColumnFilter", "operation")) == set(WIRE_OPS)


@pytest.mark.parametrize("name", ["FULL_READ", "AUDIT_READ", "USER_READ", "MEMBERS_READ"])
def test_permissions_have_their_published_names(name: str) -> None:
    assert Permission[name] in listed(PermissionType)


def test_seats_activities_and_classes_have_their_published_names() -> None:
    assert set(SEATS.values()) == set(listed(SeatType))
    unpublished = {one.name for one in _ACTIVITIES.values()} - set(listed(AuditActivityName))
    assert unpublished == {"Logoff"}, "OCSF's own name; the SDKs know signing in alone"
    assert {one.of.name for one in _ACTIVITIES.values()} == set(listed(AuditClassName))


def test_every_currency_of_a_workspace_is_one_the_sdk_knows() -> None:
    assert set(CURRENCIES) == set(listed(Currency))

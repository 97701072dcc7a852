"""/openapi.json: valid, complete, made from the catalogue, and true of what the server does."""

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as limits
from jsonschema_rs import Draft202012Validator
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.web.conftest import Place
from tests.wire.town import build_town
from usagedeck.catalog.dimensions import DIMENSIONS
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.web.app import TAGS, openapi

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def key(place: Place) -> str:
    return build_town(place.deck).everything


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in openapi()["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def test_it_is_served_and_is_openapi_3_1(place: Place) -> None:
    with place.client() as client:
        served = client.get("/openapi.json").json()
    assert served == openapi()
    assert served["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(served).validate()


def test_every_operation_is_described() -> None:
    found = list(operations())
    assert len(found) > 15
    names = [operation["operationId"] for _, _, operation in found]
    assert len(set(names)) == len(names)
    for path, _, operation in found:
        assert operation["summary"], path
        assert operation["description"].endswith("."), path
        assert set(operation["tags"]) <= {tag["name"] for tag in TAGS}, path


def test_every_parameter_is_described() -> None:
    for path, _, operation in operations():
        for parameter in operation.get("parameters", []):
            assert parameter["in"] == "path" or parameter.get("description"), (path, parameter["name"])


def test_every_door_is_in_it_and_the_page_is_not() -> None:
    paths = set(openapi()["paths"])
    assert paths >= {
        "/v1/events",
        "/v1/usage/character-stats",
        "/v1/workspace/analytics/query/usage-by-product-over-time",
        "/v1/workspace/analytics/usage",
        "/v1/workspace/analytics/requests",
        "/healthz",
        "/readyz",
        "/metrics",
        "/version",
        "/api/v1/session",
        "/api/v1/me",
    }
    for name in ("usage", "requests", "deliveries", "values/{name}", "catalog"):
        assert {f"/api/v1/{name}", f"/api/v1/{name}.csv"} <= paths
    assert not paths & {"/", "/docs", "/operator/command"}


def test_names_come_from_the_catalogue() -> None:
    (usage,) = [operation for path, _, operation in operations() if path == "/api/v1/usage"]
    described = {p["name"]: p["description"] for p in usage["parameters"]}
    assert re.findall(r"[a-z_0-9]+", described["metric"].partition(": ")[2]) == list(METRICS)
    assert re.findall(r"[a-z_0-9]+", described["by"].partition(": ")[2])[: -len(["attributes", "key"])] == [
        d.name for d in DIMENSIONS.values() if d.split
    ]
    (values,) = [operation for path, _, operation in operations() if path == "/api/v1/values/{name}"]
    of = next(p["schema"] for p in values["parameters"] if p["name"] == "of")
    assert openapi()["components"]["schemas"][of["$ref"].rpartition("/")[2]]["enum"] == list(Subject)


def test_every_schema_that_is_named_is_there() -> None:
    whole = openapi()
    text = str(whole)
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= set(whole["components"]["schemas"])
    for schema in whole["components"]["schemas"].values():
        Draft202012Validator(schema | {"components": whole["components"]})


# --- the truth of it ----------------------------------------------------------------------------------------------

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
schema = schemathesis.openapi.from_dict(openapi()).include(method="GET").exclude(path="/api/v1/log/tail")
"""What has an end; `test_tail` reads what has none."""


@schema.parametrize()
@limits(
    max_examples=6,
    deadline=None,
    database=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_what_is_described_is_what_happens(place: Place, key: str, case: Case[Any]) -> None:
    case.call_and_validate(base_url=place.url, headers={"xi-api-key": key}, checks=CHECKS)


def test_an_answer_without_a_key_is_described_too(place: Place) -> None:
    with httpx2.Client(base_url=place.url) as client:
        for path, method, operation in operations():
            if method == "get" and "{" not in path and not path.startswith("/v1"):
                status = client.get(path).status_code
                assert str(status) in operation["responses"] or "4XX" in operation["responses"], path

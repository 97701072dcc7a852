"""What menus are made of: the values of a dimension, and the catalogue."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.house import NOON, build_house
from tests.web.conftest import Place
from tests.web.test_problems import problem
from tests.wire.town import Town, build_town
from usagedeck.catalog.dimensions import DIMENSIONS
from usagedeck.catalog.fields import FIELDS
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.filters import Op

WINDOW = {"start": "2026-10-31T00:00:00Z", "end": "2026-11-04T00:00:00Z"}


@pytest.fixture(scope="module")
def town(place: Place) -> Town:
    built = build_town(place.deck)
    hooks = enumerate(("one", "two", "two"), 1)
    deliveries = [{"kind": "delivery", "id": f"d-{n}", "time": NOON - n, "webhook_id": hook} for n, hook in hooks]
    crowd = [{"id": f"c-{n}", "time": "2025-01-01T00:00:00Z", "model": f"m-{n:04}"} for n in range(1100)]
    assert built.house.send([*deliveries, *crowd]).accepted == 1103
    return built


@pytest.fixture(scope="module")
def asker(place: Place, town: Town) -> Iterator[httpx2.Client]:
    with place.client(town.everything) as client:
        yield client


def values(client: httpx2.Client, name: str, **params: Any) -> list[list[Any]]:
    answer = client.get(f"/api/v1/values/{name}", params={**({} if "range" in params else WINDOW), **params})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert [c["name"] for c in body["columns"]] == ["value", "label", "rows"]
    rows: list[list[Any]] = body["rows"]
    return rows


def test_the_most_frequent_come_first_ties_by_value(asker: httpx2.Client) -> None:
    assert values(asker, "voice_id") == [
        [None, "No voice", 8],
        ["voice-aa11", "Rachel", 2],
        ["voice-bb22", "Rachel", 1],
        ["voice-unnamed", "voice-unnamed", 1],
    ]
    assert values(asker, "group_id") == [["g-all", "g-all", 9], ["g-eng", "Engineering", 4], [None, "No group", 3]]


def test_numbers_and_truths_are_texts_to_filter_by(asker: httpx2.Client) -> None:
    assert [row[0] for row in values(asker, "status")] == ["200", None, "0", "101", "302", "429"]
    for value, _, count in values(asker, "has_api_key"):
        chosen = asker.get("/api/v1/usage", params={**WINDOW, "interval": "total", "filter": f"has_api_key:eq:{value}"}).json()
        assert chosen["rows"][0][2] == count


@pytest.mark.parametrize("name", [d.name for d in DIMENSIONS.values() if d.split and Subject.REQUESTS in d.of])
def test_every_value_finds_its_rows_again(asker: httpx2.Client, name: str) -> None:
    for value, _, count in values(asker, name):
        text = "" if value is None else value.replace("\\", "\\\\").replace(",", "\\,").replace(":", "\\:")
        chosen = asker.get("/api/v1/usage", params={**WINDOW, "interval": "total", "filter": f"{name}:in:{text}"}).json()
        assert chosen["rows"][0][2] == count, value


def test_names_and_ids_are_searched(asker: httpx2.Client) -> None:
    assert [row[0] for row in values(asker, "voice_id", q="RACH")] == ["voice-aa11", "voice-bb22"]
    assert [row[0] for row in values(asker, "voice_id", q="unna")] == ["voice-unnamed"]
    assert values(asker, "voice_id", q="%") == []
    assert [row[0] for row in values(asker, "user_id", q="ben@")] == ["u-ben"]


def test_the_selection_counts(asker: httpx2.Client) -> None:
    assert values(asker, "voice_id", filter="credits:gt:3", search="rachel") == [
        ["voice-aa11", "Rachel", 1],
        ["voice-bb22", "Rachel", 1],
    ]


def test_deliveries_have_values_of_their_own(asker: httpx2.Client) -> None:
    assert values(asker, "webhook_id", of="deliveries", range="1h") == [["two", "two", 2], ["one", "one", 1]]
    body = problem(asker.get("/api/v1/values/webhook_id"), 400)
    assert body["field"] == "by"


def test_deliveries_are_counted_instead_of_attempts(place: Place) -> None:
    """… on request, and then filters may ask for what only deliveries have."""
    house = build_house(place.deck, "Hooks")
    tries = [("m", 500, "a"), ("m", 200, "b"), ("n", 500, "b")]
    house.send(
        {"kind": "delivery", "id": f"{n}", "time": NOON - 9 + n, "message_id": message, "status": status, "url": url}
        for n, (message, status, url) in enumerate(tries)
    )
    with place.client(house.api_key) as client:
        of = {"of": "deliveries", "range": "1h"}
        assert values(client, "url", **of) == [["b", "b", 2], ["a", "a", 1]]
        assert values(client, "url", **of, per="deliveries") == [["a", "a", 1], ["b", "b", 1]]
        assert values(client, "status", **of, per="deliveries", filter="tries:gt:1") == [["200", "200", 1]]
        refused = problem(client.get("/api/v1/values/url", params={**of, "filter": "tries:gt:1"}), 400)
        assert (refused["field"], "per=deliveries" in refused["detail"]) == ("filter", True)
        assert problem(client.get("/api/v1/values/model", params={"per": "deliveries"}), 400)["field"] == "per"


def test_the_number_of_values_is_limited(asker: httpx2.Client) -> None:
    assert len(values(asker, "model", range="2025")) == 100
    assert len(values(asker, "model", range="2025", limit=1000)) == 1000
    assert values(asker, "model", range="2025", limit=2) == [["m-0000", "m-0000", 1], ["m-0001", "m-0001", 1]]
    for limit in ("0", "1001", "x"):
        assert problem(asker.get("/api/v1/values/model", params={"limit": limit}), 400)["field"] == "limit"


def test_what_has_no_values(asker: httpx2.Client) -> None:
    assert problem(asker.get("/api/v1/values/modell"), 400)["field"] == "name"
    assert problem(asker.get("/api/v1/values/id"), 400)["field"] == "by"
    assert values(asker, "attributes.nobody sends this") == [[None, "No nobody sends this", 12]]


# --- the catalogue ------------------------------------------------------------------------------------------------


def test_the_catalogue_is_served_whole_and_to_everybody(place: Place) -> None:
    with place.client() as client:
        body = client.get("/api/v1/catalog").json()
    assert [m["name"] for m in body["metrics"]] == list(METRICS)
    assert [d["name"] for d in body["dimensions"]] == list(DIMENSIONS)
    assert {s: [c["name"] for c in body["columns"][s]] for s in Subject} == {
        s: [f.name for f in FIELDS if s in f.of] for s in Subject
    }
    assert body["operators"] == list(Op)
    joined = ["tries", "took_ms"]
    assert [d["name"] for d in body["dimensions"] if d["joined"]] == joined
    assert [(c["name"], c["sent_as"]) for s in Subject for c in body["columns"][s] if c["joined"]] == [(n, None) for n in joined]
    for entry in (*body["metrics"], *body["dimensions"]):
        assert entry["title"]
        assert entry["help"].endswith(".")

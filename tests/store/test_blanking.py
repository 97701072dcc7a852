"""What the writer does to events of erased users and keys, without an engine."""

import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from usagedeck.catalog.dimensions import Label
from usagedeck.catalog.fields import FIELDS
from usagedeck.catalog.kinds import Personal, Subject
from usagedeck.sql import Statement
from usagedeck.store.blanking import Blanker
from usagedeck.store.erased import Counts, Erased
from usagedeck.store.writer import Block
from usagedeck.table import Row


class FakeStore:
    """Remembers what was written."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.written: list[Statement] = []

    def run(self, statement: Statement) -> list[Row]:
        return self.rows

    def record(self, statement: Statement) -> None:
        self.written.append(statement)


def digest(text: str) -> str:
    return text[::-1]


@pytest.fixture
def erased() -> Erased:
    made = Erased(FakeStore([]), digest)
    made.begin("w1", [(Label.USER, "zed"), (Label.API_KEY, "k1")], 5)
    return made


def line(**row: Any) -> bytes:
    return json.dumps({"workspace_id": "w1", "id": "a", "time": 1, **row}).encode()


def blanked(erased: Erased, subject: Subject, one: bytes) -> dict[str, Any]:
    rows = Blanker(erased)({subject: [one]}, ["w1"])
    assert not isinstance(rows, Block)
    found: dict[str, Any] = json.loads(rows[subject][0])
    return found


def test_lines(erased: Erased) -> None:
    traces = {"trace_id": "t", "ip": "i", "user_agent": "u", "error_message": "m", "attributes": {"a": "b"}}
    rest = {"credits": "1.50", "error_code": "c", "route": "/r", "group_ids": ["g"], "status": 200}
    base = {"workspace_id": "w1", "id": "a", "time": 1}
    for ids, left in (
        ({"user_id": "zed", "api_key_id": "k2"}, {"user_id": "erased", "api_key_id": "k2"}),
        ({"user_id": "ana", "api_key_id": "k1"}, {"user_id": "ana", "api_key_id": "erased"}),
        ({"api_key_id": "k1"}, {"api_key_id": "erased"}),
    ):
        found = blanked(erased, Subject.REQUESTS, line(**ids, **traces, **rest, path="/r/42"))
        assert found == base | rest | left | {"path": "/r"}
    assert "path" not in blanked(erased, Subject.REQUESTS, line(user_id="zed", route="/r"))
    for ids in ({"user_id": "ana"}, {"user_id": "k1", "api_key_id": "zed"}, {}, {"user_id": "erased"}):
        one = line(**ids, **traces)
        rows = Blanker(erased)({Subject.REQUESTS: [one]}, ["w1"])
        assert rows == {Subject.REQUESTS: [one]}
    elsewhere = {Subject.REQUESTS: [line(workspace_id="w2", user_id="zed")]}
    assert Blanker(erased)(elsewhere, ["w2"]) is elsewhere
    assert Blanker(erased)(elsewhere, ["w1", "w2"]) == elsewhere
    found = blanked(erased, Subject.DELIVERIES, line(user_id="zed", url="https://x", attributes={"a": "b"}, request_id="r"))
    assert found == base | {"user_id": "erased", "url": "https://x", "request_id": "r"}


def test_columns(erased: Erased) -> None:
    rows = [
        {
            "id": "0",
            "time": 1,
            "user_id": "ana",
            "api_key_id": "k2",
            "credits": Decimal("1.5"),
            "ip": "i",
            "path": "/r/1",
            "route": "/r",
        },
        {
            "id": "2",
            "time": 1,
            "user_id": "zed",
            "api_key_id": "k2",
            "credits": Decimal("2.5"),
            "ip": "i",
            "path": "/r/2",
            "route": "/r",
        },
        {"id": "3", "time": 1, "user_id": "ana", "api_key_id": "k1", "credits": None, "ip": "", "path": "", "route": ""},
        {"id": "7", "time": 1, "user_id": "", "api_key_id": "", "credits": Decimal("4.5"), "ip": "i", "path": "", "route": ""},
    ]
    table = pa.Table.from_pylist([{"workspace_id": "w1", **row} for row in rows])
    block = Block(Subject.REQUESTS, table, [0, 2, 3, 7], [line(id="1", user_id="zed", ip="i"), line(id="9")], [1, 9])
    found = Blanker(erased)(block, ["w1"])
    assert isinstance(found, Block)
    assert (found.table["id"].to_pylist(), list(found.places)) == (["0", "7"], [0, 7])
    assert list(found.line_places) == [1, 2, 3, 9]
    assert [json.loads(one) | {"workspace_id": "w1", "time": 1} for one in found.lines] == [
        {"workspace_id": "w1", "time": 1, "id": "1", "user_id": "erased"},
        {
            "workspace_id": "w1",
            "time": 1,
            "id": "2",
            "user_id": "erased",
            "api_key_id": "k2",
            "credits": "2.5",
            "path": "/r",
            "route": "/r",
        },
        {"workspace_id": "w1", "time": 1, "id": "3", "user_id": "ana", "api_key_id": "erased", "route": ""},
        {"workspace_id": "w1", "time": 1, "id": "9"},
    ]
    others = Block(Subject.REQUESTS, table.slice(0, 1), [0])
    kept = Blanker(erased)(others, ["w1"])
    assert isinstance(kept, Block)
    assert (kept.table, list(kept.places), list(kept.lines)) == (others.table, [0], [])


def test_the_list_remembers_hashes_and_counts() -> None:
    store = FakeStore([("w1", "user", digest("erased:w1:user:zed"), 5, 7, 3, 10, 1, 11, 4, 2)])
    erased = Erased(store, digest)
    mark = erased.mark("w1", Label.USER, "zed")
    assert mark is not None
    assert (mark.begun, mark.finished, mark.counts) == (5, 7, Counts(10, 1, 11, 4, 2))
    assert erased.covers("w1", Label.USER, "zed")
    assert not erased.covers("w1", Label.API_KEY, "zed")
    assert not erased.covers("w2", Label.USER, "zed")
    assert not erased.covers("w1", Label.USER, "")
    assert erased.unfinished() == []
    erased.begin("w1", [(Label.USER, "zed"), (Label.API_KEY, "k1")], 9)
    assert erased.unfinished() == ["w1"]
    erased.add("w1", Counts(requests=1), 0)
    erased.add("w1", Counts(copies=2), 12)
    again = erased.mark("w1", Label.USER, "zed")
    assert again is not None
    assert (again.begun, again.finished, again.counts) == (5, 12, Counts(11, 1, 13, 4, 2))
    erased.add("w1", Counts(requests=9), 0)
    assert erased.mark("w1", Label.USER, "zed") == again
    assert len(store.written) == 3
    assert all("zed" not in one.text for one in store.written)


def test_what_is_personal_is_decided_for_every_field() -> None:
    """A new field is looked at by whoever adds it."""
    decided = {
        Personal.NAME: {"user_id", "api_key_id"},
        Personal.TRACE: {"trace_id", "path", "user_agent", "ip", "error_message", "attributes"},
    }
    kept = {
        *("time", "id", "status", "method", "route", "webhook_id", "event_type", "url", "attempt", "message_id", "request_id"),
        *("duration_ms", "ttfb_ms", "group_ids", "product_type", "model", "voice_id", "request_source", "region", "credits"),
        *("error_code", "characters", "audio_seconds", "input_tokens", "output_tokens", "cost", "currency", "charge_type"),
        *("charge_count", "billing_group_id", "surface", "actor", "resource_id", "subresource_id", "request_queue_type"),
        *("voice_multiplier", "arrived"),
    }
    for what, names in decided.items():
        assert {f.name for f in FIELDS if f.personal is what} == names
    assert {f.name for f in FIELDS if f.personal is None and not f.joined} == kept

"""Files of JSON: one event a line, or an array."""

import json
from typing import Any

import pytest

from tests.readers.reading import events, pieces, refusals, rows, until_broken
from usagedeck.readers.formats import READERS, Format
from usagedeck.readers.mapping import Plan
from usagedeck.readers.rows import Row, RowIds

JSON = Format.NDJSON
TIME = "2026-05-01T00:00:00Z"
MAY = 1_777_593_600_000


def lines(*objects: object) -> bytes:
    return b"".join(json.dumps(one).encode() + b"\n" for one in objects)


def test_events_with_an_id_pass_as_they_stand() -> None:
    text = b'{"id": "a", "time": "2026-05-01T00:00:00+02:00", "credits": 0.123456789012345678901, "time": 1777593600000}'
    assert rows(JSON, b"\xef\xbb\xbf" + text + b"\r\n\n  \n" + text) == [Row(1, text), Row(4, text)]


def test_events_without_an_id_get_one_that_neither_spaces_nor_the_order_of_keys_change() -> None:
    first, second = events(JSON, b'{"time":1777593600000,"path":"/a"}\n  { "path" : "/a", "time" : 1777593600000 }\n')
    assert first["id"].endswith("_0")
    assert second["id"] == first["id"][:-1] + "1"
    assert events(JSON, lines({"time": MAY, "path": "/a", "id": None}))[0]["id"] != first["id"]
    assert events(JSON, lines({"time": MAY, "path": "/a"}), source="other")[0]["id"] != first["id"]


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_id_is_none(empty: str | None) -> None:
    (event,) = events(JSON, lines({"id": empty, "time": MAY}))
    assert event["id"].startswith("imp_")


def test_without_id_and_time_a_row_is_refused() -> None:
    (refusal,) = refusals(JSON, lines({"id": "a", "time": MAY}, {"path": "/a"}))
    assert (refusal.number, refusal.code, refusal.field) == (2, "missing_time", "time")


def test_times_without_an_offset_are_read_in_the_zone() -> None:
    plan = Plan.parse(time_zone="Europe/Berlin")
    found = events(
        JSON, lines({"id": "a", "time": "2026-05-01 02:00:00"}, {"id": "b", "time": TIME}, {"id": "c", "time": str(MAY)}), plan
    )
    assert [event["time"] for event in found] == [MAY, TIME, str(MAY)]
    (refusal,) = refusals(JSON, lines({"id": "a", "time": "2026-03-29T02:30:00"}), plan)
    assert refusal.code == "no_such_time"


@pytest.mark.parametrize("line", [b"[1,2]", b"7", b'"x"', b"null", b"\x00", b"\xff\xfe", b"id,time"])
def test_lines_that_are_no_objects_are_refused(line: bytes) -> None:
    (refusal,) = refusals(JSON, lines({"id": "a", "time": MAY}) + line + b"\n")
    assert (refusal.number, refusal.code) == (2, "malformed")


@pytest.mark.parametrize("line", [b"{", b'{"id":1,"time":2}', b'{"id":"a","time":{}}', b'{"id":"\xff"}', b'{"a":' * 5000 + b"1"])
def test_what_the_check_of_events_refuses_is_left_to_it(line: bytes) -> None:
    assert rows(JSON, line) == [Row(1, line)]


def test_keys_are_renamed_left_out_and_added() -> None:
    plan = Plan.parse(
        maps=["duration_ms=took", "attributes.tier=plan", "attributes.n=n", "error_code=oops"],
        constants=["region=eu", "attributes.from=file", "kind=request"],
        ignored=["debug"],
    )
    text = (
        b'{"id":"a","time":1777593600000,"took":12,"plan":"gold","n":1.50,"oops":"quota","debug":{"x":[1]},'
        b'"credits":0.123456789012345678901,"attributes":{"own":"1"}}'
    )
    (row,) = rows(JSON, text, plan)
    assert isinstance(row, Row)
    assert b'"credits":0.123456789012345678901' in row.event
    assert json.loads(row.event) == {
        "id": "a",
        "time": MAY,
        "duration_ms": 12,
        "credits": 0.12345678901234568,
        "attributes": {"own": "1", "tier": "gold", "n": "1.50", "from": "file"},
        "error": {"code": "quota"},
        "region": "eu",
        "kind": "request",
    }


ARRAYS: list[tuple[str, list[Any]]] = [
    ("[]", []),
    (" [ ] ", []),
    ('[{"id":"a","time":1}]', [{"id": "a", "time": 1}]),
    (
        '\n[\n  {\n    "id": "a",\n    "time": 1\n  },\r\n\t{"id":"é\\n,]","time":2} ] ',
        [{"id": "a", "time": 1}, {"id": "é\n,]", "time": 2}],
    ),
]


@pytest.mark.parametrize(("text", "expected"), ARRAYS)
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_arrays(text: str, expected: list[Any], bom: bytes) -> None:
    found = rows(JSON, bom + text.encode())
    assert [json.loads(row.event) for row in found if isinstance(row, Row)] == expected
    assert [row.number for row in found] == list(range(1, len(expected) + 1))
    assert all(b"\n" not in row.event and b"\r" not in row.event for row in found if isinstance(row, Row))


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_an_array_may_come_in_pieces(size: int) -> None:
    expected = [{"id": "äöü €", "time": n, "n": [n, {"x": "]}"}]} for n in range(50)]
    source = pieces(json.dumps(expected, ensure_ascii=False).encode(), size)
    found = READERS[JSON](source, Plan.parse(), RowIds("x"))
    assert [json.loads(row.event) for row in found if isinstance(row, Row)] == expected


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ('[{"id":"a","time":1},{"id":"b"', 1),
        ('[{"id":"a","time":1}', 0),
        ('[{"id":"a","time":1} {"id":"b","time":1}]', 0),
        ('[{"id":"a","time":1},]', 1),
        ("[,]", 0),
        ("[", 0),
        ('[{"id":"a","time":1},{oops},{"id":"c","time":1}]', 1),
    ],
)
def test_a_broken_array_gives_what_stands_before_the_break(text: str, good: int) -> None:
    found, message = until_broken(JSON, text.encode())
    assert len(found) == good
    assert f"Element {good + 1} of the array is broken" in message


def test_elements_that_are_no_objects_are_refused_alone() -> None:
    found = refusals(JSON, b'[1, "x", [2], null, {"id":"a","time":1}, -1.5e3]')
    assert [refusal.number for refusal in found] == [1, 2, 3, 4, 6]

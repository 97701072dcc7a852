"""`client.workspace.analytics.requests.get`: the rows, their order, pages by time, and search."""

from typing import Any

import pytest
from elevenlabs import ElevenLabs
from elevenlabs.types.workspace_analytics_query_response_model import WorkspaceAnalyticsQueryResponseModel as Answer

from tests.house import NOON
from tests.wire.strict import invalid, refused
from tests.wire.town import END, EVENTS, START, Town, at, key_hash
from usagedeck.catalog.fields import FIELDS
from usagedeck.times import DAY

IDS = [str(e["id"]) for e in EVENTS]
INSIDE = [str(e["id"]) for e in EVENTS if START <= at(e["time"]) <= END]
TWO_ELEVEN = ["r-11", "r-12"]


def log(sdk: ElevenLabs, **ask: Any) -> Answer:
    answer: Answer = sdk.workspace.analytics.requests.get(**ask)
    return answer


def ids(answer: Answer) -> list[str]:
    return [str(row[answer.columns.index("event_id")]) for row in answer.rows]


def row(sdk: ElevenLabs, id_: str) -> dict[str, Any]:
    answer = log(sdk, start_time=at("2026-10-01T00:00:00Z"), filters=[{"column": "event_id", "operation": "eq", "values": [id_]}])
    (cells,) = answer.rows
    return dict(zip(answer.columns, cells, strict=True))


# --- rows ---------------------------------------------------------------------------------------------------------


def test_the_columns_are_those_of_the_catalogue_with_names_behind_ids(sdk: ElevenLabs) -> None:
    answer = log(sdk, end_time=END)
    named = [column for column in answer.columns if column not in ("user_label", "api_key_name", "voice_name")]
    assert named == [field.wire for field in FIELDS if field.wire]
    for id_, name in (("user_id", "user_label"), ("hashed_xi_api_key", "api_key_name"), ("voice_id", "voice_name")):
        assert answer.columns.index(name) == answer.columns.index(id_) + 1
    kinds = dict(zip(answer.columns, zip(answer.column_types, answer.column_units, strict=True), strict=True))
    assert kinds["timestamp"] == ("DateTime", None)
    assert kinds["response_code"] == ("Int", None)
    assert kinds["latency_seconds"] == ("Float", "s")
    assert kinds["credits"] == ("Float", "credits")
    odd = ("timestamp", "response_code", "latency_seconds", "credits")
    assert {kinds[name] for name in answer.columns if name not in odd} == {("String", None)}
    assert {"timestamp", "event_id", "trace_id", "method", "path", "response_code", "latency_seconds"} <= set(answer.columns)


def test_a_full_row(sdk: ElevenLabs, town: Town) -> None:
    assert row(sdk, "r-01") == {
        "timestamp": "2026-11-01T03:59:59.000Z",
        "event_id": "r-01",
        "trace_id": "t-01",
        "method": "POST",
        "path": "/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM",
        "route": "/v1/text-to-speech/{id}",
        "response_code": 200,
        "latency_seconds": 2.0,
        "user_id": "u-ada",
        "user_label": "ada@town.example",
        "hashed_xi_api_key": key_hash(town, "k-prod"),
        "api_key_name": "production",
        "product_type": "TTS",
        "model": "eleven_v3",
        "voice_id": "voice-aa11",
        "voice_name": "Rachel",
        "request_source": "api",
        "region": "us-central1",
        "user_agent": "elevenlabs/2.78.0",
        "ip": "203.0.113.0/24",
        "credits": 10,
        "error_status": None,
    }


def test_a_row_of_almost_nothing(sdk: ElevenLabs) -> None:
    cells = row(sdk, "r-11")
    assert {name: cell for name, cell in cells.items() if cell is not None} == {
        "timestamp": "2026-11-03T12:00:00.123Z",
        "event_id": "r-11",
    }


def test_no_answer_is_zero_and_an_error_has_its_code(sdk: ElevenLabs, town: Town) -> None:
    ghost = row(sdk, "r-10")
    assert (ghost["response_code"], ghost["user_label"], ghost["api_key_name"]) == (0, None, None)
    assert ghost["hashed_xi_api_key"] == key_hash(town, "k-ghost")
    throttled = row(sdk, "r-04")
    assert (throttled["response_code"], throttled["error_status"]) == (429, "too_many_concurrent_requests")
    assert throttled["latency_seconds"] == 0.25
    assert row(sdk, "r-09")["latency_seconds"] == 0


# --- order and limits ---------------------------------------------------------------------------------------------


def test_newest_first_with_an_end_oldest_first_without(sdk: ElevenLabs) -> None:
    assert ids(log(sdk, end_time=END)) == IDS[::-1]
    assert ids(log(sdk, start_time=START)) == INSIDE
    assert ids(log(sdk, start_time=START, end_time=END)) == INSIDE[::-1]
    assert ids(log(sdk, start_time=START, end_time=END, sort="asc")) == INSIDE
    assert ids(log(sdk, start_time=START, sort="desc")) == INSIDE[::-1]
    nulls = {"limit": 100, "sort": None, "filters": None, "search": None, "end_time": None}
    assert ids(log(sdk, start_time=START, **nulls)) == INSIDE


def test_both_ends_are_included(sdk: ElevenLabs) -> None:
    moment = at("2026-11-02T05:00:00Z")
    assert ids(log(sdk, start_time=moment, end_time=moment)) == ["r-10", "r-09"]
    assert ids(log(sdk, start_time=moment + 1, end_time=END)) == TWO_ELEVEN[::-1]
    assert ids(log(sdk, start_time=END + 1)) == []
    assert ids(log(sdk, start_time=NOON + 400 * DAY)) == []
    assert ids(log(sdk, end_time=1_577_836_800_000)) == []


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_by_moving_the_boundary_visit_every_row(sdk: ElevenLabs, sort: str) -> None:
    start, end = at("2026-10-01T00:00:00Z"), END
    seen: list[str] = []
    while True:
        page = log(sdk, start_time=start, end_time=end, sort=sort, limit=4)
        new = [id_ for id_ in ids(page) if id_ not in seen]
        if not new:
            break
        seen += new
        last = at(str(page.rows[-1][0]))
        start, end = (last, end) if sort == "asc" else (start, last)
    assert seen == (IDS if sort == "asc" else IDS[::-1])


def test_a_hundred_rows_unless_said_otherwise_and_a_thousand_at_most(sdk: ElevenLabs, town: Town) -> None:
    start = at("2024-01-01T00:00:00Z")
    town.house.send([{"id": f"many-{n:04}", "time": start + n} for n in range(1001)])
    ask: dict[str, Any] = {"start_time": start, "end_time": start + DAY, "sort": "asc"}
    assert ids(log(sdk, **ask)) == [f"many-{n:04}" for n in range(100)]
    assert len(log(sdk, **ask, limit=1000).rows) == 1000
    assert len(log(sdk, **ask, limit=1).rows) == 1


# --- search -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("search", "kept"),
    [
        ("/v1/convai/agents/agent-1/branches", ["r-05"]),
        ("TEXT-TO-SPEECH", ["r-01", "r-02", "r-08", "r-09"]),
        ("t-03", ["r-03"]),
        ("r-1", ["r-10", "r-11", "r-12"]),
        ("ws", ["r-05"]),
        ("elevenlabs/2.78", ["r-01", "r-02", "r-08", "r-09"]),
        ("too_many", ["r-04"]),
        ("ada@", ["r-01", "r-02", "r-05", "r-08", "r-09"]),
        ("production", ["r-01", "r-02", "r-08"]),
        ("lost one", ["r-09"]),
        ("rachel", ["r-01", "r-02", "r-08"]),
        ("rachel r-02", ["r-02"]),
        ("  rachel\tPRODUCTION  text-to  ", ["r-01", "r-02", "r-08"]),
        ("rachel speech-to-text", []),
        ("%", []),
        ("t_03", []),
        ("r-0.", []),
        ("'; DROP TABLE requests", []),
        ("\0", []),
        ("", INSIDE),
        ("   ", INSIDE),
        (None, INSIDE),
    ],
)
def test_every_word_is_found_somewhere_and_taken_literally(sdk: ElevenLabs, search: str | None, kept: list[str]) -> None:
    assert ids(log(sdk, start_time=START, search=search)) == kept


def test_a_search_that_is_a_novel_is_refused(sdk: ElevenLabs) -> None:
    assert refused(lambda: log(sdk, start_time=START, search="x" * 501))["param"] == "search"
    assert refused(lambda: log(sdk, start_time=START, search="x " * 11))["param"] == "search"


# --- refusals -----------------------------------------------------------------------------------------------------


def test_one_end_of_time_is_required(sdk: ElevenLabs) -> None:
    assert refused(lambda: log(sdk), code="missing_required_field")["param"] == "start_time"
    assert refused(lambda: log(sdk, start_time=None, end_time=None), code="missing_required_field")["param"] == "start_time"


def test_an_end_before_the_start_is_refused(sdk: ElevenLabs) -> None:
    assert refused(lambda: log(sdk, start_time=END, end_time=START))["param"] == "end_time"
    assert refused(lambda: log(sdk, start_time=10**30))["param"] in ("start_time", "end_time")


@pytest.mark.parametrize(
    ("wrong", "name", "kind"),
    [
        ({"limit": 0}, "limit", "greater_than_equal"),
        ({"limit": 1001}, "limit", "less_than_equal"),
        ({"limit": "10"}, "limit", "int_type"),
        ({"sort": "up"}, "sort", "enum"),
        ({"search": 5}, "search", "string_type"),
        ({"start_time": 1_795_435_200}, "start_time", "greater_than_equal"),
        ({"end_time": "2026-11-01T00:00:00Z"}, "end_time", "int_type"),
    ],
)
def test_what_is_no_question_fails_validation(sdk: ElevenLabs, wrong: dict[str, Any], name: str, kind: str) -> None:
    ask: dict[str, Any] = {"start_time": START} | wrong
    assert invalid(lambda: log(sdk, **ask)) == [(["body", name], kind)]

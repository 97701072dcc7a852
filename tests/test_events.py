"""What is an event and what is not: every refusal names the field and the mend, everything else becomes a row of the store."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.house import NOON
from usagedeck.addresses import kept_ip
from usagedeck.catalog.fields import FIELDS, fields
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.events import REVISION_STEP, EventReader, Rejection, Stamp, new_id, route_of, version
from usagedeck.settings import Settings
from usagedeck.store.schema import columns

STAMP = Stamp("ws", "usd", {"key_1": "ana"}, NOON)
READER = EventReader(Settings())
TIME = "2026-11-23T10:00:00Z"


def read(event: Any, reader: EventReader = READER) -> tuple[Subject, bytes] | Rejection:
    return reader.read(7, event if isinstance(event, bytes) else json.dumps(event).encode(), STAMP)


def row(event: Any, reader: EventReader = READER) -> dict[str, Any]:
    """The row of an event that is taken."""
    outcome = read(event, reader)
    assert isinstance(outcome, tuple), outcome
    found: dict[str, Any] = json.loads(outcome[1])
    assert b"\n" not in outcome[1]
    assert set(found) <= {*columns(outcome[0])}
    return found


def refused(event: Any, reader: EventReader = READER) -> Rejection:
    outcome = read(event, reader)
    assert isinstance(outcome, Rejection), outcome
    assert outcome.index == 7
    return outcome


# --- refusals -----------------------------------------------------------------------------------------------------

ID = {"id": "a", "time": TIME}


@pytest.mark.parametrize(
    ("event", "code", "field", "says"),
    [
        # no event at all
        (b"", "malformed", None, "one JSON object per event"),
        (b"nonsense", "malformed", None, "one JSON object per event"),
        (b"{", "malformed", None, "one JSON object per event"),
        (b"null", "malformed", None, "one JSON object per event"),
        (b"[]", "malformed", None, "one JSON object per event"),
        (b'"a"', "malformed", None, "one JSON object per event"),
        (b"{} {}", "malformed", None, "one JSON object per event"),
        (b'{"model": "\xff"}', "malformed", None, "no valid JSON"),
        (b'{"model": "\xed\xa0\x80"}', "malformed", None, "no valid JSON"),
        (b'{"model": "a\x00b"}', "malformed", None, "no valid JSON"),
        (b'{"model": "\\ud800"}', "malformed", None, "no valid JSON"),
        (b'{"model": "\\ud800abcdefgh"}', "malformed", None, "no valid JSON"),
        (b'{"model": "\\udc00\\ud800abcdefgh"}', "malformed", None, "no valid JSON"),
        (b'{"\\ud800abcdefgh": 1}', "malformed", None, "no valid JSON"),
        (b'{"credits": NaN}', "malformed", None, "no valid JSON"),
        (b'{"credits": Infinity}', "malformed", None, "no valid JSON"),
        (b"[" * 60_000, "malformed", None, "one JSON object per event"),
        (b'{"attributes":' * 4000, "wrong_type", "attributes", "expected str, got object"),
        (b'{"model":' * 6000, "wrong_type", "model", "expected str, got object"),
        # what and whose
        ({"kind": "deliverys"}, "unknown_kind", "kind", 'send "request" or "delivery"'),
        ({"kind": 5}, "wrong_type", "kind", "expected str"),
        ({"kind": None}, "wrong_type", "kind", "expected str"),
        ({"id": 5, "time": TIME}, "wrong_type", "id", "expected str"),
        ({"id": "i" * 257, "time": TIME}, "too_long", "id", "at most 256 characters"),
        # fields nobody knows
        ({"modle": "x"}, "unknown_field", "modle", 'Did you mean "model"? Your own data belongs under "attributes"'),
        ({"latency_ms": 5}, "unknown_field", "latency_ms", 'under "attributes"'),
        ({"kind": "delivery", "model": "x"}, "unknown_field", "model", "no field of a delivery"),
        ({"webhook_id": "x"}, "unknown_field", "webhook_id", "no field of a request"),
        ({"error": {"cod": "x"}}, "unknown_field", "error.cod", '"error.cod" is no field'),
        ({"error_code": "x"}, "unknown_field", "error_code", "no field of a request"),
        ({"arrived": NOON}, "unknown_field", "arrived", "no field of a request"),
        ({"workspace_id": "other"}, "unknown_field", "workspace_id", "no field of a request"),
        ({"version": 1}, "unknown_field", "version", "no field of a request"),
        # times
        ({"id": "a"}, "missing_time", "time", "a repeat would count again"),
        ({"id": "a", "time": None}, "missing_time", "time", "together they are its identity"),
        ({"time": "yesterday"}, "invalid", "time", "RFC 3339"),
        ({"time": "2026-11-23T10:00:00"}, "invalid", "time", 'add "Z"'),
        ({"time": 1_795_428_000}, "looks_like_seconds", "time", "seconds × 1000"),
        ({"time": "1999-12-31T23:59:59.999Z"}, "too_old", "time", "the earliest accepted is 2000-01-01T00:00:00.000Z"),
        ({"time": "1969-12-31T23:59:59Z"}, "too_old", "time", "the earliest accepted"),
        ({"time": "0001-01-01T00:00:00Z"}, "too_old", "time", "the earliest accepted"),
        ({"time": -99_999_999_999_999}, "invalid", "time", "outside the calendar"),
        ({"time": "0001-01-01T00:00:00+14:00"}, "invalid", "time", "outside the calendar"),
        ({"time": "9999-12-31T23:59:59-12:00"}, "invalid", "time", "outside the calendar"),
        ({"time": "2026-11-23T12:10:00.001Z"}, "in_future", "time", "Check the sender's clock"),
        ({"time": "9999-12-31T23:59:59Z"}, "in_future", "time", "Check the sender's clock"),
        (b'{"time": 1e400}', "wrong_type", "time", "out of range"),
        (b'{"time": ' + b"9" * 5000 + b"}", "wrong_type", "time", "out of range"),
        ({"time": 10**30}, "invalid", "time", "outside the calendar"),
        ({"time": 1_795_428_000_000.5}, "invalid", "time", "whole number"),
        ({"time": True}, "wrong_type", "time", "got bool"),
        ({"time": []}, "wrong_type", "time", "got array"),
        # whole numbers
        ({"status": "200"}, "wrong_type", "status", "send a number without quotes"),
        ({"status": 200.5}, "wrong_type", "status", "expected int, got float"),
        ({"status": True}, "wrong_type", "status", "expected int, got bool"),
        ({"status": 1000}, "out_of_range", "status", "at most 999"),
        ({"status": -1}, "out_of_range", "status", "at least 0"),
        ({"duration_ms": 86_400_001}, "out_of_range", "duration_ms", "at most 86400000"),
        ({"duration_ms": -1}, "out_of_range", "duration_ms", "at least 0"),
        ({"characters": 10**12 + 1}, "out_of_range", "characters", "at most 1000000000000"),
        ({"input_tokens": 10**30}, "out_of_range", "input_tokens", "at most 1000000000000"),
        ({"kind": "delivery", "attempt": 0}, "out_of_range", "attempt", "at least 1"),
        # amounts
        ({"credits": -1}, "out_of_range", "credits", "zero or more"),
        ({"credits": "-0.000001"}, "out_of_range", "credits", "zero or more"),
        ({"credits": "NaN"}, "out_of_range", "credits", "zero or more"),
        ({"credits": "sNaN"}, "out_of_range", "credits", "zero or more"),
        ({"credits": "Infinity"}, "out_of_range", "credits", "zero or more"),
        ({"cost": 10**12}, "out_of_range", "cost", "below 1,000,000,000,000"),
        (b'{"credits": 1e400}', "out_of_range", "credits", "below 1,000,000,000,000"),
        (b'{"credits": ' + b"9" * 5000 + b"}", "out_of_range", "credits", "below 1,000,000,000,000"),
        ({"credits": "1.0000001"}, "too_precise", "credits", "at most 6 decimals are kept, so round it"),
        ({"audio_seconds": "1e-7"}, "too_precise", "audio_seconds", "at most 6 decimals"),
        ({"credits": "999999999999.9999999"}, "too_precise", "credits", "at most 6 decimals"),
        ({"credits": "1e-400"}, "too_precise", "credits", "at most 6 decimals"),
        ({"credits": "a lot"}, "wrong_type", "credits", "credits"),
        ({"credits": True}, "wrong_type", "credits", "got bool"),
        ({"cost": 1, "currency": "EUR"}, "currency_mismatch", "currency", "this workspace counts in usd"),
        ({"currency": "eur"}, "currency_mismatch", "currency", "Convert the cost"),
        # texts
        ({"model": 5}, "wrong_type", "model", "expected str, got int"),
        ({"model": "m" * 257}, "too_long", "model", "at most 256 characters"),
        ({"path": "p" * 2049}, "too_long", "path", "at most 2048 characters"),
        ({"model": "a\0b"}, "bad_character", "model", "NUL"),
        ({"id": "\0", "time": TIME}, "bad_character", "id", "NUL"),
        ({"error": {"code": "\0"}}, "bad_character", "error.code", "NUL"),
        ({"attributes": {"k": "\0"}}, "bad_character", "attributes", "NUL"),
        ({"attributes": {"\0": "v"}}, "bad_character", "attributes", "NUL"),
        ({"group_ids": ["g", "\0"]}, "bad_character", "group_ids", "NUL"),
        ({"error": "it failed"}, "wrong_type", "error", "expected object, got str."),
        ({"error": {"code": {"deep": 1}}}, "wrong_type", "error", "error.code: expected str"),
        ({"error": {"message": "m" * 2049}}, "too_long", "error", "at most 2048 characters"),
        ({"ip": "localhost"}, "wrong_type", "ip", "no IPv4 or IPv6 address"),
        ({"ip": "1.2.3.4:80"}, "wrong_type", "ip", "leave it out if unknown"),
        # lists and maps
        ({"group_ids": "g1"}, "wrong_type", "group_ids", "expected array, got str."),
        ({"group_ids": ["g"] * 65}, "too_many", "group_ids", "at most 64"),
        ({"group_ids": ["g" * 257]}, "too_long", "group_ids", "at most 256 characters"),
        ({"attributes": {"k": 1}}, "wrong_type", "attributes", "expected str, got int"),
        ({"attributes": {"k": None}}, "wrong_type", "attributes", "expected str, got null"),
        ({"attributes": ["k"]}, "wrong_type", "attributes", "expected object, got array"),
        ({"attributes": {"": "v"}}, "too_long", "attributes", "1 to 100 characters"),
        ({"attributes": {"k" * 101: "v"}}, "too_long", "attributes", "1 to 100 characters"),
        ({"attributes": {"k": "v" * 2049}}, "too_long", "attributes", "attributes.k is too long"),
        ({"attributes": {str(n): "v" for n in range(65)}}, "too_many", "attributes", "65 keys; at most 64"),
        # size
        ({"attributes": {str(n): "v" * 2000 for n in range(40)}}, "too_large", None, "at most 65,536 are taken"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_refusals_name_the_field_and_the_mend(event: Any, code: str, field: str | None, says: str) -> None:
    found = refused(event)
    assert (found.code, found.field) == (code, field)
    assert says in found.message
    assert len(found.message) < 400
    assert "`" not in found.message, "that is the decoder's own spelling"


def test_a_refusal_says_whose_event_it_is() -> None:
    assert refused({"id": "mine", "time": TIME, "status": -1}).id == "mine"
    assert refused({"id": "mine"}).id == "mine"
    assert refused({"status": -1}).id is None
    assert refused(b"{").id is None
    assert refused({"id": "x" * 300, "time": TIME}).id == "x" * 256


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_whatever_comes_is_a_row_or_a_refusal(raw: bytes) -> None:
    assert isinstance(read(raw), tuple | Rejection)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([f.name for f in FIELDS] + ["error", "kind"]), _JSON, max_size=4))
def test_whatever_stands_in_a_field_is_a_row_or_a_refusal(event: dict[str, Any]) -> None:
    assert isinstance(read(json.dumps(event).encode()), tuple | Rejection)


# --- rows ---------------------------------------------------------------------------------------------------------


def test_a_whole_request_becomes_a_row() -> None:
    sent = {
        "id": "a",
        "time": "2026-11-23T11:00:00.0019+01:00",
        "method": "POST",
        "path": "/v1/voices/42?x=1",
        "status": 0,
        "duration_ms": 0,
        "ttfb_ms": 12,
        "credits": 1.5,
        "cost": "0.000001",
        "group_ids": ["b", "a", "", "b"],
        "error": {"code": "quota", "message": "too much"},
        "attributes": {"team": "rot", "e": ""},
        "ip": "203.0.113.77",
    }
    assert row(sent) == {
        "workspace_id": "ws",
        "id": "a",
        "time": 1_795_428_000_001,
        "method": "POST",
        "status": 0,
        "path": "/v1/voices/42",
        "route": "/v1/voices/{id}",
        "duration_ms": 0,
        "ttfb_ms": 12,
        "credits": "1.500000",
        "cost": "0.000001",
        "currency": "usd",
        "group_ids": ["a", "b"],
        "error_code": "quota",
        "error_message": "too much",
        "attributes": {"team": "rot", "e": ""},
        "ip": "203.0.113.0/24",
    }


def test_a_delivery_becomes_a_row_of_its_own_table() -> None:
    outcome = read({"kind": "delivery", "id": "a", "time": TIME, "status": 500, "attempt": 2, "error": {"code": "x"}})
    assert isinstance(outcome, tuple)
    assert outcome[0] is Subject.DELIVERIES
    assert json.loads(outcome[1])["message_id"] == "a"
    assert row({"kind": "delivery", "id": "a", "time": TIME, "message_id": "m"})["message_id"] == "m"


def test_what_is_absent_stays_absent() -> None:
    assert set(row({"id": "a", "time": TIME})) == {"workspace_id", "time", "id"}
    empty = {f.name: None for f in fields(Subject.REQUESTS) if not (f.stamped or f.inside) and f.name not in ("id", "time")}
    assert set(row({"id": "a", "time": TIME, "error": None, **empty})) == {"workspace_id", "time", "id"}


def test_every_field_of_the_catalogue_is_taken() -> None:
    values = {Type.STRING: "x", Type.INT: 1, Type.DECIMAL: "1", Type.LIST: ["x"], Type.MAP: {"x": "y"}, Type.INSTANT: TIME}
    for kind, subject in (("request", Subject.REQUESTS), ("delivery", Subject.DELIVERIES)):
        event: dict[str, Any] = {"kind": kind, "error": {}}
        for field in fields(subject):
            if field.inside:
                event[field.inside[0]][field.inside[1]] = "x"
            elif not field.stamped:
                event[field.name] = {"ip": "::1", "currency": "usd"}.get(field.name, values[field.type])
        assert set(row(event)) | {"version"} == set(columns(subject)), "the version is given by the writer"


def test_without_id_and_time_an_event_gets_both() -> None:
    first, second = row({}), row({"id": "", "time": None})
    assert first["time"] == second["time"] == NOON
    assert first["id"] != second["id"]
    assert first["id"].startswith("evt_")
    assert row({"time": TIME})["time"] == 1_795_428_000_000


def test_ids_of_ours_sort_by_time() -> None:
    assert new_id(NOON) < new_id(NOON + 1) < new_id(NOON + 10**9)
    assert len({new_id(NOON) for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    ("sent", "user"),
    [
        ({"api_key_id": "key_1"}, "ana"),
        ({"api_key_id": "key_1", "user_id": "ben"}, "ben"),
        ({"api_key_id": "key_1", "user_id": ""}, "ana"),
        ({"api_key_id": "key_2"}, None),
        ({"user_id": "ben"}, "ben"),
    ],
)
def test_a_missing_user_is_the_owner_of_the_key(sent: dict[str, str], user: str | None) -> None:
    assert row(sent).get("user_id") == user


@pytest.mark.parametrize(
    ("amount", "kept"),
    [
        *((0, "0"), (-0.0, "0"), (1.5, "1.5"), ("1.50", "1.5"), (0.1, "0.1"), (1e-6, "0.000001"), ("1.0000000", "1")),
        *(("999999999999.999999", "999999999999.999999"), (999_999_999_999, "999999999999"), ("1e3", "1000")),
    ],
)
def test_amounts_are_kept_to_the_last_digit(amount: Any, kept: str) -> None:
    assert Decimal(row({"credits": amount})["credits"]) == Decimal(kept)


@pytest.mark.parametrize(("sent", "currency"), [({"cost": 1}, "usd"), ({"cost": 1, "currency": "USD"}, "usd"), ({}, None)])
def test_a_cost_has_the_workspaces_currency(sent: dict[str, Any], currency: str | None) -> None:
    assert row(sent).get("currency") == currency


def test_the_last_of_two_equal_names_counts_as_in_every_json() -> None:
    assert row(b'{"model": "a", "model": "b"}')["model"] == "b"


def test_the_edges_of_time_are_taken() -> None:
    assert row({"id": "a", "time": "2000-01-01T00:00:00Z"})["time"] == 946_684_800_000
    assert row({"id": "a", "time": "2026-11-23T12:10:00Z"})["time"] == NOON + 600_000


def test_limits_are_settings() -> None:
    reader = EventReader(Settings(max_text=16, max_attributes=1, max_groups=1, max_future_seconds=0))
    assert refused({"model": "m" * 17}, reader).code == "too_long"
    assert refused({"attributes": {"a": "", "b": ""}}, reader).code == "too_many"
    assert refused({"group_ids": ["a", "b"]}, reader).code == "too_many"
    assert refused({"time": NOON + 1}, reader).code == "in_future"


# --- routes, addresses, versions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM/stream", "/v1/text-to-speech/{id}/stream"),
        ("/v1/history/42", "/v1/history/{id}"),
        ("/v1/x/6f9619ff-8b86-d011-b42d-00c04fc964ff", "/v1/x/{id}"),
        ("/v1/x/6F9619FF-8B86-D011-B42D-00C04FC964FF/y/7", "/v1/x/{id}/y/{id}"),
        ("/v1/x/deadbeef1", "/v1/x/{id}"),
        ("/v1/agents/agent_01k5x3y9zz", "/v1/agents/{id}"),
        ("/req_01K43", "/req_01K43"),
        ("/v1/voices", "/v1/voices"),
        ("/v2/text-to-speech", "/v2/text-to-speech"),
        ("/v1/deadbeef/facade", "/v1/deadbeef/facade"),
        ("/v1/user_profile", "/v1/user_profile"),
        ("/v1/internationalization", "/v1/internationalization"),
        ("/v1/oauth2/token", "/v1/oauth2/token"),
        ("/", "/"),
        ("", ""),
        ("//", "//"),
    ],
)
def test_id_like_parts_of_a_path_become_a_template(path: str, route: str) -> None:
    assert route_of(path) == route


def test_a_route_that_is_sent_wins() -> None:
    assert row({"path": "/v1/history/42", "route": "/v1/history/:id"})["route"] == "/v1/history/:id"


@pytest.mark.parametrize(
    ("sent", "cut", "full"),
    [
        ("203.0.113.77", "203.0.113.0/24", "203.0.113.77"),
        (" 203.0.113.77 ", "203.0.113.0/24", "203.0.113.77"),
        ("203.0.113.77/32", "203.0.113.0/24", "203.0.113.77"),
        ("203.0.113.0/24", "203.0.113.0/24", "203.0.113.0/24"),
        ("203.0.0.0/16", "203.0.0.0/16", "203.0.0.0/16"),
        ("2001:db8:1:2::3", "2001:db8:1::/48", "2001:db8:1:2::3"),
        ("2001:DB8:1:2::/64", "2001:db8:1::/48", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/48", "fe80::1"),
        ("::1", "::/48", "::1"),
        ("::ffff:203.0.113.77", "203.0.113.0/24", "203.0.113.77"),
    ],
)
def test_addresses_are_cut_unless_they_are_kept(sent: str, cut: str, full: str) -> None:
    assert kept_ip(sent, False) == cut  # noqa: FBT003
    assert kept_ip(sent, True) == full  # noqa: FBT003


def test_a_workspace_may_keep_whole_addresses() -> None:
    outcome = READER.read(0, b'{"ip": "203.0.113.77"}', replace(STAMP, full_ip=True))
    assert isinstance(outcome, tuple)
    assert json.loads(outcome[1])["ip"] == "203.0.113.77"


def test_the_first_arrival_has_the_highest_version_and_a_revision_beats_all() -> None:
    now = NOON * 1000
    assert version(now) > version(now + 1) > version(now + 10**15) > 0
    assert version(now + 10**15, 1) > version(now)
    assert version(now, 2) > version(0, 1)
    assert version(0, 2047) < 2**64
    assert REVISION_STEP - 1 - version(now, 3) % REVISION_STEP == now

"""The collecting door: every form of a batch, receipts to the letter, limits by name."""

import gzip
import json
import zlib
from typing import Any

import httpx2
import pytest
from backports import zstd

from tests.house import NOON, House
from tests.web.conftest import Place
from tests.web.sending import EVENT, LINE, ONE, send, totals
from tests.web.test_problems import problem
from usagedeck.times import DAY, MINUTE

# --- forms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (LINE, ""),
        (LINE, "identity"),
        (LINE + b"\n", ""),
        (json.dumps([EVENT]).encode(), ""),
        (json.dumps([EVENT], indent=4).encode(), ""),
        (b" \r\n\t [" + LINE + b"] \n", ""),
        (b"\n\n" + LINE + b"\r\n \n", ""),
        (gzip.compress(LINE, mtime=0), "gzip"),
        (gzip.compress(LINE, mtime=0), "GZIP"),
        (gzip.compress(LINE, mtime=0) + gzip.compress(b"\n", mtime=0), "gzip"),
        (gzip.compress(LINE[:20], mtime=0) + gzip.compress(LINE[20:], mtime=0), "gzip"),
        (zstd.compress(json.dumps([EVENT]).encode()), "zstd"),
        (zstd.compress(LINE[:20]) + zstd.compress(LINE[20:]), "zstd"),
    ],
)
def test_every_form_of_a_batch_is_taken(sender: httpx2.Client, body: bytes, encoding: str) -> None:
    answer = send(sender, body, **({"content_encoding": encoding} if encoding else {}))
    assert (answer.status_code, answer.json()) == (200, ONE)
    assert totals(sender) == (1, "1.5")


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson", "text/plain", "image/png", ""])
def test_the_content_type_does_not_matter(sender: httpx2.Client, kind: str) -> None:
    assert send(sender, LINE, content_type=kind).json() == ONE


@pytest.mark.parametrize("size", [1, 7, 100])
def test_a_body_may_come_in_pieces(sender: httpx2.Client, size: int) -> None:
    packed = gzip.compress(LINE + b"\n" + LINE.replace(b'"a"', b'"b"'))
    pieces = (packed[at : at + size] for at in range(0, len(packed), size))
    assert send(sender, pieces, content_encoding="gzip").json() == {"accepted": 2, "rejected": []}


@pytest.mark.parametrize("body", [b"", b"\n \r\n", b"[]", b" [ ] "])
def test_nothing_is_a_batch_too(sender: httpx2.Client, body: bytes) -> None:
    answer = send(sender, body)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 0, "rejected": []})


def test_requests_and_deliveries_come_together(sender: httpx2.Client) -> None:
    assert (
        send(sender, [EVENT, {**EVENT, "kind": "request", "id": "b"}, {"kind": "delivery", "time": NOON}]).json()["accepted"] == 3
    )
    log = sender.get("/api/v1/deliveries", params={"start": NOON, "end": NOON + 1, "columns": "id,message_id"}).json()
    assert len(log["rows"]) == 1
    assert log["rows"][0][0] == log["rows"][0][1]


def test_an_event_sent_again_counts_once(sender: httpx2.Client) -> None:
    for body in ([EVENT, EVENT], [EVENT], [{**EVENT, "credits": "99"}]):
        assert send(sender, body).json()["accepted"] == len(body)
    assert totals(sender) == (1, "1.5")
    assert send(sender, [{**EVENT, "time": "2026-11-22T10:00:00.001Z"}]).json() == ONE
    assert totals(sender) == (2, "3")


def test_an_event_without_an_id_counts_every_time(sender: httpx2.Client) -> None:
    for _ in range(2):
        assert send(sender, [{"credits": "1"}]).json() == ONE
    assert totals(sender) == (0, "0")  # they began now, and now is not yet over
    assert sender.get("/api/v1/usage", params={"start": NOON, "end": NOON + 1, "interval": "total"}).json()["rows"][0][2] == 2


# --- receipts -----------------------------------------------------------------------------------------------------


def test_a_bad_event_does_not_sink_its_batch(sender: httpx2.Client) -> None:
    body = b"\n".join([LINE, b"", b"{oops", b'{"id": "x", "time": 5}', LINE.replace(b'"a"', b'"b"'), b'"text"'])
    answer = send(sender, body)
    assert answer.status_code == 200
    receipt = answer.json()
    assert set(receipt) == {"accepted", "rejected"}
    assert receipt["accepted"] == 2
    for one in receipt["rejected"]:
        assert set(one) == {"index", "id", "code", "field", "message"}
    assert [(one["index"], one["id"], one["code"], one["field"]) for one in receipt["rejected"]] == [
        (1, None, "malformed", None),
        (2, "x", "looks_like_seconds", "time"),
        (4, None, "malformed", None),
    ]
    assert totals(sender) == (2, "3")


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"time": 0}, "looks_like_seconds", "time"),
        ({"time": 1_795_435_200}, "looks_like_seconds", "time"),
        ({"time": "1795435200"}, "looks_like_seconds", "time"),
        ({"time": "1970-01-01T00:00:00Z"}, "too_old", "time"),
        ({"time": "1999-12-31T23:59:59.999Z"}, "too_old", "time"),
        ({"time": -1}, "too_old", "time"),
        ({"time": -200_000_000_000_000}, "invalid", "time"),
        ({"time": 10**30}, "invalid", "time"),
        ({"time": NOON + 10 * MINUTE + 1}, "in_future", "time"),
        ({"time": "2999-01-01T00:00:00Z"}, "in_future", "time"),
        ({"time": "9999-12-31T23:59:59-23:59"}, "invalid", "time"),
        ({"time": "2026-11-22T10:00:00"}, "invalid", "time"),
        ({"time": "yesterday"}, "invalid", "time"),
        ({"time": 1_795_435_200_000.5}, "invalid", "time"),
        ({"time": None}, "missing_time", "time"),
        ({"time": []}, "wrong_type", "time"),
        ({"status": "200"}, "wrong_type", "status"),
        ({"status": 200.5}, "wrong_type", "status"),
        ({"status": -1}, "out_of_range", "status"),
        ({"status": 1000}, "out_of_range", "status"),
        ({"duration_ms": DAY + 1}, "out_of_range", "duration_ms"),
        ({"credits": -1}, "out_of_range", "credits"),
        ({"credits": "1e12"}, "out_of_range", "credits"),
        ({"credits": "0.0000001"}, "too_precise", "credits"),
        ({"credits": "NaN"}, "out_of_range", "credits"),
        ({"credits": "lots"}, "wrong_type", "credits"),
        ({"model": 5}, "wrong_type", "model"),
        ({"model": "m" * 257}, "too_long", "model"),
        ({"path": "/" * 2049}, "too_long", "path"),
        ({"model": "a\0b"}, "bad_character", "model"),
        ({"attributes": {"a\0": "b"}}, "bad_character", "attributes"),
        ({"error": {"message": "\0"}}, "bad_character", "error.message"),
        ({"group_ids": ["g\0"]}, "bad_character", "group_ids"),
        ({"group_ids": [str(n) for n in range(65)]}, "too_many", "group_ids"),
        ({"attributes": {str(n): "" for n in range(65)}}, "too_many", "attributes"),
        ({"attributes": {"": "x"}}, "too_long", "attributes"),
        ({"attributes": {"k" * 101: "x"}}, "too_long", "attributes"),
        ({"attributes": {"k": 5}}, "wrong_type", "attributes"),
        ({"attributes": {"k": "x" * 70_000}}, "too_large", None),
        ({"ip": "over there"}, "wrong_type", "ip"),
        ({"cost": "1", "currency": "eur"}, "currency_mismatch", "currency"),
        ({"kind": "response"}, "unknown_kind", "kind"),
        ({"kind": "delivery"}, "unknown_field", "method"),
        ({"modle": "x"}, "unknown_field", "modle"),
        ({"error": {"kode": "x"}}, "unknown_field", "error.kode"),
        ({"arrived": 5}, "unknown_field", "arrived"),
        ({"version": 5}, "unknown_field", "version"),
        ({"workspace_id": "ws-other"}, "unknown_field", "workspace_id"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_refusal_names_the_field_and_the_reason(
    sender: httpx2.Client, wrong: dict[str, Any], code: str, field: str | None
) -> None:
    answer = send(sender, [{**EVENT, **wrong}])
    assert answer.status_code == 422
    (one,) = answer.json()["rejected"]
    assert (one["index"], one["id"], one["code"], one["field"]) == (0, "a", code, field)
    assert answer.json()["accepted"] == 0
    assert len(one["message"]) < 400
    assert totals(sender)[0] == 0


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"modle": "x"}, 'Did you mean "model"?'),
        ({"modle": "x"}, "attributes"),
        ({"status": "200"}, "without quotes"),
        ({"time": 1_795_435_200}, "milliseconds"),
        ({"time": NOON + DAY}, "the latest accepted now is 2026-11-23T12:10:00.000Z"),
        ({"credits": "0.0000001"}, "6 decimals"),
        ({"attributes": {"k": "x" * 70_000}}, "max_event_bytes"),
        ({"attributes": {str(n): "" for n in range(65)}}, "max_attributes"),
        ({"kind": "response"}, '"request" or "delivery"'),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_refusal_says_how_to_mend_it(sender: httpx2.Client, wrong: dict[str, Any], hint: str) -> None:
    assert hint in send(sender, [{**EVENT, **wrong}]).json()["rejected"][0]["message"]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"null",
        b"17",
        b"[1]",
        b'{"time": NaN}',
        b'{"id": "\xff"}',
        b'{"id": "\\ud800"}',
        b"{'id': 'a'}",
        b'{"a": ' * 50_00 + b"}" * 50_00,
        b"\x00",
        b"PK\x03\x04",
        b"x" * 70_000,
    ],
    ids=lambda line: repr(line[:12]),
)
def test_a_line_that_is_no_event_is_refused_alone(sender: httpx2.Client, line: bytes) -> None:
    receipt = send(sender, line if line[:1] == b"[" else LINE + b"\n" + line).json()
    assert receipt["rejected"]
    assert receipt["accepted"] == (0 if line[:1] == b"[" else 1)


@pytest.mark.parametrize("value", [0, 101, 599, 999])
def test_the_edges_of_what_is_taken(sender: httpx2.Client, value: int) -> None:
    edge = {
        "id": "i" * 256,
        "time": NOON + 10 * MINUTE,
        "status": value,
        "duration_ms": DAY,
        "credits": "999999999999.999999",
        "path": "/" * 2048,
        "group_ids": [str(n) for n in range(64)],
        "attributes": {"k" * 100: "v" * 2048},
    }
    assert send(sender, [edge]).json() == ONE
    oldest = {"id": "o", "time": "2000-01-01T00:00:00Z"}
    assert send(sender, [oldest]).json() == ONE


# --- whole bodies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"not gzip", "gzip"),
        (gzip.compress(LINE, mtime=0)[:-4], "gzip"),
        (gzip.compress(LINE, mtime=0)[:10], "gzip"),
        (gzip.compress(LINE, mtime=0) + b"garbage", "gzip"),
        (zlib.compress(LINE), "gzip"),
        (LINE, "zstd"),
        (zstd.compress(LINE)[:-3], "zstd"),
        (b"[" + LINE, ""),
        (b"[" + LINE + b",]", ""),
        (b"[" + LINE + b"] x", ""),
        (b"[" * 100_000, ""),
    ],
)
def test_a_broken_body_is_refused_whole(sender: httpx2.Client, body: bytes, encoding: str) -> None:
    answer = send(sender, body, **({"content_encoding": encoding} if encoding else {}))
    assert problem(answer, 400)["code"] == "malformed"
    assert totals(sender)[0] == 0


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x" * 1000])
def test_an_unknown_encoding_is_refused_with_the_known_ones(sender: httpx2.Client, encoding: str) -> None:
    body = problem(send(sender, LINE, content_encoding=encoding), 400)
    assert (body["code"], "identity, gzip, zstd" in body["detail"]) == ("unknown_encoding", True)


def test_too_many_events_are_refused_whole(place: Place, sender: httpx2.Client) -> None:
    most = place.deck.settings.max_batch_events
    body = problem(send(sender, b"{}\n" * (most + 1)), 413)
    assert (body["code"], "max_batch_events" in body["detail"], f"{most:,}" in body["detail"]) == ("too_many_events", True, True)
    assert totals(sender)[0] == 0


def bomb(megabytes: int) -> bytes:
    """That many megabytes of blanks, a thousand times smaller."""
    packer = zlib.compressobj(wbits=31)
    return b"".join([packer.compress(b" " * 2**20) for _ in range(megabytes)] + [packer.flush()])


@pytest.mark.parametrize("kind", ["plain", "gzip", "zstd"])
def test_a_body_is_counted_as_it_unpacks(place: Place, sender: httpx2.Client, kind: str) -> None:
    limit = place.deck.settings.max_body_bytes
    if kind == "plain":
        answer = send(sender, (b" " * 2**20 for _ in range(limit // 2**20 + 1)))
    elif kind == "gzip":
        answer = send(sender, bomb(limit // 2**20 + 1), content_encoding="gzip")
    else:
        answer = send(sender, zstd.compress(b" " * (limit + 1)), content_encoding="zstd")
    body = problem(answer, 413)
    assert (body["code"], "max_body_bytes" in body["detail"], f"{limit:,}" in body["detail"]) == ("too_large", True, True)


def test_who_may_not_send_is_told_before_the_body_is_read(place: Place, tenant: House) -> None:
    with place.client() as nobody:
        assert problem(send(nobody, [EVENT]), 401)["code"] == "needs_authorization"
    with place.client("wrong") as stranger:
        assert problem(send(stranger, b"\x00" * 100, content_encoding="gzip"), 401)["code"] == "invalid_api_key"

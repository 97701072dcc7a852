"""Headers and bodies: what is kept of them, beside which event, for how long, and what an erasure leaves."""

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.exchanging import collecting, renewed, request, rows, sent, shown, with_body
from tests.house import NOON, House, StillClock, build_house
from usagedeck import admin, erasure, listing
from usagedeck.access import Permission
from usagedeck.catalog.dimensions import Label
from usagedeck.catalog.kinds import Subject
from usagedeck.deck import Deck, open_deck
from usagedeck.errors import InvalidInput, NotFound
from usagedeck.exchanges import MAX_PACKED, Fate
from usagedeck.settings import Settings
from usagedeck.sql import Statement

AUDIO = bytes(range(256)) * 4


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deck]:
    """For whoever needs no clock and no store of their own."""
    with open_deck(Settings(data_dir=tmp_path_factory.mktemp("exchanges"), min_free_bytes=0), StillClock()) as deck:
        yield deck


@pytest.fixture
def shut(shared: Deck) -> House:
    """A new workspace on it."""
    return build_house(shared)


@pytest.fixture
def open_house(shut: House) -> House:
    """One that collects."""
    return collecting(shut)


# --- what is kept -------------------------------------------------------------------------------------------------


def test_nothing_is_kept_unless_the_workspace_says_so(shut: House) -> None:
    receipt = shut.send([with_body(), request("r2")])
    assert (receipt.accepted, receipt.exchanges) == (2, {Fate.SWITCHED_OFF: 1})
    assert rows(shut) == 0
    assert shown(shut) == listing.Exchange(NOON, "r1", None, None, expired=False)


def test_both_sides_of_both_kinds(open_house: House) -> None:
    sides: dict[str, Any] = {
        "request": {"headers": {"Content-Type": "application/json", "X-Many": ["a", "b"]}, "body": {"text": "hi", "n": 1.50}},
        "response": {"headers": [["content-type", "audio/mpeg"]], "body": base64.b64encode(AUDIO).decode(), "encoding": "base64"},
    }
    receipt = open_house.send([request(**sides), {"kind": "delivery", "id": "d1", "time": NOON, "webhook_id": "w", **sides}])
    assert (receipt.accepted, receipt.exchanges) == (2, {Fate.KEPT: 2})
    for id_, of in (("r1", Subject.REQUESTS), ("d1", Subject.DELIVERIES)):
        found = shown(open_house, id_, of)
        assert found.request is not None
        assert found.response is not None
        assert found.request.headers == [("Content-Type", "application/json"), ("X-Many", "a"), ("X-Many", "b")]
        assert (found.request.body, found.request.base64) == ('{"text": "hi", "n": 1.5}', False)
        assert base64.b64decode(found.response.body or "") == AUDIO
        assert (found.response.base64, found.response.size, found.response.cut_at) == (True, len(AUDIO), None)


def test_the_event_itself_is_what_it_would_be_without(open_house: House) -> None:
    """Whichever way it goes in, plainly or by a closer look."""
    odd = {"credits": "1.5", "error": {"code": "x"}, "cost": 2, "ip": "10.1.2.3", "attributes": {"a": "b\\u0000"[:2]}}
    open_house.send([request("a", **odd), with_body("b", **odd)])
    text = "SELECT * EXCEPT (id, version) FROM requests FINAL WHERE workspace_id = {w:String} ORDER BY id"
    first, second = open_house.deck.store.run(Statement(text, {"w": open_house.workspace_id}, ("row",)))
    assert first == second


def test_texts_stay_as_they_are_and_bytes_become_base64(open_house: House) -> None:
    bodies: list[tuple[Any, str, bool]] = [
        ("grüße\n\ttab \u0000 nul", "grüße\n\ttab \u0000 nul", False),
        ([1, {"a": None}], '[1, {"a": null}]', False),
        ("", "", False),
        (12, "12", False),
    ]
    open_house.send([with_body(f"t{n}", body) for n, (body, _, _) in enumerate(bodies)])
    for n, (_, text, packed) in enumerate(bodies):
        kept = sent(open_house, f"t{n}")
        assert (kept.body, kept.base64, kept.size) == (text, packed, len(text.encode())), text
    encoded = [("utf", "grüße".encode(), ""), ("latin", "grüße".encode("latin-1"), "text/plain; charset=ISO-8859-1")]
    encoded += [("wide", "grüße".encode("utf-16"), "")]
    for id_, data, kind in encoded:
        side = {"headers": {"content-type": kind}, "body": base64.b64encode(data).decode(), "encoding": "base64"}
        open_house.send([request(id_, request=side)])
        assert (sent(open_house, id_).body, sent(open_house, id_).base64) == ("grüße", False), "bytes that are text are text"


def test_packed_bodies_are_unpacked(open_house: House) -> None:
    secret = {"password": "hunter2", "text": "hello"}
    side = {
        "headers": {"content-encoding": "gzip"},
        "body": base64.b64encode(gzip.compress(json.dumps(secret).encode())).decode(),
    }
    open_house.send([request(request={**side, "encoding": "base64"})])
    assert sent(open_house).body == '{"password":"[redacted]","text":"hello"}'
    odd = {"headers": {"content-encoding": "br"}, "body": base64.b64encode(AUDIO).decode(), "encoding": "base64"}
    assert open_house.send([request("br", request=odd)]).exchanges == {Fate.KEPT: 1, Fate.UNSURE: 1}
    assert (sent(open_house, "br").body, sent(open_house, "br").left_out) == (
        None,
        "packed in a way that cannot be unpacked here",
    )


@pytest.mark.parametrize(
    ("kind", "packing"),
    [("application/json; charset=UTF-16LE", ""), ("", "gzip, gzip"), ("", "deflate, gzip"), ("", "gzip")],
)
def test_what_is_packed_twice_or_in_wide_letters_hides_nothing(open_house: House, kind: str, packing: str) -> None:
    data = '{"password":"hunter2"}'.encode("utf-16-le" if kind else "utf-8")
    if packing:
        data = gzip.compress(zlib.compress(data) if "deflate" in packing else gzip.compress(data))
    headers = {"content-type": kind, "content-encoding": packing}
    side = {"headers": headers, "body": base64.b64encode(data).decode(), "encoding": "base64"}
    open_house.send([request(request=side)])
    assert sent(open_house).body == '{"password":"[redacted]"}'


def test_what_is_packed_too_often_is_left_out(open_house: House) -> None:
    data = b"hello"
    for _ in range(MAX_PACKED + 1):
        data = gzip.compress(data)
        id_ = str(len(data))
        open_house.send([request(id_, request={"body": base64.b64encode(data).decode(), "encoding": "base64"})])
        last = sent(open_house, id_)
        assert (last.body, last.left_out) in (("hello", ""), (None, "packed too often"))
    assert last.body is None


def test_large_bodies_are_cut_and_larger_ones_left_out(open_house: House) -> None:
    most, largest = open_house.deck.settings.kept_body_bytes, open_house.deck.settings.max_exchange_bytes
    long = "é" * most
    receipt = open_house.send([with_body("cut", long), with_body("out", "x" * (largest + 1)), with_body("said", "short")])
    assert receipt.exchanges == {Fate.KEPT: 3, Fate.TOO_LARGE: 1}
    cut = sent(open_house, "cut")
    assert (cut.body, cut.size, cut.cut_at) == (long[: most // 2], 2 * most, most)
    out = sent(open_house, "out")
    assert (out.body, out.size, out.cut_at) == (None, largest + 1, None)
    assert out.headers == [("Content-Type", "text/plain")]
    assert out.left_out == f"larger than {largest:,} bytes"
    open_house.send([request("cutter", request={"body": "abc", "size": 5000})])
    assert (sent(open_house, "cutter").size, sent(open_house, "cutter").cut_at) == (5000, 3), "the sender has cut it already"


def test_an_event_may_be_as_large_as_ever_beside_its_bodies(open_house: House) -> None:
    most = open_house.deck.settings.max_event_bytes
    assert open_house.send([with_body("ok", "x" * most)]).accepted == 1
    (refused,) = open_house.send([with_body("no", attributes={"a": "x" * most})]).rejected
    assert (refused.id, refused.code) == ("no", "too_large")


@pytest.mark.parametrize(
    ("side", "code"),
    [
        ("text", "wrong_type"),
        ([], "wrong_type"),
        ({"headers": "a: b"}, "wrong_type"),
        ({"headers": {"a": 1}}, "wrong_type"),
        ({"header": {"a": "b"}}, "unknown_field"),
        ({"body": "***", "encoding": "base64"}, "malformed"),
        ({"body": "x", "encoding": "gzip"}, "wrong_type"),
        ({"size": -1}, "wrong_type"),
    ],
)
def test_what_is_no_exchange_is_refused_with_its_event(open_house: House, side: Any, code: str) -> None:
    receipt = open_house.send([request(response=side), request("r2")])
    (refused,) = receipt.rejected
    assert (receipt.accepted, refused.id, refused.code, refused.field) == (1, "r1", code, "response")
    assert "gzip" not in refused.message, "a complaint repeats no values"
    assert "***" not in refused.message


def test_where_none_are_collected_nobody_looks(shut: House) -> None:
    assert shut.send([request(request={"headers": "nonsense"})]).exchanges == {Fate.SWITCHED_OFF: 1}


def test_rules_of_the_workspace(shut: House) -> None:
    house = shut
    redactions = ["header:x-customer", "json:$.card.number", "pattern:CUST-[0-9]+", "region"]
    collecting(house, redactions=redactions)
    assert house.do(admin.PutWorkspace(workspace=house.workspace_id))["redactions"] == tuple(sorted(redactions))
    house = renewed(house)
    side = {"headers": {"X-Customer": "Bob", "authorization": "x"}, "body": {"card": {"number": 4}, "note": "CUST-7"}}
    house.send([request(request=side, region="eu")])
    kept = sent(house)
    assert kept.headers == [("X-Customer", "[redacted]"), ("authorization", "[redacted]")]
    assert (kept.body, kept.redacted) == ('{"card":{"number":"[redacted]"},"note":"[redacted]"}', 4)
    for wrong in ("pattern:(", "json:x", "nonsense"):
        with pytest.raises(InvalidInput):
            house.do(admin.PutWorkspace(workspace=house.workspace_id, redactions=[wrong]))


# --- whose it is --------------------------------------------------------------------------------------------------


def test_the_body_is_that_of_the_event_that_counts(open_house: House) -> None:
    open_house.send([with_body("a", "first"), request("b")])
    open_house.send([with_body("a", "second"), with_body("b", "too late")])
    open_house.send([request("c"), with_body("c", "behind in its batch"), with_body("d", "1"), with_body("d", "2")])
    assert [sent(open_house, id_).body for id_ in "ad"] == ["first", "1"]
    assert [shown(open_house, id_).request for id_ in "bc"] == [None, None]
    open_house.deck.store.execute(Statement("OPTIMIZE TABLE exchanges FINAL", {}, ()))
    open_house.deck.store.execute(Statement("OPTIMIZE TABLE requests FINAL", {}, ()))
    open_house.send([with_body("a", "third")])
    assert sent(open_house, "a").body == "first", "also after a merge"


def test_an_exchange_without_its_event_is_nobodys(open_house: House) -> None:
    """What a crash between the two leaves: the event is sent again, with another body."""
    deck = open_house.deck
    lines = [{"workspace_id": open_house.workspace_id, "subject": "requests", "time": NOON, "id": "r1", "version": 2**52 - 1}]
    deck.store.insert_exchanges(json.dumps(lines[0] | {"request": '{"body":"torn"}'}).encode())
    open_house.send([with_body("r1", "whole")])
    deck.store.execute(Statement("OPTIMIZE TABLE exchanges FINAL", {}, ()))
    assert sent(open_house).body == "whole"


def test_one_of_several_events_with_an_id(open_house: House) -> None:
    open_house.send([with_body("r1", "old", time=NOON - 1000), with_body("r1", "new")])
    assert sent(open_house).body == "new"
    old = shown(open_house, at=NOON - 1000).request
    assert old is not None
    assert old.body == "old"
    with pytest.raises(NotFound):
        shown(open_house, at=NOON - 1)


def test_only_those_who_see_the_event_see_its_body(open_house: House) -> None:
    _, ben = open_house.key_who(user="ben", permissions=[Permission.READ])
    open_house.send([with_body("mine", user_id="ben"), with_body("hers")])
    theirs = House(open_house.deck, open_house.workspace_id, "", ben)
    assert sent(theirs, "mine").body == "hello"
    with pytest.raises(NotFound):
        shown(theirs, "hers")
    with pytest.raises(NotFound):
        shown(build_house(open_house.deck, "other"), "hers")


# --- for how long -------------------------------------------------------------------------------------------------


def test_ages(shut: House) -> None:
    def put(**more: Any) -> dict[str, Any]:
        return shut.do(admin.PutWorkspace(workspace=shut.workspace_id, **more))

    assert (put()["exchanges"], put()["exchange_days"]) == (False, None)
    assert put(exchanges=True)["exchange_days"] == 30
    assert put(retention_days=7)["exchange_days"] == 7, "never longer than the events"
    assert put(retention_days=60)["exchange_days"] == 7
    with pytest.raises(InvalidInput, match="at most as long") as refused:
        put(exchange_days=61)
    assert refused.value.field == "exchange_days"
    assert put(exchange_days=60, exchanges=False) == put() | {"exchanges": False, "exchange_days": 60}
    shut.do(admin.SetRetention(workspace=shut.workspace_id, days=5))
    assert put()["exchange_days"] == 5
    fresh = shut.do(admin.PutWorkspace(workspace="fresh", exchanges=True, retention_days=3))
    assert (fresh["exchanges"], fresh["exchange_days"]) == (True, 3)


# --- erasure ------------------------------------------------------------------------------------------------------


def test_an_erasure_takes_them(open_house: House) -> None:
    deck = open_house.deck
    hook = {"kind": "delivery", "time": NOON, "webhook_id": "w", "request": {"body": "to the hook"}}
    open_house.send(
        [with_body("a", "zed was here", user_id="zed"), with_body("b"), with_body("k", api_key_id="key_z", user_id="zed")]
    )
    open_house.send([{**hook, "id": "d1", "request_id": "a"}, {**hook, "id": "d2", "request_id": "b"}])
    open_house.send([with_body("a", "again", user_id="zed"), with_body("b", "names zed")])
    workspace = deck.directory.workspaces.get(open_house.workspace_id)
    assert workspace is not None
    assert sent(open_house, "a").body == "zed was here"
    receipt = erasure.erase(deck, workspace, Label.USER, "zed")
    assert (receipt["found"]["exchanges"], receipt["left"]["exchanges"]) == (4, 0), "both copies of a, k, and what a caused"
    for id_, of in (("a", Subject.REQUESTS), ("k", Subject.REQUESTS), ("d1", Subject.DELIVERIES)):
        assert shown(open_house, id_, of).request is None
    assert sent(open_house, "b").body == "hello"
    assert shown(open_house, "d2", Subject.DELIVERIES).request is not None
    assert {"where": "exchanges.request", "rows": 1} in receipt["mentions"]
    open_house.send([with_body("a", "back", user_id="zed"), with_body("new", "late", user_id="zed"), with_body("c", "other")])
    assert [shown(open_house, id_).request for id_ in ("a", "new")] == [None, None], "what comes later comes without"
    assert sent(open_house, "c").body == "other"
    assert erasure.erase(deck, workspace, Label.USER, "zed")["found"]["exchanges"] == 4, "there was nothing more"
    text = "SELECT count() FROM exchanges WHERE workspace_id = {w:String} AND match(request, 'back|late|zed was')"
    assert int(deck.store.run(Statement(text, {"w": workspace.id}, ("n",)))[0][0]) == 0


def test_an_erasure_finds_what_a_crash_left_without_its_event(open_house: House) -> None:
    deck = open_house.deck
    row = {
        "workspace_id": open_house.workspace_id,
        "subject": "requests",
        "time": NOON,
        "id": "r1",
        "version": 5,
        "user_id": "zed",
    }
    deck.store.insert_exchanges(json.dumps(row | {"request": '{"body":"torn"}'}).encode())
    workspace = deck.directory.workspaces.get(open_house.workspace_id)
    assert workspace is not None
    assert erasure.erase(deck, workspace, Label.USER, "zed")["found"]["exchanges"] == 1
    assert rows(open_house) == 0


def test_the_doctor_knows_them(open_house: House) -> None:
    open_house.send([with_body()])
    facts = open_house.do(admin.Examine())
    found = facts["exchanges"]
    assert open_house.workspace_id in found["collecting"]
    assert (found["rows"] > 0, found["bytes"] > 0, found["first_day"]) == (True, True, "2026-11-23")
    assert "exchanges" in {row["table"] for row in facts["tables"]}
    (days,) = (row["exchange_days"] for row in facts["retention"] if row["workspace"] == open_house.workspace_id)
    assert days == 30

"""Batches: a bad event never sinks its neighbours, a repeat counts once, and the receipt tells what became of each."""

import json
import threading
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.house import NOON, House, StillClock, build_house
from usagedeck import access, admin, ingest, listing, report
from usagedeck.access import Permission
from usagedeck.catalog.dimensions import log_field
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.deck import Deck
from usagedeck.errors import InvalidInput, NotAllowed, StorageFull
from usagedeck.query import LogQuery, Query, Selection
from usagedeck.times import DAY, zone
from usagedeck.windows import Interval, Window

WINDOW = Window(NOON - 400 * DAY, NOON + DAY, zone("UTC"))


def event(id_: str, amount: str = "1", time: int | str = NOON - 1000, **more: Any) -> dict[str, Any]:
    return {"id": id_, "time": time, "credits": amount, **more}


def totals(house: House) -> tuple[int, Decimal]:
    query = Query(Selection(Subject.REQUESTS, WINDOW), (METRICS["requests"], METRICS["credits"]), Interval.parse("total"))
    row = next(iter(report.usage(house.deck, house.who, None, query).table.rows))
    return row[2], row[3]


def log(house: House, *columns: str) -> list[list[Any]]:
    query = LogQuery(Selection(Subject.REQUESTS, WINDOW), tuple(log_field(c, Subject.REQUESTS) for c in columns))
    return [list(row) for row in listing.log(house.deck, house.who, None, query).table.rows]


def test_a_bad_event_never_sinks_its_neighbours(house: House) -> None:
    good = [event(f"good {n}") for n in range(3)]
    bad: list[Any] = [
        b"{",
        {"id": "x"},
        event("y", status=-1),
        event("z", "1.0000001"),
        b'{"model": "\xff"}',
        event("w", modle="a"),
    ]
    batch = [good[0], bad[0], bad[1], good[1], *bad[2:], good[2]]
    receipt = house.send(batch)
    assert receipt.accepted == 3
    assert [(r.index, r.id, r.code) for r in receipt.rejected] == [
        (1, None, "malformed"),
        (2, "x", "missing_time"),
        (4, "y", "out_of_range"),
        (5, "z", "too_precise"),
        (6, None, "malformed"),
        (7, "w", "unknown_field"),
    ]
    assert not receipt.refused
    assert [row[0] for row in log(house, "id")] == ["good 2", "good 1", "good 0"]


def test_a_batch_of_nothing_but_bad_events_is_refused_whole(house: House) -> None:
    receipt = house.send([{"id": "x"}, b"nonsense"])
    assert (receipt.accepted, len(receipt.rejected), receipt.refused) == (0, 2, True)
    assert log(house, "id") == []


def test_an_empty_batch_is_no_refusal(house: House) -> None:
    receipt = house.send([])
    assert (receipt.accepted, receipt.rejected, receipt.refused) == (0, (), False)


def test_one_event_sent_n_times_counts_once(house: House) -> None:
    """In one batch, in many, at the same time from many threads; with whatever it says the next time."""
    assert house.send([event("a", "5"), event("a", "7"), event("a", "9")]).accepted == 3
    for amount in ("11", "13"):
        assert house.send([event("a", amount), event("b", "100")]).accepted == 2
    pending: list[Future[ingest.Receipt]] = []
    lock = threading.Lock()

    def send() -> None:
        future = ingest.take(house.deck, house.who, [json.dumps(event("a", "17")).encode()])
        with lock:
            pending.append(future)

    threads = [threading.Thread(target=send) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wait_for(pending, timeout=60).not_done
    assert [future.result().accepted for future in pending] == [1] * 20
    assert totals(house) == (2, Decimal(105)), "the first arrival of each"


def test_the_first_arrival_wins_however_late_the_next_one_comes(house: House, clock: StillClock) -> None:
    old = NOON - 100 * DAY
    assert house.send([event("a", "5", old, model="first")]).accepted == 1
    clock.now += 60 * DAY
    assert house.send([event("a", "500", old, model="second")]).accepted == 1
    clock.now -= 120 * DAY  # even when the machine's clock jumps back
    assert house.send([event("a", "5000", old, model="third")]).accepted == 1
    clock.now = NOON
    assert totals(house) == (1, Decimal(5))
    assert log(house, "model") == [["first"]]


def test_a_late_event_is_in_the_answer_when_it_is_acknowledged(house: House) -> None:
    house.send([event("now")])
    for days in (1, 8, 35, 370):
        house.send([event("late", "2", time=NOON - days * DAY)])
    assert totals(house) == (5, Decimal(9))


def test_identity_is_workspace_kind_time_and_id(house: House, deck: Deck) -> None:
    other = build_house(deck, "other")
    for one in (house, other):
        one.send([event("a"), event("a", time=NOON - 1001), {"kind": "delivery", "id": "a", "time": NOON - 1000}])
    assert totals(house) == totals(other) == (2, Decimal(2))
    assert deck.store.rows(Subject.DELIVERIES) == 2


def test_times_of_one_millisecond_are_one_time(house: House) -> None:
    house.send([event("a", "1", time="2026-11-23T11:00:00.0001Z"), event("a", "2", time="2026-11-23T12:00:00.0009+01:00")])
    assert totals(house) == (1, Decimal(1))


def test_an_event_without_id_counts_once_per_sending(house: House) -> None:
    anonymous = {"time": NOON - 1000, "credits": "1"}
    house.send([anonymous, anonymous])
    house.send([anonymous])
    assert totals(house) == (3, Decimal(3))


def test_the_order_of_a_batch_is_the_order_of_arrival(house: House) -> None:
    house.send([event("a", str(n)) for n in range(1, 500)])
    assert totals(house) == (1, Decimal(1))
    house.send([event("b", "1.0000001"), event("b", "2"), event("b", "3")])
    assert totals(house) == (2, Decimal(3)), "what was refused has not arrived"


def test_arrival_is_stamped_and_shown(house: House, clock: StillClock) -> None:
    clock.now = NOON + 5000
    house.send([event("a")])
    clock.now = NOON + 9000
    house.send([event("a"), event("b")])
    assert log(house, "id", "arrived") == [["b", NOON + 9000], ["a", NOON + 5000]]


def test_owners_of_keys_are_filled_in_as_they_are_at_arrival(house: House) -> None:
    house.send([event("before", api_key_id="key_later")])
    house.do(admin.CreateKey(workspace=house.workspace_id, label="later", id="key_later", user="ana"))
    house.send([event("after", api_key_id="key_later")])
    assert log(house, "id", "user_id") == [["before", None, None], ["after", "ana", None]]


def test_groups_are_those_of_the_user_at_arrival_and_stay(house: House) -> None:
    """History does not change when people move; what the sender says of groups wins."""
    groups = house.deck.directory.groups
    house.do(admin.CreateKey(workspace=house.workspace_id, label="ana's", id="key_ana", user="ana"))
    house.send([event("before", user_id="ana")])
    groups.put(house.workspace_id, "care", name="Care", user_ids=["ana"])
    groups.put(build_house(house.deck, "other").workspace_id, "foreign", name="Of another workspace", user_ids=["ana"])
    house.send([event("in care", user_id="ana"), event("by key", api_key_id="key_ana"), event("nobody's")])
    house.send([event("told", user_id="ana", group_ids=["x"]), event("none", user_id="ana", group_ids=[])])
    groups.put(house.workspace_id, "care", name="Care", user_ids=[])
    groups.put(house.workspace_id, "sales", name="Sales", user_ids=["ana"])
    house.send([event("moved", user_id="ana"), event("before", user_id="ana")])
    assert {row[0]: list(row[1] or ()) for row in log(house, "id", "group_ids")} == {
        "before": [],
        "in care": ["care"],
        "by key": ["care"],
        "nobody's": [],
        "told": ["x"],
        "none": [],
        "moved": ["sales"],
    }


def test_what_a_workspace_does_not_keep_is_gone_before_the_disk(house: House) -> None:
    """Whichever way it comes; what follows from it is kept."""
    names = ["path", "error_message", "user_agent", "attributes.email", "group_ids", "url"]
    house.do(admin.PutWorkspace(workspace=house.workspace_id, redactions=names))
    house = replace(house, who=access.who_by_key(house.deck, house.api_key))
    secret: dict[str, Any] = {"path": "/v1/zzsecret/42", "user_agent": "zzsecret", "group_ids": ["zzsecret"]}
    secret |= {"error": {"code": "quota", "message": "zzsecret"}, "attributes": {"email": "zzsecret", "plan": "pro"}}
    house.send([event("a", **secret), event("b"), {"kind": "delivery", "id": "d", "time": NOON, "url": "https://zzsecret"}])
    fields = ("id", "path", "route", "error_code", "error_message", "user_agent", "attributes", "group_ids")
    (row,) = [row for row in log(house, *fields) if row[0] == "a"]
    found = dict(zip(fields, row, strict=False))
    assert "zzsecret" not in str([value for name, value in found.items() if name != "route"])
    assert (found["error_code"], found["attributes"]) == ("quota", {"plan": "pro"})


@pytest.mark.parametrize("name", ["id", "message_id", "currency", "time", "credits", "nonsense", "attributes.", "arrived"])
def test_what_an_event_needs_cannot_be_left_out(house: House, name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be left out") as caught:
        house.do(admin.PutWorkspace(workspace=house.workspace_id, redactions=["path", name]))
    assert caught.value.field == "redactions"


def test_the_key_that_writes_is_never_the_key_of_the_event(house: House) -> None:
    house.send([event("a")])
    assert log(house, "api_key_id") == [[None, None]]


def test_writing_needs_the_permission(house: House) -> None:
    _, reader = house.key_who(permissions=[Permission.READ, Permission.FULL_READ])
    with pytest.raises(NotAllowed, match="events_write") as caught:
        ingest.take(house.deck, reader, [json.dumps(event("a")).encode()])
    assert caught.value.code == "missing_permissions"
    assert log(house, "id") == []


def test_a_failure_to_write_reaches_the_sender_and_the_next_batch_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    insert = type(house.deck.store).insert

    def full(store: Any, subject: Subject, lines: bytes) -> None:
        raise StorageFull("no space left")

    monkeypatch.setattr(type(house.deck.store), "insert", full)
    with pytest.raises(StorageFull, match="no space left"):
        house.send([event("a")])
    monkeypatch.setattr(type(house.deck.store), "insert", insert)
    assert house.send([event("a")]).accepted == 1
    assert totals(house) == (1, Decimal(1))


def test_amounts_add_up_to_the_last_digit(house: House) -> None:
    """In floats, 0.1 ten times is not 1, and a cent next to a billion is lost."""
    amounts = ["0.1"] * 10 + ["999999999999.999999", "0.000001"]
    house.send([event(f"e{n}", amount) for n, amount in enumerate(amounts)])
    assert totals(house) == (12, Decimal("1000000000001.000000"))

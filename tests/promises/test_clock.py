"""Time that misbehaves: events from the future, leap days, hours that repeat, and a server whose own clock jumps."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.house import NOON, House, StillClock, build_house, keyed, served
from tests.promises.counting import zone
from usagedeck import access, listing, report
from usagedeck.catalog.dimensions import log_field
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.deck import Deck, Throttle, open_deck
from usagedeck.errors import TooBusy
from usagedeck.query import LogQuery, Query, Selection
from usagedeck.settings import Settings
from usagedeck.store.merging import Merger
from usagedeck.times import DAY, HOUR, MINUTE, iso, parse_instant
from usagedeck.windows import LATEST_WINDOW, Interval, Window

pytestmark = pytest.mark.promise


def counted(house: House, start: str, end: str, interval: str, where: str = "UTC") -> dict[str, int]:
    """Requests of every bucket that has some, by its first instant."""
    window = Window(parse_instant(start, field="start"), parse_instant(end, field="end"), zone(where))
    query = Query(Selection(Subject.REQUESTS, window), (METRICS["requests"],), Interval.parse(interval))
    rows = report.usage(house.deck, house.who, None, query).table.rows
    return {iso(int(str(row[0]))): int(str(row[2])) for row in rows if row[2]}


# --- the senders' clocks ------------------------------------------------------------------------------------------


def test_an_event_from_the_future_is_refused_until_its_time_has_come(house: House, clock: StillClock) -> None:
    soon, late = {"id": "soon", "time": NOON + 10 * MINUTE}, {"id": "late", "time": NOON + 10 * MINUTE + 1}
    receipt = house.send([soon, late])
    assert receipt.accepted == 1
    (refusal,) = receipt.rejected
    assert (refusal.index, refusal.code, refusal.field) == (1, "in_future", "time")
    assert "the latest accepted now is 2026-11-23T12:10:00.000Z. Check the sender's clock." in refusal.message
    clock.now += 1
    assert house.send([soon, late]).accepted == 2
    assert counted(house, "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", "day") == {"2026-11-23T00:00:00.000Z": 2}


def test_the_leap_day(house: House) -> None:
    times = [
        "2024-02-28T23:59:59.999Z",
        "2024-02-29T00:00:00Z",
        "2024-02-29T12:00:00+09:00",
        "2024-02-29T23:59:59.999Z",
        "2024-03-01T00:00:00Z",
        "2000-02-29T00:00:00Z",
    ]
    assert house.send({"id": f"{n}", "time": time} for n, time in enumerate(times)).accepted == 6
    for wrong in ("2023-02-29T00:00:00Z", "2100-02-29T00:00:00Z", "2024-02-30T00:00:00Z"):
        (refusal,) = house.send([{"id": "x", "time": wrong}]).rejected
        assert (refusal.field, wrong in refusal.message) == ("time", True)
    assert counted(house, "2024-02-01T00:00:00Z", "2024-04-01T00:00:00Z", "day") == {
        "2024-02-28T00:00:00.000Z": 1,
        "2024-02-29T00:00:00.000Z": 3,
        "2024-03-01T00:00:00.000Z": 1,
    }
    assert counted(house, "2024-02-01T00:00:00Z", "2024-04-01T00:00:00Z", "month") == {
        "2024-02-01T00:00:00.000Z": 4,
        "2024-03-01T00:00:00.000Z": 1,
    }
    assert counted(house, "2000-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "year") == {
        "2000-01-01T00:00:00.000Z": 1,
        "2024-01-01T00:00:00.000Z": 5,
    }


@pytest.mark.parametrize(
    ("where", "change", "lengths"),
    [("Europe/Berlin", "2026-10-25T01:00:00Z", {HOUR}), ("Australia/Lord_Howe", "2026-04-04T15:00:00Z", {HOUR, HOUR * 3 // 2})],
)
def test_the_hour_that_repeats(house: House, where: str, change: str, lengths: set[int]) -> None:
    """One event every five minutes through the change: every bucket has those of its own length, and all are counted."""
    turn = parse_instant(change, field="change")
    times = range(turn - 3 * HOUR, turn + 3 * HOUR, 5 * MINUTE)
    house.send({"id": f"{time}", "time": time} for time in times)
    start, end = iso(turn - 3 * HOUR), iso(turn + 3 * HOUR)
    window = Window(turn - 3 * HOUR, turn + 3 * HOUR, zone(where))
    query = Query(Selection(Subject.REQUESTS, window), (METRICS["requests"],), Interval.parse("hour"))
    rows = [[int(str(cell)) for cell in row] for row in report.usage(house.deck, house.who, None, query).table.rows]
    assert all(count == sum(1 for time in times if begin <= time < end) for begin, end, count in rows)
    assert sum(count for _, _, count in rows) == len(times)
    assert {end - begin for begin, end, _ in rows[1:-1]} == lengths
    assert sum(counted(house, start, end, "day", where).values()) == len(times)


# --- our own clock ------------------------------------------------------------------------------------------------

JUMPS = (-DAY, 40 * DAY, -400 * DAY, 1, 0, -HOUR, 3 * HOUR)


def test_a_server_whose_clock_jumps_back_and_forth(tmp_path: Path, torture: bool) -> None:
    """Over restarts too, what came first stays and stamps only rise; a question is answered with all that was acknowledged."""
    dice, clock = random.Random(7), StillClock()
    settings = Settings(data_dir=tmp_path / "data", min_free_bytes=0)
    first: dict[str, str] = {}
    latest, secret = 0, ""
    for life in range(60 if torture else 4):
        with open_deck(settings, clock) as deck:
            secret = secret or build_house(deck).api_key
            house = House(deck, "", secret, access.who_by_key(deck, secret))
            assert deck.store.latest_arrival() == latest
            for turn in range(5):
                clock.now = max(NOON - 500 * DAY, clock.now + dice.choice(JUMPS))
                attempt = f"{life}.{turn}"
                ids = [f"e{dice.randrange(200)}" for _ in range(30)]
                sent = [{"id": id_, "time": NOON - 600 * DAY + int(id_[1:]) * DAY // 3, "model": attempt} for id_ in ids]
                assert house.send([*sent, {"model": "no id"}]).accepted == len(ids) + 1
                for id_ in ids:
                    first.setdefault(id_, attempt)
                stamp = deck.store.latest_arrival()
                assert stamp > latest, "stamps run backwards"
                latest = stamp
                assert {i: m for i, m in models(deck, house) if m != "no id"} == first
    with open_deck(settings, clock) as deck:
        house = House(deck, "", secret, access.who_by_key(deck, secret))
        found = models(deck, house)
        assert Counter(model == "no id" for _, model in found) == {True: 300 if torture else 20, False: len(first)}
        with served(deck) as url, keyed(url, secret) as client:
            params: dict[str, Any] = {"start": "2020-01-01T00:00:00Z", "end": "2030-01-01T00:00:00Z", "interval": "total"}
            assert client.get("/api/v1/usage", params=params).json()["rows"][0][2] == len(found)


def models(deck: Deck, house: House) -> list[tuple[str, str]]:
    selection = Selection(Subject.REQUESTS, Window(0, LATEST_WINDOW, zone("UTC")))
    query = LogQuery(selection, (log_field("id", Subject.REQUESTS), log_field("model", Subject.REQUESTS)), limit=None)
    return [(str(row[0]), str(row[1])) for row in listing.log(deck, house.who, None, query).table.rows]


def test_a_clock_put_back_does_not_lock_people_out(clock: StillClock) -> None:
    throttle = Throttle(clock)
    throttle.enter({"ana": 3})
    clock.now += 300 * DAY
    for _ in range(3):
        throttle.enter({"ana": 3})
    clock.now -= 300 * DAY
    for _ in range(3):
        throttle.enter({"ana": 3})
    with pytest.raises(TooBusy) as caught:
        throttle.enter({"ana": 3})
    assert caught.value.retry_after <= 300


def test_a_clock_put_back_does_not_end_merging(clock: StillClock) -> None:
    class Weeks:
        def unmerged(self, before: int) -> list[tuple[str, str]]:
            return [("requests", "20261102")]

        def merge(self, table: str, partition: str) -> None:
            pass

    merger = Merger(Weeks(), clock)
    try:
        clock.now += 300 * DAY
        assert merger.look() == 1
        clock.now -= 300 * DAY
        assert merger.look() == 1
        assert merger.look() == 0
    finally:
        merger.close()

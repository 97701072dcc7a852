"""About how much is stored, from the engine's index."""

import threading

import pytest
from tests.house import House, StillClock, build_house

from usagedeck.catalog.kinds import Subject
from usagedeck.deck import Deck, open_deck
from usagedeck.settings import Settings
from usagedeck.store import sizes as module
from usagedeck.store.sizes import GRANULE, SizeIndex
from usagedeck.times import DAY, WEEK

MANY = 3 * GRANULE


@pytest.fixture
def house(deck: Deck) -> House:
    """A workspace with many requests on one day and a few a week before, and one with a single delivery."""
    house = build_house(deck, id="ws_many")
    now = deck.clock()
    for begin in range(0, MANY, 8000):
        house.send([{"id": f"{n}", "time": now - DAY + n} for n in range(begin, min(begin + 8000, MANY))])
    house.send([{"id": f"old {n}", "time": now - DAY - WEEK + n} for n in range(5)])
    build_house(deck, id="ws_one").send([{"kind": "delivery", "id": "d", "time": now - DAY, "webhook_id": "w"}])
    return house


def test_it_knows_about_how_many_there_are(house: House) -> None:
    now, sizes = house.deck.clock(), SizeIndex(house.deck.store)
    assert sizes.rows(Subject.REQUESTS, "ws_many", (0, now)) is None, "nobody has looked"
    sizes.look()
    day, week_before = (now - 2 * DAY, now), (now - 2 * DAY - WEEK, now - WEEK)
    found = sizes.rows(Subject.REQUESTS, "ws_many", day)
    assert found is not None
    assert MANY <= found <= MANY + GRANULE
    assert sizes.rows(Subject.REQUESTS, "ws_many", week_before) == 5 + GRANULE // 2
    assert sizes.rows(Subject.DELIVERIES, "ws_one", day) == 1 + GRANULE // 2
    for subject, workspace in ((Subject.REQUESTS, "ws_one"), (Subject.DELIVERIES, "ws_many"), (Subject.REQUESTS, "nowhere")):
        assert sizes.rows(subject, workspace, day) == GRANULE // 2, "they may lie in a piece that begins with somebody else"


def test_it_looks_by_itself(settings: Settings, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY", 10)
    monkeypatch.setattr(module, "FIRST_LOOK", 10)
    with open_deck(settings, clock) as deck:
        waiting = threading.Event()
        while deck.sizes.rows(Subject.REQUESTS, "ws", (0, clock.now)) is None:
            waiting.wait(0.02)
        house = build_house(deck, id="ws")
        house.send([{"id": f"{n}", "time": clock.now - DAY} for n in range(6000)])
        while deck.sizes.rows(Subject.REQUESTS, "ws", (0, clock.now)) < 6000 + GRANULE // 2:  # type: ignore[operator]
            waiting.wait(0.02)

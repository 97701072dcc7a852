"""Headers and bodies whose events were never written are swept away, and no others."""

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from typing import Any

import pytest
from tests.exchanging import collecting, rows, sent, shown, with_body
from tests.house import NOON, House, StillClock, build_house

from usagedeck.catalog.kinds import Subject
from usagedeck.deck import open_deck
from usagedeck.errors import StoreFailed
from usagedeck.settings import Settings
from usagedeck.store import sweeping
from usagedeck.times import DAY, SECOND

Fails = Callable[[House, Iterable[Mapping[str, Any]]], None]


@pytest.fixture
def house(house: House) -> House:
    return collecting(house)


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Fails:
    """Send events of which nothing but the bodies is written."""

    def nothing(*_: object) -> None:
        raise StoreFailed("no")

    def failing(house: House, events: Iterable[Mapping[str, Any]]) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(house.deck.store, "insert", nothing)
            with pytest.raises(StoreFailed):
                house.send(events)

    return failing


def delivery(id_: str, **more: Any) -> dict[str, Any]:
    return {"kind": "delivery", "id": id_, "time": NOON, "response": {"body": "thanks"}, **more}


def test_what_has_no_event_goes_and_all_else_stays(house: House, fail: Fails) -> None:
    other = collecting(build_house(house.deck, "other"))
    house.send([with_body("kept"), delivery("kept"), with_body("kept", time=NOON - DAY)])
    house.send([with_body("kept", "a repeat, which nobody sees")])
    other.send([with_body("half"), delivery("half")])
    fail(house, [with_body("half"), with_body("half", time=NOON - 40 * DAY), with_body("again")])
    fail(house, [delivery("half"), delivery("kept", time=NOON - 1)])
    house.send([with_body("again", "and now it is there")])
    assert (rows(house), rows(other)) == (4 + 5 + 1, 2)
    assert house.deck.sweeper.look() == 4, "what was sent again is somebody's"
    assert (rows(house), rows(other)) == (6, 2)
    assert sent(house, "kept").body == "hello"
    assert sent(house, "again").body == "and now it is there"
    assert shown(house, "kept", Subject.DELIVERIES).response is not None
    assert house.deck.sweeper.look() == 0


def test_more_than_one_statement_names(house: House, fail: Fails, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "AT_ONCE", 2)
    fail(house, [with_body(f"half{n}") for n in range(5)])
    house.send([with_body("whole")])
    assert (house.deck.sweeper.look(), rows(house)) == (5, 1)


def test_what_is_being_written_is_left_alone(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its body is there and its event is not yet."""
    deck, asked, swept = house.deck, threading.Event(), []
    write, between = deck.store.insert_exchanges, deck.writer.between
    looking = threading.Thread(target=lambda: swept.append(deck.sweeper.look()))

    def asking(work: Callable[[], Any]) -> Future[Any]:
        answer = between(work)
        asked.set()
        return answer

    def looked_at(lines: bytes) -> None:
        write(lines)
        looking.start()
        assert asked.wait(30)

    monkeypatch.setattr(deck.sweeper, "_between", asking)
    monkeypatch.setattr(deck.store, "insert_exchanges", looked_at)
    house.send([with_body("new")])
    looking.join(30)
    assert (swept, rows(house)) == ([0], 1)
    assert sent(house, "new").body == "hello"


def test_how_far_it_came_outlives_the_process(settings: Settings, clock: StillClock, fail: Fails) -> None:
    with open_deck(settings, clock) as deck:
        house = collecting(build_house(deck, id="ws"))
        house.send([with_body("whole")])
        before = deck.sweeper.swept
        assert deck.sweeper.look() == 0
        swept = deck.sweeper.swept
        assert swept.low < before.low, "further on in the order of arrival"
        fail(house, [with_body("half")])
    clock.now += SECOND
    with open_deck(settings, clock) as deck:
        assert deck.sweeper.swept == swept
        assert deck.sweeper.look() == 1
        assert deck.sweeper.look() == 0


def test_a_sweep_that_fails_is_made_up_for(house: House, fail: Fails, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(house, [with_body("half")])

    def nothing(_: object) -> None:
        raise StoreFailed("no")

    with monkeypatch.context() as broken:
        broken.setattr(house.deck.store, "execute", nothing)
        with pytest.raises(StoreFailed):
            house.deck.sweeper.look()
    assert house.deck.sweeper.look() == 1

"""A clock that runs ahead lets nothing expire."""

import pytest
from tests.house import House, StillClock, build_house
from tests.store.test_expiry import DAYS, expire, keep, rows
from tests.store.test_rollup import request

from usagedeck import admin, doctor
from usagedeck.deck import Deck, open_deck
from usagedeck.settings import Settings
from usagedeck.store.believed import MOST_AHEAD, Believed, uptime
from usagedeck.store.expiry import floor_at
from usagedeck.times import DAY, HOUR


class Ticks:
    """The clock that nobody sets."""

    now = 5

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def believed(deck: Deck, clock: StillClock, ticks: Ticks) -> Believed:
    return Believed(deck.store, clock, ticks)


def test_time_goes_by_the_clock(believed: Believed, clock: StillClock, ticks: Ticks) -> None:
    for step in (HOUR, 0, MOST_AHEAD, -3 * DAY, 2 * DAY):
        clock.now += step
        assert believed.look() == clock.now
    clock.now += 60 * DAY
    ticks.now += 60 * DAY - MOST_AHEAD
    assert believed.look() == clock.now, "so much has passed"


def test_a_clock_that_jumps_is_not_followed(
    believed: Believed, clock: StillClock, ticks: Ticks, caplog: pytest.LogCaptureFixture
) -> None:
    right = believed.look()
    clock.now += 365 * DAY
    for _ in range(3):
        clock.now += HOUR
        ticks.now += HOUR
        right += HOUR
        assert believed.look() == right, "time goes on all the same"
        assert "365 days ahead" in caplog.text
        assert believed.ahead == 365 * DAY
    clock.now = right + 5
    assert believed.look() == right + 5
    assert believed.ahead == 0


def test_a_jump_is_remembered_over_a_restart(believed: Believed, deck: Deck, clock: StillClock, ticks: Ticks) -> None:
    right = believed.look()
    clock.now += MOST_AHEAD + 1
    again = Believed(deck.store, clock, ticks)
    assert again.look() == right
    assert again.trust() == MOST_AHEAD + 1
    assert Believed(deck.store, clock, ticks).look() == clock.now


def test_the_second_clock_runs() -> None:
    then = uptime()
    while uptime() == then:
        pass
    assert uptime() > then


def test_nothing_expires_by_a_clock_that_jumped(settings: Settings, clock: StillClock) -> None:
    with open_deck(settings, clock) as deck:
        acme = build_house(deck, "acme", id="ws_acme")
        acme.send([request(clock.now - days * DAY, f"r{days}") for days in range(1, 60)])
        keep(acme, DAYS)
        expire(deck, clock)
        floor = deck.seals.ledger.floor_of("ws_acme")
        kept = rows(deck, "requests", "1")
        clock.now += 365 * DAY
        expire(deck, clock)
    with open_deck(settings, clock) as deck:
        acme = House(deck, acme.workspace_id, acme.api_key, acme.who)
        expire(deck, clock)
        assert (deck.seals.ledger.floor_of("ws_acme"), rows(deck, "requests", "1")) == (floor, kept)
        (warning,) = (w for w in doctor.examine(deck)["warnings"] if w["code"] == "clock_jumped")
        assert "365 days ahead" in warning["message"]
        assert "usagedeck workspace trust-clock" in warning["message"]
        assert acme.do(admin.TrustClock())["was_ahead_days"] == 365
        expire(deck, clock)
        assert deck.seals.ledger.floor_of("ws_acme") == floor_at(clock.now, DAYS)
        assert not [w for w in doctor.examine(deck)["warnings"] if w["code"] == "clock_jumped"]

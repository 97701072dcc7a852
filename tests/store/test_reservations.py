"""Reservations in their file: over restarts, however the last process ended, and not for longer than they last."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from tests.house import NOON, House, StillClock, build_house
from tests.limiting import KEEP, ask, event, key, platform, standing

from usagedeck import limits
from usagedeck.deck import open_deck
from usagedeck.meters import WHOLE, Kind, Reservation
from usagedeck.settings import Settings
from usagedeck.store import reservations
from usagedeck.store.reservations import FILE, Journal
from usagedeck.times import SECOND


def reservation(id_: str, made: int = NOON, credits_: str = "1.5") -> Reservation:
    return Reservation(id_, "operator", ((Kind.KEY, "k"), WHOLE), Decimal(credits_), made, 0.0)


def held(folder: Path, now: int = NOON, ticks: float = 0.0) -> dict[str, list[Reservation]]:
    """What another process would find."""
    journal = Journal(folder, KEEP)
    found = dict(journal.open(now, ticks))
    journal.close()
    return found


def test_what_was_made_and_has_not_ended_is_found(tmp_path: Path) -> None:
    journal = Journal(tmp_path, KEEP)
    assert journal.open(NOON, 0.0) == {}
    for id_, made in (("a", NOON - 100 * SECOND), ("b", NOON), ("c", NOON), ("b", NOON - 300 * SECOND)):
        journal.made("ws", reservation(id_, made))
    journal.made("other", reservation("a"))
    journal.made("ws", replace(reservation("b"), by="key k"))
    journal.ended("ws", [reservation("c"), reservation("unknown"), replace(reservation("b"), by="key k")])
    journal.ended("ws", [])
    journal.close()
    journal.close()
    found = held(tmp_path, ticks=50.0)
    assert [(one.id, one.ends) for one in found["ws"]] == [("b", 50 + KEEP - 300), ("a", 50 + KEEP - 100)]
    assert found["other"] == [Reservation("a", "operator", ((Kind.KEY, "k"), WHOLE), Decimal("1.5"), NOON, 50 + KEEP)]
    assert held(tmp_path) == held(tmp_path), "and again, in the file that was written anew"


def test_none_lasts_longer_than_it_may(tmp_path: Path) -> None:
    journal = Journal(tmp_path, KEEP)
    journal.open(NOON, 0.0)
    journal.made("ws", reservation("a"))
    journal.close()
    assert [one.ends for one in held(tmp_path, NOON - 10**9)["ws"]] == [KEEP], "the clock was put back"
    assert held(tmp_path, NOON + KEEP * SECOND - 1)["ws"][0].ends == pytest.approx(0.001)
    assert held(tmp_path, NOON + KEEP * SECOND) == {}
    assert (tmp_path / FILE).read_bytes() == b""


def test_lines_that_were_cut_short_are_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path, KEEP)
    journal.open(NOON, 0.0)
    for id_ in ("a", "b"):
        journal.made("ws", reservation(id_))
    journal.close()
    whole = (tmp_path / FILE).read_bytes()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    for cut in range(len(whole)):
        (tmp_path / FILE).write_bytes(whole[:cut])
        lines = whole[:cut].count(b"\n") + (whole[cut : cut + 1] == b"\n")
        assert [one.id for one in held(tmp_path).get("ws", [])] == ["a", "b"][:lines]
    (tmp_path / FILE).write_bytes(b"\xff\x00\n[]\n" + whole)
    assert len(held(tmp_path)["ws"]) == 2


def test_the_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reservations, "TIDY_AFTER", 10)
    journal = Journal(tmp_path, KEEP)
    journal.open(NOON, 0.0)
    journal.made("ws", reservation("stays"))
    for n in range(100):
        journal.made("ws", reservation(str(n)))
        journal.ended("ws", [reservation(str(n))])
        assert (tmp_path / FILE).read_bytes().count(b"\n") <= 16
    journal.close()
    assert [one.id for one in held(tmp_path)["ws"]] == ["stays"]


def test_a_file_that_cannot_be_written_anew_goes_on_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reservations, "TIDY_AFTER", 10)
    journal = Journal(tmp_path, KEEP)
    journal.open(NOON, 0.0)
    (tmp_path / FILE).with_suffix(".new").mkdir()
    for n in range(50):
        journal.made("ws", reservation(str(n)))
    for n in range(49):
        journal.ended("ws", [reservation(str(n))])
    journal.made("ws", reservation("later"))
    journal.close()
    (tmp_path / FILE).with_suffix(".new").rmdir()
    assert [one.id for one in held(tmp_path)["ws"]] == ["49", "later"]


def test_a_file_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "nowhere", KEEP)
    assert journal.open(NOON, 0.0) == {}
    journal.made("ws", reservation("a"))
    journal.ended("ws", [reservation("a")])
    journal.close()


def test_what_is_reserved_outlives_a_restart(settings: Settings, clock: StillClock) -> None:
    with open_deck(settings, clock) as deck:
        house = build_house(deck, id="ws")
        key(house, "k", 20)
        for n in range(4):
            assert ask(house, 3, f"r{n}").allowed
        house.send([event("r0", 1)])
        limits.release(deck, platform(house), "r1")
    clock.now += KEEP * SECOND // 2
    with open_deck(settings, clock) as deck:
        again = House(deck, "ws", house.api_key, house.who)
        again.send([event("r2", 2)])  # nobody has looked at the meter yet
        assert standing(again) == ("3", "3", "14")
        again.send([event("r3", 1)])
        assert standing(again) == ("4", "0", "16")
        assert ask(again, 5, "r4").allowed
    clock.now += KEEP * SECOND
    with open_deck(settings, clock) as deck:
        assert standing(House(deck, "ws", house.api_key, house.who)) == ("4", "0", "16"), "its time is over"

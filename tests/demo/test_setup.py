"""Filling a deck: once, in pieces, interrupted, again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.demo.totals import expected, stored
from tests.house import StillClock
from usagedeck import access, admin
from usagedeck.access import Permission, Role, View, Who
from usagedeck.deck import Deck, open_deck
from usagedeck.demo import setup
from usagedeck.demo.companies import COMPANIES, HALCYON, MARLOW, NORA, PLAIN_MEMBER
from usagedeck.demo.setup import NOTES_FILE, Demo
from usagedeck.errors import Conflict, NotAllowed, TooBusy
from usagedeck.settings import Settings
from usagedeck.times import DAY, HOUR


class Interrupted(Exception):
    """Stands for whatever ends a process half-way."""


def at(part: float) -> Callable[[float], None]:
    """A progress that is interrupted there."""

    def tell(done: float) -> None:
        if done >= part:
            raise Interrupted

    return tell


def ignore(_done: float) -> None:
    return


pytestmark = pytest.mark.usefixtures("quick_passwords")


def test_companies_are_made_once(deck: Deck) -> None:
    demo = Demo(deck)
    demo.furnish(ignore)
    assert [w.id for w in deck.directory.workspaces.all()] == [company.id for company in COMPANIES]
    made = deck.directory.api_keys.all(HALCYON.id)
    notes = demo.notes
    again = Demo(deck)
    again.furnish(ignore)
    assert again.notes == notes
    assert deck.directory.api_keys.all(HALCYON.id) == made
    revoked = {key.label for key in made if key.revoked_at}
    assert revoked == {caller.label for caller in HALCYON.callers if caller.ends}


def test_the_printed_credentials_work(deck: Deck) -> None:
    demo = Demo(deck)
    demo.furnish(ignore)
    by_key = access.who_by_key(deck, demo.notes.api_key)
    assert by_key.workspace.id == demo.notes.workspace_id
    assert by_key.sees_workspace
    assert by_key.permissions == set(Permission) - {Permission.MANAGE}
    owner = sign_in(deck, demo.notes.email, demo.notes.password)
    assert (owner.workspace.id, owner.role) == (HALCYON.id, Role.OWNER)
    assert [w.id for w, _ in deck.directory.people.memberships(NORA.id)] == [HALCYON.id, MARLOW.id]
    plain = sign_in(deck, PLAIN_MEMBER, demo.notes.password)
    assert access.scope(deck, plain, None).user_id == plain.user_id
    with pytest.raises(NotAllowed):
        access.scope(deck, plain, View.WORKSPACE)


def sign_in(deck: Deck, email: str, password: str) -> Who:
    return access.who_by_session(deck, access.sign_in(deck, email, password, address="test", user_agent="test"))


@pytest.mark.parametrize("part", [0.0, 0.01, 0.3, 0.75, 1.0])
def test_companies_that_are_half_made_are_completed(deck: Deck, part: float) -> None:
    first = Demo(deck)
    with pytest.raises(Interrupted):
        first.furnish(at(part))
    second = Demo(deck)
    second.furnish(ignore)
    assert second.notes.password == first.notes.password
    assert {w.id for w in deck.directory.workspaces.all()} == {company.id for company in COMPANIES}
    for company in COMPANIES:
        labels = [key.label for key in deck.directory.api_keys.all(company.id)]
        assert sorted(labels) == sorted(["first key", *(c.label for c in company.callers if c.key_id)])
        assert deck.directory.people.count(company.id) == len(company.people) + len(company.guests)
    assert access.who_by_key(deck, second.notes.api_key).user_id is None


def test_a_first_key_that_was_not_written_down_is_replaced(deck: Deck) -> None:
    demo = Demo(deck)
    admin.perform(deck, admin.CreateWorkspace(id=HALCYON.id, name=HALCYON.name))
    demo.furnish(ignore)
    who = access.who_by_key(deck, demo.notes.api_key)
    assert (who.workspace.id, who.user_id) == (HALCYON.id, None)


def test_traffic_is_sent_up_to_now_and_no_further(deck: Deck, clock: StillClock) -> None:
    demo = Demo(deck, days=1)
    demo.furnish(ignore)
    told: list[float] = []
    demo.catch_up(told.append)
    assert demo.notes.sent_to == clock.now
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert stored(deck) == expected(demo, clock.now - DAY, clock.now)
    before = stored(deck)
    demo.catch_up()
    assert stored(deck) == before


def test_time_that_passed_is_caught_up(deck: Deck, clock: StillClock) -> None:
    demo = Demo(deck, days=1)
    demo.furnish(ignore)
    begun = demo.notes.sent_to
    demo.catch_up()
    clock.now += 2 * HOUR + 17
    later = Demo(deck, days=1)
    later.catch_up()
    assert stored(deck) == expected(demo, begun, clock.now)


def test_a_long_absence_is_caught_up_as_far_as_was_asked_for(deck: Deck, clock: StillClock) -> None:
    demo = Demo(deck, days=1)
    demo.furnish(ignore)
    clock.now += 400 * DAY
    demo.catch_up()
    assert stored(deck) == expected(demo, clock.now - DAY, clock.now)


def test_an_interrupted_start_is_completed_without_doubling(
    settings: Settings, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second process begins where the notes say, though more was on its way."""
    monkeypatch.setattr(setup, "SLICE", 2 * HOUR)
    with open_deck(settings, clock) as deck:
        first = Demo(deck, days=1)
        first.furnish(ignore)
        with pytest.raises(Interrupted):
            first.catch_up(at(0.4))
    with open_deck(settings, clock) as deck:
        second = Demo(deck, days=1)
        assert clock.now - DAY < second.notes.sent_to < clock.now
        assert sum(t.requests for t in stored(deck).values()) > 0
        second.catch_up()
        assert stored(deck) == expected(second, clock.now - DAY, clock.now)


def test_a_busy_writer_is_waited_for(deck: Deck, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = Demo(deck, days=1)
    demo.furnish(ignore)
    submit = deck.writer.submit
    refusals = iter([True, True, False, True])

    def sometimes(rows: Any, *rest: Any, **more: Any) -> Any:
        if next(refusals, False):
            raise TooBusy("Too many events are waiting to be written.", retry_after=1)
        return submit(rows, *rest, **more)

    monkeypatch.setattr(deck.writer, "submit", sometimes)
    demo.catch_up()
    assert stored(deck) == expected(demo, clock.now - DAY, clock.now)


def test_a_writer_that_stays_busy_is_an_error(deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = Demo(deck, days=1)
    demo.furnish(ignore)

    def never(*_: Any, **__: Any) -> Any:
        raise TooBusy("Too many events are waiting to be written.", retry_after=1)

    monkeypatch.setattr(setup, "PATIENCE_S", 0)
    monkeypatch.setattr(deck.writer, "submit", never)
    with pytest.raises(TooBusy):
        demo.catch_up()


def test_a_folder_with_other_data_is_refused(deck: Deck) -> None:
    admin.perform(deck, admin.CreateWorkspace(name="mine"))
    with pytest.raises(Conflict, match="no demo"):
        Demo(deck)
    assert not (deck.settings.data_dir / NOTES_FILE).exists()


@pytest.mark.parametrize("content", [b"", b"{}", b'{"workspace_id": 1}', b"\xff\x00"])
def test_notes_that_cannot_be_read_are_refused(deck: Deck, content: bytes) -> None:
    (deck.settings.data_dir / NOTES_FILE).write_bytes(content)
    with pytest.raises(Conflict, match="cannot be read"):
        Demo(deck)


def test_the_notes_are_private(deck: Deck) -> None:
    Demo(deck).save()
    file: Path = deck.settings.data_dir / NOTES_FILE
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.glob("demo.*")] == [NOTES_FILE]

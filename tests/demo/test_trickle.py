"""New traffic keeps coming, survives trouble, and ends when it is told to."""

import threading
from collections.abc import Callable, Iterable

import pytest

from tests.demo.totals import expected, stored
from tests.house import StillClock
from usagedeck.deck import Deck
from usagedeck.demo.setup import Demo
from usagedeck.demo.trickle import Trickle
from usagedeck.errors import StorageFull, StoreFailed, TooBusy
from usagedeck.times import DAY, MINUTE

pytestmark = pytest.mark.usefixtures("quick_passwords")


class Watched(Demo):
    """A demo that lets a test wait for its steps, and fails in them as told."""

    def __init__(self, deck: Deck, troubles: Iterable[Exception] = ()) -> None:
        super().__init__(deck, days=1)
        self.troubles = iter(troubles)
        self.steps = threading.Semaphore(0)

    def catch_up(self, progress: Callable[[float], None] | None = None) -> None:
        try:
            if trouble := next(self.troubles, None):
                raise trouble
            super().catch_up(progress)
        finally:
            self.steps.release()

    def wait_for(self, steps: int) -> None:
        for _ in range(steps):
            assert self.steps.acquire(timeout=30)


def test_what_passes_is_sent_without_gaps_and_noted(deck: Deck, clock: StillClock) -> None:
    demo = Watched(deck)
    demo.furnish(lambda _: None)
    begun = clock.now - DAY
    with Trickle(demo, pause_s=0.001):
        for passed in (0, 1, 999, MINUTE, 7 * MINUTE, 86 * MINUTE + 3):
            clock.now += passed
            demo.wait_for(2)
    assert demo.notes.sent_to == clock.now
    assert stored(deck) == expected(demo, begun, clock.now)
    assert Demo(deck).notes == demo.notes


@pytest.mark.parametrize(
    "trouble", [TooBusy("busy", retry_after=1), StorageFull("full"), StoreFailed("broken")], ids=lambda e: type(e).__name__
)
def test_trouble_is_made_up_for(deck: Deck, clock: StillClock, trouble: Exception, caplog: pytest.LogCaptureFixture) -> None:
    demo = Watched(deck, [trouble, trouble])
    demo.furnish(lambda _: None)
    with Trickle(demo, pause_s=0.001):
        demo.wait_for(3)
    assert demo.notes.sent_to == clock.now
    assert "no new demo traffic" in caplog.text


def test_it_ends_at_once_when_told_to(deck: Deck) -> None:
    demo = Watched(deck)
    demo.furnish(lambda _: None)
    with Trickle(demo, pause_s=3600):
        demo.wait_for(1)
    assert not any(thread.name == "usagedeck-trickle" for thread in threading.enumerate())

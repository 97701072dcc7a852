"""A thread that looks every so often: it goes on, whatever happens, until it is told to stop."""

import threading

import pytest

from usagedeck.errors import StoreFailed
from usagedeck.store.rounds import Rounds


def test_no_surprise_ends_the_work(caplog: pytest.LogCaptureFixture) -> None:
    rounds = iter((StoreFailed("The store failed."), ZeroDivisionError("oh"), None))
    told: list[str] = []
    done = threading.Event()

    def work() -> None:
        error = next(rounds, None)
        if error is not None:
            raise error
        done.set()

    background = Rounds("worker", work, every=1, first=5, failed=told.append)
    background.start()
    assert done.wait(30)
    background.stop()
    background.stop()
    assert background.stopping
    assert told == ["The store failed.", "An unexpected error; the server's log has the details."]
    assert "ZeroDivisionError" in caplog.text


def test_what_was_never_started_stops_at_once() -> None:
    background = Rounds("worker", pytest.fail, every=1)
    background.stop()
    assert background.stopping

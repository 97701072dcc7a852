"""Work in the background: looks every so often whether there is something to do, until it is told to stop."""

import logging
import threading
from collections.abc import Callable

from usagedeck.errors import UsagedeckError

log = logging.getLogger(__name__)


class Rounds:
    """A thread of its own. Whatever goes wrong in a round is logged, and the next one comes all the same."""

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        *,
        every: int,
        first: int | None = None,
        failed: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`every` and `first` (until the first round) are milliseconds; `failed` is told what went wrong, in a sentence."""
        self._name = name
        self._work = work
        self._every = every
        self._first = every if first is None else first
        self._failed = failed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"usagedeck-{name}", daemon=True)

    @property
    def stopping(self) -> bool:
        """Asked by long work between two steps."""
        return self._stop.is_set()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Wait for the step that is under way. Idempotent, and harmless when nothing was started."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause = self._first
        while not self._stop.wait(pause / 1000):
            pause = self._every
            try:
                self._work()
            except UsagedeckError as error:
                log.warning("%s failed and will try again: %s", self._name, error.message)
                self._failed(error.message)
            except Exception:  # the rim of this thread: without it, one surprise would end the work for good, unnoticed
                log.exception("%s failed and will try again", self._name)
                self._failed("An unexpected error; the server's log has the details.")

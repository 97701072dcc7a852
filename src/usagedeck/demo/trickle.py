"""Keeps the demo's traffic coming while it is looked at: a thread that sends what the passing time brings."""

import logging
import threading
from types import TracebackType

from usagedeck.demo.setup import Demo
from usagedeck.errors import StorageFull, StoreFailed, TooBusy

log = logging.getLogger(__name__)

PAUSE_S = 1.0


class Trickle:
    """Runs between `__enter__` and `__exit__`. A step that fails is made up for by the next one."""

    def __init__(self, demo: Demo, pause_s: float = PAUSE_S) -> None:
        self._demo = demo
        self._pause_s = pause_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="usagedeck-trickle", daemon=True)

    def __enter__(self) -> "Trickle":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        """Finish the step in hand and remember how far it came."""
        self._stopping.set()
        self._thread.join()
        self._demo.save()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._demo.catch_up()
            except (TooBusy, StorageFull, StoreFailed) as error:
                log.warning("no new demo traffic for now: %s", error.message)
            self._stopping.wait(self._pause_s)

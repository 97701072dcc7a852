"""How much of the events that come may be in memory at one time: counted from the first byte of a body to its commit."""

import threading
from types import TracebackType

from usagedeck.errors import TooBusy


class Room:
    """The bytes of events that may be in memory at one time. Whoever needs some when nothing else is held gets them, however
    many, so that a batch larger than the limit is taken too."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._lock = threading.Lock()

    @property
    def held(self) -> int:
        """Bytes that are held now."""
        return self._held

    def resize(self, before: int, size: int) -> None:
        """What was held as `before` is now `size`. Raises `TooBusy`, and changes nothing, when that is too much."""
        with self._lock:
            others = self._held - before
            if others and size > before and others + size > self._limit:
                raise TooBusy("Too many events are waiting to be written; send them again in a moment.", retry_after=1)
            self._held = others + size


class Hold:
    """A part of the room, given back at the end of a `with` unless the writer has taken it over."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._size = 0
        self._passed_on = False

    def __enter__(self) -> "Hold":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if not self._passed_on:
            self.release()

    def grow(self, more: int) -> None:
        """Raises `TooBusy` when there is no room."""
        self.become(self._size + more)

    def become(self, size: int) -> None:
        """Hold that many bytes from now on. Raises `TooBusy` when there is no room."""
        self._room.resize(self._size, size)
        self._size = size

    def pass_on(self) -> None:
        """Somebody else gives it back."""
        self._passed_on = True

    def release(self) -> None:
        """Give it back. Idempotent."""
        self.become(0)

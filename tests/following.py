"""Reads a live tail over HTTP, as a client does: event by event, in a thread of its own."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2

PATH = "/api/v1/log/tail"


@dataclass
class Follower:
    """What one connection brought so far."""

    events: list[tuple[str, str, Any]] = field(default_factory=list)
    """Name, id and content."""
    place: str = ""
    closed: bool = False

    @property
    def ids(self) -> list[str]:
        """Of the rows, whose first column is the id."""
        return [row[0] for row in self.rows]

    @property
    def rows(self) -> list[list[Any]]:
        return [row for name, _, content in self.events if name == "rows" for row in content["rows"]]

    @property
    def left_out(self) -> int:
        return sum(content["left_out"] for name, _, content in self.events if name == "rows")

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.events]

    def hear(self, lines: Iterator[str]) -> None:
        """Take what comes; an event that was cut off is none."""
        told: dict[str, str] = {}
        for line in lines:
            if line:
                name, _, value = line.partition(": ")
                told[name] = value
                continue
            self.place = told["id"]
            self.events.append((told["event"], told["id"], json.loads(told["data"])))
            told = {}


@contextmanager
def follow(url: str, headers: dict[str, str], **params: Any) -> Iterator[Follower]:
    """Follow until the block is over; raises when the server refuses."""
    found = Follower()
    with httpx2.Client(base_url=url, headers=headers, timeout=60) as client, client.stream("GET", PATH, params=params) as answer:
        if answer.is_error:
            answer.read()
        answer.raise_for_status()
        assert answer.headers["content-type"].startswith("text/event-stream")

        def hear() -> None:
            with suppress(httpx2.HTTPError):  # it broke off, or this end closed it
                found.hear(answer.iter_lines())
            found.closed = True

        thread = threading.Thread(target=hear, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            with suppress(OSError):  # the other end was first
                answer.extensions["network_stream"].get_extra_info("socket").shutdown(2)
            thread.join(30)

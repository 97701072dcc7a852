"""A furnished deck for tests: a clock that stands still, workspaces, keys, and ways to send and ask."""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import uvicorn

from usagedeck import access, admin, ingest
from usagedeck.deck import Deck
from usagedeck.store.sizes import SizeIndex
from usagedeck.times import parse_instant
from usagedeck.web.app import create_app

NOON = parse_instant("2026-11-23T12:00:00Z", field="noon")


@dataclass
class StillClock:
    """A clock that moves when told to."""

    now: int = NOON

    def __call__(self) -> int:
        return self.now


@dataclass(frozen=True)
class House:
    """A workspace on a deck, with a key that may do everything."""

    deck: Deck
    workspace_id: str
    api_key: str
    who: access.Who = field(repr=False)

    def send(self, events: Iterable[Mapping[str, Any] | bytes]) -> ingest.Receipt:
        """Send events as the workspace and wait until they are durable."""
        lines = [e if isinstance(e, bytes) else json.dumps(e).encode() for e in events]
        return ingest.take(self.deck, self.who, lines).result(timeout=60)

    def do(self, command: admin.AnyCommand) -> dict[str, Any]:
        """An operator's command."""
        return admin.perform(self.deck, command)

    def key_who(self, **command: Any) -> tuple[str, access.Who]:
        """A further key of this workspace, and who asks with it."""
        secret = self.do(admin.CreateKey(workspace=self.workspace_id, label=command.pop("label", "key"), **command))["api_key"]
        return secret, access.who_by_key(self.deck, secret)


def look_at_sizes(deck: Deck) -> None:
    """How much is stored is known now, as it is on a server that has run for a while."""
    assert isinstance(deck.sizes, SizeIndex)
    deck.sizes.look()


def build_house(deck: Deck, name: str = "acme", **command: Any) -> House:
    """A new workspace on the deck."""
    made = admin.perform(deck, admin.CreateWorkspace(name=name, **command))
    return House(deck, made["workspace_id"], made["api_key"], access.who_by_key(deck, made["api_key"]))


@contextmanager
def served(deck: Deck) -> Iterator[str]:
    """A real server around the deck, on a free port of this machine; gives its address."""
    config = uvicorn.Config(
        create_app(deck, operator_token="operator"), port=0, log_config=None, lifespan="off", proxy_headers=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the server did not start")
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def keyed(url: str, api_key: str) -> httpx2.Client:
    """A client that sends the key."""
    return httpx2.Client(base_url=url, headers={"xi-api-key": api_key}, timeout=60)

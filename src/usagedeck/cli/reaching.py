"""The API for commands that ask: of the server that owns the data folder, of a stopped one's data, or of a server elsewhere.

It is always the same API, so a command prints what the API answers, to the last byte. While no server runs, the application is
asked without a network in between.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

import anyio
import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from starlette.types import ASGIApp, Message

from usagedeck.cli.common import running_server
from usagedeck.cli.sending import refusal
from usagedeck.deck import is_open, open_deck
from usagedeck.errors import Conflict, InvalidInput, NotFound
from usagedeck.settings import Settings
from usagedeck.web.app import create_app

TIMEOUT = 3600
"""Seconds without a word from the server; it has its own limits."""

Asked: TypeAlias = Mapping[str, str | int | bool | Sequence[str] | None]
"""Parameters of the API; None is not sent."""


class Reach:
    """A way to the API."""

    def __init__(self, client: httpx2.Client, workspace: str | None, where: str) -> None:
        self._client = client
        self._workspace = workspace
        self._where = where

    @contextmanager
    def stream(self, path: str, asked: Asked) -> Iterator[httpx2.Response]:
        """An answer that is read as it comes. Raises what the server refused it with, and `NotFound` without a server."""
        params = {name: value for name, value in {**asked, "workspace": self._workspace}.items() if value is not None}
        try:
            with self._client.stream("GET", f"/api/v1/{path}", params=params) as response:
                if response.is_error:
                    response.read()
                    raise refusal(response)
                yield response
        except httpx2.HTTPError as error:
            said = str(error) or type(error).__name__
            raise NotFound(f"{self._where} does not answer: {said}.", code="server_unreachable") from None

    def get(self, path: str, asked: Asked) -> httpx2.Response:
        """A whole answer. Raises like `stream`."""
        with self.stream(path, asked) as response:
            response.read()
            return response


@contextmanager
def reach(
    settings: Settings, workspace: str | None, url: str | None, key: str | None, *, lasting: bool = False
) -> Iterator[Reach]:
    """The API to ask. With `lasting`, only one that can bring something new.

    Raises `InvalidInput` for options that contradict each other, `Conflict` when nobody can be asked.
    """
    if url is not None:
        if not key:
            raise InvalidInput("A server elsewhere wants a key; name one with --key or USAGEDECK_KEY.", field="key")
        with httpx2.Client(base_url=url, headers={"xi-api-key": key}, timeout=TIMEOUT) as client:
            yield Reach(client, workspace, f"The server at {url}")
        return
    if workspace is None:
        raise InvalidInput("Name a workspace with --workspace, or a server with --url and --key.", field="workspace")
    if running := running_server(settings):
        headers = {"authorization": f"Bearer {running.token}"}
        with httpx2.Client(base_url=running.url, headers=headers, timeout=TIMEOUT) as client:
            yield Reach(client, workspace, f"The server of this data folder, at {running.url},")
        return
    if lasting and not is_open(settings.data_dir):
        raise Conflict(
            f"No server has {settings.data_dir} open, so nothing arrives there; start one, or leave out --follow.",
            field="follow",
            code="no_server",
        )
    token = secrets.token_urlsafe(32)
    with open_deck(settings) as deck, start_blocking_portal() as portal:
        inside = _Inside(create_app(deck, operator_token=token), portal)
        headers = {"authorization": f"Bearer {token}"}
        with httpx2.Client(base_url="http://localhost", headers=headers, transport=inside, timeout=None) as client:
            yield Reach(client, workspace, "The data folder")


class _Inside(httpx2.BaseTransport):
    """Requests to an application in this process; answers are read as they are written."""

    def __init__(self, app: ASGIApp, portal: BlockingPortal) -> None:
        self._app = app
        self._portal = portal

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": request.url.path,
            "raw_path": request.url.raw_path.split(b"?")[0],
            "query_string": request.url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": ("127.0.0.1", 0),
            "server": ("localhost", 80),
        }
        answer = _Answer(self._app, scope, self._portal)
        start = answer.next()
        if start is None:
            raise httpx2.ReadError("it gave no answer")
        return httpx2.Response(start["status"], headers=start["headers"], stream=answer)


class _Answer(httpx2.SyncByteStream):
    """One answer on its way."""

    def __init__(self, app: ASGIApp, scope: dict[str, Any], portal: BlockingPortal) -> None:
        self._app = app
        self._portal = portal
        self._left, sender, self._messages = self._portal.call(_wire)
        self._work = portal.start_task_soon(self._run, scope, sender)

    async def _run(self, scope: dict[str, Any], sender: MemoryObjectSendStream[Message]) -> None:
        asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

        async def receive() -> Message:
            if (message := next(asked, None)) is not None:
                return message
            await self._left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # nobody reads on
                await sender.send(message)

        async with sender:
            await self._app(scope, receive, send)

    def next(self) -> Message | None:
        """The next message; None when there is none."""
        try:
            return self._portal.call(self._messages.receive)
        except anyio.EndOfStream:
            return None

    def __iter__(self) -> Iterator[bytes]:
        while (message := self.next()) is not None:
            yield message.get("body", b"")

    def close(self) -> None:
        """Leave: what is being worked on stops, as it does when a connection is closed."""
        self._portal.call(self._left.set)
        self._portal.call(self._messages.aclose)
        with suppress(CancelledError, Exception):  # its outcome was for whoever stayed
            self._work.result()


async def _wire() -> tuple[anyio.Event, MemoryObjectSendStream[Message], MemoryObjectReceiveStream[Message]]:
    return anyio.Event(), *anyio.create_memory_object_stream[Message](0)

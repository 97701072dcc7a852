"""Runs the application until it is told to stop, and says when it is ready."""

import secrets
import signal
import socket
from collections.abc import Callable
from types import FrameType

import msgspec
import uvicorn

from usagedeck.deck import SERVER_FILE, Deck
from usagedeck.errors import Conflict
from usagedeck.files import write_private
from usagedeck.settings import Settings
from usagedeck.web.app import create_app


class Running(msgspec.Struct):
    """What the command line needs to reach a running server."""

    url: str
    token: str


def serve(deck: Deck, listener: socket.socket, ready: Callable[[str], None]) -> None:
    """Answer on `listener` until SIGTERM or SIGINT; `ready` is called with the address once requests are answered."""
    settings = deck.settings
    url = f"http://{_spell(settings.host)}:{listener.getsockname()[1]}"
    token = secrets.token_urlsafe(32)
    note = settings.data_dir / SERVER_FILE
    config = uvicorn.Config(
        create_app(deck, operator_token=token),
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=10,
        proxy_headers=False,
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            write_private(note, msgspec.json.encode(Running(url, token)))
            ready(url)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            deck.commits.close()  # what is followed has no end of its own
            await super().shutdown(sockets)

    # uvicorn raises the signal again when it has shut down; without a handler that would end the process before the
    # writer and the store are closed
    signal.signal(signal.SIGTERM, _stop)
    try:
        Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        note.unlink(missing_ok=True)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def bind(settings: Settings) -> socket.socket:
    """Take the address before the work of a start begins, so that a busy port is said at once; nothing is answered yet.

    Raises `Conflict` naming the port.
    """
    host, port = settings.host, settings.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # with the protocol named, asyncio recognises TCP and turns Nagle's algorithm off; without, an answer waits 40 ms for the
    # acknowledgement of its own headers
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Conflict(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another with --port.", field="port") from None
    return listener


def _spell(host: str) -> str:
    shown = "127.0.0.1" if host == "0.0.0.0" else "::1" if host == "::" else host  # noqa: S104 - a comparison
    return f"[{shown}]" if ":" in shown else shown

"""The measured server: the product in a process of its own, living at the moment where the data ends.

`python -m tests.bench.serving FOLDER` prints its address and serves until it is told to stop. Beside the product's own
doors it has one for measurements, `POST /bench/bare`, which hands SQL to the engine it runs in: a second process could not
open the same data, and what it answers is what the engine does without us.
"""

import asyncio
import json
import logging
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
import uvicorn
from chdb.state.sqlitelike import connect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from tests.bench.sets import END
from usagedeck.deck import open_deck, system_clock
from usagedeck.settings import Settings
from usagedeck.web.app import create_app


class Bare:
    """The engine without the product: SQL in, the engine's own bytes out, nothing of it turned into Python."""

    def __init__(self, url: str) -> None:
        self._path = urlsplit(url).path
        self._connection = connect(self._path)
        self._lock = threading.Lock()

    def ask(self, text: str, form: str) -> dict[str, Any]:
        with self._lock:
            began, spent = time.perf_counter(), time.process_time()
            try:
                found = self._connection.query(text, form)
            except RuntimeError:
                self._connection = connect(self._path)  # what failed may have left its bytes behind
                raise
            data = found.bytes()
            answer = {
                "ms": (time.perf_counter() - began) * 1000,
                "cpu": (time.process_time() - spent) * 1000,
                "read": found.storage_rows_read(),
            }
            return {**answer, "text": data.decode()} if form != "Native" else answer


def main(folder: Path) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    settings = Settings(data_dir=folder, min_free_bytes=0, port=0, query_seconds=120)
    behind = system_clock() - END
    with open_deck(settings, lambda: system_clock() - behind) as deck:
        bare = Bare(settings.store_url)

        async def ask(request: Request) -> JSONResponse:
            asked = json.loads(await request.body())
            return JSONResponse(await asyncio.to_thread(bare.ask, asked["sql"], asked.get("form", "Native")))

        app = Starlette(routes=[Route("/bench/bare", ask, methods=["POST"]), Mount("/", create_app(deck))])

        class Server(uvicorn.Server):
            async def startup(self, sockets: Any = None) -> None:
                await super().startup(sockets)
                print(f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}", flush=True)  # noqa: T201

        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="off")).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

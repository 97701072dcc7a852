"""The body of a batch: unpacked and read beside the event loop, counted from its first byte on."""

import asyncio
from concurrent.futures import Future
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import Request

from usagedeck import ingest
from usagedeck.access import Who
from usagedeck.deck import Deck
from usagedeck.errors import InvalidInput
from usagedeck.readers import ndjson
from usagedeck.readers.compressed import Decompressor
from usagedeck.store.room import Hold

READERS = 2
"""Batches that are read side by side. Reading keeps one core busy; more would only wait for each other and fill memory."""

_PIECE = 256 * 1024


class Bodies:
    """Takes batches from the network. One for all doors of a server."""

    def __init__(self) -> None:
        self._readers = CapacityLimiter(READERS)

    async def take(self, request: Request, deck: Deck, who: Who, encoding: str = "identity") -> ingest.Receipt:
        """Read the body of a request as a batch; the receipt comes when what was accepted is safe on disk.

        Raises `TooBusy` as soon as there is no room for more, `TooLarge` and `InvalidInput` for what cannot be read as a whole.
        """
        with deck.writer.hold() as hold:
            plain = Decompressor(encoding, deck.settings.max_body_bytes, grown=hold.grow)
            last = await self._receive(request, deck, plain, hold)

            def read() -> Future[ingest.Receipt]:
                plain.feed(last)
                events = ndjson.split(plain.finish(), deck.settings.max_batch_events)
                return ingest.take(deck, who, events, hold)

            waiting = await to_thread.run_sync(read, limiter=self._readers)
        return await asyncio.wrap_future(waiting)

    async def _receive(self, request: Request, deck: Deck, plain: Decompressor, hold: Hold) -> bytes:
        """Feed what comes, but for the last bytes, which are returned."""
        seconds = deck.settings.body_seconds
        pieces: list[bytes] = []
        try:
            async with asyncio.timeout(seconds):
                async for piece in request.stream():
                    hold.grow(len(piece))
                    pieces.append(piece)
                    if sum(map(len, pieces)) >= _PIECE:
                        await to_thread.run_sync(_unpack, plain, b"".join(pieces), hold, limiter=self._readers)
                        pieces.clear()
        except TimeoutError:
            raise InvalidInput(
                f"The body did not arrive within {seconds} seconds (body_seconds). Send it in parts.", code="too_slow"
            ) from None
        return b"".join(pieces)


def told(receipt: ingest.Receipt) -> dict[str, Any]:
    """A receipt as its sender gets it."""
    exchanges = {"exchanges": receipt.exchanges} if receipt.exchanges else {}
    return {"accepted": receipt.accepted, "rejected": receipt.rejected, **exchanges}


def _unpack(plain: Decompressor, piece: bytes, hold: Hold) -> None:
    plain.feed(piece)
    hold.grow(-len(piece))  # what came out of it has room of its own

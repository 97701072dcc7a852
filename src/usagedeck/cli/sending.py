"""Hands batches of an import to a server: the one that owns the data folder, or one elsewhere.

Batches go one after the other, from a thread of their own, so that the first of equal events stays the first while further
rows are read. Sending a batch again is harmless.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from http import HTTPStatus

import httpx2
import msgspec

from usagedeck.errors import (
    InvalidInput,
    NotAllowed,
    NotFound,
    NotSignedIn,
    QueryTooHeavy,
    StorageFull,
    StoreFailed,
    TooBusy,
    UsagedeckError,
)
from usagedeck.events import Rejection
from usagedeck.ingest import Receipt

_TIMEOUT = 300
_PATIENCE = 600
"""Seconds a busy server is waited for."""
_SPLIT = ("too_large", "too_many_events")

_REFUSALS: Mapping[int, type[UsagedeckError]] = {
    HTTPStatus.UNAUTHORIZED: NotSignedIn,
    HTTPStatus.FORBIDDEN: NotAllowed,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.UNPROCESSABLE_ENTITY: QueryTooHeavy,
    HTTPStatus.INSUFFICIENT_STORAGE: StorageFull,
}


class _Problem(msgspec.Struct):
    detail: str
    code: str = ""
    field: str | None = None


class Sender:
    """Takes batches over HTTP. Used as a context, so that its thread and connection end with it."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        self._client = httpx2.Client(headers=dict(headers), timeout=_TIMEOUT)
        self._thread = ThreadPoolExecutor(1, "usagedeck-sender")
        self._stopped = threading.Event()

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.shutdown(cancel_futures=True)
        self._client.close()

    def __call__(self, events: Sequence[bytes]) -> "Future[Receipt]":
        """The receipt of a batch. The future fails with what the server refused it for."""
        return self._thread.submit(self._deliver, events)

    def _deliver(self, events: Sequence[bytes]) -> Receipt:
        response = self._post(events)
        if response.status_code in (HTTPStatus.OK, HTTPStatus.UNPROCESSABLE_ENTITY):
            return msgspec.json.decode(response.content, type=Receipt)
        refused = refusal(response)
        if refused.code in _SPLIT and len(events) > 1:
            half = len(events) // 2
            return _joined(self._deliver(events[:half]), self._deliver(events[half:]), half)
        raise refused

    def _post(self, events: Sequence[bytes]) -> httpx2.Response:
        """One answer that is not "wait"."""
        body = b"\n".join(events)
        waited = 0
        while True:
            try:
                response = self._client.post(self._url, content=body)
            except httpx2.HTTPError as error:
                raise NotFound(
                    f"The server at {self._url} does not answer: {str(error) or type(error).__name__}.", code="server_unreachable"
                ) from None
            if response.status_code not in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
                return response
            said = response.headers.get("retry-after", "")
            pause = int(said) if said.isascii() and said.isdigit() else 1
            waited += pause
            if waited > _PATIENCE or self._stopped.wait(pause):
                raise TooBusy(f"The server is too busy: {_problem(response).detail}", retry_after=pause)


def refusal(response: httpx2.Response) -> UsagedeckError:
    """What a server said no with, as one of our errors."""
    problem = _problem(response)
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return TooBusy(problem.detail, retry_after=int(response.headers.get("retry-after", 1)), code=problem.code or None)
    kind = _REFUSALS.get(response.status_code, InvalidInput if response.is_client_error else StoreFailed)
    return kind(problem.detail, field=problem.field, code=problem.code or None)


def _problem(response: httpx2.Response) -> _Problem:
    try:
        return msgspec.json.decode(response.content, type=_Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Problem(f"The server answered {response.status_code}: {response.text[:200]}")


def _joined(first: Receipt, second: Receipt, at: int) -> Receipt:
    """One receipt for two halves of a batch."""
    later = (Rejection(r.index + at, r.id, r.code, r.field, r.message) for r in second.rejected)
    exchanges = dict(Counter(first.exchanges) + Counter(second.exchanges))
    return Receipt(first.accepted + second.accepted, (*first.rejected, *later), exchanges)

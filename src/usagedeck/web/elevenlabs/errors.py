"""Errors of these calls, in the two shapes the SDKs know: a `detail` object, or a `detail` list for what fails
validation. The order is theirs, too: the shape of a request is checked before its key."""

import re
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import structlog
from fastapi import Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect
from starlette.types import Message

from usagedeck.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn, TooBusy, TooLarge, UsagedeckError
from usagedeck.web.asking import QuestionRoute
from usagedeck.web.problems import headers_of, json, trace_id

log = structlog.get_logger(__name__)

MAX_BODY = 4 * 2**20
MAX_ROWS = 100_000
"""Most rows of a table; what would be more is refused, never cut."""


class WireRoute(QuestionRoute):
    """Reads the body strictly and answers every error in one of the two shapes."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handle(await _checked(request))
            except RequestValidationError as error:
                # without what came: a part of it may be a secret
                return json({"detail": jsonable_encoder(error.errors(), exclude={"url", "input"})}, 422)
            except UsagedeckError as error:
                return _detail(request, error)
            except ClientDisconnect:
                raise
            except Exception as error:  # the rim: these clients know no other shape, whatever happens
                log.error("unexpected", trace_id=trace_id(request), path=request.url.path, exc_info=error)
                return _detail(request, UsagedeckError("unexpected"))

        return answer


async def _checked(request: Request) -> Request:
    """The request with its body read: of bounded size, and JSON in the strict sense.

    The framework's own parser would let NaN, half surrogates and UTF-16 pass and fail on deep nesting.
    """
    if request.method == "GET":
        return request
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise TooLarge(f"The body has more than {MAX_BODY:,} bytes.", code="body_too_large")
    if body:
        try:
            msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            at = re.search(r"\(byte (\d+)\)", str(error))
            where = ("body", int(at[1])) if at else ("body",)
            problem = {
                "type": "json_invalid",
                "loc": where,
                "msg": "JSON decode error",
                "ctx": {"error": str(error)},
            }
            raise RequestValidationError([problem]) from None

    async def replay() -> Message:
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return Request(request.scope, replay)


def _detail(request: Request, error: UsagedeckError) -> Response:
    status, kind, code, legacy, message = _kind(error)
    detail = {
        "type": kind,
        "code": code,
        "message": message,
        "status": legacy,
        "request_id": trace_id(request),
        "param": _param(request, error.field) if kind == "validation_error" else None,
    }
    return json({"detail": detail}, status, headers_of(error))


_PARAMS = {"interval": "interval_seconds", "by": "group_by", "filter": "filters", "start": "start_time", "end": "end_time"}
_STATS_PARAMS = {"by": "breakdown_type", "start": "start_unix", "end": "end_unix"}


def _param(request: Request, field: str | None) -> str | None:
    """Our name of a parameter as this call's name of it; character stats has names of its own."""
    if field is None or not request.url.path.endswith("/character-stats"):
        return _PARAMS.get(field or "", field)
    if field == "interval":
        bucket_size = "aggregation_bucket_size"
        return bucket_size if bucket_size in request.query_params else "aggregation_interval"
    return _STATS_PARAMS.get(field, field)


def _kind(error: UsagedeckError) -> tuple[int, str, str, str, str]:
    """HTTP status, type, code, legacy status, message."""
    message = error.message
    if isinstance(error, NotSignedIn):
        if error.code == "needs_authorization":
            message = "Neither authorization header nor xi-api-key received, please provide one."
        return 401, "authentication_error", "unauthorized", error.code, message
    if isinstance(error, NotAllowed):
        if error.code == "missing_permissions":
            return 401, "authentication_error", "unauthorized", error.code, message
        return 403, "authorization_error", "insufficient_permissions", "insufficient_permissions", message
    if isinstance(error, NotFound):
        return 404, "not_found", error.code, error.code, message
    if isinstance(error, TooBusy):
        return 429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_exceeded", message
    # never a 409 or a 5xx for what stays as it is: the SDKs would ask again
    if isinstance(error, InvalidInput | Conflict) or error.code == "query_too_heavy":
        if error.code == "too_many_rows":
            message = f"The answer has more than {MAX_ROWS:,} rows; group by less, filter more, or use longer intervals."
        code = error.code if error.code == "missing_required_field" else "invalid_parameters"
        return 413 if error.code == "body_too_large" else 400, "validation_error", code, code, message
    return 500, "internal_error", "internal_error", "internal_error", "The request could not be answered."


class Detail(BaseModel):
    """What went wrong."""

    type: str = Field(description="The kind of error.")
    code: str = Field(description="Stable, machine-readable code.")
    message: str = Field(description="What is wrong and how to mend it.")
    status: str = Field(description="The code that older clients read.")
    request_id: str = Field(description="Names this request; also in the x-trace-id header.")
    param: str | None = Field(description="The parameter it is about.")


class WireError(BaseModel):
    """An error that is not about the shape of the request."""

    detail: Detail


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": WireError, "description": text}
    for status, text in (
        (400, "A combination or a value that makes no sense."),
        (401, "No key, an unknown key, or one without the permission."),
        (403, "The key may, but whoever it belongs to may not: see the whole workspace, or look after it."),
        (429, "Wait as long as Retry-After says."),
        (500, "The server failed; its log has the request id."),
    )
}
MISSING: dict[int | str, dict[str, Any]] = {404: {"model": WireError, "description": "There is no such thing in this workspace."}}

"""Errors as answers: RFC 9457 problem details, with the field and the fix, and the id of the request in the log."""

from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from usagedeck.errors import (
    Cancelled,
    Conflict,
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

log = structlog.get_logger(__name__)

STATUS: tuple[tuple[type[UsagedeckError], int, str], ...] = (
    (InvalidInput, 400, "Bad request"),
    (NotSignedIn, 401, "Not signed in"),
    (NotAllowed, 403, "Not allowed"),
    (NotFound, 404, "Not found"),
    (Conflict, 409, "Conflict"),
    (QueryTooHeavy, 422, "Question too heavy"),
    (TooBusy, 429, "Too busy"),
    (Cancelled, 499, "Client closed the request"),
    (StoreFailed, 500, "Store failed"),
    (StorageFull, 507, "Storage full"),
)


class Problem(BaseModel):
    """What went wrong, in RFC 9457 form."""

    title: str = Field(description="The kind of problem.")
    status: int = Field(description="HTTP status.")
    code: str = Field(description="Stable, machine-readable code.")
    detail: str = Field(description="What is wrong and how to mend it.")
    field: str | None = Field(description="The parameter or field it is about.")
    request_id: str = Field(description="Names this request in the server's log; also in the x-trace-id header.")


def trace_id(request: Request) -> str:
    """The id that this answer carries in x-trace-id."""
    return str(request.scope.get("trace_id", ""))


def json(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


def status_of(error: UsagedeckError) -> tuple[int, str]:
    """HTTP status and title."""
    return next((status, title) for kind, status, title in STATUS if isinstance(error, kind))


def headers_of(error: UsagedeckError) -> dict[str, str]:
    return {"retry-after": str(error.retry_after)} if isinstance(error, TooBusy) else {}


def problem(
    request: Request,
    status: int,
    title: str,
    code: str,
    detail: str,
    field: str | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    content = Problem(title=title, status=status, code=code, detail=detail, field=field, request_id=trace_id(request))
    return Response(msgspec.json.encode(content.model_dump()), status, {**(headers or {})}, media_type=MEDIA_TYPE)


def of_error(request: Request, error: UsagedeckError) -> Response:
    status, title = status_of(error)
    return problem(request, status, title, error.code, error.message, error.field, headers_of(error))


REFUSALS: dict[int | str, dict[str, Any]] = {"4XX": {"model": Problem, "description": "What is wrong and how to mend it."}}
"""What a door that answers with problems says of them in the API's description."""

MEDIA_TYPE = "application/problem+json"


def _describe(app: FastAPI) -> None:
    """Give problems their media type in the API's description; the framework gives a route one type for all answers."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        made = make()
        operations = (operation for item in made["paths"].values() for operation in item.values())
        for response in (response for operation in operations for response in operation["responses"].values()):
            for content in response.get("content", {}).values():
                if content.get("schema", {}).get("$ref", "").endswith("/Problem"):
                    response["content"] = {MEDIA_TYPE: content}
        return made

    app.openapi = openapi  # type: ignore[method-assign]


def install(app: FastAPI) -> None:
    """Register the translation for everything a door may raise."""
    _describe(app)

    @app.exception_handler(UsagedeckError)
    async def ours(request: Request, error: UsagedeckError) -> Response:
        return of_error(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = [str(part) for part in first["loc"] if part not in ("query", "body", "path")]
        detail = f"{'.'.join(where) or 'The body'}: {first['msg'][:1].lower()}{first['msg'][1:]}."
        return problem(request, 400, "Bad request", "invalid", detail, where[0] if where else None)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        codes = {404: ("Not found", "not_found"), 405: ("Method not allowed", "method_not_allowed")}
        title, code = codes.get(error.status_code, ("Refused", "refused"))
        detail = f"{request.method} {request.url.path}: {error.detail}."
        return problem(request, error.status_code, title, code, detail, headers=dict(error.headers or {}))

    @app.exception_handler(ClientDisconnect)
    async def gone(request: Request, _: ClientDisconnect) -> Response:
        return problem(request, 400, "Cut short", "cut_short", "The connection was closed before the body was complete.")

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("unexpected", trace_id=trace_id(request), path=request.url.path, exc_info=error)
        detail = "Something unexpected happened; the server's log has it under this request id."
        return problem(request, 500, "Unexpected", "internal_error", detail)

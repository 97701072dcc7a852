"""What all answers of our own API share: tables as JSON and as CSV, windows, names of files."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import msgspec
from fastapi import Request, Response
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from usagedeck import access, report
from usagedeck.access import Who
from usagedeck.catalog.dimensions import Dimension
from usagedeck.catalog.kinds import Type
from usagedeck.deck import Deck
from usagedeck.errors import NotAllowed, UsagedeckError
from usagedeck.table import Column, Table, csv_lines
from usagedeck.times import iso, local_date, zone_name
from usagedeck.web.params import Asked
from usagedeck.web.problems import of_error
from usagedeck.windows import Window


class CsvResponse(StreamingResponse):
    """Rows as they come."""

    media_type = "text/csv"


TIME_ZONE = Column("time_zone", Type.STRING, "Time zone")
"""In every download: whose clock its instants are on."""

AS_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}

NDJSON = "application/x-ndjson"
AS_CSV_OR_LINES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}, NDJSON: {"schema": {"type": "string"}}}}
}


class ColumnOut(BaseModel):
    name: str
    type: Type
    unit: str | None
    title: str


class TableOut(BaseModel):
    """Columns and rows; instants in ISO 8601 UTC, decimals as strings, absent cells null."""

    columns: list[ColumnOut]
    rows: list[list[Any]]
    complete_through: str = Field(description="Every event acknowledged before this instant is in the answer.")
    available_from: str | None = Field(
        description="When the window asked for reaches further back than this can be told, since what it would need has expired: "
        "the instant from which on all of it is known and counted here. Else null."
    )


class WindowOut(BaseModel):
    start: str
    end: str
    time_zone: str


def wants_csv(request: Request) -> bool:
    return request.url.path.endswith(".csv") or request.headers.get("accept", "").startswith("text/csv")


def columns_of(table: Table) -> list[dict[str, Any]]:
    return [{"name": c.name, "type": c.type, "unit": c.unit, "title": c.title} for c in table.columns]


def window_of(window: Window) -> dict[str, str]:
    return {"start": iso(window.start), "end": iso(window.end), "time_zone": zone_name(window.zone)}


def csv_answer(table: Table, name: str, about: report.About) -> Response:
    return download(csv_lines(table, about.window.zone), name, about)


def download(pieces: Iterator[bytes], name: str, about: report.About) -> Response:
    """The first rows are there before the answer begins, so that an early failure is a clean error."""
    first = next(pieces, b"") + next(pieces, b"")
    headers = {
        "content-disposition": f'attachment; filename="{name}"',
        "x-complete-through": iso(about.complete_through),
        **({"x-available-from": iso(about.available_from)} if about.available_from is not None else {}),
    }
    return CsvResponse(chain((first,), pieces), headers=headers)


def lines_answer(request: Request, answers: Iterator[dict[str, Any]]) -> Response:
    """An answer that is told while it grows, a line each time. The first line is there before the answer begins, so that an early
    failure is a clean error; of a later one the last line says what the error would have said."""
    first = next(answers)
    return StreamingResponse(_lines(request, first, answers), media_type=NDJSON, headers={"x-accel-buffering": "no"})


def _lines(request: Request, first: dict[str, Any], others: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    try:
        for answer in chain((first,), others):
            yield msgspec.json.encode(answer) + b"\n"
    except UsagedeckError as error:
        yield b'{"problem":%b}\n' % bytes(of_error(request, error).body)


def freshness(about: report.About) -> dict[str, str | None]:
    return {
        "complete_through": iso(about.complete_through),
        "available_from": None if about.available_from is None else iso(about.available_from),
    }


def with_zone(table: Table, window: Window, at: int) -> Table:
    return table.with_constant(TIME_ZONE, zone_name(window.zone), at=at)


def file_name(*parts: str, window: Window) -> str:
    """`usagedeck_usage_credits_by-product_type_2026-10-25_2026-11-23.csv`: the last day is the last one inside."""
    days = (local_date(window.start, window.zone), local_date(max(window.start, window.end - 1), window.zone))
    safe = ["".join(ch if ch.isascii() and (ch.isalnum() or ch in "-_.") else "-" for ch in part) for part in parts]
    return "_".join(["usagedeck", *safe, *(day.isoformat() for day in days)]) + ".csv"


def refuse_outside_workspace(deck: Deck, who: Who, asked: Asked, dimensions: Iterable[Dimension]) -> None:
    """Splitting one's own rows by user or group says nothing, so those breakdowns belong to the workspace view."""
    if access.scope(deck, who, asked.view()).user_id is None:
        return
    for by in dimensions:
        if by.workspace_only:
            raise NotAllowed(f"A breakdown by {by.title.lower()} exists in the workspace view only.", field="by")

"""Tables as answers: how they are described, and as a download."""

from typing import Any

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from usagedeck.catalog import Type
from usagedeck.table import Table
from usagedeck.times import local_date
from usagedeck.windows import Window


class CsvResponse(StreamingResponse):
    """Rows as they come."""

    media_type = "text/csv"


AS_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}


class ColumnOut(BaseModel):
    name: str
    type: Type
    unit: str | None
    title: str


def wants_csv(request: Request) -> bool:
    return request.url.path.endswith(".csv") or request.headers.get("accept", "").startswith("text/csv")


def columns_out(table: Table) -> list[dict[str, Any]]:
    return [{"name": c.name, "type": c.type, "unit": c.unit, "title": c.title} for c in table.columns]


def file_name(*parts: str, window: Window) -> str:
    """`usagedeck_usage_credits_by-product_type_2026-10-25_2026-11-23.csv`: the last day is the last one inside."""
    days = (local_date(window.start, window.zone), local_date(max(window.start, window.end - 1), window.zone))
    safe = ["".join(ch if ch.isascii() and (ch.isalnum() or ch in "-_.") else "-" for ch in part) for part in parts]
    return "_".join(["usagedeck", *safe, *(day.isoformat() for day in days)]) + ".csv"

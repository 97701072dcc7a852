"""What a workspace's people look after themselves: the audit log, and where they are signed in."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Query as Param
from pydantic import BaseModel, Field

from usagedeck import access, audit
from usagedeck.access import Permission
from usagedeck.table import csv_lines, json_rows
from usagedeck.times import iso
from usagedeck.web.auth import COOKIE, DeckOf, who_asks
from usagedeck.web.params import Spanned
from usagedeck.web.problems import REFUSALS, json
from usagedeck.web.tables import AS_CSV, ColumnOut, CsvResponse, columns_of, file_name, wants_csv

router = APIRouter(prefix="/api/v1", responses=REFUSALS)


class AuditAsked(Spanned):
    """Which entries of the audit log."""

    action: str = Field("", description="Only this action, such as key.put, session.begin or export.")
    actor_kind: str = Field("", description="Only what such actors did: user, api_key, operator_key or operator.")
    actor_id: str = Field("", description="Only what this user or key did.")
    target_kind: str = Field("", description="Only what was done to such things.")
    target_id: str = Field("", description="Only what was done to this one.")
    cursor: str | None = Field(None, description="`older` of another page.")
    limit: int = Field(100, ge=1, le=1000, description="Entries on a page. CSV has no pages and no limit.")

    def equal(self) -> Mapping[str, str]:
        return {name: value for name in audit.FILTERS if (value := getattr(self, name))}

    def before(self) -> tuple[int, int] | None:
        return audit.place_of(self.cursor) if self.cursor else None


class AuditOut(BaseModel):
    """Entries, newest first."""

    columns: list[ColumnOut]
    rows: list[list[Any]]
    older: str | None = Field(description="Cursor of the page before in time; null when there is none.")


class SessionOut(BaseModel):
    id: str = Field(description="What to revoke it by.")
    began: str = Field(description="When somebody signed in.")
    last_used: str = Field(description="When it was last used, to the minute.")
    expires: str
    address: str = Field(description="Where it began.")
    user_agent: str
    current: bool = Field(description="It is the one that asks.")


class SessionsOut(BaseModel):
    sessions: list[SessionOut]


class EndedOut(BaseModel):
    ended: int = Field(description="How many sessions.")


@router.get("/audit", response_model=AuditOut, responses=AS_CSV, summary="The audit log", tags=["account"])
@router.get("/audit.csv", response_class=CsvResponse, summary="The audit log as CSV", tags=["account"])
def audit_log(request: Request, deck: DeckOf, asked: Annotated[AuditAsked, Param()]) -> Response:
    """Who signed in, took data away, and changed keys, people and settings of the workspace, newest first. For owners, admins and
    keys with the permission `audit_log_read`."""
    who = who_asks(request, deck, asked.workspace)
    access.require(who, Permission.AUDIT_READ)
    window = asked.window(who, asked.now(deck.clock()))
    wanted = audit.Asked(window.start, window.end, asked.equal(), asked.before())
    if wants_csv(request):
        access.note_export(deck, who, "audit", request.url.query)
        headers = {"content-disposition": f'attachment; filename="{file_name("audit", window=window)}"'}
        return CsvResponse(csv_lines(audit.everything(deck, who.workspace.id, wanted), window.zone), headers=headers)
    table, older = audit.page(deck, who.workspace.id, wanted, asked.limit)
    cursor = audit.cursor_of(older) if older else None
    return json({"columns": columns_of(table), "rows": json_rows(table), "older": cursor})


@router.get("/sessions", response_model=SessionsOut, summary="Where I am signed in", tags=["session"])
def sessions(request: Request, deck: DeckOf) -> Response:
    """The sessions of whoever asks, newest first. Keys have none."""
    return json(
        {
            "sessions": [
                {
                    "id": one.id,
                    "began": iso(one.created_at),
                    "last_used": iso(one.last_used_at or one.created_at),
                    "expires": iso(one.expires_at),
                    "address": one.address or "",
                    "user_agent": one.user_agent,
                    "current": current,
                }
                for one, current in access.my_sessions(deck, request.cookies.get(COOKIE))
            ]
        }
    )


@router.delete("/sessions", summary="Sign out everywhere else", tags=["session"], response_model=EndedOut)
def revoke_other_sessions(request: Request, deck: DeckOf) -> Response:
    """All sessions of whoever asks end at once, but the one that asks."""
    return json({"ended": access.end_my_other_sessions(deck, request.cookies.get(COOKIE))})


@router.delete("/sessions/{id}", status_code=204, summary="Sign out elsewhere", tags=["session"])
def revoke_session(request: Request, deck: DeckOf, id: str) -> Response:  # noqa: A002 - its name in the path
    """One of the sessions of whoever asks ends at once."""
    access.end_my_session(deck, request.cookies.get(COOKIE), id)
    return Response(status_code=204)

"""Models and voices, as far as usage knows them: ids, and the names they were given.

Models are those of requests, voices those that have a name. Whoever may see only their own usage sees what they themselves used
in the last year.
"""

import base64
import binascii
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi import Query as Param
from pydantic import BaseModel, Field

from usagedeck import report
from usagedeck.access import View, Who
from usagedeck.catalog.dimensions import DIMENSIONS, Label
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.deck import Deck
from usagedeck.errors import InvalidInput
from usagedeck.query import Query, Selection
from usagedeck.times import DAY, SECOND, zone
from usagedeck.web.auth import DeckOf
from usagedeck.web.elevenlabs.asker import answered, only_own, who_of, widest
from usagedeck.web.elevenlabs.errors import ERRORS, MAX_ROWS, WireRoute
from usagedeck.web.elevenlabs.wire import OneOf
from usagedeck.windows import Interval, Window

router = APIRouter(tags=["elevenlabs"], route_class=WireRoute, responses=ERRORS)

LOOK_BACK = 366 * DAY
MAX_PAGE = 100
MAX_IDS = 100
MAX_TEXT = 200

_NOT_KNOWN = "Not known here."
_FOREIGN_TYPES = ("community", "default")
"""Kinds of voices that no workspace has of its own."""


class ModelOut(BaseModel):
    model_id: str
    name: str


class VoiceOut(BaseModel):
    voice_id: str
    name: str


class VoicesOut(BaseModel):
    voices: list[VoiceOut]


class VoicePageOut(VoicesOut):
    has_more: bool
    total_count: int
    next_page_token: str | None


class VoicesAsked(BaseModel):
    """Which voices, on which page."""

    next_page_token: str | None = Field(None, max_length=2000, description="`next_page_token` of the page before.")
    page_size: int = Field(10, ge=1, le=MAX_PAGE, description="Voices on a page.")
    search: str | None = Field(None, max_length=MAX_TEXT, description="A part of the name or the id, in any case.")
    sort: Annotated[str, OneOf("VoiceSort", ("name", "created_at_unix"))] = Field(
        "name", description="By name either way: when a voice was made is not known here."
    )
    sort_direction: Annotated[str, OneOf("SortDirection", ("asc", "desc"))] = Field("asc", description="Up or down.")
    voice_ids: list[str] = Field([], max_length=MAX_IDS, description="Only these.")
    voice_type: str | None = Field(None, max_length=MAX_TEXT, description="All voices are the workspace's.")
    category: str | None = Field(None, description=_NOT_KNOWN)
    fine_tuning_state: str | None = Field(None, description=_NOT_KNOWN)
    collection_id: str | None = Field(None, description=_NOT_KNOWN)
    gender: str | None = Field(None, description=_NOT_KNOWN)
    age: str | None = Field(None, description=_NOT_KNOWN)
    language: list[str] = Field([], description=_NOT_KNOWN)
    accent: str | None = Field(None, description=_NOT_KNOWN)
    use_cases: list[str] = Field([], description=_NOT_KNOWN)
    min_notice_period_days: int | None = Field(None, description=_NOT_KNOWN)
    high_quality: bool | None = Field(None, description=_NOT_KNOWN)


_UNKNOWN = tuple(name for name, field in VoicesAsked.model_fields.items() if field.description == _NOT_KNOWN)
"""What voices can be picked by elsewhere, and nothing is known of here."""


@router.get("/v1/models", response_model=list[ModelOut], summary="Models in use")
def models(request: Request, deck: DeckOf) -> Response:
    """Those of requests of the last year."""
    who = who_of(request, deck)
    view = widest(who)
    return answered([{"model_id": id_, "name": id_} for id_ in sorted(_used(deck, who, view, "model"))], deck, who, view)


@router.get("/v1/voices", response_model=VoicesOut, summary="Voices and their names")
def voices(
    request: Request,
    deck: DeckOf,
    show_legacy: Annotated[bool, Param(description="Without effect: none is older than the others.")] = False,  # noqa: ARG001
) -> Response:
    """All of them, by name, however many."""
    who = who_of(request, deck)
    view = widest(who)
    return answered({"voices": _shown(_voices(deck, who, view))}, deck, who, view)


@router.get("/v2/voices", response_model=VoicePageOut, summary="Voices and their names, a page at a time")
def find_voices(request: Request, deck: DeckOf, asked: Annotated[VoicesAsked, Param()]) -> Response:
    """By name, then id. Picking by what is not known of a voice here is refused."""
    who = who_of(request, deck)
    view = widest(who)
    if unknown := next((name for name in _UNKNOWN if getattr(asked, name)), None):
        raise InvalidInput(f"Of a voice only its id and name are known here; leave {unknown} out.", field=unknown)
    found = [one for one in _voices(deck, who, view) if _fits(asked, *one)]
    if asked.sort_direction == "desc":
        found.reverse()
    page, more = _page(asked, found)
    token = _token(page[-1]) if more else None
    shown = {"voices": _shown(page), "has_more": more, "total_count": len(found), "next_page_token": token}
    return answered(shown, deck, who, view)


_Voice = tuple[str, str]
"""Name and id: the order they are shown in."""


def _voices(deck: Deck, who: Who, view: View) -> list[_Voice]:
    names = deck.directory.labels.names(who.workspace.id, Label.VOICE)
    if only_own(deck, who, view) is not None:
        mine = _used(deck, who, view, "voice_id")
        names = {id_: name for id_, name in names.items() if id_ in mine}
    return sorted((name, id_) for id_, name in names.items())


def _used(deck: Deck, who: Who, view: View, dimension: str) -> set[str]:
    """The values of a dimension in requests of the last year."""
    now = deck.clock()
    window = Window(now - LOOK_BACK, now + deck.settings.max_future_seconds * SECOND + 1, zone("UTC"))
    selection = Selection(Subject.REQUESTS, window)
    query = Query(selection, (METRICS["requests"],), Interval(unit="total"), (DIMENSIONS[dimension],), row_cap=MAX_ROWS)
    return {str(row[2]) for row in report.usage(deck, who, view, query).table.rows if row[2] is not None}


def _shown(found: Iterable[_Voice]) -> list[dict[str, Any]]:
    return [{"voice_id": id_, "name": name} for name, id_ in found]


def _fits(asked: VoicesAsked, name: str, id_: str) -> bool:
    text = (asked.search or "").lower()
    return (
        (not asked.voice_ids or id_ in asked.voice_ids)
        and asked.voice_type not in _FOREIGN_TYPES
        and (text in name.lower() or text in id_.lower())
    )


def _page(asked: VoicesAsked, found: list[_Voice]) -> tuple[list[_Voice], bool]:
    """The page behind the token, and whether there is more. A voice that came or went meanwhile shifts nothing."""
    if asked.next_page_token:
        last = _voice_of(asked.next_page_token)
        found = [one for one in found if (one < last if asked.sort_direction == "desc" else one > last)]
    return found[: asked.page_size], len(found) > asked.page_size


def _token(last: _Voice) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(last)).decode()


def _voice_of(token: str) -> _Voice:
    try:
        last: _Voice = msgspec.json.decode(base64.urlsafe_b64decode(token.encode()), type=_Voice)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        said = "next_page_token is none of ours; leave it out for the first page."
        raise InvalidInput(said, field="next_page_token") from None
    return last

"""Webhooks, as the directory knows them. Nothing is delivered from here: deliveries are events that whoever delivers sends.

Of headers that go along with deliveries the names are kept, and the values get no further than this door. They are secrets, as a
rule, and nobody here has a use for them: what is kept for nobody can only get lost. It is the same with the secret that
deliveries are signed with: whoever delivers has to have both from whoever makes the webhook.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi import Query as Param
from msgspec import UNSET, UnsetType
from pydantic import BaseModel, Field

from usagedeck import admin
from usagedeck.directory import keys
from usagedeck.directory.webhooks import Webhook
from usagedeck.web.auth import DeckOf
from usagedeck.web.elevenlabs.asker import DONE, carry_out, require_manager, require_workspace, seconds, who_of
from usagedeck.web.elevenlabs.errors import ERRORS, MISSING, WireRoute
from usagedeck.web.elevenlabs.wire import Done, Name
from usagedeck.web.problems import json

router = APIRouter(prefix="/v1/workspace/webhooks", tags=["elevenlabs"], route_class=WireRoute, responses=ERRORS)

Headers = Annotated[
    dict[Annotated[str, Field(pattern=admin.HEADER_NAME)], Annotated[str, Field(max_length=8192)] | None] | None,
    Field(
        max_length=admin.MAX_HEADERS,
        description="Headers that go along with deliveries, all of them; one that is null is taken out. Their names are kept and "
        "shown, their values are not: give those to whoever delivers.",
    ),
]


class WebhookUseOut(BaseModel):
    usage_type: str


class WebhookOut(BaseModel):
    name: str
    webhook_id: str
    webhook_url: str
    is_disabled: bool = Field(description="By a person.")
    is_auto_disabled: bool = Field(description="Because it failed for too long.")
    created_at_unix: int
    auth_type: str
    usage: list[WebhookUseOut] | None = Field(description="Empty: what sets it off is known to whoever delivers.")
    events: list[str] | None = Field(description="Types of events it wants; only with include_usages.")
    most_recent_failure_error_code: int | None = Field(description="Status of the last failure; 0 where there was no answer.")
    most_recent_failure_timestamp: int | None


class WebhooksOut(BaseModel):
    webhooks: list[WebhookOut]


class HmacSettings(BaseModel):
    auth_type: Literal["hmac"]
    name: Name
    webhook_url: str = Field(pattern="^https?://", max_length=2000)
    request_headers: Headers = None


class WebhookBody(BaseModel):
    settings: HmacSettings


class WebhookMade(BaseModel):
    webhook_id: str
    webhook_secret: str = Field(description="For whoever delivers to sign with. Shown once and kept nowhere.")


class WebhookChange(BaseModel):
    is_disabled: bool
    name: Name
    retry_enabled: bool | None = Field(
        None, description="Kept and shown, for whoever delivers: failed deliveries are to be tried again."
    )
    request_headers: Headers = None
    events: list[Name] | None = Field(None, max_length=200)


@router.get("", response_model=WebhooksOut, summary="Webhooks of the workspace")
def webhooks(
    request: Request,
    deck: DeckOf,
    include_usages: Annotated[
        bool, Param(description="Also the events they want; for keys that look after the workspace.")
    ] = False,
) -> Response:
    """For keys that see the whole workspace."""
    who = who_of(request, deck)
    require_workspace(deck, who)
    if include_usages:
        require_manager(who)
    found = deck.directory.webhooks.all(who.workspace.id)
    return json({"webhooks": [_webhook(one, usages=include_usages) for one in found]})


def _webhook(one: Webhook, *, usages: bool) -> dict[str, Any]:
    return {
        "name": one.name,
        "webhook_id": one.id,
        "webhook_url": one.url,
        "is_disabled": one.disabled_at is not None and not one.auto_disabled,
        "is_auto_disabled": one.auto_disabled,
        "created_at_unix": seconds(one.created_at),
        "auth_type": one.auth,
        "usage": [] if usages else None,
        "events": one.events if usages else None,
        "most_recent_failure_error_code": one.failed_status,
        "most_recent_failure_timestamp": seconds(one.failed_at),
    }


@router.post("", response_model=WebhookMade, summary="Make a webhook")
def make_webhook(request: Request, deck: DeckOf, body: WebhookBody) -> Response:
    """It is entered in the directory, under an id of its own. For keys that look after the workspace."""
    who = who_of(request, deck)
    require_manager(who)
    wanted = body.settings
    id_ = keys.mint_id("wh")
    command = admin.PutWebhook(
        workspace=who.workspace.id,
        id=id_,
        name=wanted.name,
        url=wanted.webhook_url,
        request_headers=_names(wanted.request_headers),
    )
    carry_out(deck, who, command, new=True)
    return json({"webhook_id": id_, "webhook_secret": keys.mint_webhook_secret()})


@router.patch("/{webhook_id}", response_model=Done, responses=MISSING, summary="Change a webhook")
def change_webhook(request: Request, deck: DeckOf, webhook_id: str, body: WebhookChange) -> Response:
    """Its name, the events it wants, whether it is disabled, and what whoever delivers is to do. What may be left out stays then.
    For keys that look after the workspace."""
    who = who_of(request, deck)
    require_manager(who)
    wanted: dict[str, Any] = {"request_headers": _names(body.request_headers)}
    wanted |= {} if body.events is None else {"events": body.events}
    wanted |= {} if body.retry_enabled is None else {"retry_enabled": body.retry_enabled}
    if not body.is_disabled:
        wanted["auto_disabled"] = False
    workspace = who.workspace.id
    carry_out(
        deck, who, admin.PutWebhook(workspace=workspace, id=webhook_id, name=body.name, disabled=body.is_disabled, **wanted)
    )
    return json(DONE)


@router.delete("/{webhook_id}", response_model=Done, responses=MISSING, summary="Remove a webhook")
def remove_webhook(request: Request, deck: DeckOf, webhook_id: str) -> Response:
    """Its deliveries and its name stay. For keys that look after the workspace."""
    who = who_of(request, deck)
    carry_out(deck, who, admin.RemoveWebhook(workspace=who.workspace.id, id=webhook_id))
    return json(DONE)


def _names(headers: dict[str, str | None] | None) -> list[str] | UnsetType:
    """All that is kept of headers; nothing is said of them when there are none in the body."""
    return UNSET if headers is None else [name for name, value in headers.items() if value is not None]

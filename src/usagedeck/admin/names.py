"""Display names, and webhooks as their sender tells us of them."""

from enum import StrEnum
from typing import Annotated, TypeAlias

from msgspec import UNSET, Meta, UnsetType

from usagedeck import erasure
from usagedeck.admin.command import Answer, Command, Doing, Id, Name, instant, names_needed, not_found, since, told, workspace_of
from usagedeck.catalog.dimensions import Label
from usagedeck.deck import Deck
from usagedeck.directory.webhooks import Webhook
from usagedeck.times import iso

HEADER_NAME = "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$"
HeaderName: TypeAlias = Annotated[str, Meta(pattern=HEADER_NAME)]
MAX_HEADERS = 50
"""Headers that go along with a webhook's deliveries."""


class Auth(StrEnum):
    """How a webhook's receiver knows the sender."""

    HMAC = "hmac"
    OAUTH2 = "oauth2"
    MTLS = "mtls"


class SetLabels(Command, tag="labels.set"):
    """Display names of voices, users, keys, groups and other ids. Those that are not named stay."""

    untold = ("names",)

    workspace: Id
    kind: Label
    names: dict[str, Name]


class PutWebhook(Command, tag="webhook.put"):
    """A webhook, made or changed. Nothing is delivered from here: its deliveries are events that you send."""

    workspace: Id
    id: Id
    name: Name | UnsetType = UNSET
    url: Annotated[str, Meta(pattern="^https?://", max_length=2000)] | UnsetType = UNSET
    events: Annotated[list[Name], Meta(max_length=200)] | UnsetType = UNSET
    """Types of events it wants; all when there are none."""
    auth: Auth | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    auto_disabled: bool | UnsetType = UNSET
    """It was disabled because it failed for too long, and not by a person."""
    failed_at: str | int | UnsetType | None = UNSET
    failed_status: Annotated[int, Meta(ge=0, le=999)] | UnsetType | None = UNSET
    """Status of the last failure; 0 where there was no answer."""
    retry_enabled: bool | UnsetType = UNSET
    """Whoever delivers is to try again."""
    request_headers: Annotated[list[HeaderName], Meta(max_length=MAX_HEADERS)] | UnsetType = UNSET
    """Names of headers that go along with deliveries, all of them. Their values are not taken: they are secrets, and what is kept
    for nobody's use can only get lost. Give them to whoever delivers."""


class ListWebhooks(Command, tag="webhook.list"):
    """The webhooks of a workspace."""

    changes = False

    workspace: Id


class RemoveWebhook(Command, tag="webhook.remove"):
    """A webhook goes; its deliveries and its name stay."""

    workspace: Id
    id: Id


def _set_labels(deck: Deck, command: SetLabels) -> Answer:
    workspace = workspace_of(deck, command.workspace)
    for id_ in command.names:
        erasure.refuse(deck, workspace.id, command.kind, id_)
    deck.directory.labels.put(workspace.id, command.kind, command.names)
    return {"kind": command.kind, "names": len(command.names)}


def _put(deck: Deck, command: PutWebhook) -> Answer:
    workspace, webhooks = workspace_of(deck, command.workspace), deck.directory.webhooks
    before = webhooks.get(workspace.id, command.id)
    for field in ("name", "url"):
        if before is None and getattr(command, field) is UNSET:
            raise names_needed(field)
    old = before or Webhook(workspace.id, command.id, "", "", (), Auth.HMAC, deck.clock())
    made = Webhook(
        workspace.id,
        command.id,
        told(command.name, old.name),
        told(command.url, old.url),
        tuple(told(command.events, list(old.events))),
        told(command.auth, Auth(old.auth)),
        old.created_at,
        since(command.disabled, deck.clock(), old.disabled_at),
        told(command.auto_disabled, old.auto_disabled and command.disabled is not False),
        instant(command.failed_at, old.failed_at, "failed_at"),
        told(command.failed_status, old.failed_status),
        told(command.retry_enabled, old.retry_enabled),
        tuple(told(command.request_headers, list(old.request_headers))),
    )
    webhooks.put(made)
    return {**_webhook(made), "created": before is None}


def _list(deck: Deck, command: ListWebhooks) -> Answer:
    return {"webhooks": [_webhook(one) for one in deck.directory.webhooks.all(workspace_of(deck, command.workspace).id)]}


def _remove(deck: Deck, command: RemoveWebhook) -> Answer:
    if not deck.directory.webhooks.remove(workspace_of(deck, command.workspace).id, command.id):
        raise not_found("webhook", command.id)
    return {"id": command.id, "removed": True}


def _webhook(webhook: Webhook) -> Answer:
    return {
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "events": webhook.events,
        "auth": webhook.auth,
        "created_at": iso(webhook.created_at),
        "disabled": webhook.disabled_at is not None,
        "auto_disabled": webhook.auto_disabled,
        "failed_at": None if webhook.failed_at is None else iso(webhook.failed_at),
        "failed_status": webhook.failed_status,
        "retry_enabled": webhook.retry_enabled,
        "request_headers": webhook.request_headers,
    }


DOING: Doing = {SetLabels: _set_labels, PutWebhook: _put, ListWebhooks: _list, RemoveWebhook: _remove}

"""Service accounts and their API keys. Reading is for those who see the whole workspace, changing for those who look after it.

The secret of a new key is in one answer and nowhere else. Permissions that belong to other parts of a platform are kept and
shown, and let nobody do anything here.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi import Query as Param
from pydantic import BaseModel, ConfigDict, Field

from usagedeck import access, admin
from usagedeck.access import Permission, Who
from usagedeck.deck import Deck
from usagedeck.directory import keys
from usagedeck.directory.api_keys import CONCURRENCY, ApiKey
from usagedeck.errors import InvalidInput, NotFound
from usagedeck.times import DAY, MINUTE, SECOND
from usagedeck.web.auth import DeckOf
from usagedeck.web.elevenlabs.asker import DONE, carry_out, require_manager, require_workspace, seconds, who_of
from usagedeck.web.elevenlabs.errors import ERRORS, MISSING, WireRoute
from usagedeck.web.elevenlabs.spent import Spent, spent_by
from usagedeck.web.elevenlabs.wire import Done, KeyHashes, Limit, Name, OneOf
from usagedeck.web.problems import json

router = APIRouter(prefix="/v1", tags=["elevenlabs"], route_class=WireRoute, responses=ERRORS)

SOONEST, LATEST = 15 * MINUTE, 90 * DAY
"""How far ahead a key may expire."""

ALL, CLEAR, STAY = "all", "clear", "no_update"

Permissions = list[Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,59}$")]]
Networks = Annotated[list[Annotated[str, Field(max_length=60)]], Field(max_length=100)]
Expiry = Annotated[int, Field(strict=True, ge=0, le=10**11, description="Unix time in seconds, 15 minutes to 90 days ahead.")]
AtOnce = Annotated[
    int, Field(strict=True, ge=0, le=10**6, description="Requests that may run at once. Kept and shown; nothing is stopped here.")
]
_LIMITS = {"concurrency": CONCURRENCY[0], "dubbing_concurrency": CONCURRENCY[1], "music_concurrency": CONCURRENCY[2]}
"""What limits of concurrency are called where they are shown, and where they are set."""


class CreditsOut(BaseModel):
    limit: int | None
    usage: float | None


class AtOnceOut(BaseModel):
    limit: int | None = Field(description="Requests that may run at once; null without a limit.")


class PlatformLimits(BaseModel):
    credits: CreditsOut
    concurrency: AtOnceOut
    dubbing_concurrency: AtOnceOut
    music_concurrency: AtOnceOut


class KeyOut(BaseModel):
    name: str
    hint: str
    key_id: str
    service_account_user_id: str
    created_at_unix: int
    is_disabled: bool
    permissions: list[str]
    hashed_xi_api_key: str
    character_limit: int | None = Field(description="Credits a billing period; null without a limit.")
    character_count: float | None = Field(description="Credits used so far in the billing period; null when they are not known.")
    allowed_ips: list[str] | None
    third_party_disable_allowed: bool = Field(description="Whoever holds a key may disable it here.")
    platform_limits: PlatformLimits
    expires_at_unix: int | None


class KeysOut(BaseModel):
    api_keys: list[KeyOut] = Field(alias="api-keys")


class AccountOut(BaseModel):
    service_account_user_id: str
    name: str
    created_at_unix: int
    api_keys: list[KeyOut] = Field(alias="api-keys")
    default_sharing_groups: list[str] = Field(description="Empty: nothing is shared here.")


class AccountsOut(BaseModel):
    service_accounts: list[AccountOut] = Field(alias="service-accounts")


class AccountBody(BaseModel):
    name: Name
    default_sharing_groups: list[Any] | None = Field(None, description="Not kept: nothing is shared here.")


class AccountMade(BaseModel):
    service_account_user_id: str = Field(alias="service-account-user-id")


class KeyBody(BaseModel):
    name: Name
    permissions: Literal["all"] | Permissions
    character_limit: Limit | None = None
    allowed_ips: Networks | None = None
    expires_at_unix: Expiry | None = None
    third_party_disable_allowed: bool | None = None
    tts_concurrency_limit: AtOnce | None = None
    dubbing_concurrency_limit: AtOnce | None = None
    music_concurrency_limit: AtOnce | None = None


class KeyMade(BaseModel):
    xi_api_key: str = Field(alias="xi-api-key")
    key_id: str


class KeyChange(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"description": "What is left out, null or no_update stays; clear takes it back."}
    )

    is_enabled: bool | Literal["no_update"] | None = None
    name: Name | None = None
    permissions: Literal["all", "no_update"] | Permissions | None = None
    character_limit: Limit | Literal["clear", "no_update"] | None = None
    allowed_ips: Networks | Literal["clear", "no_update"] | None = None
    expires_at_unix: Expiry | Literal["clear", "no_update"] | None = None
    third_party_disable_allowed: bool | Literal["clear", "no_update"] | None = None
    tts_concurrency_limit: AtOnce | Literal["clear", "no_update"] | None = None
    dubbing_concurrency_limit: AtOnce | Literal["clear", "no_update"] | None = None
    music_concurrency_limit: AtOnce | Literal["clear", "no_update"] | None = None


# --- accounts -----------------------------------------------------------------------------------------------------


@router.get("/service-accounts", response_model=AccountsOut, summary="Service accounts of the workspace")
def accounts(request: Request, deck: DeckOf) -> Response:
    """With their keys; for keys that see the whole workspace."""
    who = who_of(request, deck)
    require_workspace(deck, who)
    keys_of = _keys(deck, who)
    shown = [
        {
            "service_account_user_id": one.id,
            "name": one.name,
            "created_at_unix": seconds(one.created_at),
            "api-keys": keys_of.get(one.id, []),
            "default_sharing_groups": [],
        }
        for one in deck.directory.service_accounts.all(who.workspace.id)
    ]
    return json({"service-accounts": shown})


@router.post("/service-accounts", response_model=AccountMade, summary="Make a service account")
def make_account(request: Request, deck: DeckOf, body: AccountBody) -> Response:
    """Its id is the `user_id` of its usage. For keys that look after the workspace."""
    who = who_of(request, deck)
    require_manager(who)
    if body.default_sharing_groups:
        raise InvalidInput("Nothing is shared here; leave default_sharing_groups out.", field="default_sharing_groups")
    id_ = keys.mint_id("sa")
    carry_out(deck, who, admin.PutServiceAccount(workspace=who.workspace.id, id=id_, name=body.name), new=True)
    return json({"service-account-user-id": id_})


# --- their keys ---------------------------------------------------------------------------------------------------


@router.get(
    "/service-accounts/{account_id}/api-keys", response_model=KeysOut, responses=MISSING, summary="Keys of a service account"
)
def keys_of_account(request: Request, deck: DeckOf, account_id: str) -> Response:
    """Without their secrets; for keys that see the whole workspace."""
    who = who_of(request, deck)
    require_workspace(deck, who)
    _account(deck, who, account_id)
    return json({"api-keys": _keys(deck, who, account_id).get(account_id, [])})


@router.post(
    "/service-accounts/{account_id}/api-keys",
    response_model=KeyMade,
    responses=MISSING,
    summary="Make a key of a service account",
)
def make_key(request: Request, deck: DeckOf, account_id: str, body: KeyBody) -> Response:
    """The secret is in the answer and nowhere else. For keys that look after the workspace, and give no more than they have."""
    who = who_of(request, deck)
    require_manager(who)
    _account(deck, who, account_id)
    _refuse(body)
    id_ = keys.mint_id("key")
    wanted = _wanted(deck, body)
    made = carry_out(deck, who, admin.PutKey(workspace=who.workspace.id, id=id_, user=account_id, **wanted), new=True)
    return json({"xi-api-key": made["api_key"], "key_id": id_})


@router.patch(
    "/service-accounts/{account_id}/api-keys/{key_id}",
    response_model=Done,
    responses=MISSING,
    summary="Change a key of a service account",
)
def change_key(request: Request, deck: DeckOf, account_id: str, key_id: str, body: KeyChange) -> Response:
    """What is left out stays; `clear` takes a limit, networks or an expiry back. For keys that look after the workspace."""
    who = who_of(request, deck)
    require_manager(who)
    _key(deck, who, account_id, key_id)
    _refuse(body)
    carry_out(deck, who, admin.PutKey(workspace=who.workspace.id, id=key_id, **_wanted(deck, body)))
    return json(DONE)


@router.delete(
    "/service-accounts/{account_id}/api-keys/{key_id}",
    response_model=Done,
    responses=MISSING,
    summary="Revoke a key of a service account",
)
def revoke_key(request: Request, deck: DeckOf, account_id: str, key_id: str) -> Response:
    """It stops working at once and for good. For keys that look after the workspace."""
    who = who_of(request, deck)
    require_manager(who)
    _key(deck, who, account_id, key_id)
    carry_out(deck, who, admin.RevokeKey(workspace=who.workspace.id, id=key_id))
    return json(DONE)


@router.post(
    "/service-accounts/{account_id}/api-keys/{key_id}/disable",
    response_model=Done,
    responses=MISSING,
    summary="Disable a key of a service account",
)
def disable_key(request: Request, deck: DeckOf, account_id: str, key_id: str) -> Response:
    """It stops working at once, until it is enabled again. For keys that look after the workspace."""
    who = who_of(request, deck)
    require_manager(who)
    _key(deck, who, account_id, key_id)
    carry_out(deck, who, admin.PutKey(workspace=who.workspace.id, id=key_id, disabled=True))
    return json(DONE)


@router.post("/workspaces/api-keys/disable", response_model=Done, summary="Disable the key that asks")
def disable_myself(
    request: Request,
    deck: DeckOf,
    api_key_name: Annotated[  # noqa: ARG001 - that it came and is "self" is all there is to it
        str, OneOf("ApiKeyName", ("self",)), Param(description="`self`: whoever asks means it.")
    ],
) -> Response:
    """Whoever holds a key, by whatever way, can stop it. Only those who look after the workspace enable it again."""
    who = who_of(request, deck)
    assert who.key_id is not None, "these calls know keys alone"  # noqa: S101
    # no right is needed for it, so it is done in the key's own name and not judged
    admin.perform(deck, admin.PutKey(workspace=who.workspace.id, id=who.key_id, disabled=True), access.actor(who))
    return json(DONE)


def _account(deck: Deck, who: Who, account_id: str) -> None:
    if deck.directory.service_accounts.get(who.workspace.id, account_id) is None:
        raise NotFound(
            "There is no such service account in this workspace.", field="account_id", code="service_account_not_found"
        )


def _key(deck: Deck, who: Who, account_id: str, key_id: str) -> None:
    """Raises the same for a key that is revoked, another's, and none at all."""
    _account(deck, who, account_id)
    found = deck.directory.api_keys.get(who.workspace.id, key_id)
    if found is None or found.user_id != account_id or found.revoked_at is not None:
        raise NotFound("This service account has no such key.", field="key_id", code="api_key_not_found")


def _keys(deck: Deck, who: Who, account_id: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """The keys of service accounts that are not revoked, by account."""
    found = [one for one in deck.directory.api_keys.all(who.workspace.id) if one.user_id and one.revoked_at is None]
    found = [one for one in found if account_id in (None, one.user_id)]
    used = spent_by(deck, who, access.View.WORKSPACE, "api_key_id") if found else Spent(None)
    hashes = KeyHashes(deck, who)
    shown: dict[str, list[dict[str, Any]]] = {}
    for one in found:
        shown.setdefault(one.user_id or "", []).append(_shown(one, hashes, used))
    return shown


def _shown(one: ApiKey, hashes: KeyHashes, used: Spent) -> dict[str, Any]:
    count = used.of(one.id)
    return {
        "name": one.label,
        "hint": one.hint,
        "key_id": one.id,
        "service_account_user_id": one.user_id,
        "created_at_unix": seconds(one.created_at),
        "is_disabled": one.disabled_at is not None,
        "permissions": one.permissions,
        "hashed_xi_api_key": hashes.of(one.id),
        "character_limit": one.credit_limit,
        "character_count": count,
        "allowed_ips": one.allowed_ips or None,
        "third_party_disable_allowed": True,
        "platform_limits": {
            "credits": {"limit": one.credit_limit, "usage": count},
            **{shown: {"limit": getattr(one, name)} for shown, name in _LIMITS.items()},
        },
        "expires_at_unix": seconds(one.expires_at),
    }


# --- what a body wants ----------------------------------------------------------------------------------------------


def _refuse(body: KeyBody | KeyChange) -> None:
    """What would be lost without a word."""
    if body.third_party_disable_allowed is False:
        raise InvalidInput(
            "third_party_disable_allowed is always true here: whoever holds a key may disable it.",
            field="third_party_disable_allowed",
        )


def _wanted(deck: Deck, body: KeyBody | KeyChange) -> dict[str, Any]:
    """The fields of the command. What is left out is not among them."""
    wanted: dict[str, Any] = {}
    if body.name is not None:
        wanted["label"] = body.name
    if body.permissions not in (None, STAY):
        wanted |= _permissions(body.permissions)
    said = {
        "credit_limit": body.character_limit,
        "allowed_ips": body.allowed_ips,
        "expires_at": _expiry(deck, body.expires_at_unix),
        **{name: getattr(body, name) for name in CONCURRENCY},
    }
    for field, value in said.items():
        if value == CLEAR:
            wanted[field] = [] if field == "allowed_ips" else None
        elif value not in (None, STAY):
            wanted[field] = value
    if isinstance(body, KeyChange) and isinstance(body.is_enabled, bool):
        wanted["disabled"] = not body.is_enabled
    return wanted


def _expiry(deck: Deck, value: int | str | None) -> int | str | None:
    if not isinstance(value, int):
        return value
    ahead = value * SECOND - deck.clock()
    if not SOONEST <= ahead <= LATEST:
        raise InvalidInput("expires_at_unix lies 15 minutes to 90 days ahead, in seconds.", field="expires_at_unix")
    return value * SECOND


def _permissions(names: Any) -> dict[str, Any]:
    """Ours, and those of other parts of the platform."""
    ours = list(Permission) if names == ALL else [Permission(name) for name in dict.fromkeys(names) if name in list(Permission)]
    return {
        "permissions": ours,
        "platform_permissions": [] if names == ALL else [name for name in dict.fromkeys(names) if name not in ours],
    }

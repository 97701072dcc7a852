"""API keys of workspaces, and keys of the operator's own programs."""

from collections.abc import Iterable
from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from usagedeck import erasure
from usagedeck.access import USUAL, Permission
from usagedeck.addresses import network
from usagedeck.admin.command import Answer, Command, Credits, Doing, Id, Name, given, instant, since, told, workspace_of
from usagedeck.catalog.dimensions import Label
from usagedeck.deck import Deck
from usagedeck.directory import keys
from usagedeck.directory.api_keys import CONCURRENCY, ApiKey
from usagedeck.errors import Conflict, InvalidInput, NotFound
from usagedeck.times import iso

MAX_NETWORKS = 100
PUT_PERMISSIONS = (Permission.WRITE, Permission.READ)
"""What a key may do that is put without saying so."""
MAX_PERMISSIONS = 200
AtOnce: TypeAlias = Annotated[int, Meta(ge=0, le=10**6)]
"""Requests that may run at once."""
PlatformPermission: TypeAlias = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,59}$")]


class CreateKey(Command, tag="key.create"):
    """An API key. The secret is in the answer and nowhere else."""

    workspace: Id
    label: Name
    id: Id | None = None
    user: Id | None = None
    permissions: list[Permission] = msgspec.field(default_factory=lambda: list(USUAL))


class PutKey(Command, tag="key.put"):
    """A key, made or changed. With `sha256`, the hash of a key that you minted yourself, it is registered without being
    revealed; a new one without it is minted here, and the secret is in that answer and nowhere else."""

    untold = ("sha256",)

    workspace: Id
    id: Id
    label: Name | UnsetType = UNSET
    user: Id | UnsetType | None = UNSET
    """Its owner: a user or a service account; whose usage it is, when events name the key alone."""
    permissions: list[Permission] | UnsetType = UNSET
    platform_permissions: Annotated[list[PlatformPermission], Meta(max_length=MAX_PERMISSIONS)] | UnsetType = UNSET
    """What it may do in other parts of your platform: kept, shown, and nothing here."""
    sha256: Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}$")] | UnsetType = UNSET
    hint: Annotated[str, Meta(max_length=8)] | UnsetType = UNSET
    """The last characters, for people who compare keys."""
    disabled: bool | UnsetType = UNSET
    expires_at: str | int | UnsetType | None = UNSET
    allowed_ips: Annotated[list[str], Meta(max_length=MAX_NETWORKS)] | UnsetType = UNSET
    """Addresses and networks it may be used from; from everywhere when there are none."""
    credit_limit: Credits | UnsetType | None = UNSET
    tts_concurrency_limit: AtOnce | UnsetType | None = UNSET
    """Requests for speech that may run at once with it, of dubbing and of music the next two: kept and shown, for whoever runs
    them. Nothing is stopped here."""
    dubbing_concurrency_limit: AtOnce | UnsetType | None = UNSET
    music_concurrency_limit: AtOnce | UnsetType | None = UNSET


class ListKeys(Command, tag="key.list"):
    """The keys of a workspace, without their secrets."""

    changes = False

    workspace: Id


class RevokeKey(Command, tag="key.revoke"):
    """A key stops working at once and for good; its usage stays."""

    workspace: Id
    id: Id


class CreateOperatorKey(Command, tag="operator_key.create"):
    """A key for a program that provisions workspaces, people and keys. The secret is in the answer and nowhere else."""

    label: Name
    id: Id | None = None


class ListOperatorKeys(Command, tag="operator_key.list"):
    """The operator keys, without their secrets."""

    changes = False


class RevokeOperatorKey(Command, tag="operator_key.revoke"):
    """An operator key stops working at once and for good."""

    id: Id


def create_key(deck: Deck, command: CreateKey) -> Answer:
    workspace = workspace_of(deck, command.workspace)
    _check(command.permissions)
    _refuse_erased(deck, workspace.id, command.id, command.user)
    secret = keys.mint_key()
    made = deck.directory.api_keys.add(
        workspace.id,
        command.id or keys.mint_id("key"),
        label=command.label,
        user_id=command.user,
        hint=keys.hint(secret),
        verifier=keys.verifier(secret),
        permissions=command.permissions,
    )
    return {
        "workspace_id": workspace.id,
        "key_id": made.id,
        "label": made.label,
        "api_key": secret,
        "permissions": made.permissions,
    }


def _refuse_erased(deck: Deck, workspace_id: str, key: str | None, owner: str | None) -> None:
    erasure.refuse(deck, workspace_id, Label.API_KEY, key)
    erasure.refuse(deck, workspace_id, Label.USER, owner)


def _check(permissions: list[Permission]) -> None:
    if not permissions:
        raise InvalidInput("A key without permissions can do nothing; name at least one.", field="permissions")


def _put(deck: Deck, command: PutKey) -> Answer:
    workspace, now = workspace_of(deck, command.workspace), deck.clock()
    _refuse_erased(deck, workspace.id, command.id, told(command.user, None))
    before = deck.directory.api_keys.get(workspace.id, command.id)
    permissions = _permissions(command, before)
    allowed = [network(text) for text in told(command.allowed_ips, [])]
    if before is None:
        minted = None if isinstance(command.sha256, str) else keys.mint_key()
        made = deck.directory.api_keys.add(
            workspace.id,
            command.id,
            label=told(command.label, command.id),
            user_id=told(command.user, None),
            hint=keys.hint(minted) if minted else told(command.hint, ""),
            verifier=keys.verifier(minted) if minted else told(command.sha256, "").lower(),
            permissions=permissions,
            expires_at=instant(command.expires_at, None, "expires_at"),
            allowed_ips=allowed,
            credit_limit=told(command.credit_limit, None),
            disabled_at=since(command.disabled, now, None),
            concurrency={name: limit for name, limit in _concurrency(command).items() if limit is not None},
        )
        return {**_key(made), "created": True, **({"api_key": minted} if minted else {})}
    if before.revoked_at is not None:
        raise Conflict(f'Key "{before.id}" is revoked for good; take another id.', field="id", code="api_key_revoked")
    values = given(label=command.label, user_id=command.user, hint=command.hint, credit_limit=command.credit_limit)
    values |= _concurrency(command)
    if command.permissions is not UNSET or command.platform_permissions is not UNSET:
        values["permissions"] = permissions
    if not isinstance(command.allowed_ips, UnsetType):
        values["allowed_ips"] = allowed
    if isinstance(command.sha256, str):
        values["verifier"] = command.sha256.lower()
    values["expires_at"] = instant(command.expires_at, before.expires_at, "expires_at")
    values["disabled_at"] = since(command.disabled, now, before.disabled_at)
    deck.directory.api_keys.change(workspace.id, before.id, values)
    return {**_key(deck.directory.api_keys.get(workspace.id, before.id) or before), "created": False}


def _concurrency(command: PutKey) -> dict[str, int | None]:
    """Those limits that were said."""
    return given(**{name: getattr(command, name) for name in CONCURRENCY})


def _permissions(command: PutKey, before: ApiKey | None) -> list[str]:
    """All that the key may do, here and elsewhere; what is not said stays."""
    ours, theirs = _told_apart(before.permissions) if before else (list(PUT_PERMISSIONS), [])
    ours, theirs = told(command.permissions, ours), told(command.platform_permissions, theirs)
    if twice := sorted(set(theirs).intersection(Permission)):
        raise InvalidInput(f"{twice[0]} is a permission of this server; name it in permissions.", field="platform_permissions")
    if not theirs:
        _check(ours)
    return sorted({*ours, *theirs})


def _told_apart(names: Iterable[str]) -> tuple[list[Permission], list[str]]:
    """Permissions of this server, and of other parts of a platform."""
    known = list(Permission)
    return [Permission(name) for name in names if name in known], [name for name in names if name not in known]


def _list(deck: Deck, command: ListKeys) -> Answer:
    return {"keys": [_key(key) for key in deck.directory.api_keys.all(workspace_of(deck, command.workspace).id)]}


def _revoke(deck: Deck, command: RevokeKey) -> Answer:
    if not deck.directory.api_keys.revoke(workspace_of(deck, command.workspace).id, command.id):
        raise no_active_key(command.id)
    return {"id": command.id, "revoked": True}


def no_active_key(id_: str) -> NotFound:
    """The same for a key that is revoked, another's, and none at all."""
    return NotFound(f'There is no active key "{id_}" in this workspace.', field="id", code="api_key_not_found")


def _key(key: ApiKey) -> Answer:
    ours, theirs = _told_apart(key.permissions)
    return {
        "key_id": key.id,
        "label": key.label,
        "hint": key.hint,
        "user_id": key.user_id,
        "permissions": ours,
        "platform_permissions": theirs,
        "created_at": iso(key.created_at),
        "revoked_at": _iso(key.revoked_at),
        "disabled_at": _iso(key.disabled_at),
        "expires_at": _iso(key.expires_at),
        "last_used_at": _iso(key.last_used_at),
        "allowed_ips": key.allowed_ips,
        "credit_limit": key.credit_limit,
        **{name: getattr(key, name) for name in CONCURRENCY},
    }


def _iso(instant_: int | None) -> str | None:
    return None if instant_ is None else iso(instant_)


def _create_operator_key(deck: Deck, command: CreateOperatorKey) -> Answer:
    secret = keys.mint_operator_key()
    made = deck.directory.operator_keys.add(
        command.id or keys.mint_id("op"), label=command.label, hint=keys.hint(secret), verifier=keys.verifier(secret)
    )
    return {"id": made.id, "label": made.label, "operator_key": secret}


def _list_operator_keys(deck: Deck, _: ListOperatorKeys) -> Answer:
    found = deck.directory.operator_keys.all()
    return {
        "operator_keys": [
            {
                "id": key.id,
                "label": key.label,
                "hint": key.hint,
                "created_at": iso(key.created_at),
                "last_used_at": _iso(key.last_used_at),
                "revoked_at": _iso(key.revoked_at),
            }
            for key in found
        ]
    }


def _revoke_operator_key(deck: Deck, command: RevokeOperatorKey) -> Answer:
    if not deck.directory.operator_keys.revoke(command.id):
        raise NotFound(f'There is no active operator key "{command.id}".', field="id", code="operator_key_not_found")
    return {"id": command.id, "revoked": True}


DOING: Doing = {
    CreateKey: create_key,
    PutKey: _put,
    ListKeys: _list,
    RevokeKey: _revoke,
    CreateOperatorKey: _create_operator_key,
    ListOperatorKeys: _list_operator_keys,
    RevokeOperatorKey: _revoke_operator_key,
}

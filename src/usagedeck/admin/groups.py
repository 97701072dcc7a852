"""Groups and service accounts."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from usagedeck import erasure
from usagedeck.access import Permission
from usagedeck.admin.command import (
    MAX_MEMBERS,
    Answer,
    Command,
    Credits,
    Doing,
    Id,
    Name,
    names_needed,
    not_found,
    told,
    workspace_of,
)
from usagedeck.catalog.dimensions import Label
from usagedeck.deck import Deck
from usagedeck.times import iso


class PutGroup(Command, tag="group.put"):
    """A group, made or changed. `users`, when said, are all of its users; ids of people nobody registered are welcome.
    What its members may do comes to their own rights: `workspace_analytics_full_read`, `audit_log_read`."""

    untold = ("users",)

    workspace: Id
    id: Id
    name: Name | UnsetType = UNSET
    permissions: list[Permission] | UnsetType = UNSET
    users: Annotated[list[Id], Meta(max_length=MAX_MEMBERS)] | UnsetType = UNSET
    credit_limit: Credits | UnsetType | None = UNSET


class ListGroups(Command, tag="group.list"):
    """The groups of a workspace."""

    changes = False

    workspace: Id


class RemoveGroup(Command, tag="group.remove"):
    """A group goes; its usage and its name stay."""

    workspace: Id
    id: Id


class PutServiceAccount(Command, tag="service_account.put"):
    """A service account, made or changed; `id` is the `user_id` of its events."""

    workspace: Id
    id: Id
    name: Name | UnsetType = UNSET
    credit_limit: Credits | UnsetType | None = UNSET


class ListServiceAccounts(Command, tag="service_account.list"):
    """The service accounts of a workspace."""

    changes = False

    workspace: Id


class RemoveServiceAccount(Command, tag="service_account.remove"):
    """A service account goes: its keys are revoked; its usage and its name stay."""

    workspace: Id
    id: Id


def _put_group(deck: Deck, command: PutGroup) -> Answer:
    workspace, groups = workspace_of(deck, command.workspace), deck.directory.groups
    for user in told(command.users, []):
        erasure.refuse(deck, workspace.id, Label.USER, user)
    before = groups.get(workspace.id, command.id)
    if before is None and isinstance(command.name, UnsetType):
        raise names_needed("name")
    groups.put(
        workspace.id,
        command.id,
        name=told(command.name, before.name if before else ""),
        permissions=told(command.permissions, [Permission(p) for p in before.permissions] if before else []),
        credit_limit=told(command.credit_limit, before.credit_limit if before else None),
        user_ids=None if isinstance(command.users, UnsetType) else command.users,
    )
    made = next(one for one in _groups(deck, workspace.id) if one["id"] == command.id)
    return {**made, "created": before is None}


def _groups(deck: Deck, workspace_id: str) -> list[Answer]:
    users = deck.directory.groups.members(workspace_id)
    return [
        {
            "id": group.id,
            "name": group.name,
            "permissions": group.permissions,
            "users": users.get(group.id, ()),
            "credit_limit": group.credit_limit,
            "created_at": iso(group.created_at),
        }
        for group in deck.directory.groups.all(workspace_id)
    ]


def _list_groups(deck: Deck, command: ListGroups) -> Answer:
    return {"groups": _groups(deck, workspace_of(deck, command.workspace).id)}


def _remove_group(deck: Deck, command: RemoveGroup) -> Answer:
    if not deck.directory.groups.remove(workspace_of(deck, command.workspace).id, command.id):
        raise not_found("group", command.id)
    return {"id": command.id, "removed": True}


def _put_account(deck: Deck, command: PutServiceAccount) -> Answer:
    workspace, accounts = workspace_of(deck, command.workspace), deck.directory.service_accounts
    erasure.refuse(deck, workspace.id, Label.USER, command.id)
    before = accounts.get(workspace.id, command.id)
    if before is None and isinstance(command.name, UnsetType):
        raise names_needed("name")
    limit = told(command.credit_limit, before.credit_limit if before else None)
    accounts.put(workspace.id, command.id, name=told(command.name, before.name if before else ""), credit_limit=limit)
    made = next(one for one in _accounts(deck, workspace.id) if one["id"] == command.id)
    return {**made, "created": before is None}


def _accounts(deck: Deck, workspace_id: str) -> list[Answer]:
    return [
        {"id": one.id, "name": one.name, "credit_limit": one.credit_limit, "created_at": iso(one.created_at)}
        for one in deck.directory.service_accounts.all(workspace_id)
    ]


def _list_accounts(deck: Deck, command: ListServiceAccounts) -> Answer:
    return {"service_accounts": _accounts(deck, workspace_of(deck, command.workspace).id)}


def _remove_account(deck: Deck, command: RemoveServiceAccount) -> Answer:
    if not deck.directory.service_accounts.remove(workspace_of(deck, command.workspace).id, command.id):
        raise not_found("service account", command.id)
    return {"id": command.id, "removed": True}


DOING: Doing = {
    PutGroup: _put_group,
    ListGroups: _list_groups,
    RemoveGroup: _remove_group,
    PutServiceAccount: _put_account,
    ListServiceAccounts: _list_accounts,
    RemoveServiceAccount: _remove_account,
}

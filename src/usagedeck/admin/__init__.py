"""What an operator does: workspaces, people, groups, keys, names, and looking after all of it.

Commands are data, so that the command line can carry them out itself or hand them to a running server, and so that programs of
the operator's can send them. The rules are in the modules beside this one; here is what there is, and the note that it was done.
"""

from typing import Any, TypeAlias

import msgspec

from usagedeck import access, audit
from usagedeck.admin import erasing, groups, inspecting, invitations, keys, limits, names, people, rights, workspaces
from usagedeck.admin.command import Command, Doing
from usagedeck.admin.erasing import Erase
from usagedeck.admin.groups import ListGroups, ListServiceAccounts, PutGroup, PutServiceAccount, RemoveGroup, RemoveServiceAccount
from usagedeck.admin.inspecting import BeginBackup, EndBackup, Examine, Explain, PlanVerification, Verify
from usagedeck.admin.invitations import CreateInvitation, ListInvitations, RevokeInvitation
from usagedeck.admin.keys import CreateKey, CreateOperatorKey, ListKeys, ListOperatorKeys, PutKey, RevokeKey, RevokeOperatorKey
from usagedeck.admin.limits import SetLimit
from usagedeck.admin.names import HEADER_NAME, MAX_HEADERS, ListWebhooks, PutWebhook, RemoveWebhook, SetLabels
from usagedeck.admin.people import AddUser, ListMembers, PutMember, PutUser, RemoveMember, SetPassword, UnlinkUser
from usagedeck.admin.workspaces import (
    CURRENCIES,
    MAX_RETENTION_DAYS,
    CreateWorkspace,
    ListWorkspaces,
    PutWorkspace,
    SetExchanges,
    SetRetention,
    ShowWorkspace,
    TrustClock,
)
from usagedeck.audit import OPERATOR, Actor
from usagedeck.deck import Deck

__all__ = [
    "CURRENCIES",
    "HEADER_NAME",
    "MAX_HEADERS",
    "MAX_RETENTION_DAYS",
    "AddUser",
    "AnyCommand",
    "BeginBackup",
    "Command",
    "CreateInvitation",
    "CreateKey",
    "CreateOperatorKey",
    "CreateWorkspace",
    "EndBackup",
    "Erase",
    "Examine",
    "Explain",
    "ListGroups",
    "ListInvitations",
    "ListKeys",
    "ListMembers",
    "ListOperatorKeys",
    "ListServiceAccounts",
    "ListWebhooks",
    "ListWorkspaces",
    "PlanVerification",
    "PutGroup",
    "PutKey",
    "PutMember",
    "PutServiceAccount",
    "PutUser",
    "PutWebhook",
    "PutWorkspace",
    "RemoveGroup",
    "RemoveMember",
    "RemoveServiceAccount",
    "RemoveWebhook",
    "RevokeInvitation",
    "RevokeKey",
    "RevokeOperatorKey",
    "SetExchanges",
    "SetLabels",
    "SetLimit",
    "SetPassword",
    "SetRetention",
    "ShowWorkspace",
    "TrustClock",
    "UnlinkUser",
    "Verify",
    "decode",
    "encode",
    "perform",
    "perform_for",
]

AnyCommand: TypeAlias = (
    CreateWorkspace
    | PutWorkspace
    | ListWorkspaces
    | ShowWorkspace
    | SetExchanges
    | SetRetention
    | TrustClock
    | AddUser
    | PutUser
    | SetPassword
    | UnlinkUser
    | PutMember
    | ListMembers
    | RemoveMember
    | CreateInvitation
    | ListInvitations
    | RevokeInvitation
    | PutGroup
    | ListGroups
    | RemoveGroup
    | PutServiceAccount
    | ListServiceAccounts
    | RemoveServiceAccount
    | CreateKey
    | PutKey
    | ListKeys
    | RevokeKey
    | CreateOperatorKey
    | ListOperatorKeys
    | RevokeOperatorKey
    | SetLabels
    | SetLimit
    | PutWebhook
    | ListWebhooks
    | RemoveWebhook
    | Erase
    | BeginBackup
    | EndBackup
    | Examine
    | PlanVerification
    | Verify
    | Explain
)

decode = msgspec.json.Decoder(AnyCommand).decode
encode = msgspec.json.encode

_DOING: Doing = {
    **workspaces.DOING,
    **people.DOING,
    **invitations.DOING,
    **groups.DOING,
    **keys.DOING,
    **names.DOING,
    **limits.DOING,
    **erasing.DOING,
    **inspecting.DOING,
}


def perform(deck: Deck, command: Command, by: Actor = OPERATOR) -> dict[str, Any]:
    """Do it, note who did, and say what came of it. Raises `InvalidInput`, `NotFound`, `NotAllowed` or `Conflict`."""
    answer = _DOING[type(command)](deck, command)
    if command.changes:
        _note(deck, command, by, answer)
    return answer


def perform_for(deck: Deck, command: Command, who: access.Who, *, new: bool = False) -> dict[str, Any]:
    """Do it for somebody of the workspace, as far as they may (`rights.allowed`). Raises `NotAllowed` besides."""
    settled = rights.allowed(deck, command, who, new=new)
    return rights.seen(settled, perform(deck, settled, access.actor(who)), who)


def _note(deck: Deck, command: Command, by: Actor, answer: dict[str, Any]) -> None:
    action = str(command.__struct_config__.tag)
    kind = action.partition(".")[0]
    fields = ("workspace_id",) if kind == "workspace" else ("key_id", "user_id", "id", "kind")
    target = next((answer[name] for name in fields if answer.get(name)), "")
    whose: list[str | None] = [str(answer.get("workspace_id") or getattr(command, "workspace", None) or "") or None]
    if whose == [None] and "user_id" in answer:
        whose = [space.id for space, _ in deck.directory.people.memberships(answer["user_id"])] or [None]
    said: dict[str, Any] = msgspec.to_builtins(command)
    hidden = ("command", "workspace", *command.untold)
    details = {name: value for name, value in said.items() if name not in hidden and value not in (None, "", [])}
    audit.note(deck, by, action, whose, (kind, str(target)), details)

"""Who may look after what in their own workspace: what people and their keys want done is judged here and nowhere else.

An operator and their programs may do everything and are not judged. What there is to read about usage is for `access` to say.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from usagedeck import joining
from usagedeck.access import Permission, Role, Who, require
from usagedeck.admin.command import Answer, Command, not_found, told
from usagedeck.admin.groups import (
    ListGroups,
    ListServiceAccounts,
    PutGroup,
    PutServiceAccount,
    RemoveGroup,
    RemoveServiceAccount,
)
from usagedeck.admin.invitations import CreateInvitation, ListInvitations, RevokeInvitation
from usagedeck.admin.keys import PUT_PERMISSIONS, ListKeys, PutKey, RevokeKey, no_active_key
from usagedeck.admin.names import ListWebhooks, PutWebhook, RemoveWebhook
from usagedeck.admin.people import ListMembers, PutMember, RemoveMember
from usagedeck.admin.workspaces import PutWorkspace, ShowWorkspace
from usagedeck.deck import Deck
from usagedeck.errors import InvalidInput, NotAllowed


class Area(StrEnum):
    """A page about the workspace, or about oneself."""

    MEMBERS = "members"
    KEYS = "keys"
    WEBHOOKS = "webhooks"
    SETTINGS = "settings"
    AUDIT = "audit"
    SESSIONS = "sessions"


class Reach(StrEnum):
    """How far a right goes."""

    ALL = "yes"
    SOME = "some"
    NONE = "no"


@dataclass(frozen=True, slots=True)
class Right:
    """Something that roles may do, each as far as it says; the others not."""

    name: str
    roles: Mapping[Role, Reach]
    commands: tuple[type[Command], ...] = ()
    note: str = ""
    """How far it goes for those who may some of it."""

    def of(self, role: Role) -> Reach:
        return self.roles.get(role, Reach.NONE)

    @property
    def refusal(self) -> str:
        """A sentence for those who may not."""
        names = [f"{role}s" for role in Role if self.of(role) is not Reach.NONE]
        who = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
        return f"Only {who} {self.name}."


_MANAGERS = MappingProxyType({Role.OWNER: Reach.ALL, Role.ADMIN: Reach.ALL})

OWNERS = Right("make, change and remove owners", {Role.OWNER: Reach.ALL})
INVITATIONS = Right(
    "invite people",
    {role: Reach.ALL if to == tuple(Role) else Reach.SOME for role, to in joining.INVITABLE.items()},
    (CreateInvitation, ListInvitations, RevokeInvitation),
    "as member or viewer",
)
MEMBERS = Right("look after members", _MANAGERS, (ListMembers, PutMember, RemoveMember))
GROUPS = Right(
    "look after groups and service accounts",
    _MANAGERS,
    (ListGroups, PutGroup, RemoveGroup, ListServiceAccounts, PutServiceAccount, RemoveServiceAccount),
)
KEYS = Right(
    "look after API keys",
    {**_MANAGERS, Role.MEMBER: Reach.SOME},
    (ListKeys, PutKey, RevokeKey),
    "their own: make, rename and revoke them",
)
WEBHOOKS = Right("look after webhooks", _MANAGERS, (ListWebhooks, PutWebhook, RemoveWebhook))
SETTINGS = Right("look after the workspace's settings", _MANAGERS, (ShowWorkspace, PutWorkspace))

RIGHTS = (MEMBERS, OWNERS, INVITATIONS, GROUPS, KEYS, WEBHOOKS, SETTINGS)

_RIGHT_OF = {command: right for right in RIGHTS for command in right.commands}
_OF_AREA = {Area.MEMBERS: MEMBERS, Area.KEYS: KEYS, Area.WEBHOOKS: WEBHOOKS, Area.SETTINGS: SETTINGS}


def standing(who: Who) -> Role:
    """The role in which somebody looks after the workspace. A key with the permission for it stands as an admin.

    Raises `NotAllowed` for a key without it.
    """
    if who.role is None:
        require(who, Permission.MANAGE)
    return who.role or Role.ADMIN


def areas(who: Who) -> dict[Area, str | None]:
    """The pages there are, each with the reason why it is closed to them, or None."""
    closed: dict[Area, str | None] = dict.fromkeys(Area)
    for area, right in _OF_AREA.items():
        try:
            _reach(who, right)
        except NotAllowed as error:
            closed[area] = error.message
    if Permission.AUDIT_READ not in who.permissions:
        closed[Area.AUDIT] = "The audit log is for owners, admins, and members whose group may read it."
    if who.role is None:
        closed[Area.SESSIONS] = "Keys are signed in nowhere."
    return closed


def grantable(who: Who) -> frozenset[Permission]:
    """What somebody may let a key or a group do: what they may do themselves, and sending events."""
    if who.role is None or KEYS.of(who.role) is Reach.NONE:
        return who.permissions if who.key_id else frozenset()
    return who.permissions | {Permission.WRITE}


def givable(who: Who) -> tuple[Role, ...]:
    """The roles that somebody may give to others."""
    if who.role is None and Permission.MANAGE not in who.permissions:
        return ()
    role = standing(who)
    if MEMBERS.of(role) is Reach.NONE:
        return ()
    return tuple(one for one in Role if one is not Role.OWNER or OWNERS.of(role) is Reach.ALL)


def invitable(who: Who) -> tuple[Role, ...]:
    """The roles that somebody may invite to."""
    return joining.INVITABLE.get(who.role, ()) if who.role else ()


def allowed(deck: Deck, command: Command, who: Who, *, new: bool) -> Command:
    """The command as somebody may have it carried out. `new`: it makes something, under an id that was just minted; else what
    it is about must be there.

    Raises `NotAllowed` where they lack the right, and `NotFound` for what is not there, or not theirs: the same answer.
    """
    right = _RIGHT_OF.get(type(command))
    if right is None or getattr(command, "workspace", None) != who.workspace.id:
        raise NotAllowed("This is for the operator of the server.", code="operator_only")
    reach = _reach(who, right)
    if isinstance(command, PutKey | RevokeKey):
        return _key(deck, command, who, reach, new=new)
    if isinstance(command, PutMember | RemoveMember):
        return _member(deck, command, who)
    if right is INVITATIONS:
        return _invitation(command, who)
    if not new and (find := _FIND.get(type(command))):
        kind, get = find
        if get(deck, who.workspace.id, getattr(command, "id", "")) is None:
            raise not_found(kind, getattr(command, "id", ""))
    if isinstance(command, PutGroup):
        _may_grant(who, told(command.permissions, []))
    return command


def seen(command: Command, answer: Answer, who: Who) -> Answer:
    """What they may see of what came of it."""
    if isinstance(command, ListKeys) and _reach(who, KEYS) is Reach.SOME:
        return {"keys": [key for key in answer["keys"] if key["user_id"] == who.user_id]}
    return answer


def _reach(who: Who, right: Right) -> Reach:
    reach = right.of(standing(who))
    if reach is Reach.NONE:
        raise NotAllowed(right.refusal, code="insufficient_permissions")
    return reach


_FIND: Mapping[type[Command], tuple[str, Callable[[Deck, str, str], Any]]] = {
    PutGroup: ("group", lambda deck, workspace, id_: deck.directory.groups.get(workspace, id_)),
    PutServiceAccount: ("service account", lambda deck, workspace, id_: deck.directory.service_accounts.get(workspace, id_)),
    PutWebhook: ("webhook", lambda deck, workspace, id_: deck.directory.webhooks.get(workspace, id_)),
}
"""What the kinds of things are called, and whether one is there."""


def _member(deck: Deck, command: PutMember | RemoveMember, who: Who) -> Command:
    found = deck.directory.people.member(who.workspace.id, command.user)
    if found is None:
        raise not_found("member", command.user)
    roles = {found.role, command.role if isinstance(command, PutMember) else UNSET}
    if Role.OWNER in roles and (who.role is None or OWNERS.of(who.role) is Reach.NONE):
        raise NotAllowed(OWNERS.refusal, field="role", code="insufficient_permissions")
    return replace(command, keep_owner=True)


def _invitation(command: Command, who: Who) -> Command:
    """A link is worth what its sender may do, so somebody has to be its sender."""
    if who.role is None:
        raise NotAllowed("People invite people: sign in to do so.", code="insufficient_permissions")
    return replace(command, sender=who.user_id) if isinstance(command, CreateInvitation) else command


def _key(deck: Deck, command: PutKey | RevokeKey, who: Who, reach: Reach, *, new: bool) -> Command:
    found = deck.directory.api_keys.get(who.workspace.id, command.id)
    if not new and (found is None or (reach is Reach.SOME and found.user_id != who.user_id)):
        raise no_active_key(command.id)
    if isinstance(command, RevokeKey):
        return command
    _may_grant(who, told(command.permissions, list(PUT_PERMISSIONS) if new else []))
    if new and isinstance(command.user, UnsetType):
        command = replace(command, user=who.user_id)
    if reach is Reach.SOME:
        if command.user not in (UNSET, who.user_id):
            raise NotAllowed("Only owners and admins make keys for others; leave user out.", field="user", code="not_yours")
        if not new:
            _only_rename(command)
        if told(command.platform_permissions, []):
            raise NotAllowed(
                "Only owners and admins grant permissions of other parts of the platform; leave platform_permissions out.",
                field="platform_permissions",
                code="cannot_grant",
            )
    elif isinstance(command.user, str) and not _known(deck, who, command.user):
        said = f'There is no member or service account "{command.user}" in this workspace; name one, or null for nobody\'s key.'
        raise InvalidInput(said, field="user", code="user_not_found")
    return command


def _only_rename(command: PutKey) -> None:
    """Of a key that is there its owner's admins have the last word: what they disabled or limited stays so."""
    theirs = ("workspace", "id", "label", "user")
    said = next((name for name in command.__struct_fields__ if name not in theirs and getattr(command, name) is not UNSET), None)
    if said:
        raise NotAllowed(
            f"Only owners and admins change {said} of a key that is there; revoke it and make another.",
            field=said,
            code="insufficient_permissions",
        )


def _known(deck: Deck, who: Who, user: str) -> bool:
    workspace = who.workspace.id
    return bool(deck.directory.people.member(workspace, user) or deck.directory.service_accounts.get(workspace, user))


def _may_grant(who: Who, wanted: list[Permission]) -> None:
    lacking = [one for one in wanted if one not in grantable(who)]
    if lacking:
        raise NotAllowed(
            f"You cannot grant {lacking[0]}, which you do not have; leave it out.", field="permissions", code="cannot_grant"
        )

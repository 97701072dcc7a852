"""The audit log in the words of OCSF, the Open Cybersecurity Schema Framework: every entry is an activity of a class.

Our actions stand in `_ACTIVITIES` under the names that the SDKs know for them; an action that has none there is an entity that
was managed, under its own name, so nothing is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Query as Param
from pydantic import BaseModel, Field

from usagedeck import __version__, access, audit
from usagedeck.access import Permission
from usagedeck.catalog.dimensions import Label
from usagedeck.directory.audit_log import Entry
from usagedeck.times import iso
from usagedeck.web.auth import DeckOf
from usagedeck.web.elevenlabs.asker import who_of
from usagedeck.web.elevenlabs.errors import ERRORS, WireRoute
from usagedeck.web.problems import json

router = APIRouter(prefix="/v1/workspace", tags=["elevenlabs"], route_class=WireRoute, responses=ERRORS)

OCSF = "1.6.0"
_CATEGORY, _CATEGORY_UID = "Identity & Access Management", 3
_INFORMATIONAL = 1
_SUCCESS, _FAILURE = 1, 2
_OTHER = 99
_LAST = 10**15
_KINDS = {"user": 1, "operator": 2, "operator_key": 2}
"""OCSF's types of users: a user, an admin; what is none of these is something else."""


@dataclass(frozen=True, slots=True)
class Class:
    name: str
    uid: int


ACCOUNTS = Class("Account Change", 3001)
SIGN_IN = Class("Authentication", 3002)
ENTITIES = Class("Entity Management", 3004)
RIGHTS = Class("User Access Management", 3005)
GROUPS = Class("Group Management", 3006)


@dataclass(frozen=True, slots=True)
class Activity:
    """What an action is called, and what its class numbers it as."""

    name: str
    of: Class = ENTITIES
    id: int = _OTHER
    status: int = _SUCCESS


_CREATE, _READ, _UPDATE, _DELETE = 1, 2, 3, 4
_ACTIVITIES: Mapping[str, Activity] = {
    "session.begin": Activity("Logon", SIGN_IN, 1),
    "session.refused": Activity("Logon", SIGN_IN, 1, _FAILURE),
    "session.end": Activity("Logoff", SIGN_IN, 2),
    "export": Activity("Data Export Request", id=_READ),
    "workspace.create": Activity("Workspace Creation", id=_CREATE),
    "workspace.put": Activity("Workspace Metadata Update", id=_UPDATE),
    "workspace.retention": Activity("Workspace Metadata Update", id=_UPDATE),
    "user.add": Activity("User Creation", ACCOUNTS, 1),
    "user.put": Activity("User Metadata Update", ACCOUNTS),
    "user.password": Activity("Account Security Change", ACCOUNTS, 3),
    "invitation.create": Activity("Workspace Invitation Sent", RIGHTS),
    "invitation.revoke": Activity("Workspace Invitation Revoked", RIGHTS),
    "invitation.accept": Activity("Workspace Invitation Accepted", RIGHTS, 1),
    "member.put": Activity("Workspace Member Update", RIGHTS),
    "member.remove": Activity("Workspace Member Removal", RIGHTS, 2),
    "group.put": Activity("Group Management", GROUPS),
    "group.remove": Activity("Group Deletion", GROUPS, 5),
    "service_account.put": Activity("Service Account Management"),
    "service_account.remove": Activity("Service Account Deletion", id=_DELETE),
    "key.create": Activity("API Key Creation", id=_CREATE),
    "key.put": Activity("API Key Management"),
    "key.revoke": Activity("API Key Deletion", id=_DELETE),
    "webhook.put": Activity("Webhook Management"),
    "webhook.remove": Activity("Webhook Deletion", id=_DELETE),
}


class ActorOut(BaseModel):
    user: dict[str, Any]


class EntryOut(BaseModel):
    id: str
    time: int = Field(description="Unix time in milliseconds.")
    time_dt: str
    activity_id: int
    activity_name: str
    category_name: str
    category_uid: int
    class_name: str
    class_uid: int
    type_uid: int
    type_name: str
    severity_id: int
    status_id: int = Field(description="1: it was done; 2: it was refused.")
    actor: ActorOut
    device: dict[str, Any] | None = Field(description="Where it was asked from.")
    message: str
    metadata: dict[str, Any]
    unmapped: dict[str, Any] = Field(description="The action, what it was done to, and the details.")


class EntriesOut(BaseModel):
    entries: list[EntryOut]
    has_more: bool
    next_cursor: str | None


class LogAsked(BaseModel):
    """Which entries."""

    limit: int = Field(100, ge=1, le=1000, description="Entries on a page.")
    cursor: str | None = Field(None, max_length=100, description="`next_cursor` of the page before.")
    time_from_unix_ms: int = Field(0, ge=0, le=_LAST, description="Only from then on.")
    time_to_unix_ms: int = Field(_LAST, ge=0, le=_LAST, description="Only until then; included.")
    actor_uid: str | None = Field(None, max_length=200, description="Only what this user or key did.")
    class_name: str | None = Field(None, max_length=200, description="Only of this class, such as Authentication.")
    activity_name: str | None = Field(None, max_length=200, description="Only such activities, such as Logon.")


@router.get("/audit-logs", response_model=EntriesOut, summary="The audit log")
def audit_log(request: Request, deck: DeckOf, asked: Annotated[LogAsked, Param()]) -> Response:
    """Newest first, in the words of OCSF. For keys with the permission `audit_log_read`."""
    who = who_of(request, deck)
    access.require(who, Permission.AUDIT_READ)
    equal = {"actor_id": asked.actor_uid} if asked.actor_uid else {}
    before = audit.place_of(asked.cursor) if asked.cursor else None
    wanted = audit.Asked(asked.time_from_unix_ms, asked.time_to_unix_ms + 1, equal, before, *_actions(asked))
    found, older = audit.entries(deck, who.workspace.id, wanted, asked.limit)
    names = {
        "user": deck.directory.labels.names(who.workspace.id, Label.USER),
        "api_key": deck.directory.labels.names(who.workspace.id, Label.API_KEY),
    }
    shown = [_entry(one, names.get(one.actor_kind, {}).get(one.actor_id)) for one in found]
    return json({"entries": shown, "has_more": older is not None, "next_cursor": audit.cursor_of(older) if older else None})


def _actions(asked: LogAsked) -> tuple[frozenset[str] | None, frozenset[str]]:
    """The actions of a class and of a name: those alone, or all but those."""
    only: frozenset[str] | None = None
    others: frozenset[str] = frozenset()
    if asked.class_name == ENTITIES.name:  # what is not mapped is of it, too
        others = frozenset(action for action, one in _ACTIVITIES.items() if one.of is not ENTITIES)
    elif asked.class_name:
        only = frozenset(action for action, one in _ACTIVITIES.items() if one.of.name == asked.class_name)
    if asked.activity_name:
        named = frozenset(action for action, one in _ACTIVITIES.items() if one.name == asked.activity_name)
        if not named and asked.activity_name not in _ACTIVITIES:
            named = frozenset({asked.activity_name})
        only = named if only is None else named & only
    return only, others


def _entry(entry: Entry, name: str | None) -> dict[str, Any]:
    activity = _ACTIVITIES.get(entry.action) or Activity(entry.action)
    target = f" {entry.target_kind} {entry.target_id}".rstrip()
    return {
        "id": str(entry.id),
        "time": entry.time,
        "time_dt": iso(entry.time),
        "activity_id": activity.id,
        "activity_name": activity.name,
        "category_name": _CATEGORY,
        "category_uid": _CATEGORY_UID,
        "class_name": activity.of.name,
        "class_uid": activity.of.uid,
        "type_uid": activity.of.uid * 100 + activity.id,
        "type_name": f"{activity.of.name}: {activity.name}",
        "severity_id": _INFORMATIONAL,
        "status_id": activity.status,
        "actor": {
            "user": {
                "uid": entry.actor_id,
                "name": name or entry.actor_id,
                "type": entry.actor_kind,
                "type_id": _KINDS.get(entry.actor_kind, _OTHER),
            }
        },
        "device": {"ip": entry.address} if entry.address else None,
        "message": f"{name or entry.actor_id} ({entry.actor_kind}): {entry.action}{target}",
        "metadata": {"version": OCSF, "product": {"name": "usagedeck", "version": __version__}},
        "unmapped": {
            "action": entry.action,
            "target_kind": entry.target_kind,
            "target_id": entry.target_id,
            "details": entry.details,
        },
    }

"""Members and groups of the workspace.

The list of members is for keys with `workspace_members_read`. Who may see only their own usage sees the groups they are in, and
of those themselves alone.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Query as Param
from pydantic import BaseModel, Field

from usagedeck import access, admin
from usagedeck.access import Permission, Role, Who
from usagedeck.deck import Deck
from usagedeck.directory.groups import Group
from usagedeck.directory.people import Member, User
from usagedeck.errors import NotFound
from usagedeck.web.auth import DeckOf
from usagedeck.web.elevenlabs.asker import DONE, answered, carry_out, only_own, require_manager, who_of, widest
from usagedeck.web.elevenlabs.errors import ERRORS, MISSING, WireRoute
from usagedeck.web.elevenlabs.spent import Spent, spent_by
from usagedeck.web.elevenlabs.wire import Done, Limit, OneOf
from usagedeck.web.problems import json

router = APIRouter(prefix="/v1/workspace", tags=["elevenlabs"], route_class=WireRoute, responses=ERRORS)

SEATS: Mapping[Role, str] = {
    Role.OWNER: "workspace_admin",
    Role.ADMIN: "workspace_admin",
    Role.MEMBER: "workspace_member",
    Role.VIEWER: "workspace_lite_member",
}
_ROLES = {seat: role for role, seat in SEATS.items()}
"""The role that a seat gives: an admin's is never an owner's, since the admin's entry comes later."""

SeatType = Annotated[str, OneOf("SeatType", tuple(_ROLES))]

UNLIMITED = "unlimited"


class MemberOut(BaseModel):
    user_id: str
    email: str = Field(description="Empty for somebody without one.")
    first_name: str | None = Field(description="What the directory has as their name.")
    seat_type: str
    is_owner: bool
    is_locked: bool


class MemberBody(BaseModel):
    email: str = Field(max_length=200)
    is_locked: bool | None = None
    workspace_role: SeatType | None = Field(None, description="Older spelling of workspace_seat_type.")
    workspace_seat_type: SeatType | None = None
    allow_downgrade_to_basic_seat: bool | None = Field(None, description="Seats are not counted here, so there is no need to.")


class LimitBody(BaseModel):
    usage_limit: Limit | None = Field(description="Credits a billing period; null takes the limit away.")


class GroupOut(BaseModel):
    id: str
    name: str
    members: list[str] = Field(description="Their user ids.")
    permissions: list[str] | None
    group_usage_limit: int | str | None = Field(description="Credits a billing period, or unlimited.")
    character_count: float | None = Field(description="Credits used so far in the billing period; null when they are not known.")
    is_scim_synced: bool = False
    scim_frozen: bool = False


class GroupFound(BaseModel):
    id: str
    name: str
    members_emails: list[str]


@router.get("/members", response_model=list[MemberOut], summary="Members of the workspace")
def members(request: Request, deck: DeckOf) -> Response:
    """Locked ones included, service accounts not. For keys with the permission `workspace_members_read`."""
    who = who_of(request, deck)
    access.require(who, Permission.MEMBERS_READ)
    return json([_member(*one) for one in deck.directory.people.members(who.workspace.id)])


def _member(user: User, member: Member) -> dict[str, Any]:
    return {
        "user_id": user.id,
        "email": user.email or "",
        "first_name": user.name or None,
        "seat_type": SEATS[Role(member.role)],
        "is_owner": member.role == Role.OWNER,
        "is_locked": member.locked_at is not None,
    }


@router.post("/members", response_model=Done, responses=MISSING, summary="Change a member")
def change_member(request: Request, deck: DeckOf, body: MemberBody) -> Response:
    """Their seat, and whether they are locked out; what is left out stays. For keys that look after the workspace."""
    who = who_of(request, deck)
    require_manager(who)
    user = deck.directory.people.member_by_email(who.workspace.id, body.email)
    member = deck.directory.people.member(who.workspace.id, user.id) if user else None
    if user is None or member is None:
        raise NotFound("No member of this workspace has this e-mail.", field="email", code="member_not_found")
    wanted: dict[str, Any] = {} if body.is_locked is None else {"locked": body.is_locked}
    seat = body.workspace_seat_type or body.workspace_role
    if seat is not None and seat != SEATS[Role(member.role)]:
        wanted["role"] = _ROLES[seat]
    if wanted:
        carry_out(deck, who, admin.PutMember(workspace=who.workspace.id, user=user.id, **wanted))
    return json(DONE)


@router.put("/members/{user_id}/usage-limit", response_model=Done, responses=MISSING, summary="Limit a member's credits")
def limit_member(request: Request, deck: DeckOf, user_id: str, body: LimitBody) -> Response:
    """Credits of a member or a service account in a billing period. For keys that look after the workspace."""
    who = who_of(request, deck)
    require_manager(who)
    workspace, limit = who.workspace.id, body.usage_limit
    if deck.directory.people.member(workspace, user_id):
        carry_out(deck, who, admin.PutMember(workspace=workspace, user=user_id, credit_limit=limit))
    elif deck.directory.service_accounts.get(workspace, user_id):
        carry_out(deck, who, admin.PutServiceAccount(workspace=workspace, id=user_id, credit_limit=limit))
    else:
        raise NotFound("There is no such member or service account in this workspace.", field="user_id", code="member_not_found")
    return json(DONE)


@router.get("/groups", response_model=dict[str, GroupOut], summary="Groups of the workspace")
def groups(request: Request, deck: DeckOf) -> Response:
    """By their ids. Whoever may see only their own usage sees the groups they are in, without the others in them."""
    who = who_of(request, deck)
    view = widest(who)
    mine = only_own(deck, who, view)
    used = spent_by(deck, who, view, "group_id") if mine is None else Spent(None)
    users = deck.directory.groups.members(who.workspace.id)
    return answered({one.id: _group(one, users, mine, used) for one in _seen(deck, who, mine)}, deck, who, view)


def _seen(deck: Deck, who: Who, mine: str | None) -> list[Group]:
    found = deck.directory.groups.all(who.workspace.id)
    if mine is None:
        return found
    inside = deck.directory.groups.of_users(who.workspace.id).get(mine, ())
    return [one for one in found if one.id in inside]


def _group(one: Group, users: Mapping[str, Sequence[str]], mine: str | None, used: Spent) -> dict[str, Any]:
    """What all of a group use and may use is not for those to see who see their own usage alone."""
    limit = UNLIMITED if one.credit_limit is None else one.credit_limit
    return {
        "id": one.id,
        "name": one.name,
        "members": users.get(one.id, ()) if mine is None else (mine,),
        "permissions": one.permissions,
        "group_usage_limit": limit if mine is None else None,
        "character_count": used.of(one.id),
        "is_scim_synced": False,
        "scim_frozen": False,
    }


@router.get("/groups/search", response_model=list[GroupFound], summary="Find groups by name")
def find_groups(
    request: Request, deck: DeckOf, name: Annotated[str, Param(description="A part of the name, in any case.")]
) -> Response:
    """Those whose name holds the text. Whoever may see only their own usage finds the groups they are in."""
    who = who_of(request, deck)
    view = widest(who)
    mine = only_own(deck, who, view)
    found = [one for one in _seen(deck, who, mine) if name.lower() in one.name.lower()]
    # of members, and of nobody else: an id in a group may be that of somebody in another workspace
    mails = {user.id: user.email for user, _ in deck.directory.people.members(who.workspace.id) if user.email} if found else {}
    users = deck.directory.groups.members(who.workspace.id)
    shown = [
        {
            "id": one.id,
            "name": one.name,
            "members_emails": [mails[id_] for id_ in users.get(one.id, ()) if id_ in mails and mine in (None, id_)],
        }
        for one in found
    ]
    return answered(shown, deck, who, view)

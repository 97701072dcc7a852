"""Invitations by link: sent, listed, taken back. What a link is worth is `joining`'s business."""

from typing import Annotated

import msgspec
from msgspec import Meta

from usagedeck import joining
from usagedeck.access import Role
from usagedeck.admin.command import Answer, Command, Credits, Doing, Email, Id, workspace_of
from usagedeck.deck import Deck
from usagedeck.directory import keys
from usagedeck.directory.invitations import Invitation
from usagedeck.errors import Conflict, InvalidInput, NotAllowed, NotFound
from usagedeck.times import DAY, iso

MAX_GROUPS = 100


class CreateInvitation(Command, tag="invitation.create"):
    """A link by which somebody becomes a member: once, for some days (`invitation_days`). It is in the answer and nowhere else.
    What was sent to the same address before and still waits is worth nothing any more."""

    workspace: Id
    email: Email
    role: Role = Role.MEMBER
    full_read: bool = False
    """Let a member see the whole workspace."""
    groups: Annotated[list[Id], Meta(max_length=MAX_GROUPS)] = msgspec.field(default_factory=list)
    credit_limit: Credits | None = None
    sender: Id | None = None
    """The member who invites: owners to every role, admins to member and viewer. The link is worth what they may do when it is
    used. Without one, whoever runs the server does."""


class ListInvitations(Command, tag="invitation.list"):
    """The invitations of a workspace, newest first, without their links."""

    changes = False

    workspace: Id


class RevokeInvitation(Command, tag="invitation.revoke"):
    """An invitation that waits is taken back: its link is worth nothing any more."""

    workspace: Id
    id: Id


def _create(deck: Deck, command: CreateInvitation) -> Answer:
    workspace, directory = workspace_of(deck, command.workspace), deck.directory
    if not joining.may_invite(deck, workspace.id, command.sender or "", command.role):
        raise NotAllowed(
            "Owners invite to every role, admins to member and viewer, and nobody else does.",
            field="role",
            code="insufficient_permissions",
        )
    known = {group.id for group in directory.groups.all(workspace.id)}
    if unknown := sorted(set(command.groups) - known):
        raise InvalidInput(f'There is no group "{unknown[0]}" in this workspace; make it first.', field="groups")
    user = directory.people.member_by_email(workspace.id, command.email)
    if user is not None:
        raise Conflict(f'"{user.email}" is a member of the workspace already.', field="email", code="already_exists")
    token = keys.mint_token()
    made = directory.invitations.put(
        workspace.id,
        keys.mint_id("inv"),
        email=command.email,
        role=command.role,
        full_read=command.full_read,
        verifier=keys.verifier(token),
        invited_by=command.sender or "",
        expires_at=deck.clock() + deck.settings.invitation_days * DAY,
        group_ids=command.groups,
        credit_limit=command.credit_limit,
    )
    return {**_invitation(deck, made), "link": f"{deck.settings.page_url}{joining.LINK}{token}"}


def _list(deck: Deck, command: ListInvitations) -> Answer:
    workspace = workspace_of(deck, command.workspace)
    return {"invitations": [_invitation(deck, one) for one in deck.directory.invitations.all(workspace.id)]}


def _revoke(deck: Deck, command: RevokeInvitation) -> Answer:
    if not deck.directory.invitations.remove(workspace_of(deck, command.workspace).id, command.id):
        said = f'There is no invitation "{command.id}" in this workspace that waits.'
        raise NotFound(said, field="id", code="invitation_not_found")
    return {"id": command.id, "revoked": True}


def _invitation(deck: Deck, one: Invitation) -> Answer:
    return {
        "id": one.id,
        "workspace_id": one.workspace_id,
        "email": one.email,
        "role": one.role,
        "full_read": one.full_read,
        "groups": one.group_ids,
        "credit_limit": one.credit_limit,
        "state": joining.state(deck, one),
        "invited_by": one.invited_by or None,
        "created_at": iso(one.created_at),
        "expires_at": iso(one.expires_at),
        "accepted_at": None if one.accepted_at is None else iso(one.accepted_at),
        "accepted_by": one.accepted_by,
    }


DOING: Doing = {CreateInvitation: _create, ListInvitations: _list, RevokeInvitation: _revoke}

"""Invitations: who may send them, what a link is worth, and how somebody becomes a member by one.

The token of a link is the only way in: without a valid one nothing is said, not even whether an address has an account.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from usagedeck import access, audit, erasure, passwords
from usagedeck.access import Role
from usagedeck.audit import Actor
from usagedeck.catalog.dimensions import Label
from usagedeck.deck import Deck
from usagedeck.directory import keys
from usagedeck.directory.invitations import Invitation
from usagedeck.directory.people import User
from usagedeck.directory.workspaces import Workspace
from usagedeck.errors import Conflict, InvalidInput, NotFound, NotSignedIn

LINK = "/join#"
"""The page of a link, and the token behind it: what stands behind the # is sent to no server and logged by none."""


INVITABLE: Mapping[Role, tuple[Role, ...]] = {Role.OWNER: tuple(Role), Role.ADMIN: (Role.MEMBER, Role.VIEWER)}
"""The roles that members of a role may invite to."""


class State(StrEnum):
    """What became of an invitation."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    EXPIRED = "expired"
    VOID = "void"
    """Its sender may not invite to such a role any more."""


class Asks(StrEnum):
    """What the page of a link asks for."""

    NOTHING = "nothing"
    """The session is the invited one's."""
    NEW_PASSWORD = "new_password"  # noqa: S105 - a word
    """There is no account yet, or one without a password that whoever runs the server made."""
    SIGN_IN = "sign_in"
    """The address has an account; whoever it belongs to must show that they are the one."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What a valid link leads to."""

    invitation: Invitation
    workspace: Workspace
    user: User | None
    """Whoever has the address already."""
    asks: Asks


def may_invite(deck: Deck, workspace_id: str, sender: str, role: Role) -> bool:
    """Whether a member may invite to a role; "" is whoever runs the server."""
    if not sender:
        return True
    member = deck.directory.people.member(workspace_id, sender)
    if member is None or member.locked_at is not None:
        return False
    return role in INVITABLE.get(Role(member.role), ())


def state(deck: Deck, invitation: Invitation) -> State:
    if invitation.accepted_at is not None:
        return State.ACCEPTED
    if invitation.expires_at <= deck.clock():
        return State.EXPIRED
    sent = may_invite(deck, invitation.workspace_id, invitation.invited_by, Role(invitation.role))
    return State.WAITING if sent else State.VOID


def open_link(deck: Deck, token: str, session: str | None) -> Opened:
    """What a link is for, and what its page must ask for. Raises `NotFound`, in one sentence for every reason."""
    invitation = deck.directory.invitations.by_verifier(keys.verifier(token))
    workspace = deck.directory.workspaces.get(invitation.workspace_id) if invitation else None
    if invitation is None or workspace is None or state(deck, invitation) is not State.WAITING:
        raise NotFound(
            "This invitation cannot be used: it was used, taken back or replaced, or its time is over. Ask for a new one.",
            field="token",
            code="invitation_not_found",
        )
    user = deck.directory.people.by_email(invitation.email)
    asks = Asks.SIGN_IN
    if user is None or (user.password is None and not invitation.invited_by):
        asks = Asks.NEW_PASSWORD
    if user is not None and access.is_signed_in(deck, session, user):
        asks = Asks.NOTHING
    return Opened(invitation, workspace, user, asks)


def accept(
    deck: Deck, token: str, *, session: str | None, name: str, password: str | None, address: str, user_agent: str
) -> tuple[str, str | None]:
    """Become a member by a link: as whoever the session belongs to, or as somebody new with a password of their own.

    Returns the workspace's id, and the token of a new session where there is one. Raises `NotFound` for a link that is worth
    nothing, `NotSignedIn` when the address has an account and the session is not its, `InvalidInput` for a bad password.
    """
    opened = open_link(deck, token, session)
    workspace_id, user = opened.workspace.id, opened.user
    if opened.asks is Asks.SIGN_IN:
        raise NotSignedIn(f"Sign in as {opened.invitation.email} first; the address has an account.", code="sign_in_first")
    if opened.asks is Asks.NOTHING and user is not None:
        use(deck, opened.invitation, user, address)
        return workspace_id, None
    access.require_passwords(deck)
    if password is None:
        raise InvalidInput("password is missing; choose one.", field="password", code="missing_required_field")
    kept = passwords.hashed(password)
    made = User(
        user.id if user else keys.mint_id("user"),
        opened.invitation.email,
        user.name if user else name,
        kept,
        user.created_at if user else deck.clock(),
    )
    use(deck, opened.invitation, made, address)
    return workspace_id, access.begin_session(deck, made, address=address, user_agent=user_agent)


def use(deck: Deck, invitation: Invitation, user: User, address: str) -> None:
    """The invitation makes the user a member. Raises `Conflict` when somebody else was faster."""
    workspace_id = invitation.workspace_id
    erasure.refuse(deck, workspace_id, Label.USER, user.id)
    if not deck.directory.invitations.accept(invitation, user):
        raise Conflict("This invitation was used at the same moment.", code="invitation_used")
    actor = Actor("user", user.id, address)
    target = ("invitation", invitation.id)
    audit.note(deck, actor, "invitation.accept", [workspace_id], target, {"role": invitation.role})

"""Who is asking, and whose rows they may read. Scope is decided here and nowhere else."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from usagedeck import audit
from usagedeck.addresses import lies_in
from usagedeck.audit import OPERATOR, Actor
from usagedeck.deck import Deck
from usagedeck.directory import keys
from usagedeck.directory.people import Member, User
from usagedeck.directory.sessions import Session
from usagedeck.directory.workspaces import Workspace
from usagedeck.errors import InvalidInput, NotAllowed, NotFound, NotSignedIn, StoreFailed
from usagedeck.sql import Scope

log = logging.getLogger(__name__)


class Permission(StrEnum):
    """What an API key may be used for."""

    WRITE = "events_write"
    READ = "analytics_read"
    FULL_READ = "workspace_analytics_full_read"
    AUDIT_READ = "audit_log_read"
    USER_READ = "user_read"
    MEMBERS_READ = "workspace_members_read"
    MANAGE = "workspace_manage"
    """Looks after members, keys, webhooks and settings as an admin does; for keys that are to. People do so by their role."""


USUAL = tuple(one for one in Permission if one is not Permission.MANAGE)
"""What a key may do that is made without saying so."""


class Role(StrEnum):
    """What a member is in a workspace. Owners and admins see all of it."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


class View(StrEnum):
    """Whose usage a question is about: my own, or the whole workspace's."""

    ACCOUNT = "account"
    WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True)
class Who:
    """The authenticated asker, in one workspace."""

    workspace: Workspace
    user_id: str | None
    permissions: frozenset[Permission]
    role: Role | None = None
    key_id: str | None = None
    address: str = ""
    """Where the request came from; nothing is decided by it any more."""
    withheld: frozenset[Permission] = frozenset()
    """What the key may be used for and its owner may not do."""

    @property
    def sees_workspace(self) -> bool:
        """May ask about everybody's rows. A key that belongs to nobody has no rows of its own, so it sees them all."""
        return self.user_id is None or Permission.FULL_READ in self.permissions


@dataclass(frozen=True, slots=True)
class Views:
    """Which views somebody may choose, for the control that switches between them."""

    allowed: tuple[View, ...]
    refused: Mapping[View, str]
    """Why each of the others is not."""
    switch: bool
    """There is something to switch: without other members, and for a key that belongs to nobody, both views are the same."""


OF_GROUPS = frozenset({Permission.FULL_READ, Permission.AUDIT_READ, Permission.MEMBERS_READ})
"""What a group can let its members do."""

OF_OWNERS = OF_GROUPS | {Permission.MANAGE}
"""What a member's key may do only as long as the member may: a key never sees or does more than its owner."""

_SEES_OWN = frozenset({Permission.READ, Permission.USER_READ})
_SEES_ALL = _SEES_OWN | OF_OWNERS
OF_ROLE: Mapping[Role, frozenset[Permission]] = {
    Role.OWNER: _SEES_ALL,
    Role.ADMIN: _SEES_ALL,
    Role.MEMBER: _SEES_OWN,
    Role.VIEWER: _SEES_OWN,
}
"""What everybody of a role may do; a permission of their own and their groups may add to it."""


def who_by_key(deck: Deck, secret: str | None, address: str = "") -> Who:
    """The asker behind an API key that was sent from an address.

    Raises `NotSignedIn` for none, and for one that is unknown, revoked, disabled, expired or its owner's who is locked, without
    telling which; `NotAllowed` for one that may not be used from there.
    """
    if not secret:
        raise NotSignedIn("No API key came; send it as xi-api-key or Authorization: Bearer.", code="needs_authorization")
    directory = deck.directory
    key = directory.api_keys.by_verifier(keys.verifier(secret))
    workspace = directory.workspaces.get(key.workspace_id) if key else None
    owner = directory.people.member(key.workspace_id, key.user_id) if key and key.user_id else None
    locked = owner is not None and owner.locked_at is not None
    if key is None or workspace is None or locked or not key.works(deck.clock()):
        raise NotSignedIn("Invalid API key", code="invalid_api_key")
    if key.allowed_ips and not lies_in(address, key.allowed_ips):
        raise NotAllowed(
            f'This API key may not be used from the address "{address[:60]}".', field="allowed_ips", code="address_not_allowed"
        )
    directory.api_keys.last_used.note(key.verifier)
    granted = _permissions(key.permissions)
    withheld = granted & (OF_OWNERS - _rights(deck, owner)) if owner is not None else frozenset()
    return Who(workspace, key.user_id, granted - withheld, None, key.id, address, withheld)


def who_by_session(deck: Deck, token: str | None, workspace_id: str | None = None, address: str = "") -> Who:
    """The asker behind a session cookie, in the named workspace or in their first one. Raises `NotSignedIn` without a session,
    and `NotFound` for a workspace that is not there, not theirs, or in which they are locked."""
    session = _session(deck, token)
    deck.directory.sessions.last_used.note(session.verifier)
    for workspace, member in memberships(deck, session.user_id):
        if workspace_id in (None, workspace.id):
            return Who(workspace, session.user_id, _rights(deck, member), Role(member.role), None, address)
    raise NotFound("There is no such workspace, or you are no member of it.", field="workspace", code="workspace_not_found")


def memberships(deck: Deck, user_id: str) -> list[tuple[Workspace, Member]]:
    """The workspaces somebody may enter."""
    return [(space, member) for space, member in deck.directory.people.memberships(user_id) if member.locked_at is None]


def _rights(deck: Deck, member: Member) -> frozenset[Permission]:
    """What a member may do: by role, by a permission of their own, or by a group's."""
    granted = OF_ROLE[Role(member.role)]
    if granted >= OF_GROUPS:
        return granted
    if member.full_read:
        granted |= {Permission.FULL_READ}
    for group_id in deck.directory.groups.of_users(member.workspace_id).get(member.user_id, ()):
        group = deck.directory.groups.get(member.workspace_id, group_id)
        granted |= _permissions(group.permissions) & OF_GROUPS if group else frozenset()
    if Permission.FULL_READ in granted:
        granted |= {Permission.MEMBERS_READ}  # who sees everybody's usage sees who they are
    return granted


def _permissions(names: Iterable[str]) -> frozenset[Permission]:
    """Those of them that this release knows."""
    return frozenset(Permission(name) for name in names if name in list(Permission))


def who_operates(deck: Deck, workspace_id: str | None) -> Who:
    """Whoever runs the server, reading in a workspace. Raises `InvalidInput` without one, `NotFound` for an unknown one."""
    if workspace_id is None:
        raise InvalidInput("workspace is missing; name one.", field="workspace")
    workspace = deck.directory.workspaces.get(workspace_id)
    if workspace is None:
        raise NotFound(f'There is no workspace "{workspace_id}".', field="workspace", code="workspace_not_found")
    return Who(workspace, None, frozenset({Permission.READ, Permission.FULL_READ}))


def require(who: Who, permission: Permission) -> None:
    """Raises `NotAllowed` unless the asker has the permission."""
    if permission in who.withheld:
        raise NotAllowed(
            f"The owner of this API key lacks the right {permission}, so the key has no use of it.",
            code="insufficient_permissions",
        )
    if permission not in who.permissions:
        said = "The API key you used is" if who.key_id or who.role is None else "You are"
        raise NotAllowed(f"{said} missing the permission {permission} to execute this operation.", code="missing_permissions")


def scope(deck: Deck, who: Who, view: View | None) -> Scope:
    """The rows this asker may read in this view; the widest allowed when no view is named. None below the workspace's floor.

    Raises `NotAllowed` for the workspace view of somebody who may see only their own rows.
    """
    require(who, Permission.READ)
    if view is View.WORKSPACE and not who.sees_workspace:
        raise NotAllowed(
            "The workspace view needs the permission workspace_analytics_full_read; use the account view.",
            field="scope",
            code="insufficient_permissions",
        )
    wide = who.sees_workspace and view is not View.ACCOUNT
    return Scope(who.workspace.id, None if wide else who.user_id, deck.seals.ledger.floors[who.workspace.id])


def views(deck: Deck, who: Who) -> Views:
    """What the switch between the views is to show."""
    switch = who.user_id is not None and deck.directory.people.count(who.workspace.id) > 1
    if who.sees_workspace:
        return Views(tuple(View), {}, switch)
    person = "Only owners, admins and members with full read access see the whole workspace."
    key = "This key, or its owner, lacks the permission workspace_analytics_full_read."
    return Views((View.ACCOUNT,), {View.WORKSPACE: key if who.key_id else person}, switch)


def operator_scope(deck: Deck, workspace_id: str, user_id: str | None = None) -> Scope:
    """The rows of a workspace, or of one of its users, for whoever runs the server, and for sums that nobody is shown whole. None
    below the workspace's floor."""
    return Scope(workspace_id, user_id, deck.seals.ledger.floors[workspace_id])


def operator_by_key(deck: Deck, secret: str | None, address: str) -> Actor:
    """The program behind an operator key. Raises `NotSignedIn` for any other key, and for none."""
    if not secret:
        raise NotSignedIn("Send an operator key as Authorization: Bearer.", code="needs_authorization")
    key = deck.directory.operator_keys.by_verifier(keys.verifier(secret))
    if key is None:
        raise NotSignedIn("Invalid operator key", code="invalid_operator_key")
    deck.directory.operator_keys.last_used.note(key.verifier)
    return Actor("operator_key", key.id, address)


def actor(who: Who) -> Actor:
    """The asker, as the audit log names them."""
    if who.key_id is None and who.user_id is None:
        return OPERATOR
    return Actor("api_key", who.key_id, who.address) if who.key_id else Actor("user", who.user_id or "", who.address)


def note_export(deck: Deck, who: Who, what: str, question: str) -> None:
    """Somebody takes data away: the audit log has which. While it cannot be written, on a full disk for one, reads go on, and the
    server's log has it."""
    try:
        audit.note(deck, actor(who), "export", [who.workspace.id], ("csv", what), {"question": question} if question else None)
    except StoreFailed as error:
        log.warning("an export could not be noted: %s took %s of %s: %s", actor(who), what, who.workspace.id, error.message)


def sign_in(deck: Deck, email: str, password: str, *, address: str, user_agent: str) -> str:
    """A new session's token. Raises `NotSignedIn` with one answer for every reason, `TooBusy` after too many failures,
    `NotAllowed` where nobody signs in by password."""
    require_passwords(deck)
    user = deck.directory.people.by_email(email)
    if not knows_password(deck, user, email, password, address) or user is None:
        raise NotSignedIn("E-mail or password is wrong.", code="wrong_credentials")
    return begin_session(deck, user, address=address, user_agent=user_agent)


def require_passwords(deck: Deck) -> None:
    """Raises `NotAllowed` where nobody signs in by password."""
    if not deck.settings.password_sign_in:
        raise NotAllowed("Nobody signs in by password here.", field="password", code="no_passwords")


def knows_password(deck: Deck, user: User | None, email: str, password: str, address: str) -> bool:
    """Whether somebody at an address knows the password of a user. Takes the same time when there is no such user.

    Raises `TooBusy` after too many failures.
    """
    person, most = email.lower()[:256], deck.settings.sign_in_attempts
    pair = f"{person} at {address}"  # the narrow limit is on the two together: nobody can lock a person out from elsewhere
    limits = {pair: most, f"from {address}": 5 * most, f"as {person}": 10 * most}
    deck.throttle.enter(limits)
    if not keys.password_matches(user.password if user else None, password) or user is None:
        # of nobody, too: what is noted of an account alone would take time that tells that there is one
        _note_session(deck, Actor("user", user.id if user else "", address), "session.refused")
        return False
    deck.throttle.forgive(limits, wholly=pair)
    return True


def begin_session(deck: Deck, user: User, *, address: str, user_agent: str) -> str:
    """Somebody who has shown who they are is signed in; the token of their session."""
    token = keys.mint_token()
    expires = deck.clock() + deck.settings.session_hours * 3_600_000
    deck.directory.sessions.add(keys.verifier(token), user.id, expires_at=expires, user_agent=user_agent[:200], address=address)
    _note_session(deck, Actor("user", user.id, address), "session.begin")
    return token


def _note_session(deck: Deck, actor_: Actor, action: str) -> None:
    """In the log of every workspace they may enter; where there is none, in the server's."""
    whose: list[str | None] = [space.id for space, _ in memberships(deck, actor_.id)]
    audit.note(deck, actor_, action, whose or [None], ("user", actor_.id))


def my_sessions(deck: Deck, token: str | None) -> list[tuple[Session, bool]]:
    """The sessions of whoever is behind a session cookie, and which of them it is. Raises `NotSignedIn`."""
    mine, now = _session(deck, token), deck.clock()
    return [(one, one.verifier == mine.verifier) for one in deck.directory.sessions.of_user(mine.user_id, now=now)]


def end_my_session(deck: Deck, token: str | None, id_: str) -> None:
    """End one of them. Raises `NotSignedIn`, and `NotFound` for one that is not theirs."""
    found = next((one for one, _ in my_sessions(deck, token) if one.id == id_), None)
    if found is None or not deck.directory.sessions.end(found.verifier):
        raise NotFound("You have no such session.", field="id", code="session_not_found")
    _note_session(deck, Actor("user", found.user_id), "session.end")


def signed_in(deck: Deck, token: str | None) -> User:
    """Who is behind a session cookie. Raises `NotSignedIn`."""
    user = deck.directory.people.get(_session(deck, token).user_id)
    if user is None:
        raise NotSignedIn("Sign in to see this page.", code="not_signed_in")
    return user


def is_signed_in(deck: Deck, token: str | None, user: User) -> bool:
    """Whether a session cookie is that user's."""
    session = deck.directory.sessions.get(keys.verifier(token), now=deck.clock()) if token else None
    return session is not None and session.user_id == user.id


def _session(deck: Deck, token: str | None) -> Session:
    session = deck.directory.sessions.get(keys.verifier(token), now=deck.clock()) if token else None
    if session is None:
        raise NotSignedIn("Sign in to see this page.", code="not_signed_in")
    return session


def end_my_other_sessions(deck: Deck, token: str | None) -> int:
    """End all of them but this one; how many there were. Raises `NotSignedIn`."""
    others = [one for one, current in my_sessions(deck, token) if not current]
    ended = sum(deck.directory.sessions.end(one.verifier) for one in others)
    if ended:
        _note_session(deck, Actor("user", others[0].user_id), "session.end")
    return ended


def sign_out(deck: Deck, token: str) -> None:
    """End the session; nothing happens when it has ended already."""
    deck.directory.sessions.end(keys.verifier(token))

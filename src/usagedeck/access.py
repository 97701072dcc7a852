"""Who is asking, and whose rows they may read. Scope is decided here and nowhere else."""

from dataclasses import dataclass
from enum import StrEnum

from usagedeck.deck import Deck
from usagedeck.directory import keys
from usagedeck.directory.workspaces import Workspace
from usagedeck.errors import NotAllowed, NotFound, NotSignedIn
from usagedeck.sql import Scope


class Permission(StrEnum):
    """What an API key may be used for."""

    WRITE = "events_write"
    READ = "analytics_read"
    FULL_READ = "workspace_analytics_full_read"


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

    @property
    def sees_workspace(self) -> bool:
        """May ask about everybody's rows. A key that belongs to nobody has no rows of its own, so it sees them all."""
        return self.user_id is None or Permission.FULL_READ in self.permissions


def who_by_key(deck: Deck, secret: str | None) -> Who:
    """The asker behind an API key. Raises `NotSignedIn` for none, an unknown or a revoked one, without telling which."""
    if not secret:
        raise NotSignedIn("No API key came; send it as xi-api-key or Authorization: Bearer.", code="needs_authorization")
    key = deck.directory.api_keys.by_verifier(keys.verifier(secret))
    workspace = deck.directory.workspaces.get(key.workspace_id) if key else None
    if key is None or workspace is None or not key.works(deck.clock()):
        raise NotSignedIn("Invalid API key", code="invalid_api_key")
    granted = frozenset(Permission(p) for p in key.permissions if p in list(Permission))
    return Who(workspace, key.user_id, granted, None, key.id)


def who_by_session(deck: Deck, token: str | None, workspace_id: str | None = None) -> Who:
    """The asker behind a session cookie, in the named workspace or in their first one."""
    session = deck.directory.sessions.get(keys.verifier(token), now=deck.clock()) if token else None
    if session is None:
        raise NotSignedIn("Sign in to see this page.", code="not_signed_in")
    for workspace, member in deck.directory.people.memberships(session.user_id):
        if workspace_id in (None, workspace.id):
            role = Role(member.role)
            full = member.full_read or role in (Role.OWNER, Role.ADMIN)
            granted = {Permission.READ, Permission.FULL_READ} if full else {Permission.READ}
            return Who(workspace, session.user_id, frozenset(granted), role)
    raise NotFound("There is no such workspace, or you are no member of it.", field="workspace", code="workspace_not_found")


def require(who: Who, permission: Permission) -> None:
    """Raises `NotAllowed` unless the asker has the permission."""
    if permission not in who.permissions:
        raise NotAllowed(
            f"The API key you used is missing the permission {permission} to execute this operation.", code="missing_permissions"
        )


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
    return Scope(who.workspace.id, None if wide else who.user_id, deck.seals.ledger.floor_of(who.workspace.id))


def operator_scope(deck: Deck, workspace_id: str, user_id: str | None = None) -> Scope:
    """The rows of a workspace, or of one of its users, for whoever runs the server. None below the workspace's floor."""
    return Scope(workspace_id, user_id, deck.seals.ledger.floor_of(workspace_id))


def sign_in(deck: Deck, email: str, password: str, *, address: str, user_agent: str) -> str:
    """A new session's token. Raises `NotSignedIn` with one answer for every reason, `TooBusy` after too many failures."""
    person, most = email.lower()[:256], deck.settings.sign_in_attempts
    pair = f"{person} at {address}"  # the narrow limit is on the two together: nobody can lock a person out from elsewhere
    limits = {pair: most, f"from {address}": 5 * most, f"as {person}": 10 * most}
    deck.throttle.enter(limits)
    user = deck.directory.people.by_email(email)
    if not keys.password_matches(user.password if user else None, password) or user is None:
        raise NotSignedIn("E-mail or password is wrong.", code="wrong_credentials")
    deck.throttle.forgive(limits, wholly=pair)
    token = keys.mint_token()
    expires = deck.clock() + deck.settings.session_hours * 3_600_000
    deck.directory.sessions.add(keys.verifier(token), user.id, expires_at=expires, user_agent=user_agent[:200])
    return token


def sign_out(deck: Deck, token: str) -> None:
    """End the session; nothing happens when it has ended already."""
    deck.directory.sessions.end(keys.verifier(token))

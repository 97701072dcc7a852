"""People who sign in through the identity provider: sent there, taken back, and told which user they are here.

The provider's name for somebody (issuer and subject) decides. A verified e-mail address counts once, to bring the two together.
"""

import hmac
from dataclasses import dataclass

import msgspec

from usagedeck import access, audit, joining
from usagedeck.access import Role
from usagedeck.audit import Actor
from usagedeck.deck import Deck
from usagedeck.directory import keys
from usagedeck.directory.people import Member, User
from usagedeck.errors import NotAllowed, NotFound, NotSignedIn
from usagedeck.oidc import Claims, Provider, error_code
from usagedeck.times import MINUTE

PATIENCE = 10 * MINUTE
"""How long somebody may take at the provider."""
BACK = "/sign-in/callback"
"""The page that the provider sends browsers back to."""


class _Pending(msgspec.Struct, frozen=True):
    """What the browser keeps for us while it is at the provider."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    until: int


@dataclass(frozen=True, slots=True)
class Back:
    """What a browser brings back from the provider."""

    state: str
    code: str = ""
    error: str = ""
    issuer: str | None = None
    """Some providers say who they are."""


def begin(deck: Deck, origin: str) -> tuple[str, str]:
    """Where to send a browser that found this server at `origin`, and what it keeps for us, sealed.

    Raises `NotFound` where there is no provider, `TooBusy` when it does not answer.
    """
    begun = _provider(deck).begin(origin + BACK)
    pending = _Pending(begun.state, begun.nonce, begun.verifier, origin + BACK, deck.clock() + PATIENCE)
    return begun.address, keys.seal(deck.directory.secret, msgspec.json.encode(pending).decode())


def finish(
    deck: Deck, sealed: str | None, back: Back, *, invitation: str | None, address: str, user_agent: str
) -> tuple[str, str | None]:
    """The token of a new session, and the workspace that an invitation led to.

    Raises `NotSignedIn` for what was not begun here or what the provider does not vouch for, `NotAllowed` for somebody who has no
    place here, `NotFound` for an invitation that is worth nothing, `TooBusy` after too many failures or without an answer.
    """
    provider, pending = _provider(deck), _opened(deck, sealed)
    if pending is None or not hmac.compare_digest(pending.state.encode(), back.state.encode()):
        raise NotSignedIn("This sign-in was begun elsewhere or took too long; begin again.", code="sign_in_again")
    if back.issuer is not None and back.issuer != deck.settings.oidc_issuer:
        raise NotSignedIn("Another identity provider answered; begin again.", code="identity_refused")
    if back.error or not back.code:
        why = error_code(back.error) or "no code came back"
        raise NotSignedIn(f"The identity provider let nobody in: {why}.", code="identity_refused")
    limits = {f"provider from {address}": 5 * deck.settings.sign_in_attempts}
    deck.throttle.enter(limits)
    claims = provider.finish(back.code, pending.verifier, pending.nonce, pending.redirect_uri)
    deck.throttle.forgive(limits, wholly="")
    user, workspace_id = _entered(deck, claims, invitation, address)
    return access.begin_session(deck, user, address=address, user_agent=user_agent), workspace_id


def _provider(deck: Deck) -> Provider:
    if deck.provider is None:
        raise NotFound("There is no identity provider here; sign in by password.", code="no_provider")
    return deck.provider


def _opened(deck: Deck, sealed: str | None) -> _Pending | None:
    text = keys.unseal(deck.directory.secret, sealed or "")
    pending = msgspec.json.decode(text, type=_Pending) if text else None
    return pending if pending and deck.clock() < pending.until else None


def _entered(deck: Deck, claims: Claims, invitation: str | None, address: str) -> tuple[User, str | None]:
    """The user that somebody is, now if not before; by an invitation, in the workspace that it led to."""
    _check_domain(deck, claims)
    opened = joining.open_link(deck, invitation, None) if invitation else None
    invited = opened.invitation if opened else None
    known = deck.directory.identities.user(claims.issuer, claims.subject)
    email = known.email if known else _verified_email(claims)
    if invited is not None and email != invited.email:
        raise NotAllowed(
            f"This invitation is for {invited.email}, and the identity provider says that you are "
            f"{known.label if known else email}.",
            code="not_invited",
        )
    user = known or _linked(deck, claims, address, invited=invited is not None)
    if invited is None:
        return user, None
    joining.use(deck, invited, user, address)
    return user, invited.workspace_id


def _check_domain(deck: Deck, claims: Claims) -> None:
    domains = [domain.lower() for domain in deck.settings.oidc_domains]
    if domains and (claims.email or "").rpartition("@")[2] not in domains:
        raise NotAllowed("Only people with an e-mail address of certain domains may sign in here.", code="domain_not_allowed")


def _verified_email(claims: Claims) -> str:
    if claims.email is None:
        raise NotAllowed(
            "The identity provider says of no e-mail address of yours that it is verified, so nobody here can be found by it.",
            code="email_not_verified",
        )
    return claims.email


def _linked(deck: Deck, claims: Claims, address: str, *, invited: bool) -> User:
    """Somebody whom the provider names for the first time. `invited`: what they will be is in an invitation, not in settings."""
    directory, settings, email = deck.directory, deck.settings, _verified_email(claims)
    user, member = directory.people.by_email(email), None
    if user is None:
        user = User(keys.mint_id("user"), email, claims.name, None, deck.clock())
        if not invited:
            if not (settings.oidc_workspace and directory.workspaces.get(settings.oidc_workspace)):
                raise NotAllowed(
                    f"Nobody here has the address {email}. Ask an owner or admin for an invitation.", code="unknown_person"
                )
            member = Member(settings.oidc_workspace, user.id, Role(settings.oidc_role), full_read=False, created_at=deck.clock())
    directory.identities.link(claims.issuer, claims.subject, user, member)
    actor = Actor("user", user.id, address)
    whose = [space.id for space, _ in access.memberships(deck, user.id)]
    audit.note(deck, actor, "identity.link", whose, ("user", user.id), {"issuer": claims.issuer})
    return directory.people.get(user.id) or user

"""Passwords that people choose: how long they must be, and that only who knows the present one changes it."""

from usagedeck import access, audit
from usagedeck.audit import Actor
from usagedeck.deck import Deck
from usagedeck.directory import keys
from usagedeck.errors import InvalidInput, NotAllowed

MIN_PASSWORD = 10
MAX_PASSWORD = 1000


def hashed(password: str, *, field: str = "password") -> str:
    """What is kept of a new password. Raises `InvalidInput` for one that is too short or too long."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        fix = f"at least {MIN_PASSWORD}" if len(password) < MIN_PASSWORD else f"at most {MAX_PASSWORD}"
        raise InvalidInput(f"The password has {len(password)} characters; use {fix}.", field=field)
    return keys.hash_password(password)


def change_mine(deck: Deck, token: str | None, password: str, new: str, *, address: str, user_agent: str) -> str:
    """Whoever is behind a session gets a new password; all their sessions end, and the token of a new one is returned.

    Raises `NotSignedIn`, `InvalidInput` for a bad new password, `NotAllowed` for a wrong present one or none, `TooBusy` after
    too many failures.
    """
    user = access.signed_in(deck, token)
    access.require_passwords(deck)
    made = hashed(new, field="new_password")
    if user.password is None or user.email is None:
        raise NotAllowed("You have no password here, so there is none to change.", field="password", code="no_password")
    if not access.knows_password(deck, user, user.email, password, address):
        raise NotAllowed("This is not your present password.", field="password", code="wrong_password")
    deck.directory.people.set_password(user.id, made)
    whose = [space.id for space, _ in access.memberships(deck, user.id)]
    audit.note(deck, Actor("user", user.id, address), "user.password", whose, ("user", user.id))
    return access.begin_session(deck, user, address=address, user_agent=user_agent)

"""Who asks in these calls, how far they see, how an answer says so, and how what they want done is done."""

from typing import Any

from fastapi import Request, Response

from usagedeck import access, admin, report
from usagedeck.access import Permission, View, Who
from usagedeck.deck import Deck
from usagedeck.times import SECOND, iso
from usagedeck.web.auth import address_of, secret_of
from usagedeck.web.problems import json

DONE = {"status": "ok"}


def who_of(request: Request, deck: Deck) -> Who:
    """The asker behind the key. Raises what `access.who_by_key` raises."""
    return access.who_by_key(deck, secret_of(request), address_of(request))


def widest(who: Who) -> View:
    """Most calls have no switch: whoever may see the workspace does, others see themselves, and a header says which."""
    return View.WORKSPACE if who.sees_workspace else View.ACCOUNT


def only_own(deck: Deck, who: Who, view: View) -> str | None:
    """The user whose things alone they see; None: the workspace's. Raises `NotAllowed` where they see nothing at all."""
    return access.scope(deck, who, view).user_id


def require_workspace(deck: Deck, who: Who) -> None:
    """Raises `NotAllowed` unless they see the whole workspace: these things are nobody's own."""
    access.scope(deck, who, View.WORKSPACE)


def answered(content: Any, deck: Deck, who: Who, view: View, about: report.About | None = None) -> Response:
    """The answer, with whose it is and from when to when in its headers."""
    headers = {"x-analytics-scope": "user" if only_own(deck, who, view) is not None else "workspace"}
    if about is not None:
        headers["x-complete-through"] = iso(about.complete_through)
        if about.available_from is not None:
            headers["x-available-from"] = iso(about.available_from)
    return json(content, headers=headers)


def carry_out(deck: Deck, who: Who, command: admin.AnyCommand, *, new: bool = False) -> dict[str, Any]:
    """Have a command carried out for somebody who looks after the workspace, as far as `admin.rights` lets them. `new`: it makes
    something, under an id that was just minted; else what it is about must be there."""
    require_manager(who)
    return admin.perform_for(deck, command, who, new=new)


def require_manager(who: Who) -> None:
    """Raises `NotAllowed` unless they look after the workspace."""
    access.require(who, Permission.MANAGE)


def seconds(instant: int | None) -> int | None:
    """An instant as these calls spell it."""
    return None if instant is None else instant // SECOND

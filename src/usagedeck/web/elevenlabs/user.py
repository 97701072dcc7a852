"""Who the key belongs to, and what is used of what may be used in the current billing period.

Nothing is sold here and no voice is made, so most of a subscription is unknown. The SDKs insist on it all the same: what is not
known here stands in one place, `_NOT_OURS`, and reads as "nothing of it, and nothing to decide".
"""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from usagedeck import access, limits, report
from usagedeck.access import Permission, Role, Who
from usagedeck.deck import Deck
from usagedeck.web.auth import DeckOf
from usagedeck.web.elevenlabs.asker import answered, only_own, seconds, who_of, widest
from usagedeck.web.elevenlabs.errors import ERRORS, WireRoute
from usagedeck.web.elevenlabs.people import SEATS, UNLIMITED
from usagedeck.web.elevenlabs.spent import spent

router = APIRouter(prefix="/v1/user", tags=["elevenlabs"], route_class=WireRoute, responses=ERRORS)

NO_LIMIT = 10**15
"""`character_limit` where none is set: the field is a number and must be there, and clients take what is used from it. It is the
highest limit that can be set."""

_MONTHLY = "monthly_period"

_NOT_OURS: Mapping[str, Any] = {
    "tier": "self_hosted",  # no plan is bought here
    "status": "active",
    "voice_slots_used": 0,  # voices are names in what is sent; none is made or kept here
    "professional_voice_slots_used": 0,
    "professional_voice_slots_used_in_workspace": 0,
    "voice_limit": 0,
    "voice_add_edit_counter": 0,
    "professional_voice_limit": 0,
    "can_extend_voice_limit": False,
    "can_use_instant_voice_cloning": False,
    "can_use_professional_voice_cloning": False,
}
_NO_INVOICES: Mapping[str, Any] = {"open_invoices": [], "has_open_invoices": False}
_NOT_OURS_OF_USERS: Mapping[str, Any] = {
    "is_new_user": False,  # nobody is led through first steps or terms of payment here
    "can_use_delayed_payment_methods": False,
    "is_onboarding_completed": True,
    "is_onboarding_checklist_completed": True,
}


class Price(BaseModel):
    amount: str
    currency: str


class SubscriptionOut(BaseModel):
    tier: str
    character_count: float = Field(description="Credits used so far in the billing period.")
    character_limit: int = Field(description=f"Credits that may be used in it; {NO_LIMIT} without a limit.")
    max_credit_limit_extension: int | str = Field(description="0, or unlimited without a limit.")
    can_extend_character_limit: bool
    allowed_to_extend_character_limit: bool
    next_character_count_reset_unix: int = Field(description="When the billing period ends, in seconds.")
    character_refresh_period: str
    billing_period: str
    currency: str
    current_overage: Price
    status: str
    voice_slots_used: int
    professional_voice_slots_used: int
    professional_voice_slots_used_in_workspace: int
    voice_limit: int
    voice_add_edit_counter: int
    professional_voice_limit: int
    can_extend_voice_limit: bool
    can_use_instant_voice_cloning: bool
    can_use_professional_voice_cloning: bool


class WholeSubscriptionOut(SubscriptionOut):
    open_invoices: list[str]
    has_open_invoices: bool


class UserOut(BaseModel):
    user_id: str = Field(description="The owner of the key; the workspace, when it belongs to nobody.")
    workspace_id: str
    subscription: SubscriptionOut
    is_new_user: bool
    can_use_delayed_payment_methods: bool
    is_onboarding_completed: bool
    is_onboarding_checklist_completed: bool
    first_name: str | None
    created_at: int
    seat_type: str
    is_api_key_hashed: bool


@router.get("", response_model=UserOut, summary="Who the key belongs to")
def user(request: Request, deck: DeckOf) -> Response:
    """With their subscription. For keys with the permission `user_read`."""
    who = who_of(request, deck)
    subscription, about = _subscription(deck, who)
    shown = {**_person(deck, who), "workspace_id": who.workspace.id, "subscription": subscription, **_NOT_OURS_OF_USERS}
    return answered({**shown, "is_api_key_hashed": True}, deck, who, widest(who), about)


@router.get("/subscription", response_model=WholeSubscriptionOut, summary="Credits of the billing period")
def subscription(request: Request, deck: DeckOf) -> Response:
    """What is used and may be used: by the workspace, for keys that see it; else by the key's owner. For keys with the permission
    `user_read`."""
    who = who_of(request, deck)
    found, about = _subscription(deck, who)
    return answered({**found, **_NO_INVOICES}, deck, who, widest(who), about)


def _person(deck: Deck, who: Who) -> dict[str, Any]:
    """The owner of the key: a member, a service account, somebody the directory does not know, or nobody."""
    workspace = who.workspace
    people, id_ = deck.directory.people, who.user_id or workspace.id
    member = people.member(workspace.id, id_) if who.user_id else None
    user = people.get(id_) if member else None
    account = deck.directory.service_accounts.get(workspace.id, id_) if who.user_id else None
    known = user or account or workspace
    role = Role(member.role) if member else Role.MEMBER if who.user_id else Role.ADMIN
    return {
        "user_id": id_,
        "first_name": (user.name if user else account.name if account else "") or None,
        "created_at": seconds(known.created_at),
        "seat_type": SEATS[role],
    }


def _subscription(deck: Deck, who: Who) -> tuple[dict[str, Any], report.About]:
    access.require(who, Permission.USER_READ)
    view = widest(who)
    mine = only_own(deck, who, view)
    used, about = spent(deck, who, view)
    limit = who.workspace.credit_limit if mine is None else _limit(deck, who, mine)
    shown = {
        **_NOT_OURS,
        "character_count": used,
        "character_limit": NO_LIMIT if limit is None else limit,
        "max_credit_limit_extension": UNLIMITED if limit is None else 0,
        "can_extend_character_limit": limit is None,
        "allowed_to_extend_character_limit": limit is None,
        "next_character_count_reset_unix": seconds(limits.period_of(deck, who.workspace).end),
        "character_refresh_period": _MONTHLY,
        "billing_period": _MONTHLY,
        "currency": who.workspace.currency,
        "current_overage": {"amount": "0", "currency": who.workspace.currency},
    }
    return shown, about


def _limit(deck: Deck, who: Who, user_id: str) -> int | None:
    """Of a member or a service account."""
    found = deck.directory.people.member(who.workspace.id, user_id) or deck.directory.service_accounts.get(
        who.workspace.id, user_id
    )
    return found.credit_limit if found else None

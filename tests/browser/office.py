"""A workspace with somebody of every role and something in every list, for the pages beside the tabs."""

from collections.abc import Iterator
from typing import Any

from tests.browser.furniture import HOSTILE, PASSWORD
from tests.house import NOON, House, build_house
from usagedeck import admin
from usagedeck.access import Permission, Role
from usagedeck.deck import Deck
from usagedeck.times import DAY, HOUR

WORKSPACE = "ws_office"
STAFF = {role: f"{role}@office.example" for role in Role}
"""Who signs in as what."""


def furnish_office(deck: Deck) -> House:
    """People, groups, keys in every state, webhooks, and a month of events."""
    house = build_house(deck, "Office", id=WORKSPACE, time_zone="Europe/Berlin", billing_day=5)
    for role, email in STAFF.items():
        house.do(
            admin.AddUser(workspace=WORKSPACE, id=f"user_{role}", email=email, name=f"The {role}", password=PASSWORD, role=role)
        )
    house.do(admin.PutMember(workspace=WORKSPACE, user="user_viewer", locked=False, credit_limit=1000))
    house.do(admin.PutGroup(workspace=WORKSPACE, id="grp_care", name="Care", users=["user_member"], credit_limit=50_000))
    house.do(admin.PutGroup(workspace=WORKSPACE, id="grp_seers", name=HOSTILE, permissions=[Permission.FULL_READ]))
    house.do(admin.PutServiceAccount(workspace=WORKSPACE, id="sa_bot", name="Nightly import"))
    keys: dict[str, dict[str, Any]] = {
        "key_web": {"label": "prod-web", "user": "user_owner", "credit_limit": 400},
        "key_bot": {"label": "nightly", "user": "sa_bot", "permissions": [Permission.WRITE], "tts_concurrency_limit": 5},
        "key_mine": {"label": "my laptop", "user": "user_member"},
        "key_off": {"label": HOSTILE, "disabled": True, "allowed_ips": ["10.0.0.0/8"]},
        "key_late": {"label": "last year's", "expires_at": NOON - DAY},
        "key_soon": {"label": "until friday", "expires_at": NOON + 4 * DAY, "permissions": list(Permission)},
        "key_gone": {"label": "the old one"},
    }
    for id_, said in keys.items():
        house.do(admin.PutKey(workspace=WORKSPACE, id=id_, **said))
    house.do(admin.RevokeKey(workspace=WORKSPACE, id="key_gone"))
    hooks: dict[str, dict[str, Any]] = {
        "wh_orders": {"name": "Orders", "events": ["done", "failed"], "retry_enabled": True, "request_headers": ["X-Env"]},
        "wh_slow": {"name": "Slow one", "disabled": True, "auto_disabled": True, "failed_at": NOON - HOUR, "failed_status": 0},
        "wh_idle": {"name": HOSTILE, "disabled": True},
    }
    for id_, said in hooks.items():
        house.do(admin.PutWebhook(workspace=WORKSPACE, id=id_, url=f"https://hooks.example.com/{id_}", **said))
    receipt = house.send(_events())
    assert not receipt.rejected, receipt.rejected[0]
    return house


def _events() -> Iterator[dict[str, Any]]:
    """Some a day for two of the keys, and deliveries, one of which failed."""
    for n in range(240):
        key, user = (("key_web", "user_owner"), ("key_mine", "user_member"))[n % 3 == 0]
        yield {
            "id": f"req_o{n:04d}",
            "time": NOON - 1 - n * n % 29 * DAY - n * 60_000,
            "path": "/v1/speech",
            "status": 200,
            "duration_ms": 9,
            "user_id": user,
            "api_key_id": key,
            "credits": n % 7,
        }
    for n in range(20):
        failed = {"status": 503, "error": {"code": "unavailable", "message": "Back soon"}} if n == 3 else {"status": 200}
        yield {
            "kind": "delivery",
            "id": f"dlv_o{n}",
            "time": NOON - 1 - n * DAY,
            "webhook_id": "wh_orders",
            "event_type": "done",
            "url": "https://hooks.example.com/wh_orders",
            **failed,
        }

"""What the JavaScript SDK insists on in the answers of the calls beside the four: fields that must be there, and their types.

Names with `?` may be left out or null.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

NUMBER = (int, float)
Shape = Any

MEMBER: Shape = {
    "user_id": str,
    "email": str,
    "first_name?": str,
    "seat_type?": str,
    "is_owner": bool,
    "is_locked": bool,
}
GROUP: Shape = {
    "name": str,
    "id": str,
    "members": [str],
    "permissions?": [str],
    "group_usage_limit?": (*NUMBER, str),
    "character_count?": NUMBER,
    "is_scim_synced?": bool,
    "scim_frozen?": bool,
}
WEBHOOK: Shape = {
    "name": str,
    "webhook_id": str,
    "webhook_url": str,
    "is_disabled": bool,
    "is_auto_disabled": bool,
    "created_at_unix": int,
    "auth_type": str,
    "usage?": [{"usage_type": str}],
    "events?": [str],
    "most_recent_failure_error_code?": int,
    "most_recent_failure_timestamp?": int,
}
KEY: Shape = {
    "name": str,
    "hint": str,
    "key_id": str,
    "service_account_user_id": str,
    "hashed_xi_api_key": str,
    "created_at_unix?": int,
    "is_disabled?": bool,
    "permissions?": [str],
    "disable_reason?": str,
    "character_limit?": int,
    "character_count?": NUMBER,
    "allowed_ips?": [str],
    "third_party_disable_allowed?": bool,
    "platform_limits?": {
        "credits?": {"limit?": int, "usage?": NUMBER},
        "concurrency?": {"limit?": int},
        "dubbing_concurrency?": {"limit?": int},
        "music_concurrency?": {"limit?": int},
    },
    "expires_at_unix?": int,
}
ACCOUNT: Shape = {
    "service_account_user_id": str,
    "name": str,
    "created_at_unix?": int,
    "api-keys": [KEY],
    "default_sharing_groups?": [str],
}
SUBSCRIPTION: Shape = {
    "tier": str,
    "character_count": NUMBER,
    "character_limit": int,
    "max_credit_limit_extension": (int, str),
    "can_extend_character_limit": bool,
    "allowed_to_extend_character_limit": bool,
    "next_character_count_reset_unix?": int,
    "voice_slots_used": int,
    "professional_voice_slots_used": int,
    "professional_voice_slots_used_in_workspace": int,
    "voice_limit": int,
    "voice_add_edit_counter": int,
    "professional_voice_limit": int,
    "can_extend_voice_limit": bool,
    "can_use_instant_voice_cloning": bool,
    "can_use_professional_voice_cloning": bool,
    "currency?": str,
    "current_overage": {"amount": str, "currency": str},
    "status": str,
    "billing_period?": str,
    "character_refresh_period?": str,
}
USER: Shape = {
    "user_id": str,
    "workspace_id": str,
    "subscription": SUBSCRIPTION,
    "is_new_user": bool,
    "can_use_delayed_payment_methods": bool,
    "is_onboarding_completed": bool,
    "is_onboarding_checklist_completed": bool,
    "first_name?": str,
    "is_api_key_hashed?": bool,
    "created_at": int,
    "seat_type": str,
}
ENTRY: Shape = {
    "id": str,
    "activity_id": int,
    "activity_name": str,
    "status_id": int,
    "actor": {"user": {"uid?": str, "name?": str, "type?": str, "type_id?": int}},
    "message": str,
    "time?": int,
    "time_dt?": str,
    "class_name?": str,
    "class_uid?": int,
    "category_name?": str,
    "category_uid?": int,
    "type_uid?": int,
    "type_name?": str,
    "severity_id?": int,
    "device?": {"ip?": str},
    "metadata?": dict,
    "unmapped?": dict,
}
VOICE: Shape = {"voice_id": str, "name?": str}
DONE: Shape = {"status": str}

SHAPES: Mapping[str, Mapping[str, Shape]] = {
    r"/v1/workspace/members": {"GET": [MEMBER], "POST": DONE},
    r"/v1/workspace/members/[^/]+/usage-limit": {"PUT": DONE},
    r"/v1/workspace/groups": {"GET": {str: GROUP}},
    r"/v1/workspace/groups/search": {"GET": [{"name": str, "id": str, "members_emails": [str]}]},
    r"/v1/workspace/webhooks": {"GET": {"webhooks": [WEBHOOK]}, "POST": {"webhook_id": str, "webhook_secret?": str}},
    r"/v1/workspace/webhooks/[^/]+": {"PATCH": DONE, "DELETE": DONE},
    r"/v1/service-accounts": {"GET": {"service-accounts": [ACCOUNT]}, "POST": {"service-account-user-id": str}},
    r"/v1/service-accounts/[^/]+/api-keys": {"GET": {"api-keys": [KEY]}, "POST": {"xi-api-key": str, "key_id": str}},
    r"/v1/service-accounts/[^/]+/api-keys/[^/]+": {"PATCH": DONE, "DELETE": DONE},
    r"/v1/service-accounts/[^/]+/api-keys/[^/]+/disable": {"POST": DONE},
    r"/v1/workspaces/api-keys/disable": {"POST": DONE},
    r"/v1/user": {"GET": USER},
    r"/v1/user/subscription": {"GET": {**SUBSCRIPTION, "open_invoices": [dict], "has_open_invoices": bool}},
    r"/v1/workspace/audit-logs": {"GET": {"entries": [ENTRY], "has_more": bool, "next_cursor?": str}},
    r"/v1/models": {"GET": [{"model_id": str, "name?": str}]},
    r"/v1/voices": {"GET": {"voices": [VOICE]}},
    r"/v2/voices": {"GET": {"voices": [VOICE], "has_more": bool, "total_count": int, "next_page_token?": str}},
}


def shape_of(method: str, path: str) -> Callable[[Any], None] | None:
    """What checks the answer of a call; None for the four that have checks of their own."""
    shape = next((of[method] for pattern, of in SHAPES.items() if re.fullmatch(pattern, path)), None)
    return None if shape is None else lambda body: fits(body, shape, "")


def fits(value: Any, shape: Shape, where: str) -> None:
    """No more and no less than the shape has."""
    if isinstance(shape, list):
        assert isinstance(value, list), where
        for index, one in enumerate(value):
            fits(one, shape[0], f"{where}[{index}]")
    elif isinstance(shape, dict) and str in shape:
        assert isinstance(value, dict), where
        for name, one in value.items():
            fits(one, shape[str], f"{where}.{name}")
    elif isinstance(shape, dict):
        assert isinstance(value, dict), where
        assert {name for name in shape if not name.endswith("?")} <= set(value), where
        for name, one in value.items():
            if name in shape:
                fits(one, shape[name], f"{where}.{name}")
            else:
                assert f"{name}?" in shape, f"{where}.{name}"
                if one is not None:
                    fits(one, shape[f"{name}?"], f"{where}.{name}")
    else:
        assert isinstance(value, shape), (where, value)
        kinds = shape if isinstance(shape, tuple) else (shape,)
        assert bool in kinds or not isinstance(value, bool), (where, value)

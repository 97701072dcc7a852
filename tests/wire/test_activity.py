"""The audit log through the SDK, in the words of OCSF."""

from functools import partial
from typing import Any

import httpx
from elevenlabs.types.webhook_hmac_settings import WebhookHmacSettings

from tests.house import NOON, build_house
from tests.wire.conftest import Offices
from tests.wire.strict import invalid, refused
from usagedeck import admin
from usagedeck.access import Permission
from usagedeck.catalog.dimensions import Label

HOOK = WebhookHmacSettings(name="New", webhook_url="https://new.test/hook")


def test_the_audit_log_in_the_words_of_ocsf(offices: Offices) -> None:
    deck = offices.here.house.deck
    house = build_house(deck, "audited")
    sdk = offices.sdk(house.key_who(id="k-1", permissions=list(Permission))[0])
    house.do(admin.AddUser(workspace=house.workspace_id, id="audited-eve", email="eve@audited.test", password="a good password"))
    url = f"{offices.url}/api/v1/session"
    assert httpx.post(url, json={"email": "eve@audited.test", "password": "no"}).status_code == 401
    assert httpx.post(url, json={"email": "eve@audited.test", "password": "a good password"}).status_code == 204
    made = sdk.webhooks.create(settings=HOOK)
    sdk.webhooks.delete(made.webhook_id)
    house.do(admin.SetLabels(workspace=house.workspace_id, kind=Label.VOICE, names={"v": "Voice"}))

    def told(**asked: Any) -> list[tuple[Any, ...]]:
        found = sdk.workspace.audit_logs.list(**asked).entries
        return [(one.class_name, one.activity_name, one.activity_id, one.status_id) for one in found]

    expected = [
        ("Entity Management", "labels.set", 99, 1),
        ("Entity Management", "Webhook Deletion", 4, 1),
        ("Entity Management", "Webhook Management", 99, 1),
        ("Authentication", "Logon", 1, 1),
        ("Authentication", "Logon", 1, 2),
        ("Account Change", "User Creation", 1, 1),
        ("Entity Management", "API Key Creation", 1, 1),
        ("Entity Management", "Workspace Creation", 1, 1),
    ]
    assert told() == expected
    assert told(class_name="Authentication") == expected[3:5]
    assert told(class_name="Entity Management") == [one for one in expected if one[0] == "Entity Management"]
    assert told(activity_name="Webhook Deletion") == expected[1:2]
    assert told(activity_name="labels.set") == told(activity_name="labels.set", class_name="Entity Management") == expected[:1]
    assert told(activity_name="Logon", class_name="Group Management") == told(activity_name="webhook.remove") == []
    assert told(actor_uid="audited-eve") == expected[3:5]
    assert told(time_from_unix_ms=NOON, time_to_unix_ms=NOON) == expected
    assert told(time_from_unix_ms=NOON + 1) == told(time_to_unix_ms=NOON - 1) == told(class_name="Nonsense") == []
    pages: list[list[str]] = []
    cursor = None
    while not pages or cursor:
        page = sdk.workspace.audit_logs.list(limit=3, cursor=cursor)
        assert page.has_more is (page.next_cursor is not None)
        pages.append([one.activity_name for one in page.entries])
        cursor = page.next_cursor
    assert [len(page) for page in pages] == [3, 3, 2]
    assert [name for page in pages for name in page] == [name for _, name, _, _ in expected]
    removed, logon = sdk.workspace.audit_logs.list().entries[1:4:2]
    assert (removed.actor.user.uid, removed.actor.user.type, removed.type_uid) == ("k-1", "api_key", 300_404)
    assert removed.unmapped == {
        "action": "webhook.remove",
        "target_kind": "webhook",
        "target_id": made.webhook_id,
        "details": {"id": made.webhook_id},
    }
    assert (logon.actor.user.uid, logon.actor.user.name, logon.device and logon.device.ip) == (
        *("audited-eve", "eve@audited.test", "127.0.0.1"),
    )
    assert (logon.time, logon.time_dt) == (NOON, "2026-11-23T12:00:00.000Z")


def test_a_cursor_that_is_none(offices: Offices) -> None:
    for cursor in ("nonsense", "1", "-", "1-2-3", "é", "0" * 90):
        assert refused(partial(offices.sdk().workspace.audit_logs.list, cursor=cursor))["param"] == "cursor"
    wrong: tuple[dict[str, Any], ...] = (
        *({"limit": 0}, {"limit": 1001}, {"time_from_unix_ms": -1}, {"time_to_unix_ms": 10**17}, {"cursor": "1" * 101}),
    )
    for asked in wrong:
        assert invalid(partial(offices.sdk().workspace.audit_logs.list, **asked))

"""Groups, service accounts and webhooks of a workspace."""

from dataclasses import replace

import pytest

from tests.directory.furnish import add_key
from tests.house import NOON, StillClock
from usagedeck.catalog.dimensions import Label
from usagedeck.directory import keys
from usagedeck.directory.repo import Directory
from usagedeck.directory.webhooks import Webhook
from usagedeck.errors import Conflict


def test_a_group_is_put_as_often_as_one_likes(directory: Directory, clock: StillClock) -> None:
    directory.groups.put("ws", "g1", name="Support", permissions=["b", "a"], credit_limit=5, user_ids=["ben", "ana", "ana"])
    first = directory.groups.get("ws", "g1")
    assert first is not None
    assert (first.name, first.permissions, first.credit_limit, first.created_at) == ("Support", ("a", "b"), 5, NOON)
    assert directory.groups.members("ws") == {"g1": ("ana", "ben")}
    clock.now += 5
    directory.groups.put("ws", "g1", name="Care", permissions=(), credit_limit=None)
    assert directory.groups.get("ws", "g1") == replace(first, name="Care", permissions=(), credit_limit=None)
    assert directory.groups.members("ws") == {"g1": ("ana", "ben")}, "nothing was said of them"
    directory.groups.put("ws", "g1", name="Care", user_ids=["cy"])
    assert directory.groups.members("ws") == {"g1": ("cy",)}
    directory.groups.put("ws", "g1", name="Care", user_ids=[])
    assert directory.groups.members("ws") == {}
    with pytest.raises(Conflict, match='no workspace "nowhere"'):
        directory.groups.put("nowhere", "g1", name="x")


def test_who_is_in_which_group_is_kept_until_it_changes(directory: Directory) -> None:
    assert directory.groups.of_users("ws") == {}
    directory.groups.put("ws", "g2", name="Two", user_ids=["ana"])
    directory.groups.put("ws", "g1", name="One", user_ids=["ana", "never registered"])
    found = directory.groups.of_users("ws")
    assert found == {"ana": ("g1", "g2"), "never registered": ("g1",)}
    assert directory.groups.of_users("ws") is found, "asked for every batch"
    assert directory.groups.remove("ws", "g1")
    assert directory.groups.of_users("ws") == {"ana": ("g2",)}
    assert directory.labels.names("ws", Label.GROUP) == {"g1": "One", "g2": "Two"}, "what is gone keeps its name"
    assert not directory.groups.remove("ws", "g1")


def test_service_accounts_own_keys_that_end_with_them(directory: Directory, clock: StillClock) -> None:
    directory.service_accounts.put("ws", "bot", name="Bot", credit_limit=5)
    clock.now += 1
    directory.service_accounts.put("ws", "bot", name="Robot")
    (found,) = directory.service_accounts.all("ws")
    assert found == directory.service_accounts.get("ws", "bot")
    assert (found.name, found.credit_limit, found.created_at) == ("Robot", None, NOON)
    add_key(directory, "key_1", keys.mint_key(), user="bot")
    add_key(directory, "key_2", keys.mint_key())
    directory.groups.put("ws", "g", name="G", user_ids=["bot"])
    assert directory.labels.names("ws", Label.USER) == {"bot": "Robot"}
    assert directory.service_accounts.remove("ws", "bot")
    assert not directory.service_accounts.remove("ws", "bot")
    assert [key.revoked_at for key in directory.api_keys.all("ws")] == [NOON + 1, None]
    assert directory.groups.members("ws") == {}
    assert directory.labels.names("ws", Label.USER) == {"bot": "Robot"}


def test_a_member_and_a_service_account_are_never_one(directory: Directory) -> None:
    directory.people.add("ana", email=None, name="Ana", password=None)
    directory.people.join("ws", "ana", role="member")
    with pytest.raises(Conflict, match="the id of a member"):
        directory.service_accounts.put("ws", "ana", name="Bot")
    directory.service_accounts.put("ws", "bot", name="Bot")
    directory.people.add("bot", email=None, name="A person called Bot", password=None)
    with pytest.raises(Conflict, match="the id of a service account"):
        directory.people.join("ws", "bot", role="member")


def test_webhooks(directory: Directory, clock: StillClock) -> None:
    hook = Webhook("ws", "wh", "Orders", "https://x.test/hook", ("a", "b"), "hmac", NOON)
    directory.webhooks.put(hook)
    assert directory.webhooks.get("ws", "wh") == hook
    failed = replace(
        hook, name="Orders II", created_at=NOON + 9, disabled_at=NOON, auto_disabled=True, failed_at=NOON, failed_status=503
    )
    failed = replace(failed, retry_enabled=True, request_headers=("Authorization", "x-env"))
    directory.webhooks.put(failed)
    assert directory.webhooks.all("ws") == [replace(failed, created_at=NOON)]
    assert directory.webhooks.remove("ws", "wh")
    assert not directory.webhooks.remove("ws", "wh")
    assert directory.labels.names("ws", Label.WEBHOOK) == {"wh": "Orders II"}

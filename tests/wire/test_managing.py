"""Looking after a workspace through the SDK: members, webhooks, service accounts and their keys."""

from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import pytest
from elevenlabs import ElevenLabs
from elevenlabs.core.request_options import RequestOptions
from elevenlabs.types.webhook_hmac_settings import WebhookHmacSettings

from tests.house import NOON, keyed
from tests.wire.conftest import Offices
from tests.wire.strict import check, invalid, refused
from tests.wire.test_beside import denied, missing
from usagedeck import admin
from usagedeck.access import USUAL, Permission
from usagedeck.times import DAY, MINUTE, SECOND

ONCE = RequestOptions(max_retries=0)
Call = Callable[[ElevenLabs], Any]
HOOK = WebhookHmacSettings(name="New", webhook_url="https://new.test/hook")

WRITES: dict[str, Call] = {
    "limit": lambda sdk: sdk.workspace.members.update_usage_limit("here-ben", usage_limit=1, request_options=ONCE),
    "member": lambda sdk: sdk.workspace.members.update(email="ben@here.test", is_locked=True, request_options=ONCE),
    "make webhook": lambda sdk: sdk.webhooks.create(settings=HOOK, request_options=ONCE),
    "change webhook": lambda sdk: sdk.webhooks.update("wh-1", is_disabled=True, name="x", request_options=ONCE),
    "remove webhook": lambda sdk: sdk.webhooks.delete("wh-1", request_options=ONCE),
    "make account": lambda sdk: sdk.service_accounts.create(name="x", request_options=ONCE),
    "make key": lambda sdk: sdk.service_accounts.api_keys.create("bot", name="x", permissions="all", request_options=ONCE),
    "change key": lambda sdk: sdk.service_accounts.api_keys.update("bot", "k-bot", name="x", request_options=ONCE),
    "revoke key": lambda sdk: sdk.service_accounts.api_keys.delete("bot", "k-bot", request_options=ONCE),
    "disable key": lambda sdk: sdk.service_accounts.api_keys.disable("bot", "k-bot", request_options=ONCE),
}
every_write = pytest.mark.parametrize("call", WRITES.values(), ids=list(WRITES))


def state(offices: Offices) -> Any:
    """All that could be changed."""
    directory, id_ = offices.here.house.deck.directory, offices.here.id
    return (
        directory.people.members(id_),
        directory.webhooks.all(id_),
        directory.service_accounts.all(id_),
        [(key.id, key.label, key.disabled_at, key.revoked_at, key.permissions) for key in directory.api_keys.all(id_)],
    )


@every_write
def test_only_those_who_look_after_the_workspace_change_it(offices: Offices, call: Call) -> None:
    before = state(offices)
    missing("workspace_manage", call, offices.sdk("wide"))
    for key in ("ben", "fay", "vic"):
        assert denied(call, offices.sdk(key)) == (403, "insufficient_permissions", "insufficient_permissions")
    assert denied(call, offices.sdk("wrong"))[0] == 401
    assert state(offices) == before


@pytest.mark.parametrize(
    "name", ["limit", "member", "change key", "disable key", "revoke key", "change webhook", "remove webhook"]
)
def test_what_is_in_another_workspace_is_not_there(offices: Offices, name: str) -> None:
    """Webhooks and accounts have the same ids in both: whoever asks means their own."""
    if name in ("limit", "member"):
        assert denied(WRITES[name], offices.sdk("manager", offices.there)) == (404, "member_not_found", "member_not_found")
        return
    before = state(offices)
    WRITES[name](offices.sdk("manager", offices.there))
    assert state(offices) == before


# --- members ------------------------------------------------------------------------------------------------------


def test_a_members_limit_is_set_and_taken_back(offices: Offices) -> None:
    sdk, ben = offices.sdk(), offices.sdk("ben")
    for limit, shown in ((7, 7), (0, 0), (None, 10**15), (500, 500)):
        assert sdk.workspace.members.update_usage_limit("here-ben", usage_limit=limit).status == "ok"
        assert ben.user.subscription.get().character_limit == shown
    sdk.workspace.members.update_usage_limit("bot", usage_limit=60)
    assert offices.sdk("bots reader").user.subscription.get().character_limit == 60
    for nobody in ("here-nobody", "there-ben", "g-all", "%"):
        found = denied(sdk.workspace.members.update_usage_limit, nobody, usage_limit=1)
        assert found == (404, "member_not_found", "member_not_found")


def test_the_workspaces_limit_is_that_of_those_who_see_it(offices: Offices) -> None:
    for limit, shown, more in ((1234, 1234, 0), (None, 10**15, "unlimited")):
        offices.here.house.do(admin.PutWorkspace(workspace=offices.here.id, credit_limit=limit))
        found = offices.sdk("wide").user.subscription.get()
        assert (found.character_limit, found.max_credit_limit_extension) == (shown, more)


@pytest.mark.parametrize("limit", [-1, 1.5, "7", True, 10**16])
def test_a_limit_that_is_none_is_refused(offices: Offices, limit: Any) -> None:
    found = invalid(lambda: offices.sdk().workspace.members.update_usage_limit("here-ben", usage_limit=limit))
    assert {tuple(where[:2]) for where, _ in found} == {("body", "usage_limit")}


def test_a_limit_has_to_be_said(offices: Offices) -> None:
    """What is left out takes no limit away by accident: null does."""
    assert invalid(lambda: offices.sdk().workspace.members.update_usage_limit("here-ben")) == [
        (["body", "usage_limit"], "missing")
    ]


def test_a_members_seat_and_lock(offices: Offices) -> None:
    sdk, ben = offices.sdk("ada"), offices.sdk("ben")

    def seat() -> tuple[Any, ...]:
        (found,) = [one for one in sdk.workspace.members.list() if one.user_id == "here-ben"]
        return found.seat_type, found.is_locked

    assert sdk.workspace.members.update(email="BEN@here.test", workspace_seat_type="workspace_lite_member").status == "ok"
    assert seat() == ("workspace_lite_member", False)
    sdk.workspace.members.update(email="ben@here.test", workspace_role="workspace_member", allow_downgrade_to_basic_seat=True)
    sdk.workspace.members.update(email="ben@here.test", is_locked=True)
    assert seat() == ("workspace_member", True)
    assert denied(lambda sdk: sdk.user.get(), ben) == (401, "unauthorized", "invalid_api_key")
    sdk.workspace.members.update(email="ben@here.test", is_locked=False)
    assert ben.user.get().user_id == "here-ben"
    for nobody in ("nobody@here.test", "ben@there.test", ""):
        found = denied(sdk.workspace.members.update, email=nobody, is_locked=True)
        assert found == (404, "member_not_found", "member_not_found")


@pytest.mark.parametrize("change", [{"is_locked": True}, {"workspace_seat_type": "workspace_member"}])
def test_owners_are_not_changed_by_a_key(offices: Offices, change: dict[str, Any]) -> None:
    before = state(offices)
    for key in ("ada", "manager"):
        found = denied(offices.sdk(key).workspace.members.update, email="olga@here.test", **change)
        assert found == (403, "insufficient_permissions", "insufficient_permissions")
    offices.sdk().workspace.members.update(email="olga@here.test", workspace_seat_type="workspace_admin")
    assert state(offices) == before, "an owner has an admin's seat already"


def test_a_seat_that_is_none(offices: Offices) -> None:
    bad: Any = "workspace_king"
    found = invalid(lambda: offices.sdk().workspace.members.update(email="ben@here.test", workspace_seat_type=bad))
    assert found == [(["body", "workspace_seat_type"], "enum")]


# --- webhooks -----------------------------------------------------------------------------------------------------


def test_a_webhook_from_making_to_removing(offices: Offices) -> None:
    sdk = offices.sdk()
    made = sdk.webhooks.create(settings=HOOK)
    secret = made.webhook_secret or ""
    assert secret.startswith("wsec_")
    assert len(secret) > 60

    def found() -> Any:
        return next((one for one in sdk.webhooks.list(include_usages=True).webhooks if one.webhook_id == made.webhook_id), None)

    assert (found().name, found().webhook_url, found().auth_type, found().created_at_unix) == (
        *("New", "https://new.test/hook", "hmac", NOON // SECOND),
    )
    assert secret not in str(found())
    assert sdk.webhooks.update(made.webhook_id, is_disabled=True, name="Newer", events=["flows", "speech_to_text"]).status == "ok"
    assert (found().name, found().is_disabled, found().events) == ("Newer", True, ["flows", "speech_to_text"])
    sdk.webhooks.update(made.webhook_id, is_disabled=False, name="Newer")
    assert (found().is_disabled, found().events) == (False, ["flows", "speech_to_text"])
    assert sdk.webhooks.delete(made.webhook_id).status == "ok"
    assert found() is None
    for call in (
        lambda sdk: sdk.webhooks.delete(made.webhook_id),
        lambda sdk: sdk.webhooks.update("%", is_disabled=True, name="x"),
    ):
        assert denied(call, sdk) == (404, "webhook_not_found", "webhook_not_found")


def test_enabling_a_webhook_that_was_given_up(offices: Offices) -> None:
    sdk = offices.sdk()
    sdk.webhooks.update("wh-3", is_disabled=False, name="Broken")
    (found,) = [one for one in sdk.webhooks.list().webhooks if one.webhook_id == "wh-3"]
    assert (found.is_disabled, found.is_auto_disabled) == (False, False)


def ours(offices: Offices, part: str) -> list[dict[str, Any]]:
    """The same things, as our own API shows them to whoever looks after the workspace."""
    with keyed(offices.url, offices.here.keys["manager"]) as client:
        found: list[dict[str, Any]] = client.get(f"/api/v1/workspace/{part}").json()[part]
    return found


def test_what_whoever_delivers_goes_by_is_kept_and_shown(offices: Offices) -> None:
    sdk = offices.sdk()
    settings = WebhookHmacSettings(
        name="x", webhook_url="https://x.test", request_headers={"Authorization": "s3cret", "X-Env": "a"}
    )
    id_ = sdk.webhooks.create(settings=settings).webhook_id

    def shown() -> tuple[bool, list[str]]:
        (hook,) = [one for one in ours(offices, "webhooks") if one["id"] == id_]
        return hook["retry_enabled"], hook["request_headers"]

    assert shown() == (False, ["Authorization", "X-Env"])
    sdk.webhooks.update(id_, is_disabled=False, name="x", retry_enabled=True)
    assert shown() == (True, ["Authorization", "X-Env"]), "what is left out stays"
    sdk.webhooks.update(id_, is_disabled=False, name="x", request_headers={"X-Env": "b", "Authorization": None, "X-Other": "c"})
    assert shown() == (True, ["X-Env", "X-Other"])
    sdk.webhooks.update(id_, is_disabled=False, name="x", retry_enabled=False, request_headers={})
    assert shown() == (False, [])


def test_what_is_in_a_webhooks_headers_is_nowhere(offices: Offices, capfd: pytest.CaptureFixture[str]) -> None:
    """Not in the directory's files, in no answer, not in the audit log, not in what the server says; nor when it is refused."""
    sdk, secret = offices.sdk(), "q7s3cr3tq7"
    bearer: dict[str, str | None] = {"X-Seen-By-All": f"Bearer {secret}"}
    made = sdk.webhooks.create(settings=WebhookHmacSettings(name="x", webhook_url="https://x.test", request_headers=bearer))
    sdk.webhooks.update(made.webhook_id, is_disabled=True, name="y", request_headers=bearer)
    headers = {"xi-api-key": offices.here.keys["manager"]}
    told = [str(made), str(sdk.webhooks.list(include_usages=True)), str(ours(offices, "webhooks"))]
    for wrong in (
        {"auth_type": "hmac", "webhook_url": "https://x.test", "request_headers": bearer},
        {"auth_type": "hmac", "name": "x", "webhook_url": "https://x.test", "request_headers": {"a": [secret]}},
        {"auth_type": "hmac", "name": "x", "webhook_url": "https://x.test", "request_headers": {"no name": secret}},
        {"auth_type": "hmac", "name": "x", "webhook_url": "https://x.test", "request_headers": {"a": secret * 1000}},
    ):
        answer = httpx.post(f"{offices.url}/v1/workspace/webhooks", json={"settings": wrong}, headers=headers)
        check(answer)
        assert answer.status_code == 422
        told.append(answer.text)
    deck, id_ = offices.here.house.deck, offices.here.id
    entries = deck.directory.audit_log.read(id_, start=0, end=NOON + 1, equal={"target_id": made.webhook_id})
    assert [entry.details["request_headers"] for entry in entries] == [["X-Seen-By-All"]] * 2
    told += [str(entries), str(deck.directory.webhooks.get(id_, made.webhook_id)), *capfd.readouterr()]
    assert not [text for text in told if secret in text]
    files = [path.read_bytes() for path in deck.settings.data_dir.rglob("directory.sqlite*")]
    assert any(b"X-Seen-By-All" in data for data in files), "what may be kept is found by the same search"
    assert not any(secret.encode() in data for data in files)


@pytest.mark.parametrize(
    "settings",
    [
        {"auth_type": "oauth2", "name": "x", "webhook_url": "https://x"},
        {"auth_type": "hmac", "name": "", "webhook_url": "ftp://x"},
    ],
)
def test_a_webhook_that_cannot_be(offices: Offices, settings: dict[str, str]) -> None:
    headers = {"xi-api-key": offices.here.keys["manager"]}
    answer = httpx.post(f"{offices.url}/v1/workspace/webhooks", json={"settings": settings}, headers=headers)
    check(answer)
    assert answer.status_code == 422


# --- service accounts and keys ------------------------------------------------------------------------------------


@pytest.fixture
def account(offices: Offices) -> str:
    return str(offices.sdk().service_accounts.create(name="Importer").service_account_user_id)


def make(offices: Offices, account: str, **body: Any) -> tuple[str, str]:
    """A new key's secret and id."""
    made = offices.sdk().service_accounts.api_keys.create(account, **{"name": "key", "permissions": "all", **body})
    return made.xi_api_key, made.key_id


def listed(offices: Offices, account: str) -> dict[str, Any]:
    return {one.key_id: one for one in offices.sdk().service_accounts.api_keys.list(account).api_keys}


def test_a_key_is_shown_once_and_kept_as_its_hash(offices: Offices, account: str) -> None:
    secret, id_ = make(offices, account)
    user = offices.sdk(secret).user.get()
    assert (user.user_id, user.first_name) == (account, "Importer")
    assert secret not in str(offices.sdk().service_accounts.list())
    kept = offices.here.house.deck.directory.api_keys.get(offices.here.id, id_)
    assert kept is not None
    assert secret not in str(kept)
    entries = offices.here.house.deck.directory.audit_log.read(offices.here.id, start=0, end=NOON + 1, equal={"target_id": id_})
    assert [(one.action, one.actor_kind, one.actor_id) for one in entries] == [("key.put", "api_key", "k-manager")]
    assert secret not in str(entries)


def test_a_key_with_everything_said(offices: Offices, account: str) -> None:
    expires = (NOON + 30 * DAY) // SECOND
    _, id_ = make(
        offices,
        account,
        name="narrow",
        permissions=["analytics_read", "text_to_speech", "user_read"],
        character_limit=10,
        allowed_ips=["10.0.0.0/24", "203.0.113.7"],
        expires_at_unix=expires,
    )
    key = listed(offices, account)[id_]
    assert (key.name, key.permissions) == ("narrow", ["analytics_read", "text_to_speech", "user_read"])
    assert (key.character_limit, key.character_count, key.platform_limits.credits.limit) == (10, 0, 10)
    assert (key.allowed_ips, key.expires_at_unix) == (["10.0.0.0/24", "203.0.113.7/32"], expires)


def test_what_is_left_out_stays_and_clear_takes_it_back(offices: Offices, account: str) -> None:
    keys = offices.sdk().service_accounts.api_keys
    expires = (NOON + DAY) // SECOND
    limits: dict[str, Any] = {"character_limit": 10, "allowed_ips": ["127.0.0.1"], "expires_at_unix": expires}
    secret, id_ = make(offices, account, permissions=["analytics_read", "music_generation"], **limits)

    def shown() -> tuple[Any, ...]:
        key = listed(offices, account)[id_]
        return key.name, key.character_limit, key.allowed_ips, key.expires_at_unix, key.permissions

    narrow = ["analytics_read", "music_generation"]
    keys.update(account, id_, name="other")
    assert shown() == ("other", 10, ["127.0.0.1/32"], expires, narrow)
    nothing: Any = dict.fromkeys(("is_enabled", "permissions", *limits), "no_update")
    keys.update(account, id_, **nothing)
    assert shown() == ("other", 10, ["127.0.0.1/32"], expires, narrow)
    keys.update(account, id_, character_limit="clear")
    assert shown() == ("other", None, ["127.0.0.1/32"], expires, narrow)
    keys.update(account, id_, allowed_ips="clear", expires_at_unix="clear", tts_concurrency_limit="clear")
    assert shown() == ("other", None, None, None, narrow)
    keys.update(account, id_, permissions="all", character_limit=0, expires_at_unix=expires)
    assert shown() == ("other", 0, None, expires, sorted(Permission))
    assert offices.sdk(secret).models.list() is not None


def test_how_many_requests_a_key_may_have_running(offices: Offices, account: str) -> None:
    keys = offices.sdk().service_accounts.api_keys
    _, id_ = make(offices, account, tts_concurrency_limit=5, music_concurrency_limit=0)

    def shown() -> tuple[int | None, ...]:
        limits = listed(offices, account)[id_].platform_limits
        (key,) = [one for one in ours(offices, "keys") if one["key_id"] == id_]
        of_ours = tuple(key[f"{kind}_concurrency_limit"] for kind in ("tts", "dubbing", "music"))
        assert of_ours == (limits.concurrency.limit, limits.dubbing_concurrency.limit, limits.music_concurrency.limit)
        return of_ours

    assert shown() == (5, None, 0)
    keys.update(account, id_, dubbing_concurrency_limit=2, music_concurrency_limit="no_update")
    assert shown() == (5, 2, 0)
    keys.update(account, id_, tts_concurrency_limit="clear", dubbing_concurrency_limit=3)
    assert shown() == (None, 3, 0)
    keys.update(account, id_, name="other")
    assert shown() == (None, 3, 0)
    bad: Any = "much"
    found = invalid(lambda: keys.update(account, id_, tts_concurrency_limit=bad))
    assert {tuple(where[:2]) for where, _ in found} == {("body", "tts_concurrency_limit")}
    assert shown() == (None, 3, 0)


def test_a_key_is_disabled_enabled_and_revoked(offices: Offices, account: str) -> None:
    keys = offices.sdk().service_accounts.api_keys
    secret, id_ = make(offices, account)
    holder = offices.sdk(secret)
    for stop in (keys.disable, partial(keys.update, is_enabled=False)):
        stop(account, id_)
        assert denied(holder.user.get) == (401, "unauthorized", "invalid_api_key")
        assert listed(offices, account)[id_].is_disabled
        keys.update(account, id_, is_enabled=True)
        assert holder.user.get()
    keys.delete(account, id_)
    assert denied(holder.user.get) == (401, "unauthorized", "invalid_api_key")
    assert id_ not in listed(offices, account)
    for call in (keys.delete, keys.disable, keys.update):
        assert denied(call, account, id_) == (404, "api_key_not_found", "api_key_not_found")


def test_whoever_holds_a_key_can_stop_it(offices: Offices, account: str) -> None:
    secret, id_ = make(offices, account, permissions=["text_to_speech"])
    holder = offices.sdk(secret)
    missing("analytics_read", lambda sdk: sdk.models.list(), holder)
    assert invalid(lambda: holder.workspaces.api_keys.disable(api_key_name="other")) == [(["query", "api_key_name"], "enum")]
    holder.workspaces.api_keys.disable(api_key_name="self")
    assert denied(lambda sdk: sdk.models.list(), holder) == (401, "unauthorized", "invalid_api_key")
    assert listed(offices, account)[id_].is_disabled


def test_keys_of_others_are_not_an_accounts(offices: Offices, account: str) -> None:
    keys = offices.sdk().service_accounts.api_keys
    _, id_ = make(offices, account)
    for owner, key in (("bot", id_), (account, "k-bot"), (account, "k-ada"), (account, "%")):
        for call in (keys.delete, keys.disable, keys.update):
            assert denied(call, owner, key) == (404, "api_key_not_found", "api_key_not_found")
    for call in (keys.delete, keys.disable, keys.update):
        assert denied(call, "here-ada", "k-ada")[1] == "service_account_not_found"
    assert denied(make, offices, "here-ada")[1] == "service_account_not_found"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"expires_at_unix": (NOON + 14 * MINUTE) // SECOND}, "expires_at_unix"),
        ({"expires_at_unix": (NOON + 91 * DAY) // SECOND}, "expires_at_unix"),
        ({"expires_at_unix": 0}, "expires_at_unix"),
        ({"allowed_ips": ["home"]}, "allowed_ips"),
        ({"permissions": []}, "permissions"),
        ({"third_party_disable_allowed": False}, "third_party_disable_allowed"),
    ],
)
def test_a_key_that_cannot_be(offices: Offices, account: str, body: dict[str, Any], param: str) -> None:
    assert refused(lambda: make(offices, account, **body))["param"] == param
    assert listed(offices, account) == {}


def test_the_edges_of_an_expiry(offices: Offices, account: str) -> None:
    for ahead in (15 * MINUTE, 90 * DAY):
        _, id_ = make(offices, account, expires_at_unix=(NOON + ahead) // SECOND)
        assert listed(offices, account)[id_].expires_at_unix == (NOON + ahead) // SECOND


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"name": ""}, "name"),
        ({"permissions": "some"}, "permissions"),
        ({"permissions": ["Not One"]}, "permissions"),
        ({"character_limit": -1}, "character_limit"),
        ({"character_limit": "much"}, "character_limit"),
        ({"tts_concurrency_limit": -1}, "tts_concurrency_limit"),
        ({"music_concurrency_limit": "5"}, "music_concurrency_limit"),
        ({"expires_at_unix": 1.5}, "expires_at_unix"),
        ({"allowed_ips": "10.0.0.1"}, "allowed_ips"),
    ],
)
def test_a_key_whose_shape_is_wrong(offices: Offices, account: str, body: dict[str, Any], where: str) -> None:
    assert {tuple(loc[:2]) for loc, _ in invalid(lambda: make(offices, account, **body))} == {("body", where)}


def test_nobody_gives_more_than_they_have(offices: Offices, account: str) -> None:
    secret, _ = make(offices, account, permissions=["workspace_manage", "analytics_read"])
    keys = offices.sdk(secret).service_accounts.api_keys
    for wanted in ("all", ["audit_log_read"], ["analytics_read", "workspace_analytics_full_read"]):
        found = denied(keys.create, account, name="x", permissions=wanted)
        assert found == (403, "insufficient_permissions", "insufficient_permissions")
    assert keys.create(account, name="x", permissions=["analytics_read", "text_to_speech"]).key_id
    usual = offices.here.house.key_who(permissions=[*USUAL, Permission.MANAGE])[0]
    assert offices.sdk(usual).service_accounts.api_keys.create(account, name="x", permissions="all").key_id


def test_nothing_is_shared_here(offices: Offices) -> None:
    group: Any = [{"group_id": "g-all", "permission_level": "viewer"}]
    assert refused(lambda: offices.sdk().service_accounts.create(name="x", default_sharing_groups=group))["param"] == (
        "default_sharing_groups"
    )

"""What stands behind the numbers: people, groups, accounts, webhooks, models and voices, and the credits of the billing period.

Every answer is looked at closely on its way to the SDK (`shapes`).
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from elevenlabs import ElevenLabs
from elevenlabs.core.api_error import ApiError
from elevenlabs.core.request_options import RequestOptions

from tests.house import NOON
from tests.wire.conftest import Offices
from tests.wire.office import BEGAN, ENDS, PEOPLE, SPENT, VOICES
from tests.wire.strict import check, refused
from usagedeck import admin
from usagedeck.access import Permission
from usagedeck.times import SECOND, parse_instant
from usagedeck.web.elevenlabs.user import NO_LIMIT

ONCE = RequestOptions(max_retries=0)
Call = Callable[[ElevenLabs], Any]


def denied(call: Callable[..., object], *args: Any, **asked: Any) -> tuple[int | None, str, str]:
    """Status, code and legacy status of a refusal; its shape was checked on the way."""
    with pytest.raises(ApiError) as caught:
        call(*args, **asked)
    body: Any = caught.value.body
    return caught.value.status_code, body["detail"]["code"], body["detail"]["status"]


def missing(permission: str, call: Call, sdk: ElevenLabs) -> None:
    """The refusal of a key that lacks a permission, to the letter."""
    with pytest.raises(ApiError) as caught:
        call(sdk)
    detail = caught.value.body["detail"]
    assert caught.value.status_code == 401
    assert (detail["type"], detail["code"], detail["status"]) == ("authentication_error", "unauthorized", "missing_permissions")
    assert detail["message"] == f"The API key you used is missing the permission {permission} to execute this operation."


READS: dict[str, Call] = {
    "members": lambda sdk: sdk.workspace.members.list(request_options=ONCE),
    "groups": lambda sdk: sdk.workspace.groups.list(request_options=ONCE),
    "search": lambda sdk: sdk.workspace.groups.search(name="e", request_options=ONCE),
    "webhooks": lambda sdk: sdk.webhooks.list(request_options=ONCE),
    "accounts": lambda sdk: sdk.service_accounts.list(request_options=ONCE),
    "keys": lambda sdk: sdk.service_accounts.api_keys.list("bot", request_options=ONCE),
    "user": lambda sdk: sdk.user.get(request_options=ONCE),
    "subscription": lambda sdk: sdk.user.subscription.get(request_options=ONCE),
    "audit": lambda sdk: sdk.workspace.audit_logs.list(request_options=ONCE),
    "models": lambda sdk: sdk.models.list(request_options=ONCE),
    "voices": lambda sdk: sdk.voices.get_all(request_options=ONCE),
    "search voices": lambda sdk: sdk.voices.search(request_options=ONCE),
}
every_read = pytest.mark.parametrize("call", READS.values(), ids=list(READS))


# --- who may ------------------------------------------------------------------------------------------------------


@every_read
def test_without_a_key_and_with_a_wrong_one(offices: Offices, call: Call) -> None:
    nobody = ElevenLabs(base_url=offices.url, api_key=None, httpx_client=offices.http)
    assert denied(call, nobody) == (401, "unauthorized", "needs_authorization")
    assert denied(call, offices.sdk("wrong")) == (401, "unauthorized", "invalid_api_key")


@every_read
def test_a_key_that_may_only_send_sees_nothing(offices: Offices, call: Call) -> None:
    assert denied(call, offices.sdk("blind")) == (401, "unauthorized", "missing_permissions")


@every_read
def test_offices_do_not_see_each_other(offices: Offices, call: Call) -> None:
    for key in ("manager", "ben"):
        try:
            answer = str(call(offices.sdk(key)))
        except ApiError as error:
            answer = str(error.body)
        assert "there" not in answer


@pytest.mark.parametrize(
    ("name", "permission"),
    [("members", "workspace_members_read"), ("audit", "audit_log_read"), ("user", "user_read"), ("subscription", "user_read")],
)
def test_these_need_a_permission_of_their_own(offices: Offices, name: str, permission: str) -> None:
    missing(permission, READS[name], offices.sdk("bens reader"))
    if name in ("user", "subscription"):
        assert READS[name](offices.sdk("bots reader"))


@pytest.mark.parametrize("name", ["members", "audit", "webhooks", "accounts", "keys"])
@pytest.mark.parametrize("key", ["ben", "vic"])
def test_a_key_does_no_more_than_its_owner_may(offices: Offices, name: str, key: str) -> None:
    """These keys are allowed everything; their owners see their own usage alone."""
    assert denied(READS[name], offices.sdk(key)) == (403, "insufficient_permissions", "insufficient_permissions")


@pytest.mark.parametrize("key", ["manager", "wide", "ada", "bot"])
@every_read
def test_whoever_sees_the_workspace_sees_all_of_it(offices: Offices, key: str, call: Call) -> None:
    assert call(offices.sdk(key)) is not None


def test_full_read_is_seeing_members_and_a_group_may_let_one_audit(offices: Offices) -> None:
    fay = offices.sdk("fay")
    assert len(READS["members"](fay)) == len(PEOPLE) + 1
    assert READS["audit"](fay).entries
    assert READS["accounts"](fay).service_accounts
    assert denied(lambda sdk: sdk.webhooks.list(include_usages=True), fay)[0] == 403


@pytest.mark.parametrize("name", ["groups", "search", "user", "subscription", "models", "voices", "search voices"])
@pytest.mark.parametrize(
    ("key", "scope"), [("manager", "workspace"), ("fay", "workspace"), ("ben", "user"), ("bots reader", "user")]
)
def test_the_answer_says_how_far_it_sees(offices: Offices, name: str, key: str, scope: str) -> None:
    paths = {
        "groups": "v1/workspace/groups",
        "search": "v1/workspace/groups/search?name=x",
        "user": "v1/user",
        "subscription": "v1/user/subscription",
        "models": "v1/models",
        "voices": "v1/voices",
        "search voices": "v2/voices",
    }
    answer = httpx.get(f"{offices.url}/{paths[name]}", headers={"xi-api-key": offices.here.keys[key]})
    check(answer)
    assert answer.headers["x-analytics-scope"] == scope


# --- people -------------------------------------------------------------------------------------------------------


def test_members_have_seats(offices: Offices) -> None:
    found = {one.user_id: one for one in offices.sdk().workspace.members.list()}
    assert set(found) == {f"here-{name}" for name in (*PEOPLE, "nomail")}
    seats = {one.user_id.removeprefix("here-"): (one.seat_type, one.is_owner, one.is_locked) for one in found.values()}
    assert seats == {
        "olga": ("workspace_admin", True, False),
        "ada": ("workspace_admin", False, False),
        "ben": ("workspace_member", False, False),
        "fay": ("workspace_member", False, False),
        "lou": ("workspace_member", False, True),
        "vic": ("workspace_lite_member", False, False),
        "nomail": ("workspace_member", False, False),
    }
    assert (found["here-ada"].email, found["here-ada"].first_name) == ("ada@here.test", "Ada")
    assert (found["here-nomail"].email, found["here-nomail"].first_name) == ("", None)


def test_groups_by_their_ids(offices: Offices) -> None:
    found = offices.sdk().workspace.groups.list()
    assert set(found) == {"g-all", "g-two", "g-none", "g-audit"}
    everybody, second = found["g-all"], found["g-two"]
    assert (everybody.id, everybody.name, everybody.members) == ("g-all", "Everybody", ["here-ada", "here-ben"])
    assert (everybody.group_usage_limit, second.group_usage_limit) == (9000, "unlimited")
    assert (everybody.character_count, second.character_count) == (int(SPENT["g-all"]), int(SPENT["g-two"]))
    assert (found["g-none"].character_count, found["g-audit"].permissions) == (0, ["audit_log_read"])


def test_a_member_sees_their_own_groups_and_themselves_in_them(offices: Offices) -> None:
    found = offices.sdk("ben").workspace.groups.list()
    assert {name: group.members for name, group in found.items()} == {"g-all": ["here-ben"], "g-two": ["here-ben"]}
    assert {(group.group_usage_limit, group.character_count) for group in found.values()} == {(None, None)}
    assert offices.sdk("vic").workspace.groups.list() == {}


def test_groups_are_found_by_a_part_of_their_name(offices: Offices) -> None:
    def found(name: str, key: str = "manager") -> list[Any]:
        return [(one.id, one.members_emails) for one in offices.sdk(key).workspace.groups.search(name=name)]

    assert found("second FLOOR") == [("g-two", ["ben@here.test"])]
    assert found("every") == [("g-all", ["ada@here.test", "ben@here.test"])]
    assert found("every", "ben") == [("g-all", ["ben@here.test"])]
    assert [one for one, _ in found("or")] == ["g-audit", "g-two"]
    assert found("%") == found("nothing like it") == found("auditors", "ben") == []


def test_an_id_that_is_somebodys_elsewhere_has_no_mail_here(offices: Offices) -> None:
    offices.here.house.do(admin.PutGroup(workspace=offices.here.id, id="g-mixed", name="Mixed", users=["there-ada", "here-ada"]))
    (mixed,) = offices.sdk().workspace.groups.search(name="mixed")
    assert mixed.members_emails == ["ada@here.test"]
    offices.here.house.do(admin.RemoveGroup(workspace=offices.here.id, id="g-mixed"))


# --- webhooks, service accounts -----------------------------------------------------------------------------------


def test_webhooks_and_how_they_failed(offices: Offices) -> None:
    found = {one.webhook_id: one for one in offices.sdk("wide").webhooks.list().webhooks}
    states = {name: (one.is_disabled, one.is_auto_disabled, one.auth_type) for name, one in found.items()}
    assert states == {"wh-1": (False, False, "hmac"), "wh-2": (True, False, "hmac"), "wh-3": (False, True, "mtls")}
    orders = found["wh-1"]
    assert (orders.name, orders.webhook_url, orders.created_at_unix) == ("Orders", "https://orders.test/x", NOON // SECOND)
    failed = parse_instant(BEGAN, field="began") // SECOND
    assert (orders.most_recent_failure_error_code, orders.most_recent_failure_timestamp) == (503, failed)
    assert (orders.usage, orders.events, found["wh-2"].most_recent_failure_timestamp) == (None, None, None)


def test_usages_are_for_those_who_look_after_the_workspace(offices: Offices) -> None:
    found = offices.sdk().webhooks.list(include_usages=True).webhooks
    assert [(one.events, one.usage) for one in found] == [(["speech_to_text"], []), ([], []), ([], [])]
    missing("workspace_manage", lambda sdk: sdk.webhooks.list(include_usages=True), offices.sdk("wide"))


def test_service_accounts_have_their_keys(offices: Offices) -> None:
    found = {one.service_account_user_id: one for one in offices.sdk().service_accounts.list().service_accounts}
    assert {name: [key.key_id for key in one.api_keys] for name, one in found.items()} == {
        "bot": ["k-bot", "k-bot-2"],
        "idle": [],
    }
    assert (found["bot"].name, found["bot"].created_at_unix) == ("Night bot", NOON // SECOND)
    key = found["bot"].api_keys[0]
    secret = offices.here.keys["bot"]
    assert (key.name, key.hint, key.is_disabled, key.service_account_user_id) == ("key k-bot", secret[-4:], False, "bot")
    assert set(key.permissions or []) == set(Permission)
    assert (key.character_limit, key.character_count, key.allowed_ips, key.expires_at_unix) == (
        None,
        SPENT["k-bot"],
        None,
        None,
    )  # its account's limit is another
    kept = hashlib.sha256(secret.encode()).hexdigest()
    server = offices.here.house.deck.directory.secret
    assert key.hashed_xi_api_key == hmac.new(server.encode(), kept.encode(), "sha256").hexdigest()
    assert [one.key_id for one in offices.sdk().service_accounts.api_keys.list("bot").api_keys] == ["k-bot", "k-bot-2"]
    assert offices.sdk().service_accounts.api_keys.list("idle").api_keys == []


def test_the_keys_hash_is_that_of_the_analytics_calls(offices: Offices) -> None:
    sdk = offices.sdk()
    (key, _) = sdk.service_accounts.api_keys.list("bot").api_keys
    usage = sdk.workspace.usage.get_usage_by_product_over_time(
        start_time=parse_instant(BEGAN, field="began"),
        end_time=NOON,
        interval_seconds=31_449_600,
        group_by=["hashed_xi_api_key"],
        filters=[{"column": "hashed_xi_api_key", "operation": "eq", "values": [key.hashed_xi_api_key]}],
    )
    assert [(row[0], row[-1]) for row in usage.rows] == [(key.hashed_xi_api_key, "key k-bot")]


@pytest.mark.parametrize("account", ["nobody", "here-ada", "k-bot", "x" * 300, "%"])
def test_keys_of_no_service_account(offices: Offices, account: str) -> None:
    found = denied(offices.sdk().service_accounts.api_keys.list, account)
    assert found == (404, "service_account_not_found", "service_account_not_found")


# --- user and subscription ----------------------------------------------------------------------------------------


def test_the_user_is_the_keys_owner(offices: Offices) -> None:
    def told(key: str) -> tuple[Any, ...]:
        user = offices.sdk(key).user.get()
        return user.user_id, user.workspace_id, user.first_name, user.seat_type, user.created_at

    now = NOON // SECOND
    assert told("ben") == ("here-ben", "ws-here", "Ben", "workspace_member", now)
    assert told("ada") == ("here-ada", "ws-here", "Ada", "workspace_admin", now)
    assert told("vic") == ("here-vic", "ws-here", "Vic", "workspace_lite_member", now)
    assert told("bot") == ("bot", "ws-here", "Night bot", "workspace_member", now)
    assert told("manager") == ("ws-here", "ws-here", None, "workspace_admin", now)


@pytest.mark.parametrize(
    ("key", "used", "limit"),
    [("manager", "all", NO_LIMIT), ("fay", "all", NO_LIMIT), ("ben", "ben", 500), ("bots reader", "k-bot", 50)],
)
def test_credits_of_the_billing_period(offices: Offices, key: str, used: str, limit: int) -> None:
    sdk = offices.sdk(key)
    found = sdk.user.subscription.get()
    assert (found.character_count, found.character_limit) == (int(SPENT[used]), limit)
    unlimited = limit == NO_LIMIT
    assert found.max_credit_limit_extension == ("unlimited" if unlimited else 0)
    assert (found.can_extend_character_limit, found.allowed_to_extend_character_limit) == (unlimited, unlimited)
    ends = parse_instant(ENDS, field="ends") // SECOND
    assert (found.next_character_count_reset_unix, found.character_refresh_period) == (ends, "monthly_period")
    assert (found.currency, found.current_overage.amount, found.open_invoices, found.has_open_invoices) == ("usd", "0", [], False)
    embedded = sdk.user.get().subscription
    assert embedded.character_count == found.character_count
    assert not hasattr(embedded, "open_invoices")


def test_they_are_the_credits_of_character_stats(offices: Offices) -> None:
    """The billing window as a client makes it of the subscription: to the reset, from a month before. The SDK cuts fractions."""
    sdk = offices.sdk()
    (used,) = sdk.usage.get(
        start_unix=parse_instant(BEGAN, field="began"),
        end_unix=(sdk.user.subscription.get().next_character_count_reset_unix or 0) * SECOND - 1,
        include_workspace_metrics=True,
        aggregation_interval="cumulative",
    ).usage["All"]
    headers = {"xi-api-key": offices.here.keys["manager"]}
    sent = httpx.get(f"{offices.url}/v1/user/subscription", headers=headers).json()["character_count"]
    assert used == sent == SPENT["all"]
    groups = httpx.get(f"{offices.url}/v1/workspace/groups", headers=headers).json()
    assert {name: groups[name]["character_count"] for name in ("g-all", "g-two")} == {
        name: SPENT[name] for name in ("g-all", "g-two")
    }


# --- models and voices --------------------------------------------------------------------------------------------


def test_models_are_those_in_use(offices: Offices) -> None:
    assert [one.model_id for one in offices.sdk().models.list()] == ["m-old", "m-one", "m-two"]
    assert [one.model_id for one in offices.sdk("ben").models.list()] == ["m-old", "m-one"]
    assert offices.sdk("vic").models.list() == []


def test_voices_are_those_with_a_name_and_ones_own(offices: Offices) -> None:
    found = offices.sdk().voices.get_all(show_legacy=True).voices
    assert {one.voice_id: one.name for one in found} == VOICES
    assert [one.name for one in found] == sorted(VOICES.values())
    assert [one.voice_id for one in offices.sdk("ben").voices.get_all().voices] == ["v-old", "v-one"]
    assert offices.sdk("vic").voices.get_all().voices == []


def test_voices_a_page_at_a_time(offices: Offices) -> None:
    sdk = offices.sdk()
    for direction in ("asc", "desc"):
        names, token, pages = [], None, 0
        while pages == 0 or token:
            page = sdk.voices.search(page_size=2, sort="name", sort_direction=direction, next_page_token=token)
            assert page.total_count == len(VOICES)
            assert page.has_more is (page.next_page_token is not None)
            names += [one.name for one in page.voices]
            token, pages = page.next_page_token, pages + 1
        assert names == sorted(VOICES.values(), reverse=direction == "desc")
        assert pages == 3


def test_voices_are_searched(offices: Offices) -> None:
    def found(key: str = "manager", **asked: Any) -> list[str]:
        return [one.voice_id for one in offices.sdk(key).voices.search(**asked).voices]

    assert found(search="VOICE t") == ["v-three", "v-two"]
    assert found(search="v-one") == ["v-one"]
    assert found(search="%") == found(voice_type="community") == []
    assert found(voice_ids=["v-two", "v-one", "nothing"], voice_type="workspace") == ["v-one", "v-two"]
    assert found(voice_ids="v-two") == ["v-two"]
    assert found("ben", search="voice") == found("ben", voice_ids=["v-one", "v-two", "v-old"]) == ["v-old", "v-one"]


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"category": "premade"}, "category"),
        ({"language": ["en"]}, "language"),
        ({"high_quality": True}, "high_quality"),
        ({"next_page_token": "nonsense"}, "next_page_token"),
        ({"next_page_token": "WzEsMl0="}, "next_page_token"),
        ({"next_page_token": "é"}, "next_page_token"),
    ],
)
def test_what_cannot_be_picked_by_is_refused(offices: Offices, asked: dict[str, Any], param: str) -> None:
    assert refused(lambda: offices.sdk().voices.search(**asked))["param"] == param

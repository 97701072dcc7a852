"""An office: people with every kind of right, groups, service accounts, webhooks, names, and usage on both sides of the day on
which its billing period began. A second one has something of everything under the same ids, so that what is mixed up shows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.house import House, build_house
from usagedeck import admin
from usagedeck.access import USUAL, Permission, Role
from usagedeck.admin.names import Auth
from usagedeck.catalog.dimensions import Label
from usagedeck.deck import Deck

BEGAN, ENDS = "2026-11-10T05:00:00.000Z", "2026-12-10T05:00:00.000Z"
"""Its billing day is the 10th and its clock New York's."""
JUST_BEFORE = "2026-11-10T04:59:59.999Z"

PEOPLE: Mapping[str, tuple[Role, Mapping[str, Any]]] = {
    "olga": (Role.OWNER, {}),
    "ada": (Role.ADMIN, {}),
    "ben": (Role.MEMBER, {"credit_limit": 500}),
    "fay": (Role.MEMBER, {"full_read": True}),
    "lou": (Role.MEMBER, {"locked": True}),
    "vic": (Role.VIEWER, {}),
}

EVENTS: tuple[Mapping[str, Any], ...] = (
    {"id": "e1", "time": JUST_BEFORE, "user_id": "ben", "credits": 1000, "voice_id": "v-old", "model": "m-old"},
    {"id": "e2", "time": BEGAN, "user_id": "ben", "credits": "2.5", "voice_id": "v-one", "model": "m-one"},
    {"id": "e3", "time": "2026-11-20T00:00:00Z", "user_id": "ada", "credits": 4, "voice_id": "v-two", "model": "m-two"},
    {"id": "e4", "time": "2026-11-21T00:00:00Z", "api_key_id": "k-bot", "credits": 8, "model": "m-one"},
    {"id": "e5", "time": "2026-11-22T00:00:00Z", "credits": 16, "voice_id": "v-three"},
    {"id": "e6", "time": "2025-01-01T00:00:00Z", "user_id": "ben", "credits": 1, "voice_id": "v-ancient", "model": "m-ancient"},
)
SPENT = {"all": 30.5, "ben": 2.5, "k-bot": 8, "g-two": 10.5, "g-all": 6.5}
VOICES = {f"v-{name}": f"Voice {name}" for name in ("old", "one", "two", "three", "ancient", "unused")}


@dataclass(frozen=True)
class Office:
    house: House
    keys: Mapping[str, str]
    """Secrets: `manager`, `wide` and `blind` are nobody's, `ada`, `ben`, `fay` and `bot` are theirs with everything allowed."""

    @property
    def id(self) -> str:
        return self.house.workspace_id


def build_office(deck: Deck, name: str) -> Office:
    house = build_house(deck, name, id=f"ws-{name}", time_zone="America/New_York", billing_day=10)
    workspace = house.workspace_id
    for user, (role, more) in PEOPLE.items():
        id_ = f"{name}-{user}"
        house.do(admin.PutUser(id=id_, email=f"{user}@{name}.test", name=user.title()))
        house.do(admin.PutMember(workspace=workspace, user=id_, role=role, **more))
    house.do(admin.PutUser(id=f"{name}-nomail"))
    house.do(admin.PutMember(workspace=workspace, user=f"{name}-nomail"))
    house.do(admin.PutServiceAccount(workspace=workspace, id="bot", name="Night bot", credit_limit=50))
    house.do(admin.PutServiceAccount(workspace=workspace, id="idle", name="Idle bot"))
    _groups(house, name)
    keys = _keys(house, name)
    _webhooks(house)
    house.do(admin.SetLabels(workspace=workspace, kind=Label.VOICE, names=VOICES))
    assert house.send(_named(EVENTS, name)).accepted == len(EVENTS)
    return Office(house, keys)


def _named(events: Iterable[Mapping[str, Any]], name: str) -> list[dict[str, Any]]:
    return [{**one, "user_id": f"{name}-{one['user_id']}"} if "user_id" in one else dict(one) for one in events]


def _groups(house: House, name: str) -> None:
    def put(id_: str, title: str, users: Iterable[str], **more: Any) -> None:
        house.do(admin.PutGroup(workspace=house.workspace_id, id=id_, name=title, users=list(users), **more))

    put("g-all", "Everybody", (f"{name}-{user}" for user in ("ada", "ben")), credit_limit=9000)
    put("g-two", "Second Floor", [f"{name}-ben", "bot", "somebody-unknown"], permissions=[])
    put("g-none", "Nobody yet", [])
    put("g-audit", "Auditors", [f"{name}-fay"], permissions=[Permission.AUDIT_READ])


def _webhooks(house: House) -> None:
    def put(id_: str, name: str, **more: Any) -> None:
        house.do(admin.PutWebhook(workspace=house.workspace_id, id=id_, name=name, **more))

    put("wh-1", "Orders", url="https://orders.test/x", events=["speech_to_text"], failed_status=503, failed_at=BEGAN)
    put("wh-2", "Off", url="https://off.test/", disabled=True)
    put("wh-3", "Broken", url="https://broken.test/", disabled=True, auto_disabled=True, auth=Auth.MTLS)


def _keys(house: House, name: str) -> dict[str, str]:
    def make(id_: str, user: str | None, permissions: Iterable[Permission]) -> str:
        return house.key_who(id=id_, label=f"key {id_}", user=user, permissions=list(permissions))[0]

    everything = tuple(Permission)
    return {
        "manager": make("k-manager", None, everything),
        "wide": make("k-wide", None, USUAL),
        "blind": make("k-blind", None, [Permission.WRITE]),
        "ada": make("k-ada", f"{name}-ada", everything),
        "ben": make("k-ben", f"{name}-ben", everything),
        "bens reader": make("k-ben-2", f"{name}-ben", [Permission.READ]),
        "fay": make("k-fay", f"{name}-fay", everything),
        "vic": make("k-vic", f"{name}-vic", everything),
        "bot": make("k-bot", "bot", everything),
        "bots reader": make("k-bot-2", "bot", [Permission.READ, Permission.USER_READ]),
    }

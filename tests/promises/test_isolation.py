"""Nobody ever sees what is not theirs: no row, no name, no count, and no difference in an error.

Everything that belongs to somebody else has a mark in it. Every question is asked twice: with a word of somebody else's, and with
a word of the same length that is nowhere. Both answers must be the same to the last byte, but for the word itself where it is
said back; so whatever is not theirs is, for the asker, not there.
"""

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest

from tests.exchanging import collecting
from tests.house import NOON, House, build_house
from tests.web.conftest import Place, opened
from usagedeck import admin
from usagedeck.access import Permission, Role, View
from usagedeck.catalog import DIMENSIONS, METRICS, Label, Subject, Type
from usagedeck.exchanges import Fate
from usagedeck.meters import Kind
from usagedeck.query import Op
from usagedeck.times import HOUR

FOREIGN, BENS, NOBODYS = "zzforeign", "zzbensown", "zznobodys"
"""In everything of another workspace; in everything of another member; in nothing. Equally long."""
PASSWORD = "a good password"


@dataclass(frozen=True)
class Asker:
    """Who asks, and the marks they must never see."""

    name: str
    client: httpx2.Client
    hidden: tuple[str, ...]

    @property
    def keyed(self) -> bool:
        return "xi-api-key" in self.client.headers


@dataclass(frozen=True)
class Question:
    """A request with `{}` where the word goes."""

    method: str
    path: str
    params: list[tuple[str, str]]
    body: Any = None

    def with_(self, word: str) -> dict[str, Any]:
        """How it is sent with that word."""

        def put(text: str) -> str:
            if text.startswith("cursor:"):
                at, _, id_ = text.removeprefix("cursor:").partition(":")
                raw = json.dumps([int(at), id_.replace("{}", word), "older"], separators=(",", ":"))
                return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")
            return text.replace("{}", word)

        body = self.body if not self.body else json.loads(put(json.dumps(self.body)))
        return {"url": put(self.path), "params": [(put(k), put(v)) for k, v in self.params], "json": body, "method": self.method}


def events(mark: str, owner: str) -> Iterator[dict[str, Any]]:
    """Requests and deliveries in which everything says whose they are."""
    for n in range(12):
        yield {
            "id": f"req-{mark}-{n}",
            "time": NOON - n * HOUR,
            "user_id": owner,
            "api_key_id": f"key-{mark}-{n % 2}",
            "product_type": f"product-{mark}",
            "model": f"model-{mark}-{n % 3}",
            "voice_id": f"voice-{mark}",
            "credits": n,
            "path": f"/v1/{mark}/x",
            "region": f"region-{mark}",
            "resource_id": f"res-{mark}",
            "trace_id": f"trace-{mark}",
            "error": {"code": f"code-{mark}", "message": f"message {mark}"},
            "status": 500 if n % 4 else 200,
            "duration_ms": 5,
            "attributes": {f"attr-{mark}": f"value-{mark}"},
            "group_ids": [f"group-{mark}"],
            "user_agent": f"agent-{mark}",
            "request": {"headers": {"x-whose": mark}, "body": f"sent by {mark}"},
            "response": {"body": f"answer to {mark}"},
        }
        yield {
            "kind": "delivery",
            "id": f"del-{mark}-{n}",
            "time": NOON - n * HOUR,
            "webhook_id": f"hook-{mark}",
            "status": 200,
            "event_type": f"event-{mark}",
            "url": f"https://{mark}.test/",
            "request_id": f"req-{mark}-{n}",
            "request": {"body": f"told {mark}"},
        }


def furnish(house: House, mark: str, owner: str) -> None:
    """Events and names."""
    house = collecting(house)
    assert house.send(events(mark, owner)).exchanges == {Fate.KEPT: 24}
    for kind in Label:
        ids = (f"{part}-{mark}" for part in ("voice", "group", "hook", "res", "user", "key"))
        house.do(admin.SetLabels(workspace=house.workspace_id, kind=kind, names=dict.fromkeys(ids, f"Name {mark}")))
    for n in range(2):
        house.do(admin.CreateKey(workspace=house.workspace_id, id=f"key-{mark}-{n}", label=f"Key {mark}", user=owner))
    workspace = house.workspace_id
    house.do(admin.PutGroup(workspace=workspace, id=f"group-{mark}", name=f"Group {mark}", users=[owner]))
    house.do(admin.PutServiceAccount(workspace=workspace, id=f"bot-{mark}", name=f"Name {mark}"))
    house.do(admin.PutKey(workspace=workspace, id=f"key-bot-{mark}", label=f"Key {mark}", user=f"bot-{mark}"))
    house.do(admin.PutWebhook(workspace=workspace, id=f"hook-{mark}", name=f"Name {mark}", url=f"https://{mark}.test/"))
    limited = ((Kind.KEY, f"key-{mark}-0"), (Kind.MEMBER, owner), (Kind.GROUP, f"group-{mark}"), (Kind.WORKSPACE, None))
    for of, whose in limited:
        house.do(admin.SetLimit(workspace=workspace, kind=of, id=whose, credit_limit=60))
    house.do(admin.CreateInvitation(workspace=workspace, email=f"invited-{mark}@x.test"))


def add_person(house: House, id_: str, role: Role = Role.MEMBER) -> None:
    house.do(admin.AddUser(workspace=house.workspace_id, id=id_, email=f"{id_}@x.test", password=PASSWORD, role=role))


def signed_in(place: Place, id_: str) -> httpx2.Client:
    client = place.client()
    assert client.post("/api/v1/session", json={"email": f"{id_}@x.test", "password": PASSWORD}).status_code == 204
    return client


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with opened(Path(tmp_path_factory.mktemp("isolation")), query_parallel=2) as place:
        add_person(place.house, "ana")
        add_person(place.house, f"user-{BENS}")
        add_person(place.house, "cleo", Role.ADMIN)
        furnish(place.house, "own", "ana")
        furnish(place.house, BENS, f"user-{BENS}")
        foreign = build_house(place.deck, f"Company {FOREIGN}", id=f"ws-{FOREIGN}", currency="eur", time_zone="Asia/Tokyo")
        add_person(foreign, f"user-{FOREIGN}", Role.OWNER)
        furnish(foreign, FOREIGN, f"user-{FOREIGN}")
        place.clock.now += 1000
        yield place


@pytest.fixture(scope="module")
def askers(world: Place) -> Iterator[list[Asker]]:
    narrow, _ = world.house.key_who(user="ana", permissions=list(Permission))
    wide, _ = world.house.key_who(permissions=list(Permission))
    found = [
        Asker("a member", signed_in(world, "ana"), (FOREIGN, BENS)),
        Asker("a member's key", world.client(narrow), (FOREIGN, BENS)),
        Asker("an admin", signed_in(world, "cleo"), (FOREIGN,)),
        Asker("a key of nobody's", world.client(wide), (FOREIGN,)),
    ]
    yield found
    for asker in found:
        asker.client.close()


OF_KEYS = ("/v1/", "/v2/", "/api/v1/limits/check")
"""Paths that nobody uses who is signed in."""

# --- questions ----------------------------------------------------------------------------------------------------

WORDS = (
    *("req-{}-1", "user-{}", "key-{}-0", "group-{}", "model-{}-1", "product-{}", "voice-{}", "/v1/{}/x", "res-{}", "trace-{}"),
    *("region-{}", "hook-{}", "event-{}", "code-{}", "message {}", "value-{}", "attr-{}", "ws-{}", "Name {}", "Key {}", "{}"),
)
OWN = ("attributes.attr-{}", "attributes.attr-own")
TEXTS = ("eq", "neq", "in", "not_in", "contains", "starts_with")
INTERVALS = ("total", "day", "hour", "3600s")


def _names(rng: Random, of: Subject, *, split: bool = False) -> list[str]:
    """Dimensions that make sense, and now and then any."""
    if rng.random() < 0.05:
        return [*DIMENSIONS, "dimension-{}"]
    texts = [d.name for d in DIMENSIONS.values() if of in d.of and d.type in (Type.STRING, Type.LIST) and (d.split or not split)]
    return [*texts, *OWN]


def _shared(rng: Random, of: Subject) -> list[tuple[str, str]]:
    ops = [op.value for op in Op] if rng.random() < 0.05 else TEXTS
    filters = [(rng.choice(_names(rng, of)), rng.choice(ops), rng.choice(WORDS)) for _ in range(rng.choice((0, 1, 1, 2)))]
    params = [("filter", ":".join(one)) for one in filters]
    params += [("range", rng.choice(("1d", "7d", "30d")))]
    if rng.random() < 0.3:
        params.append(("search", rng.choice(WORDS)))
    if rng.random() < 0.4:
        params.append(("scope", rng.choice(("account", "workspace"))))
    if rng.random() < 0.1:
        params.append(("workspace", "ws-{}"))
    return params


def _csv(rng: Random) -> str:
    return ".csv" if rng.random() < 0.25 else ""


def _usage(rng: Random) -> Question:
    metric = rng.choice(list(METRICS.values()))
    params = [("metric", metric.name), ("interval", rng.choice(INTERVALS)), *_shared(rng, metric.of)]
    names = _names(rng, metric.of, split=True)
    params += [("by", name) for name in rng.sample(names, rng.choice((0, 1, 1, 2)))]
    if rng.random() < 0.3:
        params.append(("top", str(rng.choice((1, 2)))))
    return Question("GET", f"/api/v1/usage{_csv(rng)}", params)


def _log(rng: Random) -> Question:
    of = rng.choice(list(Subject))
    params = [*_shared(rng, of), ("order", rng.choice(("asc", "desc")))]
    if rng.random() < 0.5:
        params.append(
            ("cursor", f"cursor:{NOON - rng.randrange(12) * HOUR}:{rng.choice(('req', 'del'))}-{{}}-{rng.randrange(12)}")
        )
    if rng.random() < 0.3:
        params.append(("columns", "id,time,attributes.attr-{},attributes.attr-own"))
    return Question("GET", f"/api/v1/{of}{_csv(rng)}", params)


def _values(rng: Random) -> Question:
    of = rng.choice(list(Subject))
    params = [*_shared(rng, of), ("q", rng.choice((*WORDS, "", "own", "Name"))), ("of", of)]
    return Question("GET", f"/api/v1/values/{rng.choice(_names(rng, of))}{_csv(rng)}", params)


def _exchange(rng: Random) -> Question:
    """One event's headers and bodies: somebody else's, one's own, or one that is nowhere."""
    kind, of = rng.choice((("req", Subject.REQUESTS), ("del", Subject.DELIVERIES)))
    n = rng.randrange(12)
    params = [("workspace", "ws-{}")] if rng.random() < 0.1 else []
    if rng.random() < 0.4:
        params.append(("scope", rng.choice(("account", "workspace"))))
    if rng.random() < 0.4:
        params.append(("time", str(NOON - n * HOUR)))
    return Question("GET", f"/api/v1/log/{of}/{kind}-{rng.choice(('{}', 'own', 'own'))}-{n}", params)


THINGS = {"members": "user-{}", "groups": "group-{}", "service-accounts": "user-{}", "keys": "key-{}-0", "webhooks": "hook-{}"}
"""What is looked after in a workspace, and what some of it is called."""


def _others(rng: Random) -> Question:
    params = [("workspace", "ws-{}")] if rng.random() < 0.3 else []
    path = rng.choice(
        (
            *("me", "audit", "audit.csv", "sessions", "catalog", "sign-in", "workspace/invitations"),
            *(f"workspace/{part}" for part in ("settings", *THINGS)),
            *("admin/workspaces", "admin/workspaces/ws-{}/keys", "admin/workspaces/ws-{}/invitations"),
        )
    )
    if path.startswith("audit"):
        params += [(rng.choice(("actor_id", "target_id", "action")), rng.choice(WORDS))]
    return Question("GET", f"/api/v1/{path}", params)


def _limits(rng: Random) -> Question:
    if rng.random() < 0.3:
        named = rng.choice(({"key": "key-{}-0"}, {"user": "user-{}"}, {"groups": ["group-{}"]}, {"workspace": "ws-{}"}, {}))
        return Question("POST", "/api/v1/limits/check", [], named)
    params: list[tuple[str, str]] = []
    params += [("kind", rng.choice(list(Kind)))] if rng.random() < 0.3 else []
    params += [("id", rng.choice(("key-{}-0", "user-{}", "group-{}", "ws-{}")))] if rng.random() < 0.5 else []
    params += [("scope", rng.choice(list(View)))] if rng.random() < 0.3 else []
    params += [("workspace", "ws-{}")] if rng.random() < 0.1 else []
    return Question("GET", f"/api/v1/limits{_csv(rng)}", params)


def _ending(rng: Random) -> Question:
    paths = ("sessions/{}", "workspace/invitations/{}", "admin/workspaces/ws-{}/keys/key-{}-0")
    return Question("DELETE", f"/api/v1/{rng.choice(paths)}", [])


def _managing(rng: Random) -> Question:
    """What is somebody else's is neither changed nor given anything, and the refusal does not say that it is there."""
    part, id_ = rng.choice(list(THINGS.items()))
    path, params = f"/api/v1/workspace/{part}", [("workspace", "ws-{}")] if rng.random() < 0.2 else []
    said = {"members": {"role": "viewer"}, "keys": {"label": "Mine"}}.get(part, {"name": "Mine"})
    return rng.choice(
        (
            Question("PATCH", f"{path}/{id_}", params, said),
            Question("DELETE", f"{path}/{id_}", params),
            Question("POST", "/api/v1/workspace/keys", params, {"label": "Mine", "user": "user-{}"}),
        )
    )


def _joining(rng: Random) -> Question:
    """Whoever has no link learns nothing, and whoever invites learns nothing of addresses elsewhere."""
    path, said = rng.choice(
        (
            ("invitations/open", {"token": "{}"}),
            ("invitations/accept", {"token": "{}", "password": PASSWORD}),
            ("sign-in/provider/back", {"state": "{}", "code": "{}"}),
            ("workspace/invitations", {"email": "user-{}@x.test", "groups": ["group-{}"]}),
        )
    )
    return Question("POST", f"/api/v1/{path}", [], said)


def _wire(rng: Random) -> Question:
    columns = [d.group_by for d in DIMENSIONS.values() if d.group_by and d.type is Type.STRING]
    span = {"start_time": NOON - 48 * HOUR, "end_time": NOON + HOUR}
    filters = [{"column": rng.choice(columns), "operation": rng.choice(("eq", "neq", "in")), "values": [rng.choice(WORDS)]}]
    kind = rng.randrange(4)
    if kind == 0:
        body: dict[str, Any] = {**span, "interval_seconds": 86_400, "group_by": [rng.choice(columns)], "filters": filters}
        return Question("POST", "/v1/workspace/analytics/query/usage-by-product-over-time", [], body)
    if kind == 1:
        body = {**span, "interval_seconds": 86_400, "group_by": ["model"], "filters": filters}
        return Question("POST", "/v1/workspace/analytics/usage", [], body)
    if kind == 2:
        return Question("POST", "/v1/workspace/analytics/requests", [], {**span, "filters": filters, "search": rng.choice(WORDS)})
    by = [name for d in DIMENSIONS.values() for name in d.breakdown]
    params = [("start_unix", str(NOON - 48 * HOUR)), ("end_unix", str(NOON + HOUR)), ("breakdown_type", rng.choice([*by, "{}"]))]
    params += [("include_workspace_metrics", rng.choice(("true", "false")))]
    return Question("GET", "/v1/usage/character-stats", params)


_ID_WORDS = ("{}", "user-{}", "bot-{}", "key-{}-0", "hook-{}", "voice-{}", "group-{}", "%25")


def _beside(rng: Random) -> Question:
    """The calls of the SDKs beside the four."""
    id_, word = rng.choice(_ID_WORDS), rng.choice(WORDS)
    token = base64.urlsafe_b64encode(b'["Name zz","voice"]').decode()
    return rng.choice(
        (
            Question("GET", "/v1/workspace/members", []),
            Question("GET", "/v1/workspace/groups", []),
            Question("GET", "/v1/workspace/groups/search", [("name", word)]),
            Question("GET", "/v1/workspace/webhooks", [("include_usages", rng.choice(("true", "false", "{}")))]),
            Question("GET", "/v1/service-accounts", []),
            Question("GET", f"/v1/service-accounts/{id_}/api-keys", []),
            Question("GET", f"/v1/user{rng.choice(('', '/subscription'))}", []),
            Question(
                "GET", "/v1/workspace/audit-logs", [(rng.choice(("actor_uid", "activity_name", "class_name", "cursor")), word)]
            ),
            Question("GET", "/v1/models", []),
            Question("GET", "/v1/voices", []),
            Question("GET", "/v2/voices", [(rng.choice(("search", "voice_ids", "category", "next_page_token")), word)]),
            Question("GET", "/v2/voices", [("next_page_token", token), ("sort_direction", rng.choice(("asc", "desc")))]),
        )
    )


def _managing_by_sdk(rng: Random) -> Question:
    """What would change something of somebody else's."""
    id_ = rng.choice(_ID_WORDS)
    return rng.choice(
        (
            Question("DELETE", "/v1/workspace/webhooks/hook-{}", []),
            Question("PATCH", "/v1/workspace/webhooks/hook-{}", [], {"name": "x", "is_disabled": True}),
            Question("PUT", f"/v1/workspace/members/{id_}/usage-limit", [], {"usage_limit": 1}),
            Question("POST", "/v1/workspace/members", [], {"email": "user-{}@x.test", "is_locked": True}),
            Question("POST", f"/v1/service-accounts/{id_}/api-keys", [], {"name": "x", "permissions": "all"}),
            Question("PATCH", f"/v1/service-accounts/{id_}/api-keys/key-bot-{{}}", [], {"name": "x"}),
            Question("DELETE", f"/v1/service-accounts/bot-{{}}/api-keys/{id_}", []),
            Question("POST", "/v1/service-accounts/bot-{}/api-keys/key-bot-{}/disable", []),
        )
    )


MAKERS: Mapping[Callable[[Random], Question], int] = {
    _usage: 6,
    _log: 5,
    _values: 4,
    _exchange: 2,
    _others: 2,
    _limits: 2,
    _ending: 1,
    _joining: 1,
    _managing: 1,
    _wire: 4,
    _beside: 4,
    _managing_by_sdk: 1,
}


def answered(asker: Asker, question: Question, word: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and body; without what is different every time."""
    answer = asker.client.request(**question.with_(word))
    trace = answer.headers.get("x-trace-id", "no trace")
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-trace-id", "date", "content-length")}
    return answer.status_code, headers, answer.text.replace(trace, "trace")


# --- the promise --------------------------------------------------------------------------------------------------


@pytest.mark.promise
def test_what_is_somebody_elses_is_not_there(askers: list[Asker], request: pytest.FixtureRequest) -> None:
    rng = Random(request.config.getoption("--fuzz-seed"))
    makers = [maker for maker, weight in MAKERS.items() for _ in range(weight)]
    statuses: Counter[int] = Counter()
    own = bodies = 0
    for _ in range(request.config.getoption("--fuzz") // 2):
        question = rng.choice(makers)(rng)
        asker = rng.choice([one for one in askers if one.keyed or not question.path.startswith(OF_KEYS)])
        mark = rng.choice(asker.hidden)
        status, headers, text = answered(asker, question, mark)
        told = f"{asker.name} asks {question} with {mark}"
        nowhere = answered(asker, question, NOBODYS)
        assert not any(hidden in str(nowhere) for hidden in asker.hidden), f"{told}: {nowhere}"
        assert (status, str(headers).replace(mark, NOBODYS), text.replace(mark, NOBODYS)) == (
            nowhere[0],
            str(nowhere[1]),
            nowhere[2],
        ), told
        assert status < 500, told
        statuses[status] += 1
        own += status == 200 and "own" in text
        bodies += status == 200 and "sent by own" in text
    assert statuses[200] > statuses.total() // 2, f"most questions are good ones: {statuses}"
    assert own > 10, "and find what is their own"
    assert bodies, "also headers and bodies"


@pytest.mark.promise
def test_those_it_belongs_to_do_see_it(world: Place, askers: list[Asker]) -> None:
    """The test above is worth something only if the same questions find the marks elsewhere."""
    good = [
        Question("GET", "/api/v1/requests", [("filter", "user_id:eq:user-{}")]),
        Question("GET", "/api/v1/values/voice_id", [("q", "{}")]),
        Question("GET", "/api/v1/usage", [("metric", "credits"), ("by", "model")]),
        Question("GET", "/api/v1/log/requests/req-{}-1", []),
        Question("GET", "/api/v1/audit", []),
        Question("GET", "/api/v1/limits", []),
        *(Question("GET", f"/api/v1/workspace/{part}", []) for part in ("invitations", "members", "groups", "keys")),
    ]
    with closing(signed_in(world, f"user-{FOREIGN}")) as owner:
        for question in good:
            assert FOREIGN in answered(Asker("their owner", owner, ()), question, FOREIGN)[2], question
    foreign = admin.CreateKey(workspace=f"ws-{FOREIGN}", label="all", permissions=list(Permission))
    with closing(world.client(admin.perform(world.deck, foreign)["api_key"])) as theirs:
        wire = ("workspace/members", "workspace/groups", "workspace/webhooks", "service-accounts", "workspace/audit-logs")
        for path in (*wire, "workspace/groups/search", "service-accounts/bot-{}/api-keys", "user", "models", "voices"):
            question = Question("GET", f"/v1/{path}", [("name", "{}")] if path.endswith("search") else [])
            found = answered(Asker("their key", theirs, ()), question, FOREIGN)
            assert (found[0], FOREIGN in found[2]) == (200, True), path
    for question in good:
        assert BENS in answered(askers[2], question, BENS)[2], question

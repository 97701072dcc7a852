"""Questions by which isolation is tried: what is somebody else's can be named in all of them.

Where their word goes stands `{}`, and where an id of theirs goes that the server made stands `{invitation}` or the like. Some
kinds of questions are put together here with care, so that many of them are good ones. The others come out of the API's own
description, so that nothing that somebody adds is left out.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.house import NOON
from usagedeck.access import View
from usagedeck.catalog.dimensions import DIMENSIONS
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.catalog.metrics import METRICS
from usagedeck.filters import Op
from usagedeck.meters import Kind
from usagedeck.times import HOUR
from usagedeck.web.app import openapi
from usagedeck.web.tables import NDJSON

PASSWORD = "a good password"
TAIL = "/api/v1/log/tail"


@dataclass(frozen=True)
class Question:
    """A request with `{}` where the word goes."""

    method: str
    path: str
    params: list[tuple[str, str]]
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    def with_(self, word: str, known: Mapping[str, str]) -> dict[str, Any]:
        """How it is sent with that word, and with ids that are known by names."""

        def put(text: str) -> str:
            if text.startswith("cursor:"):
                at, _, id_ = text.removeprefix("cursor:").partition(":")
                raw = json.dumps([int(at), id_.replace("{}", word), "older"], separators=(",", ":"))
                return base64.urlsafe_b64encode(raw.encode()).decode().rstrip("=")
            for name, id_ in known.items():
                text = text.replace(f"{{{name}}}", id_)
            return text.replace("{}", word)

        def inside(body: Any) -> Any:
            if isinstance(body, dict):
                return {name: inside(value) for name, value in body.items()}
            if isinstance(body, list):
                return [inside(value) for value in body]
            return put(body) if isinstance(body, str) else body

        params = [(put(k), put(v)) for k, v in self.params]
        return {
            "url": put(self.path),
            "params": params,
            "json": inside(self.body),
            "method": self.method,
            "headers": self.headers,
        }


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
    active = of is Subject.REQUESTS and rng.random() < 0.15
    params += [("active_in" if active else "range", rng.choice(("1d", "7d", "30d")))]
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
    if of is Subject.DELIVERIES and rng.random() < 0.5:
        params.append(("per", "deliveries"))
    headers = {"accept": NDJSON} if rng.random() < 0.4 else {}
    return Question("GET", f"/api/v1/{of}{_csv(rng)}", params, headers=headers)


def _tail(rng: Random) -> Question:
    """What arrived behind a place, up to now: the answer goes on, and is read until there is nothing more."""
    of = rng.choice(list(Subject))
    params = [*_shared(rng, of), ("of", of), ("rate", rng.choice(("1", "200")))]
    if rng.random() < 0.9:
        params.append(("after", "{start}"))
    if rng.random() < 0.3:
        params.append(("columns", "id,time,attributes.attr-{},attributes.attr-own"))
    return Question("GET", TAIL, params)


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


THINGS = {"members": "user-{}", "groups": "group-{}", "service-accounts": "bot-{}", "keys": "key-{}-0", "webhooks": "hook-{}"}
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
        things = ({"key": "key-{}-0"}, {"user": "user-{}"}, {"groups": ["group-{}"]}, {"workspace": "ws-{}"})
        named = rng.choice((*things, {"request_id": "res-{}"}, {}))
        return Question("POST", "/api/v1/limits/check", [], named)
    if rng.random() < 0.1:
        return Question("POST", "/api/v1/limits/release", [], {"reservation": "res-{}"})
    params: list[tuple[str, str]] = []
    params += [("kind", rng.choice(list(Kind)))] if rng.random() < 0.3 else []
    params += [("id", rng.choice(("key-{}-0", "user-{}", "group-{}", "ws-{}")))] if rng.random() < 0.5 else []
    params += [("scope", rng.choice(list(View)))] if rng.random() < 0.3 else []
    params += [("workspace", "ws-{}")] if rng.random() < 0.1 else []
    return Question("GET", f"/api/v1/limits{_csv(rng)}", params)


def _ending(rng: Random) -> Question:
    paths = ("sessions/{session}", "workspace/invitations/{invitation}", "admin/workspaces/ws-{}/keys/key-{}-0")
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
            ("session", {"email": "user-{}@x.test", "password": "no password"}),
            ("sign-in/provider/back", {"state": "{}", "code": "{}"}),
            ("workspace/invitations", {"email": "user-{}@x.test", "groups": ["group-{}"]}),
        )
    )
    return Question("POST", f"/api/v1/{path}", [], said)


def _wire(rng: Random) -> Question:
    columns = [d.group_by for d in DIMENSIONS.values() if d.group_by and d.type is Type.STRING]
    span = {"start_time": NOON - 48 * HOUR, "end_time": NOON + HOUR}
    values = [rng.choice((*WORDS, "{hash}"))]
    filters = [{"column": rng.choice(columns), "operation": rng.choice(("eq", "neq", "in")), "values": values}]
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


# --- whatever there is --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """Something that can be asked or done, as the API's description has it."""

    method: str
    path: str
    about: Mapping[str, Any]

    def is_asked_by(self, question: Question) -> bool:
        pattern = "/".join("[^/]+" if part.startswith("{") else re.escape(part) for part in self.path.split("/"))
        return self.method == question.method and re.fullmatch(pattern, question.path) is not None


_WHOLE = openapi()
OPERATIONS = tuple(Operation(how.upper(), path, about) for path, item in _WHOLE["paths"].items() for how, about in item.items())

OF_ONESELF = {
    ("DELETE", "/api/v1/session"): "ends the session that asks",
    ("DELETE", "/api/v1/sessions"): "ends the other sessions of whoever asks",
    ("POST", "/v1/workspaces/api-keys/disable"): "disables the key that asks",
    ("GET", "/metrics"): "counts what is asked",
    ("PATCH", "/api/v1/workspace/settings"): "the settings of one's own workspace",
    ("POST", "/v1/events"): "what is made here would be there for the next question",
    ("POST", "/api/v1/workspace/groups"): "the same",
    ("POST", "/api/v1/workspace/service-accounts"): "the same",
    ("POST", "/api/v1/workspace/webhooks"): "the same",
    ("POST", "/v1/service-accounts"): "the same",
    ("POST", "/v1/workspace/webhooks"): "the same",
    ("POST", "/api/v1/workspace/keys"): "the same, but for somebody else",
    ("POST", "/api/v1/workspace/invitations"): "the same, but into a group of somebody else's",
}
"""Operations that are not asked with whatever fits, and why. What is made under the name of somebody else's thing is tried by
itself: `MAKING`."""

MAKING = (
    Question("POST", "/v1/events", [], {"id": "req-{}-1", "time": NOON, "user_id": "user-{}", "api_key_id": "key-{}-0"}),
    Question("POST", "/api/v1/workspace/groups", [], {"name": "Mine", "users": ["user-{}"]}),
    Question("POST", "/api/v1/workspace/service-accounts", [], {"name": "user-{}"}),
    Question("POST", "/api/v1/workspace/webhooks", [], {"name": "hook-{}", "url": "https://{}.test/"}),
    Question("POST", "/v1/service-accounts", [], {"name": "bot-{}"}),
    Question(
        "POST", "/v1/workspace/webhooks", [], {"settings": {"auth_type": "hmac", "name": "x", "webhook_url": "https://{}.test/"}}
    ),
)
"""Things that somebody makes of their own, under names of others."""

_BY_NAME = {
    "active_in": "7d",
    "email": "user-{}@x.test",
    "groups": "group-{}",
    "metric": "credits",
    "range": "7d",
    "start_unix": str(NOON - 48 * HOUR),
    "end_unix": str(NOON + HOUR),
    "reservation": "res-{}",
    "url": "https://{}.test/",
    "user": "user-{}",
    "users": "user-{}",
    "workspace": "ws-{}",
}


_BY_PLACE = {
    "api-keys": "key-bot-{}",
    "groups": "group-{}",
    "invitations": "{invitation}",
    "keys": "key-{}-0",
    "members": "user-{}",
    "service-accounts": "bot-{}",
    "sessions": "{session}",
    "users": "user-{}",
    "webhooks": "hook-{}",
    "workspaces": "ws-{}",
    "{of}": "req-{}-1",
}
"""What is called so, by what stands before it in a path."""


def _described(rng: Random) -> Question:
    """Anything in the API's description, with words of others wherever one goes."""
    operation = rng.choice([one for one in OPERATIONS if (one.method, one.path) not in OF_ONESELF and one.path != TAIL])
    return asking(rng, operation, fitting=rng.random() < 0.8)


def asking(rng: Random, operation: Operation, *, fitting: bool) -> Question:
    """A question of that kind; `fitting`: its path names somebody else's thing where one of that kind goes."""
    parameters = operation.about.get("parameters", [])
    inside = {one["name"]: one["schema"] for one in parameters if one["in"] == "path"}
    parts = operation.path.split("/")
    for at, part in enumerate(parts):
        if part.startswith("{"):
            name, _, ending = part[1:].partition("}")
            word = _BY_PLACE.get(operation.path.split("/")[at - 1]) if fitting else None
            parts[at] = f"{word or _filled(rng, inside[name], name)}{ending}"
    path = "/".join(parts)
    needed = [one for one in parameters if one["in"] == "query" and one.get("required")]
    others = [one for one in parameters if one["in"] == "query" and not one.get("required")]
    asked = [*needed, *rng.sample(others, min(len(others), rng.choice((0, 0, 1, 2))))]
    params = []
    for one in asked:
        value = _filled(rng, one["schema"], one["name"])
        params += [
            (one["name"], json.dumps(v) if isinstance(v, bool) else str(v))
            for v in (value if isinstance(value, list) else [value])
        ]
    content = operation.about.get("requestBody", {}).get("content", {}).get("application/json")
    return Question(operation.method, path, params, _filled(rng, content["schema"], "") if content else None)


def _filled(rng: Random, schema: Mapping[str, Any], name: str) -> Any:
    """Something of that shape; text says somebody else's word."""
    if "$ref" in schema:
        return _filled(rng, _WHOLE["components"]["schemas"][schema["$ref"].rpartition("/")[2]], name)
    if "anyOf" in schema:
        return _filled(rng, rng.choice([one for one in schema["anyOf"] if one.get("type") != "null"]), name)
    if "enum" in schema or "const" in schema:
        return schema["const"] if "const" in schema else rng.choice(schema["enum"])
    match schema.get("type"):
        case "object":
            fields, needed = schema.get("properties", {}), schema.get("required", ())
            return {field: _filled(rng, of, field) for field, of in fields.items() if field in needed or rng.random() < 0.2}
        case "array":
            return [_filled(rng, schema["items"], name)]
        case "boolean":
            return rng.random() < 0.5
        case "integer" | "number":
            return int(_BY_NAME.get(name, schema.get("minimum", 1)))
        case _:
            return _BY_NAME.get(name) or rng.choice((*WORDS, "{invitation}", "{session}", "bot-{}"))


MAKERS: Mapping[Callable[[Random], Question], int] = {
    _usage: 6,
    _log: 6,
    _tail: 2,
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
    _described: 6,
}
"""How often each kind of question is asked."""

"""A small company's month of traffic for the browser tests: the same every time, with everything the page must cope with."""

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.house import NOON, House
from usagedeck import admin
from usagedeck.access import Role
from usagedeck.catalog.dimensions import Label
from usagedeck.times import DAY, HOUR, MINUTE

NOW = NOON + 450_000
"""Inside a quarter of an hour, so that the last bucket is always an unfinished one."""

PASSWORD = "correct horse battery"
OWNER = "ana@example.com"
MEMBER = "ben@example.com"
HOSTILE = "<img src=x onerror=\"document.title='hacked'\">"
LONG = "a key with a very long name " * 7

PRODUCTS = (
    "TTS",
    "STT",
    "Dubbing",
    "Music",
    "Sound Effects",
    "Voice Isolator",
    "Voice Changer",
    "Studio",
    "Voice Agents",
    "Images",
)
ROUTES = (
    ("POST", "/v1/text-to-speech/voice_{n:08d}", 55),
    ("POST", "/v1/speech-to-text", 20),
    ("GET", "/v1/voices", 15),
    ("GET", "/v1/history/{n}", 8),
    ("POST", "/v1/dubbing", 2),
)
KEYS = ("key_web", "key_mobile", "key_batch", "key_long")
USERS = ("user_ana", "user_ben")
GROUPS = {"user_ana": ["grp_core", "grp_web"], "user_ben": ["grp_web"]}
DAYS = 40
PER_DAY = 120
LAST_DAY = 2_000
DELIVERIES = 900


def furnish(house: House) -> None:
    """People, keys and names, then the traffic."""
    for id_, email, role in (("user_ana", OWNER, Role.OWNER), ("user_ben", MEMBER, Role.MEMBER)):
        house.do(admin.AddUser(workspace=house.workspace_id, id=id_, email=email, name="", password=PASSWORD, role=role))
    labels = {"key_web": "prod-web", "key_mobile": HOSTILE, "key_batch": "batch", "key_long": LONG[:200]}
    for id_ in KEYS:
        house.do(admin.CreateKey(workspace=house.workspace_id, id=id_, label=labels[id_], user=USERS[KEYS.index(id_) % 2]))
    for kind, names in (
        (Label.VOICE, {f"voice_{n}": f"Voice {n}" for n in range(12)} | {"voice_0": HOSTILE}),
        (Label.GROUP, {"grp_core": "Core", "grp_web": "Web team"}),
    ):
        house.do(admin.SetLabels(workspace=house.workspace_id, kind=kind, names=names))
    events = [*requests(), *deliveries()]
    for at in range(0, len(events), 5000):
        receipt = house.send(events[at : at + 5000])
        assert not receipt.rejected, receipt.rejected[0]


def requests() -> Iterator[dict[str, Any]]:
    """API requests of forty days; the last one is busy and has a bad hour."""
    dice = random.Random(7)
    starts = [NOON - 2 * DAY - dice.randrange(DAYS * DAY) for _ in range(DAYS * PER_DAY)]
    starts += [NOON - 1 - dice.randrange(DAY) for _ in range(LAST_DAY)]
    for n, start in enumerate(sorted(starts)):
        method, path, _ = dice.choices(ROUTES, weights=[r[2] for r in ROUTES])[0]
        bad = NOON - 5 * HOUR < start < NOON - 4 * HOUR
        status = dice.choices((200, 201, 304, 400, 429, 500, 503), weights=(80, 4, 1, 3, 4, 1 + 12 * bad, 1 + 12 * bad))[0]
        key = dice.choice(KEYS)
        user = USERS[KEYS.index(key) % 2]
        spent = status < 300 and method == "POST"
        event: dict[str, Any] = {
            "id": f"req_{n:06d}",
            "time": start,
            "method": method,
            "path": path.format(n=dice.randrange(10**6)),
            "status": status,
            "duration_ms": int(dice.lognormvariate(5.5, 0.8)) + 800 * bad,
            "ttfb_ms": 40,
            "user_id": user,
            "api_key_id": key,
            "group_ids": GROUPS[user],
            "region": dice.choice(("eu", "us")),
            "attributes": {"plan": dice.choice(("free", "pro")), "note": "a,b:c"},
        }
        if spent:
            product = dice.choices(PRODUCTS, weights=range(len(PRODUCTS), 0, -1))[0]
            event |= {"product_type": product, "credits": f"{dice.randrange(1, 90_000) / 100:.2f}", "voice_id": f"voice_{n % 12}"}
            event |= {"characters": dice.randrange(2000), "cost": f"{dice.randrange(1, 9999) / 10_000:.4f}", "model": "model_two"}
        if status >= 400:
            event["error"] = {"code": f"error_{status}", "message": "It <b>failed</b>."}
        yield event


def deliveries() -> Iterator[dict[str, Any]]:
    """Attempts to deliver webhooks, some of them repeated."""
    dice = random.Random(8)
    for n in range(DELIVERIES):
        attempt = dice.choices((1, 2, 3), weights=(90, 7, 3))[0]
        yield {
            "kind": "delivery",
            "id": f"dlv_{n:05d}",
            "message_id": f"msg_{n // 2:05d}",
            "time": NOON - 1 - dice.randrange(20 * DAY if n % 2 else 20 * HOUR),
            "webhook_id": "wh_main",
            "event_type": dice.choice(("done", "failed")),
            "url": dice.choice(("https://hooks.example.com/a", "https://hooks.example.com/b")),
            "attempt": attempt,
            "status": dice.choices((200, 500, 0), weights=(90, 7, 3))[0],
            "duration_ms": dice.randrange(20, 900),
            "request_id": "req_006799",
        }


def one_minute_of(path: str) -> bytes:
    """A single event a minute before noon."""
    return json.dumps({"id": "req_single", "time": NOON - MINUTE, "method": "GET", "path": path, "status": 200}).encode()

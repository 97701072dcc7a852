"""A small town: two workspaces, people, keys and fifteen requests around a clock change, few enough to count by hand.

New York's clocks go back on 2026-11-01 at 06:00Z. Two requests share one instant, one began before the usual window and
reaches into it, one has nothing but an id and a time.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.house import House, build_house
from usagedeck import admin
from usagedeck.access import Permission, Role
from usagedeck.catalog.dimensions import Label
from usagedeck.deck import Deck
from usagedeck.times import parse_instant

TOWN = "ws-town"


def at(text: str) -> int:
    """An instant in epoch milliseconds."""
    return parse_instant(text, field="at")


TTS: Mapping[str, Any] = {
    "product_type": "TTS",
    "model": "eleven_v3",
    "method": "POST",
    "path": "/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM",
    "region": "us-central1",
    "request_source": "api",
    "surface": "api",
    "actor": "user",
    "user_id": "u-ada",
    "api_key_id": "k-prod",
    "group_ids": ["g-eng", "g-all"],
    "user_agent": "elevenlabs/2.78.0",
    "request_queue_type": "high",
    "voice_multiplier": 1,
    "charge_type": "usage",
    "billing_group_id": "b-1",
    "currency": "usd",
    "status": 200,
}
STT: Mapping[str, Any] = {
    "product_type": "STT",
    "model": "scribe_v2",
    "method": "POST",
    "path": "/v1/speech-to-text",
    "region": "eu-west1",
    "request_source": "web",
    "user_id": "u-ben",
    "api_key_id": "k-ben",
    "group_ids": ["g-all"],
    "currency": "usd",
    "status": 200,
}
RACHEL, OTHER_RACHEL = "voice-aa11", "voice-bb22"

EVENTS: tuple[Mapping[str, Any], ...] = (
    {
        **TTS,
        "id": "r-00",
        "time": "2026-10-30T23:30:00Z",
        "voice_id": RACHEL,
        "credits": 1,
        "duration_ms": 7_200_000,
        "ttfb_ms": 10,
        "trace_id": "t-00",
    },
    {
        **TTS,
        "id": "r-01",
        "time": "2026-11-01T03:59:59Z",
        "voice_id": RACHEL,
        "credits": 10,
        "characters": 100,
        "audio_seconds": 6,
        "cost": "0.01",
        "charge_count": 100,
        "duration_ms": 2000,
        "ttfb_ms": 100,
        "trace_id": "t-01",
        "ip": "203.0.113.9",
    },
    {
        **TTS,
        "id": "r-02",
        "time": "2026-11-01T04:00:00Z",
        "voice_id": OTHER_RACHEL,
        "credits": "20.5",
        "characters": 200,
        "audio_seconds": 12,
        "cost": "0.02",
        "charge_count": 200,
        "duration_ms": 1000,
        "ttfb_ms": 200,
        "trace_id": "t-02",
        "voice_multiplier": "1.5",
    },
    {
        **STT,
        "id": "r-03",
        "time": "2026-11-01T05:30:00Z",
        "credits": 5,
        "audio_seconds": 60,
        "cost": "0.005",
        "charge_count": 60,
        "duration_ms": 500,
        "trace_id": "t-03",
    },
    {
        **STT,
        "id": "r-04",
        "time": "2026-11-01T06:30:00Z",
        "status": 429,
        "duration_ms": 250,
        "error": {"code": "too_many_concurrent_requests", "message": "Too many requests."},
        "trace_id": "t-04",
    },
    {
        "id": "r-05",
        "time": "2026-11-01T08:30:00Z",
        "product_type": "Conversational AI",
        "path": "/v1/convai/agents/agent-1/branches",
        "method": "WS",
        "resource_id": "agent-1",
        "subresource_id": "branch-1",
        "user_id": "u-ada",
        "request_source": "agents",
        "status": 101,
        "credits": 100,
        "cost": "0.1",
        "charge_count": "3600.5",
        "audio_seconds": "3600.5",
        "duration_ms": 3_600_000,
        "ttfb_ms": 50,
        "trace_id": "t-05",
    },
    {**STT, "id": "r-06", "time": "2026-11-01T09:00:00Z", "credits": 1, "duration_ms": 60_000, "ttfb_ms": 31, "trace_id": "t-06"},
    {**STT, "id": "r-07", "time": "2026-11-01T09:30:00Z", "credits": 1, "duration_ms": 60_000, "ttfb_ms": 32, "trace_id": "t-07"},
    {
        **TTS,
        "id": "r-08",
        "time": "2026-11-02T04:59:59Z",
        "voice_id": RACHEL,
        "credits": 3,
        "characters": 30,
        "cost": "0.003",
        "duration_ms": 300,
        "ttfb_ms": 33,
        "trace_id": "t-08",
        "status": 302,
    },
    {
        **TTS,
        "id": "r-09",
        "time": "2026-11-02T05:00:00Z",
        "voice_id": "voice-unnamed",
        "api_key_id": "k-lost",
        "credits": 4,
        "characters": 40,
        "cost": "0.004",
        "duration_ms": 0,
        "trace_id": "t-09",
    },
    {
        "id": "r-10",
        "time": "2026-11-02T05:00:00Z",
        "product_type": "TTS",
        "method": "GET",
        "path": "/v1/voices",
        "api_key_id": "k-ghost",
        "user_id": "u-ghost",
        "status": 0,
        "trace_id": "t-10",
    },
    {"id": "r-11", "time": "2026-11-03T12:00:00.123Z"},
    {
        **STT,
        "id": "r-12",
        "time": "2026-11-03T12:00:00.123Z",
        "product_type": "None",
        "credits": "0.000001",
        "duration_ms": 45_000,
        "ttfb_ms": 34,
        "trace_id": "t-12",
    },
)
"""Amounts that are absent stay absent; r-05 is active until exactly when r-07 begins."""

START, END = at("2026-10-31T00:15:00Z"), at("2026-11-03T12:00:00.123Z")
"""The usual window: it begins inside an hour and ends, included, at the instant of the last two requests."""

EMAILS = {"u-ada": "ada@town.example", "u-ben": "ben@town.example"}
VOICES = {RACHEL: "Rachel", OTHER_RACHEL: "Rachel"}
KEYS = {"k-prod": "production", "k-ben": "ben's laptop", "k-lost": "lost one", "k-blind": "sender", "k-first": "first key"}


@dataclass(frozen=True)
class Town:
    """The workspace, and the secrets of its keys."""

    house: House
    everything: str
    """Belongs to nobody and may do everything."""
    ben: str
    """Belongs to a member who may read only his own rows."""
    lead: str
    """Belongs to Ada and may read the whole workspace."""
    sender: str
    """May send and not read."""
    lost: str
    """Revoked."""
    stranger: House
    """Another workspace with a row of its own."""


def build_town(deck: Deck) -> Town:
    """Everything above, on the deck."""
    house = build_house(deck, "Town", id=TOWN)
    house.do(admin.AddUser(workspace=TOWN, id="u-ada", email=EMAILS["u-ada"], password="correct horse", role=Role.ADMIN))
    house.do(admin.AddUser(workspace=TOWN, id="u-ben", email=EMAILS["u-ben"], password="battery staple"))

    def key(id_: str, user: str | None, *permissions: Permission) -> str:
        made = house.do(
            admin.CreateKey(workspace=TOWN, id=id_, label=KEYS[id_], user=user, permissions=list(permissions or Permission))
        )
        return str(made["api_key"])

    lead = key("k-prod", "u-ada")
    ben = key("k-ben", "u-ben", Permission.READ, Permission.WRITE)
    sender = key("k-blind", None, Permission.WRITE)
    lost = key("k-lost", "u-ada")
    house.do(admin.RevokeKey(workspace=TOWN, id="k-lost"))
    house.do(admin.SetLabels(workspace=TOWN, kind=Label.VOICE, names=VOICES))
    house.do(admin.SetLabels(workspace=TOWN, kind=Label.GROUP, names={"g-eng": "Engineering"}))
    house.do(admin.SetLabels(workspace=TOWN, kind=Label.RESOURCE, names={"agent-1": "Concierge"}))
    receipt = house.send(EVENTS)
    assert (receipt.accepted, receipt.rejected) == (len(EVENTS), ())
    stranger = build_house(deck, "Elsewhere", currency="eur")
    assert stranger.send([{**EVENTS[1], "currency": "eur"}]).accepted == 1
    return Town(house, house.api_key, ben, lead, sender, lost, stranger)


def key_hash(town: Town, key_id: str) -> str:
    """`hashed_xi_api_key` of a key, reckoned from its secret; of one that the directory never saw, from its id."""
    secrets = {"k-prod": town.lead, "k-ben": town.ben, "k-lost": town.lost}
    kept = hashlib.sha256(secrets[key_id].encode()).hexdigest() if key_id in secrets else f"id:{key_id}"
    return hmac.new(town.house.deck.directory.secret.encode(), kept.encode(), "sha256").hexdigest()

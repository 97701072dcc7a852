"""A year of random events with everything that has ever made numbers wrong: repeats with another payload in the same batch
and in later ones, arrivals that are weeks late, requests that span buckets and windows, absent and zero values, many events
in one millisecond, events on the very edges of days and clock changes of four zones."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.house import House, StillClock, build_house
from tests.oracle.oracle import ABSENT_NUMBERS, AMOUNTS, Arrival, Event, joined, kept
from usagedeck import admin
from usagedeck.access import Permission
from usagedeck.catalog.dimensions import Label
from usagedeck.deck import open_deck
from usagedeck.settings import Settings
from usagedeck.times import parse_instant

HOUR = 3_600_000
DAY = 24 * HOUR


def at(text: str) -> int:
    return parse_instant(text, field="time")


NEW_YORK = "America/New_York"
KOLKATA = "Asia/Kolkata"
KATHMANDU = "Asia/Kathmandu"
LORD_HOWE = "Australia/Lord_Howe"
ZONES = (NEW_YORK, KOLKATA, KATHMANDU, LORD_HOWE, "UTC")

CHANGES = {
    "New York, 2026-03-08, an hour is skipped": at("2026-03-08T07:00:00Z"),
    "Lord Howe, 2026-04-05, half an hour is repeated": at("2026-04-04T15:00:00Z"),
    "Lord Howe, 2026-10-04, half an hour is skipped": at("2026-10-03T15:30:00Z"),
    "New York, 2026-11-01, an hour is repeated": at("2026-11-01T06:00:00Z"),
}
FIRST, LAST = at("2026-01-01T00:00:00Z"), at("2026-11-23T12:00:00Z")
NOW = LAST + 21 * DAY
"""Long after the last event: late arrivals came until then."""

WINDOWS = {
    **{f"around {name}": (change - 30 * HOUR, change + 42 * HOUR) for name, change in CHANGES.items()},
    **{
        f"cutting buckets around {name}": (change - 29 * HOUR - 1_234_567, change + 26 * HOUR + 7)
        for name, change in CHANGES.items()
    },
}
YEAR = (at("2026-01-14T03:04:05.678Z"), at("2026-12-01T00:00:00Z"))

PATHS = {
    "/v1/text-to-speech/21m00Tcm4TlvDq8ikWAM": "/v1/text-to-speech/{id}",
    "/v1/voices": "/v1/voices",
    "/v1/history/42?page=2": "/v1/history/{id}",
    "/v1/agents/agent_01k5x3y9/calls/6f9619ff-8b86-d011-b42d-00c04fc964ff": "/v1/agents/{id}/calls/{id}",
}
ADDRESSES = {
    "203.0.113.77": "203.0.113.0/24",
    "203.0.113.9": "203.0.113.0/24",
    "198.51.100.1": "198.51.100.0/24",
    "2001:db8:1:2::3": "2001:db8:1::/48",
}
TEXTS = {
    "product_type": ("TTS", "STT", "Conversational AI", "Conversational AI - LLM"),
    "model": ("eleven_multilingual_v2", "eleven_turbo_v2_5", "ÉCLAIR", "éclair", "=1+1"),
    "voice_id": ("21m00Tcm4TlvDq8ikWAM", "v2", "v3", "v4", "v5"),
    "user_id": ("ana", "ben", "cy"),
    "api_key_id": ("key_ana", "key_ben", "key_nobody"),
    "region": ("us-central1", "europe-west4"),
    "request_source": ("api", "web"),
    "request_queue_type": ("high", "low"),
    "resource_id": ("agent_1", "agent_2", "%_'\\"),
    "subresource_id": ("branch a", "branch,b:c"),
    "charge_type": ("usage", "overage"),
    "billing_group_id": ("bg1", "bg2"),
    "surface": ("api", "web"),
    "actor": ("user", "agent"),
    "method": ("GET", "POST", "WS"),
    "user_agent": ("curl/8.5", "Mozilla/5.0 (X11; Linux)", "python-requests/2.32"),
    "trace_id": ("trace-a", "trace-b"),
    "ip": tuple(ADDRESSES),
    "path": tuple(PATHS),
}
STATUSES = (0, 100, 101, 101, 200, 200, 200, 201, 204, 301, 304, 399, 400, 401, 404, 429, 499, 500, 503)
DURATIONS = (0, 1, 2, 250, 1000, 61_000, 15 * 60_000, HOUR, 5 * HOUR, 30 * HOUR, 24 * HOUR)
OWNERS = {"key_ana": "ana", "key_ben": "ben"}
GROUPS = ("g1", "g2", "g3")
LABELS = {
    Label.VOICE: {"21m00Tcm4TlvDq8ikWAM": "Rachel", "v2": "Zoë", "v3": "Rachel"},
    Label.USER: {"ana": "ana@acme.test"},
    Label.GROUP: {"g1": "Group one"},
}


# --- events -------------------------------------------------------------------------------------------------------


AMOUNTS_SENT = ("0", "1", "0.1", "0.2", "0.000001", "123456.789", "999999999.999999", "999999999999.999999")


def _amount(dice: random.Random) -> str:
    return dice.choice([*AMOUNTS_SENT, f"{dice.random() * 50:.6f}"])


def _maybe(dice: random.Random, share: float, **values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if dice.random() < share}


def _duration(dice: random.Random) -> int:
    return min(dice.choice(DURATIONS), 24 * HOUR) if dice.random() < 0.5 else dice.randrange(20_000)


def request(dice: random.Random, time: int, id_: str) -> dict[str, Any]:
    event = {"id": id_, "time": time, **_maybe(dice, 0.8, **{name: dice.choice(known) for name, known in TEXTS.items()})}
    event |= _maybe(dice, 0.85, status=dice.choice(STATUSES), duration_ms=_duration(dice), credits=_amount(dice))
    event |= _maybe(dice, 0.6, ttfb_ms=dice.randrange(3000), characters=dice.randrange(5000), cost=_amount(dice))
    event |= _maybe(dice, 0.5, audio_seconds=_amount(dice), input_tokens=dice.randrange(9000), charge_count=_amount(dice))
    event |= _maybe(dice, 0.5, output_tokens=dice.randrange(10**12), voice_multiplier=dice.choice(["0.5", "1", "1.25"]))
    event |= _maybe(dice, 0.2, error={"code": dice.choice(["quota", "timeout"]), "message": 'it failed, "badly"\nand twice'})
    event |= _maybe(dice, 0.6, group_ids=dice.sample(GROUPS, dice.randrange(4)) + [""] * (dice.random() < 0.2))
    event |= _maybe(dice, 0.5, attributes={"team": dice.choice(["red", "blue", ""]), "ci.job": dice.choice(["1", "2"])})
    event |= _maybe(dice, 0.3, route=dice.choice(["/v1/own", "/v1/voices"]))
    return event


def delivery(dice: random.Random, time: int, id_: str) -> dict[str, Any]:
    event = {"kind": "delivery", "id": id_, "time": time}
    event |= _maybe(dice, 0.8, webhook_id=dice.choice(["wh1", "wh2"]), event_type=dice.choice(["call", "file"]))
    event |= _maybe(dice, 0.8, url="https://example.test/hook", attempt=dice.choice([1, 1, 1, 2, 3]), user_id=dice.choice("ab"))
    event |= _maybe(dice, 0.8, status=dice.choice(STATUSES), duration_ms=_duration(dice), message_id=f"m{dice.randrange(9)}")
    event |= _maybe(dice, 0.3, error={"code": "refused"}, attributes={"team": dice.choice(["red", "blue"])}, request_id="r1")
    return event


def _times(dice: random.Random) -> list[int]:
    """Instants in the year, most of them around the clock changes, many on edges."""
    found = [dice.randrange(FIRST, LAST) for _ in range(260)]
    for change in CHANGES.values():
        found += [change + dice.randrange(-34 * HOUR, 46 * HOUR) for _ in range(170)]
        edges = [change + hours * HOUR // 4 for hours in range(-12, 13)]
        found += [edge + dice.choice((-1, 0, 0, 1)) for edge in edges]
        found += [dice.choice(edges)] * 6
    for edge in (edge for window in (*WINDOWS.values(), YEAR) for edge in window):
        found += [edge - 1, edge, edge, edge + 1]
    return [time for time in found if FIRST <= time < LAST]


@dataclass(frozen=True)
class World:
    """What was sent to a workspace, and who asks about it."""

    house: House
    clock: StillClock
    arrivals: list[Arrival]

    @cached_property
    def requests(self) -> list[Event]:
        """The requests that count, as they are kept."""
        return kept(self.arrivals, "request", self._filled)

    @cached_property
    def deliveries(self) -> list[Event]:
        """The deliveries that count, as they are kept."""
        return kept(self.arrivals, "delivery", self._filled)

    @cached_property
    def joined(self) -> list[Event]:
        """The deliveries that their attempts make up."""
        return joined(self.deliveries, self.house.deck.settings.delivery_days * DAY)

    def _filled(self, sent: Mapping[str, Any]) -> dict[str, Any]:
        texts = dict.fromkeys((*TEXTS, "route", "currency", "error_code", "error_message", "webhook_id", "event_type", "url"), "")
        event: dict[str, Any] = dict.fromkeys(ABSENT_NUMBERS) | texts | {"message_id": "", "request_id": "", "attributes": {}}
        event |= {"workspace_id": self.house.workspace_id, "group_ids": []} | dict(sent)
        event |= {name: Decimal(event[name]) for name in AMOUNTS if event[name] is not None}
        event["group_ids"] = sorted({g for g in event["group_ids"] if g})
        if event["path"]:
            event["route"] = event["route"] or PATHS[event["path"]]
            event["path"] = event["path"].split("?")[0]
        event["ip"] = ADDRESSES.get(event["ip"], "")
        event["user_id"] = event["user_id"] or OWNERS.get(event["api_key_id"], "")
        event["currency"] = "usd" if event["cost"] is not None else ""
        event["error_code"] = event.get("error", {}).get("code", "")
        event["error_message"] = event.get("error", {}).get("message", "")
        event["message_id"] = event["message_id"] or event["id"]
        return event


def _rounds(dice: random.Random) -> Iterator[tuple[int, list[list[dict[str, Any]]]]]:
    """(clock, batches): every round sends what is past, a part of it weeks late, and repeats what went before."""
    make = {"request": request, "delivery": delivery}
    plan: list[tuple[str, int, str]] = []
    for number, time in enumerate(_times(dice)):
        plan.append(("delivery" if number % 4 == 0 else "request", time, f"e{number}"))
        if dice.random() < 0.05:  # the same id at another time is another event
            plan.append(("request", time + dice.choice((1, -1, HOUR)), f"e{number}"))
        if dice.random() < 0.05:  # … and so is the same id and time of the other kind
            plan.append(("delivery" if number % 4 else "request", time, f"e{number}"))
    clocks = [change + 3 * DAY for change in CHANGES.values()] + [LAST + 1000, NOW - DAY]
    due: dict[int, list[dict[str, Any]]] = {clock: [] for clock in clocks}
    for kind, time, id_ in plan:
        open_rounds = [clock for clock in clocks if clock > time]
        sent = open_rounds[0] if dice.random() < 0.75 else dice.choice(open_rounds)
        due[sent].append(make[kind](dice, time, id_))
        while dice.random() < 0.2:  # a repeat says something else and changes nothing
            due[dice.choice([c for c in open_rounds if c >= sent])].append(make[kind](dice, time, id_))
    for clock, events in due.items():
        dice.shuffle(events)
        yield clock, [events[i : i + 150] for i in range(0, len(events), 150)]


def _send_all(house: House, clock: StillClock, seed: int) -> World:
    """Rollups are sealed after the second and the fourth round: what comes later finds sealed quarter-hours."""
    arrivals: list[Arrival] = []
    for number, (now, batches) in enumerate(_rounds(random.Random(seed))):
        if number in (2, 4):
            house.deck.sealer.look()
        clock.now = now
        for batch in batches:
            clock.now += 1000
            arrivals += [Arrival(event, clock.now) for event in batch]
            receipt = house.send(batch)
            assert (receipt.accepted, receipt.rejected) == (len(batch), ())
    clock.now = NOW
    return World(house, clock, arrivals)


@contextmanager
def open_world(folder: Path) -> Iterator[tuple[World, World]]:
    """A deck with two workspaces that use the same ids for different events."""
    clock = StillClock(FIRST)
    with open_deck(Settings(data_dir=folder, min_free_bytes=0), clock) as deck:
        houses = []
        for name, zone in (("acme", NEW_YORK), ("globex", KATHMANDU)):
            house = build_house(deck, name, id=name, time_zone=zone)
            for key, owner in OWNERS.items():
                house.do(admin.CreateKey(workspace=name, label=key, id=key, user=owner, permissions=[Permission.WRITE]))
            for kind, names in LABELS.items():
                house.do(admin.SetLabels(workspace=name, kind=kind, names=names))
            houses.append(house)
        yield _send_all(houses[0], clock, 1), _send_all(houses[1], clock, 2)

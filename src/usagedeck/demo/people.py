"""Who uses the demo's fictional API: what a company, its people, callers, voices and webhooks are.

Ids are derived from names, so every demo has the same ones. The companies themselves are in `companies.py`.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from usagedeck.access import Role
from usagedeck.catalog.dimensions import Label
from usagedeck.demo import figures
from usagedeck.demo.figures import Curve

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def made_id(prefix: str, name: str, length: int = 12) -> str:
    """An id that looks random and is always the same for a name."""
    digest = hashlib.sha256(f"{prefix}:{name}".encode()).digest()
    text = "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:length])
    return f"{prefix}_{text}" if prefix else text


class Rhythm(StrEnum):
    """The course of a caller's day."""

    INTERACTIVE = "interactive"
    PLATFORM = "platform"
    BATCH = "batch"

    @property
    def curve(self) -> Curve:
        return {"interactive": figures.INTERACTIVE, "platform": figures.PLATFORM, "batch": figures.BATCH}[self]


class Endpoint(StrEnum):
    """How well a webhook's endpoint works."""

    GOOD = "good"
    FLAKY = "flaky"
    DEAD = "dead"

    @property
    def failing(self) -> float:
        return {"good": figures.GOOD, "flaky": figures.FLAKY, "dead": figures.DEAD}[self]


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    groups: tuple[str, ...] = ()
    role: Role = Role.MEMBER
    full_read: bool = False

    @property
    def email(self) -> str:
        return f"{self.name.split()[0].lower()}@example.com"

    @property
    def id(self) -> str:
        return made_id("user", self.email)


@dataclass(frozen=True, slots=True)
class Voice:
    name: str
    multiplier: float = 1.0
    """Price factor."""
    deleted: bool = False
    """Still used by somebody, though nobody knows its name any more."""

    @property
    def id(self) -> str:
        return made_id("", f"voice/{self.name}", 20)


@dataclass(frozen=True, slots=True)
class Caller:
    """Something that sends requests: an API key, or a person in the web application (no label)."""

    owner: str
    """Name of the person it belongs to."""
    label: str
    offer: str
    """What it mostly calls."""
    rhythm: Rhythm = Rhythm.PLATFORM
    steady: bool = False
    """Sends all the time; others come and go."""
    also: tuple[str, ...] = ()
    """What else it calls."""
    source: str = "api"
    env: str = ""
    customers: int = 0
    """Names that many of the company's customers in its attributes."""
    starts: float = 0.0
    """Day of the demo on which it is first used."""
    ends: float | None = None
    """Day of the demo on which the key is revoked."""

    @property
    def key_id(self) -> str | None:
        return made_id("key", f"{self.owner}/{self.label}") if self.label else None


@dataclass(frozen=True, slots=True)
class Webhook:
    name: str
    url: str
    events: tuple[str, ...]
    share: float
    """Share of the finished jobs of these kinds that are told."""
    endpoint: Endpoint = Endpoint.GOOD

    @property
    def id(self) -> str:
        return made_id("wh", self.url)


@dataclass(frozen=True, slots=True)
class Company:
    """A workspace and everybody in it."""

    id: str
    name: str
    time_zone: str
    billing_day: int
    currency: str
    credit_price: int
    """Millionths of the currency per credit."""
    share: float
    """Its part of all requests."""
    regions: tuple[str, ...]
    people: tuple[Person, ...]
    callers: tuple[Caller, ...]
    """Busiest first."""
    voices: tuple[Voice, ...]
    """Most popular first."""
    concurrency_limit: int | None = None
    credit_limit: int | None = None
    """A billing period."""
    exchanges: bool = False
    """Keeps headers and bodies."""
    agents: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    customers: tuple[str, ...] = ()
    guests: tuple[Person, ...] = ()
    """Members who have their account in another company."""

    def person(self, name: str) -> Person:
        return next(p for p in (*self.people, *self.guests) if p.name == name)

    def group_ids(self, person: Person) -> list[str]:
        return [made_id("grp", f"{self.id}/{g}") for g in person.groups]

    def billing_group_id(self, person: Person) -> str:
        """Costs are booked on the first group of whoever caused them."""
        return made_id("bg", f"{self.id}/{person.groups[0]}") if person.groups else ""

    def agent_id(self, name: str) -> str:
        return made_id("agent", f"{self.id}/{name}")

    def labels(self) -> dict[Label, dict[str, str]]:
        """Display names by id, by kind; people and keys have theirs anyway."""
        return {
            Label.VOICE: {voice.id: voice.name for voice in self.voices if not voice.deleted},
            Label.GROUP: {made_id("grp", f"{self.id}/{name}"): name for name in self.groups},
            Label.BILLING_GROUP: {made_id("bg", f"{self.id}/{name}"): f"{name} budget" for name in self.groups},
            Label.RESOURCE: {self.agent_id(name): name for name in self.agents},
            Label.WEBHOOK: {webhook.id: webhook.name for webhook in self.webhooks},
        }

"""What each of the demo's callers is like: what they ask for and how much of it, with which voices, from where, how often
in vain. Drawn once for a world."""

from dataclasses import dataclass

import numpy as np

from usagedeck.demo import figures
from usagedeck.demo.arrivals import Floats, Ints, World
from usagedeck.demo.figures import Sizes
from usagedeck.demo.people import Caller, Company
from usagedeck.demo.products import LOOKUPS, OFFERS

OFFER_NAMES = tuple(OFFERS)
FAVOURITE_VOICES = 6
MAIN_SHARE = 0.85
"""A caller has one thing it mostly calls."""

LIMITS = (20, 30, 60, 120, 300)
LIMIT_TIMES = 10.0
"""Requests a minute after which a key is refused: the first of these that is so many times its mean while it sends. Assumed;
made so that about `THROTTLED` of all failures come of it."""

PROGRAMS = (
    "elevenlabs-python/2.78.0",
    "elevenlabs-js/2.30.0 node/22.11.0",
    "python-httpx/0.28.1",
    "axios/1.12.2",
    "Go-http-client/2.0",
    "okhttp/4.12.0",
    "curl/8.14.1",
)
BROWSERS = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
)
PHONES = ("CompanionApp/4.12 (iPhone; iOS 26.1)", "okhttp/4.12.0 (Android 16)")


@dataclass(frozen=True)
class Habits:
    """One row per caller."""

    offers: Floats
    """Running sums of the shares of `OFFER_NAMES`."""
    voices: Ints
    """Indices of the company's voices it uses."""
    voices_sum: Floats
    """Running sums of their shares."""
    spoken: Floats
    prompt: Floats
    answer: Floats
    """Its medians of tokens spoken, read and written."""
    failing: Floats
    """Share of its requests that fail, refusals by rate left out."""
    limit: Ints
    """Requests a minute before it is refused."""
    customers: Ints
    """How many customers it names."""
    constant: tuple[dict[str, object], ...]
    """Fields that are the same in all its requests."""
    agents: tuple[str, ...]


def habits(world: World) -> Habits:
    """Draw everybody's habits."""
    rng = world.rng("habits")
    many = len(world.callers)
    failing = figures.FAILED_MEDIAN * np.exp(figures.FAILED_LOG_SD * rng.standard_normal(many))
    per_minute = world.pace.daily / world.pace.active / 1440
    limits = np.array(LIMITS)
    voices = np.array([_favourites(company, rng) for company, _ in world.callers])
    popular = np.arange(1, FAVOURITE_VOICES + 1) ** -figures.VOICE_ZIPF
    return Habits(
        offers=np.array([np.cumsum(_shares(caller)) for _, caller in world.callers]),
        voices=voices,
        voices_sum=np.tile(np.cumsum(popular / popular.sum()), (many, 1)),
        spoken=_medians(figures.SPOKEN_TOKENS, many, rng),
        prompt=_medians(figures.PROMPT_TOKENS, many, rng),
        answer=_medians(figures.ANSWER_TOKENS, many, rng),
        failing=np.clip(failing, figures.FAILED_LEAST, figures.FAILED_MOST) * (1 - figures.THROTTLED),
        limit=limits[np.minimum(np.searchsorted(limits, per_minute * LIMIT_TIMES), len(LIMITS) - 1)],
        customers=np.array([caller.customers for _, caller in world.callers]),
        constant=tuple(_constant(row, company, caller, rng) for row, (company, caller) in enumerate(world.callers)),
        agents=tuple(_agent(company, caller, rng) for company, caller in world.callers),
    )


def _medians(sizes: Sizes, many: int, rng: np.random.Generator) -> Floats:
    medians: Floats = np.exp(sizes.log_median + sizes.log_median_sd * rng.standard_normal(many))
    return medians


def _shares(caller: Caller) -> Floats:
    """Shares of `OFFER_NAMES` in a caller's requests."""
    shares = dict.fromkeys(OFFER_NAMES, 0.0)
    for name, share in LOOKUPS.items():
        shares[name] += figures.LOOKUP_SHARE * share
    rest = 1 - figures.LOOKUP_SHARE
    shares[caller.offer] += rest * (MAIN_SHARE if caller.also else 1.0)
    weights = np.arange(1, len(caller.also) + 1) ** -figures.VOICE_ZIPF
    for name, weight in zip(caller.also, weights / weights.sum() if len(weights) else weights, strict=True):
        shares[name] += rest * (1 - MAIN_SHARE) * float(weight)
    return np.array(list(shares.values()))


def _favourites(company: Company, rng: np.random.Generator) -> Ints:
    """A few voices, popular ones more often."""
    popular = np.arange(1, len(company.voices) + 1) ** -figures.VOICE_ZIPF
    few = min(FAVOURITE_VOICES, len(company.voices))
    chosen = rng.choice(len(company.voices), size=few, replace=False, p=popular / popular.sum())
    return np.resize(chosen, FAVOURITE_VOICES).astype(np.int64)


def _agent(company: Company, caller: Caller, rng: np.random.Generator) -> str:
    """The agent a caller works for: the one it is named after, or any."""
    if not company.agents:
        return ""
    named = [name for name in company.agents if caller.label.startswith(name.lower())]
    return company.agent_id(named[0] if named else str(rng.choice(company.agents)))


def _constant(row: int, company: Company, caller: Caller, rng: np.random.Generator) -> dict[str, object]:
    owner = company.person(caller.owner)
    web, mobile = caller.source == "web", caller.source == "mobile"
    programs = BROWSERS if web else PHONES if mobile else PROGRAMS
    found: dict[str, object] = {
        "user_id": owner.id,
        "group_ids": company.group_ids(owner),
        "region": str(rng.choice(company.regions)),
        "request_source": caller.source,
        "surface": caller.source if web or mobile else "api",
        "actor": "agent" if caller.source == "agents" else "user" if web or mobile or not caller.env else "service_account",
        "user_agent": str(rng.choice(programs)),
        "ip": _address(row, rng),
    }
    if caller.key_id:
        found["api_key_id"] = caller.key_id
    if group := company.billing_group_id(owner):
        found["billing_group_id"] = group
    return found


def _address(row: int, rng: np.random.Generator) -> str:
    """An address from the ranges that are kept for examples, or a private one."""
    host = int(rng.integers(1, 255))
    if row % 3 == 0:
        return f"10.{20 + row}.{int(rng.integers(0, 8))}.{host}"
    if row % 3 == 1:
        return f"{('192.0.2', '198.51.100', '203.0.113')[row % 9 // 3]}.{host}"
    return f"2001:db8:{row:x}::{host:x}"

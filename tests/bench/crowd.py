"""Who calls in the data of a measurement: workspaces of very different size, and their API keys with their habits.

What belongs together in real traffic belongs together here: a key is one user's, has one product it mostly calls, a few
voices, its own sizes, failures and hours. With independent columns every aggregate would look useless.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from usagedeck.demo import figures
from usagedeck.demo.arrivals import Floats, Ints
from usagedeck.demo.figures import Sizes
from usagedeck.demo.habits import BROWSERS, PROGRAMS
from usagedeck.demo.products import LOOKUPS, OFFERS

OFFER_NAMES = tuple(OFFERS)
_CALLED = {
    "flash": 0.3, "multilingual": 0.2, "turbo": 0.12, "scribe": 0.1, "agent": 0.07, "llm": 0.05, "llm-large": 0.02,
    "effects": 0.03, "changer": 0.04, "music": 0.02, "picture": 0.02, "isolator": 0.01, "expressive": 0.02,
}  # fmt: skip
"""What keys mostly call, by number of keys. Made so that 63 % of requests have a voice, as in the trace of 14 days."""

KEY_ZIPF, KEY_HEAD = 1.2, 3
"""The k-th busiest key of a workspace sends ~ (k + head)^-s: 8 % for the first of 274 and 41 % for the first ten, where the
trace of 14 days has 8 % and 44 %."""

VOICES_MEDIAN, VOICES_LOG_SD, VOICES_MOST = 45.0, 1.2, 86
"""How many voices a key uses."""

SECOND_OFFER, SECOND_SHARE = 0.3, 0.15
"""The share of keys that call a second product, and of its calls that do."""

REGIONS = ("us-east-1", "eu-west-1", "ap-south-1", "us-west-2")
SOURCES = ("api", "sdk", "agents", "web", "mobile")


@dataclass(frozen=True)
class Workplace:
    """A workspace: its share of all requests and its number of keys."""

    id: str
    share: float
    keys: int


def workplaces(count: int = 100, largest: float = 0.3, keys: int = 900) -> tuple[Workplace, ...]:
    """Workspaces by size: the largest with its share, the others by Zipf; the number of keys falls more slowly."""
    rest = 1 / np.arange(1, count)
    shares = [largest, *(rest / rest.sum() * (1 - largest))]
    return tuple(Workplace(f"ws_{i:03}", s, max(4, round(keys * (s / largest) ** 0.75))) for i, s in enumerate(shares))


@dataclass(frozen=True)
class Crowd:
    """One entry per key. `table` is what the engine joins with; the rest decides when it calls."""

    table: pa.Table
    workplace: Ints
    """Index of its workspace."""
    rate: Floats
    """Its share of all requests."""
    active: Floats
    """The share of the time in which it calls at all."""
    curve: Floats
    """Rate by hour of the day in UTC, 24 per key, mean 1."""


def crowd(places: tuple[Workplace, ...], seed: int) -> Crowd:
    """Draw everybody, the same for the same seed."""
    rng = np.random.default_rng([seed, 1])
    owner = np.repeat(np.arange(len(places)), [p.keys for p in places])
    rank = np.concatenate([np.arange(p.keys) for p in places])
    many = len(owner)
    weights = (rank + 1.0 + KEY_HEAD) ** -KEY_ZIPF
    sums = np.bincount(owner, weights)
    share = np.array([p.share for p in places])
    active = np.minimum(
        figures.ACTIVE_SHARE_MEDIAN * np.exp(figures.ACTIVE_SHARE_LOG_SD * rng.standard_normal(many)), figures.ACTIVE_SHARE_CAP
    )
    active[(rank < np.maximum(1, np.array([p.keys for p in places])[owner] // 12)) | (rng.random(many) < 0.18)] = 1.0
    return Crowd(_table(places, owner, rank, rng), owner, weights / sums[owner] * share[owner], active, _curves(owner, rng))


def _curves(owner: Ints, rng: np.random.Generator) -> Floats:
    """Everybody's hours: a workspace has a kind of traffic and lives somewhere."""
    kinds = np.array([figures.PLATFORM, figures.INTERACTIVE, figures.BATCH])
    count = owner.max() + 1
    kind, shift = rng.choice(3, count, p=(0.5, 0.3, 0.2)), rng.choice((0, 5, 6, 8, 16, 23), count)
    curves: Floats = np.array([np.roll(kinds[k], s) for k, s in zip(kind, shift, strict=True)])[owner]
    return curves


def _table(places: tuple[Workplace, ...], owner: Ints, rank: Ints, rng: np.random.Generator) -> pa.Table:
    many = len(owner)
    names = list(_CALLED)
    called = np.array([OFFER_NAMES.index(n) for n in rng.choice(names, many, p=list(_CALLED.values()))])
    also = np.array([OFFER_NAMES.index(n) for n in rng.choice(names, many, p=list(_CALLED.values()))])
    user = [int(rng.integers(0, max(1, places[o].keys // 2))) for o in owner]
    failing = np.clip(
        figures.FAILED_MEDIAN * np.exp(figures.FAILED_LOG_SD * rng.standard_normal(many)),
        figures.FAILED_LEAST,
        figures.FAILED_MOST,
    )
    source = rng.choice(SOURCES, many, p=(0.5, 0.25, 0.1, 0.1, 0.05))
    programs = [str(rng.choice(BROWSERS if s == "web" else PROGRAMS)) for s in source]
    pool = [np.arange(1, 2 + 2 * p.keys) for p in places]
    likely = [p**-1.0 / (p**-1.0).sum() for p in pool]
    few = np.clip(np.exp(np.log(VOICES_MEDIAN) + VOICES_LOG_SD * rng.standard_normal(many)), 1, VOICES_MOST).astype(int)
    voices = [rng.choice(pool[o], min(n, len(pool[o])), replace=False, p=likely[o]) for o, n in zip(owner, few, strict=True)]
    return pa.table(
        {
            "key": pa.array(np.arange(many), pa.uint32()),
            "workspace_id": [places[o].id for o in owner],
            "api_key_id": [f"key_{o:02x}{k:04x}" for o, k in zip(owner, rank, strict=True)],
            "user_id": [f"user_{o:02x}{u:04x}" for o, u in zip(owner, user, strict=True)],
            "group_ids": [[f"group_{u % 7}"] if u % 3 else [f"group_{u % 7}", "group_all"] for u in user],
            "called": pa.array(called + 1, pa.uint8()),
            "also": pa.array(also + 1, pa.uint8()),
            "also_share": pa.array(np.where(rng.random(many) < SECOND_OFFER, SECOND_SHARE, 0), pa.float32()),
            "voices": [[f"voice_{o:02x}{v:04x}" for v in found] for o, found in zip(owner, voices, strict=True)],
            "failing": pa.array(failing, pa.float32()),
            "spoken": _medians(figures.SPOKEN_TOKENS, many, rng),
            "prompt": _medians(figures.PROMPT_TOKENS, many, rng),
            "answer": _medians(figures.ANSWER_TOKENS, many, rng),
            "region": rng.choice(REGIONS, many, p=(0.5, 0.3, 0.1, 0.1)),
            "request_source": source,
            "surface": np.where(np.isin(source, ("web", "mobile")), source, "api"),
            "actor": np.where(source == "agents", "agent", np.where(source == "web", "user", "service_account")),
            "user_agent": programs,
            "ip": [f"10.{o}.{k % 250}.0/24" for o, k in zip(owner, rank, strict=True)],
            "customers": pa.array(np.minimum(1 + rng.zipf(1.6, many), 500), pa.uint16()),
        }
    )


def _medians(sizes: Sizes, many: int, rng: np.random.Generator) -> pa.Array:
    """Logarithms of everybody's median size."""
    return pa.array(sizes.log_median + sizes.log_median_sd * rng.standard_normal(many), pa.float32())


def lookup_sums() -> list[tuple[int, float]]:
    """Plain calls: place among the offers, counted from 1, and running share."""
    sums = np.cumsum(list(LOOKUPS.values()))
    return [(OFFER_NAMES.index(n) + 1, float(s)) for n, s in zip(LOOKUPS, sums, strict=True)]

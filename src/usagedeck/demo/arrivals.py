"""When the demo's callers call: one day at a time, with daily rhythm, wandering rates, on and off runs and clumps.

Pure: a day of a world is always the same. A day is made from numbers drawn for that day, its neighbours and its week, so
days can be made in any order and fit together.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from usagedeck.demo import figures
from usagedeck.demo.people import Caller, Company
from usagedeck.times import DAY, MINUTE, to_datetime, zone

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

SLOT = 10 * MINUTE
SLOTS = DAY // SLOT
DAYS_OF_BLOCK = 7
DAILY_REQUESTS = 15_800
"""Requests of all companies on an average day."""

AFTERLIFE_MS = 36 * 60 * MINUTE
AFTERLIFE_RATE = 0.15
"""A revoked key is still tried for a while, in vain."""


@dataclass(frozen=True)
class World:
    """What traffic is made from."""

    companies: tuple[Company, ...]
    seed: int
    born: int
    """Epoch milliseconds of day 0, from which the days of starting and revoked keys are counted."""

    def rng(self, purpose: str, *numbers: int) -> np.random.Generator:
        """Random numbers of their own for a purpose and, say, a day."""
        return np.random.default_rng([self.seed, *purpose.encode(), 256, *numbers])

    @cached_property
    def callers(self) -> tuple[tuple[Company, Caller], ...]:
        """Everybody who calls."""
        return tuple((company, caller) for company in self.companies for caller in company.callers)

    @cached_property
    def pace(self) -> "Pace":
        return _pace(self)


@dataclass(frozen=True)
class Pace:
    """How each caller calls, by index of the caller."""

    daily: Floats
    """Mean requests a day."""
    active: Floats
    """Share of the time in which it sends; 1 for steady ones."""
    gamma: Flags
    shape: Floats
    """Kind and shape of the gaps between arrivals."""
    company: Ints
    curve: Floats
    """Rate by hour of the local day, one row per caller."""
    starts: Floats
    ends: Floats
    """Epoch milliseconds; infinite when open."""


def _pace(world: World) -> Pace:
    rng = world.rng("pace")
    callers = [caller for _, caller in world.callers]
    many = len(callers)
    daily = []
    for company in world.companies:
        weights = np.arange(1, len(company.callers) + 1) ** -figures.CLIENT_ZIPF
        daily.append(DAILY_REQUESTS * company.share * weights / weights.sum())
    steady = np.array([caller.steady for caller in callers])
    drawn = figures.ACTIVE_SHARE_MEDIAN * np.exp(figures.ACTIVE_SHARE_LOG_SD * rng.standard_normal(many))
    rates = np.concatenate(daily)
    gamma, shape = _gaps(rng, many)
    rank = np.argsort(np.argsort(-rates))
    gamma, shape = gamma[rank], shape[rank]
    return Pace(
        daily=rates,
        active=np.where(steady, 1.0, np.clip(drawn, 0.04, figures.ACTIVE_SHARE_CAP)),
        gamma=gamma,
        shape=shape,
        company=np.array([world.companies.index(company) for company, _ in world.callers]),
        curve=np.array([caller.rhythm.curve for caller in callers]),
        starts=np.array([world.born + caller.starts * DAY if caller.starts else -np.inf for caller in callers]),
        ends=np.array([np.inf if caller.ends is None else world.born + caller.ends * DAY for caller in callers]),
    )


def _gaps(rng: np.random.Generator, many: int) -> tuple[Flags, Floats]:
    """Kind and shape of gaps, roughly the clumpiest first: busy callers are clumpier than others."""
    gamma = rng.random(many) < figures.GAMMA_SHARE
    medians, spreads = (np.where(gamma, g, w) for g, w in zip(figures.GAMMA_SHAPE, figures.WEIBULL_SHAPE, strict=True))
    shape = np.clip(medians * np.exp(spreads * rng.standard_normal(many)), 0.2, 4.0)
    clumpiness = np.where(gamma, shape**-0.5, shape**-1.2)
    order = np.argsort(-np.log(clumpiness) + 0.5 * rng.standard_normal(many))
    return gamma[order], shape[order]


def arrivals(world: World, day: int) -> tuple[Ints, Ints]:
    """Caller and instant of every request that begins on that UTC day (days since 1970), in order of time."""
    pace = world.pace
    rates = pace.daily[:, None] / SLOTS * _rhythm(world, day) * _wandering(world, day) * _runs(world, day) * _lives(world, day)
    rng = world.rng("arrivals", day)
    counts = rng.poisson(rates)
    callers, times = _clumps(pace, counts, rng)
    times += day * DAY
    order = np.lexsort((callers, times))
    return callers[order], times[order]


def _slots(day: int) -> Ints:
    return day * DAY + np.arange(SLOTS, dtype=np.int64) * SLOT


def _rhythm(world: World, day: int) -> Floats:
    """By local hour and weekday of each caller's company."""
    pace = world.pace
    result = np.empty((len(world.callers), SLOTS))
    for index, company in enumerate(world.companies):
        where = zone(company.time_zone)
        local = [to_datetime(int(at) + SLOT // 2).astimezone(where) for at in _slots(day)]
        hours = np.array([at.hour + at.minute / 60 for at in local])
        weekdays = np.array([figures.WEEKDAY[at.weekday()] for at in local])
        for row in np.flatnonzero(pace.company == index):
            result[row] = np.interp(hours, np.arange(24) + 0.5, pace.curve[row], period=24) * weekdays
    return result


def _wandering(world: World, day: int) -> Floats:
    """Factors of mean 1 that wander: by ten minutes and by day for each caller, by day for everybody."""
    many = len(world.callers)
    slots = [world.rng("slots", d).standard_normal((many, SLOTS)) for d in (day - 1, day)]
    minutes = _autoregressive(np.concatenate(slots, axis=1), figures.RATE_AR1)[:, SLOTS:]
    around = [_days(world, d) for d in (day - 1, day, day + 1)]
    position = np.arange(SLOTS) + SLOTS + 0.5
    centres = (np.arange(3) + 0.5) * SLOTS
    days = np.array([np.interp(position, centres, row) for row in np.stack(around, axis=1)])
    variance = figures.RATE_LOG_SD**2 + figures.CLIENT_DAY_LOG_SD**2 + figures.DAY_LOG_SD**2
    factors: Floats = np.exp(figures.RATE_LOG_SD * minutes + days - variance / 2)
    return factors


def _days(world: World, day: int) -> Floats:
    """Logarithm of each caller's factor for a day."""
    past = range(day - 7, day + 1)
    own = _autoregressive(
        np.stack([world.rng("days", d).standard_normal(len(world.callers)) for d in past], axis=1), figures.CLIENT_DAY_AR1
    )[:, -1]
    common = world.rng("day", day).standard_normal()
    logs: Floats = figures.CLIENT_DAY_LOG_SD * own + figures.DAY_LOG_SD * common
    return logs


def _autoregressive(noise: Floats, factor: float) -> Floats:
    """Unit-variance noise whose neighbouring columns are correlated by `factor`."""
    result = np.empty_like(noise)
    result[:, 0] = noise[:, 0]
    fresh = np.sqrt(1 - factor**2)
    for column in range(1, noise.shape[1]):
        result[:, column] = factor * result[:, column - 1] + fresh * noise[:, column]
    return result


def _runs(world: World, day: int) -> Floats:
    """0 while a caller is silent; while it sends, as much more as makes up for its silence."""
    block, offset = divmod(day, DAYS_OF_BLOCK)
    first = offset * SLOTS
    result = np.ones((len(world.callers), SLOTS))
    for row, share in enumerate(world.pace.active):
        if share < 1:
            on = _block_of_runs(world.rng("runs", block, row), float(share), DAYS_OF_BLOCK * SLOTS)
            result[row] = on[first : first + SLOTS] / max(share, on.mean())
    return result


def _block_of_runs(rng: np.random.Generator, share: float, slots: int) -> Flags:
    """Alternating runs of sending and silence over a number of ten minutes."""
    median, high = figures.ON_RUN_MINUTES
    to_sd = 1.2816  # standard deviations from the median to the 90th percentile
    on_sd, off_sd = np.log(high / median) / to_sd, np.log(figures.OFF_RUN_SPREAD) / to_sd
    on_mean = median * np.exp(on_sd**2 / 2)
    off_median = on_mean * (1 - share) / share / np.exp(off_sd**2 / 2)
    sends = bool(rng.random() < share)
    at = -float(rng.random()) * median
    result = np.zeros(slots, dtype=np.bool_)
    while at < slots * 10:
        length = (median if sends else off_median) * float(np.exp((on_sd if sends else off_sd) * rng.standard_normal()))
        end = at + max(10.0, length)
        if sends:
            result[max(0, round(at / 10)) : max(0, round(end / 10))] = True
        at, sends = end, not sends
    return result


def _lives(world: World, day: int) -> Floats:
    """Keys that are not made yet, and keys that are revoked."""
    pace, slots = world.pace, _slots(day)[None, :]
    alive = (slots >= pace.starts[:, None]) & (slots < pace.ends[:, None])
    haunting = (slots >= pace.ends[:, None]) & (slots < pace.ends[:, None] + AFTERLIFE_MS)
    factors: Floats = np.where(alive, 1.0, np.where(haunting, AFTERLIFE_RATE, 0.0))
    return factors


def _clumps(pace: Pace, counts: npt.NDArray[np.integer], rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Place each cell's arrivals inside its ten minutes, with gaps of the caller's own shape.

    A cell of n arrivals has n + 1 gaps, so that the last arrival is not always at the end.
    """
    rows, columns = np.nonzero(counts)
    sizes = counts[rows, columns]
    gaps = np.repeat(rows, sizes + 1)
    shape = pace.shape[gaps]
    length = np.where(pace.gamma[gaps], rng.standard_gamma(shape), rng.standard_exponential(len(gaps)) ** (1 / shape))
    length += 1e-9
    sums = np.cumsum(length)
    last = np.cumsum(sizes + 1) - 1
    before = np.concatenate(([0.0], sums[last[:-1]])) if len(last) else np.zeros(0)
    whole = sums[last] - before
    place = (sums - np.repeat(before, sizes + 1)) / np.repeat(whole, sizes + 1)
    inner = np.ones(len(gaps), dtype=np.bool_)
    inner[last] = False
    times = np.repeat(columns * SLOT, sizes) + np.minimum(place[inner] * SLOT, SLOT - 1)
    return np.repeat(rows, sizes), times.astype(np.int64)


def day_of(instant: int) -> int:
    """The UTC day an instant lies in, in days since 1970."""
    return instant // DAY

"""Does the demo's traffic look like real traffic? The ranges are what was measured on real services, with a margin."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pytest

from usagedeck.demo import figures
from usagedeck.demo.arrivals import Floats, Ints, World
from usagedeck.demo.calls import Calls, calls
from usagedeck.demo.companies import COMPANIES, HALCYON
from usagedeck.demo.deliveries import Deliveries, deliveries
from usagedeck.demo.failures import Incident, incidents
from usagedeck.demo.habits import Habits, habits
from usagedeck.demo.people import Endpoint
from usagedeck.demo.setup import DAYS, SEED
from usagedeck.times import DAY, HOUR, MINUTE

FIRST_DAYS = (20_750, 21_033, 21_406)
"""Demos begun at different times of different years, in days since 1970."""


@dataclass(frozen=True)
class Month:
    """All columns of a demo's first days."""

    world: World
    habits: Habits
    days: tuple[tuple[Calls, Deliveries], ...]

    def column(self, name: str) -> Ints:
        return np.concatenate([getattr(made, name) for made, _ in self.days])

    def attempts(self, name: str) -> Ints:
        return np.concatenate([getattr(made, name) for _, made in self.days])

    @property
    def company(self) -> Ints:
        return self.world.pace.company[self.column("caller")]


@lru_cache(maxsize=3)
def month(first: int) -> Month:
    world = World(COMPANIES, SEED, first * DAY)
    drawn = habits(world)
    days = []
    for day in range(first, first + DAYS):
        made = calls(world, drawn, day)
        days.append((made, deliveries(world, day, made)))
    return Month(world, drawn, tuple(days))


@pytest.fixture(params=FIRST_DAYS)
def traffic(request: pytest.FixtureRequest) -> Month:
    return month(request.param)


def test_there_is_as_much_of_it_as_is_promised(traffic: Month) -> None:
    assert 330_000 < len(traffic.column("time")) < 480_000
    assert 22_000 < len(traffic.attempts("time")) < 36_000
    big = traffic.company == COMPANIES.index(HALCYON)
    assert big.sum() >= 300_000
    assert 0.8 < big.mean() < 0.9


def test_few_callers_make_most_of_it(traffic: Month) -> None:
    shares = np.sort(np.bincount(traffic.column("caller")))[::-1] / len(traffic.column("caller"))
    assert 0.1 <= shares[0] <= 0.5
    assert 0.5 <= shares[:10].sum() <= 0.95


def test_it_comes_in_clumps(traffic: Month) -> None:
    """Index of dispersion of requests a minute, in the busier half of the hours: 1 would be a smooth Poisson stream."""
    first = traffic.world.born
    minutes = np.bincount((traffic.column("time") - first) // MINUTE, minlength=DAYS * 1440).reshape(-1, 60)
    totals = minutes.sum(axis=1)
    busy = minutes[totals > np.median(totals)]
    dispersion: Floats = busy.var(axis=1) / busy.mean(axis=1)
    assert 3 <= np.median(dispersion) <= 160
    assert dispersion.max() <= 160


def test_days_differ_and_hours_have_a_rhythm(traffic: Month) -> None:
    times = traffic.column("time")
    days = np.bincount((times - traffic.world.born) // DAY, minlength=DAYS)
    hours = np.bincount(times // HOUR % 24, minlength=24)
    assert 0.12 <= np.log(days).std() <= 0.5
    assert 1.4 <= hours.max() / hours.min() <= 12


def test_some_fail_and_not_everybody_equally(traffic: Month) -> None:
    failed = traffic.column("failed")
    assert 0.008 <= failed.mean() <= 0.08
    many = np.bincount(traffic.column("caller"), minlength=len(traffic.world.callers))
    share = np.bincount(traffic.column("caller"), weights=failed, minlength=len(many))[many > 500] / many[many > 500]
    assert share.min() < 0.01
    assert share.max() > 0.04


def test_latency_has_a_long_tail(traffic: Month) -> None:
    duration = traffic.column("duration")
    middle, high = np.percentile(duration, (50, 95))
    assert 3 <= high / middle <= 20
    assert 300 < middle < 3000
    called = traffic.column("status") == 101
    assert np.median(duration[called]) > 60_000


def test_a_key_above_its_limit_gets_nothing_until_the_minute_is_over(traffic: Month) -> None:
    refused = traffic.column("status") == 429
    minute = traffic.column("caller") * 2**40 + traffic.column("time") // MINUTE
    assert 0.001 < refused.mean() < 0.04
    limit = traffic.habits.limit[traffic.column("caller")]
    for hit in np.unique(minute[refused])[:200]:
        rows = np.flatnonzero(minute == hit)
        allowed = int(limit[rows[0]])
        assert not refused[rows[:allowed]].any()
        assert (refused | (traffic.column("status") == 401))[rows[allowed:]].all()


def test_there_are_two_incidents_a_month(traffic: Month) -> None:
    first = traffic.world.born // DAY
    found: set[Incident] = set()
    for day in range(first, first + DAYS):
        found |= set(incidents(traffic.world, day))
    assert len(found) == figures.INCIDENTS_PER_30_DAYS
    times, failed = traffic.column("time"), traffic.column("failed")
    for incident in found:
        inside = (times >= incident.start) & (times < incident.end)
        assert failed[inside].mean() > incident.share * 0.6
        assert failed[inside].mean() > 2 * failed.mean()


def test_revoked_keys_fall_silent(traffic: Month) -> None:
    """They are tried in vain for a while."""
    ends = traffic.world.pace.ends[traffic.column("caller")]
    times, status = traffic.column("time"), traffic.column("status")
    assert (status[times >= ends] == 401).all()
    assert (times < ends + 2 * DAY).all()
    assert (times >= traffic.world.pace.starts[traffic.column("caller")] - 10 * MINUTE).all()


def test_the_limit_of_concurrent_requests_is_reached_now_and_then(traffic: Month) -> None:
    rows = traffic.company == COMPANIES.index(HALCYON)
    times = np.concatenate([traffic.column("time")[rows], traffic.column("end")[rows]])
    steps = np.repeat([1, -1], rows.sum())
    order = np.lexsort((steps, times))
    active = np.cumsum(steps[order])
    assert HALCYON.concurrency_limit is not None
    assert HALCYON.concurrency_limit < active.max() < 5 * HALCYON.concurrency_limit
    assert 0 < traffic.column("waits").mean() < 0.02


def test_webhooks_mostly_work_one_is_flaky_and_one_is_dead(traffic: Month) -> None:
    company = np.concatenate([traffic.world.pace.company[made.caller][sent.call] for made, sent in traffic.days])
    webhook, ok = traffic.attempts("webhook"), traffic.attempts("status") == 200
    shares = {
        hook.endpoint: ok[(company == COMPANIES.index(HALCYON)) & (webhook == number)].mean()
        for number, hook in enumerate(HALCYON.webhooks)
    }
    assert shares[Endpoint.GOOD] > 0.99
    assert 0.85 < shares[Endpoint.FLAKY] < 0.97
    assert shares[Endpoint.DEAD] == 0
    assert traffic.attempts("attempt").max() == 5
    assert 0.8 < ok.mean() < 0.98

"""Requests of any number, made inside the engine and written straight into the product's own table.

Python draws how many requests every key makes in every quarter of an hour: hours and weekdays, days that differ, stretches
of calling and silence. The engine turns a quarter into rows whose columns are drawn from a hash of key, quarter and
number, so that the same seed gives the same rows. One event in a hundred arrives hours or weeks late, one in a hundred
arrives twice; both are inserted after the others of their week, with the versions the product would have given them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tests.bench import rows
from tests.bench.crowd import Crowd, Workplace, crowd
from usagedeck.deck import Deck
from usagedeck.demo import figures
from usagedeck.store.merging import monday
from usagedeck.times import DAY, HOUR, MINUTE, WEEK

QUARTER = 15 * MINUTE
_STEADY = figures.RATE_AR1**1.5
"""Correlation with the next quarter; the figure is for ten minutes."""
_RUN_AR1 = 0.93
"""Makes stretches of calling of some 20 minutes in the median and several hours at the top, as in ServeGen."""
ROWS_AT_ONCE = 500_000

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Span:
    """How much, and when: about `rows` requests in the `days` before `end`."""

    rows: int
    days: int
    end: int
    seed: int = 1

    @property
    def start(self) -> int:
        return self.end - self.days * DAY


@dataclass(frozen=True)
class Cells:
    """Requests of one week: for each key and quarter that has any, how many."""

    key: npt.NDArray[np.uint32]
    quarter: npt.NDArray[np.uint32]
    """Counted from the epoch."""
    count: npt.NDArray[np.uint32]


def fill(deck: Deck, places: tuple[Workplace, ...], span: Span) -> None:
    """Put the requests of a span into the store."""
    people = crowd(places, span.seed)
    client = deck.store._open(
        {
            "async_insert": "0",
            "insert_deduplicate": "0",
            "max_partitions_per_insert_block": "0",
            "max_insert_threads": "1",
            "min_insert_block_size_rows": str(ROWS_AT_ONCE),
            "min_insert_block_size_bytes": "0",
        }
    )
    try:
        client.command(rows.CREATE_CROWD)
        client.command(rows.CREATE_CELLS)
        client.insert_arrow("crowd", people.table)
        for cells in weeks(people, span):
            _week(client, cells, span)
    finally:
        client.close()


def _week(client: Any, cells: Cells, span: Span) -> None:
    if not cells.count.sum():
        return
    client.insert_arrow("cells", pa.table({"key": cells.key, "quarter": cells.quarter, "count": cells.count}))
    values = {"seed": span.seed, "end": span.end, "first": int(cells.quarter.min()), "last": int(cells.quarter.max()) + 1}
    for first, last in _pieces(cells):
        client.command(rows.INSERT_IN_TIME, parameters={**values, "first": first, "last": last})
    client.command(rows.INSERT_LATE, parameters=values)
    client.command(rows.INSERT_AGAIN, parameters={**values, "quarter": QUARTER})
    client.command("TRUNCATE TABLE cells")


def _pieces(cells: Cells) -> Iterator[tuple[int, int]]:
    """Stretches of quarters with about a million rows each: what is in flight at a time, and so memory, stays small."""
    low = int(cells.quarter.min())
    sums = np.cumsum(np.bincount(cells.quarter - low, cells.count))
    cuts = np.searchsorted(sums, np.arange(0, sums[-1], 2 * ROWS_AT_ONCE)[1:]) + 1
    yield from pairwise(dict.fromkeys([low, *(low + int(c) for c in cuts), int(cells.quarter.max()) + 1]))


def weeks(people: Crowd, span: Span) -> Iterator[Cells]:
    """Draw how many requests there are, a week of the store at a time."""
    rng = np.random.default_rng([span.seed, 2])
    many = len(people.rate)
    pace = rng.standard_normal(many).astype(np.float32)
    running = rng.standard_normal(many).astype(np.float32)
    level = _levels(people.active)
    day_of_all, day_of_one = 0.0, np.zeros(int(people.workplace.max()) + 1)
    weights = _week_weights(span)
    for start, weight in weights:
        quarters = np.arange(max(start, span.start) // QUARTER, min(start + WEEK, span.end) // QUARTER)
        expected = np.zeros((len(quarters), many), dtype=np.float32)
        for i, quarter in enumerate(quarters):
            at = int(quarter) * QUARTER
            if i == 0 or at % DAY == 0:
                day_of_all = figures.DAY_LOG_SD * rng.standard_normal()
                day_of_one = figures.CLIENT_DAY_AR1 * day_of_one + figures.CLIENT_DAY_LOG_SD * np.sqrt(
                    1 - figures.CLIENT_DAY_AR1**2
                ) * rng.standard_normal(len(day_of_one))
                day = np.exp(day_of_all + day_of_one)[people.workplace] * figures.WEEKDAY[(at // DAY + 3) % 7]
            pace = _wander(pace, _STEADY, rng)
            running = _wander(running, _RUN_AR1, rng)
            hour = people.curve[:, at // HOUR % 24]
            expected[i] = np.exp(figures.RATE_LOG_SD * pace) * (running > level) * day * hour * (people.rate / people.active)
        wanted = np.bincount(people.workplace, people.rate) * span.rows * weight
        drawn = np.bincount(people.workplace, expected.sum(axis=0))
        expected *= (wanted / np.maximum(drawn, 1e-30))[people.workplace].astype(np.float32)
        counts = rng.poisson(expected).astype(np.uint32)
        row, key = np.nonzero(counts)
        yield Cells(key.astype(np.uint32), quarters[row].astype(np.uint32), counts[row, key])


def _wander(state: Singles, keep: float, rng: np.random.Generator) -> Singles:
    fresh = rng.standard_normal(len(state), dtype=np.float32)
    moved: Singles = np.float32(keep) * state + np.float32(np.sqrt(1 - keep**2)) * fresh
    return moved


def _levels(active: npt.NDArray[np.float64]) -> Singles:
    """What a standard normal number exceeds in that share of cases."""
    sample = np.sort(np.random.default_rng(0).standard_normal(1_000_000))
    at = np.minimum(((1 - active) * len(sample)).astype(int), len(sample) - 1)
    levels: Singles = np.where(active >= 1, -np.inf, sample[at]).astype(np.float32)
    return levels


def _week_weights(span: Span) -> list[tuple[int, float]]:
    """The weeks of a span and their shares of its requests: by length and weekdays."""
    found = []
    for start in range(monday(span.start), span.end, WEEK):
        hours = range(max(start, span.start) // HOUR, min(start + WEEK, span.end) // HOUR)
        found.append((start, sum(figures.WEEKDAY[(h // 24 + 3) % 7] for h in hours)))
    total = sum(weight for _, weight in found)
    return [(start, weight / total) for start, weight in found]

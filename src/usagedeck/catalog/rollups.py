"""Rollups: caches of additive measures by some columns, which answer questions that name no others."""

from collections.abc import Mapping
from dataclasses import dataclass

from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.measures import MEASURES, VALUES, Measure


def rollup_table(name: str) -> str:
    """Where the store keeps the rollup of that name."""
    return f"rollup_{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollup:
    """A cache of measures by some columns: what it holds is recomputed from the events, never counted up.

    It answers a question that names no other column. Which ones exist was decided by measurement, see
    `docs/decisions/0008-rollups.md`.
    """

    name: str
    help: str
    columns: tuple[str, ...]
    """Stored columns besides the workspace, those with the fewest values first."""
    of: Subject = Subject.REQUESTS
    activity: bool = False
    """Holds what was active in every minute, instead of sums by the time of the beginning."""
    values: tuple[str, ...] = ()
    """Names of the `VALUES` that it keeps."""
    only: tuple[str, ...] | None = None
    """Names of the measures it has, when these are not all that fit."""

    @property
    def table(self) -> str:
        return rollup_table(self.name)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """All measures of its subject that can be joined over parts of a bucket, and the values it keeps."""
        joined = (m for m in MEASURES.values() if m.of is self.of and m.merge and m.activity == self.activity)
        fitting = (*joined, *(VALUES[name] for name in self.values))
        return fitting if self.only is None else tuple(m for m in fitting if m.name in self.only)

    def tells(self, measure: Measure) -> bool:
        """Whether its rows are enough for the measure."""
        return (measure.values or measure.name) in (m.name for m in self.measures)


ROLLUPS: Mapping[str, Rollup] = {
    r.name: r
    for r in (
        Rollup(
            name="calls",
            help="What was called and what became of it.",
            columns=("method", "product_type", "model", "status", "request_source", "region", "route"),
            values=("latencies",),
        ),
        Rollup(name="voices", help="Voices in use.", columns=("product_type", "model", "voice_id")),
        Rollup(
            name="keys",
            help="Who called what.",
            columns=("method", "product_type", "model", "status", "route", "user_id", "api_key_id"),
        ),
        Rollup(
            name="sendings",
            help="Webhook deliveries by endpoint.",
            columns=("webhook_id", "event_type", "status", "attempt", "url"),
            of=Subject.DELIVERIES,
        ),
        Rollup(name="activity", help="Requests active at once, by the minute.", columns=(), activity=True),
    )
}
"""In the order in which they are tried: the first that holds all that a question needs answers it."""

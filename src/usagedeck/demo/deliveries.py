"""Webhook deliveries that follow the demo's requests: messages about finished jobs, and the attempts to deliver them."""

from dataclasses import dataclass

import numpy as np

from usagedeck.demo import figures
from usagedeck.demo.arrivals import Flags, Floats, Ints, World
from usagedeck.demo.calls import Calls
from usagedeck.demo.products import OFFERS
from usagedeck.times import SECOND

MESSAGES: dict[int, tuple[str, str]] = {
    0: ("timeout", "The endpoint did not answer within 10 seconds."),
    403: ("forbidden", "The endpoint answered 403 Forbidden."),
    404: ("not_found", "The endpoint answered 404 Not Found."),
    429: ("too_many_requests", "The endpoint answered 429 Too Many Requests."),
    500: ("server_error", "The endpoint answered 500 Internal Server Error."),
    502: ("bad_gateway", "The endpoint answered 502 Bad Gateway."),
}
"""Code and message of a failed attempt."""


@dataclass(frozen=True)
class Deliveries:
    """Columns, one entry per attempt."""

    call: Ints
    """Row of the request that caused it."""
    webhook: Ints
    """Index of the company's webhook."""
    message: Ints
    """Number of the message within the day; its attempts share it."""
    attempt: Ints
    time: Ints
    status: Ints
    duration: Ints

    @property
    def end(self) -> Ints:
        return self.time + self.duration


def deliveries(world: World, day: int, calls: Calls) -> Deliveries:
    """Every attempt caused by the requests of a UTC day; the last ones may be tried on the next day."""
    rng = world.rng("deliveries", day)
    call, webhook, failing = _messages(world, calls, rng)
    message = np.arange(len(call))
    due = calls.end[call] + rng.integers(20, 400, len(call))
    attempts: list[Deliveries] = []
    for number in range(1, len(figures.RETRY_AFTER_S) + 2):
        many = len(call)
        failed = rng.random(many) < failing
        status = _statuses(failed, rng)
        drawn = figures.DELIVERY_MS * np.exp(figures.DELIVERY_LOG_SD * rng.standard_normal(many))
        within = np.minimum(drawn, figures.DELIVERY_TIMEOUT_MS - 1)
        duration = np.where(status == 0, figures.DELIVERY_TIMEOUT_MS, np.maximum(1, np.rint(within))).astype(np.int64)
        attempts.append(Deliveries(call, webhook, message, np.full(many, number), due, status, duration))
        if number > len(figures.RETRY_AFTER_S):
            break
        pause = figures.RETRY_AFTER_S[number - 1] * SECOND
        due = (due + duration + pause + rng.integers(0, 500, many))[failed]
        call, webhook, message, failing = call[failed], webhook[failed], message[failed], failing[failed]
    names = ("call", "webhook", "message", "attempt", "time", "status", "duration")
    return Deliveries(*(np.concatenate([getattr(part, name) for part in attempts]) for name in names))


def _messages(world: World, calls: Calls, rng: np.random.Generator) -> tuple[Ints, Ints, Floats]:
    """Which finished job is told to which webhook, and the share of attempts that fail there."""
    told = np.array([offer.event_type for offer in OFFERS.values()])[calls.offer]
    company_of = world.pace.company[calls.caller]
    found: list[tuple[Ints, Ints, Floats]] = []
    for index, company in enumerate(world.companies):
        for number, webhook in enumerate(company.webhooks):
            fits = (company_of == index) & ~calls.failed & np.isin(told, webhook.events)
            rows = np.flatnonzero(fits & (rng.random(len(told)) < webhook.share))
            found.append((rows, np.full(len(rows), number), np.full(len(rows), webhook.endpoint.failing)))
    call, hook, failing = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return call, hook, failing


def _statuses(failed: Flags, rng: np.random.Generator) -> Ints:
    shares = np.array(list(figures.DELIVERY_STATUS.values()))
    drawn = rng.choice(list(figures.DELIVERY_STATUS), size=len(failed), p=shares / shares.sum())
    return np.where(failed, drawn, 200)

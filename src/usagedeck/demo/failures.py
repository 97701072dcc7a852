"""Which of the demo's requests fail: a caller's own share, keys above their limit, revoked keys, and incidents for all."""

from dataclasses import dataclass

import numpy as np

from usagedeck.demo import figures
from usagedeck.demo.arrivals import Flags, Floats, Ints, World
from usagedeck.demo.habits import Habits
from usagedeck.demo.products import Work
from usagedeck.times import DAY, HOUR, MINUTE

OK = 0
"""Stands for the status of success, which depends on the product."""

MESSAGES: dict[int, tuple[tuple[str, str], ...]] = {
    400: (
        ("unsupported_output_format", "The output format is not supported by this model."),
        ("invalid_request", "Bad request."),
    ),
    401: (("quota_exceeded", "This key's credit quota is used up."), ("missing_permissions", "The key may not do this.")),
    404: (("not_found", "Nothing was found under this id."),),
    422: (("validation_error", "Field required."), ("validation_error", "Input should be a valid string: model_id.")),
    499: (("client_closed_request", "The client closed the connection before the answer was complete."),),
    500: (("internal_error", "Something went wrong on our side."),),
    502: (("bad_gateway", "The model server closed the connection."),),
    503: (("service_unavailable", "The service is busy; try again in a few seconds."),),
    504: (("gateway_timeout", "The model server did not answer in time."),),
}
SPEECH_MESSAGES: dict[int, tuple[tuple[str, str], ...]] = {
    400: (
        ("invalid_voice_settings", "stability must be between 0.0 and 1.0."),
        ("text_too_long", "The text is longer than this model takes in one request."),
    ),
    404: (("voice_not_found", "A voice with this id was not found."),),
}
"""Codes and messages by status: of any call, and those of speech where they differ."""

REVOKED = ("invalid_api_key", "Invalid API key.")


@dataclass(frozen=True, slots=True)
class Incident:
    """A time in which a share of everybody's requests fails."""

    start: int
    end: int
    share: float


def incidents(world: World, day: int) -> list[Incident]:
    """Incidents that meet a UTC day. Each stretch of days has one, near its middle and in Europe's or America's daytime."""
    stretch = 30 // figures.INCIDENTS_PER_30_DAYS
    first = world.born // DAY
    found = []
    for number in ((day - 1 - first) // stretch, (day - first) // stretch):
        rng = world.rng("incident", number % 2**32)
        at = (first + number * stretch + stretch // 2 + int(rng.integers(-3, 4))) * DAY + int(rng.integers(8 * HOUR, 18 * HOUR))
        minutes = rng.uniform(*figures.INCIDENT_MINUTES)
        incident = Incident(at, at + int(minutes * MINUTE), float(rng.uniform(*figures.INCIDENT_FAILED)))
        if incident.start < (day + 1) * DAY and incident.end > day * DAY and incident not in found:
            found.append(incident)
    return found


def statuses(world: World, habits: Habits, day: int, callers: Ints, times: Ints) -> Ints:
    """`OK`, or the status of failure, of each request of a day (in order of time)."""
    rng = world.rng("failures", day)
    many = len(times)
    status = np.zeros(many, dtype=np.int64)
    _mix(status, rng.random(many) < habits.failing[callers], figures.STATUS_MIX, rng)
    for incident in incidents(world, day):
        inside = (times >= incident.start) & (times < incident.end)
        _mix(status, inside & (rng.random(many) < incident.share), figures.INCIDENT_STATUS, rng)
    status[_above_limit(habits, callers, times)] = 429
    status[times >= world.pace.ends[callers]] = 401
    return status


def _mix(status: Ints, where: Flags, mix: dict[int, float], rng: np.random.Generator) -> None:
    shares: Floats = np.array(list(mix.values()))
    status[where] = rng.choice(list(mix), size=int(where.sum()), p=shares / shares.sum())


def _above_limit(habits: Habits, callers: Ints, times: Ints) -> Flags:
    """All requests of a key after its limit, until the minute is over."""
    minute = callers * 2**40 + times // MINUTE
    order = np.argsort(minute, kind="stable")
    ordered = minute[order]
    begins = np.concatenate(([True], ordered[1:] != ordered[:-1])) if len(ordered) else np.zeros(0, dtype=np.bool_)
    number = np.arange(len(ordered)) - np.maximum.accumulate(np.where(begins, np.arange(len(ordered)), 0))
    above = np.zeros(len(times), dtype=np.bool_)
    above[order] = number >= habits.limit[callers[order]]
    return above


def error(status: int, work: Work, number: int, limit: int, *, revoked: bool) -> dict[str, str]:
    """What a failed request says; `number` picks one of several reasons."""
    if status == 429:
        return {"code": "rate_limit_exceeded", "message": f"The limit of {limit} requests per minute is reached."}
    known = SPEECH_MESSAGES if work is Work.SPEECH and status in SPEECH_MESSAGES else MESSAGES
    code, message = REVOKED if revoked else known[status][number % len(known[status])]
    return {"code": code, "message": message}

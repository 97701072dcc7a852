"""The demo's traffic as events of the collecting door: a pure function of a world and a stretch of time.

An event is there when what it tells is over: a request when its answer is complete, an attempt to deliver when the
endpoint has answered or not. Any two adjoining stretches together give exactly the events of the whole, so traffic can be
made in pieces, in advance or as time goes by, and asking again for the same stretch gives the same events.
"""

import heapq
from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np

from usagedeck.demo import deliveries, exchanges, failures
from usagedeck.demo.arrivals import Ints, World
from usagedeck.demo.calls import Calls, calls
from usagedeck.demo.deliveries import Deliveries
from usagedeck.demo.habits import Habits, habits
from usagedeck.demo.people import Company
from usagedeck.demo.products import OFFERS, Offer, Work
from usagedeck.times import DAY, HOUR, local_date, zone

REACH = 2 * HOUR
"""Longer than from the start of any request to the last attempt to tell a webhook about it."""

OVERAGE_AFTER = timedelta(days=24)
"""Into the billing period the credits of the plan are used up. Assumed."""

DAYS_KEPT = 2
_OFFERS = tuple(OFFERS.values())
_BASE32 = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", dtype="S1")


class Sent(NamedTuple):
    """One event and when it is sent."""

    at: int
    workspace_id: str
    event: dict[str, object]


class Traffic:
    """The events of a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._habits = habits(world)
        self._days: dict[int, _Day] = {}

    def between(self, start: int, end: int) -> Iterator[Sent]:
        """The events that are sent in [start, end), in order. Epoch milliseconds."""
        while start < end:
            stop = min(end, (start // DAY + 1) * DAY)
            days = range((start - REACH) // DAY, start // DAY + 1)
            yield from heapq.merge(*(self._day(day).between(start, stop) for day in days), key=lambda sent: sent.at)
            start = stop

    def _day(self, day: int) -> "_Day":
        made = self._days.pop(day, None) or _Day(self.world, self._habits, day)
        self._days[day] = made  # last, so that the first is the one unused for longest
        while len(self._days) > DAYS_KEPT:
            del self._days[next(iter(self._days))]
        return made


class _Day:
    """What the requests that begin on one UTC day lead to."""

    def __init__(self, world: World, habits_: Habits, day: int) -> None:
        self._world = world
        self._habits = habits_
        self._calls: Calls = calls(world, habits_, day)
        self._deliveries: Deliveries = deliveries.deliveries(world, day, self._calls)
        rng = world.rng("ids", day)
        many = len(self._calls.time)
        self._ids = _sortable_ids(self._calls.time, rng)
        self._traces = rng.bytes(16 * many).hex()
        self._attempt_ids = _sortable_ids(self._deliveries.time, rng)
        first = self._deliveries.attempt == 1
        self._message_ids = [id_ for id_, is_first in zip(self._attempt_ids, first.tolist(), strict=True) if is_first]
        self._charge_types = [_charge_type(company, day * DAY) for company in world.companies]
        ends = np.concatenate([self._calls.end, self._deliveries.end])
        self._order = np.argsort(ends, kind="stable")
        self._ends = ends[self._order]

    def between(self, start: int, end: int) -> Iterator[Sent]:
        first, last = np.searchsorted(self._ends, (start, end)).tolist()
        requests = len(self._ids)
        for at, row in zip(self._ends[first:last].tolist(), self._order[first:last].tolist(), strict=True):
            yield self._request(at, row) if row < requests else self._delivery(at, row - requests)

    @cached_property
    def _columns(self) -> dict[str, list[int]]:
        """The requests' whole numbers, by name of the column."""
        names = ("time", "caller", "offer", "status", "duration", "first", "voice", "credits", "customer", "waits")
        return {name: getattr(self._calls, name).tolist() for name in names}

    @cached_property
    def _amounts(self) -> dict[str, list[float]]:
        """Numbers that are sent where they apply, by name of the field."""
        c = self._calls
        columns = {"ttfb_ms": c.first, "characters": c.characters, "audio_seconds": c.audio, "input_tokens": c.read}
        more = {"output_tokens": c.written, "charge_count": c.charged}
        return {name: column.tolist() for name, column in {**columns, **more}.items()}

    def _request(self, at: int, row: int) -> Sent:
        columns = self._columns
        caller_, status = columns["caller"][row], columns["status"][row]
        company, caller = self._world.callers[caller_]
        offer = _OFFERS[columns["offer"][row]]
        event: dict[str, object] = {
            "id": f"req_{self._ids[row]}",
            "time": columns["time"][row],
            "method": offer.method,
            "route": offer.path,
            "path": self._path(offer.path, row),
            "status": status,
            "duration_ms": columns["duration"][row],
            "trace_id": self._traces[32 * row : 32 * row + 32],
            **self._habits.constant[caller_],
            **{name: numbers[row] for name, numbers in self._amounts.items() if numbers[row] >= 0},
        }
        if offer.work is not Work.LOOKUP:
            event |= self._use(row, offer)
        if status >= 400:
            revoked = columns["time"][row] >= self._world.pace.ends[caller_]
            event["error"] = failures.error(status, offer.work, row, int(self._habits.limit[caller_]), revoked=revoked)
        attributes = {"env": caller.env} if caller.env else {}
        if (customer := columns["customer"][row]) >= 0:
            attributes["customer"] = company.customers[customer]
        if attributes:
            event["attributes"] = attributes
        if company.exchanges:
            event |= exchanges.of_request(event, offer)
        return Sent(at, company.id, event)

    def _path(self, template: str, row: int) -> str:
        if "{" not in template:
            return template
        caller, voice = self._columns["caller"][row], self._columns["voice"][row]
        voice_id = self._world.callers[caller][0].voices[voice].id if voice >= 0 else ""
        path = template.replace("{voice_id}", voice_id).replace("{agent_id}", self._habits.agents[caller])
        return path.replace("{conversation_id}", self._conversation(row))

    def _conversation(self, row: int) -> str:
        return f"conv_{self._ids[row][10:]}"

    def _use(self, row: int, offer: Offer) -> dict[str, object]:
        """What was used and charged."""
        columns = self._columns
        caller, voice, credit = columns["caller"][row], columns["voice"][row], columns["credits"][row]
        company = self._world.callers[caller][0]
        use: dict[str, object] = {"product_type": offer.product, "credits": credit}
        if offer.model:
            use["model"] = offer.model
        if voice >= 0:
            use["voice_id"] = company.voices[voice].id
            use["voice_multiplier"] = company.voices[voice].multiplier
        if company.concurrency_limit is not None:
            use["request_queue_type"] = "low" if columns["waits"][row] else "high"
        if offer.work in (Work.CALL, Work.CHAT):
            use["resource_id"] = self._habits.agents[caller]
        if offer.work is Work.CALL:
            use["subresource_id"] = self._conversation(row)
        if columns["status"][row] < 400:
            use["cost"] = credit * company.credit_price / 1_000_000
            use["charge_type"] = self._charge_types[self._world.pace.company[caller]]
        return use

    def _delivery(self, at: int, row: int) -> Sent:
        d = self._deliveries
        call = int(d.call[row])
        caller = int(self._calls.caller[call])
        company = self._world.callers[caller][0]
        webhook = company.webhooks[int(d.webhook[row])]
        status = int(d.status[row])
        event: dict[str, object] = {
            "kind": "delivery",
            "id": f"att_{self._attempt_ids[row]}",
            "message_id": f"msg_{self._message_ids[int(d.message[row])]}",
            "time": int(d.time[row]),
            "webhook_id": webhook.id,
            "event_type": _OFFERS[int(self._calls.offer[call])].event_type,
            "url": webhook.url,
            "attempt": int(d.attempt[row]),
            "status": status,
            "duration_ms": int(d.duration[row]),
            "request_id": f"req_{self._ids[call]}",
            "user_id": self._habits.constant[caller]["user_id"],
        }
        if status != 200:
            code, message = deliveries.MESSAGES[status]
            event["error"] = {"code": code, "message": message}
        if company.exchanges:
            event |= exchanges.of_delivery(event)
        return Sent(at, company.id, event)


def _sortable_ids(times: Ints, rng: np.random.Generator) -> list[str]:
    """26 letters and digits each: 10 of the time, 16 at random."""
    digits = np.empty((len(times), 26), dtype=np.int64)
    for place in range(10):
        digits[:, 9 - place] = times >> (5 * place) & 31
    digits[:, 10:] = rng.integers(0, 32, (len(times), 16))
    found: list[str] = _BASE32[digits].view("S26").ravel().astype("U26").tolist()
    return found


def _charge_type(company: Company, instant: int) -> str:
    today = local_date(instant, zone(company.time_zone))
    month = today if today.day >= company.billing_day else today.replace(day=1) - timedelta(days=1)
    began = month.replace(day=company.billing_day)
    return "overage" if today - began >= OVERAGE_AFTER else "usage"

"""What every number means, one by one, in slow and obvious Python: fractions, loops, no database.

Nothing here comes from the product. An event is a dict with every field; an absent number is None, an absent text is "".
"""

import statistics
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise, product
from operator import itemgetter
from typing import Any

from tests.oracle.clockwalk import Size, starts

Event = Mapping[str, Any]
Cell = Any
Series = tuple[Cell, ...]

ABSENT_NUMBERS = (
    *("status", "duration_ms", "ttfb_ms", "credits", "characters", "audio_seconds", "input_tokens", "output_tokens"),
    *("cost", "charge_count", "voice_multiplier", "attempt"),
)
AMOUNTS = ("credits", "audio_seconds", "cost", "charge_count", "voice_multiplier")


# --- which arrival counts -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Arrival:
    """An event as it was sent, and when."""

    sent: Mapping[str, Any]
    at: int


def kept(arrivals: Iterable[Arrival], kind: str, fill: Callable[[Mapping[str, Any]], dict[str, Any]]) -> list[Event]:
    """Of all arrivals with one time and one id, the first; with what we fill in."""
    first: dict[tuple[int, str], Event] = {}
    for arrival in arrivals:
        if arrival.sent.get("kind", "request") != kind:
            continue
        identity = (arrival.sent["time"], arrival.sent["id"])
        if identity not in first:
            first[identity] = fill(arrival.sent) | {"arrived": arrival.at}
    return list(first.values())


# --- deliveries ---------------------------------------------------------------------------------------------------

OUTCOME = ("status", "attempt", "duration_ms", "error_code", "error_message")


def joined(attempts: Iterable[Event], reach: int) -> list[Event]:
    """Deliveries: the first attempt, what became of it at the last one, how many there were, and how long it took.

    Of one user, webhook and message, an attempt with no other one up to `reach` before it is a first one; it and those that
    follow up to `reach` after it are the delivery. Of attempts at one instant, the lower number came first, then the lower id.
    """
    found: list[Event] = []
    groups: dict[tuple[str, ...], list[Event]] = {}
    for attempt in attempts:
        groups.setdefault((attempt["user_id"], attempt["webhook_id"], attempt["message_id"]), []).append(attempt)
    for group in groups.values():
        ordered = sorted(group, key=lambda e: (e["time"], e["attempt"] or 0, e["id"]))
        for place, first in enumerate(ordered):
            if any(first["time"] - earlier["time"] <= reach for earlier in ordered[:place]):
                continue
            mine = [e for e in ordered[place:] if e["time"] - first["time"] <= reach]
            last = mine[-1]
            took = None
            if attempt_succeeded(last):
                delivered = next(e for e in mine if attempt_succeeded(e))
                if delivered["duration_ms"] is not None:
                    took = delivered["time"] + delivered["duration_ms"] - first["time"]
            found.append({**first, **{name: last[name] for name in OUTCOME}, "tries": len(mine), "took_ms": took})
    return found


# --- metrics ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slice:
    """One bucket of one series, cut by the window."""

    began: list[Event] = field(default_factory=list)
    """Events that began inside."""
    busy: list[tuple[int, int]] = field(default_factory=list)
    """When requests were active inside, those begun earlier included."""
    length: int = 0
    """Milliseconds inside the window that have passed."""
    limit: int | None = None
    """How many requests may be active at once."""


def _sum(name: str) -> Callable[[Slice], Any]:
    return lambda s: sum(e[name] for e in s.began if e[name] is not None)


def _count(holds: Callable[[Event], bool]) -> Callable[[Slice], int]:
    return lambda s: len([e for e in s.began if holds(e)])


def _share(part: int | Fraction, whole: int | Fraction) -> float | None:
    return float(Fraction(part) / Fraction(whole)) if whole else None


def _mean(name: str) -> Callable[[Slice], float | None]:
    def mean(s: Slice) -> float | None:
        values = [e[name] for e in s.began if e[name] is not None]
        return float(statistics.mean(Fraction(v) for v in values)) if values else None

    return mean


def percentile(values: Sequence[int], percent: int) -> float | None:
    """numpy's default: linear between order statistics; two decimals."""
    if not values:
        return None
    ordered = sorted(values)
    place = Fraction(percent, 100) * (len(ordered) - 1)
    below = place.numerator // place.denominator
    above = min(below + 1, len(ordered) - 1)
    exact = ordered[below] + (ordered[above] - ordered[below]) * (place - below)
    return float(round(exact, 2))


def _percentile(name: str, percent: int) -> Callable[[Slice], float | None]:
    return lambda s: percentile([e[name] for e in s.began if e[name] is not None], percent)


def _peak(s: Slice) -> int:
    """The most requests that are active at one instant; it can only be reached when one begins."""
    return max((sum(begin <= at < end for begin, end in s.busy) for at, _ in s.busy), default=0)


def _over_limit(s: Slice) -> float | None:
    """From one change to the next, how many are active is the same."""
    if s.limit is None:
        return None
    changes = sorted({at for stretch in s.busy for at in stretch})
    over = sum(until - at for at, until in pairwise(changes) if sum(begin <= at < end for begin, end in s.busy) > s.limit)
    return _share(over, max(s.length, 0))


def answered(e: Event) -> bool:
    return e["status"] is not None


def request_succeeded(e: Event) -> bool:
    return answered(e) and (e["status"] == 101 or 200 <= e["status"] <= 399)


def attempt_succeeded(e: Event) -> bool:
    return answered(e) and 200 <= e["status"] <= 299


REQUEST_METRICS: dict[str, Callable[[Slice], Any]] = {
    "requests": lambda s: len(s.began),
    "credits": _sum("credits"),
    "characters": _sum("characters"),
    "minutes": lambda s: float(Fraction(_sum("audio_seconds")(s)) / 60),
    "input_tokens": _sum("input_tokens"),
    "output_tokens": _sum("output_tokens"),
    "cost": _sum("cost"),
    "charge_count": _sum("charge_count"),
    "billable_requests": _count(lambda e: (e["credits"] or 0) > 0 or (e["cost"] or 0) > 0),
    "errors": _count(lambda e: answered(e) and not request_succeeded(e)),
    "success_rate": lambda s: _share(_count(request_succeeded)(s), _count(answered)(s)),
    "latency_avg": _mean("duration_ms"),
    "latency_p50": _percentile("duration_ms", 50),
    "latency_p95": _percentile("duration_ms", 95),
    "latency_p99": _percentile("duration_ms", 99),
    "ttfb_avg": _mean("ttfb_ms"),
    "ttfb_p95": _percentile("ttfb_ms", 95),
    "concurrency": _peak,
    "concurrency_average": lambda s: _share(sum(end - begin for begin, end in s.busy), max(s.length, 0)),
    "concurrency_over_limit": _over_limit,
}
DELIVERY_METRICS: dict[str, Callable[[Slice], Any]] = {
    "attempts": lambda s: len(s.began),
    "attempt_errors": _count(lambda e: answered(e) and not attempt_succeeded(e)),
    "attempt_success_rate": lambda s: _share(_count(attempt_succeeded)(s), _count(answered)(s)),
    "retries": _count(lambda e: e["attempt"] is not None and e["attempt"] > 1),
    "attempt_latency_avg": _mean("duration_ms"),
    "attempt_latency_p50": _percentile("duration_ms", 50),
    "attempt_latency_p95": _percentile("duration_ms", 95),
    "attempt_latency_p99": _percentile("duration_ms", 99),
}
JOINED_METRICS: dict[str, Callable[[Slice], Any]] = {
    "deliveries": lambda s: len(s.began),
    "deliveries_succeeded": _count(attempt_succeeded),
    "delivery_errors": _count(lambda e: answered(e) and not attempt_succeeded(e)),
    "delivery_success_rate": lambda s: _share(_count(attempt_succeeded)(s), _count(answered)(s)),
    "deliveries_retried": _count(lambda e: e["tries"] > 1),
    "attempts_per_delivery": _mean("tries"),
    "delivery_time_avg": _mean("took_ms"),
    "delivery_time_p50": _percentile("took_ms", 50),
    "delivery_time_p95": _percentile("took_ms", 95),
    "delivery_time_p99": _percentile("took_ms", 99),
}
"""Of deliveries that were `joined`."""
METRICS = REQUEST_METRICS | DELIVERY_METRICS | JOINED_METRICS

ADDITIVE = {
    *("requests", "credits", "characters", "minutes", "input_tokens", "output_tokens", "cost", "charge_count"),
    *("billable_requests", "errors", "attempts", "attempt_errors", "retries"),
    *("deliveries", "deliveries_succeeded", "delivery_errors", "deliveries_retried"),
}
ACTIVITY = {"concurrency", "concurrency_average", "concurrency_over_limit"}


# --- dimensions ---------------------------------------------------------------------------------------------------


def _status_class(e: Event) -> str:
    if e["status"] is None:
        return ""
    return "no answer" if e["status"] == 0 else f"{e['status'] // 100}xx"


_AS_SENT = (
    *("product_type", "voice_id", "api_key_id", "model", "user_id", "route", "path", "method", "status", "error_code"),
    *("region", "request_source", "request_queue_type", "voice_multiplier", "resource_id", "subresource_id", "currency"),
    *("charge_type", "billing_group_id", "surface", "actor", "webhook_id", "url", "event_type", "attempt", "user_agent"),
    *("ip", "time", "id", "trace_id", "message_id", "request_id", "duration_ms", "ttfb_ms", "credits", "error_message"),
    *("characters", "audio_seconds", "input_tokens", "output_tokens", "cost", "charge_count", "arrived"),
)
DIMENSIONS: dict[str, Callable[[Event], Any]] = {
    **{name: itemgetter(name) for name in _AS_SENT},
    "has_api_key": lambda e: e["api_key_id"] != "",
    "status_class": _status_class,
    "success": lambda e: request_succeeded(e) if answered(e) else None,
    "workspace_id": lambda e: e["workspace_id"],
    "group_id": lambda e: e["group_ids"],
    **{name: itemgetter(name) for name in ("tries", "took_ms")},  # of deliveries that were `joined`
}


def values_of(event: Event, dimension: str) -> list[Cell]:
    """The values an event has in a dimension; None stands for absent."""
    if dimension.startswith("attributes."):
        found: Any = event["attributes"].get(dimension.removeprefix("attributes."), "")
    else:
        found = DIMENSIONS[dimension](event)
    if isinstance(found, list):
        return list(found) or [None]
    return [None if found == "" else found]


# --- filters ------------------------------------------------------------------------------------------------------


def holds(event: Event, dimension: str, op: str, wanted: Sequence[Cell]) -> bool:
    """Does the event pass `dimension op wanted`?"""
    cells = values_of(event, dimension)
    if op in ("eq", "in"):
        return any(cell in wanted for cell in cells)
    if op in ("neq", "not_in"):
        return not any(cell in wanted for cell in cells)
    if op == "contains":
        return any(text.lower() in (cell or "").lower() for text in wanted for cell in cells)
    if op == "starts_with":
        return any((cell or "").startswith(text) for text in wanted for cell in cells)
    (bound,) = wanted
    compare = {"lt": lambda c: c < bound, "le": lambda c: c <= bound, "gt": lambda c: c > bound, "ge": lambda c: c >= bound}
    return any(cell is not None and compare[op](cell) for cell in cells)


# --- questions ----------------------------------------------------------------------------------------------------

OTHER = "the other series"


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A question over time in the oracle's own words."""

    start: int
    end: int
    zone: str
    size: Size
    metrics: tuple[str, ...]
    by: tuple[str, ...] = ()
    top: int | None = None
    cumulative: bool = False
    now: int
    limit: int | None = 2
    """The workspace's, of concurrent requests."""


def _series(event: Event, by: Sequence[str]) -> list[Any]:
    return list(product(*(values_of(event, name) for name in by)))


def as_text(cell: Cell) -> str:
    """How menus spell a value, and what ties are broken by."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    return f"{cell.normalize():f}" if isinstance(cell, Decimal) else str(cell)


def ranking(events: Iterable[Event], ask: Ask) -> list[Series]:
    """All series by total of the first metric (by events when it does not add up), largest first, ties by value."""
    groups: dict[Series, list[Event]] = {}
    for event in events:
        if ask.start <= event["time"] < ask.end:
            for series in _series(event, ask.by):
                groups.setdefault(series, []).append(event)
    amount = METRICS[ask.metrics[0]] if ask.metrics[0] in ADDITIVE else lambda s: len(s.began)
    return sorted(groups, key=lambda s: (-amount(Slice(groups[s])), *(as_text(cell) for cell in s)))


def usage(events: Sequence[Event], ask: Ask) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """(first instant, end, series …) → values of the metrics. Without a breakdown, every bucket."""
    listed = None if ask.top is None else ranking(events, ask)[: ask.top]
    edges = starts(ask.zone, ask.size, ask.start, ask.end)
    buckets = list(pairwise(edges))
    passed = min(ask.end, ask.now)
    slices: dict[tuple[int, Any], Slice] = {}

    def slice_of(index: int, series: Any) -> Slice:
        begin, end = buckets[index]
        return slices.setdefault((index, series), Slice(length=min(end, passed) - max(begin, ask.start), limit=ask.limit))

    for event in events:
        found = _series(event, ask.by)
        of: list[Any] = found if listed is None else [s for s in found if s in listed] or [OTHER]
        if ask.start <= event["time"] < ask.end:
            for series in of:
                slice_of(bisect_right(edges, event["time"]) - 1, series).began.append(event)
        if any(m in ACTIVITY for m in ask.metrics):
            for index, piece in _pieces(event, ask, edges, passed):
                for series in of:
                    slice_of(index, series).busy.append(piece)
    if ask.cumulative:
        return _running(ask, buckets, slices)
    if not ask.by:
        for index in range(len(buckets)):
            slice_of(index, ())
    return {
        (*buckets[index], *_cells(series)): tuple(METRICS[m](part) for m in ask.metrics)
        for (index, series), part in slices.items()
    }


def _cells(series: Any) -> Series:
    return (OTHER,) if series == OTHER else tuple(series)


def _pieces(event: Event, ask: Ask, edges: Sequence[int], passed: int) -> Iterator[tuple[int, tuple[int, int]]]:
    """When the event was active, bucket by bucket."""
    ends = event["time"] + (event["duration_ms"] or 0)
    if ends <= ask.start or event["time"] >= passed:
        return
    for index in range(max(bisect_right(edges, event["time"]) - 1, 0), len(edges) - 1):
        begin, end = max(event["time"], edges[index], ask.start), min(ends, edges[index + 1], passed)
        if begin >= end:
            return
        yield index, (begin, end)


def _running(
    ask: Ask, buckets: Sequence[tuple[int, int]], slices: Mapping[tuple[int, Any], Slice]
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Sums from the window's start; a series has a row in every bucket from its first event on."""
    answer: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    sofar: dict[Any, list[Event]] = {} if ask.by else {(): []}
    for index, bucket in enumerate(buckets):
        for (at, series), part in slices.items():
            if at == index:
                sofar.setdefault(series, []).extend(part.began)
        for series, events in sofar.items():
            answer[*bucket, *_cells(series)] = tuple(METRICS[m](Slice(events)) for m in ask.metrics)
    return answer


def log(events: Iterable[Event], start: int, end: int) -> list[Event]:
    """The rows of a window, newest first; of one millisecond, the higher id first."""
    return sorted((e for e in events if start <= e["time"] < end), key=lambda e: (e["time"], e["id"]), reverse=True)


def active(events: Iterable[Event], start: int, end: int) -> list[Event]:
    """The requests that were active at some instant of a window, whenever they began; newest first."""
    return log((e for e in events if e["duration_ms"] and e["time"] < end and e["time"] + e["duration_ms"] > start), 0, end)


# --- why it changed -----------------------------------------------------------------------------------------------

Several = Sequence[Event]


def _added(name: str) -> tuple[Callable[[Several], Any], Callable[[Several], int]]:
    return lambda es: sum(e[name] for e in es if e[name] is not None), lambda es: len([e for e in es if e[name] is not None])


def _counted(holds: Callable[[Event], bool]) -> tuple[Callable[[Several], Any], Callable[[Several], int]]:
    return lambda es: len([e for e in es if holds(e)]), lambda es: len([e for e in es if answered(e)])


RATIOS: dict[str, tuple[Callable[[Several], Any], Callable[[Several], int]]] = {
    "success_rate": _counted(request_succeeded),
    "attempt_success_rate": _counted(attempt_succeeded),
    "latency_avg": _added("duration_ms"),
    "ttfb_avg": _added("ttfb_ms"),
    "attempt_latency_avg": _added("duration_ms"),
}
"""What stands above and below the line of metrics that are divisions."""


@dataclass(frozen=True)
class Part:
    """What a value of a dimension has to do with the change of a metric; None where there was nothing to divide by."""

    before: Fraction | None
    after: Fraction | None
    effect: Fraction | None


def contribution(metric: str, part: Several, whole: Several) -> Fraction | None:
    """What some of the events put into the metric of all of them."""
    if metric == "minutes":
        return Fraction(_sum("audio_seconds")(Slice(list(part)))) / 60
    if metric in ADDITIVE:
        return Fraction(METRICS[metric](Slice(list(part))))
    above, below = RATIOS[metric]
    return Fraction(above(part)) / below(whole) if below(whole) else None


def change_part(metric: str, part: tuple[Several, Several], whole: tuple[Several, Several]) -> Part:
    """Of some of the events; both are (in the period before, in the period after)."""
    before, after = (contribution(metric, p, w) for p, w in zip(part, whole, strict=True))
    if before is None or after is None:
        return Part(before, after, None)
    if metric in ADDITIVE:
        return Part(before, after, after - before)
    above, below = RATIOS[metric]
    usual = Fraction(above(whole[0])) / below(whole[0])
    unusual = [
        sum((Fraction(above([e])) - usual * below([e]) for e in side), Fraction()) / below(all_)
        for side, all_ in zip(part, whole, strict=True)
    ]
    return Part(before, after, unusual[1] - unusual[0])


def change(
    events: Iterable[Event], metric: str, by: str, before: tuple[int, int], after: tuple[int, int]
) -> tuple[dict[Cell, Part], Part, list[Cell]]:
    """Every value's part, the whole, and the values in the order of what they did."""
    whole = tuple([e for e in events if start <= e["time"] < end] for start, end in (before, after))
    values = {value for side in whole for e in side for value in values_of(e, by)}
    found = {}
    for value in values:
        part = tuple([e for e in side if value in values_of(e, by)] for side in whole)
        if any(_does_anything(metric, side) for side in part):
            found[value] = change_part(metric, (part[0], part[1]), (whole[0], whole[1]))
    size = {v: p.effect if p.effect is not None else (p.before or 0) + (p.after or 0) for v, p in found.items()}
    order = sorted(found, key=lambda v: (-abs(size[v]), as_text(v)))
    return found, change_part(metric, (whole[0], whole[1]), (whole[0], whole[1])), order


def _does_anything(metric: str, events: Several) -> bool:
    """What is made of it is not nothing but nothing."""
    if metric in RATIOS:
        return bool(RATIOS[metric][1](events))
    if metric in ("errors", "attempt_errors"):
        return any(answered(e) for e in events)
    return bool(METRICS[metric](Slice(list(events))))


# --- what failed --------------------------------------------------------------------------------------------------


def errors(events: Iterable[Event], start: int, end: int, of_deliveries: bool) -> dict[Series, dict[str, Any]]:
    """Errors by what they have in common."""
    by = ("status", "error_code", "webhook_id", "event_type") if of_deliveries else ("status", "error_code", "route")
    place = by[2:]
    ok = attempt_succeeded if of_deliveries else request_succeeded
    inside = log(events, start, end)
    groups: dict[Series, list[Event]] = {}
    for event in inside:
        if answered(event) and not ok(event):
            groups.setdefault(tuple(values_of(event, name)[0] for name in by), []).append(event)
    found = {}
    for key, several in groups.items():
        said = [e["error_message"] for e in several if e["error_message"]]
        traffic = [e for e in inside if all(e[name] == several[0][name] for name in place)]
        found[key] = {
            "count": len(several),
            "traffic": len(traffic),
            "share": len(several) / len(traffic),
            "first_seen": several[-1]["time"],
            "last_seen": several[0]["time"],
            "newest_id": several[0]["id"],
            "message": said[0] if said else None,
            "users": len({e["user_id"] for e in several} - {""}),
            **(
                {"messages": len({e["message_id"] for e in several} - {""})}
                if of_deliveries
                else {"keys": len({e["api_key_id"] for e in several} - {""})}
            ),
        }
    return found

"""Metrics: what a person picks."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from usagedeck.catalog.formulas import Formula, PerTime, Ratio, Single, Sum
from usagedeck.catalog.kinds import CURRENCY, Subject, Type
from usagedeck.catalog.measures import MEASURES
from usagedeck.errors import InvalidInput, did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What a person picks."""

    name: str
    title: str
    help: str
    formula: Formula
    type: Type
    unit: str | None = None
    wire: str | None = None
    """Its name in the ElevenLabs `metric` parameter."""
    good: str = ""
    """`up` or `down` when a change in that direction is good news; empty when it is just news."""

    @property
    def additive(self) -> bool:
        """Its buckets and its parts add up to its total."""
        return isinstance(self.formula, Sum)

    @property
    def attributable(self) -> bool:
        """Its change can be put down to the values of a dimension: it is a sum over rows, or one such sum
        divided by another. Deliveries are no rows: their attempts have values of their own."""
        return isinstance(self.formula, Sum | Ratio) and not self.joined

    @property
    def of(self) -> Subject:
        return MEASURES[self.formula.measures[0]].of

    @property
    def joined(self) -> bool:
        """It is about deliveries, not about their attempts."""
        return MEASURES[self.formula.measures[0]].joined

    @property
    def active(self) -> bool:
        """It counts what was active in a bucket, whenever that began."""
        return any(MEASURES[name].activity for name in self.formula.measures)

    @property
    def limited(self) -> bool:
        """It is absent where the workspace has no limit of concurrent requests."""
        return any(MEASURES[name].limited for name in self.formula.measures)


def _duration(name: str, title: str, help: str, formula: Formula, *, wire: str | None = None) -> Metric:  # noqa: A002
    return Metric(name=name, title=title, help=help, formula=formula, type=Type.FLOAT, unit="ms", wire=wire, good="down")


def _levels(stem: str, title: str, whose: str) -> Iterator[Metric]:
    """The percentiles of a duration; `whose` says of what so many per cent took at most that long."""
    for level in (50, 95, 99):
        name = f"{stem}_p{level}"
        yield _duration(name, f"p{level} {title}", f"{level} % of {whose}", Single(name))


METRICS: Mapping[str, Metric] = {
    m.name: m
    for m in (
        Metric(
            name="credits",
            title="Credits",
            help="Credits charged.",
            formula=Sum(("credits",)),
            type=Type.DECIMAL,
            unit="credits",
            wire="credits",
        ),
        Metric(
            name="requests",
            title="Requests",
            help="API requests, whatever became of them.",
            formula=Sum(("requests",)),
            type=Type.INT,
            unit="requests",
            wire="request_count",
        ),
        Metric(
            name="characters",
            title="Characters",
            help="Characters read or written.",
            formula=Sum(("characters",)),
            type=Type.INT,
            unit="characters",
            wire="tts_characters",
        ),
        Metric(
            name="minutes",
            title="Minutes",
            help="Minutes of audio.",
            formula=Sum(("audio_seconds",), divide_by=60),
            type=Type.FLOAT,
            unit="min",
            wire="minutes_used",
        ),
        Metric(
            name="input_tokens",
            title="Input tokens",
            help="Tokens read.",
            formula=Sum(("input_tokens",)),
            type=Type.INT,
            unit="tokens",
        ),
        Metric(
            name="output_tokens",
            title="Output tokens",
            help="Tokens written.",
            formula=Sum(("output_tokens",)),
            type=Type.INT,
            unit="tokens",
        ),
        Metric(
            name="cost",
            title="Cost",
            help="Money charged, in the workspace's currency.",
            formula=Sum(("cost",)),
            type=Type.DECIMAL,
            unit=CURRENCY,
            wire="fiat_units_spent",
        ),
        Metric(
            name="charge_count",
            title="Charged quantity",
            help="Billed quantity, in the products' own units.",
            formula=Sum(("charge_count",)),
            type=Type.DECIMAL,
        ),
        Metric(
            name="billable_requests",
            title="Billable requests",
            help="Requests that were charged credits or money.",
            formula=Sum(("billable",)),
            type=Type.INT,
            unit="requests",
        ),
        Metric(
            name="errors",
            title="Errors",
            help="Requests with a status that is not a success. A success is status 101 or 200-399; 0 (no answer) is an error.",
            formula=Sum(("answered",), ("succeeded",)),
            type=Type.INT,
            unit="requests",
            good="down",
        ),
        Metric(
            name="success_rate",
            title="Success rate",
            help="Share of successes among requests with a status.",
            formula=Ratio("succeeded", "answered"),
            type=Type.FLOAT,
            unit="ratio",
            good="up",
        ),
        _duration(
            "latency_avg",
            "Average latency",
            "Mean duration of requests that report one.",
            Ratio("latency_total", "latency_count"),
        ),
        *_levels("latency", "latency", "the requests that report a duration took at most this long (linear between neighbours)."),
        _duration(
            "ttfb_avg",
            "Average time to first byte",
            "Mean time to first byte of requests that report one.",
            Ratio("ttfb_total", "ttfb_count"),
            wire="ttfb_avg",
        ),
        _duration(
            "ttfb_p95",
            "p95 time to first byte",
            "95 % of the requests that report a time to first byte took at most this long.",
            Single("ttfb_p95"),
            wire="ttfb_p95",
        ),
        Metric(
            name="concurrency",
            title="Peak concurrency",
            help="Most requests active at one instant, those begun in earlier buckets included.",
            formula=Single("peak"),
            type=Type.INT,
            unit="requests",
            wire="concurrency",
        ),
        Metric(
            name="concurrency_average",
            title="Average concurrency",
            help="Time requests were active, divided by the length of the bucket.",
            formula=PerTime("busy_ms"),
            type=Type.FLOAT,
            unit="requests",
            wire="concurrency_average",
        ),
        Metric(
            name="concurrency_over_limit",
            title="Time above the limit",
            help="Share of time in which more requests were active than the workspace's present limit; absent without one.",
            formula=PerTime("over_ms"),
            type=Type.FLOAT,
            unit="ratio",
            good="down",
        ),
        Metric(
            name="attempts",
            title="Delivery attempts",
            help="Attempts to deliver a webhook.",
            formula=Sum(("attempts",)),
            type=Type.INT,
            unit="attempts",
        ),
        Metric(
            name="attempt_errors",
            title="Failed attempts",
            help="Attempts with a status that is not 2xx; 0 (no answer) included.",
            formula=Sum(("attempts_answered",), ("attempts_succeeded",)),
            type=Type.INT,
            unit="attempts",
            good="down",
        ),
        Metric(
            name="attempt_success_rate",
            title="Attempt success rate",
            help="Share of 2xx among attempts with a status.",
            formula=Ratio("attempts_succeeded", "attempts_answered"),
            type=Type.FLOAT,
            unit="ratio",
            good="up",
        ),
        Metric(
            name="retries",
            title="Retries",
            help="Attempts after the first one of their delivery.",
            formula=Sum(("retries",)),
            type=Type.INT,
            unit="attempts",
            good="down",
        ),
        _duration(
            "attempt_latency_avg",
            "Average attempt latency",
            "Mean duration of attempts that report one.",
            Ratio("attempt_latency_total", "attempt_latency_count"),
        ),
        *_levels("attempt_latency", "attempt latency", "the attempts that report a duration took at most this long."),
        Metric(
            name="deliveries",
            title="Deliveries",
            help="Webhook deliveries, at the time of their first attempt, however often they were tried.",
            formula=Sum(("deliveries",)),
            type=Type.INT,
            unit="deliveries",
        ),
        Metric(
            name="deliveries_succeeded",
            title="Successful deliveries",
            help="Deliveries whose last attempt got a 2xx.",
            formula=Sum(("deliveries_succeeded",)),
            type=Type.INT,
            unit="deliveries",
            good="up",
        ),
        Metric(
            name="delivery_errors",
            title="Failed deliveries",
            help="Deliveries whose last attempt has a status that is not 2xx; one that will be tried again counts until then.",
            formula=Sum(("deliveries_answered",), ("deliveries_succeeded",)),
            type=Type.INT,
            unit="deliveries",
            good="down",
        ),
        Metric(
            name="delivery_success_rate",
            title="Delivery success rate",
            help="Share of deliveries whose last attempt got a 2xx among those whose last attempt has a status.",
            formula=Ratio("deliveries_succeeded", "deliveries_answered"),
            type=Type.FLOAT,
            unit="ratio",
            good="up",
        ),
        Metric(
            name="deliveries_retried",
            title="Retried deliveries",
            help="Deliveries that took more than one attempt.",
            formula=Sum(("deliveries_retried",)),
            type=Type.INT,
            unit="deliveries",
            good="down",
        ),
        Metric(
            name="attempts_per_delivery",
            title="Attempts per delivery",
            help="Mean number of attempts of a delivery, those after the window included.",
            formula=Ratio("tries", "deliveries"),
            type=Type.FLOAT,
            unit="attempts",
            good="down",
        ),
        _duration(
            "delivery_time_avg",
            "Average time to deliver",
            "Mean time of successful deliveries from the start of the first attempt to the end of the first with a 2xx.",
            Ratio("delivery_time_total", "delivery_time_count"),
        ),
        *_levels(
            "delivery_time",
            "time to deliver",
            "the successful deliveries took at most this long, from the start of their first attempt.",
        ),
    )
}


def metric(name: str, *, param: str = "metric") -> Metric:
    """The metric of that name, or `InvalidInput` with the nearest one."""
    if name not in METRICS:
        raise InvalidInput(f'{param} "{name[:60]}" is unknown; {did_you_mean(name, METRICS)}', field=param, code="unknown_metric")
    return METRICS[name]

"""Measured figures of real API traffic: what makes the demo's traffic look like somebody's.

Each constant says where it was read off; "assumed" means that no public data was found and a plain choice was made. Only
figures are kept here, no rows. The sources:

* ServeGen, github.com/alibaba/ServeGen, Apache-2.0: 422 API clients of Alibaba Cloud Model Studio, requests per client and
  ten minutes over 14 days, burst shapes and token sizes.
* BurstGPT, github.com/HPMLL/BurstGPT, CC-BY-4.0: 1.4 million requests over 61 days; hourly totals.
* GenTD26, github.com/alibaba/clusterdata (cluster-trace-v2026-GenAI): 26,823 image generation requests of 4,247 users;
  aggregates only.
* LLMPerf, github.com/ray-project/llmperf-leaderboard, Apache-2.0: 2,845 timed calls to eight providers.
* Upptime histories, ODbL-1.0 data: timed HTTPS checks with status codes; rounded figures of other web logs.
"""

from dataclasses import dataclass
from typing import TypeAlias

Curve: TypeAlias = tuple[float, ...]

# --- how much each client sends, and when -------------------------------------------------------------------------

CLIENT_ZIPF = 1.2
"""Rate of the k-th busiest client ~ k^-s. ServeGen: s = 1.01 to 1.52 by service."""

ACTIVE_SHARE_MEDIAN, ACTIVE_SHARE_LOG_SD, ACTIVE_SHARE_CAP = 0.05, 1.5, 0.8
"""Share of the time in which an intermittent client sends at all; log-normal over clients. ServeGen."""

ON_RUN_MINUTES = (20.0, 250.0)
"""Median and 90th percentile of a stretch of sending of an intermittent client. ServeGen."""

OFF_RUN_SPREAD = 500 / 30
"""90th percentile over median of a stretch of silence. ServeGen."""

RATE_LOG_SD, RATE_AR1 = 0.8, 0.92
"""How the ten-minute rate of a client wanders around its mean: sd of its logarithm, correlation with the next ten minutes.
ServeGen; the sd is the calmer end of what was measured, where curves still look continuous."""

DAY_LOG_SD, CLIENT_DAY_LOG_SD, CLIENT_DAY_AR1 = 0.15, 0.45, 0.561
"""How whole days differ: for everybody at once, for one client, and a client's correlation with the next day. ServeGen,
BurstGPT."""

GAMMA_SHARE = 0.75
"""Share of clients whose gaps between arrivals are Gamma; the others' are Weibull. ServeGen."""

GAMMA_SHAPE = (0.85, 0.6)
WEIBULL_SHAPE = (0.45, 0.3)
"""Median and log sd over clients of the shape of the gaps within ten minutes; below 1 means clumps. ServeGen."""

INTERACTIVE: Curve = (
    0.9628, 0.914, 0.5853, 0.5253, 0.377, 0.3497, 0.1984, 0.157, 0.182, 0.4259, 0.8999, 1.3173,
    1.7861, 1.5371, 1.8389, 1.4347, 1.5109, 1.3883, 1.2095, 1.6052, 1.3852, 1.2032, 1.1561, 1.0504,
)  # fmt: skip
"""Rate by local hour, mean 1, of people at a screen. BurstGPT."""

PLATFORM: Curve = (
    0.839, 0.7136, 0.7334, 0.6764, 0.714, 0.6601, 0.6844, 0.8546, 1.0154, 1.0545, 1.125, 1.0935,
    1.06, 1.0733, 1.0603, 1.0466, 1.091, 1.0785, 1.0075, 1.2288, 1.4555, 1.4019, 1.2697, 1.063,
)  # fmt: skip
"""Rate by local hour, mean 1, of products built on an API. ServeGen, small language model."""

BATCH: Curve = (
    1.0097, 1.0433, 1.1465, 1.1699, 1.0209, 0.9366, 0.9806, 1.061, 0.9787, 0.9931, 1.1064, 1.111,
    0.9553, 1.1276, 1.0584, 0.8483, 0.8409, 0.9252, 0.9025, 0.8895, 1.0135, 0.9328, 0.9272, 1.0212,
)  # fmt: skip
"""Rate by local hour, mean 1, of jobs that nobody waits for. ServeGen, middle language model."""

WEEKDAY: Curve = (1.1, 1.12, 1.12, 1.1, 1.02, 0.76, 0.78)
"""Rate by day of the week from Monday, mean 1. Assumed."""

# --- how much one request asks for --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sizes:
    """Log-normal sizes: each client has a median, itself log-normal over clients, and spreads around it."""

    log_median: float
    log_median_sd: float
    log_sd: float
    most: int


SPOKEN_TOKENS = Sizes(4.2, 1.0, 0.459, 2500)
"""Tokens of a text that is spoken. ServeGen's small model: by traffic the median is e^3.66, by client e^5.67; between."""

CHARACTERS_PER_TOKEN = 4

PROMPT_TOKENS = Sizes(6.272, 1.113, 0.463, 32_000)
ANSWER_TOKENS = Sizes(3.922, 1.987, 0.674, 4096)
"""Tokens read and written by a language model, nearly uncorrelated. ServeGen, middle model."""

PROMPT_CHARACTERS: Curve = (5, 10, 32, 52, 65, 90, 126, 253)
PROMPT_CHARACTERS_AT: Curve = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Quantiles of the characters of a prompt for generated media. GenTD26."""

ITEMS = (1, 2, 4, 8)
ITEMS_SHARE: Curve = (0.5774, 0.0822, 0.1915, 0.1489)
"""Pictures asked for in one request, and how often. GenTD26."""

# --- how long it takes --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Speed:
    """A model's typical time to the first token (seconds) and per further token (milliseconds)."""

    first_s: float
    token_ms: float


SMALL, MIDDLE, LARGE = Speed(0.35, 11), Speed(0.45, 17), Speed(0.45, 23)
FIRST_LOG_SD, TOKEN_LOG_SD = 0.35, 0.15
"""Spread of the two from call to call. LLMPerf."""

PREFILL_MS = 0.05
"""Per token read. Assumed."""

TAIL_SHARE, TAIL_TIMES = 0.012, (3.0, 10.0)
"""The share of calls whose first token takes several times as long, and how many times. LLMPerf."""

MOST_S = 600

JOB_LOG_S = {1: (3.02, 0.468), 2: (3.278, 0.534), 4: (3.465, 0.573), 8: (3.484, 0.542)}
"""Seconds of a generation job by the number of items: mean and sd of the logarithm. GenTD26."""

LOOKUP_S: Curve = (0.19, 0.24, 0.26, 0.27, 0.28, 0.37, 0.43)
UPLOAD_S: Curve = (0.084, 0.09, 0.097, 0.48, 0.52, 0.55, 0.7)
DURATION_AT: Curve = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Quantiles in seconds of a plain GET and a plain POST. Web logs and HTTPS checks, rounded."""

REFUSED_MS, REFUSED_LOG_SD = 45, 0.6
BROKEN_TIMES, GATEWAY_TIMEOUT_MS = 0.5, 60_000
"""Refusals are quick, breakdowns take half of what success takes, gateways give up after a minute. Assumed."""

# --- what goes wrong ----------------------------------------------------------------------------------------------

FAILED_MEDIAN, FAILED_LOG_SD, FAILED_LEAST, FAILED_MOST = 0.012, 0.9, 0.001, 0.25
"""Share of a client's requests that fail; log-normal over clients, concentrated on few as in GenTD26."""

STATUS_MIX = {400: 0.14, 422: 0.10, 500: 0.10, 401: 0.05, 499: 0.05, 503: 0.05, 404: 0.04, 502: 0.03, 504: 0.02}
"""Statuses of failures other than 429, as shares of all failures. Assumed."""

THROTTLED = 0.42
"""Share of failures that are 429. They come in runs of one key: LLMPerf saw all of 392 from one provider."""

INCIDENTS_PER_30_DAYS = 2
INCIDENT_MINUTES = (10, 90)
INCIDENT_FAILED = (0.1, 0.6)
INCIDENT_STATUS = {503: 0.7, 500: 0.2, 504: 0.1}
"""Times when everybody's requests fail. Assumed."""

# --- what is popular ----------------------------------------------------------------------------------------------

VOICE_ZIPF = 1.43
"""Popularity of the k-th voice ~ k^-s, as that of models in GenTD26."""

LOOKUP_SHARE = 0.05
"""Share of plain GET calls. Assumed."""

# --- webhooks -----------------------------------------------------------------------------------------------------

DELIVERY_MS, DELIVERY_LOG_SD, DELIVERY_TIMEOUT_MS = 240, 1.0, 10_000
"""Median and log sd of an endpoint's answer. Upptime and others, rounded; the time-out is assumed."""

GOOD, FLAKY, DEAD = 0.003, 0.08, 1.0
"""Share of attempts that fail, by kind of endpoint. Assumed."""

DELIVERY_STATUS = {500: 0.3, 403: 0.15, 404: 0.15, 429: 0.1, 502: 0.1, 0: 0.2}
"""Statuses of failed attempts; 0 is a time-out. After Upptime."""

RETRY_AFTER_S = (5, 60, 300, 1800)
"""Pauses before attempts 2 to 5. Assumed."""

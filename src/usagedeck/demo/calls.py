"""What the demo's requests of one day ask for, how long they take and what they cost: columns, one entry per request."""

from dataclasses import dataclass

import numpy as np

from usagedeck.demo import figures
from usagedeck.demo.arrivals import Flags, Floats, Ints, World, arrivals
from usagedeck.demo.failures import OK, statuses
from usagedeck.demo.habits import Habits
from usagedeck.demo.products import OFFERS, Work

CHARACTERS_PER_SECOND = 14.5
CALL_LOG_SD, CALL_MOST_S = 0.75, 1800
AUDIO_LOG_SD, AUDIO_MOST_S = 0.9, 7200
TRANSCRIPT_MS_PER_S, CONVERSION_MS_PER_S = 25, 110
ANSWER_WEIGHT = 4
"""How many times the price of a token read a token written has. This and the lines above are assumed."""

_OFFERS = tuple(OFFERS.values())
_WORK = np.array([list(Work).index(offer.work) for offer in _OFFERS])


@dataclass(frozen=True)
class Calls:
    """Columns; where a number does not apply it is -1."""

    time: Ints
    caller: Ints
    offer: Ints
    status: Ints
    duration: Ints
    """Milliseconds."""
    first: Ints
    """Milliseconds to the first byte."""
    voice: Ints
    """Index of the company's voice."""
    characters: Ints
    audio: Floats
    """Seconds, one decimal."""
    read: Ints
    written: Ints
    """Tokens."""
    credits: Ints
    charged: Floats
    """Quantity in the product's unit."""
    customer: Ints
    waits: Flags
    """Began while its company was above its limit of concurrent requests."""

    @property
    def end(self) -> Ints:
        return self.time + self.duration

    @property
    def failed(self) -> Flags:
        return self.status >= 400


def calls(world: World, habits: Habits, day: int) -> Calls:
    """The requests that begin on a UTC day, in order of time."""
    caller, time = arrivals(world, day)
    rng = world.rng("calls", day)
    offer = _pick(habits.offers[caller], rng)
    made = _Sizes(habits, caller, offer, rng)
    status = statuses(world, habits, day, caller, time)
    work = _WORK[offer]
    lookup = work == list(Work).index(Work.LOOKUP)
    status[lookup & np.isin(status, (400, 422))] = 404
    failed = status != OK
    status[~failed] = np.where(work == list(Work).index(Work.CALL), 101, 200)[~failed]
    duration = _durations(made.duration, status, rng)
    streams = np.array([o.streams for o in _OFFERS])[offer]
    voiced = np.array(["{voice_id}" in o.path or o.work is Work.CALL for o in _OFFERS])[offer]
    voice = np.where(voiced, habits.voices[caller, _pick(habits.voices_sum[caller], rng)], -1)
    multipliers = [np.array([v.multiplier for v in company.voices]) for company in world.companies]
    factor = np.array([1.0 if v < 0 else multipliers[c][v] for c, v in zip(world.pace.company[caller], voice, strict=True)])
    amounts = np.ceil(made.credits * np.where(work == list(Work).index(Work.SPEECH), factor, 1.0) - 1e-9)
    return Calls(
        time=time,
        caller=caller,
        offer=offer,
        status=status,
        duration=duration,
        first=np.where(streams & ~failed, np.minimum(made.first, duration), -1),
        voice=voice,
        characters=np.where(failed, -1, made.characters),
        audio=np.where(failed, -1, made.audio),
        read=np.where(failed, -1, made.read),
        written=np.where(failed, -1, made.written),
        credits=np.where(failed, 0, amounts).astype(np.int64),
        charged=np.where(failed | lookup, -1, made.charged),
        customer=np.minimum(rng.geometric(0.35, len(time)), habits.customers[caller]) - 1,
        waits=_waiting(world, caller, time, duration),
    )


def _pick(sums: Floats, rng: np.random.Generator) -> Ints:
    """A column of each row, drawn by running sums of shares."""
    drawn = rng.random(len(sums))[:, None] * sums[:, -1:]
    picked: Ints = (drawn >= sums).sum(axis=1)
    return picked


def _lognormal(median: Floats | float, log_sd: float, many: int, rng: np.random.Generator) -> Floats:
    drawn: Floats = np.multiply(median, np.exp(log_sd * rng.standard_normal(many)))
    return drawn


class _Sizes:
    """Sizes, price and duration as they are when all goes well."""

    def __init__(self, habits: Habits, caller: Ints, offer: Ints, rng: np.random.Generator) -> None:
        many = len(caller)
        self._rng = rng
        self._habits = habits
        self.duration = np.zeros(many)
        self.credits = np.zeros(many)
        self.charged = np.full(many, -1.0)
        self.audio = np.full(many, -1.0)
        self.first, self.characters, self.read, self.written = (np.full(many, -1, dtype=np.int64) for _ in range(4))
        self._price = np.array([o.price for o in _OFFERS])[offer]
        self._median_s = np.array([o.audio_s for o in _OFFERS])[offer]
        self._token_ms = np.array([o.speed.token_ms for o in _OFFERS])[offer]
        first_s = np.array([o.speed.first_s for o in _OFFERS])[offer]
        first = 1000 * first_s * _lognormal(1.0, figures.FIRST_LOG_SD, many, rng)
        slow = rng.random(many) < figures.TAIL_SHARE
        self._first_ms = np.where(slow, first * rng.uniform(*figures.TAIL_TIMES, many), first)
        makers = {
            Work.SPEECH: self._speech,
            Work.TRANSCRIPT: self._transcript,
            Work.CONVERSION: self._conversion,
            Work.CALL: self._call,
            Work.CHAT: self._chat,
            Work.SOUND: self._sound,
            Work.PICTURE: self._picture,
            Work.LOOKUP: self._lookup,
        }
        for work, make in makers.items():
            rows = np.flatnonzero(_WORK[offer] == list(Work).index(work))
            make(rows, caller[rows])

    def _quantiles(self, values: figures.Curve, at: figures.Curve, many: int) -> Floats:
        return np.interp(self._rng.random(many), at, values)

    def _tokens(self, medians: Floats, sizes: figures.Sizes) -> Ints:
        drawn = _lognormal(medians, sizes.log_sd, len(medians), self._rng)
        return np.clip(np.rint(drawn), 1, sizes.most).astype(np.int64)

    def _seconds(self, rows: Ints, log_sd: float, most: float) -> Floats:
        drawn = _lognormal(self._median_s[rows], log_sd, len(rows), self._rng)
        seconds: Floats = np.clip(drawn, 0.5, most).round(1)
        return seconds

    def _answer(self, rows: Ints, tokens: Ints) -> None:
        """First token, then the others one by one."""
        self.first[rows] = np.rint(self._first_ms[rows])
        each = _lognormal(self._token_ms[rows], figures.TOKEN_LOG_SD, len(rows), self._rng)
        self.duration[rows] = self._first_ms[rows] + tokens * each

    def _bill(self, rows: Ints, units: Floats | Ints, charged: Floats | Ints) -> None:
        self.credits[rows] = units * self._price[rows]
        self.charged[rows] = charged

    def _speech(self, rows: Ints, caller: Ints) -> None:
        tokens = self._tokens(self._habits.spoken[caller], figures.SPOKEN_TOKENS)
        characters = np.maximum(1, tokens * figures.CHARACTERS_PER_TOKEN - self._rng.integers(0, 4, len(rows)))
        self.characters[rows] = characters
        self.audio[rows] = np.round(characters / CHARACTERS_PER_SECOND, 1)
        self._answer(rows, tokens)
        self._bill(rows, characters, characters)

    def _transcript(self, rows: Ints, _caller: Ints) -> None:
        self._upload(rows, TRANSCRIPT_MS_PER_S)

    def _conversion(self, rows: Ints, _caller: Ints) -> None:
        self._upload(rows, CONVERSION_MS_PER_S)

    def _upload(self, rows: Ints, ms_per_s: float) -> None:
        audio = self._seconds(rows, AUDIO_LOG_SD, AUDIO_MOST_S)
        upload = 1000 * self._quantiles(figures.UPLOAD_S, figures.DURATION_AT, len(rows))
        self.audio[rows] = audio
        self.first[rows] = np.rint(upload)
        self.duration[rows] = upload + audio * _lognormal(ms_per_s, 0.3, len(rows), self._rng)
        self._bill(rows, audio, audio)

    def _call(self, rows: Ints, _caller: Ints) -> None:
        audio = self._seconds(rows, CALL_LOG_SD, CALL_MOST_S)
        self.audio[rows] = audio
        self.first[rows] = np.rint(self._first_ms[rows])
        self.duration[rows] = audio * 1000 + self._first_ms[rows]
        self._bill(rows, audio, audio)

    def _chat(self, rows: Ints, caller: Ints) -> None:
        read = self._tokens(self._habits.prompt[caller], figures.PROMPT_TOKENS)
        written = self._tokens(self._habits.answer[caller], figures.ANSWER_TOKENS)
        self.read[rows], self.written[rows] = read, written
        self._answer(rows, written)
        self.duration[rows] += read * figures.PREFILL_MS
        self._bill(rows, (read + ANSWER_WEIGHT * written) / 1000, read + written)

    def _sound(self, rows: Ints, _caller: Ints) -> None:
        audio = self._seconds(rows, 0.5, 300)
        self.audio[rows] = audio
        self._job(rows, np.ones(len(rows), dtype=np.int64))
        self._bill(rows, audio, audio)

    def _picture(self, rows: Ints, _caller: Ints) -> None:
        shares = np.array(figures.ITEMS_SHARE)
        items = self._rng.choice(figures.ITEMS, size=len(rows), p=shares / shares.sum())
        self._job(rows, items)
        self._bill(rows, items, items)

    def _job(self, rows: Ints, items: Ints) -> None:
        mean, sd = (np.array([figures.JOB_LOG_S[int(n)][i] for n in items]) for i in (0, 1))
        self.duration[rows] = 1000 * np.exp(mean + sd * self._rng.standard_normal(len(rows)))
        prompt = self._quantiles(figures.PROMPT_CHARACTERS, figures.PROMPT_CHARACTERS_AT, len(rows))
        self.characters[rows] = np.rint(prompt)

    def _lookup(self, rows: Ints, _caller: Ints) -> None:
        self.duration[rows] = 1000 * self._quantiles(figures.LOOKUP_S, figures.DURATION_AT, len(rows))


def _durations(well: Floats, status: Ints, rng: np.random.Generator) -> Ints:
    """How long it takes, given what became of it."""
    refused = _lognormal(figures.REFUSED_MS, figures.REFUSED_LOG_SD, len(well), rng)
    taken = np.where((status >= 400) & (status < 499), refused, well)
    taken = np.where(status == 499, well * rng.random(len(well)), taken)
    taken = np.where(status >= 500, well * figures.BROKEN_TIMES, taken)
    taken = np.where(status == 504, figures.GATEWAY_TIMEOUT_MS + rng.integers(0, 900, len(well)), taken)
    longest = np.where(status == 101, CALL_MOST_S * 1000 + 60_000, figures.MOST_S * 1000)
    return np.clip(np.rint(taken), 1, longest).astype(np.int64)


def _waiting(world: World, caller: Ints, time: Ints, duration: Ints) -> Flags:
    """Requests that begin while more than the allowed number of their company's are active."""
    waits = np.zeros(len(time), dtype=np.bool_)
    for index, company in enumerate(world.companies):
        if company.concurrency_limit is None:
            continue
        rows = np.flatnonzero(world.pace.company[caller] == index)
        begun = np.arange(1, len(rows) + 1)
        ended = np.searchsorted(np.sort(time[rows] + duration[rows]), time[rows], side="right")
        waits[rows] = begun - ended > company.concurrency_limit
    return waits

"""A batch of events becomes rows: plain events by the shortest way, all others one by one through `events.EventReader`.

An event is plain when nothing about it needs a word to its sender. Its shape carries the limits, so that the decoder checks
them while it reads; what a shape cannot say is checked in the fewest steps. Whatever is not as plain as that (an unknown field,
a wrong value, a number that needs rounding, text that may hold a NUL) is left to `EventReader`, which knows all the rules and
says what is wrong. So this module refuses nothing and explains nothing, and a row it makes is the row `EventReader` would make.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact, InvalidOperation
from operator import attrgetter
from typing import Any

import msgspec

from usagedeck.addresses import kept_ip
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import DECIMALS, KINDS, MAX_AMOUNT, Subject, Type
from usagedeck.errors import InvalidInput
from usagedeck.events import Event, EventReader, Rejection, Stamp, new_id, quarters_of, route_of, shape
from usagedeck.exchanges import ExchangeReader, Fate, Parted, beside, may_carry, part, time_of
from usagedeck.seals import QUARTER
from usagedeck.settings import Settings
from usagedeck.times import DAY, SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = Decimal(1).scaleb(-DECIMALS)
_DIGITS = len(str(MAX_AMOUNT - 1)) + DECIMALS
_exact = Context(prec=_DIGITS, traps=[Inexact, InvalidOperation]).quantize
"""Gives an amount all its decimals; raises for one that has more, or more digits than the store holds."""

_BACKSLASH = ord("\\")
_DELIVERY = "delivery"


class _NotPlain(Exception):
    """The event needs a closer look."""


_UNUSUAL = (
    *(_NotPlain, InvalidInput, msgspec.MsgspecError, UnicodeDecodeError, RecursionError),
    *(TypeError, ValueError, ArithmeticError),  # a time that is none, one without an offset, an amount that does not fit
)


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of the events of a batch: rows as lines of JSON but for their versions, in order, and refusals."""

    rows: dict[Subject, list[bytes]]
    rejected: list[Rejection]
    quarters: set[int]
    """The quarter-hours (their first instants) in which the rows begin or are active."""
    exchanges: Counter[Fate]
    """What became of the exchanges that events brought, by number; a body that was left out counts beside its exchange."""


class _Kind:
    """One kind of event: how it is decoded, and its amounts."""

    def __init__(self, kind: str, settings: Settings) -> None:
        subject = KINDS[kind]
        amounts = [f.name for f in fields(subject) if f.type is Type.DECIMAL and not f.stamped]
        self.subject = subject
        self.decode: Callable[[bytes], Any] = msgspec.json.Decoder(shape(kind, settings, strict=True)).decode
        self.amounts = tuple(amounts)
        self.values: Callable[[Event], tuple[Decimal | None, ...]] = (
            attrgetter(*amounts) if len(amounts) > 1 else lambda event: tuple(getattr(event, name) for name in amounts)
        )


class BatchReader:
    """Checks batches against the catalogue and the limits of the settings. Safe to use from many threads."""

    def __init__(self, settings: Settings) -> None:
        self._most = settings.max_event_bytes
        self._ahead = settings.max_future_seconds * SECOND
        self._closely = EventReader(settings)
        self._exchanges = ExchangeReader(settings)
        self._requests, self._deliveries = (_Kind(kind, settings) for kind in ("request", "delivery"))
        self._encode = msgspec.json.Encoder(decimal_format="string").encode

    def read(self, events: Sequence[bytes], stamp: Stamp) -> Checked:
        """Rows and refusals of a batch; never raises for bad input."""
        rows: dict[Subject, list[bytes]] = {subject: [] for subject in Subject}
        rejected: list[Rejection] = []
        quarters: set[int] = set()
        fates: Counter[Fate] = Counter()
        begin = self._encode({"workspace_id": stamp.workspace_id})[:-1] + b","
        requests, take, row = self._requests, rows[self._requests.subject].append, self._row
        for index, raw in enumerate(events):
            try:
                take(row(requests, raw, stamp, begin, quarters))
            except _UNUSUAL:
                if may_carry(raw) and (parted := part(raw)):
                    outcome = self._carrying(index, parted, stamp, begin, quarters, fates)
                else:
                    outcome = self._other(index, raw, stamp, begin, quarters)
                if isinstance(outcome, Rejection):
                    rejected.append(outcome)
                else:
                    rows[outcome[0]].append(outcome[1])
        return Checked(rows, rejected, quarters, fates)

    def _carrying(
        self, index: int, parted: Parted, stamp: Stamp, begin: bytes, quarters: set[int], fates: Counter[Fate]
    ) -> tuple[Subject, bytes] | Rejection:
        """An event that brought an exchange: each is checked by itself, and both are taken or none."""
        met: set[int] = set()
        try:
            outcome: tuple[Subject, bytes] | Rejection = (
                self._requests.subject,
                self._row(self._requests, parted.event, stamp, begin, met),
            )
        except _UNUSUAL:
            outcome = self._other(index, parted.event, stamp, begin, met)
        if isinstance(outcome, Rejection):
            return outcome
        subject, row = outcome
        if parted.sides:
            try:
                row, fate = self._with_exchange(subject, row, parted, stamp)
            except InvalidInput as why:
                return self._closely.refused(index, parted.event, why)
            fates.update(fate)
        quarters |= met
        return subject, row

    def _with_exchange(self, subject: Subject, row: bytes, parted: Parted, stamp: Stamp) -> tuple[bytes, Sequence[Fate]]:
        if stamp.redactor is None:
            return row, [Fate.SWITCHED_OFF]
        if time_of(row) < stamp.exchanges_from:
            return row, [Fate.EXPIRED]
        sides, left_out = self._exchanges.read(parted.sides, stamp.redactor)
        return beside(row, subject, sides), [Fate.KEPT, *left_out]

    def _other(self, index: int, raw: bytes, stamp: Stamp, begin: bytes, quarters: set[int]) -> tuple[Subject, bytes] | Rejection:
        """An event that is no plain request: a plain delivery, or one that needs a closer look."""
        if b'"kind"' in raw:
            try:
                if self._closely.kind_of(raw) == _DELIVERY:
                    return self._deliveries.subject, self._row(self._deliveries, raw, stamp, begin, quarters)
            except _UNUSUAL:
                pass
        outcome = self._closely.read(index, raw, stamp)
        if not isinstance(outcome, Rejection):
            quarters.update(quarters_of(outcome[1:]))
        return outcome

    def _row(self, kind: _Kind, raw: bytes, stamp: Stamp, begin: bytes, quarters: set[int]) -> bytes:
        """The row of a plain event, whose quarter-hours are added. Raises one of `_UNUSUAL` for any other."""
        if stamp.redactions or len(raw) > self._most or (_BACKSLASH in raw and b"\\u0000" in raw):
            raise _NotPlain
        event = kind.decode(raw)
        event.time = time = _instant(event, stamp.now)
        if not stamp.earliest <= time <= stamp.now + self._ahead:
            raise _NotPlain
        if not event.id:
            event.id = new_id(stamp.now)
        for name, amount in zip(kind.amounts, kind.values(event), strict=True):
            if amount is not None:
                if amount < 0:
                    raise _NotPlain
                setattr(event, name, _exact(amount, _STEP))
        if kind is self._requests:
            _fill(event, stamp)
        elif not event.message_id:
            event.message_id = event.id
        if event.error is not None:
            begin = self._with_error(event, begin)
        row = begin + self._encode(event)[1:]
        first = time - time % QUARTER
        quarters.add(first)
        if (event.duration_ms or 0) > first + QUARTER - time:
            quarters.update(range(first, time + event.duration_ms, QUARTER))
        return row

    def _with_error(self, event: Event, begin: bytes) -> bytes:
        """What is nested in the JSON of an event and has columns of its own."""
        found = {"error_code": event.error.code or "", "error_message": event.error.message or ""}
        event.error = None
        return begin + self._encode(found)[1:-1] + b","


def _instant(event: Event, now: int) -> int:
    """Raises for whatever is neither a whole number nor text with an offset; without id and time it is now."""
    time = event.time
    if type(time) is str:
        since = datetime.fromisoformat(time) - _EPOCH
        return since.days * DAY + since.seconds * SECOND + since.microseconds // 1000
    if type(time) is int:
        return time
    if time is None and not event.id:
        return now
    raise _NotPlain


def _fill(event: Event, stamp: Stamp) -> None:
    """What follows from the rest of a request."""
    currency = event.currency
    if currency != stamp.currency and (currency or event.cost is not None):
        if (currency or stamp.currency).lower() != stamp.currency:
            raise _NotPlain
        event.currency = stamp.currency
    if event.api_key_id and not event.user_id:
        event.user_id = stamp.owners.get(event.api_key_id)
    if groups := event.group_ids:
        event.group_ids = sorted({group for group in groups if group})
    elif groups is None and event.user_id:
        event.group_ids = stamp.groups.get(event.user_id)
    if path := event.path:
        if "?" in path:
            event.path = path = path.partition("?")[0]
        if not event.route:
            event.route = route_of(path)
    if event.ip:
        event.ip = kept_ip(event.ip, stamp.full_ip)

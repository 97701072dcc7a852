"""Credits held against limits: what every party of a workspace has used in a billing period, and what is held besides.

A *party* is whose credits are counted: a key, a member, a group, the workspace. Three amounts are told apart. *Used* is what the
store says, up to one place in the order of arrival. *Arriving* is what was written behind that place, each event as often as it
came: never too little, and too much where one came again. *Reserved* is held for requests whose events have not come.

Pure bookkeeping in memory: nothing here asks the store, looks at a clock or knows a lock. Whoever has a `Meter` sees to that.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

ZERO = Decimal(0)


class Kind(StrEnum):
    """What a limit may be on, in the order in which they are looked at."""

    KEY = "key"
    MEMBER = "member"
    GROUP = "group"
    WORKSPACE = "workspace"


Party: TypeAlias = tuple[Kind, str]
"""What it is, and its id; the workspace has none."""

WHOLE: Party = (Kind.WORKSPACE, "")

Amounts: TypeAlias = Mapping[Party, Decimal]


def parties(key: str | None, user: str | None, groups: Iterable[str] | None) -> tuple[Party, ...]:
    """Everybody whose credits those of one request are, each once."""
    found = [(Kind.KEY, key)] if key else []
    found += [(Kind.MEMBER, user)] if user else []
    found += [(Kind.GROUP, group) for group in dict.fromkeys(groups or ())]
    return (*found, WHOLE)


def add(amounts: dict[Party, Decimal], credits_: Decimal, to: Iterable[Party]) -> None:
    """Add an amount to that of every one of the parties."""
    for party in to:
        amounts[party] = amounts.get(party, ZERO) + credits_


@dataclass(frozen=True, slots=True)
class Reservation:
    """Credits held for one request until its event comes, it is released, or its time is over."""

    id: str
    """The id of the event that is to come."""
    by: str
    """Who made it; nobody else may change it."""
    parties: tuple[Party, ...]
    credits: Decimal
    made: int
    """Epoch milliseconds."""
    ends: float
    """On the clock of its meter's owner, which nobody sets."""


@dataclass(frozen=True, slots=True)
class Limit:
    """So many credits in a billing period."""

    party: Party
    credits: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How a limit stands."""

    limit: Limit
    used: Decimal
    arriving: Decimal
    reserved: Decimal
    since: int = 0
    """From when on `used` is known, when part of the period has expired; else 0."""

    @property
    def held(self) -> Decimal:
        """What is not counted yet and may not be given to others."""
        return self.arriving + self.reserved

    @property
    def remaining(self) -> Decimal:
        return max(ZERO, self.limit.credits - self.used - self.held)

    def refuses(self, credits_: Decimal, *, certainly: bool = False) -> bool:
        """No room for that much more: something has to be left, and it has to be enough. `certainly`: also if all that is
        arriving came before."""
        taken = self.used + self.reserved + (ZERO if certainly else self.arriving)
        return taken >= self.limit.credits or taken + credits_ > self.limit.credits


class Meter:
    """Of one workspace."""

    def __init__(self) -> None:
        self.place = 0
        """Up to where in the order of arrival `used` is counted."""
        self.since: Mapping[Kind, int] = {}
        """Of what is not known from the start of the period: from when on it is."""
        self.reservations: dict[tuple[str, str], Reservation] = {}
        """By id and by who made them, those that end first in front. Nobody learns from an id that somebody else has taken it."""
        self._makers: dict[str, set[str]] = {}
        self._used: dict[Party, Decimal] = {}
        self._reserved: dict[Party, Decimal] = {}
        self._arriving: dict[Party, Decimal] = {}
        self._came: deque[tuple[int, Amounts]] = deque()

    @property
    def behind(self) -> bool:
        """Something arrived that is not counted."""
        return bool(self._came)

    def standing(self, limit: Limit, without: Reservation | None = None) -> Standing:
        """How a limit stands, or would stand without a reservation."""
        party = limit.party
        spared = without.credits if without is not None and party in without.parties else ZERO
        arriving, reserved = self._arriving.get(party, ZERO), self._reserved.get(party, ZERO) - spared
        return Standing(limit, self._used.get(party, ZERO), arriving, reserved, self.since.get(party[0], 0))

    # --- what was used

    def begin(self) -> None:
        """Forget what was used and what is arriving, to count anew. Reservations stay: their events may come at any time."""
        self._used, self._arriving = {}, {}
        self._came.clear()

    def came(self, place: int, amounts: Amounts) -> None:
        """Written up to a place, and not counted yet."""
        if amounts:
            self._came.append((place, amounts))
            for party, credits_ in amounts.items():
                add(self._arriving, credits_, (party,))

    def count(self, place: int, amounts: Amounts) -> None:
        """What was used more, up to a place: it is arriving no more."""
        for party, credits_ in amounts.items():
            add(self._used, credits_, (party,))
        while self._came and self._came[0][0] <= place:
            for party, credits_ in self._came.popleft()[1].items():
                _take(self._arriving, party, credits_)
        self.place = place

    # --- what is reserved

    def reserve(self, reservation: Reservation) -> None:
        """In the place of the one that its maker has under that id, if there is one."""
        self.drop(reservation.id, reservation.by)
        self.reservations[reservation.id, reservation.by] = reservation
        self._makers.setdefault(reservation.id, set()).add(reservation.by)
        add(self._reserved, reservation.credits, reservation.parties)

    def drop(self, id_: str, by: str | None = None) -> Sequence[Reservation]:
        """The reservations under an id that are held no longer: the one that somebody made, or else all."""
        makers = self._makers.get(id_, ())
        found = [self.reservations.pop((id_, maker)) for maker in makers if by in (None, maker)]
        if found:
            left = self._makers.pop(id_) - {one.by for one in found}
            if left:
                self._makers[id_] = left
        for one in found:
            for party in one.parties:
                _take(self._reserved, party, one.credits)
        return found

    def over(self, now: float) -> Sequence[Reservation]:
        """The reservations whose time is over."""
        found = []
        for reservation in self.reservations.values():
            if reservation.ends > now:
                break
            found.append(reservation)
        return found


def _take(amounts: dict[Party, Decimal], party: Party, credits_: Decimal) -> None:
    left = amounts[party] - credits_
    if left:
        amounts[party] = left
    else:
        del amounts[party]

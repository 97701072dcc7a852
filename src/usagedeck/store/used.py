"""What meters ask the store: the credits that were used, and by whom, up to a place in the order of arrival or between two."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

from usagedeck import sql
from usagedeck.catalog.dimensions import DIMENSIONS
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.events import version
from usagedeck.meters import ZERO, Amounts, Kind, Party, add, parties
from usagedeck.query import Query, Selection
from usagedeck.seals import QUARTER, Ledger
from usagedeck.sql import Scope, Sizes, Statement
from usagedeck.stretches import both, joined
from usagedeck.table import Row
from usagedeck.times import DAY, zone
from usagedeck.windows import Interval, Window

_MOST_STRETCHES = 50


class Asks(Protocol):
    """The part of the store that is needed."""

    def run(self, statement: Statement) -> list[Row]: ...


class Used:
    """Safe to use from many threads. All of it raises what questions raise."""

    def __init__(self, store: Asks, ledger: Ledger, sizes: Sizes) -> None:
        self._store = store
        self._ledger = ledger
        self._sizes = sizes

    def through(self, place: int, scope: Scope, period: Window, usual: int = 0) -> tuple[Amounts, Mapping[Kind, int]]:
        """What was used in a period of what arrived up to a place, and of what is not known from its start, from when on it is.

        Below the floor nothing ever changes any more, and below the instant `usual` the caller sees to it that nothing was
        written since the place: what was used there is asked for in the usual way, of rollups where they are sealed. They do
        not hold groups.
        """
        amounts: dict[Party, Decimal] = {}
        since: dict[Kind, int] = {}
        at = min(max(period.start, scope.floor.events, usual), period.end)
        if at > period.start:
            below = Selection(Subject.REQUESTS, replace(period, end=at))
            by = (DIMENSIONS["user_id"], DIMENSIONS["api_key_id"])
            query = Query(below, (METRICS["credits"],), Interval(unit="total"), by)
            settled = sql.settle(query, scope, self._ledger, self._sizes)
            since[Kind.GROUP] = at
            if settled.start > period.start:
                since = dict.fromkeys(Kind, min(settled.start, at)) | since
            if settled.start < at:
                for _, user, key, used in self._store.run(sql.compile(settled.query, scope, route=settled.route)):
                    add(amounts, used or ZERO, parties(key, user, ()))
        if at < period.end:
            _add_rows(amounts, self._store.run(sql.compile_used(replace(period, start=at), scope, version(place))))
        return amounts, since

    def between(self, place: int, upto: int, scope: Scope, period: Window, quarters: Collection[int]) -> Amounts:
        """What was used of what arrived behind a place and up to another one, when all of it went into these quarter-hours."""
        amounts: dict[Party, Decimal] = {}
        stretches = both((period.start, period.end), joined((quarter, quarter + QUARTER) for quarter in quarters))
        if len(stretches) > _MOST_STRETCHES:
            stretches = [(stretches[0][0], stretches[-1][1])]
        if stretches:
            arrived = sql.Arrivals(version(upto), version(place), stretches)
            _add_rows(amounts, self._store.run(sql.compile_arrived_credits(period, scope, arrived)))
        return amounts

    def present(self, scope: Scope, ids: Sequence[str], first: int, now: int) -> Sequence[str]:
        """Those of the ids whose requests are there, begun at most a day before the instant `first`."""
        if not ids:
            return ()
        start = max(0, min(first, now) - DAY)
        window = Window(start, now + DAY, zone("UTC"))
        return [str(row[0]) for row in self._store.run(sql.compile_present(window, scope, ids))]


def _add_rows(amounts: dict[Party, Decimal], rows: Iterable[Row]) -> None:
    """Columns as `compile_used` has them."""
    for key, user, groups, used in rows:
        if used:
            add(amounts, used, parties(key, user, groups))

"""Meters that run along with the writer: what was used of limits, always at hand and never more than a moment behind the store.

A meter is begun with an exact question up to a place in the order of arrival. From there on every commit is told here before
anybody hears of it, and what it brought is *arriving*: added up as it came, so that a repeat counts once too often and nothing
too little. Every few moments the store is asked what did arrive between the last place and the latest, and that takes the
place of what was arriving. So no mistake lasts, and none lets a limit be passed: who is refused is refused by what is sure, or
after the store has been asked.

What was written some other way (as columns, by a commit that failed, by an erasure) is never guessed: the store is asked before
the next answer.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import structlog

from usagedeck.errors import Conflict, TooBusy, UsagedeckError
from usagedeck.meters import ZERO, Amounts, Kind, Limit, Meter, Party, Reservation, Standing, add, parties
from usagedeck.seals import QUARTER
from usagedeck.sql import Scope
from usagedeck.store.arriving import Spent, credits_of
from usagedeck.store.commits import Commits
from usagedeck.store.reservations import Journal
from usagedeck.store.used import Used
from usagedeck.store.writer import Quarters, Rows
from usagedeck.times import HOUR
from usagedeck.windows import Window

log = structlog.get_logger(__name__)

COUNT_EVERY = 2.0
"""Seconds after which what is arriving is counted, when there is anything."""

SHARE = 10
"""Of this many seconds at most one goes into counting."""

IDLE = 3600.0
"""Seconds after which a meter that nobody looks at is given up."""

MOST_RESERVATIONS = 100_000
"""Of one workspace at the same time."""

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that is about to be made. Without `credits` it is only asked whether there is something left."""

    id: str
    by: str
    parties: tuple[Party, ...]
    credits: Decimal | None
    made: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of it."""

    refused: tuple[Limit, ...]
    """Those without room, in the order in which they were given; it is allowed when there are none."""
    standings: tuple[Standing, ...]
    """Of all limits, as they stand now."""
    reservation: Reservation | None


@dataclass(slots=True)
class _Space:
    """A workspace whose meter runs."""

    id: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    asking: threading.Lock = field(default_factory=threading.Lock)
    """Held while the store is asked; taken before `lock`."""
    meter: Meter = field(default_factory=Meter)
    period: Window | None = None
    counted: bool = False
    """What was used in the period is known."""
    groups: bool = False
    """Of groups, too."""
    changes: int = 0
    """How often what was counted has ceased to hold."""
    scope: Scope | None = None
    """That of the question it was begun with: what has expired since was counted before."""
    unsure: int = 0
    """The place up to which the store has to be asked before the next answer."""
    touched: float = 0.0
    next_count: float = 0.0
    gone: bool = False

    def holds(self, period: Window, *, groups: bool) -> bool:
        """What was used in the period is known; of groups, too, if that is asked for."""
        return self.counted and self.period == period and (self.groups or not groups)


class Metering:
    """Opened once per process; safe to use from many threads."""

    def __init__(
        self,
        used: Used,
        commits: Commits,
        journal: Journal,
        *,
        keep: float,
        clock: Callable[[], int],
        ticks: Callable[[], float],
    ) -> None:
        """`keep` is how many seconds a reservation lasts on the clock `ticks`, which nobody sets."""
        self._used = used
        self._commits = commits
        self._journal = journal
        self._keep = keep
        self._clock = clock
        self._ticks = ticks
        self._telling = threading.Lock()
        self._coming: Quarters = {}
        self._spaces: dict[str, _Space] = {}
        self._restored = dict(journal.open(clock(), ticks()))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="usagedeck-meters", daemon=True)

    def start(self) -> None:
        """Begin counting in the background what is arriving."""
        self._thread.start()

    def close(self) -> None:
        """Idempotent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._journal.close()

    # --- what is written, told by the writer's thread

    def coming(self, quarters: Quarters) -> None:
        """Rows are about to be written into quarter-hours: from now on they may be read, and nobody has been told."""
        with self._telling:
            self._coming = quarters

    def written(self, place: int, quarters: Quarters, rows: Sequence[Rows] | None) -> None:
        """Rows up to a place have been written into quarter-hours; None when nobody knows which, or whether they were. Whoever
        follows the commits hears of it here, after the meters."""
        with self._telling:
            spaces = [space for id_ in quarters if (space := self._spaces.get(id_))]
            lines = [one for one in rows or () if isinstance(one, Mapping)]
            spent = credits_of(lines) if spaces else None
            sure = rows is not None and len(lines) == len(rows) and spent is not None
            for space in spaces:
                with space.lock:
                    self._note(space, place, spent or ())
                    if not sure:
                        space.unsure = place
            self._coming = {}
            self._commits.note(place, quarters)

    def _note(self, space: _Space, place: int, rows: Iterable[Spent]) -> None:
        """Add up what was written and settle what was reserved for it."""
        amounts: dict[Party, Decimal] = {}
        settled: list[Reservation] = []
        period, meter = space.period, space.meter
        for row in rows:
            if row.workspace_id != space.id:
                continue
            settled += meter.drop(row.id)
            if row.credits and period is not None and period.start <= row.time < period.end:
                add(amounts, row.credits, parties(row.api_key_id, row.user_id, row.group_ids))
        meter.came(place, amounts)
        if settled:
            self._journal.ended(space.id, settled)

    def revised(self, workspaces: Collection[str]) -> None:
        """Events were replaced: what was counted of them is counted anew."""
        with self._telling:
            for space in [space for id_ in workspaces if (space := self._spaces.get(id_))]:
                with space.lock:
                    space.counted, space.changes = False, space.changes + 1

    # --- what is asked

    def check(self, scope: Scope, period: Window, limits: Sequence[Limit], wanted: Wanted) -> Verdict:
        """Whether there is room for a request in all the limits, and if so, what it may cost is reserved at once. `scope` is the
        whole workspace.

        Whoever asks again by the same id changes the reservation. Raises `Conflict` when it is for another key or user now,
        `TooBusy` when too much is reserved, and what questions raise.
        """
        tries = 0
        while True:
            with self._ready(scope, period, limits) as space:
                before = self._mine(space, wanted)
                standings = [space.meter.standing(limit, before if wanted.credits is not None else None) for limit in limits]
                credits_ = wanted.credits or ZERO
                refused = tuple(s.limit for s in standings if s.refuses(credits_))
                certain = any(s.refuses(credits_, certainly=True) for s in standings)
                if not refused or certain or tries == _TRIES:
                    made = before
                    if not refused and wanted.credits is not None:
                        made = self._reserve(space, wanted)
                    after = tuple(space.meter.standing(limit) for limit in limits)
                    return Verdict(refused, after, made)
            tries += 1
            self._count(space)

    def _mine(self, space: _Space, wanted: Wanted) -> Reservation | None:
        before = space.meter.reservations.get((wanted.id, wanted.by))
        if before is not None and before.parties != wanted.parties:
            raise Conflict(
                f'You have reserved something under the id "{wanted.id}" already, for another key or user; take a new one.',
                field="request_id",
                code="already_reserved",
            )
        return before

    def _reserve(self, space: _Space, wanted: Wanted) -> Reservation | None:
        """Hold what a request may cost; a request that costs nothing needs nothing held."""
        meter = space.meter
        if not wanted.credits:
            self._journal.ended(space.id, meter.drop(wanted.id, wanted.by))
            return None
        if len(meter.reservations) >= MOST_RESERVATIONS and (wanted.id, wanted.by) not in meter.reservations:
            raise TooBusy(
                f"{MOST_RESERVATIONS:,} reservations of this workspace are waiting for their events, the most there may be. "
                "Send the events of requests that were made, with the ids they were reserved under.",
                retry_after=10,
                code="too_many_reservations",
            )
        made = Reservation(wanted.id, wanted.by, wanted.parties, wanted.credits, wanted.made, self._ticks() + self._keep)
        meter.reserve(made)
        self._journal.made(space.id, made)
        return made

    def release(self, workspace: str, id_: str, by: str | None) -> Sequence[Reservation]:
        """Hold reservations no longer; those that were held under the id: the one that `by` made, or all."""
        with self._open(workspace) as space:
            found = space.meter.drop(id_, by)
            self._journal.ended(workspace, found)
            return found

    def standings(self, scope: Scope, period: Window, limits: Sequence[Limit]) -> Sequence[Standing]:
        """How limits of the whole workspace stand, with everything counted that has arrived. Raises what questions raise."""
        with self._ready(scope, period, limits) as space:
            behind = space.meter.behind
        if behind:
            self._count(space)
        with self._ready(scope, period, limits) as space:
            return [space.meter.standing(limit) for limit in limits]

    # --- meters

    @contextmanager
    def _open(self, workspace: str) -> Iterator[_Space]:
        """The meter of a workspace, locked, and without reservations whose time is over."""
        while True:
            space = self._spaces.get(workspace) or self._add(workspace)
            with space.lock:
                if not space.gone:
                    space.touched = self._ticks()
                    self._end_over(space)
                    yield space
                    return

    def _add(self, workspace: str) -> _Space:
        with self._telling:
            space = self._spaces.get(workspace)
            if space is None:
                space = _Space(workspace)
                for kept in self._restored.pop(workspace, ()):
                    space.meter.reserve(kept)
                self._spaces[workspace] = space
            return space

    def _end_over(self, space: _Space) -> None:
        if over := space.meter.over(self._ticks()):
            for one in over:
                space.meter.drop(one.id, one.by)
            self._journal.ended(space.id, over)

    @contextmanager
    def _ready(self, scope: Scope, period: Window, limits: Sequence[Limit]) -> Iterator[_Space]:
        """The same when all that was used of the limits in the period is known, but for what is arriving."""
        groups = any(limit.party[0] is Kind.GROUP for limit in limits)
        while True:
            with self._open(scope.workspace_id) as space:
                counted = space.holds(period, groups=groups)
                if counted and space.unsure <= space.meter.place:
                    yield space
                    return
            if counted:
                self._count(space)
            else:
                self._begin(space, scope, period, groups=groups)

    def _begin(self, space: _Space, scope: Scope, period: Window, *, groups: bool) -> None:
        """Count a period from its start. Commits are told under the same lock, so none falls between the place and the meter."""
        with space.asking:
            with self._telling, space.lock:
                if space.holds(period, groups=groups):
                    return
                space.meter.begin()
                space.period, space.counted = period, False
                changes, place = space.changes, self._commits.latest
                reserved = list({one.id for one in space.meter.reservations.values()})
                first = min((one.made for one in space.meter.reservations.values()), default=0)
            used, since = self._whole(place, scope, period, groups=groups)
            present = self._used.present(scope, reserved, first, self._clock())
            with space.lock:
                if space.changes != changes or space.period != period:
                    return
                space.meter.count(place, used)
                ended = [one for id_ in present for one in space.meter.drop(id_)]
                space.counted, space.groups, space.scope, space.meter.since = True, groups, scope, since
                space.next_count = self._ticks() + COUNT_EVERY
                self._journal.ended(space.id, ended)

    def _whole(self, place: int, scope: Scope, period: Window, *, groups: bool) -> tuple[Amounts, Mapping[Kind, int]]:
        """What was used in a period up to a place, of rollups where that can be: without groups, when nothing came late since."""
        lately = 0 if groups else self._clock() - HOUR
        usual = lately - lately % QUARTER
        if usual > 0:
            found = self._used.through(place, scope, period, usual)
            with self._telling:
                touched, coming = self._commits.since(scope.workspace_id, place), self._coming.get(scope.workspace_id, ())
            if touched is not None and all(quarter >= usual for quarter in (*touched, *coming)):
                return found
        return self._used.through(place, scope, period)

    def _count(self, space: _Space) -> None:
        """Count what arrived since the last place."""
        with space.asking:
            with space.lock:
                if not space.counted or space.period is None or space.scope is None:
                    return
                scope, period, changes, place = space.scope, space.period, space.changes, space.meter.place
            upto = self._commits.latest
            quarters = self._commits.since(space.id, place)
            if quarters is None:  # so much was written since that nobody knows where: all of it is counted anew
                with space.lock:
                    if space.changes == changes:
                        space.counted, space.changes = False, changes + 1
                return
            amounts = self._used.between(place, upto, scope, period, quarters)
            with space.lock:
                if space.period == period and space.changes == changes:
                    space.meter.count(upto, amounts)

    # --- in the background

    def _work(self) -> None:
        while not self._stop.wait(COUNT_EVERY / 2):
            for space in list(self._spaces.values()):
                if self._stop.is_set():
                    return
                self.look_after(space.id)

    def look_after(self, workspace: str) -> None:
        """What has to be done for a workspace now and then: count what is arriving, end what is over, give up what is idle."""
        space, began = self._spaces.get(workspace), self._ticks()
        if space is None:
            return
        with self._telling, space.lock:
            self._end_over(space)
            if not space.meter.reservations and began - space.touched > IDLE:
                space.gone = True
                del self._spaces[workspace]
                return
            due = space.counted and space.meter.behind and began >= space.next_count
        if not due:
            return
        try:
            self._count(space)
        except UsagedeckError as error:  # a busy store, for one: what is arriving goes on arriving
            log.warning("what is arriving could not be counted", workspace=workspace, reason=error.message)
        took = self._ticks() - began
        space.next_count = self._ticks() + max(COUNT_EVERY, SHARE * took)
        self._stop.wait(SHARE * took)

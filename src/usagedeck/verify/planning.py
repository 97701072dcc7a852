"""What there is to do: the tasks that prove everything, or a sample of them."""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from usagedeck import sql
from usagedeck.catalog.kinds import Beside, Subject
from usagedeck.catalog.rollups import ROLLUPS
from usagedeck.deck import Deck
from usagedeck.directory.workspaces import Workspace
from usagedeck.seals import UTC, Cut, Piece
from usagedeck.stretches import Stretch, joined
from usagedeck.times import DAY
from usagedeck.verify.rollups import live
from usagedeck.verify.tasks import Bodies, Sealed, Task, Views
from usagedeck.windows import LATEST_WINDOW

ROWS_AT_ONCE = 1_000_000
"""About as many events belong to one task."""

DAYS_AT_ONCE = 62
SAMPLE = 300
"""Tasks of a sample; whoever runs them stops when it takes too long."""


_Rows: TypeAlias = defaultdict[tuple[str, Subject | Beside], dict[int, int]]
"""Of each workspace and table: the days that have rows (their first instants), and how many."""


def plan(deck: Deck, workspaces: Iterable[Workspace], *, everything: bool, dice: random.Random | None = None) -> list[Task]:
    """The tasks that prove everything, or a random sample of days, in random order."""
    chosen = {w.id: w for w in workspaces}
    rows: _Rows = defaultdict(dict)
    for table in (*Subject, Beside.EXCHANGES):
        for workspace, day, count in deck.store.run(sql.per_day(table), deck.answers.ticket):
            if workspace in chosen:
                rows[str(workspace), table][int(day)] = int(count)
    dice = dice or random.Random()  # noqa: S311 - a sample, no secret
    sealed = [(cut, w) for w in chosen.values() for cut in _cuts(deck, w)]
    shown = [(subject, chosen[w]) for w, subject in rows if isinstance(subject, Subject)]
    brought = [w for w, table in rows if table is Beside.EXCHANGES]
    if everything:
        tasks: list[Task] = []
        for cut, w in sealed:
            tasks += _stretches(deck, cut, w, rows[w.id, ROLLUPS[cut.rollup].of])
        for subject, w in shown:
            tasks += _windows(deck, subject, w, rows[w.id, subject])
        for id_ in brought:
            tasks += _bodies(id_, rows)
        return tasks
    found: list[Task | None] = []
    for _ in range(SAMPLE // 3):
        found.append(_a_stretch(deck, *dice.choice(sealed), dice) if sealed else None)
        found.append(_a_window(deck, *dice.choice(shown), rows, dice) if shown else None)
        found.append(_bodies_of_a_day(dice.choice(brought), rows, dice) if brought else None)
    return list(dict.fromkeys(task for task in found if task is not None))


def _cuts(deck: Deck, workspace: Workspace) -> Iterator[Cut]:
    for rollup in ROLLUPS.values():
        yield Cut(rollup.name)
        if not rollup.activity:
            yield from (Cut(rollup.name, name) for name in {UTC, deck.seals.ledger.zone_of(workspace.id) or UTC})


def _days(cut: Cut, pieces: Iterable[Piece]) -> Iterator[Stretch]:
    """Days of the cut, or of UTC, in which something is sealed."""
    for begin, end in joined((p.start, p.end) for p in pieces):
        at = begin
        while at < end:
            after = min(end, cut.cell(at)[1] if cut.zone else (at // DAY + 1) * DAY)
            yield at, after
            at = after


def _portions(days: Iterable[Stretch], rows: Mapping[int, int]) -> Iterator[Stretch]:
    """Days in order, together as long as they do not hold too much."""
    first, last, count, weight = 0, 0, 0, 0
    for start, end in days:
        more = rows.get(start // DAY * DAY, 0)
        if count and (weight + more > ROWS_AT_ONCE or count == DAYS_AT_ONCE):
            yield first, last
            count, weight = 0, 0
        first = first if count else start
        last, count, weight = end, count + 1, weight + more
    if count:
        yield first, last


def _stretches(deck: Deck, cut: Cut, workspace: Workspace, rows: Mapping[int, int]) -> Iterator[Sealed]:
    pieces = live(deck, cut, workspace.id, 0, LATEST_WINDOW)
    for start, end in _portions(_days(cut, pieces), rows):
        yield Sealed(cut.rollup, cut.zone, workspace.id, start, end)


def _a_stretch(deck: Deck, cut: Cut, workspace: Workspace, dice: random.Random) -> Sealed | None:
    pieces = live(deck, cut, workspace.id, 0, LATEST_WINDOW)
    if not pieces:
        return None
    (piece,) = dice.choices(pieces, [p.end - p.start for p in pieces])
    start, end = Cut("", cut.zone or UTC).cell(dice.randrange(piece.start, piece.end))
    return Sealed(cut.rollup, cut.zone, workspace.id, start, end)


def _local_days(deck: Deck, workspace: Workspace, rows: Mapping[int, int]) -> list[Stretch]:
    """The days of the workspace's zone that hold events and are over. Below the floor of the events views differ as they must."""
    local, floor = Cut("", workspace.time_zone), deck.seals.ledger.floor_of(workspace.id)
    days = {local.cell(instant) for day in rows for instant in (day, day + DAY - 1)}
    return sorted(day for day in days if day[0] >= floor and day[1] <= deck.clock())


def _windows(deck: Deck, subject: Subject, workspace: Workspace, rows: Mapping[int, int]) -> Iterator[Views]:
    for start, end in _portions(_local_days(deck, workspace, rows), rows):
        yield Views(subject, workspace.id, start, end)


def _a_window(
    deck: Deck,
    subject: Subject,
    workspace: Workspace,
    rows: _Rows,
    dice: random.Random,
) -> Views | None:
    days = _local_days(deck, workspace, rows[workspace.id, subject])
    return Views(subject, workspace.id, *dice.choice(days)) if days else None


def _bodies(workspace: str, rows: _Rows) -> Iterator[Bodies]:
    """Days on which there are any; their events are looked at, too."""
    kept = rows[workspace, Beside.EXCHANGES]
    weight = {day: count + sum(rows[workspace, subject].get(day, 0) for subject in Subject) for day, count in kept.items()}
    for start, end in _portions(((day, day + DAY) for day in sorted(kept)), weight):
        yield Bodies(workspace, start, end)


def _bodies_of_a_day(workspace: str, rows: _Rows, dice: random.Random) -> Bodies:
    day = dice.choice(sorted(rows[workspace, Beside.EXCHANGES]))
    return Bodies(workspace, day, day + DAY)

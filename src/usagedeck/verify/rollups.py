"""Rollups against the events they were made of."""

from collections.abc import Iterable

from usagedeck import sql
from usagedeck.access import operator_scope
from usagedeck.catalog.rollups import ROLLUPS
from usagedeck.deck import Deck
from usagedeck.errors import InvalidInput
from usagedeck.seals import QUARTER, Cut, Piece
from usagedeck.times import iso
from usagedeck.verify.tasks import MOST_LISTED, Difference, Outcome, Sealed

STRETCHES_AT_ONCE = 100


def compare(deck: Deck, task: Sealed, *, unseal: bool) -> Outcome:
    """Compare a stretch of a rollup; with `unseal` the seals of what differs are taken away."""
    if task.rollup not in ROLLUPS:
        raise InvalidInput(f'rollup "{task.rollup[:40]}" is unknown; use one of {", ".join(ROLLUPS)}.', field="rollup")
    cut = Cut(task.rollup, task.zone)
    check = f"rollup {cut.rollup} by {_size(cut)}"
    outcome = Outcome({check: 0}, {check: 0})
    pieces = live(deck, cut, task.workspace, task.start, task.end)
    for at in range(0, len(pieces), STRETCHES_AT_ONCE):
        _compare(deck, cut, task.workspace, pieces[at : at + STRETCHES_AT_ONCE], outcome, check, unseal=unseal)
    return outcome


def live(deck: Deck, cut: Cut, workspace: str, start: int, end: int) -> list[Piece]:
    """What is sealed of the time whose events are kept: below there is nothing to compare it with."""
    floor = deck.seals.ledger.floor_of(workspace)
    return deck.seals.ledger.live(cut, workspace, min(max(start, floor), end), end)


def _size(cut: Cut) -> str:
    return f"days of {cut.zone}" if cut.zone else "minutes" if ROLLUPS[cut.rollup].activity else "quarter-hours"


def _compare(deck: Deck, cut: Cut, workspace: str, pieces: list[Piece], outcome: Outcome, check: str, *, unseal: bool) -> None:
    ledger, rollup = deck.seals.ledger, ROLLUPS[cut.rollup]
    held = ledger.slice(cut, workspace, pieces)
    statement = sql.compare(operator_scope(deck, workspace), held, MOST_LISTED)
    ((rows, differ, cells, listed),) = deck.store.run(statement, deck.answers.ticket)
    names = ["rows", *(m.name for m in rollup.measures)]
    outcome.compared[check] += rows * len(names)
    # a touch comes before its event: where no seal was taken away meanwhile, both sides were read of the same events
    now = ledger.live(cut, workspace, pieces[0].start, pieces[-1].end)
    numbers = {cell: _number_at(pieces, cell) for cell in cells}
    still = {cell for cell, number in numbers.items() if number == _number_at(now, cell)}
    real = [row for row in listed if int(row[0]) in still]
    outcome.different[check] += differ if len(still) == len(cells) else max(len(real), len(still))
    keys = 1 + len(rollup.columns)
    for row in real[: MOST_LISTED - len(outcome.differences)]:
        named = [f"{name} {value!r}" for name, value in zip(rollup.columns, row[1:keys], strict=True) if value]
        where = ", ".join([iso(int(row[0])), *named])
        pairs = zip(names, row[keys::2], row[keys + 1 :: 2], strict=True)
        outcome.differences += [Difference(check, workspace, where, n, one, other) for n, one, other in pairs if one != other]
    if unseal and still:
        _unseal(deck, cut, workspace, still)
        outcome.unsealed += len(still)


def _number_at(pieces: list[Piece], instant: int) -> int | None:
    return next((p.number for p in pieces if p.start <= instant < p.end), None)


def _unseal(deck: Deck, cut: Cut, workspace: str, cells: Iterable[int]) -> None:
    """As if something were about to be written there; answers that were kept are forgotten, too."""
    quarters = {workspace: sorted({cell - cell % QUARTER for cell in cells})}
    whole = {workspace: [q for first in quarters[workspace] for q in range(*cut.cell(first), QUARTER)]}

    def take_away() -> None:
        deck.seals.unseal(quarters)
        deck.answers.shelf.changes.note(whole)

    deck.writer.between(take_away).result()

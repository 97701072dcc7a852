"""Headers and bodies against the events they belong to."""

from usagedeck import sql
from usagedeck.access import operator_scope
from usagedeck.catalog.kinds import Subject
from usagedeck.deck import Deck
from usagedeck.events import REVISION_STEP
from usagedeck.times import iso
from usagedeck.verify.tasks import Bodies, Difference, Outcome

NUMBERS = ("orphans", "of erased events", "expired")
"""What there must be none of: those without an event, those that an erasure should have deleted, those below the floor."""


def compare(deck: Deck, task: Bodies) -> Outcome:
    """Count what belongs to no event of a stretch, or should not be there any more. What may yet be swept is no orphan."""
    outcome = Outcome({}, {}, [])
    where = f"{iso(task.start)} to {iso(task.end)}"
    for subject in Subject:
        statement = sql.count_exchanges(
            subject,
            (task.start, task.end),
            operator_scope(deck, task.workspace),
            arrived=deck.sweeper.swept,
            cleared=deck.expirer.cleared[task.workspace].exchanges,
            step=REVISION_STEP,
        )
        ((kept, *wrong),) = deck.store.run(statement, deck.answers.ticket)
        check = f"bodies of {subject}"
        if there := kept + wrong[-1]:
            outcome.compared[check], outcome.different[check] = there, sum(wrong)
        found = [(number, count) for number, count in zip(NUMBERS, wrong, strict=True) if count]
        outcome.differences += [Difference(check, task.workspace, where, number, str(count), "0") for number, count in found]
    return outcome

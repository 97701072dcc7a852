"""Proves the numbers: rollups against the events they were made of, every view against every other, and that headers and bodies
belong to events.

Work comes in tasks that take seconds at most, so that whoever asks for it can stop between any two of them. A stretch of a
rollup is compared as questions read it: with the seals that count at that moment. Views are asked through `report`, as the
doors ask it. Events may arrive meanwhile: what was written to while it was compared is no difference.

It repairs nothing by itself. When asked to, it takes away the seals of what differs, and then the events answer until it was
sealed anew.
"""

from typing import assert_never

from usagedeck.deck import Deck
from usagedeck.verify import bodies, rollups, views
from usagedeck.verify.planning import plan
from usagedeck.verify.tasks import Bodies, Difference, Outcome, Sealed, Task, Views

__all__ = ["Bodies", "Difference", "Outcome", "Sealed", "Task", "Views", "perform", "plan"]


def perform(deck: Deck, task: Task, *, unseal: bool = False) -> Outcome:
    """Do a task. With `unseal` the seals of what differs are taken away, so that it is computed anew."""
    match task:
        case Sealed():
            return rollups.compare(deck, task, unseal=unseal)
        case Views():
            return views.compare(deck, task)
        case Bodies():
            return bodies.compare(deck, task)
        case _:
            assert_never(task)

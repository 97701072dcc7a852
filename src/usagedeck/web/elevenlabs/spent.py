"""Credits used in the current billing period: the same numbers as everywhere, in all or by whoever used them."""

from collections.abc import Mapping
from dataclasses import dataclass

from usagedeck import limits, report
from usagedeck.access import View, Who
from usagedeck.catalog.dimensions import DIMENSIONS
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.deck import Deck
from usagedeck.errors import QueryTooHeavy, TooLarge
from usagedeck.query import Query, Selection
from usagedeck.web.elevenlabs.errors import MAX_ROWS
from usagedeck.web.elevenlabs.wire import exact_number
from usagedeck.windows import Interval


@dataclass(frozen=True, slots=True)
class Spent:
    """Credits by the value of a dimension; None where they are not known: events of the period have expired, or are too many to
    be counted in the time that a question has."""

    known: Mapping[str, int | float] | None

    def of(self, id_: str) -> int | float | None:
        return None if self.known is None else self.known.get(id_, 0)


def spent_by(deck: Deck, who: Who, view: View, dimension: str) -> Spent:
    """Credits so far by the values of a dimension."""
    try:
        answer = _asked(deck, who, view, (dimension,))
    except (QueryTooHeavy, TooLarge):
        return Spent(None)  # these fields are optional, and what they stand beside is worth having without them
    if answer.about.available_from is not None:
        return Spent(None)
    return Spent({str(row[2]): exact_number(row[-1]) for row in answer.table.rows if row[2] is not None})


def spent(deck: Deck, who: Who, view: View) -> tuple[int | float, report.About]:
    """Credits so far in all, and what of the period they are about."""
    answer = _asked(deck, who, view, ())
    return sum(exact_number(row[-1]) for row in answer.table.rows), answer.about


def _asked(deck: Deck, who: Who, view: View, by: tuple[str, ...]) -> report.Answer:
    selection = Selection(Subject.REQUESTS, limits.period_of(deck, who.workspace))
    dimensions = tuple(DIMENSIONS[name] for name in by)
    query = Query(selection, (METRICS["credits"],), Interval(unit="total"), dimensions, row_cap=MAX_ROWS)
    return report.usage(deck, who, view, query)

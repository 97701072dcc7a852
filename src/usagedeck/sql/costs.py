"""What the routes of a question cost, about: for few events a rollup is the longer way.

Measured in milliseconds of CPU; see `docs/decisions/0008-rollups.md`. Nothing depends on it but time: the routes give the same
answer, so an estimate that is wrong or old does no harm.
"""

from collections.abc import Sequence
from typing import Protocol

from usagedeck.catalog.fields import JOINING
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.measures import Measure
from usagedeck.filters import Op
from usagedeck.query import Query, Selection
from usagedeck.stretches import Stretch
from usagedeck.times import DAY, WEEK

FEW = 100_000
"""So many rows are told apart in memory without a second thought."""

MOST_SEARCHED = 1_000_000
"""In so many events words are looked for without being asked twice: it takes some 0.3 s of CPU."""


class Sizes(Protocol):
    """How much is stored."""

    def rows(self, subject: Subject, workspace_id: str, stretch: Stretch) -> int | None:
        """About how many events of a workspace the engine reads for a stretch of time; None while nobody has looked."""


class Unknown:
    """Sizes that nobody has looked at."""

    def rows(self, _subject: Subject, _workspace_id: str, _stretch: Stretch) -> int | None:
        return None


UNKNOWN = Unknown()


def events_are_cheaper(query: Query, measures: Sequence[Measure], stretch: Stretch, rows: int) -> bool:
    """Whether so many events of a stretch of time are read faster than rollups are.

    Where rows are few, the statement and the parts cost more than they do: events lie in weeks, rollups in months, and a
    statement over both takes the engine twice as long to prepare. What was active when is quickly told by the rollup only.
    """
    if any(m.activity for m in measures):
        return False
    length = stretch[1] - stretch[0]
    levels = sum(bool(m.values) for m in measures)
    per_million = 30 + 30 * len(query.dimensions) + 12 * levels
    events = 7 + 0.6 * (1 + length / WEEK) + per_million * rows / 1e6
    rollup = 14 + 2 * (1 + length / (30 * DAY)) + (10 if levels else 0)
    return events < rollup


def costly(
    selection: Selection, workspace_id: str, stretches: Sequence[Stretch], sizes: Sizes, *, joined: bool = False
) -> int | None:
    """In about how many events words would be looked for, where these are very many; None where they are not, or nobody has
    looked."""
    if not selection.search or looked_up(selection, joined=joined):
        return None
    rows = sum(sizes.rows(selection.subject, workspace_id, one) or 0 for one in stretches)
    return rows if rows > MOST_SEARCHED else None


def looked_up(selection: Selection, *, joined: bool) -> bool:
    """An index knows where the rows are, so nothing else is read. Attempts are looked for by what joins them only."""
    return any(
        one.op in (Op.EQ, Op.IN) and one.values and one.dimension.indexed and (not joined or one.dimension.columns <= {*JOINING})
        for one in selection.filters
    )

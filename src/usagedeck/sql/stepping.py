"""In which steps a page of the log is looked for: from the end where it begins, a little at first and more each time.

Whoever asks for a hundred rows seldom needs all of the window; and who looks for something rare sees what was found so far.
"""

from collections.abc import Iterator

from usagedeck.query import LogQuery
from usagedeck.sql.costs import Sizes, looked_up
from usagedeck.sql.statement import Scope
from usagedeck.stretches import Stretch
from usagedeck.times import MINUTE

FIRST = 20_000
"""Events that the first step looks at when it takes them all."""

FIRST_OF_SOME = 250_000
"""The same when it takes only those that match, or that begin a delivery."""

GROWTH = 4


def steps(query: LogQuery, scope: Scope, sizes: Sizes) -> Iterator[Stretch]:
    """The parts of what a page may come from, in the order of reading. While nobody knows the sizes it is one part."""
    low, high = query.reading
    asked = query.selection
    picky = scope.user_id is not None or asked.filters or asked.search or asked.active_in or query.joined
    wanted = FIRST_OF_SOME if picky else FIRST
    while low < high:
        rows = (
            None
            if looked_up(query.selection, joined=query.joined)
            else sizes.rows(query.selection.subject, scope.workspace_id, (low, high))
        )
        if rows is None or rows <= 2 * wanted:
            yield low, high
            return
        step = _long_enough(query, scope, sizes, (low, high), wanted)
        yield step
        low, high = (step[1], high) if query.upwards else (low, step[0])
        wanted *= GROWTH


def _long_enough(query: LogQuery, scope: Scope, sizes: Sizes, stretch: Stretch, wanted: int) -> Stretch:
    """The shortest part with about so many events, to the minute, at the end where reading begins."""

    def part(length: int) -> Stretch:
        return (stretch[0], stretch[0] + length) if query.upwards else (stretch[1] - length, stretch[1])

    short, long = 0, stretch[1] - stretch[0]
    while long - short > MINUTE:
        middle = (short + long) // 2
        if (sizes.rows(query.selection.subject, scope.workspace_id, part(middle)) or 0) < wanted:
            short = middle
        else:
            long = middle
    return part(long)

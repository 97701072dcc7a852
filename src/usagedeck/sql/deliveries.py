"""Deliveries, each put together from its attempts.

Attempts that agree in `catalog.JOINING` belong together. An attempt with no other one within the reach before it begins a
delivery; those that follow it within the reach are the delivery's further attempts, whatever window is asked for. So rows up
to one reach before and behind a window are enough to know its deliveries, and a row of the answer has the columns of an
attempt: what became of the delivery is its last attempt's, all else its first one's.
"""

from collections.abc import Iterable, Sequence

from usagedeck.catalog.fields import JOINING, OUTCOMES, TOOK, TRIES, columns_in, fields
from usagedeck.catalog.measures import OK_DELIVERY
from usagedeck.query import Selection
from usagedeck.sql.conditions import around, matching
from usagedeck.sql.statement import Binder, Scope
from usagedeck.stretches import Stretch

_FIXED = ("time", "ifNull(attempt, 0)", "id")
"""What attempts are put in order by. It leads the tuple that an attempt becomes."""


def delivered(
    selection: Selection, scope: Scope, stretches: Sequence[Stretch], reach_: int, fragments: Sequence[str], bind: Binder
) -> str:
    """FROM and WHERE of the deliveries of a selection that began in the stretches; `fragments` is what is asked of them.

    Raises `ValueError` for a question that nobody has given a reach.
    """
    if reach_ <= 0:
        raise ValueError("Without a reach every attempt would be a delivery; report sets it.")
    fragments = [*fragments, *(one.dimension.sql for one in selection.filters)]
    columns = _columns(selection, fragments)
    parts = [*_FIXED, *columns]
    timed = any(TOOK in text for text in fragments)
    if timed:
        parts += [f"ifNull({OK_DELIVERY}, 0)", "time + duration_ms"]
    place = {name: i for i, name in enumerate(("time", "number", "id", *columns, "ok", "ended"), 1)}
    reach = bind(reach_, "Int64")
    # the first of all has none before it: an instant that is further away than any reach
    nothing = bind(min(low for low, _ in stretches) - 2 * reach_ - 1, "Int64")
    begins = " OR ".join(f"(one.1 >= {bind(low, 'Int64')} AND one.1 < {bind(high, 'Int64')})" for low, high in stretches)
    # keys of 16 bytes need a third less time and memory than the texts they stand for; that two of a hundred million
    # deliveries share one has a chance of 1 to 10^22
    joined = (
        f"SELECT arraySort(groupArray(tuple({', '.join(parts)}))) AS made FROM {selection.subject} FINAL "
        f"WHERE {around(selection, scope, stretches, reach_, bind)} GROUP BY sipHash128({', '.join(JOINING)})"
    )
    firsts = (
        "SELECT made, arrayJoin(arrayFilter((one, before) -> one.1 - before > "
        f"{reach} AND ({begins}), made, arrayPushFront(arrayPopBack(made.1), {nothing}))) AS first FROM ({joined})"
    )
    whole = f"SELECT first, arrayFilter(one -> one.1 >= first.1 AND one.1 <= first.1 + {reach}, made) AS mine FROM ({firsts})"
    named = ["first.1 AS time", "first.3 AS id", f"{bind(scope.workspace_id, 'String')} AS workspace_id"]
    named += [f"{f'mine[-1].{place[c]}' if c in OUTCOMES else f'first.{place[c]}'} AS {c}" for c in columns]
    named.append(f"length(mine) AS {TRIES}")
    if timed:
        ok, ended = place["ok"], place["ended"]
        until = f"arrayFirst(one -> one.{ok}, mine).{ended} - first.1"
        named.append(f"if(mine[-1].{ok}, {until}, NULL) AS {TOOK}")
    conditions = " AND ".join(matching(selection, bind)) or "1"
    return f"(SELECT {', '.join(named)} FROM ({whole})) WHERE {conditions}"


def _columns(selection: Selection, fragments: Iterable[str]) -> list[str]:
    """The stored columns that the question looks at, besides those that every delivery has."""
    found = set().union(*map(columns_in, fragments))
    for word in selection.search:
        found |= {f.name for f in fields(selection.subject) if f.searchable} | {name for name, _ in word.named}
    return sorted(found - {"time", "id", "workspace_id"})

"""What proves a rollup: what it says of some cells beside what the events say of them."""

from usagedeck.catalog.measures import VALUES
from usagedeck.catalog.rollups import ROLLUPS
from usagedeck.query import Selection
from usagedeck.seals import Slice
from usagedeck.sql.conditions import sealed
from usagedeck.sql.sealing import cells
from usagedeck.sql.statement import Binder, Scope, Statement
from usagedeck.times import zone
from usagedeck.windows import Window


def compare(scope: Scope, held: Slice, most: int) -> Statement:
    """Compare the rows that questions read from a slice with rows computed anew, in one statement.

    One row: `rows` is how many different rows there are on either side, `differ` how many of them are not equal, `cells` the
    first instants of their cells, and `listed` at most `most` of them as texts: the cell, the rollup's columns, then in pairs
    (held, counted) how often the row is there and each of its measures.
    """
    rollup = ROLLUPS[held.cut.rollup]
    names = [m.name for m in rollup.measures]
    bind = Binder()
    keys = ["cell", *rollup.columns]
    window = Window(held.stretches[0][0], held.stretches[-1][1], zone("UTC"))
    chosen = sealed(Selection(rollup.of, window), scope, (held,), bind)
    counted = cells(held.cut, held.stretches, [scope.workspace_id], bind)
    both = (
        f"SELECT time AS cell, {', '.join([*rollup.columns, *(f'{n} AS m_{n}' for n in names)])}, 1 AS kept "
        f"FROM {rollup.table} WHERE {chosen} "
        f"UNION ALL SELECT {', '.join([*keys, *(f'm_{n}' for n in names)])}, 0 AS kept FROM ({counted})"
    )
    pairs = [("copies", "there"), *((f"held_{n}", f"counted_{n}") for n in names)]
    sums = ["countIf(kept = 1) AS copies", "countIf(kept = 0) AS there"]
    sums += [
        f"{'anyIf' if m.name in VALUES else 'sumIf'}(m_{m.name}, kept = {side}) AS {word}_{m.name}"
        for m in rollup.measures
        for side, word in ((1, "held"), (0, "counted"))
    ]
    different = " OR ".join(["copies != 1", *(f"{one} != {other}" for one, other in pairs)])
    listed = ", ".join(_as_text(name) for name in (*keys, *(n for pair in pairs for n in pair)))
    text = (
        f"SELECT count(), countIf(differs), groupUniqArrayIf(cell, differs), groupArrayIf({int(most)})([{listed}], differs) "
        f"FROM (SELECT *, {different} AS differs FROM (SELECT {', '.join([*keys, *sums])} FROM ({both}) "
        f"GROUP BY {', '.join(keys)}))"
    )
    return Statement(text, bind.values, ("rows", "differ", "cells", "listed"))


def _as_text(name: str) -> str:
    """A cell in a list of differences. Of many values their number and a fingerprint is enough to see that they differ."""
    if name.partition("_")[2] in VALUES:
        return f"concat(toString(length({name})), ' values, ', hex(sipHash64({name})))"
    return f"ifNull(toString({name}), '')"


def per_day(subject: str) -> Statement:
    """Rows per workspace and UTC day, repeats included: `workspace_id`, `day` (its first instant), `rows`."""
    text = f"SELECT workspace_id, time - time % 86400000 AS day, count() FROM {subject} GROUP BY workspace_id, day"
    return Statement(text, {}, ("workspace_id", "day", "rows"))

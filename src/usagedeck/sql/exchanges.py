"""Headers and bodies. Those of one event: first the event, as its scope sees it, then what it brought. And those that belong to
no event.
"""

from usagedeck.catalog.fields import SIDES
from usagedeck.catalog.kinds import Beside, Subject
from usagedeck.query import Selection
from usagedeck.sql.conditions import where, whose
from usagedeck.sql.log import Arrivals
from usagedeck.sql.statement import Binder, Scope, Statement
from usagedeck.stretches import Stretch
from usagedeck.times import DAY


def compile_event(selection: Selection, scope: Scope, step: int) -> Statement:
    """The newest event of a selection: `time`, `id`, `place`. Its place is its version without its revision, of which each has a
    step: the arrival that counts has its exchange at the same place."""
    bind = Binder()
    chosen = where(selection, scope, bind)
    place = f"version % {bind(step, 'UInt64')}"
    text = f"SELECT time, id, {place} FROM {selection.subject} FINAL WHERE {chosen} ORDER BY time DESC, id DESC LIMIT 1"
    return Statement(text, bind.values, ("time", "id", "place"))


def compile_exchange(subject: Subject, event: tuple[int, str, int], scope: Scope, step: int) -> Statement:
    """What an event (time, id, place) brought, one column for each side; no row when nothing was kept, or it has expired."""
    bind = Binder()
    time, id_, place = event
    parts = [
        *whose(scope, scope.floor.exchanges, bind),
        f"subject = {bind(subject.value, 'String')}",
        f"time = {bind(time, 'Int64')}",
        f"id = {bind(id_, 'String')}",
        f"version % {bind(step, 'UInt64')} = {bind(place, 'UInt64')}",
    ]
    text = f"SELECT {', '.join(SIDES)} FROM {Beside.EXCHANGES} WHERE {' AND '.join(parts)} LIMIT 1"
    return Statement(text, bind.values, SIDES)


# --- those that belong to nothing ---------------------------------------------------------------------------------


def exchange_days(arrived: Arrivals) -> Statement:
    """The days of the events whose exchanges arrived then: `subject`, `day` (its first instant)."""
    bind = Binder()
    text = f"SELECT DISTINCT subject, time - time % {DAY} AS day FROM {Beside.EXCHANGES} WHERE {_arrived(arrived, bind)}"
    return Statement(f"{text} ORDER BY ALL", bind.values, ("subject", "day"))


def orphans(subject: Subject, day: int, arrived: Arrivals) -> Statement:
    """The exchanges of a day that arrived then and have no event: `workspace_id`, `version`."""
    bind = Binder()
    within = _within((day, day + DAY), bind)
    mine = f"subject = {bind(subject.value, 'String')} AND {within} AND {_arrived(arrived, bind)}"
    identity = "workspace_id, time, id"
    events = (
        f"SELECT {identity} FROM {subject} WHERE {within} "
        f"AND ({identity}) IN (SELECT {identity} FROM {Beside.EXCHANGES} WHERE {mine})"
    )
    text = f"SELECT workspace_id, version FROM {Beside.EXCHANGES} WHERE {mine} AND ({identity}) NOT IN ({events}) ORDER BY ALL"
    return Statement(text, bind.values, ("workspace_id", "version"))


def count_exchanges(subject: Subject, stretch: Stretch, scope: Scope, *, arrived: Arrivals, cleared: int, step: int) -> Statement:
    """What there is of a workspace's exchanges in a stretch of time, in one row: `kept`, those that have not expired; of these
    `orphans`, which arrived then and have no event, and `blanked`, whose event counts as they came with it and was made anew
    since; and `expired`, those below an instant."""
    bind = Binder()
    mine = " AND ".join([*whose(scope, 0, bind), _within(stretch, bind)])
    named = f"{mine} AND subject = {bind(subject.value, 'String')}"
    events = f"{subject} FINAL WHERE {mine} AND (time, id) IN (SELECT time, id FROM {Beside.EXCHANGES} WHERE {named})"
    place = bind(step, "UInt64")
    tests = [
        "1",
        f"{_arrived(arrived, bind)} AND (time, id) NOT IN (SELECT time, id FROM {events})",
        f"(time, id, version) IN (SELECT time, id, version % {place} FROM {events} AND version >= {place})",
    ]
    kept = f"time >= {bind(scope.floor.exchanges, 'Int64')}"
    counts = [*(f"countIf({kept} AND {test})" for test in tests), f"countIf(time < {bind(cleared, 'Int64')})"]
    text = f"SELECT {', '.join(counts)} FROM {Beside.EXCHANGES} WHERE {named}"
    return Statement(text, bind.values, ("kept", "orphans", "blanked", "expired"))


def _arrived(arrived: Arrivals, bind: Binder) -> str:
    return f"version >= {bind(arrived.low, 'UInt64')} AND version < {bind(arrived.high, 'UInt64')}"


def _within(stretch: Stretch, bind: Binder) -> str:
    return f"time >= {bind(stretch[0], 'Int64')} AND time < {bind(stretch[1], 'Int64')}"

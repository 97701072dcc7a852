"""The headers and bodies of one event: first the event, as its scope sees it, then what it brought."""

from usagedeck.catalog.fields import SIDES
from usagedeck.catalog.kinds import Beside, Subject
from usagedeck.query import Selection
from usagedeck.sql.conditions import where, whose
from usagedeck.sql.statement import Binder, Scope, Statement


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

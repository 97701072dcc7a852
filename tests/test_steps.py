"""In which steps a page of the log is looked for: together they are the window, and they grow."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from usagedeck import sql
from usagedeck.catalog.dimensions import log_field
from usagedeck.catalog.kinds import Subject
from usagedeck.filters import parse_filter, parse_search
from usagedeck.query import Cursor, Direction, LogQuery, Selection
from usagedeck.sql import Scope, steps
from usagedeck.stretches import Stretch
from usagedeck.times import DAY, HOUR, MINUTE, zone
from usagedeck.windows import Window

START = 20_000 * DAY


class Even:
    """So many events a minute, always."""

    def __init__(self, a_minute: float) -> None:
        self._a_minute = a_minute

    def rows(self, _subject: Subject, _workspace_id: str, stretch: Stretch) -> int | None:
        return int((stretch[1] - stretch[0]) / MINUTE * self._a_minute)


def asked(*filters: str, text: str = "", days: int = 30, ascending: bool = False, cursor: Cursor | None = None) -> LogQuery:
    window = Window(START, START + days * DAY, zone("UTC"))
    selection = Selection(Subject.REQUESTS, window, tuple(map(parse_filter, filters)), parse_search(text))
    return LogQuery(selection, (log_field("id", Subject.REQUESTS),), ascending=ascending, cursor=cursor)


def stepped(query: LogQuery, sizes: sql.Sizes, scope: Scope | None = None) -> list[Stretch]:
    return list(steps(query, scope or Scope("ws"), sizes))


@given(
    a_minute=st.sampled_from((0.0, 0.01, 3.0, 500.0, 1e6)),
    days=st.integers(1, 400),
    at=st.none() | st.integers(-DAY, 401 * DAY),
    direction=st.sampled_from(Direction),
    ascending=st.booleans(),
    text=st.sampled_from(("", "word")),
)
def test_together_they_are_what_is_read_in_its_order(
    a_minute: float, days: int, at: int | None, direction: Direction, ascending: bool, text: str
) -> None:
    cursor = None if at is None else Cursor(START + at, "x", direction)
    query = asked(text=text, days=days, ascending=ascending, cursor=cursor)
    found = stepped(query, Even(a_minute))
    low, high = query.reading
    if low >= high:
        assert found == []
        return
    upwards = found if query.upwards else found[::-1]
    assert (upwards[0][0], upwards[-1][1]) == (low, high)
    assert all(a[1] == b[0] for a, b in pairwise(upwards))
    assert all(start < end for start, end in found)
    assert len(found) < 20


def test_each_looks_at_four_times_more() -> None:
    sizes = Even(1000)
    sums = [sizes.rows(Subject.REQUESTS, "ws", step) or 0 for step in stepped(asked(), sizes)]
    assert [round(n, -4) for n in sums[:4]] == [20_000, 80_000, 320_000, 1_280_000]
    sums = [sizes.rows(Subject.REQUESTS, "ws", step) or 0 for step in stepped(asked(text="rare"), sizes)]
    assert [round(n, -4) for n in sums[:3]] == [250_000, 1_000_000, 4_000_000]
    own = stepped(asked(), sizes, Scope("ws", user_id="ana"))
    assert own == stepped(asked("status:ge:500"), sizes) == stepped(asked(text="rare"), sizes)


def test_few_events_are_one_step() -> None:
    assert stepped(asked(), Even(0.9)) == [(START, START + 30 * DAY)]
    assert stepped(asked(), sql.UNKNOWN) == [(START, START + 30 * DAY)]


def test_what_an_index_finds_is_one_step() -> None:
    whole = [(START, START + 30 * DAY)]
    assert stepped(asked("id:eq:r1"), Even(1000)) == stepped(asked("id:in:a,b"), Even(1000)) == whole
    assert len(stepped(asked("id:starts_with:r"), Even(1000))) > 1
    assert len(stepped(asked("id:neq:r"), Even(1000))) > 1


def test_they_begin_at_the_cursor() -> None:
    at = START + DAY + 5
    assert asked(cursor=Cursor(at, "x", Direction.OLDER)).reading == (START, at + 1)
    assert asked(cursor=Cursor(at, "x", Direction.NEWER)).reading == (at, START + 30 * DAY)
    assert asked(cursor=Cursor(at + HOUR, "x", Direction.OLDER), ascending=True).reading == (START, at + HOUR + 1)

"""The ledger against a slow one that keeps a moment for every single quarter-hour."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from usagedeck.seals import EVERYBODY, QUARTER, UTC, Cut, Ledger, Piece, Seal
from usagedeck.stretches import joined, without
from usagedeck.times import DAY, HOUR, first_instant, zone

QUARTERS = 40
CUT = Cut("calls")
BERLIN = Cut("calls", "Europe/Berlin")
SPRING = first_instant(date(2026, 3, 29), 0, zone("Europe/Berlin"))  # a day of 23 hours

stretches = st.tuples(st.integers(0, QUARTERS - 1), st.integers(1, QUARTERS)).map(
    lambda pair: (pair[0] * QUARTER, min(pair[0] + pair[1], QUARTERS) * QUARTER)
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("seal"), st.sampled_from(("a", "b", EVERYBODY)), stretches, st.integers(0, 3)),
        st.tuples(st.just("touch"), st.sampled_from(("a", "b")), stretches, st.just(0)),
    ),
    max_size=25,
)


class Slow:
    """Every quarter-hour of every workspace: which seals were laid there, and when it was touched."""

    def __init__(self) -> None:
        self.seals: list[Seal] = []
        self.touches: dict[tuple[str, int], int] = {}

    def number(self, workspace: str, quarter: int) -> int | None:
        """The seal that counts there."""
        there = [s for s in self.seals if s.workspace_id in (EVERYBODY, workspace) and s.start <= quarter < s.end]
        if not there:
            return None
        last = max(there, key=lambda s: s.as_of)
        return last.number if last.as_of >= self.touches.get((workspace, quarter), -1) else None

    def carries(self, number: int, workspace: str, quarter: int) -> bool:
        """Whether a row with that number may lie there."""
        mine = (EVERYBODY, workspace)
        return any(s.number == number and s.workspace_id in mine and s.start <= quarter < s.end for s in self.seals)


def played(moves: list[tuple[str, str, tuple[int, int], int]]) -> tuple[Ledger, Slow]:
    ledger, slow = Ledger(), Slow()
    for what, workspace, (start, end), late in moves:
        if what == "touch":
            moment = ledger.draw()
            met = [(workspace, quarter) for quarter in range(start, end, QUARTER)]
            ledger.touch(met, moment)
            slow.touches.update(dict.fromkeys(met, moment))
        else:
            moment = ledger.begin(end)
            for _ in range(late):  # others are drawn before it is published
                ledger.draw()
            seal = Seal(ledger.draw(), CUT, workspace, start, end, moment)
            ledger.publish([seal])
            slow.seals.append(seal)
    return ledger, slow


@given(steps, stretches)
def test_what_may_be_read(moves: list[tuple[str, str, tuple[int, int], int]], asked: tuple[int, int]) -> None:
    ledger, slow = played(moves)
    for workspace in ("a", "b", "c"):
        pieces = ledger.live(CUT, workspace, *asked)
        found = {quarter: p.number for p in pieces for quarter in range(p.start, p.end, QUARTER)}
        expected = {q: number for q in range(*asked, QUARTER) if (number := slow.number(workspace, q)) is not None}
        assert found == expected
        assert sum(p.end - p.start for p in pieces) == len(found) * QUARTER, "pieces overlap"
        shadowed = set(ledger.shadowed(CUT, workspace, pieces))
        in_the_way = {
            (number, q) for q in found for number in set(found.values()) - {found[q]} if slow.carries(number, workspace, q)
        }
        assert shadowed >= in_the_way
        assert not any(found.get(q) == number for number, q in shadowed)


@given(steps, stretches)
def test_what_is_missing(moves: list[tuple[str, str, tuple[int, int], int]], asked: tuple[int, int]) -> None:
    ledger, slow = played(moves)
    for workspace, holes in ledger.missing(CUT, *asked).items():
        missing = [q for low, high in holes for q in range(low, high, QUARTER)]
        assert missing == [q for q in range(*asked, QUARTER) if slow.number(workspace, q) is None]


@given(steps)
def test_only_what_a_seal_may_have_looked_at_has_to_be_touched(moves: list[tuple[str, str, tuple[int, int], int]]) -> None:
    ledger, slow = played(moves)
    everything = {workspace: range(0, QUARTERS * QUARTER, QUARTER) for workspace in ("a", "b")}
    due = set(ledger.due(everything))
    sealed = {
        (w, q)
        for s in slow.seals
        for w in (("a", "b") if s.workspace_id == EVERYBODY else (s.workspace_id,))
        for q in range(s.start, s.end, QUARTER)
    }
    assert due >= {(w, q) for w, q in sealed if slow.touches.get((w, q), -1) <= max(s.as_of for s in slow.seals)}
    ledger.touch(due, ledger.draw())
    assert ledger.due(everything) == [], "once is enough until the next seal begins"


@given(steps)
def test_a_ledger_that_was_written_down_says_the_same(moves: list[tuple[str, str, tuple[int, int], int]]) -> None:
    ledger, slow = played(moves)
    again = Ledger(slow.seals, [(w, q, m) for (w, q), m in slow.touches.items()])
    for workspace in ("a", "b"):
        assert again.live(CUT, workspace, 0, QUARTERS * QUARTER) == ledger.live(CUT, workspace, 0, QUARTERS * QUARTER)
    used = [s.number for s in slow.seals] + [s.as_of for s in slow.seals] + list(slow.touches.values())
    assert again.draw() > max(used, default=0)


@given(steps)
def test_superseded_numbers_are_told_once_and_are_nowhere(moves: list[tuple[str, str, tuple[int, int], int]]) -> None:
    ledger, slow = played(moves)
    gone = ledger.superseded().get("calls", set())
    assert ledger.superseded() == {}
    pieces = [p for w in ("a", "b", "c") for p in ledger.live(CUT, w, 0, QUARTERS * QUARTER)]
    assert not gone & {p.number for p in pieces}
    assert gone <= {s.number for s in slow.seals}


def test_one_late_event_takes_its_quarter_hour_and_its_whole_day_away() -> None:
    ledger = Ledger()
    days = Seal(1, BERLIN, EVERYBODY, SPRING - DAY, SPRING + 47 * HOUR, 5)
    quarters = Seal(2, CUT, EVERYBODY, SPRING - DAY, SPRING + 47 * HOUR, 5)
    ledger.place("a", "Europe/Berlin", 4)
    ledger.publish([days, quarters])
    late = SPRING + 5 * HOUR
    ledger.touch([("a", late)], 6)
    assert ledger.live(CUT, "a", SPRING, SPRING + 23 * HOUR) == [
        Piece(SPRING, late, 2, 5),
        Piece(late + QUARTER, SPRING + 23 * HOUR, 2, 5),
    ]
    assert ledger.live(BERLIN, "a", SPRING - DAY, SPRING + 47 * HOUR) == [
        Piece(SPRING - DAY, SPRING, 1, 5),
        Piece(SPRING + 23 * HOUR, SPRING + 47 * HOUR, 1, 5),
    ]


def test_days_of_a_zone_count_for_those_who_had_it_when_they_were_sealed() -> None:
    ledger = Ledger()
    ledger.place("a", "Europe/Berlin", 1)
    ledger.publish([Seal(3, BERLIN, EVERYBODY, SPRING, SPRING + 23 * HOUR, 2)])
    assert ledger.live(BERLIN, "a", SPRING, SPRING + 23 * HOUR)
    assert not ledger.live(BERLIN, "b", SPRING, SPRING + 23 * HOUR)
    ledger.place("b", "Europe/Berlin", 4)
    assert not ledger.live(BERLIN, "b", SPRING, SPRING + 23 * HOUR), "it was sealed without b"
    assert ledger.missing(BERLIN, SPRING, SPRING + 23 * HOUR) == {"b": [(SPRING, SPRING + 23 * HOUR)]}
    ledger.place("a", "Asia/Kathmandu", 5)
    assert not ledger.live(BERLIN, "a", SPRING, SPRING + 23 * HOUR)


def test_only_whole_cells_are_read() -> None:
    ledger = Ledger(seals=[Seal(1, CUT, EVERYBODY, 0, 4 * QUARTER, 0), Seal(2, Cut("calls", UTC), EVERYBODY, 0, 3 * DAY, 0)])
    assert ledger.live(CUT, "a", 1, 4 * QUARTER - 1) == [Piece(QUARTER, 3 * QUARTER, 1, 0)]
    assert ledger.live(CUT, "a", QUARTER + 1, 2 * QUARTER) == []
    assert ledger.live(Cut("calls", UTC), "a", 1, 3 * DAY - 1) == [Piece(DAY, 2 * DAY, 2, 0)]


def test_stretches() -> None:
    assert without((0, 10), [(-5, 1), (3, 4), (4, 5), (9, 20)]) == [(1, 3), (5, 9)]
    assert without((0, 10), [(0, 10)]) == []
    assert without((0, 10), []) == [(0, 10)]
    assert joined([(5, 6), (1, 3), (3, 4), (2, 3)]) == [(1, 4), (5, 6)]


def test_a_question_that_began_before_its_seals_were_superseded_still_knows_what_is_in_the_way() -> None:
    ledger = Ledger()
    ledger.publish([Seal(1, CUT, EVERYBODY, 0, 4 * QUARTER, 1), Seal(2, CUT, "a", QUARTER, 2 * QUARTER, 2)])
    pieces = ledger.live(CUT, "a", 0, 4 * QUARTER)
    ledger.publish([Seal(3, CUT, EVERYBODY, 0, 4 * QUARTER, 3)])
    assert ledger.superseded() == {"calls": {1, 2}}
    assert ledger.shadowed(CUT, "a", pieces) == [(1, QUARTER)]
    ledger.forget({1, 2})
    assert ledger.shadowed(CUT, "a", pieces) == []

"""The live tail: every row once, in the order of arrival; nothing that was there before; a stated part of what is too much."""

import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.house import NOON, House, StillClock, build_house
from tests.waiting import until
from usagedeck import tail as tail_module
from usagedeck.access import Permission, View, Who
from usagedeck.catalog.dimensions import log_field
from usagedeck.catalog.kinds import Subject
from usagedeck.deck import Deck, open_deck
from usagedeck.errors import InvalidInput, NotAllowed, TooBusy
from usagedeck.events import version
from usagedeck.filters import parse_filter, parse_search
from usagedeck.query import LogQuery, Selection
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.store import commits as commits_module
from usagedeck.store.commits import Commits
from usagedeck.store.ticket import Ticket
from usagedeck.table import Row
from usagedeck.tail import Arrived, Tail
from usagedeck.times import DAY, HOUR, SECOND, zone
from usagedeck.windows import LATEST_WINDOW, Window

EVER = Window(0, LATEST_WINDOW, zone("UTC"))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks sees everything."""
    monkeypatch.setattr(commits_module, "STEADY", 0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deck, StillClock]]:
    clock = StillClock()
    with open_deck(Settings(data_dir=tmp_path_factory.mktemp("tail") / "data", min_free_bytes=0), clock) as deck:
        yield deck, clock


@pytest.fixture
def deck(world: tuple[Deck, StillClock]) -> Deck:
    return world[0]


@pytest.fixture
def clock(world: tuple[Deck, StillClock]) -> StillClock:
    return world[1]


@pytest.fixture
def house(deck: Deck) -> House:
    """A workspace of one's own on the shared deck."""
    return build_house(deck)


def following(
    deck: Deck, *filters: str, subject: Subject = Subject.REQUESTS, search: str = "", window: Window = EVER, **more: Any
) -> Tail:
    selection = Selection(subject, window, tuple(map(parse_filter, filters)), parse_search(search))
    columns = tuple(log_field(name, subject) for name in ("id", "time"))
    return Tail(deck, LogQuery(selection, columns), place=more.pop("place", None), rate=more.pop("rate", 200))


def ids(arrived: Arrived) -> list[str]:
    return [row[0] for row in arrived.table.rows]


def step(tail: Tail, house: House, view: View | None = None) -> list[str]:
    return ids(tail.step(house.who, view))


def event(id_: str, time: int = NOON, **more: Any) -> dict[str, Any]:
    return {"id": id_, "time": time, **more}


def test_rows_come_once_as_they_arrive(house: House) -> None:
    house.send([event("before")])
    tail = following(house.deck)
    assert step(tail, house) == []
    house.send([event("b"), event("a", NOON - DAY), event("before")])
    house.send([event("late", NOON - 400 * DAY), event("b"), event("c")])
    assert step(tail, house) == ["b", "a", "late", "c"]
    assert step(tail, house) == []
    house.send([event(id_) for id_ in ("a", "b", "c", "late", "before")])
    assert step(tail, house) == ["a", "late"], "the same id at another time is another event"


def test_what_was_rewritten_does_not_arrive_again(house: House) -> None:
    house.send([event("a"), event("b")])
    tail = following(house.deck)
    again = {"workspace_id": house.workspace_id, "id": "a", "time": NOON, "version": version(NOON * 1000 + 10, 1)}
    house.deck.store.insert(Subject.REQUESTS, json.dumps(again).encode())
    house.send([event("c")])
    assert step(tail, house) == ["c"]


def test_it_sees_what_the_log_sees(house: House) -> None:
    other = build_house(house.deck, "other")
    _, mine = house.key_who(user="u1", permissions=[Permission.READ])
    tails = {
        "all": following(house.deck),
        "failed": following(house.deck, "status:ge:500"),
        "words": following(house.deck, search="SPEECH"),
        "window": following(house.deck, window=Window(NOON, NOON + HOUR, zone("UTC"))),
        "deliveries": following(house.deck, subject=Subject.DELIVERIES),
        "mine": following(house.deck),
    }
    other.send([event("theirs", status=500, path="/v1/speech", user_id="u1")])
    house.send([event("failed", status=500), event("early", NOON - 1), event("spoken", path="/v1/Speech", user_id="u1")])
    house.send([event("sent", kind="delivery", webhook_id="w")])
    seen = {name: ids(tail.step(mine if name == "mine" else house.who, None)) for name, tail in tails.items()}
    assert seen == {
        "all": ["failed", "early", "spoken"],
        "failed": ["failed"],
        "words": ["spoken"],
        "window": ["failed", "spoken"],
        "deliveries": ["sent"],
        "mine": ["spoken"],
    }
    with pytest.raises(NotAllowed):
        tails["mine"].step(mine, View.WORKSPACE)


def test_what_it_refuses(house: House, deck: Deck, clock: StillClock) -> None:
    with pytest.raises(InvalidInput, match="ahead"):
        following(deck, place=deck.commits.latest + 1)
    with pytest.raises(InvalidInput, match="more than a day"):
        following(deck, place=-1)
    for rate in (0, tail_module.MAX_RATE + 1):
        with pytest.raises(InvalidInput, match="rate"):
            following(deck, rate=rate)


def test_much_at_once_is_thinned_out_and_counted(house: House, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "PAGE", 100)
    tail = following(house.deck, rate=10)
    house.send(event(f"few{n}") for n in range(60))
    few = tail.step(house.who, None)
    assert (len(ids(few)), few.left_out) == (50, 10)
    clock.now += 2 * SECOND
    house.send(event(f"many{n}") for n in range(1000))
    shown, left_out = [], 0
    while (arrived := tail.step(house.who, None)).place < house.deck.commits.latest or arrived.left_out:
        shown += ids(arrived)
        left_out += arrived.left_out
    assert (len(shown), left_out) == (20, 980)
    assert len(set(shown)) == 20
    assert shown == sorted(shown, key=lambda id_: int(id_[4:])), "in the order of arrival"


def test_what_was_missed_is_made_up_for_in_pages(house: House, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail_module, "PAGE", 7)
    tail = following(house.deck, rate=10)
    sent = []
    for second in range(6):
        clock.now += SECOND
        names = [f"{second}-{n}" for n in range(5)]
        house.send(event(name) for name in names)
        sent += names
    seen = []
    while True:
        arrived = tail.step(house.who, None)
        assert len(ids(arrived)) <= 7
        assert arrived.left_out == 0
        seen += ids(arrived)
        if not arrived.more:
            break
    assert seen == sent


def test_of_too_many_times_the_whole_between_is_looked_at(house: House) -> None:
    tail = following(house.deck)
    sent = [event(f"{n}", NOON - n * 3 * DAY) for n in range(60)]
    house.send(sent)
    assert step(tail, house) == [e["id"] for e in sent]
    house.send(event(f"q{n}", NOON - n * 2 * HOUR) for n in range(60))
    assert len(step(tail, house)) == 60


def test_those_who_ask_the_same_ask_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    run = house.deck.store.run

    def listening(statement: Statement, ticket: Ticket | None = None) -> list[Row]:
        asked.append(statement.text)
        return run(statement, ticket)

    monkeypatch.setattr(house.deck.store, "run", listening)
    tails = [following(house.deck) for _ in range(5)]
    house.send([event("a")])
    assert [step(tail, house) for tail in tails] == [["a"]] * 5
    assert len(asked) == 1
    build_house(house.deck, "other").send([event("b")])
    assert [step(tail, house) for tail in tails] == [[]] * 5
    assert len(asked) == 1, "what went into another workspace is no reason to ask"


def test_every_row_once_while_many_write(house: House, deck: Deck) -> None:
    """Senders side by side, who repeat their own events and each other's, while tails are read and taken up again."""
    stopped = threading.Event()
    known = [f"known{n}" for n in range(5)]
    house.send(event(id_) for id_ in known)
    start = deck.commits.latest

    def send(sender: int) -> None:
        for batch in range(8):
            own = [event(f"{sender}-{batch}-{n}", NOON - n * HOUR) for n in range(5)]
            shared = [event(f"shared-{batch}-{n}", NOON - 40 * DAY) for n in range(3)]
            house.send([*own, *shared, event(known[batch % 5]), own[0]])

    def read(seen: list[str], place: int) -> None:
        while not (stopped.is_set() and place == deck.commits.latest):
            tail = following(deck, place=place)
            for _ in range(2):
                seen += step(tail, house)
            place = tail.place

    seen: Sequence[list[str]] = [[], []]
    readers = [threading.Thread(target=read, args=(one, start)) for one in seen]
    senders = [threading.Thread(target=send, args=(n,)) for n in range(4)]
    for thread in (*readers, *senders):
        thread.start()
    for thread in senders:
        thread.join()
    stopped.set()
    for thread in readers:
        thread.join()
    own = {f"{sender}-{batch}-{n}" for sender in range(4) for batch in range(8) for n in range(5)}
    shared = {f"shared-{batch}-{n}" for batch in range(8) for n in range(3)}
    for one in seen:
        assert len(one) == len(set(one))
        assert set(one) == own | shared
    assert seen[0] == seen[1]


# --- what commits are remembered for


def test_commits_know_where_to_look_for_as_long_as_they_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits_module, "MOST", 6)
    commits = Commits(10)
    assert commits.since("a", 9) is None
    assert commits.since("a", 10) == set()
    commits.note(20, {"a": {1, 2}})
    commits.note(30, {"b": {3}})
    assert (commits.since("a", 10), commits.since("b", 20), commits.since("a", 20)) == ({1, 2}, {3}, set())
    commits.note(40, {"a": {5}})
    assert (commits.since("a", 10), commits.since("a", 20), commits.latest) == (None, {5}, 40)


def test_who_listens_is_told_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    commits = Commits(0)
    heard: list[str] = []
    with commits.told("a", lambda: heard.append("a"), 1), commits.told("b", lambda: heard.append("b"), 1):
        commits.note(1, {"a": {1}})
        with pytest.raises(TooBusy, match="live_tails"), commits.told("a", lambda: None, 1):
            pass
        commits.close()
    commits.note(2, {"a": {1}})
    assert heard == ["a", "a", "b"]
    with commits.told("a", lambda: None, 1):
        assert commits.closed


def test_everybody_sees_the_same_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits_module, "STEADY", 0.05)
    commits = Commits(0)
    commits.note(1, {})
    assert commits.shown() == 1
    commits.note(2, {})
    until(lambda: commits.shown() == 2)


def test_nobody_sees_more_than_they_may_from_one_step_to_the_next(house: House) -> None:
    tail = following(house.deck)
    _, narrow = house.key_who(user="u1", permissions=[Permission.READ])
    house.send([event("a", user_id="u1"), event("b")])
    assert step(tail, house) == ["a", "b"]
    house.send([event("c", user_id="u1"), event("d")])
    assert ids(tail.step(narrow, None)) == ["c"]
    nothing = Who(house.who.workspace, None, frozenset())
    with pytest.raises(NotAllowed):
        tail.step(nothing, None)

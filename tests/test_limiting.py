"""Usage limits against a book that adds everything up anew for every question, one step after another and many at once."""

import random
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.house import NOON, House, StillClock, build_house
from tests.limiting import KEEP, Ticks, ask, event, key, limit, platform, standing
from usagedeck import admin, limits
from usagedeck.deck import Deck, open_deck
from usagedeck.meters import Kind, Party
from usagedeck.settings import Settings
from usagedeck.store import metering
from usagedeck.times import DAY, HOUR, SECOND, parse_instant
from usagedeck.windows import Window


@pytest.fixture(scope="module")
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, ticks: Ticks) -> Iterator[tuple[Deck, StillClock]]:
    clock = StillClock()
    with open_deck(Settings(data_dir=tmp_path_factory.mktemp("limits") / "data", min_free_bytes=0), clock, ticks) as deck:
        yield deck, clock


@pytest.fixture
def deck(world: tuple[Deck, StillClock]) -> Deck:
    return world[0]


@pytest.fixture
def clock(world: tuple[Deck, StillClock]) -> Iterator[StillClock]:
    yield world[1]
    world[1].now = NOON


@pytest.fixture
def house(deck: Deck) -> House:
    """A workspace of one's own on the shared deck."""
    return build_house(deck)


class Book:
    """Every event once, where it came first; what was reserved and is not settled; added up anew for every question."""

    def __init__(self, limits_: dict[Party, int]) -> None:
        self.limits = limits_
        self.events: dict[tuple[int, str], tuple[set[Party], Decimal]] = {}
        self.held: dict[str, tuple[set[Party], Decimal, float]] = {}

    def standing(self, party: Party, period: Window, now: float, without: str = "") -> tuple[Decimal, Decimal]:
        spent = [c for (time, _), (whose, c) in self.events.items() if party in whose and period.start <= time < period.end]
        held = [c for id_, (whose, c, ends) in self.held.items() if party in whose and ends > now and id_ != without]
        return sum(spent, Decimal(0)), sum(held, Decimal(0))

    def allows(self, whose: set[Party], credits_: Decimal, period: Window, now: float, id_: str) -> bool:
        for party in whose & self.limits.keys():
            taken = sum(self.standing(party, period, now, id_))
            if taken >= self.limits[party] or taken + credits_ > self.limits[party]:
                return False
        return True


OWNERS = {"k0": "u0", "k1": "u1", "k2": None}
GROUPS = {"g0": ["u0", "u1"], "g1": ["u1"], "g2": ["u2"]}
LIMITED: list[Party] = [
    *((Kind.KEY, "k0"), (Kind.KEY, "k2"), (Kind.MEMBER, "u1")),
    *((Kind.GROUP, "g0"), (Kind.GROUP, "g1"), (Kind.WORKSPACE, "")),
]


def whose(key_: str, user: str | None) -> set[Party]:
    """Everybody whose credits a request's are."""
    who = user or OWNERS[key_]
    named = {(Kind.KEY, key_), (Kind.WORKSPACE, "")} | ({(Kind.MEMBER, who)} if who else set())
    return named | {(Kind.GROUP, group) for group, users in GROUPS.items() if who in users}


class Trial:
    """Does the same things to a workspace and to a book."""

    def __init__(self, house: House, clock: StillClock, ticks: Ticks, seed: int) -> None:
        self.house, self.clock, self.ticks, self.dice = house, clock, ticks, random.Random(seed)
        for user in ("u0", "u1", "u2"):
            house.do(admin.PutServiceAccount(workspace=house.workspace_id, id=user, name=user))
        for id_, users in GROUPS.items():
            house.do(admin.PutGroup(workspace=house.workspace_id, id=id_, name=id_, users=users))
        for id_, owner in OWNERS.items():
            key(house, id_, user=owner)
        self.book = Book({party: self.dice.randrange(20, 120) for party in LIMITED})
        for (kind, id_), credits_ in self.book.limits.items():
            limit(house, kind, id_ or None, credits_)
        self.sent: list[dict[str, Any]] = []
        self.allowed: list[bool] = []

    @property
    def period(self) -> Window:
        return limits.period_of(self.house.deck, self.house.who.workspace)

    def step(self, n: int) -> None:
        dice = self.dice
        does = dice.choices([self.send, self.check, self.release, self.wait, self.count], [35, 40, 7, 8, 10])[0]
        does(n)

    def send(self, n: int) -> None:
        batch = [self.event(f"e{n}-{at}") for at in range(self.dice.randrange(1, 4))]
        self.house.send(batch)
        self.sent += batch
        for one in batch:
            self.book.held.pop(one["id"], None)
            spent = (whose(one["api_key_id"], one.get("user_id")), Decimal(one["credits"]))
            self.book.events.setdefault((one["time"], one["id"]), spent)

    def event(self, id_: str) -> dict[str, Any]:
        """A new one, that of a reservation, or one that was sent before."""
        dice = self.dice
        if self.sent and dice.random() < 0.3:
            return dice.choice(self.sent)
        return {
            "id": dice.choice([*self.book.held, id_]),
            "time": self.clock.now - dice.choice([0, 1, HOUR, 3 * HOUR, 40 * DAY]),
            "credits": str(Decimal(dice.randrange(1, 900)) / 100),
            "api_key_id": dice.choice([*OWNERS]),
            **dice.choice([{}, {}, {"user_id": "u2"}]),
        }

    def check(self, n: int) -> None:
        dice, id_ = self.dice, f"r{n}"
        key_, user, credits_ = dice.choice([*OWNERS]), dice.choice([None, "u2"]), Decimal(dice.randrange(0, 1500)) / 100
        expected = self.book.allows(whose(key_, user), credits_, self.period, self.ticks.now, id_)
        answer = ask(self.house, str(credits_), id_, key=key_, user=user)
        assert answer.allowed == expected, answer
        self.allowed.append(expected)
        if expected and credits_:
            self.book.held[id_] = (whose(key_, user), credits_, self.ticks.now + KEEP)

    def release(self, n: int) -> None:
        if self.book.held:
            id_ = self.dice.choice([*self.book.held])
            _, credits_, ends = self.book.held.pop(id_)
            found = limits.release(self.house.deck, platform(self.house), id_)
            assert found == (credits_ if ends > self.ticks.now else None)

    def wait(self, n: int) -> None:
        self.clock.now += self.dice.choice([SECOND, HOUR // 2])
        self.ticks.now += self.dice.choice([1, 200])

    def count(self, n: int) -> None:
        self.ticks.now += metering.COUNT_EVERY
        self.house.deck.metering.look_after(self.house.workspace_id)

    def compare(self) -> None:
        for row in limits.figures(self.house.deck, self.house.who, None).rows:
            party: Party = (Kind(row[0]), "" if row[0] == "workspace" else row[1])
            spent, held = self.book.standing(party, self.period, self.ticks.now)
            assert list(row[4:7]) == [spent, held, max(Decimal(0), self.book.limits[party] - spent - held)], party


@pytest.mark.parametrize("seed", range(4))
def test_against_a_book_that_adds_everything_up(deck: Deck, clock: StillClock, ticks: Ticks, seed: int) -> None:
    clock.now = parse_instant("2026-11-23T09:00Z", field="time")  # two hours before the next period
    trial = Trial(build_house(deck, billing_day=24, time_zone="Pacific/Auckland"), clock, ticks, seed)
    begun = trial.period
    for n in range(150):
        if n == 100:
            clock.now = begun.end
        trial.step(n)
        if n % 5 == 0:
            trial.compare()
    assert {*trial.allowed} == {True, False}


# --- many at once ---------------------------------------------------------------------------------------------------


def test_many_at_once_never_pass_a_limit(house: House, deck: Deck) -> None:
    """Threads reserve, send what it really cost, release, and send again what they sent: what was allowed never exceeds the limit
    at any moment, and in the end all of it is counted once."""
    most, threads, rounds = 400, 12, 40
    for n in range(3):
        key(house, f"k{n}", most // 2)
    limit(house, Kind.WORKSPACE, None, most)
    ask(house, key="k0")
    lock = threading.Lock()
    spent: dict[str, Decimal] = {}
    errors: list[str] = []

    def work(thread: int) -> None:
        dice = random.Random(thread)
        for n in range(rounds):
            key_, id_ = f"k{dice.randrange(3)}", f"{thread}-{n}"
            estimate = Decimal(dice.randrange(1, 400)) / 100
            answer = ask(house, str(estimate), id_, key=key_)
            # what is arriving is left out: for a moment it may be counted too often
            errors.extend(f"{s} was passed" for s in answer.standings if s.used + s.reserved > s.limit.credits)
            if not answer.allowed:
                continue
            if dice.random() < 0.2:
                limits.release(deck, platform(house), id_)
                continue
            cost = round(estimate * Decimal(dice.random()), 2)
            sent = event(id_, str(cost), api_key_id=key_)
            house.send([sent] * dice.randrange(1, 3))
            with lock:
                spent[id_] = cost
            if dice.random() < 0.2:
                house.send([sent])

    started = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(120)
        assert not thread.is_alive()
    assert not errors
    total, held, _ = standing(house, Kind.WORKSPACE, "")
    assert [Decimal(total), Decimal(held)] == [sum(spent.values()), 0]
    assert Decimal(total) <= most
    assert Decimal(total) > most / 2, "otherwise it has not tried anything"


def test_exactly_as_many_are_allowed_as_there_is_room_for(house: House) -> None:
    key(house, "k", 100)
    allowed: list[bool] = []

    def work(thread: int) -> None:
        allowed.extend(ask(house, 1, f"{thread}-{n}").allowed for n in range(20))

    started = [threading.Thread(target=work, args=(n,)) for n in range(16)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(60)
        assert not thread.is_alive()
    assert (allowed.count(True), len(allowed)) == (100, 320)

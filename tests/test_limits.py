"""Usage limits: what was used, what is held, who is refused and by what, who may ask, and which period counts."""

import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.house import NOON, House, StillClock, build_house
from tests.limiting import KEEP, Ticks, ask, event, key, limit, platform, standing, told, used
from tests.waiting import until
from usagedeck import admin, limits
from usagedeck.access import Permission, View, Who
from usagedeck.catalog.dimensions import Label
from usagedeck.deck import Deck, open_deck
from usagedeck.directory import keys
from usagedeck.errors import Conflict, InvalidInput, NotAllowed, NotFound, NotSignedIn, TooBusy
from usagedeck.limits import Asked, Asker
from usagedeck.meters import Kind
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.store import commits as commits_module
from usagedeck.store import metering as metering_module
from usagedeck.times import DAY, HOUR, SECOND, parse_instant

ERASED_LEFT = Statement("SELECT count() FROM requests FINAL WHERE user_id = 'ana'", {}, ("left",))


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


# --- one request after another --------------------------------------------------------------------------------------


def test_what_is_reserved_is_replaced_by_what_the_event_says(house: House) -> None:
    key(house, "k", 10)
    first = ask(house, 4, "r1")
    assert (first.allowed, first.reservation, first.refused_by) == (True, "r1", ())
    assert [(s.limit.party, told(s)) for s in first.standings] == [((Kind.KEY, "k"), ("0", "4", "6"))]
    assert not ask(house, 7, "r2").allowed, "more than is left"
    assert ask(house, 6, "r3").allowed, "exactly what is left"
    full = ask(house)
    assert (full.allowed, full.reservation) == (False, None)
    assert full.tightest is not None
    assert told(full.tightest) == ("0", "10", "0")
    house.send([event("r1", "3.5")])
    assert standing(house) == ("3.5", "6", "0.5")
    assert ask(house, "0.5", "r4").allowed
    house.send([event("r3", 1), event("r4", 0), event("r1", 99)])
    assert standing(house) == ("4.5", "0", "5.5"), "the first arrival of r1 counts"


def test_without_an_id_the_reservation_makes_one_for_the_event(house: House) -> None:
    key(house, "k", 10)
    made = ask(house, 5).reservation
    assert made is not None
    assert made.startswith("res_")
    house.send([event(made, 2)])
    assert standing(house) == ("2", "0", "8")


def test_asking_again_by_the_same_id_changes_what_is_reserved(house: House) -> None:
    key(house, "k", 10)
    steps = [(4, True, "4"), (4, True, "4"), (10, True, "10"), (11, False, "10"), (None, False, "10"), (2, True, "2")]
    for amount, allowed, held in steps:
        answer = ask(house, amount, "r")
        assert (answer.allowed, told(answer.standings[0])[1]) == (allowed, held)
    assert ask(house, None, "r").reservation == "r", "only asked whether something is left"
    assert ask(house, 0, "r").reservation is None, "a request that costs nothing holds nothing"
    assert standing(house) == ("0", "0", "10")
    ask(house, 1, "r")
    key(house, "other")
    with pytest.raises(Conflict, match='under the id "r" already'):
        ask(house, 1, "r", key="other")


def test_released_and_aged_out_is_held_no_longer(house: House, ticks: Ticks) -> None:
    key(house, "k", 10)
    ask(house, 3, "r1")
    assert limits.release(house.deck, platform(house), "r1") == 3
    assert limits.release(house.deck, platform(house), "r1") is None
    assert limits.release(house.deck, platform(house), "never") is None
    ask(house, 4, "r2")
    ticks.now += KEEP - 1
    ask(house, 5, "r3")
    assert standing(house)[1] == "9"
    ticks.now += 1
    assert standing(house)[1] == "5"
    assert ask(house, 5, "r4").allowed
    house.send([event("r2", 1)])
    assert standing(house) == ("1", "10", "0"), "late, it counts all the same"


def test_a_limit_of_nothing_allows_nothing(house: House) -> None:
    key(house, "k", 0)
    assert not ask(house).allowed
    assert not ask(house, 0, "r").allowed
    limit(house, Kind.KEY, "k", None)
    free = ask(house, 10**9, "r")
    assert (free.allowed, free.standings, free.tightest, free.reservation) == (True, (), None, "r")


# --- whose limits ---------------------------------------------------------------------------------------------------


@pytest.fixture
def team(house: House) -> House:
    """Ana is in two groups and has a key; bot is a service account in one."""
    house.do(admin.PutUser(id=f"ana {house.workspace_id}".replace(" ", "-"), name="Ana"))
    ana = f"ana-{house.workspace_id}"
    house.do(admin.PutMember(workspace=house.workspace_id, user=ana))
    house.do(admin.PutServiceAccount(workspace=house.workspace_id, id="bot", name="Bot"))
    house.do(admin.PutGroup(workspace=house.workspace_id, id="g1", name="One", users=[ana, "bot"]))
    house.do(admin.PutGroup(workspace=house.workspace_id, id="g2", name="Two", users=[ana]))
    key(house, "k", user=ana)
    key(house, "robot", user="bot")
    return house


def test_all_limits_apply_and_the_first_without_room_is_named(team: House) -> None:
    ana = f"ana-{team.workspace_id}"
    parties = [(Kind.KEY, "k"), (Kind.MEMBER, ana), (Kind.GROUP, "g1"), (Kind.GROUP, "g2"), (Kind.WORKSPACE, "")]
    for kind, id_ in parties:
        limit(team, kind, id_ or None, 10)
    allowed = ask(team, 4, "r1")
    assert [s.limit.party for s in allowed.standings] == parties
    assert {s.held for s in allowed.standings} == {4}
    for at in range(len(parties)):
        refused = ask(team, 7, "r2")
        assert [one.party for one in refused.refused_by] == parties[at:]
        assert refused.tightest == next(s for s in refused.standings if s.limit.party == parties[at])
        limit(team, parties[at][0], parties[at][1] or None, None)
    assert ask(team, 7, "r2").allowed


def test_members_of_a_group_share_its_limit(team: House) -> None:
    limit(team, Kind.GROUP, "g1", 10)
    limit(team, Kind.MEMBER, "bot", 4)
    assert ask(team, 6, "r1").allowed
    assert [one.party for one in ask(team, 5, "r2", key="robot").refused_by] == [(Kind.MEMBER, "bot"), (Kind.GROUP, "g1")]
    assert ask(team, 4, "r3", key="robot").allowed
    assert ask(team, 1, "r4", key="k", user="bot").refused_by[0].party == (Kind.MEMBER, "bot"), "the named user, not the owner"
    assert ask(team, 5, "r5", key="k", groups=("g2",)).allowed, "the named groups, not those of the directory"
    team.send([event("r1", 1), event("r3", 4, api_key_id="robot")])
    assert standing(team, Kind.GROUP, "g1") == ("5", "0", "5")
    assert standing(team, Kind.MEMBER, "bot") == ("4", "0", "0")


def test_whoever_changes_groups_leaves_their_usage_there(team: House) -> None:
    limit(team, Kind.GROUP, "g1", 10)
    limit(team, Kind.GROUP, "g2", 10)
    team.send([event("e1", 3)])
    team.do(admin.PutGroup(workspace=team.workspace_id, id="g2", users=[]))
    team.send([event("e2", 3)])
    assert (used(team, Kind.GROUP, "g1"), used(team, Kind.GROUP, "g2")) == (6, 3)
    assert [s.limit.party for s in ask(team).standings] == [(Kind.GROUP, "g1")]


def test_ids_that_nobody_registered_have_the_limit_of_the_workspace(house: House) -> None:
    limit(house, Kind.WORKSPACE, None, 10)
    assert ask(house, 6, "r1", key="stranger", user="unknown").allowed
    assert ask(house, 6, "r2", key="another").refused_by[0].party == (Kind.WORKSPACE, "")
    house.send([event("x", 9, api_key_id="elsewhere")])
    assert standing(house, Kind.WORKSPACE, "") == ("9", "6", "0")


# --- who may ask ----------------------------------------------------------------------------------------------------


def asker(house: House, secret: str) -> Asker:
    return limits.asker_by_secret(house.deck, secret, "127.0.0.1", None)


def test_a_key_asks_for_itself_and_sees_no_more_than_its_own(team: House) -> None:
    ana = f"ana-{team.workspace_id}"
    secret = key(team, "hers", 100, user=ana, permissions=[Permission.WRITE, Permission.READ])
    for kind, id_ in ((Kind.MEMBER, ana), (Kind.GROUP, "g1"), (Kind.WORKSPACE, None)):
        limit(team, kind, id_, 10)
    her = asker(team, secret)
    team.send([event("x", 8, api_key_id="elsewhere")])
    answer = limits.check(team.deck, her, Asked(credits=Decimal(2), request_id="r1"))
    assert answer.allowed
    assert [s.limit.party for s in answer.standings] == [(Kind.KEY, "hers"), (Kind.MEMBER, ana), (Kind.GROUP, "g1")]
    refused = limits.check(team.deck, her, Asked(credits=Decimal(1), request_id="r2"))
    assert ([one.party for one in refused.refused_by], refused.tightest) == ([(Kind.WORKSPACE, "")], None)
    assert all(s.limit.party != (Kind.WORKSPACE, "") for s in refused.standings)
    for asked in (Asked(key="k"), Asked(user="bot"), Asked(groups=("g2",))):
        with pytest.raises(NotAllowed, match="for itself only"):
            limits.check(team.deck, her, asked)
    assert limits.check(team.deck, her, Asked(key="hers", user=ana)).standings
    assert limits.release(team.deck, her, "r1") == 2


def test_a_key_that_sees_the_workspace_asks_for_all_of_it(team: House) -> None:
    limit(team, Kind.KEY, "k", 10)
    limit(team, Kind.WORKSPACE, None, 10)
    whole = asker(team, team.api_key)
    answer = limits.check(team.deck, whole, Asked(key="k", credits=Decimal(1), request_id="r1"))
    assert [s.limit.party for s in answer.standings] == [(Kind.KEY, "k"), (Kind.WORKSPACE, "")]
    other = asker(team, key(team, "other"))
    assert limits.release(team.deck, other, "r1") is None, "another key's reservation is not there"
    with pytest.raises(Conflict, match="You have reserved"):
        limits.check(team.deck, whole, Asked(credits=Decimal(1), request_id="r1"))
    assert limits.check(team.deck, other, Asked(key="k", credits=Decimal(2), request_id="r1")).reservation == "r1", (
        "nor in the way"
    )
    assert limits.release(team.deck, other, "r1") == 2
    assert limits.check(team.deck, other, Asked(key="k", credits=Decimal(4), request_id="r1")).allowed
    assert limits.release(team.deck, platform(team), "r1") == 5
    assert limits.release(team.deck, platform(team), "r1") is None


def test_the_event_settles_what_anybody_reserved_for_it(team: House) -> None:
    limit(team, Kind.KEY, "k", 10)
    for one in (asker(team, team.api_key), asker(team, key(team, "other"))):
        assert limits.check(team.deck, one, Asked(key="k", credits=Decimal(4), request_id="r1")).allowed
    assert not limits.check(team.deck, platform(team), Asked(key="k", credits=Decimal(3))).allowed
    team.send([event("r1", 5, api_key_id="k")])
    answer = limits.check(team.deck, platform(team), Asked(key="k", credits=Decimal(5)))
    assert answer.allowed
    assert answer.standings[0].remaining == 0, "5 used, and 5 more reserved: nothing is held for the first two"


def test_who_may_not_ask(house: House, deck: Deck) -> None:
    reader = key(house, "reader", permissions=[Permission.READ])
    with pytest.raises(NotAllowed, match="events_write"):
        asker(house, reader)
    writer = asker(house, key(house, "writer", permissions=[Permission.WRITE]))
    with pytest.raises(NotAllowed, match="for itself only"):
        limits.check(deck, writer, Asked(key="reader"))
    operator = house.do(admin.CreateOperatorKey(label="gateway"))["operator_key"]
    assert limits.asker_by_secret(deck, operator, "", house.workspace_id).who is None
    with pytest.raises(InvalidInput, match="workspace is missing"):
        limits.asker_by_secret(deck, operator, "", None)
    with pytest.raises(NotFound):
        limits.asker_by_secret(deck, operator, "", "nowhere")
    with pytest.raises(NotFound, match="another workspace"):
        limits.asker_by_secret(deck, house.api_key, "", "elsewhere")
    for secret in (None, "wrong", keys.OPERATOR_PREFIX + "wrong"):
        with pytest.raises(NotSignedIn):
            limits.asker_by_secret(deck, secret, "", house.workspace_id)
    with pytest.raises(InvalidInput, match="key is missing"):
        limits.check(deck, platform(house), Asked())


def test_figures_show_everybody_their_own(team: House) -> None:
    ana = f"ana-{team.workspace_id}"
    parties = [
        *((Kind.KEY, "k"), (Kind.KEY, "robot"), (Kind.MEMBER, ana), (Kind.MEMBER, "bot")),
        *((Kind.GROUP, "g1"), (Kind.GROUP, "g2"), (Kind.WORKSPACE, None)),
    ]
    for kind, id_ in parties:
        limit(team, kind, id_, 10)

    def seen(who: Who, view: View | None = None, **only: Any) -> list[tuple[str, str, str]]:
        return [(row[0], row[1], row[2]) for row in limits.figures(team.deck, who, view, **only).rows]

    hers = [("key", "k", "k"), ("member", ana, "Ana"), ("group", "g1", "One"), ("group", "g2", "Two")]
    everything = [
        *(("key", "k", "k"), ("key", "robot", "robot"), ("member", ana, "Ana"), ("member", "bot", "Bot")),
        *(("group", "g1", "One"), ("group", "g2", "Two"), ("workspace", team.workspace_id, "acme")),
    ]
    member = Who(team.who.workspace, ana, frozenset({Permission.READ}))
    robot = Who(team.who.workspace, "bot", frozenset({Permission.READ}), None, "robot")
    admin_ = Who(team.who.workspace, ana, frozenset({Permission.READ, Permission.FULL_READ}))
    assert seen(team.who) == seen(admin_) == everything
    assert seen(member) == seen(admin_, View.ACCOUNT) == hers
    assert seen(robot) == [("key", "robot", "robot"), ("member", "bot", "Bot"), ("group", "g1", "One")]
    assert seen(team.who, kinds=[Kind.GROUP], ids=["g2", "k"]) == [("group", "g2", "Two")]
    assert seen(team.who, ids=[team.workspace_id]) == everything[-1:]
    assert seen(robot, ids=["k"]) == []
    with pytest.raises(NotAllowed):
        limits.figures(team.deck, member, View.WORKSPACE)
    with pytest.raises(NotAllowed, match="analytics_read"):
        limits.figures(team.deck, Who(team.who.workspace, None, frozenset({Permission.WRITE})), None)


def test_a_revoked_key_has_no_limit_any_more(house: House) -> None:
    key(house, "k", 10)
    house.do(admin.RevokeKey(workspace=house.workspace_id, id="k"))
    assert ask(house).standings == ()
    assert list(limits.figures(house.deck, house.who, None).rows) == []


def test_limits_are_set_one_at_a_time(house: House) -> None:
    for kind, id_ in ((Kind.KEY, "none"), (Kind.MEMBER, "none"), (Kind.GROUP, "none")):
        with pytest.raises(NotFound, match=f"no {kind} "):
            limit(house, kind, id_, 1)
    with pytest.raises(InvalidInput, match="leave out id"):
        limit(house, Kind.WORKSPACE, "x", 1)
    with pytest.raises(InvalidInput, match="needs the id of the key"):
        limit(house, Kind.KEY, None, 1)


# --- the period -----------------------------------------------------------------------------------------------------


def at(text: str) -> int:
    return parse_instant(text, field="time")


@pytest.mark.parametrize(
    ("zone", "day", "now", "begins", "ends"),
    [
        ("UTC", 1, "2026-11-23T12:00Z", "2026-11-01T00:00Z", "2026-12-01T00:00Z"),
        ("Europe/Berlin", 1, "2026-10-31T22:59:59Z", "2026-09-30T22:00Z", "2026-10-31T23:00Z"),
        ("Europe/Berlin", 1, "2026-10-31T23:00Z", "2026-10-31T23:00Z", "2026-11-30T23:00Z"),
        ("UTC", 31, "2026-02-28T00:00Z", "2026-02-28T00:00Z", "2026-03-31T00:00Z"),
        ("UTC", 31, "2026-03-30T23:59:59Z", "2026-02-28T00:00Z", "2026-03-31T00:00Z"),
        ("UTC", 31, "2028-02-28T23:00Z", "2028-01-31T00:00Z", "2028-02-29T00:00Z"),
        ("America/Santiago", 6, "2026-09-10T00:00Z", "2026-09-06T04:00Z", "2026-10-06T03:00Z"),  # no 00:00 on 6 September
    ],
)
def test_only_the_events_of_the_period_count(
    deck: Deck, clock: StillClock, zone: str, day: int, now: str, begins: str, ends: str
) -> None:
    house = build_house(deck, time_zone=zone, billing_day=day)
    key(house, "k", 100)
    clock.now = at(now)
    assert limits.period_of(deck, platform(house).workspace).end == at(ends)
    times = sorted({at(begins) - 1, at(begins), at(now), at(now) + SECOND})
    inside = [time for time in times if at(begins) <= time < at(ends)]
    for watched in (False, True):  # counted when the meter begins, and when it runs already
        house.send([event(f"{watched} {time}", 1, time) for time in times])
        assert used(house) == len(inside) * (1 + watched)


def test_a_new_period_begins_with_nothing_and_holds_what_is_under_way(house: House, clock: StillClock) -> None:
    key(house, "k", 10)
    clock.now = at("2026-11-30T23:59:59Z")
    house.send([event("old", 8, clock.now)])
    assert ask(house, 2, "late").allowed
    assert ask(house, 1, "refused").refused_by
    clock.now = at("2026-12-01T00:00Z")
    answer = ask(house, 8, "new")
    assert (answer.allowed, told(answer.standings[0])) == (True, ("0", "10", "0"))
    house.send([event("late", 2, clock.now - SECOND)])
    assert standing(house) == ("0", "8", "2"), "settled, and counted in the period before"
    house.send([event("later", 1, clock.now - SECOND), event("new", 7, clock.now)])
    assert standing(house) == ("7", "0", "3")


def test_a_clock_that_jumps_and_comes_back(house: House, clock: StillClock) -> None:
    key(house, "k", 10)
    house.send([event("a", 6)])
    ask(house, 2, "r")
    clock.now = NOON + 40 * DAY
    assert standing(house) == ("0", "2", "8")
    clock.now = NOON - 40 * DAY
    assert standing(house) == ("0", "2", "8")
    clock.now = NOON
    assert standing(house) == ("6", "2", "2"), "nothing aged by it, and nothing was lost"


def test_a_changed_billing_day_changes_the_period(house: House) -> None:
    key(house, "k", 10)
    house.send([event("a", 1, at("2026-11-10T00:00Z")), event("b", 2)])
    assert used(house) == 3
    house.do(admin.PutWorkspace(workspace=house.workspace_id, billing_day=20))
    whole = limits.asker_by_secret(house.deck, house.api_key, "", None)
    assert limits.check(house.deck, whole, Asked(key="k")).standings[0].used == 2


# --- repeats, and whatever else comes -------------------------------------------------------------------------------


def test_an_event_counts_once_however_often_it_comes(house: House, deck: Deck) -> None:
    key(house, "k", 10)
    assert used(house) == 0
    house.send([event("a", 4), event("a", 4), event("a", 4)])
    house.send([event("a", 4)])
    assert ask(house, 6, "r").allowed, "who is to be refused for repeats alone is not"
    assert standing(house) == ("4", "6", "0")
    for _ in range(3):
        house.send([event("a", 4), event("r", 5)])
    assert standing(house) == ("9", "0", "1")


def test_counting_in_the_background_takes_the_place_of_what_is_arriving(house: House, deck: Deck, ticks: Ticks) -> None:
    key(house, "k", 100)
    assert used(house) == 0
    house.send([event("a", 4)] * 3)
    first = ask(house)
    assert told(first.standings[0])[:2] == ("0", "12"), "counted too much, never too little"
    ticks.now += metering_module.COUNT_EVERY
    deck.metering.look_after(house.workspace_id)
    second = ask(house)
    assert told(second.standings[0])[:2] == ("4", "0")
    deck.metering.look_after(house.workspace_id)
    ticks.now += metering_module.IDLE + 1
    deck.metering.look_after(house.workspace_id)
    assert used(house) == 4, "a meter that was given up begins again"


def test_what_a_failed_commit_left_is_looked_up(house: House, deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    key(house, "k", 10)
    ask(house, 2, "r")
    insert = deck.store.insert

    def failing(*args: Any) -> None:
        insert(*args)
        raise OSError("after the fact")

    monkeypatch.setattr(deck.store, "insert", failing)
    with pytest.raises(OSError, match="after the fact"):
        house.send([event("a", 3)])
    monkeypatch.undo()
    answer = ask(house)
    assert told(answer.standings[0]) == ("3", "2", "5")


def test_erased_events_are_the_workspaces_and_nobodys_else(house: House) -> None:
    key(house, "k", 10)
    limit(house, Kind.WORKSPACE, None, 100)
    house.do(admin.PutGroup(workspace=house.workspace_id, id="g", name="G", users=[]))
    limit(house, Kind.GROUP, "g", 100)
    house.send([event(f"e{n}", 1, group_ids=["g"], user_id="ana") for n in range(5)])
    assert (used(house), used(house, Kind.GROUP, "g")) == (5, 5)
    house.do(admin.Erase(workspace=house.workspace_id, kind=Label.USER, id="ana"))
    house.send([event("late", 1, group_ids=["g"], user_id="ana")])
    until(lambda: house.deck.store.run(ERASED_LEFT)[0][0] == 0)
    assert (used(house), used(house, Kind.GROUP, "g"), used(house, Kind.WORKSPACE, "")) == (6, 6, 6)


def test_more_reservations_than_may_be(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metering_module, "MOST_RESERVATIONS", 2)
    key(house, "k", 10)
    ask(house, 1, "r1")
    ask(house, 1, "r2")
    assert ask(house, 2, "r2").allowed
    with pytest.raises(TooBusy, match="waiting for their events"):
        ask(house, 1, "r3")


# --- what has expired, and what is too much to remember -------------------------------------------------------------


def test_what_expired_within_the_period_is_told_by_rollups_but_for_groups(deck: Deck, clock: StillClock) -> None:
    house = build_house(deck)
    key(house, "k", 100)
    house.do(admin.PutGroup(workspace=house.workspace_id, id="g", name="G", users=[]))
    limit(house, Kind.GROUP, "g", 100)
    house.send([event(f"e{n}", 1, NOON - n * DAY, group_ids=["g"]) for n in range(30)])
    inside = 23  # from the first of November on
    assert (used(house), used(house, Kind.GROUP, "g")) == (inside, inside)
    deck.sealer.look()
    house.do(admin.PutWorkspace(workspace=house.workspace_id, retention_days=8, rollup_days=400))
    deck.expirer.look()
    floor = deck.seals.ledger.floors[house.workspace_id].events
    assert floor > limits.period_of(deck, house.who.workspace).start
    house.send([event("new", 1, group_ids=["g"])])
    assert (used(house), used(house, Kind.GROUP, "g")) == (inside + 1, inside + 1), "what runs already goes on"
    deck.metering.revised([house.workspace_id])
    kept = sum(NOON - n * DAY >= floor for n in range(30))
    assert (used(house), used(house, Kind.GROUP, "g")) == (inside + 1, kept + 1)
    rows = {row[0]: row[7] for row in limits.figures(deck, house.who, None).rows}
    assert rows == {"key": None, "group": floor}


def test_what_is_forgotten_where_it_went_is_counted_anew(house: House, deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    key(house, "k", 1000)
    assert used(house) == 0
    monkeypatch.setattr(commits_module, "MOST", 1)
    house.send([event("a", 1)])
    house.send([event("b", 1, NOON - DAY)])
    assert used(house) == 2
    monkeypatch.undo()
    house.send([event(f"late {n}", 1, NOON - n * HOUR) for n in range(120)])
    assert used(house) == 122, "also over more stretches of time than a statement names"


def test_what_came_late_while_a_meter_began_counts_once(house: House, deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    key(house, "k", 1000)
    house.send([event(f"e{n}", 1, NOON - n * HOUR) for n in range(60)])
    deck.sealer.look()
    ask_store, asked, here = deck.store.run, [], threading.get_ident()

    def meanwhile(statement: Statement, *rest: Any) -> Any:
        """Events come while the first question is being answered: now, late, and again. The sealer may have questions, too."""
        if threading.get_ident() == here:
            asked.append(statement)
        if asked == [statement]:
            house.send([event("new", 1), event("late", 1, NOON - 30 * HOUR), event("e7", 1, NOON - 7 * HOUR)])
        return ask_store(statement, *rest)

    monkeypatch.setattr(deck.store, "run", meanwhile)
    answer = ask(house)
    monkeypatch.undo()
    assert asked[0].columns[0] == "bucket", "in the usual way"
    assert answer.standings[0].used + answer.standings[0].held >= 62
    assert used(house) == 62
    deck.metering.revised([house.workspace_id])
    assert used(house) == 62


def test_a_group_that_gets_a_limit_later_has_all_its_usage(team: House, deck: Deck) -> None:
    limit(team, Kind.KEY, "k", 1000)
    team.send([event(f"e{n}", 1, NOON - n * HOUR) for n in range(60)])
    deck.sealer.look()
    assert used(team) == 60
    limit(team, Kind.GROUP, "g1", 1000)
    assert [s.used for s in ask(team).standings] == [60, 60]
    assert used(team, Kind.GROUP, "g1") == 60


def test_what_can_be_read_before_anybody_is_told_counts_once(house: House, deck: Deck, monkeypatch: pytest.MonkeyPatch) -> None:
    key(house, "k", 1000)
    house.send([event(f"e{n}", 1, NOON - n * HOUR) for n in range(60)])
    insert = deck.store.insert

    def slow(*args: Any) -> None:
        """A meter begins when the rows are there, and before the writer has said so."""
        insert(*args)
        beginning = threading.Thread(target=ask, args=(house,))
        beginning.start()
        beginning.join(60)
        assert not beginning.is_alive()

    monkeypatch.setattr(deck.store, "insert", slow)
    house.send([event("late", 1, NOON - 30 * HOUR)])
    monkeypatch.undo()
    assert used(house) == 61

"""How long headers and bodies are kept."""

from tests.exchanging import collecting, sent, shown, with_body
from tests.house import NOON, House, StillClock, build_house
from usagedeck import admin, listing
from usagedeck.deck import open_deck
from usagedeck.exchanges import Fate
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.times import DAY


def test_they_expire_before_their_events(house: House, clock: StillClock) -> None:
    house = collecting(house, exchange_days=2)
    other = collecting(build_house(house.deck, "other"), exchange_days=30)
    for one in (house, other):
        one.send([with_body("old", time=NOON - DAY), with_body("new", time=NOON)])
    house.deck.expirer.look()
    assert sent(house, "old").body == "hello"
    clock.now += 2 * DAY
    receipt = house.send([with_body("late", time=NOON - DAY), with_body("today", time=clock.now)])
    assert receipt.exchanges == {Fate.KEPT: 2}, "the floor has not been raised yet"
    house.deck.expirer.look()
    for _ in range(2):
        for id_ in ("old", "late"):
            assert shown(house, id_) == listing.Exchange(NOON - DAY, id_, None, None, expired=True), "at once"
        assert sent(house, "new").body == "hello"
        assert sent(other, "old").body == "hello"
        clock.now += house.deck.settings.export_seconds * 1000
        house.deck.expirer.look()
    text = "SELECT workspace_id, id FROM exchanges ORDER BY ALL"
    left = house.deck.store.run(Statement(text, {}, ("w", "id")))
    assert sorted(id_ for w, id_ in left if w == house.workspace_id) == ["new", "today"], "and then from the disk"
    assert sorted(id_ for w, id_ in left if w == other.workspace_id) == ["new", "old"]
    assert house.send([with_body("later", time=NOON - DAY)]).exchanges == {Fate.EXPIRED: 1}
    house.do(admin.PutWorkspace(workspace=house.workspace_id, exchange_days=300))
    house.deck.expirer.look()
    assert shown(house, "old").expired, "a floor never falls"


def test_the_floor_outlives_the_process(settings: Settings, clock: StillClock) -> None:
    with open_deck(settings, clock) as deck:
        house = collecting(build_house(deck, id="ws"), exchange_days=1)
        house.send([with_body(time=NOON - 3 * DAY)])
        deck.expirer.look()
        floor = deck.seals.ledger.floors["ws"]
        assert (floor.events, floor.exchanges) == (0, NOON // DAY * DAY - DAY)
    with open_deck(settings, clock) as deck:
        assert deck.seals.ledger.floors["ws"] == floor

"""Erasure: the person is gone, the numbers stay, whatever comes in between.

What an erasure must leave is stated once more here, in slow, obvious Python: a second workspace is sent the events as they should
be afterwards, and then both answer everything alike.
"""

import json
import random
import shutil
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.exchanging import collecting, sent, with_body
from tests.house import House, StillClock, build_house, keyed, served
from tests.store.test_expiry import unsealed
from tests.test_columnar import file, imported
from tests.waiting import until

from usagedeck import admin, ingest, listing, report
from usagedeck.catalog.dimensions import DIMENSIONS, NAMES, Label, attribute
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.catalog.rollups import ROLLUPS
from usagedeck.deck import Deck, open_deck
from usagedeck.errors import Conflict, InvalidInput, StoreFailed
from usagedeck.query import LogQuery, Query, Selection
from usagedeck.readers import parquet
from usagedeck.readers.mapping import Plan
from usagedeck.seals import Cut
from usagedeck.settings import Settings
from usagedeck.sql import Statement, erasing
from usagedeck.sql.erasing import Gone
from usagedeck.store.clickhouse import Store
from usagedeck.times import DAY, HOUR, iso, zone
from usagedeck.windows import Interval, Window

Event = dict[str, Any]

ZED = "zed_Qx7_person"
KEY = "key_of_Qx7"
GONE = "erased"
NEW_YORK = "America/New_York"


def request(dice: random.Random, now: int, number: int, days: int = 20) -> Event:
    return {
        "id": f"r{number}",
        "time": now - dice.randrange(days * DAY),
        "user_id": dice.choice((ZED, "ana", "ben", "")),
        "api_key_id": dice.choice((KEY, "shared", "")),
        "status": dice.choice((200, 200, 404, 500)),
        "duration_ms": dice.choice((0, 40, 700, 3 * HOUR)),
        "credits": dice.choice(("1", "2.5", "0.000001")),
        "characters": dice.randrange(100),
        "product_type": dice.choice(("tts", "stt")),
        "voice_id": dice.choice(("v1", "v2")),
        "group_ids": dice.choice(([], ["g1"], ["g1", "g2"])),
        "path": dice.choice(("/v1/voices", "/v1/history/42", "")),
        "route": "",
        "ip": dice.choice(("203.0.113.0/24", "198.51.100.0/24", "")),
        "user_agent": dice.choice(("curl/8.5", "")),
        "trace_id": f"trace-{number}",
        "error": {"code": "quota", "message": f"of {number}"},
        "attributes": dice.choice(({}, {"team": "red"}, {"team": "blue"})),
    }


def delivery(dice: random.Random, now: int, number: int, days: int) -> Event:
    return {
        "kind": "delivery",
        "id": f"d{number}",
        "time": now - dice.randrange(days * DAY),
        "user_id": dice.choice((ZED, "ana", "")),
        "request_id": f"r{number}" if number % 2 else "",
        "webhook_id": dice.choice(("w1", "w2")),
        "status": 200,
        "duration_ms": 20,
        "error": {"code": "refused", "message": f"by {number}"},
        "attributes": {"team": dice.choice(("red", "blue"))},
    }


def world(now: int, days: int = 20) -> list[Event]:
    dice = random.Random(1)
    return [request(dice, now, n, days) for n in range(200)] + [delivery(dice, now, n, days) for n in range(60)]


def theirs(event: Event, ids: Mapping[str, str]) -> bool:
    return any(event.get(field) == id_ for field, id_ in ids.items())


def after(events: Iterable[Event], ids: Mapping[str, str]) -> list[Event]:
    """The events as an erasure of these ids (by field) leaves them."""
    events = list(events)
    caused = {event["id"] for event in events if "kind" not in event and theirs(event, ids)}
    return [blank(e, ids) if theirs(e, ids) or e.get("request_id", "") in caused else e for e in events]


def blank(event: Event, ids: Mapping[str, str]) -> Event:
    made = dict(event)
    for field, id_ in ids.items():
        if made.get(field) == id_:
            made[field] = GONE
    for cleared in ("trace_id", "ip", "user_agent", "attributes"):
        made.pop(cleared, None)
    made["error"] = {"code": event["error"]["code"]}
    if event.get("path") == "/v1/history/42":
        made["path"] = "/v1/history/{id}"
    return made


def twice(house: House, events: list[Event]) -> None:
    """Each event with a repeat that says something else and does not count."""
    assert not house.send(events).rejected
    assert not house.send([e | {"status": 503, "user_id": ZED} for e in events[::3]]).rejected


def call_them_erased(house: House) -> None:
    for kind in NAMES:
        house.deck.directory.labels.put(house.workspace_id, kind, {GONE: "Erased"})


FEW = ("user_id", "api_key_id", "product_type", "webhook_id")


def answers(house: House, *, sealed: bool = True, all_: bool = False) -> dict[str, list[Any]]:
    """Every metric by some or all breakdowns, and both logs."""
    deck = house.deck if sealed else unsealed(house)
    window = Window(deck.clock() - 21 * DAY, deck.clock(), zone(NEW_YORK))
    found: dict[str, list[Any]] = {}
    for subject in Subject:
        kinds = [tuple(m for m in METRICS.values() if m.of is subject and m.joined is joined) for joined in (False, True)]
        dimensions = [d for d in DIMENSIONS.values() if subject in d.of and d.split and d.name != "workspace_id"]
        for by in ((), *((d,) for d in (*dimensions, attribute("team")) if all_ or d.name in FEW)):
            for interval in ("day",) if len(by) == 0 or by[0].name in NAMES.values() else ("total",):
                for metrics in filter(None, kinds):
                    query = Query(Selection(subject, window), metrics, Interval.parse(interval), by)
                    rows = report.usage(deck, house.who, None, query).table.rows
                    found[f"{'whole ' if metrics[0].joined else ''}{subject} by {[d.name for d in by]}"] = [
                        list(row) for row in rows
                    ]
        shown = tuple(f for f in fields(subject) if f.name != "arrived")
        log = listing.log(deck, house.who, None, LogQuery(Selection(subject, window), shown, limit=1000))
        found[f"log of {subject}"] = [list(row) for row in log.table.rows]
    return found


def erase(house: House, kind: Label, id_: str) -> dict[str, Any]:
    return house.do(admin.Erase(workspace=house.workspace_id, kind=kind, id=id_))


def count(deck: Deck, table: str, which: str) -> int:
    return int(deck.store.run(Statement(f"SELECT count() FROM {table} WHERE {which}", {}, ("n",)))[0][0])


NOTHING_LEFT = {"events": 0, "rollup_rows": 0, "names": 0, "exchanges": 0}


# --- the numbers stay ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "id_"), [(Label.USER, ZED), (Label.API_KEY, KEY)], ids=["user", "key"])
def test_afterwards_everything_is_as_if_blank_events_had_been_sent(deck: Deck, clock: StillClock, kind: Label, id_: str) -> None:
    ids = {NAMES[kind]: id_}
    sent = world(clock.now)
    house, other = (build_house(deck, "acme", id=id_, time_zone=NEW_YORK) for id_ in ("w1", "w2"))
    expected = build_house(deck, "acme", id="w3", time_zone=NEW_YORK)
    for one in (house, other):
        twice(one, sent)
    twice(expected, after(sent, ids))
    call_them_erased(expected)
    deck.sealer.look()
    all_ = kind is Label.USER
    before, bystander, wanted = (answers(one, all_=all_) for one in (house, other, expected))
    assert before == bystander
    receipt = erase(house, kind, id_)
    assert (receipt["finished_at"], receipt["left"]["events"], receipt["mentions"]) == (None, 0, [])
    mine = [event for event, made in zip(sent, after(sent, ids), strict=True) if event != made]
    requests = sum("kind" not in event for event in mine)
    assert (receipt["found"]["requests"], receipt["found"]["deliveries"]) == (requests, len(mine) - requests)
    assert receipt["found"]["copies"] >= len(mine)
    steps: tuple[Callable[[], Any], ...] = (
        lambda: None,
        deck.sealer.look,
        lambda: later(house, clock),
        deck.sealer.look,
    )
    for step in steps:
        step()
        few = answers(house)
        assert few == {name: wanted[name] for name in few} == answers(house, sealed=False)
    found = answers(house, all_=all_)
    assert found == wanted
    assert answers(other, all_=all_) == bystander
    for by in ("", "'product_type'", *(("'route'", "'group_id'", "'error_code'") if all_ else ())):
        assert found[f"requests by [{by}]"] == before[f"requests by [{by}]"]
    assert deck.erased.unfinished() == []
    again = erase(house, kind, id_)
    assert again["left"] == NOTHING_LEFT
    assert again["found"] == receipt["found"] | {"rollup_rows": again["found"]["rollup_rows"]}
    assert again["found"]["rollup_rows"] > 0
    assert again["finished_at"]
    assert answers(house) == few


def later(house: House, clock: StillClock) -> None:
    """The longest question is over, and what it may have read is deleted. The windows of the answers stay where they are."""
    now, clock.now = clock.now, clock.now + house.deck.settings.export_seconds * 1000
    assert house.deck.erased.unfinished() == [house.workspace_id]
    house.deck.eraser.look()
    clock.now = now


def test_what_questions_may_still_read_stays_until_they_are_over(deck: Deck, clock: StillClock) -> None:
    house = build_house(deck, id="w1")
    house.send(world(clock.now))
    deck.sealer.look()
    held = f"user_id = '{ZED}'"
    there = count(deck, "rollup_keys", held)
    receipt = erase(house, Label.USER, ZED)
    assert count(deck, "rollup_keys", held) == there == receipt["left"]["rollup_rows"] > 0
    assert receipt["rollup_rows_go_at"] == iso(clock.now + deck.settings.export_seconds * 1000)
    deck.eraser.look()
    assert count(deck, "rollup_keys", held) == there
    clock.now += deck.settings.export_seconds * 1000
    deck.eraser.look()
    assert count(deck, "rollup_keys", held) == 0


def test_answers_name_it_and_nobody_can_become_it(deck: Deck, clock: StillClock) -> None:
    house = build_house(deck, id="w1")
    house.send(world(clock.now))
    erase(house, Label.USER, ZED)
    window = Window(clock.now - 21 * DAY, clock.now, zone("UTC"))
    values = report.values(deck, house.who, None, DIMENSIONS["user_id"], Selection(Subject.REQUESTS, window)).table.rows
    assert [GONE, "Erased"] in [list(row[:2]) for row in values]
    for refused in (
        admin.AddUser(workspace="w1", email="z@x.test", id=GONE),
        admin.AddUser(workspace="w1", email="z@x.test", id=ZED),
        admin.CreateKey(workspace="w1", label="k", id=GONE),
        admin.CreateKey(workspace="w1", label="k", user=GONE),
        admin.CreateKey(workspace="w1", label="k", user=ZED),
        admin.SetLabels(workspace="w1", kind=Label.USER, names={ZED: "Zed"}),
    ):
        with pytest.raises(Conflict):
            house.do(refused)
    for kind, id_ in ((Label.USER, GONE), (Label.VOICE, "v1")):
        with pytest.raises(InvalidInput):
            erase(house, kind, id_)


# --- nothing is left -----------------------------------------------------------------------------------------------


def holding(folder: Path, *words: str) -> set[str]:
    """The files in which one of the words can be read."""
    texts = [word.encode() for word in words]
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {str(path.relative_to(folder)) for path, content in files.items() if any(text in content for text in texts)}


def tidy(deck: Deck) -> None:
    """Let the engine remove at once the pieces that it would remove some minutes later."""
    tables = [*(s.value for s in Subject), "rollup_keys"]
    for table in tables:
        deck.store.execute(Statement(f"ALTER TABLE {table} MODIFY SETTING old_parts_lifetime = 0", {}, ()))

    def gone() -> bool:
        for table in tables:  # dropping what is not there makes it look
            deck.store.execute(Statement(f"ALTER TABLE {table} DROP PARTITION ID '19990104'", {}, ()))
        return not any(count(deck, "system.parts", f"NOT active AND table = '{table}'") for table in tables)

    until(gone)


def test_no_file_holds_the_id_any_more(settings: Settings, clock: StillClock) -> None:
    with open_deck(settings, clock) as deck:
        for table, names in {"requests": NAMES.values(), "deliveries": ["user_id"], "rollup_keys": NAMES.values()}.items():
            for name in names:  # packed text cannot be searched for
                deck.store.execute(Statement(f"ALTER TABLE {table} MODIFY COLUMN {name} CODEC(NONE)", {}, ()))
        house, other = build_house(deck, id="w1"), build_house(deck, id="w2")
        for workspace in ("w1", "w2"):
            house.do(admin.SetLabels(workspace=workspace, kind=Label.USER, names={"ana": "Ana"}))
        house.do(admin.AddUser(workspace="w1", email="zed@qx7.test", id=ZED, name="Zed Qx7", password="long enough"))
        house.do(admin.CreateKey(workspace="w1", label="laptop of Qx7", id=KEY, user=ZED))
        house.do(admin.SetLabels(workspace="w1", kind=Label.API_KEY, names={KEY: "Qx7's"}))
        twice(house, world(clock.now))
        other.send([{"id": "x", "time": clock.now - DAY, "user_id": "ana"}])
        deck.sealer.look()
        house.send([{"id": "late", "time": clock.now - 3 * DAY, "user_id": ZED}])
        deck.sealer.look()
        clock.now += 2 * HOUR
        deck.sealer.look()  # hides the rows of seals that are superseded
        words = (ZED, KEY, "qx7", "Qx7")
        there = holding(settings.data_dir, *words)
        assert any("directory" in name for name in there)
        assert sum("data.bin" in name for name in there) >= 2
        receipt = erase(house, Label.USER, ZED)
        assert (receipt["keys"], receipt["found"]["names"]) == (1, 6)
        clock.now += 2 * HOUR
        deck.eraser.look()
        receipt = erase(house, Label.USER, ZED)
        assert (receipt["left"], receipt["mentions"]) == (NOTHING_LEFT, [])
        deck.sealer.look()
        assert receipt["old_pieces"] > 0
        tidy(deck)
        assert holding(settings.data_dir, *words) == set()
        assert erase(house, Label.USER, ZED)["old_pieces"] == 0
    assert holding(settings.data_dir, *words) == set()


def test_other_texts_that_hold_the_id_are_told(deck: Deck, clock: StillClock) -> None:
    house = build_house(deck, id="w1")
    at = clock.now - DAY
    house.send(
        [
            {"id": f"of {ZED}", "time": at, "user_id": ZED, "resource_id": f"agent of {ZED}", "path": f"/v1/users/{ZED}/files"},
            {"id": "other", "time": at, "user_id": "ana", "attributes": {"for": ZED}, "group_ids": [f"team {ZED}"]},
            {"kind": "delivery", "id": "d", "time": at, "url": f"https://{ZED}.example"},
        ]
    )
    house.do(admin.SetLabels(workspace="w1", kind=Label.VOICE, names={"v1": f"Voice of {ZED}"}))
    receipt = erase(house, Label.USER, ZED)
    assert receipt["left"] == NOTHING_LEFT
    told = {one["where"]: one["rows"] for one in receipt["mentions"]}
    assert told == {
        "requests.id": 1,
        "requests.resource_id": 1,
        "requests.path": 1,
        "requests.route": 1,
        "requests.attributes": 1,
        "requests.group_ids": 1,
        "deliveries.url": 1,
        "names of voice": 1,
    }


def test_statements_that_the_engine_keeps_name_nobody() -> None:
    """The text of a mutation is a file."""
    gone = Gone("w1", {"user_id": [ZED]})
    assert ZED not in str(erasing.remove(ROLLUPS["keys"], Cut("keys"), "w1", [(1, 2)]).values)
    for made in (erasing.copies(Subject.REQUESTS, gone), erasing.blank(Subject.REQUESTS, gone, [(1, "a")], 1)):
        assert ZED not in made.text
        assert "ALTER" not in made.text


def test_what_has_expired_goes_too(deck: Deck, clock: StillClock) -> None:
    house = build_house(deck, id="w1")
    house.send(world(clock.now))
    deck.sealer.look()
    house.do(admin.SetRetention(workspace="w1", days=3))
    deck.expirer.look()
    old = clock.now - 5 * DAY
    assert count(deck, "requests", f"user_id = '{ZED}' AND time < {old}") > 0
    erase(house, Label.USER, ZED)
    clock.now += 2 * HOUR
    deck.eraser.look()
    assert erase(house, Label.USER, ZED)["left"] == NOTHING_LEFT
    assert count(deck, "requests", f"user_id = '{GONE}' AND time < {old}") > 0


def test_bodies_of_all_days_go_at_once(house: House, clock: StillClock) -> None:
    """The engine looks at every part of the table for each statement, and every day has one at least."""
    keeps, days = collecting(house), range(12)
    keeps.send([with_body(f"r{n}", user_id=ZED, time=clock.now - n * DAY) for n in days])
    keeps.send([with_body(f"s{n}", time=clock.now - n * DAY) for n in days])
    assert erase(keeps, Label.USER, ZED)["found"]["exchanges"] == len(days)
    assert count(keeps.deck, "system.mutations", "table = 'exchanges'") == 1
    assert [sent(keeps, f"s{n}").body for n in days] == ["hello"] * len(days)


# --- whoever comes back ---------------------------------------------------------------------------------------------


def carriers(deck: Deck, id_: str = ZED) -> int:
    return count(deck, "requests", f"user_id = '{id_}'") + count(deck, "deliveries", f"user_id = '{id_}'")


def test_events_that_come_again_or_late_are_blank(deck: Deck, clock: StillClock) -> None:
    house, other = build_house(deck, id="w1"), build_house(deck, id="w2")
    sent = world(clock.now)
    house.send(sent)
    house.do(admin.CreateKey(workspace="w1", label="k", id="k_other", user="ana"))
    erase(house, Label.USER, ZED)
    before = {name: rows for name, rows in answers(house).items() if "by []" in name}
    house.send(sent)
    again = answers(house)
    assert {name: again[name] for name in before} == before
    at = clock.now - DAY
    late = {"id": "late", "time": at, "user_id": ZED, "credits": "5", "path": "/v1/history/7?q=1", "ip": "203.0.113.9"}
    strange = late | {
        "id": "strange",
        "time": iso(at),
        "cost": "1.50",
        "attributes": {"a": "b"},
        "characters": None,
        "kind": "request",
    }
    house.send([late, strange, {"kind": "delivery", "id": "late", "time": at, "user_id": ZED, "attributes": {"to": "zed"}}])
    other.send([late])
    with served(deck) as url, keyed(url, house.api_key) as client:
        body = b"\n".join(json.dumps(late | {"id": f"http{n}"}).encode() for n in range(3))
        assert client.post("/v1/events", content=body).json()["accepted"] == 3
    assert carriers(deck) == count(deck, "requests", f"workspace_id = 'w2' AND user_id = '{ZED}'") == 1
    stored = "user_id, toString(credits), path, route, ip, length(attributes), toString(cost)"
    chosen = f"workspace_id = 'w1' AND time = {at} AND has(['late', 'strange', 'http1'], id)"
    text = f"SELECT {stored} FROM requests FINAL WHERE {chosen} ORDER BY id"
    blank_row = (GONE, "5", "/v1/history/{id}", "/v1/history/{id}", "", 0)
    rows = [tuple(row) for row in deck.store.run(Statement(text, {}, ()))]
    assert rows == [(*blank_row, None), (*blank_row, None), (*blank_row, "1.5")]
    assert count(deck, "deliveries", f"id = 'late' AND user_id = '{GONE}' AND empty(attributes)") == 1


def test_a_file_of_columns_is_blanked_row_by_row(deck: Deck, clock: StillClock) -> None:
    """Some rows go as columns, some as lines, and their order of arrival stays."""
    house, expected = build_house(deck, id="w1"), build_house(deck, id="w2")
    erase(house, Label.USER, ZED)
    erase(house, Label.API_KEY, KEY)
    dice = random.Random(4)
    rows = [request(dice, clock.now, n % 150) for n in range(300)]
    for number, row in enumerate(rows):
        row |= {"error_code": row["error"]["code"], "error_message": row["error"]["message"], "attributes.team": "red"}
        del row["error"], row["attributes"], row["route"]
        row["credits"] = "-1" if number == 7 else "0.1" if number % 5 else "1E-1"
    wanted = [dict(row) for row in rows]
    for row in wanted:
        if theirs(row, {"user_id": ZED, "api_key_id": KEY}):
            made = blank(row | {"error": {"code": "quota", "message": ""}}, {"user_id": ZED, "api_key_id": KEY})
            row.clear()
            row |= {
                **made,
                "error_code": "quota",
                "error_message": "",
                "attributes.team": "",
                "trace_id": "",
                "ip": "",
                "user_agent": "",
            }
            del row["error"]
    plan = Plan.parse((), (), (), "UTC")
    tallies = [
        imported(one, file(pa.Table.from_pylist(table)), plan, parquet.read_columns)
        for one, table in ((house, rows), (expected, wanted))
    ]
    assert tallies[0][0] == tallies[1][0]
    assert tallies[0][0].rejected == 1
    names = [f.name for f in fields(Subject.REQUESTS) if f.name not in ("arrived", "attributes")]
    listed = f"SELECT {', '.join(names)}, attributes['team'] FROM requests FINAL"
    found = {
        one.workspace_id: deck.store.run(
            Statement(f"{listed} WHERE workspace_id = {{w:String}} ORDER BY version DESC", {"w": one.workspace_id}, ())
        )
        for one in (house, expected)
    }
    assert found["w1"] == found["w2"]
    assert carriers(deck) == 0
    assert sum(row[names.index("user_id")] == GONE for row in found["w1"]) > 20


def test_an_event_that_was_checked_before_and_is_written_after(deck: Deck, clock: StillClock) -> None:
    house = build_house(deck, id="w1")
    held, go = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        assert go.wait(30)

    deck.writer.between(hold)
    assert held.wait(30)
    begun = threading.Thread(target=deck.eraser.begin, args=("w1", [(Label.USER, ZED)]))
    begun.start()
    until(lambda: deck.writer._jobs.qsize() == 1)
    event = json.dumps({"id": "racing", "time": clock.now - DAY, "user_id": ZED, "attributes": {"a": "b"}}).encode()
    receipt = ingest.take(deck, house.who, [event])
    go.set()
    assert receipt.result(30).accepted == 1
    begun.join(30)
    assert count(deck, "requests", f"id = 'racing' AND user_id = '{GONE}' AND empty(attributes)") == 1


def test_the_list_outlives_a_restart_and_holds_no_names(settings: Settings, clock: StillClock) -> None:
    with open_deck(settings, clock) as deck:
        house = build_house(deck, id="w1")
        erase(house, Label.USER, ZED)
        digests = [mark.digest for mark in deck.erased.marks()]
        assert all(len(digest) == 64 and ZED not in digest for digest in digests)
    with open_deck(settings, clock) as deck:
        again = House(deck, house.workspace_id, house.api_key, house.who)
        again.send([{"id": "late", "time": clock.now - DAY, "user_id": ZED}])
        assert carriers(deck) == 0
        assert [mark.digest for mark in deck.erased.marks()] == digests


# --- whatever comes in between ---------------------------------------------------------------------------------------


class Images:
    """What lies on the disk before the statements that change something: before each of them, or before some."""

    def __init__(self, folder: Path, kept: Path, chosen: Collection[int] | None) -> None:
        self._folder = folder
        self._kept = kept
        self._chosen = chosen
        self.all: list[Path] = []
        self.steps = 0

    def take(self) -> None:
        self.steps += 1
        if self._chosen is None or self.steps in self._chosen:
            image = self._kept / str(self.steps)
            shutil.copytree(self._folder, image, symlinks=True, ignore=shutil.ignore_patterns("tmp_*"))
            self.all.append(image)

    def before(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        usual = getattr(Store, name)

        def watched(*words: Any) -> Any:
            self.take()
            return usual(*words)

        monkeypatch.setattr(Store, name, watched)


def test_a_crash_between_any_two_steps_is_completed(
    settings: Settings, clock: StillClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, torture: bool
) -> None:
    images = Images(settings.data_dir, tmp_path / "images", None if torture else (10,))
    sent = world(clock.now, 8)
    with open_deck(settings, clock) as deck:
        house = build_house(deck, id="w1", time_zone=NEW_YORK)
        house.do(admin.AddUser(workspace="w1", email="zed@x.test", id=ZED, password="long enough"))
        expected = build_house(deck, id="w2", time_zone=NEW_YORK)
        twice(house, sent)
        twice(expected, after(sent, {"user_id": ZED}))
        call_them_erased(expected)
        deck.sealer.look()
        with monkeypatch.context() as patched:
            for name in ("record", "execute", "merge"):
                images.before(patched, name)
            erase(house, Label.USER, ZED)
            clock.now += 2 * HOUR
            deck.eraser.look()
            clock.now -= 2 * HOUR
        wanted = answers(expected)
        assert answers(house) == wanted
    assert images.steps > 12
    assert len(images.all) == (images.steps if torture else 1)
    begun = 0
    for image in images.all:
        with open_deck(replace_folder(settings, image), clock) as deck:
            again = House(deck, house.workspace_id, house.api_key, house.who)
            if not deck.erased.marks():
                erase(again, Label.USER, ZED)
            begun += bool(deck.erased.unfinished())
            deck.eraser.look()
            deck.sealer.look()
            clock.now += 2 * HOUR
            deck.eraser.look()
            clock.now -= 2 * HOUR
            assert deck.erased.unfinished() == []
            assert answers(again) == wanted
            assert deck.directory.people.get(ZED) is None
            assert erase(again, Label.USER, ZED)["left"] == NOTHING_LEFT
    assert begun


def replace_folder(settings: Settings, folder: Path) -> Settings:
    return settings.model_copy(update={"data_dir": folder})


def test_it_completes_by_itself_and_the_doctor_says_until_then(
    settings: Settings, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_deck(settings, clock) as deck:
        house = build_house(deck, id="w1")
        house.send(world(clock.now))
        with monkeypatch.context() as patched:
            patched.setattr(Store, "merge", partial(fail))
            with pytest.raises(StoreFailed):
                erase(house, Label.USER, ZED)
            deck.eraser._rounds._failed("the disk is full")
        facts = house.do(admin.Examine())
        assert facts["erasures"] == {"erased": 1, "unfinished": 1, "oldest_begun": iso(clock.now), "failed": "the disk is full"}
        assert [w["code"] for w in facts["warnings"]].count("erasure_unfinished") == 1
    monkeypatch.setattr("usagedeck.store.eraser.LOOK_EVERY", 10)
    with open_deck(settings, clock) as deck:
        until(lambda: bool(deck.erased.unfinished()) or carriers(deck) == 0)
        until(lambda: carriers(deck) == 0)
        clock.now += 2 * HOUR
        until(lambda: not deck.erased.unfinished())
        facts = admin.perform(deck, admin.Examine())
        assert facts["erasures"] == {"erased": 1, "unfinished": 0, "oldest_begun": None, "failed": ""}
        assert "erasure_unfinished" not in [w["code"] for w in facts["warnings"]]


def fail(*_: object) -> None:
    raise StoreFailed("no")


# --- where only rollups are left -----------------------------------------------------------------------------------------


def by_user(house: House, start: int, end: int) -> dict[str, tuple[Any, ...]]:
    window = Window(start, end, zone("UTC"))
    metrics = tuple(METRICS[name] for name in ("requests", "credits", "latency_avg"))
    query = Query(Selection(Subject.REQUESTS, window), metrics, Interval(unit="total"), (DIMENSIONS["user_id"],))
    answer = report.usage(house.deck, house.who, None, query)
    assert answer.route.startswith("rollup keys"), answer.route
    return {row[2]: tuple(row[4:]) for row in answer.table.rows}


@pytest.fixture
def only_rollups(deck: Deck, clock: StillClock) -> tuple[House, int, int]:
    """A workspace whose older events are gone while what was sealed of them stays."""
    house, other = build_house(deck, id="w1"), build_house(deck, id="w2")
    for one in (house, other):
        one.send(world(clock.now))
    deck.sealer.look()
    start, end = (clock.now // DAY - 19) * DAY, (clock.now // DAY - 8) * DAY
    for subject in Subject:
        text = f"ALTER TABLE {subject} DELETE WHERE workspace_id = 'w1' AND time < {end} SETTINGS mutations_sync = 1"
        deck.store.execute(Statement(text, {}, ()))
    return house, start, end


def test_where_no_events_are_left_rollups_are_copied_without_the_id(
    only_rollups: tuple[House, int, int], clock: StillClock
) -> None:
    house, start, end = only_rollups
    deck, before = house.deck, by_user(*only_rollups)
    others = by_user(House(deck, "w2", "", replace(house.who, workspace=deck.directory.workspaces.all()[1])), start, end)
    assert others == before
    erase(house, Label.USER, ZED)
    expected = {GONE if user == ZED else user: values for user, values in before.items()}
    assert by_user(house, start, end) == expected
    deck.sealer.look()
    clock.now += 2 * HOUR
    deck.eraser.look()
    deck.sealer.look()
    assert by_user(house, start, end) == expected
    assert erase(house, Label.USER, ZED)["left"] == NOTHING_LEFT
    assert by_user(House(deck, "w2", "", replace(house.who, workspace=deck.directory.workspaces.all()[1])), start, end) == others


def test_renaming_is_of_the_stretches_it_is_given(only_rollups: tuple[House, int, int]) -> None:
    house, start, end = only_rollups
    deck, before = house.deck, by_user(*only_rollups)
    gone, cut, middle = Gone("w1", {"user_id": [ZED]}), Cut("keys", "UTC"), start + 4 * DAY
    number = deck.sealer.standing_still(lambda: deck.eraser.rename(cut, gone, [(start, middle)]))
    assert number
    assert {piece.number == number for piece in deck.seals.ledger.live(cut, "w1", start, middle)} == {True}
    assert number not in {piece.number for piece in deck.seals.ledger.live(cut, "w1", middle, end)}
    found = by_user(house, start, end)
    assert tuple(map(float, added(found[ZED], found[GONE])[:2])) == tuple(map(float, before[ZED][:2]))
    assert {user: values for user, values in found.items() if user not in (ZED, GONE)} == {
        user: values for user, values in before.items() if user != ZED
    }
    assert deck.sealer.standing_still(lambda: deck.eraser.rename(cut, gone, [(start - 400 * DAY, start - 399 * DAY)])) == 0


def added(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(a + b for a, b in zip(one, other, strict=True))


def test_a_crash_while_rollups_are_copied(
    monkeypatch: pytest.MonkeyPatch, clock: StillClock, only_rollups: tuple[House, int, int]
) -> None:
    house, _, _ = only_rollups
    deck, before = house.deck, by_user(*only_rollups)
    execute = Store.execute
    expected = {GONE if user == ZED else user: values for user, values in before.items()}

    def complete(fails_at: str) -> None:
        def crash(store: Store, statement: Statement) -> None:
            if fails_at in statement.text:
                raise StoreFailed("killed")
            execute(store, statement)

        with monkeypatch.context() as patched:
            patched.setattr(Store, "execute", crash)
            with pytest.raises(StoreFailed, match="killed"):
                deck.eraser.look()

    deck.eraser.begin("w1", [(Label.USER, ZED)])
    for step in ("INSERT INTO rollup_keys", "INSERT INTO seals"):
        complete(step)
        assert by_user(*only_rollups) == before
        deck.sealer._orphans()
        assert by_user(*only_rollups) == before
    deck.eraser.look()
    assert by_user(*only_rollups) == expected
    clock.now += 2 * HOUR
    complete("ALTER TABLE rollup_keys DELETE")
    assert by_user(*only_rollups) == expected
    deck.eraser.look()
    assert by_user(*only_rollups) == expected
    assert erase(house, Label.USER, ZED)["left"] == NOTHING_LEFT

"""The lines that the engine writes are the lines that Python writes, whatever is in them."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.house import NOON, House, build_house
from tests.web.conftest import opened
from usagedeck import admin, listing
from usagedeck.access import Permission
from usagedeck.catalog.dimensions import DIMENSIONS, Label, log_field
from usagedeck.catalog.fields import Field, fields
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.filters import Filter, parse_search
from usagedeck.query import LogQuery, Selection
from usagedeck.sql import Constant, Name, Offsets, Scope, compile_lines, lines
from usagedeck.table import Column, Table, csv_lines, csv_text
from usagedeck.times import DAY, EARLIEST, HOUR, iso_local, offsets, zone, zone_names
from usagedeck.windows import Window

NASTY = [
    *("", " ", ",", '"', '""', "\r", "\n", "\r\n", "\t", "\\", "'", "`", ";", "|", "=", "+1", "-1", "@x", "\tx"),
    *("\rx", "'=1", "=a,b", '="x"', "-\n", '@"', 'a"b', "a,b", "a\r\nb", "a\\nb", "a\\", "\\'", "NULL", "\\N"),
    *("nan", "0", "None", "{p0:String}", "ä", "Zoë, “x”", "日本語", "\U0001f469\u200d\U0001f680", "\u2028", "\xa0"),
    *("\x00", "a\x00,b", "\x7f", "\x1b[0m", "\ufeff", "e\u0301", "x" * 3000),
]
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia")
SPAN = (EARLIEST, NOON + DAY)
COLUMN = Column("time_zone", Type.STRING, "Time zone")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A workspace full of what is hard to write."""
    with opened(tmp_path_factory.mktemp("nasty")) as place:
        yield _fill(build_house(place.deck))


def _fill(house: House) -> House:
    names = {f"v{n}": text for n, text in enumerate(NASTY) if text.strip()} | dict.fromkeys(NASTY[1:], "a name")
    house.deck.directory.labels.put(house.workspace_id, Label.VOICE, names)
    chance = random.Random(7)
    for subject in Subject:
        rows = [_row(house, subject, n, chance) for n in range(3 * len(NASTY))]
        house.deck.store.insert(subject, "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode())
    return house


def _row(house: House, subject: Subject, n: int, chance: random.Random) -> dict[str, Any]:
    """Every text in every column, now and then absent; instants with and without milliseconds, some around clock changes."""
    instants = [EARLIEST, NOON, NOON - 1, 1_793_494_800_000, 1_793_494_799_999, chance.randrange(*SPAN), chance.randrange(*SPAN)]
    row: dict[str, Any] = {
        "workspace_id": house.workspace_id,
        "time": chance.choice(instants),
        "id": f"{n}{NASTY[n % len(NASTY)]}",
    }
    row["version"] = 4_503_599_627_370_495 - chance.randrange(EARLIEST * 1000, NOON * 1000)
    for field in fields(subject):
        if field.stamped or field.name in row or chance.random() < 0.1:
            continue
        row[field.name] = _value(field, n, chance)
    return row


def _value(field: Field, n: int, chance: random.Random) -> Any:
    if field.type is Type.INT:
        return chance.choice([field.low, min(field.high, 2**15), chance.randrange(field.low, min(field.high, 2**15))])
    if field.type is Type.DECIMAL:
        return chance.choice(["0", "0.000001", "1.50", "100000000000", "999999999.999999", "1200"])
    if field.type is Type.LIST:
        return chance.sample(NASTY, chance.randrange(4))
    if field.type is Type.MAP:
        return {key: chance.choice(NASTY) for key in chance.sample(NASTY, chance.randrange(4))}
    return (
        f"v{n % len(NASTY)}" if field.name == "voice_id" and chance.random() < 0.5 else NASTY[(n + len(field.name)) % len(NASTY)]
    )


def both(house: House, query: LogQuery, text: str, who: Any = None) -> tuple[bytes, bytes]:
    """The engine's lines and Python's."""
    deck, asker = house.deck, who or house.who
    page = listing.log(deck, asker, None, query, stream=True)
    slow = b"".join(csv_lines(page.table.with_constant(COLUMN, text, at=1), query.selection.window.zone))
    pieces, fresh = listing.log_lines(deck, asker, None, query, COLUMN, text, at=1)
    assert fresh == page.about
    return b"".join(pieces), slow


@pytest.mark.parametrize("subject", list(Subject))
@pytest.mark.parametrize("where", ZONES)
def test_every_column_is_written_alike(house: House, subject: Subject, where: str) -> None:
    selection = Selection(subject, Window(*SPAN, zone(where)))
    attributes = tuple(log_field(f"attributes.{key}", subject) for key in ("ä", 'a"b', "{p0:String}", "nowhere"))
    query = LogQuery(selection, (*fields(subject), *attributes), ascending=len(where) % 2 == 0, limit=None)
    fast, slow = both(house, query, "Zone, or =so")
    assert slow.count(b"\r\n") > 3 * len(NASTY)
    assert fast == slow


def test_every_column_of_deliveries_is_written_alike(house: House) -> None:
    selection = Selection(Subject.DELIVERIES, Window(*SPAN, zone("Europe/Berlin")))
    query = LogQuery(selection, fields(Subject.DELIVERIES, joined=True), limit=None, joined=True)
    fast, slow = both(house, query, "UTC")
    assert slow.count(b"\r\n") > len(NASTY)
    assert fast == slow


@pytest.mark.parametrize("name", [f.name for f in fields(Subject.REQUESTS)])
def test_a_single_column_is_written_alike(house: House, name: str) -> None:
    query = LogQuery(Selection(Subject.REQUESTS, Window(*SPAN, zone("UTC"))), (log_field(name, Subject.REQUESTS),), limit=None)
    fast, slow = both(house, query, "UTC")
    assert fast == slow


def test_filters_search_and_scope_are_the_same(house: House) -> None:
    selected = Selection(Subject.REQUESTS, Window(*SPAN, zone("UTC")))
    columns = tuple(log_field(name, Subject.REQUESTS) for name in ("id", "voice_id"))
    some = (Filter.build(DIMENSIONS["status"], "ge", [100]), Filter.build(DIMENSIONS["model"], "not_in", ["", '"']))
    _, narrow = house.key_who(user="a,b", permissions=[Permission.READ])
    counted = []
    for who in (house.who, narrow):
        for filters, search in (((), None), (some, None), ((), "zoë"), (some, "a")):
            chosen = replace(selected, filters=filters, search=parse_search(search))
            fast, slow = both(house, LogQuery(chosen, columns, limit=None), "UTC", who)
            assert fast == slow
            counted.append(fast.count(b"\r\n"))
    assert counted[0] > max(counted[1:5]) > min(counted[1:5]) > 1


def test_the_engine_is_really_used_and_left_alone_where_it_cannot_write(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    query = LogQuery(Selection(Subject.REQUESTS, Window(*SPAN, zone("UTC"))), fields(Subject.REQUESTS), limit=None)
    one = Offsets((0,), (0,), ("+00:00",))
    made = compile_lines(query, Scope("w"), (*query.columns, Constant("UTC")), one)
    assert made is not None
    assert made.columns == ("line",)
    assert "UTC" in made.values.values(), "values are bound"
    few: tuple[Any, ...] = (query.columns[0],)
    assert compile_lines(query, Scope("w"), few, one) is None, "an empty line has a spelling of its own"
    odd = Field(name="x", title="X", help="Odd.", type=Type.BOOL)
    assert compile_lines(query, Scope("w"), (*few, odd), one) is None
    monkeypatch.setattr(lines, "MAX_NAMES", 3)
    assert compile_lines(query, Scope("w"), (*few, Name({"a": "b"})), one) is not None
    assert compile_lines(query, Scope("w"), (*few, Name(dict.fromkeys("abcd", "x"))), one) is None
    fast, slow = both(house, query, "UTC")
    assert fast == slow


def test_a_log_without_rows_has_a_header(house: House) -> None:
    query = LogQuery(Selection(Subject.REQUESTS, Window(0, 1000, zone("UTC"))), fields(Subject.REQUESTS), limit=None)
    fast, slow = both(house, query, "UTC")
    assert fast == slow
    assert fast.count(b"\r\n") == 1


@pytest.mark.parametrize("text", NASTY)
def test_a_bound_text_is_written_like_a_cell(text: str) -> None:
    columns = (Column("a", Type.STRING, "a"), Column("b", Type.STRING, "b"))
    table = Table(columns, [[text, "x"]])
    assert b"".join(csv_lines(table, zone("UTC"))) == b"a,b\r\n" + csv_text(text).encode() + b",x\r\n"


@pytest.mark.parametrize("where", sorted(zone_names())[::40])
def test_offsets_say_what_the_clock_says(where: str) -> None:
    found = offsets(zone(where), EARLIEST, NOON)
    chance = random.Random(where)
    edges = [first + step for first, _, _ in found for step in (-1000, -1, 0, 1, HOUR) if first + step >= EARLIEST]
    for instant in (*edges, *(chance.randrange(EARLIEST, NOON) for _ in range(200))):
        _, length, spelt = next(one for one in reversed(found) if one[0] <= instant)
        clock = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=instant + length)).replace(tzinfo=None)
        spec = "seconds" if instant % 1000 == 0 else "milliseconds"
        assert iso_local(instant, zone(where)) == clock.isoformat(timespec=spec) + spelt


def test_names_of_people_are_those_of_the_workspace(house: House) -> None:
    house.do(admin.SetLabels(workspace=house.workspace_id, kind=Label.USER, names={"a,b": '=Ana, the "first"'}))
    query = LogQuery(
        Selection(Subject.REQUESTS, Window(*SPAN, zone("UTC"))), (log_field("user_id", Subject.REQUESTS),), limit=None
    )
    fast, slow = both(house, query, "UTC")
    assert fast == slow
    assert b'"\'=Ana, the ""first"""' in fast

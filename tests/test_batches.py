"""Plain events go a shorter way than others. Nobody can tell: every row and every refusal is the one of `EventReader`."""

import json
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.house import NOON
from tests.test_events import TIME
from usagedeck import batches, events
from usagedeck.batches import BatchReader
from usagedeck.catalog.fields import FIELDS
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.events import EventReader, Rejection, Stamp
from usagedeck.settings import Settings

SETTINGS = Settings(max_text=20, max_long_text=40, max_attributes=3, max_groups=3, max_event_bytes=700)
SINGLE = EventReader(SETTINGS)
BATCH = BatchReader(SETTINGS)
GROUPS = {"ana": ("g1", "g2"), "a": ("g3",)}
STAMP = Stamp("ws", "usd", {"key_1": "ana"}, NOON, groups=GROUPS)
PLAIN: dict[str, Any] = {"id": "a", "time": TIME, "status": 200, "credits": "1.5", "ip": "203.0.113.7", "group_ids": ["b", "a"]}


@pytest.fixture(autouse=True)
def one_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids that are made up are the same on both ways."""
    for module in (batches, events):
        monkeypatch.setattr(module, "new_id", lambda now: f"evt_{now}")


def one_by_one(lines: list[bytes], stamp: Stamp) -> tuple[dict[Subject, list[bytes]], list[Rejection]]:
    rows: dict[Subject, list[bytes]] = {subject: [] for subject in Subject}
    rejected = []
    for index, line in enumerate(lines):
        outcome = SINGLE.read(index, line, stamp)
        if isinstance(outcome, Rejection):
            rejected.append(outcome)
        else:
            rows[outcome[0]].append(outcome[1])
    return rows, rejected


def same(lines: list[bytes], stamp: Stamp = STAMP) -> tuple[dict[Subject, list[bytes]], list[Rejection]]:
    """Both ways give this."""
    found = BATCH.read(lines, stamp)
    rows, rejected = one_by_one(lines, stamp)
    assert found.rejected == rejected
    assert found.quarters == events.quarters_of(chain(*rows.values()))
    assert {s: [json.loads(row) for row in found.rows[s]] for s in Subject} == {
        s: [json.loads(row) for row in rows[s]] for s in Subject
    }
    return rows, rejected


# --- whatever comes -----------------------------------------------------------------------------------------------

_TEXT = st.sampled_from(["", "a", "usd", "USD", "eur", "key_1", "x" * 20, "x" * 21, "é" * 41, "a\0", "\\", '"', "\ud800", " a "])
_TIMES: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(TIME, "2026-11-23T11:00:00.1239+01:00", "2026-11-23T10:00:00", "20261123T100000Z", "2026-W48-1T00:00:00Z", f" {TIME} "),
        *("1999-12-31T23:59:59.999Z", "2026-11-23T12:10:00Z", "2026-11-23T12:10:00.001Z", "0001-01-01T00:00:00+14:00", "now"),
        *("1795428000000", "1795123100000", "-1", NOON, NOON + 600_000, NOON + 600_001, 946_684_800_000, 946_684_799_999),
        *(float(NOON), NOON + 0.5, 1_795_428_000, 10**30, -1, True, None, [], {}),
    ]
)
_AMOUNTS: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(0, 1, 1.5, -0.0, 0.1, 1e-6, 1e-7, -1, 10**12, 999_999_999_999, 1e300, None, True, [], ""),
        *("1.50", "1.0000000", "1.0000001", "-0", "1e3", "1e-400", "0e-400", "0e400", "NaN", "sNaN", "Infinity", "lots"),
        *("999999999999.999999", "999999999999.9999999", "1_000", " 1 "),
    ]
)
_ADDRESSES = st.sampled_from(
    [
        *(
            "203.0.113.7",
            "203.0.113.256",
            "203.0.113.07",
            "203.0.113",
            "1.2.3.4.5",
            " 203.0.113.7",
            "203.0.113.7 ",
            "203.0.113.7/24",
        ),
        *("203.0.113.0/24", "2001:db8:1:2::3", "::ffff:203.0.113.77", "::ffff:203.0.113.77%eth0", "localhost", ".1", "...1", ""),
    ]
)
_NUMBERS = st.sampled_from(
    [0, 1, 200, 900_000, 900_001, 999, 1000, -1, 86_400_000, 86_400_001, 10**12, 10**12 + 1, 1.0, "1", None, True]
)
_LISTS = st.lists(_TEXT, max_size=4) | st.none() | st.just("a")
_MAPS = st.dictionaries(_TEXT | st.just("k" * 101), _TEXT | st.just(None) | st.just(5), max_size=4) | st.none()
_PATHS = st.sampled_from(["", "/v1/x/42", "/v1/x?y=1", "?", "/" * 40, "/" * 41, "/v1/deadbeef1/é"])
_BY_TYPE = {Type.INSTANT: _TIMES, Type.DECIMAL: _AMOUNTS, Type.INT: _NUMBERS, Type.LIST: _LISTS, Type.MAP: _MAPS}
_VALUES = {f.name: _BY_TYPE.get(f.type, _TEXT) for f in FIELDS if not (f.stamped or f.inside)}
_VALUES |= {"ip": _ADDRESSES, "path": _PATHS, "route": _PATHS, "kind": st.sampled_from(["request", "delivery", "other", None, 5])}
_VALUES |= {"error": st.dictionaries(st.sampled_from(["code", "message", "cod"]), _TEXT | st.none(), max_size=2) | st.none()}
_VALUES |= {"modle": _TEXT}


@st.composite
def _events(draw: st.DrawFn) -> bytes:
    """Mostly plain, with a few fields of any kind."""
    changed = draw(st.lists(st.sampled_from(sorted(_VALUES)), max_size=4))
    event = {**PLAIN, **{name: draw(_VALUES[name]) for name in changed}}
    for name in draw(st.lists(st.sampled_from(sorted(PLAIN)), max_size=2)):
        event.pop(name, None)
    return json.dumps(event, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


@settings(deadline=None, max_examples=600)
@given(st.lists(_events(), max_size=6), st.booleans())
def test_the_short_way_gives_what_the_long_way_gives(lines: list[bytes], full: bool) -> None:
    same(lines, Stamp("ws", "usd", {"key_1": "ana"}, NOON, full, groups=GROUPS))


@settings(deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=4))
def test_so_it_is_with_what_is_no_event_at_all(lines: list[bytes]) -> None:
    same(lines)


@pytest.mark.parametrize("field", sorted(_VALUES))
def test_every_value_of_every_field(field: str) -> None:
    """Alone, so that no other refusal comes first."""

    @settings(deadline=None, max_examples=60)
    @given(_VALUES[field], st.sampled_from(["request", "delivery"]))
    def check(value: Any, kind: str) -> None:
        event = {"kind": kind, "id": "a", "time": TIME, field: value}
        same([json.dumps(event).encode()])

    check()


@pytest.mark.parametrize(
    "line",
    [
        b'{"id": "a", "id": "b", "time": "%b"}' % TIME.encode(),
        b'{"id": "a", "time": "%b", "kind": "delivery", "kind": "request"}' % TIME.encode(),
        b'{"id": "a", "time": "%b", "\\u006bind": "delivery"}' % TIME.encode(),
        b'{"id": "a", "time": "%b", "attributes": {"kind": "delivery"}}' % TIME.encode(),
        b'{"id": "a", "time": "%b", "webhook_id": "w", "attributes": {"kind": "delivery"}}' % TIME.encode(),
        b'{"id": "a\\\\u0000", "time": "%b"}' % TIME.encode(),
        b'{"id": "a", "time": "%b", "attributes": {"a": "\\ud83d\\ude00"}}' % TIME.encode(),
        b'{"id": "a", "time": "%b"} ' % TIME.encode() + b" " * 700,
        b' \t{"id": "a", "time": "%b"}\r' % TIME.encode(),
        b'\xef\xbb\xbf{"id": "a", "time": "%b"}' % TIME.encode(),
        b'{"id": "a", "time": "%b"}{}' % TIME.encode(),
    ],
)
def test_odd_spellings(line: bytes) -> None:
    same([line])


# --- what is plain ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        PLAIN,
        {**PLAIN, "id": None, "time": None},
        {**PLAIN, "time": NOON, "cost": 1, "attributes": {"a": "b"}, "path": "/v1/x/42?y", "error": {"code": "quota"}},
        {"kind": "delivery", "id": "a", "time": TIME, "attempt": 2},
    ],
)
def test_what_is_usual_goes_the_short_way(event: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = same([json.dumps(event).encode()])[0]

    def closer(*_: object) -> None:
        raise AssertionError("looked at closely")

    monkeypatch.setattr(EventReader, "read", closer)
    found = BATCH.read([json.dumps(event).encode()], STAMP)
    assert [json.loads(row) for rows in found.rows.values() for row in rows] == [
        json.loads(row) for rows in expected.values() for row in rows
    ]


def test_rows_and_refusals_keep_their_places() -> None:
    lines = [
        json.dumps(
            {**PLAIN, "id": str(n), **({"modle": 1} if n % 3 == 0 else {"kind": "delivery"} if n % 3 == 1 else {})}
        ).encode()
        for n in range(30)
    ]
    rows, rejected = same(
        [line.replace(b'"credits": "1.5", "ip": "203.0.113.7", "group_ids": ["b", "a"], ', b"") for line in lines]
    )
    assert [r.index for r in rejected] == list(range(0, 30, 3))
    for subject, first in ((Subject.DELIVERIES, 1), (Subject.REQUESTS, 2)):
        assert [json.loads(row)["id"] for row in rows[subject]] == [str(n) for n in range(first, 30, 3)]

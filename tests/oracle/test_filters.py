"""Every operator on every dimension keeps exactly the rows the oracle keeps; absent cells and set semantics included."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.oracle.asking import compare
from tests.oracle.oracle import Ask, Event, holds, values_of
from tests.oracle.world import NOW, YEAR, World
from usagedeck.catalog.dimensions import DIMENSIONS, dimension
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.filters import Filter, Op, parse_filter

SETS = ("eq", "neq", "in", "not_in")
ORDERED = ("lt", "le", "gt", "ge")
TEXTUAL = ("contains", "starts_with")
OPS = {
    Type.STRING: SETS + TEXTUAL,
    Type.LIST: SETS + TEXTUAL,
    Type.BOOL: SETS,
    Type.INT: SETS + ORDERED,
    Type.DECIMAL: SETS + ORDERED,
    Type.INSTANT: SETS + ORDERED,
}
NAMES = [*(name for name, by in DIMENSIONS.items() if not by.joined), "attributes.team", "attributes.nobody has it"]
"""Of single events; those of deliveries are in `test_deliveries`."""
FOREIGN: dict[Type, list[Any]] = {
    Type.STRING: ["nobody", "'; DROP TABLE requests --", "a,b:c\\d"],
    Type.LIST: ["g9"],
    Type.BOOL: [],
    Type.INT: [-1, 77],
    Type.DECIMAL: [Decimal(n) for n in ("0.0000001", "0.1000005", "-3", "-0.0000005", "999999999999.9999985")],
    Type.INSTANT: [NOW],
}
METRICS = {Subject.REQUESTS: ("requests", "credits", "latency_p95"), Subject.DELIVERIES: ("attempts", "retries")}


def spelt(cell: Any, kind: Type) -> str:
    """A value as it stands in a URL."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if kind is Type.INSTANT:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=cell)).isoformat()
    return "".join("\\" + ch if ch in "\\,:" else ch for ch in str(cell))


def wanted(dice: random.Random, op: str, cells: list[Any], kind: Type) -> list[Any]:
    known = [c for c in cells if c is not None]
    if op in ORDERED:
        return [dice.choice(known + FOREIGN[kind])]
    if op in TEXTUAL:
        whole = dice.choice([c for c in known if c] + FOREIGN[kind])
        begin, end = sorted(dice.sample(range(len(whole) + 1), 2))
        return [whole[:end].swapcase() if op == "contains" and dice.random() < 0.3 else whole[begin:end] or whole, "zzz"]
    return dice.sample([*cells, *FOREIGN[kind]], dice.randrange(1, min(4, len(cells) + len(FOREIGN[kind])) + 1))


def kept(events: Sequence[Event], filters: Sequence[tuple[str, str, list[Any]]]) -> list[Event]:
    return [e for e in events if all(holds(e, *one) for one in filters)]


def check(world: World, subject: Subject, *filters: tuple[str, str, list[Any]]) -> int:
    """Both ways of a filter: spelt in a URL, and built from values. Gives the number of rows that pass."""
    events = kept(world.requests if subject is Subject.REQUESTS else world.deliveries, filters)
    parsed = []
    for name, op, cells in filters:
        by = dimension(name)
        listed = ",".join(spelt(cell, by.type) for cell in cells)
        parsed.append(parse_filter(f"{name}:{op}:{listed}"))
        assert parsed[-1] == Filter.build(by, op, [spelt(c, by.type) if by.type is Type.INSTANT else c for c in cells])
    ask = Ask(start=YEAR[0], end=YEAR[1], zone="UTC", size="total", metrics=METRICS[subject], now=NOW)
    compare(world, ask, events, parsed)
    return len(events)


@pytest.mark.parametrize("name", NAMES)
def test_every_operator(world: World, name: str) -> None:
    dice = random.Random(name)
    by = dimension(name)
    assert set(SETS + ORDERED + TEXTUAL) == set(Op), "an operator has no meaning in the oracle"
    for subject in sorted(by.of):
        events = world.requests if subject is Subject.REQUESTS else world.deliveries
        cells: list[Any] = [*dict.fromkeys(cell for event in events for cell in values_of(event, name)), None]
        cells = list(dict.fromkeys(cells))
        texts = by.type is Type.STRING and name not in ("model", "resource_id", "status_class")
        for op in dice.sample(OPS[by.type], 3 if texts else len(OPS[by.type])):  # plain text columns are all alike
            check(world, subject, (name, op, wanted(dice, op, cells, by.type)))
        without_absent = [c for c in cells if c is not None][:3] or FOREIGN[by.type]
        keeps = check(world, subject, (name, "in", without_absent))
        drops = check(world, subject, (name, "not_in", without_absent))
        absent = check(world, subject, (name, "eq", [None]))
        assert keeps + drops == len(events) == absent + check(world, subject, (name, "neq", [None]))


@pytest.mark.parametrize("seed", range(20))
def test_several_filters_all_hold(world: World, seed: int) -> None:
    dice = random.Random(seed)
    filters = []
    for name in dice.sample([n for n in NAMES if n not in ("id", "arrived", "time")], 3):
        by = dimension(name)
        if Subject.REQUESTS in by.of:
            cells: list[Any] = list(dict.fromkeys(cell for e in world.requests for cell in values_of(e, name)))
            filters.append((name, op := dice.choice(OPS[by.type][1:]), wanted(dice, op, cells, by.type)))
    check(world, Subject.REQUESTS, *filters)


def test_an_empty_set_matches_nothing_and_its_opposite_everything(world: World) -> None:
    ask = Ask(start=YEAR[0], end=YEAR[1], zone="UTC", size="total", metrics=("requests",), now=NOW)
    for name in NAMES:
        by = dimension(name)
        if Subject.REQUESTS in by.of:
            compare(world, ask, [], [Filter.build(by, "in", [])])
            compare(world, ask, world.requests, [Filter.build(by, "not_in", [])])


def test_a_filter_applies_to_the_event_that_counts(world: World) -> None:
    """Repeats carry other payloads: a filter that only a repeat passes finds nothing."""
    by_identity = {(e["time"], e["id"]): e for e in world.requests}
    repeats = [a.sent for a in world.arrivals if "kind" not in a.sent and a.sent.get("model")]
    strangers = [s for s in repeats if by_identity[s["time"], s["id"]]["model"] != s["model"]]
    assert len(strangers) > 20
    for sent in strangers[:20]:
        mine = [e for e in world.requests if e["id"] == sent["id"] and e["model"] == sent["model"]]
        filters = [Filter.build(dimension("id"), "eq", [sent["id"]]), Filter.build(dimension("model"), "eq", [sent["model"]])]
        ask = Ask(start=YEAR[0], end=YEAR[1], zone="UTC", size="total", metrics=("requests", "credits"), now=NOW)
        compare(world, ask, mine, filters)


@pytest.mark.parametrize("op", ORDERED)
@pytest.mark.parametrize("bound", ["999999999999.9999985", "999999999999.999999", "0.1000000001", "0.1", "-0.0000005", "1E-30"])
def test_comparisons_are_exact_to_the_last_digit(world: World, op: str, bound: str) -> None:
    for name in ("credits", "duration_ms"):
        check(world, Subject.REQUESTS, (name, op, [Decimal(bound)]))

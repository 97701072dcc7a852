"""The data of measurements has the shape it claims, and the product counts it right."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bench import crowd, sets, traffic
from tests.house import House
from usagedeck import access, report
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.deck import Deck, open_deck
from usagedeck.query import Query, Selection
from usagedeck.settings import Settings
from usagedeck.times import DAY, zone
from usagedeck.windows import Interval, Window

ROWS, DAYS = 300_000, 14


@contextmanager
def deck_at(folder: Path) -> Iterator[Deck]:
    with open_deck(Settings(data_dir=folder, min_free_bytes=0), lambda: sets.END) as deck:
        yield deck


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, sets.Made]:
    """One workspace, as dense as the trace of 14 days (301,036 requests of 274 keys)."""
    folder = tmp_path_factory.mktemp("dense")
    return folder, sets.build(folder, sets.DataSet("dense", ROWS, DAYS), crowd.workplaces(1, 1.0, 274))


@pytest.fixture
def dense(built: tuple[Path, sets.Made]) -> Iterator[tuple[Deck, sets.Made]]:
    """The same, opened: a process has one store at a time."""
    with deck_at(built[0]) as deck:
        yield deck, built[1]


def one(deck: Deck, text: str) -> Any:
    return deck.store._writer.query(text).result_rows[0]


def test_a_hundredth_comes_twice_and_a_hundredth_late(dense: tuple[Deck, sets.Made]) -> None:
    deck, made = dense
    assert made.events == pytest.approx(ROWS, rel=0.02)
    assert (made.lines - made.events) / made.events == pytest.approx(0.01, rel=0.2)
    late = one(
        deck, "SELECT countIf((4503599627370495 - version) / 1000 - time - duration_ms > 60000) / count() FROM requests FINAL"
    )
    assert late[0] == pytest.approx(0.01, rel=0.2)


def test_the_product_counts_every_request_once(dense: tuple[Deck, sets.Made]) -> None:
    deck, made = dense
    house = House(deck, sets.LARGE, made.keys[sets.LARGE], access.who_by_key(deck, made.keys[sets.LARGE]))
    window = Window(sets.END - 2 * DAYS * DAY, sets.END, zone(sets.ZONE))
    query = Query(Selection(Subject.REQUESTS, window), (METRICS["requests"], METRICS["credits"]), Interval.parse("day"))
    rows = list(report.usage(deck, house.who, None, query).table.rows)
    known = one(deck, "SELECT uniqExact(time, id), sumIf(credits, 1) FROM (SELECT DISTINCT time, id, credits FROM requests)")
    assert sum(row[2] for row in rows if isinstance(row[2], int)) == known[0] == made.events
    assert sum(row[3] or 0 for row in rows) == known[1]


def test_it_compacts_like_real_traffic(dense: tuple[Deck, sets.Made]) -> None:
    """The trace of 14 days: 2.1 rows per quarter of an hour, product, voice, key and user; 10.5 per day."""
    deck, _ = dense
    rows = "count() / uniqExact(intDiv(time, {}), product_type, voice_id, api_key_id, user_id)"
    quarter, day = one(deck, f"SELECT {rows.format(900_000)}, {rows.format(DAY)} FROM requests FINAL")
    assert quarter == pytest.approx(2.1, rel=0.15)
    assert day == pytest.approx(10.5, rel=0.15)


def test_what_belongs_together_belongs_together(dense: tuple[Deck, sets.Made]) -> None:
    deck, _ = dense
    users, products = one(
        deck,
        "SELECT max(u), max(p) FROM (SELECT uniqExact(user_id) u, uniqExact(product_type) p "
        "FROM requests WHERE method != 'GET' GROUP BY api_key_id)",
    )
    assert users == 1
    assert products <= 2


def test_the_same_seed_makes_the_same_requests(tmp_path: Path) -> None:
    found = []
    for name in ("a", "b"):
        with deck_at(tmp_path / name) as deck:
            traffic.fill(deck, crowd.workplaces(5, 0.3, 20), traffic.Span(5000, 9, sets.END))
            found.append(one(deck, "SELECT count(), sum(cityHash64(*)) FROM requests FINAL"))
    assert found[0] == found[1]
    assert found[0][0] == pytest.approx(5000, rel=0.1)


def test_the_largest_workspace_has_its_share(tmp_path: Path) -> None:
    with deck_at(tmp_path) as deck:
        traffic.fill(deck, crowd.workplaces(20, 0.3, 50), traffic.Span(20_000, 9, sets.END))
        share = one(deck, "SELECT countIf(workspace_id = 'ws_000') / count() FROM requests FINAL")
    assert share[0] == pytest.approx(0.3, abs=0.02)

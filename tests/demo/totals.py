"""What a store holds of the demo, and what it should hold."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from usagedeck.deck import Deck
from usagedeck.demo.setup import Demo
from usagedeck.demo.traffic import Traffic
from usagedeck.sql import Statement


@dataclass(frozen=True)
class Totals:
    requests: int
    credits: int
    cost: Decimal
    attempts: int


def stored(deck: Deck) -> dict[str, Totals]:
    """What the store holds, by workspace."""
    text = "SELECT workspace_id, count(), sum(credits), sum(cost) FROM requests FINAL GROUP BY workspace_id"
    requests = deck.store.run(Statement(text, {}, ("workspace_id", "count", "credits", "cost")))
    text = "SELECT workspace_id, count() FROM deliveries FINAL GROUP BY workspace_id"
    attempts = {str(row[0]): int(str(row[1])) for row in deck.store.run(Statement(text, {}, ("workspace_id", "count")))}
    return {
        str(row[0]): Totals(int(str(row[1])), int(Decimal(str(row[2]))), Decimal(str(row[3])), attempts.get(str(row[0]), 0))
        for row in requests
    }


def expected(demo: Demo, start: int, end: int) -> dict[str, Totals]:
    """What traffic says there is."""
    counts: Counter[tuple[str, str]] = Counter()
    costs: dict[str, Decimal] = {}
    for _, workspace_id, event in Traffic(demo.world).between(start, end):
        kind = str(event.get("kind", "request"))
        counts[workspace_id, kind] += 1
        counts[workspace_id, "credits"] += int(str(event.get("credits", 0)))
        costs[workspace_id] = costs.get(workspace_id, Decimal(0)) + Decimal(str(event.get("cost", 0)))
    return {
        id_: Totals(counts[id_, "request"], counts[id_, "credits"], cost, counts[id_, "delivery"]) for id_, cost in costs.items()
    }

"""What was sent and what was acknowledged, and the question whether the product says the same.

The count is made from the events as they were sent, with nothing of the product: identity, sums and days are computed here.
"""

import csv
import io
import json
import random
import threading
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx2

from tests.promises.counting import iso

DAY = 24 * 60 * 60 * 1000
START = 1_793_577_600_000  # 2026-11-02T00:00:00Z, a Monday
DAYS = 21
WINDOW = {"start": iso(START), "end": iso(START + DAYS * DAY)}
PRODUCTS = ("text_to_speech", "speech_to_text", "dubbing", None)

Event = dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """Events that are sent together."""

    events: tuple[Event, ...]

    @property
    def body(self) -> bytes:
        return b"\n".join(json.dumps(event).encode() for event in self.events)


def make_event(dice: random.Random, id_: str) -> Event:
    """A request, or now and then a delivery, somewhere in three weeks."""
    time = START + dice.randrange(DAYS * DAY)
    if dice.random() < 0.1:
        return {
            "kind": "delivery",
            "id": id_,
            "time": time,
            "webhook_id": "wh",
            "event_type": "done",
            "status": 200,
            "attempt": 1,
        }
    event: Event = {"id": id_, "time": time, "status": dice.choice((200, 200, 200, 500)), "user_id": f"u{dice.randrange(5)}"}
    event |= {"credits": f"{dice.randrange(1, 10_000)}.{dice.randrange(1_000_000):06d}", "characters": dice.randrange(1000)}
    product = dice.choice(PRODUCTS)
    return event | {"product_type": product} if product else event


@dataclass
class Ledger:
    """Batches on their way, shared by the senders."""

    dice: random.Random
    size: int = 20
    padding: str = ""
    """Makes events heavy."""
    bodies: bool = False
    """Every event brings one."""
    sent: dict[str, Event] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    waiting: deque[Batch] = field(default_factory=deque)
    """Sent and never acknowledged: to be sent again."""
    told: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    """Counts acknowledgements, for those who wait for some."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> Batch:
        """A batch that was not acknowledged, or a new one."""
        with self._lock:
            if self.waiting:
                return self.waiting.popleft()
            first = len(self.sent)
            events = [make_event(self.dice, f"e{first + i}") for i in range(self.size)]
            self.sent |= {event["id"]: event for event in events}
            more = {"attributes": {"padding": self.padding}}
            bodies = [{"request": {"body": f"body of {event['id']}"}} if self.bodies else {} for event in events]
            return Batch(tuple(event | more | body for event, body in zip(events, bodies, strict=True)))

    def acknowledge(self, batch: Batch) -> None:
        with self._lock:
            self.acknowledged |= {event["id"] for event in batch.events}
        self.told.release()

    def give_back(self, batch: Batch) -> None:
        with self._lock:
            self.waiting.append(batch)

    def deliver(self, client: httpx2.Client, batch: Batch) -> httpx2.Response | None:
        """Send a batch once and note what came of it; None when the server went away."""
        try:
            answer = client.post("/v1/events", content=batch.body)
        except httpx2.HTTPError:
            self.give_back(batch)
            return None
        if answer.status_code == 200:
            exchanges = {"exchanges": {"kept": len(batch.events)}} if self.bodies else {}
            assert answer.json() == {"accepted": len(batch.events), "rejected": [], **exchanges}
            self.acknowledge(batch)
        else:
            self.give_back(batch)
        return answer

    def complete(self, client: httpx2.Client) -> None:
        """Send what was never acknowledged."""
        while self.waiting:
            answer = self.deliver(client, self.waiting.popleft())
            assert answer is not None
            assert answer.status_code == 200, answer.text


# --- what the product says ----------------------------------------------------------------------------------------


def ask(client: httpx2.Client, path: str, **params: Any) -> Any:
    answer = client.get(f"/api/v1/{path}", params=WINDOW | params)
    assert answer.status_code == 200, answer.text
    return answer.text if path.endswith(".csv") else answer.json()


def pages(client: httpx2.Client, path: str, columns: str) -> list[list[Any]]:
    """All rows of a log, page after page."""
    page = ask(client, path, columns=columns, limit=1000)
    rows = list(page["rows"])
    while page["older"]:
        page = ask(client, path, columns=columns, limit=1000, cursor=page["older"])
        rows += page["rows"]
    return rows


def stored(client: httpx2.Client) -> dict[str, Event]:
    """Every event in the logs by its id, as far as it can be compared; nothing is there twice."""
    asked = "id,time,status,user_id,credits,characters,product_type"
    names = [column["name"] for column in ask(client, "requests", columns=asked, limit=1)["columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in pages(client, "requests", asked)]
    found = [{name: row[name] for name in asked.split(",") if row[name] is not None} for row in rows]
    attempts = pages(client, "deliveries", "id,time")
    found += [{"kind": "delivery", "id": id_, "time": time} for id_, time in attempts]
    twice = [id_ for id_, count in Counter(event["id"] for event in found).items() if count > 1]
    assert not twice, f"counted twice: {twice[:5]}"
    return {event["id"]: event for event in found}


def comparable(event: Event) -> Event:
    """An event that was sent, as the log shows it."""
    time = {"time": iso(event["time"])}
    if event.get("kind") == "delivery":
        return {"kind": "delivery", "id": event["id"], **time}
    return event | time | {"credits": f"{Decimal(event['credits'])}"}


def sums(events: Iterable[Event]) -> list[Decimal]:
    """Requests, credits, characters."""
    requests = [event for event in events if "kind" not in event]
    return [
        Decimal(len(requests)),
        sum((Decimal(event["credits"]) for event in requests), Decimal(0)),
        Decimal(sum(event["characters"] for event in requests)),
    ]


def reconcile(client: httpx2.Client, ledger: Ledger) -> dict[str, Event]:
    """The logs, the usage and the CSV files agree with each other and with what was sent; nothing acknowledged is missing.

    What was sent and never acknowledged may be there or not. Gives what is there.
    """
    found = stored(client)
    assert not (lost := ledger.acknowledged - set(found)), f"acknowledged and lost: {sorted(lost)[:5]}"
    assert not (strange := set(found) - set(ledger.sent)), f"never sent: {sorted(strange)[:5]}"
    there = {id_: ledger.sent[id_] for id_ in found}
    agree(client, there)
    for id_, event in there.items():
        assert found[id_] | {"credits": None} == comparable(event) | {"credits": None}
        assert Decimal(found[id_].get("credits", 0)) == Decimal(event.get("credits", 0))
    return there


def agree(client: httpx2.Client, there: dict[str, Event]) -> None:
    """Usage, its parts, and the CSV files say what the count over these events says."""
    metrics = {"metric": "requests,credits,characters"}
    assert [*map(Decimal, ask(client, "usage", **metrics, interval="total")["rows"][0][2:])] == sums(there.values())
    days: dict[str, list[Event]] = defaultdict(list)
    products: dict[str | None, list[Event]] = defaultdict(list)
    for event in there.values():
        if "kind" not in event:
            days[iso(event["time"] // DAY * DAY)].append(event)
            products[event.get("product_type")].append(event)
    by_day = {row[0]: [*map(Decimal, row[2:])] for row in ask(client, "usage", **metrics, interval="day")["rows"]}
    assert {day: row for day, row in by_day.items() if row[0]} == {day: sums(events) for day, events in days.items()}
    by_product = ask(client, "usage", **metrics, interval="total", by="product_type")["rows"]
    assert {row[2]: [*map(Decimal, row[4:])] for row in by_product} == {p: sums(events) for p, events in products.items()}
    (attempts,) = ask(client, "usage", metric="attempts", interval="total")["rows"]
    assert attempts[2] == sum(1 for event in there.values() if "kind" in event)
    log = list(csv.DictReader(io.StringIO(ask(client, "requests.csv", columns="id,credits,characters"))))
    assert Counter(row["id"] for row in log) == Counter(id_ for id_, event in there.items() if "kind" not in event)
    assert sum(Decimal(row["credits"]) for row in log) == sums(there.values())[1]
    usage = list(csv.DictReader(io.StringIO(ask(client, "usage.csv", **metrics, interval="day"))))
    assert [sum(Decimal(row[name]) for row in usage) for name in ("requests", "credits", "characters")] == sums(there.values())

"""The demo's traffic as events: whole, repeatable, accepted."""

from collections import Counter, defaultdict
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from usagedeck.batches import BatchReader
from usagedeck.demo.arrivals import World
from usagedeck.demo.companies import COMPANIES
from usagedeck.demo.setup import SEED
from usagedeck.demo.traffic import REACH, Sent, Traffic
from usagedeck.events import Stamp
from usagedeck.exchanges import Fate
from usagedeck.redacting import redactor
from usagedeck.settings import Settings
from usagedeck.times import DAY, HOUR

FIRST = 20_750 * DAY
WORLD = World(COMPANIES, SEED, FIRST - 20 * DAY)


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    """Two days and a bit."""
    return list(Traffic(WORLD).between(FIRST, FIRST + 2 * DAY + 3 * HOUR))


@pytest.fixture(scope="module")
def requests(sent: list[Sent]) -> list[dict[str, Any]]:
    return [s.event for s in sent if "kind" not in s.event]


@pytest.fixture(scope="module")
def attempts(sent: list[Sent]) -> list[dict[str, Any]]:
    return [s.event for s in sent if s.event.get("kind") == "delivery"]


def test_every_event_is_accepted(sent: list[Sent]) -> None:
    reader, keeping = BatchReader(Settings()), {company.id for company in COMPANIES if company.exchanges}
    fates: Counter[Fate] = Counter()
    for at, workspace_id, event in sent:
        stamp = Stamp(workspace_id, "usd", {}, now=at, redactor=redactor(()) if workspace_id in keeping else None)
        checked = reader.read([msgspec.json.encode(event)], stamp)
        assert not checked.rejected, checked.rejected
        fates += checked.exchanges
        status = event["status"]
        assert isinstance(status, int)
        failed = not 200 <= status < 400
        assert not failed or workspace_id not in keeping or checked.exchanges[Fate.KEPT]
    assert set(fates) == {Fate.KEPT}


def test_pieces_make_up_the_whole(sent: list[Sent]) -> None:
    traffic = Traffic(WORLD)
    edges = [FIRST, FIRST + 1, FIRST + 5 * HOUR, FIRST + DAY - 1, FIRST + DAY + 700, FIRST + 2 * DAY, FIRST + 2 * DAY + 3 * HOUR]
    assert [s for start, end in pairwise(edges) for s in traffic.between(start, end)] == sent


def test_asking_again_in_any_order_gives_the_same(sent: list[Sent]) -> None:
    traffic = Traffic(WORLD)
    late = list(traffic.between(FIRST + 2 * DAY, FIRST + 2 * DAY + 3 * HOUR))
    early = list(traffic.between(FIRST, FIRST + DAY))
    assert early == [s for s in sent if s.at < FIRST + DAY]
    assert late == [s for s in sent if s.at >= FIRST + 2 * DAY]
    assert not list(traffic.between(FIRST, FIRST))


def test_another_seed_gives_other_traffic() -> None:
    other = Traffic(World(COMPANIES, SEED + 1, WORLD.born)).between(FIRST, FIRST + HOUR)
    assert [s.event["id"] for s in other] != [s.event["id"] for s in Traffic(WORLD).between(FIRST, FIRST + HOUR)]


def test_an_event_is_sent_when_what_it_tells_is_over(sent: list[Sent]) -> None:
    for at, _, event in sent:
        time, duration = event["time"], event["duration_ms"]
        assert isinstance(time, int)
        assert isinstance(duration, int)
        assert time + duration == at
        assert duration < REACH
    assert [s.at for s in sent] == sorted(s.at for s in sent)


def test_ids_are_unique(sent: list[Sent]) -> None:
    ids = [s.event["id"] for s in sent]
    assert len(set(ids)) == len(ids)


def test_failures_cost_nothing_and_say_why(requests: list[dict[str, Any]]) -> None:
    failed = [r for r in requests if r["status"] >= 400]
    assert failed
    for request in failed:
        assert request.get("credits", 0) == 0
        assert not {"cost", "characters", "audio_seconds", "output_tokens", "ttfb_ms"} & request.keys()
        assert request["error"]["code"]
        assert request["error"]["message"]
    assert not any("error" in r for r in requests if r["status"] < 400)


def test_what_succeeds_is_measured_and_charged(requests: list[dict[str, Any]]) -> None:
    used = [r for r in requests if r["status"] < 400 and "product_type" in r]
    for request in used:
        assert request["credits"] > 0
        assert request["cost"] > 0
        assert request["charge_count"] > 0
        assert request.get("ttfb_ms", 0) <= request["duration_ms"]
        assert (request["method"] == "WS") == (request["status"] == 101) == (request["product_type"] == "Conversational AI")
    assert {"TTS", "STT", "Conversational AI", "Conversational AI - LLM", "Sound Effects", "Voice Changer"} <= {
        r["product_type"] for r in used
    }
    assert all("{" not in r["path"] for r in requests)
    assert any("{" in r["route"] and r["path"] != r["route"] for r in requests)


def test_plain_calls_have_no_product_and_cost_nothing(requests: list[dict[str, Any]]) -> None:
    plain = [r for r in requests if r["method"] == "GET"]
    assert 0.03 < len(plain) / len(requests) < 0.15
    assert not any({"product_type", "credits", "cost", "model", "voice_id"} & r.keys() for r in plain)


def test_people_in_the_web_application_have_no_key(requests: list[dict[str, Any]]) -> None:
    web = [r for r in requests if r["request_source"] == "web"]
    assert web
    assert all("api_key_id" not in r and r["user_id"] and r["surface"] == "web" for r in web)
    assert all(r["api_key_id"] for r in requests if r["request_source"] != "web")


def test_attempts_belong_to_messages_and_messages_to_requests(
    requests: list[dict[str, Any]], attempts: list[dict[str, Any]]
) -> None:
    by_id = {r["id"]: r for r in requests}
    messages: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for attempt in attempts:
        messages[attempt["message_id"]].append(attempt)
        cause = by_id.get(attempt["request_id"])
        if cause is not None:  # the first hours tell about requests of the day before
            assert attempt["time"] > cause["time"] + cause["duration_ms"]
            assert cause["status"] < 400
        else:
            assert attempt["time"] < FIRST + REACH
    whole = [tries for tries in messages.values() if tries[0]["attempt"] == 1]
    assert any(len(tries) == 5 for tries in whole)
    for tries in whole:
        assert [t["attempt"] for t in tries] == list(range(1, len(tries) + 1))
        assert len({(t["webhook_id"], t["request_id"], t["event_type"]) for t in tries}) == 1
        assert all(t["status"] != 200 and t["error"]["code"] for t in tries[:-1])
        for before, after in pairwise(tries):
            assert after["time"] >= before["time"] + before["duration_ms"] + 5000

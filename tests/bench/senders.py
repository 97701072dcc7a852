"""Senders of events, for a process of their own: bodies are made and packed beforehand, so that sending costs next to nothing.

What is sent looks like a busy speech API: 25 fields, about 660 bytes of JSON, every event with an id of its own.
"""

import gzip
import http.client
import json
import queue
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

PRODUCTS = ("TTS", "STT", "Conversational AI", "Sound Effects", "Voice Changer", "Music", "Dubbing")


def events(count: int, *, seed: int, now: int) -> Iterator[bytes]:
    """Events of the last hour, each as a line of JSON without its ending."""
    dice = random.Random(seed)
    for _ in range(count):
        key, voice = int(dice.random() ** 3 * 900), int(dice.random() ** 4 * 2000)
        moment = datetime.fromtimestamp((now - dice.randrange(3_600_000)) / 1000, UTC)
        event = {
            "id": f"req_{dice.getrandbits(96):024x}",
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "method": "POST",
            "path": f"/v1/text-to-speech/voice_{voice}/stream",
            "route": "/v1/text-to-speech/{voice_id}/stream",
            "status": 200 if dice.random() < 0.965 else 429,
            "duration_ms": dice.randrange(80, 4000),
            "ttfb_ms": dice.randrange(40, 400),
            "user_id": f"user_{key % 300}",
            "api_key_id": f"key_{key}",
            "group_ids": ["engineering", f"team_{key % 7}"],
            "product_type": PRODUCTS[int(dice.random() ** 2 * 7)],
            "model": "eleven_flash_v2_5",
            "voice_id": f"voice_{voice}",
            "region": dice.choice(("eu-west-1", "us-east-1")),
            "request_source": "api",
            "credits": f"{dice.randrange(500_000) / 1000:.3f}",
            "characters": dice.randrange(3000),
            "audio_seconds": round(dice.random() * 60, 2),
            "cost": f"{dice.randrange(500_000) / 1_000_000:.6f}",
            "currency": "usd",
            "ip": f"203.0.{dice.randrange(256)}.{dice.randrange(256)}",
            "user_agent": "elevenlabs-python/2.78.0",
            "trace_id": f"{dice.getrandbits(128):032x}",
            "attributes": {"team": f"team_{key % 7}", "environment": "production"},
        }
        yield json.dumps(event, separators=(",", ":")).encode()


def bodies(count: int, size: int, *, seed: int, now: int) -> list[bytes]:
    """That many NDJSON bodies of `size` events."""
    lines = events(count * size, seed=seed, now=now)
    return [b"\n".join(next(lines) for _ in range(size)) for _ in range(count)]


@dataclass
class Sent:
    """What became of the bodies that were sent."""

    taken: int = 0
    """Bodies that were acknowledged."""
    put_off: int = 0
    """Answers 429 and 503."""
    seconds: float = 0.0
    """From the first body to the last acknowledgement."""
    cpu: float = 0.0
    """Seconds of processor time the senders used."""
    waits: list[float] = field(default_factory=list)
    """Seconds until each acknowledgement; at a given pace from when the body was due, so that queueing counts."""


class Senders:
    """Bodies kept ready, and connections that send them. Lives in the senders' process."""

    def __init__(self, url: str, api_key: str, count: int, size: int, seed: int, now: int) -> None:
        self._address = urlsplit(url).netloc
        self._headers = {"xi-api-key": api_key, "content-encoding": "gzip", "content-type": "application/x-ndjson"}
        self._packed = [gzip.compress(body, 1) for body in bodies(count, size, seed=seed, now=now)]

    def send(self, count: int, connections: int, pace: float = 0.0) -> Sent:
        """Send the next `count` bodies, `pace` of them a second, or each connection as fast as it is answered."""
        work: queue.SimpleQueue[tuple[int, bytes] | None] = queue.SimpleQueue()
        chosen, self._packed = self._packed[:count], self._packed[count:]
        for item in enumerate(chosen):
            work.put(item)
        for _ in range(connections):
            work.put(None)
        sent, lock = Sent(), threading.Lock()
        started, used = time.perf_counter(), time.process_time()
        threads = [threading.Thread(target=self._work, args=(work, sent, lock, pace, started)) for _ in range(connections)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sent.seconds, sent.cpu = time.perf_counter() - started, time.process_time() - used
        return sent

    def _work(
        self,
        work: "queue.SimpleQueue[tuple[int, bytes] | None]",
        sent: Sent,
        lock: threading.Lock,
        pace: float,
        started: float,
    ) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=120)
        connection.connect()
        while (item := work.get()) is not None:
            due = started + item[0] / pace if pace else time.perf_counter()
            time.sleep(max(0.0, due - time.perf_counter()))
            while (status := self._post(connection, item[1])) in (429, 503):
                with lock:
                    sent.put_off += 1
                time.sleep(0.05)
            if status != 200:
                raise RuntimeError(f"the server answered {status}")
            with lock:
                sent.taken += 1
                sent.waits.append(time.perf_counter() - due)
        connection.close()

    def _post(self, connection: http.client.HTTPConnection, body: bytes) -> int:
        connection.request("POST", "/v1/events", body, self._headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status


_ready: dict[str, Senders] = {}


def prepare(name: str, url: str, api_key: str, count: int, size: int, seed: int, now: int) -> None:
    """Make bodies in this process, under a name."""
    _ready[name] = Senders(url, api_key, count, size, seed, now)


def send(name: str, count: int, connections: int, pace: float = 0.0) -> Sent:
    """Send bodies of that name."""
    return _ready[name].send(count, connections, pace)

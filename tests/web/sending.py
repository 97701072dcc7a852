"""What tests of the collecting door send, and how they count what arrived."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2

EVENT = {"id": "a", "time": "2026-11-22T10:00:00Z", "method": "POST", "path": "/v1/tts", "status": 200, "credits": "1.5"}
LINE = json.dumps(EVENT).encode()
ONE = {"accepted": 1, "rejected": []}


def send(client: httpx2.Client, body: bytes | Iterator[bytes] | list[Any], **headers: str) -> httpx2.Response:
    content = json.dumps(body).encode() if isinstance(body, list) else body
    return client.post("/v1/events", content=content, headers={k.replace("_", "-"): v for k, v in headers.items()})


def totals(client: httpx2.Client) -> tuple[int, str]:
    """Requests and credits of the workspace."""
    answer = client.get("/api/v1/usage", params={"metric": "requests,credits", "interval": "total", "range": "2000-01-01.."})
    assert answer.status_code == 200, answer.text
    _, _, requests, spent = answer.json()["rows"][0]
    return requests, spent

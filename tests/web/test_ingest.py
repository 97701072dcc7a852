"""The collecting door."""

import gzip
import json

import httpx2
import pytest
from backports import zstd

EVENT = {"id": "a", "time": "2026-11-22T10:00:00Z", "method": "POST", "path": "/v1/tts", "status": 200, "credits": "1.5"}


def total(client: httpx2.Client) -> str:
    answer = client.get("/api/v1/usage", params={"metric": "credits", "interval": "total", "range": "30d"})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["rows"][0][-1])


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (json.dumps(EVENT).encode(), {}),
        (json.dumps([EVENT]).encode(), {}),
        (b"\n\n" + json.dumps(EVENT).encode() + b"\r\n \n", {}),
        (gzip.compress(json.dumps(EVENT).encode()), {"content-encoding": "gzip"}),
        (gzip.compress(json.dumps(EVENT).encode()) + gzip.compress(b"\n"), {"content-encoding": "gzip"}),
        (zstd.compress(json.dumps([EVENT]).encode()), {"content-encoding": "zstd"}),
    ],
    ids=["ndjson", "array", "blank lines", "gzip", "gzip in two members", "zstd"],
)
def test_every_form_of_a_batch_is_taken(client: httpx2.Client, body: bytes, headers: dict[str, str]) -> None:
    answer = client.post("/v1/events", content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "rejected": []})
    assert total(client) == "1.5"

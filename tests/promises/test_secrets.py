"""What must not be kept never reaches the disk: secrets are planted wherever somebody may write one, also into events that are
refused, and then every byte of the data folder is searched, packed or not, and all that the server said."""

import base64
import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.house import build_house, keyed
from tests.processes import server
from usagedeck import admin
from usagedeck.deck import open_deck, system_clock
from usagedeck.readers.zstd import ZstdDecompressor, ZstdError
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.store import freezing
from usagedeck.times import DAY

pytestmark = pytest.mark.promise

RULES = ["header:x-customer", "json:$.card.number", "json:$..ssn", "json:$.people[*].mail", "pattern:CUST-[a-z0-9]{16}"]
KEPT_BODY, LARGEST = 2048, 65_536


class Plants:
    """Secrets, each its own, by where they were planted."""

    def __init__(self) -> None:
        self.planted: dict[str, str] = {}

    def __call__(self, where: str) -> str:
        """16 letters and digits that are nowhere else; nothing about them looks like a secret."""
        found = f"q{len(self.planted):03d}{zlib.crc32(where.encode()):08x}wxyz"[:16]
        self.planted[where] = found
        return found

    def customer(self, where: str) -> str:
        """One that the pattern of the workspace knows."""
        return f"CUST-{self(where)}"


def packed(data: bytes) -> dict[str, Any]:
    return {"body": base64.b64encode(data).decode(), "encoding": "base64"}


def part(boundary: str, name: str, value: str) -> str:
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'


def sides(plant: Plants, side: str) -> Iterator[dict[str, Any]]:
    """Every way to bring a secret in a request or a response."""
    for name in (
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "Set-Cookie",
        "x-api-key",
        "xi-api-key",
        "X-Auth-Token",
        "X-Customer",
    ):
        yield {"headers": {name: plant(f"{side} header {name}")}}
        yield {"headers": [[name.upper(), plant(f"{side} header pair {name}")], [name, plant(f"{side} header again {name}")]]}
        yield {"headers": {name.lower(): ["", plant(f"{side} header list {name}")]}}
    yield {
        "headers": {"referer": f"https://x.test/a?token={plant(f'{side} address')}&b=1", "x-a": plant.customer(f"{side} value")}
    }
    yield {"headers": {plant.customer(f"{side} name of a header"): "x"}}
    yield {"headers": {"x-note": f"Bearer {plant(f'{side} bearer')}{plant(f'{side} bearer 2')}"}}
    yield {"headers": {"x-b64": base64.b64encode(f"password={plant(f'{side} header base64')}".encode()).decode()}}
    deep = {
        "password": plant(f"{side} password"),
        "card": {"number": plant(f"{side} path")},
        "people": [{"mail": plant(f"{side} path in a list")}, {"mail": {"to": plant(f"{side} path deep")}}],
        "a": {"b": [{"ssn": plant(f"{side} anywhere")}], "clientSecret": [plant(f"{side} list of secrets")]},
        "note": f"see {plant.customer(f'{side} pattern')} there",
        plant.customer(f"{side} name of a member"): 1,
        "inner": json.dumps({"log": json.dumps({"api_key": plant(f"{side} JSON in JSON in JSON")})}),
        "data": base64.b64encode(json.dumps({"ssn": plant(f"{side} base64 in JSON")}).encode()).decode(),
        "link": "https://x.test/?q=" + quote(f"password={plant(f'{side} percent')}", safe=""),
    }
    whole = json.dumps(deep)
    yield {"body": deep}
    yield {"body": whole.replace("q", "\\u0071")}
    yield {"body": json.dumps(deep, indent=2)}
    yield packed(whole.encode())
    yield packed(whole.encode("utf-16"))
    yield {**packed(gzip.compress(whole.encode())), "headers": {"content-encoding": "gzip"}}
    yield {**packed(zlib.compress(whole.encode())), "headers": {"content-encoding": "deflate"}}
    yield {"body": f'{{"ssn": "{plant(f"{side} twice")}", "ssn": 1, "a": {{"password": "{plant(f"{side} twice 2")}"}}, "a": 2}}'}
    yield {"body": f"{whole}\n{whole}\n"}
    yield {"body": f"event: a\ndata: {whole}\n\ndata: [DONE]\n\n"}
    yield {"body": whole[:-40], "headers": {"content-type": "application/json"}}
    yield {"body": json.dumps(deep, indent=2)[:-40]}
    form = f"user=a&password={plant(f'{side} form')}&ssn={plant(f'{side} form by rule')}"
    yield {"body": f"{form}&x=CUST%2D{plant(f'{side} form by pattern')}"}
    parts = (
        part("bb", "password", plant(f"{side} part"))
        + part("bb", "json", whole)
        + part("bb", "ssn", plant(f"{side} part by rule"))
    )
    yield {"body": f"{parts}--bb--\r\n", "headers": {"content-type": "multipart/form-data; boundary=bb"}}
    binary = part("bb", "password", plant(f"{side} part beside bytes")).encode() + part("bb", "f", "X").encode().replace(
        b"X", b"\xff\x00"
    )
    yield {**packed(binary + b"--bb--\r\n"), "headers": {"content-type": "multipart/form-data; boundary=bb"}}
    yield {"body": f"<a><password>{plant(f'{side} XML')}</password></a>"}
    yield {"body": f"password: {plant(f'{side} text')}\nAuthorization: Basic {plant(f'{side} text basic')}A1="}
    yield packed(b"\xff\xfe\xfd" + plant.customer(f"{side} bytes").encode() + b"\xff")
    filler = "lorem ipsum " * (KEPT_BODY // 12)
    edge = filler[: KEPT_BODY - 12]
    yield {"body": f"{edge} {plant.customer(f'{side} over the cut')} {filler}{plant(f'{side} behind the cut')}"}
    yield {
        "body": json.dumps(
            {"t": filler, "z": plant(f"{side} behind the cut in JSON"), "card": {"number": plant(f"{side} cut path")}}
        )
    }
    yield {"body": plant(f"{side} too large") * (LARGEST // 16 + 1)}
    yield {"body": "[" * 500 + f'"{plant(f"{side} too deep")}"' + "]" * 500}


def refused(plant: Plants) -> Iterator[dict[str, Any] | bytes]:
    """Events that are not taken."""
    body = {"headers": {"x": plant("refused header")}, "body": {"password": plant("refused body")}}
    yield {"id": "x", "time": 5, "request": body}
    yield {"id": "x", "request": body}
    yield {"status": "no", "response": body}
    yield {"nothing": 1, "request": body, "response": body}
    yield {"request": {"headers": {"a": 5}, "body": plant("refused beside a wrong header")}}
    yield {"request": {plant("refused name"): 1}}
    yield {"request": {"body": plant("refused base64") + "!", "encoding": "base64"}}
    yield {"request": {"body": "x", "encoding": plant("refused encoding")}}
    yield {"request": plant("refused text")}
    yield {"kind": plant("refused kind"), "request": body}
    yield b'{"id": "x", "request": {"body": "' + plant("refused JSON").encode() + b'"'


def blocks(data: bytes) -> Iterator[bytes]:
    """What the engine packed into a file: checksum, method, sizes, and the rest. Texts are packed by one method."""
    at = 0
    while at + 25 <= len(data):
        size = int.from_bytes(data[at + 17 : at + 21], "little")
        if data[at + 16] == 0x90:
            try:
                yield ZstdDecompressor().decompress(data[at + 25 : at + 16 + size])
            except ZstdError:
                return
        at += 16 + max(size, 9)


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    """All bytes below a folder, as they are and unpacked."""
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = file.read_bytes()
        yield str(file), data
        for unpacked in blocks(data) if file.suffix == ".bin" else ():
            yield f"{file}, unpacked", unpacked


def test_no_planted_secret_reaches_the_disk(tmp_path: Path) -> None:
    plant, folder, now = Plants(), tmp_path / "data", system_clock()
    settings: dict[str, Any] = {"kept_body_bytes": KEPT_BODY, "max_exchange_bytes": LARGEST}
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
        shut = build_house(deck, id="shut").api_key
        key = build_house(deck, id="open").api_key
        admin.perform(deck, admin.PutWorkspace(workspace="open", exchanges=True, exchange_days=2, redactions=RULES))
        deck.expirer.look()
    events = [
        {"kind": kind, "id": f"{kind}{side}{n}", "time": now - n, side: brought}
        for kind in ("request", "delivery")
        for side in ("request", "response")
        for n, brought in enumerate(sides(plant, f"{kind} {side}"))
    ]
    visible = "kept" + "q9z8y7x6w5"
    events.append({"id": "control", "time": now, "request": {"headers": {"x-seen": visible}, "body": f"the {visible} body"}})
    whole = {"headers": {"a": plant("expired or switched off")}, "body": plant("expired or switched off, body")}
    with server(folder, **settings) as (found, url):
        with keyed(url, key) as client:
            answer = client.post("/v1/events", json=events)
            assert answer.json()["accepted"] == len(events), answer.text
            assert answer.json()["exchanges"]["kept"] == len(events)
            assert client.get("/api/v1/log/requests/control").json()["request"]["body"] == f"the {visible} body"
            for event in refused(plant):
                raw = event if isinstance(event, bytes) else json.dumps(event).encode()
                answer = client.post("/v1/events", content=raw)
                assert answer.status_code == 422, answer.text
            broken = json.dumps([{"request": whole}])[:-1].encode()
            assert client.post("/v1/events", content=broken).status_code == 400
            old = client.post("/v1/events", json=[{"id": "old", "time": now - 5 * DAY, "request": whole}]).json()
            assert old["exchanges"] == {"expired": 1}
        with keyed(url, shut) as client:
            assert client.post("/v1/events", json=[{"id": "a", "time": now, "request": whole}]).json()["exchanges"] == {
                "switched_off": 1
            }
        found.kill()  # so that what only was under way is looked at too
    said = found.said().encode()
    searched, seen = 0, False
    for where, data in [*everything(folder), ("what the server said", said)]:
        searched += len(data)
        seen = seen or visible.encode() in data
        there = [
            place for place, secret in plant.planted.items() if secret.encode() in data or secret.encode("utf-16-le") in data
        ]
        assert not there, (where, there)
    assert seen, "what may be kept is found by the same search"
    assert searched > 100_000
    with open_deck(Settings(data_dir=folder, min_free_bytes=0, **settings)) as deck:
        for table in freezing.tables(deck.store):
            rows = str(deck.store.run(Statement(f"SELECT * FROM {table.name}", {}, ("all",))))
            there = [place for place, secret in plant.planted.items() if secret in rows]
            assert not there, (table.name, there)
        kept = str(deck.store.run(Statement("SELECT * FROM exchanges", {}, ("all",))))
    assert visible in kept
    assert kept.count("[redacted]") > 100

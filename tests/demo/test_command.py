"""`usagedeck demo` as a process: it says one line when it is ready, serves, and ends cleanly."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.house import keyed


@contextmanager
def demo(folder: Path, *options: str) -> Iterator[dict[str, Any]]:
    """What a running demo says; it is stopped by SIGTERM and must end cleanly."""
    command = [sys.executable, "-m", "usagedeck", "demo", "--json", "--port", "0", "--days", "1", "--data-dir", str(folder)]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield json.loads(line)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, ""), err
        assert "Traceback" not in err
    finally:
        process.kill()
        process.communicate()


def totals(said: dict[str, Any]) -> list[Any]:
    with keyed(said["url"], said["api_key"]) as client:
        rows = []
        for metrics in ("requests,credits,cost", "attempts"):
            asked = {"metric": metrics, "interval": "total", "start": "2020-01-01T00:00:00Z", "end": "2100-01-01T00:00:00Z"}
            answer = client.get("/api/v1/usage", params=asked)
            assert answer.status_code == 200, answer.text
            rows += answer.json()["rows"][0][2:]
        return rows


def test_a_demo_from_start_to_end_and_again(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with demo(folder, "--no-trickle") as said:
        assert said.keys() == {"url", "workspace_id", "api_key", "email", "password"}
        first = totals(said)
        assert first[0] > 3000
        assert totals(said) == first
        with keyed(said["url"], said["api_key"]) as client:
            assert client.get("/api/v1/me").json()["workspace"]["id"] == said["workspace_id"]
            signed_in = client.post("/api/v1/session", json={"email": said["email"], "password": said["password"]})
            assert signed_in.status_code == 204
    with demo(folder) as again:
        assert {**again, "url": ""} == {**said, "url": ""}
        assert all(float(now) >= float(then) for now, then in zip(totals(again), first, strict=True))
        second = [sys.executable, "-m", "usagedeck", "demo", "--data-dir", str(folder)]
        in_use = subprocess.run(second, capture_output=True, text=True, check=False)
        assert in_use.returncode == 2
        assert "in use" in in_use.stderr
    assert not (folder / "server.json").exists()

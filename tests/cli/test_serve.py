"""`usagedeck serve` as a process: ready when it says so, gone when told, nothing lost, one to a folder."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from usagedeck import cli
from usagedeck.catalog.kinds import Subject
from usagedeck.cli import demo as demo_module
from usagedeck.cli import serving as serving_module
from usagedeck.deck import SERVER_FILE, open_deck
from usagedeck.settings import Settings
from usagedeck.web.server import bind

COMMAND = (sys.executable, "-m", "usagedeck")
EVENT = {"time": "2026-11-22T10:00:00Z", "credits": "1"}


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("USAGEDECK_")} | {"COLUMNS": "300"}


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """A command that ends by itself."""
    return subprocess.run([*COMMAND, *words], capture_output=True, text=True, timeout=60, env=environment(), check=False)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server, and the address it said it is ready at."""
    words = [*COMMAND, "serve", "--json", "--port", "0", "--data-dir", str(folder), *options]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()) as server:
        try:
            assert server.stdout
            line = server.stdout.readline()
            assert line, server.stderr and server.stderr.read()
            yield server, json.loads(line)["url"]
        finally:
            server.kill()


def stop(server: subprocess.Popen[str], by: signal.Signals = signal.SIGTERM) -> tuple[str, str]:
    """End it politely; what it had said."""
    server.send_signal(by)
    said = server.communicate(timeout=15)
    assert server.returncode == 0, said
    return said


def send(url: str, key: str, *ids: str) -> dict[str, Any]:
    answer = httpx2.post(f"{url}/v1/events", json=[{**EVENT, "id": id_} for id_ in ids], headers={"xi-api-key": key}, timeout=30)
    assert answer.status_code == 200, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


def counted(url: str, key: str) -> int:
    params = {"start": "2026-11-22T00:00:00Z", "end": "2026-11-23T00:00:00Z", "interval": "total"}
    answer = httpx2.get(f"{url}/api/v1/usage", params=params, headers={"xi-api-key": key}, timeout=30)
    return int(answer.json()["rows"][0][2])


Here = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    """A command in this process, which takes less time to start: its exit code and what it said."""
    monkeypatch.setenv("COLUMNS", "300")
    for module in (serving_module, demo_module):
        monkeypatch.setattr(module, "set_up_logs", lambda: None)

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["usagedeck", *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return int(end.value.code or 0), *capsys.readouterr()

    return command


def test_a_server_is_ready_when_it_says_so_and_ends_when_told(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with serving(folder) as (server, url):
        assert url.startswith("http://127.0.0.1:")
        assert httpx2.get(f"{url}/readyz").json() == {"status": "ready"}
        note = folder / SERVER_FILE
        assert note.stat().st_mode & 0o777 == 0o600
        assert json.loads(note.read_text())["url"] == url
        assert folder.stat().st_mode & 0o777 == 0o700
        second = run("serve", "--port", "0", "--data-dir", str(folder))
        assert (second.returncode, second.stdout) == (2, "")
        assert second.stderr == (
            f"error: {folder} is in use by another usagedeck process; stop it, or name another folder with --data-dir.\n"
        )
        assert httpx2.get(f"{url}/healthz").status_code == 200
        assert stop(server) == ("", "")
        assert not note.exists()


def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with serving(folder) as (server, url):
        made = json.loads(run("workspace", "create", "Acme", "--json", "--data-dir", str(folder)).stdout)
        key = made["api_key"]
        assert send(url, key, "a", "b") == {"accepted": 2, "rejected": []}

        acknowledged: list[str] = []

        def keep_sending() -> None:
            for n in range(10_000):
                try:
                    send(url, key, f"n-{n}")
                except (httpx2.HTTPError, AssertionError):
                    return
                acknowledged.append(f"n-{n}")
                enough.set()

        enough = threading.Event()
        sender = threading.Thread(target=keep_sending)
        sender.start()
        assert enough.wait(30)
        stop(server)
        sender.join(30)
    with serving(folder) as (server, url):
        count = counted(url, key)
        assert len(acknowledged) + 2 <= count <= len(acknowledged) + 3
        send(url, key, "a", "b", *acknowledged)
        assert counted(url, key) == count
        stop(server)


def test_a_killed_server_leaves_nothing_in_the_way(tmp_path: Path, here: Here) -> None:
    folder = tmp_path / "data"
    _, out, _ = here("workspace", "create", "Acme", "--json", "--data-dir", str(folder))
    made = json.loads(out)
    with serving(folder) as (server, url):
        send(url, made["api_key"], "a")
        server.kill()
        server.wait(15)
    assert (folder / SERVER_FILE).exists()
    assert here("workspace", "list", "--json", "--data-dir", str(folder))[0] == 0
    with open_deck(Settings(data_dir=folder)) as deck:
        assert deck.store.rows(Subject.REQUESTS) == 1


def test_for_people_it_says_what_to_do_next_and_an_interrupt_is_no_error(tmp_path: Path) -> None:
    words = [*COMMAND, "serve", "--port", "0", "--data-dir", str(tmp_path / "[/data]")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()) as server:
        assert server.stderr
        said = [server.stderr.readline() for _ in range(4)]
        assert stop(server, signal.SIGINT) == ("", "")
    assert "serves" in said[0]
    assert "[/data]" in said[0]
    assert "at http://127.0.0.1:" in said[0]
    assert "usagedeck workspace create acme --data-dir" in said[2]


def test_an_option_that_is_none(tmp_path: Path, here: Here) -> None:
    for options, sentence in (
        (["--port", "99999"], "Setting port: Input should be less than or equal to 65535."),
        (["--port", "abc"], "--port"),
        (["--host", "999.1.1.1", "--port", "0"], "Cannot listen on 999.1.1.1:0"),
        (["--fast"], "No such option"),
    ):
        code, out, err = here("serve", "--data-dir", str(tmp_path / "data"), *options)
        assert (code, out) == (2, ""), options
        assert sentence in err
        assert "Traceback" not in err


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_busy_port_is_said_before_any_work(tmp_path: Path, here: Here, command: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, out, err = here(command, "--data-dir", str(tmp_path / "data"), "--port", port)
    assert (code, out) == (2, "")
    assert f"Cannot listen on 127.0.0.1:{port}: Address already in use. Choose another with --port." in err
    assert not (tmp_path / "data" / "store").exists()


def test_answers_are_sent_at_once(tmp_path: Path) -> None:
    """Otherwise the body of an answer waits some 40 ms for the client's acknowledgement of its head."""

    async def delayed() -> bool:
        found: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.set_result(not writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with bind(Settings(data_dir=tmp_path, port=0)) as listener:
            async with await asyncio.start_server(connected, sock=listener):
                _, client = await asyncio.open_connection(*listener.getsockname())
                client.close()
                return await asyncio.wait_for(found, 30)

    assert not asyncio.run(delayed())


# --- the commands -------------------------------------------------------------------------------------------------


def test_a_command_loads_what_it_needs_and_nothing_else() -> None:
    """A server that starts does not wait for what reads files, nor for what changes an old directory."""
    for words, absent in (
        ("from usagedeck.cli import main", ("sqlalchemy", "fastapi", "clickhouse_connect")),
        ("from usagedeck.cli.serving import serve_command", ("alembic", "pyarrow.parquet", "usagedeck.importing", "joserfc")),
    ):
        asked = f"{words}; import sys; print([name for name in {absent} if name in sys.modules])"
        found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True)
        assert found.stdout == "[]\n", words


def test_a_misspelt_command_is_told_the_right_one() -> None:
    said = run("serv")
    assert (said.returncode, said.stdout) == (2, "")
    assert said.stderr.startswith('error: There is no command "serv"; did you mean "serve"? Known: backup, demo,')

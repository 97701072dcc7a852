"""Asks the measured server, and the engine inside it."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import httpx2

from tests.bench.dialects import ENGINE, LEVELS, written
from tests.bench.measure import Sample, cpu_clock
from tests.bench.questions import Log, Question, Usage
from tests.bench.sets import Made
from tests.house import keyed
from usagedeck.times import parse_instant

REST, IDLE = 2.0, 0.05
"""A server that used less than this share of a core for so many seconds is at rest."""

Cells: TypeAlias = tuple[Decimal | float | str | None, ...]
Answer: TypeAlias = dict[tuple[int | str, ...], Cells]


@dataclass
class Asker:
    """A running server with one data set."""

    url: str
    pid: int
    clients: dict[str, httpx2.Client]
    ids: dict[str, list[str]]
    """Ids of some requests of the last 30 days, by workspace."""

    def __post_init__(self) -> None:
        self.cpu = cpu_clock(self.pid)

    def ask(self, question: Question, turn: int, sample: Sample | None = None) -> httpx2.Response:
        """Ask the product."""
        client, params = self.clients[question.workspace], question.params(turn, self.ids.get(question.workspace, ()))
        with (sample or Sample()).timed(self.cpu):
            answer = client.get(question.path, params=params)
        if answer.status_code != 200:
            raise RuntimeError(f"{question.name}: {answer.status_code} {answer.text[:500]}")
        return answer

    def bare(self, question: Question, turn: int, sample: Sample | None = None, form: str = "Native") -> dict[str, Any]:
        """Ask the engine the same, by hand-written SQL; timed inside, without HTTP."""
        found = self.run(written(question, turn, self.ids.get(question.workspace, ()), ENGINE), form)
        if sample is not None:
            sample.wall.append(found["ms"])
            sample.cpu.append(found["cpu"])
        return found

    def run(self, text: str, form: str = "Native") -> dict[str, Any]:
        """Hand SQL to the engine."""
        client = next(iter(self.clients.values()))
        answer = client.post("/bench/bare", content=json.dumps({"sql": text, "form": form}))
        if answer.status_code != 200:
            raise RuntimeError(f"the engine refused {text[:2000]}")
        return dict(answer.json())

    def rows(self, text: str) -> list[list[Any]]:
        """The same, with its rows."""
        return exact_rows(self.run(text, "JSONCompactEachRow")["text"])

    def rest(self) -> float:
        """Wait until the server does nothing of its own accord: what it does in the background after a start is done.

        Returns the CPU seconds it took.
        """
        spent = self.cpu()
        while True:
            before = self.cpu()
            time.sleep(REST)
            if self.cpu() - before < IDLE * REST:
                return self.cpu() - spent


def exact_rows(text: str) -> list[list[Any]]:
    """Rows of the engine's JSON, decimals as they are."""
    return [json.loads(line, parse_float=Decimal) for line in text.splitlines()]


@contextmanager
def asking(folder: Path, made: Made) -> Iterator[Asker]:
    """Start the server on a data set and stop it afterwards."""
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.serving", str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if not url:
            raise RuntimeError("the measured server did not start")
        clients = {name: keyed(url, key) for name, key in made.keys.items()}
        for client in clients.values():
            client.timeout = 300
        asker = Asker(url, process.pid, clients, {})
        for name in clients:
            found = asker.rows(
                f"SELECT id FROM requests FINAL WHERE workspace_id = '{name}' AND time > (SELECT max(time) FROM requests) "
                "- 25 * 86400000 ORDER BY cityHash64(id) LIMIT 100"
            )
            asker.ids[name] = [str(row[0]) for row in found]
        asker.rest()
        yield asker
        for client in clients.values():
            client.close()
    finally:
        process.terminate()
        process.wait(60)


# --- answers, made comparable -------------------------------------------------------------------------------------


def ours(question: Question, answer: httpx2.Response) -> Answer:
    """The product's answer by bucket and series, or by place and id of a row."""
    body = answer.json()
    names = [column["name"] for column in body["columns"]]
    rows = [dict(zip(names, row, strict=True)) for row in body["rows"]]
    if isinstance(question, Log):
        return {(i, str(row["id"])): (_cell(row["status"]), _cell(row["credits"])) for i, row in enumerate(rows)}
    found: Answer = {}
    for row in rows:
        series = [row[by] or "" for by in question.by]
        key = (parse_instant(row["bucket_start"], field="bucket"), *series, *([int(row["is_other"])] if _folds(question) else []))
        found[key] = tuple(_cell(row[metric]) for metric in question.metrics)
    return _filled(found)


def theirs(question: Question, rows: Sequence[Sequence[Any]], micros: bool = False) -> Answer:
    """The same of what SQL returned. `micros`: credits are whole millionths."""
    scale = Decimal(1_000_000 if micros else 1)
    if isinstance(question, Log):
        at = {
            name: i for i, name in enumerate(("id", "time", "status", "method", "path", "duration_ms", "api_key_id", "credits"))
        }
        return {
            (i, str(row[at["id"]])): (
                _cell(row[at["status"]]),
                None if row[at["credits"]] is None else Decimal(str(row[at["credits"]])) / scale,
            )
            for i, row in enumerate(rows)
        }
    width = 1 + len(question.by) + _folds(question)
    found: Answer = {}
    for row in rows:
        cells = [_cell(cell) for cell in row[width:]]
        for i, metric in enumerate(question.metrics):
            if metric == "credits":
                cells[i] = Decimal(str(row[width + i])) / scale
        found[int(row[0]), *row[1:width]] = tuple(cells)
    return _filled(found)


def _folds(question: Usage) -> bool:
    """By path nothing is folded: there are fewer paths than series."""
    return question.top is not None and question.metrics == ("credits",)


def _filled(found: Answer) -> Answer:
    """Without the buckets that have nothing in them."""
    return {key: cells for key, cells in found.items() if any(cell not in (None, 0) for cell in cells)}


def _cell(cell: Any) -> Decimal | float | None:
    return None if cell is None else Decimal(str(cell))


def differ(question: Question, a: Answer, b: Answer) -> str:
    """Where two answers first differ, or nothing. Sums agree to the last digit, quotients to nine; percentiles are rounded."""
    for key in sorted(a.keys() | b.keys(), key=str):
        left, right = a.get(key), b.get(key)
        if left is None or right is None:
            return f"{key}: {left} and {right}"
        for i, (x, y) in enumerate(zip(left, right, strict=True)):
            name = question.metrics[i] if isinstance(question, Usage) else ""
            if x is None or y is None:
                if x != y:
                    return f"{key} {name}: {x} and {y}"
                continue
            quotient = name in ("success_rate", "latency_avg")
            slack = Decimal("0.0051") if name in LEVELS else Decimal("1e-9") * abs(Decimal(str(x))) if quotient else Decimal(0)
            if abs(Decimal(str(x)) - Decimal(str(y))) > slack:
                return f"{key} {name}: {x} and {y}"
    return ""

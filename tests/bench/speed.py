"""How fast the product answers: the table of targets, growth with the data, and what it adds to the bare engine."""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.bench.asking import Asker, differ, exact_rows, ours, theirs
from tests.bench.measure import Sample
from tests.bench.questions import COMPARED, Family, Question, Usage, families
from tests.bench.sets import DataSet
from tests.bench.sheet import Sheet, ms, times, verdict
from usagedeck import sql
from usagedeck.sql import Scope
from usagedeck.times import DAY

PASSES = 8
"""Most times that every question of a family is asked."""


@dataclass
class Measured:
    """What a family of questions took on a data set."""

    family: Family
    all: Sample = field(default_factory=Sample)
    each: dict[str, Sample] = field(default_factory=dict)

    @property
    def slowest(self) -> str:
        name = max(self.each, key=lambda n: self.each[n].p50)
        return f"{name} ({ms(self.each[name].p50)})"


def measure(asker: Asker, data: DataSet, seconds: float, say: Callable[[str], None]) -> list[Measured]:
    """Ask all families: every question once unmeasured, then in shuffled passes until the seconds of its family are spent."""
    found = []
    turn = 0
    for family in families(data.days):
        say(f"{data.title}: {family.name}")
        measured = Measured(family, each={q.name: Sample() for q in family.questions})
        order = list(family.questions)
        asker.ask(order[0], 399)
        for number in range(PASSES):
            random.Random(number).shuffle(order)
            for question in order:
                turn += 1
                sample = Sample()
                asker.ask(question, turn, sample)
                measured.each[question.name].add(sample)
                measured.all.add(sample)
            if sum(measured.all.wall) > seconds * 1000:
                break
        found.append(measured)
    return found


def targets(data: DataSet, found: list[Measured]) -> Sheet:
    sheet = Sheet(
        f"Questions through HTTP, {data.title}",
        ("question", "asked", "p50 ms", "p95 ms", "CPU ms", "target p95", "met", "slowest of them (p50 ms)"),
        note="Target: the 95th percentile over all askings of all questions of a line. CPU: of the server, mean.",
    )
    for one in found:
        sample = one.all
        cells = (one.family.name, f"{len(sample.wall)}", ms(sample.p50), ms(sample.p95), ms(sample.mean_cpu))
        sheet.rows.append((*cells, ms(one.family.target), verdict(sample.p95, one.family.target), one.slowest))
    return sheet


def growth(found: Mapping[str, tuple[DataSet, list[Measured]]]) -> Sheet:
    """CPU beside wall: it is what grows with the data whatever else the machine does."""
    sizes = list(found.values())
    sheet = Sheet(
        "Growth with the data",
        ("question", *(f"{data.title}: p50 ms (CPU)" for data, _ in sizes), "growth of CPU"),
        note=f"From {sizes[0][0].title} to {sizes[-1][0].title}, {sizes[-1][0].rows // sizes[0][0].rows} times the requests.",
    )
    for i, first in enumerate(sizes[0][1]):
        samples = [measured[i].all for _, measured in sizes]
        cells = (f"{ms(s.p50)} ({ms(s.mean_cpu)})" for s in samples)
        sheet.rows.append((first.family.name, *cells, times(samples[-1].mean_cpu / samples[0].mean_cpu)))
    return sheet


def beside_bare(asker: Asker, data: DataSet, say: Callable[[str], None], rounds: int = 7) -> Sheet:
    """The product and the bare engine in turn, after both gave the same answer."""
    sheet = Sheet(
        f"Beside the bare engine, {data.title}",
        ("question", "ours p50 ms", "p95", "CPU", "bare engine p50 ms", "CPU", "rows it read", "ours / bare", "CPU / CPU"),
        note="Asked in turn. Ours includes HTTP, JSON and names; the engine answers hand-written SQL on the raw table in its own "
        "binary format. Below 1: the product reads less than the raw table.",
    )
    for number, question in enumerate(COMPARED):
        say(f"{data.title}, bare engine: {question.name}")
        check(asker, question, 900 + number)
        a, b, read = Sample(), Sample(), 0
        for turn in range(rounds):
            asker.ask(question, 1000 + number * 20 + turn, a)
            read = asker.bare(question, 1000 + number * 20 + turn, b)["read"]
        cells = (ms(a.p50), ms(a.p95), ms(a.mean_cpu), ms(b.p50), ms(b.mean_cpu), f"{read:,}")
        sheet.rows.append((question.name, *cells, times(a.p50 / b.p50), times(a.mean_cpu / b.mean_cpu)))
    return sheet


def buckets(asker: Asker, data: DataSet, say: Callable[[str], None], rounds: int = 7) -> Sheet:
    """Ways to find a row's bucket: runs of equally long buckets (ours), an array of all their edges, plain arithmetic in UTC."""
    say(f"{data.title}: buckets")
    question = Usage(name="buckets", by=("product_type",), days=90)
    query = question.query(0)
    ours_text = _spelled(sql.compile(query, Scope(question.workspace)))
    window = query.selection.window
    rows = f"requests FINAL WHERE workspace_id = '{question.workspace}' AND time >= {window.start} AND time < {window.end}"
    edges = f"roundDown(time, {list(query.buckets.starts)})"
    ways = {"an array of edges": edges, "plain arithmetic": f"intDiv(time, {DAY}) * {DAY}"}
    sheet = Sheet(
        f"Ways to find a row's bucket, credits by day and product, 90 d, {data.title}",
        ("way", "p50 ms", "CPU ms", "runs of equal buckets (ours): p50 ms", "CPU ms", "CPU / CPU"),
    )
    for name, bucket in ways.items():
        text = f"SELECT {bucket} AS b, product_type AS d, sum(ifNull(credits, 0)) FROM {rows} GROUP BY b, d ORDER BY b, d"
        a, b = Sample(), Sample()
        for _ in range(rounds):
            for sample, asked in ((a, ours_text), (b, text)):
                found = asker.run(
                    f"{asked} SETTINGS do_not_merge_across_partitions_select_final = 1, use_query_condition_cache = 0"
                )
                sample.wall.append(found["ms"])
                sample.cpu.append(found["cpu"])
        cells = (ms(b.p50), ms(b.mean_cpu), ms(a.p50), ms(a.mean_cpu))
        sheet.rows.append((name, *cells, times(a.mean_cpu / b.mean_cpu)))
    return sheet


def _spelled(statement: sql.Statement) -> str:
    """A statement with its values written into it, for the engine's own door."""

    def literal(match: re.Match[str]) -> str:
        value = statement.values[match[1]]
        text = f"'{value}'" if isinstance(value, str) else str(value)
        return f"CAST({text} AS {match[2]})"

    return re.sub(r"\{(\w+):([^}]+)\}", literal, statement.text)


def check(asker: Asker, question: Question, turn: int) -> None:
    """Raises unless the engine's own answer is ours."""
    text = asker.bare(question, turn, form="JSONCompactEachRow")["text"]
    if wrong := differ(question, ours(question, asker.ask(question, turn)), theirs(question, exact_rows(text))):
        raise AssertionError(f"{question.name}: the product and the bare engine differ at {wrong}")

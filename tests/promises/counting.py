"""An independent count over the published samples: the standard library, the zones of `tzdata`, nothing of the product."""

import csv
import gzip
import importlib.resources
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
QUARTER = 15 * 60 * 1000
"""Every offset from UTC is a multiple of it, and so are the moments of clock changes."""
AMOUNTS = ("credits", "characters", "input_tokens", "output_tokens")


def millis(year: str, month: str, day: str, hour: str, minute: str, second: str, fraction: str = "0") -> int:
    whole = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    return (whole - EPOCH) // MILLISECOND + int(fraction.ljust(3, "0")[:3])


def iso(instant: int) -> str:
    return (EPOCH + instant * MILLISECOND).strftime("%Y-%m-%dT%H:%M:%S.") + f"{instant % 1000:03d}Z"


def whole(cell: str) -> int | None:
    return int(cell) if cell else None


def table(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)\.(\d+)Z?")


def stamp(text: str) -> int:
    found = STAMP.fullmatch(text)
    assert found, text
    return millis(*found.groups())


def llm_rows(path: Path) -> Iterator[Row]:
    for cells in table(path):
        yield {
            "id": cells["id"],
            "time": stamp(cells["time"]),
            "method": cells["method"],
            "path": cells["path"],
            "status": whole(cells["status"]),
            "duration_ms": whole(cells["latency_ms"]),
            "user_id": cells["user_id"],
            "group_id": cells["group_id"],
            "api_key_id": cells["api_key_id"],
            "model": cells["model"],
            "product_type": cells["product"],
            "voice_id": cells["voice_id"],
            "characters": whole(cells["characters"]),
            "input_tokens": whole(cells["input_tokens"]),
            "output_tokens": whole(cells["output_tokens"]),
            "credits": Decimal(cells["credits"]) if cells["credits"] else None,
        }


def azure_rows(path: Path) -> Iterator[Row]:
    for cells in table(path):
        yield {
            "time": stamp(cells["timestamp"]),
            "product_type": cells["workload"],
            "input_tokens": whole(cells["context_tokens"]),
            "output_tokens": whole(cells["generated_tokens"]),
        }


LINE = re.compile(
    r'(\S+) \S+ \S+ \[(\d\d)/May/(2015):(\d\d):(\d\d):(\d\d) \+0000\] "([A-Z]+) (\S+) HTTP/1\.\d" (\d{3}) \S+ ".*?" "(.*)"'
)


def apache_rows(path: Path) -> Iterator[Row]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            found = LINE.fullmatch(line.rstrip("\n"))
            assert found, line
            host, day, year, hour, minute, second, method, target, status, agent = found.groups()
            yield {
                "time": millis(year, "5", day, hour, minute, second),
                "user_id": host,
                "method": method,
                "path": target.partition("?")[0],
                "status": int(status),
                "user_agent": "" if agent == "-" else agent.replace('\\"', '"').replace("\\\\", "\\"),
            }


def zone(name: str) -> ZoneInfo:
    """From the package `tzdata`, since the machine's own zones may differ."""
    folder, _, leaf = name.rpartition("/")
    with (importlib.resources.files("tzdata") / "zoneinfo" / folder / leaf).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def local_days(rows: list[Row], where: ZoneInfo) -> dict[str, list[Decimal]]:
    """First instant of each local day that has rows → number of rows and sums of the amounts."""
    found: dict[date, list[Decimal]] = defaultdict(lambda: [Decimal(0)] * (1 + len(AMOUNTS)))
    quarters: dict[int, date] = {}
    for row in rows:
        quarter = row["time"] // QUARTER
        if quarter not in quarters:
            quarters[quarter] = (EPOCH + quarter * QUARTER * MILLISECOND).astimezone(where).date()
        sums = found[quarters[quarter]]
        sums[0] += 1
        for place, name in enumerate(AMOUNTS, 1):
            sums[place] += row.get(name) or 0
    return {iso((datetime(d.year, d.month, d.day, tzinfo=where) - EPOCH) // MILLISECOND): sums for d, sums in found.items()}


def percentile(values: list[int], level: Fraction) -> Fraction:
    """Linear between order statistics."""
    ordered = sorted(values)
    place = level * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def sums(rows: list[Row]) -> list[Decimal]:
    return [Decimal(len(rows)), *(sum((row.get(name) or Decimal(0) for row in rows), Decimal(0)) for name in AMOUNTS)]


def averages(rows: list[Row]) -> list[float | None]:
    """Mean, median and 95th percentile of what is known."""
    values = [row["duration_ms"] for row in rows if row.get("duration_ms") is not None]
    if not values:
        return [None, None, None]
    return [float(Fraction(sum(values), len(values))), *(float(percentile(values, Fraction(p, 100))) for p in (50, 95))]

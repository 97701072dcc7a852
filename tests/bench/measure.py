"""Clocks and samples. Wall time is what a person waits; CPU time is what a busy machine cannot spoil."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

MB = 1_000_000


def cpu_clock(pid: int) -> Callable[[], float]:
    """Seconds of CPU that a process has used, all its threads together, to the nanosecond."""
    clock = (~pid << 3) | 2  # what clock_getcpuclockid(3) answers
    return lambda: time.clock_gettime(clock)


@dataclass
class Sample:
    """Milliseconds that something took, each time it was done."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @contextmanager
    def timed(self, cpu: Callable[[], float] | None = None) -> Iterator[None]:
        began, spent = time.perf_counter(), cpu() if cpu else 0.0
        yield
        self.wall.append((time.perf_counter() - began) * 1000)
        if cpu:
            self.cpu.append((cpu() - spent) * 1000)

    def add(self, other: "Sample") -> None:
        self.wall += other.wall
        self.cpu += other.cpu

    @property
    def p50(self) -> float:
        return quantile(self.wall, 0.5)

    @property
    def p95(self) -> float:
        return quantile(self.wall, 0.95)

    @property
    def mean_cpu(self) -> float:
        return sum(self.cpu) / len(self.cpu)


def quantile(values: list[float], level: float) -> float:
    """Linear between order statistics."""
    ordered = sorted(values)
    place = level * (len(ordered) - 1)
    low = int(place)
    return ordered[low] + (ordered[min(low + 1, len(ordered) - 1)] - ordered[low]) * (place - low)


def memory(pid: int) -> tuple[int, int]:
    """Resident bytes of a process now, and the most there were since `forget_peak`."""
    found = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    now, peak = (int(found[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return now, peak


def forget_peak(pid: int) -> None:
    """The peak counts from now on."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")

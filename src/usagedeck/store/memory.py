"""How much memory the engine may take, and how much of it one question.

Questions can never use up what collecting needs: all that may be asked side by side, downloads included, share three quarters
of the engine's memory equally. What the machine has is read from the system, containers' limits included; nothing is
guessed from what happens to be free.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from usagedeck.settings import Settings


def of_machine(root: Path = Path("/")) -> int:
    """Bytes this process can hope for: the machine's memory, or less where its control group has a limit."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in _limit_files(root):
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        if text.isdigit() and int(text) > 0:  # otherwise "max"
            limits.append(int(text))
    return min(limits)


def _limit_files(root: Path) -> Iterator[Path]:
    """Of the process's control group and those around it, in either version of the system's interface."""
    groups = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, kinds, path = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        base, name = (groups, "memory.max") if not kinds else (groups / "memory", "memory.limit_in_bytes")
        own = Path(path.lstrip("/"))
        for group in (own, *own.parents):
            yield base / group / name


def of_engine(settings: Settings) -> int:
    """Bytes for everything the engine does."""
    return settings.memory or of_machine() // 2


def of_question(settings: Settings) -> int:
    """Bytes for one question."""
    side_by_side = settings.query_parallel + settings.export_parallel
    return min(settings.query_memory, of_engine(settings) * 3 // 4 // side_by_side)


_WAITING_ROOM = "32"
"""Places for background work per thread that does it. A deletion takes one for every part of its table, and where there is none
it waits for seconds until it is begun; the number of threads, so what merging takes from others, stays the same."""

_TURNS = "shortest_task_first"
"""Who is worked on of those that have a place. In turns, all of them would be under way at once, each with its memory."""


def engine_options(settings: Settings) -> dict[str, str]:
    """What the engine is opened with. Its caches count as its memory, so they are kept small beside it."""
    cache = str(of_engine(settings) // 20)
    return {
        "max_server_memory_usage": str(of_engine(settings)),
        "background_merges_mutations_concurrency_ratio": _WAITING_ROOM,
        "background_merges_mutations_scheduling_policy": _TURNS,
        "mark_cache_size": cache,
        "index_mark_cache_size": cache,
        "primary_index_cache_size": cache,
    }

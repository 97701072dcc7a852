"""What the engine may take: from the settings, else from the machine or its container; questions share it."""

import os
from pathlib import Path

import pytest

from usagedeck.settings import Settings
from usagedeck.store import memory
from usagedeck.store.clickhouse import Store

RAM = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def machine(root: Path, groups: str, limits: dict[str, str]) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in limits.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


@pytest.mark.parametrize(
    ("groups", "limits", "expected"),
    [
        ("0::/\n", {"memory.max": "123456789\n"}, 123456789),
        ("0::/\n", {"memory.max": "max\n"}, RAM),
        ("0::/system/us\n", {"system/us/memory.max": "max\n", "system/memory.max": "5000\n"}, 5000),
        ("0::/system/us\n", {"system/us/memory.max": "4000\n", "system/memory.max": "5000\n"}, 4000),
        ("9:cpu:/a\n4:memory:/a/b\n", {"memory/a/b/memory.limit_in_bytes": "7000\n"}, 7000),
        ("4:cpu,memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, RAM),
        ("9:cpu:/a\n", {"memory.max": "3\n"}, RAM),
        ("0::/gone\n", {}, RAM),
    ],
)
def test_a_container_has_what_its_group_allows(tmp_path: Path, groups: str, limits: dict[str, str], expected: int) -> None:
    assert memory.of_machine(machine(tmp_path, groups, limits)) == expected


def test_a_system_without_groups_has_its_memory(tmp_path: Path) -> None:
    assert memory.of_machine(tmp_path) == RAM


def test_half_of_the_machine_unless_the_operator_says_otherwise() -> None:
    assert memory.of_engine(Settings()) == memory.of_machine() // 2
    assert memory.of_engine(Settings(memory=123)) == 123


def test_all_questions_together_leave_a_quarter() -> None:
    small = Settings(memory=800_000_000, query_parallel=3, export_parallel=2)
    assert memory.of_question(small) == 120_000_000
    assert memory.of_question(small.model_copy(update={"query_memory": 50_000_000})) == 50_000_000


@pytest.mark.parametrize("limit", [700_000_000, 900_000_000])
def test_the_engine_knows_its_limit(settings: Settings, limit: int) -> None:
    """Again at every opening: an engine that was open before does not decide."""
    store = Store(settings.model_copy(update={"memory": limit}))
    try:
        text = "SELECT value FROM system.server_settings WHERE name = 'max_server_memory_usage'"
        assert store._writer.query(text).result_rows == [(str(limit),)]
        with store._reader() as client:
            text = "SELECT value FROM system.settings WHERE name = 'max_memory_usage'"
            assert client.query(text).result_rows == [(str(limit * 3 // 4 // 8),)]
    finally:
        store.close()

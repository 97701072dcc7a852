"""The audit log: entries are added, and read newest first."""

from tests.house import NOON, StillClock
from usagedeck.directory.repo import Directory


def add(directory: Directory, action: str, *workspaces: str | None, actor: str = "ana") -> None:
    directory.audit_log.add(
        workspaces,
        actor_kind="user",
        actor_id=actor,
        address="10.0.0.1",
        action=action,
        target_kind="key",
        target_id="k",
        details={"label": "é"},
    )


def read(directory: Directory, workspace: str | None, **how: object) -> list[str]:
    asked: dict[str, object] = {"start": 0, "end": 10**15, "equal": {}} | how
    return [entry.action for entry in directory.audit_log.read(workspace, **asked)]  # type: ignore[arg-type]


def test_entries_are_kept_apart_and_read_newest_first(directory: Directory, clock: StillClock) -> None:
    add(directory, "first", "ws", "other")
    add(directory, "second", "ws")
    clock.now += 10
    add(directory, "third", "ws", actor="ben")
    add(directory, "of the server", None)
    add(directory, "of nothing")
    assert read(directory, "ws") == ["third", "second", "first"]
    assert read(directory, "other") == ["first"]
    assert read(directory, None) == ["of the server"]
    assert read(directory, "ws", start=NOON + 10) == ["third"]
    assert read(directory, "ws", end=NOON + 10) == ["second", "first"]
    assert read(directory, "ws", equal={"actor_id": "ben"}) == ["third"]
    assert read(directory, "ws", equal={"actor_id": "ben", "action": "first"}) == []
    assert read(directory, "ws", limit=2) == ["third", "second"]


def test_an_entry_says_who_did_what_to_what(directory: Directory) -> None:
    add(directory, "key.create", "ws")
    (entry,) = directory.audit_log.read("ws", start=NOON, end=NOON + 1, equal={})
    assert (entry.workspace_id, entry.time, entry.actor_kind, entry.actor_id, entry.address) == (
        "ws",
        NOON,
        "user",
        "ana",
        "10.0.0.1",
    )
    assert (entry.action, entry.target_kind, entry.target_id, entry.details) == ("key.create", "key", "k", {"label": "é"})


def test_pages_of_entries_of_one_instant_miss_none(directory: Directory) -> None:
    for number in range(5):
        add(directory, f"{number}", "ws")
    seen: list[str] = []
    before: tuple[int, int] | None = None
    while page := directory.audit_log.read("ws", start=0, end=NOON + 1, equal={}, before=before, limit=2):
        seen += [entry.action for entry in page]
        before = (page[-1].time, page[-1].id)
    assert seen == ["4", "3", "2", "1", "0"]

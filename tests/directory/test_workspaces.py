"""Workspaces and their settings."""

from dataclasses import replace

import pytest

from tests.house import StillClock
from usagedeck.directory.repo import Directory
from usagedeck.errors import Conflict


def test_workspaces_are_listed_oldest_first(directory: Directory, clock: StillClock) -> None:
    clock.now += 1
    directory.workspaces.add("b", "B", currency="usd", time_zone="UTC")
    directory.workspaces.add("a", "A", currency="usd", time_zone="UTC")
    assert [w.id for w in directory.workspaces.all()] == ["ws", "a", "b"]
    with pytest.raises(Conflict, match='a workspace "a" already'):
        directory.workspaces.add("a", "A again", currency="usd", time_zone="UTC")
    assert directory.workspaces.get("nowhere") is None


def test_settings_of_a_workspace_are_changed_one_by_one(directory: Directory) -> None:
    made = directory.workspaces.add("other", "Globex", currency="eur", time_zone="UTC", redactions=("path",), retention_days=9)
    assert made.credit_limit is None
    assert directory.workspaces.get("other") == made
    directory.workspaces.change("other", {"name": "Globex II", "retention_days": None, "redactions": ("path", "attributes.x")})
    changed = replace(made, name="Globex II", retention_days=None, redactions=("path", "attributes.x"))
    assert directory.workspaces.get("other") == changed
    directory.workspaces.change("other", {"redactions": ()})
    assert {w.id: (w.name, w.redactions) for w in directory.workspaces.all()} == {"ws": ("Acme", ()), "other": ("Globex II", ())}

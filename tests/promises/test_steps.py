"""A crash between any two steps of a start: whatever lies on the disk at that moment, the next start makes whole.

The files are copied before every statement that a first start executes, which is what a crash there would leave behind.
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.house import StillClock, build_house
from tests.store.test_schema import described
from usagedeck.catalog.kinds import Subject
from usagedeck.deck import open_deck
from usagedeck.directory.repo import Directory
from usagedeck.settings import Settings
from usagedeck.sql import Statement
from usagedeck.store import schema
from usagedeck.store.clickhouse import Store
from usagedeck.times import DAY

pytestmark = pytest.mark.promise


class Images:
    """What lay in a folder at one moment after the other."""

    def __init__(self, folder: Path, kept: Path) -> None:
        self._folder = folder
        self._kept = kept
        self.all: list[Path] = []

    def take(self) -> None:
        image = self._kept / str(len(self.all))
        if self._folder.exists():
            shutil.copytree(self._folder, image, symlinks=True)
        else:
            image.mkdir(parents=True)
        self.all.append(image)


def test_of_the_directory(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    images = Images(folder, tmp_path / "images")

    def look(*_: object) -> None:
        images.take()

    event.listen(Engine, "before_cursor_execute", look)
    event.listen(Engine, "commit", look)
    try:
        Directory(f"sqlite:///{folder / 'directory.sqlite'}", StillClock()).close()
    finally:
        event.remove(Engine, "before_cursor_execute", look)
        event.remove(Engine, "commit", look)
    assert len(images.all) > 10
    for image in images.all:
        directory = Directory(f"sqlite:///{image / 'directory.sqlite'}", StillClock())
        made = directory.workspaces.add("ws", "Acme", currency="usd", time_zone="UTC")
        assert directory.workspaces.all() == [made]
        secret = directory.secret
        directory.close()
        again = Directory(f"sqlite:///{image / 'directory.sqlite'}", StillClock())
        assert again.secret == secret
        again.close()


@pytest.mark.parametrize("older", [False, True], ids=["new", "older"])
def test_of_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, older: bool, torture: bool) -> None:
    folder = tmp_path / "data"
    clock = StillClock()
    sent = []
    if older:
        with open_deck(Settings(data_dir=folder, min_free_bytes=0), clock) as deck:
            house = build_house(deck, id="old")
            sent = [f"e{n}" for n in range(30)]
            house.send({"id": id_, "time": clock.now - n * DAY} for n, id_ in enumerate(sent))
            for table in Subject:
                deck.store._writer.command(f"ALTER TABLE {table} DROP COLUMN status")
            deck.store._writer.command("TRUNCATE TABLE about")
    images = Images(folder, tmp_path / "images")
    usual = Store._open

    def watched(store: Store, settings: Any) -> Any:
        client = usual(store, settings)
        command: Callable[..., Any] = client.command

        def look(*words: Any, **more: Any) -> Any:
            images.take()
            return command(*words, **more)

        client.command = look  # type: ignore[method-assign]
        return client

    with monkeypatch.context() as patched:
        patched.setattr(Store, "_open", watched)
        with open_deck(Settings(data_dir=folder, min_free_bytes=0), clock):
            images.take()
    assert len(images.all) > 5
    for image in images.all if torture else random.Random(10).sample(images.all, 5):
        with open_deck(Settings(data_dir=image, min_free_bytes=0), clock) as deck:
            assert all(described(deck.store, table) == schema.columns(table) for table in Subject)
            house = build_house(deck)
            assert house.send([{"id": "new", "time": clock.now, "status": 200}]).accepted == 1
            found = deck.store.run(Statement("SELECT id, status FROM requests FINAL ORDER BY id", {}, ("id", "status")))
            assert [tuple(row) for row in found] == [*((id_, None) for id_ in sorted(sent)), ("new", 200)]

"""The world is furnished once for all tests of this folder; they only ask."""

from collections.abc import Iterator

import pytest

from tests.oracle.world import World, open_world


@pytest.fixture(scope="package")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, World]]:
    with open_world(tmp_path_factory.mktemp("oracle") / "data") as both:
        yield both


@pytest.fixture(scope="package")
def world(worlds: tuple[World, World]) -> World:
    return worlds[0]

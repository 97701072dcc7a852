"""What settings make of what they are given."""

from pathlib import Path

import pytest

from usagedeck.settings import Settings


@pytest.mark.parametrize(
    ("url", "file", "shown"),
    [
        ("sqlite:////var/lib/deck.sqlite", Path("/var/lib/deck.sqlite"), "sqlite:////var/lib/deck.sqlite"),
        ("sqlite:///deck.sqlite", Path("deck.sqlite"), "sqlite:///deck.sqlite"),
        ("postgresql://ann:secret@db:5432/deck", None, "postgresql://db:5432/deck"),
        ("postgresql://ann:p%40ss@/deck?host=/run&password=secret", None, "postgresql:///deck"),
        ("postgres://db/deck", None, "postgres://db/deck"),
    ],
)
def test_where_the_directory_lies(url: str, file: Path | None, shown: str) -> None:
    settings = Settings(directory=url)
    assert (settings.directory_file, settings.directory_shown) == (file, shown)


def test_the_directory_is_in_the_data_folder_unless_said_otherwise(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).directory_file == tmp_path / "directory.sqlite"

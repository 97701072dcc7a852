"""Files that only their owner may read. Knows nothing of what is in them."""

import os
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Write `path` with mode 0600 in one step: at any moment it holds the old content or the new, whole."""
    new = path.with_name(path.name + ".new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(path)

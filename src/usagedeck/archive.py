"""The container of a backup: files with their checksums, in a folder or in one tar file, and a manifest that says what they are.

It is written under another name and renamed when it is complete and on the disk, so a backup that was cut short is none. It knows
nothing of what is in the files.
"""

import hashlib
import io
import os
import re
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

import msgspec

from usagedeck.errors import Conflict, InvalidInput, StorageFull

FORMAT = 1
MANIFEST = "manifest.json"
TAR = ".tar"
_BUFFER = 2**20
_NAME = re.compile(r"[^/\0.][^/\0]*(/[^/\0.][^/\0]*)*")
"""Relative, and no step of it begins with a dot, so that nothing is written outside of where it belongs."""

Moved: TypeAlias = Callable[[int], None]
"""Told of bytes as they are copied."""


class Entry(msgspec.Struct, frozen=True):
    """A file: its size in bytes and its checksum."""

    bytes: int
    sha256: str


class TableIn(msgspec.Struct, frozen=True):
    """A table of the store: how it is made, and how many rows and bytes of it are here."""

    create: str
    rows: int
    bytes: int


class Contents(msgspec.Struct, frozen=True):
    """What is in a backup."""

    release: str
    store_revision: int
    taken_at: str
    """Every event acknowledged before this instant is in it."""
    tables: dict[str, TableIn]


class Manifest(msgspec.Struct, frozen=True):
    format: int
    contents: Contents
    files: dict[str, Entry]

    @property
    def bytes(self) -> int:
        return sum(entry.bytes for entry in self.files.values())


def write(target: Path, contents: Contents, files: Mapping[str, Path], counted: Callable[[int], Moved]) -> Manifest:
    """Write a backup, readable by its owner only. `counted` is told how many bytes there are, and what it gives is told of those
    copied.

    Raises `Conflict` when something of that name exists or a file goes away, `StorageFull` when it does not fit, `InvalidInput`
    when it cannot be written there.
    """
    if target.exists():
        raise Conflict(f"{target} exists already; name a new file or folder.", field="TARGET", code="already_exists")
    new = target.with_name(target.name + ".new")
    try:
        _remove(new)
        needed = sum(_size(path) for path in files.values())
        if (free := shutil.disk_usage(target.absolute().parent).free) < needed:
            raise StorageFull(f"The backup takes {needed:,} bytes and {free:,} are free at {target.absolute().parent}.")
        moved = counted(needed)
        with _TarWriter(new) if target.suffix == TAR else _FolderWriter(new) as writer:
            entries = {name: _copied(writer, name, path, moved) for name, path in files.items()}
            manifest = Manifest(FORMAT, contents, entries)
            encoded = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
            writer.add(MANIFEST, len(encoded), io.BytesIO(encoded))
        new.rename(target)
        _sync(target.absolute().parent)
    except OSError as error:
        raise InvalidInput(f"The backup {target} cannot be written: {error.strerror or error}.", field="TARGET") from None
    finally:
        _remove(new)
    return manifest


class _Writes(Protocol):
    def __enter__(self) -> "_Writes": ...

    def __exit__(self, *_: object) -> None: ...

    def add(self, name: str, size: int, content: BinaryIO, /) -> None: ...


class _FolderWriter:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = [folder]
        folder.mkdir(mode=0o700)

    def __enter__(self) -> "_FolderWriter":
        return self

    def __exit__(self, *_: object) -> None:
        for folder in [self._folder, *(p for p in self._folder.rglob("*") if p.is_dir())]:
            _sync(folder)

    def add(self, name: str, _size: int, content: BinaryIO, /) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            shutil.copyfileobj(content, file, _BUFFER)
            file.flush()
            os.fsync(file.fileno())


class _TarWriter:
    def __init__(self, path: Path) -> None:
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._tar = tarfile.open(fileobj=self._file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - closed in __exit__

    def __enter__(self) -> "_TarWriter":
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._tar.close()
            self._file.flush()
            os.fsync(self._file.fileno())

    def add(self, name: str, size: int, content: BinaryIO, /) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = size, 0o600
        self._tar.addfile(entry, content)


class _Told(io.RawIOBase):
    """A stream that is summed while it is read."""

    def __init__(self, inner: BinaryIO, moved: Moved) -> None:
        self._inner = inner
        self._moved = moved
        self.sum = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        piece = self._inner.read(size)
        self.sum.update(piece)
        self.size += len(piece)
        self._moved(len(piece))
        return piece

    @property
    def entry(self) -> Entry:
        return Entry(self.size, self.sum.hexdigest())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        raise _gone(path) from None


def _copied(writer: _Writes, name: str, path: Path, moved: Moved) -> Entry:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise _gone(path) from None
    with file:
        told = _Told(file, moved)
        writer.add(name, _size(path), told)  # type: ignore[arg-type]
    return told.entry


def _gone(path: Path) -> Conflict:
    return Conflict(f"{path} went away before it was copied, as it does when the server is restarted. Take the backup again.")


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# --- reading ------------------------------------------------------------------------------------------------------


class Backup:
    """A backup that was opened; nothing but its manifest has been read."""

    def __init__(self, path: Path, manifest: Manifest, content: Callable[[str], BinaryIO]) -> None:
        self.manifest = manifest
        self._path = path
        self._content = content

    def copy(self, name: str, to: Path, moved: Moved) -> None:
        """Copy a file and sync it. Raises `InvalidInput` when it is not as it was written."""
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._content(name) as source, to.open("xb") as target:
                told = _Told(source, moved)
                shutil.copyfileobj(told, target, _BUFFER)
                target.flush()
                os.fsync(target.fileno())
        except (KeyError, FileNotFoundError, tarfile.TarError):
            raise damaged(self._path, f"{name} is missing or cut short") from None
        if told.entry != self.manifest.files[name]:
            raise damaged(self._path, f"{name} is not as it was written")


def damaged(path: Path, what: str) -> InvalidInput:
    return InvalidInput(f"The backup {path} is damaged: {what}. Nothing was restored.", field="SOURCE", code="damaged_backup")


@contextmanager
def opened(path: Path) -> Iterator[Backup]:
    """Open a backup. Raises `InvalidInput` for what is none."""
    if path.is_dir():
        yield Backup(path, _manifest(path, (path / MANIFEST).read_bytes), lambda name: (path / name).open("rb"))
        return
    try:
        tar = tarfile.open(path, "r:")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InvalidInput(f"The backup {path} cannot be read: {error.strerror or error}.", field="SOURCE") from None
    except tarfile.TarError:
        raise InvalidInput(f"{path} is no backup, or only the beginning of one.", field="SOURCE", code="no_backup") from None
    with tar:

        def content(name: str) -> BinaryIO:
            found = tar.extractfile(name)
            if found is None:
                raise KeyError(name)
            return found  # type: ignore[return-value]

        yield Backup(path, _manifest(path, lambda: content(MANIFEST).read()), content)


def _manifest(path: Path, read: Callable[[], bytes]) -> Manifest:
    try:
        manifest = msgspec.json.decode(read(), type=Manifest)
    except (OSError, KeyError, tarfile.TarError):
        raise InvalidInput(f"{path} is no backup, or only the beginning of one.", field="SOURCE", code="no_backup") from None
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise damaged(path, f"{MANIFEST} cannot be understood") from None
    if bad := [name for name in manifest.files if not _NAME.fullmatch(name)]:
        raise damaged(path, f"{bad[0][:100]!r} is no name of a file")
    return manifest

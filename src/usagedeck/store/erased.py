"""Who was erased: a list that lasts, and that names nobody.

Of every erased user and key it keeps a keyed hash, so that an event of theirs is recognised whenever it comes, and the list
itself tells nothing to whoever has no key. With each goes what its erasure has taken so far.

It does not erase (see `store.eraser`), and it does not look at events (see `store.blanking`).
"""

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Protocol

from usagedeck.catalog.dimensions import Label
from usagedeck.sql import Bound, Statement
from usagedeck.table import Row

REMEMBERED = 100_000
"""Hashes of ids that are kept in memory: each takes a microsecond or two to make."""


class Executes(Protocol):
    """The part of the store that the list needs."""

    def run(self, statement: Statement) -> list[Row]: ...

    def record(self, statement: Statement) -> None:
        """A small durable write on the writer's handle."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What an erasure has taken."""

    requests: int = 0
    deliveries: int = 0
    copies: int = 0
    """Rows of events that were taken off the disk, those included that counted for nothing."""
    rollup_rows: int = 0
    names: int = 0
    """Entries of the directory."""
    exchanges: int = 0
    """Headers and bodies of an event."""

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Mark:
    """One erased user or key of a workspace. `begun` and `finished` (0 until then) are instants."""

    workspace_id: str
    kind: Label
    digest: str
    begun: int
    finished: int
    counts: Counts
    step: int


class Erased:
    """The list. Safe to use from many threads."""

    def __init__(self, store: Executes, digest: Callable[[str], str]) -> None:
        """Read it. `digest` makes a keyed hash."""
        self._store = store
        self._lock = threading.Lock()
        self._digest = lru_cache(maxsize=REMEMBERED)(digest)
        names = [f.name for f in fields(Mark) if f.name != "counts"]
        taken = [f.name for f in fields(Counts)]
        rows = store.run(Statement(f"SELECT {', '.join([*names, *taken])} FROM erased FINAL", {}, (*names, *taken)))
        self._marks: dict[str, dict[tuple[Label, str], Mark]] = {}
        for workspace, kind, digested, begun, finished, step, *counts in rows:
            self._put(Mark(workspace, Label(kind), digested, begun, finished, Counts(*counts), step))

    def concerns(self, workspaces: Collection[str]) -> bool:
        """Whether anybody was erased in one of these workspaces."""
        return any(workspace in self._marks for workspace in workspaces)

    def covers(self, workspace: str, kind: Label, id_: str) -> bool:
        """Whether that user or key was erased there."""
        marks = self._marks.get(workspace)
        return marks is not None and bool(id_) and (kind, self._hash(workspace, kind, id_)) in marks

    def mark(self, workspace: str, kind: Label, id_: str) -> Mark | None:
        """How far its erasure is; None when it was not erased."""
        return self._marks.get(workspace, {}).get((kind, self._hash(workspace, kind, id_)))

    def marks(self) -> list[Mark]:
        return [mark for marks in list(self._marks.values()) for mark in list(marks.values())]

    def unfinished(self) -> list[str]:
        """Workspaces in which something is still to be erased."""
        return sorted({mark.workspace_id for mark in self.marks() if not mark.finished})

    # --- on the writer's thread

    def begin(self, workspace: str, names: Sequence[tuple[Label, str]], now: int) -> None:
        """From here on these are erased, durably; all of them, or after a crash none."""
        made = []
        for kind, id_ in names:
            known = self.mark(workspace, kind, id_)
            digest = self._hash(workspace, kind, id_)
            made.append(replace(known, finished=0) if known else Mark(workspace, kind, digest, now, 0, Counts(), 0))
        self._record(made)

    # --- on any thread

    def add(self, workspace: str, counts: Counts, finished: int) -> None:
        """What was taken meanwhile in the workspace, to all that is unfinished there; `finished` is 0 while it goes on."""
        going = [mark for mark in list(self._marks.get(workspace, {}).values()) if not mark.finished]
        if going and (counts != Counts() or finished):
            self._record([replace(mark, counts=mark.counts + counts, finished=finished) for mark in going])

    def _record(self, marks: Sequence[Mark]) -> None:
        marks = [replace(mark, step=mark.step + 1) for mark in marks]
        rows: list[str] = []
        values: dict[str, Bound] = {}
        columns = ["workspace_id", "kind", "digest", "begun", "finished", *(f.name for f in fields(Counts)), "step"]
        for at, mark in enumerate(marks):
            texts = {"w": mark.workspace_id, "k": mark.kind.value, "d": mark.digest}
            values |= {f"{name}{at}": text for name, text in texts.items()}
            counts = [getattr(mark.counts, f.name) for f in fields(Counts)]
            numbers = ", ".join(str(int(number)) for number in (mark.begun, mark.finished, *counts, mark.step))
            rows.append(f"({{w{at}:String}}, {{k{at}:String}}, {{d{at}:String}}, {numbers})")
        self._store.record(Statement(f"INSERT INTO erased ({', '.join(columns)}) VALUES {', '.join(rows)}", values, ()))
        for mark in marks:
            self._put(mark)

    def _put(self, mark: Mark) -> None:
        with self._lock:
            self._marks.setdefault(mark.workspace_id, {})[mark.kind, mark.digest] = mark

    def _hash(self, workspace: str, kind: Label, id_: str) -> str:
        return self._digest(f"erased:{workspace}:{kind}:{id_}")

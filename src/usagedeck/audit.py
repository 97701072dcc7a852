"""The audit log: who did what to what, written by the rules and by nobody else. Entries are added and never changed."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from usagedeck.catalog.kinds import Type
from usagedeck.deck import Deck
from usagedeck.directory.audit_log import Entry
from usagedeck.errors import InvalidInput
from usagedeck.table import Cell, Column, Table

_PAGE = 1000
_CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: a user, an API key, a program of the operator's, or the operator on the command line."""

    kind: str
    id: str
    address: str = ""


OPERATOR = Actor("operator", "command line")

COLUMNS: Sequence[tuple[Column, Callable[[Entry], Cell]]] = (
    (Column("id", Type.INT, "Entry"), lambda entry: entry.id),
    (Column("time", Type.INSTANT, "Time"), lambda entry: entry.time),
    (Column("action", Type.STRING, "Action"), lambda entry: entry.action),
    (Column("actor_kind", Type.STRING, "Kind of actor"), lambda entry: entry.actor_kind),
    (Column("actor_id", Type.STRING, "Actor"), lambda entry: entry.actor_id),
    (Column("address", Type.STRING, "Address"), lambda entry: entry.address),
    (Column("target_kind", Type.STRING, "Kind of target"), lambda entry: entry.target_kind),
    (Column("target_id", Type.STRING, "Target"), lambda entry: entry.target_id),
    (
        Column("details", Type.STRING, "Details"),
        lambda entry: msgspec.json.encode(entry.details).decode() if entry.details else "",
    ),
)
FILTERS = ("action", "actor_kind", "actor_id", "target_kind", "target_id")
"""Columns that entries can be picked by."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Entries of [start, end) whose columns have these values, newest first."""

    start: int
    end: int
    equal: Mapping[str, str]
    before: tuple[int, int] | None = None
    """Only those older than the entry of that time and id."""
    actions: frozenset[str] | None = None
    """Only these; None: whatever was done."""
    others: frozenset[str] = frozenset()
    """All but these."""


def note(
    deck: Deck,
    actor: Actor,
    action: str,
    workspace_ids: Sequence[str | None],
    target: tuple[str, str] = ("", ""),
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write it down in the log of each workspace; None is the log of the server. Never put a secret into `details`."""
    deck.directory.audit_log.add(
        workspace_ids,
        actor_kind=actor.kind,
        actor_id=actor.id,
        address=actor.address,
        action=action,
        target_kind=target[0],
        target_id=target[1],
        details=details,
    )


def cursor_of(place: tuple[int, int]) -> str:
    """A place in the log, as a text for whoever asks for the page behind it."""
    return f"{place[0]}-{place[1]}"


def place_of(cursor: str) -> tuple[int, int]:
    """The place behind a cursor. Raises `InvalidInput` for what is none of ours."""
    if not (found := _CURSOR.fullmatch(cursor)):
        raise InvalidInput("cursor is none of ours; leave it out for the first page.", field="cursor", code="bad_cursor")
    return int(found[1]), int(found[2])


def entries(deck: Deck, workspace_id: str, asked: Asked, limit: int) -> tuple[list[Entry], tuple[int, int] | None]:
    """Up to `limit` entries, and where the next older page begins; None when there is none."""
    found = _read(deck, workspace_id, asked, asked.before, limit + 1)
    older = (found[limit - 1].time, found[limit - 1].id) if len(found) > limit else None
    return found[:limit], older


def page(deck: Deck, workspace_id: str, asked: Asked, limit: int) -> tuple[Table, tuple[int, int] | None]:
    """The same as a table."""
    found, older = entries(deck, workspace_id, asked, limit)
    return _table(found), older


def everything(deck: Deck, workspace_id: str, asked: Asked) -> Table:
    """All of them, read while they are written out."""

    def all_entries() -> Iterator[Entry]:
        before = asked.before
        while found := _read(deck, workspace_id, asked, before, _PAGE):
            yield from found
            before = (found[-1].time, found[-1].id)

    return _table(all_entries())


def _read(deck: Deck, workspace_id: str, asked: Asked, before: tuple[int, int] | None, limit: int) -> list[Entry]:
    return deck.directory.audit_log.read(
        workspace_id,
        start=asked.start,
        end=asked.end,
        equal=asked.equal,
        actions=asked.actions,
        others=asked.others,
        before=before,
        limit=limit,
    )


def _table(entries: Sequence[Entry] | Iterator[Entry]) -> Table:
    return Table(tuple(column for column, _ in COLUMNS), ([cell(entry) for _, cell in COLUMNS] for entry in entries))

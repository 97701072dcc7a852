"""A user or a key is erased from a workspace: begun here, done in `store.eraser`, and searched for afterwards.

The receipt says what was taken, what the search found, and nothing about who it was.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from usagedeck.catalog.dimensions import NAMES, Label
from usagedeck.catalog.fields import personal
from usagedeck.catalog.kinds import ERASED, Beside, Personal, Subject
from usagedeck.deck import Deck
from usagedeck.directory.workspaces import Workspace
from usagedeck.errors import Conflict, InvalidInput
from usagedeck.sql import Statement, erasing
from usagedeck.sql.erasing import Gone, holding
from usagedeck.times import iso

Facts = dict[str, Any]


def erase(deck: Deck, workspace: Workspace, kind: Label, id_: str) -> Facts:
    """Erase it, with the keys that a user owns, and look whether anything is left. May be done again at any time."""
    if kind not in NAMES:
        raise InvalidInput(f"Of a {kind} nothing can be erased; name one of {', '.join(NAMES)}.", field="kind")
    if id_ == ERASED:
        raise InvalidInput(f'"{ERASED}" stands for everything that was erased; name a user or a key.', field=kind.value)
    names = [(kind, id_)]
    if kind is Label.USER:
        names += [(Label.API_KEY, key.id) for key in deck.directory.api_keys.all(workspace.id) if key.user_id == id_]
    deck.eraser.begin(workspace.id, names)
    until = deck.eraser.complete(workspace.id)
    return {"workspace_id": workspace.id, "erased": kind.value, **_receipt(deck, workspace, names, until)}


def refuse(deck: Deck, workspace_id: str, kind: Label, id_: str | None) -> None:
    """Raises `Conflict` for an id that was erased in the workspace, or that stands for those that were."""
    if id_ == ERASED:
        raise Conflict(f'The id "{ERASED}" stands for what was erased; choose another.', field="id", code="reserved")
    if id_ and deck.erased.covers(workspace_id, kind, id_):
        raise Conflict(
            "This id was erased in this workspace, and what comes of it is blanked; choose another.", field="id", code="erased"
        )


def _receipt(deck: Deck, workspace: Workspace, names: list[tuple[Label, str]], until: int) -> Facts:
    mark = deck.erased.mark(workspace.id, *names[0])
    assert mark is not None, "it was begun"  # noqa: S101
    left = _left(deck, workspace, names)
    with_it = [one for one in deck.erased.marks() if (one.workspace_id, one.begun) == (workspace.id, mark.begun)]
    return {
        "keys": sum(one.kind is Label.API_KEY for one in with_it),
        "begun_at": iso(mark.begun),
        "finished_at": iso(mark.finished) if mark.finished else None,
        "rollup_rows_go_at": iso(until) if until else None,
        "found": asdict(mark.counts),
        "replaced": sorted({f.name for s in Subject for f in personal(s, Personal.NAME)}),
        "cleared": sorted({f.name for s in Subject for f in personal(s, Personal.TRACE)}),
        "left": left,
        "mentions": _mentions(deck, workspace, names),
        "old_pieces": _old_pieces(deck),
    }


def _left(deck: Deck, workspace: Workspace, names: list[tuple[Label, str]]) -> Facts:
    """Rows and entries that still carry the ids, copies that do not count included."""
    ids = {column: [id_ for kind, id_ in names if kind is of] for of, column in NAMES.items()}
    gone = Gone(workspace.id, ids)
    tables = [*Subject, *holding(deck.seals.ledger.formers.values())]
    counts = [int(deck.store.examine(erasing.carrying(table, gone))[0][0]) for table in tables]
    exchanges = int(deck.store.examine(erasing.carrying(Beside.EXCHANGES, gone))[0][0])
    known = sum(id_ in _labelled(deck, workspace, kind) for kind, id_ in names)
    held = sum(key.id == id_ for kind, id_ in names if kind is Label.API_KEY for key in deck.directory.api_keys.all(workspace.id))
    events, rollup_rows = sum(counts[: len(Subject)]), sum(counts[len(Subject) :])
    return {"events": events, "rollup_rows": rollup_rows, "names": known + held, "exchanges": exchanges}


def _labelled(deck: Deck, workspace: Workspace, kind: Label) -> set[str]:
    return set(deck.directory.labels.names(workspace.id, kind))


def _mentions(deck: Deck, workspace: Workspace, names: list[tuple[Label, str]]) -> list[Facts]:
    """Where other texts hold the ids: an erasure leaves those alone, since they may mean something else."""
    found: dict[str, int] = {}
    for _, id_ in names:
        for where, rows in _texts(deck, workspace, id_):
            found[where] = found.get(where, 0) + rows
    return [{"where": where, "rows": rows} for where, rows in sorted(found.items()) if rows]


def _texts(deck: Deck, workspace: Workspace, id_: str) -> Iterator[tuple[str, int]]:
    for subject in Subject:
        asked = erasing.mentions(subject, workspace.id, id_)
        (counts,) = deck.store.examine(asked)
        yield from ((f"{subject}.{name}", int(count)) for name, count in zip(asked.columns, counts, strict=True))
    asked = erasing.mentioned(workspace.id, id_)
    (counts,) = deck.store.examine(asked)
    yield from ((f"{Beside.EXCHANGES}.{side}", int(count)) for side, count in zip(asked.columns, counts, strict=True))
    for kind in Label:
        names = deck.directory.labels.names(workspace.id, kind)
        yield f"names of {kind}", sum(id_ in other or id_ in name for other, name in names.items())


def _old_pieces(deck: Deck) -> int:
    """Pieces of the tables that were merged or rewritten; the engine removes each some minutes later."""
    text = "SELECT count() FROM system.parts WHERE NOT active AND database = currentDatabase() AND table IN {t:Array(String)}"
    tables = [Beside.EXCHANGES, *(s.value for s in Subject), *(r.table for r in holding(deck.seals.ledger.formers.values()))]
    return int(deck.store.examine(Statement(text, {"t": tables}, ("pieces",)))[0][0])

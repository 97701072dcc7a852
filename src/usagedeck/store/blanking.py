"""Events of erased users and keys are blanked on their way in, whichever way they come.

The writer calls this for what it is about to write, on its own thread: a mark that was made between two commits holds for
every commit after it, also for events that were checked before.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pyarrow as pa

from usagedeck.catalog.dimensions import NAMES
from usagedeck.catalog.fields import personal
from usagedeck.catalog.kinds import ERASED, Personal, Subject
from usagedeck.store.erased import Erased
from usagedeck.store.writer import Block, Lines

_TRACES = {subject: personal(subject, Personal.TRACE) for subject in Subject}

_shape = msgspec.defstruct("_Names", [("workspace_id", str), *((name, str | None, None) for name in NAMES.values())])
_names: Callable[[bytes], Any] = msgspec.json.Decoder(_shape).decode
"""The part of a row that says whose it is."""

_row = msgspec.json.Decoder(dict[str, Any]).decode
_line = msgspec.json.Encoder(decimal_format="string").encode


class Blanker:
    """Knows from the list who was erased."""

    def __init__(self, erased: Erased) -> None:
        self._erased = erased

    def __call__(self, rows: Lines | Block, workspaces: Collection[str]) -> Lines | Block:
        """The same rows of these workspaces, those of erased users and keys blank."""
        if not self._erased.concerns(workspaces):
            return rows
        if isinstance(rows, Block):
            return self._block(rows)
        return {subject: [self._one(subject, line) for line in lines] for subject, lines in rows.items()}

    def _one(self, subject: Subject, line: bytes) -> bytes:
        names = _names(line)
        gone = self._gone(names.workspace_id, {name: getattr(names, name) for name in NAMES.values()})
        return _line(_blank(subject, _row(line), gone)) if gone else line

    def _gone(self, workspace: str, names: Mapping[str, str | None]) -> list[str]:
        """The fields whose ids are erased ones."""
        return [field for kind, field in NAMES.items() if (id_ := names.get(field)) and self._erased.covers(workspace, kind, id_)]

    def _block(self, block: Block) -> Block:
        """Rows that are to be blanked leave the columns: the few there are become lines."""
        placed = list(zip(block.line_places, (self._one(block.subject, line) for line in block.lines), strict=True))
        table, places = block.table, list(block.places)
        found = self._rows_of_erased(table) if places else {}
        if found:
            for at, row in zip(found, table.take(pa.array(list(found), pa.int64())).to_pylist(), strict=True):
                known = {name: value for name, value in row.items() if value is not None}
                placed.append((places[at], _line(_blank(block.subject, known, found[at]))))
            stays = [at for at in range(len(places)) if at not in found]
            table, places = table.take(pa.array(stays, pa.int64())), [places[at] for at in stays]
        placed.sort(key=lambda one: one[0])
        lines, line_places = [line for _, line in placed], [place for place, _ in placed]
        return replace(block, table=table, places=places, lines=lines, line_places=line_places)

    def _rows_of_erased(self, table: Any) -> dict[int, list[str]]:
        """The rows that carry erased ids, and in which fields."""
        found: dict[int, list[str]] = {}
        for kind, field in NAMES.items():
            if field not in table.column_names:
                continue
            ids = table[field].combine_chunks().dictionary_encode()
            workspaces = set(table["workspace_id"].unique().to_pylist())
            gone = {
                at
                for at, id_ in enumerate(ids.dictionary.to_pylist())
                if id_ and any(self._erased.covers(workspace, kind, id_) for workspace in workspaces)
            }
            if gone:
                for row, at in enumerate(ids.indices.to_pylist()):
                    if at in gone:
                        found.setdefault(row, []).append(field)
        return dict(sorted(found.items()))


def _blank(subject: Subject, row: dict[str, Any], gone: Collection[str]) -> dict[str, Any]:
    """A row without what says who it was. Absent fields are empty in the store."""
    made = dict(row)
    for field in _TRACES[subject]:
        if made.pop(field.name, None) and field.instead:
            made[field.name] = row.get(field.instead, "")
    return made | dict.fromkeys(gone, ERASED)

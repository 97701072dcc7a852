"""A batch arrives: every event is checked on its own, the good ones are made durable together, the answer says what became
of each. An event that was sent before counts once, whenever and however often it comes again."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

import numpy as np

from usagedeck.access import Permission, Who, require
from usagedeck.deck import Deck
from usagedeck.events import Rejection, Stamp
from usagedeck.readers.columns import Columns
from usagedeck.readers.rows import Refusal
from usagedeck.store.room import Hold
from usagedeck.store.writer import Block
from usagedeck.times import EARLIEST


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch: how many events were taken (repeats included), and why the others were not."""

    accepted: int
    rejected: tuple[Rejection, ...]

    @property
    def refused(self) -> bool:
        """Events were sent and none was taken."""
        return not self.accepted and bool(self.rejected)


def take(deck: Deck, who: Who, events: Sequence[bytes], hold: Hold | None = None) -> Future[Receipt]:
    """Check events and hand them to the writer; the future resolves when what was accepted is safe on disk. `hold` is the room
    the batch has in memory already.

    Raises `NotAllowed` without the write permission, `TooBusy` when the writer cannot keep up, `StorageFull` below the
    floor of free disk space; the future fails with `StorageFull` or `StoreFailed` when writing does.
    """
    require(who, Permission.WRITE)
    checked = deck.reader.read(events, _stamp(deck, who))
    answer = Receipt(len(events) - len(checked.rejected), tuple(checked.rejected))
    if not answer.accepted:
        return _answered(answer)
    return _when_durable(deck.writer.submit(checked.rows, {who.workspace.id: checked.quarters}, hold), answer)


def take_columns(deck: Deck, who: Who, columns: Columns) -> Future[Receipt]:
    """The same for rows of a file that come as columns. What is beyond doubt is written as columns, the other rows one by one;
    the order of arrival is the order of the rows. Rejections carry the place of the row in the columns, from 0.
    """
    require(who, Permission.WRITE)
    stamp = _stamp(deck, who)
    taken = deck.columns.read(columns, stamp)
    places = np.flatnonzero(~taken.plain).tolist()
    rejected: list[Rejection] = []
    events: list[tuple[int, bytes]] = []
    for place, row in zip(places, columns.singly(places), strict=True):
        if isinstance(row, Refusal):
            rejected.append(Rejection(place, row.id, row.code, row.field, row.message))
        else:
            events.append((place, row.event))
    checked = deck.reader.read([event for _, event in events], stamp)
    bad = {rejection.index for rejection in checked.rejected}
    good = [place for index, (place, _) in enumerate(events) if index not in bad]
    rejected += [replace(rejection, index=events[rejection.index][0]) for rejection in checked.rejected]
    answer = Receipt(columns.size - len(rejected), tuple(sorted(rejected, key=lambda one: one.index)))
    if not answer.accepted:
        return _answered(answer)
    block = Block(columns.subject, taken.table, np.flatnonzero(taken.plain).tolist(), checked.rows[columns.subject], good)
    return _when_durable(deck.writer.submit(block, {who.workspace.id: taken.quarters | checked.quarters}), answer)


def _stamp(deck: Deck, who: Who) -> Stamp:
    workspace, floor = who.workspace, deck.seals.ledger.floor_of(who.workspace.id)
    days = workspace.retention_days
    kept = f"the workspace keeps its events for {days} days, so " if days else "what is older has expired in the workspace, so "
    return Stamp(
        workspace.id,
        workspace.currency,
        deck.directory.api_keys.owners(workspace.id),
        deck.clock(),
        workspace.full_ip,
        earliest=max(EARLIEST, floor),
        retention=kept if floor > EARLIEST else "",
        groups=deck.directory.groups.of_users(workspace.id),
        redactions=frozenset(workspace.redactions),
    )


def _answered(answer: Receipt) -> Future[Receipt]:
    receipt: Future[Receipt] = Future()
    receipt.set_result(answer)
    return receipt


def _when_durable(written: Future[None], answer: Receipt) -> Future[Receipt]:
    receipt: Future[Receipt] = Future()
    receipt.set_running_or_notify_cancel()

    def finish(done: Future[None]) -> None:
        if error := done.exception():
            receipt.set_exception(error)
        else:
            receipt.set_result(answer)

    written.add_done_callback(finish)
    return receipt

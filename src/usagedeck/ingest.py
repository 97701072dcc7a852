"""A batch arrives: every event is checked on its own, the good ones are made durable together, the answer says what became
of each. An event that was sent before counts once, whenever and however often it comes again."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from usagedeck.access import Permission, Who, require
from usagedeck.deck import Deck
from usagedeck.events import Rejection, Stamp
from usagedeck.store.room import Hold
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
    checked = deck.reader.read(events, stamp(deck, who))
    answer = Receipt(len(events) - len(checked.rejected), tuple(checked.rejected))
    if not answer.accepted:
        return answered(answer)
    return when_durable(deck.writer.submit(checked.rows, {who.workspace.id: checked.quarters}, hold), answer)


def stamp(deck: Deck, who: Who) -> Stamp:
    """What an event that arrives now is given, and by what it is checked."""
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


def answered(answer: Receipt) -> Future[Receipt]:
    """A receipt that nothing has to be written for."""
    receipt: Future[Receipt] = Future()
    receipt.set_result(answer)
    return receipt


def when_durable(written: Future[None], answer: Receipt) -> Future[Receipt]:
    """The receipt, as soon as what it speaks of is written."""
    receipt: Future[Receipt] = Future()
    receipt.set_running_or_notify_cancel()

    def finish(done: Future[None]) -> None:
        if error := done.exception():
            receipt.set_exception(error)
        else:
            receipt.set_result(answer)

    written.add_done_callback(finish)
    return receipt

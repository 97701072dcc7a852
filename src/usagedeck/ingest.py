"""A batch arrives: every event is checked on its own, the good ones are made durable together, the answer says what became
of each. An event that was sent before counts once, whenever and however often it comes again."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from usagedeck.access import Permission, Who, require
from usagedeck.deck import Deck
from usagedeck.events import Rejection, Stamp
from usagedeck.store.room import Hold


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
    workspace = who.workspace
    stamp = Stamp(workspace.id, workspace.currency, deck.directory.owners(workspace.id), deck.clock(), workspace.full_ip)
    checked = deck.reader.read(events, stamp)
    receipt: Future[Receipt] = Future()
    answer = Receipt(len(events) - len(checked.rejected), tuple(checked.rejected))
    if not answer.accepted:
        receipt.set_result(answer)
        return receipt
    receipt.set_running_or_notify_cancel()

    def finish(done: Future[None]) -> None:
        if error := done.exception():
            receipt.set_exception(error)
        else:
            receipt.set_result(answer)

    deck.writer.submit(checked.rows, {workspace.id: checked.quarters}, hold).add_done_callback(finish)
    return receipt

"""A batch arrives: every event is checked on its own, the good ones are made durable together, the answer says what became
of each. An event that was sent before counts once, whenever and however often it comes again."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from usagedeck.access import Permission, Who, require
from usagedeck.deck import Deck
from usagedeck.events import Rejection, Stamp
from usagedeck.exchanges import Fate
from usagedeck.redacting import is_rule, redactor
from usagedeck.store.room import Hold
from usagedeck.times import EARLIEST


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch: how many events were taken (repeats included), and why the others were not."""

    accepted: int
    rejected: tuple[Rejection, ...]
    exchanges: dict[str, int] = field(default_factory=dict)
    """What became of headers and bodies that events brought: how many were kept, how many were not and why. A body that was left
    out counts beside the exchange that was kept without it. Empty when none came."""

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
    answer = Receipt(len(events) - len(checked.rejected), tuple(checked.rejected), _told(checked.exchanges))
    if not answer.accepted:
        return answered(answer)
    quarters, carrying = {who.workspace.id: checked.quarters}, checked.exchanges[Fate.KEPT] > 0
    return when_durable(deck.writer.submit(checked.rows, quarters, hold, carrying=carrying), answer)


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
        redactions=frozenset(name for name in workspace.redactions if not is_rule(name)),
        redactor=redactor(tuple(filter(is_rule, workspace.redactions))) if workspace.exchanges else None,
        exchanges_from=deck.seals.ledger.floors[workspace.id].exchanges,
    )


def _told(fates: Counter[Fate]) -> dict[str, int]:
    return {fate.value: fates[fate] for fate in Fate if fates[fate]}


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

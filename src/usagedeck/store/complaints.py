"""What the engine complains of, in our own words."""

import logging
import re

from usagedeck.errors import Cancelled, QueryTooHeavy, StorageFull, StoreFailed, TooBusy
from usagedeck.store.ticket import gone

log = logging.getLogger(__name__)

_TOO_HEAVY = {
    158: ("it reads too many rows", "query_rows"),
    159: ("it takes too long", "query_seconds, or export_seconds of a download"),
    160: ("it would take too long", "query_seconds, or export_seconds of a download"),
    241: ("it needs too much memory", "query_memory, or memory of the whole store"),
    307: ("it reads too many bytes", "query_rows"),
    396: ("it returns too many rows", "query_rows"),
}
_FULL = 243
_KILLED = 394


def explain(error: Exception) -> QueryTooHeavy | StorageFull | Cancelled | StoreFailed:
    """The engine's complaint as one of ours. The text of the engine stays in the log: it may quote values."""
    match = re.search(r"Code: (\d+)", str(error))
    code = getattr(error, "code", None) or (int(match[1]) if match else 0)
    if code in _TOO_HEAVY:
        what, setting = _TOO_HEAVY[code]
        return QueryTooHeavy(
            f"The question was stopped because {what}; ask for a shorter window, fewer series or a coarser interval "
            f"(limit: {setting})."
        )
    if code == _KILLED:
        return gone()
    if code == _FULL:
        return StorageFull("The disk of the store is full; free some space and send the events again. Reading goes on.")
    log.error("the engine failed with code %s: %s", code, str(error)[:2000])
    return StoreFailed("The store failed to answer; the server's log has the details.")


def explain_write(error: Exception) -> Exception:
    """A write is no question that could be made smaller: what it ran into is the memory of the whole."""
    found = explain(error)
    if isinstance(found, QueryTooHeavy):
        return TooBusy("The store is short of memory; send the events again in a moment.", retry_after=2)
    return found

"""What a commit brought, as far as credits go: read from its rows before the store can be asked."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from usagedeck.catalog.kinds import Subject
from usagedeck.store.writer import Lines


class Spent(msgspec.Struct):
    """The part of a row that says what was used, and of whom."""

    workspace_id: str
    time: int
    id: str
    api_key_id: str | None = None
    user_id: str | None = None
    group_ids: list[str] | None = None
    credits: Decimal | None = None


_decode = msgspec.json.Decoder(Spent).decode


def credits_of(written: Iterable[Lines]) -> Sequence[Spent] | None:
    """Of every request among the rows; None when one of them cannot be read."""
    try:
        return [_decode(line) for lines in written for line in lines.get(Subject.REQUESTS, ())]
    except msgspec.MsgspecError:
        return None

"""Users and keys that are to be erased."""

from typing import Annotated

from msgspec import Meta

from usagedeck import erasure
from usagedeck.admin.command import Answer, Command, Doing, Id, workspace_of
from usagedeck.catalog.dimensions import Label
from usagedeck.deck import Deck


class Erase(Command, tag="erase"):
    """A user or a key of a workspace is erased: what it left is blanked and taken off the disk, and sums stay the same."""

    untold = ("id",)

    workspace: Id
    kind: Label
    id: Annotated[str, Meta(min_length=1, max_length=2000)]


def _erase(deck: Deck, command: Erase) -> Answer:
    return erasure.erase(deck, workspace_of(deck, command.workspace), command.kind, command.id)


DOING: Doing = {Erase: _erase}

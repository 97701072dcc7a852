"""Usage limits, set one at a time."""

from usagedeck.admin.command import Answer, Command, Credits, Doing, Id, not_found, workspace_of
from usagedeck.deck import Deck
from usagedeck.errors import InvalidInput
from usagedeck.meters import Kind


class SetLimit(Command, tag="limit.set"):
    """How many credits a key, a member or service account, a group or the whole workspace may use in a billing period; null takes
    the limit away."""

    workspace: Id
    kind: Kind
    credit_limit: Credits | None
    id: Id | None = None
    """Whose; the workspace's has none."""


def _set(deck: Deck, command: SetLimit) -> Answer:
    workspace = workspace_of(deck, command.workspace)
    if (command.id is None) != (command.kind is Kind.WORKSPACE):
        said = "is its own; leave out id" if command.id else f"needs the id of the {command.kind}"
        raise InvalidInput(f"A limit of a {command.kind} {said}.", field="id")
    if not deck.directory.limits.set(workspace.id, (command.kind, command.id or ""), command.credit_limit):
        raise not_found(command.kind, command.id or "")
    return {"kind": command.kind, "id": command.id or workspace.id, "credit_limit": command.credit_limit}


DOING: Doing = {SetLimit: _set}

"""Usage limits: how many credits a key, a member, a group or a workspace may use in a billing period, and whether there is room
for one request more.

Nothing is stopped here. A platform that enforces limits asks before it does the work, which reserves what the work may cost, and
sends the event afterwards, which settles it. All limits that a request meets have to have room: its key's, its user's, those of
all the user's groups, and the workspace's.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from usagedeck import access
from usagedeck.access import Permission, View, Who
from usagedeck.catalog.dimensions import Label
from usagedeck.catalog.kinds import Type
from usagedeck.deck import Deck
from usagedeck.directory import keys
from usagedeck.directory.workspaces import Workspace
from usagedeck.errors import InvalidInput, NotAllowed, NotFound
from usagedeck.meters import WHOLE, ZERO, Kind, Limit, Party, Standing, parties
from usagedeck.periods import billing_period
from usagedeck.store.metering import Wanted
from usagedeck.table import Column, Table
from usagedeck.times import zone
from usagedeck.windows import Window

LABELS: Mapping[Kind, Label] = {
    Kind.KEY: Label.API_KEY,
    Kind.MEMBER: Label.USER,
    Kind.GROUP: Label.GROUP,
    Kind.WORKSPACE: Label.WORKSPACE,
}
"""What things with limits are called by."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Whoever asks whether there is room: a program of the operator's, or an API key."""

    workspace: Workspace
    name: str
    """Whose the reservations are that it makes."""
    who: Who | None = None
    """None: the operator's."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that is about to be made."""

    key: str | None = None
    """The key it is made with; the one that asks when absent."""
    user: str | None = None
    """Who makes it; the owner of the key when absent."""
    groups: tuple[str, ...] | None = None
    """The groups its event will name; those that the user is in when absent."""
    credits: Decimal | None = None
    """What it may cost; without that nothing is reserved."""
    request_id: str | None = None
    """The id of its event; made up when absent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether there is room."""

    refused_by: tuple[Limit, ...]
    """The limits without room; none when it is allowed."""
    standings: tuple[Standing, ...]
    """How the limits stand that the asker may know of."""
    reservation: str | None
    period: Window

    @property
    def allowed(self) -> bool:
        return not self.refused_by

    @property
    def tightest(self) -> Standing | None:
        """The first that refused it, or else the one with the least left; None when there is none, or the asker may not know."""
        if self.refused_by:
            return next((s for s in self.standings if s.limit == self.refused_by[0]), None)
        return min(self.standings, key=lambda s: s.remaining, default=None)


def asker_by_secret(deck: Deck, secret: str | None, address: str, workspace_id: str | None) -> Asker:
    """Whoever is behind an operator key or an API key.

    Raises `NotSignedIn`, `NotAllowed` for a key that may not send events either, `InvalidInput` when an operator names no
    workspace, and `NotFound` for one that is not there, or not the key's.
    """
    if secret and secret.startswith(keys.OPERATOR_PREFIX):
        access.operator_by_key(deck, secret, address)
        return Asker(access.who_operates(deck, workspace_id).workspace, "operator")
    who = access.who_by_key(deck, secret, address)
    if workspace_id not in (None, who.workspace.id):
        raise NotFound("This key belongs to another workspace.", field="workspace", code="workspace_not_found")
    access.require(who, Permission.WRITE)
    return Asker(who.workspace, f"key {who.key_id}", who)


def period_of(deck: Deck, workspace: Workspace) -> Window:
    """The billing period that the workspace is in."""
    return billing_period(deck.clock(), workspace.billing_day, zone(workspace.time_zone))


def check(deck: Deck, asker: Asker, asked: Asked) -> Answer:
    """Whether there is room for a request, and if so, what it may cost is reserved.

    Raises `NotAllowed` for a key that names others and may not see the workspace, and what meters raise.
    """
    who, workspace = asker.who, asker.workspace
    if who is None and asked.key is None and asked.user is None:
        raise InvalidInput("key is missing; name the key or the user that makes the request.", field="key")
    key = asked.key or (who.key_id if who else None)
    if who is not None and not _sees_all(who):
        _only_itself(who, key, asked)
    user = asked.user or (deck.directory.api_keys.owners(workspace.id).get(key) if key else None)
    groups = asked.groups
    if groups is None:
        groups = deck.directory.groups.of_users(workspace.id).get(user or "", ())
    all_ = parties(key, user, groups)
    known = deck.directory.limits.of(workspace.id)
    wanted = Wanted(asked.request_id or keys.mint_id("res"), asker.name, all_, asked.credits, deck.clock())
    period = period_of(deck, workspace)
    everything = access.operator_scope(deck, workspace.id)
    verdict = deck.metering.check(everything, period, [known[party] for party in all_ if party in known], wanted)
    shown = verdict.standings
    if who is not None and not _sees_all(who):
        own = {*_own(deck, who)}
        shown = tuple(standing for standing in shown if standing.limit.party in own)
    return Answer(verdict.refused, shown, verdict.reservation.id if verdict.reservation else None, period)


def release(deck: Deck, asker: Asker, reservation: str) -> Decimal | None:
    """Hold a reservation no longer: the request was not made. What was held, or None: it was settled, aged out, or never there.

    A key releases what it reserved, the operator whatever there is.
    """
    found = deck.metering.release(asker.workspace.id, reservation, asker.name if asker.who else None)
    return sum((one.credits for one in found), ZERO) if found else None


def figures(deck: Deck, who: Who, view: View | None, kinds: Collection[Kind] = (), ids: Collection[str] = ()) -> Table:
    """How the limits of the billing period stand that the asker may see in this view, of these kinds and ids only, if any are
    named. Columns: `kind`, `id` and its name, `limit`, `used`, `reserved`, `remaining`, `counted_from`.

    Whoever sees the workspace sees all limits; others those of their own keys, of themselves, and of the groups they are in.
    """
    scope = access.scope(deck, who, view)
    known = deck.directory.limits.of(scope.workspace_id)
    if scope.user_id is not None:
        own = {*_own(deck, who)}
        known = {party: limit for party, limit in known.items() if party in own}
    order = list(Kind)
    chosen = [limit for (kind, _), limit in known.items() if not kinds or kind in kinds]
    chosen = [limit for limit in chosen if not ids or (limit.party[1] or scope.workspace_id) in ids]
    chosen.sort(key=lambda limit: (order.index(limit.party[0]), limit.party[1]))
    everything = access.operator_scope(deck, scope.workspace_id)
    standings = deck.metering.standings(everything, period_of(deck, who.workspace), chosen) if chosen else ()
    names = {kind: deck.directory.labels.names(scope.workspace_id, LABELS[kind]) for kind in {limit.party[0] for limit in chosen}}
    return Table(_COLUMNS, [_row(standing, names[standing.limit.party[0]], scope.workspace_id) for standing in standings])


_COLUMNS = (
    Column("kind", Type.STRING, "Limit of"),
    Column("id", Type.STRING, "Whose"),
    Column("id_label", Type.STRING, "Whose (name)"),
    Column("limit", Type.INT, "Limit", "credits"),
    Column("used", Type.DECIMAL, "Used", "credits"),
    Column("reserved", Type.DECIMAL, "Reserved", "credits"),
    Column("remaining", Type.DECIMAL, "Left", "credits"),
    Column("counted_from", Type.INSTANT, "Counted from"),
)


def _row(standing: Standing, names: Mapping[str, str], workspace_id: str) -> list[str | int | Decimal | None]:
    kind, id_ = standing.limit.party
    id_ = id_ or workspace_id
    return [
        *(kind.value, id_, names.get(id_, id_)),
        *(standing.limit.credits, standing.used, standing.held, standing.remaining),
        standing.since or None,
    ]


def _sees_all(who: Who) -> bool:
    return Permission.READ in who.permissions and who.sees_workspace


def _only_itself(who: Who, key: str | None, asked: Asked) -> None:
    """Whether there is room tells what was used, so it is told of others to those alone who see the workspace."""
    if key == who.key_id and asked.user in (None, who.user_id) and asked.groups is None:
        return
    raise NotAllowed(
        "This key may ask for itself only. For other keys, users and groups use an operator key, or a key that may read the "
        "whole workspace.",
        field="key" if key != who.key_id else "user" if asked.user not in (None, who.user_id) else "groups",
        code="insufficient_permissions",
    )


def _own(deck: Deck, who: Who) -> Sequence[Party]:
    """The parties whose limits are no secret to somebody who does not see the workspace."""
    space = who.workspace.id
    keys_ = [key for key, owner in deck.directory.api_keys.owners(space).items() if owner == who.user_id]
    own = [party for key in (*keys_, who.key_id) for party in parties(key, who.user_id, ())]
    groups = deck.directory.groups.of_users(space).get(who.user_id or "", ())
    return [party for party in (*own, *parties(None, None, groups)) if party != WHOLE]

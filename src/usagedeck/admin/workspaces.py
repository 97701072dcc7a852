"""Workspaces and their settings."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from usagedeck.admin.command import Answer, Command, Credits, Doing, Id, Name, given, told, workspace_of
from usagedeck.admin.keys import CreateKey, create_key
from usagedeck.catalog.dimensions import MAX_ATTRIBUTE_KEY
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import Subject, Type
from usagedeck.deck import Deck
from usagedeck.directory import keys
from usagedeck.directory.workspaces import Workspace
from usagedeck.errors import Conflict, InvalidInput, did_you_mean
from usagedeck.redacting import RULES, is_rule, read_rules
from usagedeck.store.expiry import Ages
from usagedeck.times import DAY, iso, zone

CURRENCIES = ("usd", "eur", "inr", "pln", "gbp")
MAX_RETENTION_DAYS = 36_500
EXCHANGE_DAYS = 30

Day = Annotated[int, Meta(ge=1, le=31)]
Limit = Annotated[int, Meta(ge=1)]
Days = Annotated[int, Meta(ge=1, le=MAX_RETENTION_DAYS)]


class CreateWorkspace(Command, tag="workspace.create"):
    """A workspace with a first key that may write and read everything in it."""

    name: Name
    id: Id | None = None
    currency: str = "usd"
    time_zone: str = "UTC"
    billing_day: Day = 1
    concurrency_limit: Limit | None = None
    full_ip: bool = False


class PutWorkspace(Command, tag="workspace.put"):
    """A workspace, made or changed. A new one has no key yet. Its currency stays."""

    workspace: Id
    name: Name | UnsetType = UNSET
    currency: str | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    billing_day: Day | UnsetType = UNSET
    concurrency_limit: Limit | UnsetType | None = UNSET
    full_ip: bool | UnsetType = UNSET
    retention_days: Days | UnsetType | None = UNSET
    rollup_days: Days | UnsetType | None = UNSET
    """How long what rollups say is kept: at least as long as the events, and as long when nothing was ever said."""
    redactions: list[str] | UnsetType = UNSET
    """Fields of its events that are not kept from now on, such as `path`, `error_message`, `user_agent` or `attributes.email`;
    and what is taken out of headers and bodies besides secrets: `header:x-customer`, `json:$.card.no`, `pattern:[0-9]{16}`."""
    exchanges: bool | UnsetType = UNSET
    """Whether headers and bodies that events bring are kept. Switched off, what was kept stays until it expires."""
    exchange_days: Days | UnsetType = UNSET
    """How long they are kept: at most as long as the events; 30 days when nothing was ever said."""
    credit_limit: Credits | UnsetType | None = UNSET


class ListWorkspaces(Command, tag="workspace.list"):
    """All workspaces."""

    changes = False


class ShowWorkspace(Command, tag="workspace.show"):
    """A workspace's settings, and from when on it has data."""

    changes = False

    workspace: Id


class SetRetention(Command, tag="workspace.retention"):
    """How long a workspace keeps its events: `days`, or for ever; and what rollups say of the time before: as long as the events
    when absent. What has expired does not come back when it is lengthened."""

    workspace: Id
    days: Days | None
    rollup_days: Days | None = None
    keep_rollups: bool = False


class SetExchanges(Command, tag="workspace.exchanges"):
    """Whether a workspace keeps headers and bodies, how long, and all `rules` of what is taken out of them besides secrets. What
    is left out stays as it is."""

    workspace: Id
    collect: bool | None = None
    days: Days | None = None
    rules: list[str] | None = None


class TrustClock(Command, tag="workspace.trust_clock"):
    """This machine's clock is right, although it jumped: what has an age expires by it again."""


def _create(deck: Deck, command: CreateWorkspace) -> Answer:
    made = deck.directory.workspaces.add(
        command.id or keys.mint_id("ws"),
        command.name,
        currency=_currency(command.currency),
        time_zone=_zone(command.time_zone),
        billing_day=command.billing_day,
        concurrency_limit=command.concurrency_limit,
        full_ip=command.full_ip,
    )
    key = create_key(deck, CreateKey(workspace=made.id, label="first key"))
    return {"workspace_id": made.id, "name": made.name, "api_key": key["api_key"], "key_id": key["key_id"]}


def _put(deck: Deck, command: PutWorkspace) -> Answer:
    workspaces, before = deck.directory.workspaces, deck.directory.workspaces.get(command.workspace)
    if before is None:
        retention, rollups = _ages(command, None)
        made = workspaces.add(
            command.workspace,
            told(command.name, command.workspace),
            currency=_currency(told(command.currency, CURRENCIES[0])),
            time_zone=_zone(told(command.time_zone, "UTC")),
            billing_day=told(command.billing_day, 1),
            concurrency_limit=told(command.concurrency_limit, None),
            full_ip=told(command.full_ip, otherwise=False),
            retention_days=retention,
            rollup_days=rollups,
            redactions=_redactions(told(command.redactions, [])),
            credit_limit=told(command.credit_limit, None),
            exchanges=told(command.exchanges, otherwise=False),
            exchange_days=_exchange_days(command, None, retention),
        )
        return {**_shown(made), "created": True}
    if (currency := told(command.currency, before.currency).lower()) != before.currency:
        raise Conflict(
            f'The workspace counts in {before.currency}, which stays; "{currency[:20]}" needs a workspace of its own.',
            field="currency",
            code="currency_fixed",
        )
    values = given(
        name=command.name,
        time_zone=_zone(told(command.time_zone, before.time_zone)),
        billing_day=command.billing_day,
        concurrency_limit=command.concurrency_limit,
        full_ip=command.full_ip,
        credit_limit=command.credit_limit,
        redactions=UNSET if isinstance(command.redactions, UnsetType) else _redactions(command.redactions),
        exchanges=command.exchanges,
    )
    values["retention_days"], values["rollup_days"] = _ages(command, before)
    values["exchange_days"] = _exchange_days(command, before, values["retention_days"])
    workspaces.change(before.id, values)
    return {**_shown(workspace_of(deck, before.id)), "created": False}


def _list(deck: Deck, _: ListWorkspaces) -> Answer:
    return {"workspaces": [{"workspace_id": w.id, "name": w.name, **_kept(deck, w)} for w in deck.directory.workspaces.all()]}


def _show(deck: Deck, command: ShowWorkspace) -> Answer:
    workspace = workspace_of(deck, command.workspace)
    return {**_shown(workspace), **_kept(deck, workspace)}


def _set_retention(deck: Deck, command: SetRetention) -> Answer:
    days, rollup_days = command.days, command.rollup_days or (None if command.keep_rollups else command.days)
    if command.rollup_days is not None and (command.keep_rollups or _too_short(days, rollup_days)):
        raise _ages_refused(days, command.rollup_days)
    ages = {"retention_days": days, "rollup_days": rollup_days}
    kept = workspace_of(deck, command.workspace).exchange_days
    if days is not None and kept is not None:
        ages["exchange_days"] = min(kept, days)
    deck.directory.workspaces.change(workspace_of(deck, command.workspace).id, ages)
    return {"workspace_id": command.workspace, **_kept(deck, workspace_of(deck, command.workspace))}


def _set_exchanges(deck: Deck, command: SetExchanges) -> Answer:
    before = workspace_of(deck, command.workspace).redactions
    put = PutWorkspace(
        workspace=command.workspace,
        exchanges=UNSET if command.collect is None else command.collect,
        exchange_days=UNSET if command.days is None else command.days,
    )
    if command.rules is not None:
        if odd := next((rule for rule in command.rules if not is_rule(rule)), None):
            raise InvalidInput(f'"{odd[:60]}" is no rule; begin with {", ".join(RULES)}.', field="rules")
        put.redactions = [*(name for name in before if not is_rule(name)), *command.rules]
    done = _put(deck, put)
    shown = {name: done[name] for name in ("workspace_id", "exchanges", "exchange_days")}
    return {**shown, "rules": [name for name in done["redactions"] if is_rule(name)]}


def _ages(command: PutWorkspace, before: Workspace | None) -> tuple[int | None, int | None]:
    """Of events and of rollups. What is said of events alone leaves rollups what they have, if that is long enough."""
    days = told(command.retention_days, before.retention_days if before else None)
    if not isinstance(command.rollup_days, UnsetType):
        rollup_days = command.rollup_days
    elif before is None or before.retention_days is None or days is None:
        rollup_days = days
    else:
        rollup_days = None if before.rollup_days is None else max(before.rollup_days, days)
    if _too_short(days, rollup_days):
        raise _ages_refused(days, rollup_days)
    return days, rollup_days


def _exchange_days(command: PutWorkspace, before: Workspace | None, days: int | None) -> int | None:
    """Once they were collected they have an age for good: what is on the disk has to expire."""
    known = before.exchange_days if before else None
    wanted = told(command.exchange_days, known)
    if wanted is None and told(command.exchanges, otherwise=False):
        wanted = EXCHANGE_DAYS
    if days is None or wanted is None or wanted <= days:
        return wanted
    if not isinstance(command.exchange_days, UnsetType):
        raise InvalidInput(
            f"exchange_days is {wanted}; headers and bodies are kept for at most as long as their events, which is {days} days.",
            field="exchange_days",
        )
    return days


def _too_short(days: int | None, rollup_days: int | None) -> bool:
    return rollup_days is not None and (days is None or rollup_days < days)


def _ages_refused(days: int | None, rollup_days: int | None) -> InvalidInput:
    return InvalidInput(
        f"rollup_days is {rollup_days}; rollups are kept for at least as many days as events, which have an age of "
        f"{days or 'none'}, or for ever, not both.",
        field="rollup_days",
    )


def _kept(deck: Deck, workspace: Workspace) -> Answer:
    """Ages, floors, and the floors that are due."""
    floor = deck.seals.ledger.floors[workspace.id]
    due = floor.raised(deck.expirer.due(Ages(workspace.retention_days, workspace.rollup_days, workspace.exchange_days)))
    return {
        "retention_days": workspace.retention_days,
        "rollup_days": workspace.rollup_days,
        "events_from": iso(floor.events) if floor.events else None,
        "rollups_from": iso(floor.rollups) if floor.rollups else None,
        "events_expire_before": iso(due.events) if due.events > floor.events else None,
        "rollups_expire_before": iso(due.rollups) if due.rollups > floor.rollups else None,
        "exchange_days": workspace.exchange_days,
        "exchanges_from": iso(floor.exchanges) if floor.exchanges else None,
    }


def _trust_clock(deck: Deck, _: TrustClock) -> Answer:
    return {"now": iso(deck.clock()), "was_ahead_days": deck.expirer.trust_clock() // DAY}


def _redactions(names: list[str]) -> tuple[str, ...]:
    """In order, once each. Texts and lists may go; not what an event is told apart by, nor its currency. Rules of headers and
    bodies are such as can be followed."""
    read_rules(filter(is_rule, names))
    known = {f.name for subject in Subject for f in fields(subject) if f.type in (Type.STRING, Type.LIST) and not f.stamped}
    known -= {"id", "message_id", "currency"}
    for name in names:
        key = name.removeprefix("attributes.") if name.startswith("attributes.") else None
        if name not in known and not is_rule(name) and not (key and len(key) <= MAX_ATTRIBUTE_KEY):
            raise InvalidInput(
                f'"{name[:60]}" cannot be left out; {did_you_mean(name, known)} Or attributes.<key>; or, of headers '
                f"and bodies, {', '.join(f'{rule}…' for rule in RULES)}.",
                field="redactions",
            )
    return tuple(sorted(set(names)))


def _currency(name: str) -> str:
    if name.lower() not in CURRENCIES:
        raise InvalidInput(f'currency "{name}" is unknown; use one of {", ".join(CURRENCIES)}.', field="currency")
    return name.lower()


def _zone(name: str) -> str:
    zone(name)
    return name


def _shown(workspace: Workspace) -> Answer:
    return {
        "workspace_id": workspace.id,
        "name": workspace.name,
        "currency": workspace.currency,
        "time_zone": workspace.time_zone,
        "billing_day": workspace.billing_day,
        "concurrency_limit": workspace.concurrency_limit,
        "full_ip": workspace.full_ip,
        "retention_days": workspace.retention_days,
        "rollup_days": workspace.rollup_days,
        "redactions": workspace.redactions,
        "credit_limit": workspace.credit_limit,
        "exchanges": workspace.exchanges,
        "exchange_days": workspace.exchange_days,
    }


DOING: Doing = {
    CreateWorkspace: _create,
    PutWorkspace: _put,
    ListWorkspaces: _list,
    ShowWorkspace: _show,
    SetRetention: _set_retention,
    SetExchanges: _set_exchanges,
    TrustClock: _trust_clock,
}

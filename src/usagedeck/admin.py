"""What an operator does: workspaces, users, keys and display names. Commands are data, so that the command line can carry
them out itself or hand them to a running server."""

from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import Meta

from usagedeck import backup, doctor, erasure, verify
from usagedeck.access import Permission, Role, operator_scope
from usagedeck.catalog import Label, Subject, dimension, metric
from usagedeck.deck import Deck
from usagedeck.directory import keys
from usagedeck.directory.api_keys import ApiKey
from usagedeck.directory.workspaces import Workspace
from usagedeck.errors import InvalidInput, NotFound
from usagedeck.query import Query, Selection, parse_filter
from usagedeck.ranges import parse_range
from usagedeck.sql import settle
from usagedeck.store.expiry import Ages
from usagedeck.times import DAY, iso, zone
from usagedeck.windows import Interval

CURRENCIES = ("usd", "eur", "inr", "pln", "gbp")
MIN_PASSWORD = 10
MAX_RETENTION_DAYS = 36_500

Id: TypeAlias = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:@-]{1,128}$")]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200)]
Days: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_RETENTION_DAYS)]


class Command(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="command"):
    """Something an operator wants done."""


class CreateWorkspace(Command, tag="workspace.create"):
    """A workspace with a first key that may write and read everything in it."""

    name: Name
    id: Id | None = None
    currency: str = "usd"
    time_zone: str = "UTC"
    billing_day: Annotated[int, Meta(ge=1, le=31)] = 1
    concurrency_limit: Annotated[int, Meta(ge=1)] | None = None
    full_ip: bool = False


class ListWorkspaces(Command, tag="workspace.list"):
    """All workspaces."""


class SetRetention(Command, tag="workspace.retention"):
    """How long a workspace keeps its events: `days`, or for ever; and what rollups say of the time before: as long as the events
    when absent. What has expired does not come back when it is lengthened."""

    workspace: Id
    days: Days | None
    rollup_days: Days | None = None
    keep_rollups: bool = False


class TrustClock(Command, tag="workspace.trust_clock"):
    """This machine's clock is right, although it jumped: what has an age expires by it again."""


class AddUser(Command, tag="user.add"):
    """A member who can sign in. Without a password one is made up and shown once."""

    workspace: Id
    email: Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$", max_length=200)]
    id: Id | None = None
    name: str = ""
    password: str | None = None
    role: Role = Role.MEMBER
    full_read: bool = False


class CreateKey(Command, tag="key.create"):
    """An API key. The secret is in the answer and nowhere else."""

    workspace: Id
    label: Name
    id: Id | None = None
    user: Id | None = None
    permissions: list[Permission] = msgspec.field(default_factory=lambda: list(Permission))


class ListKeys(Command, tag="key.list"):
    """The keys of a workspace, without their secrets."""

    workspace: Id


class RevokeKey(Command, tag="key.revoke"):
    """A key stops working at once; its usage stays."""

    workspace: Id
    id: Id


class SetLabels(Command, tag="labels.set"):
    """Display names of voices, users, keys, groups and other ids."""

    workspace: Id
    kind: Label
    names: dict[str, Name]


class Erase(Command, tag="erase"):
    """A user or a key of a workspace is erased: what it left is blanked and taken off the disk, and sums stay the same."""

    workspace: Id
    kind: Label
    id: Annotated[str, Meta(min_length=1, max_length=2000)]


class BeginBackup(Command, tag="backup.begin"):
    """Hold on to all data as it is now. The answer says which files are to be copied."""


class EndBackup(Command, tag="backup.end"):
    """They were copied."""


class Examine(Command, tag="doctor"):
    """How everything is."""


class PlanVerification(Command, tag="verify.plan"):
    """What is to be compared: everything, or a random sample; of one workspace, or of all."""

    everything: bool = False
    workspace: Id | None = None


class Verify(Command, tag="verify"):
    """Compare a part of it."""

    task: verify.Task
    unseal: bool = False


class Explain(Command, tag="explain"):
    """From where a question would be answered. Like a question to `/api/v1/usage`, with the same spellings."""

    workspace: Id
    metrics: list[str]
    by: list[str] = []
    interval: str = "day"
    range: str = "30d"
    time_zone: str | None = None
    filters: list[str] = []
    user: str | None = None
    """Only this user's rows."""


AnyCommand: TypeAlias = (
    CreateWorkspace
    | ListWorkspaces
    | SetRetention
    | TrustClock
    | AddUser
    | CreateKey
    | ListKeys
    | RevokeKey
    | SetLabels
    | Erase
    | BeginBackup
    | EndBackup
    | Examine
    | PlanVerification
    | Verify
    | Explain
)

decode = msgspec.json.Decoder(AnyCommand).decode
encode = msgspec.json.encode


def perform(deck: Deck, command: AnyCommand) -> dict[str, Any]:
    """Do it and say what came of it. Raises `InvalidInput`, `NotFound` or `Conflict`."""
    match command:
        case CreateWorkspace() | ListWorkspaces() | SetRetention() | TrustClock():
            return _of_workspaces(deck, command)
        case AddUser():
            return _add_user(deck, command)
        case CreateKey():
            return _create_key(deck, command)
        case ListKeys():
            return {"keys": [_key(k) for k in deck.directory.api_keys.all(_workspace(deck, command.workspace).id)]}
        case RevokeKey() | SetLabels() | Erase():
            return _on_names(deck, command)
        case BeginBackup():
            begun: dict[str, Any] = msgspec.to_builtins(backup.begin(deck))
            return begun
        case EndBackup():
            backup.end(deck)
            return {}
        case Examine() | PlanVerification() | Verify() | Explain():
            return _inspect(deck, command)


def _on_names(deck: Deck, command: RevokeKey | SetLabels | Erase) -> dict[str, Any]:
    match command:
        case RevokeKey():
            if not deck.directory.api_keys.revoke(_workspace(deck, command.workspace).id, command.id):
                raise NotFound(f'There is no active key "{command.id}" in this workspace.', field="id", code="api_key_not_found")
            return {"id": command.id, "revoked": True}
        case Erase():
            return erasure.erase(deck, _workspace(deck, command.workspace), command.kind, command.id)
        case SetLabels():
            for id_ in command.names:
                erasure.refuse(deck, command.workspace, command.kind, id_)
            deck.directory.labels.put(_workspace(deck, command.workspace).id, command.kind, command.names)
            return {"kind": command.kind, "names": len(command.names)}


def _inspect(deck: Deck, command: Examine | PlanVerification | Verify | Explain) -> dict[str, Any]:
    """What changes nothing, unless it is told to unseal."""
    match command:
        case Examine():
            return doctor.examine(deck)
        case PlanVerification():
            whose = [_workspace(deck, command.workspace)] if command.workspace else deck.directory.workspaces.all()
            return {"tasks": msgspec.to_builtins(verify.plan(deck, whose, everything=command.everything))}
        case Verify():
            outcome: dict[str, Any] = msgspec.to_builtins(verify.perform(deck, command.task, unseal=command.unseal))
            return outcome
        case Explain():
            return _explain(deck, command)


def _explain(deck: Deck, command: Explain) -> dict[str, Any]:
    workspace, now = _workspace(deck, command.workspace), deck.clock()
    metrics = tuple(metric(name) for name in command.metrics)
    window = parse_range(
        command.range, zone=zone(command.time_zone or workspace.time_zone), now=now, billing_day=workspace.billing_day
    )
    selection = Selection(metrics[0].of if metrics else Subject.REQUESTS, window, tuple(map(parse_filter, command.filters)))
    query = Query(selection, metrics, Interval.parse(command.interval), tuple(dimension(name) for name in command.by))
    settled = settle(query, operator_scope(deck, workspace.id, command.user), deck.seals.ledger, deck.sizes, now=now)
    route = settled.route
    read = [("events", "", "", stretch) for stretch in route.events]
    read += [("rollup", one.cut.rollup, one.cut.zone, stretch) for one in route.slices for stretch in one.stretches]
    return {
        "route": route.reason,
        "available_from": iso(settled.start) if settled.start > window.start else None,
        "reads": [
            {"from": source, "rollup": name or None, "days_of": where or None, "start": iso(start), "end": iso(end)}
            for source, name, where, (start, end) in sorted(read, key=lambda part: part[3])
        ],
    }


def _workspace(deck: Deck, id_: str) -> Workspace:
    found = deck.directory.workspaces.get(id_)
    if found is None:
        known = ", ".join(w.id for w in deck.directory.workspaces.all()) or "none yet"
        raise NotFound(f'There is no workspace "{id_}". There are: {known}.', field="workspace", code="workspace_not_found")
    return found


def _of_workspaces(deck: Deck, command: CreateWorkspace | ListWorkspaces | SetRetention | TrustClock) -> dict[str, Any]:
    match command:
        case CreateWorkspace():
            return _create_workspace(deck, command)
        case ListWorkspaces():
            return {
                "workspaces": [{"workspace_id": w.id, "name": w.name, **_kept(deck, w)} for w in deck.directory.workspaces.all()]
            }
        case SetRetention():
            return _set_retention(deck, command)
        case TrustClock():
            return {"now": iso(deck.clock()), "was_ahead_days": deck.expirer.trust_clock() // DAY}


def _create_workspace(deck: Deck, command: CreateWorkspace) -> dict[str, Any]:
    if command.currency.lower() not in CURRENCIES:
        raise InvalidInput(f'currency "{command.currency}" is unknown; use one of {", ".join(CURRENCIES)}.', field="currency")
    zone(command.time_zone)
    made = deck.directory.workspaces.add(
        command.id or keys.mint_id("ws"),
        command.name,
        currency=command.currency.lower(),
        time_zone=command.time_zone,
        billing_day=command.billing_day,
        concurrency_limit=command.concurrency_limit,
        full_ip=command.full_ip,
    )
    key = _create_key(deck, CreateKey(workspace=made.id, label="first key"))
    return {"workspace_id": made.id, "name": made.name, "api_key": key["api_key"], "key_id": key["key_id"]}


def _set_retention(deck: Deck, command: SetRetention) -> dict[str, Any]:
    days, rollup_days = command.days, command.rollup_days or (None if command.keep_rollups else command.days)
    if command.rollup_days is not None and (days is None or command.keep_rollups or command.rollup_days < days):
        raise InvalidInput(
            f"rollup_days is {command.rollup_days}; rollups are kept for at least as many days as events, which have an age of "
            f"{days or 'none'}, or for ever, not both.",
            field="rollup_days",
        )
    ages = {"retention_days": days, "rollup_days": rollup_days}
    deck.directory.workspaces.change(_workspace(deck, command.workspace).id, ages)
    return {"workspace_id": command.workspace, **_kept(deck, _workspace(deck, command.workspace))}


def _kept(deck: Deck, workspace: Workspace) -> dict[str, Any]:
    """Ages, floors, and the floors that are due."""
    floor = deck.seals.ledger.floors[workspace.id]
    due = floor.raised(deck.expirer.due(Ages(workspace.retention_days, workspace.rollup_days)))
    return {
        "retention_days": workspace.retention_days,
        "rollup_days": workspace.rollup_days,
        "events_from": iso(floor.events) if floor.events else None,
        "rollups_from": iso(floor.rollups) if floor.rollups else None,
        "events_expire_before": iso(due.events) if due.events > floor.events else None,
        "rollups_expire_before": iso(due.rollups) if due.rollups > floor.rollups else None,
    }


def _add_user(deck: Deck, command: AddUser) -> dict[str, Any]:
    workspace = _workspace(deck, command.workspace)
    known = deck.directory.people.by_email(command.email)
    if known is not None:
        erasure.refuse(deck, workspace.id, Label.USER, known.id)
        deck.directory.people.join(workspace.id, known.id, role=command.role, full_read=command.full_read)
        return {"user_id": known.id, "email": known.email, "workspace_id": workspace.id, "role": command.role}
    password = command.password or keys.mint_token()[:20]
    if len(password) < MIN_PASSWORD:
        raise InvalidInput(f"The password has {len(password)} characters; use at least {MIN_PASSWORD}.", field="password")
    id_ = command.id or keys.mint_id("user")
    erasure.refuse(deck, workspace.id, Label.USER, id_)
    deck.directory.people.add(id_, email=command.email, name=command.name, password=keys.hash_password(password))
    deck.directory.people.join(workspace.id, id_, role=command.role, full_read=command.full_read)
    made = {"user_id": id_, "email": command.email.lower(), "workspace_id": workspace.id, "role": command.role}
    return made if command.password else {**made, "password": password}


def _create_key(deck: Deck, command: CreateKey) -> dict[str, Any]:
    workspace = _workspace(deck, command.workspace)
    if not command.permissions:
        raise InvalidInput("A key without permissions can do nothing; name at least one.", field="permissions")
    erasure.refuse(deck, workspace.id, Label.API_KEY, command.id)
    erasure.refuse(deck, workspace.id, Label.USER, command.user)
    secret = keys.mint_key()
    made = deck.directory.api_keys.add(
        workspace.id,
        command.id or keys.mint_id("key"),
        label=command.label,
        user_id=command.user,
        hint=keys.hint(secret),
        verifier=keys.verifier(secret),
        permissions=command.permissions,
    )
    return {
        "workspace_id": workspace.id,
        "key_id": made.id,
        "label": made.label,
        "api_key": secret,
        "permissions": made.permissions,
    }


def _key(key: ApiKey) -> dict[str, Any]:
    return {
        "key_id": key.id,
        "label": key.label,
        "hint": key.hint,
        "user_id": key.user_id,
        "permissions": key.permissions,
        "created_at": iso(key.created_at),
        "revoked_at": iso(key.revoked_at) if key.revoked_at else None,
    }

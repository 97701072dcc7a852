"""What looks at a deck or copies it, and changes nothing but seals."""

from typing import Any

import msgspec

from usagedeck import backup, doctor, verify
from usagedeck.access import operator_scope
from usagedeck.admin.command import Answer, Command, Doing, Id, workspace_of
from usagedeck.catalog.dimensions import dimension
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import metric
from usagedeck.deck import Deck
from usagedeck.filters import parse_filter
from usagedeck.query import Query, Selection
from usagedeck.ranges import parse_range
from usagedeck.sql import settle
from usagedeck.times import iso, zone
from usagedeck.windows import Interval


class BeginBackup(Command, tag="backup.begin"):
    """Hold on to all data as it is now. The answer says which files are to be copied."""


class EndBackup(Command, tag="backup.end"):
    """They were copied."""

    changes = False


class Examine(Command, tag="doctor"):
    """How everything is."""

    changes = False


class PlanVerification(Command, tag="verify.plan"):
    """What is to be compared: everything, or a random sample; of one workspace, or of all."""

    changes = False

    everything: bool = False
    workspace: Id | None = None


class Verify(Command, tag="verify"):
    """Compare a part of it."""

    changes = False

    task: verify.Task
    unseal: bool = False


class Explain(Command, tag="explain"):
    """From where a question would be answered. Like a question to `/api/v1/usage`, with the same spellings."""

    changes = False

    workspace: Id
    metrics: list[str]
    by: list[str] = msgspec.field(default_factory=list)
    interval: str = "day"
    range: str = "30d"
    time_zone: str | None = None
    filters: list[str] = msgspec.field(default_factory=list)
    user: str | None = None
    """Only this user's rows."""


def _begin_backup(deck: Deck, _: BeginBackup) -> Answer:
    begun: Answer = msgspec.to_builtins(backup.begin(deck))
    return begun


def _end_backup(deck: Deck, _: EndBackup) -> Answer:
    backup.end(deck)
    return {}


def _examine(deck: Deck, _: Examine) -> Answer:
    return doctor.examine(deck)


def _plan(deck: Deck, command: PlanVerification) -> Answer:
    whose = [workspace_of(deck, command.workspace)] if command.workspace else deck.directory.workspaces.all()
    return {"tasks": msgspec.to_builtins(verify.plan(deck, whose, everything=command.everything))}


def _verify(deck: Deck, command: Verify) -> Answer:
    outcome: dict[str, Any] = msgspec.to_builtins(verify.perform(deck, command.task, unseal=command.unseal))
    return outcome


def _explain(deck: Deck, command: Explain) -> Answer:
    workspace, now = workspace_of(deck, command.workspace), deck.clock()
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


DOING: Doing = {
    BeginBackup: _begin_backup,
    EndBackup: _end_backup,
    Examine: _examine,
    PlanVerification: _plan,
    Verify: _verify,
    Explain: _explain,
}

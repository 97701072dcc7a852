"""Workspaces and their settings."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import insert, select, update

from usagedeck.directory.database import Database
from usagedeck.directory.schema import workspaces


@dataclass(frozen=True, slots=True)
class Workspace:
    id: str
    name: str
    currency: str
    time_zone: str
    billing_day: int
    concurrency_limit: int | None
    full_ip: bool
    created_at: int
    retention_days: int | None = None
    """How long its events are kept; None: for ever."""
    redactions: tuple[str, ...] = ()
    """Fields of its events that are not kept, attributes as `attributes.<key>`; and rules of what is taken out of headers and
    bodies (see `redacting`)."""
    rollup_days: int | None = None
    """How long its rollups are kept, at least as long as its events; None: for ever."""
    credit_limit: int | None = None
    """Credits a billing period."""
    exchanges: bool = False
    """It collects headers and bodies of its requests and deliveries."""
    exchange_days: int | None = None
    """How long those are kept, never longer than its events; None: as long as these."""


class Workspaces:
    """Who reads, writes and is told apart here."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        id_: str,
        name: str,
        *,
        currency: str,
        time_zone: str,
        billing_day: int = 1,
        concurrency_limit: int | None = None,
        full_ip: bool = False,
        retention_days: int | None = None,
        redactions: tuple[str, ...] = (),
        rollup_days: int | None = None,
        credit_limit: int | None = None,
        exchanges: bool = False,
        exchange_days: int | None = None,
    ) -> Workspace:
        now = self._database.clock()
        made = Workspace(
            *(id_, name, currency, time_zone, billing_day, concurrency_limit, full_ip, now),
            *(retention_days, redactions, rollup_days, credit_limit, exchanges, exchange_days),
        )
        with self._database.writing(f'There is a workspace "{id_}" already.') as db:
            db.execute(insert(workspaces).values(asdict(made)))
        return made

    def get(self, id_: str) -> Workspace | None:
        return self._database.one(select(workspaces).where(workspaces.c.id == id_), Workspace)

    def all(self) -> list[Workspace]:
        """Oldest first."""
        return self._database.all(select(workspaces).order_by(workspaces.c.created_at, workspaces.c.id), Workspace)

    def change(self, id_: str, values: Mapping[str, Any]) -> None:
        """Set columns by their names."""
        with self._database.writing() as db:
            db.execute(update(workspaces).where(workspaces.c.id == id_).values(dict(values)))

"""Webhooks that a workspace's events are delivered to, as their sender tells us. Nothing is delivered from here."""

from dataclasses import asdict, dataclass

from sqlalchemy import delete, select

from usagedeck.catalog.dimensions import Label
from usagedeck.directory.database import Database
from usagedeck.directory.schema import labels, webhooks


@dataclass(frozen=True, slots=True)
class Webhook:
    workspace_id: str
    id: str
    name: str
    url: str
    events: tuple[str, ...]
    """Types of events it wants; all when there are none."""
    auth: str
    """How its receiver knows the sender: hmac, oauth2 or mtls."""
    created_at: int
    disabled_at: int | None = None
    auto_disabled: bool = False
    """It was disabled because it failed for too long, and not by a person."""
    failed_at: int | None = None
    failed_status: int | None = None
    """Status of the last failure; 0 where there was no answer."""
    retry_enabled: bool = False
    """Whoever delivers is to try again."""
    request_headers: tuple[str, ...] = ()
    """Names of headers that go along with deliveries. Their values are secrets of whoever delivers, and nowhere here."""


class Webhooks:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, webhook: Webhook) -> None:
        """Make one or change it; when it was made stays."""
        with self._database.writing(f'There is no workspace "{webhook.workspace_id}".') as db:
            self._database.put(db, webhooks, [asdict(webhook)], keep=["created_at"])

    def get(self, workspace_id: str, id_: str) -> Webhook | None:
        where = (webhooks.c.workspace_id == workspace_id, webhooks.c.id == id_)
        return self._database.one(select(webhooks).where(*where), Webhook)

    def all(self, workspace_id: str) -> list[Webhook]:
        """Oldest first."""
        where = webhooks.c.workspace_id == workspace_id
        return self._database.all(select(webhooks).where(where).order_by(webhooks.c.created_at, webhooks.c.id), Webhook)

    def remove(self, workspace_id: str, id_: str) -> bool:
        """It goes; its name stays, for its deliveries do. False when there is none."""
        with self._database.writing() as db:
            where = (webhooks.c.workspace_id == workspace_id, webhooks.c.id == id_)
            name = db.execute(select(webhooks.c.name).where(*where)).scalar_one_or_none()
            if name is None:
                return False
            row = {"workspace_id": workspace_id, "kind": Label.WEBHOOK.value, "id": id_, "name": name}
            self._database.put(db, labels, [row])
            db.execute(delete(webhooks).where(*where))
        return True

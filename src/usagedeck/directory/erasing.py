"""What the directory holds of erased users and keys of a workspace, taken out.

Who is meant is told by whether an id is an erased one, so nobody has to know the ids.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Table, delete, or_, select, update

from usagedeck.catalog.dimensions import NAMES, Label
from usagedeck.catalog.kinds import ERASED
from usagedeck.directory.schema import (
    api_keys,
    audit_log,
    group_members,
    identities,
    invitations,
    labels,
    members,
    service_accounts,
    sessions,
    users,
)

IsErased: TypeAlias = Callable[[Label, str], bool]


def take_out(db: Connection, workspace_id: str, erased: IsErased) -> int:
    """Take it out in one change; returns how many entries went, or were changed where they are about others too."""
    people = _ids(db, workspace_id, erased, Label.USER, (members.c.user_id, group_members.c.user_id, service_accounts.c.id))
    owned = api_keys.c.workspace_id == workspace_id
    found = db.execute(select(api_keys.c.id, api_keys.c.user_id).where(owned)).all()
    keys = [str(id_) for id_, user in found if erased(Label.API_KEY, id_) or (user and erased(Label.USER, user))]
    gone = _delete(db, api_keys, owned, api_keys.c.id.in_(keys))
    for table, column in ((group_members, group_members.c.user_id), (service_accounts, service_accounts.c.id)):
        gone += _delete(db, table, table.c.workspace_id == workspace_id, column.in_(people))
    gone += _labels(db, workspace_id, erased)
    gone += _invitations(db, workspace_id, people)
    gone += _delete(db, members, members.c.workspace_id == workspace_id, members.c.user_id.in_(people))
    elsewhere = set(db.execute(select(members.c.user_id).where(members.c.user_id.in_(people))).scalars())
    forgotten = [user for user in people if user not in elsewhere]
    gone += _delete(db, sessions, sessions.c.user_id.in_(forgotten)) + _delete(
        db, identities, identities.c.user_id.in_(forgotten)
    )
    gone += _delete(db, users, users.c.id.in_(forgotten))
    return gone + _audit_log(db, workspace_id, erased)


def _ids(db: Connection, workspace_id: str, erased: IsErased, kind: Label, columns: tuple[Any, ...]) -> list[str]:
    """The erased ones in some columns."""
    found: set[str] = set()
    for column in columns:
        found.update(db.execute(select(column).where(column.table.c.workspace_id == workspace_id).distinct()).scalars())
    return sorted(id_ for id_ in found if erased(kind, id_))


def _delete(db: Connection, table: Table, *where: ColumnElement[bool]) -> int:
    return int(db.execute(delete(table).where(*where)).rowcount)


def _labels(db: Connection, workspace_id: str, erased: IsErased) -> int:
    gone = 0
    for kind in NAMES:
        mine = (labels.c.workspace_id == workspace_id, labels.c.kind == kind.value)
        ids = [id_ for id_ in db.execute(select(labels.c.id).where(*mine)).scalars() if erased(kind, id_)]
        gone += _delete(db, labels, *mine, labels.c.id.in_(ids))
    return gone


def _invitations(db: Connection, workspace_id: str, people: list[str]) -> int:
    """Theirs go, and what was noted about those; of those that they sent to others, the sender goes."""
    mine = invitations.c.workspace_id == workspace_id
    mails = [mail for mail in db.execute(select(users.c.email).where(users.c.id.in_(people))).scalars() if mail]
    gone = _delete(db, invitations, mine, or_(invitations.c.accepted_by.in_(people), invitations.c.email.in_(mails)))
    sent = update(invitations).where(mine, invitations.c.invited_by.in_(people)).values(invited_by=ERASED)
    gone += int(db.execute(sent).rowcount)
    noted = (audit_log.c.workspace_id == workspace_id, audit_log.c.target_kind == "invitation")
    entries = db.execute(select(audit_log.c.id, audit_log.c.details).where(*noted)).all()
    theirs = [id_ for id_, details in entries if str(details.get("email", "")).lower() in mails]
    return gone + int(db.execute(update(audit_log).where(audit_log.c.id.in_(theirs)).values(details={})).rowcount)


def _audit_log(db: Connection, workspace_id: str, erased: IsErased) -> int:
    """What was done stays, by whom and to whom goes, and what was noted about it."""
    changed = 0
    for column, others in ((audit_log.c.actor_id, {"address": ""}), (audit_log.c.target_id, {"details": {}})):
        mine = audit_log.c.workspace_id == workspace_id
        ids = list(db.execute(select(column).where(mine).distinct()).scalars())
        ids = [id_ for id_ in ids if any(erased(kind, id_) for kind in NAMES)]
        values = {column.name: ERASED, "details": {}, **others}
        changed += int(db.execute(update(audit_log).where(mine, column.in_(ids)).values(values)).rowcount)
    return changed

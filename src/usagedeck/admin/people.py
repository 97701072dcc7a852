"""Users and members."""

from msgspec import UNSET, UnsetType

from usagedeck import erasure
from usagedeck.access import Role
from usagedeck.admin.command import Answer, Command, Credits, Doing, Email, Id, given, not_found, since, told, workspace_of
from usagedeck.catalog.dimensions import Label
from usagedeck.deck import Deck
from usagedeck.directory import keys
from usagedeck.directory.people import Member, User
from usagedeck.errors import Conflict, NotFound
from usagedeck.passwords import hashed
from usagedeck.times import iso


class AddUser(Command, tag="user.add"):
    """A member who can sign in. Without a password one is made up and shown once."""

    untold = ("password",)

    workspace: Id
    email: Email
    id: Id | None = None
    name: str = ""
    password: str | None = None
    role: Role = Role.MEMBER
    full_read: bool = False


class PutUser(Command, tag="user.put"):
    """A user, made or changed; `id` is the `user_id` of their events. They sign in once they have an e-mail and a password."""

    id: Id
    email: Email | UnsetType | None = UNSET
    name: str | UnsetType = UNSET


class SetPassword(Command, tag="user.password"):
    """A new password for somebody; their sessions end. Without one it is made up and shown once."""

    untold = ("password",)

    email: Email
    password: str | None = None


class UnlinkUser(Command, tag="user.unlink"):
    """Whoever signs in through an identity provider as this user does so no more, and their sessions end. The next one who comes
    with the verified address is the user again."""

    email: Email


class PutMember(Command, tag="member.put"):
    """A user's membership, made or changed. A locked member is in the workspace and sees nothing of it; their keys rest."""

    untold = ("keep_owner",)

    workspace: Id
    user: Id
    role: Role | UnsetType = UNSET
    full_read: bool | UnsetType = UNSET
    locked: bool | UnsetType = UNSET
    credit_limit: Credits | UnsetType | None = UNSET
    keep_owner: bool = False
    """Refuse it when it would leave the workspace without an owner who is not locked."""


class ListMembers(Command, tag="member.list"):
    """The members of a workspace."""

    changes = False

    workspace: Id


class RemoveMember(Command, tag="member.remove"):
    """A member goes: their keys are revoked and their groups lose them; their usage and its name stay."""

    untold = ("keep_owner",)

    workspace: Id
    user: Id
    keep_owner: bool = False
    """Refuse it when it would leave the workspace without an owner who is not locked."""


def _add(deck: Deck, command: AddUser) -> Answer:
    workspace = workspace_of(deck, command.workspace)
    people = deck.directory.people
    known = people.by_email(command.email)
    if known is not None:
        erasure.refuse(deck, workspace.id, Label.USER, known.id)
        people.join(workspace.id, known.id, role=command.role, full_read=command.full_read)
        return {"user_id": known.id, "email": known.email, "workspace_id": workspace.id, "role": command.role}
    password = command.password or _made_up()
    kept = hashed(password)
    id_ = command.id or keys.mint_id("user")
    erasure.refuse(deck, workspace.id, Label.USER, id_)
    people.add(id_, email=command.email, name=command.name, password=kept)
    people.join(workspace.id, id_, role=command.role, full_read=command.full_read)
    made = {"user_id": id_, "email": command.email.lower(), "workspace_id": workspace.id, "role": command.role}
    return made if command.password else {**made, "password": password}


def _put(deck: Deck, command: PutUser) -> Answer:
    people = deck.directory.people
    before = people.get(command.id)
    if before is None:
        made = people.add(command.id, email=told(command.email, None), name=told(command.name, ""), password=None)
        return {**_user(made), "created": True}
    people.change(before.id, email=told(command.email, before.email), name=told(command.name, before.name))
    return {**_user(people.get(before.id) or before), "created": False}


def _set_password(deck: Deck, command: SetPassword) -> Answer:
    user = deck.directory.people.by_email(command.email)
    if user is None:
        raise NotFound(f'There is no user "{command.email}".', field="email", code="user_not_found")
    password = command.password or _made_up()
    deck.directory.people.set_password(user.id, hashed(password))
    return _user(user) if command.password else {**_user(user), "password": password}


def _unlink(deck: Deck, command: UnlinkUser) -> Answer:
    user = deck.directory.people.by_email(command.email)
    if user is None:
        raise NotFound(f'There is no user "{command.email}".', field="email", code="user_not_found")
    return {**_user(user), "identities": deck.directory.identities.unlink(user.id)}


def _made_up() -> str:
    return keys.mint_token()[:20]


def _put_member(deck: Deck, command: PutMember) -> Answer:
    workspace, people = workspace_of(deck, command.workspace), deck.directory.people
    user = people.get(command.user)
    if user is None:
        raise NotFound(f'There is no user "{command.user}"; make them first.', field="user", code="user_not_found")
    erasure.refuse(deck, workspace.id, Label.USER, user.id)
    before = people.member(workspace.id, user.id)
    if before is None:
        people.join(
            workspace.id,
            user.id,
            role=told(command.role, Role.MEMBER),
            full_read=told(command.full_read, otherwise=False),
            credit_limit=told(command.credit_limit, None),
        )
    values = given(role=command.role, full_read=command.full_read, credit_limit=command.credit_limit)
    values["locked_at"] = since(command.locked, deck.clock(), before.locked_at if before else None)
    people.change_member(workspace.id, user.id, values, keep=_keep(command))
    member = people.member(workspace.id, user.id)
    if member is None:
        raise Conflict(f'"{user.id}" left the workspace at the same time.', field="user")
    return {**_member(user, member), "created": before is None}


def _keep(command: PutMember | RemoveMember) -> Role | None:
    return Role.OWNER if command.keep_owner else None


def _list(deck: Deck, command: ListMembers) -> Answer:
    return {"members": [_member(*one) for one in deck.directory.people.members(workspace_of(deck, command.workspace).id)]}


def _remove(deck: Deck, command: RemoveMember) -> Answer:
    workspace = workspace_of(deck, command.workspace)
    if not deck.directory.people.leave(workspace.id, command.user, keep=_keep(command)):
        raise not_found("member", command.user)
    return {"user_id": command.user, "removed": True}


def _user(user: User) -> Answer:
    return {"user_id": user.id, "email": user.email, "name": user.name}


def _member(user: User, member: Member) -> Answer:
    return {
        **_user(user),
        "workspace_id": member.workspace_id,
        "role": member.role,
        "full_read": member.full_read,
        "locked": member.locked_at is not None,
        "credit_limit": member.credit_limit,
        "member_since": iso(member.created_at),
    }


DOING: Doing = {
    AddUser: _add,
    PutUser: _put,
    SetPassword: _set_password,
    UnlinkUser: _unlink,
    PutMember: _put_member,
    ListMembers: _list,
    RemoveMember: _remove,
}

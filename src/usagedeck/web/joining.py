"""How somebody becomes a member: owners and admins invite, and whoever has the link joins.

What is asked about a link goes in the body, never in the address, so that no log of the way has its token.
"""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi import Query as Param
from pydantic import BaseModel, Field

from usagedeck import admin, joining, passwords
from usagedeck.access import Role
from usagedeck.joining import Asks, State
from usagedeck.times import iso
from usagedeck.web.auth import COOKIE, DeckOf, address_of, origin_of, set_session, who_asks
from usagedeck.web.commands import command_of
from usagedeck.web.problems import REFUSALS, json

router = APIRouter(prefix="/api/v1", max_body_size=64 * 1024, responses=REFUSALS)

WorkspaceAsked = Annotated[str | None, Param(description="Workspace id, for people in several; the first when absent.")]


class Link(BaseModel):
    """A link of an invitation."""

    token: str = Field(max_length=200, description="What stands behind the # of the link.")


class Accepting(Link):
    """Who joins by it."""

    name: str = Field("", max_length=200, description="What others call them; only of somebody new.")
    password: str | None = Field(
        None, max_length=passwords.MAX_PASSWORD, description="The password they choose, where one is asked for."
    )


class OpenedOut(BaseModel):
    """What a link is for."""

    workspace: str = Field(description="The workspace's name.")
    email: str
    role: Role
    invited_by: str | None = Field(description="Who invites; null when whoever runs the server does.")
    expires: str
    asks: Asks = Field(
        description="What accepting needs: `new_password`; `sign_in`, as the address has an account; or `nothing` more."
    )
    password: bool = Field(description="A password can be chosen, or signed in with, here.")
    provider: str | None = Field(description="What the button of the identity provider says; null where there is none.")
    shortest_password: int = Field(description="How many characters a new password has at least.")


class JoinedOut(BaseModel):
    workspace: str = Field(description="The workspace's id.")


class InvitationIn(BaseModel):
    """Whom to invite, and as what."""

    email: str
    role: Role = Field(Role.MEMBER, description="Owners may say any; admins member or viewer.")
    full_read: bool = Field(default=False, description="Let a member see the whole workspace.")
    groups: list[str] = Field([], description="Ids of groups they will be in.")
    credit_limit: int | None = Field(None, description="Credits they may use in a billing period.")


class InvitationOut(BaseModel):
    id: str
    workspace_id: str
    email: str
    role: Role
    full_read: bool
    groups: list[str]
    credit_limit: int | None
    state: State = Field(description="`void`: its sender may not invite to that role any more.")
    invited_by: str | None = Field(description="User id; null when whoever runs the server did.")
    created_at: str
    expires_at: str
    accepted_at: str | None
    accepted_by: str | None


class InvitationSent(InvitationOut):
    link: str = Field(description="For the invited one; shown this once.")


class InvitationsOut(BaseModel):
    invitations: list[InvitationOut]


@router.post("/invitations/open", response_model=OpenedOut, summary="Look at an invitation", tags=["session"])
def open_link(request: Request, deck: DeckOf, body: Link) -> Response:
    """What a link is for, and what accepting it needs. For whoever has it."""
    opened = joining.open_link(deck, body.token, request.cookies.get(COOKIE))
    sender = deck.directory.people.get(opened.invitation.invited_by) if opened.invitation.invited_by else None
    return json(
        {
            "workspace": opened.workspace.name,
            "email": opened.invitation.email,
            "role": opened.invitation.role,
            "invited_by": sender.label if sender else None,
            "expires": iso(opened.invitation.expires_at),
            "asks": opened.asks,
            "password": deck.settings.password_sign_in,
            "provider": deck.settings.oidc_label if deck.provider else None,
            "shortest_password": passwords.MIN_PASSWORD,
        }
    )


@router.post("/invitations/accept", response_model=JoinedOut, summary="Join by an invitation", tags=["session"])
def accept(request: Request, deck: DeckOf, body: Accepting) -> Response:
    """Become a member: as whoever the address belongs to, signed in, or as somebody new, who is signed in then."""
    workspace_id, token = joining.accept(
        deck,
        body.token,
        session=request.cookies.get(COOKIE),
        name=body.name,
        password=body.password,
        address=address_of(request),
        user_agent=request.headers.get("user-agent", ""),
    )
    response = json({"workspace": workspace_id})
    if token is not None:
        set_session(request, response, deck, token)
    return response


@router.get("/workspace/invitations", response_model=InvitationsOut, summary="List invitations", tags=["account"])
def invitations(request: Request, deck: DeckOf, workspace: WorkspaceAsked = None) -> Response:
    """The invitations of the workspace, newest first, without their links. For owners and admins."""
    who = who_asks(request, deck, workspace)
    return json(admin.perform_for(deck, admin.ListInvitations(workspace=who.workspace.id), who))


@router.post(
    "/workspace/invitations", status_code=201, response_model=InvitationSent, summary="Invite somebody", tags=["account"]
)
def invite(request: Request, deck: DeckOf, body: InvitationIn, workspace: WorkspaceAsked = None) -> Response:
    """A link for an e-mail address, good once. It is in this answer and nowhere else; hand it over yourself. A link that was sent
    to the same address before works no more."""
    who = who_asks(request, deck, workspace)
    said = {**body.model_dump(), "workspace": who.workspace.id}
    made = admin.perform_for(deck, command_of(admin.CreateInvitation, said), who, new=True)
    token = str(made["link"]).partition("#")[2]
    return json({**made, "link": f"{origin_of(request, deck)}{joining.LINK}{token}"}, 201)


@router.delete("/workspace/invitations/{id}", status_code=204, summary="Take an invitation back", tags=["account"])
def revoke(request: Request, deck: DeckOf, id: str, workspace: WorkspaceAsked = None) -> Response:  # noqa: A002 - its name in the path
    """Its link works no more. For owners and admins."""
    who = who_asks(request, deck, workspace)
    said = {"workspace": who.workspace.id, "id": id}
    admin.perform_for(deck, command_of(admin.RevokeInvitation, said), who)
    return Response(status_code=204)

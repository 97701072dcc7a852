"""The operator's door: programs that mirror their own directory into this one. Every call is a command of `usagedeck.admin`.

It takes operator keys and nothing else; they read nobody's usage, and no other key opens it.
"""

import inspect
from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from usagedeck import access, admin
from usagedeck.web.auth import DeckOf, address_of, secret_of
from usagedeck.web.commands import Call, described, read
from usagedeck.web.problems import REFUSALS, json

MAX_BODY = 16 * 2**20

router = APIRouter(prefix="/api/v1/admin", tags=["provisioning"], max_body_size=MAX_BODY, responses=REFUSALS)


def _of_workspace(part: str, id_: str, what: str, *commands: type[admin.AnyCommand]) -> Iterator[Call]:
    """Those of a workspace's things: put one, remove one, list them."""
    put, remove, list_ = commands
    base = f"/workspaces/{{workspace}}/{part}"
    yield Call("PUT", f"{base}/{{{id_}}}", put, f"Put a {what}")
    yield Call("DELETE", f"{base}/{{{id_}}}", remove, f"{'Revoke' if what == 'key' else 'Remove'} a {what}")
    yield Call("GET", base, list_, f"List {part.replace('-', ' ')}")


CALLS = (
    Call("GET", "/workspaces", admin.ListWorkspaces, "List workspaces"),
    Call("PUT", "/workspaces/{workspace}", admin.PutWorkspace, "Put a workspace"),
    Call("PUT", "/users/{id}", admin.PutUser, "Put a user"),
    *_of_workspace("members", "user", "member", admin.PutMember, admin.RemoveMember, admin.ListMembers),
    Call("POST", "/workspaces/{workspace}/invitations", admin.CreateInvitation, "Invite somebody"),
    Call("DELETE", "/workspaces/{workspace}/invitations/{id}", admin.RevokeInvitation, "Take an invitation back"),
    Call("GET", "/workspaces/{workspace}/invitations", admin.ListInvitations, "List invitations"),
    *_of_workspace("groups", "id", "group", admin.PutGroup, admin.RemoveGroup, admin.ListGroups),
    *_of_workspace(
        "service-accounts",
        "id",
        "service account",
        admin.PutServiceAccount,
        admin.RemoveServiceAccount,
        admin.ListServiceAccounts,
    ),
    *_of_workspace("keys", "id", "key", admin.PutKey, admin.RevokeKey, admin.ListKeys),
    *_of_workspace("webhooks", "id", "webhook", admin.PutWebhook, admin.RemoveWebhook, admin.ListWebhooks),
    Call("PUT", "/workspaces/{workspace}/labels/{kind}", admin.SetLabels, "Set display names", whole="names"),
)


def _add(call: Call) -> None:
    async def endpoint(request: Request, deck: DeckOf) -> Response:
        by = await run_in_threadpool(access.operator_by_key, deck, secret_of(request), address_of(request))
        wanted = read(call, request.path_params, await request.body())
        return json(await run_in_threadpool(admin.perform, deck, wanted, by))

    router.add_api_route(
        call.path,
        endpoint,
        methods=[call.method],
        name=str(call.command.__struct_config__.tag),
        summary=call.summary,
        description=inspect.cleandoc(call.command.__doc__ or ""),
        response_model=dict[str, Any],
        openapi_extra=described(call),
    )


for _call in CALLS:
    _add(_call)

"""What people look after in their own workspace, on the page and with keys of theirs: members, groups, keys, webhooks, settings.

Every call is a command of `usagedeck.admin`, carried out as far as `admin.rights` lets the asker. Ids of what is made are minted
here, so that nobody learns from a refusal which ones there are.
"""

import inspect
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Query as Param
from starlette.concurrency import run_in_threadpool

from usagedeck import admin
from usagedeck.directory import keys
from usagedeck.web.auth import DeckOf, who_asks
from usagedeck.web.commands import Call, described, read
from usagedeck.web.problems import REFUSALS, json

MAX_BODY = 2**20
CREATED = 201

router = APIRouter(prefix="/api/v1/workspace", tags=["workspace"], max_body_size=MAX_BODY, responses=REFUSALS)

_OF_SENDERS = ("auto_disabled", "failed_at", "failed_status")
_OF_OPERATORS = ("sha256", "hint")


_PREFIX = {"/groups": "grp", "/service-accounts": "sa", "/keys": "key", "/webhooks": "wh"}
"""What the ids of new things begin with."""


def _things(part: str, what: str, *commands: type[admin.AnyCommand], untaken: tuple[str, ...] = ()) -> Iterator[Call]:
    """Those of a kind of things: list, make, change, remove."""
    list_, put, remove = commands
    yield Call("GET", f"/{part}", list_, f"List {part.replace('-', ' ')}")
    yield Call("POST", f"/{part}", put, f"Make a {what}", untaken=("workspace", "id", *untaken))
    yield Call("PATCH", f"/{part}/{{id}}", put, f"Change a {what}", untaken=("workspace", *untaken))
    yield Call("DELETE", f"/{part}/{{id}}", remove, f"{'Revoke' if what == 'key' else 'Remove'} a {what}")


CALLS = (
    Call("GET", "/members", admin.ListMembers, "List members"),
    Call("PATCH", "/members/{user}", admin.PutMember, "Change a member", untaken=("workspace", "keep_owner")),
    Call("DELETE", "/members/{user}", admin.RemoveMember, "Remove a member"),
    *_things("groups", "group", admin.ListGroups, admin.PutGroup, admin.RemoveGroup),
    *_things(
        "service-accounts",
        "service account",
        admin.ListServiceAccounts,
        admin.PutServiceAccount,
        admin.RemoveServiceAccount,
    ),
    *_things("keys", "key", admin.ListKeys, admin.PutKey, admin.RevokeKey, untaken=_OF_OPERATORS),
    *_things("webhooks", "webhook", admin.ListWebhooks, admin.PutWebhook, admin.RemoveWebhook, untaken=_OF_SENDERS),
    Call("GET", "/settings", admin.ShowWorkspace, "The workspace's settings"),
    Call("PATCH", "/settings", admin.PutWorkspace, "Change the workspace's settings", untaken=("workspace", "currency")),
)


def _add(call: Call) -> None:
    new = call.method == "POST"

    async def endpoint(
        request: Request,
        deck: DeckOf,
        workspace: Annotated[str | None, Param(description="Workspace id, for people in several; the first when absent.")] = None,
    ) -> Response:
        who = await run_in_threadpool(who_asks, request, deck, workspace)
        settled = {**request.path_params, "workspace": who.workspace.id}
        if new:
            settled["id"] = keys.mint_id(_PREFIX[call.path])
        wanted = read(call, settled, await request.body())
        answer = await run_in_threadpool(admin.perform_for, deck, wanted, who, new=new)
        return json(answer, CREATED if new else 200)

    router.add_api_route(
        call.path,
        endpoint,
        methods=[call.method],
        name=f"workspace.{call.method.lower()}.{call.command.__struct_config__.tag}",
        summary=call.summary,
        description=inspect.cleandoc(call.command.__doc__ or ""),
        response_model=dict[str, Any],
        status_code=CREATED if new else 200,
        openapi_extra=described(call),
    )


for _call in CALLS:
    _add(_call)

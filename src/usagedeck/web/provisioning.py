"""The operator's door: programs that mirror their own directory into this one. Every call is a command of `usagedeck.admin`.

It takes operator keys and nothing else; they read nobody's usage, and no other key opens it.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from usagedeck import access, admin
from usagedeck.errors import InvalidInput
from usagedeck.web.auth import DeckOf, address_of, secret_of
from usagedeck.web.commands import command_of
from usagedeck.web.problems import REFUSALS, json

MAX_BODY = 16 * 2**20
WITH_BODY = ("PUT", "POST")

router = APIRouter(prefix="/api/v1/admin", tags=["provisioning"], max_body_size=MAX_BODY, responses=REFUSALS)


@dataclass(frozen=True, slots=True)
class Call:
    """A command behind a method and a path; fields of the command that stand in the path stand nowhere else."""

    method: str
    path: str
    command: type[admin.AnyCommand]
    summary: str
    whole: str = ""
    """The field that the whole body is, where it is no object of fields."""

    @property
    def in_path(self) -> Sequence[str]:
        return [part.strip("{}") for part in self.path.split("/") if part.startswith("{")]


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
        wanted = _read(call, request.path_params, await request.body())
        return json(await run_in_threadpool(admin.perform, deck, wanted, by))

    router.add_api_route(
        call.path,
        endpoint,
        methods=[call.method],
        name=str(call.command.__struct_config__.tag),
        summary=call.summary,
        description=inspect.cleandoc(call.command.__doc__ or ""),
        response_model=dict[str, Any],
        openapi_extra=_described(call),
    )


def _read(call: Call, path: Mapping[str, str], body: bytes) -> admin.AnyCommand:
    said: Any = {}
    if body and call.method in WITH_BODY:
        try:
            said = msgspec.json.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput(f"The body is no valid JSON: {error}.", code="malformed") from None
    if not isinstance(said, dict):
        raise InvalidInput("The body is a JSON object.", code="malformed")
    said = {call.whole: said} if call.whole else said
    if twice := sorted(said.keys() & {"command", *path}):
        raise InvalidInput(f'"{twice[0]}" stands in the path; leave it out of the body.', field=twice[0])
    return command_of(call.command, {**said, **path})


def _described(call: Call) -> dict[str, Any]:
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in call.in_path]
    if call.method not in WITH_BODY:
        return {"parameters": parameters}
    whole = msgspec.json.schema(call.command)
    inlined = _inlined(whole, whole["$defs"])
    schema = inlined["properties"][call.whole] if call.whole else inlined
    schema.pop("title", None)
    if not call.whole:
        for name in ("command", *call.in_path):
            schema["properties"].pop(name, None)
        needed = [name for name in schema.pop("required", ()) if name in schema["properties"]]
        schema.update({"required": needed} if needed else {})
        schema.pop("$defs", None)
    return {"parameters": parameters, "requestBody": {"content": {"application/json": {"schema": schema}}}}


def _inlined(schema: Any, defs: Mapping[str, Any]) -> Any:
    """The same without references: each is used once."""
    if isinstance(schema, list):
        return [_inlined(one, defs) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(defs[schema["$ref"].rpartition("/")[2]], defs)
    return {name: _inlined(one, defs) for name, one in schema.items() if name != "$defs"}


for _call in CALLS:
    _add(_call)

"""Writes the reference pages under `docs/reference` from the code; with `--check`, says which of them are out of date.

python -m tools.reference [--check]
"""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer

from usagedeck.access import OF_ROLE, USUAL, Permission, Role, Who
from usagedeck.admin.rights import RIGHTS, Reach, Right, grantable
from usagedeck.catalog.dimensions import DIMENSIONS, Dimension, Label
from usagedeck.catalog.fields import FIELDS, SIDES, Field, fields
from usagedeck.catalog.formulas import Ratio, Single, Sum
from usagedeck.catalog.kinds import KINDS, Subject, Type
from usagedeck.catalog.metrics import METRICS, Metric
from usagedeck.cli import app as cli
from usagedeck.directory.workspaces import Workspace
from usagedeck.ranges import EXAMPLES
from usagedeck.settings import Settings
from usagedeck.web.app import openapi

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
NOTE = "<!-- Written by `make docs` from the code. Change the code, not this page. -->"


def table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """A Markdown table."""
    names = list(header)
    yield "| " + " | ".join(names) + " |"
    yield "|" + " --- |" * len(names)
    for row in rows:
        yield "| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in row) + " |"


def code(text: str | None) -> str:
    return f"`{text}`" if text else ""


def events_page() -> Iterator[str]:
    """The fields of events."""
    yield "# Events"
    yield ""
    yield "What `POST /v1/events` takes, what the request log shows, and the names of columns in CSV and filters."
    yield "Nothing is required, except `time` when `id` is given. An absent number is absent, never zero."
    for kind, subject in KINDS.items():
        yield ""
        yield f"## {'Requests' if subject is Subject.REQUESTS else 'Deliveries'}"
        yield ""
        yield f'`"kind": "{kind}"`' + (" (the default)." if kind == "request" else ".")
        yield ""
        yield from table(
            ("Field", "Type", "Unit", "Meaning"),
            ((code(_json_name(f)), _type(f), f.unit or "", f.help) for f in fields(subject) if not f.stamped),
        )
    yield ""
    yield "## Headers and bodies"
    yield ""
    yield "Either kind of event may bring what was sent (`request`) and what came back (`response`). They are kept where the"
    yield "workspace says so, redacted before they are stored, and for a shorter time ([guide](../guides/bodies.md))."
    yield ""
    yield from table(
        ("Field", "Type", "Meaning"),
        (
            (code(f"{side}.{name}"), type_, help_)
            for side in SIDES
            for name, type_, help_ in (
                ("headers", "object of texts or lists of texts, or a list of pairs", "Names and values."),
                ("body", "text, or any JSON", "The body as text. Bytes come in base64."),
                ("encoding", "`text` or `base64`", "How the body is written here; text when absent."),
                ("size", "whole number", "Bytes of the whole body, when the sender has cut it."),
            )
        ),
    )
    yield ""
    yield "## Stamped at arrival"
    yield ""
    yield from table(("Column", "Meaning"), ((code(f.name), f.help) for f in FIELDS if f.stamped))
    yield ""
    yield "## Told of whole deliveries"
    yield ""
    yield "Columns of the delivery log with `per=deliveries`, where a row is"
    yield "[made of attempts](../guides/asking.md#deliveries-and-their-attempts)."
    yield ""
    yield from table(("Column", "Unit", "Meaning"), ((code(f.name), f.unit or "", f.help) for f in FIELDS if f.joined))


def _json_name(field: Field) -> str:
    return ".".join(field.inside) if field.inside else field.name


def _type(field: Field) -> str:
    return {
        Type.STRING: "text",
        Type.INT: f"whole number, {field.low} to {field.high:,}",
        Type.DECIMAL: "decimal, at most 6 places, as number or text",
        Type.INSTANT: "RFC 3339 with offset, or epoch milliseconds",
        Type.LIST: "list of texts",
        Type.MAP: "object of texts",
    }[field.type]


def catalogue_page() -> Iterator[str]:
    """Metrics and dimensions."""
    yield "# Metrics and dimensions"
    yield ""
    yield "## Metrics"
    yield ""
    yield "A metric *adds up* when its buckets and parts add up to its total. The others are computed anew from the rows of"
    yield "every bucket, series and total: averages are never averaged."
    yield "Metrics about *deliveries* see the attempts of a delivery as one row, those about *attempts* each by itself; one"
    yield "question asks for either. See [Deliveries and their attempts](../guides/asking.md#deliveries-and-their-attempts)."
    yield ""
    yield from table(
        ("Metric", "Title", "Unit", "About", "Adds up", "Meaning"),
        (
            (code(m.name), m.title, m.unit or "", _about(m), "yes" if m.additive else "no", f"{m.help} {_formula(m.formula)}")
            for m in METRICS.values()
        ),
    )
    yield ""
    yield "## Dimensions"
    yield ""
    yield "Everything can be filtered by; what says *split* can also break a metric down. `attributes.<key>` is a dimension for"
    yield "every key of your own. What says *outcome* is, of a delivery, what its last attempt says; everything else is what its"
    yield "first attempt says. What says *whole* only deliveries have: questions about attempts do not know it."
    yield ""
    yield from table(
        ("Dimension", "Title", "About", "Split", "Meaning"),
        (
            (code(d.name), d.title, _subjects(d), _split(d.split, d.workspace_only, d.overlapping), d.help)
            for d in DIMENSIONS.values()
        ),
    )
    yield ""
    yield "Display names exist for: " + ", ".join(code(label.value) for label in Label) + "."
    yield ""
    yield "## Names in the ElevenLabs calls"
    yield ""
    yield from table(("`metric`", "Metric"), ((code(m.wire), code(m.name)) for m in METRICS.values() if m.wire))
    yield ""
    yield from table(
        ("Dimension", "`breakdown_type`", "`group_by` and filters", "Cost call"),
        (
            (code(d.name), ", ".join(map(code, d.breakdown)), code(d.group_by), "yes" if d.cost else "")
            for d in DIMENSIONS.values()
            if d.breakdown or d.group_by
        ),
    )


def _about(metric: Metric) -> str:
    return metric.of if metric.joined or metric.of is Subject.REQUESTS else "attempts"


def _subjects(dimension: Dimension) -> str:
    outcome = ", outcome" if dimension.outcome and Subject.DELIVERIES in dimension.of else ""
    return ", ".join(sorted(dimension.of)) + outcome + (", whole" if dimension.joined else "")


def _formula(formula: Any) -> str:
    if isinstance(formula, Sum) and formula.divide_by != 1:
        return f"(`{formula.plus[0]}` / {formula.divide_by})"
    if isinstance(formula, Ratio):
        return f"(`{formula.over}` / `{formula.under}`)"
    if isinstance(formula, Single) and formula.measure.rpartition("_p")[2].isdigit():
        return "Rounded to 2 decimals."
    return ""


def _split(split: bool, workspace_only: bool, overlapping: bool) -> str:
    notes = [note for note, given in (("workspace view", workspace_only), ("overlapping", overlapping)) if given]
    return ("yes" + (f" ({', '.join(notes)})" if notes else "")) if split else ""


def settings_page() -> Iterator[str]:
    """Every setting."""
    yield "# Settings"
    yield ""
    yield "Each is an environment variable `USAGEDECK_<NAME>`; options of the command line win over it."
    yield ""
    yield from table(
        ("Setting", "Default", "Meaning"),
        (
            (code(name), code(json.dumps(field.default, default=str)), field.description or "")
            for name, field in Settings.model_fields.items()
        ),
    )


def cli_page() -> Iterator[str]:
    """Every command."""
    yield "# Command line"
    root = typer.main.get_command(cli)
    yield from _command(root, root.make_context("usagedeck", [], resilient_parsing=True))


def _is_group(command: Any) -> bool:
    return hasattr(command, "list_commands")


def _command(command: Any, context: Any) -> Iterator[str]:
    inner = {name: command.get_command(context, name) for name in command.list_commands(context)} if _is_group(command) else {}
    if not inner:
        yield ""
        yield f"## {context.command_path}"
        yield ""
        yield (command.help or "").strip()
        yield ""
        yield "```"
        yield from command.get_usage(context).splitlines()
        yield "```"
        options = [p for p in command.params if p.name != "help"]
        if options:
            yield ""
            yield from table(("Option", "Default", "Meaning"), (_option(p) for p in options))
    for name, child in inner.items():
        yield from _command(child, child.make_context(name, [], parent=context, resilient_parsing=True))


def _option(parameter: Any) -> tuple[str, str, str]:
    names = ", ".join(parameter.opts) if parameter.param_type_name == "option" else (parameter.metavar or parameter.name).upper()
    shown = parameter.show_default if isinstance(getattr(parameter, "show_default", None), str) else parameter.default
    default = "required" if parameter.required else "" if shown in (None, False, (), []) else str(getattr(shown, "value", shown))
    return code(names), code(default) if default != "required" else default, getattr(parameter, "help", "") or ""


def api_page() -> Iterator[str]:
    """Every public HTTP call."""
    document = openapi()
    yield "# HTTP API"
    yield ""
    yield "The running server has this as OpenAPI at `/openapi.json` and as a page at `/docs`."
    for tag in document["tags"]:
        yield ""
        yield f"## {tag['name'].capitalize()}"
        yield ""
        yield tag["description"]
        for path, calls in document["paths"].items():
            for method, call in calls.items():
                if tag["name"] in call.get("tags", []) and not path.endswith(".csv"):
                    yield from _call(path, method, call)
    yield ""
    yield f"Ranges: {EXAMPLES}."


def _call(path: str, method: str, call: dict[str, Any]) -> Iterator[str]:
    yield ""
    yield f"### {method.upper()} {path}"
    yield ""
    yield f"{call['summary']}. {call.get('description', '')}".replace("\n", " ")
    parameters = call.get("parameters", [])
    if parameters:
        yield ""
        yield from table(
            ("Parameter", "Where", "Default", "Meaning"),
            (
                (code(p["name"]), p["in"], _default(p), p.get("description") or p["schema"].get("description", ""))
                for p in parameters
            ),
        )


def _default(parameter: dict[str, Any]) -> str:
    if parameter.get("required"):
        return "required"
    default = parameter["schema"].get("default")
    return "" if default in (None, "", []) else code(json.dumps(default))


def roles_page() -> Iterator[str]:
    """Who may do what in a workspace."""
    yield "# Roles and permissions"
    yield ""
    yield "## What people may do"
    yield ""
    yield "By their role in the workspace."
    yield ""
    yield from table(("", *Role), _role_rows())
    yield ""
    yield "## What keys may do"
    yield ""
    yield "A key does what its permissions say, and never what its owner may not. One without an owner reads the whole workspace."
    yield ""
    rows = ((code(one), "yes" if one in USUAL else "no", ", ".join(_holders(one))) for one in Permission)
    yield from table(("Permission", "Made without saying so", "Roles that have it, and may grant it"), rows)
    yield ""
    yield "A key with `workspace_manage` looks after the workspace as an admin does; so it makes and removes no owners."


def _role_rows() -> Iterator[Iterable[str]]:
    def cell(right: Right, role: Role) -> str:
        reach = right.of(role)
        return right.note if reach is Reach.SOME else reach

    yield "see their own usage", *("yes" if Permission.READ in OF_ROLE[role] else "no" for role in Role)
    seen = (
        (Permission.FULL_READ, "see everybody's usage", "if they or a group of theirs may"),
        (Permission.AUDIT_READ, "read the audit log", "if a group of theirs may"),
    )
    for permission, name, otherwise in seen:
        yield name, *("yes" if permission in OF_ROLE[role] else otherwise for role in Role)
    for right in RIGHTS:
        yield right.name, *(cell(right, role) for role in Role)
    yield "end their own sessions, change their own password", *("yes" for _ in Role)


def _holders(permission: Permission) -> Iterator[str]:
    workspace = Workspace("", "", "", "UTC", 1, None, full_ip=False, created_at=0)
    return (role for role in Role if permission in grantable(Who(workspace, "someone", OF_ROLE[role], role)))


PAGES = {
    "events.md": events_page,
    "catalogue.md": catalogue_page,
    "settings.md": settings_page,
    "cli.md": cli_page,
    "api.md": api_page,
    "roles.md": roles_page,
}


def main() -> int:
    stale = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        text = "\n".join([NOTE, "", *page()]) + "\n"
        path = FOLDER / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(text)
    if stale and "--check" in sys.argv:
        sys.stderr.write(f"docs/reference is out of date: {', '.join(stale)}. Run `make docs`.\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

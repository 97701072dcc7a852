"""The rules that a workspace adds, as it writes them: `header:x-customer`, `json:$.card.number`, `pattern:[0-9]{16}`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from usagedeck.errors import InvalidInput

HEADER, JSON, PATTERN = "header:", "json:", "pattern:"
RULES: Mapping[str, str] = {
    HEADER: "the value of a header, by its name",
    JSON: "a part of a JSON body, by its path: $.card.number, $.items[*].email, $..ssn",
    PATTERN: "whatever matches, in headers and bodies, in the syntax of RE2",
}
"""How a rule begins, and what it takes out."""

MAX_RULES = 100
MAX_RULE = 300
"""Rules of a workspace, and characters of one."""

ANY, DEEP = "*", ".."
Step: TypeAlias = str | int
"""A member's name, an element's number, `ANY` one of them, or `DEEP`: any number of levels further down."""
Path: TypeAlias = tuple[Step, ...]

_STEP = re.compile(
    r"""\.\.(?P<deep>[^.\[\]*'"\s]+) | \.(?P<name>[^.\[\]*'"\s]+) | (?P<any>\.\*|\[\*\]) | \[(?P<number>[0-9]{1,9})\]"""
    r""" | \['(?P<quoted>[^']+)'\] | \["(?P<doubly>[^"]+)"\]""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What a workspace adds to what is always taken out."""

    headers: frozenset[str] = frozenset()
    paths: Sequence[Path] = ()
    patterns: Sequence[str] = ()


def is_rule(text: str) -> bool:
    """Whether it is a rule of headers and bodies, right or wrong."""
    return text.startswith(tuple(RULES))


def read_rules(texts: Iterable[str]) -> Rules:
    """Raises `InvalidInput` for a rule that cannot be followed."""
    rules = list(texts)
    if len(rules) > MAX_RULES:
        raise InvalidInput(f"There are {len(rules)} rules of headers and bodies; at most {MAX_RULES}.", field="redactions")
    headers, paths, patterns = [], [], []
    for text in rules:
        kind, _, rule = text.partition(":")
        if not rule or len(rule) > MAX_RULE:
            raise InvalidInput(f"A rule has 1 to {MAX_RULE} characters behind {kind}:.", field="redactions")
        if text.startswith(HEADER):
            headers.append(rule.strip().lower())
        elif text.startswith(JSON):
            paths.append(_path(rule))
        else:
            patterns.append(_pattern(rule))
    return Rules(frozenset(headers), tuple(paths), tuple(patterns))


def _path(text: str) -> Path:
    steps: list[Step] = []
    at = 1
    while text.startswith("$") and at < len(text) and (found := _STEP.match(text, at)):
        kind, at = str(found.lastgroup), found.end()
        if kind == "deep":
            steps += [DEEP, found["deep"]]
        else:
            steps.append(ANY if kind == "any" else int(found[kind]) if kind == "number" else found[kind])
    if at < len(text) or not steps:
        raise InvalidInput(
            f"\"{text[:60]}\" is no path; write $.card.number, $.items[*].email, $..ssn or $['a name'].", field="redactions"
        )
    return tuple(steps)


def _pattern(text: str) -> str:
    try:
        empty = pc.match_substring_regex(pa.array([""]), text)[0].as_py()
    except pa.ArrowInvalid as error:
        said = str(error).partition("expression: ")[2] or "it cannot be read"
        raise InvalidInput(
            f'The pattern "{text[:60]}" is refused: {said[:100]}. It is in the syntax of RE2, which has no backreferences and '
            "no look-ahead, so that no text can make it slow.",
            field="redactions",
        ) from None
    if empty:
        raise InvalidInput(f'The pattern "{text[:60]}" matches the empty text, so it would be everywhere.', field="redactions")
    return text

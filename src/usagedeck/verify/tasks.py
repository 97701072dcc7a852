"""What is compared in one go, and what came of it."""

from typing import TypeAlias

import msgspec

from usagedeck.catalog.kinds import Subject

MOST_LISTED = 50
"""Differences that a task tells one by one."""


class Sealed(msgspec.Struct, frozen=True, tag="sealed", tag_field="task"):
    """Compare what a rollup holds of a stretch with the events."""

    rollup: str
    zone: str
    workspace: str
    start: int
    end: int


class Views(msgspec.Struct, frozen=True, tag="views", tag_field="task"):
    """Compare breakdowns, total, log and CSV of a window."""

    subject: Subject
    workspace: str
    start: int
    end: int


class Bodies(msgspec.Struct, frozen=True, tag="bodies", tag_field="task"):
    """Compare the headers and bodies of a stretch with the events they belong to."""

    workspace: str
    start: int
    end: int


Task: TypeAlias = Sealed | Views | Bodies


class Difference(msgspec.Struct, frozen=True):
    """Two numbers that should be one. `held` is what the rollup, the breakdown, the log or the table of bodies says; `counted` is
    what the events or the total say."""

    check: str
    workspace: str
    where: str
    number: str
    held: str
    counted: str


class Outcome(msgspec.Struct):
    """What came of a task. `compared` counts numbers per check, `different` those that differ, and `differences` lists some."""

    compared: dict[str, int] = {}
    different: dict[str, int] = {}
    differences: list[Difference] = []
    moved: int = 0
    """Windows that were written to all the time, so that nothing can be said of them."""
    unsealed: int = 0
    """Cells whose seals were taken away."""

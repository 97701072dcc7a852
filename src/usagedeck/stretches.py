"""Arithmetic of stretches of time."""

from collections.abc import Iterable
from typing import TypeAlias

Stretch: TypeAlias = tuple[int, int]
"""From and until, epoch milliseconds, half-open."""


def without(stretch: Stretch, holes: Iterable[Stretch]) -> list[Stretch]:
    """What is left of a stretch; the holes are in order of their starts."""
    at, end = stretch
    left = []
    for low, high in holes:
        if high <= at:
            continue
        if low >= end:
            break
        if low > at:
            left.append((at, low))
        at = high
    return [*left, (at, end)] if at < end else left


def joined(stretches: Iterable[Stretch]) -> list[Stretch]:
    """The same, in order, those that meet or overlap made one."""
    found: list[Stretch] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def both(stretch: Stretch, others: Iterable[Stretch]) -> list[Stretch]:
    """The parts of a stretch that lie in one of the others."""
    start, end = stretch
    return [(max(start, low), min(end, high)) for low, high in others if low < end and high > start]

"""Failures: how the errors of a subject are told apart, and whom they concern."""

from collections.abc import Mapping
from dataclasses import dataclass

from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.measures import MEASURES


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What the errors of a subject have in common, and whom they concern."""

    answered: str
    """Measures: rows that say what became of them …"""
    succeeded: str
    """… and those of them that are no errors."""
    by: tuple[str, ...]
    """Dimensions by which errors are told apart."""
    traffic: tuple[str, ...]
    """Those of them that name the traffic an error is a part of."""
    affected: tuple[tuple[str, str, str], ...]
    """Whose different values are counted: column, title, dimension."""

    @property
    def when(self) -> str:
        """SQL of what an error is: the one that the metrics of errors and of success rates count."""
        return f"({MEASURES[self.answered].when}) AND NOT ({MEASURES[self.succeeded].when})"


FAILURES: Mapping[Subject, Failure] = {
    Subject.REQUESTS: Failure(
        answered="answered",
        succeeded="succeeded",
        by=("status", "error_code", "route"),
        traffic=("route",),
        affected=(("users", "Users", "user_id"), ("keys", "API keys", "api_key_id")),
    ),
    Subject.DELIVERIES: Failure(
        answered="attempts_answered",
        succeeded="attempts_succeeded",
        by=("status", "error_code", "webhook_id", "event_type"),
        traffic=("webhook_id", "event_type"),
        affected=(("users", "Users", "user_id"), ("messages", "Deliveries", "message_id")),
    ),
}
"""How the errors of each subject are grouped."""

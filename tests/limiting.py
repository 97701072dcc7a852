"""What tests of usage limits share: time that passes when told to, and short ways to set limits, ask and look."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tests.house import NOON, House
from usagedeck import admin, limits
from usagedeck.limits import Answer, Asked, Asker
from usagedeck.meters import Kind, Standing
from usagedeck.table import plain

KEEP = 600
"""Seconds that a reservation lasts."""


@dataclass
class Ticks:
    """Seconds that pass when told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def platform(house: House) -> Asker:
    """The operator's program, in that workspace."""
    return Asker(house.deck.directory.workspaces.get(house.workspace_id) or house.who.workspace, "operator")


def limit(house: House, kind: Kind, id_: str | None, credits_: int | None) -> None:
    house.do(admin.SetLimit(workspace=house.workspace_id, kind=kind, id=id_, credit_limit=credits_))


def key(house: House, id_: str, credits_: int | None = None, **more: Any) -> str:
    """A key's secret."""
    made = house.do(admin.PutKey(workspace=house.workspace_id, id=id_, credit_limit=credits_, **more))
    return str(made["api_key"])


def ask(house: House, credits_: str | int | None = None, id_: str | None = None, **asked: Any) -> Answer:
    asked.setdefault("key", None if "user" in asked else "k")
    amount = None if credits_ is None else Decimal(credits_)
    return limits.check(house.deck, platform(house), Asked(credits=amount, request_id=id_, **asked))


def event(id_: str, credits_: str | int, time: int = NOON, **more: Any) -> dict[str, Any]:
    return {"id": id_, "time": time, "credits": str(credits_), "api_key_id": "k", **more}


def told(standing: Standing) -> tuple[str, str, str]:
    """Used, held and left."""
    return plain(standing.used), plain(standing.held), plain(standing.remaining)


def standing(house: House, kind: Kind = Kind.KEY, id_: str = "k") -> tuple[str, str, str]:
    """The same of one limit, with everything counted."""
    (row,) = limits.figures(house.deck, house.who, None, [kind], [id_ or house.workspace_id]).rows
    return plain(row[4]), plain(row[5]), plain(row[6])


def used(house: House, kind: Kind = Kind.KEY, id_: str = "k") -> int:
    """What was used, where that is a whole number."""
    return int(standing(house, kind, id_)[0])

"""Credits of the billing period where they cannot be told: absent where a field may be, and never a part of them as the whole."""

from pathlib import Path

import httpx
import pytest

from tests.house import StillClock, served
from tests.wire.office import SPENT, build_office
from tests.wire.strict import check
from usagedeck import admin, report
from usagedeck.deck import open_deck
from usagedeck.errors import QueryTooHeavy
from usagedeck.settings import Settings
from usagedeck.times import iso


def test_counts_that_are_not_known_are_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_deck(Settings(data_dir=tmp_path / "data", min_free_bytes=0), StillClock()) as deck, served(deck) as url:
        office = build_office(deck, "here")

        def get(path: str) -> httpx.Response:
            answer = httpx.get(f"{url}/v1/{path}", headers={"xi-api-key": office.keys["manager"]}, timeout=60)
            check(answer)
            return answer

        def counts() -> tuple[float | None, float | None]:
            (bot, _) = get("service-accounts").json()["service-accounts"]
            return get("workspace/groups").json()["g-all"]["character_count"], bot["api-keys"][0]["character_count"]

        assert counts() == (SPENT["g-all"], SPENT["k-bot"])
        with monkeypatch.context() as heavy:

            def too_heavy(*_: object, **__: object) -> None:
                raise QueryTooHeavy("The question ran into its time budget.")

            heavy.setattr(report, "usage", too_heavy)
            assert counts() == (None, None)
            refusal = get("user/subscription")
            assert (refusal.status_code, refusal.json()["detail"]["type"]) == (400, "validation_error")
        office.house.do(admin.SetRetention(workspace=office.id, days=2))
        deck.expirer.look()
        assert counts() == (None, None)
        rest = get("user/subscription")
        floor = deck.seals.ledger.floors[office.id].rollups
        assert (rest.json()["character_count"], rest.headers["x-available-from"]) == (24, iso(floor))

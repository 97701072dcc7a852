"""Events that bring headers and bodies, and ways to see what became of those."""

import json
from pathlib import Path
from typing import Any

from tests.house import NOON, House
from usagedeck import admin, listing
from usagedeck.access import Permission
from usagedeck.catalog.kinds import Beside, Subject
from usagedeck.deck import open_deck
from usagedeck.exchanges import Kept
from usagedeck.settings import Settings
from usagedeck.sql import Statement


def request(id_: str = "r1", **more: Any) -> dict[str, Any]:
    return {"id": id_, "time": NOON, "method": "POST", "path": "/v1/tts", "status": 200, "user_id": "ana", **more}


def with_body(id_: str = "r1", body: Any = "hello", **more: Any) -> dict[str, Any]:
    return request(id_, request={"headers": {"Content-Type": "text/plain"}, "body": body}, **more)


def collecting(house: House, **more: Any) -> House:
    house.do(admin.PutWorkspace(workspace=house.workspace_id, exchanges=True, **more))
    return renewed(house)


def renewed(house: House) -> House:
    """Who asks knows the workspace as it is now."""
    _, who = house.key_who(permissions=list(Permission))
    return House(house.deck, house.workspace_id, house.api_key, who)


def shown(house: House, id_: str = "r1", of: Subject = Subject.REQUESTS, at: int | None = None) -> listing.Exchange:
    return listing.exchange(house.deck, house.who, None, of, id_, at)


def sent(house: House, id_: str = "r1") -> Kept:
    found = shown(house, id_).request
    assert found is not None
    return found


def rows(house: House) -> int:
    text = f"SELECT count() FROM {Beside.EXCHANGES} WHERE workspace_id = {{w:String}}"
    return int(house.deck.store.run(Statement(text, {"w": house.workspace_id}, ("n",)))[0][0])


def bodies_of(folder: Path) -> dict[str, str]:
    """Of every event that has one: its id and what its body says."""
    text = (
        "SELECT e.id, x.request FROM (SELECT id, time, version FROM requests FINAL UNION ALL "
        "SELECT id, time, version FROM deliveries FINAL) AS e "
        "JOIN exchanges AS x ON x.id = e.id AND x.time = e.time AND x.version = e.version"
    )
    with open_deck(Settings(data_dir=folder, min_free_bytes=0)) as deck:
        found = [(str(id_), str(request)) for id_, request in deck.store.run(Statement(text, {}, ("id", "request")))]
    assert len(found) == len(dict(found)), "an event has two"
    return {id_: json.loads(request)["body"] for id_, request in found}

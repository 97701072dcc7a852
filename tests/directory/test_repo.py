"""The directory as a whole: what is in it is counted, and no workspace finds another's."""

from tests.directory.furnish import add_key
from tests.house import NOON, StillClock
from usagedeck.catalog.dimensions import Label
from usagedeck.directory import keys
from usagedeck.directory.repo import Directory
from usagedeck.directory.webhooks import Webhook


def test_everything_is_counted(directory: Directory, clock: StillClock) -> None:
    for number, id_ in enumerate(("works", "revoked", "disabled", "expired", "expires")):
        add_key(directory, id_, keys.mint_key())
        clock.now += number
    directory.api_keys.revoke("ws", "revoked")
    directory.api_keys.change("ws", "disabled", {"disabled_at": clock.now})
    directory.api_keys.change("ws", "expired", {"expires_at": clock.now})
    directory.api_keys.change("ws", "expires", {"expires_at": clock.now + 1})
    counts = directory.counts()
    assert (counts["workspaces"], counts["api_keys"], counts["active_keys"]) == (1, 5, 2)
    assert counts["users"] == counts["members"] == counts["labels"] == counts["sessions"] == counts["groups"] == 0


def test_what_has_the_same_id_in_two_workspaces_is_two_things(directory: Directory) -> None:
    directory.workspaces.add("other", "Globex", currency="eur", time_zone="UTC")
    for workspace, name in (("ws", "ours"), ("other", "theirs")):
        directory.groups.put(workspace, "same", name=name, user_ids=[f"user of {name}"])
        directory.service_accounts.put(workspace, "same-account", name=name)
        directory.webhooks.put(Webhook(workspace, "same", name, f"https://{name}.test", (), "hmac", NOON))
        add_key(directory, "same", keys.mint_key(), workspace)
    for workspace, name in (("ws", "ours"), ("other", "theirs")):
        assert [g.name for g in directory.groups.all(workspace)] == [name]
        assert directory.groups.members(workspace) == {"same": (f"user of {name}",)}
        assert directory.groups.of_users(workspace) == {f"user of {name}": ("same",)}
        assert [a.name for a in directory.service_accounts.all(workspace)] == [name]
        assert [w.url for w in directory.webhooks.all(workspace)] == [f"https://{name}.test"]
        assert directory.labels.names(workspace, Label.GROUP) == {"same": name}
        assert directory.labels.names(workspace, Label.WEBHOOK) == {"same": name}
        assert directory.labels.names(workspace, Label.USER) == {"same-account": name}
    assert directory.groups.remove("ws", "same")
    assert directory.service_accounts.remove("ws", "same-account")
    assert directory.webhooks.remove("ws", "same")
    assert directory.groups.members("other") == {"same": ("user of theirs",)}
    assert len(directory.service_accounts.all("other")) == len(directory.webhooks.all("other")) == 1
    assert directory.labels.names("other", Label.GROUP) == {"same": "theirs"}
    assert directory.groups.get("ws", "same") is None
    assert not directory.groups.remove("nowhere", "same")

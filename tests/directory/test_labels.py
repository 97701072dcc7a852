"""Display names, each in its workspace."""

from tests.directory.furnish import add_key
from usagedeck.catalog.dimensions import Label
from usagedeck.directory import keys
from usagedeck.directory.repo import Directory


def test_labels_are_set_changed_and_kept_apart(directory: Directory) -> None:
    directory.workspaces.add("ws2", "Globex", currency="eur", time_zone="UTC")
    directory.labels.put("ws", Label.VOICE, {"v1": "Rachel", "v2": "Zoë 😀"})
    directory.labels.put("ws", Label.VOICE, {"v1": "Rachel II"})
    directory.labels.put("ws", Label.VOICE, {})
    directory.labels.put("ws", Label.GROUP, {"v1": "a group of that id"})
    directory.labels.put("ws2", Label.VOICE, {"v1": "another's voice"})
    assert directory.labels.names("ws", Label.VOICE) == {"v1": "Rachel II", "v2": "Zoë 😀"}
    assert directory.labels.names("ws2", Label.VOICE) == {"v1": "another's voice"}
    assert directory.labels.names("ws", Label.GROUP) == {"v1": "a group of that id"}


def test_keys_people_and_workspaces_have_names_of_their_own(directory: Directory) -> None:
    directory.labels.put("ws", Label.API_KEY, {"key_1": "set by hand", "gone": "an imported key"})
    add_key(directory, "key_1", keys.mint_key())
    assert directory.labels.names("ws", Label.API_KEY) == {"key_1": "key_1 label", "gone": "an imported key"}
    directory.api_keys.revoke("ws", "key_1")
    assert directory.labels.names("ws", Label.API_KEY)["key_1"] == "key_1 label", "deleted things keep their names"
    directory.people.add("ana", email="ana@acme.test", name="Ana", password=None)
    directory.people.add("ben", email=None, name="Ben", password=None)
    directory.people.add("cy", email="cy@elsewhere.test", name="Cy", password=None)
    for user in ("ana", "ben"):
        directory.people.join("ws", user, role="member")
    assert directory.labels.names("ws", Label.USER) == {"ana": "ana@acme.test", "ben": "Ben"}
    assert directory.labels.names("ws", Label.WORKSPACE) == {"ws": "Acme"}

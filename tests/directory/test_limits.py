"""Credit limits, together and one at a time."""

import pytest

from usagedeck.directory.repo import Directory
from usagedeck.meters import WHOLE, Kind, Limit, Party


@pytest.fixture
def limited(directory: Directory) -> Directory:
    """With one of everything that may have a limit, and none that has."""
    directory.workspaces.add("other", "Other", currency="usd", time_zone="UTC", credit_limit=1)
    directory.people.add("cleo", email=None, name="Cleo", password=None)
    directory.people.join("ws", "cleo", role="member")
    directory.service_accounts.put("ws", "bot", name="Bot")
    for space in ("ws", "other"):
        directory.groups.put(space, "g", name="G")
        directory.api_keys.add(space, "k", label="k", user_id=None, hint="", verifier=f"k of {space}", permissions=[])
    return directory


PARTIES: list[Party] = [(Kind.KEY, "k"), (Kind.MEMBER, "cleo"), (Kind.MEMBER, "bot"), (Kind.GROUP, "g"), WHOLE]


def test_each_is_set_and_taken_away_by_itself(limited: Directory) -> None:
    before = limited.limits.of("ws")
    assert before == {}
    for n, party in enumerate(PARTIES):
        assert limited.limits.set("ws", party, 10**15 - n)
    expected = {party: Limit(party, 10**15 - n) for n, party in enumerate(PARTIES)}
    assert limited.limits.of("ws") == expected
    for party in PARTIES:
        assert limited.limits.set("ws", party, None)
        del expected[party]
        assert limited.limits.of("ws") == expected
    assert limited.limits.of("other") == {WHOLE: Limit(WHOLE, 1)}
    assert limited.limits.of("nowhere") == {}


def test_what_is_not_there_has_no_limit(limited: Directory) -> None:
    nothing: list[Party] = [(kind, "none") for kind in (Kind.KEY, Kind.MEMBER, Kind.GROUP)]
    for party in nothing:
        assert not limited.limits.set("ws", party, 5)
    assert not limited.limits.set("nowhere", WHOLE, 5)
    assert limited.limits.of("ws") == {}


def test_a_revoked_key_has_none(limited: Directory) -> None:
    limited.limits.set("ws", (Kind.KEY, "k"), 5)
    assert limited.limits.of("ws") == {(Kind.KEY, "k"): Limit((Kind.KEY, "k"), 5)}
    limited.api_keys.revoke("ws", "k")
    assert limited.limits.of("ws") == {}

"""What tests of several parts put into a directory."""

from usagedeck.directory import keys
from usagedeck.directory.repo import Directory


def add_key(directory: Directory, id_: str, secret: str, workspace: str = "ws", user: str | None = None) -> None:
    directory.api_keys.add(
        workspace,
        id_,
        label=f"{id_} label",
        user_id=user,
        hint=keys.hint(secret),
        verifier=keys.verifier(secret),
        permissions=["events_write", "analytics_read"],
    )

"""Every error the product raises on purpose, as one small tree.

    UsagedeckError
    ├── InvalidInput        the sender can mend it: a wrong field, value or combination
    │   └── TooLarge        … by sending or asking for less
    ├── NotSignedIn         nobody, or nobody known, is asking
    ├── NotAllowed          somebody known asks for what is not theirs
    ├── NotFound            the named thing is not there (or not theirs: the same answer)
    ├── Conflict            the thing is there already, or somebody else holds it
    ├── TooBusy             try again after `retry_after` seconds
    ├── QueryTooHeavy       a question ran into its time, memory or row budget
    ├── Cancelled           whoever asked has gone; nobody reads this
    ├── StorageFull         the disk floor is reached; reads go on
    └── StoreFailed         the store answered with something we did not expect

A message says what is wrong and how to mend it. `field` names the field, parameter or option. Doors translate
the classes into status codes; nothing below the doors knows about HTTP.
"""

import difflib
from collections.abc import Iterable


class UsagedeckError(Exception):
    """Base of all. `code` is stable and machine-readable; `message` is for people."""

    code = "error"

    def __init__(self, message: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        if code is not None:
            self.code = code


class InvalidInput(UsagedeckError):
    code = "invalid"


class TooLarge(InvalidInput):
    code = "too_large"


class NotSignedIn(UsagedeckError):
    code = "unauthorized"


class NotAllowed(UsagedeckError):
    code = "forbidden"


class NotFound(UsagedeckError):
    code = "not_found"


class Conflict(UsagedeckError):
    code = "conflict"


class TooBusy(UsagedeckError):
    code = "too_busy"

    def __init__(self, message: str, *, retry_after: int, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message, field=field, code=code)
        self.retry_after = retry_after


class QueryTooHeavy(UsagedeckError):
    code = "query_too_heavy"


class Cancelled(UsagedeckError):
    code = "cancelled"


class StorageFull(UsagedeckError):
    code = "storage_full"


class StoreFailed(UsagedeckError):
    code = "store_failed"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence part that helps with a misspelt name: `did you mean "credits"? Known: …`."""
    names = sorted(known)
    near = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    hint = f'did you mean "{near[0]}"? ' if near else ""
    return f"{hint}Known: {', '.join(names)}."

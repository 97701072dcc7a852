"""Bodies at the collecting door: NDJSON (one event a line) or a JSON array, told apart by the first character."""

import msgspec

from usagedeck.errors import InvalidInput, TooLarge

_ARRAY = msgspec.json.Decoder(list[msgspec.Raw])


def split(body: bytes, most: int) -> list[bytes]:
    """The single events of a body, each still JSON; blank lines do not count.

    Raises `TooLarge` for more than `most` events, `InvalidInput` for an array that is broken as a whole.
    """
    start = body[:64].lstrip()[:1]
    if start == b"[":
        try:
            events = [bytes(raw) for raw in _ARRAY.decode(body)]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput(
                f"The body is no valid JSON array: {error}. Send an array of events, or NDJSON with one event a line.",
                code="malformed",
            ) from None
    else:
        events = [line for line in body.splitlines() if line and not line.isspace()]
    if len(events) > most:
        raise TooLarge(
            f"The batch has {len(events):,} events; at most {most:,} are taken at once (max_batch_events). Send it in parts.",
            code="too_many_events",
        )
    return events

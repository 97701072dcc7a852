"""What the demo's requests and deliveries said: headers and bodies that fit what else is told of them.

Of all that failed, and of one in so many of the rest: enough to look at, and little to keep. Nothing here is a secret; headers
that look like one are there so that one sees what becomes of them.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any, TypeAlias

from usagedeck.demo.products import Offer, Work

Exchange: TypeAlias = dict[str, object]

ONE_IN = 50
"""Of what went well."""

LONGEST = 600
"""Characters of a text that was to be spoken."""

_STORY = (
    "The ferry left the quay a little after six, and the town, which had been noise all day, became a line of lamps. "
    "Nobody on deck spoke. Somewhere below a radio was telling the weather, and the weather, it said, would hold. "
)
_QUESTION = "Where is my order, and can it still be sent to another address?"


def of_request(event: Mapping[str, Any], offer: Offer) -> Exchange:
    """The fields `request` and `response` of a request, or none of them."""
    if not _is_told(event):
        return {}
    headers = {"accept": "*/*"}
    if "user_agent" in event:
        headers["user-agent"] = event["user_agent"]
    if "api_key_id" in event:
        headers["xi-api-key"] = f"sk_{event['api_key_id']}"
    request: Exchange = {"headers": headers}
    if sends := _sent(event, offer):
        request = {"headers": {"content-type": "application/json", **headers}, "body": json.dumps(sends)}
    answers = {"detail": event["error"]} if "error" in event else _answered(event, offer)
    kind = "application/json" if answers else "audio/mpeg"
    response: Exchange = {"headers": {"content-type": kind, "x-trace-id": event["trace_id"]}}
    if answers:
        response["body"] = json.dumps(answers)
    return {"request": request, "response": response}


def of_delivery(event: Mapping[str, Any]) -> Exchange:
    """The same of an attempt to deliver; who did not answer has said nothing."""
    if not _is_told(event):
        return {}
    told = {"type": event["event_type"], "id": event["message_id"], "request_id": event["request_id"]}
    signature = f"t={event['time'] // 1000},v0={zlib.crc32(event['id'].encode()):08x}"
    headers = {"content-type": "application/json", "elevenlabs-signature": signature}
    found: Exchange = {"request": {"headers": headers, "body": json.dumps(told)}}
    if event["status"]:
        said = event["error"]["message"] if "error" in event else "ok"
        found["response"] = {"headers": {"content-type": "text/plain"}, "body": said}
    return found


def _is_told(event: Mapping[str, Any]) -> bool:
    failed = not 200 <= event["status"] < 400
    return failed or not zlib.crc32(event["id"].encode()) % ONE_IN


def _sent(event: Mapping[str, Any], offer: Offer) -> dict[str, object]:
    """What a call asks for; empty for those that send a file or nothing."""
    match offer.work:
        case Work.SPEECH:
            length = min(LONGEST, event.get("characters", LONGEST))
            text = (_STORY * (LONGEST // len(_STORY) + 1))[:length]
            return {"text": text, "model_id": offer.model, "voice_settings": {"stability": 0.5, "similarity_boost": 0.8}}
        case Work.CHAT:
            return {"model": offer.model, "messages": [{"role": "user", "content": _QUESTION}], "max_tokens": 400}
        case Work.SOUND | Work.PICTURE:
            return {"prompt": "Rain on a tin roof, far thunder", "model_id": offer.model}
        case _:
            return {}


def _answered(event: Mapping[str, Any], offer: Offer) -> dict[str, object]:
    """What comes back of a call that went well, if it is no sound."""
    match offer.work:
        case Work.TRANSCRIPT:
            return {"language_code": "en", "text": _STORY.strip()}
        case Work.CHAT:
            used = {name: event[name] for name in ("input_tokens", "output_tokens") if name in event}
            return {"message": {"role": "assistant", "content": "It left our house this morning."}, "usage": used}
        case Work.PICTURE:
            return {"images": [{"id": event["id"], "size": "1024x1024"}]}
        case Work.LOOKUP:
            return {"has_more": False, "items": []}
        case _:
            return {}

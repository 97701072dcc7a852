"""The SQL that turns a number of calls in a quarter of an hour into rows of the request table."""

from collections.abc import Iterable

from tests.bench.crowd import OFFER_NAMES, lookup_sums
from usagedeck.demo import figures
from usagedeck.demo.products import OFFERS, Work
from usagedeck.events import REVISION_STEP

CREATE_CELLS = "CREATE TEMPORARY TABLE cells (key UInt32, quarter UInt32, count UInt32)"
CREATE_CROWD = (
    "CREATE TEMPORARY TABLE crowd (key UInt32, workspace_id String, api_key_id String, user_id String, "
    "group_ids Array(String), called UInt8, also UInt8, also_share Float32, voices Array(String), failing Float32, "
    "spoken Float32, prompt Float32, answer Float32, region String, request_source String, surface String, actor String, "
    "user_agent String, ip String, customers UInt16)"
)

LATE, AGAIN = 7, 11
"""Of a hundred events, by hash: the one that arrives late and the one that arrives twice."""

_OFFERS = [OFFERS[name] for name in OFFER_NAMES]


def _texts(values: Iterable[str]) -> str:
    return "[" + ", ".join(f"'{v}'" for v in values) + "]"


def _numbers(values: Iterable[float]) -> str:
    return "[" + ", ".join(str(v) for v in values) + "]"


def _works(*works: Work) -> str:
    return _numbers(o.work in works for o in _OFFERS).replace("True", "1").replace("False", "0")


def _uniform(number: int, of: str = "h") -> str:
    """In (0, 1), a different one per number."""
    return f"((bitShiftRight(intHash64(bitXor({of}, {number * 0x9E3779B97F4A7C15 % 2**64})), 11) + 0.5) / 9007199254740992)"


def _normal(number: int) -> str:
    first, second = _uniform(2 * number), _uniform(2 * number + 1)
    return f"(sqrt(-2 * log({first})) * cos(2 * pi() * {second}))"


def _picked(uniform: str, sums: Iterable[tuple[int, float]]) -> str:
    """The value in whose stretch of running sums the number falls."""
    cases = [f"{uniform} < {at}, {value}" for value, at in sums]
    last = cases.pop().rsplit(", ", 1)[1]
    return f"multiIf({', '.join(cases)}, {last})"


def _running(shares: dict[int, float]) -> list[tuple[int, float]]:
    total, found = 0.0, []
    for value, share in shares.items():
        total += share / sum(shares.values())
        found.append((value, total))
    return found


_ZIPF = 1 - figures.VOICE_ZIPF
_FIRST_MS = _numbers(o.speed.first_s * 1000 for o in _OFFERS)
_TOKEN_MS = _numbers(o.speed.token_ms for o in _OFFERS)

_CLUMP = "cityHash64(key, quarter, intDiv(i, 3))"
"""Three calls of a key come within seconds."""

_DRAWN = f"""
SELECT *,
  cityHash64({{seed:UInt64}}, key, quarter, i) AS h,
  {_uniform(20)} AS u_offer,
  toUInt8(if(u_offer < {figures.LOOKUP_SHARE}, {_picked(_uniform(21), lookup_sums())},
    if({_uniform(22)} < also_share, also, called))) AS offer,
  {_works(Work.SPEECH)}[offer] AS speech,
  {_works(Work.CHAT)}[offer] AS chat,
  {_works(Work.LOOKUP)}[offer] AS lookup,
  {_numbers(o.audio_s for o in _OFFERS)}[offer] AS audio_median,
  toInt64(quarter) * 900000 + toInt64(
    least(899999, 890000 * {_uniform(23, _CLUMP)} - 3000 * log({_uniform(24)}) * (i % 3))) AS at,
  {_uniform(25)} < failing * {1 - figures.THROTTLED} AS broken,
  cityHash64(key, quarter) % 97 = 0 AND {_uniform(26)} < 0.5 * least(1, failing * 40) AS throttled,
  toUInt16(multiIf(throttled, 429, broken, {_picked(_uniform(27), _running(figures.STATUS_MIX))}, 200)) AS code,
  code < 400 AS fine,
  {_normal(1)} AS n1, {_normal(2)} AS n2, {_normal(3)} AS n3,
  exp(if(speech, spoken, prompt) + 0.46 * n1) AS text_tokens,
  least(4096, exp(answer + 0.67 * n2)) AS answer_tokens,
  toUInt32(if(speech, least(10000, 1 + {figures.CHARACTERS_PER_TOKEN} * text_tokens), 0)) AS chars,
  round(multiIf(speech, chars / 15, audio_median > 0, audio_median * exp(0.8 * n2), 0), 2) AS audio,
  exp({figures.FIRST_LOG_SD} * n3) * {_FIRST_MS}[offer] AS first_ms,
  toUInt32(least(600000, 1 + multiIf(
    NOT fine, 45 * exp(0.6 * n3), lookup, 250 * exp(0.25 * n3), audio_median > 0, 400 + 150 * audio * exp(0.3 * n3),
    first_ms + {_TOKEN_MS}[offer] * if(speech, chars / 15, answer_tokens)))) AS took,
  {_numbers(o.price for o in _OFFERS)}[offer] AS price,
  multiIf(NOT fine, 0, speech, ceil(chars * price), chat, round((text_tokens + 4 * answer_tokens) / 1000 * price, 2),
    audio_median > 0, round(audio * price, 1), round(price * (1 + intHash64(h) % 4), 0)) AS charge,
  voices[toUInt32(pow(1 - {_uniform(28)} * (1 - pow(length(voices) + 1, {_ZIPF})), {1 / _ZIPF}))] AS voice,
  {_works(Work.SPEECH, Work.CONVERSION)}[offer] AS spoken_by,
  {_texts(o.path for o in _OFFERS)}[offer] AS template
FROM (SELECT key, quarter, i FROM cells ARRAY JOIN range(count) AS i
      WHERE quarter >= {{first:UInt32}} AND quarter < {{last:UInt32}}) AS calls
INNER JOIN crowd USING (key)
WHERE (h % 100 = {LATE}) = {{late:UInt8}}
"""

_COLUMNS = {
    "workspace_id": "workspace_id",
    "time": "at",
    "id": "concat('req_', lower(hex(h)))",
    "version": f"toUInt64({REVISION_STEP - 1} - arrived)",
    "status": "code",
    "method": f"{_texts(o.method for o in _OFFERS)}[offer]",
    "path": "replaceOne(replaceOne(template, '{voice_id}', voice), '{agent_id}', concat('agent_', toString(key)))",
    "route": "template",
    "duration_ms": "took",
    "ttfb_ms": f"if(fine AND {_numbers(int(o.streams) for o in _OFFERS)}[offer], toUInt32(least(took, first_ms)), NULL)",
    "user_id": "user_id",
    "api_key_id": "api_key_id",
    "group_ids": "group_ids",
    "product_type": f"{_texts(o.product for o in _OFFERS)}[offer]",
    "model": f"{_texts(o.model for o in _OFFERS)}[offer]",
    "voice_id": "if(spoken_by, voice, '')",
    "request_source": "request_source",
    "region": "region",
    "user_agent": "user_agent",
    "ip": "ip",
    "credits": "if(lookup, NULL, toDecimal64(charge, 6))",
    "error_code": "multiIf(fine, '', throttled, 'rate_limit_exceeded', concat('error_', toString(code)))",
    "characters": "if(speech, chars, NULL)",
    "audio_seconds": "if(fine AND audio > 0, toDecimal64(audio, 6), NULL)",
    "input_tokens": "if(chat, toUInt32(text_tokens), NULL)",
    "output_tokens": "if(chat, toUInt32(if(fine, answer_tokens, 0)), NULL)",
    "cost": "if(lookup, NULL, toDecimal64(charge, 6) / 5000)",
    "currency": "if(lookup, '', 'usd')",
    "surface": "surface",
    "actor": "actor",
    "attributes": "map('customer', concat('customer_', toString(intHash64(h + 1) % customers)))",
}

_TAKES = "1500 + intHash64(h + 2) % 3000"
"""Milliseconds from the end of a request to its arrival."""
_LATER = "exp(8 + 3 * n1 * n1 / (1 + n1 * n1) + 2.2 * abs(n2)) * 1000"
"""The same of a late one: about an hour up to some weeks."""


def _insert(late: bool) -> str:
    delay = _LATER if late else _TAKES
    arrived = f"least({{end:Int64}}, at + took + toInt64({delay})) * 1000 + intHash64(h + 3) % 1000"
    cells = ", ".join(f"{sql} AS {name}_" for name, sql in _COLUMNS.items())
    source = _DRAWN.replace("{late:UInt8}", str(int(late)))
    return f"INSERT INTO requests ({', '.join(_COLUMNS)}) SELECT {cells} FROM (SELECT *, {arrived} AS arrived FROM ({source}))"


INSERT_IN_TIME = _insert(late=False)
INSERT_LATE = _insert(late=True)
INSERT_AGAIN = f"""
INSERT INTO requests
SELECT * REPLACE (version - least(version % 1000000007, version - {REVISION_STEP - 1} + {{end:UInt64}} * 1000) AS version)
FROM requests
WHERE time >= {{first:Int64}} * {{quarter:Int64}} AND time < {{last:Int64}} * {{quarter:Int64}}
  AND cityHash64(id) % 100 = {AGAIN}
"""
"""A second arrival up to 17 minutes after the first."""

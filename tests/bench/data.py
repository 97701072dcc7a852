"""Data of any size, made inside the engine: skewed keys, voices and products, a daily rhythm, slow tails, 1 % repeats."""

from usagedeck.deck import Deck
from usagedeck.times import DAY

_ROWS = """
INSERT INTO requests (workspace_id, time, id, version, status, method, path, route, duration_ms, ttfb_ms, user_id, api_key_id,
  product_type, model, voice_id, credits, characters, cost, currency)
SELECT
  {workspace:String},
  {end:Int64} - toInt64(pow(rand(1) / 4294967296, 1.0) * {days:Int64} * 86400000) AS time,
  concat('req_', hex(sipHash64(number))),
  4503599627370495 - ({end:Int64} * 1000 + number),
  multiIf(rand(2) % 1000 < 965, 200, rand(2) % 1000 < 985, 429, rand(2) % 1000 < 995, 422, 500),
  'POST',
  concat('/v1/', product_type, '/', voice_id),
  concat('/v1/', product_type, '/{id}'),
  toUInt32(80 + 400 * exp(3 * pow(rand(3) / 4294967296, 4))),
  toUInt32(40 + rand(3) % 200),
  concat('user_', toString(cityHash64(api_key_id) % 300)),
  concat('key_', toString(toUInt32(pow(rand(4) / 4294967296, 3) * 900))) AS api_key_id,
  ['TTS', 'STT', 'Conversational AI', 'Sound Effects', 'Voice Changer', 'Music', 'Dubbing']
    [1 + toUInt8(pow(rand(5) / 4294967296, 2) * 7)] AS product_type,
  concat('model_', toString(cityHash64(product_type) % 5)),
  concat('voice_', toString(toUInt32(pow(rand(6) / 4294967296, 4) * 2000))) AS voice_id,
  toDecimal64(rand(7) % 500000, 6) / 1000,
  rand(7) % 3000,
  toDecimal64(rand(7) % 500000, 6) / 1000000,
  'usd'
FROM numbers({first:UInt64}, {rows:UInt64})
"""
_REPEATS = """
INSERT INTO requests SELECT * REPLACE (version - 1 AS version) FROM requests WHERE time >= {start:Int64} AND rand() % 100 = 0
"""
_STEP = 1_000_000


def fill(deck: Deck, workspace_id: str, rows: int, *, end: int, days: int) -> None:
    """Put that many requests of the last days into the workspace, and every hundredth a second time."""
    write = deck.store._writer.command
    for first in range(0, rows, _STEP):
        values = {"workspace": workspace_id, "end": end, "days": days, "first": first, "rows": min(_STEP, rows - first)}
        write(_ROWS, parameters=values)
    write(_REPEATS, parameters={"start": end - days * DAY})

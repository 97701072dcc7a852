"""The tables of the store, written from the catalogue.

Requests and deliveries are `ReplacingMergeTree` tables. A row's identity is its sorting key (workspace, time, id); of
several rows with one identity the highest `version` is the event (see `events.version`), and reads say `FINAL`, so a
repeat is invisible at once and not only after a merge. Both tables are cut by week: identity includes the time, so a
repeat always lands in the week of its original and weeks can be merged, read and dropped on their own.

Times are integers, epoch milliseconds UTC: the engine is never asked about zones.
"""

from collections.abc import Sequence

from usagedeck.catalog.dimensions import WHOSE
from usagedeck.catalog.fields import SIDES, Field, fields
from usagedeck.catalog.kinds import DECIMALS, Beside, Subject, Type
from usagedeck.catalog.rollups import Rollup
from usagedeck.events import REVISION_STEP, version
from usagedeck.times import DAY, SECOND

REVISION = 3
"""Raised with every change that the difference of columns does not express."""

_MERGING = "merge_selector_base = 10"
"""Twice the engine's own: it waits for more parts and so rewrites a row less often (`docs/decisions/0012`)."""

PLACE = f"version % {REVISION_STEP}"
"""Falls with every arrival, whatever the revision."""
_BY_PLACE = f"by_place {PLACE} TYPE minmax GRANULARITY 1"
"""So that the latest arrival is found without reading all of them."""

_NUMBERS = "CODEC(T64, ZSTD(1))"
_TEXTS = "CODEC(ZSTD(1))"
_SEVERAL = "CODEC(ZSTD(3))"
"""Lists and maps of texts: the higher level is also read faster. All as the engine spells them (`docs/decisions/0015`)."""


def column_type(field: Field) -> str:
    """The store's type of a field: absent numbers are NULL, absent texts are empty."""
    if field.type is Type.INT:
        bits = 16 if field.high < 2**16 else 32 if field.high < 2**32 else 64
        return f"Nullable(UInt{bits})"
    if field.type is Type.DECIMAL:
        return f"Nullable(Decimal(18, {DECIMALS}))"
    if field.type is Type.INSTANT:
        return "Int64"
    if field.type is Type.LIST:
        return "Array(LowCardinality(String))"
    if field.type is Type.MAP:
        return "Map(LowCardinality(String), String)"
    return "String" if field.many else "LowCardinality(String)"


def columns(subject: Subject) -> dict[str, str]:
    """Column name → type of the subject's table, in the order of the table."""
    stored = [f for f in fields(subject) if not f.stamped]
    named = {f.name: f for f in stored}
    rest = {f.name: column_type(f) for f in stored if f.name not in ("time", "id")}
    return {
        "workspace_id": "LowCardinality(String)",
        "time": column_type(named["time"]),
        "id": "String",
        "version": "UInt64",
        **rest,
    }


def codec(kind: str) -> str:
    """How a column of that type is packed."""
    if "Int" in kind or "Decimal(18" in kind:
        return _NUMBERS
    return _SEVERAL if kind.startswith(("Array", "Map")) else _TEXTS


def _indexes(subject: Subject) -> dict[str, str]:
    """Definition of every index → the statement that makes it for what is stored already; empty where that can wait for merges.
    Reads with FINAL may use them, since the engine looks at all rows of a key that they find. Without one an answer is the same,
    but later."""
    found = {_BY_PLACE: ""}
    for name in ("id", *(f.name for f in fields(subject) if f.indexed)):
        found[f"by_{name} {name} TYPE bloom_filter(0.01) GRANULARITY 1"] = f"ALTER TABLE {subject} MATERIALIZE INDEX by_{name}"
    return found


def create_table(subject: Subject) -> str:
    """DDL of the subject's table."""
    listed = [f"{name} {kind} {codec(kind)}" for name, kind in columns(subject).items()]
    listed += [f"INDEX {index}" for index in _indexes(subject)]
    return (
        f"CREATE TABLE IF NOT EXISTS {subject} ({', '.join(listed)}) "
        "ENGINE = ReplacingMergeTree(version) "
        "PARTITION BY toMonday(toDateTime(intDiv(time, 1000), 'UTC')) "
        "ORDER BY (workspace_id, time, id) "
        f"SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, {_MERGING}"
    )


def create_rollup(rollup: Rollup) -> str:
    """DDL of a rollup's table: what its columns and measures are over each quarter-hour (`zone` empty) or each day of a zone."""
    kinds = columns(rollup.of)
    listed = [
        f"seal UInt64 {_TEXTS}",
        f"workspace_id LowCardinality(String) {_TEXTS}",
        f"zone LowCardinality(String) {_TEXTS}",
        "time Int64 CODEC(Delta, ZSTD(1))",
        *(f"{name} {kinds[name]} {_TEXTS}" for name in rollup.columns),
        *(f"{m.name} {m.stored} {codec(m.stored)}" for m in rollup.measures),
    ]
    sorted_by = ["workspace_id", "zone", "time", *(name for name in rollup.columns if "Nullable" not in kinds[name])]
    return (
        f"CREATE TABLE IF NOT EXISTS {rollup.table} ({', '.join(listed)}) "
        "ENGINE = MergeTree "
        "PARTITION BY toStartOfMonth(toDateTime(intDiv(time, 1000), 'UTC')) "
        f"ORDER BY ({', '.join(sorted_by)}) "
        "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
    )


CREATE_ABOUT = (
    "CREATE TABLE IF NOT EXISTS about (key String, value String, at UInt64) ENGINE = ReplacingMergeTree(at) ORDER BY key"
)
"""What the store knows of itself: the revision of its schema."""


CREATE_SEALS = (
    (
        "CREATE TABLE IF NOT EXISTS seals (number UInt64, rollup String, zone String, workspace_id String, "
        "start Int64, end Int64, as_of UInt64) ENGINE = MergeTree ORDER BY number "
        "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
    ),
    (
        "CREATE TABLE IF NOT EXISTS touches (workspace_id String, quarter Int64, moment UInt64) "
        "ENGINE = ReplacingMergeTree(moment) ORDER BY (workspace_id, quarter) "
        "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
    ),
    (
        "CREATE TABLE IF NOT EXISTS placed (workspace_id String, zone String, moment UInt64) "
        "ENGINE = ReplacingMergeTree(moment) ORDER BY workspace_id "
        "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
    ),
    (
        "CREATE TABLE IF NOT EXISTS floors (workspace_id String, floor Int64) "
        "ENGINE = ReplacingMergeTree(floor) ORDER BY workspace_id "
        "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
    ),
    "ALTER TABLE floors ADD COLUMN IF NOT EXISTS rollups Int64 DEFAULT floor",
    "ALTER TABLE floors ADD COLUMN IF NOT EXISTS exchanges Int64",
)
"""What is sealed, what was touched since, since when a workspace has its zone, and from when on its events (`floor`), its rollups
and its exchanges are kept: of several floors the highest count (see `floors`). A store that knew one floor had it for its rollups
too."""


COLUMNS_OF = (
    "SELECT name, type, compression_codec FROM system.columns WHERE database = currentDatabase() AND table = {table:String}"
)
MADE_BY = "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = {table:String}"
"""What a table is: its columns, and the statement that would make it."""


LAST_WRITTEN = (
    "SELECT toUnixTimestamp(max(modification_time)) FROM system.parts WHERE active AND database = currentDatabase() "
    f"AND table IN ({', '.join(repr(subject.value) for subject in Subject)})"
)


LATELY = (1, 8, 60, 100_000)
"""Days before the latest write in which the latest arrival is looked for: the last of them are all there are."""


def lowest_place(written: int, days: int) -> str:
    """Asks for the lowest place of all that arrived less than that many days before a second of the epoch, or later; NULL without
    any."""
    since = max(0, written - days * DAY // SECOND) * 1_000_000
    texts = (f"SELECT minOrNull({PLACE}) AS lowest FROM {s} WHERE {PLACE} <= {version(since)}" for s in Subject)
    return f"SELECT min(lowest) FROM ({' UNION ALL '.join(texts)})"


CREATE_ERASED = (
    (
        "CREATE TABLE IF NOT EXISTS erased (workspace_id String, kind String, digest String, begun Int64, finished Int64, "
        "requests UInt64, deliveries UInt64, copies UInt64, rollup_rows UInt64, names UInt64, step UInt64) "
        "ENGINE = ReplacingMergeTree(step) ORDER BY (workspace_id, kind, digest) "
        "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
    ),
    "ALTER TABLE erased ADD COLUMN IF NOT EXISTS exchanges UInt64",
)
"""Who was erased, by keyed hashes, and what that took: of several rows of one the one with the highest step counts (see
`store.erased`)."""


def create_exchanges() -> str:
    """DDL of the headers and bodies of events. An event finds its own by its place in the order of arrival, so repeats need not
    be told apart. By days, since they are kept for a few."""
    few, text = "LowCardinality(String)", "String"
    kinds = {"workspace_id": few, "subject": few, "time": "Int64", "id": text, "version": "UInt64", **dict.fromkeys(WHOSE, text)}
    listed = [f"{name} {kind} {codec(kind)}" for name, kind in kinds.items()] + [f"{side} {text} {_SEVERAL}" for side in SIDES]
    return (
        f"CREATE TABLE IF NOT EXISTS {Beside.EXCHANGES} ({', '.join(listed)}) "
        "ENGINE = MergeTree "
        "PARTITION BY toDate(toDateTime(intDiv(time, 1000), 'UTC')) "
        "ORDER BY (workspace_id, subject, time, id) "
        "SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 1024"
    )


def changes(subject: Subject, present: Sequence[tuple[str, str, str]], made: str) -> list[str]:
    """DDL that brings an older table, whose columns are (name, type, codec), to today's columns, indexes and settings. `made` is
    the statement that would make it as it is. Each statement may be the last one before a crash. A new codec or index holds for
    what is written from then on, merges included.

    Raises `ValueError` when a column's type has changed.
    """
    have = {name: (kind, packed) for name, kind, packed in present}
    statements, packed_anew = [], []
    for name, kind in columns(subject).items():
        if name not in have:
            statements.append(f"ALTER TABLE {subject} ADD COLUMN IF NOT EXISTS {name} {kind} {codec(kind)}")
        elif have[name][0] != kind:
            raise ValueError(f"column {subject}.{name} is {have[name][0]} and should be {kind}")
        elif have[name][1] != codec(kind):
            packed_anew.append(f"MODIFY COLUMN {name} {codec(kind)}")
    if packed_anew:
        statements.append(f"ALTER TABLE {subject} {', '.join(packed_anew)}")
    for index, filled in _indexes(subject).items():
        if f"INDEX {index}" not in made:
            statements.append(f"ALTER TABLE {subject} ADD INDEX IF NOT EXISTS {index}")
            statements += [filled] if filled else []
    if _MERGING not in made:
        statements.append(f"ALTER TABLE {subject} MODIFY SETTING {_MERGING}")
    return statements

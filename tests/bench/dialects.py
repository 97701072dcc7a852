"""The compared questions in other engines' words, written by hand the way one would write them there.

Buckets are handed over as numbers, so that nobody has to know the zones; rows that are there twice were left out of what the
others loaded, which a unique key would have done for them. Requests of these data always have a duration.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.questions import LOG_COLUMNS, Log, Question, Usage
from usagedeck.times import DAY
from usagedeck.windows import Buckets

LEVELS = {"latency_p50": 0.5, "latency_p95": 0.95, "latency_p99": 0.99}

_OK = "(status = 101 OR status BETWEEN 200 AND 399)"
_PLAIN = {
    "requests": "count(*)",
    "credits": "sum(coalesce(credits, 0))",
    "errors": f"sum(CASE WHEN status IS NOT NULL AND NOT {_OK} THEN 1 ELSE 0 END)",
    "success_rate": f"avg(CASE WHEN {_OK} THEN 1.0 ELSE 0.0 END)",
    "latency_avg": "avg(duration_ms)",
}


@dataclass(frozen=True)
class Dialect:
    """How an engine spells what differs."""

    table: str = "requests"
    divide: str = "{} / {}"
    least: str = "least"
    greatest: str = "greatest"
    quantile: str = ""
    """Exact, linear between neighbours; empty where there is none and ranks have to do."""
    tail: str = ""
    materialized: str = "AS MATERIALIZED"


ENGINE = Dialect(
    table="requests FINAL",
    divide="intDiv({}, {})",
    quantile="quantileExactInclusive({level})({column})",
    tail=" SETTINGS do_not_merge_across_partitions_select_final = 1, enable_materialized_cte = 1",
)
DUCKDB = Dialect(divide="({}) // {}", quantile="quantile_cont({column}, {level})")
POSTGRES = Dialect(divide="({}) / {}", quantile="percentile_cont({level}) WITHIN GROUP (ORDER BY {column})")
SQLITE = Dialect(divide="({}) / {}", least="min", greatest="max")


def written(question: Question, turn: int, ids: Sequence[str], how: Dialect) -> str:
    """The SQL of one asking."""
    if isinstance(question, Log):
        return _page(question, turn, ids, how) + how.tail
    if question.metrics == ("concurrency",):
        return (_intersections if how is ENGINE else _sweep)(question, turn, how) + how.tail
    if question.top and question.metrics == ("credits",):
        return _top(question, turn, how) + how.tail
    if not how.quantile and LEVELS.keys() & set(question.metrics):
        return _ranked(question, turn, how) + how.tail
    return _grouped(question, turn, how) + how.tail


# --- usage --------------------------------------------------------------------------------------------------------


def _where(question: Usage, turn: int, *, active: bool = False) -> str:
    window = question.query(turn).selection.window
    start = window.start - DAY if active else window.start
    found = [f"workspace_id = '{question.workspace}'", f"time >= {start}", f"time < {window.end}"]
    for text in question.filters:
        name, _, value = text.split(":")
        found.append(f"{name} = '{value}'")
    return " AND ".join(found)


def _bucket(buckets: Buckets, column: str, how: Dialect) -> str:
    """The first instant of a row's bucket: plain arithmetic within each run of equally long buckets."""
    if len(buckets) == 1:
        return str(buckets.starts[0])
    cases = []
    for first, step in zip(*buckets.runs(), strict=True):
        quotient = how.divide.format(f"{column} - {first}", step)
        cases.append((first, f"{first} + {quotient} * {step}"))
    if len(cases) == 1:
        return cases[0][1]
    whens = " ".join(f"WHEN {column} >= {first} THEN {value}" for first, value in reversed(cases))
    return f"CASE {whens} END"


def _metric(name: str, how: Dialect) -> str:
    if name in LEVELS:
        return how.quantile.format(level=LEVELS[name], column="duration_ms")
    return _PLAIN[name]


def _grouped(question: Usage, turn: int, how: Dialect) -> str:
    bucket = _bucket(question.query(turn).buckets, "time", how)
    keys = ", ".join(["bucket", *question.by])
    columns = ", ".join([f"{bucket} AS bucket", *question.by, *(_metric(m, how) for m in question.metrics)])
    return f"SELECT {columns} FROM {how.table} WHERE {_where(question, turn)} GROUP BY {keys} ORDER BY {keys}"


def _top(question: Usage, turn: int, how: Dialect) -> str:
    """One pass over the rows; the largest series are found in its result."""
    (by,) = question.by
    bucket = _bucket(question.query(turn).buckets, "time", how)
    return (
        f"WITH g {how.materialized} (SELECT {bucket} AS bucket, {by} AS d, sum(coalesce(credits, 0)) AS c FROM {how.table} "
        f"WHERE {_where(question, turn)} GROUP BY bucket, d), "
        f"best {how.materialized} (SELECT d FROM g GROUP BY d ORDER BY sum(c) DESC, d LIMIT {question.top}) "
        "SELECT bucket, CASE WHEN d IN (SELECT d FROM best) THEN d ELSE '' END AS series, "
        "CASE WHEN d IN (SELECT d FROM best) THEN 0 ELSE 1 END AS other, sum(c) "
        "FROM g GROUP BY bucket, series, other ORDER BY bucket, other, series"
    )


def _ranked(question: Usage, turn: int, how: Dialect) -> str:
    """Exact quantiles from ranks, for an engine that has none."""
    bucket = _bucket(question.query(turn).buckets, "time", how)
    keys = ", ".join(["bucket", *question.by])
    columns = []
    for name in question.metrics:
        if name not in LEVELS:
            columns.append(_PLAIN[name])
            continue
        place = f"({LEVELS[name]} * (n - 1))"
        low = f"CAST({place} AS INTEGER)"
        columns.append(
            f"sum(CASE WHEN rank = {low} THEN duration_ms * (1 - ({place} - {low})) "
            f"WHEN rank = {low} + 1 THEN duration_ms * ({place} - {low}) ELSE 0 END)"
        )
    return (
        f"WITH rows AS (SELECT {bucket} AS bucket, method, route, status, duration_ms FROM {how.table} "
        f"WHERE {_where(question, turn)}), ranks AS (SELECT *, row_number() OVER (PARTITION BY {keys} ORDER BY duration_ms) - 1 "
        f"AS rank, count(*) OVER (PARTITION BY {keys}) AS n FROM rows) "
        f"SELECT {keys}, {', '.join(columns)} FROM ranks GROUP BY {keys} ORDER BY {keys}"
    )


def _sweep(question: Usage, turn: int, how: Dialect) -> str:
    """Beginnings and ends in order of time, ends first, with a look at every bucket's first instant in between."""
    query = question.query(turn)
    window, buckets = query.selection.window, query.buckets
    starts = ", ".join(f"({start}, 0)" for start in buckets.starts)
    return (
        f"WITH active {how.materialized} (SELECT {how.greatest}(time, {window.start}) AS s, "
        f"{how.least}(time + duration_ms, {window.end}) AS e FROM {how.table} "
        f"WHERE {_where(question, turn, active=True)} AND duration_ms > 0 AND time + duration_ms > {window.start}), "
        f"points AS (SELECT s AS t, 1 AS d FROM active UNION ALL SELECT e, -1 FROM active UNION ALL "
        f"SELECT * FROM (VALUES {starts}) AS firsts), "
        "run AS (SELECT t, sum(d) OVER (ORDER BY t, d ROWS UNBOUNDED PRECEDING) AS n FROM points) "
        f"SELECT {_bucket(buckets, 't', how)} AS bucket, max(n) FROM run "
        f"WHERE t >= {window.start} AND t < {window.end} GROUP BY bucket ORDER BY bucket"
    )


def _intersections(question: Usage, turn: int, how: Dialect) -> str:
    """The engine has an aggregate for it; a request that spans hours is cut at their edges."""
    query = question.query(turn)
    window = query.selection.window
    (first,), (step,) = query.buckets.runs()
    return (
        f"SELECT bucket, maxIntersections(greatest(s, bucket), least(e, toInt64(bucket + {step}))) FROM ("
        f"SELECT s, e, toInt64({first} + {step} * arrayJoin(range("
        f"toUInt64(intDiv(s - {first}, {step})), toUInt64(intDiv(e - 1 - {first}, {step})) + 1))) AS bucket FROM ("
        f"SELECT toInt64(greatest(time, {window.start})) AS s, toInt64(least(time + duration_ms, {window.end})) AS e "
        f"FROM {how.table} WHERE {_where(question, turn, active=True)} AND duration_ms > 0 "
        f"AND time + duration_ms > {window.start})) GROUP BY bucket ORDER BY bucket"
    )


# --- the log ------------------------------------------------------------------------------------------------------


def _page(question: Log, turn: int, ids: Sequence[str], how: Dialect) -> str:
    window = question.window(turn)
    where = f"workspace_id = '{question.workspace}' AND time >= {window.start} AND time < {window.end}"
    if question.deeper:
        where += f" AND time < {question.below(turn)}"
    if question.by_id:
        where += f" AND id = '{ids[turn % len(ids)]}'"
    columns = ", ".join(("id", *LOG_COLUMNS))
    return f"SELECT {columns} FROM {how.table} WHERE {where} ORDER BY time DESC, id DESC LIMIT 100"


def export(workspace: str, start: int, end: int, how: Dialect) -> str:
    """All rows of a stretch with the log's own columns, newest first."""
    columns = ", ".join(("id", *LOG_COLUMNS))
    return (
        f"SELECT {columns} FROM {how.table} WHERE workspace_id = '{workspace}' AND time >= {start} AND time < {end} "
        "ORDER BY time DESC, id DESC"
    )

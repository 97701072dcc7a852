"""Whatever is asked, the answer is an answer: right, or a refusal that names what is wrong. Never a crash."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.web.conftest import Place
from tests.web.test_problems import problem
from tests.wire.strict import check_detail, check_invalid, check_series, check_table
from tests.wire.town import END, START, build_town
from usagedeck.catalog.dimensions import DIMENSIONS
from usagedeck.catalog.fields import FIELDS
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.filters import Op
from usagedeck.times import DAY
from usagedeck.web.elevenlabs.wire import log_columns, usage_columns
from usagedeck.windows import UNITS

few = settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def asker(place: Place) -> Iterator[httpx2.Client]:
    with place.client(build_town(place.deck).everything) as client:
        yield client


# --- our own API --------------------------------------------------------------------------------------------------

TEXT = st.text(max_size=20)
STRANGE = st.sampled_from(["", "0", "-1", "null", "NaN", "1e400", "\0", "é", "🎙️", "%", "\\", ",", ":", "' OR 1=1", "a" * 300])
ZONES = st.sampled_from(["UTC", "America/New_York", "Africa/Cairo", "Asia/Kathmandu", "Pacific/Apia", "Antarctica/Troll"])
INSTANTS = st.one_of(
    st.integers(-(10**14), 4 * 10**14).map(str),
    st.integers(START - DAY, END + DAY).map(str),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.datetimes().map(lambda moment: moment.isoformat() + "+14:00"),
)
RANGES = st.one_of(
    st.sampled_from(["1h", "30d", "12mo", "month", "last-month", "year", "billing", "2026-11", "2026", "..", "2026-11-01.."]),
    st.from_regex(r"[0-9]{1,5}(h|d|mo)", fullmatch=True),
    st.from_regex(r"billing-[0-9]{1,4}", fullmatch=True),
    st.from_regex(r"[0-9]{4}(-[0-9]{2})?(\.\.([0-9]{4}-[0-9]{2}-[0-9]{2})?)?", fullmatch=True),
)
NAMES = st.one_of(st.sampled_from([*DIMENSIONS, "attributes.team", "attributes."]), TEXT, STRANGE)
VALUES = st.lists(st.one_of(TEXT, STRANGE, INSTANTS, st.sampled_from(["TTS", "200", "true", "u-ada", "1.5"])), max_size=3)
FILTERS = st.tuples(NAMES, st.one_of(st.sampled_from(list(Op)), STRANGE), VALUES.map(",".join)).map(":".join)
INTERVALS = st.one_of(st.sampled_from([*UNITS, "month", "year", "total"]), st.integers(0, 10**10).map(lambda n: f"{n}s"), STRANGE)


def maybe(**strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=strategies)


SHARED: dict[str, st.SearchStrategy[Any]] = {
    "start": INSTANTS,
    "end": INSTANTS,
    "range": RANGES,
    "time_zone": st.one_of(ZONES, STRANGE),
    "filter": st.lists(FILTERS, max_size=3),
    "search": st.one_of(TEXT, STRANGE, st.sampled_from(["rachel", "speech to"])),
    "scope": st.sampled_from(["account", "workspace", "world"]),
    "as_of": INSTANTS,
}
QUESTIONS = st.one_of(
    st.tuples(
        st.sampled_from(["usage", "usage.csv"]),
        maybe(
            **SHARED,
            metric=st.lists(st.one_of(st.sampled_from(list(METRICS)), STRANGE), min_size=1, max_size=3),
            by=st.lists(NAMES, max_size=3),
            interval=INTERVALS,
            cumulative=st.sampled_from(["true", "false", "x"]),
            top=st.one_of(st.integers(-1, 1002), STRANGE),
        ),
    ),
    st.tuples(
        st.sampled_from(["requests", "deliveries", "requests.csv", "deliveries.csv"]),
        maybe(
            **SHARED,
            columns=st.lists(st.one_of(st.sampled_from([f.name for f in FIELDS]), NAMES), max_size=4),
            order=st.sampled_from(["asc", "desc", "up"]),
            cursor=st.one_of(TEXT, STRANGE),
            limit=st.one_of(st.integers(-1, 1002), STRANGE),
            per=st.sampled_from(["attempts", "deliveries", "both"]),
        ),
    ),
    st.tuples(
        NAMES.map(lambda name: "values/" + quote(name, safe="")),
        maybe(**SHARED, q=st.one_of(TEXT, STRANGE), limit=st.integers(-1, 1002), of=st.sampled_from(list(Subject))),
    ),
)


@few
@given(QUESTIONS)
def test_our_own_questions(asker: httpx2.Client, question: tuple[str, dict[str, Any]]) -> None:
    path, params = question
    if path == "usage.csv":
        params["interval"] = "week"  # centuries of seconds as CSV are answered, but nobody waits for them here
    answer = asker.get(f"/api/v1/{path}", params=params)
    if answer.status_code != 200:
        assert answer.status_code in (400, 404), answer.text
        problem(answer, answer.status_code)
    elif not path.endswith(".csv"):
        body = answer.json()
        assert all(len(row) == len(body["columns"]) for row in body["rows"])


# --- the other door -----------------------------------------------------------------------------------------------

NUMBERS = st.one_of(st.integers(-(10**20), 10**20), st.floats(allow_nan=False, allow_infinity=False))
JSON_VALUES = st.one_of(st.none(), st.booleans(), NUMBERS, TEXT, STRANGE, INSTANTS)
COLUMNS = st.one_of(st.sampled_from([*usage_columns(), *log_columns(), "user_label", "voice_name"]), STRANGE)
WIRE_FILTERS = st.lists(
    st.fixed_dictionaries(
        {
            "column": COLUMNS,
            "operation": st.sampled_from(["eq", "neq", "in", "not_in", "lt", "le", "gt", "ge", "like"]),
            "values": st.lists(JSON_VALUES, max_size=3),
        }
    ),
    max_size=3,
)
MOMENTS = st.one_of(st.integers(START - 40 * DAY, END), st.integers(-(10**15), 10**15), st.none(), st.just("soon"))
BODY: dict[str, st.SearchStrategy[Any]] = {
    "start_time": MOMENTS,
    "end_time": MOMENTS,
    "filters": st.one_of(WIRE_FILTERS, st.none(), TEXT),
}
SECONDS = st.one_of(st.sampled_from([1, 60, 3600, 86_400, 604_800]), st.integers(-1, 10**20))
CALLS = st.one_of(
    st.tuples(
        st.just("query/usage-by-product-over-time"),
        maybe(
            **BODY,
            interval_seconds=SECONDS,
            group_by=st.lists(st.sampled_from([*usage_columns(), "x"]), max_size=4),
            time_zone=st.one_of(ZONES, STRANGE, st.none()),
        ),
    ),
    st.tuples(
        st.just("usage"),
        maybe(**BODY, interval_seconds=SECONDS, group_by=st.lists(st.sampled_from([*usage_columns(), "x"]), max_size=4)),
    ),
    st.tuples(
        st.just("requests"),
        maybe(
            **BODY,
            limit=st.integers(-1, 1002),
            sort=st.sampled_from(["asc", "desc", "up", None]),
            search=st.one_of(TEXT, STRANGE),
        ),
    ),
)


@few
@given(CALLS)
def test_the_calls_of_the_sdk(asker: httpx2.Client, call: tuple[str, dict[str, Any]]) -> None:
    path, body = call
    answer = asker.post(f"/v1/workspace/analytics/{path}", json=body)
    checked(answer)
    if answer.status_code == 200:
        check_table(answer.json())


@few
@given(
    maybe(
        start_unix=MOMENTS,
        end_unix=MOMENTS,
        metric=st.sampled_from(["credits", "concurrency", "ttfb_p95", "joy"]),
        breakdown_type=st.sampled_from(["none", "voice", "groups", "has_api_key", "x"]),
        aggregation_interval=st.sampled_from(["hour", "day", "week", "month", "cumulative", "x"]),
        aggregation_bucket_size=SECONDS,
        include_workspace_metrics=st.sampled_from(["true", "false", "x"]),
    )
)
def test_character_stats(asker: httpx2.Client, params: dict[str, Any]) -> None:
    answer = asker.get("/v1/usage/character-stats", params={k: v for k, v in params.items() if v is not None})
    checked(answer)
    if answer.status_code == 200:
        check_series(answer.json())


def checked(answer: httpx2.Response) -> None:
    assert answer.status_code in (200, 400, 422), answer.text
    if answer.status_code == 422:
        check_invalid(answer.json())
    if answer.status_code == 400:
        check_detail(answer.json(), answer.headers["x-trace-id"])

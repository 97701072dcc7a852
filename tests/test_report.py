"""Answers as people get them: columns, empty buckets, display names, menus, pages of the log, freshness."""

from dataclasses import replace
from decimal import Decimal
from typing import Any, NoReturn

import pytest

from tests.house import NOON, House, StillClock, build_house
from usagedeck import admin, listing, report
from usagedeck.access import Permission, View
from usagedeck.catalog.dimensions import Label, dimension, log_field
from usagedeck.catalog.fields import fields
from usagedeck.catalog.kinds import Subject
from usagedeck.catalog.metrics import METRICS
from usagedeck.errors import NotAllowed, TooLarge
from usagedeck.filters import Filter, parse_search
from usagedeck.query import Cursor, Direction, LogQuery, Query, Selection
from usagedeck.sql import Statement
from usagedeck.store.answers import Answers
from usagedeck.store.changes import Span
from usagedeck.store.clickhouse import Store
from usagedeck.table import Table
from usagedeck.times import DAY, HOUR, zone
from usagedeck.windows import Interval, Window

BEGIN = NOON - 12 * HOUR
WINDOW = Window(BEGIN, BEGIN + 3 * DAY, zone("UTC"))
REQUESTS = Selection(Subject.REQUESTS, WINDOW)


def query(*metrics: str, by: tuple[str, ...] = (), interval: str = "day", of: Selection = REQUESTS, **more: Any) -> Query:
    return Query(of, tuple(METRICS[m] for m in metrics), Interval.parse(interval), tuple(map(dimension, by)), **more)


def ask(house: House, question: Query, **more: Any) -> Table:
    return report.usage(house.deck, house.who, None, question, **more).table.read()


def rows(house: House, question: Query, **more: Any) -> list[list[Any]]:
    return [list(row) for row in ask(house, question, **more).rows]


def with_limit(house: House, limit: int | None) -> House:
    """The same house, whose workspace has that limit of concurrent requests."""
    return replace(house, who=replace(house.who, workspace=replace(house.who.workspace, concurrency_limit=limit)))


def send(house: House, *events: dict[str, Any]) -> None:
    sent = [{"id": f"e{n}", "time": NOON, "credits": "1", **event} for n, event in enumerate(events)]
    assert house.send(sent).rejected == ()


# --- usage --------------------------------------------------------------------------------------------------------


def test_columns_say_type_unit_and_title(house: House) -> None:
    found = ask(house, query("credits", "cost", "success_rate", by=("model", "group_id", "success")))
    assert [(c.name, c.type, c.unit) for c in found.columns] == [
        ("bucket_start", "DateTime", None),
        ("bucket_end", "DateTime", None),
        ("model", "String", None),
        ("model_label", "String", None),
        ("group_id", "String", None),
        ("group_id_label", "String", None),
        ("success", "Bool", None),
        ("success_label", "String", None),
        ("credits", "Decimal", "credits"),
        ("cost", "Decimal", "usd"),
        ("success_rate", "Float", "ratio"),
    ]
    assert all(c.title for c in found.columns)
    topped = ask(house, query("credits", by=("model",), top=1))
    assert [c.name for c in topped.columns][4:] == ["is_other", "credits"]


def test_money_is_in_the_workspaces_currency(house: House) -> None:
    euro = build_house(house.deck, "euro", currency="eur")
    send(euro, {"cost": "1.5"})
    found = ask(euro, query("cost", interval="total"))
    assert (found.columns[-1].unit, next(iter(found.rows))[-1]) == ("eur", Decimal("1.5"))


@pytest.mark.parametrize("sent", [False, True])
def test_buckets_without_events_are_there_and_say_what_nothing_is(house: House, sent: bool) -> None:
    """Sums and peaks of nothing are 0, and it is never above a limit; averages, rates and percentiles of nothing are absent."""
    names = tuple(name for name, m in METRICS.items() if m.of is Subject.REQUESTS)
    house = with_limit(house, 1)
    if sent:
        send(house, {"status": 200, "duration_ms": 10, "ttfb_ms": 5})
    found = rows(house, query(*names), now=WINDOW.end)
    assert [row[:2] for row in found] == [[BEGIN + n * DAY, BEGIN + (n + 1) * DAY] for n in range(3)]
    for row in found[1:]:
        for name, value in zip(names, row[2:], strict=True):
            zero = METRICS[name].additive or name.startswith("concurrency")
            assert (value == 0) if zero else (value is None), name


ABOVE: tuple[tuple[str, int, list[tuple[int, int | None]], int], ...] = (
    ("as many as the limit are not above it", 2, [(0, 1000), (0, 1000)], 0),
    ("the third is", 2, [(0, 1000), (0, 1000), (400, 300)], 300),
    ("what ends at an instant ends before what begins then", 1, [(0, 500), (500, 500)], 0),
    ("… whichever of them was there before", 1, [(0, 500), (500, 500), (0, 1)], 1),
    ("stretches that meet are one", 1, [(0, 1000), (100, 100), (200, 100)], 200),
    ("stretches that overlap count once", 1, [(0, 1000), (100, 400), (300, 400)], 600),
    ("equal ones", 2, [(7, 5)] * 9, 5),
    ("without a length it is never active", 1, [(0, 1000), (500, 0)], 0),
    ("nor without a duration", 1, [(0, 1000), (500, None)], 0),
    ("both sides of noon", 1, [(-2000, 5000), (-500, 1000)], 1000),
    ("begun long before the hour", 1, [(-4 * HOUR, 5 * HOUR), (-4 * HOUR, 4 * HOUR + 90)], 4 * HOUR + 90),
)


@pytest.mark.parametrize(("why", "limit", "active", "above"), ABOVE, ids=[case[0] for case in ABOVE])
def test_time_above_the_limit(house: House, why: str, limit: int, active: list[tuple[int, int | None]], above: int) -> None:
    """Of the day, and piece by piece of any interval."""
    send(house, *({"time": NOON + begin, **({} if took is None else {"duration_ms": took})} for begin, took in active))
    day = Selection(Subject.REQUESTS, Window(BEGIN, BEGIN + DAY, zone("UTC")))
    for interval, length in (("total", DAY), ("hour", HOUR), ("7s", 7000), ("3600s", HOUR)):
        found = rows(with_limit(house, limit), query("concurrency_over_limit", interval=interval, of=day), now=WINDOW.end)
        assert round(sum(row[-1] * length for row in found)) == above, (why, interval)
    assert rows(with_limit(house, len(active)), query("concurrency_over_limit", interval="total", of=day))[0][-1] == 0


def test_without_a_limit_there_is_no_time_above_it_and_nothing_is_read(house: House) -> None:
    send(house, {"model": "a", "duration_ms": 1000}, {"model": "b", "duration_ms": 500})
    assert house.who.workspace.concurrency_limit is None
    mixed = rows(house, query("concurrency_over_limit", "concurrency", by=("model",), top=1), now=WINDOW.end)
    assert [row[2:] for row in mixed] == [["a", "a", False, None, 1], [None, "Other (1)", True, None, 1]]
    deaf = replace(house, deck=replace(house.deck, answers=Unread()))
    answer = report.usage(deaf.deck, deaf.who, None, query("concurrency_over_limit"))
    assert [row[2:] for row in answer.table.rows] == [[None]] * 3
    assert answer.route == "no limit is set"
    assert rows(deaf, query("concurrency_over_limit", by=("model",))) == []
    with pytest.raises(AssertionError, match="nothing was to be read"):
        rows(with_limit(deaf, 1), query("concurrency_over_limit"))


class Unread(Answers):
    """Nobody may ask through it."""

    def __init__(self) -> None:
        pass

    def run(self, statement: Statement, _span: Span) -> NoReturn:
        raise AssertionError(f"nothing was to be read: {statement.text}")


def test_a_breakdown_has_the_series_that_have_events_absent_ones_last(house: House) -> None:
    send(house, {"model": "b"}, {}, {"model": "a", "time": NOON + DAY - 200 * HOUR}, {"model": "a"}, {"model": ""})
    assert [row[2:] for row in rows(house, query("requests", by=("model",)))] == [
        ["a", "a", 1],
        ["b", "b", 1],
        [None, "No model", 2],
    ]


def test_display_names(house: House) -> None:
    for kind, names in (
        (Label.VOICE, {"v1": "Rachel"}),
        (Label.GROUP, {"g1": "Group one"}),
        (Label.RESOURCE, {"v1": "not a voice"}),
    ):
        house.do(admin.SetLabels(workspace=house.workspace_id, kind=kind, names=names))
    other = build_house(house.deck, "other")
    other.do(admin.SetLabels(workspace=other.workspace_id, kind=Label.VOICE, names={"v2": "another's voice"}))
    send(house, {"voice_id": "v1", "group_ids": ["g1", "g2"]}, {"voice_id": "v2"}, {})

    def labels(name: str) -> list[list[Any]]:
        return [row[2:4] for row in rows(house, query("requests", by=(name,), interval="total"))]

    assert labels("voice_id") == [["v1", "Rachel"], ["v2", "v2"], [None, "No voice"]]
    assert labels("group_id") == [["g1", "Group one"], ["g2", "g2"], [None, "No group"]]
    assert labels("has_api_key") == [[False, "false"]]
    assert labels("success") == [[None, "No status"]]
    assert labels("workspace_id") == [[house.workspace_id, "acme"]]


def test_numbers_as_series_are_labelled_plainly(house: House) -> None:
    send(house, {"status": 200, "voice_multiplier": "1.50"}, {"status": 0, "voice_multiplier": "100"})
    found = rows(house, query("requests", by=("status", "status_class"), interval="total"))
    assert [row[2:6] for row in found] == [[0, "0", "no answer", "no answer"], [200, "200", "2xx", "2xx"]]
    found = rows(house, query("requests", by=("voice_multiplier",), interval="total"))
    assert [row[2:4] for row in found] == [[Decimal("1.5"), "1.5"], [Decimal(100), "100"]]


def test_the_first_metric_ranks_and_other_says_how_many_it_holds(house: House) -> None:
    send(
        house,
        *({"model": "many and cheap", "credits": "0"} for _ in range(5)),
        {"model": "dear", "credits": "100"},
        {"model": "b", "credits": "1"},
        {"model": "a", "credits": "1"},
    )
    by_credits = rows(house, query("credits", "requests", by=("model",), interval="total", top=2))
    assert [row[2:] for row in by_credits] == [
        ["a", "a", False, Decimal(1), 1],  # ties by value
        ["dear", "dear", False, Decimal(100), 1],
        [None, "Other (2)", True, Decimal(1), 6],
    ]
    by_rows = rows(house, query("success_rate", "requests", by=("model",), interval="total", top=1))
    assert [row[2] for row in by_rows] == ["many and cheap", None]
    everything = rows(house, query("credits", by=("model",), interval="total", top=4))
    assert not any(row[4] for row in everything), "without others there is no Other"


def test_running_sums_of_many_series_are_capped_too(house: House) -> None:
    send(house, *({"model": f"m{n}", "time": BEGIN} for n in range(10)))
    hours: dict[str, Any] = {"by": ("model",), "interval": "hour", "cumulative": True}
    assert len(rows(house, query("requests", **hours, row_cap=720))) == 720
    with pytest.raises(TooLarge, match="more than 719 rows; keep the top series"):
        rows(house, query("requests", **hours, row_cap=719))
    assert len(rows(house, query("requests", **hours), stream=True)) == 720


def test_freshness_is_the_clock_before_the_question(house: House, clock: StillClock) -> None:
    clock.now = NOON + 5
    selection = Selection(Subject.REQUESTS, WINDOW)
    columns = fields(Subject.REQUESTS)
    for answer in (
        report.usage(house.deck, house.who, None, query("requests"), now=NOON - DAY),
        report.values(house.deck, house.who, None, dimension("model"), selection),
        listing.log(house.deck, house.who, None, LogQuery(selection, columns)),
    ):
        assert answer.about.complete_through == NOON + 5


# --- menus --------------------------------------------------------------------------------------------------------


def menu(house: House, name: str, **more: Any) -> list[list[Any]]:
    answer = report.values(house.deck, house.who, None, dimension(name), REQUESTS, **more)
    return [list(row) for row in answer.table.rows]


def test_menus_list_values_by_frequency_then_by_value(house: House) -> None:
    house.do(admin.SetLabels(workspace=house.workspace_id, kind=Label.VOICE, names={"v1": "Rachel", "v2": "Zoë"}))
    send(house, {"voice_id": "v3"}, {"voice_id": "v2"}, {"voice_id": "v3"}, {"voice_id": "v1"}, {})
    assert menu(house, "voice_id") == [
        ["v3", "v3", 2],
        [None, "No voice", 1],
        ["v1", "Rachel", 1],
        ["v2", "Zoë", 1],
    ]
    assert menu(house, "voice_id", limit=1) == [["v3", "v3", 2]]
    assert menu(house, "voice_id", search="RACH") == [["v1", "Rachel", 1]], "by display name"
    assert menu(house, "voice_id", search="V") == [["v3", "v3", 2], ["v1", "Rachel", 1], ["v2", "Zoë", 1]]
    assert menu(house, "voice_id", search="%") == []


def test_values_of_menus_can_be_filtered_by_as_they_are(house: House) -> None:
    send(
        house, {"status": 200, "api_key_id": "k", "voice_multiplier": "1.50", "attributes": {"t": "x"}}, {"group_ids": ["g", "h"]}
    )
    for name in (
        "success",
        "has_api_key",
        "voice_multiplier",
        "status",
        "status_class",
        "attributes.t",
        "group_id",
    ):
        for value, label, counted in menu(house, name):
            assert label
            one = Filter.build(dimension(name), "eq", [value])
            found = rows(house, query("requests", interval="total", of=Selection(Subject.REQUESTS, WINDOW, (one,))))
            assert found[0][2] == counted, (name, value)
    assert menu(house, "success") == [[None, "No status", 1], ["true", "true", 1]]
    assert menu(house, "has_api_key", search="fal") == [["false", "false", 1]]


def test_menus_respect_filters_search_scope_and_kind(house: House) -> None:
    send(house, {"model": "a", "user_id": "ana", "path": "/x"}, {"model": "b", "user_id": "ben", "path": "/y"})
    house.send([{"kind": "delivery", "id": "d", "time": NOON, "webhook_id": "w"}])
    _, narrow = house.key_who(user="ana", permissions=[Permission.READ])
    answer = report.values(house.deck, narrow, None, dimension("model"), REQUESTS)
    assert [row[0] for row in answer.table.rows] == ["a"]
    with pytest.raises(NotAllowed):
        report.values(house.deck, narrow, View.WORKSPACE, dimension("model"), REQUESTS)
    searched = Selection(Subject.REQUESTS, WINDOW, (), parse_search("/y"))
    answer = report.values(house.deck, house.who, None, dimension("model"), searched)
    assert [row[0] for row in answer.table.rows] == ["b"]
    answer = report.values(house.deck, house.who, None, dimension("webhook_id"), Selection(Subject.DELIVERIES, WINDOW))
    assert [list(row) for row in answer.table.rows] == [["w", "w", 1]]


# --- the log ------------------------------------------------------------------------------------------------------


def log(house: House, **more: Any) -> listing.LogPage:
    columns = tuple(log_field(c, Subject.REQUESTS) for c in more.pop("columns", ("id",)))
    return listing.log(house.deck, house.who, None, LogQuery(more.pop("of", REQUESTS), columns, **more))


def ids(page: listing.LogPage) -> list[str]:
    return [row[0] for row in page.table.rows]


def test_the_log_shows_names_behind_ids_and_nothing_where_there_is_none(house: House) -> None:
    house.do(admin.SetLabels(workspace=house.workspace_id, kind=Label.VOICE, names={"v1": "Rachel"}))
    send(house, {"voice_id": "v1", "attributes": {"a": "x"}}, {"voice_id": "v2"}, {})
    page = log(house, columns=("id", "voice_id", "status", "attributes.a", "attributes.b"))
    assert [c.name for c in page.table.columns] == ["id", "voice_id", "voice_id_label", "status", "attributes.a", "attributes.b"]
    assert [list(row) for row in page.table.rows] == [
        ["e2", None, None, None, None, None],
        ["e1", "v2", None, None, None, None],
        ["e0", "v1", "Rachel", None, "x", None],
    ]


def test_neighbours_of_pages(house: House) -> None:
    send(house, *({} for _ in range(5)))  # all in one millisecond
    first = log(house, limit=2)
    assert ids(first) == ["e4", "e3"]
    assert first.newer is None
    second = log(house, limit=2, cursor=first.older)
    assert ids(second) == ["e2", "e1"]
    last = log(house, limit=2, cursor=second.older)
    assert (ids(last), last.older) == (["e0"], None)
    assert ids(log(house, limit=2, cursor=last.newer)) == ["e2", "e1"]
    back = log(house, limit=2, cursor=second.newer)
    assert (ids(back), back.newer) == (["e4", "e3"], None)
    exact = log(house, limit=5)
    assert (exact.older, exact.newer) == (None, None)
    ascending = log(house, limit=3, ascending=True)
    assert (ids(ascending), ascending.older) == (["e0", "e1", "e2"], None)
    assert ids(log(house, limit=3, ascending=True, cursor=ascending.newer)) == ["e3", "e4"]


def test_new_events_show_behind_the_newest_cursor(house: House) -> None:
    send(house, {}, {})
    newest = Cursor(NOON, "e1", Direction.NEWER)
    assert ids(log(house, cursor=newest)) == []
    house.send([{"id": "e2", "time": NOON}, {"id": "a", "time": NOON + 1}])
    assert ids(log(house, cursor=newest)) == ["a", "e2"]


def test_search_by_display_name_never_reaches_what_the_scope_hides(house: House) -> None:
    """The names of other people are not for the account view, not even as a way to find one's own rows."""
    house.do(admin.SetLabels(workspace=house.workspace_id, kind=Label.USER, names={"ana": "Anastasia", "ben": "Benedict"}))
    send(house, {"user_id": "ana"}, {"user_id": "ben"})
    _, narrow = house.key_who(user="ana", permissions=[Permission.READ])

    def found(who: Any, text: str) -> list[str]:
        selection = Selection(Subject.REQUESTS, WINDOW, (), parse_search(text))
        return ids(listing.log(house.deck, who, None, LogQuery(selection, (log_field("id", Subject.REQUESTS),))))

    assert found(house.who, "benedict") == ["e1"]
    assert found(house.who, "anast") == ["e0"]
    assert found(narrow, "anast") == ["e0"]
    assert found(narrow, "benedict") == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_whole_log_has_no_limit(house: House, stream: bool) -> None:
    send(house, *({"time": NOON - n} for n in range(1500)))
    query_ = LogQuery(REQUESTS, (log_field("id", Subject.REQUESTS),), limit=None)
    assert ids(listing.log(house.deck, house.who, None, query_, stream=stream)) == [f"e{n}" for n in range(1500)]


# --- answers that are kept ----------------------------------------------------------------------------------------


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every question the store works on."""
    found: list[str] = []
    run = Store.run

    def noted(self: Store, statement: Any, ticket: Any = None) -> Any:
        found.append(statement.text)
        return run(self, statement, ticket)

    monkeypatch.setattr(Store, "run", noted)
    return found


def test_an_answer_is_never_older_than_the_last_receipt(house: House, clock: StillClock, worked: list[str]) -> None:
    """Kept while nothing comes; in charts, menus and the log the next event shows at once, however late it is."""

    def total() -> tuple[Any, int, list[str]]:
        answer = report.usage(house.deck, house.who, None, query("requests", interval="total"), now=NOON)
        return next(iter(answer.table.rows))[2], menu(house, "model")[0][2], ids(log(house))

    for number in range(3):
        send(house, {"time": BEGIN + number, "id": f"{number}", "model": "m"})
        worked.clear()
        expected = (number + 1, number + 1, [f"{n}" for n in reversed(range(number + 1))])
        assert total() == expected
        asked = len(worked)
        assert asked
        clock.now += 1000
        assert total() == expected
        assert len(worked) == asked, "nothing came, so nothing was worked on"
        house.send([{"id": "elsewhen", "time": NOON - 99 * DAY + number}])
        assert total() == expected
        assert len(worked) == asked, "what came is not of that time"


def test_two_people_never_share_an_answer_of_their_own(house: House) -> None:
    send(house, {"user_id": "ana", "model": "a"}, {"user_id": "ben", "model": "b"})
    _, ana = house.key_who(user="ana", permissions=[Permission.READ])
    _, ben = house.key_who(user="ben", permissions=[Permission.READ])
    for _ in range(2):
        for who, expected in ((ana, ["a"]), (ben, ["b"]), (house.who, ["a", "b"])):
            answer = report.values(house.deck, who, None, dimension("model"), REQUESTS)
            assert [row[0] for row in answer.table.rows] == expected

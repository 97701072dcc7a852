"""The catalogue is consistent with itself, and the only place that lists what it lists."""

import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from usagedeck.catalog import checks
from usagedeck.catalog.dimensions import DIMENSIONS, dimension, log_field
from usagedeck.catalog.fields import FIELDS, TOOK, TRIES, fields
from usagedeck.catalog.formulas import Formula, PerTime, Ratio, Single, Sum
from usagedeck.catalog.kinds import BOTH, CURRENCY, DELIVERIES, REQUESTS, Subject, Type
from usagedeck.catalog.measures import MEASURES, VALUES, Measure
from usagedeck.catalog.metrics import METRICS, metric
from usagedeck.errors import InvalidInput
from usagedeck.store import schema

COUNTED = {"requests", "attempts", "deliveries", "credits", "characters", "tokens"}
UNITS = {"ms", "s", "min", "ratio", CURRENCY, None} | COUNTED


# --- entries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", [*FIELDS, *METRICS.values(), *DIMENSIONS.values()], ids=lambda e: e.name)
def test_every_entry_can_be_shown(entry: Any) -> None:
    assert re.fullmatch(r"([A-Z]|p\d\d ).{1,30}", entry.title)
    assert len(entry.help) > 5
    assert entry.help.endswith(".")
    assert getattr(entry, "unit", None) in UNITS


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_made_of_measures_of_one_kind(name: str) -> None:
    found = METRICS[name]
    assert {(MEASURES[m].of, MEASURES[m].joined) for m in found.formula.measures} == {(found.of, found.joined)}
    assert found.additive == isinstance(found.formula, Sum)
    assert (found.unit == "ratio") <= (found.type is Type.FLOAT)
    assert found.good in ("", "up", "down")


def test_every_measure_is_used_by_a_metric() -> None:
    assert {m for metric_ in METRICS.values() for m in metric_.formula.measures} == set(MEASURES)


def test_kept_values_have_the_type_of_their_column() -> None:
    """States of an answer's parts are joined, so the types of what they are made of must be equal."""
    for kept in VALUES.values():
        (column,) = re.findall(r"assumeNotNull\((\w+)\)", kept.argument)
        assert schema.columns(kept.of)[column] == f"Nullable({kept.stored.removeprefix('Array(')}"


def test_sql_fragments_name_columns_and_hold_no_braces() -> None:
    for subject in Subject:
        columns = {*schema.columns(subject), "active_from", "active_to", "above_ms", TRIES, TOOK}
        words = {
            "ifNull",
            "isNotNull",
            "isNull",
            "assumeNotNull",
            "AND",
            "OR",
            "intDiv",
            "multiIf",
            "concat",
            "toString",
            "version",
        }
        fragments = [m.argument + " " + m.when for m in MEASURES.values() if m.of is subject]
        fragments += [f.sql for f in fields(subject)]
        fragments += [d.sql for d in DIMENSIONS.values() if subject in d.of]
        for fragment in fragments:
            assert not set("{};") & set(fragment), fragment
            named = set(re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'", "", fragment)))
            assert named <= columns | words, fragment


def test_what_no_sender_may_set_is_no_column_of_the_store() -> None:
    stamped = [f.name for f in FIELDS if f.stamped]
    assert stamped == ["arrived"]
    joined = [f.name for f in FIELDS if f.joined]
    assert joined == [TRIES, TOOK]
    assert not {*stamped, *joined} & {column for subject in Subject for column in schema.columns(subject)}
    assert [f.name for f in fields(Subject.DELIVERIES, joined=True) if f not in fields(Subject.DELIVERIES)] == joined
    assert fields(Subject.REQUESTS, joined=True) == fields(Subject.REQUESTS)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("status", BOTH), ("model", REQUESTS), ("webhook_id", DELIVERIES), ("success", REQUESTS)],
)
def test_dimensions_belong_to_kinds_of_events(name: str, kinds: frozenset[Subject]) -> None:
    assert DIMENSIONS[name].of == kinds


def test_what_is_overlapping() -> None:
    assert [d.name for d in DIMENSIONS.values() if d.overlapping] == ["group_id"]


def test_ids_of_single_events_are_filtered_by_and_not_split_by() -> None:
    assert {"id", "trace_id", "time", "message_id"} <= {d.name for d in DIMENSIONS.values() if not d.split}
    assert {f.name for f in FIELDS if f.type not in (Type.LIST, Type.MAP)} <= set(DIMENSIONS)


# --- measures and formulas ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "conditions", "sql"),
    [
        (Measure(name="m", help="", function="count"), (), "count()"),
        (Measure(name="m", help="", function="count", when="a > 0 OR b > 0"), (), "countIf((a > 0 OR b > 0))"),
        (Measure(name="m", help="", function="sum", argument="a"), ("began",), "sumIf(a, (began))"),
        (Measure(name="m", help="", function="sum", argument="a", when="x OR y"), ("began",), "sumIf(a, (x OR y) AND (began))"),
        (
            Measure(name="m", help="", function="quantileExactInclusive(0.5)", argument="a", when="isNotNull(a)"),
            (),
            "quantileExactInclusiveIf(0.5)(a, (isNotNull(a)))",
        ),
    ],
)
def test_conditions_of_measures(measure: Measure, conditions: tuple[str, ...], sql: str) -> None:
    assert measure.sql(*conditions) == sql


@pytest.mark.parametrize(
    ("formula", "values", "span", "expected"),
    [
        (Sum(("a",)), {"a": 5}, 0, 5),
        (Sum(("a", "b"), ("c",)), {"a": 5, "b": 2, "c": 4}, 0, 3),
        (Sum(("a",)), {"a": Decimal("0.1")}, 0, Decimal("0.1")),
        (Sum(("a",), divide_by=60), {"a": Decimal("0.6")}, 0, 0.01),
        (Ratio("a", "b"), {"a": 2, "b": 3}, 0, 2 / 3),
        (Ratio("a", "b"), {"a": 0, "b": 0}, 0, None),
        (Ratio("a", "b"), {"a": 0, "b": 4}, 0, 0.0),
        (Single("a"), {"a": 7}, 0, 7),
        (Single("a"), {"a": 0.1 + 0.2}, 0, 0.3),
        (Single("a"), {"a": None}, 0, None),
        (Single("a"), {"a": float("nan")}, 0, None),
        (PerTime("a"), {"a": 500}, 1000, 0.5),
        (PerTime("a"), {"a": 0}, 1000, 0.0),
        (PerTime("a"), {"a": 0}, 0, None),
        (PerTime("a"), {"a": 0}, -5, None),
    ],
)
def test_formulas(formula: Formula, values: dict[str, Any], span: int, expected: Any) -> None:
    found = formula.of(values, span)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("name", MEASURES)
def test_only_sums_and_counts_add_up(name: str) -> None:
    found = MEASURES[name]
    assert found.additive == (found.function in ("sum", "count") and not found.activity)
    assert (found.nothing is None) == found.function.startswith("quantile")


# --- look-ups -----------------------------------------------------------------------------------------------------


def test_names_are_looked_up_and_misspelt_ones_get_a_suggestion() -> None:
    assert metric("credits") is METRICS["credits"]
    assert dimension("model") is DIMENSIONS["model"]
    for look_up, misspelt, meant in (
        (metric, "credit", "credits"),
        (metric, "LATENCY_P95", "latency_p95"),
        (dimension, "modle", "model"),
        (dimension, "groups", "group_id"),
    ):
        with pytest.raises(InvalidInput, match=f'did you mean "{meant}"'):
            look_up(misspelt)
    with pytest.raises(InvalidInput, match='columns "statsu" is no column of requests; did you mean "status"'):
        log_field("statsu", Subject.REQUESTS)
    with pytest.raises(InvalidInput, match="no column of deliveries"):
        log_field("model", Subject.DELIVERIES)


def test_a_name_of_any_length_gets_a_short_answer() -> None:
    for look_up in (metric, dimension, lambda name: log_field(name, Subject.REQUESTS)):
        with pytest.raises(InvalidInput) as caught:
            look_up("x" * 100_000)
        assert len(caught.value.message) < 1500


def test_attributes_need_no_entry() -> None:
    found = dimension("attributes.team: red, or blue")
    assert (found.title, found.absent, found.of) == ("team: red, or blue", "No team: red, or blue", BOTH)
    assert log_field("attributes.x", Subject.DELIVERIES).expr == "attributes[{key}]"
    for name in ("attributes.", "attributes." + "k" * 101):
        with pytest.raises(InvalidInput, match="1 to 100 characters"):
            dimension(name)


# --- contradictions -----------------------------------------------------------------------------------------------


def test_the_check_finds_nothing_now() -> None:
    checks.check()


@pytest.mark.parametrize(
    ("table", "name", "change", "says"),
    [
        ("METRICS", "credits", {"formula": Sum(("no such measure",))}, "credits uses unknown measures"),
        ("METRICS", "credits", {"formula": Sum(("credits", "attempts"))}, "credits mixes requests and deliveries"),
        ("METRICS", "retries", {"formula": Sum(("retries", "deliveries"))}, "retries mixes deliveries and attempts"),
        ("METRICS", "credits", {"formula": Sum(("latency_p95",))}, "credits adds up what does not add up"),
        ("METRICS", "credits", {"formula": Ratio("peak", "requests")}, "credits adds up what does not add up"),
        ("METRICS", "success_rate", {"type": Type.INT}, "success_rate is a ratio and no Float"),
        ("METRICS", "credits", {"help": "no sentence"}, "credits has no help"),
        ("METRICS", "credits", {"name": "Two Words"}, "Two Words is no name"),
        ("METRICS", "credits", {"wire": "request_count"}, "metric spelling request_count is declared twice"),
        ("DIMENSIONS", "model", {"group_by": "region"}, "group_by spelling region is declared twice"),
        ("DIMENSIONS", "model", {"breakdown": ("voice",)}, "breakdown spelling voice is declared twice"),
        ("DIMENSIONS", "model", {"name": "modell"}, "modell has neither a column nor an expression"),
    ],
)
def test_contradictions_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, table: str, name: str, change: dict[str, Any], says: str
) -> None:
    entries = dict(getattr(checks, table))
    entries[name] = replace(entries[name], **change)
    monkeypatch.setattr(checks, table, entries)
    with pytest.raises(RuntimeError, match="contradicts itself") as caught:
        checks.check()
    assert says in str(caught.value)


@pytest.mark.parametrize("more", [{"searchable": True}, {"of": BOTH}, {"stamped": True}, {"wire": "tries"}])
def test_what_only_deliveries_have_is_asked_of_no_attempt(monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]) -> None:
    changed = tuple(replace(f, **more) if f.name == TRIES else f for f in FIELDS)
    monkeypatch.setattr(checks, "FIELDS", changed)
    with pytest.raises(RuntimeError, match="tries is of joined attempts"):
        checks.check()


def test_a_field_declared_twice_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "FIELDS", (*FIELDS, FIELDS[0]))
    with pytest.raises(RuntimeError, match="field time is declared twice"):
        checks.check()

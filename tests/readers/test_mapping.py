"""Where columns go, and how cells become values."""

from typing import Any

import pytest

from tests.readers.reading import events, refusals
from usagedeck.catalog.fields import FIELDS, fields
from usagedeck.catalog.kinds import KINDS, Subject
from usagedeck.errors import InvalidInput
from usagedeck.readers.formats import Format
from usagedeck.readers.mapping import ALIASES, Plan


def one(header: str, row: str, **plan: Any) -> dict[str, Any]:
    """The event of a single row of CSV, without the id that was made for it."""
    (event,) = events(Format.CSV, f"{header}\n{row}\n".encode(), Plan.parse(**plan))
    if event["id"].startswith("imp_"):
        del event["id"]
    return event


def refused(header: str, row: str, **plan: Any) -> tuple[str, str | None, str]:
    (refusal,) = refusals(Format.CSV, f"{header}\n{row}\n".encode(), Plan.parse(**plan))
    return refusal.code, refusal.field, refusal.message


MAY = 1_777_593_600_000  # 2026-05-01T00:00:00Z
TIME = "2026-05-01T00:00:00Z"


@pytest.mark.parametrize("subject", Subject)
def test_every_field_of_the_catalogue_maps_by_its_own_name(subject: Subject) -> None:
    kind = next(kind for kind, of in KINDS.items() if of is subject)
    names = [f.name for f in fields(subject) if not f.stamped]
    layout = Plan.parse(constants=[f"kind={kind}"]).layout(names)
    assert layout.used == list(range(len(names)))


def test_aliases_name_fields_and_are_none_themselves() -> None:
    names = {f.name for f in FIELDS}
    assert set(ALIASES.values()) <= names
    assert not {a for a in ALIASES if a in {f.name for f in fields(Subject.REQUESTS)}}


@pytest.mark.parametrize("alias", ALIASES)
def test_every_alias_is_understood(alias: str) -> None:
    field = ALIASES[alias]
    header = ["time", alias] if field != "time" else [alias]
    cells = {"time": TIME, "ip": "192.0.2.1"}
    event = one(",".join(header), ",".join(cells.get(ALIASES.get(name, name), "7") for name in header))
    assert event[field] == {"time": MAY, "group_ids": ["7"], "ip": "192.0.2.1"}.get(
        field, 7 if field in ("status", "duration_ms", "input_tokens", "output_tokens") else "7"
    )


def test_a_column_with_the_fields_own_name_goes_before_an_alias() -> None:
    with pytest.raises(InvalidInput, match=r"(?s)A column goes nowhere.*timestamp"):
        one("timestamp,time", f"x,{TIME}")
    assert one("timestamp,time", f"x,{TIME}", ignored=["timestamp"]) == {"time": MAY}


def test_a_column_that_goes_nowhere_is_an_error_with_the_ways_out() -> None:
    with pytest.raises(InvalidInput) as caught:
        one("time,stauts,foo bar", f"{TIME},200,x")
    message = caught.value.message
    assert "2 columns go nowhere" in message
    assert "--map status=stauts  or  --map attributes.stauts=stauts" in message
    assert "--map 'attributes.foo_bar=foo bar'" in message
    assert "--ignore COLUMN" in message
    assert one("time,stauts,foo bar", f"{TIME},200,x", maps=["status=stauts", "attributes.foo=foo bar"]) == {
        "time": MAY,
        "status": 200,
        "attributes": {"foo": "x"},
    }


def test_a_field_of_deliveries_in_a_file_of_requests_says_so() -> None:
    with pytest.raises(InvalidInput, match='"url" is a field of deliveries: add --set kind=delivery'):
        one("time,url", f"{TIME},https://a.example")
    assert one("time,url,request_id", f"{TIME},https://a.example,req_1", constants=["kind=delivery"]) == {
        "kind": "delivery",
        "time": MAY,
        "url": "https://a.example",
        "request_id": "req_1",
    }


def test_a_column_may_say_what_each_row_is() -> None:
    text = f"kind,time,url,path\ndelivery,{TIME},https://a.example,\nrequest,{TIME},,/v1\n,{TIME},,/v2\n"
    made = events(Format.CSV, text.encode())
    assert [(e.get("kind"), e.get("url"), e.get("path")) for e in made] == [
        ("delivery", "https://a.example", None),
        ("request", None, "/v1"),
        (None, None, "/v2"),
    ]


def test_one_column_may_go_to_several_fields_and_then_goes_nowhere_else() -> None:
    assert one("time,status", f"{TIME},200", maps=["attributes.a=status", "attributes.b=status"]) == {
        "time": MAY,
        "attributes": {"a": "200", "b": "200"},
    }


def test_attributes_in_their_own_columns_join_those_in_one_cell() -> None:
    assert one("time,attributes,attributes.c", f"{TIME},a=1|b=x=y,3")["attributes"] == {"a": "1", "b": "x=y", "c": "3"}
    assert one("time,attributes", f'{TIME},"{{""a"":""1|2""}}"')["attributes"] == {"a": "1|2"}
    assert refused("time,attributes", f"{TIME},nonsense")[:2] == ("wrong_type", "attributes")
    assert refused("time,attributes", f'{TIME},"{{""a"":1}}"')[:2] == ("wrong_type", "attributes")


def test_error_code_and_message_are_put_inside_the_error() -> None:
    assert one("time,error_code,error_message", f"{TIME},quota,too much")["error"] == {"code": "quota", "message": "too much"}


def test_constants_are_converted_like_cells_and_take_the_field() -> None:
    made = one("time", TIME, constants=["status=200", "credits=1.50", "group_ids=a|b", "attributes.k=v=w", "error_code=x"])
    assert made == {
        "time": MAY,
        "status": 200,
        "credits": "1.50",
        "group_ids": ["a", "b"],
        "attributes": {"k": "v=w"},
        "error": {"code": "x"},
    }
    with pytest.raises(InvalidInput, match="A column goes nowhere"):
        one("time,model", f"{TIME},a", constants=["model=b"])


def test_empty_cells_are_absent_and_zero_is_not() -> None:
    assert one("time,status,duration_ms,credits,model,group_ids", f"{TIME},0, ,,,|") == {"time": MAY, "status": 0}


@pytest.mark.parametrize(
    ("cell", "value"),
    [("200", 200), (" 200 ", 200), ("-5", -5), ("713.0", 713), ("713.", 713), ("007", 7), ("999999999999999999", 10**18 - 1)],
)
def test_whole_numbers(cell: str, value: int) -> None:
    assert one("time,characters", f"{TIME},{cell}")["characters"] == value


@pytest.mark.parametrize("cell", ["12.5", "1e3", "abc", "1_000", "١٢", "0x10", "9" * 30, "1 000", "--1", "NaN", "∞"])
def test_what_is_no_whole_number(cell: str) -> None:
    code, field, message = refused("time,characters", f"{TIME},{cell}")
    assert (code, field) == ("wrong_type", "characters")
    assert cell[:60] in message


@pytest.mark.parametrize("cell", ["1.50", "0.1", "123456789012.123456", ".5", "5.", "1e-3", "-1", "+2"])
def test_amounts_stay_text_to_the_last_digit(cell: str) -> None:
    assert one("time,credits", f"{TIME}, {cell} ")["credits"] == cell


@pytest.mark.parametrize("cell", ['"1,5"', "1_000", "abc", "NaN", "Infinity", "1.2.3", "$5", "0x1"])
def test_what_is_no_amount(cell: str) -> None:
    assert refused("time,credits", f"{TIME},{cell}")[:2] == ("wrong_type", "credits")


@pytest.mark.parametrize(
    ("cell", "zone", "instant"),
    [
        ("2026-05-01T00:00:00Z", "UTC", MAY),
        ("2026-05-01 02:00:00+02:00", "UTC", MAY),
        (str(MAY), "UTC", MAY),
        ("2026-05-01 00:00:00", "UTC", MAY),
        ("2026-05-01", "UTC", MAY),
        ("2026-05-01 00:00:00.6805900", "UTC", MAY + 680),
        ("2026-05-01 00:00:00.9999999", "UTC", MAY + 999),
        ("2026-05-01 02:00:00", "Europe/Berlin", MAY),
        ("2026-05-01 05:45", "Asia/Kathmandu", MAY),
        ("2026-05-01T00:00:00Z", "Asia/Kathmandu", MAY),
        ("2026-10-25 02:30:00", "Europe/Berlin", 1_792_888_200_000),
    ],
    ids=str,
)
def test_times(cell: str, zone: str, instant: int) -> None:
    assert one("time", cell, time_zone=zone)["time"] == instant


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("yesterday", "invalid"),
        ("1777593600", "looks_like_seconds"),
        ("2026-03-29 02:30:00", "no_such_time"),
        ("2026-13-01 00:00:00", "invalid"),
        ("", "missing_time"),
        (" ", "missing_time"),
    ],
)
def test_what_is_no_time(cell: str, code: str) -> None:
    assert refused("time,model", f"{cell},m", time_zone="Europe/Berlin")[:2] == (code, "time")


@pytest.mark.parametrize(
    ("plan", "header", "says"),
    [
        ({"maps": ["tim=x"]}, "time", '"tim" is no field of events; did you mean "time"'),
        ({"maps": ["time"]}, "time", "FIELD=COLUMN"),
        ({"maps": ["=x"]}, "time", "FIELD=COLUMN"),
        ({"maps": ["arrived=x"]}, "time", '"arrived" is no field'),
        ({"maps": ["attributes.=x"]}, "time", "1 to 100 characters"),
        ({"maps": ["time=tiem"]}, "time", 'no column "tiem"; did you mean "time"'),
        ({"maps": ["status=a", "status=b"]}, "time,a,b", "given twice"),
        ({"maps": ["status=a"], "constants": ["status=1"]}, "time,a", "given twice"),
        ({"maps": ["url=a"]}, "time,a", '"url" is a field of deliveries'),
        ({"constants": ["url=a"]}, "time", '"url" is a field of deliveries'),
        ({"constants": ["kind=webhook"]}, "time", 'kind "webhook" is unknown'),
        ({"constants": ["id=x"]}, "time", "an id belongs to one row only"),
        ({"constants": ["status=ok"]}, "time", 'status is "ok"'),
        ({"constants": ["time=x"]}, "id", "no time"),
        ({"time_zone": "Mars/Olympus"}, "time", "not an IANA time zone"),
        ({}, "id,status", "No column is the time; name it with --map time=COLUMN. There are: id, status"),
        ({"ignored": ["time"]}, "id,time", "No column is the time"),
    ],
    ids=str,
)
def test_plans_that_do_not_work_out(plan: dict[str, Any], header: str, says: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Plan.parse(**plan).layout(header.split(","))
    assert says in caught.value.message


def test_of_very_many_columns_that_go_nowhere_ten_are_named() -> None:
    with pytest.raises(InvalidInput) as caught:
        Plan.parse().layout(["time", *(f"weird{n}" for n in range(500))])
    assert "… and 490 more" in caught.value.message
    assert len(caught.value.message) < 2000


def test_a_row_that_is_refused_keeps_its_id() -> None:
    (refusal,) = refusals(Format.CSV, f"id,time,status\nr1,{TIME},up\n".encode())
    assert refusal.id == "r1"

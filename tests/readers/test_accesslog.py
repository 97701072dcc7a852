"""Access logs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.readers.reading import events, refusals, rows, stream
from usagedeck.errors import InvalidInput
from usagedeck.readers.accesslog import COLUMNS
from usagedeck.readers.formats import READERS, Format
from usagedeck.readers.mapping import Plan
from usagedeck.readers.rows import RowIds

COMMON = r'192.0.2.7 - frank [10/Oct/2023:13:55:36 -0700] "GET /apache_pb.gif?x=1 HTTP/1.0" 200 2326'
COMBINED = COMMON + r' "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)"'


def one(line: str, **plan: Any) -> dict[str, Any]:
    (event,) = events(Format.COMBINED, line.encode() + b"\n", Plan.parse(**plan))
    del event["id"]
    return event


def test_common() -> None:
    assert one(COMMON) == {
        "ip": "192.0.2.7",
        "user_id": "frank",
        "time": 1_696_971_336_000,
        "method": "GET",
        "path": "/apache_pb.gif",
        "status": 200,
    }


def test_combined_and_what_some_servers_add() -> None:
    expected = {**one(COMMON), "user_agent": "Mozilla/4.08 [en] (Win98; I ;Nav)"}
    assert one(COMBINED) == expected
    assert one(COMBINED + ' "203.0.113.9"') == expected
    assert one(COMBINED + " 0.123 rt=5") == expected
    assert one(COMBINED + " 0.123", maps=["attributes.rest=rest"])["attributes"] == {"rest": "0.123"}


def test_a_dash_is_absent() -> None:
    assert one('2001:db8::1 - - [10/Oct/2023:13:55:36 +0000] "-" 408 - "-" "-"') == {
        "ip": "2001:db8::1",
        "time": 1_696_946_136_000,
        "status": 408,
    }
    assert "status" not in one('192.0.2.7 - - [10/Oct/2023:13:55:36 +0000] "GET / HTTP/1.1" - -')


def test_a_host_with_a_name_is_no_ip() -> None:
    line = COMMON.replace("192.0.2.7", "crawler.example.com")
    assert "ip" not in one(line)
    assert one(line, maps=["user_id=host"])["user_id"] == "crawler.example.com"


def test_everything_a_line_has_can_be_mapped() -> None:
    made = one(COMBINED, maps=[f"attributes.{name}={name}" for name in COLUMNS if name != "time"])
    assert made["attributes"] == {
        "host": "192.0.2.7",
        "ip": "192.0.2.7",
        "authuser": "frank",
        "request": "GET /apache_pb.gif?x=1 HTTP/1.0",
        "method": "GET",
        "path": "/apache_pb.gif",
        "query": "x=1",
        "protocol": "HTTP/1.0",
        "status": "200",
        "bytes": "2326",
        "referer": "http://www.example.com/start.html",
        "agent": "Mozilla/4.08 [en] (Win98; I ;Nav)",
    }
    assert "method" not in made


def test_mapping_the_host_leaves_the_ip_alone_and_ignoring_takes_it_away() -> None:
    made = one(COMMON, maps=["user_id=host", "attributes.bytes=bytes"], ignored=["ip"], constants=["region=eu"])
    assert made["user_id"] == "192.0.2.7"
    assert made["attributes"] == {"bytes": "2326"}
    assert made["region"] == "eu"
    assert "ip" not in made
    assert one(COMMON, maps=["user_id=host"])["ip"] == "192.0.2.7"


@pytest.mark.parametrize(
    ("request_line", "method", "path"),
    [
        ("GET / HTTP/1.1", "GET", "/"),
        ("GET /a b c HTTP/1.1", "GET", "/a b c"),
        ("GET /old", "GET", "/old"),
        (r"GET /\"q\" HTTP/1.1", "GET", '/"q"'),
        (r"GET /\x22\xc3\xa9 HTTP/2.0", "GET", '/"é'),
        (r"GET /back\\slash HTTP/1.1", "GET", "/back\\slash"),
        (r"GET /nul\x00 HTTP/1.1", "GET", r"/nul\x00"),
        ("CONNECT example.com:443 HTTP/1.1", "CONNECT", "example.com:443"),
        (r"\x16\x03\x01\x02", None, None),
        ("", None, None),
        ("-", None, None),
        ("GET", None, None),
        ("hello world", None, None),
    ],
)
def test_request_lines(request_line: str, method: str | None, path: str | None) -> None:
    made = one(f'192.0.2.7 - - [10/Oct/2023:13:55:36 +0000] "{request_line}" 400 0 "-" "curl/8"')
    assert (made.get("method"), made.get("path"), made["status"]) == (method, path, 400)


def test_escaped_quotes_and_user_names_with_spaces() -> None:
    made = one(r'192.0.2.7 - John Doe [10/Oct/2023:13:55:36 +0000] "GET / HTTP/1.1" 200 1 "-" "say \"hi\" \\o/"')
    assert made["user_id"] == "John Doe"
    assert made["user_agent"] == 'say "hi" \\o/'


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("nonsense", "not of the form"),
        (COMMON.replace('"', ""), "not of the form"),
        (COMMON.replace("[", "").replace("]", ""), "not of the form"),
        (COMMON + ' "open', None),
        (COMMON.replace("10/Oct", "10/Okt"), "The time [10/Okt/2023:13:55:36 -0700] is not of the form"),
        (COMMON.replace("10/Oct", "1/Oct"), "The time ["),
        (COMMON.replace(" 200 ", " OK "), 'The status "OK" is no number'),
        (COMMON.replace("10/Oct", "31/Feb"), "no time"),
        (COMMON.replace(":13:55", ":25:55"), "no time"),
        ('{"id":"a"}', "not of the form"),
    ],
)
def test_broken_lines(line: str, says: str | None) -> None:
    found = refusals(Format.COMBINED, f"{COMMON}\n\n{line}\n{COMMON}\n".encode())
    if says is None:
        assert not found  # what stands behind the sizes is the server's own
    else:
        assert [refusal.number for refusal in found] == [3]
        assert says in found[0].message


def test_equal_lines_are_two_requests() -> None:
    first, second = events(Format.COMBINED, f"{COMMON}\n{COMMON}\n".encode())
    assert first.pop("id") != second.pop("id")
    assert first == second


def test_deliveries_take_what_they_have() -> None:
    assert "method" not in one(COMMON, constants=["kind=delivery"])


def test_columns_that_a_log_has_not() -> None:
    with pytest.raises(InvalidInput, match='no column "referrer"; did you mean "referer"'):
        rows(Format.COMBINED, COMMON.encode(), Plan.parse(maps=["attributes.r=referrer"]))


@pytest.mark.parametrize(
    "line", [" [x" * 300_000, '"' * 900_000, "\\" * 900_000, "a - b [" + "]" * 900_000, 'a b c [1] "' + '\\"' * 400_000]
)
def test_hostile_lines_take_no_time(line: str) -> None:
    (refusal,) = refusals(Format.COMBINED, line.encode())
    assert refusal.code == "malformed"


@given(st.binary(max_size=300))
def test_no_bytes_make_a_reader_stumble(content: bytes) -> None:
    for row in READERS[Format.COMMON](stream(content), Plan.parse(), RowIds("x")):
        assert row.number >= 1

"""Access logs of web servers in the common and the combined format.

What a log has: the caller's host, who they signed in as, when, the request line, the status, the bytes sent; combined logs
also the referrer and the user agent. What it lacks stays absent, the duration first of all.
"""

import io
import re
from collections.abc import Iterator, Mapping

from usagedeck.readers.mapping import Plan
from usagedeck.readers.rows import Refusal, Row, RowIds, lines

_QUOTED = r'[^"\\]*(?:\\.[^"\\]*)*'
_LINE = re.compile(
    r"(?P<host>\S+) (?P<ident>\S+) (?P<authuser>.+?) \[(?P<time>[^\]]{1,60})\] "
    rf'"(?P<request>{_QUOTED})" (?P<status>\S+) (?P<bytes>\S+)'
    rf'(?: "(?P<referer>{_QUOTED})" "(?P<agent>{_QUOTED})")?(?P<rest> .*)?'
)
_REQUEST = re.compile(r"([A-Z][A-Z_-]*) (\S.*?)(?: (HTTP/[0-9.]+))?")
_TIME = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d\d)(\d\d)")
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*")
_ESCAPE = re.compile(rb'\\(?:(["\\])|x([0-9a-fA-F]{2}))')
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: f"{number:02d}" for number, name in enumerate(_MONTH_NAMES, 1)}

COLUMNS: Mapping[str, str] = {
    "host": "the caller's address or name",
    "ip": "the host, when it is an address",
    "ident": "the name by RFC 1413",
    "authuser": "who they signed in as",
    "time": "when the request began",
    "request": "the whole request line",
    "method": "its method",
    "path": "its path, without the query",
    "query": "its query",
    "protocol": "its protocol",
    "status": "the status",
    "bytes": "the bytes of the answer",
    "referer": "where the caller came from",
    "agent": "the calling software",
    "rest": "what stands behind the user agent",
}
"""What a line has, for `--map`."""

_AUTOMATIC = {
    "ip": "ip",
    "user_id": "authuser",
    "time": "time",
    "method": "method",
    "path": "path",
    "status": "status",
    "user_agent": "agent",
}
_NAMES = tuple(COLUMNS)


def is_line(line: str) -> bool:
    """Whether this looks like a line of an access log."""
    return _LINE.fullmatch(line.strip()) is not None


def read(stream: io.BufferedReader, plan: Plan, ids: RowIds) -> Iterator[Row | Refusal]:
    """The requests of a log. Raises `InvalidInput` when the plan names columns that a log has not."""
    layout = plan.layout_of(_NAMES, _AUTOMATIC)
    for record in lines(stream):
        if isinstance(record, Refusal):
            yield record
        elif text := record[1].decode("utf-8", "replace").strip():
            cells = _cells(text)
            yield Refusal(record[0], "malformed", cells) if isinstance(cells, str) else layout.row(record[0], cells, ids)


def _cells(line: str) -> list[str] | str:
    """The columns of a line in the order of `COLUMNS`, or what is wrong with it."""
    found = _LINE.fullmatch(line)
    if found is None:
        return 'The line is not of the form: host ident user [time] "request" status bytes "referrer" "user agent".'
    if (time := _TIME.fullmatch(found["time"])) is None or time[2] not in _MONTHS:
        return f"The time [{found['time'][:60]}] is not of the form [17/May/2015:10:05:03 +0000]."
    if found["status"] != "-" and not (found["status"].isascii() and found["status"].isdigit()):
        return f'The status "{found["status"][:60]}" is no number.'
    day, month, year, clock, hours, minutes = time.groups()
    cell = {name: _plain(found[name]) for name in ("authuser", "ident", "referer", "agent", "bytes", "status")}
    cell["host"] = found["host"]
    cell["ip"] = found["host"] if _ADDRESS.fullmatch(found["host"]) else ""
    cell["time"] = f"{year}-{_MONTHS[month]}-{day}T{clock}{hours}:{minutes}"
    cell["request"] = _plain(found["request"])
    cell["method"], target, cell["protocol"] = _request(cell["request"])
    cell["path"], _, cell["query"] = target.partition("?")
    cell["rest"] = (found["rest"] or "").strip()
    return [cell[name] for name in _NAMES]


def _request(line: str) -> tuple[str, str, str]:
    """Method, target and protocol; all empty for what is no request line, such as TLS on a port without TLS."""
    found = _REQUEST.fullmatch(line)
    return (found[1], found[2], found[3] or "") if found else ("", "", "")


def _plain(text: str | None) -> str:
    """A value without the escapes servers write it with; `-` is absent. Control characters stay escaped."""
    if text is None or text == "-":
        return ""
    return _unescaped(text) if "\\" in text else text


def _unescaped(text: str) -> str:
    def plain(found: re.Match[bytes]) -> bytes:
        if found[1]:
            return found[1]
        code = int(found[2], 16)
        return found[0] if code < 0x20 or code == 0x7F else bytes([code])

    return _ESCAPE.sub(plain, text.encode()).decode("utf-8", "replace")

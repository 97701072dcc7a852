"""Named ranges of time, as people pick and share them: `30d`, `billing`, `2026-11`, `2026-11-01..2026-11-23`.

A range becomes a window when it meets a zone and a "now"; all questions of one page load share one "now" (`as_of`).
"""

import re
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from usagedeck.errors import InvalidInput
from usagedeck.periods import billing_period, month_of
from usagedeck.times import HOUR, first_instant, local_date, parse_instant
from usagedeck.windows import Window

EXAMPLES = "1h, 24h, 7d, 30d, 12mo, month, last-month, year, billing, billing-1, 2026-11, 2026, 2026-11-01..2026-11-23"
MAX_COUNT = 4000


def parse_range(text: str, *, zone: ZoneInfo, now: int, billing_day: int = 1, field: str = "range") -> Window:
    """The window a range names.

    `Nh` are the hours up to now; `Nd` and `Nmo` are calendar days and months in the zone, today's included, up to now;
    `month`, `year` and `billing` are the current ones up to now, `last-month` and `billing-1` whole past ones; a year or a
    month stands for itself; `a..b` takes dates or instants, the end not included, and either side may be left out.
    Raises `InvalidInput` for anything else.
    """
    today = local_date(now, zone)
    if match := re.fullmatch(r"(\d{1,4})(h|d|mo)", text):
        count = int(match[1])
        if not 1 <= count <= MAX_COUNT:
            raise InvalidInput(f"{field} {text}: count from 1 to {MAX_COUNT}.", field=field)
        if match[2] == "h":
            return Window(now - count * HOUR, now, zone)
        first = today - timedelta(days=count - 1) if match[2] == "d" else month_of(today, 1 - count)
        return Window(first_instant(first, 0, zone), now, zone)
    if text in ("month", "year"):
        first = today.replace(day=1) if text == "month" else date(today.year, 1, 1)
        return Window(first_instant(first, 0, zone), now, zone)
    if text == "last-month":
        return _days(month_of(today, -1), month_of(today, 0), zone)
    if match := re.fullmatch(r"billing(?:-(\d{1,3}))?", text):
        period = billing_period(now, billing_day, zone, back=int(match[1] or 0))
        return Window(period.start, min(period.end, now), zone)
    if match := re.fullmatch(r"([12]\d{3})(?:-(\d\d))?", text):
        return _calendar(int(match[1]), match[2], zone, field)
    if ".." in text:
        left, _, right = text.partition("..")
        start = _edge(left, zone, field) if left else 0
        return Window(start, _edge(right, zone, field) if right else now, zone)
    raise InvalidInput(f'{field} "{text[:60]}" is no range; examples: {EXAMPLES}.', field=field)


def _days(first: date, end: date, zone: ZoneInfo) -> Window:
    return Window(first_instant(first, 0, zone), first_instant(end, 0, zone), zone)


def _calendar(year: int, month: str | None, zone: ZoneInfo, field: str) -> Window:
    if month is None:
        return _days(date(year, 1, 1), date(year + 1, 1, 1), zone)
    if not 1 <= int(month) <= 12:
        raise InvalidInput(f"{field}: there is no month {month}.", field=field)
    first = date(year, int(month), 1)
    return _days(first, month_of(first, 1), zone)


def _edge(text: str, zone: ZoneInfo, field: str) -> int:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        try:
            return first_instant(date.fromisoformat(text), 0, zone)
        except ValueError:
            raise InvalidInput(f"{field}: there is no day {text}.", field=field) from None
    return parse_instant(text, field=field)

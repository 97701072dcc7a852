"""Named ranges of time, as people pick and share them: `30d`, `billing`, `2026-11`, `2026-11-01..2026-11-23`.

A range becomes a window when it meets a zone and a "now"; all questions of one page load share one "now" (`as_of`).
"""

import calendar
import re
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from usagedeck.errors import InvalidInput
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
        first = today - timedelta(days=count - 1) if match[2] == "d" else _month(today, 1 - count)
        return Window(first_instant(first, 0, zone), now, zone)
    if text in ("month", "year"):
        first = today.replace(day=1) if text == "month" else date(today.year, 1, 1)
        return Window(first_instant(first, 0, zone), now, zone)
    if text == "last-month":
        return _days(_month(today, -1), _month(today, 0), zone)
    if match := re.fullmatch(r"billing(?:-(\d{1,3}))?", text):
        back = int(match[1] or 0)
        begin, end = _billing(today, billing_day, back), _billing(today, billing_day, back - 1)
        return _days(begin, end, zone) if back else Window(first_instant(begin, 0, zone), now, zone)
    if match := re.fullmatch(r"([12]\d{3})(?:-(\d\d))?", text):
        return _calendar(int(match[1]), match[2], zone, field)
    if ".." in text:
        left, _, right = text.partition("..")
        start = _edge(left, zone, field) if left else 0
        return Window(start, _edge(right, zone, field) if right else now, zone)
    raise InvalidInput(f'{field} "{text[:60]}" is no range; examples: {EXAMPLES}.', field=field)


def _days(first: date, end: date, zone: ZoneInfo) -> Window:
    return Window(first_instant(first, 0, zone), first_instant(end, 0, zone), zone)


def _month(day: date, step: int) -> date:
    """The first day of the month that lies `step` months from the one of `day`."""
    count = day.year * 12 + day.month - 1 + step
    return date(count // 12, count % 12 + 1, 1)


def _billing(today: date, billing_day: int, back: int) -> date:
    """The first day of the billing period that lies `back` periods before today's; short months clamp the day."""

    def begins(month: date) -> date:
        return month.replace(day=min(billing_day, calendar.monthrange(month.year, month.month)[1]))

    this = _month(today, 0)
    current = this if begins(this) <= today else _month(today, -1)
    return begins(_month(current, -back))


def _calendar(year: int, month: str | None, zone: ZoneInfo, field: str) -> Window:
    if month is None:
        return _days(date(year, 1, 1), date(year + 1, 1, 1), zone)
    if not 1 <= int(month) <= 12:
        raise InvalidInput(f"{field}: there is no month {month}.", field=field)
    first = date(year, int(month), 1)
    return _days(first, _month(first, 1), zone)


def _edge(text: str, zone: ZoneInfo, field: str) -> int:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        try:
            return first_instant(date.fromisoformat(text), 0, zone)
        except ValueError:
            raise InvalidInput(f"{field}: there is no day {text}.", field=field) from None
    return parse_instant(text, field=field)

"""Billing periods: the months of a workspace's account, which begin on a day of its own, on the clock of its zone.

Pure arithmetic on the calendar of `times`; nothing is counted here, and what was used in a period is asked for elsewhere.
"""

import calendar
from datetime import date
from zoneinfo import ZoneInfo

from usagedeck.times import first_instant, local_date
from usagedeck.windows import Window


def billing_period(instant: int, billing_day: int, zone: ZoneInfo, back: int = 0) -> Window:
    """The whole billing period an instant lies in, or the one `back` periods before it.

    It runs from the first instant of the billing day to the first instant of the next one; a month that is too short for the
    day begins on its last. Periods follow each other without gaps, so a change of the clock makes one shorter or longer.
    Raises `InvalidInput` for one that lies outside the years of a window.
    """
    today = local_date(instant, zone)
    this = month_of(today, 0)
    current = this if _begins(this, billing_day) <= today else month_of(today, -1)
    first, next_ = (_begins(month_of(current, step - back), billing_day) for step in (0, 1))
    return Window(first_instant(first, 0, zone), first_instant(next_, 0, zone), zone)


def month_of(day: date, step: int) -> date:
    """The first day of the month that lies `step` months from the one of `day`."""
    count = day.year * 12 + day.month - 1 + step
    return date(count // 12, count % 12 + 1, 1)


def _begins(month: date, billing_day: int) -> date:
    return month.replace(day=min(billing_day, calendar.monthrange(month.year, month.month)[1]))

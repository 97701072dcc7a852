"""The parameters that our own API's questions share, and how they become a `Selection`."""

from typing import Annotated

from fastapi import Query as Param
from pydantic import BaseModel, ConfigDict, Field

from usagedeck.access import View, Who
from usagedeck.catalog.kinds import Subject
from usagedeck.errors import InvalidInput, did_you_mean
from usagedeck.filters import parse_filter, parse_search
from usagedeck.query import Selection
from usagedeck.ranges import EXAMPLES, parse_range
from usagedeck.times import parse_instant, zone
from usagedeck.windows import LATEST_WINDOW, Window

DEFAULT_RANGE = "30d"


class Spanned(BaseModel):
    """From when to when, and in which workspace."""

    model_config = ConfigDict(extra="forbid")

    start: str | None = Field(None, description="First instant: RFC 3339 with an offset, or epoch milliseconds.")
    end: str | None = Field(None, description="First instant after the window; now when absent.")
    range: str | None = Field(None, description=f"Instead of start and end: {EXAMPLES}. Default {DEFAULT_RANGE}.")
    time_zone: str | None = Field(None, description="IANA zone that days and hours follow; the workspace's when absent.")
    workspace: str | None = Field(None, description="Workspace id, for people in several; the first when absent.")
    as_of: str | None = Field(None, description="The instant that counts as now; give all questions of a page the same.")

    def now(self, clock: int) -> int:
        """The instant that counts as now."""
        if not self.as_of:
            return clock
        now = parse_instant(self.as_of, field="as_of")
        if not 0 <= now <= LATEST_WINDOW:
            raise InvalidInput("as_of lies between the years 1970 and 2200.", field="as_of")
        return now

    def window(self, who: Who, now: int) -> Window:
        where = zone(self.time_zone or who.workspace.time_zone)
        if self.range is not None and (self.start or self.end):
            raise InvalidInput("Send either range or start and end.", field="range")
        if self.start or self.end:
            if not self.start:
                raise InvalidInput("end came without start; send both, or range.", field="start")
            end = parse_instant(self.end, field="end") if self.end else now
            return Window(parse_instant(self.start, field="start"), end, where)
        return self.named(self.range or DEFAULT_RANGE, who, now)

    def named(self, text: str, who: Who, now: int, *, field: str = "range") -> Window:
        """The window of a named range."""
        where = zone(self.time_zone or who.workspace.time_zone)
        return parse_range(text, zone=where, now=now, billing_day=who.workspace.billing_day, field=field)


class Asked(Spanned):
    """Which rows, seen how: shared by usage, log and values."""

    filter: list[str] = Field([], description="`dimension:operator:value,value`, repeated for AND. Absent is the empty value.")
    active_in: str | None = Field(
        None,
        description="Instead of start, end and range, and spelled like `range`: only the requests that were active at some "
        "instant of it, whenever they began. They are what `concurrency` counts there.",
    )
    search: str | None = Field(None, description="Words that all occur, in whatever searchable column.")
    scope: str | None = Field(None, description="`account` (my own) or `workspace`; the widest allowed when absent.")

    def view(self) -> View | None:
        return view_of(self.scope)

    def selection(self, who: Who, subject: Subject, now: int) -> Selection:
        filters, search = tuple(parse_filter(f) for f in self.filter), parse_search(self.search)
        if self.active_in is None:
            return Selection(subject, self.window(who, now), filters, search)
        if self.range is not None or self.start or self.end:
            raise InvalidInput("Send either active_in or range, or start and end.", field="active_in")
        if subject is not Subject.REQUESTS:
            raise InvalidInput("Only requests are active for a while; leave out active_in.", field="active_in")
        return Selection.of_active(self.named(self.active_in, who, now, field="active_in"), filters, search)


def view_of(name: str | None) -> View | None:
    """The view of that name. Raises `InvalidInput` with the nearest one."""
    if name is None:
        return None
    if name not in list(View):
        raise InvalidInput(f'scope "{name[:40]}" is unknown; {did_you_mean(name, list(View))}', field="scope")
    return View(name)


def listed(names: list[str]) -> list[str]:
    """Names given by repeating a parameter, by commas, or both."""
    return [name.strip() for item in names for name in item.split(",") if name.strip()]


AskedParams = Annotated[Asked, Param()]

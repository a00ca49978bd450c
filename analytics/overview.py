"""A shop at a glance: what happened in a period against the one before, what the catalogue holds, what was trained."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from catalog import counts as catalogue
from catalog import finding
from events import counts as events
from recommendations import runs
from tenants.types import TenantRef

PERIODS: Final = (7, 28, 90)
DEFAULT_PERIOD: Final = 28
BEST_SELLERS: Final = 6
Number = int | Decimal


@dataclass(frozen=True, slots=True)
class Period:
    """The last `days` calendar days of a time zone, today so far included."""

    days: int
    since: datetime
    until: datetime

    @property
    def before(self) -> "Period":
        """The period just as long that ended when this one began, up to the same time of day as now."""
        back = timedelta(days=self.days)
        return Period(self.days, self.since - back, self.until - back)

    @property
    def dates(self) -> list[date]:
        return [self.since.date() + timedelta(days=day) for day in range(self.days)]


class Point(NamedTuple):
    """A day's value and that of the day one period earlier."""

    day: date
    value: Number
    before: Number


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of a period, the number of the period before, and both day by day."""

    key: str
    title: str
    value: Number
    before: Number
    points: list[Point]

    @property
    def is_money(self) -> bool:
        return isinstance(self.value, Decimal)

    @property
    def change(self) -> float | None:
        """Relative to the period before, as a fraction; None where there was nothing before."""
        return float(self.value / self.before) - 1 if self.before else None


@dataclass(frozen=True, slots=True)
class BestSeller:
    item: finding.ItemSummary
    sold: events.Sold


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything the overview shows; `live` is the published training, `last` the one started last.

    `left_out` are the period's events that seem to be bots' and are counted nowhere.
    """

    period: Period
    catalogue: catalogue.CatalogueSize
    measures: list[Measure]
    types: dict[str, int]
    best_sellers: list[BestSeller]
    left_out: int
    last: runs.Run | None
    live: runs.Run | None

    @property
    def has_events(self) -> bool:
        return any(measure.value or measure.before for measure in self.measures)


_MEASURES: Final[dict[str, tuple[str, Callable[[events.Totals], Number]]]] = {
    "events": ("Events", lambda totals: totals.events),
    "visitors": ("Visitors", lambda totals: totals.visitors),
    "orders": ("Orders", lambda totals: totals.orders),
    "revenue": ("Revenue", lambda totals: totals.revenue),
}


def period(days: int, now: datetime, zone: ZoneInfo) -> Period:
    """The last `days` days up to now."""
    local = now.astimezone(zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return Period(days, midnight - timedelta(days=days - 1), local)


def read(tenant: TenantRef, asked: Period, zone: ZoneInfo) -> Overview:
    """The shop's overview of a period, counted from its events now."""
    return Overview(
        asked,
        catalogue.size(tenant, asked.since),
        measures(tenant, asked, zone),
        events.by_type(tenant, asked.since, asked.until),
        best_sellers(tenant, asked),
        events.left_out(tenant, asked.since, asked.until),
        runs.last(tenant),
        runs.live(tenant),
    )


def measures(tenant: TenantRef, asked: Period, zone: ZoneInfo) -> list[Measure]:
    """Events, visitors, orders and revenue, for the whole period and day by day."""
    whole, whole_before = (events.totals(tenant, each.since, each.until) for each in (asked, asked.before))
    daily, daily_before = (events.per_day(tenant, each.since, each.until, zone) for each in (asked, asked.before))
    none = events.Totals()
    days = [
        (day, daily.get(day, none), daily_before.get(day_before, none))
        for day, day_before in zip(asked.dates, asked.before.dates, strict=True)
    ]
    return [
        Measure(key, title, of(whole), of(whole_before), [Point(day, of(now), of(then)) for day, now, then in days])
        for key, (title, of) in _MEASURES.items()
    ]


def best_sellers(tenant: TenantRef, asked: Period) -> list[BestSeller]:
    """The items of the catalogue that brought most revenue in the period."""
    sold = {row.item_id: row for row in events.best_sellers(tenant, asked.since, asked.until, 2 * BEST_SELLERS)}
    found = finding.find_all(tenant, list(sold))
    return [BestSeller(item, sold[item.item_id]) for item in found[:BEST_SELLERS]]

"""What happened in a shop in a stretch of time, counted.

Every query is bounded by `occurred_at`, the partition key. `since` is included, `until` is not. An event may span
several rows (one an item line); its first line stands for it. Flagged events (`events.bots`) count nowhere but in
`left_out`.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db.models import Count, DecimalField, F, Q, Sum
from django.db.models.functions import Coalesce, TruncDate

from events.models import Event, EventQuerySet
from events.types import EventType
from tenants import tenancy
from tenants.types import TenantRef

_FIRST_LINE: Final = Q(line=0)
_PURCHASE: Final = Q(type=EventType.PURCHASE)
_AMOUNT: "Final[DecimalField[Any, Any]]" = DecimalField(max_digits=30, decimal_places=4)


@dataclass(frozen=True, slots=True)
class Totals:
    """Events, distinct visitors and orders, and the value of what was bought, in the shop's currency."""

    events: int = 0
    visitors: int = 0
    orders: int = 0
    revenue: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Sold:
    """An item and what was bought of it; revenue in the shop's currency."""

    item_id: str
    orders: int
    units: int
    revenue: Decimal


def totals(tenant: TenantRef, since: datetime, until: datetime) -> Totals:
    """The whole stretch in four numbers; purchases in another currency than the shop's are orders, but not revenue."""
    with tenancy.use(tenant):
        return Totals(**_trusted(since, until).aggregate(**_counted(tenant)))


def per_day(tenant: TenantRef, since: datetime, until: datetime, zone: ZoneInfo) -> dict[date, Totals]:
    """The same for each calendar day of the time zone; days without events are absent."""
    with tenancy.use(tenant):
        days = _trusted(since, until).annotate(day=TruncDate("occurred_at", tzinfo=zone)).values("day")
        return {row.pop("day"): Totals(**row) for row in days.annotate(**_counted(tenant)).order_by("day")}


def by_type(tenant: TenantRef, since: datetime, until: datetime) -> dict[str, int]:
    """Events of each type, the most frequent type first."""
    with tenancy.use(tenant):
        rows = _trusted(since, until).filter(_FIRST_LINE).values("type").annotate(events=Count("*"))
        return {row["type"]: row["events"] for row in rows.order_by("-events", "type")}


def left_out(tenant: TenantRef, since: datetime, until: datetime) -> int:
    """How many events are flagged, and so counted nowhere else."""
    with tenancy.use(tenant):
        return _between(since, until).filter(_FIRST_LINE, flag__isnull=False).count()


def best_sellers(tenant: TenantRef, since: datetime, until: datetime, limit: int) -> list[Sold]:
    """The items with the highest revenue, best first."""
    with tenancy.use(tenant):
        lines = (
            _trusted(since, until).filter(_PURCHASE, item_id__isnull=False, currency=tenant.currency).values("item_id")
        )
        rows = lines.annotate(
            orders=Count("order_id", distinct=True), units=Sum("quantity"), revenue=_revenue(Q(price__isnull=False))
        )
        return [Sold(**row) for row in rows.order_by("-revenue", "item_id")[:limit]]


def _between(since: datetime, until: datetime) -> EventQuerySet:
    return Event.objects.filter(occurred_at__gte=since, occurred_at__lt=until).order_by()


def _trusted(since: datetime, until: datetime) -> EventQuerySet:
    return _between(since, until).trusted()


def _counted(tenant: TenantRef) -> dict[str, Any]:
    return {
        "events": Count("line", filter=_FIRST_LINE),
        "visitors": Count("visitor_id", distinct=True),
        "orders": Count("order_id", distinct=True, filter=_PURCHASE),
        "revenue": _revenue(_PURCHASE & Q(currency=tenant.currency)),
    }


def _revenue(lines: Q) -> Coalesce:
    value = Sum(F("quantity") * F("price"), filter=lines, output_field=_AMOUNT)
    return Coalesce(value, Decimal(0), output_field=_AMOUNT)

"""What was done with one item, without flagged events (`events.bots`)."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from events.models import Event
from tenants import tenancy
from tenants.types import TenantRef


@dataclass(frozen=True, slots=True)
class Touch:
    """One item line: who did what with the item, how many of it, and when."""

    type: str
    visitor_id: str
    quantity: int
    occurred_at: datetime
    placement: str | None
    order_id: str | None


def recent(tenant: TenantRef, item_id: str, since: datetime, limit: int) -> list[Touch]:
    """The newest things done with an item since an instant, newest first."""
    columns = ("type", "visitor_id", "quantity", "occurred_at", "placement", "order_id")
    with tenancy.use(tenant):
        lines = Event.objects.trusted().filter(item_id=item_id, occurred_at__gte=since).order_by("-occurred_at", "-id")
        return [Touch(*row) for row in lines.values_list(*columns)[:limit]]


def by_type(tenant: TenantRef, item_id: str, since: datetime) -> dict[str, int]:
    """How often each was done with an item since an instant, the most frequent first."""
    with tenancy.use(tenant):
        lines = Event.objects.trusted().filter(item_id=item_id, occurred_at__gte=since).order_by()
        counted = lines.values("type").annotate(lines=Count("*")).order_by("-lines", "type")
        return {row["type"]: row["lines"] for row in counted}

"""Finding visitors by id, and what one did lately."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from events.models import Event
from tenants import tenancy
from tenants.types import TenantRef

SHORTEST_PREFIX: Final = 2
_RECENT_ROWS: Final = 500


@dataclass(frozen=True, slots=True)
class Interaction:
    """One item line of a visitor's past."""

    type: str
    item_id: str
    occurred_at: datetime


def search(tenant: TenantRef, prefix: str, since: datetime, limit: int = 8) -> list[str]:
    """Visitors seen since an instant whose id is the prefix or begins with it, in the order of their ids.

    Nothing is searched for a prefix of fewer than `SHORTEST_PREFIX` characters.
    """
    if len(prefix) < SHORTEST_PREFIX or "\x00" in prefix:
        return []
    # The range lets the index on visitors be walked and left after a few of them; the prefix is checked as well because
    # a database's collation may sort other ids in between.
    within = {"visitor_id__gte": prefix, "visitor_id__lt": prefix + "\U0010ffff", "visitor_id__startswith": prefix}
    with tenancy.use(tenant):
        events = Event.objects.filter(occurred_at__gte=since, **within)
        found = events.order_by("visitor_id", "-occurred_at").distinct("visitor_id")
        return list(found.values_list("visitor_id", flat=True)[:limit])


def lately_busy(tenant: TenantRef, since: datetime, limit: int) -> list[str]:
    """Of the visitors seen last (in the newest rows since an instant), those with most to tell."""
    with tenancy.use(tenant):
        events = Event.objects.trusted().filter(occurred_at__gte=since, item_id__isnull=False)
        rows = list(events.order_by("-occurred_at", "-id").values_list("visitor_id", flat=True)[:_RECENT_ROWS])
    return [visitor for visitor, _ in Counter(rows).most_common(limit)]


def history(tenant: TenantRef, visitor_id: str, since: datetime, limit: int) -> list[Interaction]:
    """The newest items a visitor touched since an instant, each once, newest first."""
    if "\x00" in visitor_id:
        return []
    with tenancy.use(tenant):
        events = Event.objects.filter(visitor_id=visitor_id, occurred_at__gte=since, item_id__isnull=False)
        rows = events.order_by("-occurred_at", "-id").values_list("type", "item_id", "occurred_at")[: limit * 10]
        seen: dict[str, Interaction] = {}
        for kind, item_id, occurred_at in rows:
            seen.setdefault(item_id or "", Interaction(kind, item_id or "", occurred_at))
    return list(seen.values())[:limit]

"""How much the catalogue holds."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from catalog.models import Item
from tenants import tenancy
from tenants.types import TenantRef


@dataclass(frozen=True, slots=True)
class CatalogueSize:
    """Items in the catalogue, those among them that can be bought, and those added since an instant."""

    items: int
    available: int
    added: int


def size(tenant: TenantRef, since: datetime) -> CatalogueSize:
    """What the catalogue holds now; `added` counts the items created since `since`."""
    with tenancy.use(tenant):
        counts = Item.objects.aggregate(
            items=Count("pk"),
            available=Count("pk", filter=~Q(availability=Item.Availability.OUT_OF_STOCK)),
            added=Count("pk", filter=Q(created_at__gte=since)),
        )
    return CatalogueSize(**counts)

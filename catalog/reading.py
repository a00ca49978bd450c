"""Reading the catalogue in bulk, for training."""

from dataclasses import dataclass
from datetime import datetime

from catalog import documents
from catalog.models import Item
from tenants import tenancy
from tenants.types import TenantRef


@dataclass(frozen=True, slots=True)
class ItemContent:
    """What the text-based strategies know of an item."""

    id: int
    item_id: str
    title: str
    brand: str
    categories: tuple[str, ...]
    attributes: str


def contents(tenant: TenantRef) -> list[ItemContent]:
    """Every item of the catalogue, in the order of the internal ids."""
    columns = ("id", "item_id", "title", "brand", "categories", "attributes")
    with tenancy.use(tenant):
        rows = Item.objects.order_by("id").values_list(*columns).iterator(chunk_size=5_000)
        return [
            ItemContent(pk, item_id, title, brand, tuple(categories), " ".join(documents.values(attributes)))
            for pk, item_id, title, brand, categories, attributes in rows
        ]


def any_since(tenant: TenantRef, since: datetime | None) -> bool:
    """Whether any item was added or changed since an instant (None: ever)."""
    with tenancy.use(tenant):
        items = Item.objects.all()
        return (items if since is None else items.filter(updated_at__gt=since)).exists()


def count(tenant: TenantRef) -> int:
    """How many items the catalogue holds."""
    with tenancy.use(tenant):
        return Item.objects.count()

"""Reading the catalogue in bulk, for training."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Max

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


CONTENT: Final = ("title", "brand", "categories", "attributes")
"""The columns of an item that trainings learn from."""


def contents(tenant: TenantRef) -> list[ItemContent]:
    """Every item of the catalogue, in the order of the internal ids."""
    with tenancy.use(tenant):
        rows = Item.objects.order_by("id").values_list("id", "item_id", *CONTENT).iterator(chunk_size=5_000)
        return [
            ItemContent(pk, item_id, title, brand, tuple(categories), " ".join(documents.values(attributes)))
            for pk, item_id, title, brand, categories, attributes in rows
        ]


def any_since(tenant: TenantRef, since: datetime | None) -> bool:
    """Whether an item came in since an instant (None: ever), or one changed in what trainings learn from.

    The newest change is asked for, which is one step in an index however many items there are.
    """
    with tenancy.use(tenant):
        newest: datetime | None = Item.objects.aggregate(newest=Max("content_changed_at"))["newest"]
    return newest is not None and (since is None or newest > since)


def count(tenant: TenantRef) -> int:
    """How many items the catalogue holds."""
    with tenancy.use(tenant):
        return Item.objects.count()

"""Reading the catalogue in bulk, for training."""

from dataclasses import dataclass

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
            ItemContent(pk, item_id, title, brand, tuple(categories), _words(attributes))
            for pk, item_id, title, brand, categories, attributes in rows
        ]


def count(tenant: TenantRef) -> int:
    """How many items the catalogue holds."""
    with tenancy.use(tenant):
        return Item.objects.count()


def _words(attributes: dict[str, object]) -> str:
    """Attribute values as text; a flag contributes its name where it is set."""
    words: list[str] = []
    for name, value in attributes.items():
        if isinstance(value, bool):
            words += [name] if value else []
        elif isinstance(value, list):
            words += map(str, value)
        elif value is not None:
            words.append(str(value))
    return " ".join(words)

"""Reading the catalogue in bulk, for training, and around items that are new."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection
from django.db.models import Max

from catalog import documents, terms
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
        return _contents(Item.objects.order_by("id").values_list(*_COLUMNS).iterator(chunk_size=5_000))


def added_since(tenant: TenantRef, since: datetime, most: int) -> list[ItemContent]:
    """The items that came into the catalogue after an instant, the newest first."""
    with tenancy.use(tenant):
        return _contents(Item.objects.filter(created_at__gt=since).order_by("-id").values_list(*_COLUMNS)[:most])


def around(tenant: TenantRef, items: Sequence[ItemContent], each: int) -> list[ItemContent]:
    """The items, and those that may resemble them, in the order of the internal ids.

    Of a category, of the brand and with a word of the title, the `each` most popular ones.
    """
    with tenancy.use(tenant), connection.cursor() as cursor:
        found = {item.id for item in items}
        for item in items:
            words = " | ".join(f"'{word}'" for word in dict.fromkeys(terms.words(item.title).split()))
            cursor.execute(_AROUND, [list(item.categories), each, item.brand, each, words, words, each])
            found.update(pk for (pk,) in cursor.fetchall())
        return _contents(Item.objects.filter(pk__in=found).order_by("id").values_list(*_COLUMNS))


_COLUMNS: Final = ("id", "item_id", *CONTENT)
_AROUND: Final = """
    (SELECT id FROM catalog_item WHERE category_paths && %s::text[] ORDER BY popularity DESC, id DESC LIMIT %s)
    UNION
    (SELECT id FROM catalog_item WHERE brand = %s AND brand <> '' ORDER BY popularity DESC, id DESC LIMIT %s)
    UNION
    (SELECT id FROM catalog_item WHERE %s <> '' AND document @@ %s::tsquery ORDER BY popularity DESC, id DESC LIMIT %s)
"""


def _contents(rows: Iterable[tuple[Any, ...]]) -> list[ItemContent]:
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

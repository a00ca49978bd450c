"""What a person needs to recognise an item; `catalog/search.py` finds them by words."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec
from django.db import connection, transaction

from catalog import cards, conditions
from catalog.filters import Filter
from catalog.matching import Facts, facts_of
from catalog.models import Item
from recomengine.lib import clock
from tenants import tenancy
from tenants.types import TenantRef


class ItemSummary(msgspec.Struct, frozen=True):
    """What a person needs to recognise an item; amounts are plain decimal strings."""

    item_id: str
    title: str
    currency: str
    price: str | None = None
    sale_price: str | None = None
    sale_starts_at: datetime | None = None
    sale_ends_at: datetime | None = None
    image_url: str = ""
    url: str = ""
    brand: str = ""
    availability: str = "in_stock"
    categories: list[str] = []

    @property
    def on_sale(self) -> bool:
        """Whether the sale price is the one to pay just now."""
        now = clock.now()
        begun = self.sale_starts_at is None or self.sale_starts_at <= now
        return self.sale_price is not None and begun and (self.sale_ends_at is None or now < self.sale_ends_at)


summary_of_product = msgspec.json.Decoder(ItemSummary).decode
"""The summary in an item's JSON as the serving path keeps it."""


def find(tenant: TenantRef, item_id: str) -> ItemSummary | None:
    """The item of exactly that id."""
    return next(iter(find_all(tenant, [item_id])), None)


def find_all(tenant: TenantRef, item_ids: Sequence[str]) -> list[ItemSummary]:
    """Those of the items that exist, in the order asked for."""
    wanted = [item_id for item_id in item_ids if "\x00" not in item_id]
    with tenancy.use(tenant):
        found = {item.item_id: summary(item) for item in Item.objects.filter(item_id__in=wanted)}
    return [found[item_id] for item_id in wanted if item_id in found]


def missing(tenant: TenantRef, item_ids: Sequence[str]) -> list[str]:
    """Those of the ids that no item has, in the order asked for."""
    with tenancy.use(tenant):
        held = set(Item.objects.filter(item_id__in=item_ids).values_list("item_id", flat=True))
    return [item_id for item_id in item_ids if item_id not in held]


def newest(tenant: TenantRef, limit: int) -> list[ItemSummary]:
    """The items that were added last."""
    with tenancy.use(tenant):
        return [summary(item) for item in Item.objects.order_by("-pk")[:limit]]


def summary(item: Item) -> ItemSummary:
    """What a person needs to recognise a stored item."""
    return msgspec.convert(cards.product(item), ItemSummary)


def facts(tenant: TenantRef, item_ids: Sequence[str]) -> dict[str, tuple[Facts, bool]]:
    """What filters can ask of those of the items that exist, and whether they may be shown now."""
    now = clock.now().timestamp()
    with tenancy.use(tenant):
        found = [cards.card(item) for item in Item.objects.filter(item_id__in=item_ids)]
    return {each.item_id: (facts_of(each.product), each.is_showable(now)) for each in found}


def passing(tenant: TenantRef, wanted: Filter, limit: int, *, within: float = 10.0) -> list[int]:
    """The internal ids of items that pass a filter and may be shown now, the most popular first, then the newest.

    Raises OperationalError if PostgreSQL is away, or has not found them `within` so many seconds.
    """
    now = clock.now()
    test = conditions.where(wanted, now)
    with tenancy.use(tenant), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{within * 1000:.0f}ms"])
        cursor.execute(_PASSING.format(test.text), [now, now, *test.params, limit])
        return [pk for (pk,) in cursor.fetchall()]


_PASSING: Final = """
    SELECT id FROM catalog_item
    WHERE availability <> 'out_of_stock' AND (published_at IS NULL OR published_at <= %s)
        AND (expires_at IS NULL OR %s < expires_at) AND {}
    ORDER BY popularity DESC, id DESC LIMIT %s
"""

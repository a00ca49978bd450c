"""Items as the serving path reads them: one small record each in the Redis hash `{slug}:items`, keyed by `Item.id`."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from django.db import transaction

from catalog.models import Item
from catalog.types import Card, cards_key
from recomengine.lib import redis
from recomengine.lib.postgres import lock_until_commit
from tenants import tenancy
from tenants.types import TenantRef

_encode = msgspec.msgpack.Encoder().encode
_CHUNK = 2000


def refresh(tenant: TenantRef, ids: Sequence[int]) -> None:
    """Have the cards of these items say what is stored of them now; those of items that are gone leave every slate.

    One refresh of a tenant at a time, which reads after it had to wait: of two writers of an item, the slower to get
    here cannot put its older state over the newer one.
    """
    with tenancy.use(tenant), transaction.atomic():
        lock_until_commit(cards_key(tenant.slug))
        found = {item.pk: _encode(card(item)) for item in Item.objects.filter(pk__in=ids)}
        gone = set(ids) - set(found)
        if found:
            redis.client().hset(cards_key(tenant.slug), items=[part for pair in found.items() for part in pair])
        if gone:
            redis.client().hdel(cards_key(tenant.slug), *map(str, gone))


def rebuild(tenant: TenantRef) -> int:
    """Write every item's card anew, drop the cards of items that are gone, and return how many there are."""
    with tenancy.use(tenant):
        stored = set(Item.objects.values_list("pk", flat=True))
    shown = {int(pk) for pk in redis.client().hkeys(cards_key(tenant.slug))}
    everything = sorted(stored | shown)
    for start in range(0, len(everything), _CHUNK):
        refresh(tenant, everything[start : start + _CHUNK])
    return len(stored)


def drop_gone(tenant: TenantRef) -> None:
    """Drop the cards of items that are gone."""
    with tenancy.use(tenant):
        stored = set(Item.objects.values_list("pk", flat=True))
    gone = sorted({int(pk) for pk in redis.client().hkeys(cards_key(tenant.slug))} - stored)
    for start in range(0, len(gone), _CHUNK):
        refresh(tenant, gone[start : start + _CHUNK])


def card(item: Item) -> Card:
    """What the serving path needs of an item."""
    return Card(
        item_id=item.item_id,
        available=item.availability != Item.Availability.OUT_OF_STOCK,
        published_at=_seconds(item.published_at),
        expires_at=_seconds(item.expires_at),
        group_id=item.group_id or "",
        product=msgspec.json.encode(product(item)),
    )


def product(item: Item) -> dict[str, Any]:
    """An item as the API shows it."""
    return {
        "item_id": item.item_id,
        "title": item.title,
        "description": item.description,
        "url": item.url,
        "image_url": item.image_url,
        "price": money(item.price),
        "sale_price": money(item.sale_price),
        "sale_starts_at": item.sale_starts_at,
        "sale_ends_at": item.sale_ends_at,
        "currency": item.currency,
        "availability": item.availability,
        "brand": item.brand,
        "categories": item.categories,
        "attributes": item.attributes,
        "group_id": item.group_id,
        "published_at": item.published_at,
        "expires_at": item.expires_at,
    }


def money(amount: Decimal | None) -> str | None:
    """An amount as a plain decimal string with at least two places: 9.9500 → "9.95"."""
    if amount is None:
        return None
    text = f"{amount:f}"
    whole, _, places = text.partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"


def _seconds(instant: datetime | None) -> int:
    return int(instant.timestamp()) if instant else 0

"""Items as the serving path reads them: one small record each in the Redis hash `{slug}:items`, keyed by `Item.id`."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from catalog.models import Item
from catalog.types import Card, cards_key
from recomengine.lib import redis
from tenants import tenancy
from tenants.types import TenantRef

_encode = msgspec.msgpack.Encoder().encode
_CHUNK = 2000


def publish(tenant: TenantRef, items: Sequence[Item]) -> None:
    """Put these items' cards in place of the ones that stand there."""
    if items:
        redis.client().hset(cards_key(tenant.slug), mapping={str(item.pk): _encode(card(item)) for item in items})


def withdraw(tenant: TenantRef, ids: Sequence[int]) -> None:
    """Take items off every slate."""
    if ids:
        redis.client().hdel(cards_key(tenant.slug), *map(str, ids))


def rebuild(tenant: TenantRef) -> int:
    """Write every item's card anew, drop the cards of items that are gone, and return how many there are."""
    with tenancy.use(tenant):
        ids: set[bytes] = set()
        for chunk in _chunks():
            publish(tenant, chunk)
            ids.update(str(item.pk).encode() for item in chunk)
    gone = set(redis.client().hkeys(cards_key(tenant.slug))) - ids
    withdraw(tenant, [int(pk) for pk in gone])
    return len(ids)


def _chunks() -> Iterator[list[Item]]:
    last = 0
    while chunk := list(Item.objects.filter(pk__gt=last).order_by("pk")[:_CHUNK]):
        yield chunk
        last = chunk[-1].pk


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

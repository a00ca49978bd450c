"""Items as the serving path reads them: one small record each in the Redis hash `{slug}:items`, keyed by `Item.id`.

Beside it, by `item_id`, `{slug}:ids` tells the internal ids, `{slug}:groups` the groups of those that are variants, and
`{slug}:categories` the category that each counts in. `{slug}:new` is a sorted set of the newest items by when they
came: all that are yet to be published, and `NEWEST` of the others.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
from django.db import connection, transaction
from django.db.models.functions import Coalesce
from redis.client import Pipeline

from catalog.models import Item
from catalog.types import Card, cards_key, category_of, groups_key, ids_key, newest_key
from recomengine.lib import clock, naming, redis
from recomengine.lib.postgres import lock_until_commit
from tenants import tenancy
from tenants.types import TenantRef

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Card).decode
_encode_json = msgspec.json.Encoder().encode
_CHUNK: Final = 2000
NEWEST: Final = 1_000


class Row(NamedTuple):
    """An item's columns as they are read in bulk, where a model's instance each would take most of the time.

    `attributes` are JSON as it is stored.
    """

    pk: int
    item_id: str
    title: str
    description: str
    url: str
    image_url: str
    price: Decimal | None
    sale_price: Decimal | None
    sale_starts_at: datetime | None
    sale_ends_at: datetime | None
    currency: str
    availability: str
    brand: str
    categories: list[str]
    attributes: Any
    group_id: str | None
    published_at: datetime | None
    expires_at: datetime | None
    created_at: datetime


_SELECT: Final = f"SELECT id, {', '.join(Row._fields[1:])} FROM catalog_item WHERE id = ANY(%s)"  # noqa: S608 - ours


def refresh(tenant: TenantRef, ids: Sequence[int]) -> None:
    """Have the cards of these items say what is stored of them now; those of items that are gone leave every slate.

    One refresh of a tenant at a time, which reads after it had to wait: of two writers of an item, the slower to get
    here cannot put its older state over the newer one.
    """
    with tenancy.use(tenant), transaction.atomic():
        lock_until_commit(cards_key(tenant.slug))
        found = _rows(ids)
        gone = _former_ids(tenant, set(ids) - {item.pk for item in found})
        names = [*gone, *(item.item_id for item in found)]
        pipeline = redis.client().pipeline(transaction=False)
        _put(pipeline, cards_key(tenant.slug), {str(item.pk): _encode(card(item)) for item in found}, map(str, ids))
        groups = {item.item_id: item.group_id for item in found if item.group_id}
        _put(pipeline, groups_key(tenant.slug), groups, names)
        categories = {item.item_id: category for item in found if (category := category_of(item.categories))}
        _put(pipeline, naming.categories_key(tenant.slug), categories, names)
        _put(pipeline, ids_key(tenant.slug), {item.item_id: item.pk for item in found}, names)
        pipeline.execute()
        _note_new(tenant, found, set(ids))


def _former_ids(tenant: TenantRef, gone: Iterable[int]) -> list[str]:
    """The `item_id`s that items which are gone had, unless they are other items' by now."""
    pks, client = [str(pk) for pk in gone], redis.client()
    if not pks:
        return []
    packed: list[bytes | None] = client.hmget(cards_key(tenant.slug), pks)  # type: ignore[assignment]
    named = zip(pks, map(_item_id_of, packed), strict=True)
    had = {item_id: pk.encode() for pk, item_id in named if item_id is not None}
    if not had:
        return []
    now: list[bytes | None] = client.hmget(ids_key(tenant.slug), list(had))  # type: ignore[assignment]
    return [item_id for (item_id, pk), known in zip(had.items(), now, strict=True) if known == pk]


def _item_id_of(packed: bytes | None) -> str | None:
    try:
        return _decode(packed).item_id if packed else None
    except msgspec.MsgspecError:  # it is damaged, and goes as well
        return None


def _rows(ids: Sequence[int]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(_SELECT, [list(ids)])
        rows = map(Row._make, cursor.fetchall())
    return [row._replace(attributes=msgspec.Raw(row.attributes.encode())) for row in rows]


def _put(pipeline: Pipeline, key: str, values: dict[str, Any], names: Iterable[str]) -> None:
    """Have the hash hold these values, and none of the other names."""
    gone = [name for name in names if name not in values]
    if values:
        pipeline.hset(key, items=[part for pair in values.items() for part in pair])
    if gone:
        pipeline.hdel(key, *gone)


def _note_new(tenant: TenantRef, found: Sequence[Row], ids: set[int]) -> None:
    """Have the newest items say what is stored of these."""
    name, client, now = newest_key(tenant.slug), redis.client(), clock.now()
    seconds = int(now.timestamp())
    since = {str(item.pk): new_since(item) for item in found}
    if since:
        client.zadd(name, since)
    gone = [str(pk) for pk in ids if str(pk) not in since]
    if gone and client.zrem(name, *gone) and client.zcount(name, "-inf", seconds) < NEWEST // 2:
        older = _newest(now)  # so many are gone that older ones have their turn
        if older:
            client.zadd(name, older)
    to_come = client.zcount(name, f"({seconds}", "+inf")
    client.zremrangebyrank(name, 0, -int(to_come) - NEWEST - 1)


def _newest(now: datetime) -> dict[str, int]:
    """The newest items of the catalogue that are published, and since when they are."""
    came = Coalesce("published_at", "created_at")
    rows = Item.objects.alias(came=came).filter(came__lte=now).order_by("-came", "pk").values_list("pk", came)[:NEWEST]
    return {str(pk): int(at.timestamp()) for pk, at in rows}


def new_since(item: Row) -> int:
    """The Unix second from which an item is new: when it is published, else when it came into the catalogue."""
    return _seconds(item.published_at or item.created_at)


def rebuild(tenant: TenantRef) -> int:
    """Write every item's card anew, drop the cards of items that are gone, and return how many there are."""
    with tenancy.use(tenant):
        stored = dict(Item.objects.values_list("pk", "item_id"))
    shown = {int(pk) for pk in redis.client().hkeys(cards_key(tenant.slug))}
    everything = sorted(stored.keys() | shown)
    known = {item_id.encode() for item_id in stored.values()}
    for key in (groups_key(tenant.slug), ids_key(tenant.slug), naming.categories_key(tenant.slug)):
        if gone := set(redis.client().hkeys(key)) - known:
            redis.client().hdel(key, *gone)
    newest: list[bytes] = redis.client().zrange(newest_key(tenant.slug), 0, -1)  # type: ignore[assignment]
    if lost := [pk for pk in newest if int(pk) not in stored]:
        redis.client().zrem(newest_key(tenant.slug), *lost)
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


def card(item: Item | Row) -> Card:
    """What the serving path needs of an item."""
    return Card(
        item_id=item.item_id,
        available=item.availability != Item.Availability.OUT_OF_STOCK,
        published_at=_seconds(item.published_at),
        expires_at=_seconds(item.expires_at),
        group_id=item.group_id or "",
        product=_encode_json(product(item)),
    )


def product(item: Item | Row) -> dict[str, Any]:
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

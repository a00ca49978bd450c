"""Loading the demo shops through the same domain functions as the API: tenant, catalogue, events, training.

Each step is skipped where its result is there already, so that a second start repeats nothing and an interrupted one
goes on: items and events are idempotent.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from catalog import items as catalog
from catalog.types import MAX_BATCH
from events import history, ingest, store
from recomengine.demo import gift_shop, home_goods
from recomengine.lib import clock
from recomengine.lib.postgres import connect
from recommendations import placements, training
from tenants import directory
from tenants.models import Tenant
from tenants.provisioning import create_tenant
from tenants.types import TenantRef

EVENTS_AT_ONCE: Final = 1_000
T = TypeVar("T")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class DemoShop:
    """A demo shop: what it is called and where its items and events come from."""

    slug: str
    name: str
    currency: str
    notice: str
    items: Callable[[datetime], Iterable[dict[str, Any]]]
    events: Callable[[datetime], Iterable[dict[str, Any]]]


SHOPS: Final = (
    DemoShop(
        "gift-shop", "Gift Shop", gift_shop.CURRENCY,
        "Real orders of a UK gift shop, 2010–2011 (UCI Online Retail), moved in time as a whole",
        gift_shop.items, gift_shop.orders,
    ),
    DemoShop(
        "home-goods", "Home Goods", home_goods.CURRENCY, "Fictional products and simulated shoppers",
        lambda now: home_goods.items(), home_goods.events,
    ),
)  # fmt: skip


def load(shop: DemoShop, progress: Progress) -> TenantRef:
    """Have the shop there, loaded and trained."""
    tenant = _tenant(shop, progress)
    if not training.has_published(tenant):
        now = clock.now()
        load_items(tenant, shop.items(now), progress)
        load_events(tenant, shop.events(now), now, progress)
        progress(f"{shop.slug}: training")
        training.train(tenant)
        history.rebuild(tenant)
    return tenant


def _tenant(shop: DemoShop, progress: Progress) -> TenantRef:
    if not Tenant.objects.filter(slug=shop.slug).exists():
        progress(f"{shop.slug}: creating the tenant")
        create_tenant(shop.slug, shop.name, currency=shop.currency, notice=shop.notice)
    tenant = directory.get(shop.slug)
    placements.create_built_in(tenant)
    return tenant


def load_items(tenant: TenantRef, items: Iterable[dict[str, Any]], progress: Progress) -> None:
    """Upsert the catalogue in batches, as the API would."""
    done = 0
    for batch in chunks(items, MAX_BATCH):
        result = catalog.upsert(tenant, [msgspec.Raw(msgspec.json.encode(item)) for item in batch])
        if result.rejected:
            raise ValueError(f"{tenant.slug}: the demo catalogue was rejected: {result.rejected[0]}")
        done += len(batch)
        progress(f"{tenant.slug}: {done:,} items")


def load_events(tenant: TenantRef, events: Iterable[dict[str, Any]], now: datetime, progress: Progress) -> None:
    """Run events through the steps of ingestion and store them, a thousand at a commit."""
    context = ingest.Context(now, tenant.currency)
    done = lines = 0
    with connect() as connection:
        for batch in chunks(events, EVENTS_AT_ONCE):
            taken = ingest.from_rows([msgspec.json.encode(event) for event in batch], context)
            if taken.rejected:
                raise ValueError(f"{tenant.slug}: a demo event was rejected: {taken.rejected[0]}")
            store.write(connection, tenant.schema, taken.events)
            done, lines = done + len(batch), lines + sum(map(len, taken.events))
            progress(f"{tenant.slug}: {done:,} events with {lines:,} item lines")


def chunks(values: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk

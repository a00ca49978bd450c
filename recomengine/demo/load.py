"""Loading the demo shops through the same domain functions as the API: catalogue, events, training.

Items and events are idempotent, so an interrupted loading is simply done again.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec

from catalog import items as catalog
from catalog.types import MAX_BATCH
from events import history, ingest, store, trending
from recomengine.demo import gift_shop, home_goods
from recomengine.demo.shops import GIFT_SHOP, HOME_GOODS
from recomengine.lib import clock
from recomengine.lib.postgres import connect
from recommendations.training import running
from tenants import live
from tenants.types import TenantRef

EVENTS_AT_ONCE: Final = 1_000
T = TypeVar("T")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """Where a demo shop's items and events come from, given the moment they are to end at."""

    items: Callable[[datetime], Iterable[dict[str, Any]]]
    events: Callable[[datetime], Iterable[dict[str, Any]]]


SOURCES: Final = {
    GIFT_SHOP.slug: Source(gift_shop.items, gift_shop.orders),
    HOME_GOODS.slug: Source(home_goods.items, home_goods.events),
}


def load(tenant: TenantRef, progress: Progress) -> None:
    """Have the shop's catalogue and events in the store, and a model of them published."""
    now = clock.now()
    source = SOURCES[tenant.slug]
    load_items(tenant, source.items(now), progress)
    load_events(tenant, source.events(now), now, progress)
    running.train(tenant, lambda doing: progress(f"{tenant.slug}: training, {doing}"))
    history.rebuild(tenant)
    trending.rebuild(tenant)
    live.mark_whole(tenant.slug)


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

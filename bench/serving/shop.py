"""The shop that is served: its products, a model with full lists, visitors with histories, two rules, an experiment."""

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from bench.publishing import model
from catalog import cards, items
from catalog.types import ItemIn
from events.types import HISTORY_KEPT, visitor_key
from experiments import running
from experiments.models import Experiment
from recomengine.lib import clock, redis
from recommendations import placements
from recommendations.models import Placement, Rule
from recommendations.releases import publishing, versions
from tenants import tenancy
from tenants.types import TenantRef

BATCH: Final = 500
BRANDS: Final = 200
HISTORY: Final = 10
PLACEMENT: Final = "bench"
CASCADE: Final = ("session", "also_viewed", "similar", "trending", "popular", "new")


def item_id(number: int) -> str:
    return f"item-{number:07}"


def visitor_id(number: int) -> str:
    return f"visitor-{number:08}"


def catalogue(tenant: TenantRef, products: int) -> None:
    """Products whose JSON is some 600 bytes; numbered from 1 in the order of their ids, as the model's are."""
    words = random.Random(1)
    made = (product(number, words) for number in range(products))
    while batch := [item for _, item in zip(range(BATCH), made, strict=False)]:
        with tenancy.use(tenant):
            items.write(tenant, batch)
    cards.rebuild(tenant)


def product(number: int, words: random.Random) -> ItemIn:
    brand, kind = words.randrange(BRANDS), words.randrange(300)
    return ItemIn(
        item_id=item_id(number),
        title=f"Product {number} of brand {brand}, kind {kind}",
        description=" ".join(f"word{words.randrange(10_000)}" for _ in range(12)),
        url=f"https://shop.example/products/{item_id(number)}?from=recommendations",
        image_url=f"https://images.shop.example/{item_id(number)}/large.webp",
        price=Decimal(words.randrange(100, 20_000)) / 100,
        currency="EUR",
        brand=f"Brand {brand}",
        categories=[f"Shelf {kind % 20} > Kind {kind}"],
        attributes={"color": words.choice(["red", "green", "blue"]), "size": words.randrange(40), "margin": 0.3},
    )


def publish_model(tenant: TenantRef, products: int, k: int) -> None:
    version = "bench"
    publishing.write(tenant, version, model(products, k))
    versions.flip(tenant, version)


def histories(tenant: TenantRef, products: int, visitors: int) -> None:
    """Every visitor looked at ten products lately."""
    chance, client = random.Random(2), redis.client()
    now = int(clock.now().timestamp() * 1e6)
    seconds = int(HISTORY_KEPT.total_seconds())
    for start in range(0, visitors, BATCH):
        pipeline = client.pipeline(transaction=False)
        for number in range(start, min(start + BATCH, visitors)):
            seen: dict[Any, Any] = {
                f"v{item_id(chance.randrange(products))}": now - step * 60_000_000 for step in range(HISTORY)
            }
            pipeline.zadd(visitor_key(tenant.slug, visitor_id(number)), seen)
            pipeline.expire(visitor_key(tenant.slug, visitor_id(number)), seconds)
        pipeline.execute()


def controls(tenant: TenantRef) -> None:
    """A placement with one rule that takes products out, one that lifts some, and an experiment of two variants."""
    acme: dict[str, Any] = {"field": "brand", "op": "in", "value": [f"Brand {n}" for n in range(20)]}
    cheap: dict[str, Any] = {"field": "current_price", "op": "lt", "value": 5}
    with tenancy.use(tenant):
        Placement.objects.create(key=PLACEMENT, name="Bench", cascade=list(CASCADE))
        Rule.objects.create(
            key="no-cheap", name="Nothing below 5", placement=PLACEMENT, action={"type": "exclude", "filter": cheap}
        )
        Rule.objects.create(
            key="lift", name="Own brands", placement=PLACEMENT, action={"type": "boost", "filter": acme, "factor": 1.5}
        )
        Experiment.objects.create(
            key="bench",
            name="Bench",
            placement=PLACEMENT,
            status="running",
            phase=1,
            variants=[
                {"key": "A", "weight": 0.5, "configuration": {}},
                {"key": "B", "weight": 0.5, "configuration": {"strategy": "also_viewed"}},
            ],
        )
    placements.publish(tenant)
    running.publish(tenant)


def requests(key: str, visitors: int, address: str) -> Iterator[bytes]:
    """Requests of visitors, whose last ten products are their session; the first ten thousand again and again."""
    chance = random.Random(3)
    made = [_request(key, chance.randrange(visitors), address) for _ in range(10_000)]
    while True:
        yield from made


def _request(key: str, visitor: int, address: str) -> bytes:
    query = f"placement={PLACEMENT}&visitor_id={visitor_id(visitor)}&limit=10"
    return f"GET {address}?{query} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n".encode()

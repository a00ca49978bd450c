"""The example shop with simulated shoppers: a fictional catalogue of 2,465 products, strongest in things for the home.

The products come from the AWS Retail Demo Store (MIT-0), see `data/ATTRIBUTION.md`. Everything that happens in the shop
is made up by `shoppers.simulate` and marked as such: visitors are `sim-…`, properties say `"simulated": true`.
"""

import uuid
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recomengine.demo.shoppers import DAYS, KINDS, Catalogue, Log, simulate

CURRENCY = "USD"
PRODUCTS_SCHEMA = pa.schema(
    {
        "item_id": pa.string(),
        "title": pa.string(),
        "description": pa.string(),
        "category": pa.string(),
        "style": pa.string(),
        "price": pa.float64(),
        "current_stock": pa.int32(),
        "gender_affinity": pa.string(),
        "promoted": pa.bool_(),
    }
)

_DATA = Path(__file__).parent / "data"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "home-goods.demo.recomengine")
_CATEGORY_NAMES = {"homedecor": "Home Decor"}
_AFFINITIES = (None, "F", "M")


def items(now: datetime | None = None) -> list[dict[str, Any]]:
    """The 2,465 products as catalogue entries, in the source's order.

    `categories` is the source's category and style ("Furniture > Chairs"). With `now` there is a `published_at`, made
    up from the item id alone: about one item in twelve is launched within the simulated 60 days.
    """
    products = _products()
    entries = [_entry(product) for product in products]
    if now is not None:
        for entry, launch in zip(entries, _launches(products, _utc(now)), strict=True):
            entry["published_at"] = launch.isoformat() + "Z"
    return entries


def events(now: datetime, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Simulated views, clicks, carts and purchases of the 60 days before `now`, oldest first.

    About 20,000 sessions and 120,000 events; the same `now` (to the second) and `seed` give the same events. No session
    begins before the 60 days or ends after `now`, none has a gap of 30 minutes, and no visitor has two at once.
    Prices are the catalogue's. Raises ValueError if `now` has no time zone.
    """
    products = _products()
    log = simulate(_catalogue(products, _utc(now)), _utc(now), seed)
    lines = [{"item_id": product["item_id"], "price": f"{product['price']:.2f}"} for product in products]
    columns = (log.time, log.session, log.kind, log.item, log.quantity)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    for (time, session, kind), group in groupby(rows, key=itemgetter(0, 1, 2)):
        head = _head(log, time, session, KINDS[kind], seed)
        yield head | {"items": [{**lines[item], "quantity": quantity} for *_, item, quantity in group]}


def _products() -> list[dict[str, Any]]:
    products: list[dict[str, Any]] = pq.read_table(_DATA / "home_goods.parquet", schema=PRODUCTS_SCHEMA).to_pylist()
    return products


def _entry(product: dict[str, Any]) -> dict[str, Any]:
    category = _CATEGORY_NAMES.get(product["category"], product["category"].title())
    attributes = {"style": product["style"], "gender_affinity": product["gender_affinity"]}
    attributes["promoted"] = product["promoted"]
    return {
        "item_id": product["item_id"],
        "title": product["title"],
        "description": product["description"],
        "price": f"{product['price']:.2f}",
        "currency": CURRENCY,
        "availability": "in_stock" if product["current_stock"] > 0 else "out_of_stock",
        "categories": [f"{category} > {product['style'].title()}"],
        "attributes": {name: value for name, value in attributes.items() if value is not None},
    }


def _launches(products: list[dict[str, Any]], now: datetime) -> list[datetime]:
    """A midnight (naive UTC) for each product; the first of each style was always there, so that no style is empty."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    launches, seen = [], set()
    for product in products:
        leaf, hashed = _leaf(product), zlib.crc32(product["item_id"].encode())
        is_new = leaf in seen and hashed % 12 == 0
        age = 1 + hashed // 12 % (DAYS - 5) if is_new else DAYS + 1 + hashed // 12 % 1000
        launches.append(midnight - timedelta(days=age))
        seen.add(leaf)
    return launches


def _catalogue(products: list[dict[str, Any]], now: datetime) -> Catalogue:
    leaves = sorted({_leaf(product) for product in products})
    index = {name: leaf for leaf, name in enumerate(leaves)}
    launches = [int(launch.replace(tzinfo=UTC).timestamp()) for launch in _launches(products, now)]
    return Catalogue(
        leaves=tuple(leaves),
        leaf=np.array([index[_leaf(product)] for product in products]),
        price=np.array([product["price"] for product in products]),
        affinity=np.array([_AFFINITIES.index(product["gender_affinity"]) for product in products]),
        published=np.array(launches),
    )


def _leaf(product: dict[str, Any]) -> str:
    return f"{product['category']}/{product['style']}"


def _head(log: Log, time: int, session: int, kind: str, seed: int) -> dict[str, Any]:
    """An event without its items; its id follows from what it is, so that the same simulation repeats it."""
    shopper, visit = int(log.shopper[session]), int(log.visit[session])
    session_id = f"sim-{shopper:05d}-{visit}"
    event = {
        "event_id": str(uuid.uuid5(_NAMESPACE, f"{seed}/{session_id}/{time}/{kind}")),
        "type": kind,
        "occurred_at": datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "visitor_id": f"sim-{shopper:05d}",
        "session_id": session_id,
        "currency": CURRENCY,
        "properties": {"simulated": True},
    }
    if log.account[session]:
        event["user_id"] = f"sim-user-{shopper:05d}"
    if kind == "purchase":
        event["order_id"] = f"sim-o-{event['event_id']}"
    return event


def _utc(now: datetime) -> datetime:
    """`now` as naive UTC, to the second."""
    if now.tzinfo is None:
        raise ValueError("`now` needs a time zone")
    return now.astimezone(UTC).replace(tzinfo=None, microsecond=0)

"""How many items a second the batch endpoint takes, over HTTP, with everything on this machine.

Run with `python manage.py services run -- python -m bench.catalog_batches`. The API runs in two processes as it does
in production; a few callers in a process of their own keep a connection each and send batches of 500: first items that
are new, then every item with another price, then the same again, unchanged.
"""

import argparse
import http.client
import json
import multiprocessing
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from bench.harness import bench_tenants, serving
from tenants import keys
from tenants.types import KeyType

BATCH: Final = 500
SYLLABLES: Final = ["bad", "dog", "kin", "lum", "met", "nor", "par", "rim", "sol", "tum", "ven", "wor", "yel", "zim"]


def items(count: int, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Made-up products of usual size: four or five words, 300 characters of description, two categories, attributes."""
    chance = random.Random(seed)
    words = ["".join(chance.choices(SYLLABLES, k=chance.randint(2, 4))) for _ in range(8_000)]
    common = [1 / (rank + 10) for rank in range(len(words))]
    for number in range(count):
        category = number % 300
        yield {
            "item_id": f"SKU-{number:07}",
            "title": " ".join(chance.choices(words, common, k=chance.randint(4, 5))).capitalize(),
            "description": " ".join(chance.choices(words, common, k=45)),
            "url": f"https://shop.example/p/{number}",
            "image_url": f"https://img.example/{number}.jpg",
            "price": f"{chance.uniform(1, 400):.2f}",
            "brand": f"Brand {number % 200}",
            "categories": [f"Section {category % 12} > Aisle {category % 60} > Shelf {category}"],
            "attributes": {
                "colour": chance.choice(["red", "blue", "green"]),
                "weight": number % 90,
                "sale": number % 9 == 0,
            },
        }


def batches(count: int, price: str | None = None) -> list[bytes]:
    """Request bodies; with `price`, every item at it."""
    found = [each | ({"price": price} if price else {}) for each in items(count)]
    return [json.dumps({"items": found[start : start + BATCH]}).encode() for start in range(0, count, BATCH)]


def send(port: int, key: str, bodies: list[bytes], callers: int) -> float:
    """Seconds that the callers take to send all bodies."""

    def one(mine: list[bytes]) -> None:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        for body in mine:
            client.request(
                "POST", "/api/v1/catalog/items/batch", body, {"X-API-Key": key, "Content-Type": "application/json"}
            )
            response = client.getresponse()
            answer = json.loads(response.read())
            if response.status != 200 or answer["rejected"]:
                raise SystemExit(f"{response.status}: {answer}")

    began = time.perf_counter()
    with ThreadPoolExecutor(callers) as pool:
        list(pool.map(one, (bodies[n::callers] for n in range(callers))))
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=50_000)
    parser.add_argument("--callers", type=int, default=4)
    asked = parser.parse_args()
    with bench_tenants("batches") as (tenant,), serving() as port, multiprocessing.Pool(1) as caller:
        key = str(keys.create_key(tenant, KeyType.READ_WRITE))
        rounds = {"new": None, "changed": "12.34", "unchanged": "12.34", "changed again": None}
        for name, price in rounds.items():
            bodies = batches(asked.items, price)
            seconds = caller.apply(send, (port, key, bodies, asked.callers))
            each = seconds / len(bodies) * 1e3
            print(f"{name:14} {asked.items / seconds:8,.0f} items/s   {each:6.1f} ms a batch of {BATCH}")


if __name__ == "__main__":
    main()

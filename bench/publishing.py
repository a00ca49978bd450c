"""What it costs to publish a model of 100,000 items: seconds, and Redis's memory.

Run:  .venv/bin/python manage.py services run -- .venv/bin/python -m bench.publishing

Every table of a model with a full list for each item (the whole-shop list with 200 entries, every item bought again),
ids of 12 characters; published twice, as a training does beside the version that is live, and taken away again.
"""

import argparse
import os
import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")

import django

django.setup()

from recomengine.lib import redis  # noqa: E402
from recommendations.releases import modelstore, publishing, versions  # noqa: E402
from recommendations.types import table_key  # noqa: E402
from tenants.live import live_key  # noqa: E402
from tenants.types import TenantRef  # noqa: E402

TENANT = TenantRef("bench-publishing", "t_bench_publishing", "Bench", "EUR")


def neighbour_lists(items: int, k: int, seed: int) -> pa.Table:
    """A list of k neighbours for every item, in the model store's schema."""
    random = np.random.default_rng(seed)
    keys = pa.array([f"item-{n:07}" for n in range(items)]).take(pa.array(np.repeat(np.arange(items), k)))
    columns = {
        "key": keys,
        "item": random.integers(1, items + 1, items * k),
        "score": np.sort(random.pareto(2, (items, k)).astype(np.float32))[:, ::-1].ravel(),
        "count": random.integers(1, 1000, items * k),
        "rank": np.tile(np.arange(1, k + 1), items),
    }
    return pa.table(columns, schema=modelstore.SCHEMA)


def whole_shop_list(k: int = 200) -> pa.Table:
    numbers = np.arange(1, k + 1)
    columns = {"key": pa.repeat("popular", k), "item": numbers, "score": 1 / numbers, "count": numbers, "rank": numbers}
    return pa.table(columns).cast(modelstore.SCHEMA)


def repurchases(items: int) -> pa.Table:
    """How each item is bought again, in the model store's schema."""
    random = np.random.default_rng(7)
    columns = {
        "key": [f"item-{n:07}" for n in range(items)],
        "item": np.arange(1, items + 1),
        "count": random.integers(1, 1000, items),
        "probability": random.random(items),
        "days": random.random(items) * 300,
        "spread": random.random(items),
    }
    return pa.table(columns).cast(modelstore.REPURCHASES)


def model(items: int, k: int) -> modelstore.Model:
    neighbours = (name for name in versions.TABLES if name not in ("lists", "repurchases"))
    tables = {name: neighbour_lists(items, k, seed) for seed, name in enumerate(neighbours)}
    return modelstore.Model({**tables, "lists": whole_shop_list(), "repurchases": repurchases(items)})


def used_memory() -> float:
    """Megabytes of Redis's memory in use."""
    return float(redis.client().info("memory")["used_memory"]) / 2**20


def names(version: str) -> Iterator[str]:
    return (table_key(TENANT.slug, version, table) for table in versions.TABLES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--k", type=int, default=50)
    options = parser.parse_args()
    made = model(options.items, options.k)
    try:
        for version in ("1", "2"):
            before, began, cpu = used_memory(), time.perf_counter(), time.process_time()
            publishing.write(TENANT, version, made)
            versions.flip(TENANT, version)
            seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
            taken = used_memory() - before
            print(f"version {version}: {seconds:.1f} s (this process {cpu:.1f} s), {taken:.0f} MB of Redis")
            for table, name in zip(versions.TABLES, names(version), strict=True):
                size = redis.client().memory_usage(name, samples=1000) or 0
                print(f"    {table:10} {redis.client().hlen(name):>8,} lists, {size / 2**20:.0f} MB")
    finally:
        redis.client().delete(*names("1"), *names("2"), live_key(TENANT.slug))


if __name__ == "__main__":
    main()

"""How long a search of a large catalogue takes, asked for from Python and over HTTP.

Run with `python manage.py services run -- python -m bench.catalog_search`. A tenant with made-up items is filled and
purged again. Words are taken from the items themselves, so common ones are asked for often, as people do. Every kind
of question is asked equally often, in turn, one after the other. "Processors" is the time that this process and its
PostgreSQL backend were computing: on a machine that others use too, it tells what an answer takes on a quiet one.
"""

import argparse
import http.client
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from django.core import signing
from django.db import connection

from bench.catalog_batches import BATCH, items
from bench.harness import bench_tenants, serving
from catalog import items as catalogue
from catalog import popularity
from catalog.filters import parse
from catalog.search import Search, Sort, search
from catalog.types import ItemIn
from tenants import keys, tenancy
from tenants.models import Tenant
from tenants.types import KeyType, TenantRef

FACETS: Final = ("brand", "category", "availability", "price", "attributes.colour")
FILTER: Final = {
    "all": [
        {"field": "attributes.colour", "op": "eq", "value": "red"},
        {"field": "current_price", "op": "between", "value": [20, 120]},
    ]
}
ATTRIBUTE: Final = {"field": "attributes.weight", "op": "lt", "value": 5}
Ask = Callable[[Search], object]
Clock = Callable[[], float]


def fill(tenant: TenantRef, count: int) -> list[list[str]]:
    """Write the items and how popular they are; returns the words of their titles."""
    titles, rows = [], []
    for item in items(count):
        titles.append(item["title"].lower().split())
        rows.append(msgspec.convert(item, ItemIn, strict=False))
        if len(rows) == BATCH:
            catalogue.write(tenant, rows)
            rows = []
    if rows:
        catalogue.write(tenant, rows)
    chance = random.Random(1)
    with tenancy.use(tenant), connection.cursor() as cursor:
        cursor.execute("SELECT id FROM catalog_item")
        popularity.replace(tenant, {pk: 1 / (chance.random() + 1e-4) for (pk,) in cursor.fetchall() if pk % 3})
        cursor.execute("VACUUM ANALYZE catalog_item, catalog_word")
    return titles


def mistyped(word: str, chance: random.Random) -> str:
    """Without one of its letters."""
    at = chance.randrange(1, len(word))
    return word[:at] + word[at + 1 :]


def questions(titles: Sequence[Sequence[str]], chance: random.Random) -> Iterator[tuple[str, Search]]:
    """One of each kind."""
    title, other = chance.choice(titles), chance.choice(titles)
    word, long = title[0], max(title, key=len)
    yield "one word", Search(word)
    yield "one word, facets", Search(word, facets=FACETS)
    yield "two words, facets", Search(f"{title[0]} {title[1]}", facets=FACETS)
    yield "beginning of a word", Search(long[:4], facets=FACETS)
    yield "one letter, facets", Search(word[:1], facets=FACETS)
    yield "mistyped word, facets", Search(mistyped(long, chance), facets=FACETS)
    yield "no item has all words", Search(f"{word} {other[1]} {other[0]} {long}")
    yield "nothing", Search("qqxqz wwvwk")
    yield "an id", Search(f"SKU-{chance.randrange(len(titles)):07}")
    yield "word and filter, facets", Search(word, parse(FILTER), facets=FACETS)
    yield "word and number filter", Search(word, parse(ATTRIBUTE), facets=FACETS)
    yield "filter alone, facets", Search(filter=parse(FILTER), facets=FACETS)
    yield "everything, facets", Search(facets=FACETS)
    yield "deep page", Search(word, offset=chance.randrange(0, 960, 24), facets=FACETS)
    yield "deep page of everything", Search(sort=Sort.NEWEST, offset=chance.randrange(0, 9900, 24))
    yield "word, by price", Search(word, sort=Sort.PRICE)


def over_http(port: int, key: str) -> Ask:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(asked: Search) -> object:
        client.request("GET", f"/api/v1/catalog/search?{urlencode(_parameters(asked))}", headers={"X-API-Key": key})
        response = client.getresponse()
        answer = json.loads(response.read())
        if response.status != 200:
            raise SystemExit(f"{response.status}: {answer}")
        return answer

    return ask


def _parameters(asked: Search) -> dict[str, Any]:
    filters = {
        "attributes.colour": FILTER,
        "attributes.weight": ATTRIBUTE,
    }
    found = [json.dumps(each) for name, each in filters.items() if asked.filter and name in repr(asked.filter)]
    given = {
        "q": asked.text, "facets": ",".join(asked.facets), "sort": str(asked.sort),
        "filter": found[0] if found else "",
        "cursor": signing.dumps(asked.offset, salt="/api/v1/catalog/search") if asked.offset else "",
    }  # fmt: skip
    return {name: value for name, value in given.items() if value}


def processors() -> Clock:
    """A clock of the time that this process and its backend compute, which has no parallel workers from now on."""
    with connection.cursor() as cursor:
        cursor.execute("SET max_parallel_workers_per_gather = 0")
        cursor.execute("SELECT pg_backend_pid()")
        backend = Path(f"/proc/{cursor.fetchone()[0]}/schedstat")
    return lambda: time.process_time() + int(backend.read_text().split()[0]) / 1e9


def measure(
    ask: Ask, titles: Sequence[Sequence[str]], rounds: int, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Milliseconds of every answer by kind; the first rounds only warm up."""
    taken: dict[str, list[float]] = {}
    chance = random.Random(3)
    for number in range(rounds + 3):
        for kind, asked in questions(titles, chance):
            began = clock()
            ask(asked)
            if number >= 3:
                taken.setdefault(kind, []).append((clock() - began) * 1e3)
    return taken


def show(name: str, taken: dict[str, list[float]]) -> None:
    print(f"\n{name:28}{'median':>9}{'p95':>9}{'p99':>9}  ms")
    for kind, each in [*taken.items(), ("all", [one for some in taken.values() for one in some])]:
        cuts = statistics.quantiles(each, n=100, method="inclusive")
        print(f"{kind:28}{cuts[49]:9.1f}{cuts[94]:9.1f}{cuts[98]:9.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=60)
    asked = parser.parse_args()
    with bench_tenants("search") as (tenant,), serving() as port:
        titles = _filled(tenant, asked.items)
        show("from Python", measure(lambda each: search(tenant.ref, each), titles, asked.rounds))
        taken = measure(lambda each: search(tenant.ref, each), titles, asked.rounds, processors())
        show("from Python, processors", taken)
        key = str(keys.create_key(tenant, KeyType.READ_ONLY))
        show("over HTTP", measure(over_http(port, key), titles, asked.rounds))


def _filled(tenant: Tenant, count: int) -> list[list[str]]:
    began = time.perf_counter()
    titles = fill(tenant.ref, count)
    print(f"{count:,} items written and made popular in {time.perf_counter() - began:.0f} s")
    return titles


if __name__ == "__main__":
    main()

"""How long until an event shows in recommendations.

Run with `python manage.py services run -- python -m bench.event_visibility`.

A visitor looks at an item, or buys one; from the moment the request is sent, the recommendations are asked for until
they show it: `session` (what goes with the item), `recently_viewed` (the item), `for_you` without what was bought.
Meanwhile other clients send batches of events and ask for slates, as fast as they are answered.
"""

import argparse
import json
import random
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from threading import Event as Flag
from typing import Any, Final

import numpy as np

from bench.harness import bench_tenants, serving
from catalog import items as catalog
from catalog.types import ItemIn
from recommendations.training import running
from tenants.keys import KeySettings, create_key
from tenants.models import Tenant
from tenants.types import KeyType

ITEMS: Final = 1_000
GIVEN_UP: Final = 5.0  # seconds
BAR: Final = 1.0  # seconds that 99 of 100 events may take
SIGHTS: Final = ("session", "recently_viewed", "not bought again")


class Client:
    """One connection to the API."""

    def __init__(self, port: int, key: str) -> None:
        self._connection, self._key, self.busy = HTTPConnection("127.0.0.1", port), key, 0

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"X-API-Key": self._key, "Content-Type": "application/json"}
        sent = json.dumps(body) if body is not None else None
        while True:
            self._connection.request(method, f"/api/v1/{path}", sent, headers)
            answer = self._connection.getresponse()
            read = answer.read()
            if answer.status in {200, 202}:
                return json.loads(read)
            if answer.status != 503:
                raise RuntimeError(f"{path}: {answer.status} {read[:200]!r}")
            self.busy += 1  # the machine is shared: asked again, and the time counts

    def send(self, *events: Any) -> None:
        self.ask("POST", "events/batch", {"events": events})

    def slate(self, **query: Any) -> list[str]:
        return [item["item_id"] for item in self.ask("POST", "recommendations", query)["items"]]


def view(visitor: str, number: int) -> dict[str, Any]:
    return {"type": "view", "visitor_id": visitor, "item_id": f"i{number % ITEMS}"}


def fill(tenant: Tenant, client: Client) -> None:
    """A catalogue, visits that lead from each item to the next three, and a model of them."""
    for start in range(0, ITEMS, 500):
        titles = [ItemIn(item_id=f"i{n}", title=f"Item {n}") for n in range(start, start + 500)]
        catalog.write(tenant.ref, titles)
    for start in range(0, ITEMS, 20):
        client.send(*(view(f"past{n}", n + step) for n in range(start, start + 20) for step in range(4)))
    running.train(tenant.ref)


def loaded(port: int, key: str, stop: Flag, writes: bool) -> int:
    """Send batches, or ask for slates, until told to stop; how many requests were answered."""
    client, done = Client(port, key), 0
    while not stop.is_set():
        if writes:
            client.send(*(view(f"load{random.randrange(5_000)}", random.randrange(ITEMS)) for _ in range(100)))
        else:
            client.slate(placement="home", visitor_id=f"load{random.randrange(5_000)}")
        done += 1
    return done


def seconds_until(shows: Any, began: float) -> float:
    while not shows():
        if time.perf_counter() - began > GIVEN_UP:
            return float("inf")
    return time.perf_counter() - began


def measure(client: Client, number: int) -> list[float]:
    """Seconds until each of `SIGHTS` showed the events of a new visitor."""
    visitor, item = f"seen{number}-{time.time_ns()}", number % (ITEMS - 10)
    alone = {"visitor_id": visitor, "limit": 10}

    def shows(strategy: str, wanted: str) -> bool:
        return wanted in client.slate(strategy=strategy, **alone)

    began = time.perf_counter()
    client.send(view(visitor, item))
    session = seconds_until(lambda: shows("session", f"i{item + 1}"), began)
    recent = seconds_until(lambda: shows("recently_viewed", f"i{item}"), began)
    lines = [{"item_id": f"i{item + 1}", "price": 1}]
    began = time.perf_counter()
    client.send({"type": "purchase", "visitor_id": visitor, "order_id": visitor, "items": lines})
    return [session, recent, seconds_until(lambda: not shows("session", f"i{item + 1}"), began)]


def table(seconds: Any) -> None:
    print(f"{'shows in':<18}{'p50 ms':>9}{'p99 ms':>9}{'most ms':>9}")
    for name, times in zip(SIGHTS, seconds.T, strict=True):
        p50, p99, most = (1_000 * value for value in (*np.percentile(times, [50, 99]), times.max()))
        print(f"{name:<18}{p50:>9.1f}{p99:>9.1f}{most:>9.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=500)
    parser.add_argument("--writers", type=int, default=2)
    parser.add_argument("--readers", type=int, default=2)
    options = parser.parse_args()
    with bench_tenants("visibility") as [tenant], serving() as port:
        key = str(create_key(tenant, KeyType.READ_WRITE, KeySettings()))
        client, stop = Client(port, key), Flag()
        fill(tenant, client)
        time.sleep(1)  # the processes look at the new model
        clients = [True] * options.writers + [False] * options.readers
        with ThreadPoolExecutor(max(1, len(clients))) as pool:
            load = [pool.submit(loaded, port, key, stop, writes) for writes in clients]
            began = time.perf_counter()
            try:
                seconds = np.array([measure(client, number) for number in range(options.events)])
            finally:
                stop.set()
            elapsed = time.perf_counter() - began
            rates = [each.result() / elapsed for each in load]
    table(seconds)
    sent, asked = 100 * sum(rates[: options.writers]), sum(rates[options.writers :])
    print(f"{options.events} visitors; meanwhile {sent:,.0f} other events and {asked:,.0f} slates a second")
    print(f"{client.busy} requests of the visitors were answered 503 and sent again")
    return int(np.percentile(seconds, 99, axis=0).max() > BAR)


if __name__ == "__main__":
    sys.exit(main())

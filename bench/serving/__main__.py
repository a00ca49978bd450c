"""How many recommendations a second the API answers, how fast, and what each costs, with everything on this machine.

Run with `python manage.py services run -- python -m bench.serving`. A shop of 100,000 products with full lists of 50 in
every table, and of a million visitors with histories of ten, asks for slates of ten with whole products; two rules and
an experiment hold in the placement. Then come: as fast as two processes answer; at 1,000 requests a second, each sent
at its moment; the same while Redis stands still for a while; what one process computes for a request, and what the
server computes for an empty answer of that size; the same request by a plain DRF view; how soon a product that is sold
out is gone. `--profile` tells where time goes.
"""

import argparse
import http.client
import json
import os
import signal
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.harness import bench_tenants, cpu_of, serving_processes
from bench.publishing import used_memory
from bench.serving import load, plain, profiling, shop, soak
from recomengine.lib import redis
from tenants import keys
from tenants.types import KeyType

HOT = "/api/v1/recommendations"
STANDSTILL = 1.5  # seconds
BARS = "bars: 3,000 requests/s; p50 2, p90 5, p99 15 ms at 1,000/s; 300 µs a request, 60 of them the server's"


@contextmanager
def told(what: str) -> Iterator[None]:
    began, before = time.perf_counter(), used_memory()
    yield
    print(f"{what}: {time.perf_counter() - began:.0f} s, {used_memory() - before:,.0f} MB of Redis", flush=True)


def fastest(make: Iterator[bytes], seconds: float, application: str, interface: str, workers: int) -> float:
    """Print what comes of asking as fast as it is answered; returns the processors' microseconds a request."""
    with serving_processes(workers, application, interface) as (port, pids):
        load.closed(port, make, 8, 3)
        before = sum(map(cpu_of, pids))
        result = load.closed(port, make, 16 * workers, seconds)
        cost = (sum(map(cpu_of, pids)) - before) / len(result.latencies) * 1e6
    print(f"    {result.told()}; {cost:.0f} µs of processors a request")
    if result.refused:
        print(result.refused[0].decode(errors="replace")[:500])
    return cost


def at_rate(make: Iterator[bytes], seconds: float, rate: float) -> None:
    with serving_processes(2) as (port, _):
        load.closed(port, make, 8, 3)
        print(f"    {load.open_loop(port, make, rate, seconds).told()}")
        print(f"    of one connection alone: {load.closed(port, make, 1, 3).told()}")


def standing_still(make: Iterator[bytes], rate: float) -> None:
    """What a Redis that does not answer for a while means for pages: slates come from memory then."""
    server = int(redis.client().info("server")["process_id"])
    with serving_processes(2) as (port, _):
        load.closed(port, make, 8, 3)
        for after, signalled in ((3.0, signal.SIGSTOP), (3.0 + STANDSTILL, signal.SIGCONT)):
            threading.Timer(after, os.kill, (server, signalled)).start()
        result = load.open_loop(port, make, rate, 10)
    print(f"    {result.told()}, slowest {result.quantile(1):.0f} ms")


def sold_out(key: str, products: int, times: int) -> None:
    """How long after a change of stock the last slate shows the product."""
    with serving_processes(2) as (port, _):
        connection = http.client.HTTPConnection("127.0.0.1", port)

        def call(method: str, address: str, body: object = None) -> dict[str, object]:
            text = None if body is None else json.dumps(body)
            headers = {"X-API-Key": key, "Content-Type": "application/json"}
            connection.request(method, address, text, headers)
            answer: dict[str, object] = json.loads(connection.getresponse().read())
            return answer

        waited = []
        for number in range(times):
            asked = f"{HOT}?placement={shop.PLACEMENT}&item_id={shop.item_id(number)}&limit=10"
            first = call("GET", asked)["items"][0]["item_id"]  # type: ignore[index]
            began = time.perf_counter()
            call("PATCH", f"/api/v1/catalog/items/{first}", {"availability": "out_of_stock"})
            while first in [item["item_id"] for item in call("GET", asked)["items"]]:  # type: ignore[attr-defined]
                pass
            waited.append(time.perf_counter() - began)
    print(f"    median {statistics.median(waited) * 1000:.0f} ms, worst {max(waited) * 1000:.0f} ms of {times}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--visitors", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--rate", type=float, default=1_000)
    parser.add_argument("--soak", type=int, metavar="MINUTES", help="only a soak at --rate, while all of it changes")
    parser.add_argument("--profile", action="store_true", help="only tell where the time goes, in this process")
    asked = parser.parse_args()
    with bench_tenants("serving") as [row]:
        tenant = row.ref
        with told(f"{asked.products:,} products"):
            shop.catalogue(tenant, asked.products)
        with told(f"a model, k = {asked.k}"):
            shop.publish_model(tenant, asked.products, asked.k)
        with told(f"{asked.visitors:,} visitors"):
            shop.histories(tenant, asked.products, asked.visitors)
        shop.controls(tenant)
        key = str(keys.create_key(row, KeyType.READ_WRITE))
        make = shop.requests(key, asked.visitors, HOT)
        if asked.profile:
            profiling.profile(make)
            return
        if asked.soak:
            beside = soak.changes(tenant, asked.products, asked.k)
            sys.exit(not soak.soak(make, asked.rate, asked.soak, beside))
        print(BARS)
        print("two processes, 32 connections, as fast as they answer")
        fastest(make, asked.seconds, "recomengine.edge:application", "asgi", 2)
        print(f"two processes, {asked.rate:,.0f} requests a second")
        at_rate(make, asked.seconds, asked.rate)
        print(f"two processes, {asked.rate:,.0f} requests a second, while Redis stands still for {STANDSTILL} s")
        standing_still(make, asked.rate)
        print("one process")
        hot = fastest(make, asked.seconds, "recomengine.edge:application", "asgi", 1)
        print("one process, an empty answer")
        fastest(make, asked.seconds / 2, "bench.serving.empty:application", "asgi", 1)
        print("one process, a plain DRF view")
        same = shop.requests(key, asked.visitors, plain.ADDRESS)
        drf = fastest(same, asked.seconds, "bench.serving.plain:application", "wsgi", 1)
        print(f"    {drf / hot:.1f} times what the hot path computes")
        print("a product that is sold out is gone from the slates of both processes")
        sold_out(key, asked.products, 30)


if __name__ == "__main__":
    main()

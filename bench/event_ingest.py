"""How many events a second the API stores, over HTTP, committed, with everything on this machine.

Run with `python manage.py services run -- python -m bench.event_ingest`. The API runs in two processes as it does in
production; one process keeps some connections busy, each sending its next request when the last was answered: batches
of 100 events, then single events. Every event has an id of its own at random, as browsers make them, and a visitor and
an item by chance. At the end the store is counted: it must hold what was answered with 202, each
event once. Before all that it tells what an event's validation takes.
"""

import argparse
import gc
import json
import os
import random
import selectors
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bench.harness import Connection, bench_tenants, processors, serving
from events import ingest
from recomengine.lib import clock
from recomengine.lib.postgres import connect
from tenants import keys
from tenants.types import KeyType

VISITORS: Final = 50_000
ITEMS: Final = 20_000
KINDS: Final = ("view", "view", "view", "view", "view", "view", "click", "click", "add_to_cart", "impression")
HEAD: Final = "POST /api/v1/{path} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {key}\r\nContent-Type: application/json\r\n"


@dataclass
class Result:
    """How long all of it lasted and how long the machine's processors computed, in seconds.

    The events that were answered with 202, the seconds of each request, and what was answered otherwise.
    """

    seconds: float = 0.0
    busy: float = 0.0
    events: int = 0
    latencies: list[float] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)


def content(chance: random.Random) -> str:
    """What one event of usual size (some 250 bytes) says after its id."""
    visitor = chance.randrange(VISITORS)
    return (
        f'","type":"{chance.choice(KINDS)}","visitor_id":"v-{visitor:08}","session_id":"s-{visitor:08}-1",'
        f'"item_id":"SKU-{chance.randrange(ITEMS):07}","price":"{chance.randrange(9999) / 100:.2f}","currency":"EUR",'
        '"properties":{"page":"/p/1","device":"mobile"}}'
    )


def random_id(digits: str) -> str:
    """A UUID of version 4 from 32 random digits."""
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def requests(key: str, size: int) -> Callable[[], bytes]:
    """Makes the bytes of the next request, of `size` events; a size of one is a single event.

    Contents are made beforehand and taken by chance, so that this process takes little of the time it measures.
    """
    chance = random.Random(7)
    contents = [content(chance) for _ in range(100_000)]
    head = HEAD.format(path="events" if size == 1 else "events/batch", key=key)

    def make() -> bytes:
        ids = os.urandom(16 * size).hex()
        start = chance.randrange(len(contents) - size)
        events = [
            f'{{"event_id":"{random_id(ids[at : at + 32])}{contents[start + number]}'
            for number, at in enumerate(range(0, 32 * size, 32))
        ]
        body = events[0] if size == 1 else f'{{"events":[{",".join(events)}]}}'
        return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()

    return make


def load(port: int, key: str, size: int, connections: int, seconds: float) -> Result:
    """Keep the connections busy for that long."""
    make, result, open_ = requests(key, size), Result(), [Connection(port) for _ in range(connections)]
    ready = selectors.DefaultSelector()
    began, computed = time.perf_counter(), processors()
    for connection in open_:
        ready.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(make())
    under_way = len(open_)
    while under_way:
        for found, _ in ready.select():
            connection = found.data
            answer = connection.answer()
            if answer is None:
                continue
            now = time.perf_counter()
            result.latencies.append(now - connection.sent_at)
            if answer.startswith(b"HTTP/1.1 202"):
                result.events += json.loads(answer.partition(b"\r\n\r\n")[2])["accepted"]
            else:
                result.refused.append(answer)
            if now - began < seconds:
                connection.send(make())
            else:
                under_way -= 1
    result.seconds, result.busy = time.perf_counter() - began, processors() - computed
    for connection in open_:
        connection.socket.close()
    return result


def validation() -> float:
    """Microseconds that one event of a batch of 100 takes this process from JSON to rows; the median of 200 batches."""
    make, context = requests("key", 100), ingest.Context(clock.now(), "EUR")
    bodies = [make().partition(b"\r\n\r\n")[2] for _ in range(200)]
    gc.collect()
    gc.freeze()  # as the API does
    taken = []
    for body in bodies:
        began = time.process_time()
        batch = ingest.from_batch(body, context)
        taken.append((time.process_time() - began) / len(batch.events) * 1e6)
    return statistics.median(taken)


def stored(schema: str) -> tuple[int, int]:
    """Rows and distinct events in the store."""
    with connect() as connection:
        row = connection.execute(f"SELECT count(*), count(DISTINCT event_id) FROM {schema}.events_event").fetchone()
    assert row is not None
    return row[0], row[1]


def report(name: str, result: Result) -> None:
    latencies = sorted(result.latencies)
    median, worst = statistics.median(latencies), latencies[int(len(latencies) * 0.99)]
    print(
        f"{name}: {result.events / result.seconds:,.0f} events/s, {len(latencies) / result.seconds:,.0f} requests/s"
        f" for {result.seconds:.0f} s; median {median * 1000:.1f} ms, p99 {worst * 1000:.1f} ms,"
        f" refused {len(result.refused)}; processors {result.busy / max(result.events, 1) * 1e6:.0f} µs an event"
    )
    for answer in result.refused[:1]:
        print(answer.decode(errors="replace"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", choices=["batches", "singles"])
    asked = parser.parse_args()
    kinds = {
        "batches": ("batches of 100, 16 connections", 100, 16),
        "singles": ("single events, 64 connections", 1, 64),
    }
    print(f"from JSON to rows: {validation():.1f} µs an event")
    with bench_tenants("events") as [tenant], serving(asked.workers) as port:
        key = str(keys.create_key(tenant, KeyType.READ_WRITE))
        load(port, key, 1, 4, 2)  # warm
        taken = stored(tenant.schema_name)[1]
        for kind in [asked.only] if asked.only else list(kinds):
            name, size, connections = kinds[kind]
            result = load(port, key, size, connections, asked.seconds)
            report(name, result)
            taken += result.events
        rows, events = stored(tenant.schema_name)
        print(f"stored {rows:,} rows, {events:,} events; answered 202: {taken:,}")
        if not rows == events == taken:
            raise SystemExit("the store does not hold what was accepted")


if __name__ == "__main__":
    main()

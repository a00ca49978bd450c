"""Real events of two shops, sent again: in their rhythm but faster, out of order, and partly twice; then compared.

Run with `manage.py services run -- .venv/bin/python -m bench.replay_events DIRECTORY --speed 7200`. The directory holds
`retailrocket_8days_events.parquet` (Time, UserId, Type, ItemId) or `rees46_sample.parquet` (event_time, event_type,
product_id, price, user_id, user_session), or both. Times are moved so that the last event happened an hour ago. A batch
is what a shop's server collected in some minutes; it arrives up to three such stretches late, one in ten arrives twice,
and of one in twenty half is sent again. Afterwards the store has to hold exactly the events, by type, visitor and item,
and the histories of the visitors seen last have to be theirs. Tenants are made for it and purged again.
"""

import argparse
import asyncio
import json
import random
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import NAMESPACE_URL, uuid5

from pyarrow import parquet

from bench.harness import bench_tenants, serving
from events.history import LETTERS
from events.moving import microseconds
from events.types import HISTORY_LENGTH, visitor_key
from recomengine.lib import redis
from recomengine.lib.postgres import connect
from tenants import keys
from tenants.types import KeyType, TenantRef

CONNECTIONS: Final = 4
BATCH: Final = 100
LAST: Final = 500  # visitors whose histories are compared
TYPES: Final = {"addtocart": "add_to_cart", "cart": "add_to_cart", "transaction": "purchase"}
Events = list[dict[str, Any]]


class Delivery(NamedTuple):
    """A batch, and the second of the recording at which it arrives."""

    at: float
    events: Events


class Outcome(NamedTuple):
    accepted: int
    duplicates: int
    seconds: list[float]  # that each request took


def retailrocket(path: Path) -> Iterator[tuple[float, str, int, int, str, float]]:
    for row in parquet.read_table(path).to_pylist():
        yield float(row["Time"]), row["Type"], row["UserId"], row["ItemId"], "", 1.0


def rees46(path: Path) -> Iterator[tuple[float, str, int, int, str, float]]:
    for row in parquet.read_table(path).to_pylist():
        at = datetime.strptime(row["event_time"], "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=UTC).timestamp()
        yield at, row["event_type"], row["user_id"], row["product_id"], row["user_session"] or "", row["price"]


RECORDINGS: Final[dict[str, tuple[Callable[[Path], Iterator[Any]], float]]] = {
    "retailrocket_8days_events.parquet": (retailrocket, 300.0),  # seconds in which a shop's server collects a batch
    "rees46_sample.parquet": (rees46, 10.0),
}


def recorded(path: Path) -> Events:
    """A recording's events in their order, as the API takes them, their last one an hour ago."""
    rows = sorted(RECORDINGS[path.name][0](path), key=lambda row: row[0])
    moved = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1) - datetime.fromtimestamp(rows[-1][0], UTC)
    return [as_sent(f"{path.name}/{number}", row, moved) for number, row in enumerate(rows)]


def as_sent(name: str, row: tuple[float, str, int, int, str, float], moved: timedelta) -> dict[str, Any]:
    at, kind, visitor, item, session, price = row
    kind = TYPES.get(kind, kind)
    event: dict[str, Any] = {
        "event_id": str(uuid5(NAMESPACE_URL, name)), "type": kind, "visitor_id": f"{visitor}", "item_id": f"{item}",
        "occurred_at": (datetime.fromtimestamp(at, UTC) + moved).isoformat(),
    }  # fmt: skip
    event |= {"session_id": session} if session else {}
    return event | ({"order_id": f"{visitor}-{at:.0f}", "price": f"{price:.2f}"} if kind == "purchase" else {})


def deliveries(events: Events, stretch: float, chance: random.Random) -> list[Delivery]:
    """The batches as they arrive: late, out of order, some of them twice."""
    began = at_of(events[0])
    collected: defaultdict[int, Events] = defaultdict(list)
    for event in events:
        collected[int((at_of(event) - began).total_seconds() // stretch)].append(event)
    found = []
    for number, stretch_events in collected.items():
        for start in range(0, len(stretch_events), BATCH):
            batch = stretch_events[start : start + BATCH]
            again = [batch] * (chance.random() < 0.1) + [batch[: len(batch) // 2 + 1]] * (chance.random() < 0.05)
            found += [Delivery((number + 3 * chance.random()) * stretch, each) for each in (batch, *again)]
    return sorted(found, key=lambda delivery: delivery.at)


def at_of(event: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(event["occurred_at"])


async def send(port: int, key: str, waiting: "asyncio.Queue[Delivery | None]", outcomes: list[Outcome]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (delivery := await waiting.get()) is not None:
        body = json.dumps({"events": delivery.events}).encode()
        head = (
            f"POST /api/v1/events/batch HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nContent-Length: {len(body)}"
        )
        began = time.perf_counter()
        writer.write(f"{head}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        told = await reader.readexactly(int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        if answer[9:12] != b"202" or (outcome := json.loads(told))["rejected"]:
            raise RuntimeError(f"not accepted: {told[:500]!r}")
        outcomes.append(Outcome(outcome["accepted"], outcome["duplicates"], [time.perf_counter() - began]))
    writer.close()


async def deliver(port: int, key: str, batches: Sequence[Delivery], speed: float) -> Outcome:
    """Send every batch when its time has come; what came of all."""
    waiting: asyncio.Queue[Delivery | None] = asyncio.Queue()
    outcomes: list[Outcome] = []
    senders = asyncio.gather(*(send(port, key, waiting, outcomes) for _ in range(CONNECTIONS)))
    began = time.perf_counter() - batches[0].at / speed
    for batch in batches:
        await asyncio.sleep(max(0.0, began + batch.at / speed - time.perf_counter()))
        waiting.put_nowait(batch)
    for _ in range(CONNECTIONS):
        waiting.put_nowait(None)
    await senders
    seconds = [second for outcome in outcomes for second in outcome.seconds]
    return Outcome(sum(each.accepted for each in outcomes), sum(each.duplicates for each in outcomes), seconds)


def replay(port: int, key: str, path: Path, speed: float) -> tuple[Events, list[Delivery], Outcome]:
    """Send a recording; its events, the batches that were sent, and what came of them."""
    events = recorded(path)
    batches = deliveries(events, RECORDINGS[path.name][1], random.Random(1))
    return events, batches, asyncio.run(deliver(port, key, batches, speed))


def differences(tenant: TenantRef, events: Events) -> list[str]:
    """In what store and histories are not what the events say; empty if they are."""
    found = []
    with connect() as connection:
        for column in ("type", "visitor_id", "item_id", "event_id::text"):
            statement = f"SELECT {column}, count(*) FROM {tenant.schema}.events_event WHERE flag IS NULL GROUP BY 1"
            stored = Counter(dict(connection.execute(statement.encode()).fetchall()))
            if stored != (sent := Counter(event[column.removesuffix("::text")] for event in events)):
                found.append(f"{column}: {(sent - stored).total()} missing, {(stored - sent).total()} too many")
    expected = histories(events)
    for visitor, entries in expected.items():
        if redis.client().zrange(visitor_key(tenant.slug, visitor), 0, -1, withscores=True) != entries:
            found.append(f"the history of visitor {visitor}")
    return found


def histories(events: Events) -> dict[str, list[tuple[bytes, float]]]:
    """What the `LAST` visitors did last, as Redis holds it."""
    last = list(dict.fromkeys(event["visitor_id"] for event in reversed(events)))[:LAST]
    newest: dict[str, dict[bytes, float]] = {visitor: {} for visitor in last}
    for event in events:
        if event["visitor_id"] in newest:
            entry = f"{LETTERS[event['type']]}{event['item_id']}".encode()
            newest[event["visitor_id"]][entry] = float(microseconds(at_of(event)))
    ordered = {
        visitor: sorted(found.items(), key=lambda entry: (entry[1], entry[0])) for visitor, found in newest.items()
    }
    return {visitor: entries[-HISTORY_LENGTH:] for visitor, entries in ordered.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--speed", type=float, default=7200, help="how much faster than it happened")
    options = parser.parse_args()
    paths = [path for name in RECORDINGS if (path := options.directory / name).exists()]
    if not paths:
        parser.error(f"there is none of {', '.join(RECORDINGS)} in {options.directory}")
    with bench_tenants(*(f"replay-{n}" for n in range(len(paths)))) as tenants, serving() as port:
        for tenant, path in zip(tenants, paths, strict=True):
            key = str(keys.create_key(tenant, KeyType.READ_WRITE))
            began = time.perf_counter()
            events, batches, outcome = replay(port, key, path, options.speed)
            took, cuts = time.perf_counter() - began, statistics.quantiles(outcome.seconds, n=100)
            print(f"{path.name}: {len(events):,} events in {len(batches):,} batches, {took:.0f} s")
            print(f"  accepted {outcome.accepted:,}, duplicates {outcome.duplicates:,}")
            print(f"  a batch: median {cuts[49] * 1e3:.1f} ms, 99th percentile {cuts[98] * 1e3:.1f} ms")
            print("  differences:", "; ".join(differences(tenant.ref, events)) or "none", flush=True)


if __name__ == "__main__":
    main()

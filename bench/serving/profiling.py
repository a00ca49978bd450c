"""Where the time of a request goes: the API's application driven in this process, under the interpreter's profiler."""

import asyncio
import cProfile
import pstats
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

REQUESTS = 5_000


def scope_of(request: bytes) -> dict[str, Any]:
    """What an ASGI server makes of the bytes of a GET."""
    first, *lines = request.decode().split("\r\n")
    address = urlsplit(first.split()[1])
    headers = [line.split(": ", 1) for line in lines if line]
    return {
        "type": "http",
        "method": "GET",
        "path": address.path,
        "query_string": address.query.encode(),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers],
    }


def profile(make: Iterator[bytes]) -> None:
    """Print microseconds a request, and where they went."""
    import uvloop

    from recomengine.edge import application

    scopes = [scope_of(request) for request in islice(make, REQUESTS)]

    async def nothing() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def sent(_: dict[str, Any]) -> None:
        return None

    async def run() -> None:
        for scope in scopes[:500]:
            await application(scope, nothing, sent)
        began = time.process_time()
        for scope in scopes:
            await application(scope, nothing, sent)
        print(f"{(time.process_time() - began) / len(scopes) * 1e6:.0f} µs a request without the server")
        profiler = cProfile.Profile()
        profiler.enable()
        for scope in scopes:
            await application(scope, nothing, sent)
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(40)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())

"""Watching the live stream as a browser would, while a test does something else."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from tests.api import Api

PATIENCE = 25.0


class Watched:
    """A stream that is open: what came over it so far, and leaving."""

    def __init__(self) -> None:
        self.start: dict[str, Any] | None = None
        self.text = ""
        self.ended = False
        self.leave = asyncio.Event()
        self.changed = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        else:
            self.text += message["body"].decode()
            self.ended = not message.get("more_body", False)
        self.changed.set()

    @property
    def frames(self) -> list[tuple[str, Any]]:
        return list(frames(self.text))

    @property
    def events(self) -> list[Any]:
        return [data for name, data in self.frames if name == "event"]

    async def until(self, look: Any) -> Any:
        while not (found := look(self)):
            self.changed.clear()
            await self.changed.wait()
        return found


@contextmanager
def watching(api: Api, headers: dict[str, str] | None = None, **params: Any) -> Iterator["Viewer"]:
    """The stream opened by a caller, past its first look; left at the end."""
    watched = Watched()
    sent = {"host": "localhost"} | ({"x-api-key": api.key} if api.key else {}) | (headers or {})
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/api/v1/events/stream",
        "query_string": urlencode(params).encode(), "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
    }  # fmt: skip
    running = asyncio.run_coroutine_threadsafe(
        api.edge.application(scope, watched.receive, watched.send), api.edge.loop
    )
    viewer = Viewer(api, watched)
    viewer.until(lambda seen: ": here" in seen.text or seen.ended)
    try:
        yield viewer
    finally:
        api.edge.loop.call_soon_threadsafe(watched.leave.set)
        running.result(PATIENCE)


class Viewer:
    """The same for a test, which runs in another thread."""

    def __init__(self, api: Api, watched: Watched) -> None:
        self.api, self.watched = api, watched

    def until(self, look: Any) -> Any:
        """What `look` finds, as soon as it finds something."""
        return self.api.edge.run(asyncio.wait_for(self.watched.until(look), PATIENCE))

    def events(self, count: int) -> list[Any]:
        """The events seen, at least so many."""
        found: list[Any] = self.until(lambda seen: len(seen.events) >= count and seen.events)
        return found

    def frame(self, name: str) -> Any:
        """The data of the first frame of that name."""
        return self.until(lambda seen: next((data for found, data in seen.frames if found == name), None))


def frames(text: str) -> Iterator[tuple[str, Any]]:
    """The names and data of server-sent events."""
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line and not line.startswith(":"))
        if "data" in fields:
            yield fields["event"], json.loads(fields["data"])

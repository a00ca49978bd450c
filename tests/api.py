"""Calling the API's ASGI application as a server would, from tests that are plain functions."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode


class Edge:
    """The application in an event loop that runs in a thread of its own."""

    def __init__(self) -> None:
        from recomengine.edge import Application

        self.application = Application()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)


@contextmanager
def start_edge() -> Iterator[Edge]:
    edge = Edge()
    yield edge
    if edge.application.edge:
        edge.run(edge.application.edge.close())
    edge.loop.call_soon_threadsafe(edge.loop.stop)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Api:
    """A caller of the API with a key, a person's token, or neither."""

    def __init__(self, edge: Edge, key: str | None, token: str | None = None) -> None:
        self.edge, self.key, self.token = edge, key, token

    def get(self, path: str, params: Any = (), **headers: str) -> Answer:
        return self.call("GET", path, params=params, **headers)

    def post(self, path: str, data: Any = b"", **headers: str) -> Answer:
        return self.call("POST", path, data=data, **headers)

    def call(self, method: str, path: str, *, params: Any = (), data: Any = b"", **headers: str) -> Answer:
        """One request; `data` is sent as it is if bytes, else as JSON. Header names take `_` for `-`."""
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        sent = {"host": "localhost", "content-type": "application/json", "content-length": str(len(body))}
        if self.key:
            sent["x-api-key"] = self.key
        if self.token:
            sent["authorization"] = f"Bearer {self.token}"
        sent |= {name.replace("_", "-").lower(): value for name, value in headers.items()}
        return self.edge.run(self._exchange(method, path, params, body, sent))

    async def _exchange(self, method: str, path: str, params: Any, body: bytes, headers: dict[str, str]) -> Answer:
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": "/api/v1/" + path if not path.startswith("/") else path, "raw_path": quote(path).encode(),
            "query_string": (params if isinstance(params, str) else urlencode(params, doseq=True)).encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
            "client": ("127.0.0.1", 1234), "server": ("localhost", 5009), "root_path": "",
        }  # fmt: skip
        incoming = [{"type": "http.request", "body": body, "more_body": False}]
        outgoing: list[Any] = []
        finished = asyncio.Event()

        async def receive() -> Any:
            if incoming:
                return incoming.pop()
            await finished.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            outgoing.append(message)

        await self.edge.application(scope, receive, send)
        finished.set()
        start = outgoing[0]
        received = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
        return Answer(start["status"], received, b"".join(m.get("body", b"") for m in outgoing[1:]))

"""Calling the API's ASGI application as a server would, from tests that are plain functions."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from events import hot
from recomengine.lib.redis_mux import RedisMux, RedisUnavailable
from recommendations.hot import Known
from tenants.keycache import KeyCache
from tenants.limits import Leases
from tenants.live import LiveStates


class PatientMux(RedisMux):
    """Redis asked without giving it up after a quarter of a second, in which a busy machine may do nothing at all."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout=10)


class Edge:
    """The application in an event loop that runs in a thread of its own."""

    def __init__(self) -> None:
        from recomengine import edge

        vars(edge)["RedisMux"] = PatientMux
        self.application = edge.Application()
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(120)

    def settle(self) -> None:
        """Wait for what requests left to be done, beside their answers."""
        if (running := self.application.edge) is not None:
            self.run(_settled(running))
            running.serving_log.flush()

    def age(self, seconds: float) -> None:
        """Have what the process knows of live states and unknown keys be so much older: no test waits for that."""
        if (running := self.application.edge) is None:
            return
        states, entries = running.states._states, running.keys._entries
        states.update({slug: (at - seconds, state) for slug, (at, state) in list(states.items())})
        entries.update({name: each._replace(at=each.at - seconds) for name, each in list(entries.items())})

    def forget(self) -> None:
        """Have the process know no more of any shop than one that was just started."""
        from recomengine import edge

        self.settle()
        if (running := self.application.edge) is not None:
            running.states = LiveStates(running.mux)
            running.keys, running.leases = KeyCache(running.states), Leases(running.mux)
            running.known = Known(running.mux, running.serving_log)
        for complaint in (edge.redis_away, edge.store_away, hot.not_projected):
            complaint._told_at = float("-inf")
        hot.pace.forget()


async def _settled(running: Any) -> None:
    await asyncio.gather(*running.keys._recording, *running.known._under_way, return_exceptions=True)
    with suppress(RedisUnavailable):
        await running.mux.execute("PING")  # what was posted before it is carried out


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

"""The API as it runs: granian with two workers, spoken to over real connections."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from recomengine.lib.asgi import MAX_BODY
from recommendations.training import running
from tenants import keys, live
from tenants.models import Tenant
from tenants.types import TenantRef
from tests.conftest import new_key

pytestmark = pytest.mark.slow
PATIENCE = 120.0


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Http:
    """A caller over real connections, a new one for each request, so that both workers are met."""

    port: int
    key: str | None = None

    def call(self, method: str, path: str, data: Any = None, sent: Mapping[str, str] = MappingProxyType({})) -> Answer:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        own = {"X-API-Key": self.key} if self.key else {}
        body = data if isinstance(data, bytes | None) or hasattr(data, "__next__") else json.dumps(data).encode()
        headers = {"Content-Type": "application/json", **own, **sent}
        address = path if path.startswith("/") else f"/api/v1/{path}"
        client.request(method, address, body, headers, encode_chunked=hasattr(data, "__next__"))
        response = client.getresponse()
        answer = Answer(response.status, response.headers, response.read())
        client.close()
        return answer

    def get(self, path: str, **params: Any) -> Answer:
        return self.call("GET", f"{path}?{urlencode(params, doseq=True)}")

    def post(self, path: str, data: Any) -> Answer:
        return self.call("POST", path, data)


def eventually(look: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing after {seconds:g} seconds"
        time.sleep(0.05)
    return found


@contextmanager
def started(*command: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process group of its own, ended with all its children."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command], env=environment, cwd=settings.BASE_DIR, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(60)


@pytest.fixture
def environment(tenant_a: TenantRef) -> dict[str, str]:
    """The processes work on this test run's own database, Redis and model store."""
    return {
        **os.environ,
        "DATABASE_URL": make_conninfo(settings.DATABASE_URL, dbname=connection.settings_dict["NAME"]),
        "REDIS_URL": settings.REDIS_URL,
        "RECOMENGINE_MODEL_STORE": str(settings.MODEL_STORE),
    }


@contextmanager
def serving(
    environment: dict[str, str], application: str = "recomengine.edge:application"
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--interface", "asgi", "--port", str(port), "--workers", "2", "--no-ws", "--workers-kill-timeout", "10"]
    with started("granian", *options, application, environment=environment) as process:
        eventually(lambda: process.poll() is not None or answers(port))
        yield port, process


def answers(port: int) -> bool:
    try:
        return Http(port).get("/readyz").status == 200
    except OSError:
        return False


def test_what_the_server_makes_of_http(environment: dict[str, str], tenant_a: TenantRef) -> None:
    view = {"type": "view", "visitor_id": "v1", "item_id": "mug"}
    with serving(environment) as (port, _):
        api = Http(port, new_key(tenant_a))
        for path in ("recommendations", "strategies", "/healthz"):
            headed, got = api.call("HEAD", path), api.call("GET", path)
            assert (headed.status, headed.body) == (got.status, b"")
        chunks = iter([json.dumps({"events": [view]}).encode()[:20], json.dumps({"events": [view]}).encode()[20:]])
        assert api.call("POST", "events/batch", chunks).json["accepted"] == 1
        for path in ("events/batch", "catalog/items/batch"):
            refused = api.post(path, b" " * (3 * MAX_BODY))
            assert (refused.status, refused.json["code"]) == (413, "payload_too_large")
        assert api.call("OPTIONS", "events").status == 204
        assert (api.get("nowhere").status, api.get("nowhere").json["code"]) == (404, "not_found")
        assert api.call("PUT", "recommendations", {}).status == 405
        assert api.get("recommendations", placement="caf\u00e9").status == 400
        leave_in_the_middle(port, str(api.key))
        with ThreadPoolExecutor(16) as pool:
            statuses = list(pool.map(lambda n: api.post("events", view | {"visitor_id": f"v{n}"}).status, range(200)))
        assert statuses == [202] * 200


def leave_in_the_middle(port: int, key: str) -> None:
    """A client that announces a body and goes away before it is sent."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        head = f"POST /api/v1/events HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {key}\r\nContent-Length: 1000\r\n\r\n{{"
        client.sendall(head.encode())


def test_a_revocation_reaches_every_worker_within_a_second(
    environment: dict[str, str], tenants: tuple[Tenant, Tenant], tenant_a: TenantRef
) -> None:
    with serving(environment) as (port, _):
        api = Http(port, new_key(tenant_a))
        assert {api.get("recommendations").status for _ in range(20)} == {200}
        keys.revoke_key(tenants[0], str(api.key).split("_")[2])
        time.sleep(1)
        assert {api.get("recommendations").status for _ in range(20)} == {401}


def test_an_item_that_may_not_be_shown_is_gone_from_every_worker_within_a_second(
    environment: dict[str, str], tenant_a: TenantRef
) -> None:
    names = ["mug", "cup", "pot", "jam"]
    with serving(environment) as (port, _):
        api = Http(port, new_key(tenant_a))
        api.post("catalog/items/batch", {"items": [{"item_id": name, "title": name} for name in names]})
        api.post("events/batch", {"events": [{"type": "view", "visitor_id": "v", "item_id": name} for name in names]})
        running.train(tenant_a)

        def shown() -> set[str]:
            answers = [api.get("recommendations", strategy="popular").json["items"] for _ in range(20)]
            return {item["item_id"] for items in answers for item in items}

        eventually(lambda: shown() == set(names))
        past = "2020-01-01T00:00:00Z"
        api.post("catalog/items/batch", {"items": [{"item_id": "mug", "title": "m", "availability": "out_of_stock"}]})
        api.call("PATCH", "catalog/items/cup", {"expires_at": past})
        api.call("DELETE", "catalog/items/pot")
        time.sleep(1)
        assert shown() == {"jam"}


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_what_was_answered_with_202_is_stored_however_the_server_ends(
    environment: dict[str, str], tenant_a: TenantRef, how: str
) -> None:
    accepted: list[str] = []
    ending = threading.Event()

    def send(worker: int) -> None:
        for n in range(10_000):
            visitor = f"v{worker}-{n}"
            try:
                answer = api.post("events", {"type": "view", "visitor_id": visitor, "item_id": "mug"})
            except (OSError, http.client.HTTPException):
                return
            if answer.status == 202:
                accepted.append(visitor)
            if ending.is_set() and answer.status != 202:
                return

    with serving(environment) as (port, process), ThreadPoolExecutor(8) as pool:
        api = Http(port, new_key(tenant_a))
        senders = [pool.submit(send, worker) for worker in range(8)]
        eventually(lambda: len(accepted) > 200)
        ending.set()
        if how == "killed":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.terminate()
        process.wait(60)
        for sender in senders:
            sender.result(60)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT visitor_id FROM {tenant_a.schema}.events_event")
        stored = [row[0] for row in cursor.fetchall()]
    assert set(accepted) <= set(stored)
    assert len(stored) == len(set(stored))


def test_a_live_stream_is_fed_by_every_worker_and_ends_with_the_server(
    environment: dict[str, str], tenant_a: TenantRef
) -> None:
    with serving(environment) as (port, process):
        key = new_key(tenant_a)
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        client.request("GET", "/api/v1/events/stream", headers={"X-API-Key": key})
        stream = client.getresponse()
        assert (stream.status, stream.headers["content-type"]) == (200, "text/event-stream")
        while b": here" not in stream.readline():
            pass
        time.sleep(2 * live.MAX_AGE)  # until every worker knows that somebody watches
        api = Http(port, key)
        for n in range(16):
            assert api.post("events", {"type": "view", "visitor_id": f"v{n}", "item_id": "mug"}).status == 202
        seen: set[str] = set()
        while len(seen) < 16:
            line = stream.readline()
            if line.startswith(b"data: "):
                seen.add(json.loads(line[6:])["visitor_id"])
        process.terminate()
        rest = stream.read()
        assert b"event: end" in rest
        assert process.wait(60) == 0

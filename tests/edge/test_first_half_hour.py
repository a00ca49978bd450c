"""The main job through real processes: a shop's first half hour, over HTTP, with what production runs."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from tenants import schemas
from tenants.models import Tenant

pytestmark = [pytest.mark.slow, pytest.mark.smoke]
SLUG = "first-half-hour"


@pytest.fixture
def environment(tenants: Any) -> dict[str, str]:
    """What makes a process of its own use this run's database, Redis and model store."""
    params = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    url = " ".join(f"{name}='{params[name]}'" for name in names if params.get(name))
    own = {"DATABASE_URL": url, "REDIS_URL": settings.REDIS_URL, "RECOMENGINE_MODEL_STORE": str(settings.MODEL_STORE)}
    return os.environ | own


@pytest.fixture
def address(environment: dict[str, str]) -> Iterator[str]:
    """Two API processes and a worker."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    python = [sys.executable, "-m"]
    api = [
        *python,
        "granian",
        "--interface",
        "asgi",
        "--port",
        str(port),
        "--workers",
        "2",
        "recomengine.edge:application",
    ]
    worker = [*python, "celery", "-A", "recomengine.celery", "worker", "--pool", "solo", "--without-mingle"]
    started = [subprocess.Popen(command, env=environment) for command in (api, worker)]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(60)
        schemas.drop(f"t_{SLUG.replace('-', '_')}")
        Tenant.objects.filter(slug=SLUG).delete()


def call(address: str, path: str, key: str = "", data: Any = None) -> tuple[int, Any]:
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(f"{address}{path}", body, {"X-API-Key": key, "Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def until(condition: Any, seconds: float = 180) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if found := condition():
                return found
        except OSError:
            pass  # not up yet
        time.sleep(0.2)
    raise AssertionError(f"not within {seconds} seconds")


def test_a_shops_first_half_hour(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    until(lambda: call(address, "/readyz")[0] == 200)
    call_command("create_tenant", SLUG, "First Half Hour")
    capsys.readouterr()
    call_command("create_key", SLUG, "rw", as_json=True)
    key = json.loads(capsys.readouterr().out)["key"]

    items = [{"item_id": name, "title": f"{name} cup", "price": "3.50"} for name in ("red", "blue", "green", "plain")]
    status, result = call(address, "/api/v1/catalog/items/batch", key, {"items": items})
    assert (status, result["created"]) == (200, 4)
    orders = [
        {
            "type": "purchase",
            "visitor_id": f"v{n}",
            "order_id": f"o{n}",
            "items": [{"item_id": i, "price": "3.50"} for i in pair],
        }
        for n, pair in enumerate([("red", "blue")] * 5 + [("red", "green")] * 2)
    ]
    status, result = call(address, "/api/v1/events/batch", key, {"events": orders})
    assert (status, result) == (202, {"accepted": 7, "duplicates": 0, "rejected": []})

    assert call(address, "/api/v1/models/train", key, {})[0] == 202
    until(lambda: [run for run in call(address, "/api/v1/models", key)[1]["results"] if run["status"] == "published"])
    asked = "/api/v1/recommendations?strategy=bought_together&item_id=red"
    answer = until(lambda: (found := call(address, asked, key)[1])["items"] and found)
    first = answer["items"][0]
    assert [item["item_id"] for item in answer["items"]][:2] == ["blue", "green"]
    assert (first["source"], first["reason"]["count"], first["reason"]["because_of"]) == ("bought_together", 5, "red")
    assert call(address, asked, key.replace("rw", "ro", 1))[0] == 401

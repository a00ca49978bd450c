"""Segment's own libraries, unchanged but for the host name they are given, against the API as it runs."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from segment.analytics.client import Client

from tenants.types import KeyType, TenantRef
from tests.conftest import new_key
from tests.edge.test_processes import environment, serving  # noqa: F401 - a fixture
from tests.events.conftest import Stored, stored  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow
COLUMNS = ("type", "visitor_id", "user_id", "item_id", "quantity", "price", "currency", "order_id")
NODE_LIBRARY = settings.BASE_DIR / "sdk/node_modules/@segment/analytics-node"
NODE_SCRIPT = settings.BASE_DIR / "sdk/test/stock-segment.mjs"


@pytest.mark.parametrize("compressed", [False, True])
def test_the_library_for_python(
    environment: dict[str, str],  # noqa: F811
    tenant_a: TenantRef,
    stored: Stored,  # noqa: F811
    compressed: bool,
) -> None:
    failures: list[Any] = []
    started = datetime.now(UTC)
    with serving(environment) as (port, _):
        key, host = new_key(tenant_a), f"http://127.0.0.1:{port}"
        client = Client(key, host, gzip=compressed, on_error=lambda error, _: failures.append(error), max_retries=3)
        who = {"user_id": "u1", "anonymous_id": "v1"}
        client.identify(**who, traits={"plan": "free"})
        client.page(**who, name="Home")
        client.track(**who, event="Product Viewed", properties={"product_id": "mug", "price": Decimal("9.95")})
        lines = [{"product_id": "mug", "quantity": 2, "price": 9.95}, {"sku": "cup", "price": 4}]
        client.track(**who, event="Order Completed", properties={"order_id": 77, "currency": "USD", "products": lines})
        client.alias("v0", "u1")
        client.flush()
        client.shutdown()
        wrong = Client("rec_rw_wrong", host, on_error=lambda error, _: failures.append(error))
        wrong.track("u1", "Product Viewed", {"product_id": "mug"})
        wrong.shutdown()
    assert [error.status for error in failures] == [401]
    assert sorted(stored(*COLUMNS), key=str) == sorted([
        ("login", "v1", "u1", None, 1, None, "EUR", None),
        ("view", "v1", "u1", "mug", 1, Decimal("9.95"), "EUR", None),
        ("purchase", "v1", "u1", "mug", 2, Decimal("9.95"), "USD", "77"),
        ("purchase", "v1", "u1", "cup", 1, Decimal("4"), "USD", "77"),
        ("login", "v0", "u1", None, 1, None, "EUR", None),
    ], key=str)  # fmt: skip
    assert all(started - timedelta(minutes=1) < row[0] < datetime.now(UTC) for row in stored("occurred_at"))


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node here")
@pytest.mark.skipif(not NODE_LIBRARY.exists(), reason="the SDK's packages are not installed: npm ci in sdk/")
def test_the_library_for_node(
    environment: dict[str, str],  # noqa: F811
    tenant_a: TenantRef,
    stored: Stored,  # noqa: F811
) -> None:
    with serving(environment) as (port, _):
        key, host = new_key(tenant_a, KeyType.PUBLISHABLE), f"http://127.0.0.1:{port}"
        for path in ((), ("/v1/import",)):
            command = ["node", str(NODE_SCRIPT), host, key, *path]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
            assert ended.stdout == "", ended.stdout
    once = [
        ("login", "node-v1", "node-u1", None, 1, None, "EUR"),
        ("view", "node-v1", "node-u1", "mug", 1, Decimal("9.95"), "USD"),
        ("add_to_cart", "node-v1", "node-u1", "mug", 2, Decimal("9.95"), "EUR"),
        ("purchase", "node-v1", "node-u1", "mug", 2, Decimal("9.95"), "USD"),
        ("login", "node-v0", "node-u1", None, 1, None, "EUR"),
    ]
    assert sorted(stored(*COLUMNS[:-1]), key=str) == sorted(once * 2, key=str)
    assert {row[0] for row in stored("order_id")} == {None, "node-o1", "node-/v1/import"}

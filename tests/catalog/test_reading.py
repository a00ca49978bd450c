"""Whether the catalogue holds something that trainings have not learnt, and what it costs to know."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from catalog import reading
from recomengine.lib import clock
from tenants import tenancy
from tenants.types import TenantRef
from tests.api import Api

MUG = {"item_id": "mug", "title": "Mug", "brand": "A", "categories": ["Home"], "attributes": {"blue": True}, "price": 5}


def put(api: Api, **fields: Any) -> None:
    assert api.post("catalog/items/batch", {"items": [MUG | fields]}).json["rejected"] == []


def database_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
        return moment


@pytest.mark.parametrize(
    "change", [{"title": "Cup"}, {"brand": "B"}, {"categories": []}, {"attributes": {}}, {"item_id": "another"}]
)
def test_what_trainings_read_of_an_item_is_something_new(api_a: Api, tenant_a: TenantRef, change: Any) -> None:
    assert not reading.any_since(tenant_a, None)
    put(api_a)
    assert reading.any_since(tenant_a, None)
    since = database_time()
    put(api_a, **change)
    assert reading.any_since(tenant_a, since)
    assert not reading.any_since(tenant_a, database_time())


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"price": 6},
        {"sale_price": 4},
        {"availability": "out_of_stock"},
        {"description": "Blue"},
        {"url": "https://shop.example/mug"},
    ],
)
def test_what_they_do_not_read_is_not(api_a: Api, tenant_a: TenantRef, change: Any) -> None:
    put(api_a)
    since = database_time()
    put(api_a, **change)
    assert not reading.any_since(tenant_a, since)


@pytest.mark.slow
@pytest.mark.parametrize("ago", [timedelta(0), timedelta(days=20), timedelta(days=400)])
def test_a_large_catalogue_is_not_read_to_know(api_a: Api, tenant_a: TenantRef, ago: timedelta) -> None:
    with tenancy.use(tenant_a), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO catalog_item (item_id, title, description, url, image_url, currency, availability, brand,"
            " categories, attributes, content_changed_at) SELECT 'i' || n, 'x', repeat('x', 300), '', '', 'EUR',"
            " 'in_stock', '', '{}', '{}', now() - n * interval '1 minute' FROM generate_series(1, 50000) n"
        )
        cursor.execute("ANALYZE catalog_item")
        with CaptureQueriesContext(connection) as asked:
            reading.any_since(tenant_a, clock.now() - ago)
        [statement] = [query["sql"] for query in asked.captured_queries if "catalog_item" in query["sql"]]
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        found = cursor.fetchone()[0]
    plan = json.dumps(json.loads(found) if isinstance(found, str) else found)
    assert '"Index Name": "item_content_changed"' in plan
    assert "Seq Scan" not in plan

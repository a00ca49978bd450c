"""Two hundred people who sign up at the same moment each get a shop that works."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from tenants.models import Membership, Tenant, User
from tenants.types import TenantRef
from tests.edge.test_processes import Answer, Http, environment, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PEOPLE = 200
__all__ = ["environment"]  # a fixture


def sign_up(port: int, n: int) -> Answer:
    # Many want the same shop's name, so that slugs collide as well.
    shop = {"name": "Tea House " + "ABCDEFGHIJKLMNOPQRST"[n % 20], "currency": "GBP"}
    return Http(port).post(
        "auth/register", {"email": f"p{n}@example.com", "password": "correct horse battery", "tenant": shop}
    )


def works(port: int, made: dict[str, Any]) -> bool:
    """An item and an event go in with one first key, and the shop alone comes out with another."""
    keys = {each["type"]: each["key"] for each in made["api_keys"]}
    slug, server, reader = made["tenant"]["slug"], Http(port, keys["rw"]), Http(port, keys["ro"])
    assert server.post("catalog/items", {"item_id": slug, "title": slug}).status == 201
    assert server.post("events", {"type": "view", "visitor_id": slug, "item_id": slug}).json["accepted"] == 1
    found = [row["item_id"] for row in reader.get("catalog/items").json["results"]]
    seen = [row["visitor_id"] for row in reader.get("events").json["results"]]
    return found == seen == [slug] and reader.get("recommendations").status == 200


def test_all_of_many_at_once_get_a_shop_that_works(environment: dict[str, str], tenant_a: TenantRef) -> None:
    try:
        with serving(environment) as (port, _), ThreadPoolExecutor(PEOPLE) as pool:
            began = time.monotonic()
            answers = list(pool.map(lambda n: sign_up(port, n), range(PEOPLE)))
            print(f"{PEOPLE} sign-ups in {time.monotonic() - began:.1f} s")
            assert {answer.status for answer in answers} == {201}, {a.body for a in answers if a.status != 201}
            made = [answer.json for answer in answers]
            assert len({each["tenant"]["slug"] for each in made}) == PEOPLE
            with ThreadPoolExecutor(8) as few:
                assert all(few.map(lambda each: works(port, each), made))
        assert User.objects.filter(email__endswith="@example.com").count() == PEOPLE
        assert Membership.objects.filter(role="owner").values("tenant").distinct().count() == PEOPLE
    finally:
        with connection.cursor() as cursor:
            for schema in Tenant.objects.filter(slug__startswith="tea-house").values_list("schema_name", flat=True):
                cursor.execute(f'DROP SCHEMA "{schema}" CASCADE')

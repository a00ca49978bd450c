"""Tenants are made whole or not at all."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection

from recomengine.lib.errors import DomainError
from tenants import provisioning
from tenants.models import Tenant
from tenants.provisioning import create_tenant, drop_schema

pytestmark = pytest.mark.smoke


def schemas() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 't\\_%%'")
        return {row[0] for row in cursor.fetchall()}


def tables(schema: str) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema])
        return {row[0] for row in cursor.fetchall()}


def test_a_new_tenant_has_every_table_of_a_shop_and_none_of_the_platform(tenants: Any) -> None:
    tenant = create_tenant("new-shop", "New shop", currency="GBP", notice="simulated")
    try:
        assert (tenant.ref.schema, tenant.ref.currency, tenant.ref.notice) == ("t_new_shop", "GBP", "simulated")
        models = [model for app in settings.TENANT_APPS for model in apps.get_app_config(app).get_models()]
        assert tables("t_new_shop") >= {model._meta.db_table for model in models}
        assert tables("t_new_shop") == tables("t_shop_a") - partitions(tables("t_shop_a"))
        assert not tables("t_new_shop") & {"tenants_tenant", "tenants_apikey", "tenants_user"}
        assert connection.schema_name == "public"
    finally:
        drop_schema("t_new_shop")


def partitions(names: set[str]) -> set[str]:
    return {name for name in names if name.startswith("events_event_")}


@pytest.mark.parametrize(
    "slug", ["", "a", "Shop", "1shop", "shop_a", "shop a", "x" * 41, "shop\n", "ü-shop", "a;--", "-a"]
)
def test_a_slug_that_is_none_is_refused(tenants: Any, slug: str) -> None:
    before = schemas()
    with pytest.raises(DomainError) as refused:
        create_tenant(slug, "Shop")
    assert refused.value.code == "invalid"
    assert schemas() == before


@pytest.mark.parametrize("fields", [{"currency": "euro"}, {"currency": ""}, {"notice": "x" * 201}])
def test_other_wrong_values_are_refused(tenants: Any, fields: dict[str, str]) -> None:
    with pytest.raises(DomainError) as refused:
        create_tenant("new-shop", "Shop", **fields)
    assert refused.value.code == "invalid"
    assert not Tenant.objects.filter(slug="new-shop").exists()


def test_a_slug_that_is_taken_is_a_conflict_and_harms_nobody(tenants: Any) -> None:
    with pytest.raises(DomainError) as refused:
        create_tenant("shop-a", "Another")
    assert refused.value.code == "conflict"
    assert Tenant.objects.get(slug="shop-a").name == "Shop A"
    assert "catalog_item" in tables("t_shop_a")


def test_a_failure_leaves_nothing_behind(tenants: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        assert "t_new_shop" in schemas()
        raise KeyboardInterrupt

    monkeypatch.setattr(provisioning, "call_command", fail)
    with pytest.raises(KeyboardInterrupt):
        create_tenant("new-shop", "New shop")
    assert "t_new_shop" not in schemas()
    assert not Tenant.objects.filter(slug="new-shop").exists()
    assert connection.schema_name == "public"


def test_a_schema_that_is_there_already_is_left_alone(tenants: Any) -> None:
    """It may hold the data of a tenant that was deleted."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA t_new_shop CREATE TABLE kept (id int)")
    try:
        with pytest.raises(DomainError) as refused:
            create_tenant("new-shop", "New shop")
        assert refused.value.code == "conflict"
        assert tables("t_new_shop") == {"kept"}
        assert not Tenant.objects.filter(slug="new-shop").exists()
    finally:
        drop_schema("t_new_shop")


def test_of_two_who_want_one_slug_one_gets_it(tenants: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provisioning, "call_command", lambda *_, **__: None)

    def create(name: str) -> str:
        try:
            return create_tenant("new-shop", name).name
        except DomainError as error:
            return error.code
        finally:
            connection.close()

    try:
        with ThreadPoolExecutor(4) as pool:
            outcomes = list(pool.map(create, ["A", "B", "C", "D"]))
        assert sorted(outcomes)[1:] == ["conflict"] * 3
        assert Tenant.objects.get(slug="new-shop").name in outcomes
        assert "t_new_shop" in schemas()
    finally:
        drop_schema("t_new_shop")

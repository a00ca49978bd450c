"""Tenants are made whole or not at all."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from django.apps import apps
from django.conf import settings
from django.db import DataError, connection, transaction

from recomengine.lib.errors import DomainError
from tenants import schemas, scripts
from tenants.models import Tenant
from tenants.provisioning import create_tenant
from tests.tenants.catalogue import described

pytestmark = pytest.mark.smoke


def existing() -> set[str]:
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
        schemas.drop("t_new_shop")


def partitions(names: set[str]) -> set[str]:
    return {name for name in names if name.startswith(("events_event_", "recommendations_servedslate_"))}


@pytest.mark.parametrize(
    "slug", ["", "a", "Shop", "1shop", "shop_a", "shop a", "x" * 41, "shop\n", "ü-shop", "a;--", "-a"]
)
def test_a_slug_that_is_none_is_refused(tenants: Any, slug: str) -> None:
    before = existing()
    with pytest.raises(DomainError) as refused:
        create_tenant(slug, "Shop")
    assert refused.value.code == "invalid"
    assert existing() == before


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


@pytest.mark.parametrize("error", [KeyboardInterrupt, DomainError("store_unavailable"), RuntimeError("no space")])
def test_a_failure_leaves_nothing_behind(
    tenants: Any, monkeypatch: pytest.MonkeyPatch, error: type[BaseException] | BaseException
) -> None:
    make = schemas.create

    def fail(schema: str) -> None:
        make(schema)
        assert "t_new_shop" in existing()
        raise error

    monkeypatch.setattr(schemas, "create", fail)
    with pytest.raises(error if isinstance(error, type) else type(error)):
        create_tenant("new-shop", "New shop")
    assert "t_new_shop" not in existing()
    assert not Tenant.objects.filter(slug="new-shop").exists()
    assert connection.schema_name == "public"


def test_a_script_that_fails_half_way_leaves_nothing_behind(tenants: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "current", lambda: "CREATE TABLE half (id int); SELECT 1/0")
    with pytest.raises(DataError):
        create_tenant("new-shop", "New shop")
    assert "t_new_shop" not in existing()
    assert not Tenant.objects.filter(slug="new-shop").exists()


def test_a_tenant_goes_with_the_transaction_it_was_made_in(tenants: Any) -> None:
    with transaction.atomic():
        create_tenant("new-shop", "New shop")
        transaction.set_rollback(True)
    assert "t_new_shop" not in existing()
    assert not Tenant.objects.filter(slug="new-shop").exists()


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
        schemas.drop("t_new_shop")


def create(slug: str) -> str:
    """The outcome of making it in a thread of its own."""
    try:
        return create_tenant(slug, slug).slug
    except DomainError as error:
        return error.code
    finally:
        connection.close()


def test_of_many_who_want_one_slug_one_gets_it(tenants: Any) -> None:
    try:
        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(create, ["new-shop"] * 8))
        assert sorted(outcomes) == ["conflict"] * 7 + ["new-shop"]
        assert tables("t_new_shop") >= {"catalog_item", "django_migrations"}
    finally:
        schemas.drop("t_new_shop")


@pytest.mark.slow
def test_two_hundred_at_once_get_a_whole_schema_each(tenants: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cast(Any, connection).pool, "timeout", 200)  # ten connections on a busy machine
    slugs = [f"at-once-{number}" for number in range(200)]
    names = ["t_" + slug.replace("-", "_") for slug in slugs]
    try:
        with ThreadPoolExecutor(200) as pool:
            assert list(pool.map(create, slugs)) == slugs
        assert set(names) <= existing()
        first = described(names[0])
        assert all(described(name) == first for name in names[1:])
    finally:
        for name in names:
            schemas.drop(name)

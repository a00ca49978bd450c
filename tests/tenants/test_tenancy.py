"""The one place that chooses the schema: nested, restored, and never by accident the wrong one."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, ProgrammingError, connection, transaction

from catalog.models import Item
from tenants import tenancy
from tenants.models import Tenant
from tenants.types import TenantRef

pytestmark = pytest.mark.smoke


def search_path() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('search_path')")
        return str(cursor.fetchone()[0])


def titles() -> set[str]:
    return set(Item.objects.values_list("title", flat=True))


@pytest.fixture(autouse=True)
def items(tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    """One item in each shop, which says whose it is."""
    for tenant in (tenant_a, tenant_b):
        with tenancy.use(tenant):
            Item.objects.create(item_id="x", title=tenant.slug, currency="EUR")


@pytest.fixture
def public_items() -> Iterator[None]:
    """A table of items in `public`, where none belongs."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE public.catalog_item (LIKE t_shop_a.catalog_item)")
        cursor.execute("ALTER TABLE t_shop_a.catalog_item RENAME TO hidden")
        yield
        cursor.execute("ALTER TABLE t_shop_a.hidden RENAME TO catalog_item")
        cursor.execute("DROP TABLE public.catalog_item")


def test_each_tenant_sees_its_own(tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    for tenant in (tenant_a, tenant_b, tenant_a):
        with tenancy.use(tenant):
            assert titles() == {tenant.slug}


def test_blocks_nest_and_restore(tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    assert search_path() == "public"
    with tenancy.use(tenant_a):
        with tenancy.use(tenant_b):
            assert titles() == {"shop-b"}
            with tenancy.use(tenant_a):
                assert titles() == {"shop-a"}
            assert titles() == {"shop-b"}
        assert titles() == {"shop-a"}
        assert "public" not in search_path()
    assert search_path() == "public"
    assert Tenant.objects.count() == 2


def fail_within(tenant: TenantRef) -> None:
    with tenancy.use(tenant):
        assert titles() == {tenant.slug}
        raise ZeroDivisionError


def fail_after(tenant: TenantRef) -> None:
    with tenancy.use(tenant):
        assert titles() == {tenant.slug}
    raise ZeroDivisionError


def test_an_exception_leaves_the_block_like_its_end(tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    with tenancy.use(tenant_a):
        with pytest.raises(ZeroDivisionError):
            fail_within(tenant_b)
        assert titles() == {"shop-a"}


@pytest.mark.parametrize("fail", [fail_within, fail_after])
def test_a_rolled_back_transaction_leaves_the_right_schema(
    tenant_a: TenantRef, tenant_b: TenantRef, fail: Callable[[TenantRef], None]
) -> None:
    """PostgreSQL takes a `SET search_path` back with the transaction that made it."""
    with tenancy.use(tenant_a):
        assert titles() == {"shop-a"}
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            fail(tenant_b)
        assert titles() == {"shop-a"}
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        fail(tenant_b)
    assert search_path() == "public"


@pytest.mark.parametrize("fail", [fail_within, fail_after])
def test_a_rolled_back_savepoint_leaves_the_right_schema(
    tenant_a: TenantRef, tenant_b: TenantRef, fail: Callable[[TenantRef], None]
) -> None:
    with transaction.atomic(), tenancy.use(tenant_a):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            fail(tenant_b)
        assert titles() == {"shop-a"}


def test_a_database_error_leaves_the_right_schema(tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    with tenancy.use(tenant_a):
        with pytest.raises(DatabaseError), transaction.atomic(), tenancy.use(tenant_b), connection.cursor() as cursor:
            cursor.execute("SELECT 1/0")
        assert titles() == {"shop-a"}
    assert search_path() == "public"


def test_a_table_that_is_missing_is_an_error_and_not_publics(tenant_a: TenantRef, public_items: None) -> None:
    assert titles() == set()
    with tenancy.use(tenant_a), pytest.raises(ProgrammingError, match="does not exist"):
        titles()


def test_public_tables_are_out_of_reach_within_a_tenant(tenant_a: TenantRef) -> None:
    with tenancy.use(tenant_a), pytest.raises(ProgrammingError, match="does not exist"):
        Tenant.objects.count()


def test_a_tenant_without_a_schema_is_an_error(tenant_a: TenantRef) -> None:
    with tenancy.use(TenantRef("gone", "t_gone", "Gone", "EUR")), pytest.raises(ProgrammingError):
        titles()
    assert search_path() == "public"


def test_a_hostile_schema_name_is_refused(tenant_a: TenantRef) -> None:
    for name in ('t"; DROP SCHEMA public; --', "pg_catalog", "a,public", "$user"):
        with pytest.raises((ValidationError, ProgrammingError)), tenancy.use(TenantRef("x", name, "X", "EUR")):
            titles()
    assert Tenant.objects.count() == 2


def test_threads_do_not_share_a_tenant(tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    """Nor does a pooled connection carry its last tenant to the next thread."""
    seen: dict[str, Any] = {}

    def leave_in_use() -> None:
        tenancy.connection.set_schema(tenant_b.schema, include_public=False)
        seen["left"] = titles()
        connection.close()

    def fresh() -> None:
        seen["fresh"] = search_path()
        with tenancy.use(tenant_a):
            seen["own"] = titles()
        connection.close()

    with tenancy.use(tenant_a):
        titles()
        for job in (leave_in_use, *[fresh] * 3):
            thread = threading.Thread(target=job)
            thread.start()
            thread.join()
            assert titles() == {"shop-a"}
    assert seen == {"left": {"shop-b"}, "fresh": "public", "own": {"shop-a"}}


def test_a_connection_that_was_lost_comes_back_to_the_right_schema(tenant_a: TenantRef) -> None:
    with tenancy.use(tenant_a):
        assert titles() == {"shop-a"}
        connection.close()
        assert titles() == {"shop-a"}
    assert search_path() == "public"

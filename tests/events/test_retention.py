"""Events go when the shop keeps them no longer: whole months, with their keys and their part of the archive."""

from datetime import timedelta

import pytest

from events import archive, archiving, partitions, retention, tasks
from recomengine.lib import clock
from recomengine.lib.postgres import connect
from tenants import directory
from tenants.models import Tenant
from tenants.types import TenantRef
from tests.api import Api
from tests.events.months import count, event, has_partition, month, send

DAYS = 90
GONE, KEPT = month(5), month(2)


@pytest.fixture
def shop(api_a: Api, tenant_a: TenantRef) -> TenantRef:
    """Shop A, with an event of a month that goes and one of a month that stays, which keeps events for 90 days."""
    assert send(api_a, event(1, GONE), event(2, KEPT)) == 2
    Tenant.objects.filter(slug=tenant_a.slug).update(event_retention_days=DAYS)
    return directory.get(tenant_a.slug)


def test_months_go_with_their_keys_when_all_of_them_is_too_old(
    shop: TenantRef, api_b: Api, tenant_b: TenantRef
) -> None:
    send(api_b, event(1, GONE))
    tasks.enforce_retention()
    assert (has_partition(shop, GONE), has_partition(shop, KEPT)) == (False, True)
    assert (count(shop), count(shop, "events_eventkey")) == (1, 1)
    assert (count(tenant_b), count(tenant_b, "events_eventkey")) == (1, 1)


def test_a_month_that_is_in_part_young_enough_stays_with_all_its_keys(shop: TenantRef, api_a: Api) -> None:
    oldest = partitions.month_of(clock.now() - timedelta(days=DAYS))
    send(api_a, event(3, oldest))
    retention.enforce(shop)
    assert has_partition(shop, oldest)
    assert send(api_a, event(3, oldest)) == 0


def test_a_late_event_makes_its_month_anew_and_an_older_one_is_refused(shop: TenantRef, api_a: Api) -> None:
    retention.enforce(shop)
    late = month(1)
    with connect() as connection, connection.transaction():
        if late in partitions.existing(connection, shop.schema):
            partitions.drop(connection, shop.schema, late)
    assert send(api_a, event(4, late)) == 1
    assert has_partition(shop, late)


def test_keys_go_in_batches(shop: TenantRef, api_a: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    Tenant.objects.filter(slug=shop.slug).update(event_retention_days=396)
    send(api_a, *(event(number, GONE) for number in range(10, 17)))
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    retention.enforce(shop)
    assert count(shop, "events_eventkey") == 1


def test_a_busy_table_is_left_for_the_next_time_and_nothing_waits_long(shop: TenantRef, api_a: Api) -> None:
    with connect() as reader:
        reader.execute(f"SELECT count(*) FROM {shop.schema}.events_event".encode())  # and holds on to it
        retention.enforce(shop)
        assert has_partition(shop, GONE)
        assert count(shop, "events_eventkey") == 2  # no key goes before its event
        assert send(api_a, event(5, KEPT)) == 1
    retention.enforce(shop)
    assert not has_partition(shop, GONE)


def test_the_archive_of_a_month_goes_as_well(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, event(1, GONE), event(2, KEPT))
    archiving.archive_closed(tenant_a, closed_for=timedelta())
    folder = archive.folder(tenant_a, GONE)
    assert folder.names()
    Tenant.objects.filter(slug=tenant_a.slug).update(event_retention_days=DAYS)
    retention.enforce(directory.get(tenant_a.slug))
    assert [row.month for row in archive.months(tenant_a) if row.rows] == [KEPT]
    assert not folder.names()

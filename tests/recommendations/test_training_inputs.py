"""Trainings on little, or on what is strange: they end, and what is sound is learnt all the same."""

from datetime import timedelta

import pytest
from django.db import connection
from psycopg import sql

from events import partitions
from recomengine.lib import clock
from recomengine.lib.postgres import connect, table
from recommendations.models import ModelRun
from recommendations.releases import modelstore
from recommendations.training import running
from tenants.types import TenantRef
from tests.api import Api
from tests.recommendations.conftest import GROUPS, SIZE, by, ids, notice, order, slate, visit

Status = ModelRun.Status
DAYS = 80
FILL = """
    INSERT INTO {events} (event_id, line, type, occurred_at, visitor_id, session_id, item_id, quantity)
    SELECT gen_random_uuid(), 0, 'view', %(now)s - n * %(between)s, 'tireless', %(session)s,
           (%(items)s::text[])[1 + hashint4(n) %% (%(count)s / 2) + %(count)s / 2], 1
    FROM generate_series(1, %(rows)s) n
"""


def store(tenant: TenantRef, rows: int, items: list[str], between: timedelta, session: str | None = None) -> None:
    """Store views by one visitor, of items by chance, evenly from now back."""
    now = clock.now()
    months = {partitions.month_of(now - timedelta(days=back)) for back in range(DAYS + 1)}
    with connect() as opened:
        partitions.ensure(opened, tenant.schema, months)
        statement = sql.SQL(FILL).format(events=table(tenant.schema, "events_event"))
        values = {"now": now, "between": between, "session": session, "items": items, "count": len(items)}
        opened.execute(statement, values | {"rows": rows})


def beside(api: Api, item_id: str, strategy: str = "also_viewed") -> list[str]:
    notice(api)
    return by(slate(api, strategy=strategy, item_id=item_id, limit=50), strategy)


def test_one_order(api_a: Api, tenant_a: TenantRef) -> None:
    notice(api_a)
    api_a.post("catalog/items/batch", {"items": [{"item_id": name, "title": name} for name in ("tea", "pot")]})
    api_a.post("events/batch", {"events": [order(1, "tea", "pot", days=1)]})
    assert running.train(tenant_a).status == Status.PUBLISHED
    notice(api_a)
    assert set(ids(slate(api_a, strategy="popular"))) == {"tea", "pot"}


def test_all_at_one_moment(filled: Api, tenant_a: TenantRef) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {tenant_a.schema}.events_event WHERE type <> 'view'")
        events = f"{tenant_a.schema}.events_event"  # this month may be so young that it has no partition yet
        cursor.execute(
            f"UPDATE {events} SET occurred_at = (SELECT date_trunc('month', max(occurred_at)) FROM {events})"
        )
    run = running.train(tenant_a)
    assert (run.status, run.split_at) == (Status.PUBLISHED, None)


def test_items_that_were_deleted_since(shop: Api, tenant_a: TenantRef) -> None:
    shop.call("DELETE", "catalog/items/cup")
    notice(shop)
    assert "cup" not in ids(slate(shop, item_id="mug", placement="pdp"))
    run = running.train(tenant_a)
    assert run.report["events_of_unknown_items"] == 11
    assert "cup" not in str(modelstore.load(tenant_a, run.version).tables["coview"]["key"].to_pylist())


ALL = [f"g{group}-{n}" for group in range(GROUPS) for n in range(SIZE)]


def group_of(names: list[str]) -> set[str]:
    return {name.partition("-")[0] for name in names}


def assert_groups_are_known(api: Api) -> None:
    """Beside an item the others of its group come first, as the visits of the shop had it."""
    for group in range(GROUPS):
        assert group_of(beside(api, f"g{group}-1")[: SIZE - 1]) == {f"g{group}"}


@pytest.mark.slow
@pytest.mark.parametrize("named", ["endless", None])
def test_one_visitor_with_a_million_events(busy: Api, tenant_a: TenantRef, named: str | None) -> None:
    """A view every six seconds for seventy days, which is one session: under one id, or never with a pause."""
    store(tenant_a, 1_000_000, ALL, timedelta(seconds=6), named)
    run = running.train(tenant_a)
    assert run.status == Status.PUBLISHED
    assert run.events > 1_000_000
    assert_groups_are_known(busy)
    notice(busy)
    assert slate(busy, strategy="popular", limit=50)["items"][0]["reason"]["count"] < 700  # visitors, and not views


@pytest.mark.slow
@pytest.mark.parametrize("named", ["endless", None])
def test_sessions_that_never_end(busy: Api, tenant_a: TenantRef, named: str | None) -> None:
    """A view every ten minutes for eighty days: under one id of a session, or never with a pause."""
    store(tenant_a, DAYS * 144, ALL, timedelta(minutes=10), named)
    run = running.train(tenant_a)
    assert (run.status, run.split_at is not None) == (Status.PUBLISHED, True)
    assert_groups_are_known(busy)


@pytest.mark.slow
def test_an_item_in_every_session(busy: Api, tenant_a: TenantRef) -> None:
    """The first page of a shop, say: beside others it is one item of many, and does not stand for the shop."""
    busy.post("catalog/items", {"item_id": "home", "title": "Welcome"})
    for start in range(0, 700, 50):
        views = [
            visit(f"v{n}", "home", days=60 - n / 12 + 1 / 1440)[0] for n in range(start, start + 50)
        ]  # a minute before the first of the visit's own
        assert busy.post("events/batch", {"events": views}).json["accepted"] == len(views)
    assert running.train(tenant_a).status == Status.PUBLISHED
    for group in range(GROUPS):
        shown = [name for name in beside(busy, f"g{group}-1") if name != "home"]
        assert group_of(shown[: SIZE - 1]) == {f"g{group}"}
    assert len(beside(busy, "home")) >= 2 * SIZE
    assert ids(slate(busy, strategy="popular"))[0] == "home"

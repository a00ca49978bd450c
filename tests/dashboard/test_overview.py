"""The overview's numbers are those of the events."""

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.test import Client

from analytics import overview
from analytics.overview import Measure
from catalog import counts as catalogue
from catalog import items
from events import activity, counts, of_items
from recomengine.lib import clock
from recommendations.training.running import train
from tenants.models import Tenant
from tenants.types import TenantRef
from tests.dashboard.conftest import CATALOGUE, ago, happened

LONDON = ZoneInfo("Europe/London")


def purchase(order: str, occurred_at: str, *lines: tuple[str, int, str], **fields: str) -> dict[str, object]:
    sold = [{"item_id": item, "quantity": quantity, "price": price} for item, quantity, price in lines]
    event = {"type": "purchase", "order_id": order, "occurred_at": occurred_at, "items": sold}
    return {"visitor_id": f"v-{order}", **event, **fields}


@pytest.fixture
def busy(tenant_a: TenantRef) -> TenantRef:
    """Four events of three visitors lately, one event before, and some that do not count everywhere."""
    items.write(tenant_a, CATALOGUE)
    happened(
        tenant_a,
        {"type": "view", "visitor_id": "v-1", "item_id": "mug", "occurred_at": ago(days=1)},
        {"type": "view", "visitor_id": "v-1", "item_id": "pot", "occurred_at": ago(days=2)},
        purchase("o-1", ago(days=2), ("mug", 2, "9.95"), ("pot", 1, "19.99")),
        purchase("o-2", ago(days=3), ("mug", 1, "100"), currency="USD"),
        purchase("o-0", ago(days=30), ("cup", 10, "1")),
    )
    return tenant_a


def by_key(tenant: TenantRef, days: int) -> dict[str, Measure]:
    zone = ZoneInfo("UTC")
    return {each.key: each for each in overview.measures(tenant, overview.period(days, clock.now(), zone), zone)}


def test_measures_are_the_events_counted(busy: TenantRef) -> None:
    found = by_key(busy, 28)
    assert (found["events"].value, found["events"].before) == (4, 1)
    assert (found["visitors"].value, found["visitors"].before) == (3, 1)
    assert (found["orders"].value, found["orders"].before) == (2, 1)
    assert (found["revenue"].value, found["revenue"].before) == (Decimal("39.89"), Decimal(10))  # no dollars in euros
    assert found["events"].change == 3.0


def test_the_days_add_up_to_the_whole(busy: TenantRef) -> None:
    for measure in by_key(busy, 28).values():
        assert len(measure.points) == 28
        if measure.key != "visitors":  # somebody may come on several days
            assert sum(point.value for point in measure.points) == measure.value
            assert sum(point.before for point in measure.points) == measure.before


def test_an_order_sent_in_two_events_is_one_order(tenant_a: TenantRef) -> None:
    happened(tenant_a, purchase("o-1", ago(hours=3), ("mug", 1, "2")), purchase("o-1", ago(hours=2), ("pot", 1, "3")))
    found = by_key(tenant_a, 7)
    assert (found["orders"].value, found["revenue"].value, found["events"].value) == (1, Decimal(5), 2)


def test_what_bots_did_is_counted_nowhere_and_said(tenant_a: TenantRef, ann: Client) -> None:
    bot = {"user_agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"}
    happened(tenant_a, purchase("o-1", ago(hours=3), ("mug", 1, "2")))
    happened(tenant_a, purchase("o-2", ago(hours=3), ("pot", 1, "2"), ("mug", 1, "2")) | bot | {"visitor_id": "bot"})
    found = by_key(tenant_a, 7)
    assert [each.value for each in found.values()] == [1, 1, 1, Decimal(2)]
    since, until = clock.now() - timedelta(days=7), clock.now()
    assert counts.by_type(tenant_a, since, until) == {"purchase": 1}
    assert of_items.by_type(tenant_a, "mug", since) == {"purchase": 1}
    assert [each.order_id for each in of_items.recent(tenant_a, "mug", since, 5)] == ["o-1"]
    assert list(activity.item_ids(tenant_a, since)) == [["mug"]]
    assert [each.events for each in activity.of_items(tenant_a, ["mug", "pot"], since)] == [1]
    assert "1 more seem to be bots" in ann.get("/").content.decode()


def test_types_and_best_sellers(busy: TenantRef) -> None:
    since, until = clock.now() - timedelta(days=28), clock.now()
    assert counts.by_type(busy, since, until) == {"purchase": 2, "view": 2}
    sold = counts.best_sellers(busy, since, until, 5)
    assert [(each.item_id, each.units, each.revenue) for each in sold] == [
        ("pot", 1, Decimal("19.99")),
        ("mug", 2, Decimal("19.90")),
    ]


def test_a_shop_never_sees_the_events_of_another(busy: TenantRef, tenant_b: TenantRef) -> None:
    assert {each.value for each in by_key(tenant_b, 28).values()} == {0}
    assert catalogue.size(tenant_b, clock.now()).items == 0


def test_the_catalogue_counts_what_can_be_bought(busy: TenantRef) -> None:
    long_ago = clock.now() - timedelta(days=1)
    assert catalogue.size(busy, long_ago) == catalogue.CatalogueSize(items=5, available=4, added=5)
    assert catalogue.size(busy, clock.now() + timedelta(days=1)).added == 0


def test_a_period_begins_at_the_shops_midnight_also_when_the_clocks_change() -> None:
    now = datetime(2026, 10, 27, 9, 30, tzinfo=UTC)  # in London the clocks went back on the 25th
    found = overview.period(7, now, LONDON)
    assert found.since == datetime(2026, 10, 20, 23, 0, tzinfo=UTC)  # midnight in summer time
    assert found.dates == [date(2026, 10, 21) + timedelta(days=day) for day in range(7)]
    assert found.before.until == datetime(2026, 10, 20, 8, 30, tzinfo=UTC)  # half past nine in London, too
    assert found.before.dates[-1] == date(2026, 10, 20)


def test_days_are_the_shops_days(tenant_a: TenantRef) -> None:
    happened(tenant_a, {"type": "view", "visitor_id": "v", "item_id": "x", "occurred_at": "2026-06-30T23:30:00Z"})
    since, until = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 31, tzinfo=UTC)
    assert list(counts.per_day(tenant_a, since, until, LONDON)) == [date(2026, 7, 1)]
    assert list(counts.per_day(tenant_a, since, until, ZoneInfo("UTC"))) == [date(2026, 6, 30)]


def words(page: bytes) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.decode().split("<main", 1)[1]))


def test_the_page_shows_the_numbers(ann: Client, busy: TenantRef) -> None:
    shown = words(ann.get("/?days=28&chart=revenue").content)
    assert "Events 4 up 300%" in shown
    assert "Orders 2 up 100.0%" in shown or "Orders 2 up 100%" in shown
    assert "Revenue €39.89" in shown
    assert "Revenue per day" in shown
    assert "Products 5 4 available" in shown
    assert "days in UTC" in shown


def test_unknown_choices_are_the_default(ann: Client, busy: TenantRef) -> None:
    shown = words(ann.get("/?days=11&chart=%3Cscript%3E").content)
    assert "Events per day last 28 days" in shown


def test_the_notice_stands_beside_the_data(ann: Client, tenant_a: TenantRef) -> None:
    Tenant.objects.filter(slug=tenant_a.slug).update(notice="Simulated shoppers")
    for page in ("/", "/previewer/", "/previewer/?q=x", "/previewer/?visitor=x"):
        assert "Simulated shoppers" in words(ann.get(page).content)


def test_an_empty_shop_is_shown_how_to_begin(ann: Client) -> None:
    shown = words(ann.get("/").content)
    assert "Three steps to the first recommendation" in shown
    assert "/api/v1/catalog/items/batch" in shown
    assert "No model yet" in shown


def test_the_model_panel_tells_what_was_trained(ann: Client, busy: TenantRef) -> None:
    run = train(busy)
    shown = words(ann.get("/").content)
    assert f"Version {run.version}" in shown
    assert "6 event lines" in shown
    assert "Popular" in shown
    assert "Three steps" not in shown

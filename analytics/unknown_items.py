"""Items that events name and the catalogue lacks: they cannot be recommended until they are in it.

Comparing takes seconds in a large shop, so it is done in the background and its result is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Count, Sum

from analytics.models import QualityCheck, UnknownItem
from catalog import finding
from events import activity
from events.activity import ItemActivity
from recomengine.lib import clock
from recomengine.lib.postgres import lock_until_commit
from tenants import tenancy
from tenants.types import TenantRef

WINDOW: Final = timedelta(days=28)


@dataclass(frozen=True, slots=True)
class Unknown:
    """How many unknown items there were at the last check, and how many events name them since an instant."""

    items: int
    events: int
    checked_at: datetime
    since: datetime


def check(tenant: TenantRef) -> None:
    """Compare the events of the last four weeks with the catalogue; what is found replaces the last result."""
    now = clock.now()
    since = now - WINDOW
    found = list(_unknown(tenant, since))
    rows = [
        UnknownItem(item_id=each.item_id, events=each.events, first_at=each.first_at, last_at=each.last_at)
        for each in found
    ]
    with tenancy.use(tenant), transaction.atomic():
        lock_until_commit(f"unknown items:{tenant.slug}")
        UnknownItem.objects.all().delete()
        UnknownItem.objects.bulk_create(rows, batch_size=2_000)
        QualityCheck.objects.update_or_create(pk=1, defaults={"checked_at": now, "since": since})


def last(tenant: TenantRef) -> Unknown | None:
    """The result of the last check; None before the first."""
    with tenancy.use(tenant):
        done = QualityCheck.objects.first()
        sums = UnknownItem.objects.aggregate(items=Count("pk"), events=Sum("events", default=0))
    return Unknown(checked_at=done.checked_at, since=done.since, **sums) if done else None


def _unknown(tenant: TenantRef, since: datetime) -> Iterator[ItemActivity]:
    for named in activity.item_ids(tenant, since):
        if missing := finding.missing(tenant, named):
            yield from activity.of_items(tenant, missing, since)

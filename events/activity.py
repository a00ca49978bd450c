"""Which items events are about, and how many there are of each: found in the index, however many events there are.

Flagged events (`events.bots`) are left out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count, Max, Min
from psycopg import sql

from events.models import Event
from recomengine.lib.postgres import connect, table
from tenants import tenancy
from tenants.types import TenantRef

# Steps from one item to the next in the index (a loose index scan) instead of reading each event.
_DISTINCT: Final = """
    WITH RECURSIVE step AS (
        (
            SELECT item_id FROM {events} WHERE item_id IS NOT NULL AND flag IS NULL AND occurred_at >= {since}
            ORDER BY item_id LIMIT 1
        )
        UNION ALL
        SELECT (
            SELECT item_id FROM {events} WHERE item_id > step.item_id AND flag IS NULL AND occurred_at >= {since}
            ORDER BY item_id LIMIT 1
        ) FROM step WHERE step.item_id IS NOT NULL
    ) SELECT item_id FROM step WHERE item_id IS NOT NULL
"""
_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class ItemActivity:
    """The events of an item since an instant."""

    item_id: str
    events: int
    first_at: datetime
    last_at: datetime


def item_ids(tenant: TenantRef, since: datetime) -> Iterator[list[str]]:
    """The ids that events since an instant name, each once, some thousand at a time."""
    statement = sql.SQL(_DISTINCT).format(events=table(tenant.schema, "events_event"), since=sql.Literal(since))
    with connect() as connection, connection.cursor(name="item_ids") as cursor:
        cursor.execute(statement)
        while rows := cursor.fetchmany(_AT_ONCE):
            yield [item_id for (item_id,) in rows]


def of_items(tenant: TenantRef, item_ids: Sequence[str], since: datetime) -> list[ItemActivity]:
    """How many events since an instant each of the items has; one without any is left out."""
    with tenancy.use(tenant):
        events = Event.objects.trusted().filter(item_id__in=list(item_ids), occurred_at__gte=since).order_by()
        rows = events.values("item_id").annotate(
            events=Count("event_id", distinct=True), first_at=Min("occurred_at"), last_at=Max("occurred_at")
        )
        return [ItemActivity(**row) for row in rows if row["item_id"]]

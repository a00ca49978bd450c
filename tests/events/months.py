"""Events of months that are over, and what is where of them."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from events import partitions
from recomengine.lib import clock
from recomengine.lib.postgres import connect
from tenants.types import TenantRef
from tests.api import Api

NAMESPACE = UUID("6f1f6ac1-9b0d-4b0c-8c5a-000000000000")


def month(back: int) -> date:
    """The first day of the month that many months ago."""
    first = partitions.month_of(clock.now())
    for _ in range(back):
        first = (first - timedelta(days=1)).replace(day=1)
    return first


def during(of: date, day: int = 10, hour: int = 12) -> str:
    return datetime(of.year, of.month, day, hour, tzinfo=UTC).isoformat()


def event(number: int, of: date, **fields: Any) -> dict[str, Any]:
    """The view of that number, which is always the same one; of this month, it is over on whatever day it is asked for.

    Those that would be to come are of now, one after the other.
    """
    moment = min(during(of, 1 + number % 28, number % 24), (clock.now() + timedelta(microseconds=number)).isoformat())
    sent = {"type": "view", "visitor_id": f"v{number}", "item_id": f"i{number}", "occurred_at": moment}
    return sent | {"event_id": str(uuid5(NAMESPACE, str(number)))} | fields


def send(api: Api, *events: Any) -> int:
    """Send them; how many were new."""
    answer = api.post("events/batch", {"events": list(events)})
    assert (answer.status, answer.json["rejected"]) == (202, []), answer.body
    return int(answer.json["accepted"])


def has_partition(tenant: TenantRef, of: date) -> bool:
    with connect() as connection:
        return of in partitions.existing(connection, tenant.schema)


def count(tenant: TenantRef, table: str = "events_event") -> int:
    with connect() as connection:
        [(rows,)] = connection.execute(f"SELECT count(*) FROM {tenant.schema}.{table}".encode()).fetchall()
        return int(rows)

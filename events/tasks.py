"""Background work of the event store."""

from celery import shared_task

from events import partitions, tallies
from recomengine.lib import clock
from recomengine.lib.postgres import connect
from tenants import directory
from tenants.types import TenantRef


@shared_task(name="events.make_partitions")
def make_partitions() -> None:
    """Have this month's and the coming months' partitions ready in every tenant."""
    directory.for_each(_make_partitions)


def _make_partitions(tenant: TenantRef) -> None:
    with connect() as connection:
        partitions.ensure(connection, tenant.schema, partitions.upcoming(clock.now()))


@shared_task(name="events.keep_tallies")
def keep_tallies() -> None:
    """Keep every tenant's counts of events in PostgreSQL."""
    directory.for_each(tallies.keep)

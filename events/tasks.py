"""Background work of the event store."""

from celery import shared_task

from events import partitions, repair
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


@shared_task(name="events.repair")
def repair_projections() -> None:
    """Make good what Redis lost of the events that are stored."""
    directory.for_each(_repair)


def _repair(tenant: TenantRef) -> None:
    repair.repair(tenant)

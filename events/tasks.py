"""Background work of the event store."""

from celery import shared_task

from events import partitions
from events.importing import running
from events.importing.kind import EVENTS
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


@shared_task(name=EVENTS.task)
def run_imports(slug: str) -> None:
    """Run a tenant's imports that wait or were interrupted; while a process is at it, there is nothing to do."""
    running.run_pending(directory.get(slug))


@shared_task(name="events.tend_imports")
def tend_imports() -> None:
    """Go on with imports that nobody runs."""
    directory.for_each(running.tend)


@shared_task(name="events.tidy_imports")
def tidy_imports() -> None:
    """Remove what is kept of imports that ended long ago."""
    directory.for_each(running.tidy)

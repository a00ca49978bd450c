"""Background work of the event store."""

import structlog
from celery import shared_task

from events import erasing, partitions, repair, retention, tallies
from events.importing import running
from events.importing.kind import EVENTS
from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import connect
from tenants import directory
from tenants.types import TenantRef

log = structlog.get_logger(__name__)


@shared_task(name="events.make_partitions")
def make_partitions() -> None:
    """Have this month's and the coming months' partitions ready in every tenant."""
    directory.for_each(_make_partitions)


def _make_partitions(tenant: TenantRef) -> None:
    with connect() as connection:
        partitions.ensure(connection, tenant.schema, partitions.upcoming(clock.now()))


@shared_task(name="events.enforce_retention")
def enforce_retention() -> None:
    """Let go of events that are older than their tenants keep them."""
    directory.for_each(retention.enforce)


@shared_task(name=erasing.TASK)
def go_on_erasing(slug: str) -> None:
    """Finish a tenant's erasures; while the archive is in use, they wait for the periodic task."""
    _go_on_erasing(directory.get(slug))


@shared_task(name="events.tend_erasures")
def tend_erasures() -> None:
    """Finish the erasures that nobody works on."""
    directory.for_each(_go_on_erasing)


def _go_on_erasing(tenant: TenantRef) -> None:
    try:
        erasing.go_on(tenant)
    except DomainError as error:
        if error.code != "conflict":
            raise
        log.info("erasure waits, the archive is in use", tenant=tenant.slug)


@shared_task(name="events.keep_tallies")
def keep_tallies() -> None:
    """Keep every tenant's counts of events in PostgreSQL."""
    directory.for_each(tallies.keep)


@shared_task(name="events.repair")
def repair_projections() -> None:
    """Make good what Redis lost of the events that are stored."""
    directory.for_each(_repair)


def _repair(tenant: TenantRef) -> None:
    repair.repair(tenant)


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

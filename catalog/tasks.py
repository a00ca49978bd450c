"""Background work: importing, starting what is due, clearing up after it, and making search documents anew."""

from celery import shared_task

from catalog import rebuilding
from catalog.importing import running, scheduling
from catalog.importing.kind import CATALOGUE
from tenants import directory
from tenants.types import TenantRef


@shared_task(name=CATALOGUE.task)
def run_imports(slug: str) -> None:
    """Run a tenant's imports that wait or were interrupted; while a process is at it, there is nothing to do."""
    running.run_pending(directory.get(slug))


@shared_task(name="catalog.tend_imports")
def tend_imports() -> None:
    """Import the sources that are due, and go on with what nobody runs."""
    directory.for_each(scheduling.tend)


@shared_task(name="catalog.tidy_imports")
def tidy_imports() -> None:
    """Remove what is kept of imports that ended long ago."""
    directory.for_each(scheduling.tidy)


@shared_task(name="catalog.rebuild_stale_search")
def rebuild_stale_search() -> None:
    """Make the search documents anew of tenants whose language changed."""
    directory.for_each(_rebuild_if_needed)


def _rebuild_if_needed(tenant: TenantRef) -> None:
    if rebuilding.is_needed(tenant):
        rebuilding.rebuild(tenant)

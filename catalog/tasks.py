"""Background work: importing, starting what is due, and clearing up after it."""

from celery import shared_task

from catalog.importing import queueing, running, scheduling
from tenants import directory


@shared_task(name=queueing.RUN)
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

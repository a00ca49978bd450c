"""Background work of the measuring."""

from celery import shared_task

from analytics import queueing, unknown_items
from tenants import directory


@shared_task(name="analytics.check_quality")
def check_quality_everywhere() -> None:
    """Compare every tenant's events with its catalogue."""
    directory.for_each(unknown_items.check)


@shared_task(name=queueing.CHECK_QUALITY)
def check_quality(slug: str) -> None:
    """Compare one tenant's."""
    unknown_items.check(directory.get(slug))

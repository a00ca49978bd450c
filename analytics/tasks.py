"""Background work of the measuring."""

from celery import shared_task

from analytics import event_health, queueing
from tenants import directory


@shared_task(name="analytics.check_quality")
def check_quality_everywhere() -> None:
    """Compare every tenant's events with its catalogue, and judge them."""
    directory.for_each(event_health.check)


@shared_task(name=queueing.CHECK_QUALITY)
def check_quality(slug: str) -> None:
    """Compare one tenant's."""
    event_health.check(directory.get(slug))

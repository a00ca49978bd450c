"""Background work of the catalogue."""

from celery import shared_task

from catalog import rebuilding
from tenants import directory
from tenants.types import TenantRef


@shared_task(name="catalog.rebuild_stale_search")
def rebuild_stale_search() -> None:
    """Make the search documents anew of tenants whose language changed."""
    directory.for_each(_rebuild_if_needed)


def _rebuild_if_needed(tenant: TenantRef) -> None:
    if rebuilding.is_needed(tenant):
        rebuilding.rebuild(tenant)

"""Asking the workers for work, by name."""

from celery import current_app

from tenants.types import TenantRef

CHECK_QUALITY = "analytics.check_quality_of"


def check_quality_later(tenant: TenantRef) -> None:
    """Have a worker compare this tenant's events with its catalogue."""
    current_app.send_task(CHECK_QUALITY, args=[tenant.slug])

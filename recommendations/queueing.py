"""Asking the workers for work, by name: a web process need not load what trains."""

from celery import current_app

from tenants.types import TenantRef

TRAIN = "recommendations.train"


def train_later(tenant: TenantRef) -> None:
    """Have a worker train this tenant."""
    current_app.send_task(TRAIN, args=[tenant.slug])

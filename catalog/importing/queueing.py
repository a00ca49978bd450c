"""Asking the workers to import, by name."""

from typing import Final

import structlog
from celery import current_app
from kombu.exceptions import OperationalError

from tenants.types import TenantRef

RUN: Final = "catalog.run_imports"
log = structlog.get_logger(__name__)


def run_later(tenant: TenantRef) -> None:
    """Have a worker run the tenant's waiting imports; if the queue is away, beat asks again within a minute."""
    try:
        current_app.send_task(RUN, args=[tenant.slug])
    except OperationalError as error:
        log.warning("queue away, imports wait", tenant=tenant.slug, error=str(error))

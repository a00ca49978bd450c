"""Filling Redis again: everything it holds of a tenant comes from PostgreSQL and the model store."""

import structlog

from catalog import cards
from events import history
from recommendations import placements, publishing
from tenants.types import TenantRef

log = structlog.get_logger(__name__)


def restore(tenant: TenantRef) -> None:
    """Write items, histories, placements and the live model anew; the model last, as its pointer says all is there."""
    cards.rebuild(tenant)
    history.rebuild(tenant)
    placements.publish(tenant)
    publishing.republish(tenant)
    log.info("redis restored", tenant=tenant.slug)

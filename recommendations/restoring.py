"""Filling Redis again: everything it holds of a tenant comes from PostgreSQL and the model store."""

import structlog

from catalog import cards
from events import history
from recommendations import placements, training
from tenants.types import TenantRef

log = structlog.get_logger(__name__)


def is_missing(tenant: TenantRef) -> bool:
    """Whether Redis lacks the model that was published last, as after a flush or the loss of its disk."""
    return training.is_lost(tenant)


def restore(tenant: TenantRef) -> None:
    """Write items, histories, placements and the published model anew; the model last, because its pointer says it is there."""
    cards.rebuild(tenant)
    history.rebuild(tenant)
    placements.publish(tenant)
    training.republish(tenant)
    log.info("redis restored", tenant=tenant.slug)

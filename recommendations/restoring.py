"""Filling Redis again: everything it holds of a tenant comes from PostgreSQL and the model store."""

import structlog

from catalog import cards
from events import history, trending
from experiments import running
from recommendations import placements, queueing
from recommendations.releases import publishing
from tenants import live
from tenants.types import TenantRef

log = structlog.get_logger(__name__)


def is_needed(tenant: TenantRef) -> bool:
    """Whether Redis lost anything of the tenant since it was last known to be whole, as after a flush."""
    return not live.is_whole(tenant.slug) or publishing.is_lost(tenant)


def restore(tenant: TenantRef) -> None:
    """Write everything anew: items, histories, trend, placements, experiments, the live model; then mark it whole.

    A loss takes the mark away as well. The pointer alone would not tell: a training that is published after a loss sets
    it, and restores nothing else.
    """
    cards.rebuild(tenant)
    history.rebuild(tenant)
    trending.rebuild(tenant)
    placements.publish(tenant)
    running.publish(tenant)
    publishing.republish(tenant)
    queueing.relate_later(tenant)
    live.mark_whole(tenant.slug)
    log.info("redis restored", tenant=tenant.slug)
